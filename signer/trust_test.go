package signer_test

import (
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund/signer"
)

func TestVerifierFromCertificates(t *testing.T) {
	t.Parallel()
	w := newWorld()
	text := []byte(refundText)
	sign := signedBy(t, alipayKey(), text)
	alipay, root := w.files()
	for way, alipay := range mangled(alipay) {
		v, err := signer.VerifierFromCertificates(alipay, mangled(root)[way])
		if err != nil {
			t.Errorf("%s: %v", way, err)
			continue
		}
		sn := signer.CertificateSN(w.alipay)
		if err := errors.Join(v.Verify(text, sign), v.VerifyBy(sn, text, sign)); err != nil {
			t.Errorf("%s: %v", way, err)
		}
		if !v.Knows(sn) || v.Knows("") || v.RootSN() != signer.CertificateSN(w.root.cert) || !v.Expires().Equal(w.alipay.NotAfter) || !v.Holds(&alipayKey().PublicKey) {
			t.Errorf("%s: it does not know its own certificate", way)
		}
	}
}

func TestVerifierFromCertificatesRefuses(t *testing.T) {
	t.Parallel()
	w, now := newWorld(), time.Now()
	alipay, root := w.files()
	chained := func(c *x509.Certificate) string { return pemOf(c, w.middle.cert) }
	issue := func(public any, change ...func(*x509.Certificate)) string {
		return chained(w.middle.issue(alipayName, public, change...))
	}
	key := &alipayKey().PublicKey
	ended := w.root.below("Class 2 R1", middleKey(), valid(now.Add(-2*time.Hour), now.Add(-time.Hour)))
	lookalike := newRoot("Root R1", nextKey())

	for name, c := range map[string]struct{ alipay, root, want string }{
		"expired":                  {issue(key, valid(now.Add(-2*time.Hour), now.Add(-time.Hour))), root, "Alipay's certificate: it ended on "},
		"not yet valid":            {issue(key, valid(now.Add(time.Hour), now.Add(2*time.Hour))), root, "it is not valid before "},
		"the one between ended":    {pemOf(ended.issue(alipayName, key), ended.cert), root, "between it and the roots is not valid now"},
		"the one between missing":  {pemOf(w.alipay), root, "does not lead to the root"},
		"another root":             {alipay, pemOf(newRoot("Root R2", nextKey()).cert), "does not lead to the root"},
		"a root of the same name":  {alipay, pemOf(lookalike.cert), "does not lead to the root"},
		"signed by itself":         {pemOf(authority{key: alipayKey()}.issue(alipayName, key)), root, "does not lead to the root"},
		"signed by a merchant":     {pemOf(authority{w.app, appKey()}.issue(alipayName, key), w.app, w.middle.cert), root, "does not lead to the root"},
		"1024 bits":                {issue(&weakKey().PublicKey), root, "its key has 1024 bits"},
		"EC":                       {issue(ecKey().Public()), root, "its key is not RSA"},
		"an authority's":           {pemOf(w.middle.cert), root, "it is an authority's"},
		"the roots in its place":   {pemOf(w.root.cert), root, "it is an authority's"},
		"the roots, SM2 first":     {root, root, "the first one cannot be read"},
		"in place of the roots":    {alipay, pemOf(w.alipay), "there is no root in it"},
		"all of it as roots":       {pemOf(w.alipay), alipay, "there is no root in it"},
		"itself among the roots":   {pemOf(w.alipay), root + pemOf(w.alipay), "does not lead to the root"},
		"empty":                    {"", root, "Alipay's certificate: it is empty"},
		"empty roots":              {alipay, "", "the root certificates: it is empty"},
		"a public key":             {block("PUBLIC KEY", spki(key)), root, "there is no certificate in it"},
		"roots that are a request": {alipay, block("CERTIFICATE REQUEST", request(appKey())), "there is no certificate in it"},
		"cut off":                  {alipay[:len(alipay)-40], root, "cut off while copying"},
		"cut off roots":            {alipay, root[:len(root)-40], "cut off while copying"},
	} {
		v, err := signer.VerifierFromCertificates(c.alipay, c.root)
		if v != nil || !errors.Is(err, signer.ErrCertificate) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want ErrCertificate with %q", name, err, c.want)
		} else if leaks(err, c.alipay) || leaks(err, c.root) {
			t.Errorf("%s: the error repeats the text: %v", name, err)
		}
	}
}

