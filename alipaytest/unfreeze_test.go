package alipaytest_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund/alipaytest"
)

const (
	unfreeze  = "alipay.fund.auth.order.unfreeze"
	authQuery = "alipay.fund.auth.operation.detail.query"
)

func unfreezeBiz(authNo, number, amount string) string {
	return fmt.Sprintf(`{"auth_no":%q,"out_request_no":%q,"amount":%s,"remark":"退押金"}`, authNo, number, amount)
}

// releasedAt makes the call with a notify_url, which may remain without an answer.
func (c *client) releasedAt(notifyURL, biz string) (answer, error) {
	c.t.Helper()
	params := c.parameters(unfreeze, biz)
	params["notify_url"] = notifyURL
	return c.do(c.request(params))
}

func setupPreAuth(t testing.TB) (*alipaytest.Alipay, *client, *host, alipaytest.PreAuth) {
	t.Helper()
	a, c, h := setup(t)
	p := a.AddPreAuth(alipaytest.PreAuth{AuthNo: "A1", OutOrderNo: "D1", OutRequestNo: "F1", Amount: 10_00, NotifyURL: "https://shop.test/frozen"})
	return a, c, h, p
}

func TestUnfreeze(t *testing.T) {
	a, c, _, _ := setupPreAuth(t)
	first := c.call(unfreeze, unfreezeBiz("A1", "R1", `"4.00"`))
	c.expect(first, map[string]string{
		"code": "10000", "status": "SUCCESS", "auth_no": "A1", "out_order_no": "D1", "out_request_no": "R1",
		"amount": "4.00", "fund_amount": "4.00", "credit_amount": "0.00",
	})
	operation := first.get("operation_id")
	if operation == "" || first.get("gmt_trans") == "" {
		t.Error(first.body)
	}
	// The same request is answered as before; the same number for anything else is
	// refused.
	c.expect(c.call(unfreeze, unfreezeBiz("A1", "R1", `4`)), map[string]string{"code": "10000", "status": "SUCCESS", "operation_id": operation})
	other := c.call(unfreeze, unfreezeBiz("A1", "R1", `"4.01"`))
	c.refused(other, "40004", "UNIQUE_VIOLATION")
	c.expect(other, map[string]string{"out_request_no": "R1"})

	c.refused(c.call(unfreeze, unfreezeBiz("A1", "R2", `6.01`)), "40004", "REQUEST_AMOUNT_EXCEED")
	c.expect(c.call(unfreeze, unfreezeBiz("A1", "R2", `6`)), map[string]string{"amount": "6.00"})
	c.refused(c.call(unfreeze, unfreezeBiz("A1", "R3", `0.01`)), "40004", "ORDER_ALREADY_CLOSED")
	c.expect(c.call(unfreeze, unfreezeBiz("A1", "R2", `6`)), map[string]string{"code": "10000"})

	got := a.Movements()
	if len(got) != 2 || got[0].Kind != alipaytest.Unfreeze || got[0].AuthNo != "A1" || got[0].OutOrderNo != "D1" || got[0].OutRequestNo != "R1" ||
		got[0].OperationID != operation || got[0].Amount != 4_00 || got[1].OutRequestNo != "R2" || got[1].Amount != 6_00 {
		t.Errorf("movements: %+v", got)
	}
}

