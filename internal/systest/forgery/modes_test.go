package forgery_test

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"testing"

	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/internal/shoptest"
	"github.com/alirefund/alirefund/signer"
)

// impostor is a certificate of the stranger's key, with the subject of Alipay's,
// by an authority of his own making, whose certificate stands behind it.
var impostor = sync.OnceValue(func() string {
	alipay := alipaytest.New(shoptest.Modes["certificates"])
	block, _ := pem.Decode([]byte(alipay.AlipayCertificate()))
	genuine := shoptest.Must(x509.ParseCertificate(block.Bytes))
	block, _ = pem.Decode([]byte(alipay.RootCertificates()))
	root := shoptest.Must(x509.ParseCertificate(block.Bytes))
	authority := &x509.Certificate{
		SerialNumber: root.SerialNumber, RawSubject: root.RawSubject, NotBefore: root.NotBefore, NotAfter: root.NotAfter,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(7), RawSubject: genuine.RawSubject, NotBefore: genuine.NotBefore, NotAfter: genuine.NotAfter,
	}
	behind := shoptest.Must(x509.CreateCertificate(rand.Reader, authority, authority, &shoptest.Stranger().PublicKey, shoptest.Stranger()))
	der := shoptest.Must(x509.CreateCertificate(rand.Reader, leaf, authority, &shoptest.Stranger().PublicKey, shoptest.Stranger()))
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})) +
		string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: behind}))
})

func offerImpostor(*shoptest.Shop) string { return impostor() }

var certifiedAnswers = inMode(shoptest.Modes["certificates"], []hostileAnswer{
	{named: "certified, no number", answer: func(x shoptest.Talk) string { return x.Saying(x.Node, x.Signed) }, want: unverified},
	{named: "certified, number empty", answer: func(x shoptest.Talk) string { return x.Numbered(x.Node, "", x.Signed) }, want: unverified},
	{named: "certified, number null", answer: func(x shoptest.Talk) string {
		return strings.Replace(x.Body, `"`+x.Number+`"`, "null", 1)
	}, want: unverified},
	{named: "certified, number twice", answer: func(x shoptest.Talk) string { return `{"alipay_cert_sn":"` + x.Number + `",` + x.Body[1:] }, want: unusable},
	{named: "certified, unsigned", answer: func(x shoptest.Talk) string { return x.Numbered(x.Node, x.Number, "") }, want: unverified},
	{named: "certified, changed", answer: func(x shoptest.Talk) string { return strings.Replace(x.Body, "8.88", "9.88", 1) }, want: unverified},
	{named: "certified, a stranger under the genuine number", answer: func(x shoptest.Talk) string {
		return x.Numbered(x.Node, x.Number, shoptest.Signature(shoptest.Stranger(), x.Node))
	}, want: unverified},
	{named: "an unknown number, nothing to download", answer: func(x shoptest.Talk) string { return x.Strange(impostor()) }, want: unverified},
	{named: "an unknown number, an empty file", answer: func(x shoptest.Talk) string { return x.Strange(impostor()) }, file: func(*shoptest.Shop) string { return "" }, want: unverified},
	{named: "a forged successor and its authority", answer: func(x shoptest.Talk) string { return x.Strange(impostor()) }, file: offerImpostor, want: unverified},
	{named: "a forged successor before the genuine one", answer: func(x shoptest.Talk) string { return x.Strange(impostor()) }, file: func(s *shoptest.Shop) string {
		return impostor() + s.Alipay.AlipayCertificate()
	}, want: unverified},
	{named: "a forged successor behind the genuine one", answer: func(x shoptest.Talk) string { return x.Strange(impostor()) }, file: func(s *shoptest.Shop) string {
		return s.Alipay.AlipayCertificate() + impostor()
	}, want: unverified},
	{named: "the merchant's certificate", answer: func(x shoptest.Talk) string {
		return x.Own(shoptest.Number(new(testing.T), x.Shop.Alipay.AppCertificate()))
	}, file: func(s *shoptest.Shop) string {
		return s.Alipay.AppCertificate()
	}, want: unverified},
	{named: "the merchant's key under an unknown number", answer: func(x shoptest.Talk) string { return x.Own(strings.Repeat("0", 32)) }, file: func(s *shoptest.Shop) string {
		return s.Alipay.AppCertificate()
	}, want: unverified},
	{named: "the merchant's key under the genuine number", answer: func(x shoptest.Talk) string { return x.Own(x.Number) }, want: unverified},
	{named: "a root's number", answer: func(x shoptest.Talk) string {
		return x.Numbered(x.Node, shoptest.Number(new(testing.T), x.Shop.Alipay.RootCertificates()), shoptest.Signature(shoptest.Stranger(), x.Node))
	}, file: func(s *shoptest.Shop) string { return s.Alipay.RootCertificates() }, want: unverified},
	{named: "certified, another order's", answer: func(x shoptest.Talk) string { return x.Refunded(shoptest.SecondOrder, "R1", 8_88) }, want: elsewhere},
})

const forgedNode = `{"code":"10000","fund_change":"Y","out_trade_no":"` + shoptest.Order + `"}`

