package signer

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"
)

// VerifierFromCertificates returns a Verifier for certificate mode. The first
// text is Alipay's certificate, which the console offers as
// alipayCertPublicKey_RSA2.crt: its own one first, then those between it and the
// roots. The second is alipayRootCert.crt, whose roots are trusted and no others;
// what Go cannot read of it, such as SM2, is skipped. It fails with
// [ErrCertificate], also if the certificate is not valid now.
func VerifierFromCertificates(alipayCertPEM, rootPEM string) (*Verifier, error) {
	p, err := pin(rootPEM)
	if err != nil {
		return nil, rootError(err)
	}
	leaf, others, err := parseCertificates(alipayCertPEM)
	if err != nil {
		return nil, fmt.Errorf("%w: Alipay's certificate: %w", ErrCertificate, err)
	}
	p.subject = leaf.RawSubject
	for _, certificate := range others {
		p.intermediates.AddCert(certificate)
	}
	if err := p.check(leaf, p.intermediates, time.Now()); err != nil {
		return nil, fmt.Errorf("%w: Alipay's certificate: %w", ErrCertificate, err)
	}
	return (&trust{keys: []trusted{trustedOf(leaf)}, pinned: p}).verifier(), nil
}

// Trust adds the successor of Alipay's certificate, as
// alipay.open.app.alipaycert.download returns it. It must have the serial number
// sn, be valid now, lead to the roots of [VerifierFromCertificates], and have
// the same subject as Alipay's certificate there: merchants' own certificates
// lead to the same roots, so that those alone prove nothing. The older ones are
// kept until they end. It fails with [ErrCertificate], always in key mode.
func (v *Verifier) Trust(sn, pemText string) error {
	leaf, others, err := parseCertificates(pemText)
	if err != nil {
		return fmt.Errorf("%w: the successor: %w", ErrCertificate, err)
	}
	if CertificateSN(leaf) != sn { // which is never ""
		return fmt.Errorf("%w: the successor has another serial number than the one that is wanted", ErrCertificate)
	}
	for {
		old := v.load()
		next, err := old.with(leaf, others, time.Now())
		switch {
		case err != nil:
			return fmt.Errorf("%w: the successor: %w", ErrCertificate, err)
		case next == old || v.current.CompareAndSwap(old, next):
			return nil
		}
	}
}

// Knows tells whether the certificate of that serial number is trusted and valid
// now.
func (v *Verifier) Knows(sn string) bool { return v.load().knows(sn, time.Now()) }

// RootSN returns the parameter alipay_root_cert_sn, or "" in key mode.
func (v *Verifier) RootSN() string {
	if p := v.load().pinned; p != nil {
		return p.rootSN
	}
	return ""
}

// Expires returns when the last of the trusted certificates ends, or the zero
// time in key mode.
func (v *Verifier) Expires() time.Time { return v.load().expires() }

// pinned is what the certificates of a Verifier are held against.
type pinned struct {
	roots, intermediates *x509.CertPool
	rootSN               string
	subject              []byte // as it is encoded
}

// pin reads a root file. Only authorities that vouch for themselves become
// roots: with Alipay's certificate in that file by mistake, it would vouch for
// itself.
func pin(rootPEM string) (*pinned, error) {
	ders, err := certificatesIn(rootPEM)
	if err != nil {
		return nil, err
	}
	sn, err := rootNumbers(ders)
	if err != nil {
		return nil, err
	}
	p := &pinned{roots: x509.NewCertPool(), intermediates: x509.NewCertPool(), rootSN: sn}
	found := false
	for _, der := range ders {
		root, err := x509.ParseCertificate(der)
		if err == nil && root.IsCA && bytes.Equal(root.RawIssuer, root.RawSubject) {
			p.roots.AddCert(root)
			found = true
		}
	}
	if !found {
		return nil, errors.New("there is no root in it (alipayRootCert.crt belongs here)")
	}
	return p, nil
}

