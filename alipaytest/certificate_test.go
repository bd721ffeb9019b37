package alipaytest_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/signer"
)

const (
	certificateDownload = "alipay.open.app.alipaycert.download"
	contentKey          = "AAECAwQFBgcICQoLDA0ODw=="
)

// certified is a client in certificate mode, as the console's three files make it.
func certified(t *testing.T, a *alipaytest.Alipay) *client {
	t.Helper()
	c := newClient(t, a)
	var err error
	if c.sign, err = c.sign.WithCertificate(a.AppCertificate()); err != nil {
		t.Fatal(err)
	}
	if c.verify, err = signer.VerifierFromCertificates(a.AlipayCertificate(), a.RootCertificates()); err != nil {
		t.Fatal(err)
	}
	return c
}

// with makes a call with some of its parameters changed; empty ones are left out.
func (c *client) with(change map[string]string, method, biz string) answer {
	c.t.Helper()
	params := c.parameters(method, biz)
	if c.sign.CertificateSN() != "" {
		params["app_cert_sn"], params["alipay_root_cert_sn"] = c.sign.CertificateSN(), c.verify.RootSN()
	}
	maps.Copy(params, change)
	maps.DeleteFunc(params, func(_, value string) bool { return value == "" })
	got, err := c.do(c.request(params))
	if err != nil || !got.verified {
		c.t.Fatalf("%v: %s", err, got.body)
	}
	return got
}

// In certificate mode requests must name both certificates, and answers name one.
func TestCertificateMode(t *testing.T) {
	a := alipaytest.New(alipaytest.Config{Certificates: true})
	a.AddTrade(alipaytest.Trade{OutTradeNo: "A1", Total: 1_00})
	c := certified(t, a)
	const biz = `{"out_trade_no":"A1"}`
	for _, try := range []struct {
		change        map[string]string
		code, subCode string
	}{
		{nil, "10000", ""},
		{map[string]string{"app_cert_sn": ""}, "40001", "isv.missing-app-cert-sn"},
		{map[string]string{"app_cert_sn": strings.Repeat("0", 32)}, "40002", "isv.app-cert-not-exist"},
		{map[string]string{"alipay_root_cert_sn": ""}, "40001", "isv.missing-alipay-root-cert-sn"},
		{map[string]string{"alipay_root_cert_sn": strings.Split(c.verify.RootSN(), "_")[0]}, "40002", "isv.invalid-alipay-root-cert-sn"},
		{map[string]string{"encrypt_type": "AES"}, "40001", "isv.missing-encrypt-key"},
	} {
		got := c.with(try.change, tradeQuery, biz)
		c.expect(got, map[string]string{"code": try.code, "sub_code": try.subCode})
		if !c.verify.Knows(got.sn) || !strings.HasSuffix(strings.Split(got.body, `"sign"`)[0], `,"alipay_cert_sn":"`+got.sn+`",`) {
			t.Errorf("%v: the certificate is not between the node and the signature: %s", try.change, got.body)
		}
	}
	if strings.Count(a.RootCertificates(), "BEGIN CERTIFICATE") != 3 || strings.Count(c.verify.RootSN(), "_") != 1 {
		t.Errorf("of three roots two count: %s", c.verify.RootSN())
	}
	plain := alipaytest.New(alipaytest.Config{})
	if text := plain.AppCertificate() + plain.AlipayCertificate() + plain.RootCertificates(); text != "" {
		t.Error("certificates in key mode")
	}
}

// The application's certificate ends as well.
func TestAppCertificateEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := alipaytest.New(alipaytest.Config{Certificates: true})
		c := certified(t, a)
		time.Sleep(time.Until(c.sign.Expires()) + time.Second)
		a.RotateCertificate()
		c.verify, _ = signer.VerifierFromCertificates(a.AlipayCertificate(), a.RootCertificates())
		c.refused(c.with(nil, tradeQuery, `{"out_trade_no":"A1"}`), "40002", "isv.app-cert-expired")
	})
}

// A new certificate of Alipay's can be downloaded, and so can the old ones.
func TestRotate(t *testing.T) {
	a := alipaytest.New(alipaytest.Config{Certificates: true})
	c := certified(t, a)
	first := c.with(nil, tradeQuery, `{"out_trade_no":"A1"}`).sn
	download := func(sn string) string {
		got := c.with(nil, certificateDownload, `{"alipay_cert_sn":"`+sn+`"}`)
		file, err := base64.StdEncoding.DecodeString(got.get("alipay_cert_content"))
		if err != nil || len(file) == 0 {
			t.Fatalf("%v: %s", err, got.body)
		}
		return string(file)
	}
	if download(first) != a.AlipayCertificate() {
		t.Error("another file than the console's")
	}
	a.RotateCertificate()
	second := c.with(nil, tradeQuery, `{"out_trade_no":"A1"}`).sn // and it verifies, for the key is the same
	if second == first || c.verify.Knows(second) {
		t.Errorf("%s after %s", second, first)
	}
	if err := c.verify.Trust(second, download(second)); err != nil {
		t.Error(err)
	}
	a.RotateCertificateAndKey()
	got, err := c.do(c.request(with(c, tradeQuery)))
	if err != nil || got.verified || c.verify.Knows(got.sn) {
		t.Fatalf("%v: %s", err, got.body)
	}
	if err := c.verify.Trust(got.sn, a.AlipayCertificate()); err != nil {
		t.Error(err)
	}
	if download(first) == a.AlipayCertificate() || download(second) == a.AlipayCertificate() {
		t.Error("the old certificates are gone")
	}
	c.refused(c.with(nil, certificateDownload, `{"alipay_cert_sn":"`+strings.Repeat("0", 32)+`"}`), "40002", "isv.alipay-cert-not-exist")
	c.refused(c.with(nil, certificateDownload, `{}`), "40001", "isv.missing-alipay-cert-sn")
}

