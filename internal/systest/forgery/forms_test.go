package forgery_test

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
	"github.com/alirefund/alirefund/internal/shoptest"
	"github.com/alirefund/alirefund/signer"
)

// Bodies that two readers could read in two ways.
var formNotices = []hostileNotice{
	{named: "a key twice", body: func(f shoptest.Forger) string { return f.Body + "&refund_fee=9.00" }, status: 400, code: refused},
	{named: "a key twice, the forged one first", body: func(f shoptest.Forger) string { return "refund_fee=9.00&" + f.Body }, status: 400, code: refused},
	{named: "a key and value twice", body: func(f shoptest.Forger) string { return f.Body + "&refund_fee=8.88" }, status: 400, code: refused},
	{named: "a key twice, once encoded", body: func(f shoptest.Forger) string { return f.Body + "&%72efund_fee=9.00" }, status: 400, code: refused},
	{named: "a key twice, once empty", body: func(f shoptest.Forger) string { return f.Body + "&refund_fee=" }, status: 400, code: refused},
	{named: "sign twice", body: func(f shoptest.Forger) string { return f.Body + "&sign=" + url.QueryEscape(f.Sign()) }, status: 400, code: refused},
	{named: "sign_type twice", body: func(f shoptest.Forger) string { return f.Body + "&sign_type=RSA" }, status: 400, code: refused},
	{named: "a key in capitals beside it", body: func(f shoptest.Forger) string { return f.Body + "&REFUND_FEE=9.00" }, status: 403, code: forged},
	{named: "a key in capitals instead", body: func(f shoptest.Forger) string { return f.With("refund_fee", "-", "Refund_Fee", "8.88") }, status: 403, code: forged},
	{named: "a list's key", body: func(f shoptest.Forger) string { return f.Body + "&refund_fee%5B%5D=9.00" }, status: 400, code: refused},
	{named: "a key with a blank", body: func(f shoptest.Forger) string { return f.Body + "&+refund_fee=9.00" }, status: 400, code: refused},
	{named: "a key with a NUL", body: func(f shoptest.Forger) string { return f.Body + "&refund_fee%00=" }, status: 400, code: refused},
	{named: "a key with an equals sign", body: func(f shoptest.Forger) string {
		return f.With("out_trade_no", "-") + "&out_trade_no%3D" + shoptest.Order[:8] + "=" + shoptest.Order[8:]
	}, status: 400, code: refused},
	{named: "a key with an ampersand", body: func(f shoptest.Forger) string { return f.Body + "&x%26refund_fee=" }, status: 400, code: refused},
	{named: "an empty key", body: func(f shoptest.Forger) string { return f.Body + "&=9.00" }, status: 400, code: refused},
	{named: "a key of a page", body: func(f shoptest.Forger) string { return f.Body + "&" + strings.Repeat("x", 65) + "=" }, status: 400, code: refused},
	{named: "129 fields", body: func(f shoptest.Forger) string {
		body := f.Body
		for i := range 129 {
			body += "&x" + strings.Repeat("x", i%60) + string(rune('a'+i%26)) + "="
		}
		return body
	}, status: 400, code: refused},
	{named: "semicolons", body: func(f shoptest.Forger) string { return f.Body + ";refund_fee=9.00" }, status: 400, code: refused},
	{named: "a broken percent-encoding", body: func(f shoptest.Forger) string { return f.Body + "&x=%2" }, status: 400, code: refused},
	{named: "a percent-encoding of another standard", body: func(f shoptest.Forger) string { return f.Body + "&x=%u0031" }, status: 400, code: refused},
	{named: "encoded twice", body: func(f shoptest.Forger) string {
		return strings.ReplaceAll(f.Body, "%", "%25")
	}, status: 403, code: forged},
	{named: "encoded as a whole", body: func(f shoptest.Forger) string { return url.QueryEscape(f.Body) }, status: 400, code: refused},
	{named: "wrapped into a field", body: func(f shoptest.Forger) string { return "data=" + url.QueryEscape(f.Body) }, status: 400, code: refused},
	{named: "a byte order mark", body: func(f shoptest.Forger) string { return "\ufeff" + f.Body }, status: 400, code: refused},
	{named: "a line break behind", body: func(f shoptest.Forger) string { return f.Body + "\r\n" }, status: 400, code: refused},
	{named: "a NUL behind", body: func(f shoptest.Forger) string { return f.Body + "\x00" }, status: 400, code: refused},
	{named: "cut off", body: func(f shoptest.Forger) string { return f.Body[:len(f.Body)-3] }, status: 400, code: refused},
	{named: "too long", body: func(f shoptest.Forger) string { return f.Body + "&x=" + strings.Repeat("+", alirefund.MaxBody) }, status: 413, code: "too_large"},
	{named: "JSON", body: func(f shoptest.Forger) string {
		text, _ := json.Marshal(f.Params)
		return string(text)
	}, status: 400, code: refused},
}

