package gateway_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/signer"
)

// Whatever is downloaded has to prove itself: by the root, by the subject, by the
// number that was asked for, by its dates and its key.
func TestForgedSuccessorsAreNotTrusted(t *testing.T) {
	weak := must(rsa.GenerateKey(rand.Reader, 1024))
	genuine := issue(root(), alipayName, authorityKey(), newerKey())
	merchants := issue(root(), "2088000000000999-2021000000000999", authorityKey(), thiefKey())
	otherRoot := issue(nil, "Root", thiefKey(), nil)
	foreign := issue(otherRoot, alipayName, thiefKey(), thiefKey())
	selfSigned := issue(nil, alipayName, thiefKey(), nil)
	below := issue(merchants, alipayName, thiefKey(), thiefKey())
	ended := issue(root(), alipayName, authorityKey(), newerKey(), time.Date(1998, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC))
	early := issue(root(), alipayName, authorityKey(), newerKey(), time.Date(2098, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC))
	short := issue(root(), alipayName, authorityKey(), weak)
	for _, c := range []struct {
		name  string
		key   *rsa.PrivateKey // signs the answers
		cert  *x509.Certificate
		offer string // what is downloaded
		good  bool
	}{
		{"the successor", newerKey(), genuine, fileOf(genuine), true},
		{"the successor, and the root behind it", newerKey(), genuine, fileOf(genuine) + fileOf(root()), true},
		{"another merchant's, under the same root", thiefKey(), merchants, fileOf(merchants), false},
		{"one that another merchant issued", thiefKey(), below, fileOf(below) + fileOf(merchants), false},
		{"another root's", thiefKey(), foreign, fileOf(foreign), false},
		{"another root's, and that root", thiefKey(), foreign, fileOf(foreign) + fileOf(otherRoot), false},
		{"its own root", thiefKey(), selfSigned, fileOf(selfSigned), false},
		{"another number's", thiefKey(), merchants, fileOf(genuine), false},
		{"the genuine one first, another merchant's behind it", thiefKey(), merchants, fileOf(genuine) + fileOf(merchants), false},
		{"one that has ended", newerKey(), ended, fileOf(ended), false},
		{"one that is not valid yet", newerKey(), early, fileOf(early), false},
		{"a weak key's", weak, short, fileOf(short), false},
		{"the root", authorityKey(), root(), fileOf(root()), false},
		{"nothing", newerKey(), genuine, "", false},
		{"no certificate", newerKey(), genuine, "no certificate", false},
		{"one that is cut off", newerKey(), genuine, fileOf(genuine)[:600], false},
	} {
		forged := func(t *testing.T) {
			p := newPlatform()
			p.become(c.key, c.cert)
			p.offer = func(string) string { return c.offer }
			var log bytes.Buffer
			client := p.client(t, gateway.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
			answer, err := client.RefundTrade(t.Context(), refund, gateway.Options{})
			if c.good != (err == nil) || !c.good && kind(err) != gateway.ErrUnverified || answer.Signed != c.good {
				t.Errorf("%v", err)
			}
			synctest.Wait() // until it is logged
			if sn := signer.CertificateSN(c.cert); p.verify.Knows(sn) != c.good || !strings.Contains(log.String(), sn) {
				t.Errorf("trusted: %t; logged: %s", p.verify.Knows(sn), &log)
			}
			if n := p.calls(methodCertificate); n != 1 {
				t.Errorf("%d downloads", n)
			}
		}
		t.Run(c.name, func(t *testing.T) { synctest.Test(t, forged) })
	}
}

// However many calls meet a new certificate, it is fetched once; the old one stays.
func TestOneFetchForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlatform()
		old, next := p.cert, issue(root(), alipayName, authorityKey(), newerKey())
		p.slow = make(chan struct{})
		p.offer = func(string) string { return fileOf(next) }
		client := p.client(t, gateway.Config{})
		p.become(newerKey(), next)
		var calls sync.WaitGroup
		for range 64 {
			calls.Go(func() {
				if _, err := client.RefundTrade(t.Context(), refund, gateway.Options{}); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait() // all of them wait for the one download
		if sent, n := p.calls(gateway.MethodTradeRefund), p.calls(methodCertificate); sent != 64 || n != 1 {
			t.Errorf("%d calls, %d downloads", sent, n)
		}
		close(p.slow)
		calls.Wait()
		p.become(alipayKey(), old)
		if _, err := client.RefundTrade(t.Context(), refund, gateway.Options{}); err != nil || p.calls(methodCertificate) != 1 {
			t.Errorf("the old certificate: %v after %d downloads", err, p.calls(methodCertificate))
		}
	})
}

// A call waits for a fetch no longer than its own context lasts; the fetch goes on.
func TestACallsPatienceIsItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlatform()
		next := issue(root(), alipayName, authorityKey(), newerKey())
		p.become(newerKey(), next)
		p.slow, p.offer = make(chan struct{}), func(string) string { return fileOf(next) }
		client := p.client(t, gateway.Config{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if _, err := client.RefundTrade(ctx, refund, gateway.Options{}); kind(err) != gateway.ErrUnverified || time.Since(began) != time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		close(p.slow)
		synctest.Wait()
		if !p.verify.Knows(signer.CertificateSN(next)) {
			t.Error("the fetch ended with the call that began it")
		}
	})
}

