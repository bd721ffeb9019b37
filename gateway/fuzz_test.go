package gateway_test

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/internal/rawjson"
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
		"{\"refund_status\":\"\xd5\\\"", `{"refund_amount":-1}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, node []byte) {
		reply := gateway.Reply{Node: node, Signed: true, Code: "10000"}
		gateway.DecodeTradeRefund(reply)
		gateway.DecodeRefundQuery(reply)
		gateway.DecodeCoupon(reply)
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