// check says why a certificate is not to be trusted, or nothing.
func (p *pinned) check(leaf *x509.Certificate, intermediates *x509.CertPool, now time.Time) error {
	key, ok := leaf.PublicKey.(*rsa.PublicKey)
	if !ok {
		return errors.New("its key is not RSA")
	}
	if fault := faultOf(key, minBits); fault != "" {
		return fmt.Errorf("its key %s", fault)
	}
	switch {
	case leaf.IsCA:
		return errors.New("it is an authority's (alipayCertPublicKey_RSA2.crt belongs here, Alipay's own certificate first)")
	case now.Before(leaf.NotBefore):
		return fmt.Errorf("it is not valid before %s (is this machine's clock right?)", leaf.NotBefore.Format(time.DateTime))
	case now.After(leaf.NotAfter):
		return fmt.Errorf("it ended on %s", leaf.NotAfter.Format(time.DateTime))
	}
	_, err := leaf.Verify(x509.VerifyOptions{
		Roots: p.roots, Intermediates: intermediates, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	var invalid x509.CertificateInvalidError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return errors.New("a certificate between it and the roots is not valid now")
	default: // the cause repeats names from the certificates
		return errors.New("it does not lead to the root certificates (of another environment, or without those in between?)")
	}
}

// with returns what t and a successor make, or t itself if it holds it already.
func (t *trust) with(leaf *x509.Certificate, others []*x509.Certificate, now time.Time) (*trust, error) {
	if t.pinned == nil {
		return nil, errors.New("this Verifier has no root certificates")
	}
	if !bytes.Equal(leaf.RawSubject, t.pinned.subject) {
		return nil, errors.New("it is of another subject than Alipay's certificate")
	}
	intermediates := t.pinned.intermediates.Clone()
	for _, certificate := range others {
		intermediates.AddCert(certificate)
	}
	if err := t.pinned.check(leaf, intermediates, now); err != nil {
		return nil, err
	}
	if slices.ContainsFunc(t.keys, func(own trusted) bool { return own.certificate.Equal(leaf) }) {
		return t, nil
	}
	keys := slices.DeleteFunc(slices.Clone(t.keys), func(own trusted) bool { return now.After(own.certificate.NotAfter) })
	return &trust{keys: append(keys, trustedOf(leaf)), pinned: t.pinned}, nil
}

// trustedOf wants a certificate whose key is RSA.
func trustedOf(leaf *x509.Certificate) trusted {
	return trusted{key: leaf.PublicKey.(*rsa.PublicKey), certificate: leaf, sn: CertificateSN(leaf)}
}

// verifyByCertificate is verify in certificate mode.
func (t *trust) verifyByCertificate(sn string, now time.Time, hash crypto.Hash, digest, raw []byte) error {
	known, tried := t.knows(sn, now), 0
	for i := range t.keys {
		own := &t.keys[i]
		if !own.validAt(now) || known && own.sn != sn {
			continue
		}
		if rsa.VerifyPKCS1v15(own.key, hash, digest, raw) == nil {
			return nil
		}
		tried++
	}
	err := fmt.Errorf("%w under any of %d certificates", ErrSignature, tried)
	if tried == 0 && len(t.keys) > 0 {
		err = fmt.Errorf("%w: no trusted certificate is valid now; the last one ends on %s", ErrSignature, t.expires().Format(time.DateTime))
	}
	if sn != "" && !known {
		err = fmt.Errorf("%w: %w", err, ErrUnknownCertificate)
	}
	return err
}

func (t *trust) knows(sn string, now time.Time) bool {
	return sn != "" && slices.ContainsFunc(t.keys, func(own trusted) bool { return own.sn == sn && own.validAt(now) })
}

// validAt wants a certificate.
func (own *trusted) validAt(now time.Time) bool {
	return !now.Before(own.certificate.NotBefore) && !now.After(own.certificate.NotAfter)
}

func (t *trust) expires() time.Time {
	var last time.Time
	for _, own := range t.keys {
		if own.certificate != nil && own.certificate.NotAfter.After(last) {
			last = own.certificate.NotAfter
		}
	}
	return last
}
