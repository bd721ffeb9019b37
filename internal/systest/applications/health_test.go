package applications_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/internal/shoptest"
	"github.com/alirefund/alirefund/store"
)

// A probe asks about all applications; what is wrong with one names it.
func TestHealthOfAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := open(t)
		if h := m.module.Health(t.Context()); !h.Ready || len(h.Problems) != 0 || h.Backlog == nil {
			t.Fatalf("%+v", h)
		}
		m.unresolved(one)
		m.trade(two)
		m.set(two, func(a *alirefund.App) { a.Signer = keys[one]() }) // not what Alipay knows
		m.refund(two, shoptest.Partly)
		time.Sleep(time.Second)
		h := m.module.Health(t.Context())
		if !h.Ready || len(h.Problems) != 1 || !strings.HasPrefix(h.Problems[0].Text, "application "+two+": Alipay refuses") || h.Backlog.Unresolved != 1 {
			t.Errorf("%+v, %+v", h, h.Backlog)
		}
	})
}

// A subscriber that names a time hears of the earlier refunds of each application that
// the process comes to know.
func TestSubscriberOfAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := open(t)
		for _, id := range []string{one, two} {
			m.trade(id)
			m.expect(m.refund(id, shoptest.Partly), 200, "succeeded")
		}
		m.heard("1 succeeded R1", "2 succeeded R1")
		before := m
		m = open(t, func(c *alirefund.Config) {
			c.Store = before.config.Store
			c.Subscribers = []alirefund.Subscriber{{
				Name: "late", Event: store.RefundSucceeded, From: time.Unix(0, 0),
				Call: func(_ context.Context, d alirefund.Delivery) error {
					return before.hear(d.Refund, "late "+d.Refund.OutRequestNo)
				},
			}}
		})
		stop := m.run()
		defer stop()
		m.alipay[one].AddTrade(alipaytest.Trade{OutTradeNo: "another", Total: 100})
		m.expect(m.refund(one, `{"out_trade_no":"another","refund_amount":"1.00"}`), 200, "succeeded")
		time.Sleep(5 * time.Minute)
		before.heard("1 late R1", "1 late another")
		m.do("GET", "/alipay/"+two+"/refunds", "")
		time.Sleep(5 * time.Minute)
		before.heard("2 late R1")
	})
}
