package signer_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/alirefund/alirefund/signer"
)

func bare(der []byte) string { return base64.StdEncoding.EncodeToString(der) }

func block(label string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: label, Bytes: der}))
}

func pkcs8(key any) []byte { return must(x509.MarshalPKCS8PrivateKey(key)) }
func spki(key any) []byte  { return must(x509.MarshalPKIXPublicKey(key)) }

func certificate(key crypto.Signer) []byte {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "test"},
		NotAfter:     time.Now().Add(time.Hour),
	}
	return must(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))
}

func request(key crypto.Signer) []byte {
	return must(x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key))
}

func ecKey() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) }

func edKey() ed25519.PrivateKey {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	return must(key, err)
}

// mangled returns the ways in which a text survives being copied about.
func mangled(text string) map[string]string {
	return map[string]string{
		"as it is":           text,
		"BOM":                "\ufeff" + text,
		"blanks around":      " \t\r\n" + text + "\n\n ",
		"CRLF":               strings.ReplaceAll(text, "\n", "\r\n"),
		"blanks for breaks":  strings.ReplaceAll(text, "\n", " "),
		"breaks lost":        strings.ReplaceAll(text, "\n", ""),
		"breaks written out": strings.ReplaceAll(text, "\n", `\n`),
		"CRLF written out":   strings.ReplaceAll(text, "\n", `\r\n`),
		"indented":           strings.ReplaceAll(text, "\n", "\n    "),
	}
}

func folded(line string) string {
	var b strings.Builder
	for len(line) > 76 {
		b.WriteString(line[:76] + "\n")
		line = line[76:]
	}
	return b.String() + line
}

func TestFromPEM(t *testing.T) {
	key := appKey()
	pkcs1 := x509.MarshalPKCS1PrivateKey(key)
	for form, text := range map[string]string{
		"PKCS#8, bare":             bare(pkcs8(key)),
		"PKCS#1, bare":             bare(pkcs1),
		"PKCS#8, bare, folded":     folded(bare(pkcs8(key))),
		"PKCS#8, bare, unpadded":   strings.TrimRight(bare(pkcs8(key)), "="),
		"PKCS#1, bare, unpadded":   strings.TrimRight(bare(pkcs1), "="),
		"PKCS#8, PEM":              block("PRIVATE KEY", pkcs8(key)),
		"PKCS#1, PEM":              block("RSA PRIVATE KEY", pkcs1),
		"PKCS#1 labelled PKCS#8":   block("PRIVATE KEY", pkcs1),
		"PKCS#8 labelled PKCS#1":   block("RSA PRIVATE KEY", pkcs8(key)),
		"PEM after remarks":        "Bag Attributes\n  friendlyName: app\n" + block("PRIVATE KEY", pkcs8(key)),
		"PEM, then another":        block("PRIVATE KEY", pkcs8(key)) + block("PRIVATE KEY", pkcs8(alipayKey())),
		"PEM, then a certificate":  block("PRIVATE KEY", pkcs8(key)) + block("CERTIFICATE", certificate(key)),
		"PEM, then something else": block("PRIVATE KEY", pkcs8(key)) + "-----BEGIN NONSENSE",
	} {
		for way, text := range mangled(text) {
			s, err := signer.FromPEM(text)
			if err != nil {
				t.Errorf("%s, %s: %v", form, way, err)
			} else if !s.Public().Equal(&key.PublicKey) {
				t.Errorf("%s, %s: another key", form, way)
			}
		}
	}
}

func TestVerifierFromPEM(t *testing.T) {
	key := &alipayKey().PublicKey
	pkcs1 := x509.MarshalPKCS1PublicKey(key)
	cert := certificate(alipayKey())
	for form, text := range map[string]string{
		"SPKI, bare":           bare(spki(key)),
		"SPKI, bare, folded":   folded(bare(spki(key))),
		"PKCS#1, bare":         bare(pkcs1),
		"certificate, bare":    bare(cert),
		"SPKI, PEM":            block("PUBLIC KEY", spki(key)),
		"PKCS#1, PEM":          block("RSA PUBLIC KEY", pkcs1),
		"PKCS#1 labelled SPKI": block("PUBLIC KEY", pkcs1),
		"certificate, PEM":     block("CERTIFICATE", cert),
		"certificate, issuer":  block("CERTIFICATE", cert) + block("CERTIFICATE", certificate(appKey())),
		"certificate, EC root": block("CERTIFICATE", cert) + block("CERTIFICATE", certificate(ecKey())),
	} {
		for way, text := range mangled(text) {
			v, err := signer.VerifierFromPEM(text)
			if err != nil {
				t.Errorf("%s, %s: %v", form, way, err)
			} else if !v.Holds(key) || v.Holds(&appKey().PublicKey) {
				t.Errorf("%s, %s: another key", form, way)
			}
		}
	}

	both, err := signer.VerifierFromPEM(bare(spki(key)), block("CERTIFICATE", certificate(appKey())))
	if err != nil || !both.Holds(key) || !both.Holds(&appKey().PublicKey) {
		t.Errorf("two texts: %v", err)
	}
}

