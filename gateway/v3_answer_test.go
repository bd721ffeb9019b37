package gateway_test

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/signer"
)

const refundBody = `{"out_trade_no":"T1","fund_change":"Y","refund_fee":"1.00"}`

// signedV3 is the head of Alipay's answer with body, signed.
func signedV3(body string) http.Header {
	return http.Header{
		"Alipay-Timestamp": {"1720580375932"}, "Alipay-Nonce": {"d5553f1d2304d354"},
		"Alipay-Signature": {sign("1720580375932\nd5553f1d2304d354\n" + body + "\n")},
	}
}

// answeringV3 is a gateway that answers every request so.
func answeringV3(status int, header http.Header, body string) *http.Client {
	return &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
		answer := response(status, body)
		answer.Header = header
		return answer, r.Body.Close()
	})}
}

type answerByV3 struct {
	name      string
	status    int
	header    http.Header
	body      string
	want      error // nil: accepted
	code, sub string
	signed    bool
}

// answersByV3 are what may come for a refund, and what becomes of each.
var answersByV3 = func() []answerByV3 {
	const refusal = `{"out_trade_no":"T1","code":"ACQ.TRADE_NOT_EXIST","message":"交易不存在","links":[{"link":"https://a.example"}]}`
	const gateways = `{"code":"invalid-app-id","message":"无效的AppID参数"}`
	with := func(body, name string, values ...string) http.Header {
		header := signedV3(body)
		header[name] = values
		return header
	}
	return []answerByV3{
		{"success", 200, signedV3(refundBody), refundBody, nil, "10000", "", true},
		{"success, nothing in it", 200, signedV3(`{}`), `{}`, nil, "10000", "", true},
		{"success, blanks around it", 200, signedV3(" {}\r\n"), " {}\r\n", nil, "10000", "", true},
		{"success that names code 10000", 200, signedV3(`{"code":"10000"}`), `{"code":"10000"}`, nil, "10000", "", true},
		{"success, code null", 200, signedV3(`{"code":null}`), `{"code":null}`, nil, "10000", "", true},
		{"alipay-sn in key mode", 200, with(refundBody, "Alipay-Sn", "ab"), refundBody, nil, "10000", "", true},

		{"signed refusal", 400, signedV3(refusal), refusal, errRefused, "40004", "ACQ.TRADE_NOT_EXIST", true},
		{"signed refusal, another status", 403, signedV3(refusal), refusal, errRefused, "40004", "ACQ.TRADE_NOT_EXIST", true},
		{"signed refusal under a status of success", 200, signedV3(refusal), refusal, errRefused, "40004", "ACQ.TRADE_NOT_EXIST", true},
		{"signed refusal of the gateway", 400, signedV3(gateways), gateways, errRefused, "40002", "invalid-app-id", true},
		{"code as a number", 400, signedV3(`{"code":17}`), `{"code":17}`, errRefused, "40004", "17", true},
		{"the same again, please", 202, signedV3(refusal), refusal, errRefused, "20000", "ACQ.TRADE_NOT_EXIST", true},
		{"Alipay's own error", 500, signedV3(refusal), refusal, errRefused, "20000", "ACQ.TRADE_NOT_EXIST", true},

		{"unsigned success", 200, http.Header{}, refundBody, gateway.ErrUnverified, "10000", "", false},
		{"another's signature", 200, signedV3(refusal), refundBody, gateway.ErrUnverified, "10000", "", false},
		{"signature of the body alone", 200, with(refundBody, "Alipay-Signature", sign(refundBody)), refundBody, gateway.ErrUnverified, "10000", "", false},
		{"another time", 200, with(refundBody, "Alipay-Timestamp", "1720580375933"), refundBody, gateway.ErrUnverified, "10000", "", false},
		{"another nonce", 200, with(refundBody, "Alipay-Nonce", "d5553f"), refundBody, gateway.ErrUnverified, "10000", "", false},
		{"no time", 200, with(refundBody, "Alipay-Timestamp"), refundBody, gateway.ErrUnverified, "10000", "", false},
		{"signature empty", 200, with(refundBody, "Alipay-Signature", ""), refundBody, gateway.ErrUnverified, "10000", "", false},
		{"signature twice", 200, with(refundBody, "Alipay-Signature", "x", signedV3(refundBody).Get("Alipay-Signature")), refundBody, gateway.ErrUnverified, "10000", "", false},
		{"nonce twice", 200, with(refundBody, "Alipay-Nonce", "d5553f1d2304d354", "x"), refundBody, gateway.ErrUnverified, "10000", "", false},
		{"one byte more", 200, signedV3(refundBody), refundBody + "\n", gateway.ErrUnverified, "10000", "", false},
		{"unsigned refusal", 400, http.Header{}, refusal, gateway.ErrUnverified, "40004", "ACQ.TRADE_NOT_EXIST", false},
		{"unsigned refusal of the gateway", 400, http.Header{}, gateways, gateway.ErrUnverified, "40002", "invalid-app-id", false},
		{"refusal with another's signature", 400, signedV3(gateways), refusal, gateway.ErrUnverified, "40004", "ACQ.TRADE_NOT_EXIST", false},
		{"wrongly signed, no JSON", 200, signedV3(refundBody), "c2VjcmV0", gateway.ErrUnverified, "", "", false},

		{"unsigned, nobody knows", 500, http.Header{}, `{"code":"unknow-error","message":"m"}`, gateway.ErrNoAnswer, "20000", "unknow-error", false},
		{"unsigned, the same again", 202, http.Header{}, `{"code":"x","message":"m"}`, gateway.ErrNoAnswer, "20000", "x", false},
		{"unsigned, too often", 429, http.Header{}, `{"code":"app-call-limited","message":"m"}`, gateway.ErrNoAnswer, "40005", "app-call-limited", false},
		{"success under a status of failure", 400, signedV3(refundBody), refundBody, gateway.ErrNoAnswer, "", "", true},
		{"success under 202", 202, signedV3(refundBody), refundBody, gateway.ErrNoAnswer, "", "", true},
		{"code an object", 400, signedV3(`{"code":{}}`), `{"code":{}}`, gateway.ErrNoAnswer, "", "", true},
		{"code empty", 200, signedV3(`{"code":""}`), `{"code":""}`, gateway.ErrNoAnswer, "", "", true},
		{"a page", 502, http.Header{}, `<html>502</html>`, gateway.ErrNoAnswer, "", "", false},
		{"a page of success", 200, http.Header{}, `<html></html>`, gateway.ErrNoAnswer, "", "", false},
		{"encrypted, and no key", 200, signedV3("c2VjcmV0"), "c2VjcmV0", gateway.ErrNoAnswer, "", "", true},
		{"a list", 200, signedV3(`[{}]`), `[{}]`, gateway.ErrNoAnswer, "", "", true},
		{"two objects", 200, signedV3(`{}{}`), `{}{}`, gateway.ErrNoAnswer, "", "", true},
		{"broken off", 200, signedV3(refundBody[:20]), refundBody[:20], gateway.ErrNoAnswer, "", "", true},
		{"nothing", 200, signedV3(``), ``, gateway.ErrNoAnswer, "", "", true},
	}
}

