package signer_test

import (
	"encoding/json"
	"errors"
	"net/url"
	"testing"

	"github.com/alirefund/alirefund/internal/vectors"
	"github.com/alirefund/alirefund/signer"
)

// What Alipay really signed: each capture's text is rebuilt from its raw form
// and verified, and refused with any one byte changed.
func TestCaptures(t *testing.T) {
	for _, kind := range []string{"request", "response", "notify"} {
		t.Run(kind, func(t *testing.T) {
			for _, v := range vectors.Load(t, kind) {
				t.Run(v.Name, func(t *testing.T) { testCapture(t, v) })
			}
		})
	}
}

func testCapture(t *testing.T, v vectors.Vector) {
	text, sign := textAndSign(t, v)
	if string(text) != v.Text {
		t.Fatalf("the text is\n%q, want\n%q", text, v.Text)
	}
	verify := verifierOf(t, v)
	if err := verify(text, sign); err != nil {
		t.Fatal(err)
	}
	for i := range text {
		text[i] ^= 1
		if err := verify(text, sign); !errors.Is(err, signer.ErrSignature) {
			t.Fatalf("with byte %d of the text changed: %v; want ErrSignature", i, err)
		}
		text[i] ^= 1
	}
	for i := range sign {
		for _, other := range []byte{sign[i] ^ 1, 'A', '=', '\n'} {
			if other == sign[i] {
				continue
			}
			if err := verify(text, sign[:i]+string(other)+sign[i+1:]); !errors.Is(err, signer.ErrSignature) {
				t.Fatalf("with byte %d of the signature changed to %q: %v; want ErrSignature", i, other, err)
			}
		}
	}
}

// textAndSign takes a capture apart with the standard library's parsers.
func textAndSign(t *testing.T, v vectors.Vector) ([]byte, string) {
	t.Helper()
	if v.Kind == "response" {
		var answer map[string]json.RawMessage
		if err := json.Unmarshal([]byte(v.Raw), &answer); err != nil {
			t.Fatal(err)
		}
		var sign string
		if err := json.Unmarshal(answer["sign"], &sign); err != nil {
			t.Fatal(err)
		}
		return answer[v.Node], sign
	}
	values, err := url.ParseQuery(v.Raw)
	if err != nil {
		t.Fatal(err)
	}
	var params []signer.Param
	for key := range values {
		params = append(params, signer.Param{Key: key, Value: values.Get(key)})
	}
	var form signer.Form
	if v.Variant == "V1" {
		form = signer.WithoutSignType
	}
	return signer.AppendText(nil, params, form), values.Get("sign")
}

// verifierOf takes the usual verifier wherever it will do.
func verifierOf(t *testing.T, v vectors.Vector) func(text []byte, sign string) error {
	t.Helper()
	keys, err := signer.PublicKeysFromPEM(v.Key)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := signer.NewVerifier(keys...)
	if keys[0].N.BitLen() < 2048 {
		if !errors.Is(err, signer.ErrKey) {
			t.Fatalf("a key of %d bits: %v; want ErrKey", keys[0].N.BitLen(), err)
		}
		verifier, err = signer.NewVerifierAcceptingSHA1AndWeakKeys(keys...)
	}
	if err != nil {
		t.Fatal(err)
	}
	if v.SignType == "RSA" {
		return verifier.VerifySHA1
	}
	return verifier.Verify
}
