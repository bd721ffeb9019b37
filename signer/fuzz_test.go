package signer_test

import (
	"crypto/x509"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/alirefund/alirefund/signer"
)

func addKeys(f *testing.F) {
	private, public, cert := pkcs8(appKey()), spki(&alipayKey().PublicKey), certificate(alipayKey())
	for _, text := range []string{
		"", "\ufeff", "-----BEGIN ", "-----BEGIN -----", "-----BEGIN A-----\n-----END A-----",
		bare(private), bare(x509.MarshalPKCS1PrivateKey(appKey())), bare(public), bare(cert),
		block("PRIVATE KEY", private), block("PUBLIC KEY", public), block("CERTIFICATE", cert),
		bare([]byte(block("PRIVATE KEY", private))), bare(pkcs8(ecKey())), bare(pkcs8(edKey())),
	} {
		f.Add(text)
	}
}

func FuzzFromPEM(f *testing.F) {
	addKeys(f)
	f.Fuzz(func(t *testing.T, text string) {
		s, err := signer.FromPEM(text)
		switch {
		case err == nil && (s.Public() == nil || s.Public().N.BitLen() < 2048):
			t.Fatal("a Signer without a key of at least 2048 bits")
		case err != nil && (s != nil || !errors.Is(err, signer.ErrKey)):
			t.Fatalf("%v, want ErrKey", err)
		case err != nil && len(err.Error()) > 200:
			t.Fatalf("an error of %d bytes", len(err.Error()))
		}
	})
}

func FuzzVerifierFromPEM(f *testing.F) {
	addKeys(f)
	f.Fuzz(func(t *testing.T, text string) {
		v, err := signer.VerifierFromPEM(text)
		switch {
		case err == nil && v.Verify(nil, "") == nil:
			t.Fatal("a Verifier that takes no signature for one")
		case err != nil && (v != nil || !errors.Is(err, signer.ErrKey)):
			t.Fatalf("%v, want ErrKey", err)
		case err != nil && len(err.Error()) > 200:
			t.Fatalf("an error of %d bytes", len(err.Error()))
		}
	})
}

// FuzzAppendText takes a text apart again: as long as no key holds "=" or "&"
// and no value "&", what was put in comes out, sorted, without what the form
// leaves out, and in whatever order it was put in.
func FuzzAppendText(f *testing.F) {
	f.Add("b=2&a=1&sign=x&sign_type=RSA2", uint8(0))
	f.Add("b=2&a=1&sign=x&sign_type=RSA2&c=", uint8(3))
	f.Add("a-b=1&a=2&=&==", uint8(1))
	f.Fuzz(func(t *testing.T, input string, bits uint8) {
		form := signer.Form(bits % 4)
		kept := map[string]string{}
		all := map[string]string{}
		for pair := range strings.SplitSeq(input, "&") {
			key, value, _ := strings.Cut(pair, "=")
			all[key] = value
			kept[key] = value
		}
		maps.DeleteFunc(kept, func(key, value string) bool {
			return key == "sign" || form&signer.WithoutSignType != 0 && key == "sign_type" || form&signer.WithoutEmpty != 0 && value == ""
		})

		params := make([]signer.Param, 0, len(all))
		for key, value := range all { // in the map's random order
			params = append(params, signer.Param{Key: key, Value: value})
		}
		text := string(signer.AppendText(nil, params, form))
		slices.Reverse(params)
		if again := string(signer.AppendText(nil, params, form)); again != text {
			t.Fatalf("%q, and in another order %q", text, again)
		}

		var keys []string
		back := map[string]string{}
		if len(kept) > 0 {
			for pair := range strings.SplitSeq(text, "&") {
				key, value, _ := strings.Cut(pair, "=")
				keys = append(keys, key)
				back[key] = value
			}
		} else if text != "" {
			t.Fatalf("%q is the text of nothing", text)
		}
		if !slices.IsSorted(keys) || len(keys) != len(back) || !maps.Equal(back, kept) {
			t.Fatalf("%q is the text of %q", text, kept)
		}
	})
}
