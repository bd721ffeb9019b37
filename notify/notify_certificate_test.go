package notify_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/alirefund/alirefund/notify"
	"github.com/alirefund/alirefund/signer"
)

// inCertificateMode returns a receiver whose verifier trusts a certificate of
// alipay's key, and that certificate's number.
func inCertificateMode(t *testing.T) (*notify.Receiver, string) {
	t.Helper()
	issuer, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	issue := func(name string, public *rsa.PublicKey, parent *x509.Certificate) *x509.Certificate {
		template := &x509.Certificate{
			SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: parent == nil, BasicConstraintsValid: true,
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		}
		if parent == nil {
			parent = template
		}
		der, err := x509.CreateCertificate(rand.Reader, template, parent, public, issuer)
		if err != nil {
			t.Fatal(err)
		}
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return certificate
	}
	file := func(c *x509.Certificate) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
	}
	root := issue("Root", &issuer.PublicKey, nil)
	own := issue("Alipay", &alipay().PublicKey, root)
	verify, err := signer.VerifierFromCertificates(file(own), file(root))
	if err != nil {
		t.Fatal(err)
	}
	rc := receiver(t)
	rc.Verifier = verify
	return rc, signer.CertificateSN(own)
}

// A certificate's number is taken whether it is signed or not, and is a field of
// the notice only if it is.
func TestNoticeNamesItsCertificate(t *testing.T) {
	certified, known := inCertificateMode(t)
	unknown := strings.Repeat("0", 32)
	forged := partialRefund.signed(t, signer.WithoutSignType).with(fields{"refund_fee": "9.88"})
	for _, c := range []struct {
		name string
		rc   *notify.Receiver
		body []byte
		kept string // the field, where the notice is genuine
		want error
	}{
		{"no number", certified, partialRefund.post(t), "", nil},
		{"unsigned", certified, partialRefund.signed(t, signer.WithoutSignType).with(fields{"alipay_cert_sn": known}).encode(), "", nil},
		{"signed", certified, partialRefund.with(fields{"alipay_cert_sn": known}).post(t), known, nil},
		{"unsigned, V2", certified, partialRefund.signed(t, 0).with(fields{"alipay_cert_sn": known}).encode(), "", nil},
		{"signed, V2", certified, partialRefund.with(fields{"alipay_cert_sn": known}).signed(t, 0).encode(), known, nil},
		{"unsigned and unknown", certified, partialRefund.signed(t, signer.WithoutSignType).with(fields{"alipay_cert_sn": unknown}).encode(), "", nil},
		{"signed and unknown", certified, partialRefund.with(fields{"alipay_cert_sn": unknown}).post(t), unknown, nil},
		{"empty", certified, append(partialRefund.post(t), "&alipay_cert_sn="...), "", nil},
		{"unsigned, in key mode", receiver(t), partialRefund.signed(t, signer.WithoutSignType).with(fields{"alipay_cert_sn": unknown}).encode(), "", nil},
		{"signed, in key mode", receiver(t), partialRefund.with(fields{"alipay_cert_sn": unknown}).post(t), unknown, nil},

		{"another amount", certified, forged.with(fields{"alipay_cert_sn": known}).encode(), "", signer.ErrSignature},
		{"another amount, unknown", certified, forged.with(fields{"alipay_cert_sn": unknown}).encode(), "", signer.ErrUnknownCertificate},
		{"signed, and changed", certified, partialRefund.with(fields{"alipay_cert_sn": known}).signed(t, signer.WithoutSignType).with(fields{"alipay_cert_sn": unknown}).encode(), "", signer.ErrUnknownCertificate},
		{"signed, and taken away", certified, partialRefund.with(fields{"alipay_cert_sn": known}).signed(t, signer.WithoutSignType).with(fields{"alipay_cert_sn": ""}).encode(), "", signer.ErrSignature},
		{"twice", certified, append(partialRefund.signed(t, signer.WithoutSignType).with(fields{"alipay_cert_sn": known}).encode(), "&alipay_cert_sn="+known...), "", notify.ErrDuplicateKey},
	} {
		t.Run(c.name, func(t *testing.T) {
			n, err := c.rc.Open(c.body)
			if !errors.Is(err, c.want) || errors.Is(err, signer.ErrUnknownCertificate) != (c.want == signer.ErrUnknownCertificate) {
				t.Fatalf("%v, want %v", err, c.want)
			}
			if err != nil {
				return
			}
			if n.Kind != notify.KindTradeRefund || n.Get("alipay_cert_sn") != c.kept {
				t.Errorf("%v, number %q, want %q", n, n.Get("alipay_cert_sn"), c.kept)
			}
		})
	}
}

// An unsigned number that is put between two fields hides nothing.
func TestUnsignedNumberHidesNothing(t *testing.T) {
	theirs := couponRefund.with(fields{"amount": "", "agreement_no": "1", "app_id": "2021000000000002"}).signed(t, signer.WithoutSignType)
	swallowed := theirs.with(fields{"app_id": "", "agreement_no": "1&app_id=2021000000000002", "alipay_cert_sn": strings.Repeat("0", 32)})
	if _, err := receiver(t).Open(swallowed.encode()); !errors.Is(err, notify.ErrHidden) {
		t.Errorf("%v", err)
	}
}
