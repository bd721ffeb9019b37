package signer_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/alirefund/alirefund/signer"
)

// kms stands for a key that stays in a key management service.
type kms struct {
	public *rsa.PublicKey
	key    *rsa.PrivateKey
	err    error
}

func (k *kms) Public() crypto.PublicKey { return k.public }

func (k *kms) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if k.err != nil {
		return nil, k.err
	}
	return k.key.Sign(random, digest, opts)
}

func TestSign(t *testing.T) {
	text := []byte(refundText)
	digest := sha256.Sum256(text)
	// PKCS#1 v1.5 is deterministic, so there is one right answer.
	want := base64.StdEncoding.EncodeToString(must(rsa.SignPKCS1v15(nil, appKey(), crypto.SHA256, digest[:])))

	for name, key := range map[string]crypto.Signer{
		"a key":        appKey(),
		"its stand-in": &kms{public: &appKey().PublicKey, key: appKey()},
		"a value":      struct{ crypto.Signer }{appKey()},
	} {
		s, err := signer.New(key)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := s.Sign(text); err != nil || got != want {
			t.Errorf("%s: another signature, or %v", name, err)
		}
		if !s.Public().Equal(&appKey().PublicKey) {
			t.Errorf("%s: another public half", name)
		}
	}
}

func TestSignFails(t *testing.T) {
	unreachable := errors.New("kms: unreachable")
	s := must(signer.New(&kms{public: &appKey().PublicKey, err: unreachable}))
	if sign, err := s.Sign([]byte("a=1")); sign != "" || !errors.Is(err, signer.ErrSigning) || !errors.Is(err, unreachable) {
		t.Errorf("a stand-in that fails: %q, %v; want ErrSigning over its own error", sign, err)
	}
}

func TestVerify(t *testing.T) {
	text := []byte(refundText)
	sign := must(must(signer.New(alipayKey())).Sign(text))
	alipay, app := &alipayKey().PublicKey, &appKey().PublicKey

	for name, v := range map[string]*signer.Verifier{
		"one key":        must(signer.NewVerifier(alipay)),
		"the first":      must(signer.NewVerifier(alipay, app)),
		"the second":     must(signer.NewVerifier(app, alipay)),
		"the permissive": must(signer.NewVerifierAcceptingSHA1AndWeakKeys(&weakKey().PublicKey, alipay)),
	} {
		if err := v.Verify(text, sign); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}

	raw := must(base64.StdEncoding.DecodeString(sign))
	v := must(signer.NewVerifier(alipay))
	for name, c := range map[string]struct {
		v    *signer.Verifier
		text []byte
		sign string
	}{
		"another text":           {v, text[1:], sign},
		"no text":                {v, nil, sign},
		"another key":            {must(signer.NewVerifier(app)), text, sign},
		"no signature":           {v, text, ""},
		"zeros":                  {v, text, base64.StdEncoding.EncodeToString(make([]byte, 256))},
		"short":                  {v, text, base64.StdEncoding.EncodeToString(raw[:255])},
		"long":                   {v, text, base64.StdEncoding.EncodeToString(append(raw[:256:256], 0))},
		"zero before":            {v, text, base64.StdEncoding.EncodeToString(append([]byte{0}, raw...))},
		"longer than the buffer": {v, text, strings.Repeat("A", 4096)},
		"SHA1":                   {v, text, signSHA1(alipayKey(), text)},
		"hex":                    {v, text, strings.Repeat("ab", 256)},
	} {
		if err := c.v.Verify(c.text, c.sign); !errors.Is(err, signer.ErrSignature) {
			t.Errorf("%s: %v; want ErrSignature", name, err)
		} else if c.sign != "" && strings.Contains(err.Error(), c.sign) {
			t.Errorf("%s: the error repeats the signature", name)
		}
	}
}

