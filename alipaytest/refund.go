package alipaytest

import (
	"time"

	"github.com/alirefund/alirefund/money"
)

// refund is one that was made of a trade.
type refund struct {
	number string
	bizNo  string // what its notice names as out_biz_no
	amount money.Amount
	reason string
	at     time.Time
	// depositBack: what its bank does is told to the application's gateway.
	depositBack bool
}

// refund is alipay.trade.refund. a.mu is held.
func (a *Alipay) refund(q *request, now time.Time) (node, *failure) {
	values, broken := q.texts(map[string]int{
		"out_trade_no": 64, "trade_no": 64, "out_request_no": 64, "refund_reason": 256,
	})
	amount, ok := q.amount("refund_amount")
	switch {
	case broken != "":
		return nil, invalid(broken)
	case !ok:
		return nil, invalid("refund_amount")
	}
	t, f := a.find(values)
	if f != nil {
		return nil, f
	}
	number, bizNo := values["out_request_no"], values["out_request_no"]
	if number == "" {
		// The order's number is the request's then; the notice names whichever
		// number the call used (signed captures of both).
		number, bizNo = t.OutTradeNo, orElse(values["trade_no"], t.OutTradeNo)
	}
	if known := t.refunds[number]; known != nil {
		if known.amount != amount {
			return nil, refusedRefund("ACQ.DISCORDANT_REPEAT_REQUEST", "同一笔退款请求号的退款金额不一致")
		}
		return t.refundAnswer(q, known, "N"), nil
	}
	if f := a.refusal(t, amount, values["out_request_no"] != ""); f != nil {
		return nil, f
	}
	r := a.give(t, &refund{number: number, bizNo: bizNo, amount: amount, reason: values["refund_reason"], at: now, depositBack: q.asks("deposit_back_info")}, methodRefund)
	return t.refundAnswer(q, r, "Y"), nil
}

// give refunds and tells the trade's notify_url. a.mu is held.
func (a *Alipay) give(t *trade, r *refund, method string) *refund {
	a.move(Movement{
		At: r.at, Kind: TradeRefund, OutTradeNo: t.OutTradeNo, TradeNo: t.TradeNo, OutRequestNo: r.number, Amount: r.amount,
		TooSoon: !t.lastRefund.IsZero() && r.at.Sub(t.lastRefund) < spacing,
	})
	t.refunds[r.number] = r
	t.refunded += r.amount
	t.lastRefund = r.at
	if t.refunded == t.Total {
		t.Status = TradeClosed
	}
	if a.balance != nil {
		*a.balance -= r.amount
	}
	a.tradeNotice(t, r, method, r.at)
	return r
}

// spacing is the least time between two refunds of one trade (opendocs,
// alipay.trade.refund).
const spacing = 3 * time.Second

// refusal says why a new refund is refused, or nothing (opendocs,
// alipay.trade.refund, error codes). a.mu is held.
func (a *Alipay) refusal(t *trade, amount money.Amount, numbered bool) *failure {
	switch {
	case t.Status == WaitBuyerPay:
		return refusedRefund("ACQ.TRADE_STATUS_ERROR", "交易状态不合法")
	case t.Status == TradeClosed:
		return refusedRefund("ACQ.TRADE_HAS_CLOSE", "交易已经关闭")
	case t.Status == TradeFinished:
		return refusedRefund("ACQ.TRADE_HAS_FINISHED", "交易已完结")
	case amount > t.Total:
		return refusedRefund("ACQ.REASON_TRADE_REFUND_FEE_ERR", "退款金额无效")
	case !numbered && amount != t.Total, amount > t.Total-t.refunded:
		return refusedRefund("ACQ.REFUND_AMT_NOT_EQUAL_TOTAL", "退款金额超限")
	case a.balance != nil && amount > *a.balance:
		return refusedRefund("ACQ.SELLER_BALANCE_NOT_ENOUGH", "卖家余额不足")
	}
	return nil
}

func refusedRefund(sub, text string) *failure {
	return business(sub, text, field{"refund_fee", "0.00"}, field{"send_back_fee", "0.00"})
}

// refundAnswer has the members of captured answers, in their order. refund_fee
// is what was refunded of the trade in all, and no request number is given.
func (t *trade) refundAnswer(q *request, r *refund, change string) node {
	n := node{
		{"buyer_logon_id", t.BuyerLogonID},
		{"buyer_user_id", t.BuyerID},
		{"fund_change", change},
		{"gmt_refund_pay", stamp(r.at)},
		{"out_trade_no", t.OutTradeNo},
		{"refund_detail_item_list", r.details()},
		{"refund_fee", t.refunded.String()},
	}
	if q.asks("refund_detail_item_list") {
		n = append(n, field{"send_back_fee", r.amount.String()})
	}
	return append(n, field{"trade_no", t.TradeNo})
}

func (r *refund) details() []node {
	return []node{{{"amount", r.amount.String()}, {"fund_channel", "ALIPAYACCOUNT"}}}
}

// refundQuery is alipay.trade.fastpay.refund.query. A number that it does not
// know is answered with success and no details. a.mu is held.
func (a *Alipay) refundQuery(q *request, _ time.Time) (node, *failure) {
	values, broken := q.texts(map[string]int{"out_trade_no": 64, "trade_no": 64, "out_request_no": 64})
	switch {
	case broken != "":
		return nil, invalid(broken)
	case values["out_request_no"] == "":
		return nil, invalid("out_request_no")
	}
	t, f := a.find(values)
	if f != nil {
		return nil, f
	}
	r := t.refunds[values["out_request_no"]]
	if r == nil {
		return nil, nil
	}
	n := node{
		{"out_request_no", r.number},
		{"out_trade_no", t.OutTradeNo},
		{"refund_amount", r.amount.String()},
		{"refund_status", "REFUND_SUCCESS"},
		{"total_amount", t.Total.String()},
		{"trade_no", t.TradeNo},
	}
	if r.reason != "" {
		n = append(n, field{"refund_reason", r.reason})
	}
	if q.asks("gmt_refund_pay") {
		n = append(n, field{"gmt_refund_pay", stamp(r.at)})
	}
	if q.asks("refund_detail_item_list") {
		n = append(n, field{"refund_detail_item_list", r.details()}, field{"send_back_fee", r.amount.String()})
	}
	return n, nil
}

// RefundAtConsole refunds as a person does at Alipay's console: no application
// asked for it, and it hears of it by the notice alone. It returns the request
// number that Alipay gives it, and panics if there is no such trade or not that
// much left of it.
func (a *Alipay) RefundAtConsole(outTradeNo string, amount money.Amount) (outRequestNo string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	t, now := a.known(outTradeNo), a.clock()
	if f := a.refusal(t, amount, true); f != nil {
		panic("alipaytest: refund of " + outTradeNo + ": " + f.sub)
	}
	number := a.number(now, "5", 28)
	a.give(t, &refund{number: number, bizNo: number, amount: amount, at: now}, "")
	return number
}
