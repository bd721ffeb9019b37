package conformance

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/alirefund/alirefund/signer"
)

// notice is one as it is posted, and what of it is signed.
type notice struct {
	alipay     *counterpart
	form, sign string
	text       []byte
}

func noticeID(order string) string { return "202611220022209513703501145" + order[len(order)-7:] }

// notice is what Alipay tells of an order's refund; its fields are those of
// signed captures.
func (a *counterpart) notice(b *testing.B, order string) notice {
	n := notice{alipay: a, form: a.SignedNotice(map[string]string{
		"app_id": a.AppID(), "auth_app_id": a.AppID(), "buyer_id": "2088101117955611", "buyer_logon_id": "159****5620", "charset": "UTF-8",
		"gmt_create": "2026-11-22 09:49:30", "gmt_payment": "2026-11-22 09:49:35", "gmt_refund": "2026-11-22 10:00:00.123",
		"notify_id": noticeID(order), "notify_time": "2026-11-22 10:00:01", "notify_type": "trade_status_sync",
		"out_biz_no": "R1", "out_trade_no": order, "refund_fee": "0.01", "seller_email": "seller@example.com", "seller_id": a.SellerID(),
		"subject": "订单", "total_amount": "100.00", "trade_no": "2026112222001" + order[1:], "trade_status": "TRADE_SUCCESS", "version": "1.0",
	})}
	values, err := url.ParseQuery(n.form)
	if err != nil {
		b.Fatal(err)
	}
	var params []signer.Param
	for key := range values {
		params = append(params, signer.Param{Key: key, Value: values.Get(key)})
	}
	n.text, n.sign = signer.AppendText(nil, params, signer.WithoutSignType), values.Get("sign")
	return n
}

// post returns a call of POST /notify.
func (n notice) post(b *testing.B, routes http.Handler) func() {
	return post(b, routes, "/notify", "application/x-www-form-urlencoded; charset=utf-8", n.form, "success")
}

// verify returns what nobody who is told can do without.
func (n notice) verify(b *testing.B) func() {
	return func() {
		if !n.alipay.signed(n.text, n.sign) {
			b.Fatal("the signature is wrong")
		}
	}
}
