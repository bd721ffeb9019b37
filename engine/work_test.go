package engine_test

import (
	"context"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/internal/shoptest"
	"github.com/alirefund/alirefund/store"
)

// What is replayed is due from then on, and not since it was settled; and the
// history has a word for each of its lines.
func TestReplayIsNotOverdue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		s.Trade()
		stop := s.Run()
		defer stop()
		s.Expect(s.Refund(shoptest.Partly), 200, "succeeded")
		time.Sleep(72 * time.Hour)
		s.HookFails(store.RefundSucceeded, shoptest.ErrHost)
		rows, err := s.Module.Replay(t.Context(), store.Filter{}, "boss", false)
		if err != nil || len(rows) != 1 {
			t.Fatal(rows, err)
		}
		time.Sleep(23 * time.Hour)
		s.ExpectTold("refund_succeeded")
		time.Sleep(3 * time.Hour)
		s.ExpectTold("refund_succeeded refund_unresolved")
		for i, entry := range s.Ledger(rows[0].ID).History {
			if entry.What == "" {
				t.Errorf("line %d of the history says what of %+v?", i, entry)
			}
		}
	})
}

// A hook that never returns asks for a person like one that fails.
func TestHookThatHangsAsksForAPerson(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		s := shoptest.NewShop(t, func(c *alirefund.Config) {
			c.OnRefundSucceeded = func(context.Context, alirefund.RefundSucceeded) error { <-release; return nil }
		})
		s.Trade()
		stop := s.Run()
		defer stop()
		defer close(release)
		r := s.Refund(shoptest.Partly)
		s.Expect(r, 200, "succeeded")
		time.Sleep(26 * time.Hour)
		if got := s.Ledger(r.Str("id")); !strings.Contains(got.Attention, "could not be delivered") {
			t.Errorf("after a day nobody was asked to look: attention %q, %+v", got.Attention, got.Deliveries)
		}
		s.ExpectTold("refund_unresolved")
	})
}

// That a refund was unresolved for long, and later that its success cannot be
// told, are two matters: a person hears of both.
func TestAttentionForEachMatter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		var found atomic.Bool
		s.Voice(func(string, url.Values) string {
			if !found.Load() {
				return shoptest.Lost
			}
			return `{"code":"10000","out_trade_no":"6823789339978248","out_request_no":"R1","refund_status":"REFUND_SUCCESS","refund_amount":"8.88"}`
		})
		stop := s.Run()
		defer stop()
		s.Expect(s.Refund(shoptest.Partly), 202, "pending")
		time.Sleep(26 * time.Hour)
		s.ExpectTold("refund_unresolved")
		s.HookFails(store.RefundSucceeded, shoptest.ErrHost)
		found.Store(true)
		time.Sleep(50 * time.Hour)
		s.ExpectTold("refund_unresolved refund_unresolved")
	})
}
