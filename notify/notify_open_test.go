package notify_test

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/alirefund/alirefund/notify"
	"github.com/alirefund/alirefund/signer"
)

type refusedBody struct {
	name string
	body []byte
	want error
	says string
}

// refused are bodies that no receiver takes, and what each error says.
var refused = func(t *testing.T) []refusedBody {
	genuine := payment.signed(t, signer.WithoutSignType)
	return []refusedBody{
		{"nothing", nil, notify.ErrMalformed, "empty"},
		{"separators alone", []byte("&&&"), notify.ErrSignType, "missing"},
		{"JSON", []byte(`{"app_id":"1"}`), notify.ErrMalformed, "field 1"},
		{"half a percent", append(genuine.encode(), "&x=%4"...), notify.ErrMalformed, "x has"},
		{"no hexadecimal", append(genuine.encode(), "&x=%zz"...), notify.ErrMalformed, "x has"},
		{"a semicolon", append(genuine.encode(), "&x=1;y=2"...), notify.ErrMalformed, "x has"},
		{"no key", append(genuine.encode(), "&=1"...), notify.ErrMalformed, "is not a name"},
		{"a key that is none", append(genuine.encode(), "&a%3Db=1"...), notify.ErrMalformed, "is not a name"},
		{"a long key", append(genuine.encode(), "&"+strings.Repeat("k", 65)+"=1"...), notify.ErrMalformed, "is not a name"},
		{"too many fields", append(genuine.encode(), many(129)...), notify.ErrMalformed, "128"},
		{"too large", append(genuine.encode(), "&x="+strings.Repeat("x", notify.MaxBody)...), notify.ErrTooLarge, "65536"},
		{"a key twice", append(genuine.encode(), "&out_trade_no=ORDER-2"...), notify.ErrDuplicateKey, "out_trade_no"},
		{"a key twice, encoded", append(genuine.encode(), "&out%5Ftrade_no=ORDER-1"...), notify.ErrDuplicateKey, "out_trade_no"},
		{"a key twice, empty", append(genuine.encode(), "&out_trade_no="...), notify.ErrDuplicateKey, "out_trade_no"},
		{"sign twice", append(genuine.encode(), "&sign=x"...), notify.ErrDuplicateKey, "sign"},
		{"sign_type twice", append(genuine.encode(), "&sign_type=RSA2"...), notify.ErrDuplicateKey, "sign_type"},

		{"no sign_type", genuine.with(fields{"sign_type": ""}).encode(), notify.ErrSignType, "missing"},
		{"SHA1", payment.signedSHA1(t).encode(), notify.ErrSignType, "SHA1"},
		{"genuine, but said to be SHA1", genuine.with(fields{"sign_type": "RSA"}).encode(), notify.ErrSignType, "SHA1"},
		{"other letters", genuine.with(fields{"sign_type": "rsa2"}).encode(), notify.ErrSignType, "neither"},
		{"no algorithm", genuine.with(fields{"sign_type": "none"}).encode(), notify.ErrSignType, "neither"},
		{"no sign", genuine.with(fields{"sign": ""}).encode(), notify.ErrNoSignature, "sign"},
		{"sign that is no base64", genuine.with(fields{"sign": "!"}).encode(), notify.ErrSignature, ""},
		{"sign with blanks for its plusses", []byte(strings.ReplaceAll(plusSigned(t), "%2B", "+")), notify.ErrSignature, ""},
		{"decoded twice", genuine.with(fields{"subject": "鞋   帽子"}).encode(), notify.ErrSignature, ""},
		{"a field added", genuine.with(fields{"refund_fee": "88.88"}).encode(), notify.ErrSignature, ""},
		{"a field taken away", genuine.with(fields{"seller_id": ""}).encode(), notify.ErrSignature, ""},
		{"a field emptied", []byte(strings.Replace(string(genuine.encode()), "version=1.0", "version=", 1)), notify.ErrSignature, ""},

		{"unknown charset", payment.with(fields{"charset": "latin1"}).post(t), notify.ErrCharset, "neither UTF-8 nor GBK"},
		{"identifier that is no UTF-8", payment.with(fields{"out_trade_no": "\xff"}).post(t), notify.ErrCharset, "out_trade_no"},
		{"identifier that is no GBK", payment.with(fields{"charset": "GBK", "out_trade_no": "\xff"}).post(t), notify.ErrCharset, "out_trade_no"},

		{"no notify_id", payment.with(fields{"notify_id": ""}).post(t), notify.ErrNoID, "missing"},
		{"null notify_id", payment.with(fields{"notify_id": "null"}).post(t), notify.ErrNoID, "missing"},
		{"long notify_id", payment.with(fields{"notify_id": strings.Repeat("1", 129)}).post(t), notify.ErrNoID, "128"},
		{"notify_id with a blank", payment.with(fields{"notify_id": "1 2"}).post(t), notify.ErrNoID, "blank"},
		{"notify_id with a line break", payment.with(fields{"notify_id": "1\n2"}).post(t), notify.ErrNoID, "blank"},
		{"notify_id of other characters", payment.with(fields{"notify_id": "一二"}).post(t), notify.ErrNoID, "ASCII"},
		{"return_url", payment.with(fields{"method": "alipay.trade.page.pay.return"}).post(t), notify.ErrNoID, "return_url"},

		{"another application", payment.with(fields{"app_id": "2021000000000002"}).post(t), notify.ErrNotOurs, `app_id is "2021000000000002"`},
		{"an application's beginning", payment.with(fields{"app_id": appID[:15]}).post(t), notify.ErrNotOurs, "app_id is"},
		{"no application", payment.with(fields{"app_id": ""}).post(t), notify.ErrNotOurs, "app_id is missing"},
		{"no application, a number of the fund's alone", payment.with(fields{"app_id": "", "auth_no": "1"}).post(t), notify.ErrNotOurs, "app_id is missing"},
		{"another application's pre-authorisation", unfreeze.with(fields{"app_id": "2021000000000002"}).post(t), notify.ErrNotOurs, "app_id is"},
		{"another application authorised by ours", couponRefund.with(fields{"app_id": "null", "auth_app_id": "2021000000000002"}).post(t), notify.ErrNotOurs, "auth_app_id"},
		{"another seller", payment.with(fields{"seller_id": "2088000000000002"}).post(t), notify.ErrNotOurs, "seller_id"},
		{"another seller, by e-mail", payment.with(fields{"seller_id": ""}).post(t), notify.ErrNotOurs, "seller_email"},
	}
}

