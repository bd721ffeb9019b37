package forgery_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"

	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/alirefund/alirefund/internal/shoptest"
	"github.com/alirefund/alirefund/signer"
)

// What answers a hostile notice.
const (
	refused = "notification_refused"
	forged  = "notification_forged"
	notOurs = "notification_not_ours"
)

// The signature, and who made it of what.
var signatureNotices = []hostileNotice{
	{named: "another platform key", body: func(f shoptest.Forger) string { return f.By(shoptest.Signature, shoptest.Stranger()) }, status: 403, code: forged},
	{named: "the application's own key", body: func(f shoptest.Forger) string {
		sign, _ := f.Shop.Config.App.Signer.Sign([]byte(f.Text(signer.WithoutSignType)))
		return f.With("sign", sign)
	}, status: 403, code: forged},
	{named: "SHA1 called RSA2", body: func(f shoptest.Forger) string { return f.By(signatureSHA1, shoptest.Insider()) }, status: 403, code: forged},
	{named: "SHA1 called RSA", body: func(f shoptest.Forger) string { return f.By(signatureSHA1, shoptest.Insider(), "sign_type", "RSA") }, status: 400, code: refused},
	{named: "SHA512", body: func(f shoptest.Forger) string { return f.By(signatureSHA512, shoptest.Insider()) }, status: 403, code: forged},
	{named: "PSS", body: func(f shoptest.Forger) string { return f.By(signaturePSS, shoptest.Insider()) }, status: 403, code: forged},
	{named: "digest of a digest", body: func(f shoptest.Forger) string { return f.By(signatureTwice, shoptest.Insider()) }, status: 403, code: forged},
	{named: "fields in another order", body: func(f shoptest.Forger) string {
		parts := strings.Split(f.Text(signer.WithoutSignType), "&")
		parts[0], parts[1] = parts[1], parts[0]
		return f.With("sign", shoptest.Signature(shoptest.Insider(), strings.Join(parts, "&")))
	}, status: 403, code: forged},
	{named: "the encoded form", body: func(f shoptest.Forger) string {
		return f.With("sign", shoptest.Signature(shoptest.Insider(), f.With("sign", "-")))
	}, status: 403, code: forged},
	{named: "no text", body: func(f shoptest.Forger) string { return f.With("sign", shoptest.Signature(shoptest.Insider(), "")) }, status: 403, code: forged},
	{named: "another genuine notice's", body: func(f shoptest.Forger) string {
		return f.With("sign", f.Shop.Forger(shoptest.Changed(f.Base, "notify_id", "2")).Sign())
	}, status: 403, code: forged},

	{named: "sign_type RSA", body: func(f shoptest.Forger) string { return f.With("sign_type", "RSA") }, status: 400, code: refused},
	{named: "sign_type rsa2", body: func(f shoptest.Forger) string { return f.With("sign_type", "rsa2") }, status: 400, code: refused},
	{named: "sign_type with a blank", body: func(f shoptest.Forger) string { return f.With("sign_type", "RSA2 ") }, status: 400, code: refused},
	{named: "sign_type SM2", body: func(f shoptest.Forger) string { return f.With("sign_type", "SM2") }, status: 400, code: refused},
	{named: "sign_type none, no sign", body: func(f shoptest.Forger) string { return f.With("sign_type", "none", "sign", "-") }, status: 400, code: refused},
	{named: "sign_type absent", body: func(f shoptest.Forger) string { return f.With("sign_type", "-") }, status: 400, code: refused},
	{named: "sign_type empty", body: func(f shoptest.Forger) string { return f.With("sign_type", "") }, status: 400, code: refused},
	{named: "sign_type null", body: func(f shoptest.Forger) string { return f.With("sign_type", "null") }, status: 400, code: refused},

	{named: "sign absent", body: func(f shoptest.Forger) string { return f.With("sign", "-") }, status: 400, code: refused},
	{named: "sign empty", body: func(f shoptest.Forger) string { return f.With("sign", "") }, status: 400, code: refused},
	{named: "sign null", body: func(f shoptest.Forger) string { return f.With("sign", "null") }, status: 403, code: forged},
	{named: "sign of zeros", body: func(f shoptest.Forger) string {
		return f.With("sign", base64.StdEncoding.EncodeToString(make([]byte, 256)))
	}, status: 403, code: forged},
	{named: "sign in hexadecimal", body: func(f shoptest.Forger) string {
		raw, _ := base64.StdEncoding.DecodeString(f.Sign())
		return f.With("sign", hex.EncodeToString(raw))
	}, status: 403, code: forged},
	{named: "sign with line breaks", body: func(f shoptest.Forger) string { return f.With("sign", f.Sign()[:76]+"\r\n"+f.Sign()[76:]) }, status: 403, code: forged},
	{named: "sign with a line break behind", body: func(f shoptest.Forger) string { return f.With("sign", f.Sign()+"\n") }, status: 403, code: forged},
	{named: "sign without padding", body: func(f shoptest.Forger) string { return f.With("sign", strings.TrimRight(f.Sign(), "=")) }, status: 403, code: forged},
	{named: "sign with spare bits set", body: func(f shoptest.Forger) string { return f.With("sign", spareBits(f.Sign())) }, status: 403, code: forged},
	{named: "sign doubled", body: func(f shoptest.Forger) string { return f.With("sign", f.Sign()+f.Sign()) }, status: 403, code: forged},
	{named: "sign of the other alphabet", body: func(f shoptest.Forger) string { return f.With("sign", urlSafe(f.Sign())) }, status: 403, code: forged},
	{named: "sign whose + became a blank", body: func(f shoptest.Forger) string {
		for n := 0; !strings.Contains(f.Sign(), "+"); n++ { // one signature in two hundred has none
			f = f.Shop.Forger(shoptest.Changed(f.Base, "notify_id", strconv.Itoa(n)))
		}
		return strings.Replace(f.With("sign", "SIGN"), "SIGN", strings.NewReplacer("/", "%2F", "=", "%3D").Replace(f.Sign()), 1)
	}, status: 403, code: forged},
}