func with(c *client, method string) map[string]string {
	params := c.parameters(method, `{"out_trade_no":"A1"}`)
	params["app_cert_sn"], params["alipay_root_cert_sn"] = c.sign.CertificateSN(), c.verify.RootSN()
	return params
}

// For seven days the application's old key is accepted beside the new one.
func TestSetAppPublicKey(t *testing.T) {
	for _, certificates := range []bool{false, true} {
		a := alipaytest.New(alipaytest.Config{Certificates: certificates})
		old := newClient(t, a)
		if certificates {
			old = certified(t, a)
		}
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		spki, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		a.SetAppPublicKey(base64.StdEncoding.EncodeToString(spki))
		next := *old
		if next.sign, err = signer.New(key); err != nil {
			t.Fatal(err)
		}
		if certificates {
			if next.sign, err = next.sign.WithCertificate(a.AppCertificate()); err != nil {
				t.Fatal(err)
			}
		}
		const biz = `{"out_trade_no":"A1"}`
		unknown := map[string]string{"sub_code": "ACQ.TRADE_NOT_EXIST"} // and so the request was accepted
		old.expect(old.with(nil, tradeQuery, biz), unknown)
		next.expect(next.with(nil, tradeQuery, biz), unknown)
		if certificates { // a key signs for its own certificate alone
			next.expect(next.with(map[string]string{"app_cert_sn": old.sign.CertificateSN()}, tradeQuery, biz), map[string]string{"sub_code": "isv.invalid-signature"})
		}
		a.Advance(7*24*time.Hour + time.Second)
		next.expect(next.with(nil, tradeQuery, biz), unknown)
		refusal := "isv.invalid-signature"
		if certificates {
			refusal = "isv.app-cert-not-exist"
		}
		old.expect(old.with(nil, tradeQuery, biz), map[string]string{"sub_code": refusal})
	}
}

// With a content key requests must be encrypted, and successes are.
func TestContentEncryption(t *testing.T) {
	a := alipaytest.New(alipaytest.Config{ContentKey: contentKey})
	a.AddTrade(alipaytest.Trade{OutTradeNo: "A1", Total: 1_00})
	key, err := signer.ContentKeyFromBase64(contentKey)
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(t, a)
	c.content = key
	const biz = `{"out_trade_no":"A1"}`
	for _, try := range []struct {
		kind, content, code, subCode string
	}{
		{"AES", key.Encrypt([]byte(biz)), "10000", ""},
		{"", biz, "40001", "isv.missing-encrypt-type"},
		{"", key.Encrypt([]byte(biz)), "40001", "isv.missing-encrypt-type"},
		{"RC4", key.Encrypt([]byte(biz)), "40002", "isv.invalid-encrypt-type"},
		{"AES", biz, "40002", "isv.invalid-encrypt"},
		{"AES", key.Encrypt([]byte("no JSON")), "40002", "isv.invalid-parameter"},
		{"AES", key.Encrypt([]byte(`{"out_trade_no":"A2"}`)), "40004", "ACQ.TRADE_NOT_EXIST"},
	} {
		got := c.with(map[string]string{"encrypt_type": try.kind}, tradeQuery, try.content)
		c.expect(got, map[string]string{"code": try.code, "sub_code": try.subCode})
		if encrypted := strings.Contains(got.body, `_response":"`); encrypted != (try.code == "10000") {
			t.Errorf("%s %s: encrypted %t: %s", try.kind, try.content, encrypted, got.body)
		}
	}
	if calls := a.Calls(); calls[0].BizContent != biz || calls[0].Params["biz_content"] == biz {
		t.Errorf("the call is noted as %s", calls[0].BizContent)
	}
}

// A configuration that cannot work panics at once.
func TestImpossibleConfigurations(t *testing.T) {
	for name, f := range map[string]func(){
		"a content key that is none":        func() { alipaytest.New(alipaytest.Config{ContentKey: "AAAA"}) },
		"a rotation without certificates":   func() { alipaytest.New(alipaytest.Config{}).RotateCertificate() },
		"an application's key that is none": func() { alipaytest.New(alipaytest.Config{}).SetAppPublicKey("AAAA") },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s does not panic", name)
				}
			}()
			f()
		}()
	}
}
