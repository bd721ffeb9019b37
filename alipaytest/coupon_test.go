package alipaytest_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund/alipaytest"
)

func couponBiz(authNo, number, amount string) string {
	return fmt.Sprintf(`{"auth_no":%q,"out_request_no":%q,"amount":%s,"remark":"支付后,剩余红包退款"}`, authNo, number, amount)
}

func TestCouponRefund(t *testing.T) {
	a := alipaytest.New(alipaytest.Config{})
	c := newClient(t, a)
	p := a.AddRedPacket(alipaytest.RedPacket{AuthNo: "P1", Amount: 10_00, Claimed: 5_00})

	first := c.call(couponRefund, couponBiz("P1", "R1", `"2.00"`))
	c.expect(first, map[string]string{
		"code": "10000", "status": "SUCCESS", "auth_no": "P1", "out_order_no": p.OutOrderNo, "out_request_no": "R1", "amount": "2.00",
	})
	operation := first.get("operation_id")
	if operation == "" || first.get("gmt_trans") == "" {
		t.Error(first.body)
	}
	// A finished number is refused even to the same request, and by its own
	// number it is found out that it went well.
	repeat := c.call(couponRefund, couponBiz("P1", "R1", `"2.00"`))
	c.refused(repeat, "40004", "UNIQUE_VIOLATION")
	c.expect(repeat, map[string]string{"out_request_no": "R1"})
	c.refused(c.call(couponRefund, couponBiz("P1", "R2", `3.01`)), "40004", "MONEY_NOT_ENOUGH")
	c.expect(c.call(couponRefund, couponBiz("P1", "R2", `3`)), map[string]string{"amount": "3.00"})
	c.refused(c.call(couponRefund, couponBiz("P1", "R3", `0.01`)), "40004", "MONEY_NOT_ENOUGH")

	got := a.Movements()
	if len(got) != 2 || got[0].Kind != alipaytest.CouponRefund || got[0].AuthNo != "P1" || got[0].OperationID != operation ||
		got[0].Amount != 2_00 || got[1].OutRequestNo != "R2" || got[1].Amount != 3_00 {
		t.Errorf("movements: %+v", got)
	}
}

func TestCouponRefundRefusals(t *testing.T) {
	a := alipaytest.New(alipaytest.Config{})
	c := newClient(t, a)
	a.AddRedPacket(alipaytest.RedPacket{AuthNo: "P1", OutRequestNo: "payment"})
	a.AddRedPacket(alipaytest.RedPacket{AuthNo: "P2"})
	c.call(couponRefund, couponBiz("P1", "done", `1.00`))
	tests := []struct{ name, biz, subCode string }{
		{"no auth_no", couponBiz("", "R", `1.00`), "ILLEGAL_ARGUMENT"},
		{"no out_request_no", couponBiz("P1", "", `1.00`), "ILLEGAL_ARGUMENT"},
		{"no amount", `{"auth_no":"P1","out_request_no":"R","remark":"r"}`, "ILLEGAL_ARGUMENT"},
		{"amount 0", couponBiz("P1", "R", `0`), "ILLEGAL_ARGUMENT"},
		{"amount above the range", couponBiz("P1", "R", `"100000000.01"`), "ILLEGAL_ARGUMENT"},
		{"no remark", `{"auth_no":"P1","out_request_no":"R","amount":"1.00"}`, "ILLEGAL_ARGUMENT"},
		{"remark too long", `{"auth_no":"P1","out_request_no":"R","amount":"1.00","remark":"` + strings.Repeat("长", 101) + `"}`, "ILLEGAL_ARGUMENT"},
		{"unknown red packet", couponBiz("P3", "R", `1.00`), "AUTH_ORDER_NOT_EXIST"},
		{"the payment's number", couponBiz("P1", "payment", `1.00`), "UNIQUE_VIOLATION"},
		{"a number of another red packet", couponBiz("P2", "done", `1.00`), "UNIQUE_VIOLATION"},
		{"more than there is", couponBiz("P1", "R", `99.01`), "MONEY_NOT_ENOUGH"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c.t = t
			c.refused(c.call(couponRefund, tt.biz), "40004", tt.subCode)
		})
	}
	if got := a.Movements(); len(got) != 1 {
		t.Errorf("refusals moved money: %+v", got)
	}
}

