package alirefund_test

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/store"
)

// A notice without out_trade_no is about none of the refunds that are known.
func TestNoticeWithoutAnOrder(t *testing.T) {
	s := newShop(t)
	s.trade()
	s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest})
	r := s.refund(partly)
	s.expect(r, 202, "pending")
	asked := 0
	for i, change := range []map[string]string{
		{"trade_no": "T1", "notify_id": "1"},
		{"trade_no": "T2", "notify_id": "2"},
		{"trade_no": "T3", "notify_id": "3", "out_biz_no": "-"},
	} {
		asked = s.calls(gateway.MethodRefundQuery)
		change["out_trade_no"] = "-"
		if r := s.notice(s.alipay.SignedNotice(refundNotice(change))); r.text != "success" {
			t.Fatalf("%d %s", r.status, r.text)
		}
		if got := len(strings.Fields(s.told())); got != i+1 {
			t.Errorf("told %q", s.told())
		}
	}
	if n := s.calls(gateway.MethodRefundQuery); n != asked {
		t.Errorf("without a number, another order's refund was asked about %d times", n-asked)
	}
	s.expect(s.get(r.str("id")), 200, "pending")
}

// One number at two merchants: each is asked about, neither believed.
func TestNoticeOfOneOfTwoMerchants(t *testing.T) {
	s := newShop(t)
	s.trade()
	for _, merchant := range []string{"m1", "m2"} {
		of := `,"merchant":"` + merchant + `","app_auth_token":"token of ` + merchant + `"`
		s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest})
		s.expect(s.refund(partly[:len(partly)-1]+of+`}`), 202, "pending")
		s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest})
		s.expect(s.coupon(s.packet("C1", of)), 202, "pending")
	}
	for method, form := range map[string]string{
		gateway.MethodRefundQuery: s.alipay.SignedNotice(refundNotice(map[string]string{"auth_app_id": "2021000000000777"})),
		gateway.MethodCouponQuery: s.alipay.SignedNotice(couponNotice(map[string]string{"auth_app_id": "2021000000000777", "auth_no": "null", "operation_id": "null"})),
	} {
		before := len(s.alipay.Calls())
		if r := s.notice(form); r.status != 503 {
			t.Errorf("%s: %d %s", method, r.status, r.text)
		}
		asked := map[string]bool{}
		for _, c := range s.alipay.Calls()[before:] {
			asked[c.Method+" with the "+c.Params["app_auth_token"]] = true
		}
		if !asked[method+" with the token of m1"] || !asked[method+" with the token of m2"] {
			t.Errorf("asked %v", asked)
		}
	}
	s.expectTold("")
}

// A notice of another trade says nothing of a refund under the same numbers: of
// another merchant's, whose trade_no is known.
func TestNoticeOfAnotherMerchantsTrade(t *testing.T) {
	s := newShop(t)
	trade := s.trade()
	s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest, Method: gateway.MethodTradeRefund})
	r := s.refund(fmt.Sprintf(`{"trade_no":%q,"refund_amount":"8.88","out_request_no":"R1","merchant":"m","app_auth_token":"t"}`, trade.TradeNo))
	s.expect(r, 202, "pending")
	form := s.alipay.SignedNotice(refundNotice(map[string]string{"auth_app_id": "2021000000000777", "trade_no": anotherTrade}))
	if n := s.notice(form); n.text != "success" {
		t.Errorf("%d %s", n.status, n.text)
	}
	s.expect(s.get(r.str("id")), 200, "pending")
	s.expectTold("refund_succeeded")
	if got := s.last(); got.Merchant != "2021000000000777" || got.ID == r.str("id") {
		t.Errorf("told of %+v", got)
	}
}

// Numbers are compared by their bytes, in notices too.
func TestNoticeOfANumberInAnotherCase(t *testing.T) {
	s := newShop(t)
	s.trade()
	s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest})
	r := s.refund(partly)
	s.expect(r, 202, "pending")
	if n := s.notice(s.alipay.SignedNotice(refundNotice(map[string]string{"out_biz_no": "r1", "trade_no": "-"}))); n.text != "success" {
		t.Errorf("%d %s", n.status, n.text)
	}
	s.expect(s.get(r.str("id")), 200, "pending")
	if got := s.last(); got.OutRequestNo != "r1" {
		t.Errorf("told of %+v", got)
	}
}

// An order may have more refunds than one page of the ledger.
func TestNoticeOfAnOrderOfManyRefunds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.trade()
		for i := range 120 {
			r := store.Refund{
				Kind: store.Trade, App: s.config.App.ID, OutTradeNo: order, OutRequestNo: fmt.Sprint("old", i), Amount: 1,
				State: store.Succeeded, Origin: store.FromRequest,
			}.Identify()
			if _, _, err := s.config.Store.Open(t.Context(), r, store.Limit{}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Second) // the list begins with the oldest
		s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer}, noQuery)
		s.expect(s.refund(partly), 202, "pending")
		if r := s.notice(s.alipay.SignedNotice(refundNotice(map[string]string{"out_biz_no": "-", "trade_no": "-"}))); r.text != "success" {
			t.Errorf("%d %s", r.status, r.text)
		}
		told := false
		for _, e := range s.events {
			told = told || e.refund.OutRequestNo == "R1" && e.refund.Source == store.ByQuery
		}
		if !told {
			t.Errorf("told of %d refunds, and not of the one that the notice is about", len(s.events))
		}
	})
}

