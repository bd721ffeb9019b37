package alipaysdk_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"sync"
	"testing"
	"time"

	"github.com/alirefund/alirefund/internal/vectors"
	"github.com/alirefund/alirefund/signer"
)

type serials struct{ App, Alipay, Root string }

// serials asks the SDK for the serial numbers of three files.
func (s *sdk) serials(t *testing.T, app, alipay, root string) (n serials) {
	t.Helper()
	c := config{"appId": "app", "privateKey": "unused", "appCertContent": app, "alipayPublicCertContent": alipay, "alipayRootCertContent": root}
	if err := s.call(t, c, &n, "serials"); err != nil {
		t.Fatal(err)
	}
	return n
}

// The two agree on the serial number of every published certificate.
func TestSerialNumbersOfPublishedCertificates(t *testing.T) {
	s := start(t, china)
	_, some := issue(pkix.Name{CommonName: "some"}, big.NewInt(1))
	for _, v := range vectors.Load(t, "certsn") {
		var file struct {
			Items []struct {
				Label, Type, PEM string
				Expected         string `json:"expected_sn"`
			}
		}
		if err := json.Unmarshal(v.File, &file); err != nil {
			t.Fatal(err)
		}
		for _, item := range file.Items {
			t.Run(item.Label, func(t *testing.T) {
				var ours, theirs string
				if item.Type == "root" {
					ours, theirs = must(signer.RootSN(item.PEM)), s.serials(t, some, some, item.PEM).Root
				} else {
					ours, theirs = signer.CertificateSN(first(item.PEM)), s.serials(t, item.PEM, some, some).App
				}
				if ours != theirs || ours != item.Expected {
					t.Errorf("ours is %s, theirs %s; want %s", ours, theirs, item.Expected)
				}
			})
		}
	}
}

// The two agree on certificates of any name that Alipay's could have, and any
// serial number.
func TestSerialNumbersOfMadeCertificates(t *testing.T) {
	s := start(t, china)
	names := map[string]pkix.Name{
		"like Alipay's": {Country: []string{"CN"}, Organization: []string{"Ant Financial"}, OrganizationalUnit: []string{"Certification Authority"}, CommonName: "Ant Financial Certification Authority Class 2 R1"},
		"Chinese":       {Country: []string{"CN"}, Organization: []string{"蚂蚁（杭州）有限公司"}, CommonName: "支付宝(中国)网络技术有限公司-2088000000000000"},
		"long":          {Country: []string{"CN"}, Province: []string{"浙江"}, Locality: []string{"杭州"}, Organization: []string{"O"}, OrganizationalUnit: []string{"OU"}, CommonName: "CN"},
		"one part":      {CommonName: "root"},
	}
	numbers := map[string]*big.Int{
		"one": big.NewInt(1), "high bit": big.NewInt(0x80), "two bytes": big.NewInt(0xff00),
		"long":    new(big.Int).SetBytes([]byte{0x7f, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}),
		"longest": new(big.Int).SetBytes([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}),
	}
	var bundle string
	for name, issuer := range names {
		for number, serial := range numbers {
			t.Run(name+", "+number, func(t *testing.T) {
				cert, text := issue(issuer, serial)
				bundle += text
				theirs := s.serials(t, text+bundle, text, bundle)
				if ours := signer.CertificateSN(cert); ours != theirs.App || ours != theirs.Alipay {
					t.Errorf("ours is %s, theirs %s and %s", ours, theirs.App, theirs.Alipay)
				}
				if ours := must(signer.RootSN(bundle)); ours != theirs.Root {
					t.Errorf("of the bundle ours is %s, theirs %s", ours, theirs.Root)
				}
			})
		}
	}
}

// certified is the key of all the certificates that are made here.
var certified = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })

// issue makes a self-signed certificate.
func issue(name pkix.Name, serial *big.Int) (cert *x509.Certificate, text string) {
	key := certified()
	template := &x509.Certificate{SerialNumber: serial, Subject: name, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der := must(x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key))
	return must(x509.ParseCertificate(der)), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// first is the first certificate in a file.
func first(text string) *x509.Certificate {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		panic(fmt.Sprintf("no PEM of %d bytes", len(text)))
	}
	return must(x509.ParseCertificate(block.Bytes))
}