func TestOpenRefuses(t *testing.T) {
	genuine := payment.signed(t, signer.WithoutSignType)
	for _, test := range refused(t) {
		t.Run(test.name, func(t *testing.T) {
			n, err := receiver(t).Open(test.body)
			if !errors.Is(err, test.want) || n != nil {
				t.Fatalf("got %v, %v; want %v", n, err, test.want)
			}
			if !strings.Contains(err.Error(), test.says) {
				t.Errorf("%q does not say %q", err, test.says)
			}
			if errors.Is(err, notify.ErrSignature) != errors.Is(err, signer.ErrSignature) {
				t.Errorf("%v: signer.ErrSignature belongs to notify.ErrSignature alone", err)
			}
			for _, secret := range []string{"abc***", "2088", "鞋", "ORDER-", genuine["sign"]} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("%q repeats a value", err)
				}
			}
		})
	}
}

func many(n int) []byte {
	var body []byte
	for i := range n {
		body = fmt.Appendf(body, "&k%d=1", i)
	}
	return body
}

// plusSigned is a genuine body whose signature has a plus.
func plusSigned(t *testing.T) string {
	for i := 0; ; i++ {
		f := payment.with(fields{"version": fmt.Sprint(i)}).signed(t, signer.WithoutSignType)
		if strings.Contains(f["sign"], "+") {
			return string(f.encode())
		}
	}
}