// One signature has one text; whatever else would decode to it is refused.
func TestVerifyWantsCanonicalBase64(t *testing.T) {
	text := []byte(refundText)
	sign := must(must(signer.New(alipayKey())).Sign(text))
	v := must(signer.NewVerifier(&alipayKey().PublicKey))

	// 256 bytes end in one byte and two "=": four bits of the last digit are unused.
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	last := len(sign) - len("x==")
	padding := sign[:last] + string(digits[strings.IndexByte(digits, sign[last])+1]) + "=="

	for name, sign := range map[string]string{
		"padding bits":    padding,
		"no padding":      strings.TrimRight(sign, "="),
		"more padding":    sign + "=",
		"line break":      sign[:76] + "\n" + sign[76:],
		"CRLF at the end": sign + "\r\n",
		"blank":           sign[:76] + " " + sign[76:],
		"URL alphabet":    strings.NewReplacer("+", "-", "/", "_").Replace("/" + sign[1:]),
		"percent":         strings.ReplaceAll(sign, "=", "%3D"),
	} {
		err := v.Verify(text, sign)
		if !errors.Is(err, signer.ErrSignature) || !strings.Contains(err.Error(), "not base64") {
			t.Errorf("%s: %v; want ErrSignature, not base64", name, err)
		}
	}
}

func signSHA1(key *rsa.PrivateKey, text []byte) string {
	digest := sha1.Sum(text)
	return base64.StdEncoding.EncodeToString(must(rsa.SignPKCS1v15(nil, key, crypto.SHA1, digest[:])))
}

func TestSHA1OnlyByItsLongName(t *testing.T) {
	text := []byte("amount=500.00&app_id=1")
	weak := &weakKey().PublicKey
	sign := signSHA1(weakKey(), text)

	old := must(signer.NewVerifierAcceptingSHA1AndWeakKeys(weak))
	if err := old.VerifySHA1(text, sign); err != nil || !old.AcceptsSHA1() {
		t.Errorf("the long-named verifier: %v", err)
	}
	if err := old.VerifySHA1(text[1:], sign); !errors.Is(err, signer.ErrSignature) {
		t.Errorf("the long-named verifier, another text: %v; want ErrSignature", err)
	}
	if err := old.Verify(text, sign); !errors.Is(err, signer.ErrSignature) {
		t.Errorf("Verify took a SHA1 signature: %v; want ErrSignature", err)
	}

	usual := must(signer.NewVerifier(&alipayKey().PublicKey))
	err := usual.VerifySHA1(text, signSHA1(alipayKey(), text))
	if !errors.Is(err, signer.ErrSignature) || !strings.Contains(err.Error(), "SHA1 (sign_type RSA) is not accepted") || usual.AcceptsSHA1() {
		t.Errorf("the usual verifier, SHA1: %v; want ErrSignature", err)
	}

	for name, keys := range map[string][]*rsa.PublicKey{"none": nil, "nil": {nil}, "empty": {{}}} {
		if _, err := signer.NewVerifierAcceptingSHA1AndWeakKeys(keys...); !errors.Is(err, signer.ErrKey) {
			t.Errorf("%s: %v; want ErrKey", name, err)
		}
	}
}

