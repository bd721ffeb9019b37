package alirefund_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/store"
)

// What had failed, and freed its amount, does not get it back for nothing.
func TestFailedRefundIsLimitedAgain(t *testing.T) {
	s := newShop(t, total(88_88))
	s.alipay.AddTrade(alipaytest.Trade{OutTradeNo: order, Total: 1000_00}) // Alipay would allow far more
	s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "ACQ.SELLER_BALANCE_NOT_ENOUGH"})
	if r := s.refund(numbered("R1", "80.00")); r.status != 422 {
		t.Fatalf("%d %s", r.status, r.text)
	}
	s.expect(s.refund(numbered("R2", "70.00")), 200, "succeeded")
	r := s.refund(numbered("R1", "80.00"))
	if r.str("code") != "exceeds_order" || r.str("detail") != "80.00 is more than the 18.88 left of the order's 88.88" {
		t.Errorf("%d %s", r.status, r.text)
	}
	s.expectMoved("R2=70.00")
}

// OrderTotal is asked for what the order is known by, for every new refund and no
// known one; a total that it does not know limits nothing.
func TestWhatOrderTotalIsAsked(t *testing.T) {
	var asked []alirefund.Order
	known, fail := true, error(nil)
	s := newShop(t, func(c *alirefund.Config) {
		c.OrderTotal = func(_ context.Context, o alirefund.Order) (money.Amount, bool, error) {
			asked = append(asked, o)
			return 88_88, known, fail
		}
	})
	s.alipay.AddTrade(alipaytest.Trade{OutTradeNo: order, Total: 1000_00})
	s.expect(s.refund(numbered("R1", "70.00")), 200, "succeeded")
	fail = errHost
	s.expect(s.refund(numbered("R1", "70.00")), 200, "succeeded")
	fail, known = nil, false
	s.expect(s.refund(numbered("R2", "90.00")), 200, "succeeded")
	s.refund(partly[:len(partly)-1] + `,"merchant":"m","app_auth_token":"t"}`)
	packet := s.coupon(s.packet("C1", ""))
	want := []alirefund.Order{
		{Kind: store.Trade, OutTradeNo: order},
		{Kind: store.Trade, OutTradeNo: order},
		{Kind: store.Trade, Merchant: "m", OutTradeNo: order},
		{Kind: store.Coupon, AuthNo: packet.str("auth_no")},
	}
	if !slices.Equal(asked, want) {
		t.Errorf("asked for %+v", asked)
	}
}

// A ledger that does not say whether the refund is known: nothing is sent.
func TestLimitWithoutALedger(t *testing.T) {
	s := newShop(t, total(88_88))
	s.trade()
	s.down(time.Minute, "Get")
	if r := s.refund(partly); r.status != 503 || r.str("code") != "nothing_sent" || len(s.alipay.Calls()) != 0 {
		t.Errorf("%d %s", r.status, r.text)
	}
}
