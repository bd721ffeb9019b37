package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/signer"
)

// certificateMode returns the flags of an application of the fake's.
func certificateMode(t *testing.T, a *alipaytest.Alipay) []string {
	t.Helper()
	return []string{
		"-gateway", "https://alipay.test/gateway.do", "-app-id", a.AppID(), "-app-private-key", write(t, "app.pem", a.AppPrivateKey()),
		"-app-cert", write(t, "app.crt", a.AppCertificate()), "-alipay-cert", write(t, "alipay.crt", a.AlipayCertificate()),
		"-alipay-root-cert", write(t, "root.crt", a.RootCertificates()),
	}
}

func TestDoctorInEveryMode(t *testing.T) {
	t.Parallel()
	encrypted := []string{"-content-key", write(t, "content.txt", contentKeyText)}
	a := alipaytest.New(alipaytest.Config{Certificates: true})
	healthy(t, examine(t, inMemory(t, a), certificateMode(t, a)...), checkAppCert, checkAlipayCert, checkMode, checkQuery, checkClock)
	a = alipaytest.New(alipaytest.Config{ContentKey: contentKeyText})
	healthy(t, examine(t, inMemory(t, a), append(append(keyMode(t, a), encrypted...), "-gateway", "https://alipay.test/gateway.do")...), "content_key", checkQuery)
	a = alipaytest.New(alipaytest.Config{Certificates: true, ContentKey: contentKeyText})
	healthy(t, examine(t, inMemory(t, a), append(certificateMode(t, a), encrypted...)...), "content_key", checkAppCert, checkAlipayCert, checkQuery)
}

// A successor is followed as the module follows it, and the old file named.
func TestDoctorOnARotatedCertificate(t *testing.T) {
	t.Parallel()
	for name, rotate := range map[string]func(*alipaytest.Alipay){
		"the same key": (*alipaytest.Alipay).RotateCertificate, "a new key": (*alipaytest.Alipay).RotateCertificateAndKey,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := alipaytest.New(alipaytest.Config{Certificates: true})
			args := certificateMode(t, a)
			rotate(a)
			found := examine(t, inMemory(t, a), args...)
			expect(t, found, checkAlipayCert, certReplaced, "alipay_cert_sn")
			if !slices.ContainsFunc(found, func(f finding) bool { return f.Check == checkQuery && f.Code == fine }) {
				t.Errorf("%+v", found)
			}
		})
	}
}

func TestDoctorOnWhatTheConsoleHoldsInstead(t *testing.T) {
	t.Parallel()
	a := alipaytest.New(alipaytest.Config{Certificates: true})
	args := append(keyMode(t, a), "-gateway", "https://alipay.test/gateway.do")
	expect(t, examine(t, inMemory(t, a), args...), checkQuery, certRefused, "isv.missing-app-cert-sn")

	args = certificateMode(t, a) // of before the key was changed, whose time has run out
	a.SetAppPublicKey(publicText(ourKey()))
	a.Advance(8 * day)
	expect(t, examine(t, inMemory(t, a), args...), checkQuery, certRefused, "isv.app-cert-not-exist")

	a = alipaytest.New(alipaytest.Config{Certificates: true})
	for range 2 {
		a.Inject(alipaytest.Fault{Kind: alipaytest.Refusal, Method: "alipay.trade.query", SubCode: "isv.invalid-signature"})
	}
	f := expect(t, examine(t, inMemory(t, a), certificateMode(t, a)...), checkQuery, otherKeyUp, "isv.invalid-signature")
	if strings.Contains(f.Advice, "MII") { // a request (CSR) is what the console takes
		t.Error(f.Advice)
	}

	a = alipaytest.New(alipaytest.Config{ContentKey: contentKeyText})
	args = append(keyMode(t, a), "-gateway", "https://alipay.test/gateway.do")
	expect(t, examine(t, inMemory(t, a), args...), checkQuery, contentRefused, "crypt")
	args = append(args, "-content-key", write(t, "other.txt", "ZmVkY2JhOTg3NjU0MzIxMA=="))
	expect(t, examine(t, inMemory(t, a), args...), checkQuery, contentRefused, "crypt")
}

// A signature is no proof that the content can be read.
func TestDoctorOnAContentKeyThatDoesNotDecrypt(t *testing.T) {
	t.Parallel()
	alipays := must(signer.New(alipayKey()))
	node := `"` + must(signer.ContentKeyFromBase64("ZmVkY2JhOTg3NjU0MzIxMA==")).Encrypt([]byte(`{"code":"10000"}`)) + `"`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, fmt.Sprintf(`{"alipay_trade_query_response":%s,"sign":%q}`, node, must(alipays.Sign([]byte(node)))))
	}))
	defer server.Close()
	args := []string{
		"-gateway", server.URL + "/gateway.do", "-app-id", "2021000000000001", "-app-private-key", write(t, "app.pem", privatePEM(ourKey())),
		"-alipay-public-key", write(t, "alipay.txt", publicText(alipayKey())),
	}
	f := expect(t, examine(t, direct(), append(args, "-content-key", write(t, "content.txt", contentKeyText))...), checkQuery, contentKeyWrong, "cannot be decrypted")
	if strings.Contains(f.Message, node) {
		t.Errorf("the content is printed: %s", f.Message)
	}
	healthy(t, examine(t, direct(), append(args, "-content-key", write(t, "right.txt", "ZmVkY2JhOTg3NjU0MzIxMA=="))...), checkQuery)
	expect(t, examine(t, direct(), args...), checkQuery, contentRefused, "no content key")
}
