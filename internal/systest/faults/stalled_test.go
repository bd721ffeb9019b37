package faults_test

import (
	"context"
	"errors"
	"net/url"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/internal/shoptest"
	"github.com/alirefund/alirefund/store"
)

// stalled makes the answer to the first call of a method come late: the database
// has done it, and its network, or a failover, keeps the answer.
func stalled(method string, long time.Duration) func(context.Context, shoptest.Call, func() error) error {
	var once atomic.Bool
	return func(_ context.Context, c shoptest.Call, call func() error) error {
		err := call()
		if c.Name == method && once.CompareAndSwap(false, true) {
			time.Sleep(long)
		}
		return err
	}
}

// A database that answers late makes nobody tell an event whose lease has run
// out, and that another process has told since.
func TestLeaseThatRanOutInTheStore(t *testing.T) {
	for _, method := range []string{"Settle", "Deliver"} {
		t.Run(method, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := shoptest.NewShop(t)
				s.Trade()
				other := s.Module // another process on the same store
				s.Around(stalled(method, 25*time.Second))
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan struct{})
				go func() { defer close(ended); other.Run(ctx) }()
				if method == "Deliver" {
					s.HookFails(store.RefundSucceeded, shoptest.ErrHost)
					s.Expect(s.Refund(shoptest.Partly), 200, "succeeded")
					s.HookFails(store.RefundSucceeded, nil)
				}
				s.Expect(s.Refund(shoptest.Partly), 200, "succeeded")
				time.Sleep(time.Minute)
				cancel()
				<-ended
				s.ExpectTold("refund_succeeded")
			})
		})
	}
}

// The ten seconds after which a not-found means something begin when the request
// was out, not when the store was asked for its record.
func TestNotFoundSoonAfterALateSend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		var sends []time.Time
		s.Voice(func(method string, _ url.Values) string {
			if method == gateway.MethodTradeRefund {
				time.Sleep(14 * time.Second) // of connecting, say; then it is written
				sends = append(sends, time.Now())
				return shoptest.Lost
			}
			return `{"code":"10000","msg":"Success"}` // nothing of the kind is known
		})
		go s.Refund(shoptest.Partly)
		time.Sleep(15 * time.Second)
		s.Refund(shoptest.Partly)
		synctest.Wait()
		if len(sends) > 1 {
			t.Errorf("sent again at %v after a not-found %v after the send", sends[1], time.Second)
		}
	})
}

// A store that does not answer keeps no client for ever.
func TestStoreThatHangsSendsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		s.Trade()
		s.Around(func(ctx context.Context, c shoptest.Call, call func() error) error {
			if c.Name != "Open" {
				return call()
			}
			<-ctx.Done()
			return ctx.Err()
		})
		answered := make(chan shoptest.Reply, 1)
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			_, err := s.Module.Refund(ctx, alirefund.RefundRequest{OutTradeNo: shoptest.Order, RefundAmount: 1_00, OutRequestNo: "R1"})
			if !errors.Is(err, alirefund.ErrStore) { // nobody knows whether it is recorded
				t.Errorf("%v; want ErrStore", err)
			}
			answered <- shoptest.Reply{}
		}()
		time.Sleep(time.Minute)
		if len(answered) == 0 {
			t.Error("no answer within a minute")
		}
		cancel()
		<-answered
		if n := len(s.Alipay.Calls()); n != 0 {
			t.Errorf("%d calls were made", n)
		}
	})
}

// backlog is a store with much to forget.
type backlog struct {
	store.Store
	left atomic.Int64
}

func (b *backlog) Prune(context.Context, string, time.Time, time.Time) (int, error) {
	time.Sleep(100 * time.Millisecond)
	return int(max(0, min(100, b.left.Add(-100)))), nil
}

// Forgetting a long past holds up no refund.
func TestForgettingHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &backlog{Store: store.NewMemory()}
		b.left.Store(1_000_000)
		s := shoptest.NewShop(t, func(c *alirefund.Config) { c.Store = b })
		s.Voice(func(method string, _ url.Values) string {
			if method == gateway.MethodTradeRefund {
				return shoptest.Lost
			}
			return `{"code":"10000","out_trade_no":"6823789339978248","out_request_no":"R1","refund_status":"REFUND_SUCCESS","refund_amount":"8.88"}`
		})
		stop := s.Run()
		defer stop()
		time.Sleep(10*time.Minute + 2*time.Second)
		s.HookFails(store.RefundSucceeded, shoptest.ErrHost)
		s.Expect(s.Refund(shoptest.Partly), 200, "succeeded")
		s.HookFails(store.RefundSucceeded, nil)
		time.Sleep(time.Minute)
		s.ExpectTold("refund_succeeded")
	})
}