// neitherKey is what is no RSA key, as a text and what the error says of it: the
// same words whichever key is wanted.
func neitherKey() map[string][2]string {
	private := pkcs8(appKey())
	encrypted := &pem.Block{
		Type:    "RSA PRIVATE KEY",
		Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-256-CBC,0011"},
		Bytes:   private,
	}
	return map[string][2]string{
		"empty":               {"", "it is empty"},
		"blank":               {" \n\t", "it is empty"},
		"BOM alone":           {"\ufeff", "it is empty"},
		"empty PEM":           {block("PRIVATE KEY", nil), "it is empty"},
		"not base64":          {"请填写私钥", "neither PEM nor base64"},
		"a path":              {"/etc/alipay/app-private-key.pem", "neither PEM nor base64"},
		"a stray character":   {bare(private)[:40] + "#" + bare(private)[40:], "neither PEM nor base64"},
		"PEM, not base64":     {"-----BEGIN PRIVATE KEY-----\n****\n-----END PRIVATE KEY-----", "neither PEM nor base64"},
		"base64 of nothing":   {bare([]byte("hello, world")), "no PKCS#1, PKCS#8 or SPKI key"},
		"bare, cut off":       {bare(private)[:800], "cut off while copying"},
		"bare, odd cut":       {bare(private)[:801], "cut off while copying"},
		"PEM without END":     {strings.Split(block("PRIVATE KEY", private), "-----END")[0], "cut off while copying"},
		"PEM, another END":    {strings.Replace(block("PRIVATE KEY", private), "END PRIVATE", "END PUBLIC", 1), "without its END line"},
		"BEGIN alone":         {"-----BEGIN ", "without its END line"},
		"base64 of a PEM":     {bare([]byte(block("PRIVATE KEY", private))), "encoded in base64 once more"},
		"encrypted, PKCS#8":   {block("ENCRYPTED PRIVATE KEY", private), "encrypted with a password"},
		"encrypted, PKCS#1":   {string(pem.EncodeToMemory(encrypted)), "encrypted with a password"},
		"EC, SEC 1":           {block("EC PRIVATE KEY", must(x509.MarshalECPrivateKey(ecKey()))), "an EC key"},
		"EC, SEC 1, bare":     {bare(must(x509.MarshalECPrivateKey(ecKey()))), "an EC key"},
		"EC, parameters":      {block("EC PARAMETERS", []byte{6, 0}) + block("EC PRIVATE KEY", nil), "an EC key"},
		"EC, PKCS#8":          {block("PRIVATE KEY", pkcs8(ecKey())), "not an RSA key but *ecdsa.PrivateKey"},
		"EC, SPKI":            {block("PUBLIC KEY", spki(ecKey().Public())), "not an RSA key but *ecdsa.PublicKey"},
		"Ed25519, PKCS#8":     {bare(pkcs8(edKey())), "not an RSA key but ed25519.PrivateKey"},
		"Ed25519, SPKI":       {bare(spki(edKey().Public())), "not an RSA key but ed25519.PublicKey"},
		"OpenSSH":             {block("OPENSSH PRIVATE KEY", []byte("openssh-key-v1")), "OpenSSH"},
		"certificate request": {block("CERTIFICATE REQUEST", request(appKey())), "a certificate request"},
	}
}

// notPrivate is what is no private key of use.
func notPrivate() map[string][2]string {
	private, public, cert := pkcs8(appKey()), spki(&alipayKey().PublicKey), certificate(alipayKey())
	return map[string][2]string{
		"public, bare":        {bare(public), "this is a public key, and the application's private key is wanted"},
		"public, PEM":         {block("PUBLIC KEY", public), "this is a public key, and the application's private key is wanted"},
		"public, PKCS#1":      {bare(x509.MarshalPKCS1PublicKey(&alipayKey().PublicKey)), "this is a public key"},
		"public, in a lie":    {block("PRIVATE KEY", public), "this is a public key"},
		"certificate":         {block("CERTIFICATE", cert), "this is a certificate, and the application's private key is wanted"},
		"1024 bits, PKCS#8":   {bare(pkcs8(weakKey())), "has 1024 bits, and at least 2048 are wanted"},
		"1024 bits, PKCS#1":   {bare(x509.MarshalPKCS1PrivateKey(weakKey())), "has 1024 bits"},
		"certificate and key": {block("CERTIFICATE", cert) + block("PRIVATE KEY", private), "this is a certificate"},
	}
}

// notPublic is what is no public key of use.
func notPublic() map[string][2]string {
	private := pkcs8(appKey())
	return map[string][2]string{
		"private, PKCS#8":     {bare(private), "this is a private key, and Alipay's public key is wanted"},
		"private, PKCS#1":     {bare(x509.MarshalPKCS1PrivateKey(appKey())), "this is a private key, and Alipay's public key is wanted"},
		"private, PEM":        {block("PRIVATE KEY", private), "this is a private key"},
		"private, in a lie":   {block("PUBLIC KEY", private), "this is a private key"},
		"1024 bits":           {bare(spki(&weakKey().PublicKey)), "public key 1 has 1024 bits, and at least 2048 are wanted"},
		"1024-bit cert":       {block("CERTIFICATE", certificate(weakKey())), "has 1024 bits"},
		"EC certificate":      {block("CERTIFICATE", certificate(ecKey())), "the certificate's key is not RSA"},
		"Ed25519 certificate": {bare(certificate(edKey())), "the certificate's key is not RSA"},
	}
}

