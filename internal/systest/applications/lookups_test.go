package applications_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/internal/shoptest"
	"github.com/alirefund/alirefund/notify"
	"github.com/alirefund/alirefund/signer"
	"github.com/alirefund/alirefund/store"
)

// However many want an application at once, Config.Apps is asked once; and where one is
// known, nobody waits for a Config.Apps that hangs but the one who asks.
func TestOneLookupForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hangs := make(chan struct{}, 1) // while there is something in it
		m := open(t, func(c *alirefund.Config) {
			apps := c.Apps
			c.Apps = func(ctx context.Context, id string) (alirefund.App, error) {
				time.Sleep(time.Second)
				hangs <- struct{}{}
				defer func() { <-hangs }()
				return apps(ctx, id)
			}
		})
		together := func(want error) (slow int) {
			var all sync.WaitGroup
			var mu sync.Mutex
			for range 50 {
				all.Go(func() {
					began := time.Now()
					v, err := m.module.For(t.Context(), one)
					if !errors.Is(err, want) || err == nil && v.AppID() != one {
						t.Errorf("For returned %v", err)
					}
					if time.Since(began) > 0 {
						mu.Lock()
						slow++
						mu.Unlock()
					}
				})
			}
			all.Wait()
			return slow
		}
		if slow := together(nil); slow != 50 {
			t.Errorf("%d of 50 waited for the first answer", slow)
		}
		if n := m.lookups(); n != 1 {
			t.Errorf("Config.Apps was asked %d times", n)
		}
		time.Sleep(50 * time.Second)
		if slow := together(nil); slow != 0 || m.lookups() != 0 {
			t.Error("within a minute it was asked again")
		}
		time.Sleep(10 * time.Second)
		hangs <- struct{}{}
		if slow := together(nil); slow != 1 {
			t.Errorf("%d of 50 waited for what hangs", slow)
		}
		m.set(one, nil)
		<-hangs
		time.Sleep(10 * time.Second)
		m.lookups()
		if _, err := m.module.For(t.Context(), one); !errors.Is(err, alirefund.ErrUnknownApp) {
			t.Errorf("For returned %v", err)
		}
		if together(alirefund.ErrUnknownApp); m.lookups() != 1 {
			t.Error("of one that is gone it was asked again and again")
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		go m.module.For(t.Context(), two)
		synctest.Wait()
		if _, err := m.module.For(ctx, two); !errors.Is(err, alirefund.ErrAppUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("whoever does not wait is told %v", err)
		}
		time.Sleep(time.Minute)
	})
}

// What was received for one application is handled for no other.
func TestHandledForWhomItWasReceived(t *testing.T) {
	m := open(t, func(c *alirefund.Config) { c.App = shoptest.Must(c.Apps(t.Context(), one)) })
	waiting := m.unresolved(one)
	m.unresolved(two)
	request := func() *http.Request {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(m.form(two)))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	n, err := m.module.Receive(request())
	if err != nil || n.Receiver() != two {
		t.Fatalf("%v, received for %q", err, n.Receiver())
	}
	for _, id := range []string{one, "2021000000009999"} {
		if _, err := m.module.ReceiveFor(request(), id); !errors.Is(err, notify.ErrNotOurs) {
			t.Errorf("for %s it is received: %v", id, err)
		}
	}
	first := shoptest.Must(m.module.For(t.Context(), one))
	if _, err := first.Receive(request()); !errors.Is(err, notify.ErrNotOurs) {
		t.Errorf("the other's engine receives it: %v", err)
	}
	if err := first.Handle(t.Context(), n, nil); !errors.Is(err, notify.ErrNotOurs) {
		t.Errorf("the other's engine handles it: %v", err)
	}
	foreign := shoptest.Must(notify.Open([]byte(m.form(one, "app_id", "2021000000009999")), m.apps[one].Verifier))
	if err := m.module.Handle(t.Context(), foreign, nil); !errors.Is(err, alirefund.ErrUnknownApp) {
		t.Errorf("a third one's is handled: %v", err)
	}
	if err := m.module.Handle(t.Context(), n, nil); err != nil {
		t.Error(err)
	}
	m.heard("2 succeeded R1")
	if r := m.stored(waiting); r.State != store.Pending {
		t.Errorf("the other's refund %s", r.State)
	}
}

// Each application has its own diagnosis.
func TestDiagnosisOfEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := open(t)
		for _, id := range []string{one, two, one} {
			own := alipaytest.New(alipaytest.Config{AppID: id, AppPublicKey: public(keys[id]())})
			form := own.SignedNotice(map[string]string{"app_id": id, "notify_id": "n"})
			m.expect(m.notice("/alipay/notify", strings.Replace(form, "notify_id=n", "notify_id=m", 1)), 403, "notification_forged")
			time.Sleep(2 * time.Second)
		}
		m.expect(m.notice("/alipay/notify", "app_id=2021000000009999&sign=x&sign_type=RSA2"), 403, "notification_not_ours")
		for _, id := range []string{one, two} {
			if n := m.log.count(`has a page in docs/errors" app=` + id); n != 1 {
				t.Errorf("of %s it was logged %d times", id, n)
			}
		}
		if n := m.log.count("has a page in docs/errors"); n != 2 {
			t.Errorf("it was logged %d times", n)
		}
	})
}

// One application has certificates, another has none.
func TestCertificatesOfEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := open(t)
		certified := alipaytest.New(alipaytest.Config{AppID: two, AppPublicKey: public(keys[two]()), Certificates: true})
		m.set(two, func(a *alirefund.App) {
			a.Signer = shoptest.Must(a.Signer.WithCertificate(certified.AppCertificate()))
			a.Verifier = shoptest.Must(signer.VerifierFromCertificates(certified.AlipayCertificate(), certified.RootCertificates()))
		})
		for id, some := range map[string]bool{one: false, two: true} {
			application, alipay := shoptest.Must(m.module.For(t.Context(), id)).CertificateEnds()
			if application.IsZero() == some || alipay.IsZero() == some {
				t.Errorf("of %s they end %v and %v", id, application, alipay)
			}
		}
		if application, alipay := m.module.CertificateEnds(); !application.IsZero() || !alipay.IsZero() {
			t.Errorf("of none they end %v and %v", application, alipay)
		}
		time.Sleep(time.Until(m.apps[two].Verifier.Expires().Add(-29 * 24 * time.Hour)))
		stop := m.run()
		time.Sleep(25 * time.Hour)
		if n := m.log.count(`msg="a certificate ends soon" app=` + two); n == 0 || n != m.log.count("ends soon") {
			t.Errorf("it was logged %d times, of %d", n, m.log.count("ends soon"))
		}
		stop()
	})
}
