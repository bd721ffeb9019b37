package store_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/store"
	"github.com/alirefund/alirefund/store/storetest"
)

func TestMemoryKeepsTheContract(t *testing.T) {
	storetest.RunInBubble(t, func(*testing.T) store.Store { return store.NewMemory() })
}

// By the real clock, as any other back-end runs it.
func TestMemoryKeepsTheContractInRealTime(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Store { return store.NewMemory() })
}

// Claims behind Remember keep the contract as well.
func TestRememberKeepsTheContract(t *testing.T) {
	storetest.RunInBubble(t, func(*testing.T) store.Store {
		m := store.NewMemory()
		return struct {
			store.Claims
			store.Ledger
		}{store.Remember(struct{ store.Store }{m}), m}
	})
}

// What expires is removed while the store is used, however the uses fall.
func TestMemoryForgetsClaimsUnderUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const aMinute, keep = 150, 2 * time.Hour
		m := store.NewMemory()
		for n := range 8 * 60 * aMinute {
			key := fmt.Sprint(n)
			if held, err := m.Complete(t.Context(), key, claimed(t, m, key), keep); !held || err != nil {
				t.Fatal("Complete:", held, err)
			}
			time.Sleep(time.Minute / aMinute)
		}
		// Completed keys live for two hours, and the ends of their leases for one.
		const live = 2 * 60 * aMinute
		if keys, ends := m.Entries(); keys < live || keys > live*11/10 || ends > live*17/10 {
			t.Errorf("%d keys with %d ends are held, of which %d have not expired", keys, ends, live)
		}
	})
}

// Read, decide and write are one step: sums would be exceeded, or maps break.
func TestMemoryUnderLoad(t *testing.T) {
	const orders, each = 50, 40
	m := store.NewMemory()
	var claims, created atomic.Int64
	var wg sync.WaitGroup
	for worker := range 64 {
		wg.Go(func() {
			for n := range orders * each {
				token, _, err := m.Claim(t.Context(), fmt.Sprint(n), time.Minute)
				if err != nil {
					t.Error(err)
				}
				if token != "" {
					claims.Add(1)
				}
				r := refund(fmt.Sprint(n/each), fmt.Sprint(worker, n))
				_, o, err := m.Open(t.Context(), r, store.Limit{Total: 1000, Known: true}, nil)
				if err != nil {
					t.Error(err)
				}
				if o.How == store.Created {
					created.Add(1)
				}
				if n%each == 0 {
					runtime.Gosched()
				}
			}
		})
	}
	wg.Wait()
	if got := claims.Load(); got != orders*each {
		t.Errorf("%d claims of %d keys were won", got, orders*each)
	}
	if got := created.Load(); got != orders*10 {
		t.Errorf("%d refunds of 1.00 for %d orders of 10.00", got, orders)
	}
}

// go-cache takes 0 for its default and less for "for ever".
func TestMemoryTimesThatAreNone(t *testing.T) {
	for _, d := range []time.Duration{0, -1, math.MinInt64} {
		m := store.NewMemory()
		if token, done, err := m.Claim(t.Context(), "key", d); token == "" || done || err != nil {
			t.Errorf("Claim for %v = %q, %v, %v; want a token", d, token, done, err)
		}
		token := claimed(t, m, "key") // it was held for no time
		if held, err := m.Complete(t.Context(), "key", token, d); !held || err != nil {
			t.Errorf("Complete for %v = %v, %v; want held", d, held, err)
		}
		claimed(t, m, "key") // and was done for no time
	}
}

func TestMemoryTimesWithoutEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := store.NewMemory()
		token, _, err := m.Claim(t.Context(), "key", math.MaxInt64)
		if token == "" || err != nil {
			t.Fatal("Claim:", token, err)
		}
		if token, done, _ := m.Claim(t.Context(), "key", time.Minute); token != "" || done {
			t.Errorf("Claim of a held key = %q, %v", token, done)
		}
		if held, err := m.Complete(t.Context(), "key", token, math.MaxInt64); !held || err != nil {
			t.Fatal("Complete:", held, err)
		}
		time.Sleep(50 * 365 * 24 * time.Hour)
		wantDone(t, m, "key")
	})
}

// refund is a trade refund of 1.00 yuan, identified.
func refund(order, number string) store.Refund {
	return store.Refund{
		Kind: store.Trade, App: "app", OutTradeNo: order, TradeNo: "trade of " + order, OutRequestNo: number,
		Amount: 100, Origin: store.FromRequest, State: store.Pending,
	}.Identify()
}

func opened(t *testing.T, l store.Ledger, r store.Refund) store.Refund {
	t.Helper()
	r, opened, err := l.Open(t.Context(), r, store.Limit{}, nil)
	if err != nil || opened.How != store.Created {
		t.Fatalf("Open = %+v, %v; want Created", opened, err)
	}
	return r
}

func settled(t *testing.T, l store.Ledger, id string, s store.Settlement) {
	t.Helper()
	if _, changed, err := l.Settle(t.Context(), id, s); !changed || err != nil {
		t.Fatal("Settle:", changed, err)
	}
}

func TestMemoryForgetsOnlyWhatNeedsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const keep = 24 * time.Hour
		m := store.NewMemory(store.KeepSettled(keep))
		pending := opened(t, m, refund("order", "pending"))
		undelivered := opened(t, m, refund("order", "undelivered"))
		settled(t, m, undelivered.ID, store.Settlement{Source: store.ByNotice, Finding: store.Success})
		notSent := opened(t, m, refund("other", "not sent"))
		attempt, err := m.Sending(t.Context(), notSent.ID, store.Permission{Attempts: 0, Lease: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		settled(t, m, notSent.ID, store.Settlement{Source: store.ByAnswer, Attempt: attempt.Number, Token: attempt.Token, Finding: store.NotSent})
		kept := func(id string) bool {
			t.Helper()
			_, err := m.Get(t.Context(), id)
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				t.Fatal(err)
			}
			return err == nil
		}

		time.Sleep(keep - time.Nanosecond)
		if !kept(notSent.ID) {
			t.Error("forgotten before its time")
		}
		time.Sleep(time.Nanosecond)
		if kept(notSent.ID) {
			t.Error("not forgotten at its time")
		}
		time.Sleep(1000 * keep)
		if !kept(pending.ID) || !kept(undelivered.ID) {
			t.Error("forgotten with work to do")
		}

		// The time of the undelivered one begins with its delivery.
		token, _, err := m.Deliver(t.Context(), undelivered.ID, store.RefundSucceeded, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if held, _, err := m.Delivered(t.Context(), undelivered.ID, store.RefundSucceeded, token, store.Notice{}); !held || err != nil {
			t.Fatal("Delivered:", held, err)
		}
		time.Sleep(keep - time.Nanosecond)
		if !kept(undelivered.ID) {
			t.Error("forgotten before its time")
		}
		time.Sleep(time.Nanosecond)
		if kept(undelivered.ID) {
			t.Error("not forgotten at its time")
		}
		if rows, numbers := m.Rows(); rows != 1 || numbers != 6 {
			t.Errorf("%d refunds with %d numbers remain, want the pending one with its 4, when it is due and whose it is", rows, numbers)
		}
	})
}

// A row that becomes pending, or gets something to deliver, before its time is
// over loses that time.
func TestMemoryKeepsWhatWasReopened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := store.NewMemory()
		r := opened(t, m, refund("order", "number"))
		if _, err := m.Sending(t.Context(), r.ID, store.Permission{Attempts: 0, Lease: time.Minute}); err != nil {
			t.Fatal(err)
		}
		settled(t, m, r.ID, store.Settlement{Source: store.ByAnswer, Attempt: 1, Finding: store.NotSent})
		time.Sleep(time.Hour)
		if _, o, err := m.Open(t.Context(), r, store.Limit{}, nil); o.How != store.Reopened || err != nil {
			t.Fatal("Open:", o, err)
		}
		time.Sleep(2 * store.DefaultKeepSettled)
		for range 10 {
			if _, err := m.Get(t.Context(), r.ID); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestMemoryIndexesDoNotLeak(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := store.NewMemory(store.KeepSettled(time.Hour))
		round := func(name string, n int) {
			for i := range n {
				r := refund(fmt.Sprint(name, "order", i), "number")
				r.State = store.Failed // nothing to do for it
				r.NotSent = true
				r.TradeNo = name
				opened(t, m, r)
				// A fact that comes later moves it in the index.
				if _, _, err := m.Settle(t.Context(), r.ID, store.Settlement{Source: store.ByQuery, OperationID: "operation" + r.OrderID}); err != nil {
					t.Fatal(err)
				}
			}
		}
		round("a", 1000)
		time.Sleep(2 * time.Hour)
		round("a", 10) // known ids, expired but not all swept
		round("b", 1000)
		time.Sleep(2 * time.Hour)
		for range 2000 {
			if _, err := m.List(t.Context(), store.Filter{App: "app", TradeNo: "b"}); err != nil {
				t.Fatal(err)
			}
		}
		if rows, numbers := m.Rows(); rows != 0 || numbers != 0 {
			t.Errorf("%d refunds and %d numbers remain, want none", rows, numbers)
		}
	})
}

// The reservation adds up whatever the order's refunds become.
func TestMemoryReservesWhatIsLearnt(t *testing.T) {
	m := store.NewMemory()
	learnt := refund("order", "console")
	learnt.Origin, learnt.Amount, learnt.State = store.FromNotice, 0, store.Succeeded
	opened(t, m, learnt)
	asked := refund("order", "second")
	asked.Amount = 60
	limit := store.Limit{Total: 100, Known: true}
	if _, _, err := m.Settle(t.Context(), learnt.ID, store.Settlement{Source: store.ByQuery, Amount: 50}); err != nil {
		t.Fatal(err)
	}
	if _, o, err := m.Open(t.Context(), asked, limit, nil); err != nil || o != (store.Opened{How: store.OverLimit, Left: 50}) {
		t.Errorf("Open = %+v, %v; want OverLimit with 0.50 left", o, err)
	}
}

func BenchmarkMemoryRefund(b *testing.B) {
	m := store.NewMemory()
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		n++
		r := refund(fmt.Sprint("order", n), "number")
		ctx := context.Background()
		if _, _, err := m.Open(ctx, r, store.Limit{Total: money.Max, Known: true}, nil); err != nil {
			b.Fatal(err)
		}
		attempt, err := m.Sending(ctx, r.ID, store.Permission{Attempts: 0, Lease: time.Minute})
		if err != nil {
			b.Fatal(err)
		}
		settlement := store.Settlement{Source: store.ByAnswer, Attempt: attempt.Number, Token: attempt.Token, Finding: store.Success}
		if _, _, err := m.Settle(ctx, r.ID, settlement); err != nil {
			b.Fatal(err)
		}
		token, _, err := m.Deliver(ctx, r.ID, store.RefundSucceeded, time.Minute)
		if err != nil {
			b.Fatal(err)
		}
		if _, _, err := m.Delivered(ctx, r.ID, store.RefundSucceeded, token, store.Notice{}); err != nil {
			b.Fatal(err)
		}
	}
}
