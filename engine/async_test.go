package engine_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/internal/shoptest"
	"github.com/alirefund/alirefund/store"
)

// A caller who prefers not to wait is answered by 202 once the refund is recorded, however
// slow Alipay is, and the hook tells the end. Nobody has to look, nor Run to go.
func TestRespondAsync(t *testing.T) {
	for path, body := range asyncBodies {
		synctest.Test(t, func(t *testing.T) {
			s := asyncShop(t)
			s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.Slow, Delay: 10 * time.Second})
			began := time.Now()
			r := s.Do(http.MethodPost, "/alipay/"+path, body, "Prefer", "handling=lenient, Respond-Async;x=1")
			if took := time.Since(began); took != 0 {
				t.Errorf("%s: it took %v", path, took)
			}
			s.Expect(r, 202, "pending")
			if r.Header.Get("Preference-Applied") != "respond-async" || r.Header.Get("Location") != "/alipay/refunds/"+r.Str("id") || r.Header.Get("Retry-After") == "" || r.Body["in_progress"] != true {
				t.Errorf("%s: %v %s", path, r.Header, r.Text)
			}
			s.ExpectTold("")
			if err := s.Module.Close(t.Context()); err != nil || time.Since(began) != 10*time.Second {
				t.Errorf("%s: Close waited %v, %v", path, time.Since(began), err)
			}
			s.ExpectTold("refund_succeeded")
			again := s.Do(http.MethodPost, "/alipay/"+path, body, "Prefer", "respond-async")
			s.Expect(again, 200, "succeeded") // known, so that there is nothing to wait for
			if again.Header.Get("Preference-Applied") != "" || again.Body["repeated"] != true || len(s.Alipay.Movements()) != 1 {
				t.Errorf("%s: %v %s", path, again.Header, again.Text)
			}
		})
	}
}

var asyncBodies = map[string]string{
	"refunds":        shoptest.Partly,
	"coupon-refunds": `{"auth_no":"A1","out_request_no":"C1","amount":"8.88","remark":"back"}`,
	"unfreezes":      `{"auth_no":"F1","out_request_no":"U1","amount":"8.88","remark":"back","out_order_no":"O1"}`,
}

func asyncShop(t *testing.T) *shoptest.Shop {
	s := shoptest.NewShop(t)
	s.Trade()
	s.Alipay.AddRedPacket(alipaytest.RedPacket{AuthNo: "A1", NotifyURL: shoptest.NotifyURL})
	s.Alipay.AddPreAuth(alipaytest.PreAuth{AuthNo: "F1", OutOrderNo: "O1", NotifyURL: shoptest.NotifyURL})
	return s
}

// process may die: from then on it sends nothing, and writes nothing.
type process struct {
	http.RoundTripper
	dead atomic.Bool
	// sends is asked for leave at each call, which never leaves without.
	sends func() bool
}

var errDead = errors.New("this process is dead")

func (p *process) RoundTrip(r *http.Request) (*http.Response, error) {
	if p.dead.Load() || !p.sends() {
		return nil, errDead
	}
	answer, err := p.RoundTripper.RoundTrip(r)
	if p.dead.Load() {
		return nil, errDead
	}
	return answer, err
}

// mortal has the shop run in p, until it is revived in another process.
func mortal(s *shoptest.Shop, p *process) (revive func()) {
	living := s.Config
	s.Config.HTTPClient = &http.Client{Transport: p}
	s.Around(func(_ context.Context, _ shoptest.Call, call func() error) error {
		if p.dead.Load() {
			return errDead
		}
		return call()
	})
	return func() {
		s.Config = living
		s.Restart()
	}
}

// A process that dies right after the 202, wherever the refund is then, loses nothing: Run
// of another sends it, once, and tells it.
func TestNothingIsLostAfterTheEarlyAnswer(t *testing.T) {
	for name, dies := range map[string]func(p *process, answered <-chan struct{}) func() bool{
		"before the send": func(p *process, answered <-chan struct{}) func() bool {
			return func() bool { <-answered; p.dead.Store(true); return false }
		},
		"after the send": func(p *process, answered <-chan struct{}) func() bool {
			return func() bool { <-answered; p.dead.Store(true); return true }
		},
	} {
		for path, body := range asyncBodies {
			synctest.Test(t, func(t *testing.T) {
				s := asyncShop(t)
				answered := make(chan struct{})
				p := &process{RoundTripper: s.Alipay.HTTPClient().Transport}
				p.sends = dies(p, answered)
				revive := mortal(s, p)
				r := s.Do(http.MethodPost, "/alipay/"+path, body, "Prefer", "respond-async")
				s.Expect(r, 202, "pending")
				close(answered)
				synctest.Wait()
				revive()
				if s.ExpectTold(""); !p.dead.Load() {
					t.Fatal("it lives")
				}
				stop := s.Run()
				time.Sleep(30 * time.Minute)
				s.Alipay.Advance(time.Hour) // an unanswered red packet is told by its notice
				time.Sleep(time.Minute)
				stop()
				if s.ExpectTold("refund_succeeded"); len(s.Alipay.Movements()) != 1 {
					t.Errorf("%s, %s: moved %v", name, path, s.Alipay.Movements())
				}
			})
		}
	}
}