// Requests that Alipay does not make.
var transportNotices = []hostileNotice{
	{named: "by GET", request: func(f shoptest.Forger, path string) *http.Request {
		return httptest.NewRequest(http.MethodGet, path+"?"+f.Body, http.NoBody)
	}, status: 404},
	{named: "by PUT", request: func(f shoptest.Forger, path string) *http.Request {
		return httptest.NewRequest(http.MethodPut, path, strings.NewReader(f.Body))
	}, status: 404},
	{named: "all in the URL", request: func(f shoptest.Forger, path string) *http.Request { return postForm(path+"?"+f.Body, "") }, status: 400, code: refused},
	{named: "a field in the URL", request: func(f shoptest.Forger, path string) *http.Request {
		return postForm(path+"?refund_fee=8.88", f.With("refund_fee", "-"))
	}, status: 403, code: forged},
	{named: "the signature in the URL", request: func(f shoptest.Forger, path string) *http.Request {
		return postForm(path+"?sign_type=RSA2&sign="+url.QueryEscape(f.Sign()), f.With("sign", "-", "sign_type", "-"))
	}, status: 400, code: refused},
	{named: "the signature in a header", request: func(f shoptest.Forger, path string) *http.Request {
		request := postForm(path, f.With("sign", "-"))
		request.Header.Set("Sign", f.Sign())
		request.Header.Set("Alipay-Signature", f.Sign())
		return request
	}, status: 400, code: refused},
	{named: "multipart", request: func(f shoptest.Forger, path string) *http.Request {
		var body bytes.Buffer
		parts := multipart.NewWriter(&body)
		for key := range f.Params {
			_ = parts.WriteField(key, f.Params.Get(key))
		}
		_ = parts.Close()
		request := httptest.NewRequest(http.MethodPost, path, &body)
		request.Header.Set("Content-Type", parts.FormDataContentType())
		return request
	}, status: 400, code: refused},
	{named: "compressed", request: func(f shoptest.Forger, path string) *http.Request {
		var body bytes.Buffer
		w := gzip.NewWriter(&body)
		_, _ = io.WriteString(w, f.Body)
		_ = w.Close()
		request := postForm(path, body.String())
		request.Header.Set("Content-Encoding", "gzip")
		return request
	}, status: 400, code: refused},
	{named: "too long, in chunks", request: func(f shoptest.Forger, path string) *http.Request {
		request := postForm(path, f.Body+"&x="+strings.Repeat("x", alirefund.MaxBody))
		request.ContentLength = -1
		return request
	}, status: 413, code: "too_large"},
	{named: "shorter than it says", request: func(f shoptest.Forger, path string) *http.Request {
		request := postForm(path, f.Body)
		request.ContentLength++
		return request
	}, status: 500, code: "notification_unread"},
	{named: "broken off", request: func(f shoptest.Forger, path string) *http.Request {
		request := postForm(path, "")
		request.Body = io.NopCloser(io.MultiReader(strings.NewReader(f.Body), failing{}))
		request.ContentLength = -1
		return request
	}, status: 500, code: "notification_unread"},
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

// What Alipay signed, or we did, at another place.
var confusedNotices = []hostileNotice{
	{named: "our own request", body: func(f shoptest.Forger) string {
		params := url.Values{}
		for key, value := range f.Shop.Alipay.Calls()[0].Params {
			params.Set(key, value)
		}
		params.Set("notify_id", "1")
		return params.Encode()
	}, status: 403, code: forged},
	{named: "an answer", body: func(f shoptest.Forger) string { return f.Shop.Alipay.Calls()[0].Answer }, status: 400, code: refused},
	{named: "an answer as a field", body: func(f shoptest.Forger) string {
		node := `{"fund_change":"Y"}`
		return url.Values{"alipay_trade_refund_response": {node}, "notify_id": {"1"}, "sign_type": {"RSA2"}, "sign": {shoptest.Signature(shoptest.Insider(), node)}}.Encode()
	}, status: 403, code: forged},
	{named: "a message made a notice", body: func(f shoptest.Forger) string {
		message := f.Shop.Forger(shoptest.Changed(f.Base, "msg_method", "alipay.test"))
		return message.With("msg_method", "-")
	}, status: 403, code: forged},
	{named: "a V2 notice of another sign_type", body: func(f shoptest.Forger) string {
		return f.With("sign", shoptest.Signature(shoptest.Insider(), f.Text(0)), "sign_type", "RSA")
	}, status: 400, code: refused},
	{named: "a V2 text whose sign_type is another", body: func(f shoptest.Forger) string {
		text := strings.Replace(f.Text(0), "sign_type=RSA2", "sign_type=RSA", 1)
		return f.With("sign", shoptest.Signature(shoptest.Insider(), text))
	}, status: 403, code: forged},
	{named: "a text with the signature in it", body: func(f shoptest.Forger) string {
		return f.With("sign", shoptest.Signature(shoptest.Insider(), f.Text(signer.WithoutSignType)+"&sign="+f.Sign()))
	}, status: 403, code: forged},
}

// Alipay's word to us, of something else than the refund that waits.
var genuineNotices = []genuineElsewhere{
	{named: "another order's", body: func(f shoptest.Forger) string {
		return f.Signed("out_trade_no", "4100000000000017", "trade_no", shoptest.AnotherTrade)
	}, told: "refund_succeeded"},
	{named: "another number's", body: func(f shoptest.Forger) string { return f.Signed("out_biz_no", "R2") }, told: "refund_succeeded"},
	{named: "the number in another case", body: func(f shoptest.Forger) string { return f.Signed("out_biz_no", "r1") }, told: "refund_succeeded"},
	{named: "the number with a blank", body: func(f shoptest.Forger) string { return f.Signed("out_biz_no", "R1 ") }, told: "refund_succeeded"},
	{named: "another trade of that order's number", body: func(f shoptest.Forger) string {
		return f.Signed("trade_no", shoptest.AnotherTrade, "auth_app_id", "2021000000007777")
	}, told: "refund_succeeded"},
	{named: "a red packet's of that number", body: func(f shoptest.Forger) string {
		return f.Shop.Alipay.SignedNotice(shoptest.CouponNotice(map[string]string{"out_request_no": "R1"}))
	}, told: "refund_succeeded"},
	{named: "the payment's", body: func(f shoptest.Forger) string { return f.Shop.Alipay.SignedNotice(shoptest.PaymentNotice("p1")) }},
	{named: "the payment's, with empty fields added", body: func(f shoptest.Forger) string {
		return f.Shop.Alipay.SignedNotice(shoptest.PaymentNotice("p1")) + "&gmt_refund=&refund_fee=&out_biz_no="
	}},
	{named: "the payment's, the rest in the URL", path: "?gmt_refund=2026-11-22+10:00:00&refund_fee=8.88&out_biz_no=R1", body: func(f shoptest.Forger) string {
		return f.Shop.Alipay.SignedNotice(shoptest.PaymentNotice("p1"))
	}},
	{named: "of nothing refunded", body: func(f shoptest.Forger) string {
		return f.Signed("refund_fee", "0.00", "gmt_refund", "-", "out_biz_no", "R1")
	}},
	{named: "without a number", body: func(f shoptest.Forger) string { return f.Signed("out_biz_no", "-") }},
	{named: "less than the refund alone", body: func(f shoptest.Forger) string { return f.Signed("refund_fee", "8.87") }},
	{named: "a message with its fields", body: func(f shoptest.Forger) string { return f.Signed("msg_method", "alipay.test") }},
}

// postForm is what Alipay sends.
func postForm(path, body string) *http.Request {
	request := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	return request
}

// genuineElsewhere is a row of notices that are Alipay's and ours, but not of the
// refund that waits: acknowledged perhaps, and no word about that refund.
type genuineElsewhere struct {
	named
	body func(shoptest.Forger) string
	told string
	path string // default: the module's own
}
