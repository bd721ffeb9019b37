package alipaytest

import (
	"time"

	"github.com/alirefund/alirefund/money"
)

// The interfaces of red packets of the newer product.

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
