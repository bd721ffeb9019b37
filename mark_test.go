package alirefund_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/notify"
	"github.com/alirefund/alirefund/store"
)

// What was done is marked as done, and what was not is not: hooks that fail,
// take long or hang, and a store that fails between doing and marking.

// slowHook counts its calls, which succeed after so long.
func slowHook(calls *atomic.Int32, long time.Duration) func(*alirefund.Config) {
	return func(c *alirefund.Config) {
		c.OnRefundSucceeded = func(context.Context, alirefund.RefundSucceeded) error {
			calls.Add(1)
			time.Sleep(long)
			return nil
		}
	}
}

// payment is the body of a payment's notice, the same one at every call.
func (s *shop) payment() string {
	return s.alipay.SignedNotice(refundNotice(map[string]string{"refund_fee": "0.00", "gmt_refund": "-"}))
}

// What an answer said is written again if that fails once: no question is wanted.
func TestFailingRecordOfAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.trade()
		s.config.Store = &flaky{Store: s.config.Store, only: "Settle", at: 1}
		s.restart()
		s.expect(s.refund(partly), 200, "succeeded")
		if n := s.calls(gateway.MethodRefundQuery); n != 0 {
			t.Errorf("Alipay was asked %d times", n)
		}
		s.expectTold("refund_succeeded")
	})
}

// A mark that fails once is written again: the hook has run.
func TestFailingMarkOfARefund(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.trade()
		s.config.Store = &flaky{Store: s.config.Store, only: "Delivered", at: 1}
		s.restart()
		r := s.refund(partly)
		s.expect(r, 200, "succeeded")
		time.Sleep(time.Minute)
		if g := s.get(r.str("id")); g.body["delivered"] != true {
			t.Errorf("record: %s", g.text)
		}
		s.expectTold("refund_succeeded")
	})
}

func TestFailingMarkOfANotification(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.config.Store = &flaky{Store: s.config.Store, only: "Complete", at: 1}
		s.restart()
		for range 2 {
			if r := s.notice(s.payment()); r.text != "success" {
				t.Errorf("%d %s", r.status, r.text)
			}
			time.Sleep(4 * time.Minute)
		}
		if len(s.other) != 1 {
			t.Errorf("OnNotification was given %q", s.other)
		}
	})
}

// A hook that returns nil late, its lease and the caller's patience over, has
// taken the event all the same.
func TestLateHookIsMarked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		s := newShop(t, slowHook(&calls, 2*time.Minute))
		s.trade()
		r := s.refund(partly)
		s.expect(r, 200, "succeeded")
		if r.body["delivered"] != false {
			t.Errorf("delivered before its hook returned: %s", r.text)
		}
		time.Sleep(10 * time.Minute)
		if g := s.get(r.str("id")); g.body["delivered"] != true || calls.Load() != 1 {
			t.Errorf("the hook ran %d times: %s", calls.Load(), g.text)
		}
	})
}

func TestLateNotificationHookIsMarked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		s := newShop(t, func(c *alirefund.Config) {
			c.OnNotification = func(context.Context, *notify.Notification) error {
				calls.Add(1)
				time.Sleep(2 * time.Minute)
				return nil
			}
		})
		for range 2 {
			if r := s.notice(s.payment()); r.text != "success" {
				t.Errorf("%d %s", r.status, r.text)
			}
			time.Sleep(10 * time.Minute)
		}
		if calls.Load() != 1 {
			t.Errorf("the hook ran %d times", calls.Load())
		}
	})
}

// The host's own handler, slower than the claim is long, is acknowledged when it
// acknowledges.
func TestSlowHostHandlerIsAcknowledged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		h := s.host()
		h.answer = func(c *gin.Context) {
			time.Sleep(100 * time.Second)
			c.String(http.StatusOK, "success")
		}
		for range 3 {
			r := s.do(http.MethodPost, "/pay/notify", s.payment(), "Content-Type", "application/x-www-form-urlencoded")
			if r.status != 200 || r.text != "success" {
				t.Errorf("%d %s", r.status, r.text)
			}
			time.Sleep(4 * time.Minute)
		}
		if len(h.seen) != 1 {
			t.Errorf("the host saw %q", h.seen)
		}
	})
}

// A hook that outlasts its lease is not called beside itself.
func TestHookLongerThanItsLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		s := newShop(t, slowHook(&calls, 25*time.Second))
		s.trade()
		go s.refund(partly)
		time.Sleep(21 * time.Second)
		s.alipay.Deliver(t.Context())
		time.Sleep(time.Minute)
		if calls.Load() != 1 {
			t.Errorf("the hook ran %d times", calls.Load())
		}
	})
}

// A hook that hangs holds up no answer, and is not called beside itself.
func TestHookThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		release := make(chan struct{})
		s := newShop(t, func(c *alirefund.Config) {
			c.OnRefundSucceeded = func(context.Context, alirefund.RefundSucceeded) error {
				calls.Add(1)
				<-release
				return nil
			}
		})
		s.trade()
		answers := make(chan reply, 2)
		go func() {
			answers <- s.refund(partly)
			answers <- s.refund(partly)
		}()
		time.Sleep(time.Minute)
		if len(answers) != 2 {
			t.Errorf("%d answers after a minute, want 2", len(answers))
		}
		close(release)
		for range 2 {
			r := <-answers
			s.expect(r, 200, "succeeded")
			if r.body["delivered"] != false {
				t.Errorf("delivered before its hook returned: %s", r.text)
			}
		}
		if calls.Load() != 1 {
			t.Errorf("the hook ran %d times", calls.Load())
		}
	})
}

