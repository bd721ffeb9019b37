package applications_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/internal/shoptest"
	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/notify"
	"github.com/alirefund/alirefund/store"
)

// What New returned without Config.App refuses what needs an application, and does all
// else, by every method that it has.
func TestEngineOfNoApplication(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := open(t)
		waiting := m.unresolved(one)
		e, ctx := m.module.Engine, t.Context()
		for name, call := range map[string]func() error{
			"Refund": func() error {
				_, err := e.Refund(ctx, alirefund.RefundRequest{OutTradeNo: shoptest.Order, RefundAmount: money.Amount(1)})
				return err
			},
			"CouponRefund": func() error { _, err := e.CouponRefund(ctx, alirefund.CouponRefundRequest{}); return err },
			"Unfreeze":     func() error { _, err := e.Unfreeze(ctx, alirefund.UnfreezeRequest{}); return err },
			"Get":          func() error { _, err := e.Get(ctx, waiting.Str("id")); return err },
			"List":         func() error { _, err := e.List(ctx, store.Filter{}); return err },
			"Replay":       func() error { _, err := e.Replay(ctx, store.Filter{}, "somebody", false); return err },
			"ReplayTo":     func() error { _, err := e.ReplayTo(ctx, "broker", store.Filter{}, "somebody", false); return err },
			"Resolve": func() error {
				_, err := e.Resolve(ctx, waiting.Str("id"), store.Failed, "somebody", "seen")
				return err
			},
			"For": func() error { _, err := e.For(ctx, ""); return err },
		} {
			if err := call(); !errors.Is(err, alirefund.ErrUnknownApp) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if b, err := e.Backlog(ctx); err != nil || b.Unresolved != 1 {
			t.Errorf("Backlog: %+v, %v", b, err)
		}
		if a, b := e.CertificateEnds(); !a.IsZero() || !b.IsZero() || e.AppID() != "" || e.Logger() == nil {
			t.Errorf("ends %v, %v of %q", a, b, e.AppID())
		}
		for _, body := range []string{"", "app_id=", "a=b", "app_id=null", "app_id=" + two} {
			r, err := http.NewRequestWithContext(ctx, http.MethodPost, "/", strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			if _, err = e.Receive(r); err == nil {
				t.Errorf("received %q", body)
			}
		}
		foreign := shoptest.Must(notify.Open([]byte(m.form(one, "app_id", "")), m.apps[one].Verifier))
		if err := e.Handle(ctx, foreign, nil); !errors.Is(err, alirefund.ErrUnknownApp) && !errors.Is(err, notify.ErrNotOurs) {
			t.Errorf("Handle: %v", err)
		}
		if h := e.Health(ctx); !h.Ready {
			t.Errorf("%+v", h)
		}
		view := shoptest.Must(e.For(ctx, one))
		running, stop := context.WithCancel(ctx)
		ended := make(chan struct{})
		go func() { defer close(ended); view.Run(running) }() // one Run serves all, whose ever it is
		m.deaf(one, false)
		time.Sleep(10 * time.Minute)
		m.heard("1 succeeded R1")
		stop()
		<-ended
		view.Drain()
		if h := e.Health(ctx); h.Ready {
			t.Error("a view's Drain is not everybody's")
		}
		if err := errors.Join(view.Close(ctx), e.Close(ctx)); err != nil {
			t.Error(err)
		}
	})
}

// A Config.Apps that hangs for one application holds up no refund of another.
func TestAppsThatHangsHoldsUpNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := open(t)
		const each = 200
		for _, id := range []string{one, two} {
			m.deaf(id, true)
			for n := range each {
				no := fmt.Sprint("T", n)
				m.alipay[id].AddTrade(alipaytest.Trade{OutTradeNo: no})
				m.alipay[id].Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer, Method: "alipay.trade.refund"})
				m.expect(m.refund(id, fmt.Sprintf(`{"out_trade_no":%q,"refund_amount":"1.00"}`, no)), 202, "pending")
			}
		}
		m.deaf(one, false)
		m.deaf(two, false)
		apps := m.config.Apps
		m.config.Apps = func(ctx context.Context, id string) (alirefund.App, error) {
			if id == two {
				<-ctx.Done()
				return alirefund.App{}, ctx.Err()
			}
			return apps(ctx, id)
		}
		m.module = shoptest.Must(alirefund.New(m.config))
		time.Sleep(2 * time.Minute)
		stop := m.run()
		began := time.Now()
		for len(shoptest.Must(m.config.Store.List(t.Context(), store.Filter{App: one, State: store.Pending, Limit: 1}))) > 0 && time.Since(began) < time.Hour {
			time.Sleep(time.Second)
		}
		if took := time.Since(began); took > time.Minute { // two, where each of them waits
			t.Errorf("the other's %d were settled after %v", each, took)
		}
		stop()
		time.Sleep(time.Minute) // what Config.Apps was asked ends
	})
}
