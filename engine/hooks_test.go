package engine_test

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/internal/shoptest"
)

// Close waits for a hook that has outlasted the answer of its request, and for its mark.
func TestCloseWaitsForHooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		s := shoptest.NewShop(t, slowHook(&calls, 40*time.Second))
		s.Trade()
		if err := s.Module.Close(t.Context()); err != nil {
			t.Errorf("with no hook: %v", err)
		}
		r := s.Refund(shoptest.Partly)
		if r.Status != 200 || r.Body["delivered"] != false {
			t.Fatalf("%d %s", r.Status, r.Text)
		}
		soon, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.Module.Close(soon); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the hook runs, and Close says %v", err)
		}
		if err := s.Module.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if got := s.Ledger(r.Str("id")); !got.WasDelivered("refund_succeeded") || calls.Load() != 1 {
			t.Errorf("after Close it is not marked: %+v", got.Deliveries)
		}
	})
}

// Run returns after the hooks that it called, but no later than its grace.
func TestRunReturnsAfterItsHooks(t *testing.T) {
	for _, c := range []struct{ grace, least, most time.Duration }{
		{0, 30 * time.Second, 60 * time.Second},
		{5 * time.Second, 5 * time.Second, 6 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			var log shoptest.Log
			var slow atomic.Bool
			s := shoptest.NewShop(t, func(config *alirefund.Config) {
				config.Times.Grace, config.Logger = c.grace, slog.New(slog.NewTextHandler(&log, nil))
				config.OnRefundSucceeded = func(context.Context, alirefund.RefundSucceeded) error {
					if !slow.Load() {
						return shoptest.ErrHost
					}
					time.Sleep(40 * time.Second)
					return nil
				}
			})
			s.Trade()
			id := s.Refund(shoptest.Partly).Str("id")
			slow.Store(true)
			stop := s.Run()
			time.Sleep(5 * time.Second)
			began := time.Now()
			stop()
			if took := time.Since(began); took < c.least || took > c.most {
				t.Errorf("with a grace of %v it returned after %v", c.grace, took)
			}
			early := len(log.Lines("was stopped before")) > 0
			if early != (c.grace > 0) || s.Ledger(id).WasDelivered("refund_succeeded") == early {
				t.Errorf("with a grace of %v: it said that it was early is %v, deliveries %+v", c.grace, early, s.Ledger(id).Deliveries)
			}
			time.Sleep(time.Minute)
		})
	}
}
