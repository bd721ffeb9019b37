package signer_test

import (
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"sync"
	"testing"

	"github.com/alirefund/alirefund/signer"
)

func TestSwitch(t *testing.T) {
	t.Parallel()
	w := newWorld()
	text := []byte(refundText)
	s := must(must(signer.New(appKey())).WithCertificate(pemOf(w.app)))
	before := s.Current()
	young := w.middle.issue(appName, &nextKey().PublicKey)
	next := must(must(signer.New(nextKey())).WithCertificate(pemOf(young)))

	s.Switch(next)
	if s.CertificateSN() != signer.CertificateSN(young) || !s.Expires().Equal(young.NotAfter) || !s.Public().Equal(&nextKey().PublicKey) || must(s.Sign(text)) != signedBy(t, nextKey(), text) {
		t.Error("after the switch it is not the next one")
	}
	if before.CertificateSN() != signer.CertificateSN(w.app) || must(before.Sign(text)) != signedBy(t, appKey(), text) {
		t.Error("Current changed with a later switch")
	}
	next.Switch(before)
	if must(s.Sign(text)) != signedBy(t, nextKey(), text) {
		t.Error("what was switched to is tied to what it was taken from")
	}

	v := w.verifier()
	v.Switch(must(signer.NewVerifier(&alipayKey().PublicKey, &nextKey().PublicKey)))
	for _, key := range []*rsa.PrivateKey{alipayKey(), nextKey()} {
		if err := v.Verify(text, signedBy(t, key, text)); err != nil {
			t.Error(err)
		}
	}
	if v.RootSN() != "" || !v.Expires().IsZero() {
		t.Error("a certificate was left behind")
	}
	v.Switch(must(signer.NewVerifier(&nextKey().PublicKey)))
	if err := v.Verify(text, signedBy(t, alipayKey(), text)); !errors.Is(err, signer.ErrSignature) {
		t.Errorf("the old key, after it was left out: %v; want ErrSignature", err)
	}
	v.Switch(must(signer.NewVerifierAcceptingSHA1AndWeakKeys(&weakKey().PublicKey)))
	if err := v.VerifySHA1(text, signSHA1(weakKey(), text)); err != nil || !v.AcceptsSHA1() {
		t.Errorf("switched to SHA1: %v", err)
	}
}

// A Signer or Verifier at work never loses its keys, and nothing panics.
func TestSwitchToNothing(t *testing.T) {
	t.Parallel()
	s, v := must(signer.New(appKey())), newWorld().verifier()
	root := v.RootSN()
	for _, next := range []*signer.Signer{nil, {}} {
		s.Switch(next)
		next.Switch(s)
		if next.Current() == nil || next.CertificateSN() != "" && next != nil || !next.Expires().IsZero() {
			t.Error("an empty Signer has a certificate")
		}
	}
	for _, next := range []*signer.Verifier{nil, {}} {
		if next.Knows("") || next.RootSN() != "" || !next.Expires().IsZero() || !errors.Is(next.VerifyBy("0123", nil, ""), signer.ErrSignature) {
			t.Error("an empty Verifier knows something")
		}
		v.Switch(next)
		next.Switch(v)
	}
	if s.Public() == nil || v.RootSN() != root {
		t.Error("a switch to nothing took the keys away")
	}
	s.Switch(s)
	v.Switch(v)
	if s.Public() == nil || v.RootSN() != root {
		t.Error("a switch to itself took the keys away")
	}
}

// While both sides rotate, every signature agrees with the certificate that was
// named beside it, and everything that Alipay signs verifies.
func TestRotationUnderLoad(t *testing.T) {
	t.Parallel()
	w := newWorld()
	young := w.middle.issue(appName, &nextKey().PublicKey)
	one := must(must(signer.New(appKey())).WithCertificate(pemOf(w.app)))
	two := must(must(signer.New(nextKey())).WithCertificate(pemOf(young)))
	keys := map[string]*rsa.PrivateKey{signer.CertificateSN(w.app): appKey(), signer.CertificateSN(young): nextKey()}
	s, v := one.Current(), w.verifier()

	var successors []*x509.Certificate
	for range 4 {
		successors = append(successors, w.middle.issue(alipayName, &alipayKey().PublicKey))
	}
	text := []byte(refundText)
	byAlipay := signedBy(t, alipayKey(), text)
	want := map[string]string{}
	for sn, key := range keys {
		want[sn] = signedBy(t, key, text)
	}

	var work, switches sync.WaitGroup
	for range 4 {
		work.Go(func() {
			for range 40 {
				now := s.Current()
				if sign, err := now.Sign(text); err != nil || sign != want[now.CertificateSN()] {
					t.Errorf("the signature is of another key than the certificate's: %v", err)
				}
				if err := v.VerifyBy(signer.CertificateSN(w.alipay), text, byAlipay); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i, c := range successors {
		switches.Go(func() {
			for range 10 {
				if err := v.Trust(signer.CertificateSN(c), pemOf(c)); err != nil {
					t.Error(err)
				}
				s.Switch([]*signer.Signer{one, two}[i%2])
			}
		})
	}
	switches.Wait()
	work.Wait()
	for _, c := range successors {
		if !v.Knows(signer.CertificateSN(c)) {
			t.Error("one successor overwrote another")
		}
	}
}
