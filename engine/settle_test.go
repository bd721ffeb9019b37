package engine_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/internal/shoptest"
)

// What an answer said is written again if that fails once: no question is wanted.
func TestFailingRecordOfAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		s.Trade()
		s.FailAt("Settle", 1)
		s.Expect(s.Refund(shoptest.Partly), 200, "succeeded")
		if n := s.Calls(gateway.MethodRefundQuery); n != 0 {
			t.Errorf("Alipay was asked %d times", n)
		}
		s.ExpectTold("refund_succeeded")
	})
}

// Rule: while an earlier send is unanswered no refusal fails the refund, because
// it may be that send's doing.
func TestARefusalThatAnEarlierSendMayHaveCaused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		s.Trade()
		full := `{"out_trade_no":"6823789339978248","refund_amount":"88.88"}`
		s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest})
		s.Expect(s.Refund(full), 202, "pending")
		time.Sleep(time.Minute)
		// The second send is refused while the first is still unanswered.
		s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "ACQ.BUYER_NOT_EXIST"})
		r := s.Refund(full)
		s.Expect(r, 202, "pending")
		s.ExpectTold("")
		time.Sleep(5 * time.Second)
		s.Expect(s.Refund(full), 202, "pending") // not found, but too soon after a send
		time.Sleep(18 * time.Minute)
		s.Expect(s.Refund(full), 202, "pending") // not found, but the first may still be on its way
		time.Sleep(3 * time.Minute)
		again := s.Refund(full)
		if again.Status != 422 || again.Str("code") != "alipay_refused" || again.Str("sub_code") != "ACQ.BUYER_NOT_EXIST" || again.Body["asked_again"] != true {
			t.Fatalf("after a not-found: %d %s", again.Status, again.Text)
		}
		s.ExpectTold("refund_failed")
		s.ExpectMoved("")
	})
}

// A request is held back on its way and carried out later than anybody thinks it can
// be. A refund that was told as failed, because Alipay refused its second send and
// knew nothing of the first, is asked about again, and what is found is told; also by a
// token that came with the request alone.
func TestFailureThatWasTooEarly(t *testing.T) {
	for _, token := range []string{"", `,"app_auth_token":"token-one"`} {
		synctest.Test(t, func(t *testing.T) { inFailureThatWasTooEarly(t, token) })
	}
}

// Where that token was lost, nobody can ask, and a person is called for.
func TestRecheckWithoutItsToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		s.Trade()
		stop := s.Run()
		s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "ACQ.TRADE_HAS_CLOSE"})
		r := s.Refund(`{"out_trade_no":"` + shoptest.Order + `","refund_amount":"8.88","out_request_no":"R1","app_auth_token":"token-one"}`)
		s.Expect(r, 202, "pending")
		time.Sleep(time.Minute)
		s.ExpectTold("refund_failed")
		stop()
		s.Restart()
		stop = s.Run()
		defer stop()
		time.Sleep(time.Hour)
		s.ExpectTold("refund_failed refund_unresolved")
	})
}

func inFailureThatWasTooEarly(t *testing.T, token string) {
	var log shoptest.Log
	s := shoptest.NewShop(t, func(c *alirefund.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	s.Trade()
	stop := s.Run()
	defer stop()
	s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LateRequest, Delay: 50 * time.Minute})
	s.Expect(s.Refund(strings.Replace(shoptest.Partly, "}", token+"}", 1)), 202, "pending")
	s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "ACQ.SELLER_BALANCE_NOT_ENOUGH"})
	time.Sleep(19 * time.Minute)
	s.ExpectTold("") // the first may still arrive
	time.Sleep(20 * time.Minute)
	s.ExpectTold("refund_failed")
	failed := s.Refund(strings.Replace(shoptest.Numbered("R1", "9.99"), "}", token+"}", 1)) // another refund of the number
	if failed.Status != 409 || !strings.Contains(failed.Str("detail"), "wait a day") {
		t.Errorf("%d %s", failed.Status, failed.Text)
	}

	time.Sleep(time.Hour)
	if token == "" { // by which alone nobody knows whose notification it is
		s.Alipay.Deliver(t.Context()) // it says the same
	}
	s.ExpectMoved("R1=8.88")
	s.ExpectTold("refund_failed refund_succeeded")
	if lines := log.Lines("had failed has succeeded"); len(lines) != 1 {
		t.Errorf("%d lines say so", len(lines))
	}
}

// A store that answered only when the request's time was over still hears what became
// of the send: that nothing was sent.
func TestWhatIsLearntOutlivesTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		s.Trade()
		s.Apart()
		s.Around(func(ctx context.Context, c shoptest.Call, call func() error) error {
			if c.Name == "Settle" && ctx.Err() != nil {
				return ctx.Err()
			}
			err := call()
			if c.Name == "Sending" {
				<-ctx.Done()
			}
			return err
		})
		if r := s.Refund(shoptest.Partly); r.Status != 503 || r.Str("code") != "nothing_sent" {
			t.Errorf("%d %s", r.Status, r.Text)
		}
		s.ExpectMoved("")
		s.ExpectTold("")
	})
}

func TestDefiniteRefusals(t *testing.T) {
	for _, c := range []struct {
		sub       string
		retryable bool
	}{
		{"ACQ.TRADE_NOT_EXIST", false},
		{"ACQ.USER_NOT_MATCH_ERR", false},
		{"ACQ.SELLER_BALANCE_NOT_ENOUGH", true},
		{"AQC.REFUND_CHARGE_ERROR", true},
	} {
		t.Run(c.sub, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := shoptest.NewShop(t)
				s.Trade()
				s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: c.sub})
				r := s.Refund(shoptest.Partly)
				if r.Status != 422 || r.Str("code") != "alipay_refused" || r.Str("sub_code") != c.sub || r.Str("id") == "" || r.Str("out_request_no") != "R1" {
					t.Fatalf("%d %s", r.Status, r.Text)
				}
				s.ExpectTold("refund_failed")
				again := s.Refund(shoptest.Partly)
				if c.retryable {
					s.Expect(again, 200, "succeeded")
					s.ExpectTold("refund_failed refund_succeeded")
				} else if again.Status != 422 || again.Str("sub_code") != c.sub || s.Calls(gateway.MethodTradeRefund) != 1 {
					t.Errorf("the repeat of a final refusal: %d %s", again.Status, again.Text)
				}
			})
		})
	}
}

func TestUnknownRefusalIsUnresolved(t *testing.T) {
	s := shoptest.NewShop(t)
	s.Trade()
	s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "ACQ.SOMETHING_NEW"})
	r := s.Refund(shoptest.Partly)
	s.Expect(r, 202, "pending")
	s.ExpectTold("")
}

// Why a person should look is not replaced by how long it takes.
func TestAttentionKeepsItsReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		s.Trade()
		stop := s.Run()
		defer stop()
		s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.WrongSignature})
		s.Always(alipaytest.LostAnswer, gateway.MethodRefundQuery)
		r := s.Refund(shoptest.Partly)
		s.Expect(r, 202, "pending")
		reason := s.Ledger(r.Str("id")).Attention
		time.Sleep(50 * time.Hour)
		if now := s.Ledger(r.Str("id")).Attention; reason == "" || now != reason {
			t.Errorf("first %q, two days later %q", reason, now)
		}
		s.ExpectTold("refund_unresolved")
	})
}
