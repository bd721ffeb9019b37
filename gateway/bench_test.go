package gateway_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"testing"
	"time"

	"github.com/alirefund/alirefund/gateway"
)

// BenchmarkRequest is what a refund request costs beside its RSA signature and
// the network: biz_content, the signed text and its digest, the query and the
// form.
func BenchmarkRequest(b *testing.B) {
	client := newClient(b, gateway.Config{})
	var biz any = gateway.TradeRefund{OutTradeNo: "20260102030405000001", RefundAmount: 88_88, OutRequestNo: "R20260102030405000001", RefundReason: "正常退款"}
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		content, err := json.Marshal(biz)
		if err != nil {
			b.Fatal(err)
		}
		if _, _, err := client.Encode(gateway.MethodTradeRefund, content, gateway.Options{}, now); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAnswer verifies and decodes a refund's answer. Its floor is the bare
// RSA operation over the same node.
func BenchmarkAnswer(b *testing.B) {
	digest := sha256.Sum256([]byte(sampleNode))
	raw := must(rsa.SignPKCS1v15(nil, alipayKey(), crypto.SHA256, digest[:]))
	b.Run("floor", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			digest := sha256.Sum256([]byte(sampleNode))
			if err := rsa.VerifyPKCS1v15(&alipayKey().PublicKey, crypto.SHA256, digest[:], raw); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("ours", func(b *testing.B) {
		client := newClient(b, gateway.Config{})
		answer := []byte(`{"alipay_trade_refund_response":` + sampleNode + `,"sign":"` + base64.StdEncoding.EncodeToString(raw) + `"}`)
		b.ReportAllocs()
		for b.Loop() {
			reply, err := client.Open(gateway.MethodTradeRefund, answer)
			if err != nil {
				b.Fatal(err)
			}
			if a := gateway.DecodeTradeRefund(reply); a.FundChange != "Y" {
				b.Fatal("not decoded")
			}
		}
	})
}
