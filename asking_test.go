package alirefund_test

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/gateway"
)

// A query proves success only if everything in it is of this refund.
func TestQueryThatDoesNotMatchProvesNothing(t *testing.T) {
	for name, node := range map[string]string{
		"amount":        `{"code":"10000","out_trade_no":"6823789339978248","out_request_no":"R1","refund_status":"REFUND_SUCCESS","refund_amount":"8.87"}`,
		"number":        `{"code":"10000","out_trade_no":"6823789339978248","out_request_no":"R2","refund_status":"REFUND_SUCCESS","refund_amount":"8.88"}`,
		"order":         `{"code":"10000","out_trade_no":"1","out_request_no":"R1","refund_status":"REFUND_SUCCESS","refund_amount":"8.88"}`,
		"coupon amount": `{"code":"10000","auth_no":"A","out_request_no":"R1","operation_type":"REFUND","status":"SUCCESS","amount":"1.01"}`,
		"coupon auth":   `{"code":"10000","auth_no":"B","out_request_no":"R1","operation_type":"REFUND","status":"SUCCESS","amount":"1.00"}`,
		"coupon number": `{"code":"10000","auth_no":"A","out_request_no":"R2","operation_type":"REFUND","status":"SUCCESS","amount":"1.00"}`,
		"coupon pay":    `{"code":"10000","auth_no":"A","out_request_no":"R1","operation_type":"PAY","status":"SUCCESS","amount":"1.00"}`,
	} {
		s := newShop(t)
		s.voice(func(method string, _ url.Values) string {
			if method == gateway.MethodTradeRefund || method == gateway.MethodCouponRefund {
				return lost
			}
			return node
		})
		var r reply
		if strings.HasPrefix(name, "coupon") {
			r = s.coupon(`{"auth_no":"A","out_order_no":"O","out_request_no":"R1","amount":"1.00","remark":"r"}`)
		} else {
			r = s.refund(partly)
		}
		if r.status != 202 || r.str("attention") == "" || r.body["delivered"] != false {
			t.Errorf("%s: %d %s", name, r.status, r.text)
		}
		s.expectTold("refund_unresolved")
	}
}

// A red packet is asked about with what numbers there are, though no page of
// Alipay's documents that pair.
func TestRedPacketIsAskedWithWhatThereIs(t *testing.T) {
	s := newShop(t)
	s.voice(func(method string, params url.Values) string {
		switch biz := params.Get("biz_content"); {
		case method == gateway.MethodCouponRefund:
			return lost
		case biz == `{"auth_no":"A","out_request_no":"C1"}`:
			return `{"code":"10000","auth_no":"A","out_request_no":"C1","operation_type":"REFUND","status":"SUCCESS","amount":"1.00"}`
		}
		return `{"code":"40004","sub_code":"ILLEGAL_ARGUMENT"}`
	})
	s.expect(s.coupon(`{"auth_no":"A","out_request_no":"C1","amount":"1.00","remark":"r"}`), 200, "succeeded")
}

// A red packet's refund that is in progress names its operation and its order: it
// is asked about by either.
func TestRedPacketInProgressIsAskedByWhatItNames(t *testing.T) {
	for _, pair := range []string{`{"auth_no":"A","operation_id":"7"}`, `{"out_order_no":"O","out_request_no":"C1"}`} {
		s := newShop(t)
		s.voice(func(method string, params url.Values) string {
			switch biz := params.Get("biz_content"); {
			case method == gateway.MethodCouponRefund:
				return `{"code":"10000","auth_no":"A","out_order_no":"O","out_request_no":"C1","operation_id":"7","amount":"1.00","status":"INIT"}`
			case biz == pair:
				return `{"code":"10000","auth_no":"A","out_request_no":"C1","operation_id":"7","operation_type":"REFUND","status":"SUCCESS","amount":"1.00"}`
			}
			return `{"code":"40004","sub_code":"ILLEGAL_ARGUMENT"}`
		})
		s.expect(s.coupon(`{"auth_no":"A","out_request_no":"C1","amount":"1.00","remark":"r"}`), 200, "succeeded")
	}
}

