package alirefund_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/signer"
)

// Bodies that two readers could read in two ways.
var formNotices = []hostileNotice{
	{named: "a key twice", body: func(f forger) string { return f.body + "&refund_fee=9.00" }, status: 400, code: refused},
	{named: "a key twice, the forged one first", body: func(f forger) string { return "refund_fee=9.00&" + f.body }, status: 400, code: refused},
	{named: "a key and value twice", body: func(f forger) string { return f.body + "&refund_fee=8.88" }, status: 400, code: refused},
	{named: "a key twice, once encoded", body: func(f forger) string { return f.body + "&%72efund_fee=9.00" }, status: 400, code: refused},
	{named: "a key twice, once empty", body: func(f forger) string { return f.body + "&refund_fee=" }, status: 400, code: refused},
	{named: "sign twice", body: func(f forger) string { return f.body + "&sign=" + url.QueryEscape(f.sign()) }, status: 400, code: refused},
	{named: "sign_type twice", body: func(f forger) string { return f.body + "&sign_type=RSA" }, status: 400, code: refused},
	{named: "a key in capitals beside it", body: func(f forger) string { return f.body + "&REFUND_FEE=9.00" }, status: 403, code: forged},
	{named: "a key in capitals instead", body: func(f forger) string { return f.with("refund_fee", "-", "Refund_Fee", "8.88") }, status: 403, code: forged},
	{named: "a list's key", body: func(f forger) string { return f.body + "&refund_fee%5B%5D=9.00" }, status: 400, code: refused},
	{named: "a key with a blank", body: func(f forger) string { return f.body + "&+refund_fee=9.00" }, status: 400, code: refused},
	{named: "a key with a NUL", body: func(f forger) string { return f.body + "&refund_fee%00=" }, status: 400, code: refused},
	{named: "a key with an equals sign", body: func(f forger) string {
		return f.with("out_trade_no", "-") + "&out_trade_no%3D" + order[:8] + "=" + order[8:]
	}, status: 400, code: refused},
	{named: "a key with an ampersand", body: func(f forger) string { return f.body + "&x%26refund_fee=" }, status: 400, code: refused},
	{named: "an empty key", body: func(f forger) string { return f.body + "&=9.00" }, status: 400, code: refused},
	{named: "a key of a page", body: func(f forger) string { return f.body + "&" + strings.Repeat("x", 65) + "=" }, status: 400, code: refused},
	{named: "129 fields", body: func(f forger) string {
		body := f.body
		for i := range 129 {
			body += "&x" + strings.Repeat("x", i%60) + string(rune('a'+i%26)) + "="
		}
		return body
	}, status: 400, code: refused},
	{named: "semicolons", body: func(f forger) string { return f.body + ";refund_fee=9.00" }, status: 400, code: refused},
	{named: "a broken percent-encoding", body: func(f forger) string { return f.body + "&x=%2" }, status: 400, code: refused},
	{named: "a percent-encoding of another standard", body: func(f forger) string { return f.body + "&x=%u0031" }, status: 400, code: refused},
	{named: "encoded twice", body: func(f forger) string {
		return strings.ReplaceAll(f.body, "%", "%25")
	}, status: 403, code: forged},
	{named: "encoded as a whole", body: func(f forger) string { return url.QueryEscape(f.body) }, status: 400, code: refused},
	{named: "wrapped into a field", body: func(f forger) string { return "data=" + url.QueryEscape(f.body) }, status: 400, code: refused},
	{named: "a byte order mark", body: func(f forger) string { return "\ufeff" + f.body }, status: 400, code: refused},
	{named: "a line break behind", body: func(f forger) string { return f.body + "\r\n" }, status: 400, code: refused},
	{named: "a NUL behind", body: func(f forger) string { return f.body + "\x00" }, status: 400, code: refused},
	{named: "cut off", body: func(f forger) string { return f.body[:len(f.body)-3] }, status: 400, code: refused},
	{named: "too long", body: func(f forger) string { return f.body + "&x=" + strings.Repeat("+", alirefund.MaxBody) }, status: 413, code: "too_large"},
	{named: "JSON", body: func(f forger) string {
		text, _ := json.Marshal(f.params)
		return string(text)
	}, status: 400, code: refused},
}

