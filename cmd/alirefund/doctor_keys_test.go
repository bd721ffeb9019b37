package main

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/signer"
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// Keys are made once: a pair costs a good part of a second.
var (
	ourKey    = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	otherKey  = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	weakKey   = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 1024)) })
	rootKey   = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	alipayKey = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
)

func privatePEM(key *rsa.PrivateKey) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
}

func publicText(key *rsa.PrivateKey) string {
	return base64.StdEncoding.EncodeToString(must(x509.MarshalPKIXPublicKey(&key.PublicKey)))
}

const day = 24 * time.Hour

const contentKeyText = "MDEyMzQ1Njc4OWFiY2RlZg=="

func TestDoctorOnKeys(t *testing.T) {
	t.Parallel()
	ours, alipays := privatePEM(ourKey()), publicText(alipayKey())
	for name, c := range map[string]struct {
		appID, private, public string
		more                   []string
		check                  string
		code                   code
		message                string
	}{
		"a malformed app_id":  {appID: "2021 000", check: "app_id", code: appIDMalformed, message: "letters and digits"},
		"a PID":               {appID: "2088000000000001", check: "app_id", code: appIDMalformed, message: "merchant"},
		"no key":              {private: "x", check: checkPrivateKey, code: privateKeyUnusable, message: "neither PEM nor base64"},
		"a public key":        {private: alipays, check: checkPrivateKey, code: privateKeyUnusable, message: "this is a public key"},
		"a weak key":          {private: privatePEM(weakKey()), check: checkPrivateKey, code: privateKeyUnusable, message: "1024 bits"},
		"no key of Alipay's":  {public: "MIIB", check: checkAlipayKey, code: alipayKeyUnusable, message: "no PKCS#1"},
		"a private one":       {public: ours, check: checkAlipayKey, code: alipayKeyUnusable, message: "this is a private key"},
		"a weak one":          {public: publicText(weakKey()), check: checkAlipayKey, code: alipayKeyUnusable, message: "1024 bits"},
		"the application's":   {public: publicText(ourKey()), check: checkAlipayKey, code: ownKey, message: "own public key"},
		"both modes":          {more: []string{"-app-cert", write(t, "x", "x")}, check: checkMode, code: modeMixed, message: "both"},
		"a short content key": {more: []string{"-content-key", write(t, "k", "MDEyMzQ1Njc4OWFiY2Rl")}, check: "content_key", code: contentKeyUnusable, message: "15 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := append([]string{
				"-offline",
				"-app-id", orText(c.appID, "2021000000000001"),
				"-app-private-key", write(t, "app.pem", orText(c.private, ours)),
				"-alipay-public-key", write(t, "alipay.txt", orText(c.public, alipays)),
			}, c.more...)
			expect(t, examine(t, nowhere(t), args...), c.check, c.code, c.message)
		})
	}
	healthy(t, examine(t, nowhere(t), "-offline", "-app-id", "2021000000000001", "-app-private-key", write(t, "app.pem", ours),
		"-alipay-public-key", write(t, "alipay.txt", alipays), "-content-key", write(t, "k", contentKeyText+"\n")),
		"app_id", checkPrivateKey, checkAlipayKey, checkMode, "content_key")
}

// What cannot be asked is not: without keys there is no query.
func TestDoctorAsksNothingWithoutKeys(t *testing.T) {
	t.Parallel()
	a := alipaytest.New(alipaytest.Config{})
	found := examine(t, nowhere(t), "-app-id", a.AppID(), "-app-private-key", write(t, "app.pem", "x"), "-alipay-public-key", write(t, "alipay.txt", a.AlipayPublicKey()))
	expect(t, found, checkPrivateKey, privateKeyUnusable, "")
	skipped := 0
	for _, f := range found {
		if f.Code == notPossible && f.Status == isSkipped {
			skipped++
		}
	}
	if skipped != 2 {
		t.Errorf("%+v", found)
	}
	found = examine(t, nowhere(t), append(keyMode(t, a), "-content-key", write(t, "k", "x"))...)
	expect(t, found, "content_key", contentKeyUnusable, "base64")
}