// The number is a hint: what it names is taken alone, and whatever else it says
// opens nothing.
func TestVerifyBy(t *testing.T) {
	t.Parallel()
	w := newWorld()
	v := w.verifier()
	next := w.middle.issue(alipayName, &nextKey().PublicKey)
	old, young := signer.CertificateSN(w.alipay), signer.CertificateSN(next)
	text := []byte(refundText)
	byOld, byYoung, byApp := signedBy(t, alipayKey(), text), signedBy(t, nextKey(), text), signedBy(t, appKey(), text)

	if err := v.VerifyBy(young, text, byYoung); !errors.Is(err, signer.ErrSignature) || !errors.Is(err, signer.ErrUnknownCertificate) {
		t.Errorf("before the successor is trusted: %v; want ErrSignature and ErrUnknownCertificate", err)
	}
	if err := v.Trust(young, pemOf(next)); err != nil {
		t.Fatal(err)
	}
	keyMode := must(signer.NewVerifier(&alipayKey().PublicKey, &nextKey().PublicKey))
	for name, c := range map[string]struct {
		v        *signer.Verifier
		sn, sign string
		unknown  bool
		want     error
	}{
		"old by its number":     {v, old, byOld, false, nil},
		"young by its number":   {v, young, byYoung, false, nil},
		"old, no number":        {v, "", byOld, false, nil},
		"young, no number":      {v, "", byYoung, false, nil},
		"old, unknown number":   {v, "0123", byOld, true, nil},
		"young, unknown number": {v, strings.ToUpper(old), byYoung, true, nil},
		"crossed":               {v, old, byYoung, false, signer.ErrSignature},
		"crossed again":         {v, young, byOld, false, signer.ErrSignature},
		"the application's":     {v, "", byApp, false, signer.ErrSignature},
		"its number":            {v, signer.CertificateSN(w.app), byApp, true, signer.ErrSignature},
		"no signature":          {v, old, "", false, signer.ErrSignature},
		"key mode":              {keyMode, "0123", byYoung, false, nil},
		"key mode, wrong":       {keyMode, "0123", byApp, false, signer.ErrSignature},
	} {
		err := c.v.VerifyBy(c.sn, text, c.sign)
		if !errors.Is(err, c.want) || errors.Is(err, signer.ErrUnknownCertificate) != (c.unknown && c.want != nil) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		} else if err != nil && c.sn != "" && strings.Contains(err.Error(), c.sn) {
			t.Errorf("%s: the error repeats the number", name)
		}
	}
	if err := v.VerifyBy("0123", text, "no base64"); errors.Is(err, signer.ErrUnknownCertificate) || !errors.Is(err, signer.ErrSignature) {
		t.Errorf("what is no signature asks for a certificate: %v", err)
	}
}

func TestTrustRefuses(t *testing.T) {
	t.Parallel()
	w, now, next := newWorld(), time.Now(), &nextKey().PublicKey
	strange := newRoot("Root R1", nextKey()).below("Class 2 R1", nextKey())
	raw := func(der []byte) func(*x509.Certificate) { return func(c *x509.Certificate) { c.RawSubject = der } }
	company := alipayName
	company.Organization = []string{"另外公司"}

	for name, c := range map[string]struct {
		sn   string // "": its own
		text []*x509.Certificate
		want string
	}{
		"another merchant's":    {text: []*x509.Certificate{w.middle.issue(appName, next)}, want: "another subject"},
		"the application's":     {text: []*x509.Certificate{w.app}, want: "another subject"},
		"of another company":    {text: []*x509.Certificate{w.middle.issue(company, next)}, want: "another subject"},
		"subject shuffled":      {text: []*x509.Certificate{w.middle.issue(alipayName, next, raw(shuffled(w.alipay.RawSubject)))}, want: "another subject"},
		"no subject":            {text: []*x509.Certificate{w.middle.issue(pkix.Name{}, next)}, want: "another subject"},
		"Alipay's comes second": {text: []*x509.Certificate{w.middle.issue(appName, next), w.middle.issue(alipayName, next)}, want: "another subject"},
		"the root":              {text: []*x509.Certificate{w.root.cert}, want: "another subject"},
		"another's number":      {sn: signer.CertificateSN(w.alipay), text: []*x509.Certificate{w.middle.issue(alipayName, next)}, want: "another serial number"},
		"number in capitals":    {sn: strings.ToUpper(signer.CertificateSN(w.middle.issue(alipayName, next))), text: []*x509.Certificate{w.middle.issue(alipayName, next)}, want: "another serial number"},
		"expired":               {text: []*x509.Certificate{w.middle.issue(alipayName, next, valid(now.Add(-2*time.Hour), now.Add(-time.Hour)))}, want: "it ended on"},
		"not yet valid":         {text: []*x509.Certificate{w.middle.issue(alipayName, next, valid(now.Add(time.Hour), now.Add(2*time.Hour)))}, want: "not valid before"},
		"signed by itself":      {text: []*x509.Certificate{authority{key: nextKey()}.issue(alipayName, next)}, want: "does not lead to the root"},
		"brings its own roots":  {text: []*x509.Certificate{strange.issue(alipayName, next), strange.cert, newRoot("Root R1", nextKey()).cert}, want: "does not lead to the root"},
		"signed by a merchant":  {text: []*x509.Certificate{authority{w.app, appKey()}.issue(alipayName, next), w.app}, want: "does not lead to the root"},
		"1024 bits":             {text: []*x509.Certificate{w.middle.issue(alipayName, &weakKey().PublicKey)}, want: "its key has 1024 bits"},
		"EC":                    {text: []*x509.Certificate{w.middle.issue(alipayName, ecKey().Public())}, want: "its key is not RSA"},
		"an authority":          {text: []*x509.Certificate{w.middle.issue(alipayName, next, authorityCert)}, want: "it is an authority's"},
	} {
		v, first := w.verifier(), c.text[0]
		sn := signer.CertificateSN(first)
		if c.sn != "" {
			sn = c.sn
		}
		err := v.Trust(sn, pemOf(c.text...))
		if !errors.Is(err, signer.ErrCertificate) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want ErrCertificate with %q", name, err, c.want)
		}
		if v.Knows(signer.CertificateSN(first)) || v.Verify([]byte("a"), signedBy(t, nextKey(), []byte("a"))) == nil || !v.Expires().Equal(w.alipay.NotAfter) {
			t.Errorf("%s: it is trusted all the same", name)
		}
	}
}

