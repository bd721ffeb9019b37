package alipaytest

import (
	"strconv"
	"time"

	"github.com/alirefund/alirefund/signer"
)

// The messages that the fake sends to [Config].AppGatewayURL.
const (
	messageDepositBack = "alipay.trade.refund.depositback.completed"
	messageFundRefund  = "alipay.fund.trans.refund.success"
)

// DepositBack lets the bank of a trade's refund answer: it took the whole amount,
// or it did not, and Alipay put the money into the buyer's balance. A message
// tells the application's gateway so, if the refund asked for it by
// deposit_back_info in its query_options; DepositBack returns whether. Each call
// is a new message. It panics if there is no such refund.
func (a *Alipay) DepositBack(outTradeNo, outRequestNo string, succeeded bool) (asked bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	t, now := a.known(outTradeNo), a.clock()
	r := t.refunds[outRequestNo]
	if r == nil {
		panic("alipaytest: the trade " + outTradeNo + " has no refund " + outRequestNo)
	}
	if !r.depositBack {
		return false
	}
	content := node{
		{"bank_ack_time", stamp(now)},
		{"dback_status", "F"},
		{"out_request_no", r.number},
		{"out_trade_no", t.OutTradeNo},
		{"trade_no", t.TradeNo},
	}
	if succeeded { // the amount and the receipt are only told then (opendocs, the message's page)
		content[1].value = "S"
		content = append(content, field{"dback_amount", r.amount.String()}, field{"est_bank_receipt_time", stamp(now.Add(24 * time.Hour))})
	}
	a.message(messageDepositBack, "", content, now)
	return true
}

// message plans a message to the application's gateway, caused by a call of
// method or by none. Its fields are those of a signed capture, of version 1.1.
// a.mu is held.
func (a *Alipay) message(name, method string, content node, now time.Time) {
	a.announce(a.appGateway, method, []signer.Param{
		{Key: "charset", Value: "UTF-8"},
		{Key: "biz_content", Value: string(content.bytes())},
		{Key: "app_id", Value: a.appID},
		{Key: "version", Value: "1.1"},
		{Key: "msg_method", Value: name},
	}, now)
}

// sentAt is the field by which a notice says when it was sent.
func (n *notice) sentAt(now time.Time) signer.Param {
	if n.Params["msg_method"] != "" {
		return signer.Param{Key: "utc_timestamp", Value: strconv.FormatInt(now.UnixMilli(), 10)}
	}
	return signer.Param{Key: "notify_time", Value: stamp(now)}
}

// fundRefundMessage tells of money that left a red packet of the newer product.
// Which fields Alipay's message has is not documented: these are those of the
// interface's answer. a.mu is held.
func (a *Alipay) fundRefundMessage(op *operation, method string, now time.Time) {
	a.message(messageFundRefund, method, op.fundRefund(), now)
}