func TestUnfreezeRefusals(t *testing.T) {
	a, c, _, _ := setupPreAuth(t)
	a.AddPreAuth(alipaytest.PreAuth{AuthNo: "A2", Amount: 5_00, Paid: 5_00})
	a.AddPreAuth(alipaytest.PreAuth{AuthNo: "A3", Amount: 5_00, Paid: 4_00})
	c.call(unfreeze, unfreezeBiz("A1", "done", `1.00`))
	for _, tt := range []struct{ name, biz, subCode string }{
		{"no auth_no", unfreezeBiz("", "R", `1.00`), "ILLEGAL_ARGUMENT"},
		{"no out_request_no", unfreezeBiz("A1", "", `1.00`), "ILLEGAL_ARGUMENT"},
		{"long out_request_no", unfreezeBiz("A1", strings.Repeat("R", 65), `1.00`), "ILLEGAL_ARGUMENT"},
		{"no amount", `{"auth_no":"A1","out_request_no":"R","remark":"r"}`, "ILLEGAL_ARGUMENT"},
		{"amount 0", unfreezeBiz("A1", "R", `0`), "ILLEGAL_ARGUMENT"},
		{"amount above the range", unfreezeBiz("A1", "R", `"100000000.01"`), "ILLEGAL_ARGUMENT"},
		{"no remark", `{"auth_no":"A1","out_request_no":"R","amount":"1.00"}`, "ILLEGAL_ARGUMENT"},
		{"extra_param that is no object", `{"auth_no":"A1","out_request_no":"R","amount":"1.00","remark":"r","extra_param":"bizComplete"}`, "ILLEGAL_ARGUMENT"},
		{"unknown pre-authorisation", unfreezeBiz("A9", "R", `1.00`), "AUTH_ORDER_NOT_EXIST"},
		{"a red packet", unfreezeBiz("P1", "R", `1.00`), "AUTH_ORDER_NOT_EXIST"},
		{"a number of another pre-authorisation", unfreezeBiz("A3", "done", `1.00`), "UNIQUE_VIOLATION"},
		{"all was paid", unfreezeBiz("A2", "R", `0.01`), "ORDER_ALREADY_FINISH"},
		{"more than was not paid", unfreezeBiz("A3", "R", `1.01`), "REQUEST_AMOUNT_EXCEED"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c.t = t
			c.refused(c.call(unfreeze, tt.biz), "40004", tt.subCode)
		})
	}
	if got := a.Movements(); len(got) != 1 {
		t.Errorf("refusals moved money: %+v", got)
	}
	c.refused(c.call(couponRefund, couponBiz("A1", "R", `1.00`)), "40004", "AUTH_ORDER_NOT_EXIST") // no red packet
}

func TestAuthQuery(t *testing.T) {
	_, c, _, p := setupPreAuth(t)
	operation := c.call(unfreeze, unfreezeBiz("A1", "R1", `4.00`)).get("operation_id")
	want := map[string]string{
		"code": "10000", "operation_type": "UNFREEZE", "status": "SUCCESS", "amount": "4.00", "auth_no": "A1", "out_order_no": "D1",
		"out_request_no": "R1", "operation_id": operation, "order_status": "AUTHORIZED", "rest_amount": "6.00",
		"total_freeze_amount": "10.00", "total_pay_amount": "0.00", "remark": "退押金",
	}
	c.expect(c.call(authQuery, `{"auth_no":"A1","operation_id":"`+operation+`"}`), want)
	c.expect(c.call(authQuery, `{"out_order_no":"D1","out_request_no":"R1","operation_type":"UNFREEZE"}`), want)
	frozen := map[string]string{"operation_type": "FREEZE", "amount": "10.00", "rest_amount": "6.00"}
	c.expect(c.call(authQuery, `{"auth_no":"A1","operation_id":"`+p.OperationID+`"}`), frozen)

	// A release may have the freezing's number. Whoever does not say which of the
	// two is asked about, hears of the freezing.
	c.expect(c.call(unfreeze, unfreezeBiz("A1", "F1", `6.00`)), map[string]string{"code": "10000"})
	frozen["rest_amount"] = "0.00"
	c.expect(c.call(authQuery, `{"out_order_no":"D1","out_request_no":"F1"}`), frozen)
	c.expect(c.call(authQuery, `{"out_order_no":"D1","out_request_no":"F1","operation_type":"UNFREEZE"}`), map[string]string{
		"operation_type": "UNFREEZE", "amount": "6.00", "order_status": "CLOSED",
	})

	for _, tt := range []struct{ biz, subCode string }{
		{`{"auth_no":"A1","out_request_no":"R1"}`, "ILLEGAL_ARGUMENT"},
		{`{"out_order_no":"D1","operation_id":"` + operation + `"}`, "ILLEGAL_ARGUMENT"},
		{`{}`, "ILLEGAL_ARGUMENT"},
		{`{"auth_no":"A1","operation_id":"1"}`, "AUTH_OPERATION_NOT_EXIST"},
		{`{"auth_no":"A2","operation_id":"` + operation + `"}`, "AUTH_ORDER_NOT_EXIST"},
		{`{"auth_no":"A1","operation_id":"` + operation + `","operation_type":"PAY"}`, "AUTH_OPERATION_NOT_EXIST"},
		{`{"out_order_no":"D1","out_request_no":"R2"}`, "AUTH_OPERATION_NOT_EXIST"},
		{`{"out_order_no":"D2","out_request_no":"R1"}`, "AUTH_ORDER_NOT_EXIST"},
	} {
		t.Run(tt.biz, func(t *testing.T) {
			c.t = t
			c.refused(c.call(authQuery, tt.biz), "40004", tt.subCode)
		})
	}
}