func TestTrustRefusesWhatIsNoCertificate(t *testing.T) {
	t.Parallel()
	w := newWorld()
	good := w.middle.issue(alipayName, &nextKey().PublicKey)
	sn := signer.CertificateSN(good)
	for name, c := range map[string]struct {
		v    *signer.Verifier
		text string
		want string
	}{
		"key mode": {must(signer.NewVerifier(&alipayKey().PublicKey)), pemOf(good), "no root certificates"},
		"zero":     {&signer.Verifier{}, pemOf(good), "no root certificates"},
		"nil":      {nil, pemOf(good), "no root certificates"},
		"empty":    {w.verifier(), "", "it is empty"},
		"cut off":  {w.verifier(), pemOf(good)[:200], "cut off while copying"},
		"damaged":  {w.verifier(), block("CERTIFICATE", good.Raw[:300]), "cannot be read"},
	} {
		if err := c.v.Trust(sn, c.text); !errors.Is(err, signer.ErrCertificate) || !strings.Contains(err.Error(), c.want) || c.v.Knows(sn) {
			t.Errorf("%s: %v; want ErrCertificate with %q", name, err, c.want)
		}
	}
}

// shuffled returns a name of the same parts in another order.
func shuffled(raw []byte) []byte {
	var name pkix.RDNSequence
	if _, err := asn1.Unmarshal(raw, &name); err != nil {
		panic(err)
	}
	name[0], name[1] = name[1], name[0]
	return must(asn1.Marshal(name))
}

// afterAllEnded waits until every certificate has ended: then nothing is believed
// until one comes that is valid.
func afterAllEnded(t *testing.T, w world, v *signer.Verifier) {
	t.Helper()
	text, old := []byte(refundText), signer.CertificateSN(w.alipay)
	byOld, byYoung := signedBy(t, alipayKey(), text), signedBy(t, nextKey(), text)
	time.Sleep(time.Until(v.Expires()) + time.Second)
	for _, sign := range []string{byOld, byYoung} {
		if err := v.Verify(text, sign); !errors.Is(err, signer.ErrSignature) || !strings.Contains(err.Error(), "no trusted certificate is valid now") {
			t.Errorf("after all of them ended: %v; want ErrSignature", err)
		}
		if err := v.VerifyBy(old, text, sign); !errors.Is(err, signer.ErrSignature) || !errors.Is(err, signer.ErrUnknownCertificate) {
			t.Errorf("after all of them ended: %v; want ErrSignature and ErrUnknownCertificate", err)
		}
	}
	latest := w.middle.issue(alipayName, &alipayKey().PublicKey)
	if err := v.Trust(signer.CertificateSN(latest), pemOf(latest)); err != nil {
		t.Fatal(err)
	}
	if err := v.Verify(text, byOld); err != nil || v.Verify(text, byYoung) == nil {
		t.Errorf("the successor of an ended certificate: %v", err)
	}
}

