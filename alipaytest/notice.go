package alipaytest

import (
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/alirefund/alirefund/signer"
)

// Notice is one notice and how its deliveries went.
type Notice struct {
	ID           string            // notify_id, the same at every delivery
	URL          string            // where it goes
	Method       string            // the interface whose call caused it; empty if none did
	Fault        FaultKind         // what goes wrong with it, or 0
	Params       map[string]string // what it says; notify_time, a message's utc_timestamp, and sign are each delivery's own
	Due          time.Time         // of the next delivery; zero if there will be none
	Deliveries   []Delivery
	Acknowledged bool // answered with 200 and exactly "success"
}

// Delivery is one try to deliver a notice.
type Delivery struct {
	At           time.Time // by the fake's clock
	Form         string    // the body that was posted
	Status       int       // of the answer; 0 if there was none
	Body         string    // of the answer, its first 4 KiB
	Err          error     // why there was no answer
	Acknowledged bool
}

// notice is a Notice on its way.
type notice struct {
	Notice
	params []signer.Param
	gbk    bool
	order  int  // of several that are due at the same time the lowest goes first
	held   bool // waits for the next notice, to come after it
	again  bool // comes once more after it was acknowledged
	early  bool // is posted by the call that caused it
	busy   bool // is being posted
	tries  int  // deliveries that were not acknowledged
}

// Notices returns every notice in the order of their events.
func (a *Alipay) Notices() []Notice {
	a.mu.Lock()
	defer a.mu.Unlock()
	notices := make([]Notice, len(a.notices))
	for i, n := range a.notices {
		notices[i] = n.Notice
		notices[i].Params = maps.Clone(n.Params)
		notices[i].Deliveries = slices.Clone(n.Deliveries)
	}
	return notices
}

// tradeNotice tells what became of a trade: a refund, or without one its payment
// or its end. Its fields are those of signed captures. a.mu is held.
func (a *Alipay) tradeNotice(t *trade, r *refund, method string, now time.Time) {
	params := []signer.Param{
		{Key: "gmt_create", Value: stamp(t.created)},
		{Key: "charset", Value: "UTF-8"},
		{Key: "seller_email", Value: "seller@example.com"},
		{Key: "subject", Value: t.Subject},
		{Key: "buyer_id", Value: t.BuyerID},
		{Key: "notify_type", Value: "trade_status_sync"},
		{Key: "trade_status", Value: t.Status},
		{Key: "app_id", Value: a.appID},
		{Key: "seller_id", Value: a.sellerID},
		{Key: "version", Value: "1.0"},
		{Key: "out_trade_no", Value: t.OutTradeNo},
		{Key: "total_amount", Value: t.Total.String()},
		{Key: "trade_no", Value: t.TradeNo},
		{Key: "auth_app_id", Value: a.appID},
		{Key: "buyer_logon_id", Value: t.BuyerLogonID},
	}
	add := func(key, value string) { params = append(params, signer.Param{Key: key, Value: value}) }
	if t.PassbackParams != "" {
		add("passback_params", t.PassbackParams)
	}
	switch {
	case r != nil:
		add("gmt_payment", stamp(t.created))
		add("gmt_refund", r.at.In(china).Format(layout+".000"))
		add("out_biz_no", r.bizNo)
		add("refund_fee", t.refunded.String())
		if t.Status == TradeClosed {
			add("gmt_close", stamp(r.at))
		}
	case t.Status == TradeClosed:
		add("refund_fee", "0.00")
		add("gmt_close", stamp(now))
	default:
		total := t.Total.String()
		add("gmt_payment", stamp(now))
		add("fund_bill_list", `[{"amount":"`+total+`","fundChannel":"ALIPAYACCOUNT"}]`)
		add("receipt_amount", total)
		add("buyer_pay_amount", total)
		add("invoice_amount", total)
		add("point_amount", "0.00")
	}
	a.announce(t.NotifyURL, method, params, now)
}

