package alirefund_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/notify"
	"github.com/alirefund/alirefund/store"
)

// Whoever loses the race for a send answers with what the winner learnt.
func TestLostRaceForTheSend(t *testing.T) {
	s := newShop(t)
	s.trade()
	s.config.Store = racing{s.config.Store}
	s.restart()
	s.expect(s.refund(partly), 200, "succeeded")
	s.expectTold("refund_succeeded")
	s.expectMoved("")
}

// racing lets another process settle a refund just before it would be sent.
type racing struct{ store.Store }

func (r racing) Sending(ctx context.Context, id string, p store.Permission) (store.Attempt, error) {
	if _, _, err := r.Settle(ctx, id, store.Settlement{Source: store.ByNotice, Finding: store.Success}); err != nil {
		return store.Attempt{}, err
	}
	return r.Store.Sending(ctx, id, p)
}

// Another process was quicker to tell the host: it is told.
func TestEventThatAnotherProcessDelivered(t *testing.T) {
	s := newShop(t)
	s.trade()
	s.config.Store = quicker{s.config.Store}
	s.restart()
	if r := s.refund(partly); r.status != 200 || r.body["delivered"] != true {
		t.Errorf("%d %s", r.status, r.text)
	}
	s.expectTold("")
}

// quicker is shared with a process that delivers each event first.
type quicker struct{ store.Store }

func (q quicker) Settle(ctx context.Context, id string, s store.Settlement) (store.Refund, bool, error) {
	s.Claim = store.Lease{}
	return q.Store.Settle(ctx, id, s)
}

func (q quicker) Deliver(ctx context.Context, id string, e store.Event, lease time.Duration) (string, bool, error) {
	token, _, err := q.Store.Deliver(ctx, id, e, lease)
	if err == nil {
		_, err = q.Delivered(ctx, id, e, token)
	}
	if err != nil {
		return "", false, err
	}
	return q.Store.Deliver(ctx, id, e, lease)
}

// While a hook works on a notification, nobody else does, and nobody
// acknowledges it.
func TestNotificationThatIsBeingHandled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		s := newShop(t, func(c *alirefund.Config) {
			c.OnNotification = func(context.Context, *notify.Notification) error {
				calls.Add(1)
				time.Sleep(9 * time.Second)
				return nil
			}
		})
		form := s.alipay.SignedNotice(paymentNotice("p1"))
		go s.notice(form)
		time.Sleep(8 * time.Second)
		if r := s.notice(form); r.status != 503 || r.str("code") != "notification_pending" || r.header.Get("Retry-After") == "" {
			t.Errorf("%d %s", r.status, r.text)
		}
		time.Sleep(time.Minute)
		if r := s.notice(form); r.text != "success" || calls.Load() != 1 {
			t.Errorf("%d %s; %d calls", r.status, r.text, calls.Load())
		}
	})
}

// The same for a refund's hook: its event has one owner as long as it may run.
func TestRefundWhoseHookIsRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		s := newShop(t, func(c *alirefund.Config) {
			c.OnRefundSucceeded = func(context.Context, alirefund.RefundSucceeded) error {
				calls.Add(1)
				time.Sleep(9 * time.Second)
				return nil
			}
		})
		s.trade()
		go s.refund(partly)
		time.Sleep(8 * time.Second)
		s.restart() // another process
		if r := s.notice(s.alipay.SignedNotice(refundNotice(map[string]string{"trade_no": "-"}))); r.status != 503 {
			t.Errorf("%d %s", r.status, r.text)
		}
		r := s.refund(partly)
		s.expect(r, 200, "succeeded")
		if r.body["delivered"] != false || calls.Load() != 1 {
			t.Errorf("%d calls: %s", calls.Load(), r.text)
		}
		time.Sleep(time.Minute)
		if r := s.refund(partly); r.body["delivered"] != true || calls.Load() != 1 {
			t.Errorf("%d calls: %s", calls.Load(), r.text)
		}
	})
}

