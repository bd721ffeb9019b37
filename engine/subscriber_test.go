package engine_test

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/internal/shoptest"
	"github.com/alirefund/alirefund/store"
)

// broker is a subscriber.
type broker struct {
	mu    sync.Mutex
	err   error
	hangs bool
	got   []string // the IDs of what it took
	tries int
}

func (b *broker) call(ctx context.Context, d alirefund.Delivery) error {
	b.mu.Lock()
	b.tries++
	hangs, err := b.hangs, b.err
	if !hangs && err == nil {
		b.got = append(b.got, strings.TrimPrefix(d.ID, d.Refund.ID+"."))
	}
	b.mu.Unlock()
	if hangs {
		<-ctx.Done()
		return ctx.Err()
	}
	return err
}

func (b *broker) set(hangs bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hangs, b.err = hangs, err
}

func (b *broker) expect(t *testing.T, want ...string) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if !slices.Equal(b.got, want) {
		t.Fatalf("the subscriber was told %q, want %q", b.got, want)
	}
}

// to subscribes b to the events.
func (b *broker) to(events ...store.Event) func(*alirefund.Config) {
	return func(c *alirefund.Config) {
		for _, event := range events {
			c.Subscribers = append(c.Subscribers, alirefund.Subscriber{Name: "broker", Event: event, Call: b.call})
		}
	}
}

// A subscriber that is down, or hangs, holds up neither the answer, nor the host's own
// hook, nor a notification, and hears of everything once it is up.
func TestSubscriberThatIsDownHoldsUpNobody(t *testing.T) {
	for _, hangs := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			b := &broker{}
			b.set(hangs, shoptest.ErrHost)
			s := shoptest.NewShop(t, b.to(store.RefundSucceeded))
			s.Trade()
			stop := s.Run()
			defer stop()
			var want []string
			for n := range 40 { // more than are called at once
				began := time.Now()
				r := s.Refund(shoptest.Numbered(fmt.Sprint("R", n), "0.01"))
				s.Expect(r, 200, "succeeded")
				if took := time.Since(began); r.Body["delivered"] != true || took >= 10*time.Second {
					t.Fatalf("after %v: %s", took, r.Text)
				}
				want = append(want, "refund_succeeded")
				time.Sleep(3 * time.Second) // Alipay's spacing
			}
			s.Alipay.Deliver(t.Context())
			for _, n := range s.Alipay.Notices() {
				if !n.Acknowledged {
					t.Fatalf("a notification was not acknowledged: %+v", n)
				}
			}
			b.expect(t)
			b.set(false, nil)
			time.Sleep(2 * time.Hour)
			b.expect(t, want...)
			if told := strings.Fields(s.Told()); len(told) != 40 {
				t.Errorf("the host was told %d times", len(told))
			}
		})
	}
}

// A host that books within its transaction publishes, too; and the host's own hook that
// fails does not keep a subscriber from hearing.
func TestSubscriberBesideTheTransaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, db := &broker{}, &transactor{Memory: store.NewMemory()}
		var s *shoptest.Shop
		booked := 0
		s = shoptest.NewShop(t, b.to(store.RefundSucceeded, store.RefundFailed), func(c *alirefund.Config) {
			c.Store, c.OnRefundSucceeded = db, nil
			c.OnRefundSucceededTx = func(_ context.Context, _ *sql.Tx, e alirefund.RefundSucceeded) error {
				return s.Hook(store.RefundSucceeded, e.Refund)
			}
			c.Subscribers = append(c.Subscribers, alirefund.Subscriber{
				Name: "books", Event: store.RefundSucceeded,
				CallTx: func(_ context.Context, _ *sql.Tx, d alirefund.Delivery) error {
					if d.Event == store.RefundSucceeded && d.Refund.State == store.Succeeded {
						booked++
					}
					return nil
				},
			})
		})
		s.Trade()
		s.HookFails(store.RefundSucceeded, shoptest.ErrHost)
		s.Expect(s.Refund(shoptest.Partly), 200, "succeeded")
		synctest.Wait()
		b.expect(t, "refund_succeeded")
		s.ExpectTold("")
		if booked != 1 || db.began.Load() != 2 {
			t.Errorf("booked %d times, by %d transactions", booked, db.began.Load())
		}
		s.HookFails(store.RefundSucceeded, nil)
		stop := s.Run()
		defer stop()
		time.Sleep(time.Minute)
		s.ExpectTold("refund_succeeded")
		b.expect(t, "refund_succeeded")
	})
}

// A process of before the subscriber was added, or after it was taken away, leaves its
// deliveries to the others.
func TestSubscriberThatAnotherProcessKnows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &broker{}
		b.set(false, shoptest.ErrHost)
		s := shoptest.NewShop(t, b.to(store.RefundSucceeded))
		s.Trade()
		s.Expect(s.Refund(shoptest.Partly), 200, "succeeded")
		synctest.Wait()
		b.set(false, nil)
		knows := s.Config.Subscribers

		s.Config.Subscribers = nil
		s.Restart()
		stop := s.Run()
		time.Sleep(time.Minute)
		b.expect(t)
		s.Config.Subscribers = knows
		s.Restart()
		stop2 := s.Run()
		time.Sleep(24 * time.Hour) // whoever is first takes it up; each has its turn
		stop2()
		stop()
		b.expect(t, "refund_succeeded")
	})
}