func TestCouponOperation(t *testing.T) {
	a := alipaytest.New(alipaytest.Config{})
	c := newClient(t, a)
	p := a.AddRedPacket(alipaytest.RedPacket{AuthNo: "P1", OutOrderNo: "O1", OutRequestNo: "payment", Amount: 10_00})
	operation := c.call(couponRefund, couponBiz("P1", "R1", `2.00`)).get("operation_id")

	want := map[string]string{
		"code": "10000", "operation_type": "REFUND", "status": "SUCCESS", "amount": "2.00", "auth_no": "P1",
		"out_order_no": "O1", "out_request_no": "R1", "operation_id": operation, "total_pay_refund_amount": "2.00",
	}
	c.expect(c.call(couponOperation, `{"auth_no":"P1","operation_id":"`+operation+`"}`), want)
	c.expect(c.call(couponOperation, `{"out_order_no":"O1","out_request_no":"R1"}`), want)
	// The payment is an operation too, and no refund.
	c.expect(c.call(couponOperation, `{"out_order_no":"O1","out_request_no":"payment"}`), map[string]string{"operation_type": "PAY", "amount": "10.00"})
	c.expect(c.call(couponOperation, `{"auth_no":"P1","operation_id":"`+p.OperationID+`"}`), map[string]string{"operation_type": "PAY"})

	tests := []struct{ biz, subCode string }{
		{`{"auth_no":"P1","out_request_no":"R1"}`, "ILLEGAL_ARGUMENT"},
		{`{"out_order_no":"O1","operation_id":"` + operation + `"}`, "ILLEGAL_ARGUMENT"},
		{`{"auth_no":"P1"}`, "ILLEGAL_ARGUMENT"},
		{`{}`, "ILLEGAL_ARGUMENT"},
		{`{"auth_no":"P1","operation_id":"1"}`, "AUTH_OPERATION_NOT_EXIST"},
		{`{"auth_no":"P2","operation_id":"` + operation + `"}`, "AUTH_OPERATION_NOT_EXIST"},
		{`{"out_order_no":"O1","out_request_no":"R2"}`, "AUTH_OPERATION_NOT_EXIST"},
		{`{"out_order_no":"O2","out_request_no":"R1"}`, "AUTH_OPERATION_NOT_EXIST"},
	}
	for _, tt := range tests {
		t.Run(tt.biz, func(t *testing.T) {
			c.t = t
			c.refused(c.call(couponOperation, tt.biz), "40004", tt.subCode)
		})
	}
}

func TestAutomaticReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := alipaytest.New(alipaytest.Config{})
		c := newClient(t, a)
		h := newHost(t, a)
		h.answer = func(int) string { return "success" }
		a.HandleNotices(h)
		a.AddRedPacket(alipaytest.RedPacket{AuthNo: "P1", OutOrderNo: "O1", Amount: 10_00, Claimed: 1_00, NotifyURL: "https://shop.test/paid"})
		a.AddRedPacket(alipaytest.RedPacket{AuthNo: "P2", Claimed: 100_00, NotifyURL: "https://shop.test/paid"}) // nothing is left
		c.call(couponRefund, couponBiz("P1", "R1", `2.00`))

		a.Advance(48*time.Hour - time.Second)
		if got := a.Movements(); len(got) != 1 {
			t.Fatalf("too early: %+v", got)
		}
		a.Advance(time.Second)
		a.Advance(100 * time.Hour)

		moved := a.Movements()
		if len(moved) != 2 || moved[1].Kind != alipaytest.AutomaticReturn || moved[1].Amount != 7_00 || moved[1].OutRequestNo == "" {
			t.Fatalf("movements: %+v", moved)
		}
		if len(h.got) != 1 {
			t.Fatalf("%d notices came, want 1", len(h.got))
		}
		want := map[string]string{
			"notify_type": "fund_stdtrustee_refund.success", "operation_type": "REFUND", "amount": "7.00", "status": "SUCCESS",
			"auth_no": "P1", "out_order_no": "O1", "out_request_no": moved[1].OutRequestNo, "operation_id": moved[1].OperationID,
		}
		for key, value := range want {
			if got := h.got[0].form.Get(key); got != value {
				t.Errorf("%s = %q, want %q", key, got, value)
			}
		}
		if h.got[0].url != "https://shop.test/paid" {
			t.Errorf("it went to %s, not where the payment's notices go", h.got[0].url)
		}
		c.refused(c.call(couponRefund, couponBiz("P1", "R2", `0.01`)), "40004", "MONEY_NOT_ENOUGH")
	})
}

func TestCouponNotice(t *testing.T) {
	a, c, h := setup(t)
	params := c.parameters(couponRefund, couponBiz("P1", "R1", `2.00`))
	params["notify_url"] = "https://shop.test/refunded"
	if _, err := c.do(c.request(params)); err != nil {
		t.Fatal(err)
	}
	c.call(couponRefund, couponBiz("P1", "R2", `3.00`)) // without a notify_url nobody is told
	if posts := a.Deliver(t.Context()); posts != 1 {
		t.Fatalf("%d posts, want 1", posts)
	}
	h.expect(0, map[string]string{
		"notify_type": "fund_stdtrustee_refund.success", "auth_no": "P1", "out_order_no": "O1", "out_request_no": "R1",
		"operation_type": "REFUND", "amount": "2.00", "status": "SUCCESS", "app_id": a.AppID(), "payer_logon_id": "158****7723",
		"operation_id": a.Movements()[0].OperationID,
	})
	if h.got[0].url != "https://shop.test/refunded" {
		t.Errorf("it went to %s, not to the call's notify_url", h.got[0].url)
	}
}

// The request of Alipay's post on the interface, whose notify_url is in Chinese.
func TestCouponRefundSample(t *testing.T) {
	a, c, h := setup(t)
	a.AddRedPacket(alipaytest.RedPacket{AuthNo: "2018081710002001860231318890"})
	params := c.parameters(couponRefund, `{"auth_no":"2018081710002001860231318890","out_request_no":"refund20171228254","amount":0.01,"remark":"支付后,剩余红包退款"}`)
	params["notify_url"] = "http://退款异步发送地址"
	got, err := c.do(c.request(params))
	if err != nil {
		t.Fatal(err)
	}
	c.expect(got, map[string]string{"status": "SUCCESS", "amount": "0.01"})
	a.Deliver(t.Context())
	h.expect(0, map[string]string{"out_request_no": "refund20171228254"})
}