// spareBits sets bits of the last letter that no byte has.
func spareBits(sign string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	last := len(sign) - 3 // 256 bytes end in two =
	return sign[:last] + string(alphabet[strings.IndexByte(alphabet, sign[last])|1]) + sign[last+1:]
}

func urlSafe(sign string) string { return strings.NewReplacer("+", "-", "/", "_").Replace(sign) }

// A field changed, dropped or added.
var contentNotices = []hostileNotice{
	{named: "refund_fee raised", body: func(f shoptest.Forger) string { return f.With("refund_fee", "9.88") }, status: 403, code: forged},
	{named: "refund_fee written otherwise", body: func(f shoptest.Forger) string { return f.With("refund_fee", "8.880") }, status: 403, code: forged},
	{named: "refund_fee in full-width digits", body: func(f shoptest.Forger) string { return f.With("refund_fee", "８.８８") }, status: 403, code: forged},
	{named: "total_amount lowered", body: func(f shoptest.Forger) string { return f.With("total_amount", "8.88") }, status: 403, code: forged},
	{named: "out_biz_no moved", body: func(f shoptest.Forger) string { return f.With("out_biz_no", "R2") }, status: 403, code: forged},
	{named: "out_biz_no in another case", body: func(f shoptest.Forger) string { return f.With("out_biz_no", "r1") }, status: 403, code: forged},
	{named: "out_biz_no with a blank", body: func(f shoptest.Forger) string { return f.With("out_biz_no", "R1 ") }, status: 403, code: forged},
	{named: "out_biz_no emptied", body: func(f shoptest.Forger) string { return f.With("out_biz_no", "") }, status: 403, code: forged},
	{named: "out_biz_no null", body: func(f shoptest.Forger) string { return f.With("out_biz_no", "null") }, status: 403, code: forged},
	{named: "out_biz_no dropped", body: func(f shoptest.Forger) string { return f.With("out_biz_no", "-") }, status: 403, code: forged},
	{named: "out_trade_no moved", body: func(f shoptest.Forger) string { return f.With("out_trade_no", "4100000000000017") }, status: 403, code: forged},
	{named: "trade_status changed", body: func(f shoptest.Forger) string { return f.With("trade_status", "TRADE_CLOSED") }, status: 403, code: forged},
	{named: "notify_id replaced", body: func(f shoptest.Forger) string { return f.With("notify_id", "1") }, status: 403, code: forged},
	{named: "notify_id dropped", body: func(f shoptest.Forger) string { return f.With("notify_id", "-") }, status: 403, code: forged},
	{named: "notify_time added", body: func(f shoptest.Forger) string { return f.With("notify_time", "2026-11-22 10:00:00") }, status: 403, code: forged},
	{named: "a null added", body: func(f shoptest.Forger) string { return f.With("extra", "null") }, status: 403, code: forged},
	{named: "a refund made a payment", body: func(f shoptest.Forger) string {
		return f.With("gmt_refund", "-", "refund_fee", "0.00", "out_biz_no", "-")
	}, status: 403, code: forged},
	{named: "a payment made a refund", base: shoptest.PaymentNotice("p1"), body: func(f shoptest.Forger) string {
		return f.With("gmt_refund", "2026-11-22 10:00:00", "out_biz_no", "R1")
	}, status: 403, code: forged},
	{named: "a red packet's amount changed", base: shoptest.CouponNotice(nil), body: func(f shoptest.Forger) string { return f.With("amount", "100.00") }, status: 403, code: forged},
	{named: "a red packet's status changed", base: shoptest.CouponNotice(nil), body: func(f shoptest.Forger) string { return f.With("status", "") }, status: 403, code: forged},
	{named: "a NUL in a value", body: func(f shoptest.Forger) string { return f.With("out_biz_no", "R1\x00") }, status: 403, code: forged},
	{named: "an over-long UTF-8", body: func(f shoptest.Forger) string { return f.With("refund_fee", "\xc0\xb8.88") }, status: 403, code: forged},
	{named: "charset dropped", body: func(f shoptest.Forger) string { return f.With("charset", "-") }, status: 403, code: forged},
	{named: "charset changed", body: func(f shoptest.Forger) string { return f.With("charset", "GBK") }, status: 403, code: forged},
	{named: "GBK made UTF-8 by a proxy", base: shoptest.Changed(shoptest.RefundNotice(nil), "charset", "GBK", "subject", gbk("图书")), body: func(f shoptest.Forger) string {
		return f.With("subject", "图书")
	}, status: 403, code: forged},
	{named: "UTF-8 made GBK by a proxy", base: shoptest.Changed(shoptest.RefundNotice(nil), "subject", "图书"), body: func(f shoptest.Forger) string {
		return f.With("subject", gbk("图书"))
	}, status: 403, code: forged},
}

