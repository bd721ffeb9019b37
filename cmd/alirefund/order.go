package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/notify"
	"github.com/alirefund/alirefund/signer"
)

// order says which notice is wanted.
type order struct {
	kind                     string
	appID, sellerID          string
	outTradeNo, outRequestNo string
	total, amount            string
	message, bizContent      string
}

// kinds say what has to happen at the fake Alipay for a notice of each kind.
var kinds = map[string]func(a *alipaytest.Alipay, o order, t alipaytest.Trade, amount money.Amount){
	"payment": func(a *alipaytest.Alipay, _ order, t alipaytest.Trade, _ money.Amount) {
		t.Status = alipaytest.WaitBuyerPay
		a.AddTrade(t)
		a.Pay(t.OutTradeNo)
	},
	"trade_closed": func(a *alipaytest.Alipay, _ order, t alipaytest.Trade, _ money.Amount) {
		t.Status = alipaytest.WaitBuyerPay
		a.AddTrade(t)
		a.TimeOut(t.OutTradeNo)
	},
	"trade_refund": func(a *alipaytest.Alipay, _ order, t alipaytest.Trade, amount money.Amount) {
		a.AddTrade(t)
		a.RefundAtConsole(t.OutTradeNo, amount)
	},
	"trade_refund_full": func(a *alipaytest.Alipay, _ order, t alipaytest.Trade, _ money.Amount) {
		a.AddTrade(t)
		a.RefundAtConsole(t.OutTradeNo, t.Total)
	},
	"coupon_refund": func(a *alipaytest.Alipay, o order, t alipaytest.Trade, _ money.Amount) {
		a.AddRedPacket(alipaytest.RedPacket{OutOrderNo: o.outTradeNo, Amount: t.Total, NotifyURL: t.NotifyURL})
		a.Advance(49 * time.Hour) // what nobody claimed is returned
	},
	"unfreeze": func(a *alipaytest.Alipay, o order, t alipaytest.Trade, amount money.Amount) {
		p := a.AddPreAuth(alipaytest.PreAuth{OutOrderNo: o.outTradeNo, Amount: t.Total, NotifyURL: t.NotifyURL})
		a.UnfreezeAtConsole(p.AuthNo, amount)
	},
}

// The kinds of the application gateway, which no trade causes.
const (
	depositBack = "deposit_back"
	message     = "message"
)

func kindNames() []string {
	return append(slices.Sorted(maps.Keys(kinds)), depositBack, message)
}

// form returns the body of the notice, signed.
func (o order) form(sign *signer.Signer, to string) (string, error) {
	fields, err := o.fields(to)
	if err != nil {
		return "", err
	}
	return signed(sign, fields)
}

// signed returns the fields as a form, with their signature.
func signed(sign *signer.Signer, fields map[string]string) (string, error) {
	params := []signer.Param{{Key: "sign_type", Value: "RSA2"}}
	for key, value := range fields {
		params = append(params, signer.Param{Key: key, Value: value})
	}
	text := signer.AppendText(nil, params, signer.WithoutSignType)
	signature, err := sign.Sign(text)
	if err != nil {
		return "", err
	}
	values := url.Values{"sign": {signature}}
	for _, p := range params {
		values.Set(p.Key, p.Value)
	}
	return values.Encode(), nil
}

// fields are what the fake Alipay would post.
func (o order) fields(to string) (map[string]string, error) {
	switch o.kind {
	case depositBack:
		return o.depositBackFields()
	case message:
		return o.messageFields()
	}
	happen := kinds[o.kind]
	if happen == nil {
		return nil, fmt.Errorf("-kind %q is none of %s", o.kind, strings.Join(kindNames(), ", "))
	}
	total, err := money.Parse(o.total)
	if err != nil || total <= 0 {
		return nil, errors.New("-total wants an amount such as 88.88")
	}
	amount, err := money.Parse(o.amount)
	if err != nil || amount <= 0 || amount > total && (o.kind == "trade_refund" || o.kind == "unfreeze") {
		return nil, errors.New("-amount wants an amount such as 8.88, not above -total")
	}
	a := alipaytest.New(alipaytest.Config{AppID: o.appID, SellerID: o.sellerID})
	a.HandleNotices(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})) // nothing leaves by itself
	happen(a, o, alipaytest.Trade{OutTradeNo: o.outTradeNo, Total: total, Status: alipaytest.TradeSuccess, NotifyURL: to}, amount)
	notices := a.Notices()
	fields := notices[len(notices)-1].Params
	fields["notify_time"] = time.Now().In(china).Format(time.DateTime)
	if o.outRequestNo != "" {
		for _, key := range []string{"out_biz_no", "out_request_no"} {
			if fields[key] != "" {
				fields[key] = o.outRequestNo
			}
		}
	}
	return fields, nil
}

// depositBackFields tell that the bank took a refund.
func (o order) depositBackFields() (map[string]string, error) {
	if amount, err := money.Parse(o.amount); err != nil || amount <= 0 {
		return nil, errors.New("-amount wants an amount such as 8.88")
	}
	now := time.Now().In(china).Format(time.DateTime)
	content, err := json.Marshal(map[string]string{
		"trade_no": "2026010222001400000000000001", "out_trade_no": o.outTradeNo, "out_request_no": cmp.Or(o.outRequestNo, o.outTradeNo),
		"dback_status": "S", "dback_amount": o.amount, "bank_ack_time": now, "est_bank_receipt_time": now,
	})
	if err != nil {
		return nil, err
	}
	o.message, o.bizContent = notify.MessageDepositBack, string(content)
	return o.messageFields()
}

func (o order) messageFields() (map[string]string, error) {
	if !json.Valid([]byte(o.bizContent)) {
		return nil, errors.New("-biz-content is not JSON")
	}
	now := time.Now()
	return map[string]string{
		"app_id": o.appID, "charset": "UTF-8", "version": "1.1",
		"msg_method": o.message, "biz_content": o.bizContent,
		"utc_timestamp": strconv.FormatInt(now.UnixMilli(), 10),
		"notify_id":     fmt.Sprintf("%s00222%021d", now.In(china).Format("20060102"), now.UnixNano()),
	}, nil
}

// china is the zone of Alipay's timestamps.
var china = time.FixedZone("UTC+8", 8*60*60)
