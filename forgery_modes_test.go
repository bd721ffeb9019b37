package alirefund_test

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
	"github.com/alirefund/alirefund/signer"
)

// What certificates and encryption offer to forgers.

// numbered names a certificate beside the genuine node, or another node.
func (x talk) numbered(node, number, sign string) string {
	return `{"` + x.name + `":` + node + `,"alipay_cert_sn":"` + number + `","sign":"` + sign + `"}`
}

// strange is the genuine node, signed by a stranger who names a certificate of
// his.
func (x talk) strange(file string) string {
	return x.numbered(x.node, number(new(testing.T), file), signature(stranger(), x.node))
}

// own is the genuine node, signed by the application, whose certificate is by the
// same authority as Alipay's.
func (x talk) own(number string) string {
	sign, _ := x.shop.config.App.Signer.Sign([]byte(x.node))
	return x.numbered(x.node, number, sign)
}

// impostor is a certificate of the stranger's key, with the subject of Alipay's,
// by an authority of his own making, whose certificate stands behind it.
var impostor = sync.OnceValue(func() string {
	alipay := alipaytest.New(modes["certificates"])
	block, _ := pem.Decode([]byte(alipay.AlipayCertificate()))
	genuine := must(x509.ParseCertificate(block.Bytes))
	block, _ = pem.Decode([]byte(alipay.RootCertificates()))
	root := must(x509.ParseCertificate(block.Bytes))
	authority := &x509.Certificate{
		SerialNumber: root.SerialNumber, RawSubject: root.RawSubject, NotBefore: root.NotBefore, NotAfter: root.NotAfter,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(7), RawSubject: genuine.RawSubject, NotBefore: genuine.NotBefore, NotAfter: genuine.NotAfter,
	}
	behind := must(x509.CreateCertificate(rand.Reader, authority, authority, &stranger().PublicKey, stranger()))
	der := must(x509.CreateCertificate(rand.Reader, leaf, authority, &stranger().PublicKey, stranger()))
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})) +
		string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: behind}))
})

func offerImpostor(*shop) string { return impostor() }

var certifiedAnswers = inMode(modes["certificates"], []hostileAnswer{
	{named: "certified, no number", answer: func(x talk) string { return x.saying(x.node, x.signed) }, want: unverified},
	{named: "certified, number empty", answer: func(x talk) string { return x.numbered(x.node, "", x.signed) }, want: unverified},
	{named: "certified, number null", answer: func(x talk) string {
		return strings.Replace(x.body, `"`+x.number+`"`, "null", 1)
	}, want: unverified},
	{named: "certified, number twice", answer: func(x talk) string { return `{"alipay_cert_sn":"` + x.number + `",` + x.body[1:] }, want: unusable},
	{named: "certified, unsigned", answer: func(x talk) string { return x.numbered(x.node, x.number, "") }, want: unverified},
	{named: "certified, changed", answer: func(x talk) string { return strings.Replace(x.body, "8.88", "9.88", 1) }, want: unverified},
	{named: "certified, a stranger under the genuine number", answer: func(x talk) string {
		return x.numbered(x.node, x.number, signature(stranger(), x.node))
	}, want: unverified},
	{named: "an unknown number, nothing to download", answer: func(x talk) string { return x.strange(impostor()) }, want: unverified},
	{named: "an unknown number, an empty file", answer: func(x talk) string { return x.strange(impostor()) }, file: func(*shop) string { return "" }, want: unverified},
	{named: "a forged successor and its authority", answer: func(x talk) string { return x.strange(impostor()) }, file: offerImpostor, want: unverified},
	{named: "a forged successor before the genuine one", answer: func(x talk) string { return x.strange(impostor()) }, file: func(s *shop) string {
		return impostor() + s.alipay.AlipayCertificate()
	}, want: unverified},
	{named: "a forged successor behind the genuine one", answer: func(x talk) string { return x.strange(impostor()) }, file: func(s *shop) string {
		return s.alipay.AlipayCertificate() + impostor()
	}, want: unverified},
	{named: "the merchant's certificate", answer: func(x talk) string { return x.own(number(new(testing.T), x.shop.alipay.AppCertificate())) }, file: func(s *shop) string {
		return s.alipay.AppCertificate()
	}, want: unverified},
	{named: "the merchant's key under an unknown number", answer: func(x talk) string { return x.own(strings.Repeat("0", 32)) }, file: func(s *shop) string {
		return s.alipay.AppCertificate()
	}, want: unverified},
	{named: "the merchant's key under the genuine number", answer: func(x talk) string { return x.own(x.number) }, want: unverified},
	{named: "a root's number", answer: func(x talk) string {
		return x.numbered(x.node, number(new(testing.T), x.shop.alipay.RootCertificates()), signature(stranger(), x.node))
	}, file: func(s *shop) string { return s.alipay.RootCertificates() }, want: unverified},
	{named: "certified, another order's", answer: func(x talk) string { return x.refunded(secondOrder, "R1", 8_88) }, want: elsewhere},
})

// ciphertext returns another node, encrypted with the application's key.
func (x talk) ciphertext(plain string) string {
	return quoted(x.shop.config.App.ContentKey.Encrypt([]byte(plain)))
}

