package alirefund_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/signer"
)

const methodDownload = "alipay.open.app.alipaycert.download"

// A certificate of Alipay's that is renewed while refunds run fails none of them,
// for the same key or a new one, and is fetched once.
func TestRotationFailsNoCall(t *testing.T) {
	for name, rotate := range map[string]func(*alipaytest.Alipay){
		"the same key": (*alipaytest.Alipay).RotateCertificate,
		"a new key":    (*alipaytest.Alipay).RotateCertificateAndKey,
	} {
		for mode, config := range map[string]alipaytest.Config{"certificates": modes["certificates"], "both": modes["both"]} {
			t.Run(name+"/"+mode, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					s := newShopOf(t, config)
					s.expectRefunds("before", 1)
					for round := 1; round <= 2; round++ {
						rotate(s.alipay)
						s.expectRefunds(fmt.Sprint("round", round), 64)
						synctest.Wait() // for the fetch
						if n := s.calls(methodDownload); n != round || !s.config.App.Verifier.Knows(number(t, s.alipay.AlipayCertificate())) {
							t.Errorf("after %d rotations %d were fetched", round, n)
						}
						s.expectRefunds(fmt.Sprint("after", round), 1)
					}
					if told := s.told(); strings.Count(told, "refund_succeeded") != 131 || strings.Contains(told, "unresolved") {
						t.Errorf("told %q", told)
					}
				})
			})
		}
	}
}

// expectRefunds makes n refunds at once, each of which succeeds at once.
func (s *shop) expectRefunds(name string, n int) {
	s.t.Helper()
	var all sync.WaitGroup
	for i := range n {
		number := fmt.Sprintf("%s-%d", name, i)
		s.alipay.AddTrade(alipaytest.Trade{OutTradeNo: number, Total: 1_00})
		all.Go(func() {
			r := s.refund(fmt.Sprintf(`{"out_trade_no":%q,"refund_amount":"1.00"}`, number))
			if r.status != http.StatusOK || r.body["delivered"] != true {
				s.t.Errorf("%s: %d %s", number, r.status, r.text)
			}
		})
	}
	all.Wait()
}

// number returns the number of the first certificate in a text.
func number(t *testing.T, text string) string {
	t.Helper()
	block, _ := pem.Decode([]byte(text))
	return signer.CertificateSN(must(x509.ParseCertificate(block.Bytes)))
}

// A fetch that fails holds nothing up but what needs it, is not repeated at once,
// and in the end succeeds.
func TestRotationOutlivesFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShopOf(t, modes["certificates"])
		stop := s.run()
		defer stop()
		s.trade()
		s.always(alipaytest.HTTP500, methodDownload)
		s.alipay.RotateCertificateAndKey()
		s.expect(s.refund(partly), http.StatusAccepted, "pending")
		s.expectTold("refund_unresolved") // it could not be verified
		time.Sleep(time.Hour)
		if n := s.calls(methodDownload); n < 3 || n > 20 {
			t.Errorf("fetched %d times in an hour", n)
		}
		s.alipay.InjectRandomly(0, 0)
		time.Sleep(2 * time.Hour)
		s.expectTold("refund_unresolved refund_succeeded")
		s.expectMoved("R1=8.88")
	})
}

// While the key is the same, nobody waits for the fetch.
func TestRotationIsOffTheHotPath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShopOf(t, modes["certificates"])
		s.trade()
		s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.Slow, Method: methodDownload, Delay: 5 * time.Second})
		s.alipay.RotateCertificate()
		began := time.Now()
		s.expect(s.refund(partly), http.StatusOK, "succeeded")
		if took := time.Since(began); took != 0 {
			t.Errorf("the refund took %v", took)
		}
		time.Sleep(10 * time.Second)
		if !s.config.App.Verifier.Knows(number(t, s.alipay.AlipayCertificate())) {
			t.Error("the certificate was not fetched")
		}
	})
}

// A fetch that hangs holds a call up for no longer than the call's own time.
func TestRotationWaitsNoLongerThanTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShopOf(t, modes["certificates"], func(c *alirefund.Config) { c.Timeout = 4 * time.Second })
		s.trade()
		s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.Slow, Method: methodDownload, Delay: time.Hour})
		s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.HTTP500, Method: gateway.MethodRefundQuery})
		s.alipay.RotateCertificateAndKey()
		began := time.Now()
		s.expect(s.refund(partly), http.StatusAccepted, "pending")
		if took := time.Since(began); took != 4*time.Second {
			t.Errorf("the request took %v", took)
		}
	})
}

