package alirefund_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/internal/shoptest"
	"github.com/alirefund/alirefund/store"
)

// A conflict says what became of the number, and only then where a new one is
// safe.
func TestConflictSaysWhatToDo(t *testing.T) {
	for name, c := range map[string]struct {
		faults []alipaytest.Fault
		says   string
	}{
		"unresolved": {[]alipaytest.Fault{{Kind: alipaytest.LostAnswer}, {Kind: alipaytest.LostAnswer, Method: gateway.MethodRefundQuery}}, "could refund twice"},
		"succeeded":  {nil, "refunds once more"},
		"failed":     {[]alipaytest.Fault{{Kind: alipaytest.Refusal, SubCode: "ACQ.BUYER_NOT_EXIST"}}, "nothing moved"},
	} {
		s := shoptest.NewShop(t)
		s.Trade()
		s.Alipay.Inject(c.faults...)
		s.Refund(shoptest.Partly)
		r := s.Refund(`{"out_trade_no":"6823789339978248","refund_amount":"8.88","out_request_no":"R1","refund_reason":"again"}`)
		if r.Status != 409 || !strings.Contains(r.Str("detail"), c.says) || strings.Contains(r.Text, "use a new out_request_no") {
			t.Errorf("%s: %d %s", name, r.Status, r.Text)
		}
	}
}

func TestProblemsTellDelivery(t *testing.T) {
	s := shoptest.NewShop(t)
	s.Trade()
	s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "ACQ.BUYER_NOT_EXIST"})
	if r := s.Refund(shoptest.Partly); r.Body["delivered"] != true || r.Body["repeated"] != false {
		t.Errorf("refused: %s", r.Text)
	}
	if r := s.Refund(shoptest.Partly); r.Body["delivered"] != true || r.Body["repeated"] != true {
		t.Errorf("refused, repeated: %s", r.Text)
	}
	if r := s.Refund(`{"out_trade_no":"6823789339978248","refund_amount":"1","out_request_no":"R1"}`); r.Status != 409 || r.Body["delivered"] != true {
		t.Errorf("conflict: %s", r.Text)
	}
}

type unreadable struct{ store.Store }

func (unreadable) Get(context.Context, string) (store.Refund, error) {
	return store.Refund{}, errors.New("connection reset")
}

// What the caller cannot mend stands in the log, with the refund's number.
func TestLogNamesTheRefundAndTheCause(t *testing.T) { synctest.Test(t, inLogNamesTheRefundAndTheCause) }

func inLogNamesTheRefundAndTheCause(t *testing.T) {
	var log bytes.Buffer
	s := shoptest.NewShop(t, func(c *alirefund.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	s.Trade()
	s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest})
	r := s.Refund(shoptest.Partly)
	if !strings.Contains(log.String(), r.Str("id")) || !strings.Contains(log.String(), "R1") {
		t.Errorf("unresolved: %s", log.String())
	}
	log.Reset()
	s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refused})
	s.Refund(`{"out_trade_no":"6823789339978248","refund_amount":"1","out_request_no":"R2"}`)
	if !strings.Contains(log.String(), "R2") || !strings.Contains(log.String(), "connection refused") {
		t.Errorf("not sent: %s", log.String())
	}
	log.Reset()
	s.Config.Store = unreadable{store.NewMemory()}
	s.Restart()
	if r := s.Get("rf_x"); r.Status != 503 || r.Str("code") != "store_failed" || !strings.Contains(log.String(), "connection reset") {
		t.Errorf("%d %s; %s", r.Status, r.Text, log.String())
	}
}

