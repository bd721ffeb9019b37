package signer_test

import (
	"crypto/ecdsa"
	"crypto/md5"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/alirefund/alirefund/internal/vectors"
	"github.com/alirefund/alirefund/signer"
)

// The numbers that other SDKs compute of published certificates.
func TestSerialNumbersOfPublishedCertificates(t *testing.T) {
	t.Parallel()
	for _, v := range vectors.Load(t, "certsn") {
		var file struct {
			Items []struct {
				Label, Type, PEM string
				SN               string `json:"expected_sn"`
			}
		}
		if err := json.Unmarshal(v.File, &file); err != nil || len(file.Items) == 0 {
			t.Fatalf("%s: %d items, %v", v.Name, len(file.Items), err)
		}
		for _, item := range file.Items {
			switch item.Type {
			case "app":
				first, _ := pem.Decode([]byte(item.PEM))
				if sn := signer.CertificateSN(must(x509.ParseCertificate(first.Bytes))); sn != item.SN {
					t.Errorf("%s: %s, want %s", item.Label, sn, item.SN)
				}
			case "root":
				if sn, err := signer.RootSN(item.PEM); err != nil || sn != item.SN {
					t.Errorf("%s: %s, %v; want %s", item.Label, sn, err, item.SN)
				}
			default:
				t.Errorf("%s: the type %q is new", item.Label, item.Type)
			}
		}
	}
}

func sumOf(text string) string {
	sum := md5.Sum([]byte(text))
	return hex.EncodeToString(sum[:])
}

// Names are printed as Java prints them; the wanted texts are Java's own (17).
func TestIssuersNames(t *testing.T) {
	t.Parallel()
	type part = pkix.AttributeTypeAndValue
	kind := func(n int) asn1.ObjectIdentifier { return asn1.ObjectIdentifier{2, 5, 4, n} }
	country, place, province, company, unit, name := kind(6), kind(7), kind(8), kind(10), kind(11), kind(3)

	for want, issuer := range map[string]pkix.RDNSequence{
		`CN=Ant Financial Certification Authority R1,OU=Certification Authority,O=Ant Financial,C=CN`: {
			{part{Type: country, Value: "CN"}},
			{part{Type: company, Value: "Ant Financial"}},
			{part{Type: unit, Value: "Certification Authority"}},
			{part{Type: name, Value: "Ant Financial Certification Authority R1"}},
		},
		`CN=\ x\ ,O=A\, B \+ \"C\" \<D\>\; \\E,C=CN`: {
			{part{Type: country, Value: "CN"}},
			{part{Type: company, Value: `A, B + "C" <D>; \E`}},
			{part{Type: name, Value: " x "}},
		},
		`CN=\#x,O=支付宝(中国),L=杭州,ST=浙江,C=CN`: {
			{part{Type: country, Value: "CN"}},
			{part{Type: province, Value: "浙江"}},
			{part{Type: place, Value: "杭州"}},
			{part{Type: company, Value: "支付宝(中国)"}},
			{part{Type: name, Value: "#x"}},
		},
		`C=CN,CN=m,O=o`: { // in no usual order
			{part{Type: company, Value: "o"}},
			{part{Type: name, Value: "m"}},
			{part{Type: country, Value: "CN"}},
		},
		`CN=m,O=o,OU=a,OU=b,C=CN`: { // two of one kind
			{part{Type: country, Value: "CN"}},
			{part{Type: unit, Value: "b"}},
			{part{Type: unit, Value: "a"}},
			{part{Type: company, Value: "o"}},
			{part{Type: name, Value: "m"}},
		},
		`CN=m,O=a+OU=b,C=CN`: { // two in one
			{part{Type: country, Value: "CN"}},
			{part{Type: company, Value: "a"}, part{Type: unit, Value: "b"}},
			{part{Type: name, Value: "m"}},
		},
	} {
		key := ecKey()
		raw := must(asn1.Marshal(issuer))
		self := authority{key: key}.issue(pkix.Name{}, key.Public(), func(c *x509.Certificate) { c.RawSubject = raw })
		if got := signer.CertificateSN(self); got != sumOf(want+self.SerialNumber.String()) {
			t.Errorf("%s: the number is of another name; Go's Name prints %s", want, self.Issuer)
		}
	}
}

