package explain_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"

	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/alirefund/alirefund/explain"
	"github.com/alirefund/alirefund/signer"
)

// Keys are generated, once each in a run: no file holds one.
var (
	appKey    = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	alipayKey = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
)

const appID = "2021000000000001"

func keys() explain.Keys {
	return explain.Keys{
		Alipay: must(signer.NewVerifierAcceptingSHA1AndWeakKeys(&alipayKey().PublicKey)),
		App:    &appKey().PublicKey,
		AppID:  appID,
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// payment has what damages reveal: a plus, blanks, an ampersand, JSON, Chinese,
// quotes, a line break and an amount with a zero at its end.
func payment() []signer.Param {
	return []signer.Param{
		{Key: "gmt_create", Value: "2026-01-02 03:04:05"},
		{Key: "charset", Value: "utf-8"},
		{Key: "seller_email", Value: "seller@example.com"},
		{Key: "subject", Value: "两件 <T>+'x' - 1"},
		{Key: "body", Value: "第一行\n第二行 "},
		{Key: "buyer_id", Value: "2088102146225135"},
		{Key: "invoice_amount", Value: "0.10"},
		{Key: "notify_id", Value: "2026010200222030405012345678901234"},
		{Key: "fund_bill_list", Value: `[{"amount":"0.10","fundChannel":"ALIPAYACCOUNT"}]`},
		{Key: "notify_type", Value: "trade_status_sync"},
		{Key: "trade_status", Value: "TRADE_SUCCESS"},
		{Key: "receipt_amount", Value: "0.10"},
		{Key: "buyer_pay_amount", Value: "0.10"},
		{Key: "app_id", Value: appID},
		{Key: "seller_id", Value: "2088000000000001"},
		{Key: "gmt_payment", Value: "2026-01-02 03:04:06"},
		{Key: "notify_time", Value: "2026-01-02 03:04:07"},
		{Key: "passback_params", Value: "shop=7&openid=oABCDE"},
		{Key: "version", Value: "1.0"},
		{Key: "out_trade_no", Value: "order-13812345678"},
		{Key: "total_amount", Value: "0.10"},
		{Key: "trade_no", Value: "2026010222001403551453483331"},
		{Key: "auth_app_id", Value: appID},
		{Key: "buyer_logon_id", Value: "138****5678"},
		{Key: "point_amount", Value: "0.00"},
	}
}

// notice signs params as Alipay does, so that the signature has a + and a /, and
// writes the form.
func notice(params []signer.Param, key *rsa.PrivateKey, form signer.Form) string {
	s := must(signer.New(key))
	for i := range 1000 {
		all := append([]signer.Param{}, params...)
		for k := range all {
			if all[k].Key == "notify_id" {
				all[k].Value = all[k].Value[:28] + fmt.Sprintf("%06d", i)
			}
		}
		all = append(all, signer.Param{Key: "sign_type", Value: "RSA2"})
		text := signer.AppendText(nil, append([]signer.Param{}, all...), form)
		sign := must(s.Sign(text))
		if i == 999 || strings.Contains(sign, "+") && strings.Contains(sign, "/") { // those without a notify_id stay the same
			middle := len(all) / 2
			return encode(append(append(append([]signer.Param{}, all[:middle]...), signer.Param{Key: "sign", Value: sign}), all[middle:]...))
		}
	}
	panic("unreachable")
}

func encode(params []signer.Param) string {
	fields := make([]string, len(params))
	for i, p := range params {
		fields[i] = url.QueryEscape(p.Key) + "=" + url.QueryEscape(p.Value)
	}
	return strings.Join(fields, "&")
}

// genuine is one notice for all tests, since RSA keys and signatures cost time.
var genuine = sync.OnceValue(func() string { return notice(payment(), alipayKey(), signer.WithoutSignType) })

const node = `{"code":"10000","msg":"Success","buyer_logon_id":"abc***@126.com","fund_change":"Y","gmt_refund_pay":"2026-01-02 03:04:05",` +
	`"out_trade_no":"order-1","qr_code":"https:\/\/qr.alipay.com\/x","refund_fee":"0.10","store_name":"店 <&>","trade_no":"2026010222001403551453483331"}`

func answerOf(node, method string, key *rsa.PrivateKey) string {
	for i := range 1000 {
		node := strings.Replace(node, "order-1", fmt.Sprintf("order-%d", i), 1)
		sign := must(must(signer.New(key)).Sign([]byte(node)))
		if i == 999 || strings.Contains(sign, "+") && strings.Contains(sign, "/") { // those without a notify_id stay the same
			return `{"` + method + `_response":` + node + `,"sign":"` + sign + `"}`
		}
	}
	panic("unreachable")
}

var answer = sync.OnceValue(func() string { return answerOf(node, "alipay_trade_refund", alipayKey()) })

func signSHA1(key *rsa.PrivateKey, text []byte) string {
	digest := sha1.Sum(text)
	return base64.StdEncoding.EncodeToString(must(rsa.SignPKCS1v15(nil, key, crypto.SHA1, digest[:])))
}

// expect checks everything that holds of any report.
func expect(t *testing.T, raw string, k explain.Keys, want explain.Cause) explain.Report {
	t.Helper()
	r := explain.Explain([]byte(raw), k)
	if r.Cause != want {
		t.Errorf("cause %q, want %q (%s)", r.Cause, want, r.Hint)
	}
	if r.Verifies != (r.Cause == "") {
		t.Errorf("verifies %t beside the cause %q", r.Verifies, r.Cause)
	}
	if r.Hint == "" && !r.Verifies {
		t.Error("no hint")
	}
	return r
}

// gbk is a payment whose values are in GBK.
func gbk() []signer.Param {
	params := payment()
	for i, p := range params {
		if p.Key == "charset" {
			params[i].Value = "GBK"
		}
		params[i].Value = toGBK(params[i].Value)
	}
	return params
}

func fromGBK(text string) string { return must(simplifiedchinese.GBK.NewDecoder().String(text)) }