var encryptedAnswers = inMode(shoptest.Modes["encryption"], []hostileAnswer{
	{named: "encrypted, unsigned", answer: func(x shoptest.Talk) string { return `{"` + x.Name + `":` + x.Node + `}` }, want: unverified},
	{named: "encrypted, of our own making", answer: func(x shoptest.Talk) string { return x.Saying(x.Ciphertext(forgedNode), x.Signed) }, want: unverified},
	{named: "encrypted, a stranger's key", answer: func(x shoptest.Talk) string { return x.Saying(x.Node, shoptest.Signature(shoptest.Stranger(), x.Node)) }, want: unverified},
	{named: "encrypted, signed without its quotes", answer: func(x shoptest.Talk) string {
		return x.Saying(x.Node, shoptest.Signature(shoptest.Insider(), x.Bare()))
	}, want: unverified},
	{named: "encrypted, the plain text signed", answer: func(x shoptest.Talk) string {
		return x.Saying(x.Ciphertext(forgedNode), shoptest.Signature(shoptest.Insider(), forgedNode))
	}, want: unverified},
	{named: "encrypted, decrypted on the way", answer: func(x shoptest.Talk) string {
		plain, _ := x.Shop.Config.App.ContentKey.Decrypt(x.Bare())
		return x.Saying(string(plain), x.Signed)
	}, want: unverified},
	{named: "encrypted, a plain node", answer: func(x shoptest.Talk) string { return x.Saying(forgedNode, x.Signed) }, want: unverified},
	{named: "encrypted, swapped for another order's", answer: func(x shoptest.Talk) string {
		return x.Saying(x.Shop.Talk(x.Refunded(shoptest.SecondOrder, "R1", 8_88)).Node, x.Signed)
	}, want: unverified},
	{named: "encrypted, another order's", answer: func(x shoptest.Talk) string { return x.Refunded(shoptest.SecondOrder, "R1", 8_88) }, want: elsewhere},
	{named: "encrypted, a question's", answer: func(x shoptest.Talk) string { return x.Renamed(x.Asked(shoptest.Order, "R9", 8_88)) }, want: silent},
	{named: "encrypted, the first block changed", answer: func(x shoptest.Talk) string {
		raw := shoptest.Must(base64.StdEncoding.DecodeString(x.Bare()))
		raw[0] ^= 1
		return x.Saying(shoptest.Quoted(base64.StdEncoding.EncodeToString(raw)), x.Signed)
	}, want: unverified},
	{named: "encrypted, the last block dropped", answer: func(x shoptest.Talk) string {
		raw := shoptest.Must(base64.StdEncoding.DecodeString(x.Bare()))
		return x.Saying(shoptest.Quoted(base64.StdEncoding.EncodeToString(raw[:len(raw)-16])), x.Signed)
	}, want: unverified},
	{named: "encrypted with another key", answer: func(x shoptest.Talk) string {
		other := shoptest.Must(signer.ContentKeyFromBase64("AAAAAAAAAAAAAAAAAAAAAA=="))
		return x.InsiderNode(shoptest.Quoted(other.Encrypt([]byte(forgedNode))))
	}, want: unusable},
	{named: "encrypted twice", answer: func(x shoptest.Talk) string { return x.InsiderNode(x.Ciphertext(x.Ciphertext(forgedNode))) }, want: unusable},
	{named: "encrypted, a letter escaped", answer: func(x shoptest.Talk) string {
		return x.Saying(fmt.Sprintf(`"\u%04x%s"`, x.Bare()[0], x.Bare()[1:]), x.Signed)
	}, want: unverified},
})

// certifiedNotices have nothing fetched, whatever they name.
var certifiedNotices = certifiedRows([]hostileNotice{
	{named: "an unknown number, and changed", body: func(f shoptest.Forger) string {
		return f.With("refund_fee", "9.88", "alipay_cert_sn", strings.Repeat("0", 32))
	}},
	{named: "an unknown number, a stranger's key", body: func(f shoptest.Forger) string {
		return f.By(shoptest.Signature, shoptest.Stranger(), "alipay_cert_sn", shoptest.Number(new(testing.T), impostor()))
	}},
	{named: "the genuine number, a stranger's key", body: func(f shoptest.Forger) string {
		return f.By(shoptest.Signature, shoptest.Stranger(), "alipay_cert_sn", shoptest.Number(new(testing.T), f.Shop.Alipay.AlipayCertificate()))
	}},
	{named: "the merchant's certificate", body: func(f shoptest.Forger) string {
		sign, _ := f.Shop.Config.App.Signer.Sign([]byte(f.Text(signer.WithoutSignType)))
		return f.With("sign", sign, "alipay_cert_sn", shoptest.Number(new(testing.T), f.Shop.Alipay.AppCertificate()))
	}},
	{named: "the certificate itself for its number", body: func(f shoptest.Forger) string {
		return f.By(shoptest.Signature, shoptest.Stranger(), "alipay_cert_sn", impostor())
	}},
	{named: "app_id in the number", body: func(f shoptest.Forger) string {
		other := f.Shop.Forger(shoptest.Changed(f.Base, "app_id", "2021000000000002"))
		return other.With("app_id", "-", "alipay_cert_sn", "0&app_id=2021000000000002")
	}},
	{named: "a signed number, changed", body: func(f shoptest.Forger) string {
		other := f.Shop.Forger(shoptest.Changed(f.Base, "alipay_cert_sn", strings.Repeat("1", 32)))
		return other.With("alipay_cert_sn", strings.Repeat("0", 32))
	}},
	{named: "a number twice", body: func(f shoptest.Forger) string { return f.Body + "&alipay_cert_sn=0&alipay_cert_sn=1" }, status: 400, code: refused},
})

func certifiedRows(rows []hostileNotice) []hostileNotice {
	for i := range rows {
		if rows[i].mode = shoptest.Modes["certificates"]; rows[i].status == 0 {
			rows[i].status, rows[i].code = 403, forged
		}
	}
	return rows
}

func inMode(mode alipaytest.Config, rows []hostileAnswer) []hostileAnswer {
	for i := range rows {
		rows[i].mode = mode
	}
	return rows
}
