package notify_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"testing"

	"github.com/alirefund/alirefund/notify"
	"github.com/alirefund/alirefund/signer"
)

// BenchmarkOpen opens a notice of 25 fields, sign and sign_type not counted,
// beside what nobody can avoid: one verification of an RSA-2048 signature.
func BenchmarkOpen(b *testing.B) {
	notice := payment.signed(b, signer.WithoutSignType)
	if len(notice) != 25+2 {
		b.Fatalf("%d fields", len(notice))
	}
	b.Run("floor", func(b *testing.B) {
		digest := sha256.Sum256(notice.text(signer.WithoutSignType))
		raw, err := base64.StdEncoding.DecodeString(notice["sign"])
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			if err := rsa.VerifyPKCS1v15(&alipay().PublicKey, crypto.SHA256, digest[:], raw); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("ours", func(b *testing.B) {
		rc, body := receiver(b), notice.encode()
		b.ReportAllocs()
		for b.Loop() {
			if n, err := rc.Open(body); err != nil || n.Kind != notify.KindPayment {
				b.Fatal(n, err)
			}
		}
	})
}

// TestOpenAllocatesLittle holds the benchmark's figure: 9 of the 12 are the
// bare verification's.
func TestOpenAllocatesLittle(t *testing.T) {
	rc, body := receiver(t), payment.post(t)
	if got := testing.AllocsPerRun(100, func() {
		if _, err := rc.Open(body); err != nil {
			t.Fatal(err)
		}
	}); got > 12 {
		t.Errorf("%v allocations, want at most 12", got)
	}
}
