package signer_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"testing"

	"github.com/alirefund/alirefund/signer"
)

// The floor of each benchmark is the bare RSA operation on the same digest.

func BenchmarkSign(b *testing.B) {
	text := []byte(refundText)
	b.Run("floor", func(b *testing.B) {
		key := appKey()
		b.ReportAllocs()
		for b.Loop() {
			digest := sha256.Sum256(text)
			if _, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:]); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("ours", func(b *testing.B) {
		s := must(signer.New(appKey()))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := s.Sign(text); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	text := []byte(refundText)
	digest := sha256.Sum256(text)
	raw := must(rsa.SignPKCS1v15(nil, alipayKey(), crypto.SHA256, digest[:]))
	b.Run("floor", func(b *testing.B) {
		key := &alipayKey().PublicKey
		b.ReportAllocs()
		for b.Loop() {
			digest := sha256.Sum256(text)
			if err := rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], raw); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("ours", func(b *testing.B) {
		v := must(signer.NewVerifier(&alipayKey().PublicKey))
		sign := must(must(signer.New(alipayKey())).Sign(text))
		b.ReportAllocs()
		for b.Loop() {
			if err := v.Verify(text, sign); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkAppendText(b *testing.B) {
	params := refundParams()
	var buf [1024]byte
	b.ReportAllocs()
	for b.Loop() {
		signer.AppendText(buf[:0], params, 0)
	}
}