// announce plans the delivery of a notice, with the fault that is planned for it, if
// there is one. a.mu is held.
func (a *Alipay) announce(to, method string, params []signer.Param, now time.Time) {
	if to == "" {
		return
	}
	fault := a.faults.next(atNotice, method)
	n := &notice{Notice: Notice{URL: to, Method: method, Fault: fault.Kind, Due: now}, params: params}
	switch fault.Kind {
	case NoticeTwice:
		n.again = true
	case NoticeLate:
		n.Due = now.Add(orDelay(fault.Delay, time.Hour))
	case NoticeOutOfOrder:
		n.held, n.Due = true, now.Add(time.Hour)
	case NoticeEarly:
		n.early = method != "" // without a call there is no answer to come before
	case NoticeNulls:
		n.params = withNulls(params)
	case NoticeGBK:
		n.gbk = true
		n.params = replaced(params, "charset", "GBK")
	case NoticeForeign:
		other := *n
		other.params = replaced(replaced(params, "app_id", foreignAppID), "auth_app_id", foreignAppID)
		a.enqueue(&other, now)
	}
	held := a.heldBack()
	a.enqueue(n, now)
	for _, before := range held { // those that waited for this one
		before.held, before.Due = false, n.Due
		a.sequence++
		before.order = a.sequence
	}
	if fault.Kind == NoticeTwiceNewID {
		second := *n
		a.enqueue(&second, now)
	}
	a.wakeUp()
}

// foreignAppID is an application that is not the host's.
const foreignAppID = "2021000000009999"

func (a *Alipay) enqueue(n *notice, now time.Time) {
	n.ID = a.number(now, "00222"+now.In(china).Format("150405"), 34)
	n.order = a.sequence
	n.Params = make(map[string]string, len(n.params)+1)
	for _, p := range n.params {
		n.Params[p.Key] = p.Value
	}
	n.Params["notify_id"] = n.ID
	a.notices = append(a.notices, n)
	a.outstanding = append(a.outstanding, n)
}

func (a *Alipay) heldBack() []*notice {
	var held []*notice
	for _, n := range a.outstanding {
		if n.held {
			held = append(held, n)
		}
	}
	return held
}

func orDelay(delay, otherwise time.Duration) time.Duration {
	if delay == 0 {
		return otherwise
	}
	return delay
}

func replaced(params []signer.Param, key, value string) []signer.Param {
	changed := slices.Clone(params)
	for i := range changed {
		if changed[i].Key == key {
			changed[i].Value = value
		}
	}
	return changed
}

// withNulls replaces by the literal null what a receiver can do without. A red
// packet's notice also loses what Alipay's sample does not have or writes as null.
// A message has nothing to spare.
func withNulls(params []signer.Param) []signer.Param {
	var changed []signer.Param
	coupon := slices.Contains(params, signer.Param{Key: "notify_type", Value: couponNotifyType})
	for _, p := range params {
		switch p.Key {
		case "app_id", "auth_app_id", "charset", "version":
			if coupon {
				continue
			}
		case "auth_no", "out_request_no", "operation_id", "status":
			if coupon {
				p.Value = "null"
			}
		case "msg_method", "biz_content", "notify_type", "operation_type", "amount",
			"trade_status", "seller_id", "out_trade_no", "trade_no", "total_amount", "refund_fee":
		default:
			p.Value = "null"
		}
		changed = append(changed, p)
	}
	return changed
}

// form writes the body of one delivery, with its own time and signature.
// Somewhere in the middle stands the signature, as in captures: a receiver must
// not count on any order.
func (a *Alipay) form(n *notice, now time.Time) string {
	params := append([]signer.Param{
		n.sentAt(now),
		{Key: "notify_id", Value: n.ID},
		{Key: "sign_type", Value: "RSA2"},
	}, n.params...)
	if n.gbk {
		encoder := encoding.ReplaceUnsupported(simplifiedchinese.GBK.NewEncoder())
		for i := range params {
			params[i].Value = must(encoder.String(params[i].Value))
		}
	}
	return a.signed(params)
}

func (a *Alipay) signed(params []signer.Param) string {
	text := signer.AppendText(nil, slices.Clone(params), signer.WithoutSignType)
	params = slices.Insert(params, len(params)/2, signer.Param{Key: "sign", Value: must(a.sign.Sign(text))})
	var b strings.Builder
	for i, p := range params {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(url.QueryEscape(p.Key))
		b.WriteByte('=')
		b.WriteString(url.QueryEscape(p.Value))
	}
	return b.String()
}

// SignedNotice returns params as the body of a notice, validly signed by Alipay
// (RSA2, the form V1), for tests that write their own notices. It adds sign, and
// sign_type=RSA2 if params has no sign_type; nothing else.
func (a *Alipay) SignedNotice(params map[string]string) string {
	var list []signer.Param
	for _, key := range slices.Sorted(maps.Keys(params)) {
		if key != "sign" {
			list = append(list, signer.Param{Key: key, Value: params[key]})
		}
	}
	if _, given := params["sign_type"]; !given {
		list = append(list, signer.Param{Key: "sign_type", Value: "RSA2"})
	}
	return a.signed(list)
}