// badInput is what a caller may get wrong, and what it is told.
var badInput = []struct {
	path, body string
	status     int
	code       string
	pointers   string
	says       string
}{
	{"refunds", ``, 400, "not_json", "", "the body is empty"},
	{"refunds", `[]`, 400, "not_json", "", ""},
	{"refunds", `{"out_trade_no":"1"`, 400, "not_json", "", ""},
	{"refunds", `{"out_trade_no":"1","refund_amount":1} {}`, 400, "not_json", "", ""},
	{"refunds", `{"out_trade_no":"1","refund_amount":01}`, 400, "not_json", "", ""},
	{"refunds", `{"out_trade_no":"1","refund_amount":1,"notify_url":"http://evil.example/"}`, 400, "unknown_field", "/notify_url", "unknown field"},
	{"refunds", `{"out_trade_no":"1","refund_amount":1,"org_pid":"2088"}`, 400, "unknown_field", "/org_pid", "is not supported"},
	{"refunds", `{"out_trade_no":"1","refund_amount":1,"refund_currency":"JPY"}`, 422, "invalid_fields", "/refund_currency", "CNY"},
	{"refunds", `{"OUT_TRADE_NO":"1","refund_amount":1}`, 400, "unknown_field", "/OUT_TRADE_NO", "unknown field"},
	{"refunds", `{"out_trade_no":"1","refund_amount":1,"refund_amount":100}`, 400, "repeated_field", "/refund_amount", "given twice"},
	{"refunds", `{"out_trade_no":"1","refund_amount":1,"refundAmount":100}`, 400, "repeated_field", "/refundAmount", "given twice"},
	{"refunds", `{}`, 422, "invalid_fields", "/out_trade_no /refund_amount", "out_trade_no or trade_no is required"},
	{"refunds", `{"outTradeNo":" 1","refundAmount":0}`, 422, "invalid_fields", "/outTradeNo /refundAmount", "outTradeNo must have no control characters"},
	{"refunds", `{"out_trade_no":1,"refund_amount":1}`, 422, "invalid_fields", "/out_trade_no", "must be a JSON string"},
	{"refunds", `{"out_trade_no":null,"refund_amount":null}`, 422, "invalid_fields", "/out_trade_no /refund_amount", ""},
	{"refunds", `{"out_trade_no":"1","refund_amount":"0.001"}`, 422, "invalid_fields", "/refund_amount", "at most two decimals"},
	{"refunds", `{"out_trade_no":"1","refund_amount":-1}`, 422, "invalid_fields", "/refund_amount", ""},
	{"refunds", `{"out_trade_no":"1","refund_amount":1e2}`, 422, "invalid_fields", "/refund_amount", ""},
	{"refunds", `{"out_trade_no":"1","refund_amount":"1٫5"}`, 422, "invalid_fields", "/refund_amount", ""},
	{"refunds", `{"out_trade_no":"1","refundAmount":"0"}`, 422, "invalid_fields", "/refundAmount", ""},
	{"refunds", `{"out_trade_no":"1","refund_amount":"100000000.01"}`, 422, "invalid_fields", "/refund_amount", "between 0.01 and 100000000.00"},
	{"refunds", `{"out_trade_no":"` + strings.Repeat("1", 65) + `","refund_amount":1}`, 422, "invalid_fields", "/out_trade_no", "64"},
	{"refunds", `{"out_trade_no":"1","refund_amount":1,"out_request_no":"a\u0000b"}`, 422, "invalid_fields", "/out_request_no", "control characters"},
	{"refunds", `{"out_trade_no":"1\u200b","refund_amount":1}`, 422, "invalid_fields", "/out_trade_no", "it has U+200B"},
	{"refunds", `{"out_trade_no":"1\u3164","refund_amount":1}`, 422, "invalid_fields", "/out_trade_no", "it has U+3164"},
	{"refunds", `{"out_trade_no":"1\u2800","refund_amount":1}`, 422, "invalid_fields", "/out_trade_no", "it has U+2800"},
	{"refunds", `{"out_trade_no":"1\ufe0f","refund_amount":1}`, 422, "invalid_fields", "/out_trade_no", "it has U+FE0F"},
	{"refunds", `{"out_trade_no":"1","refund_amount":1,"out_request_no":"a\u00a0b"}`, 422, "invalid_fields", "/out_request_no", "it has U+00A0"},
	{"refunds", `{"out_trade_no":"1","refund_amount":1,"out_request_no":"a　b"}`, 422, "invalid_fields", "/out_request_no", "it has U+3000"},
	{"refunds", `{"out_trade_no":"1","refund_amount":1,"out_request_no":"b "}`, 422, "invalid_fields", "/out_request_no", "it has U+0020"},
	{"refunds", `{"out_trade_no":"1","refund_amount":1,"refund_goods_detail":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `}`, 422, "invalid_fields", "/refund_goods_detail", "as Alipay documents it"},
	{"refunds", `{"out_trade_no":"1","refund_amount":1,"query_options":["x"]}`, 422, "invalid_fields", "/query_options/0", ""},
	{"refunds", `{"out_trade_no":"1","refund_amount":1,"refund_goods_detail":[{"goods_id":"1","refund_amount":"x"}]}`, 422, "invalid_fields", "/refund_goods_detail/0/refund_amount", ""},
	{"refunds", `{"out_trade_no":"1","refund_amount":1,"refund_goods_detail":[{"goods_id":1,"refund_amount":"0","more":1}]}`, 422, "invalid_fields", "/refund_goods_detail/0/goods_id /refund_goods_detail/0/refund_amount /refund_goods_detail", "without further fields"},
	{"refunds", `{"out_trade_no":"1","refund_amount":1,"refund_royalty_parameters":[{"trans_in":"1","amount_percentage":1.5}]}`, 422, "invalid_fields", "/refund_royalty_parameters/0/amount_percentage", "whole number"},
	{"refunds", `{"out_trade_no":"1","refund_amount":1,"refund_goods_detail":{}}`, 422, "invalid_fields", "/refund_goods_detail", "must be a list"},
	{"refunds", `{"refund_amount":"x","store_id":" 1"}`, 422, "invalid_fields", "/out_trade_no /refund_amount /store_id", ""},
	{"refunds", `{"out_trade_no":"1","refund_amount":1,"refund_goods_detail":[{"goods_id":"","refund_amount":1}]}`, 422, "invalid_fields", "/refund_goods_detail/0/goods_id", "required"},
	{"refunds", `{"out_trade_no":"1","refund_amount":1,"refund_goods_detail":[{"goods_id":"1","refund_amount":1,"refund_amount":2}]}`, 400, "repeated_field", "/refund_goods_detail/0/refund_amount", "given twice"},
	{"refunds", `{"out_trade_no":"1","refund_amount":1,"merchant":"token:x"}`, 422, "invalid_fields", "/merchant", "must not begin with token:"},
	{"refunds", `{"out_trade_no":"1","refund_amount":1,"merchant":"m"}`, 422, "invalid_fields", "/app_auth_token", "required"},
	{"refunds", `{"out_trade_no":"` + strings.Repeat("1", alirefund.MaxBody) + `"}`, 413, "too_large", "", ""},
	{"coupon-refunds", `{}`, 422, "invalid_fields", "/auth_no /out_request_no /amount /remark", "auth_no is a required field"},
	{"coupon-refunds", `{"auth_no":"1","out_request_no":"1","amount":1,"remark":"` + strings.Repeat("退", 101) + `"}`, 422, "invalid_fields", "/remark", "100"},
	{"coupon-refunds", `{"auth_no":"1","out_request_no":"1","amount":1,"remark":"r","notify_url":"https://evil.example/"}`, 422, "invalid_fields", "/notify_url", "one of the application's own"},
}

// Bad input is answered with the field, by the caller's name for it, and with
// what would be right; nothing is sent and nothing recorded.
func TestBadInput(t *testing.T) {
	s := shoptest.NewShop(t)
	s.Trade()
	for _, c := range badInput {
		r := s.Do(http.MethodPost, "/alipay/"+c.path, c.body)
		if r.Status != c.status || r.Str("code") != c.code || r.Pointers() != c.pointers || !strings.Contains(r.Text, c.says) {
			t.Errorf("%.100s\n  answers %d %s, want %d %s %q saying %q", c.body, r.Status, r.Text, c.status, c.code, c.pointers, c.says)
		}
		if got := r.Header.Get("Content-Type"); !strings.HasPrefix(got, "application/problem+json") {
			t.Errorf("%.100s: Content-Type %q", c.body, got)
		}
	}
	form := s.Do(http.MethodPost, "/alipay/refunds", "out_trade_no=1", "Content-Type", "application/x-www-form-urlencoded")
	if form.Status != 415 || form.Str("code") != "unsupported_media_type" {
		t.Errorf("a form: %d %s", form.Status, form.Text)
	}
	if n := len(s.Alipay.Calls()); n != 0 {
		t.Errorf("%d calls were made", n)
	}
	rows, err := s.Config.Store.List(t.Context(), shoptest.StoreFilter(s))
	if err != nil || len(rows) != 0 {
		t.Errorf("%d refunds were recorded, %v", len(rows), err)
	}
}

func TestLanguages(t *testing.T) {
	s := shoptest.NewShop(t)
	for header, want := range map[string]string{
		"zh-CN,zh;q=0.9,en;q=0.8": "out_trade_no 与 trade_no 至少填写一个",
		"zh-TW":                   "至少填写一个",
		"en-US":                   "out_trade_no or trade_no is required",
		"":                        "out_trade_no or trade_no is required",
		"fr":                      "out_trade_no or trade_no is required",
		"en;q=0.5, zh;q=0.9":      "至少填写一个",
		"\x00,,;q":                "out_trade_no or trade_no is required",
	} {
		r := s.Do(http.MethodPost, "/alipay/refunds", `{}`, "Accept-Language", header)
		if !strings.Contains(r.Text, want) {
			t.Errorf("Accept-Language %q: %s", header, r.Text)
		}
	}
	r := s.Do(http.MethodPost, "/alipay/refunds", `{"outTradeNo":"1","refundAmount":"x"}`, "Accept-Language", "zh")
	if !strings.Contains(r.Text, "refundAmount 必须是以元为单位") || r.Pointers() != "/refundAmount" {
		t.Errorf("%s", r.Text)
	}
}

// A refusal says whether the same number may be sent again; what then succeeds is
// the same refund.
func TestRefusalThatMayBeRepeated(t *testing.T) {
	s := shoptest.NewShop(t)
	s.Trade()
	s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "ACQ.SELLER_BALANCE_NOT_ENOUGH"})
	first := s.Refund(shoptest.Partly)
	if first.Status != 422 || first.Body["retryable"] != true || first.Str("alipay_code") != "40004" || first.Body["heard"] != nil {
		t.Errorf("%d %s", first.Status, first.Text)
	}
	second := s.Refund(shoptest.Partly)
	s.Expect(second, 200, "succeeded")
	if second.Body["repeated"] != true || second.Str("id") != first.Str("id") {
		t.Errorf("%s", second.Text)
	}
}

// Why a notification was not acknowledged stands in the log.
func TestRefusedNotificationIsLogged(t *testing.T) {
	var log bytes.Buffer
	s := shoptest.NewShop(t, func(c *alirefund.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	s.Notice("sign=AAAA&sign_type=RSA2")
	if !strings.Contains(log.String(), "signature does not match") {
		t.Errorf("log: %s", log.String())
	}
}

// A notification that is refused is told why by a code of its own; titles are in
// the caller's language; a refusal names the trace that Alipay's support asks for.
func TestProblems(t *testing.T) {
	s := shoptest.NewShop(t)
	for want, change := range map[string]map[string]string{
		"notification_refused": {"charset": "latin1"},
		"notification_forged":  {"total_amount": "88.88&trade_no=1", "trade_no": "-"},
	} {
		if r := s.Notice(s.Alipay.SignedNotice(shoptest.RefundNotice(change))); r.Status < 400 || r.Status > 499 || r.Str("code") != want {
			t.Errorf("%d %s, want %s", r.Status, r.Text, want)
		}
	}
	if r := s.Do(http.MethodPost, "/alipay/refunds", `{}`, "Accept-Language", "zh"); r.Str("title") != "部分字段有误" {
		t.Errorf("%s", r.Text)
	}
	s.Config.HTTPClient = &http.Client{Transport: traced{s.Alipay.HTTPClient().Transport}}
	s.Restart()
	if r := s.Refund(`{"trade_no":"2000000000000000000000000000","refund_amount":"1"}`); r.Str("trace_id") != "trace-1" {
		t.Errorf("%d %s", r.Status, r.Text)
	}
}

// Why a body is too large, or no notification, stands in the answer as in the log; and
// nothing of the body, the signature or the keys does.
func TestRefusedNotificationSaysWhy(t *testing.T) {
	const secret = "c2VjcmV0"
	for body, says := range map[string][2]string{
		"":                                            {"it is empty", "请求体不是支付宝所发的表单"},
		`{"sign":"` + secret + `"}`:                   {"the key of field 1 is not a name", "请求体不是支付宝所发的表单"},
		"sign=" + secret + "&subject=%zz":             {"subject has a broken percent-encoding", "请求体不是支付宝所发的表单"},
		"sign=" + secret + "&sign=" + secret:          {"a key is given twice: sign", "有字段重复出现"},
		"sign_type=RSA&sign=" + secret:                {"RSA, which is SHA1; RSA2 is wanted", "须为 RSA2"},
		"sign=" + secret:                              {"sign_type is not accepted: it is missing", "须为 RSA2"},
		"sign_type=RSA2":                              {"sign is missing", "缺少签名 sign"},
		strings.Repeat("a", 300) + "=%zz":             {"the key of field 1 is not a name", "表单"},
		"a=" + strings.Repeat("x", alirefund.MaxBody): {"no more than 65536 bytes", "最多读取 65536 字节"},
	} {
		for i, language := range []string{"en", "zh"} {
			var log bytes.Buffer
			s := shoptest.NewShop(t, func(c *alirefund.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
			r := s.Do(http.MethodPost, "/alipay/notify", body, "Content-Type", "application/x-www-form-urlencoded", "Accept-Language", language)
			if r.Status != 400 && r.Status != 413 || !strings.Contains(r.Str("detail"), says[i]) || strings.Contains(r.Text+log.String(), secret) || len(r.Text) > 600 {
				t.Errorf("%.60q in %s: %d %s", body, language, r.Status, r.Text)
			}
			if told, _, _ := strings.Cut(says[0], ":"); r.Status == 400 && !strings.Contains(log.String(), told) {
				t.Errorf("%.60q: the log says %s", body, log.String())
			}
		}
	}
	s := shoptest.NewShop(t)
	for charset, says := range map[string]string{"latin1": "neither UTF-8 nor GBK"} {
		if r := s.Notice(s.Alipay.SignedNotice(shoptest.RefundNotice(map[string]string{"charset": charset}))); !strings.Contains(r.Str("detail"), says) {
			t.Errorf("%s: %d %s", charset, r.Status, r.Text)
		}
	}
	if r := s.Notice(s.Alipay.SignedNotice(shoptest.RefundNotice(map[string]string{"notify_id": "-"}))); r.Str("code") != "notification_refused" || !strings.Contains(r.Str("detail"), "notification") {
		t.Errorf("without notify_id: %d %s", r.Status, r.Text)
	}
	if r := s.Refund(`{"out_trade_no":"` + strings.Repeat("1", alirefund.MaxBody) + `"}`); r.Status != 413 || !strings.Contains(r.Str("detail"), "65536 bytes") {
		t.Errorf("a large body: %d %s", r.Status, r.Text)
	}
}

// traced gives each answer a trace_id.
type traced struct{ http.RoundTripper }

func (t traced) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := t.RoundTripper.RoundTrip(r)
	if err == nil {
		response.Header.Set("trace_id", "trace-1")
	}
	return response, err
}
