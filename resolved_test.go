package alirefund_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/store"
)

// meanwhile lets something happen right before a settlement.
type meanwhile struct {
	store.Store
	do func(s store.Store, id string, by store.Source)
}

func (m meanwhile) Settle(ctx context.Context, id string, s store.Settlement) (store.Refund, bool, error) {
	m.do(m.Store, id, s.Source)
	return m.Store.Settle(ctx, id, s)
}

// A person's word about what is unresolved comes a moment after Alipay's signed
// one: it is no decision any more.
func TestResolveComesTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.voice(func(string, url.Values) string { return lost })
		id := s.refund(partly).str("id")
		s.config.Store = meanwhile{s.config.Store, func(inner store.Store, id string, by store.Source) {
			if by == store.ByPerson { // Run, in another process
				_, _, err := inner.Settle(t.Context(), id, store.Settlement{Source: store.ByAnswer, Attempt: 1, Finding: store.Refusal, SubCode: "ACQ.TRADE_NOT_ALLOW_REFUND"})
				if err != nil {
					t.Error(err)
				}
			}
		}}
		s.restart()
		result, err := s.module.Resolve(t.Context(), id, store.Succeeded, "boss", "the buyer says so")
		if !errors.Is(err, alirefund.ErrNotPending) {
			t.Errorf("Resolve = %s, %v; want ErrNotPending", result.Refund.State, err)
		}
		if r := s.ledger(id); r.State != store.Failed || r.Source != store.ByAnswer {
			t.Errorf("Alipay's signed refusal was overruled: %s by %s", r.State, r.Source)
		}
		s.expectTold("refund_failed")
	})
}

// A not-found allows to send again what it was asked about: not after another
// process's send that came between the question and its answer.
func TestNotFoundIsAboutTheLastSend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		var sends []time.Time
		var slow, mute atomic.Bool
		s.voice(func(method string, params url.Values) string {
			switch {
			case method == gateway.MethodTradeRefund:
				sends = append(sends, time.Now())
				mute.Store(len(sends) > 1)
				return lost
			case len(sends) == 1 && slow.CompareAndSwap(true, false):
				time.Sleep(8 * time.Second)
			case len(sends) == 1 && time.Since(sends[0]) < time.Minute, mute.Load():
				return lost
			}
			return `{"code":"10000","msg":"Success"}` // nothing of the kind is known
		})
		s.expect(s.refund(partly), 202, "pending")
		time.Sleep(2 * time.Minute)
		slow.Store(true)
		done := make(chan bool)
		go func() { s.refund(partly); done <- true }() // asks, and waits for the answer
		time.Sleep(2 * time.Second)
		s.refund(partly) // asks, sends, and hears nothing
		<-done
		for i := 1; i < len(sends); i++ {
			if gap := sends[i].Sub(sends[i-1]); gap < 10*time.Second {
				t.Errorf("send %d came %v after the one before it", i+1, gap)
			}
		}
	})
}

// A hook that never returns asks for a person like one that fails.
func TestHookThatHangsAsksForAPerson(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		s := newShop(t, func(c *alirefund.Config) {
			c.OnRefundSucceeded = func(context.Context, alirefund.RefundSucceeded) error { <-release; return nil }
		})
		s.trade()
		stop := s.run()
		defer stop()
		defer close(release)
		r := s.refund(partly)
		s.expect(r, 200, "succeeded")
		time.Sleep(26 * time.Hour)
		if got := s.ledger(r.str("id")); !strings.Contains(got.Attention, "could not be delivered") {
			t.Errorf("after a day nobody was asked to look: attention %q, %+v", got.Attention, got.Deliveries)
		}
		s.expectTold("refund_unresolved")
	})
}

// That a refund was unresolved for long, and later that its success cannot be
// told, are two matters: a person hears of both.
func TestAttentionForEachMatter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		var found atomic.Bool
		s.voice(func(string, url.Values) string {
			if !found.Load() {
				return lost
			}
			return `{"code":"10000","out_trade_no":"6823789339978248","out_request_no":"R1","refund_status":"REFUND_SUCCESS","refund_amount":"8.88"}`
		})
		stop := s.run()
		defer stop()
		s.expect(s.refund(partly), 202, "pending")
		time.Sleep(26 * time.Hour)
		s.expectTold("refund_unresolved")
		s.hookFails(store.RefundSucceeded, errHost)
		found.Store(true)
		time.Sleep(50 * time.Hour)
		s.expectTold("refund_unresolved refund_unresolved")
	})
}