// The same of a refund that has to wait for the order's other one, so that not even its
// send is recorded.
func TestNothingIsLostBeforeItsSendIsRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := asyncShop(t)
		p := &process{RoundTripper: s.Alipay.HTTPClient().Transport, sends: func() bool { return true }}
		revive := mortal(s, p)
		s.Expect(s.Refund(shoptest.Numbered("R1", "1.00")), 200, "succeeded")
		r := s.Do(http.MethodPost, "/alipay/refunds", shoptest.Numbered("R2", "2.00"), "Prefer", "respond-async")
		p.dead.Store(true)
		s.Expect(r, 202, "pending")
		revive()
		stop := s.Run()
		time.Sleep(2 * time.Minute)
		stop()
		s.ExpectTold("refund_succeeded refund_succeeded")
		if len(s.Alipay.Movements()) != 2 {
			t.Errorf("moved %v", s.Alipay.Movements())
		}
	})
}

// What was answered early does not fail because nothing could be sent: no one is there any
// more who would repeat it. A request that waits finds it pending, and may send it itself.
func TestPromiseOutlastsAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := asyncShop(t)
		refused := alipaytest.Fault{Kind: alipaytest.Refused}
		s.Alipay.Inject(refused, refused, refused)
		r := s.Do(http.MethodPost, "/alipay/refunds", shoptest.Partly, "Prefer", "respond-async")
		s.Expect(r, 202, "pending")
		synctest.Wait()
		s.Expect(s.Refund(shoptest.Partly), 202, "pending")
		if g := s.Get(r.Str("id")); g.Body["promised"] != true || g.Str("state") != "pending" || g.Body["unanswered"] != nil {
			t.Errorf("%s", g.Text)
		}
		stop := s.Run()
		time.Sleep(10 * time.Minute)
		stop()
		s.ExpectTold("refund_succeeded")
		if len(s.Alipay.Movements()) != 1 {
			t.Errorf("moved %v", s.Alipay.Movements())
		}
	})
}

// One that was asked for by a caller who waits, and was not sent, is promised by an early
// answer to the same request, and a refusal ends the promise: it is told.
func TestPromiseOfAKnownRefund(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := asyncShop(t)
		s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest}, alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "ACQ.SELLER_BALANCE_NOT_ENOUGH"})
		s.Expect(s.Refund(shoptest.Partly), 202, "pending")
		r := s.Do(http.MethodPost, "/alipay/refunds", shoptest.Partly, "Prefer", "respond-async")
		s.Expect(r, 202, "pending")
		if r.Body["repeated"] != true || r.Header.Get("Preference-Applied") == "" {
			t.Errorf("%v %s", r.Header, r.Text)
		}
		stop := s.Run()
		time.Sleep(time.Hour)
		stop()
		s.ExpectTold("refund_failed")
		if g := s.Get(r.Str("id")); g.Body["promised"] != true || g.Body["retryable"] != true {
			t.Errorf("%s", g.Text)
		}
		again := s.Refund(shoptest.Partly) // by one who waits
		s.Expect(again, 200, "succeeded")
		if g := s.Get(r.Str("id")); g.Body["promised"] != nil {
			t.Errorf("%s", g.Text)
		}
	})
}

// What is refused before it is recorded is refused at once, and promised to nobody.
func TestNoPromiseBeforeTheRecord(t *testing.T) {
	s := shoptest.NewShop(t, func(c *alirefund.Config) {
		c.BeforeRefund = func(context.Context, store.Refund) error { return errors.New("no") }
	})
	for body, code := range map[string]string{shoptest.Partly: "vetoed", "{": "not_json", "{}": "invalid_fields"} {
		r := s.Do(http.MethodPost, "/alipay/refunds", body, "Prefer", "respond-async")
		if r.Str("code") != code || r.Header.Get("Preference-Applied") != "" || strings.Contains(r.Text, "pending") {
			t.Errorf("%s: %v %s", body, r.Header, r.Text)
		}
	}
}
