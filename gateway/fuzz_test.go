package gateway_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/internal/rawjson"
	"github.com/alirefund/alirefund/signer"
)

// Of any valid JSON, cut finds the very bytes that encoding/json finds, or
// refuses it for a reason that encoding/json overlooks.
func FuzzCut(f *testing.F) {
	const node = "alipay_trade_refund_response"
	for _, seed := range []string{
		signed(gateway.MethodTradeRefund, refundNode),
		`{"` + node + `":{"a":"}\"{"},"sign":"a"}`,
		"\n{ \"sign\" :\t\"a\" , \"" + node + "\" : [1, {\"b\":[]}]\r} ",
		`{"` + node + `":"c2VjcmV0","alipay_cert_sn":"1"}`,
		`{"error_response":{},"sign":1.5e3}`,
		`{"` + node + `":{},"` + node + `":{}}`,
		`{"` + node + `":{},"error_response":{}}`,
		`{"` + node + `":{},"\u0073ign":"a"}`,
		`{"a\\":"\\","` + node + `":null}`,
		`{}`, `{}x`, `[`, `{"a":tr}`, `{"` + node + `":{]}`, `{"` + node + `":`, `{"` + node + `":"\`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		got, sign, err := gateway.Cut(answer, gateway.MethodTradeRefund)
		if err == nil && !bytes.Contains(answer, got) {
			t.Fatalf("%q is not in the answer", got)
		}
		var fields map[string]json.RawMessage
		if json.Unmarshal(answer, &fields) != nil || fields == nil {
			return // not valid: anything but a panic
		}
		if err != nil {
			if refusable(answer, fields, node) {
				return
			}
			t.Fatalf("%q: %v", answer, err)
		}
		want := fields[node]
		if want == nil {
			want = fields["error_response"]
		}
		if !bytes.Equal(got, want) || !bytes.Equal(sign, fields["sign"]) {
			t.Fatalf("%q:\n got %q, %q\nwant %q, %q", answer, got, sign, want, fields["sign"])
		}
	})
}

// refusable tells whether an answer that is valid JSON has an escaped key, a
// key twice, both nodes or none.
func refusable(answer []byte, fields map[string]json.RawMessage, node string) bool {
	_, own := fields[node]
	_, failed := fields["error_response"]
	if own == failed {
		return true
	}
	seen := map[string]bool{}
	decoder := json.NewDecoder(bytes.NewReader(answer))
	_, _ = decoder.Token()
	for decoder.More() {
		from := decoder.InputOffset()
		key, _ := decoder.Token()
		if bytes.IndexByte(answer[from:decoder.InputOffset()], '\\') >= 0 || seen[key.(string)] {
			return true
		}
		seen[key.(string)] = true
		var skipped json.RawMessage
		_ = decoder.Decode(&skipped)
	}
	return false
}

// No node makes a decoder panic, and none that does not say so proves a refund.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		sampleNode, refundNode, ``, `{`, `{}`, `null`, `{"refund_detail_item_list":[{},[`, `{"refund_detail_item_list":[,]}`,
		`{"refund_preset_paytool_list":{"amount":[1,"2.00",null]},"fund_change":"\u0059"}`,
		`{"operation_type":"REFUND","status":"SUCCESS","auth_no":"A1","out_request_no":"R1","amount":1}`,
		`{"operation_type":"UNFREEZE","status":"SUCCESS","auth_no":"A1","out_request_no":"R1","amount":"1.00","rest_amount":0}`,
		"{\"refund_status\":\"\xd5\\\"", `{"refund_amount":-1}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, node []byte) {
		reply := gateway.Reply{Node: node, Signed: true, Code: "10000"}
		gateway.DecodeTradeRefund(reply)
		gateway.DecodeRefundQuery(reply)
		gateway.DecodeCoupon(reply)
		gateway.DecodeUnfreeze(reply)
		gateway.DecodeAuthQuery(reply)
		reply.Text("fund_change")
		for call, judge := range judges {
			outcome := judge(reply, nil, asked).Outcome
			words := []string{"SUCCESS"}
			if call == gateway.TradeRefundCall {
				words = []string{"fund_change", "Y"}
			}
			for _, word := range words {
				if outcome == gateway.Succeeded && !bytes.Contains(node, []byte(word)) && !bytes.Contains(node, []byte(`\u`)) {
					t.Errorf("%v succeeds without %s: %q", call, word, node)
				}
			}
		}
	})
}

// FuzzText holds what is read of a node against encoding/json: a text decoded, a
// number as it is written, and nothing of all else.
func FuzzText(f *testing.F) {
	for _, seed := range []string{
		refundNode, sampleNode, `{"a":"\u9000\/\ud800","b":-1e9,"c":"1","c":2}`, `{"a":"x","a":null}`, `{"":"","b":[1],"c":true}`, "{ \"a\" : \"退款\" }",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, node []byte) {
		decoder := json.NewDecoder(bytes.NewReader(node))
		decoder.UseNumber()
		var want map[string]any
		if !utf8.Valid(node) || !json.Valid(node) || decoder.Decode(&want) != nil {
			return
		}
		escaped := false // keys are compared as they are written, which Alipay's never are
		_, _ = rawjson.Fields(node, func(key, _ []byte) { escaped = escaped || bytes.IndexByte(key, '\\') >= 0 })
		if escaped {
			return
		}
		reply := gateway.Reply{Node: node, Signed: true}
		for name, value := range want {
			text := ""
			switch value := value.(type) {
			case string:
				text = value
			case json.Number:
				text = value.String()
			}
			if got := reply.Text(name); got != text {
				t.Errorf("%q is %q, encoding/json reads %q", name, got, text)
			}
		}
	})
}

func FuzzAppendEscaped(f *testing.F) {
	for _, seed := range []string{"", "a b+c%&=", "退款", "~-_.", "\x00\xff", strings.Repeat("+", 9)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if got, want := string(gateway.AppendEscaped([]byte("a="), text)), "a="+url.QueryEscape(text); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	})
}

// No head and body, however hostile, pass for signed without Alipay's signature
// over exactly them, and without it nothing is proved.
func FuzzV3Answer(f *testing.F) {
	for _, body := range []string{refundBody, `{}`, `{"code":"ACQ.TRADE_NOT_EXIST","message":"m"}`, `{"code":10000}`, ``, `[`, "{}\n", `{"code":{},"code":""}`, "c2VjcmV0"} {
		for by := range byWhom {
			f.Add(by, 200, "1720580375932", "d5553f", "", body)
		}
		f.Add(byAlipay, 400, "1720580375932", "d5553f", "ab", body)
	}
	f.Add(byAlipay, 200, "app_id=1", "a\nb", "", refundBody)
	f.Add(byAlipay, 202, "", "", "", `{"code":"unknow-error"}`)
	client := newClient(f, gateway.Config{Protocol: gateway.V3})
	f.Fuzz(func(t *testing.T, by, status int, stamp, nonce, sn, body string) {
		header := http.Header{"Alipay-Timestamp": {stamp}, "Alipay-Nonce": {nonce}, "Alipay-Sn": {sn}}
		switch text := stamp + "\n" + nonce + "\n" + body + "\n"; by {
		case byAlipay:
			header.Set("Alipay-Signature", sign(text))
		case byTheApp:
			header.Set("Alipay-Signature", must(must(signer.New(appKey())).Sign([]byte(text))))
		case ofAnother:
			header.Set("Alipay-Signature", sign(text+"\n"))
		case twice:
			header["Alipay-Signature"] = []string{sign(text), sign(text)}
		case byWord:
			header.Set("Alipay-Signature", nonce)
		}
		reply, err := client.OpenV3(gateway.MethodTradeRefund, status, header, []byte(body))
		if reply.Signed && by != byAlipay {
			t.Fatalf("signed, without Alipay's signature: %d %v %q", status, header, body)
		}
		if reply.Node != nil && (!reply.Signed || !json.Valid(reply.Node)) {
			t.Fatalf("node %q", reply.Node)
		}
		if err == nil && (!reply.Signed || reply.Code != "10000" || status != http.StatusOK) {
			t.Fatalf("accepted: %+v", reply)
		}
		for call, judge := range judges {
			if got := judge(reply, err, asked); !reply.Signed && got.Outcome != gateway.Unresolved {
				t.Fatalf("%v: %v of an unsigned answer", call, got.Outcome)
			}
		}
	})
}

// Who signed a fuzzed answer.
const (
	byAlipay = iota
	byTheApp
	ofAnother
	twice
	byWord
	byNobody
	byWhom
)