func gbk(text string) string {
	encoded, err := simplifiedchinese.GBK.NewEncoder().String(text)
	if err != nil {
		panic(err)
	}
	return encoded
}

// Signed by Alipay, for somebody else or for no notification.
var foreignNotices = []hostileNotice{
	{named: "another application's", body: func(f shoptest.Forger) string { return f.Signed("app_id", "2021000000000002") }, status: 403, code: notOurs},
	{named: "another application's, ours put in", body: func(f shoptest.Forger) string {
		other := f.Shop.Forger(shoptest.Changed(f.Base, "app_id", "2021000000000002"))
		return other.With("app_id", "2021000000000001")
	}, status: 403, code: forged},
	{named: "no application's", body: func(f shoptest.Forger) string { return f.Signed("app_id", "-") }, status: 403, code: notOurs},
	{named: "application empty", body: func(f shoptest.Forger) string { return f.Signed("app_id", "") }, status: 403, code: notOurs},
	{named: "application null", body: func(f shoptest.Forger) string { return f.Signed("app_id", "null") }, status: 403, code: notOurs},
	{named: "application with a blank", body: func(f shoptest.Forger) string { return f.Signed("app_id", "2021000000000001 ") }, status: 403, code: notOurs},
	{named: "application under a key in capitals", body: func(f shoptest.Forger) string { return f.Signed("app_id", "-", "APP_ID", "2021000000000001") }, status: 403, code: notOurs},
	{named: "another application's, capitals are ours", body: func(f shoptest.Forger) string {
		return f.Signed("app_id", "2021000000000002", "App_Id", "2021000000000001")
	}, status: 403, code: notOurs},
	{named: "another seller's", body: func(f shoptest.Forger) string { return f.Signed("seller_id", "2088000000000002") }, status: 403, code: notOurs},
	{named: "another seller's address", body: func(f shoptest.Forger) string { return f.Signed("seller_id", "-", "seller_email", "a@b.test") }, status: 403, code: notOurs},
	{named: "another application's red packet", base: shoptest.CouponNotice(nil), body: func(f shoptest.Forger) string { return f.Signed("app_id", "2021000000000002") }, status: 403, code: notOurs},
	{named: "a red packet of another's authorization", base: shoptest.CouponNotice(nil), body: func(f shoptest.Forger) string {
		return f.Signed("app_id", "-", "auth_app_id", "2021000000000002")
	}, status: 403, code: notOurs},
	{named: "a return_url's query", body: func(f shoptest.Forger) string {
		return f.Signed("notify_id", "-", "notify_type", "-", "method", "alipay.trade.page.pay.return")
	}, status: 400, code: refused},
	{named: "a return_url's query with an id", body: func(f shoptest.Forger) string { return f.Signed("method", "alipay.trade.wap.pay.return") }, status: 400, code: refused},
	{named: "a return_url's query, its id added", body: func(f shoptest.Forger) string {
		other := f.Shop.Forger(shoptest.Changed(f.Base, "notify_id", "-", "method", "alipay.trade.page.pay.return"))
		return other.With("notify_id", f.Base["notify_id"])
	}, status: 403, code: forged},
	{named: "notify_id null", body: func(f shoptest.Forger) string { return f.Signed("notify_id", "null") }, status: 400, code: refused},
	{named: "notify_id of a page", body: func(f shoptest.Forger) string { return f.Signed("notify_id", strings.Repeat("7", 129)) }, status: 400, code: refused},
	{named: "notify_id of two words", body: func(f shoptest.Forger) string { return f.Signed("notify_id", "1 2") }, status: 400, code: refused},
	{named: "GBK called UTF-8 in a number", body: func(f shoptest.Forger) string { return f.Signed("out_biz_no", gbk("退款")) }, status: 400, code: refused},
	{named: "half a character of GBK in a number", body: func(f shoptest.Forger) string { return f.Signed("charset", "GBK", "out_biz_no", "R1\xcd") }, status: 400, code: refused},
	{named: "an unknown charset", body: func(f shoptest.Forger) string { return f.Signed("charset", "utf-7") }, status: 400, code: refused},
}

