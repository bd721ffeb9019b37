package engine_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/internal/shoptest"
	"github.com/alirefund/alirefund/store"
)

// A red packet's notice that names the operation alone may be of a refund of
// ours whose operation is not known yet.
func TestCouponNoticeByOperationOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t, shoptest.Total(100_00))
		p := s.Alipay.AddRedPacket(alipaytest.RedPacket{})
		s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer}, alipaytest.Fault{Kind: alipaytest.HTTP500, Method: gateway.MethodCouponQuery})
		r := s.Coupon(fmt.Sprintf(`{"auth_no":%q,"out_order_no":%q,"out_request_no":"C1","amount":"60.00","remark":"r"}`, p.AuthNo, p.OutOrderNo))
		s.Expect(r, 202, "pending")
		params := maps.Clone(s.Alipay.Notices()[0].Params)
		params["out_request_no"] = "null"
		if n := s.Notice(s.Alipay.SignedNotice(params)); n.Text != "success" {
			t.Errorf("%d %s", n.Status, n.Text)
		}
		s.ExpectTold("refund_succeeded")
		s.Expect(s.Get(r.Str("id")), 200, "succeeded")
		s.ExpectTold("refund_succeeded")
	})
}

func TestCouponNotices(t *testing.T) {
	s := shoptest.NewShop(t)
	p := s.Alipay.AddRedPacket(alipaytest.RedPacket{Amount: 10_00})
	s.Expect(s.Coupon(fmt.Sprintf(`{"auth_no":%q,"out_request_no":"C1","amount":"1.00","remark":"r"}`, p.AuthNo)), 200, "succeeded")
	s.Alipay.Deliver(t.Context())
	s.ExpectTold("refund_succeeded")
	base := s.Alipay.Notices()[0].Params
	post := func(id string, change map[string]string) shoptest.Reply {
		params := maps.Clone(base)
		maps.Copy(params, change)
		params["notify_id"] = id
		return s.Notice(s.Alipay.SignedNotice(params))
	}
	for _, c := range []struct {
		name   string
		change map[string]string
		status int
		told   string
	}{
		{"again under another id", nil, 200, "refund_succeeded"},
		{"named by one of Alipay's pages as a trade's", map[string]string{"notify_type": "trade_status_sync"}, 200, "refund_succeeded"},
		{"its operation_id is a second key", map[string]string{"out_request_no": "null"}, 200, "refund_succeeded"},
		{"a status that is no success", map[string]string{"out_request_no": "C9", "operation_id": "9", "status": "CLOSED"}, 200, "refund_succeeded"},
		{"of the console", map[string]string{"out_request_no": "C2", "operation_id": "2", "amount": "2.00"}, 200, "refund_succeeded refund_succeeded"},
		{"by operation_id alone", map[string]string{"out_request_no": "null", "operation_id": "3"}, 200, "refund_succeeded refund_succeeded refund_succeeded"},
		{"the same operation again", map[string]string{"out_request_no": "null", "operation_id": "3"}, 200, "refund_succeeded refund_succeeded refund_succeeded"},
	} {
		if r := post(strings.ReplaceAll(c.name, " ", "_"), c.change); r.Status != c.status {
			t.Errorf("%s: %d %s", c.name, r.Status, r.Text)
		}
		if got := s.Told(); got != c.told {
			t.Fatalf("%s: told %q, want %q", c.name, got, c.told)
		}
	}
	if strings.Join(s.Other, " ") != "coupon_refund" {
		t.Errorf("OnNotification was given %q, want the one that is no success", s.Other)
	}
	s.ExpectMoved("C1=1.00")
}

// A notice of the number but of another amount is not believed.
func TestCouponNoticeOfAnotherAmount(t *testing.T) {
	s := shoptest.NewShop(t)
	p := s.Alipay.AddRedPacket(alipaytest.RedPacket{})
	s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest})
	r := s.Coupon(fmt.Sprintf(`{"auth_no":%q,"out_request_no":"C1","amount":"1.00","remark":"r"}`, p.AuthNo))
	s.Expect(r, 202, "pending")
	n := s.Notice(s.Alipay.SignedNotice(map[string]string{
		"notify_type": "fund_stdtrustee_refund.success", "notify_id": "x", "app_id": s.Alipay.AppID(), "auth_no": p.AuthNo,
		"out_request_no": "C1", "operation_type": "REFUND", "amount": "2.00", "status": "SUCCESS",
	}))
	if n.Status != 503 {
		t.Errorf("%d %s", n.Status, n.Text)
	}
	s.ExpectTold("refund_unresolved")
}