func TestOpenAccepts(t *testing.T) {
	for _, test := range []struct {
		name string
		body []byte
		key  string
		want string
	}{
		{"plus and percent", payment.post(t), "subject", "鞋 + 帽子"},
		{"a value with a form in it", payment.post(t), "passback_params", "shop=1&page=2"},
		{"percent signs that are text", payment.with(fields{"passback_params": "a%2526b%26c+d%2B"}).post(t), "passback_params", "a%2526b%26c+d%2B"},
		{"unknown field", payment.with(fields{"brand_new": "1"}).post(t), "brand_new", "1"},
		{"escaped slash", payment.with(fields{"body": `https:\/\/x`}).post(t), "body", `https:\/\/x`},
		{"order and spelling do not matter", append([]byte("&&"), strings.ReplaceAll(string(payment.post(t)), "%E9%9E%8B", "%e9%9E%8b")...), "subject", "鞋 + 帽子"},
		{"128 fields", append(payment.signed(t, signer.WithoutSignType).encode(), manyEmpty(128-27)...), "k1", ""},
		{"V2", payment.signed(t, 0).encode(), "out_trade_no", "ORDER-1"},
		{"empty values, signed", empties(payment, "promo_id").signed(t, signer.WithoutSignType).encode(), "promo_id", ""},
		{"empty values, not signed", empties(payment, "promo_id").signed(t, signer.WithoutSignType|signer.WithoutEmpty).encode(), "promo_id", ""},
		{"empty value with no equals sign", append(payment.post(t), "&promo_id"...), "promo_id", ""},
		{"literal null", payment.with(fields{"promo_id": "null"}).post(t), "promo_id", ""},
		{"null within a text", payment.with(fields{"promo_id": "nullx"}).post(t), "promo_id", "nullx"},
		{"no charset", payment.with(fields{"charset": ""}).post(t), "subject", "鞋 + 帽子"},
		{"UTF8", payment.with(fields{"charset": "UTF8"}).post(t), "subject", "鞋 + 帽子"},
		{"gbk", gbk(t, payment, "gbk").post(t), "subject", "鞋 + 帽子"},
		{"GBK", gbk(t, payment, "GBK").post(t), "body", "一双鞋 & 一顶帽子"},
		{"gb2312", gbk(t, payment, "gb2312").post(t), "subject", "鞋 + 帽子"},
		{"GB18030", gbk(t, payment, "GB18030").post(t), "subject", "鞋 + 帽子"},
		{"text cut off within a character", payment.with(fields{"subject": "鞋\xe9\x9e"}).post(t), "subject", "鞋\ufffd"},
		{"text cut off within a GBK character", payment.with(fields{"charset": "GBK", "subject": "\xd0\xac\xd0"}).post(t), "subject", "鞋\ufffd"},
		{"buyer cut off within a character", payment.with(fields{"buyer_logon_id": "张\xe4"}).post(t), "buyer_logon_id", "张\ufffd"},
		{"buyer in a GBK that nobody names", payment.with(fields{"buyer_logon_id": "\xce\xd2***"}).post(t), "buyer_logon_id", "\ufffd***"},
		{"seller by e-mail", payment.with(fields{"seller_id": "null", "seller_email": sellerID}).post(t), "seller_id", ""},
		{"no seller", payment.with(fields{"seller_id": "", "seller_email": ""}).post(t), "seller_id", ""},
		{"red packet without an application", couponRefund.with(fields{"app_id": ""}).post(t), "out_request_no", "R-1"},
		{"red packet without an application, by its facts", couponRefund.with(fields{"app_id": "null", "notify_type": "trade_status_sync"}).post(t), "out_request_no", "R-1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			n, err := receiver(t).Open(test.body)
			if err != nil {
				t.Fatal(err)
			}
			if got := n.Get(test.key); got != test.want {
				t.Errorf("%s is %q, want %q", test.key, got, test.want)
			}
			for key, value := range n.Fields() {
				if value == "" || value == "null" || key == "sign" || key == "sign_type" {
					t.Errorf("%s=%q is among the fields", key, value)
				}
			}
		})
	}
}