// Fields that somebody moved into the value of another: the signed text is the
// same.
var hiddenNotices = []hostileNotice{
	{named: "app_id in amount", base: shoptest.CouponNotice(nil), body: func(f shoptest.Forger) string {
		other := f.Shop.Forger(shoptest.Changed(f.Base, "app_id", "2021000000000002"))
		return other.With("amount", "1.00&app_id=2021000000000002", "app_id", "-")
	}, status: 403, code: forged},
	{named: "seller_id in refund_fee", body: func(f shoptest.Forger) string {
		other := f.Shop.Forger(shoptest.Changed(f.Base, "seller_id", "2088000000000002"))
		return other.With("refund_fee", "8.88&seller_id=2088000000000002", "seller_id", "-")
	}, status: 403, code: forged},
	{named: "gmt_refund in charset", body: func(f shoptest.Forger) string {
		return f.With("charset", "UTF-8&gmt_refund="+f.Base["gmt_refund"], "gmt_refund", "-")
	}, status: 403, code: forged},
	{named: "refund_fee in out_trade_no", body: func(f shoptest.Forger) string {
		return f.With("out_trade_no", shoptest.Order+"&refund_fee=8.88", "refund_fee", "-")
	}, status: 403, code: forged},
	{named: "out_biz_no in notify_type", body: func(f shoptest.Forger) string {
		return f.With("notify_type", "trade_status_sync&out_biz_no=R1", "out_biz_no", "-")
	}, status: 403, code: forged},
	{named: "the number and more in notify_type", body: func(f shoptest.Forger) string {
		return f.With("notify_type", "trade_status_sync&out_biz_no=R1&out_trade_no="+shoptest.Order, "out_biz_no", "-", "out_trade_no", "-")
	}, status: 403, code: forged},
	{named: "status in out_request_no", base: shoptest.CouponNotice(nil), body: func(f shoptest.Forger) string {
		other := f.Shop.Forger(shoptest.Changed(f.Base, "status", "CLOSED"))
		return other.With("out_request_no", "C1&status=CLOSED", "status", "-")
	}, status: 403, code: forged},
	{named: "msg_method in charset", body: func(f shoptest.Forger) string {
		other := f.Shop.Forger(shoptest.Changed(f.Base, "msg_method", "alipay.test", "gmt_refund", "-"))
		return other.With("charset", "UTF-8&msg_method=alipay.test", "msg_method", "-")
	}, status: 403, code: forged},
	{named: "method in charset", body: func(f shoptest.Forger) string {
		other := f.Shop.Forger(shoptest.Changed(f.Base, "method", "alipay.trade.page.pay.return", "gmt_refund", "-"))
		return other.With("charset", "UTF-8&method=alipay.trade.page.pay.return", "method", "-")
	}, status: 403, code: forged},
}

func signatureSHA512(key *rsa.PrivateKey, text string) string {
	digest := sha512.Sum512([]byte(text))
	return shoptest.Pkcs1(key, crypto.SHA512, digest[:])
}

// signatureTwice signs the digest of a digest.
func signatureTwice(key *rsa.PrivateKey, text string) string {
	digest := sha256.Sum256([]byte(text))
	return shoptest.Signature(key, string(digest[:]))
}