// A red packet's refund that was refused after a send which nobody answered for is
// not sent again, though nothing is found of it.
func TestRefusedRedPacketIsNotSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		p := s.alipay.AddRedPacket(alipaytest.RedPacket{})
		body := fmt.Sprintf(`{"auth_no":%q,"out_order_no":%q,"out_request_no":"C1","amount":"1.00","remark":"r"}`, p.AuthNo, p.OutOrderNo)
		s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest})
		s.expect(s.coupon(body), 202, "pending")
		s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "MONEY_NOT_ENOUGH"})
		for range 3 {
			time.Sleep(time.Minute)
			s.expect(s.coupon(body), 202, "pending")
		}
		if n := s.calls(gateway.MethodCouponRefund); n != 2 {
			t.Errorf("sent %d times", n)
		}
	})
}

// fund_change=N ends its send, which moved nothing. Yet somebody knows the number,
// so that a refusal of the next send is a failure only once nothing is found.
func TestAnAnswerEndsItsSend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		answers := []string{`{"code":"10000","fund_change":"N"}`, `{"code":"40004","sub_code":"ACQ.TRADE_STATUS_ERROR"}`}
		s.voice(func(method string, _ url.Values) string {
			if method != gateway.MethodTradeRefund {
				return `{"code":"10000"}`
			}
			first := answers[0]
			answers = answers[1:]
			return first
		})
		r := s.refund(partly)
		s.expect(r, 202, "pending")
		if g := s.get(r.str("id")); g.body["unanswered"] != nil {
			t.Errorf("the record has an unanswered send: %s", g.text)
		}
		time.Sleep(time.Minute)
		s.expect(s.refund(partly), 202, "pending")
		s.expectTold("")
		time.Sleep(time.Minute)
		if r := s.refund(partly); r.status != 422 || r.str("sub_code") != "ACQ.TRADE_STATUS_ERROR" {
			t.Errorf("%d %s", r.status, r.text)
		}
		s.expectTold("refund_failed")
	})
}

// An answer to another refund teaches nothing.
func TestAnotherRefundsAnswerTeachesNothing(t *testing.T) {
	s := newShop(t)
	s.voice(func(method string, _ url.Values) string {
		if method == gateway.MethodTradeRefund {
			return `{"code":"10000","fund_change":"Y","out_trade_no":"other","trade_no":"T9"}`
		}
		return lost
	})
	r := s.refund(partly)
	s.expect(r, 202, "pending")
	if record := s.get(r.str("id")); record.str("trade_no") != "" {
		t.Errorf("record: %s", record.text)
	}
}

// What a red packet's answer names is learnt, and what its notice names.
func TestRedPacketsNumbersAreLearnt(t *testing.T) {
	s := newShop(t)
	p := s.alipay.AddRedPacket(alipaytest.RedPacket{})
	body := `{"auth_no":"` + p.AuthNo + `","out_request_no":%q,"amount":"1.00","remark":"r"}`
	answered := s.coupon(fmt.Sprintf(body, "C1"))
	s.expect(answered, 200, "succeeded")
	s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer})
	noticed := s.coupon(fmt.Sprintf(body, "C2"))
	s.expect(noticed, 202, "pending")
	for _, r := range []reply{answered, noticed} {
		if r.status != 200 {
			s.alipay.Deliver(t.Context())
		}
		if record := s.get(r.str("id")); record.str("out_order_no") != p.OutOrderNo || record.str("operation_id") == "" {
			t.Errorf("record: %s", record.text)
		}
	}
}

