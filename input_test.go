package alirefund_test

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/alirefund/alirefund"
)

// Each field's own rule, and each way to give one twice.
func TestEveryFieldIsChecked(t *testing.T) {
	s := newShop(t)
	s.trade()
	long := func(n int) string { return strings.Repeat("1", n) }
	trade := func(more string) string { return `{"out_trade_no":"1","refund_amount":1,` + more + `}` }
	packet := func(name, value string) string {
		fields := map[string]string{"auth_no": `"1"`, "out_request_no": `"1"`, "amount": "1", "remark": `"r"`}
		fields[name] = value
		var list []string
		for _, key := range slices.Sorted(maps.Keys(fields)) {
			list = append(list, `"`+key+`":`+fields[key])
		}
		return "{" + strings.Join(list, ",") + "}"
	}
	for _, c := range []struct{ path, body, code, pointers string }{
		{"refunds", `{"out_trade_no":"1","out\u005ftrade_no":"2","refund_amount":1}`, "repeated_field", "/out_trade_no"},
		{"refunds", trade(`"a/b~c":1`), "unknown_field", "/a~1b~0c"},
		{"refunds", trade(`"refund_goods_detail":[{"goods_id":"1","refund_amount":1,"x":1}]`), "invalid_fields", "/refund_goods_detail"},
		{"refunds", trade(`"refund_goods_detail":[{"goods_id":"1","refund_amount":1,"REFUND_AMOUNT":2}]`), "repeated_field", "/refund_goods_detail/0/REFUND_AMOUNT"},
		{"refunds", trade(`"refund_goods_detail":[{"goods_id":"1","goodſ_id":"2","refund_amount":1}]`), "repeated_field", "/refund_goods_detail/0/goodſ_id"},
		{"refunds", trade(`"refund_goods_detail":[{"goods_id":"1","refund_amount":1},{"goods_id":"1","goods_id":"2","refund_amount":1}]`), "repeated_field", "/refund_goods_detail/1/goods_id"},
		{"refunds", trade(`"refund_goods_detail":[{"goods_id":"1","refund_amount":1,"x":{"y":1,"y":2}}]`), "repeated_field", "/refund_goods_detail/0/x/y"},
		{"refunds", trade(`"refund_goods_detail":[` + strings.Repeat(`{"goods_id":"1","refund_amount":1},`, 100) + `{"goods_id":"1","refund_amount":1}]`), "invalid_fields", "/refund_goods_detail"},
		{"refunds", trade(`"refund_royalty_parameters":[{"trans_in":""}]`), "invalid_fields", "/refund_royalty_parameters/0/trans_in"},
		{"refunds", trade(`"query_options":[` + strings.Repeat(`"deposit_back_info",`, 8) + `"deposit_back_info"]`), "invalid_fields", "/query_options"},
		{"refunds", trade(`"related_settle_confirm_no":"` + long(65) + `"`), "invalid_fields", "/related_settle_confirm_no"},
		{"refunds", trade(`"out_request_no":"` + long(65) + `"`), "invalid_fields", "/out_request_no"},
		{"refunds", trade(`"out_request_no":"1 "`), "invalid_fields", "/out_request_no"},
		{"refunds", trade(`"out_request_no":"a\nb"`), "invalid_fields", "/out_request_no"},
		{"refunds", trade(`"refund_reason":"` + long(257) + `"`), "invalid_fields", "/refund_reason"},
		{"refunds", trade(`"trade_no":" 1"`), "invalid_fields", "/trade_no"},
		{"refunds", trade(`"trade_no":"` + long(65) + `"`), "invalid_fields", "/trade_no"},
		{"refunds", trade(`"app_auth_token":"` + long(41) + `"`), "invalid_fields", "/app_auth_token"},
		{"refunds", trade(`"merchant":"` + long(65) + `"`), "invalid_fields", "/merchant"},
		{"coupon-refunds", packet("auth_no", `"`+long(65)+`"`), "invalid_fields", "/auth_no"},
		{"coupon-refunds", packet("auth_no", `"1 "`), "invalid_fields", "/auth_no"},
		{"coupon-refunds", packet("out_request_no", `"`+long(65)+`"`), "invalid_fields", "/out_request_no"},
		{"coupon-refunds", packet("out_request_no", `"1 "`), "invalid_fields", "/out_request_no"},
		{"coupon-refunds", packet("remark", `" r"`), "invalid_fields", "/remark"},
		{"coupon-refunds", packet("amount", `"100000000.01"`), "invalid_fields", "/amount"},
		{"coupon-refunds", packet("out_order_no", `"`+long(65)+`"`), "invalid_fields", "/out_order_no"},
		{"coupon-refunds", packet("notify_url", `"https://a.example/`+long(256)+`"`), "invalid_fields", "/notify_url"},
		{"coupon-refunds", packet("appAuthToken", `"`+long(41)+`"`), "invalid_fields", "/appAuthToken"},
	} {
		r := s.do(http.MethodPost, "/alipay/"+c.path, c.body)
		if r.str("code") != c.code || r.pointers() != c.pointers {
			t.Errorf("%.120s\n  answers %d %s, want %s %s", c.body, r.status, r.text, c.code, c.pointers)
			continue
		}
		first := r.body["errors"].([]any)[0].(map[string]any)
		if code, _ := first["code"].(string); code == "" || first["detail"] != r.str("detail") {
			t.Errorf("%.120s\n  answers %s", c.body, r.text)
		}
	}
	if r := s.coupon(packet("notify_url", `"https://a.example/`+long(256)+`"`)); !strings.Contains(r.text, "256") {
		t.Errorf("a long notify_url: %s", r.text)
	}
	if n := len(s.alipay.Calls()); n != 0 {
		t.Errorf("%d calls were made", n)
	}
}

