package engine_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/internal/shoptest"
	"github.com/alirefund/alirefund/store"
)

// A Run that is stopped gives back at once what waits for a place among its hooks, also
// what it has just found out about: another Run need not wait for the leases to end.
func TestRunGivesBackWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const places, undelivered, pending = 16, 30, 5
		var hang atomic.Bool
		s := shoptest.NewShop(t)
		told := s.Config.OnRefundSucceeded
		s.Config.OnRefundSucceeded = func(context.Context, alirefund.RefundSucceeded) error {
			if hang.Load() {
				time.Sleep(9 * time.Second)
			}
			return shoptest.ErrHost
		}
		s.Restart()
		refund := func(i, status int, state string) {
			no := fmt.Sprint("T", i)
			s.Alipay.AddTrade(alipaytest.Trade{OutTradeNo: no})
			s.Expect(s.Refund(fmt.Sprintf(`{"out_trade_no":%q,"refund_amount":100}`, no)), status, state)
		}
		for i := range undelivered {
			refund(i, 200, "succeeded")
		}
		time.Sleep(time.Minute)
		for i := range pending {
			s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer}, alipaytest.Fault{Kind: alipaytest.LostAnswer, Method: gateway.MethodRefundQuery})
			refund(undelivered+i, 202, "pending")
		}
		time.Sleep(time.Minute)
		hang.Store(true)
		stop := s.Run()
		time.Sleep(5 * time.Second) // 16 hooks hang, the others wait for their places
		if n := s.Calls(gateway.MethodRefundQuery); n != 2*pending {
			t.Fatalf("%d questions, want %d", n, 2*pending)
		}
		stopped := make(chan struct{})
		go func() { stop(); close(stopped) }()
		synctest.Wait()

		s.Config.OnRefundSucceeded = told
		s.Restart()
		stopOther := s.Run()
		defer stopOther()
		time.Sleep(2 * time.Second)
		if n, want := strings.Count(s.Told(), "refund_succeeded"), undelivered+pending-places; n != want {
			t.Errorf("the other Run has told of %d within 2 s, want %d", n, want)
		}
		<-stopped
		time.Sleep(time.Minute)
		if n := strings.Count(s.Told(), "refund_succeeded"); n != undelivered+pending {
			t.Errorf("told of %d in the end, want %d", n, undelivered+pending)
		}
		if rows, err := s.Config.Store.List(t.Context(), store.Filter{App: s.Config.App.ID, Undelivered: true}); err != nil || len(rows) != 0 {
			t.Errorf("%d are undelivered, %v", len(rows), err)
		}
	})
}

// A look at what is due that the store never answers is given up: a connection may be
// dead without anybody saying so.
func TestRunGivesUpALookThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		id := s.Unresolved(alipaytest.LostAnswer).ID
		s.Alipay.InjectRandomly(0, 0)
		var hung atomic.Bool
		s.Around(func(ctx context.Context, c shoptest.Call, call func() error) error {
			if c.Name == "Due" && hung.CompareAndSwap(false, true) {
				<-ctx.Done()
				return ctx.Err()
			}
			return call()
		})
		defer s.Run()()
		time.Sleep(2 * time.Minute)
		if r := s.Ledger(id); r.State != store.Succeeded {
			t.Errorf("after two minutes it is %s", r.State)
		}
	})
}

// What Due hands to a Run that is being stopped is given back, not begun.
func TestRunGivesBackWhatItDoesNotBegin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		id := s.Unresolved(alipaytest.LostAnswer).ID
		time.Sleep(time.Minute)
		asked := s.Calls(gateway.MethodRefundQuery)
		ctx, stop := context.WithCancel(t.Context())
		s.Around(func(_ context.Context, c shoptest.Call, call func() error) error {
			err := call()
			if c.Name == "Due" {
				stop()
			}
			return err
		})
		s.Module.Run(ctx)
		if n := s.Calls(gateway.MethodRefundQuery); n != asked {
			t.Errorf("%d questions by a Run that was stopped", n-asked)
		}
		if r := s.Ledger(id); r.Next.After(time.Now()) {
			t.Errorf("it is put off for %v", time.Until(r.Next))
		}
	})
}

// A store that does not answer then holds up Run's end for no longer than a write may take.
func TestRunThatCanGiveNothingBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		s.Unresolved(alipaytest.LostAnswer)
		time.Sleep(time.Minute)
		ctx, stop := context.WithCancel(t.Context())
		s.Around(func(ctx context.Context, c shoptest.Call, call func() error) error {
			switch c.Name {
			case "Due":
				defer stop()
			case "GiveBack":
				<-ctx.Done()
				return ctx.Err()
			}
			return call()
		})
		began := time.Now()
		s.Module.Run(ctx)
		if took := time.Since(began); took > 11*time.Second {
			t.Errorf("it took %v to stop", took)
		}
	})
}