// A refund whose send could not be recorded was not sent, and reserves nothing.
func TestReservationOfNothingIsFreed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t, total(88_88))
		s.trade()
		s.config.Store = &flaky{Store: s.config.Store, only: "Sending", at: 1}
		s.restart()
		if r := s.refund(numbered("R1", "80.00")); r.status != 503 || r.str("code") != "nothing_sent" {
			t.Errorf("%d %s", r.status, r.text)
		}
		s.expect(s.refund(numbered("R2", "80.00")), 200, "succeeded")
		s.expectMoved("R2=80.00")
	})
}

// The same after a send that nobody answered: the refund is unresolved, and
// "nothing was sent" would be a lie.
func TestNothingSentIsNotSaidAfterASend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t, total(88_88))
		s.trade()
		s.config.Store = &flaky{Store: s.config.Store, only: "Sending", at: 2}
		s.restart()
		s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest})
		s.expect(s.refund(partly), 202, "pending")
		time.Sleep(time.Minute)
		s.expect(s.refund(partly), 202, "pending")
		if r := s.refund(numbered("R2", "88.88")); r.str("code") != "exceeds_order" {
			t.Errorf("the unresolved refund reserves nothing: %d %s", r.status, r.text)
		}
		s.expect(s.refund(partly), 200, "succeeded")
		s.expectTold("refund_succeeded")
	})
}

// afterGet is a store in which something happens right after the first Get.
type afterGet struct {
	store.Store
	happens func()
}

func (a *afterGet) Get(ctx context.Context, id string) (store.Refund, error) {
	r, err := a.Store.Get(ctx, id)
	if happens := a.happens; happens != nil {
		a.happens = nil
		happens()
	}
	return r, err
}

// A refund that is known needs no reservation; it fails, and another takes what
// that freed, before it is opened again. Then it needs one.
func TestLimitOfARefundThatFailsMeanwhile(t *testing.T) {
	s := newShop(t, total(88_88))
	s.alipay.AddTrade(alipaytest.Trade{OutTradeNo: order, Total: 1000_00}) // Alipay would allow far more
	memory := s.config.Store
	racing := &afterGet{Store: memory}
	s.config.Store = racing
	s.restart()
	ctx := t.Context()
	first := store.Refund{
		Kind: store.Trade, App: s.config.App.ID, OutTradeNo: order, OutRequestNo: "R1", Amount: 80_00,
		State: store.Pending, Origin: store.FromRequest,
		Request: `{"out_trade_no":"6823789339978248","refund_amount":"80.00","out_request_no":"R1"}`,
	}.Identify()
	if _, _, err := memory.Open(ctx, first, store.Limit{Total: 88_88, Known: true}); err != nil {
		t.Fatal(err)
	}
	send, err := memory.Sending(ctx, first.ID, store.Permission{Lease: time.Minute}) // another process is at it
	if err != nil {
		t.Fatal(err)
	}
	racing.happens = func() {
		if r, _, err := memory.Settle(ctx, first.ID, store.Settlement{
			Source: store.ByAnswer, Attempt: send.Number, Token: send.Token,
			Finding: store.Refusal, Retryable: true, Code: "40004", SubCode: "ACQ.SELLER_BALANCE_NOT_ENOUGH",
		}); err != nil || !r.CanReopen() {
			t.Errorf("%+v, %v", r, err)
		}
		s.expect(s.refund(numbered("R2", "80.00")), 200, "succeeded")
	}
	if r := s.refund(numbered("R1", "80.00")); r.str("code") != "exceeds_order" || !strings.Contains(r.str("detail"), "8.88") {
		t.Errorf("%d %s", r.status, r.text)
	}
	var sum money.Amount
	for _, m := range s.alipay.Movements() {
		sum += m.Amount
	}
	if sum != 80_00 {
		t.Errorf("%s moved of an order of 88.88: %s", sum, s.moved())
	}
}

// The host's code that panics after the send makes no 5xx of it: the refund is
// unresolved.
func TestAppAuthTokenPanicsAfterTheSend(t *testing.T) {
	var calls atomic.Int32
	s := newShop(t, func(c *alirefund.Config) {
		c.AppAuthToken = func(context.Context, string) (string, error) {
			if calls.Add(1) > 1 {
				panic("the host's bug")
			}
			return "token", nil
		}
	})
	s.trade()
	s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer})
	s.expect(s.refund(partly[:len(partly)-1]+`,"merchant":"M"}`), 202, "pending")
	if calls.Load() < 2 {
		t.Error("the token was not asked for after the send")
	}
}

// A transport's error that quotes the URL reaches neither the record nor the
// answer: the URL holds the token.
func TestTokenInATransportError(t *testing.T) {
	s := newShop(t)
	s.trade()
	var quoted string
	s.config.HTTPClient = &http.Client{Transport: quoting{&quoted}}
	s.restart()
	r := s.refund(partly[:len(partly)-1] + `,"app_auth_token":"2020-app-auth-token-secret"}`)
	s.expect(r, 202, "pending")
	for _, text := range []string{r.text, s.get(r.str("id")).text} {
		if strings.Contains(text, "secret") || strings.Contains(text, "sign=") {
			t.Errorf("the token stands in %s", text)
		}
	}
	if !strings.Contains(quoted, "secret") {
		t.Errorf("the URL held no token: %s", quoted)
	}
}

// quoting sends nothing and quotes the URL in its error, as some proxies do.
type quoting struct{ quoted *string }

func (q quoting) RoundTrip(r *http.Request) (*http.Response, error) {
	*q.quoted = r.URL.String()
	return nil, fmt.Errorf("egress proxy: POST %s: 502", r.URL)
}