// Alipay renews its certificate 30 days before it ends; the key stays.
func TestRenewal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		v := w.verifier()
		text := []byte(refundText)
		byOld := signedBy(t, alipayKey(), text)
		old := signer.CertificateSN(w.alipay)

		time.Sleep(335 * 24 * time.Hour)
		renewed := w.middle.issue(alipayName, &alipayKey().PublicKey)
		rekeyed := w.root.below("Class 2 R2", nextKey())
		another := rekeyed.issue(alipayName, &nextKey().PublicKey)

		if err := v.VerifyBy(signer.CertificateSN(renewed), text, byOld); err != nil {
			t.Errorf("an unknown number with the old key: %v", err)
		}
		for range 2 { // twice is as good as once
			if err := v.Trust(signer.CertificateSN(renewed), pemOf(renewed)); err != nil {
				t.Fatal(err)
			}
			// It brings an authority that the first file did not have.
			if err := v.Trust(signer.CertificateSN(another), pemOf(another, rekeyed.cert)); err != nil {
				t.Fatal(err)
			}
		}
		for _, sn := range []string{old, signer.CertificateSN(renewed), signer.CertificateSN(another)} {
			if !v.Knows(sn) {
				t.Error("one of the three is not known")
			}
		}
		if err := v.VerifyBy(old, text, byOld); err != nil || !v.Expires().Equal(another.NotAfter) {
			t.Errorf("the old one is not kept until it ends: %v", err)
		}

		time.Sleep(time.Until(w.alipay.NotAfter))
		if err := v.VerifyBy(old, text, byOld); err != nil {
			t.Errorf("in its last second: %v", err)
		}
		time.Sleep(time.Second)
		if v.Knows(old) {
			t.Error("an ended certificate is known")
		}
		if err := v.VerifyBy(signer.CertificateSN(renewed), text, byOld); err != nil {
			t.Errorf("the renewed one: %v", err)
		}

		afterAllEnded(t, w, v)
	})
}

// A clock before the certificate's time makes it worth nothing either.
func TestCertificateOfTheFuture(t *testing.T) {
	t.Parallel()
	w := newWorld()
	alipay, root := w.files()
	synctest.Test(t, func(t *testing.T) { // a bubble begins in the year 2000
		if _, err := signer.VerifierFromCertificates(alipay, root); !errors.Is(err, signer.ErrCertificate) || !strings.Contains(err.Error(), "not valid before") {
			t.Errorf("%v; want ErrCertificate", err)
		}
	})
	v := w.verifier()
	sign := signedBy(t, alipayKey(), []byte("a"))
	synctest.Test(t, func(t *testing.T) {
		if err := v.Verify([]byte("a"), sign); !errors.Is(err, signer.ErrSignature) || v.Knows(signer.CertificateSN(w.alipay)) {
			t.Errorf("%v; want ErrSignature", err)
		}
	})
}

func TestPairWantsOneMode(t *testing.T) {
	t.Parallel()
	w := newWorld()
	bare1 := must(signer.New(appKey()))
	certified := must(bare1.WithCertificate(pemOf(w.app)))
	keys := must(signer.NewVerifier(&alipayKey().PublicKey))
	_, root := w.files()
	own := must(signer.VerifierFromCertificates(pemOf(w.app, w.middle.cert), root))
	for name, c := range map[string]struct {
		s    *signer.Signer
		v    *signer.Verifier
		want error
	}{
		"keys":                 {bare1, keys, nil},
		"certificates":         {certified, w.verifier(), nil},
		"only ours":            {certified, keys, signer.ErrCertificate},
		"only Alipay's":        {bare1, w.verifier(), signer.ErrCertificate},
		"ours as Alipay's":     {certified, own, signer.ErrOwnKey},
		"ours as Alipay's too": {bare1, own, signer.ErrOwnKey},
	} {
		if err := signer.Pair(c.s, c.v); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// A certificate whose signature is not its issuer's is worth nothing, wherever
// one bit of it is changed.
func TestForgedCertificates(t *testing.T) {
	t.Parallel()
	w := newWorld()
	v := w.verifier()
	good := w.middle.issue(alipayName, &nextKey().PublicKey)
	for i := range good.Raw {
		der := append([]byte(nil), good.Raw...)
		der[i] ^= 1
		forged, err := x509.ParseCertificate(der)
		if err != nil {
			continue
		}
		if key, ok := forged.PublicKey.(*rsa.PublicKey); ok && v.Trust(signer.CertificateSN(forged), pemOf(forged)) == nil {
			t.Fatalf("with byte %d changed it is trusted; its key is the same: %t", i, key.Equal(&nextKey().PublicKey))
		}
	}
	if v.Trust(signer.CertificateSN(good), pemOf(good)) != nil {
		t.Error("the unchanged one is refused")
	}
}