func manyEmpty(n int) []byte { return []byte(strings.ReplaceAll(string(many(n)), "=1", "=")) }

func empties(f fields, keys ...string) fields {
	f = maps.Clone(f)
	for _, key := range keys {
		f[key] = ""
	}
	return f
}

// gbk returns f with the bytes that Alipay signs and sends for that charset.
func gbk(t *testing.T, f fields, name string) fields {
	t.Helper()
	f = f.with(fields{"charset": name})
	for key, value := range f {
		encoded, err := simplifiedchinese.GBK.NewEncoder().String(value)
		if err != nil {
			t.Fatal(err)
		}
		f[key] = encoded
	}
	return f
}

// Under the rule that leaves empty values out of the text, anybody can add them.
func TestEmptyValuesAreAbsent(t *testing.T) {
	body := append(payment.post(t), "&gmt_refund=&refund_fee=&auth_no&operation_type=&msg_method=&method="...)
	n, err := receiver(t).Open(body)
	if err != nil {
		t.Fatal(err)
	}
	if n.Kind != notify.KindPayment || n.Get("gmt_refund") != "" {
		t.Errorf("kind %s: an empty value counted", n.Kind)
	}
}

// A signed text does not say where its values end, so that the holder of one
// notice could write others with the same signature.
func TestHiddenFields(t *testing.T) {
	theirs := couponRefund.with(fields{"app_id": "2021000000000002", "auth_app_id": "2021000000000002"}).signed(t, signer.WithoutSignType)
	swallowed := theirs.with(fields{"app_id": "", "auth_app_id": "", "amount": "0.01&app_id=2021000000000002&auth_app_id=2021000000000002"})
	refund := partialRefund.signed(t, signer.WithoutSignType)
	for _, test := range []struct {
		name string
		body []byte
		says string
	}{
		{"the application", swallowed.encode(), "app_id in amount"},
		{"the application, behind an added key", empties(swallowed, "amounts", "an").encode(), "app_id in amount"},
		{"the refund", refund.with(fields{"gmt_refund": "", "refund_fee": "", "out_biz_no": "", "seller_email": "", "seller_id": "", "out_trade_no": "", "passback_params": "", "notify_time": "", "notify_type": "", "gmt_payment": "2026-01-01 10:00:05&gmt_refund=2026-01-02 09:00:00.123"}).encode(), ""},
		{"the refund's time", refund.with(fields{"gmt_refund": "", "gmt_payment": refund["gmt_payment"] + "&gmt_refund=" + refund["gmt_refund"]}).encode(), "gmt_refund in gmt_payment"},
		{"the seller", refund.with(fields{"seller_id": "", "seller_email": refund["seller_email"] + "&seller_id=" + sellerID}).encode(), "seller_id in seller_email"},
		{"behind sign_type", refund.with(fields{"seller_id": "", "trade_status": "", "trade_no": "", "subject": "", "total_amount": "", "seller_email": strings.Join([]string{refund["seller_email"], "seller_id=" + sellerID, "subject=" + refund["subject"], "total_amount=88.88", "trade_no=" + refund["trade_no"], "trade_status=TRADE_SUCCESS"}, "&")}).encode(), "in seller_email"},
	} {
		t.Run(test.name, func(t *testing.T) {
			want := notify.ErrHidden
			if test.says == "" {
				want = notify.ErrSignature // moved, but not to where it was signed
			}
			_, err := receiver(t).Open(test.body)
			if !errors.Is(err, want) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v, want %v: %s", err, want, test.says)
			}
		})
	}
	t.Run("a name without a value is no field", func(t *testing.T) {
		if _, err := receiver(t).Open(payment.with(fields{"gmt_payment": "x&gmt_refund"}).post(t)); err != nil {
			t.Error(err)
		}
	})
	t.Run("a merchant's own form is no field", func(t *testing.T) {
		for _, value := range []string{
			"a=1&out_trade_no=ORDER-2", // would have been signed before
			"a=1&seller_id=2",          // would have been signed after point_amount
			"a=1&pb=2",                 // nothing that is acted upon
			"refund_fee=1", "a&refund_fee", "a&",
		} {
			n, err := receiver(t).Open(payment.with(fields{"passback_params": value}).post(t))
			if err != nil || n.Get("passback_params") != value {
				t.Errorf("%q: %v", value, err)
			}
		}
	})
}