// An answer by version 3 is verified and read into the words of version 2.
func TestAnswerByV3(t *testing.T) {
	for _, c := range answersByV3() {
		t.Run(c.name, func(t *testing.T) {
			client := newClient(t, gateway.Config{Protocol: gateway.V3, HTTP: answeringV3(c.status, c.header, c.body)})
			reply, err := client.Do(t.Context(), gateway.MethodTradeRefund, refund, gateway.Options{})
			if kind(err) != c.want {
				t.Fatalf("%v, want %v", err, c.want)
			}
			if reply.Code != c.code || reply.SubCode != c.sub || reply.Signed != c.signed {
				t.Errorf("%q %q, signed %t; want %q %q, %t", reply.Code, reply.SubCode, reply.Signed, c.code, c.sub, c.signed)
			}
			if reply.Node != nil && string(reply.Node) != c.body || reply.Node == nil && (c.want == nil || c.want == errRefused) || reply.Node != nil && !c.signed {
				t.Errorf("node: %s", reply.Node)
			}
			if outcome := gateway.JudgeTradeRefund(reply, err, refundWant).Outcome; outcome == gateway.Succeeded && (err != nil || c.body != refundBody) {
				t.Error("it counts as a success")
			}
			// Found nothing is a proof too: only an answer of success may be one.
			if outcome := gateway.JudgeRefundQuery(reply, err, refundWant).Outcome; outcome == gateway.NotFound && c.want != nil && reply.SubCode != "ACQ.TRADE_NOT_EXIST" {
				t.Error("it counts as not found")
			}
		})
	}
}

