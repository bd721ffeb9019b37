package alirefund_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
)

// Both seed documents' examples, as they are written there.
func TestSeedExamples(t *testing.T) {
	s := newShop(t)
	s.alipay.AddTrade(alipaytest.Trade{OutTradeNo: order, Total: 1})
	s.alipay.AddRedPacket(alipaytest.RedPacket{AuthNo: "2018081710002001860231318890"})
	s.expect(s.refund(`{"outTradeNo": "6823789339978248", "refundAmount": "0.01"}`), 200, "succeeded")
	s.expect(s.coupon(`{
		"auth_no":"2018081710002001860231318890",
		"out_request_no":"refund20171228254",
		"amount":0.01,
		"remark":"支付后,剩余红包退款"
	}`), 200, "succeeded")
	s.expectMoved(order + "=0.01 refund20171228254=0.01")
	s.expectTold("refund_succeeded refund_succeeded")
}

// Bad input is answered with the field, by the caller's name for it, and with
// what would be right; nothing is sent and nothing recorded.
func TestBadInput(t *testing.T) {
	s := newShop(t)
	s.trade()
	long := strings.Repeat("1", 65)
	for _, c := range []struct {
		path, body string
		status     int
		code       string
		pointers   string
		says       string
	}{
		{"refunds", ``, 400, "not_json", "", "one JSON object"},
		{"refunds", `[]`, 400, "not_json", "", ""},
		{"refunds", `{"out_trade_no":"1"`, 400, "not_json", "", ""},
		{"refunds", `{"out_trade_no":"1","refund_amount":1} {}`, 400, "not_json", "", ""},
		{"refunds", `{"out_trade_no":"1","refund_amount":01}`, 400, "not_json", "", ""},
		{"refunds", `{"out_trade_no":"1","refund_amount":1,"notify_url":"http://evil.example/"}`, 400, "unknown_field", "/notify_url", "unknown field"},
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
		{"refunds", `{"out_trade_no":"` + long + `","refund_amount":1}`, 422, "invalid_fields", "/out_trade_no", "64"},
		{"refunds", `{"out_trade_no":"1","refund_amount":1,"out_request_no":"a\u0000b"}`, 422, "invalid_fields", "/out_request_no", "control characters"},
		{"refunds", `{"out_trade_no":"1","refund_amount":1,"query_options":["x"]}`, 422, "invalid_fields", "/query_options/0", ""},
		{"refunds", `{"out_trade_no":"1","refund_amount":1,"refund_goods_detail":[{"goods_id":"1","refund_amount":"x"}]}`, 422, "invalid_fields", "/refund_goods_detail", ""},
		{"refunds", `{"out_trade_no":"1","refund_amount":1,"refund_goods_detail":[{"goods_id":"","refund_amount":1}]}`, 422, "invalid_fields", "/refund_goods_detail/0/goods_id", "required"},
		{"refunds", `{"out_trade_no":"1","refund_amount":1,"refund_goods_detail":[{"goods_id":"1","refund_amount":1,"refund_amount":2}]}`, 400, "repeated_field", "/refund_goods_detail/0/refund_amount", "given twice"},
		{"refunds", `{"out_trade_no":"1","refund_amount":1,"merchant":"token:x"}`, 422, "invalid_fields", "/merchant", "must not begin with token:"},
		{"refunds", `{"out_trade_no":"1","refund_amount":1,"merchant":"m"}`, 422, "invalid_fields", "/app_auth_token", "required"},
		{"refunds", `{"out_trade_no":"` + strings.Repeat("1", alirefund.MaxBody) + `"}`, 413, "too_large", "", ""},
		{"coupon-refunds", `{}`, 422, "invalid_fields", "/auth_no /out_request_no /amount /remark", "auth_no is a required field"},
		{"coupon-refunds", `{"auth_no":"1","out_request_no":"1","amount":1,"remark":"` + strings.Repeat("退", 101) + `"}`, 422, "invalid_fields", "/remark", "100"},
		{"coupon-refunds", `{"auth_no":"1","out_request_no":"1","amount":1,"remark":"r","notify_url":"https://evil.example/"}`, 422, "invalid_fields", "/notify_url", "one of the application's own"},
	} {
		r := s.do(http.MethodPost, "/alipay/"+c.path, c.body)
		if r.status != c.status || r.str("code") != c.code || r.pointers() != c.pointers || !strings.Contains(r.text, c.says) {
			t.Errorf("%.100s\n  answers %d %s, want %d %s %q saying %q", c.body, r.status, r.text, c.status, c.code, c.pointers, c.says)
		}
		if got := r.header.Get("Content-Type"); !strings.HasPrefix(got, "application/problem+json") {
			t.Errorf("%.100s: Content-Type %q", c.body, got)
		}
	}
	form := s.do(http.MethodPost, "/alipay/refunds", "out_trade_no=1", "Content-Type", "application/x-www-form-urlencoded")
	if form.status != 415 || form.str("code") != "unsupported_media_type" {
		t.Errorf("a form: %d %s", form.status, form.text)
	}
	if n := len(s.alipay.Calls()); n != 0 {
		t.Errorf("%d calls were made", n)
	}
	rows, err := s.config.Store.List(t.Context(), storeFilter(s))
	if err != nil || len(rows) != 0 {
		t.Errorf("%d refunds were recorded, %v", len(rows), err)
	}
}