func TestKeysRefused(t *testing.T) {
	public := spki(&alipayKey().PublicKey)
	fromPEM := func(text string) error { _, err := signer.FromPEM(text); return err }
	verifierFromPEM := func(text string) error { _, err := signer.VerifierFromPEM(text); return err }
	for _, side := range []struct {
		name  string
		read  func(string) error
		cases []map[string][2]string
	}{
		{"FromPEM", fromPEM, []map[string][2]string{neitherKey(), notPrivate()}},
		{"VerifierFromPEM", verifierFromPEM, []map[string][2]string{neitherKey(), notPublic()}},
	} {
		for _, cases := range side.cases {
			for name, c := range cases {
				err := side.read(c[0])
				if !errors.Is(err, signer.ErrKey) || !strings.Contains(err.Error(), c[1]) {
					t.Errorf("%s, %s: %v; want ErrKey with %q", side.name, name, err, c[1])
				} else if leaks(err, c[0]) {
					t.Errorf("%s, %s: the error repeats the key: %v", side.name, name, err)
				}
			}
		}
	}

	if _, err := signer.VerifierFromPEM(); !errors.Is(err, signer.ErrKey) {
		t.Errorf("no text at all: %v; want ErrKey", err)
	}
	if _, err := signer.VerifierFromPEM(bare(public), ""); !errors.Is(err, signer.ErrKey) {
		t.Errorf("a good text and an empty one: %v; want ErrKey", err)
	}
	if keys, err := signer.PublicKeysFromPEM(bare(spki(&weakKey().PublicKey))); err != nil || len(keys) != 1 {
		t.Errorf("PublicKeysFromPEM takes any size: %v", err)
	}
}

// leaks tells whether an error repeats any 8 characters of what stood between
// the armour lines.
func leaks(err error, text string) bool {
	var content []byte
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "-----") {
			content = append(content, strings.TrimSpace(line)...)
		}
	}
	for i := 0; i+8 <= len(content); i++ {
		if bytes.Contains([]byte(err.Error()), content[i:i+8]) {
			return true
		}
	}
	return false
}

func TestNewRefuses(t *testing.T) {
	public := appKey().PublicKey
	even := &rsa.PublicKey{N: public.N, E: 65536}
	for name, c := range map[string]struct {
		key  crypto.Signer
		want string
	}{
		"nil":              {nil, "no private key was given"},
		"nil key":          {(*rsa.PrivateKey)(nil), "no private key was given"},
		"nil EC key":       {(*ecdsa.PrivateKey)(nil), "no private key was given"},
		"nil Ed25519 key":  {ed25519.PrivateKey(nil), "no private key was given"},
		"nil stand-in":     {(*kms)(nil), "no private key was given"},
		"empty key":        {&rsa.PrivateKey{}, "the private key is nil"},
		"public half only": {&rsa.PrivateKey{PublicKey: public}, "crypto/rsa"},
		"another's D":      {&rsa.PrivateKey{PublicKey: public, D: alipayKey().D, Primes: alipayKey().Primes}, "crypto/rsa"},
		"empty stand-in":   {&kms{}, "the private key is nil"},
		"1024 bits":        {weakKey(), "has 1024 bits"},
		"1024 bits, far":   {&kms{public: &weakKey().PublicKey}, "has 1024 bits"},
		"even exponent":    {&kms{public: even}, "has the exponent 65536"},
		"EC":               {ecKey(), "RSA2 wants an RSA key, not *ecdsa.PrivateKey"},
		"Ed25519":          {edKey(), "RSA2 wants an RSA key, not ed25519.PrivateKey"},
	} {
		if _, err := signer.New(c.key); !errors.Is(err, signer.ErrKey) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want ErrKey with %q", name, err, c.want)
		}
	}
}

func TestNewVerifierRefuses(t *testing.T) {
	good := &alipayKey().PublicKey
	for name, c := range map[string]struct {
		keys []*rsa.PublicKey
		want string
	}{
		"none":        {nil, "no public key of Alipay's was given"},
		"nil":         {[]*rsa.PublicKey{nil}, "public key 1 is nil"},
		"empty":       {[]*rsa.PublicKey{good, {}}, "public key 2 is nil"},
		"1024 bits":   {[]*rsa.PublicKey{good, &weakKey().PublicKey}, "public key 2 has 1024 bits, and at least 2048 are wanted"},
		"exponent 1":  {[]*rsa.PublicKey{{N: good.N, E: 1}}, "public key 1 has the exponent 1"},
		"no exponent": {[]*rsa.PublicKey{{N: good.N}}, "public key 1 has the exponent 0"},
	} {
		if _, err := signer.NewVerifier(c.keys...); !errors.Is(err, signer.ErrKey) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want ErrKey with %q", name, err, c.want)
		}
	}
}