// A refusal means by version 3 what it means by version 2.
func TestRefusalsByV3(t *testing.T) {
	client := newClient(t, gateway.Config{Protocol: gateway.V3})
	judge := func(call gateway.Call, status int, code string) gateway.Verdict {
		body := fmt.Sprintf(`{"code":%q,"message":"m"}`, code)
		reply, err := client.OpenV3(call.String(), status, signedV3(body), []byte(body))
		return judges[call](reply, err, asked)
	}
	for _, row := range gateway.Table() {
		if row.Transport != gateway.SignedAnswer || !slices.Equal(row.Codes, []string{"40004"}) {
			continue
		}
		for _, call := range row.Calls {
			for _, sub := range row.SubCodes {
				for _, code := range []string{sub, "ACQ." + sub} {
					if got := judge(call, http.StatusBadRequest, code); got != row.Verdict {
						t.Errorf("%v %s: %+v, want %+v", call, code, got, row.Verdict)
					}
				}
			}
		}
	}

	retryable, attention := gateway.Verdict{Outcome: gateway.FailedRetryable}, gateway.Verdict{Attention: true}
	for _, c := range []struct {
		code          string
		refund, query gateway.Verdict
	}{
		{"invalid-app-auth-token", retryable, attention},
		{"app-auth-token-time-out", retryable, attention},
		{"aop.invalid-auth-token", retryable, attention},
		{"missing-signature", retryable, attention},
		{"missing-signature-config", retryable, attention},
		{"invalid-signature", retryable, attention},
		{"insufficient-isv-permissions", retryable, attention},
		{"app-call-limited", retryable, gateway.Verdict{}},
		{"unknow-error", gateway.Verdict{}, gateway.Verdict{}},
		{"isp.unknow-error", gateway.Verdict{}, gateway.Verdict{}},
		{"SYSTEM_ERROR", gateway.Verdict{}, gateway.Verdict{}},
		{"ACQ.SYSTEM_ERROR", gateway.Verdict{}, gateway.Verdict{}},
		{"something-new", gateway.Verdict{Unlisted: true}, gateway.Verdict{}},
		{"ACQ.SOMETHING_NEW", gateway.Verdict{Unlisted: true}, gateway.Verdict{}},
	} {
		if got := judge(gateway.TradeRefundCall, http.StatusBadRequest, c.code); got != c.refund {
			t.Errorf("refund, %s: %+v, want %+v", c.code, got, c.refund)
		}
		if got := judge(gateway.RefundQueryCall, http.StatusBadRequest, c.code); got != c.query {
			t.Errorf("query, %s: %+v, want %+v", c.code, got, c.query)
		}
		for _, status := range []int{202, 500, 502} { // whatever the code is
			if got := judge(gateway.TradeRefundCall, status, c.code); got != (gateway.Verdict{}) {
				t.Errorf("refund, %d %s: %+v", status, c.code, got)
			}
		}
	}
}

// What waiting may heal asks for nobody's attention, even unsigned.
func TestUnsignedRefusalsByV3(t *testing.T) {
	client := newClient(t, gateway.Config{Protocol: gateway.V3})
	for code, want := range map[string]gateway.Verdict{
		"unknow-error": {}, "method-call-limited": {},
		"invalid-signature": {Attention: true}, "ACQ.TRADE_NOT_EXIST": {Attention: true}, "something-new": {Attention: true},
	} {
		reply, err := client.OpenV3(gateway.MethodTradeRefund, 400, http.Header{}, fmt.Appendf(nil, `{"code":%q}`, code))
		for call, judge := range judges {
			if got := judge(reply, err, asked); got != want {
				t.Errorf("%v, %s: %+v, want %+v", call, code, got, want)
			}
		}
	}
}