// bare is the genuine node without its quotes, which are signed.
func (x talk) bare() string { return strings.Trim(x.node, `"`) }

const forgedNode = `{"code":"10000","fund_change":"Y","out_trade_no":"` + order + `"}`

var encryptedAnswers = inMode(modes["encryption"], []hostileAnswer{
	{named: "encrypted, unsigned", answer: func(x talk) string { return `{"` + x.name + `":` + x.node + `}` }, want: unverified},
	{named: "encrypted, of our own making", answer: func(x talk) string { return x.saying(x.ciphertext(forgedNode), x.signed) }, want: unverified},
	{named: "encrypted, a stranger's key", answer: func(x talk) string { return x.saying(x.node, signature(stranger(), x.node)) }, want: unverified},
	{named: "encrypted, signed without its quotes", answer: func(x talk) string { return x.saying(x.node, signature(insider(), x.bare())) }, want: unverified},
	{named: "encrypted, the plain text signed", answer: func(x talk) string {
		return x.saying(x.ciphertext(forgedNode), signature(insider(), forgedNode))
	}, want: unverified},
	{named: "encrypted, decrypted on the way", answer: func(x talk) string {
		plain, _ := x.shop.config.App.ContentKey.Decrypt(x.bare())
		return x.saying(string(plain), x.signed)
	}, want: unverified},
	{named: "encrypted, a plain node", answer: func(x talk) string { return x.saying(forgedNode, x.signed) }, want: unverified},
	{named: "encrypted, swapped for another order's", answer: func(x talk) string {
		return x.saying(x.shop.talk(x.refunded(secondOrder, "R1", 8_88)).node, x.signed)
	}, want: unverified},
	{named: "encrypted, another order's", answer: func(x talk) string { return x.refunded(secondOrder, "R1", 8_88) }, want: elsewhere},
	{named: "encrypted, a question's", answer: func(x talk) string { return x.renamed(x.asked(order, "R9", 8_88)) }, want: silent},
	{named: "encrypted, the first block changed", answer: func(x talk) string {
		raw := must(base64.StdEncoding.DecodeString(x.bare()))
		raw[0] ^= 1
		return x.saying(quoted(base64.StdEncoding.EncodeToString(raw)), x.signed)
	}, want: unverified},
	{named: "encrypted, the last block dropped", answer: func(x talk) string {
		raw := must(base64.StdEncoding.DecodeString(x.bare()))
		return x.saying(quoted(base64.StdEncoding.EncodeToString(raw[:len(raw)-16])), x.signed)
	}, want: unverified},
	{named: "encrypted with another key", answer: func(x talk) string {
		other := must(signer.ContentKeyFromBase64("AAAAAAAAAAAAAAAAAAAAAA=="))
		return x.insiderNode(quoted(other.Encrypt([]byte(forgedNode))))
	}, want: unusable},
	{named: "encrypted twice", answer: func(x talk) string { return x.insiderNode(x.ciphertext(x.ciphertext(forgedNode))) }, want: unusable},
	{named: "encrypted, a letter escaped", answer: func(x talk) string {
		return x.saying(fmt.Sprintf(`"\u%04x%s"`, x.bare()[0], x.bare()[1:]), x.signed)
	}, want: unverified},
})

// certifiedNotices have nothing fetched, whatever they name.
var certifiedNotices = certifiedRows([]hostileNotice{
	{named: "an unknown number, and changed", body: func(f forger) string { return f.with("refund_fee", "9.88", "alipay_cert_sn", strings.Repeat("0", 32)) }},
	{named: "an unknown number, a stranger's key", body: func(f forger) string {
		return f.by(signature, stranger(), "alipay_cert_sn", number(new(testing.T), impostor()))
	}},
	{named: "the genuine number, a stranger's key", body: func(f forger) string {
		return f.by(signature, stranger(), "alipay_cert_sn", number(new(testing.T), f.shop.alipay.AlipayCertificate()))
	}},
	{named: "the merchant's certificate", body: func(f forger) string {
		sign, _ := f.shop.config.App.Signer.Sign([]byte(f.text(signer.WithoutSignType)))
		return f.with("sign", sign, "alipay_cert_sn", number(new(testing.T), f.shop.alipay.AppCertificate()))
	}},
	{named: "the certificate itself for its number", body: func(f forger) string {
		return f.by(signature, stranger(), "alipay_cert_sn", impostor())
	}},
	{named: "app_id in the number", body: func(f forger) string {
		other := f.shop.forger(changed(f.base, "app_id", "2021000000000002"))
		return other.with("app_id", "-", "alipay_cert_sn", "0&app_id=2021000000000002")
	}},
	{named: "a signed number, changed", body: func(f forger) string {
		other := f.shop.forger(changed(f.base, "alipay_cert_sn", strings.Repeat("1", 32)))
		return other.with("alipay_cert_sn", strings.Repeat("0", 32))
	}},
	{named: "a number twice", body: func(f forger) string { return f.body + "&alipay_cert_sn=0&alipay_cert_sn=1" }, status: 400, code: refused},
})

func certifiedRows(rows []hostileNotice) []hostileNotice {
	for i := range rows {
		if rows[i].mode = modes["certificates"]; rows[i].status == 0 {
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