// A refund that was recorded and never sent is not asked about, is no failure to
// tell of, and its repeat sends it. If that much can be written it is failed, and
// holds nothing of the order's total.
func TestRecordedButNeverSent(t *testing.T) {
	for state, down := range map[string][]string{
		"failed":  {"Sending"},
		"pending": {"Sending", "Settle"},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newShop(t)
			s.trade()
			s.down(time.Minute, down...)
			result, err := s.module.Refund(t.Context(), alirefund.RefundRequest{OutTradeNo: order, RefundAmount: 8_88, OutRequestNo: "R1"})
			if !errors.Is(err, alirefund.ErrNothingSent) || result.Refund.ID == "" {
				t.Fatalf("%+v, %v", result, err)
			}
			s.expect(s.get(result.Refund.ID), 200, state)
			if n := len(s.alipay.Calls()); n != 0 {
				t.Errorf("%d calls about what was never sent", n)
			}
			s.expectTold("")
			time.Sleep(2 * time.Minute)
			s.expect(s.refund(partly), 200, "succeeded")
			if n := s.calls(gateway.MethodRefundQuery); n != 0 {
				t.Errorf("asked about %d times before it was ever sent", n)
			}
			s.expectTold("refund_succeeded")
		})
	}
}

// A question that could not be sent says nothing of the refund.
func TestUnsentQuestionSettlesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.trade()
		s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "ACQ.SELLER_BALANCE_NOT_ENOUGH"})
		r := s.refund(partly)
		s.down(time.Minute, "Sending", "Settle")
		if again := s.refund(partly); again.status != 503 { // opened again, and not sent
			t.Fatalf("%d %s", again.status, again.text)
		}
		time.Sleep(2 * time.Minute)
		s.alipay.Refuse(true)
		s.expect(s.get(r.str("id")), 200, "pending")
	})
}

// A trade_no is looked up once for each merchant, with the merchant's token, and
// remembered though the refund is unresolved.
func TestTradeNoIsRememberedByMerchant(t *testing.T) {
	s := newShop(t)
	trade := s.trade()
	body := func(merchant, number string) string {
		return fmt.Sprintf(`{"trade_no":%q,"refund_amount":"1","out_request_no":%q,"merchant":%q,"app_auth_token":"token of %s"}`, trade.TradeNo, number, merchant, merchant)
	}
	s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest})
	s.expect(s.refund(body("a", "R1")), 202, "pending")
	s.expect(s.refund(body("a", "R2")), 200, "succeeded")
	if n := s.calls(gateway.MethodTradeQuery); n != 1 {
		t.Errorf("looked up %d times for one merchant", n)
	}
	s.expect(s.refund(body("b", "R3")), 200, "succeeded")
	if n := s.calls(gateway.MethodTradeQuery); n != 2 {
		t.Errorf("looked up %d times for two merchants", n)
	}
	for _, c := range s.alipay.Calls() {
		if !slices.Contains([]string{"token of a", "token of b"}, c.Params["app_auth_token"]) {
			t.Errorf("%s with %q", c.Method, c.Params["app_auth_token"])
		}
	}
}

// Only a signed answer about the very trade says what its order is, or that there
// is none.
func TestTradeNoThatCannotBeResolved(t *testing.T) {
	for name, node := range map[string]string{
		"unsigned refusal":     unsigned + `{"code":"40004","sub_code":"ACQ.TRADE_NOT_EXIST"}`,
		"refusal of the call":  `{"code":"40002","sub_code":"isv.invalid-signature"}`,
		"unavailable":          `{"code":"20000","sub_code":"isp.unknow-error"}`,
		"another trade":        `{"code":"10000","trade_no":"T2","out_trade_no":"2"}`,
		"without out_trade_no": `{"code":"10000","trade_no":"T1"}`,
	} {
		s := newShop(t)
		s.voice(func(method string, _ url.Values) string {
			if method == gateway.MethodTradeRefund {
				t.Errorf("%s: the refund was sent", name)
			}
			return node
		})
		if r := s.refund(`{"trade_no":"T1","refund_amount":"1","out_request_no":"R1"}`); r.status != 503 || r.str("code") != "nothing_sent" {
			t.Errorf("%s: %d %s", name, r.status, r.text)
		}
	}
}
