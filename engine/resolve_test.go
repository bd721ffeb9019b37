package engine_test

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/internal/shoptest"
	"github.com/alirefund/alirefund/store"
)

// A person's decision is told like any other, and recorded with who and why.
func TestResolve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		id := s.Unresolved(alipaytest.LostAnswer).ID
		ctx := t.Context()

		var invalid *alirefund.ValidationError
		for _, c := range []struct {
			outcome       store.State
			actor, reason string
		}{{store.Pending, "boss", "why"}, {store.Succeeded, " ", "why"}, {store.Failed, "boss", ""}, {"", "boss", "why"}} {
			if _, err := s.Module.Resolve(ctx, id, c.outcome, c.actor, c.reason); !errors.As(err, &invalid) {
				t.Errorf("%+v: %v", c, err)
			}
		}
		if _, err := s.Module.Resolve(ctx, "rf_unknown", store.Failed, "boss", "why"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("an unknown refund: %v", err)
		}
		result, err := s.Module.Resolve(ctx, id, store.Succeeded, "boss", "seen on the console")
		if err != nil || result.Refund.State != store.Succeeded || result.Refund.Source != store.ByPerson || !result.Delivered {
			t.Fatalf("%+v, %v", result, err)
		}
		if last := s.Ledger(id).History; !slices.ContainsFunc(last, func(e store.Entry) bool {
			return e.What == "person" && e.Actor == "boss" && strings.Contains(e.Detail, "seen on the console")
		}) {
			t.Errorf("it stands nowhere who decided: %+v", last)
		}
		if _, err := s.Module.Resolve(ctx, id, store.Failed, "boss", "no"); !errors.Is(err, alirefund.ErrNotPending) {
			t.Errorf("a second decision: %v", err)
		}
		s.ExpectTold("refund_succeeded")

		// The notice confirms it: Alipay's word now, and no second callback.
		s.Alipay.Deliver(ctx)
		if r := s.Ledger(id); r.Source != store.ByNotice || r.State != store.Succeeded {
			t.Errorf("after the notice: %s by %s", r.State, r.Source)
		}
		s.ExpectTold("refund_succeeded")
	})
}

// Alipay's signed word corrects a person's.
func TestResolveIsCorrected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t, shoptest.Total(88_88))
		id := s.Unresolved(alipaytest.LostAnswer).ID
		result, err := s.Module.Resolve(t.Context(), id, store.Failed, "boss", "cannot be")
		if err != nil || result.Refund.State != store.Failed || result.Refund.Retryable {
			t.Fatalf("%+v, %v", result, err)
		}
		s.ExpectTold("refund_failed")
		if r := s.Refund(shoptest.Partly); r.Status != 422 || r.Str("code") != "alipay_refused" { // a repeat sends nothing
			t.Errorf("%d %s", r.Status, r.Text)
		}
		s.Alipay.Deliver(t.Context())
		if r := s.Ledger(id); r.State != store.Succeeded || r.Source != store.ByNotice {
			t.Errorf("after the notice: %s by %s", r.State, r.Source)
		}
		s.ExpectTold("refund_failed refund_succeeded")
		s.ExpectMoved("R1=8.88")
	})
}

// transactor is a store on a database as the module sees it: the hook and the
// mark in one step. tx is nil.
type transactor struct {
	*store.Memory
	began atomic.Int64
}

func (d *transactor) DeliverTx(ctx context.Context, id string, event store.Event, learnt *store.Settlement, hook func(context.Context, *sql.Tx, store.Refund) error) (settled store.Refund, done bool, err error) {
	if learnt != nil {
		if settled, _, err = d.Settle(ctx, id, *learnt); err != nil {
			return store.Refund{}, false, err
		}
	}
	token, done, err := d.Deliver(ctx, id, event, time.Minute)
	if err != nil || done || token == "" {
		return settled, done, err
	}
	d.began.Add(1)
	r, err := d.Get(ctx, id)
	if err != nil {
		return settled, false, err
	}
	if failed := hook(ctx, nil, r); failed != nil {
		_, err = d.Undelivered(ctx, id, event, token, failed.Error())
		return settled, false, errors.Join(failed, err)
	}
	var n store.Notice
	if learnt != nil {
		n = learnt.Notice
	}
	done, _, err = d.Delivered(ctx, id, event, token, n)
	if now, getErr := d.Get(ctx, id); learnt != nil && getErr == nil {
		settled = now
	}
	return settled, done, err
}

// A person's word about what is unresolved comes a moment after Alipay's signed
// one: it is no decision any more.
func TestResolveComesTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		s.Voice(func(string, url.Values) string { return shoptest.Lost })
		id := s.Refund(shoptest.Partly).Str("id")
		inner := s.Config.Store
		s.Around(func(_ context.Context, c shoptest.Call, call func() error) error {
			if c.Source == store.ByPerson { // Run, in another process
				_, _, err := inner.Settle(t.Context(), id, store.Settlement{Source: store.ByAnswer, Attempt: 1, Finding: store.Refusal, SubCode: "ACQ.TRADE_NOT_ALLOW_REFUND"})
				if err != nil {
					t.Error(err)
				}
			}
			return call()
		})
		result, err := s.Module.Resolve(t.Context(), id, store.Succeeded, "boss", "the buyer says so")
		if !errors.Is(err, alirefund.ErrNotPending) {
			t.Errorf("Resolve = %s, %v; want ErrNotPending", result.Refund.State, err)
		}
		if r := s.Ledger(id); r.State != store.Failed || r.Source != store.ByAnswer {
			t.Errorf("Alipay's signed refusal was overruled: %s by %s", r.State, r.Source)
		}
		s.ExpectTold("refund_failed")
	})
}

// Another application's refunds, in the same store, are not ours to decide.
func TestResolveOfAnotherApplication(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		id := s.Unresolved(alipaytest.LostAnswer).ID
		s.Config.App.ID = "2021999999999999"
		s.Restart()
		if _, err := s.Module.Resolve(t.Context(), id, store.Failed, "boss", "why"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Resolve: %v, want %v", err, store.ErrNotFound)
		}
		if r := s.Ledger(id); r.State != store.Pending {
			t.Errorf("it is %s", r.State)
		}
	})
}

// However long a person's reason is, the record keeps little of it.
func TestReasonIsKeptShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		id := s.Unresolved(alipaytest.LostAnswer).ID
		if _, err := s.Module.Resolve(t.Context(), id, store.Failed, "boss", strings.Repeat("因", 1000)); err != nil {
			t.Fatal(err)
		}
		r := s.Ledger(id)
		if last := r.History[len(r.History)-2]; len(r.Message) > 310 || len(last.Detail) > 400 || last.What != "person" {
			t.Errorf("kept %d bytes as its message, and %d in the history's %q", len(r.Message), len(last.Detail), last.What)
		}
	})
}
