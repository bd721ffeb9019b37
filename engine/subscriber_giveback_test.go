package engine_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/internal/shoptest"
	"github.com/alirefund/alirefund/store"
)

// A Run that is stopped waits for the calls that it has begun, and gives back what waits
// for a place, so that another process calls at once.
func TestRunGivesBackWhatWaitsForASubscriber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const all, places = 100, 16
		b := &broker{}
		b.set(false, shoptest.ErrHost)
		s := shoptest.NewShop(t, b.to(store.RefundSucceeded))
		for n := range all {
			no := fmt.Sprint("T", n)
			s.Alipay.AddTrade(alipaytest.Trade{OutTradeNo: no})
			s.Expect(s.Refund(fmt.Sprintf(`{"out_trade_no":%q,"refund_amount":100}`, no)), 200, "succeeded")
		}
		time.Sleep(time.Minute)
		b.set(true, nil)
		stop := s.Run()
		time.Sleep(3 * time.Second)
		began := time.Now()
		stop()
		if err := s.Module.Close(t.Context()); err != nil || time.Since(began) > 10*time.Second {
			t.Errorf("to stop took %v, %v", time.Since(began), err)
		}
		due := 0
		for _, r := range shoptest.Must(s.Config.Store.List(t.Context(), store.Filter{App: s.Config.App.ID, Undelivered: true, Limit: all})) {
			if !r.Next.After(time.Now()) {
				due++
			}
		}
		if due < all-places {
			t.Errorf("%d are due at once, want the %d that had no place", due, all-places)
		}
		tries := b.tries
		time.Sleep(time.Hour)
		if b.tries != tries {
			t.Errorf("%d calls after Close", b.tries-tries)
		}
	})
}