// A second certificate that is asked for during a fetch is fetched afterwards.
func TestAnotherNumberWaitsItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlatform()
		first, second := issue(root(), alipayName, authorityKey(), newerKey()), issue(root(), alipayName, authorityKey(), thiefKey())
		p.slow = make(chan struct{})
		p.offer = func(sn string) string {
			if sn == signer.CertificateSN(first) {
				return fileOf(first)
			}
			return fileOf(second)
		}
		client := p.client(t, gateway.Config{})
		var calls sync.WaitGroup
		for _, next := range []struct {
			key  *rsa.PrivateKey
			cert *x509.Certificate
		}{{newerKey(), first}, {thiefKey(), second}} {
			p.become(next.key, next.cert)
			calls.Go(func() {
				if _, err := client.RefundTrade(t.Context(), refund, gateway.Options{}); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		if n := p.calls(methodCertificate); n != 1 {
			t.Errorf("%d downloads at once", n)
		}
		close(p.slow)
		calls.Wait()
	})
}

// A fetch that fails is not repeated at once, however many answers ask for it.
func TestNoStormOfFetches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlatform()
		client := p.client(t, gateway.Config{})
		p.become(newerKey(), issue(root(), alipayName, authorityKey(), newerKey()))
		began := time.Now()
		for time.Since(began) < 12*time.Hour {
			if _, err := client.RefundTrade(t.Context(), refund, gateway.Options{}); kind(err) != gateway.ErrUnverified {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Minute)
		}
		if n := p.calls(methodCertificate); n < 70 || n > 85 { // every ten minutes, in the end
			t.Errorf("%d downloads in half a day", n)
		}
		p.offer = func(string) string { return fileOf(p.cert) }
		time.Sleep(10 * time.Minute)
		if _, err := client.RefundTrade(t.Context(), refund, gateway.Options{}); err != nil {
			t.Error(err)
		}
	})
}

// Numbers that no certificate can have are neither asked for nor logged.
func TestStrangeNumbersAreNotAskedFor(t *testing.T) {
	for _, sn := range []string{"x", strings.Repeat("0", 31), strings.Repeat("0", 33), strings.Repeat("A", 32), strings.Repeat("0", 30) + `\"}`, strings.Repeat("é", 16)} {
		p := newPlatform()
		var log bytes.Buffer
		client := p.client(t, gateway.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		p.become(newerKey(), p.cert)
		p.change = func(answer string) string { return strings.Replace(answer, signer.CertificateSN(p.cert), sn, 1) }
		if _, err := client.RefundTrade(t.Context(), refund, gateway.Options{}); kind(err) != gateway.ErrUnverified && kind(err) != gateway.ErrNoAnswer {
			t.Errorf("%s: %v", sn, err)
		}
		if n := p.calls(methodCertificate); n != 0 || log.Len() != 0 {
			t.Errorf("%s: %d downloads: %s", sn, n, &log)
		}
	}
}

// A certificate that has ended verifies nothing, whoever names it.
func TestEndedCertificateVerifiesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlatform()
		p.cert = issue(root(), alipayName, authorityKey(), alipayKey(), time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
		p.verify = must(signer.VerifierFromCertificates(fileOf(p.cert), fileOf(root())))
		p.offer = func(string) string { return fileOf(p.cert) }
		client := p.client(t, gateway.Config{})
		if _, err := client.RefundTrade(t.Context(), refund, gateway.Options{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Hour)
		reply, err := client.Do(t.Context(), gateway.MethodTradeRefund, refund, gateway.Options{})
		if kind(err) != gateway.ErrUnverified || gateway.JudgeTradeRefund(reply, err, refundWant).Outcome != gateway.Unresolved {
			t.Errorf("%v", err)
		}
	})
}