func orText(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// certificate issues one, by root or by itself.
func certificate(root *x509.Certificate, rootKey crypto.Signer, name string, public crypto.PublicKey, from, until time.Time) (*x509.Certificate, string) {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: from, NotAfter: until,
	}
	if root == nil {
		template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
		root = template
	}
	der := must(x509.CreateCertificate(rand.Reader, template, root, public, rootKey))
	return must(x509.ParseCertificate(der)), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func TestDoctorOnCertificates(t *testing.T) {
	t.Parallel()
	now := time.Now()
	root, roots := certificate(nil, rootKey(), "root", rootKey().Public(), now.Add(-9*day), now.Add(9000*day))
	_, otherRoots := certificate(nil, otherKey(), "another root", otherKey().Public(), now.Add(-9*day), now.Add(9000*day))
	issue := func(name string, key *rsa.PrivateKey, from, until time.Duration) string {
		_, text := certificate(root, rootKey(), name, key.Public(), now.Add(from), now.Add(until))
		return text
	}
	app, alipay := issue("app", ourKey(), -day, 400*day), issue("Alipay", alipayKey(), -day, 400*day)
	healthyArgs := func(app, alipay, roots string) []string {
		return []string{
			"-offline", "-app-id", "2021000000000001", "-app-private-key", write(t, "app.pem", privatePEM(ourKey())),
			"-app-cert", write(t, "app.crt", app), "-alipay-cert", write(t, "alipay.crt", alipay), "-alipay-root-cert", write(t, "root.crt", roots),
		}
	}
	for name, c := range map[string]struct {
		app, alipay, roots string
		check              string
		code               code
		message            string
	}{
		"of another key":        {app: issue("app", otherKey(), -day, 400*day), check: checkAppCert, code: appCertOtherKey, message: "another key"},
		"no certificate":        {app: publicText(ourKey()), check: checkAppCert, code: appCertUnusable, message: "cannot be read"},
		"ended":                 {app: issue("app", ourKey(), -9*day, -day), check: checkAppCert, code: certNotValid, message: "it ended on"},
		"not yet":               {app: issue("app", ourKey(), day, 9*day), check: checkAppCert, code: certNotValid, message: "not valid before"},
		"ends soon":             {app: issue("app", ourKey(), -day, 29*day), check: checkAppCert, code: certEndsSoon, message: "until"},
		"Alipay's ended":        {alipay: issue("Alipay", alipayKey(), -9*day, -day), check: checkAlipayCert, code: certNotValid, message: "it ended on"},
		"Alipay's ends soon":    {alipay: issue("Alipay", alipayKey(), -day, 29*day), check: checkAlipayCert, code: certEndsSoon, message: "until"},
		"under another root":    {roots: otherRoots, check: checkAlipayCert, code: alipayCertUnusable, message: "does not lead to the root"},
		"roots in its place":    {alipay: roots, check: checkAlipayCert, code: alipayCertUnusable, message: "authority's"},
		"the application's own": {alipay: app, check: checkAlipayCert, code: ownKey, message: "own public key"},
		"no roots":              {roots: alipay, check: checkAlipayCert, code: alipayCertUnusable, message: "no root in it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := healthyArgs(orText(c.app, app), orText(c.alipay, alipay), orText(c.roots, roots))
			expect(t, examine(t, nowhere(t), args...), c.check, c.code, c.message)
		})
	}
	args := healthyArgs(app, alipay, roots)
	found := examine(t, nowhere(t), args...)
	healthy(t, found, "app_id", checkPrivateKey, checkAppCert, checkAlipayCert, checkMode)
	sn := must(signer.RootSN(roots))
	for _, f := range found {
		if f.Check == checkAlipayCert && !strings.Contains(f.Message, "alipay_root_cert_sn "+sn) || f.Check == checkMode && f.Message != "certificate mode" {
			t.Errorf("%+v", f)
		}
	}
	expect(t, examine(t, nowhere(t), args[:len(args)-2]...), checkMode, modeMixed, "only some")
	bare := strings.Join(strings.Split(strings.TrimSpace(alipay), "\n")[1:strings.Count(strings.TrimSpace(alipay), "\n")], "")
	healthy(t, examine(t, nowhere(t), healthyArgs(app, bare, roots)...), checkAlipayCert)
	for _, lost := range []string{"", `\n`} { // line breaks, as they get lost on the way through an environment variable
		oneLine := strings.NewReplacer("\n", lost)
		healthy(t, examine(t, nowhere(t), healthyArgs(oneLine.Replace(app), oneLine.Replace(alipay), roots)...), checkAppCert, checkAlipayCert)
	}
}
