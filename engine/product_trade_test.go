package engine_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/internal/shoptest"
)

// A trade_no is looked up once for each merchant, with the merchant's token, and
// remembered though the refund is unresolved.
func TestTradeNoIsRememberedByMerchant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		trade := s.Trade()
		body := func(merchant, number string) string {
			return fmt.Sprintf(`{"trade_no":%q,"refund_amount":"1","out_request_no":%q,"merchant":%q,"app_auth_token":"token of %s"}`, trade.TradeNo, number, merchant, merchant)
		}
		s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest})
		s.Expect(s.Refund(body("a", "R1")), 202, "pending")
		s.Expect(s.Refund(body("a", "R2")), 200, "succeeded")
		if n := s.Calls(gateway.MethodTradeQuery); n != 1 {
			t.Errorf("looked up %d times for one merchant", n)
		}
		s.Expect(s.Refund(body("b", "R3")), 200, "succeeded")
		if n := s.Calls(gateway.MethodTradeQuery); n != 2 {
			t.Errorf("looked up %d times for two merchants", n)
		}
		for _, c := range s.Alipay.Calls() {
			if !slices.Contains([]string{"token of a", "token of b"}, c.Params["app_auth_token"]) {
				t.Errorf("%s with %q", c.Method, c.Params["app_auth_token"])
			}
		}
	})
}

// Only a signed answer about the very trade says what its order is, or that there
// is none.
func TestTradeNoThatCannotBeResolved(t *testing.T) {
	for name, node := range map[string]string{
		"unsigned refusal":     shoptest.Unsigned + `{"code":"40004","sub_code":"ACQ.TRADE_NOT_EXIST"}`,
		"refusal of the call":  `{"code":"40002","sub_code":"isv.invalid-signature"}`,
		"unavailable":          `{"code":"20000","sub_code":"isp.unknow-error"}`,
		"another trade":        `{"code":"10000","trade_no":"T2","out_trade_no":"2"}`,
		"without out_trade_no": `{"code":"10000","trade_no":"T1"}`,
	} {
		s := shoptest.NewShop(t)
		s.Voice(func(method string, _ url.Values) string {
			if method == gateway.MethodTradeRefund {
				t.Errorf("%s: the refund was sent", name)
			}
			return node
		})
		if r := s.Refund(`{"trade_no":"T1","refund_amount":"1","out_request_no":"R1"}`); r.Status != 503 || r.Str("code") != "nothing_sent" {
			t.Errorf("%s: %d %s", name, r.Status, r.Text)
		}
	}
}

// What Alipay documents beside the amount reaches it, and so does the number that
// is the order's own, which Alipay would otherwise only assume.
func TestWhatIsSent(t *testing.T) {
	s := shoptest.NewShop(t)
	s.Trade()
	s.Expect(s.Refund(`{"outTradeNo":"6823789339978248","refundAmount":88.88,"related_settle_confirm_no":"9","refund_royalty_parameters":[{"trans_in":"2088","amount":"0.5"}]}`), 200, "succeeded")
	biz := s.Alipay.Calls()[0].BizContent
	for _, want := range []string{`"related_settle_confirm_no":"9"`, `"trans_in":"2088"`, `"out_request_no":"6823789339978248"`} {
		if !strings.Contains(biz, want) {
			t.Errorf("sent %s, without %s", biz, want)
		}
	}
}

func TestWithoutANumberTheOrdersIsIt(t *testing.T) {
	s := shoptest.NewShop(t, shoptest.Total(88_88))
	s.Trade()
	r := s.Refund(`{"outTradeNo":"6823789339978248","refundAmount":"0.01"}`)
	if r.Status != 422 || r.Pointers() != "/out_request_no" || !strings.Contains(r.Text, "out_request_no is required") {
		t.Errorf("a partial refund without a number: %d %s", r.Status, r.Text)
	}
	if n := len(s.Alipay.Calls()); n != 0 {
		t.Errorf("%d calls were made", n)
	}
	s.Expect(s.Refund(`{"outTradeNo":"6823789339978248","refundAmount":88.88}`), 200, "succeeded")
	s.ExpectMoved(shoptest.Order + "=88.88")
}

func TestTradeNo(t *testing.T) { synctest.Test(t, inTradeNo) }

func inTradeNo(t *testing.T) {
	s := shoptest.NewShop(t)
	trade := s.Trade()
	other := s.Alipay.AddTrade(alipaytest.Trade{OutTradeNo: "other", Total: 10_00})

	r := s.Refund(fmt.Sprintf(`{"trade_no":%q,"refund_amount":"8.88","out_request_no":"R1"}`, trade.TradeNo))
	s.Expect(r, 200, "succeeded")
	if r.Str("out_trade_no") != shoptest.Order {
		t.Errorf("answer: %s", r.Text)
	}
	again := s.Refund(shoptest.Partly)
	if again.Body["repeated"] != true || again.Str("id") != r.Str("id") {
		t.Errorf("the order's number names another refund than its trade_no: %s", again.Text)
	}
	if n := s.Calls(gateway.MethodTradeQuery); n != 1 {
		t.Errorf("trade_no was looked up %d times, want 1", n)
	}
	s.Expect(s.Refund(fmt.Sprintf(`{"trade_no":%q,"refund_amount":"1","out_request_no":"R2"}`, trade.TradeNo)), 200, "succeeded")
	if n := s.Calls(gateway.MethodTradeQuery); n != 1 {
		t.Errorf("a known trade_no was looked up again")
	}
	r = s.Refund(fmt.Sprintf(`{"trade_no":%q,"out_trade_no":%q,"refund_amount":"1","out_request_no":"R3"}`, other.TradeNo, shoptest.Order))
	if r.Status != 422 || r.Pointers() != "/trade_no" {
		t.Errorf("disagreeing numbers: %d %s", r.Status, r.Text)
	}
	r = s.Refund(`{"trade_no":"2000000000000000000000000000","refund_amount":"1"}`)
	if r.Status != 422 || r.Str("code") != "alipay_refused" || r.Str("sub_code") != "ACQ.TRADE_NOT_EXIST" {
		t.Errorf("unknown trade_no: %d %s", r.Status, r.Text)
	}
	s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer, Method: gateway.MethodTradeQuery})
	if r = s.Refund(fmt.Sprintf(`{"trade_no":%q,"refund_amount":"1"}`, other.TradeNo)); r.Status != 503 || r.Str("code") != "nothing_sent" {
		t.Errorf("trade_no that cannot be looked up: %d %s", r.Status, r.Text)
	}
	s.ExpectMoved("R1=8.88 R2=1.00")
}