// A hundred Chinese characters are a hundred characters.
func TestLengthsAreInCharacters(t *testing.T) {
	s := newShop(t)
	p := s.alipay.AddRedPacket(alipaytest.RedPacket{})
	s.expect(s.coupon(`{"auth_no":"`+p.AuthNo+`","out_request_no":"C1","amount":1,"remark":"`+strings.Repeat("退", 100)+`"}`), 200, "succeeded")
}

func TestLanguages(t *testing.T) {
	s := newShop(t)
	for header, want := range map[string]string{
		"zh-CN,zh;q=0.9,en;q=0.8": "out_trade_no与trade_no至少填写一个",
		"zh-TW":                   "至少填写一个",
		"en-US":                   "out_trade_no or trade_no is required",
		"":                        "out_trade_no or trade_no is required",
		"fr":                      "out_trade_no or trade_no is required",
		"en;q=0.5, zh;q=0.9":      "至少填写一个",
		"\x00,,;q":                "out_trade_no or trade_no is required",
	} {
		r := s.do(http.MethodPost, "/alipay/refunds", `{}`, "Accept-Language", header)
		if !strings.Contains(r.text, want) {
			t.Errorf("Accept-Language %q: %s", header, r.text)
		}
	}
	r := s.do(http.MethodPost, "/alipay/refunds", `{"outTradeNo":"1","refundAmount":"x"}`, "Accept-Language", "zh")
	if !strings.Contains(r.text, "refundAmount必须是以元为单位") || r.pointers() != "/refundAmount" {
		t.Errorf("%s", r.text)
	}
}

// The guard comes before the body is looked at, and its actor stands in the
// record.
func TestGuard(t *testing.T) {
	s := newShop(t)
	s.trade()
	router := gin.New()
	deny := func(c *gin.Context) { c.AbortWithStatus(http.StatusUnauthorized) }
	s.module.MountRefunds(router.Group("/a"), deny)
	for _, request := range []*http.Request{
		httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/a/refunds", strings.NewReader(partly)),
		httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/a/coupon-refunds", strings.NewReader("{")),
		httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/a/refunds/x", nil),
	} {
		if r := serve(t, router, request); r.status != 401 || r.text != "" {
			t.Errorf("%s %s: %d %s", request.Method, request.URL, r.status, r.text)
		}
	}
	if n := len(s.alipay.Calls()); n != 0 {
		t.Errorf("%d calls were made", n)
	}
	defer func() {
		if recover() == nil {
			t.Error("a nil guard is accepted")
		}
	}()
	s.module.MountRefunds(router.Group("/b"), nil)
}

// Nothing of keys, tokens, signatures, bodies or buyers reaches the log.
func TestLogIsClean(t *testing.T) {
	var log bytes.Buffer
	s := newShop(t, func(c *alirefund.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	s.alipay.AddTrade(alipaytest.Trade{OutTradeNo: order, Total: 88_88, BuyerLogonID: "buyer-secret", NotifyURL: notifyURL})
	s.fail["refund_succeeded"] = errHost
	token := "2020-app-auth-token-secret"
	s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.WrongSignature}, alipaytest.Fault{Kind: alipaytest.HTTP500, Method: "alipay.trade.fastpay.refund.query"})
	s.refund(`{"out_trade_no":"6823789339978248","refund_amount":"8.88","out_request_no":"R1","app_auth_token":"` + token + `"}`)
	s.alipay.Deliver(t.Context())
	s.notice("sign=AAAA-secret&sign_type=RSA2&buyer_logon_id=buyer-secret")
	s.refund(`{"app_auth_token":"` + token)
	if log.Len() == 0 {
		t.Fatal("nothing was logged at all")
	}
	for _, secret := range []string{"secret", token, "sign=", "biz_content", "PRIVATE"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log holds %q:\n%s", secret, log.String())
		}
	}
}
