package engine_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/internal/shoptest"
	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/notify"
	"github.com/alirefund/alirefund/store"
)

// What a hook says is kept short, and whole characters of it; once it is done the
// look-up shows that.
func TestHooksErrorIsKeptShort(t *testing.T) {
	s := shoptest.NewShop(t)
	s.Trade()
	s.Fail[store.RefundSucceeded] = errors.New("x" + strings.Repeat("失", 2000))
	r := s.Refund(shoptest.Partly)
	record, err := s.Config.Store.Get(t.Context(), r.Str("id"))
	if err != nil {
		t.Fatal(err)
	}
	if kept := record.Deliveries[0].Error; len(kept) > 310 || !strings.HasPrefix(kept, "x失") || !utf8.ValidString(kept) {
		t.Errorf("%d bytes: %q", len(kept), kept)
	}
	if g := s.Get(r.Str("id")); strings.Contains(g.Text, `"done":true`) {
		t.Errorf("record: %s", g.Text)
	}
	s.Fail = map[store.Event]error{}
	if g := s.Get(r.Str("id")); !strings.Contains(g.Text, `"done":true`) {
		t.Errorf("record: %s", g.Text)
	}
}

// A hook that leaves its goroutine, as a test's t.FailNow does, takes nothing along:
// its event is delivered again.
func TestHookThatLeavesItsGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var leaves atomic.Bool
		leaves.Store(true)
		s := shoptest.NewShop(t)
		s.Config.OnRefundSucceeded = func(_ context.Context, e alirefund.RefundSucceeded) error {
			if leaves.CompareAndSwap(true, false) {
				runtime.Goexit()
			}
			return s.Hook(store.RefundSucceeded, e.Refund)
		}
		s.Restart()
		s.Trade()
		began := time.Now()
		r := s.Refund(shoptest.Partly)
		s.Expect(r, 200, "succeeded")
		if waited := time.Since(began); waited > time.Second {
			t.Errorf("the caller waited %v", waited)
		}
		if kept := s.Ledger(r.Str("id")).Deliveries[0].Error; !strings.Contains(kept, "runtime.Goexit") {
			t.Errorf("the record says %q", kept)
		}
		s.Expect(s.Refund(shoptest.Partly), 200, "succeeded")
		s.ExpectTold("refund_succeeded")
	})
}

// OnNotification runs on the request's goroutine. If it leaves that, the notification is
// free to be handled when it comes again.
func TestNotificationHookThatLeavesItsGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		s := shoptest.NewShop(t, func(c *alirefund.Config) {
			c.OnNotification = func(context.Context, *notify.Notification) error {
				if calls++; calls == 1 {
					runtime.Goexit()
				}
				return nil
			}
		})
		form := s.Alipay.SignedNotice(shoptest.PaymentNotice("p1"))
		left := make(chan struct{})
		go func() {
			defer close(left)
			r := s.Notice(form)
			t.Errorf("it was answered: %d %s", r.Status, r.Text)
		}()
		<-left
		if r := s.Notice(form); r.Text != "success" || calls != 2 {
			t.Errorf("%d %s, after %d calls", r.Status, r.Text, calls)
		}
	})
}

// What a refund asks the host before it is sent may break, or hang: then nothing is
// sent, the caller is told so in time, and may repeat.
func TestHostThatBreaksBeforeTheSend(t *testing.T) {
	ways := map[string]func(){
		"panics": func() { panic("the host's bug") },
		"leaves": runtime.Goexit,
		"hangs":  func() { time.Sleep(time.Minute) },
	}
	for way, breaks := range ways {
		for name, set := range map[string]func(c *alirefund.Config, broken *atomic.Bool){
			"BeforeRefund": func(c *alirefund.Config, broken *atomic.Bool) {
				c.BeforeRefund = func(context.Context, store.Refund) error {
					if broken.Load() {
						breaks()
					}
					return nil
				}
			},
			"OrderTotal": func(c *alirefund.Config, broken *atomic.Bool) {
				c.OrderTotal = func(context.Context, alirefund.Order) (money.Amount, bool, error) {
					if broken.Load() {
						breaks()
					}
					return 100_00, true, nil
				}
			},
			"AppAuthToken": func(c *alirefund.Config, broken *atomic.Bool) {
				c.AppAuthToken = func(context.Context, string) (string, error) {
					if broken.Load() {
						breaks()
					}
					return "token", nil
				}
			},
		} {
			t.Run(name+" "+way, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var broken atomic.Bool
					broken.Store(true)
					s := shoptest.NewShop(t, func(c *alirefund.Config) { set(c, &broken) })
					s.Trade()
					body := shoptest.Partly
					if name == "AppAuthToken" {
						body = body[:len(body)-1] + `,"merchant":"M"}`
					}
					began := time.Now()
					if r := s.Refund(body); r.Status != 503 || r.Str("code") != "nothing_sent" {
						t.Errorf("%d %s", r.Status, r.Text)
					}
					if waited := time.Since(began); waited > 11*time.Second {
						t.Errorf("the caller waited %v", waited)
					}
					if n := len(s.Alipay.Calls()); n != 0 {
						t.Errorf("%d calls were made", n)
					}
					broken.Store(false)
					s.Expect(s.Refund(body), 200, "succeeded")
					time.Sleep(time.Minute) // until what hangs has returned
				})
			})
		}
	}
}

// What the host itself says refuses, whatever it wraps; a caller who hangs up is no
// refusal of the host's.
func TestVetoIsTheHostsOwnWord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t, func(c *alirefund.Config) {
			c.BeforeRefund = func(_ context.Context, r store.Refund) error {
				if r.OutRequestNo == "R1" {
					return fmt.Errorf("four eyes: %w", context.DeadlineExceeded)
				}
				time.Sleep(5 * time.Second)
				return nil
			}
		})
		s.Trade()
		request := alirefund.RefundRequest{OutTradeNo: shoptest.Order, RefundAmount: 1_00, OutRequestNo: "R1"}
		_, err := s.Module.Refund(t.Context(), request)
		if veto, ok := errors.AsType[*alirefund.VetoError](err); !ok || !strings.Contains(veto.Error(), "four eyes") {
			t.Errorf("%v; want the host's veto", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		request.OutRequestNo = "R2"
		if _, err = s.Module.Refund(ctx, request); !errors.Is(err, alirefund.ErrNothingSent) {
			t.Errorf("%v; want ErrNothingSent", err)
		}
		time.Sleep(time.Minute)
		s.ExpectMoved("")
	})
}