// What Alipay documents beside the amount reaches it, and so does the number that
// is the order's own, which Alipay would otherwise only assume.
func TestWhatIsSent(t *testing.T) {
	s := newShop(t)
	s.trade()
	s.expect(s.refund(`{"outTradeNo":"6823789339978248","refundAmount":88.88,"related_settle_confirm_no":"9","refund_royalty_parameters":[{"trans_in":"2088","amount":"0.5"}]}`), 200, "succeeded")
	biz := s.alipay.Calls()[0].BizContent
	for _, want := range []string{`"related_settle_confirm_no":"9"`, `"trans_in":"2088"`, `"out_request_no":"6823789339978248"`} {
		if !strings.Contains(biz, want) {
			t.Errorf("sent %s, without %s", biz, want)
		}
	}
}

func TestHeadlessRedPacketIsChecked(t *testing.T) {
	var invalid *alirefund.ValidationError
	if _, err := newShop(t).module.CouponRefund(t.Context(), alirefund.CouponRefundRequest{}); !errors.As(err, &invalid) || len(invalid.Fields) != 4 {
		t.Errorf("%v", err)
	}
}

// A field that is left out differs too.
func TestFieldThatIsLeftOutDiffers(t *testing.T) {
	s := newShop(t)
	s.trade()
	s.expect(s.refund(partly[:len(partly)-1]+`,"refund_reason":"x"}`), 200, "succeeded")
	if r := s.refund(partly); r.status != 409 || r.pointers() != "/refund_reason" {
		t.Errorf("%d %s", r.status, r.text)
	}
}

// The guard comes first, then what the host mounted behind it; a plugin's guard
// too; the body is bounded even for the guard.
func TestOrderOfTheChain(t *testing.T) {
	s := newShop(t)
	var order []string
	step := func(name string) gin.HandlerFunc {
		return func(c *gin.Context) {
			_, err := io.ReadAll(c.Request.Body)
			order = append(order, fmt.Sprint(name, " ", err != nil))
			if name == "deny" {
				c.AbortWithStatus(http.StatusForbidden)
			}
		}
	}
	r := gin.New()
	s.module.MountRefunds(r.Group("/a"), step("guard"), step("more"))
	s.module.MountRefunds(r.Group("/b"), step("deny"), step("never"))
	s.module.RefundPlugin("c", step("deny")).Register(r.Group("/c"))
	for _, path := range []string{"/a/refunds", "/b/refunds", "/c/refunds"} {
		serve(t, r, httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(strings.Repeat("x", alirefund.MaxBody+1))))
	}
	if got := strings.Join(order, ", "); got != "guard true, more true, deny true, deny true" {
		t.Errorf("ran %s", got)
	}
}

// Addresses that would be misread, or would show a password, are refused.
func TestConfigsAddresses(t *testing.T) {
	good := newShop(t).config
	for _, c := range []struct {
		field  string
		change func(*alirefund.Config)
	}{
		{"App.ID", func(c *alirefund.Config) { c.App.ID = strings.Repeat("1", 33) }},
		{"App.NotifyURL", func(c *alirefund.Config) { c.App.NotifyURL = "https://a.example/n#x" }},
		{"App.NotifyURL", func(c *alirefund.Config) { c.App.NotifyURL = "https://a.example/n?" }},
		{"App.NotifyURL", func(c *alirefund.Config) { c.App.NotifyURL = "https://user:secret@a.example/n" }},
		{"App.NotifyURL", func(c *alirefund.Config) { c.App.NotifyURL = "https://a.example/" + strings.Repeat("x", 256) }},
		{"App.NotifyURL", func(c *alirefund.Config) { c.App.NotifyURL = "/alipay/notify" }},
		{"Gateway", func(c *alirefund.Config) { c.Gateway = "https://a.example/gateway.do?charset=GBK" }},
		{"Gateway", func(c *alirefund.Config) { c.Gateway = "https://user:secret@a.example/gateway.do" }},
		{"Gateway", func(c *alirefund.Config) { c.Gateway = "ftp://a.example/gateway.do" }},
	} {
		config := good
		c.change(&config)
		m, err := alirefund.New(config)
		var wrong *alirefund.ConfigError
		if m != nil || !errors.As(err, &wrong) || wrong.Field != c.field || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s %s: %v", config.App.NotifyURL, config.Gateway, err)
		}
	}
}

// The sellers are copied, and the application's own notify_url may be named.
func TestSellersAndAddressesOfTheConfig(t *testing.T) {
	sellers := []string{"2088000000000001"}
	s := newShop(t, func(c *alirefund.Config) { c.App.SellerIDs = sellers })
	sellers[0] = "2088000000000002"
	if r := s.notice(s.alipay.SignedNotice(paymentNotice("p1"))); r.text != "success" {
		t.Errorf("%d %s", r.status, r.text)
	}
	s.expect(s.coupon(s.packet("C1", `,"notify_url":"`+notifyURL+`"`)), 200, "succeeded")
}

// Without a Logger of the host's there is one: this test prints a line.
func TestDefaultLogger(t *testing.T) {
	s := newShop(t, func(c *alirefund.Config) { c.Logger = nil })
	if r := s.notice("forged=1"); r.status != 400 {
		t.Errorf("%d %s", r.status, r.text)
	}
}