// Two applications in one store do not share their notifications.
func TestApplicationsShareNoClaims(t *testing.T) {
	s := newShop(t)
	if r := s.notice(s.alipay.SignedNotice(paymentNotice("same"))); r.text != "success" {
		t.Fatalf("%d %s", r.status, r.text)
	}
	s.config.App.ID = "2021000000000002"
	s.restart()
	other := paymentNotice("same")
	other["app_id"] = "2021000000000002"
	if r := s.notice(s.alipay.SignedNotice(other)); r.text != "success" || len(s.other) != 2 {
		t.Errorf("%d %s; given %q", r.status, r.text, s.other)
	}
}

// Eight deliveries of a payment over 25 hours are one call.
func TestPaymentOverTwentyFiveHours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		for _, pause := range []time.Duration{0, 4 * time.Minute, 10 * time.Minute, 10 * time.Minute, time.Hour, 2 * time.Hour, 6 * time.Hour, 15 * time.Hour} {
			time.Sleep(pause)
			if r := s.notice(s.alipay.SignedNotice(paymentNotice("p1"))); r.text != "success" {
				t.Fatalf("%d %s", r.status, r.text)
			}
		}
		if len(s.other) != 1 {
			t.Errorf("given %q", s.other)
		}
	})
}

// Alipay hangs up, or a browser does: what was begun is ended.
func TestWhoeverAsksHangsUp(t *testing.T) {
	s := newShop(t)
	s.trade()
	s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer}, noQuery)
	r := s.refund(partly)
	s.expect(r, 202, "pending")
	ctx, cancel := context.WithCancel(t.Context())
	s.config.HTTPClient = &http.Client{Transport: before{s.alipay.HTTPClient().Transport, cancel}}
	s.restart()
	if result, err := s.module.Get(ctx, r.str("id")); err != nil || result.Refund.State != store.Succeeded || !result.Delivered {
		t.Errorf("%+v, %v", result, err)
	}
	s.expectTold("refund_succeeded")
	over, cancel := context.WithCancel(t.Context())
	cancel()
	request := httptest.NewRequestWithContext(over, http.MethodPost, "/alipay/notify", strings.NewReader(s.alipay.SignedNotice(paymentNotice("p1"))))
	if r := serve(t, s.router, request); r.text != "success" || len(s.other) != 1 {
		t.Errorf("%d %s; given %q", r.status, r.text, s.other)
	}
}

// A notice whose news cannot be written down is not acknowledged, and comes again.
func TestNoticeWithoutALedger(t *testing.T) {
	for _, method := range []string{"Settle", "List", "Complete", "Delivered"} {
		synctest.Test(t, func(t *testing.T) {
			s := newShop(t)
			s.trade()
			s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer}, noQuery)
			s.expect(s.refund(partly), 202, "pending")
			s.down(time.Minute, method)
			form := s.alipay.SignedNotice(refundNotice(nil))
			if r := s.notice(form); r.status != 503 || r.text == "success" {
				t.Errorf("%s down: %d %s", method, r.status, r.text)
			}
			time.Sleep(4 * time.Minute)
			if r := s.notice(form); r.text != "success" {
				t.Errorf("%s up again: %d %s", method, r.status, r.text)
			}
			told := "refund_succeeded"
			if method == "Delivered" {
				told += " " + told // nobody knew that the hook had run
			}
			s.expectTold(told)
		})
	}
}

// A refund that the ledger forgot while its notice was handled is no reason to
// tell Alipay that there is no such route.
func TestNoticeOfAForgottenRefund(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.trade()
		s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer}, noQuery)
		s.expect(s.refund(partly), 202, "pending")
		s.config.Store = forgetful{s.config.Store}
		s.restart()
		if r := s.notice(s.alipay.SignedNotice(refundNotice(nil))); r.status < 500 {
			t.Errorf("%d %s", r.status, r.text)
		}
	})
}

// forgetful has no refund any more that it listed a moment ago.
type forgetful struct{ store.Store }