// The signed text of version 3 ends what others may partly write in no other text
// that Alipay signs with the same key: neither a node nor a notice passes for one.
func TestOtherSignedTextsAreNoAnswers(t *testing.T) {
	client := newClient(t, gateway.Config{Protocol: gateway.V3})
	notice := "app_id=1&body=x\nnonce\n" + refundBody + "\n"
	for name, header := range map[string]http.Header{
		"a node":   {"Alipay-Timestamp": {"1"}, "Alipay-Nonce": {"1"}, "Alipay-Signature": {sign(refundBody)}},
		"a notice": {"Alipay-Timestamp": {"app_id=1&body=x"}, "Alipay-Nonce": {"nonce"}, "Alipay-Signature": {sign(notice)}},
		"no lines": {"Alipay-Timestamp": {""}, "Alipay-Nonce": {""}, "Alipay-Signature": {sign("\n\n" + refundBody + "\n")}},
	} {
		if reply, err := client.OpenV3(gateway.MethodTradeRefund, 200, header, []byte(refundBody)); reply.Signed || kind(err) != gateway.ErrUnverified {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// With a content key the body is encrypted, then signed, and an answer verified,
// then decrypted; a refusal may come plain.
func TestContentKeyByV3(t *testing.T) {
	key := must(signer.ContentKeyFromBase64("AAECAwQFBgcICQoLDA0ODw=="))
	other := must(signer.ContentKeyFromBase64("BAECAwQFBgcICQoLDA0ODw=="))
	got := leaving(t, gateway.Config{ContentKey: key}, func(c *gateway.Client) { _, _ = c.RefundTrade(t.Context(), refund, gateway.Options{}) })
	got.authorization(t, "/v3/alipay/trade/refund", "")
	if got.header.Get("Alipay-Encrypt-Type") != "AES" || got.header.Get("Content-Type") != "text/plain" {
		t.Errorf("headers %v", got.header)
	}
	if plain, err := key.Decrypt(got.body); err != nil || string(plain) != `{"out_trade_no":"T1","refund_amount":"1.00","out_request_no":"R1"}` {
		t.Errorf("%s: %v", plain, err)
	}

	const refusal = `{"code":"ACQ.TRADE_NOT_EXIST","message":"m"}`
	client := newClient(t, gateway.Config{Protocol: gateway.V3, ContentKey: key})
	for _, c := range []struct {
		name   string
		status int
		head   string // what is signed; "": nothing
		body   string
		want   error
		node   string
	}{
		{"success", 200, key.Encrypt([]byte(refundBody)), key.Encrypt([]byte(refundBody)), nil, refundBody},
		{"refusal", 400, key.Encrypt([]byte(refusal)), key.Encrypt([]byte(refusal)), errRefused, refusal},
		{"plain refusal", 400, refusal, refusal, errRefused, refusal},
		{"plain success", 200, refundBody, refundBody, nil, refundBody},
		{"unsigned", 200, "", key.Encrypt([]byte(refundBody)), gateway.ErrNoAnswer, ""},
		{"signature of the plain text", 200, refundBody, key.Encrypt([]byte(refundBody)), gateway.ErrUnverified, ""},
		{"another cipher text's signature", 200, key.Encrypt([]byte(refusal)), key.Encrypt([]byte(refundBody)), gateway.ErrUnverified, ""},
		{"plain and unsigned", 200, "", refundBody, gateway.ErrUnverified, ""},
		{"another key", 200, other.Encrypt([]byte(refundBody)), other.Encrypt([]byte(refundBody)), gateway.ErrNoAnswer, ""},
		{"no object in it", 200, key.Encrypt([]byte(`[]`)), key.Encrypt([]byte(`[]`)), gateway.ErrNoAnswer, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			header := http.Header{}
			if c.head != "" {
				maps.Copy(header, signedV3(c.head))
			}
			reply, err := client.OpenV3(gateway.MethodTradeRefund, c.status, header, []byte(c.body))
			if kind(err) != c.want || string(reply.Node) != c.node {
				t.Errorf("%v, want %v; node %s", err, c.want, reply.Node)
			}
		})
	}
}

// A refusal says what it is, with Alipay's trace.
func TestErrorByV3(t *testing.T) {
	const body = `{"code":"invalid-signature","message":"验签出错，网关生成的验签字符串为：【app_id=1,nonce=2\nPOST\n/v3\n{}\nsecret\n】"}`
	header := signedV3(body)
	header.Set("Alipay-Trace-Id", "0a1b2c")
	client := newClient(t, gateway.Config{Protocol: gateway.V3, HTTP: answeringV3(400, header, body)})
	_, err := client.RefundTrade(t.Context(), refund, gateway.Options{})
	var refusal *gateway.Error
	if !errors.As(err, &refusal) || refusal.TraceID != "0a1b2c" || strings.Contains(err.Error(), "secret") {
		t.Fatalf("%v", err)
	}
	if want := "gateway: alipay.trade.refund: 40002 invalid-signature 验签出错，网关生成的验签字符串为：【… (trace 0a1b2c)"; err.Error() != want {
		t.Errorf("%q, want %q", err, want)
	}
}
