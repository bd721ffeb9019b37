package notify_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"encoding/base64"
	"maps"
	"net/url"
	"sync"
	"testing"

	"github.com/alirefund/alirefund/notify"
	"github.com/alirefund/alirefund/signer"
)

const (
	appID    = "2021000000000001"
	sellerID = "2088000000000001"
	notifyID = "2026010100222100000001234567890123"
)

// alipay is the key that stands for Alipay's own in these tests.
var alipay = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func verifier(t testing.TB) *signer.Verifier {
	t.Helper()
	v, err := signer.NewVerifier(&alipay().PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func sha1Verifier(t testing.TB) *signer.Verifier {
	t.Helper()
	v, err := signer.NewVerifierAcceptingSHA1AndWeakKeys(&alipay().PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func receiver(t testing.TB) *notify.Receiver {
	t.Helper()
	return &notify.Receiver{Verifier: verifier(t), AppID: appID, SellerIDs: []string{sellerID}}
}

type fields map[string]string

// with returns f with other values; an empty one removes the field.
func (f fields) with(changes fields) fields {
	f = maps.Clone(f)
	for key, value := range changes {
		if f[key] = value; value == "" {
			delete(f, key)
		}
	}
	return f
}

func (f fields) encode() []byte {
	form := url.Values{}
	for key, value := range f {
		form.Set(key, value)
	}
	return []byte(form.Encode())
}

func (f fields) text(form signer.Form) []byte {
	var params []signer.Param
	for key, value := range f {
		params = append(params, signer.Param{Key: key, Value: value})
	}
	return signer.AppendText(nil, params, form)
}

// signed adds sign and, unless it is there, sign_type=RSA2.
func (f fields) signed(t testing.TB, form signer.Form) fields {
	t.Helper()
	f = f.with(nil)
	if f["sign_type"] == "" {
		f["sign_type"] = "RSA2"
	}
	s, err := signer.New(alipay())
	if err != nil {
		t.Fatal(err)
	}
	if f["sign"], err = s.Sign(f.text(form)); err != nil {
		t.Fatal(err)
	}
	return f
}

// signedSHA1 is signed for sign_type=RSA.
func (f fields) signedSHA1(t testing.TB) fields {
	t.Helper()
	f = f.with(fields{"sign_type": "RSA"})
	digest := sha1.Sum(f.text(signer.WithoutSignType))
	raw, err := alipay().Sign(nil, digest[:], crypto.SHA1)
	if err != nil {
		t.Fatal(err)
	}
	f["sign"] = base64.StdEncoding.EncodeToString(raw)
	return f
}

// post is the body of a notice with these fields, as Alipay sends most.
func (f fields) post(t testing.TB) []byte {
	t.Helper()
	return f.signed(t, signer.WithoutSignType).encode()
}

// payment is a notice in the form of the documents, with invented values.
var payment = fields{
	"app_id":           appID,
	"auth_app_id":      appID,
	"body":             "一双鞋 & 一顶帽子",
	"buyer_id":         "2088000000000009",
	"buyer_logon_id":   "abc***@example.com",
	"buyer_pay_amount": "88.88",
	"charset":          "utf-8",
	"fund_bill_list":   `[{"amount":"88.88","fundChannel":"ALIPAYACCOUNT"}]`,
	"gmt_create":       "2026-01-01 10:00:00",
	"gmt_payment":      "2026-01-01 10:00:05",
	"invoice_amount":   "88.88",
	"notify_id":        notifyID,
	"notify_time":      "2026-01-01 10:00:06",
	"notify_type":      "trade_status_sync",
	"out_trade_no":     "ORDER-1",
	"passback_params":  "shop=1&page=2",
	"point_amount":     "0.00",
	"receipt_amount":   "88.88",
	"seller_email":     "shop@example.com",
	"seller_id":        sellerID,
	"subject":          "鞋 + 帽子",
	"total_amount":     "88.88",
	"trade_no":         "2026010122001400000000000001",
	"trade_status":     "TRADE_SUCCESS",
	"version":          "1.0",
}

var partialRefund = payment.with(fields{
	"buyer_pay_amount": "", "receipt_amount": "", "point_amount": "", "invoice_amount": "", "fund_bill_list": "",
	"gmt_refund": "2026-01-02 09:00:00.123", "refund_fee": "8.88", "out_biz_no": "R-1",
})

var fullRefund = partialRefund.with(fields{
	"refund_fee": "88.88", "trade_status": "TRADE_CLOSED", "gmt_close": "2026-01-02 09:00:00",
})

var couponRefund = fields{
	"app_id":         appID,
	"notify_id":      notifyID,
	"notify_time":    "2026-01-01 10:00:06",
	"notify_type":    "fund_stdtrustee_refund.success",
	"auth_no":        "2026010110002001000000000001",
	"out_order_no":   "PACKET-1",
	"operation_id":   "20260101000000000001",
	"out_request_no": "R-1",
	"operation_type": "REFUND",
	"amount":         "0.01",
	"status":         "SUCCESS",
	"gmt_create":     "2026-01-01 10:00:00",
	"gmt_trans":      "2026-01-01 10:00:01",
	"payer_user_id":  "2088000000000009",
}

// unfreeze has the fields of a signed capture.
var unfreeze = couponRefund.with(fields{
	"auth_app_id":           appID,
	"charset":               "utf-8",
	"version":               "1.0",
	"notify_type":           "fund_auth_unfreeze",
	"out_order_no":          "DEPOSIT-1",
	"operation_type":        "UNFREEZE",
	"amount":                "200.00",
	"payer_logon_id":        "158****0000",
	"rest_amount":           "300.00",
	"total_freeze_amount":   "500.00",
	"total_pay_amount":      "0.00",
	"total_unfreeze_amount": "200.00",
})

// sample is the notice that Alipay's page on alipay.fund.coupon.order.refund
// prints, literal nulls and all.
var sample = fields{
	"notify_type":    "fund_stdtrustee_refund.success",
	"notify_id":      "91722adff935e8cfa58b3aabf4dead6ibe",
	"notify_time":    "2017-02-16 21:46:15",
	"auth_no":        "null",
	"out_order_no":   "null",
	"operation_id":   "null",
	"out_request_no": "null",
	"operation_type": "REFUND",
	"amount":         "退款金额",
	"status":         "null",
	"gmt_create":     "null",
	"gmt_trans":      "null",
	"payer_logon_id": "null",
	"payer_user_id":  "null",
}
