package signer_test

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
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

// FuzzCertificates is given everything that is not Alipay's, and Alipay's with
// something else written over it: neither a chain nor a root nor a successor may
// come of it.
func FuzzCertificates(f *testing.F) {
	w := newWorld()
	v := w.verifier()
	good := w.middle.issue(alipayName, &nextKey().PublicKey)
	alone := newRoot("Root R9", nextKey()) // which vouches for nothing but the last
	last := pemOf(alone.issue(alipayName, &alipayKey().PublicKey))
	for _, text := range []string{
		"", pemOf(w.app), pemOf(w.app, w.middle.cert), pemOf(w.middle.cert), pemOf(w.root.cert), sm2Like() + pemOf(w.root.cert),
		pemOf(w.middle.issue(appName, &nextKey().PublicKey), w.root.cert), bare(w.app.Raw), block("PUBLIC KEY", spki(&appKey().PublicKey)),
		pemOf(authority{key: nextKey()}.issue(alipayName, &nextKey().PublicKey)), pemOf(authority{w.app, appKey()}.issue(alipayName, &nextKey().PublicKey), w.app),
		"-----BEGIN CERTIFICATE-----", "-----BEGIN CERTIFICATE----------END CERTIFICATE-----",
	} {
		f.Add(text, []byte{0}, uint16(len(text)))
	}
	f.Fuzz(func(t *testing.T, text string, over []byte, at uint16) {
		refused := func(what string, err error) {
			t.Helper()
			switch {
			case err == nil:
				t.Fatal(what + " was accepted")
			case !errors.Is(err, signer.ErrCertificate):
				t.Fatalf("%s: %v, want ErrCertificate", what, err)
			case len(err.Error()) > 250:
				t.Fatalf("%s: an error of %d bytes", what, len(err.Error()))
			}
		}
		refused("a successor", v.Trust(firstNumber(text), text))
		der := bytes.Clone(good.Raw)
		copy(der[int(at)%len(der):], over)
		if forged := block("CERTIFICATE", der); !bytes.Equal(der, good.Raw) {
			refused("a changed successor", v.Trust(firstNumber(forged), forged+text))
		}
		if !v.Expires().Equal(w.alipay.NotAfter) {
			t.Fatal("the verifier has changed")
		}
		_, err := signer.VerifierFromCertificates(text, pemOf(alone.cert))
		refused("a certificate", err)
		_, err = signer.VerifierFromCertificates(last, text)
		refused("a root", err)
		if sn, err := signer.RootSN(text); err != nil {
			refused("a root file", err)
		} else if len(sn)%33 != 32 {
			t.Fatalf("the number %q", sn)
		}
	})
}

// firstNumber returns the serial number of the first certificate in a text, or
// something else.
func firstNumber(text string) string {
	if block, _ := pem.Decode([]byte(text)); block != nil {
		if cert, err := x509.ParseCertificate(block.Bytes); err == nil {
			return signer.CertificateSN(cert)
		}
	}
	return "0"
}

func FuzzContent(f *testing.F) {
	k := must(signer.ContentKeyFromBase64(contentKey))
	for _, text := range []string{"", "A", "{}", k.Encrypt(nil), k.Encrypt([]byte(refundText)), blocks(make([]byte, 32)), "AAAAAAAAAAAAAAAAAAAAAA=="} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if plain, err := k.Decrypt(text); err == nil {
			if again, err := k.Decrypt(k.Encrypt(plain)); err != nil || !bytes.Equal(again, plain) {
				t.Fatalf("%q, then %q, %v", plain, again, err)
			}
		} else if plain != nil || !errors.Is(err, signer.ErrContent) {
			t.Fatalf("%v, want ErrContent", err)
		}
		if back, err := k.Decrypt(k.Encrypt([]byte(text))); err != nil || string(back) != text {
			t.Fatalf("%q comes back as %q, %v", text, back, err)
		}
		if _, err := signer.ContentKeyFromBase64(text); err != nil && !errors.Is(err, signer.ErrKey) {
			t.Fatalf("%v, want ErrKey", err)
		}
	})
}