// Requests that Alipay does not make.
var transportNotices = []hostileNotice{
	{named: "by GET", request: func(f forger, path string) *http.Request {
		return httptest.NewRequest(http.MethodGet, path+"?"+f.body, http.NoBody)
	}, status: 404},
	{named: "by PUT", request: func(f forger, path string) *http.Request {
		return httptest.NewRequest(http.MethodPut, path, strings.NewReader(f.body))
	}, status: 404},
	{named: "all in the URL", request: func(f forger, path string) *http.Request { return postForm(path+"?"+f.body, "") }, status: 400, code: refused},
	{named: "a field in the URL", request: func(f forger, path string) *http.Request {
		return postForm(path+"?refund_fee=8.88", f.with("refund_fee", "-"))
	}, status: 403, code: forged},
	{named: "the signature in the URL", request: func(f forger, path string) *http.Request {
		return postForm(path+"?sign_type=RSA2&sign="+url.QueryEscape(f.sign()), f.with("sign", "-", "sign_type", "-"))
	}, status: 400, code: refused},
	{named: "the signature in a header", request: func(f forger, path string) *http.Request {
		request := postForm(path, f.with("sign", "-"))
		request.Header.Set("Sign", f.sign())
		request.Header.Set("Alipay-Signature", f.sign())
		return request
	}, status: 400, code: refused},
	{named: "multipart", request: func(f forger, path string) *http.Request {
		var body bytes.Buffer
		parts := multipart.NewWriter(&body)
		for key := range f.params {
			_ = parts.WriteField(key, f.params.Get(key))
		}
		_ = parts.Close()
		request := httptest.NewRequest(http.MethodPost, path, &body)
		request.Header.Set("Content-Type", parts.FormDataContentType())
		return request
	}, status: 400, code: refused},
	{named: "compressed", request: func(f forger, path string) *http.Request {
		var body bytes.Buffer
		w := gzip.NewWriter(&body)
		_, _ = io.WriteString(w, f.body)
		_ = w.Close()
		request := postForm(path, body.String())
		request.Header.Set("Content-Encoding", "gzip")
		return request
	}, status: 400, code: refused},
	{named: "too long, in chunks", request: func(f forger, path string) *http.Request {
		request := postForm(path, f.body+"&x="+strings.Repeat("x", alirefund.MaxBody))
		request.ContentLength = -1
		return request
	}, status: 413, code: "too_large"},
	{named: "shorter than it says", request: func(f forger, path string) *http.Request {
		request := postForm(path, f.body)
		request.ContentLength++
		return request
	}, status: 500, code: "notification_unread"},
	{named: "broken off", request: func(f forger, path string) *http.Request {
		request := postForm(path, "")
		request.Body = io.NopCloser(io.MultiReader(strings.NewReader(f.body), failing{}))
		request.ContentLength = -1
		return request
	}, status: 500, code: "notification_unread"},
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

// What Alipay signed, or we did, at another place.
var confusedNotices = []hostileNotice{
	{named: "our own request", body: func(f forger) string {
		params := url.Values{}
		for key, value := range f.shop.alipay.Calls()[0].Params {
			params.Set(key, value)
		}
		params.Set("notify_id", "1")
		return params.Encode()
	}, status: 403, code: forged},
	{named: "an answer", body: func(f forger) string { return f.shop.alipay.Calls()[0].Answer }, status: 400, code: refused},
	{named: "an answer as a field", body: func(f forger) string {
		node := `{"fund_change":"Y"}`
		return url.Values{"alipay_trade_refund_response": {node}, "notify_id": {"1"}, "sign_type": {"RSA2"}, "sign": {signature(insider(), node)}}.Encode()
	}, status: 403, code: forged},
	{named: "a message made a notice", body: func(f forger) string {
		message := f.shop.forger(changed(f.base, "msg_method", "alipay.test"))
		return message.with("msg_method", "-")
	}, status: 403, code: forged},
	{named: "a V2 notice of another sign_type", body: func(f forger) string {
		return f.with("sign", signature(insider(), f.text(0)), "sign_type", "RSA")
	}, status: 400, code: refused},
	{named: "a V2 text whose sign_type is another", body: func(f forger) string {
		text := strings.Replace(f.text(0), "sign_type=RSA2", "sign_type=RSA", 1)
		return f.with("sign", signature(insider(), text))
	}, status: 403, code: forged},
	{named: "a text with the signature in it", body: func(f forger) string {
		return f.with("sign", signature(insider(), f.text(signer.WithoutSignType)+"&sign="+f.sign()))
	}, status: 403, code: forged},
}

// Alipay's word to us, of something else than the refund that waits.
var genuineNotices = []genuineElsewhere{
	{named: "another order's", body: func(f forger) string { return f.signed("out_trade_no", "4100000000000017", "trade_no", anotherTrade) }, told: "refund_succeeded"},
	{named: "another number's", body: func(f forger) string { return f.signed("out_biz_no", "R2") }, told: "refund_succeeded"},
	{named: "the number in another case", body: func(f forger) string { return f.signed("out_biz_no", "r1") }, told: "refund_succeeded"},
	{named: "the number with a blank", body: func(f forger) string { return f.signed("out_biz_no", "R1 ") }, told: "refund_succeeded"},
	{named: "another trade of that order's number", body: func(f forger) string {
		return f.signed("trade_no", anotherTrade, "auth_app_id", "2021000000007777")
	}, told: "refund_succeeded"},
	{named: "a red packet's of that number", body: func(f forger) string {
		return f.shop.alipay.SignedNotice(couponNotice(map[string]string{"out_request_no": "R1"}))
	}, told: "refund_succeeded"},
	{named: "the payment's", body: func(f forger) string { return f.shop.alipay.SignedNotice(paymentNotice("p1")) }},
	{named: "the payment's, with empty fields added", body: func(f forger) string {
		return f.shop.alipay.SignedNotice(paymentNotice("p1")) + "&gmt_refund=&refund_fee=&out_biz_no="
	}},
	{named: "the payment's, the rest in the URL", path: "?gmt_refund=2026-11-22+10:00:00&refund_fee=8.88&out_biz_no=R1", body: func(f forger) string {
		return f.shop.alipay.SignedNotice(paymentNotice("p1"))
	}},
	{named: "of nothing refunded", body: func(f forger) string {
		return f.signed("refund_fee", "0.00", "gmt_refund", "-", "out_biz_no", "R1")
	}},
	{named: "without a number", body: func(f forger) string { return f.signed("out_biz_no", "-") }},
	{named: "less than the refund alone", body: func(f forger) string { return f.signed("refund_fee", "8.87") }},
	{named: "a message with its fields", body: func(f forger) string { return f.signed("msg_method", "alipay.test") }},
}