func TestSHA1ByItsLongNameOnly(t *testing.T) {
	rc := &notify.Receiver{Verifier: sha1Verifier(t), AppID: appID}
	for _, test := range []struct {
		name string
		body []byte
		want error
	}{
		{"SHA1", payment.signedSHA1(t).encode(), nil},
		{"RSA2", payment.post(t), nil},
		{"RSA2 said to be SHA1", payment.signed(t, signer.WithoutSignType).with(fields{"sign_type": "RSA"}).encode(), notify.ErrSignature},
		{"SHA1 said to be RSA2", payment.signedSHA1(t).with(fields{"sign_type": "RSA2"}).encode(), notify.ErrSignature},
		{"red packet without an application", couponRefund.with(fields{"app_id": ""}).signedSHA1(t).encode(), notify.ErrNotOurs},
		{"the same by RSA2", couponRefund.with(fields{"app_id": ""}).post(t), nil},
		{"no sign_type", payment.signed(t, signer.WithoutSignType).with(fields{"sign_type": ""}).encode(), notify.ErrSignType},
	} {
		if _, err := rc.Open(test.body); !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", test.name, err, test.want)
		}
	}
}

func TestReceiverWithoutItsPartsRefuses(t *testing.T) {
	rsa2, sha1 := couponRefund.with(fields{"app_id": ""}).post(t), couponRefund.signedSHA1(t).encode()
	for _, test := range []struct {
		name string
		rc   *notify.Receiver
		want error
	}{
		{"nil", nil, notify.ErrNotOurs},
		{"zero", &notify.Receiver{}, notify.ErrNotOurs},
		{"no application", &notify.Receiver{Verifier: verifier(t)}, notify.ErrNotOurs},
		{"no verifier", &notify.Receiver{AppID: appID}, notify.ErrSignature},
	} {
		for _, body := range [][]byte{rsa2, sha1} {
			if _, err := test.rc.Open(body); !errors.Is(err, test.want) {
				t.Errorf("%s: got %v, want %v", test.name, err, test.want)
			}
		}
	}
}

func TestSellers(t *testing.T) {
	rc := receiver(t)
	rc.SellerIDs = nil
	if _, err := rc.Open(payment.with(fields{"seller_id": "2088000000000002"}).post(t)); err != nil {
		t.Errorf("any seller: %v", err)
	}
	rc.SellerIDs = []string{"2088000000000002", "shop@example.com"}
	if _, err := rc.Open(payment.with(fields{"seller_id": ""}).post(t)); err != nil {
		t.Errorf("a seller's e-mail: %v", err)
	}
	// The id is what counts when both are there.
	if _, err := rc.Open(payment.post(t)); !errors.Is(err, notify.ErrNotOurs) {
		t.Errorf("another id beside an accepted e-mail: got %v, want %v", err, notify.ErrNotOurs)
	}
}

func TestNotificationOutlivesTheBody(t *testing.T) {
	body := payment.post(t)
	n, err := receiver(t).Open(body)
	if err != nil {
		t.Fatal(err)
	}
	clear(body)
	if !maps.Equal(maps.Collect(n.Fields()), payment) || n.ID != notifyID {
		t.Error("the notification changed with the body")
	}
}

// What was repaired is kept as it was signed.
func TestRaw(t *testing.T) {
	n, err := receiver(t).Open(payment.with(fields{"buyer_logon_id": "张\xe4"}).post(t))
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{"buyer_logon_id": "张\xe4", "out_trade_no": n.OutTradeNo(), "absent": ""} {
		if got := n.Raw(key); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
}
