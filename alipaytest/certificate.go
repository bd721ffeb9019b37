package alipaytest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"sync"
	"time"

	"github.com/alirefund/alirefund/signer"
)

// certificate is one of Alipay's own.
type certificate struct{ sn, file string }

// AlipayCertificate returns what Alipay's console offers as
// alipayCertPublicKey_RSA2.crt: the certificate that signs now, and the one between
// it and the roots. Empty unless in certificate mode.
func (a *Alipay) AlipayCertificate() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.issued) == 0 {
		return ""
	}
	return a.issued[len(a.issued)-1].file
}

// RootCertificates returns what the console offers as alipayRootCert.crt: three
// roots, of which one is not by RSA and does not count in alipay_root_cert_sn.
// Empty unless in certificate mode.
func (a *Alipay) RootCertificates() string {
	if !a.certificates {
		return ""
	}
	return authorities().roots
}

// RotateCertificate gives Alipay a new certificate for the same key, as it does
// every few years: from now on it is named in answers. Applications may download
// every one that there was. It panics unless in certificate mode.
func (a *Alipay) RotateCertificate() { a.rotate(nil) }

// RotateCertificateAndKey is [Alipay.RotateCertificate] with a new key, which signs
// from now on.
func (a *Alipay) RotateCertificateAndKey() { a.rotate(generate()) }

func (a *Alipay) rotate(key *rsa.PrivateKey) {
	if !a.certificates {
		panic("alipaytest: there is nothing to rotate without Config.Certificates")
	}
	a.certify(key)
}

// certify issues Alipay's next certificate, valid for five years, for a new key
// or, without one, for the one that signs.
func (a *Alipay) certify(key *rsa.PrivateKey) {
	own := a.sign.Current()
	if key != nil {
		own = must(signer.New(key))
	}
	const company = "支付宝(中国)网络技术有限公司"
	_, file := authorities().issue(company+"-"+a.sellerID, own.Public(), a.now())
	own = must(own.WithCertificate(file))
	a.mu.Lock()
	defer a.mu.Unlock()
	a.issued = append(a.issued, certificate{own.CertificateSN(), file})
	a.sign.Switch(own)
}

const methodCertificate = "alipay.open.app.alipaycert.download"

// download is alipay.open.app.alipaycert.download. a.mu is held.
func (a *Alipay) download(q *request, _ time.Time) (node, *failure) {
	wanted, ok := q.text("alipay_cert_sn", 128)
	if !ok || wanted == "" {
		return nil, business("isv.missing-alipay-cert-sn", "缺少支付宝公钥证书序列号")
	}
	for _, own := range a.issued {
		if own.sn == wanted {
			return node{{"alipay_cert_content", base64.StdEncoding.EncodeToString([]byte(own.file))}}, nil
		}
	}
	return nil, business("isv.alipay-cert-not-exist", "支付宝公钥证书不存在")
}

// authority issues the certificates of Alipay and of its applications.
type authority struct {
	cert  *x509.Certificate // between them and the roots
	key   crypto.Signer
	roots string
	sn    string // alipay_root_cert_sn of roots
}

// authorities are made once per process, like the keys. They are valid in every
// bubble of testing/synctest, whose time begins in the year 2000.
var authorities = sync.OnceValue(func() authority {
	first := root("Financial Certification Authority R1", generate())
	other := root("Certification Authority E1", must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)))
	second := root("Class 2 Root CA - G3", first.key)
	key := generate()
	middle := must(x509.ParseCertificate(newCertificate(authorityTemplate("Financial Certification Authority Class 2 R1"), first.cert, &key.PublicKey, first.key)))
	roots := pemOf(first.cert.Raw) + pemOf(other.cert.Raw) + pemOf(second.cert.Raw)
	return authority{cert: middle, key: key, roots: roots, sn: must(signer.RootSN(roots))}
})

func root(name string, key crypto.Signer) authority {
	template := authorityTemplate(name)
	return authority{cert: must(x509.ParseCertificate(newCertificate(template, template, key.Public(), key))), key: key}
}

func authorityTemplate(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: serial(),
		Subject:      pkix.Name{Country: []string{"CN"}, Organization: []string{"alipaytest"}, OrganizationalUnit: []string{"Certification Authority"}, CommonName: name},
		NotBefore:    time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:     time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC),
		KeyUsage:     x509.KeyUsageCertSign,
		IsCA:         true, BasicConstraintsValid: true,
	}
}

// issue makes a certificate. Its file holds this authority's, too.
func (c authority) issue(name string, public *rsa.PublicKey, now time.Time) (cert *x509.Certificate, file string) {
	template := &x509.Certificate{
		SerialNumber: serial(),
		Subject:      pkix.Name{Country: []string{"CN"}, Organization: []string{"alipaytest"}, OrganizationalUnit: []string{"Alipay"}, CommonName: name},
		NotBefore:    now.AddDate(0, 0, -1),
		NotAfter:     now.AddDate(5, 0, 0),
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
	der := newCertificate(template, c.cert, public, c.key)
	return must(x509.ParseCertificate(der)), pemOf(der) + pemOf(c.cert.Raw)
}

func newCertificate(template, parent *x509.Certificate, public crypto.PublicKey, key crypto.Signer) []byte {
	return must(x509.CreateCertificate(rand.Reader, template, parent, public, key))
}

func serial() *big.Int { return must(rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))) }

func pemOf(der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}
