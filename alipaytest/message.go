package alipaytest

import (
	"strconv"
	"time"

	"github.com/alirefund/alirefund/money"
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

// fundTransRefund is alipay.fund.trans.refund: a red packet of the newer product
// is returned. The same request again is answered the same, because a failed one
// is to be sent again under its number (the interface's page). Which sub_codes
// Alipay refuses with is not documented; these are made up. a.mu is held.
func (a *Alipay) fundTransRefund(q *request, now time.Time) (node, *failure) {
	values, broken := q.texts(map[string]int{"order_id": 64, "out_request_no": 64, "remark": 100})
	number := values["out_request_no"]
	amount, ok := q.amount("refund_amount")
	p := a.packets[values["order_id"]]
	known := a.operations[number]
	switch {
	case broken != "":
		return nil, business("INVALID_PARAMETER", "参数有误: "+broken)
	case number == "" || !ok:
		return nil, business("INVALID_PARAMETER", "参数有误: out_request_no, refund_amount")
	case p == nil || !p.FundTrans:
		return nil, business("ORDER_NOT_EXIST", "订单不存在")
	case known != nil && (known.packet != p || known.amount != amount || known.kind != "REFUND"):
		return nil, business("OUT_REQUEST_NO_USED", "退款请求号已用于另一笔退款")
	case known == nil && amount > p.left():
		return nil, business("MONEY_NOT_ENOUGH", "退款金额超过剩余金额")
	case known == nil:
		known = a.giveBack(p, amount, CouponRefund, number, values["remark"], now)
		a.fundRefundMessage(known, methodFundTransRefund, now)
	}
	return known.fundRefund(field{"refund_date", stamp(known.at)}), nil
}

// fundRefundMessage tells of money that left a red packet of the newer product.
// Which fields Alipay's message has is not documented: these are those of the
// interface's answer. a.mu is held.
func (a *Alipay) fundRefundMessage(op *operation, method string, now time.Time) {
	a.message(messageFundRefund, method, op.fundRefund(), now)
}

func (op *operation) fundRefund(more ...field) node {
	return append(node{
		{"order_id", op.packet.AuthNo},
		{"out_request_no", op.number},
		{"refund_amount", op.amount.String()},
		{"refund_order_id", op.id},
		{"status", "SUCCESS"},
	}, more...)
}

// fundTransQuery is alipay.fund.trans.common.query. With an order_id it answers
// about the red packet's payment, whatever scene is asked for (a published
// answer of Alipay's). a.mu is held.
func (a *Alipay) fundTransQuery(q *request, _ time.Time) (node, *failure) {
	values, broken := q.texts(map[string]int{"order_id": 64, "out_biz_no": 64, "product_code": 64, "biz_scene": 64})
	answer := func(orderID, number string, amount money.Amount, at time.Time) node {
		return node{
			{"order_id", orderID},
			{"out_biz_no", number},
			{"pay_date", stamp(at)},
			{"status", "SUCCESS"},
			{"trans_amount", amount.String()},
		}
	}
	kinds := map[string]string{"PERSONAL_PAY": "PAY", "REFUND": "REFUND"}
	op := a.operations[values["out_biz_no"]]
	switch p := a.packets[values["order_id"]]; {
	case broken != "":
		return nil, business("INVALID_PARAMETER", "参数有误: "+broken)
	case p != nil && p.FundTrans:
		paid := p.byID[p.OperationID]
		return answer(p.AuthNo, p.OutRequestNo, p.Amount, paid.at), nil
	case values["order_id"] == "" && (values["out_biz_no"] == "" || values["product_code"] != "STD_RED_PACKET" || kinds[values["biz_scene"]] == ""):
		return nil, business("INVALID_PARAMETER", "参数有误: out_biz_no wants product_code and biz_scene")
	case values["order_id"] != "", op == nil, !op.packet.FundTrans, op.kind != kinds[values["biz_scene"]]:
		return nil, business("ORDER_NOT_EXIST", "转账订单不存在")
	case op.kind == "PAY":
		return answer(op.packet.AuthNo, op.number, op.amount, op.at), nil
	}
	return answer(op.id, op.number, op.amount, op.at), nil
}