// The notice has the fields of a signed capture, and goes to the call's notify_url.
func TestUnfreezeNotice(t *testing.T) {
	a, c, h, _ := setupPreAuth(t)
	if _, err := c.releasedAt("https://shop.test/released", unfreezeBiz("A1", "R1", `4.00`)); err != nil {
		t.Fatal(err)
	}
	c.call(unfreeze, unfreezeBiz("A1", "R2", `3.00`)) // without a notify_url nobody is told
	if posts := a.Deliver(t.Context()); posts != 1 {
		t.Fatalf("%d posts, want 1", posts)
	}
	h.expect(0, map[string]string{
		"notify_type": "fund_auth_unfreeze", "operation_type": "UNFREEZE", "status": "SUCCESS", "amount": "4.00",
		"auth_no": "A1", "out_order_no": "D1", "out_request_no": "R1", "operation_id": a.Movements()[0].OperationID,
		"total_freeze_amount": "10.00", "total_unfreeze_amount": "4.00", "total_pay_amount": "0.00", "rest_amount": "6.00",
		"app_id": a.AppID(), "auth_app_id": a.AppID(), "payer_logon_id": "158****7723", "version": "1.0",
	})
	if h.got[0].url != "https://shop.test/released" {
		t.Errorf("it went to %s, not to the call's notify_url", h.got[0].url)
	}
	var keys []string
	for key := range h.got[0].form {
		keys = append(keys, key)
	}
	want := strings.Fields(`app_id sign total_unfreeze_amount out_order_no charset out_request_no auth_no gmt_create version sign_type
		total_freeze_amount auth_app_id status total_pay_amount rest_amount payer_user_id gmt_trans amount payer_logon_id operation_type
		operation_id notify_time notify_id notify_type`)
	slices.Sort(keys)
	slices.Sort(want)
	if !slices.Equal(keys, want) {
		t.Errorf("it has %v, want %v", keys, want)
	}
}

func TestUnfreezeAtConsole(t *testing.T) {
	a, c, h, _ := setupPreAuth(t)
	number := a.UnfreezeAtConsole("A1", 2_00)
	a.Deliver(t.Context())
	h.expect(0, map[string]string{"out_request_no": number, "amount": "2.00", "rest_amount": "8.00"})
	if h.got[0].url != "https://shop.test/frozen" || a.Notices()[0].Method != "" {
		t.Errorf("it went to %s, by %q", h.got[0].url, a.Notices()[0].Method)
	}
	if got := a.Movements(); len(got) != 1 || got[0].Kind != alipaytest.Unfreeze || got[0].OutRequestNo != number {
		t.Errorf("movements: %+v", got)
	}
	c.refused(c.call(unfreeze, unfreezeBiz("A1", "R1", `8.01`)), "40004", "REQUEST_AMOUNT_EXCEED")
	for name, release := range map[string]func(){
		"unknown":     func() { a.UnfreezeAtConsole("A9", 1) },
		"over":        func() { a.UnfreezeAtConsole("A1", 8_01) },
		"added twice": func() { a.AddPreAuth(alipaytest.PreAuth{AuthNo: "A1"}) },
		"order twice": func() { a.AddPreAuth(alipaytest.PreAuth{OutOrderNo: "D1"}) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			release()
		}()
	}
}