func TestRetiredSubscriber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &broker{}
		b.set(false, shoptest.ErrHost)
		s := shoptest.NewShop(t, b.to(store.RefundSucceeded))
		s.Trade()
		id := s.Refund(shoptest.Partly).Str("id")
		synctest.Wait()
		s.Config.Subscribers = []alirefund.Subscriber{{Name: "broker", Event: store.RefundSucceeded, Retired: true}}
		s.Restart()
		stop := s.Run()
		defer stop()
		time.Sleep(time.Minute)
		if s.Ledger(id).Undelivered() {
			t.Error("it is still to hear of it")
		}
		if r := s.Ledger(s.Refund(shoptest.Numbered("R2", "1")).Str("id")); len(r.Subscribed) != 0 {
			t.Errorf("a new refund is for %v", r.Subscribed)
		}
	})
}

// One that is added later hears of what is recorded from then on, or since a time that it
// names, and then of what a process without it records meanwhile.
func TestSubscriberThatIsAddedLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		s.Trade()
		refund := func(n int) {
			t.Helper()
			s.Expect(s.Refund(shoptest.Numbered(fmt.Sprint("R", n), "0.01")), 200, "succeeded")
			time.Sleep(3 * time.Second)
		}
		refund(1)
		from := time.Now()
		for n := range 120 { // more than a page
			refund(2 + n)
		}
		old := s.Router
		late, early := &broker{}, &broker{}
		s.Config.Subscribers = []alirefund.Subscriber{
			{Name: "late", Event: store.RefundSucceeded, Call: late.call},
			{Name: "early", Event: store.RefundSucceeded, Call: early.call, From: from},
		}
		s.Restart()
		stop := s.Run()
		defer stop()
		time.Sleep(time.Minute)
		early.expect(t, slices.Repeat([]string{"refund_succeeded"}, 120)...)
		late.expect(t)
		refund(1000)
		s.Router = old
		refund(1001)
		time.Sleep(2 * time.Hour)
		early.expect(t, slices.Repeat([]string{"refund_succeeded"}, 122)...)
		late.expect(t, "refund_succeeded")
	})
}

// The same event has one ID, however often it is tried; what became due once more has
// another.
func TestDeliveryID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &broker{}
		s := shoptest.NewShop(t, b.to(store.RefundSucceeded, store.RefundFailed))
		s.Trade()
		for range 2 { // refused, and refused again
			s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "ACQ.SELLER_BALANCE_NOT_ENOUGH"})
			s.Expect(s.Refund(shoptest.Partly), 422, "failed")
			synctest.Wait()
			time.Sleep(3 * time.Second)
		}
		b.expect(t, "refund_failed", "refund_failed.1")
		s.Expect(s.Refund(shoptest.Partly), 200, "succeeded")
		synctest.Wait()
		for range 2 {
			if list, err := s.Module.ReplayTo(t.Context(), "broker", store.Filter{}, "somebody", false); err != nil || len(list) != 1 {
				t.Fatal(list, err)
			}
			synctest.Wait()
		}
		b.expect(t, "refund_failed", "refund_failed.1", "refund_succeeded", "refund_succeeded.1", "refund_succeeded.2")
		if list, err := s.Module.ReplayTo(t.Context(), "another", store.Filter{}, "somebody", false); err != nil || len(list) != 0 {
			t.Fatal(list, err)
		}
		s.ExpectTold("refund_failed refund_failed refund_succeeded")
	})
}

// A subscriber that is down for long wants a person, and one that was merely not there
// to be called does not.
func TestSubscriberThatIsDownForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &broker{}
		b.set(false, shoptest.ErrHost)
		s := shoptest.NewShop(t, b.to(store.RefundSucceeded))
		s.Trade()
		s.Expect(s.Refund(shoptest.Partly), 200, "succeeded")
		time.Sleep(48 * time.Hour) // nobody is there
		s.HookFails(store.RefundUnresolved, nil)
		stop := s.Run()
		defer stop()
		b.set(false, nil)
		time.Sleep(time.Minute)
		s.ExpectTold("refund_succeeded")

		b.set(false, shoptest.ErrHost)
		s.Expect(s.Refund(shoptest.Numbered("R2", "1")), 200, "succeeded")
		time.Sleep(30 * time.Hour)
		s.ExpectTold("refund_succeeded refund_succeeded refund_unresolved")
		if r := s.Last(); !strings.Contains(r.Attention, "refund_succeeded@broker could not be delivered for 24h0m0s: the host's database is down") {
			t.Error(r.Attention)
		}
	})
}
