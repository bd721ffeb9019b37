package rotation_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"fmt"
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
	"github.com/alirefund/alirefund/internal/shoptest"
	"github.com/alirefund/alirefund/signer"
)

// A certificate of Alipay's that is renewed while refunds run fails none of them,
// for the same key or a new one, and is fetched once.
func TestRotationFailsNoCall(t *testing.T) {
	for name, rotate := range map[string]func(*alipaytest.Alipay){
		"the same key": (*alipaytest.Alipay).RotateCertificate,
		"a new key":    (*alipaytest.Alipay).RotateCertificateAndKey,
	} {
		for mode, config := range map[string]alipaytest.Config{"certificates": shoptest.Modes["certificates"], "both": shoptest.Modes["both"]} {
			t.Run(name+"/"+mode, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					s := shoptest.NewShopOf(t, config)
					s.ExpectRefunds("before", 1)
					for round := 1; round <= 2; round++ {
						rotate(s.Alipay)
						s.ExpectRefunds(fmt.Sprint("round", round), 64)
						synctest.Wait() // for the fetch
						if n := s.Calls(shoptest.MethodDownload); n != round || !s.Config.App.Verifier.Knows(shoptest.Number(t, s.Alipay.AlipayCertificate())) {
							t.Errorf("after %d rotations %d were fetched", round, n)
						}
						s.ExpectRefunds(fmt.Sprint("after", round), 1)
					}
					if told := s.Told(); strings.Count(told, "refund_succeeded") != 131 || strings.Contains(told, "unresolved") {
						t.Errorf("told %q", told)
					}
				})
			})
		}
	}
}

// A fetch that fails holds nothing up but what needs it, is not repeated at once,
// and in the end succeeds.
func TestRotationOutlivesFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShopOf(t, shoptest.Modes["certificates"])
		stop := s.Run()
		defer stop()
		s.Trade()
		s.Always(alipaytest.HTTP500, shoptest.MethodDownload)
		s.Alipay.RotateCertificateAndKey()
		s.Expect(s.Refund(shoptest.Partly), http.StatusAccepted, "pending")
		s.ExpectTold("refund_unresolved") // it could not be verified
		time.Sleep(time.Hour)
		if n := s.Calls(shoptest.MethodDownload); n < 3 || n > 20 {
			t.Errorf("fetched %d times in an hour", n)
		}
		s.Alipay.InjectRandomly(0, 0)
		time.Sleep(2 * time.Hour)
		s.ExpectTold("refund_unresolved refund_succeeded")
		s.ExpectMoved("R1=8.88")
	})
}

// While the key is the same, nobody waits for the fetch.
func TestRotationIsOffTheHotPath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShopOf(t, shoptest.Modes["certificates"])
		s.Trade()
		s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.Slow, Method: shoptest.MethodDownload, Delay: 5 * time.Second})
		s.Alipay.RotateCertificate()
		began := time.Now()
		s.Expect(s.Refund(shoptest.Partly), http.StatusOK, "succeeded")
		if took := time.Since(began); took != 0 {
			t.Errorf("the refund took %v", took)
		}
		time.Sleep(10 * time.Second)
		if !s.Config.App.Verifier.Knows(shoptest.Number(t, s.Alipay.AlipayCertificate())) {
			t.Error("the certificate was not fetched")
		}
	})
}

// A fetch that hangs holds a call up for no longer than the call's own time.
func TestRotationWaitsNoLongerThanTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShopOf(t, shoptest.Modes["certificates"], func(c *alirefund.Config) { c.Times.Timeout = 4 * time.Second })
		s.Trade()
		s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.Slow, Method: shoptest.MethodDownload, Delay: time.Hour})
		s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.HTTP500, Method: gateway.MethodRefundQuery})
		s.Alipay.RotateCertificateAndKey()
		began := time.Now()
		s.Expect(s.Refund(shoptest.Partly), http.StatusAccepted, "pending")
		if took := time.Since(began); took != 4*time.Second {
			t.Errorf("the request took %v", took)
		}
	})
}

// Alipay's certificate has ended and it still signs with it: nothing is believed,
// and nothing has failed.
func TestExpiredCertificateLeavesRefundsUnresolved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShopOf(t, shoptest.Modes["certificates"])
		s.Trade()
		time.Sleep(6 * 365 * 24 * time.Hour)
		s.Alipay.SetAppPublicKey(appPublicKey(t, s.Config.App.Signer.Public())) // whose own certificate ended, too
		sign := shoptest.Must(signer.FromPEM(s.Alipay.AppPrivateKey()))
		s.Config.App.Signer.Switch(shoptest.Must(sign.WithCertificate(s.Alipay.AppCertificate())))
		r := s.Refund(shoptest.Partly)
		s.Expect(r, http.StatusAccepted, "pending")
		s.ExpectMoved("R1=8.88")
		s.ExpectTold("refund_unresolved")
		if n := s.Notice(s.Alipay.SignedNotice(shoptest.RefundNotice(nil))); n.Status != http.StatusForbidden {
			t.Errorf("a notice: %d %s", n.Status, n.Text)
		}
		s.Alipay.RotateCertificate()
		s.Alipay.Advance(time.Minute)
		time.Sleep(time.Minute)
		s.Expect(s.Get(r.Str("id")), http.StatusOK, "succeeded") // the successor was fetched
		s.ExpectTold("refund_unresolved refund_succeeded")
	})
}

func appPublicKey(t *testing.T, key *rsa.PublicKey) string {
	t.Helper()
	return base64.StdEncoding.EncodeToString(shoptest.Must(x509.MarshalPKIXPublicKey(key)))
}

// The application's key is replaced under load: no call fails, and after Alipay's
// seven days the old one is of no use.
func TestAppKeyIsSwitchedUnderLoad(t *testing.T) {
	for name, mode := range map[string]alipaytest.Config{"keys": {}, "certificates": shoptest.Modes["certificates"]} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := shoptest.NewShopOf(t, mode)
			old := s.Config.App.Signer.Current()
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
							s.ExpectRefunds(fmt.Sprint("load", numbers.Add(1)), 1)
						}
					}
				})
			}
			for range 3 {
				key := shoptest.Must(rsa.GenerateKey(rand.Reader, 2048))
				s.Alipay.SetAppPublicKey(appPublicKey(t, &key.PublicKey))
				next := shoptest.Must(signer.New(key))
				if mode.Certificates {
					next = shoptest.Must(next.WithCertificate(s.Alipay.AppCertificate()))
				}
				s.Config.App.Signer.Switch(next)
			}
			close(stop)
			load.Wait()
			if n := numbers.Load(); n < 8 || int64(strings.Count(s.Told(), "refund_succeeded")) != n {
				t.Errorf("%d refunds, told %q", n, s.Told())
			}
			s.Alipay.Advance(8 * 24 * time.Hour)
			s.ExpectRefunds("new", 1)
			s.Config.App.Signer.Switch(old)
			s.Trade()
			if r := s.Refund(shoptest.Partly); r.Status != http.StatusUnprocessableEntity || !strings.HasPrefix(r.Str("sub_code"), "isv.") {
				t.Errorf("with the old key: %d %s", r.Status, r.Text)
			}
		})
	}
}
