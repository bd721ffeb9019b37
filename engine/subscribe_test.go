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

// A look at earlier refunds that the store never answers is given up, as a look at what
// is due is.
func TestSubscriberHearsOfEarlierRefundsAfterALookThatHangs(t *testing.T) {
	for _, method := range []string{"List", "Subscribe"} {
		synctest.Test(t, func(t *testing.T) {
			s := shoptest.NewShop(t)
			s.Trade()
			s.Expect(s.Refund(shoptest.Partly), 200, "succeeded")
			b := &broker{}
			s.Config.Subscribers = []alirefund.Subscriber{{Name: "broker", Event: store.RefundSucceeded, Call: b.call, From: time.Unix(0, 0)}}
			var hung atomic.Bool
			s.Around(func(ctx context.Context, c shoptest.Call, call func() error) error {
				if c.Name == method && hung.CompareAndSwap(false, true) {
					<-ctx.Done()
					return ctx.Err()
				}
				return call()
			})
			stop := s.Run()
			defer stop()
			time.Sleep(5 * time.Minute)
			b.expect(t, "refund_succeeded")
		})
	}
}

// That a subscriber is added puts off nobody's call for a person.
func TestSubscribingPutsOffNoAttention(t *testing.T) {
	for _, pending := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			s := shoptest.NewShop(t)
			id := ""
			if pending {
				id = s.Unresolved(alipaytest.LostAnswer).ID
			} else {
				s.Trade()
				s.HookFails(store.RefundSucceeded, shoptest.ErrHost)
				id = s.Refund(shoptest.Partly).Str("id")
			}
			stop := s.Run()
			time.Sleep(20 * time.Hour)
			stop()
			s.Config.Subscribers = []alirefund.Subscriber{{Name: "broker", Event: store.RefundSucceeded, Call: (&broker{}).call, From: time.Unix(0, 0)}}
			s.Restart()
			defer s.Run()()
			time.Sleep(7 * time.Hour)
			if s.Ledger(id).Attention == "" {
				t.Errorf("pending %t: nobody is called after 27 hours", pending)
			}
		})
	}
}