func (forgetful) Settle(context.Context, string, store.Settlement) (store.Refund, bool, error) {
	return store.Refund{}, false, store.ErrNotFound
}

// Whatever OnNotification's error is made of, the notification comes again.
func TestHooksErrorDecidesNothing(t *testing.T) {
	for _, hookErr := range []error{
		context.DeadlineExceeded, store.ErrNotFound, &alirefund.RefusedError{}, &alirefund.ValidationError{}, &http.MaxBytesError{},
	} {
		s := newShop(t, func(c *alirefund.Config) {
			c.OnNotification = func(context.Context, *notify.Notification) error { return fmt.Errorf("host: %w", hookErr) }
		})
		if r := s.notice(s.alipay.SignedNotice(paymentNotice("p1"))); r.status != 503 || r.str("code") != "notification_pending" {
			t.Errorf("%T: %d %s", hookErr, r.status, r.text)
		}
	}
}

// The host's words wait for the claim to be completed, whatever its handler does
// with the response.
func TestHostsAnswerIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.down(time.Minute, "Complete")
		h := s.host()
		h.answer = func(c *gin.Context) {
			c.String(http.StatusOK, "success")
			c.Writer.Flush()
			c.Writer.WriteHeader(http.StatusInternalServerError) // too late, as everywhere
		}
		form := s.alipay.SignedNotice(paymentNotice("p1"))
		post := func() reply {
			return serve(t, s.router, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/pay/notify", strings.NewReader(form)))
		}
		if r := post(); r.status != 503 || strings.Contains(r.text, "success") {
			t.Errorf("%d %s", r.status, r.text)
		}
		time.Sleep(4 * time.Minute)
		if r := post(); r.status != 200 || r.text != "success" || len(h.seen) != 2 {
			t.Errorf("%d %s, seen %q", r.status, r.text, h.seen)
		}
	})
}

// Slow answers end by the module's own timeouts, of which the one of the whole is
// longer than that of one call.
func TestTimeouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t, func(c *alirefund.Config) { c.Timeout = 4 * time.Second })
		s.trade()
		s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.Slow, Delay: time.Hour}, alipaytest.Fault{Kind: alipaytest.Slow, Delay: 3 * time.Second, Method: gateway.MethodRefundQuery})
		begin := time.Now()
		s.expect(s.refund(partly), 200, "succeeded") // by the query
		if took := time.Since(begin); took != 7*time.Second {
			t.Errorf("it took %v", took)
		}
		s.config.Store = stuck{s.config.Store}
		s.restart()
		begin = time.Now()
		s.expect(s.refund(numbered("R2", "1")), 202, "pending")
		if took := time.Since(begin); took > 5*time.Minute {
			t.Errorf("a stuck store held it up for %v", took)
		}
	})
}

// stuck takes the outcome of a refund and does not come back.
type stuck struct{ store.Store }

func (stuck) Settle(ctx context.Context, _ string, _ store.Settlement) (store.Refund, bool, error) {
	select {
	case <-ctx.Done():
	case <-time.After(24 * time.Hour):
	}
	return store.Refund{}, false, errStoreDown
}

// Without times of the host's, a hook has its ten seconds even after a send and
// a question that took as long as they may.
func TestDefaultTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var left time.Duration
		s := newShop(t, func(c *alirefund.Config) {
			c.OnRefundSucceeded = func(ctx context.Context, _ alirefund.RefundSucceeded) error {
				at, _ := ctx.Deadline()
				left = time.Until(at)
				return nil
			}
		})
		s.trade()
		s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.Slow, Delay: time.Hour}, alipaytest.Fault{Kind: alipaytest.Slow, Delay: 14 * time.Second, Method: gateway.MethodRefundQuery})
		begin := time.Now()
		s.expect(s.refund(partly), 200, "succeeded")
		if took := time.Since(begin); left != 10*time.Second || took != 29*time.Second {
			t.Errorf("the hook had %v, after %v", left, took)
		}
	})
}
