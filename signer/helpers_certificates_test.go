package signer_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alirefund/alirefund/signer"
)

var (
	rootKey   = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	middleKey = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	nextKey   = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
)

var (
	alipayName = pkix.Name{Country: []string{"CN"}, Organization: []string{"某某有限公司"}, OrganizationalUnit: []string{"Alipay"}, CommonName: "支付宝(中国)网络技术有限公司-2088000000000000"}
	appName    = pkix.Name{Country: []string{"CN"}, Organization: []string{"某某有限公司"}, OrganizationalUnit: []string{"Alipay"}, CommonName: "2088000000000000-2021000000000001"}
)

// authority issues certificates.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

var lastSerial atomic.Int64

// issue makes a certificate that is valid for a year from now on; change may
// alter what it says before it is signed.
func (a authority) issue(name pkix.Name, public crypto.PublicKey, change ...func(*x509.Certificate)) *x509.Certificate {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(lastSerial.Add(1)),
		Subject:      name,
		NotBefore:    time.Now().Add(-time.Minute),
		NotAfter:     time.Now().AddDate(1, 0, 0),
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
	for _, c := range change {
		c(template)
	}
	parent := a.cert
	if parent == nil {
		parent = template
	}
	return must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, template, parent, public, a.key))))
}

func authorityCert(c *x509.Certificate) {
	c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
	c.NotAfter = time.Now().AddDate(20, 0, 0)
}

func valid(from, until time.Time) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.NotBefore, c.NotAfter = from, until }
}

func newRoot(name string, key crypto.Signer) authority {
	cert := authority{key: key}.issue(pkix.Name{Country: []string{"CN"}, CommonName: name}, key.Public(), authorityCert)
	return authority{cert, key}
}

func (a authority) below(name string, key crypto.Signer, change ...func(*x509.Certificate)) authority {
	cert := a.issue(pkix.Name{Country: []string{"CN"}, CommonName: name}, key.Public(), append([]func(*x509.Certificate){authorityCert}, change...)...)
	return authority{cert, key}
}

// world is what an application in certificate mode has: Alipay's certificate,
// its own one, and the authorities of both.
type world struct {
	root, middle authority
	alipay, app  *x509.Certificate
}

func newWorld() world {
	root := newRoot("Root R1", rootKey())
	middle := root.below("Class 2 R1", middleKey())
	return world{root, middle, middle.issue(alipayName, &alipayKey().PublicKey), middle.issue(appName, &appKey().PublicKey)}
}

// files are alipayCertPublicKey_RSA2.crt and alipayRootCert.crt.
func (w world) files() (alipay, root string) {
	return pemOf(w.alipay, w.middle.cert), sm2Like() + pemOf(w.root.cert)
}

func (w world) verifier() *signer.Verifier { return must(signer.VerifierFromCertificates(w.files())) }

func pemOf(certs ...*x509.Certificate) string {
	var b strings.Builder
	for _, c := range certs {
		b.WriteString(block("CERTIFICATE", c.Raw))
	}
	return b.String()
}

// sm2Like is a root by SM2 as far as Go can tell: an ECDSA one in which the names
// of the curve and of the signature are SM2's, which are as long.
var sm2Like = sync.OnceValue(func() string {
	der := newRoot("ROOTCA", ecKey()).cert.Raw
	der = bytes.ReplaceAll(der, []byte{0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7}, []byte{0x2a, 0x81, 0x1c, 0xcf, 0x55, 1, 0x82, 0x2d})
	der = bytes.ReplaceAll(der, []byte{0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2}, []byte{0x2a, 0x81, 0x1c, 0xcf, 0x55, 1, 0x83, 0x75})
	if _, err := x509.ParseCertificate(der); err == nil {
		panic("Go can read SM2 now")
	}
	return block("CERTIFICATE", der)
})

func signedBy(t *testing.T, key *rsa.PrivateKey, text []byte) string {
	t.Helper()
	return must(must(signer.New(key)).Sign(text))
}
