package engine_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/internal/shoptest"
	"github.com/alirefund/alirefund/store"
)

// What another process delivered, and made due once more, between this one's look at the
// refund and its lease, is told by the ID that it has now: by the old one whoever remembers
// it would drop it.
func TestSubscriberIsToldByTheIDOfItsLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &broker{}
		s := shoptest.NewShop(t, b.to(store.RefundSucceeded))
		s.Trade()
		ledger, event := s.Config.Store, store.RefundSucceeded.For("broker")
		var meanwhile atomic.Bool
		s.Around(func(ctx context.Context, c shoptest.Call, call func() error) error {
			if c.Name == "Deliver" && meanwhile.CompareAndSwap(false, true) {
				id := shoptest.Must(ledger.List(ctx, store.Filter{App: s.Config.App.ID}))[0].ID
				token, _, err := ledger.Deliver(ctx, id, event, time.Minute)
				if err != nil || token == "" {
					t.Error("the other process:", token, err)
				}
				if held, _, err := ledger.Delivered(ctx, id, event, token, store.Notice{}); !held || err != nil {
					t.Error("the other process:", held, err)
				}
				if did, err := ledger.Redeliver(ctx, id, event, "somebody"); !did || err != nil {
					t.Error("the other process:", did, err)
				}
			}
			return call()
		})
		s.Expect(s.Refund(shoptest.Partly), 200, "succeeded")
		synctest.Wait()
		b.expect(t, "refund_succeeded.1")
	})
}

// A failure that another took the place of meanwhile is told as the later one.
func TestSubscriberIsToldOfTheLastFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []store.Refund
		s := shoptest.NewShop(t, func(c *alirefund.Config) {
			c.Subscribers = []alirefund.Subscriber{{Name: "broker", Event: store.RefundFailed, Call: func(_ context.Context, d alirefund.Delivery) error {
				told = append(told, d.Refund)
				return nil
			}}}
		})
		s.Trade()
		slow := make(chan struct{})
		var first atomic.Bool
		s.Around(func(_ context.Context, c shoptest.Call, call func() error) error {
			if c.Name == "Deliver" && first.CompareAndSwap(false, true) {
				<-slow
			}
			return call()
		})
		for range 2 {
			s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "ACQ.SELLER_BALANCE_NOT_ENOUGH"})
			s.Expect(s.Refund(shoptest.Partly), 422, "failed")
			time.Sleep(3 * time.Second)
		}
		close(slow)
		synctest.Wait()
		if want := s.Last().SettledAt; len(told) != 1 || !told[0].SettledAt.Equal(want) {
			t.Errorf("told of %+v, want the failure of %v", told, want)
		}
	})
}
