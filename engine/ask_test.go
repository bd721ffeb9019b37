package engine_test

import (
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/internal/shoptest"
	"github.com/alirefund/alirefund/store"
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
		s := shoptest.NewShop(t)
		s.Voice(func(method string, _ url.Values) string {
			if method == gateway.MethodTradeRefund || method == gateway.MethodCouponRefund {
				return shoptest.Lost
			}
			return node
		})
		var r shoptest.Reply
		if strings.HasPrefix(name, "coupon") {
			r = s.Coupon(`{"auth_no":"A","out_order_no":"O","out_request_no":"R1","amount":"1.00","remark":"r"}`)
		} else {
			r = s.Refund(shoptest.Partly)
		}
		if r.Status != 202 || r.Str("attention") == "" || r.Body["delivered"] != false {
			t.Errorf("%s: %d %s", name, r.Status, r.Text)
		}
		s.ExpectTold("refund_unresolved")
	}
}

// fund_change=N ends its send, which moved nothing. Yet somebody knows the number,
// so that a refusal of the next send is a failure only once nothing is found.
func TestAnAnswerEndsItsSend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		answers := []string{`{"code":"10000","fund_change":"N"}`, `{"code":"40004","sub_code":"ACQ.BUYER_NOT_EXIST"}`}
		s.Voice(func(method string, _ url.Values) string {
			if method != gateway.MethodTradeRefund {
				return `{"code":"10000"}`
			}
			first := answers[0]
			answers = answers[1:]
			return first
		})
		r := s.Refund(shoptest.Partly)
		s.Expect(r, 202, "pending")
		if g := s.Get(r.Str("id")); g.Body["unanswered"] != nil {
			t.Errorf("the record has an unanswered send: %s", g.Text)
		}
		time.Sleep(time.Minute)
		s.Expect(s.Refund(shoptest.Partly), 202, "pending")
		s.ExpectTold("")
		time.Sleep(time.Minute)
		if r := s.Refund(shoptest.Partly); r.Status != 422 || r.Str("sub_code") != "ACQ.BUYER_NOT_EXIST" {
			t.Errorf("%d %s", r.Status, r.Text)
		}
		s.ExpectTold("refund_failed")
	})
}

// An answer to another refund teaches nothing.
func TestAnotherRefundsAnswerTeachesNothing(t *testing.T) {
	s := shoptest.NewShop(t)
	s.Voice(func(method string, _ url.Values) string {
		if method == gateway.MethodTradeRefund {
			return `{"code":"10000","fund_change":"Y","out_trade_no":"other","trade_no":"T9"}`
		}
		return shoptest.Lost
	})
	r := s.Refund(shoptest.Partly)
	s.Expect(r, 202, "pending")
	if record := s.Get(r.Str("id")); record.Str("trade_no") != "" {
		t.Errorf("record: %s", record.Text)
	}
}

// A question that could not be sent says nothing of the refund.
func TestUnsentQuestionSettlesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		s.Trade()
		s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "ACQ.SELLER_BALANCE_NOT_ENOUGH"})
		r := s.Refund(shoptest.Partly)
		s.Down(time.Minute, "Sending", "Settle")
		if again := s.Refund(shoptest.Partly); again.Status != 503 { // opened again, and not sent
			t.Fatalf("%d %s", again.Status, again.Text)
		}
		time.Sleep(2 * time.Minute)
		s.Alipay.Refuse(true)
		s.Expect(s.Get(r.Str("id")), 200, "pending")
	})
}

// A closed trade may have been closed by this very refund, so that its refusal fails
// nothing before a question has found nothing, and that not too early.
func TestClosedTradeIsAskedAboutBeforeItFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		s.Alipay.AddTrade(alipaytest.Trade{OutTradeNo: shoptest.Order, Total: 88_88, Status: alipaytest.TradeClosed})
		stop := s.Run()
		defer stop()
		r := s.Refund(shoptest.Partly)
		s.Expect(r, 202, "pending")
		time.Sleep(9 * time.Second)
		s.ExpectTold("")
		time.Sleep(9 * time.Second)
		if r := s.Refund(shoptest.Partly); r.Status != 422 || r.Str("sub_code") != "ACQ.TRADE_HAS_CLOSE" || r.Str("state") != "failed" {
			t.Errorf("%d %s", r.Status, r.Text)
		}
		s.ExpectTold("refund_failed")
	})
}

// The store forgot a send whose answer was lost; Alipay refuses the same request,
// because the trade is refunded by now, and its queries do not know that yet.
func TestRefusalAfterASendThatIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		var refunded time.Time // when Alipay executed it
		s.Voice(func(method string, _ url.Values) string {
			switch {
			case method == gateway.MethodTradeRefund && refunded.IsZero():
				refunded = time.Now()
				return shoptest.Lost
			case method == gateway.MethodTradeRefund:
				return `{"code":"40004","msg":"Business Failed","sub_code":"ACQ.TRADE_HAS_CLOSE","sub_msg":"交易已经关闭"}`
			case time.Since(refunded) < 8*time.Second:
				return `{"code":"10000","msg":"Success"}`
			}
			return `{"code":"10000","out_trade_no":"6823789339978248","out_request_no":"R1","refund_status":"REFUND_SUCCESS","refund_amount":"8.88"}`
		})
		s.Expect(s.Refund(shoptest.Partly), 202, "pending")
		s.Config.Store = store.NewMemory()
		s.Restart()
		stop := s.Run()
		defer stop()
		s.Expect(s.Refund(shoptest.Partly), 202, "pending")
		time.Sleep(time.Minute)
		s.Expect(s.Refund(shoptest.Partly), 200, "succeeded")
		s.ExpectTold("refund_succeeded")
	})
}

// A not-found allows to send again what it was asked about: not after another
// process's send that came between the question and its answer.
func TestNotFoundIsAboutTheLastSend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		var sends []time.Time
		var slow, mute atomic.Bool
		s.Voice(func(method string, params url.Values) string {
			switch {
			case method == gateway.MethodTradeRefund:
				sends = append(sends, time.Now())
				mute.Store(len(sends) > 1)
				return shoptest.Lost
			case len(sends) == 1 && slow.CompareAndSwap(true, false):
				time.Sleep(8 * time.Second)
			case len(sends) == 1 && time.Since(sends[0]) < time.Minute, mute.Load():
				return shoptest.Lost
			}
			return `{"code":"10000","msg":"Success"}` // nothing of the kind is known
		})
		s.Expect(s.Refund(shoptest.Partly), 202, "pending")
		time.Sleep(2 * time.Minute)
		slow.Store(true)
		done := make(chan bool)
		go func() { s.Refund(shoptest.Partly); done <- true }() // asks, and waits for the answer
		time.Sleep(2 * time.Second)
		s.Refund(shoptest.Partly) // asks, sends, and hears nothing
		<-done
		for i := 1; i < len(sends); i++ {
			if gap := sends[i].Sub(sends[i-1]); gap < 10*time.Second {
				t.Errorf("send %d came %v after the one before it", i+1, gap)
			}
		}
	})
}