// The refund is asked for between the notice's look and its record.
func TestNoticeThatOvertakesTheRequest(t *testing.T) {
	s := newShop(t)
	s.trade()
	s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer}, noQuery)
	r := s.refund(partly)
	s.expect(r, 202, "pending")
	s.config.Store = blind{s.config.Store}
	s.restart()
	s.alipay.Deliver(t.Context())
	s.expectTold("refund_succeeded")
	if got := s.last(); got.ID != r.str("id") || got.Origin != store.FromRequest {
		t.Errorf("told of %+v", got)
	}
}

// blind lists nothing, as a ledger does that was read a moment too early.
type blind struct{ store.Store }

func (blind) List(context.Context, store.Filter) ([]store.Refund, error) { return nil, nil }

// The same, and the amounts differ: nobody knows whose refund it was.
func TestNoticeThatOvertakesAnotherAmount(t *testing.T) {
	s := newShop(t)
	s.trade()
	s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest})
	r := s.refund(partly)
	s.expect(r, 202, "pending")
	s.config.Store = blind{s.config.Store}
	s.voice(func(string, url.Values) string {
		return `{"code":"10000","out_trade_no":"6823789339978248","out_request_no":"R1","refund_status":"REFUND_SUCCESS","refund_amount":"9.99"}`
	})
	if n := s.notice(s.alipay.SignedNotice(refundNotice(nil))); n.status != 503 {
		t.Errorf("%d %s", n.status, n.text)
	}
	s.expectTold("refund_unresolved")
}

// An amount that could not be had is asked for again.
func TestUnknownAmountIsLearntLater(t *testing.T) {
	s := newShop(t)
	s.trade()
	number := s.alipay.RefundAtConsole(order, 8_88)
	params := s.alipay.Notices()[0].Params
	s.alipay.Inject(noQuery)
	s.alipay.Deliver(t.Context())
	first := s.last()
	if first.Amount != 0 || first.OutRequestNo != number || first.SettledAt.IsZero() {
		t.Fatalf("told of %+v", first)
	}
	params["notify_id"] = "another"
	if r := s.notice(s.alipay.SignedNotice(params)); r.text != "success" {
		t.Fatalf("%d %s", r.status, r.text)
	}
	if g := s.get(first.ID); g.str("amount") != "8.88" {
		t.Errorf("record: %s", g.text)
	}
}

// The amount of a refund made elsewhere is believed of its own query only.
func TestAmountOfAnotherRefund(t *testing.T) {
	s := newShop(t)
	s.voice(func(string, url.Values) string {
		return `{"code":"10000","out_trade_no":"6823789339978248","out_request_no":"R7","refund_status":"REFUND_SUCCESS","refund_amount":"9.99"}`
	})
	if n := s.notice(s.alipay.SignedNotice(refundNotice(nil))); n.text != "success" {
		t.Errorf("%d %s", n.status, n.text)
	}
	if got := s.last(); got.Amount != 0 {
		t.Errorf("told of %+v", got)
	}
}

// A red packet returned elsewhere is asked about by auth_no and operation_id, the
// pair that a notice brings.
func TestAmountOfARedPacketByItsOperation(t *testing.T) {
	s := newShop(t)
	p := s.alipay.AddRedPacket(alipaytest.RedPacket{})
	answer, err := s.console().RefundCoupon(t.Context(), gateway.CouponRefund{AuthNo: p.AuthNo, OutRequestNo: "X", Amount: 2_00, Remark: "r"}, gateway.Options{})
	if err != nil {
		t.Fatal(err)
	}
	form := s.alipay.SignedNotice(couponNotice(map[string]string{"auth_no": p.AuthNo, "operation_id": answer.OperationID, "out_request_no": "X", "amount": "null"}))
	if n := s.notice(form); n.text != "success" {
		t.Errorf("%d %s", n.status, n.text)
	}
	if got := s.last(); got.Amount != 2_00 {
		t.Errorf("told of %+v", got)
	}
}

// A red packet's notice that names no amount does not contradict.
func TestRedPacketsNoticeWithoutAnAmount(t *testing.T) {
	s := newShop(t)
	s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer})
	r := s.coupon(s.packet("C1", ""))
	s.expect(r, 202, "pending")
	if n := s.notice(s.alipay.SignedNotice(couponNotice(map[string]string{"auth_no": r.str("auth_no"), "amount": "null"}))); n.text != "success" {
		t.Errorf("%d %s", n.status, n.text)
	}
	if got := s.last(); got.ID != r.str("id") || got.Amount != 1_00 {
		t.Errorf("told of %+v", got)
	}
}

// A red packet's notice whose status is no success settles nothing.
func TestRedPacketsNoticeThatIsNoSuccess(t *testing.T) {
	s := newShop(t)
	s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest})
	r := s.coupon(s.packet("C1", ""))
	s.expect(r, 202, "pending")
	form := s.alipay.SignedNotice(couponNotice(map[string]string{"auth_no": r.str("auth_no"), "status": "CLOSED"}))
	if n := s.notice(form); n.status != 503 {
		t.Errorf("%d %s", n.status, n.text)
	}
	s.expect(s.get(r.str("id")), 200, "pending")
	s.expectTold("")
}

// A notice that names a number of another red packet is merged with none.
func TestNoticeOfANumberOfAnotherRedPacket(t *testing.T) {
	s := newShop(t)
	first := s.coupon(s.packet("C1", ""))
	s.expect(first, 200, "succeeded")
	if r := s.notice(s.alipay.SignedNotice(couponNotice(nil))); r.text != "success" {
		t.Fatalf("%d %s", r.status, r.text)
	}
	s.expectTold("refund_succeeded refund_succeeded")
	if got := s.last(); got.AuthNo != "A" || got.ID == first.str("id") {
		t.Errorf("told of %+v", got)
	}
}