func TestSerialNumbersKeepTheirZeros(t *testing.T) {
	t.Parallel()
	c := *newRoot("zeros", ecKey()).cert
	for zeros, n := 0, int64(1); zeros < 2; n++ {
		c.SerialNumber = big.NewInt(n)
		want := sumOf("CN=zeros,C=CN" + c.SerialNumber.String())
		if got := signer.CertificateSN(&c); got != want || len(got) != 32 {
			t.Fatalf("%s, want %s", got, want)
		}
		if strings.HasPrefix(want, "00") {
			zeros++
		}
	}
	long, _ := new(big.Int).SetString("f"+strings.Repeat("0", 39), 16) // 20 bytes, the first bit set
	c.SerialNumber = long
	if got := signer.CertificateSN(&c); got != sumOf("CN=zeros,C=CN"+long.String()) {
		t.Error("a serial number of 20 bytes is not written as it is")
	}
	if signer.CertificateSN(nil) != "" || signer.CertificateSN(&x509.Certificate{}) != "" {
		t.Error("nothing has a serial number")
	}
}

func TestRootSN(t *testing.T) {
	t.Parallel()
	one, two := newRoot("one", rootKey()).cert, newRoot("two", rootKey()).cert
	e1 := newRoot("E1", ecKey())
	ec, byEC := e1.cert, e1.issue(pkix.Name{CommonName: "RSA key, ECDSA signature"}, &rootKey().PublicKey)
	a, b := signer.CertificateSN(one), signer.CertificateSN(two)

	for name, c := range map[string]struct{ file, want string }{
		"one":                  {pemOf(one), a},
		"in the file's order":  {pemOf(two, one), b + "_" + a},
		"without SM2":          {sm2Like() + pemOf(one, two), a + "_" + b},
		"without ECDSA":        {pemOf(ec, one, byEC, two), a + "_" + b},
		"duplicates kept":      {pemOf(one, two, one), a + "_" + b + "_" + a},
		"what Go cannot read":  {block("CERTIFICATE", unreadable([]byte{0x30, 0})) + pemOf(one), sumOf("7") + "_" + a},
		"what is no X.509":     {block("CERTIFICATE", []byte("junk")) + pemOf(one), a},
		"remarks":              {"Bag Attributes\n" + pemOf(one) + "\n# two\n" + pemOf(two), a + "_" + b},
		"another kind between": {pemOf(one) + block("PUBLIC KEY", spki(&appKey().PublicKey)) + pemOf(two), a + "_" + b},
		"bare":                 {bare(one.Raw), a},
	} {
		for way, file := range mangled(c.file) {
			if got, err := signer.RootSN(file); err != nil || got != c.want {
				t.Errorf("%s, %s: %q, %v; want %q", name, way, got, err, c.want)
			}
		}
	}

	for name, c := range map[string]struct{ file, want string }{
		"empty":        {"", "it is empty"},
		"empty PEM":    {block("CERTIFICATE", nil), "it is empty"},
		"a path":       {"/etc/alipay/alipayRootCert.crt", "neither PEM nor base64"},
		"cut off":      {pemOf(one) + pemOf(two)[:400], "without its END line"},
		"stray":        {strings.Replace(pemOf(one), "MII", "M#II", 1), "neither PEM nor base64"},
		"a public key": {block("PUBLIC KEY", spki(&appKey().PublicKey)), "there is no certificate in it"},
		"a bare key":   {bare(spki(&appKey().PublicKey)), "none of them is signed by RSA"},
		"no name":      {pemOf(one) + block("CERTIFICATE", unreadable([]byte{4, 0})), "the name of an issuer cannot be read"},
		"SM2 alone":    {sm2Like(), "none of them is signed by RSA"},
		"ECDSA alone":  {pemOf(ec, byEC), "none of them is signed by RSA"},
	} {
		if got, err := signer.RootSN(c.file); got != "" || !errors.Is(err, signer.ErrCertificate) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %q, %v; want ErrCertificate with %q", name, got, err, c.want)
		}
	}
}