// The automatic return of a red packet arrives at the payment's notify_url.
func TestAutomaticReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		h := s.Host()
		p := s.Alipay.AddRedPacket(alipaytest.RedPacket{Amount: 10_00, Claimed: 3_00, NotifyURL: shoptest.PayURL})
		s.Expect(s.Coupon(fmt.Sprintf(`{"auth_no":%q,"out_request_no":"C1","amount":"1.00","remark":"r"}`, p.AuthNo)), 200, "succeeded")
		s.Alipay.Advance(49 * time.Hour)
		s.ExpectTold("refund_succeeded refund_succeeded")
		if got := s.Last(); got.Origin != store.FromNotice || got.AuthNo != p.AuthNo || got.Amount != 6_00 {
			t.Errorf("told of %+v", got)
		}
		if len(h.Seen) != 0 {
			t.Errorf("the host's payment handler saw %q", h.Seen)
		}
		s.Alipay.Advance(48 * time.Hour)
		s.ExpectTold("refund_succeeded refund_succeeded")
	})
}

// A red packet returned elsewhere is asked about by auth_no and operation_id, the
// pair that a notice brings.
func TestAmountOfARedPacketByItsOperation(t *testing.T) {
	s := shoptest.NewShop(t)
	p := s.Alipay.AddRedPacket(alipaytest.RedPacket{})
	answer, err := s.Console().RefundCoupon(t.Context(), gateway.CouponRefund{AuthNo: p.AuthNo, OutRequestNo: "X", Amount: 2_00, Remark: "r"}, gateway.Options{})
	if err != nil {
		t.Fatal(err)
	}
	form := s.Alipay.SignedNotice(shoptest.CouponNotice(map[string]string{"auth_no": p.AuthNo, "operation_id": answer.OperationID, "out_request_no": "X", "amount": "null"}))
	if n := s.Notice(form); n.Text != "success" {
		t.Errorf("%d %s", n.Status, n.Text)
	}
	if got := s.Last(); got.Amount != 2_00 {
		t.Errorf("told of %+v", got)
	}
}

// A red packet's notice that names no amount does not contradict.
func TestRedPacketsNoticeWithoutAnAmount(t *testing.T) {
	s := shoptest.NewShop(t)
	s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer})
	r := s.Coupon(s.Packet("C1", ""))
	s.Expect(r, 202, "pending")
	if n := s.Notice(s.Alipay.SignedNotice(shoptest.CouponNotice(map[string]string{"auth_no": r.Str("auth_no"), "amount": "null"}))); n.Text != "success" {
		t.Errorf("%d %s", n.Status, n.Text)
	}
	if got := s.Last(); got.ID != r.Str("id") || got.Amount != 1_00 {
		t.Errorf("told of %+v", got)
	}
}

// A red packet's notice whose status is no success settles nothing.
func TestRedPacketsNoticeThatIsNoSuccess(t *testing.T) {
	s := shoptest.NewShop(t)
	s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest})
	r := s.Coupon(s.Packet("C1", ""))
	s.Expect(r, 202, "pending")
	form := s.Alipay.SignedNotice(shoptest.CouponNotice(map[string]string{"auth_no": r.Str("auth_no"), "status": "CLOSED"}))
	if n := s.Notice(form); n.Status != 503 {
		t.Errorf("%d %s", n.Status, n.Text)
	}
	s.Expect(s.Get(r.Str("id")), 200, "pending")
	s.ExpectTold("")
}

// A notice that names a number of another red packet is merged with none.
func TestNoticeOfANumberOfAnotherRedPacket(t *testing.T) {
	s := shoptest.NewShop(t)
	first := s.Coupon(s.Packet("C1", ""))
	s.Expect(first, 200, "succeeded")
	if r := s.Notice(s.Alipay.SignedNotice(shoptest.CouponNotice(nil))); r.Text != "success" {
		t.Fatalf("%d %s", r.Status, r.Text)
	}
	s.ExpectTold("refund_succeeded refund_succeeded")
	if got := s.Last(); got.AuthNo != "A" || got.ID == first.Str("id") {
		t.Errorf("told of %+v", got)
	}
}