// Every fault of a call befalls a release too: it is executed or not, and the next
// call finds it so. Either way money moves once.
func TestUnfreezeFaults(t *testing.T) {
	for kind, executed := range map[alipaytest.FaultKind]bool{
		alipaytest.LostAnswer: true, alipaytest.LostRequest: false, alipaytest.LateRequest: false,
		alipaytest.SystemErrorBefore: false, alipaytest.SystemErrorAfter: true, alipaytest.WrongSignature: true,
		alipaytest.NoSignature: true, alipaytest.Slow: true, alipaytest.LooseTypes: true, alipaytest.GatewayError: false,
		alipaytest.HTTP500: false, alipaytest.Refused: false, alipaytest.Refusal: false,
	} {
		t.Run(kind.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, c, h, _ := setupPreAuth(t)
				a.Inject(alipaytest.Fault{Kind: kind, SubCode: map[bool]string{true: "ILLEGAL_STATUS"}[kind == alipaytest.Refusal]})
				got, err := c.releasedAt("https://shop.test/released", unfreezeBiz("A1", "R1", `4.00`))
				if errors.Is(err, syscall.ECONNREFUSED) != (kind == alipaytest.Refused) {
					t.Error(err)
				}
				switch kind {
				case alipaytest.SystemErrorBefore, alipaytest.SystemErrorAfter:
					c.refused(got, "40004", "SYSTEM_ERROR")
				case alipaytest.Refusal:
					c.refused(got, "40004", "ILLEGAL_STATUS")
				}
				if moved := len(a.Movements()) == 1; moved != executed {
					t.Fatalf("executed: %v", moved)
				}
				again, err := c.releasedAt("https://shop.test/released", unfreezeBiz("A1", "R1", `4.00`))
				if err != nil {
					t.Fatal(err)
				}
				c.expect(again, map[string]string{"code": "10000", "status": "SUCCESS"})
				a.Advance(time.Hour)
				if len(a.Movements()) != 1 || len(h.got) != 1 {
					t.Errorf("movements: %+v, %d notices", a.Movements(), len(h.got))
				}
			})
		})
	}
}

// The faults of a notice: what cannot be done without stays in it.
func TestUnfreezeNoticeFaults(t *testing.T) {
	for _, kind := range []alipaytest.FaultKind{
		alipaytest.NoticeTwice, alipaytest.NoticeTwiceNewID, alipaytest.NoticeLate, alipaytest.NoticeOutOfOrder,
		alipaytest.NoticeEarly, alipaytest.NoticeNulls, alipaytest.NoticeGBK, alipaytest.NoticeForeign,
	} {
		t.Run(kind.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, c, h, _ := setupPreAuth(t)
				a.Inject(alipaytest.Fault{Kind: kind, Method: unfreeze})
				if _, err := c.releasedAt("https://shop.test/released", unfreezeBiz("A1", "R1", `4.00`)); err != nil {
					t.Fatal(err)
				}
				if early := len(h.got) == 1; early != (kind == alipaytest.NoticeEarly) {
					t.Errorf("%d came before the answer", len(h.got))
				}
				a.Advance(2 * time.Hour)
				twice := kind == alipaytest.NoticeTwice || kind == alipaytest.NoticeTwiceNewID || kind == alipaytest.NoticeForeign
				if len(h.got) != map[bool]int{true: 2, false: 1}[twice] {
					t.Fatalf("%d came", len(h.got))
				}
				h.expect(len(h.got)-1, map[string]string{
					"notify_type": "fund_auth_unfreeze", "operation_type": "UNFREEZE", "status": "SUCCESS", "amount": "4.00",
					"auth_no": "A1", "out_request_no": "R1", "operation_id": a.Movements()[0].OperationID, "app_id": a.AppID(),
				})
			})
		})
	}
}

// What is in the books is true whatever went wrong: no number moves money twice,
// and no pre-authorisation gives more than it had.
func TestPreAuthBooksUnderFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, c, _, _ := setupPreAuth(t)
		a.InjectRandomly(11, 0.8)
		for i := range 200 {
			_, _ = c.releasedAt("https://shop.test/released", unfreezeBiz("A1", fmt.Sprint("R", i%25), `0.50`))
		}
		seen, sum := map[string]bool{}, 0
		for _, m := range a.Movements() {
			if seen[m.OutRequestNo] {
				t.Errorf("%s moved money twice", m.OutRequestNo)
			}
			seen[m.OutRequestNo] = true
			sum += int(m.Amount)
		}
		if sum != 10_00 {
			t.Errorf("moved: %d", sum)
		}
	})
}