// unreadable is a certificate signed by RSA in which nothing follows the issuer.
func unreadable(issuer []byte) []byte {
	rsa := pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}}
	type tbs struct {
		Serial    *big.Int
		Algorithm pkix.AlgorithmIdentifier
		Issuer    asn1.RawValue
	}
	return must(asn1.Marshal(struct {
		TBS       tbs
		Algorithm pkix.AlgorithmIdentifier
	}{tbs{big.NewInt(7), rsa, asn1.RawValue{FullBytes: issuer}}, rsa}))
}

func TestWithCertificate(t *testing.T) {
	t.Parallel()
	w := newWorld()
	bare1 := must(signer.New(appKey()))
	for form, text := range map[string]string{
		"alone":        pemOf(w.app),
		"first counts": pemOf(w.app, w.middle.cert, w.alipay),
		"bare":         bare(w.app.Raw),
	} {
		for way, text := range mangled(text) {
			s, err := bare1.WithCertificate(text)
			if err != nil || s.CertificateSN() != signer.CertificateSN(w.app) || !s.Expires().Equal(w.app.NotAfter) || !s.Public().Equal(&appKey().PublicKey) {
				t.Errorf("%s, %s: %v", form, way, err)
			}
		}
	}
	if bare1.CertificateSN() != "" || !bare1.Expires().IsZero() {
		t.Error("the Signer without a certificate got one")
	}
	kept := must(must(signer.New(&kms{public: &appKey().PublicKey, key: appKey()})).WithCertificate(pemOf(w.app)))
	if sign, err := kept.Sign([]byte("a=1")); err != nil || sign != signedBy(t, appKey(), []byte("a=1")) {
		t.Errorf("a key that stays in its vault: %v", err)
	}

	for name, c := range map[string]struct {
		s    *signer.Signer
		text string
		is   error
		want string
	}{
		"another's":         {bare1, pemOf(w.middle.issue(appName, &nextKey().PublicKey)), signer.ErrKey, "another key"},
		"Alipay's":          {bare1, pemOf(w.alipay), signer.ErrKey, "another key"},
		"second":            {bare1, pemOf(w.middle.cert, w.app), signer.ErrKey, "another key"},
		"EC":                {bare1, pemOf(w.middle.issue(appName, ecKey().Public())), signer.ErrKey, "another key"},
		"no key":            {&signer.Signer{}, pemOf(w.app), signer.ErrKey, "holds no key"},
		"nil":               {nil, pemOf(w.app), signer.ErrKey, "holds no key"},
		"empty":             {bare1, " ", signer.ErrCertificate, "it is empty"},
		"a path":            {bare1, "appCertPublicKey_2021.crt", signer.ErrCertificate, "neither PEM nor base64"},
		"a public key":      {bare1, block("PUBLIC KEY", spki(&appKey().PublicKey)), signer.ErrCertificate, "there is no certificate in it"},
		"a bare public key": {bare1, bare(spki(&appKey().PublicKey)), signer.ErrCertificate, "cannot be read"},
		"a private key":     {bare1, block("PRIVATE KEY", pkcs8(appKey())), signer.ErrCertificate, "there is no certificate in it"},
		"a request":         {bare1, block("CERTIFICATE REQUEST", request(appKey())), signer.ErrCertificate, "there is no certificate in it"},
		"cut off":           {bare1, pemOf(w.app)[:300], signer.ErrCertificate, "without its END line"},
		"SM2":               {bare1, sm2Like(), signer.ErrCertificate, "cannot be read"},
	} {
		s, err := c.s.WithCertificate(c.text)
		if s != nil || !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want %v with %q", name, err, c.is, c.want)
		} else if leaks(err, c.text) {
			t.Errorf("%s: the error repeats the text: %v", name, err)
		}
	}
	if _, ok := w.middle.issue(appName, ecKey().Public()).PublicKey.(*ecdsa.PublicKey); !ok {
		t.Error("the EC certificate is not one")
	}
}