func TestPair(t *testing.T) {
	s := must(signer.New(appKey()))
	v := must(signer.NewVerifier(&alipayKey().PublicKey))
	own := must(signer.FromPEM(bare(pkcs8(appKey()))))
	copied := must(signer.VerifierFromPEM(bare(spki(&appKey().PublicKey))))

	for name, c := range map[string]struct {
		s    *signer.Signer
		v    *signer.Verifier
		want error
	}{
		"right":          {s, v, nil},
		"own public key": {own, copied, signer.ErrOwnKey},
		"own among many": {s, must(signer.NewVerifier(&alipayKey().PublicKey, &appKey().PublicKey)), signer.ErrOwnKey},
		"in a KMS":       {must(signer.New(&kms{public: &appKey().PublicKey})), copied, signer.ErrOwnKey},
		"no signer":      {nil, v, signer.ErrKey},
		"empty signer":   {&signer.Signer{}, v, signer.ErrKey},
		"no verifier":    {s, nil, signer.ErrKey},
		"empty verifier": {s, &signer.Verifier{}, signer.ErrKey},
		"nothing":        {nil, nil, signer.ErrKey},
	} {
		if err := signer.Pair(c.s, c.v); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestNilAndZero(t *testing.T) {
	for _, s := range []*signer.Signer{nil, {}} {
		if _, err := s.Sign(nil); !errors.Is(err, signer.ErrSigning) {
			t.Errorf("Sign: %v, want ErrSigning", err)
		}
		if s.Public() != nil {
			t.Error("Public is not nil")
		}
	}
	for _, v := range []*signer.Verifier{nil, {}} {
		if err := v.Verify(nil, ""); !errors.Is(err, signer.ErrSignature) {
			t.Errorf("Verify: %v, want ErrSignature", err)
		}
		if err := v.VerifySHA1(nil, ""); !errors.Is(err, signer.ErrSignature) {
			t.Errorf("VerifySHA1: %v, want ErrSignature", err)
		}
		if v.AcceptsSHA1() || v.Holds(&appKey().PublicKey) {
			t.Error("an empty verifier holds something")
		}
	}
	v := must(signer.NewVerifier(&alipayKey().PublicKey))
	if v.Holds(nil) || v.Holds(&rsa.PublicKey{}) {
		t.Error("a verifier holds an empty key")
	}
	if text := signer.AppendText(nil, nil, 0); len(text) != 0 {
		t.Errorf("the text of nothing is %q", text)
	}
}

// The verifier keeps its own list.
func TestVerifierCopiesItsKeys(t *testing.T) {
	keys := []*rsa.PublicKey{&alipayKey().PublicKey}
	v := must(signer.NewVerifier(keys...))
	keys[0] = &appKey().PublicKey
	if !v.Holds(&alipayKey().PublicKey) || v.Holds(&appKey().PublicKey) {
		t.Error("the verifier's keys changed with the caller's slice")
	}
}

func TestConcurrentUse(t *testing.T) {
	s := must(signer.New(alipayKey()))
	v := must(signer.NewVerifier(&alipayKey().PublicKey))
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for i := range byte(8) {
				text := []byte{i}
				if sign, err := s.Sign(text); err != nil || v.Verify(text, sign) != nil {
					t.Errorf("signing %d concurrently: %v", i, err)
				}
			}
		})
	}
	group.Wait()
}

func TestAllocations(t *testing.T) {
	text := []byte(refundText)
	digest := sha256.Sum256(text)
	raw := must(rsa.SignPKCS1v15(nil, appKey(), crypto.SHA256, digest[:]))
	s, v := must(signer.New(appKey())), must(signer.NewVerifier(&appKey().PublicKey))
	sign := must(s.Sign(text))

	for _, c := range []struct {
		name        string
		floor, ours func() error
		more        float64
	}{
		{
			"Sign",
			func() error { _, err := rsa.SignPKCS1v15(nil, appKey(), crypto.SHA256, digest[:]); return err },
			func() error { _, err := s.Sign(text); return err },
			3,
		},
		{
			"Verify",
			func() error { return rsa.VerifyPKCS1v15(&appKey().PublicKey, crypto.SHA256, digest[:], raw) },
			func() error { return v.Verify(text, sign) },
			1,
		},
	} {
		count := func(do func() error) float64 {
			return testing.AllocsPerRun(20, func() {
				if err := do(); err != nil {
					t.Fatal(err)
				}
			})
		}
		if floor, ours := count(c.floor), count(c.ours); ours > floor+c.more {
			t.Errorf("%s makes %v allocations, bare RSA %v; at most %v more are wanted", c.name, ours, floor, c.more)
		}
	}
}