// Alipay's certificate has ended and it still signs with it: nothing is believed,
// and nothing has failed.
func TestExpiredCertificateLeavesRefundsUnresolved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShopOf(t, modes["certificates"])
		s.trade()
		time.Sleep(6 * 365 * 24 * time.Hour)
		s.alipay.SetAppPublicKey(appPublicKey(t, s.config.App.Signer.Public())) // whose own certificate ended, too
		sign := must(signer.FromPEM(s.alipay.AppPrivateKey()))
		s.config.App.Signer.Switch(must(sign.WithCertificate(s.alipay.AppCertificate())))
		r := s.refund(partly)
		s.expect(r, http.StatusAccepted, "pending")
		s.expectMoved("R1=8.88")
		s.expectTold("refund_unresolved")
		if n := s.notice(s.alipay.SignedNotice(refundNotice(nil))); n.status != http.StatusForbidden {
			t.Errorf("a notice: %d %s", n.status, n.text)
		}
		s.alipay.RotateCertificate()
		s.alipay.Advance(time.Minute)
		time.Sleep(time.Minute)
		s.expect(s.get(r.str("id")), http.StatusOK, "succeeded") // the successor was fetched
		s.expectTold("refund_unresolved refund_succeeded")
	})
}

func appPublicKey(t *testing.T, key *rsa.PublicKey) string {
	t.Helper()
	return base64.StdEncoding.EncodeToString(must(x509.MarshalPKIXPublicKey(key)))
}

// The application's key is replaced under load: no call fails, and after Alipay's
// seven days the old one is of no use.
func TestAppKeyIsSwitchedUnderLoad(t *testing.T) {
	for name, mode := range map[string]alipaytest.Config{"keys": {}, "certificates": modes["certificates"]} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShopOf(t, mode)
			old := s.config.App.Signer.Current()
			var numbers atomic.Int64
			stop := make(chan struct{})
			var load sync.WaitGroup
			for range 8 {
				load.Go(func() {
					for {
						select {
						case <-stop:
							return
						default:
							s.expectRefunds(fmt.Sprint("load", numbers.Add(1)), 1)
						}
					}
				})
			}
			for range 3 {
				key := must(rsa.GenerateKey(rand.Reader, 2048))
				s.alipay.SetAppPublicKey(appPublicKey(t, &key.PublicKey))
				next := must(signer.New(key))
				if mode.Certificates {
					next = must(next.WithCertificate(s.alipay.AppCertificate()))
				}
				s.config.App.Signer.Switch(next)
			}
			close(stop)
			load.Wait()
			if n := numbers.Load(); n < 8 || int64(strings.Count(s.told(), "refund_succeeded")) != n {
				t.Errorf("%d refunds, told %q", n, s.told())
			}
			s.alipay.Advance(8 * 24 * time.Hour)
			s.expectRefunds("new", 1)
			s.config.App.Signer.Switch(old)
			s.trade()
			if r := s.refund(partly); r.status != http.StatusUnprocessableEntity || !strings.HasPrefix(r.str("sub_code"), "isv.") {
				t.Errorf("with the old key: %d %s", r.status, r.text)
			}
		})
	}
}

// Certificates that end soon are logged when the module is made, then daily.
func TestExpiryIsLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log lines
		s := newShopOf(t, modes["certificates"], func(c *alirefund.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
		ends := s.config.App.Verifier.Expires()
		if got := log.of("certificate"); len(got) != 0 {
			t.Errorf("too early: %v", got)
		}
		time.Sleep(time.Until(ends.Add(-29 * 24 * time.Hour)))
		s.restart()
		if got := log.of("ends soon"); len(got) != 2 || !strings.Contains(got[0], "certificate=\"the application\"") || !strings.Contains(got[1], "certificate=Alipay") || !strings.Contains(got[1], "days=29") {
			t.Errorf("at New: %v", got)
		}
		stop := s.run()
		time.Sleep(3*24*time.Hour + time.Minute)
		if got := log.of("ends soon"); len(got) != 2+3*2 {
			t.Errorf("after three days: %v", got)
		}
		time.Sleep(27 * 24 * time.Hour)
		stop()
		if got := log.of("has ended"); len(got) == 0 || !strings.Contains(got[0], "level=ERROR") {
			t.Errorf("after the end: %v", got)
		}
		// In key mode nothing ends.
		before := len(log.of("certificate"))
		s.config.App = newShop(t).config.App
		s.restart()
		if got := log.of("certificate"); len(got) != before {
			t.Errorf("in key mode: %v", got[before:])
		}
	})
}

// lines is a log.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// of returns the lines that hold a word.
func (l *lines) of(word string) (found []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.text.String()) {
		if strings.Contains(line, word) {
			found = append(found, line)
		}
	}
	return found
}
