package faults_test

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/internal/shoptest"
	"github.com/alirefund/alirefund/money"
)

// A store that answers nothing any more, as behind a network that drops what is sent,
// keeps neither a client nor Alipay waiting: each is told within what the store may
// take, and nothing is sent.
func TestStoreThatAnswersNothing(t *testing.T) {
	for name, ask := range map[string]func(*shoptest.Shop) shoptest.Reply{
		"refund": func(s *shoptest.Shop) shoptest.Reply { return s.Refund(shoptest.Partly) },
		"refund by trade_no": func(s *shoptest.Shop) shoptest.Reply {
			return s.Refund(`{"trade_no":"2026112222001400000000000001","refund_amount":"8.88","out_request_no":"R1"}`)
		},
		"notice": func(s *shoptest.Shop) shoptest.Reply {
			return s.Notice(s.Alipay.SignedNotice(shoptest.RefundNotice(nil)))
		},
		"look-up": func(s *shoptest.Shop) shoptest.Reply { return s.Get("rf_x") },
		"list":    func(s *shoptest.Shop) shoptest.Reply { return s.List("") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := shoptest.NewShop(t, func(c *alirefund.Config) {
					c.OrderTotal = func(context.Context, alirefund.Order) (money.Amount, bool, error) { return 88_88, true, nil }
				})
				s.Trade()
				var hangs atomic.Bool
				s.Around(func(ctx context.Context, _ shoptest.Call, call func() error) error {
					if !hangs.Load() {
						return call()
					}
					<-ctx.Done()
					return ctx.Err()
				})
				hangs.Store(true)
				began := time.Now()
				answer := make(chan shoptest.Reply, 1)
				go func() { answer <- ask(s) }()
				select {
				case r := <-answer:
					if r.Status != http.StatusServiceUnavailable || time.Since(began) > 10*time.Second {
						t.Errorf("after %v: %d %s", time.Since(began), r.Status, r.Text)
					}
				case <-time.After(time.Hour):
					t.Error("no answer in an hour")
					hangs.Store(false)
				}
				if n := len(s.Alipay.Calls()); n != 0 {
					t.Errorf("%d calls were made", n)
				}
			})
		})
	}
}
