package alipaytest

import (
	"cmp"
	"slices"
	"time"

	"github.com/alirefund/alirefund/money"
)

// RedPacket is a paid red packet, some of which may have been claimed.
// [Alipay.AddRedPacket] fills in what is empty.
type RedPacket struct {
	AuthNo       string       // Alipay's number of the order; of the newer product its order_id
	OutOrderNo   string       // the merchant's number of the order
	OutRequestNo string       // the payment's request number, which no refund may reuse
	OperationID  string       // Alipay's number of the payment
	Amount       money.Amount // default: 100.00
	Claimed      money.Amount // what was handed out
	NotifyURL    string       // the payment's, to which the automatic return is told; empty means it is not
	ExpiresAt    time.Time    // when Alipay returns what is left; default: in 48 h
	PayerLogonID string       // masked, as Alipay sends it
	PayerUserID  string
	// FundTrans: it is of the newer product, which alipay.fund.trans.refund
	// returns, and whose returns are told to Config.AppGatewayURL.
	FundTrans bool
}

// expiry is how long a red packet may be claimed by default (Alipay's post on
// alipay.fund.coupon.order.refund).
const expiry = 48 * time.Hour

type packet struct {
	RedPacket
	refunded money.Amount
	byID     map[string]*operation
}

func (p *packet) left() money.Amount { return p.Amount - p.Claimed - p.refunded }

// operation is one movement of a red packet's money.
type operation struct {
	packet *packet
	id     string
	number string // out_request_no
	kind   string // PAY or REFUND
	amount money.Amount
	remark string
	at     time.Time
}

// AddRedPacket adds a red packet and returns it with its empty fields filled in.
// It panics if the fake has one of its numbers already.
func (a *Alipay) AddRedPacket(r RedPacket) RedPacket {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.clock()
	for _, f := range []struct {
		number *string
		kind   string
	}{{&r.AuthNo, "10002"}, {&r.OutOrderNo, "7"}, {&r.OutRequestNo, "8"}, {&r.OperationID, "20001"}} {
		if *f.number == "" {
			*f.number = a.number(now, f.kind, 28)
		}
	}
	r.PayerLogonID = orElse(r.PayerLogonID, "158****7723")
	r.PayerUserID = orElse(r.PayerUserID, "2088622903359001")
	if r.Amount == 0 {
		r.Amount = 100_00
	}
	if r.ExpiresAt.IsZero() {
		r.ExpiresAt = now.Add(expiry)
	}
	if a.packets[r.AuthNo] != nil || a.operations[r.OutRequestNo] != nil {
		panic("alipaytest: the red packet " + r.AuthNo + " was added before")
	}
	p := &packet{RedPacket: r, byID: map[string]*operation{}}
	a.packets[r.AuthNo] = p
	a.record(&operation{packet: p, id: r.OperationID, number: r.OutRequestNo, kind: "PAY", amount: r.Amount, at: now})
	a.planExpiry()
	a.wakeUp()
	return r
}

// record enters an operation under both its numbers. a.mu is held.
func (a *Alipay) record(op *operation) {
	op.packet.byID[op.id] = op
	a.operations[op.number] = op
}

func argument(what string, number string) *failure {
	return business("ILLEGAL_ARGUMENT", "参数异常: "+what, field{"out_request_no", number})
}

// couponRefund is alipay.fund.coupon.order.refund. A request number that was
// used by the merchant before, also by a payment, is a UNIQUE_VIOLATION, even if
// all else is the same. a.mu is held.
func (a *Alipay) couponRefund(q *request, now time.Time) (node, *failure) {
	values, broken := q.texts(map[string]int{"auth_no": 64, "out_request_no": 64, "remark": 100})
	number := values["out_request_no"]
	amount, ok := q.amount("amount")
	switch {
	case broken != "":
		return nil, argument(broken, number)
	case values["auth_no"] == "":
		return nil, argument("auth_no", number)
	case number == "":
		return nil, argument("out_request_no", number)
	case values["remark"] == "":
		return nil, argument("remark", number)
	case !ok:
		return nil, argument("amount", number)
	}
	p := a.packets[values["auth_no"]]
	switch {
	case p == nil || p.FundTrans:
		return nil, business("AUTH_ORDER_NOT_EXIST", "支付宝资金授权订单不存在", field{"out_request_no", number})
	case a.operations[number] != nil:
		return nil, business("UNIQUE_VIOLATION", "商户请求号重复", field{"out_request_no", number})
	case amount > p.left():
		return nil, business("MONEY_NOT_ENOUGH", "退款金额超过剩余金额", field{"out_request_no", number})
	}
	op := a.giveBack(p, amount, CouponRefund, number, values["remark"], now)
	a.couponNotice(op, q.params["notify_url"], methodCouponRefund, now)
	return node{
		{"amount", op.amount.String()},
		{"auth_no", p.AuthNo},
		{"gmt_trans", stamp(op.at)},
		{"operation_id", op.id},
		{"out_order_no", p.OutOrderNo},
		{"out_request_no", op.number},
		{"status", "SUCCESS"},
	}, nil
}

// giveBack moves money out of a red packet. a.mu is held.
func (a *Alipay) giveBack(p *packet, amount money.Amount, kind MovementKind, number, remark string, now time.Time) *operation {
	op := &operation{
		packet: p, id: a.number(now, "20001", 28), number: number,
		kind: "REFUND", amount: amount, remark: remark, at: now,
	}
	p.refunded += amount
	a.record(op)
	a.move(Movement{
		At: now, Kind: kind, AuthNo: p.AuthNo, OutOrderNo: p.OutOrderNo,
		OutRequestNo: number, OperationID: op.id, Amount: amount,
	})
	return op
}

// couponOperation is alipay.fund.coupon.operation.query, by one of the two
// documented pairs of numbers only. a.mu is held.
func (a *Alipay) couponOperation(q *request, _ time.Time) (node, *failure) {
	values, broken := q.texts(map[string]int{"auth_no": 64, "operation_id": 64, "out_order_no": 64, "out_request_no": 64})
	var op *operation
	switch {
	case broken != "":
		return nil, business("ILLEGAL_ARGUMENT", "参数异常: "+broken)
	case values["auth_no"] != "" && values["operation_id"] != "":
		if p := a.packets[values["auth_no"]]; p != nil {
			op = p.byID[values["operation_id"]]
		}
	case values["out_order_no"] != "" && values["out_request_no"] != "":
		op = a.operations[values["out_request_no"]]
		if op != nil && op.packet.OutOrderNo != values["out_order_no"] {
			op = nil
		}
	default:
		return nil, business("ILLEGAL_ARGUMENT", "参数异常: auth_no + operation_id, or out_order_no + out_request_no")
	}
	if op == nil {
		return nil, business("AUTH_OPERATION_NOT_EXIST", "支付宝资金操作流水不存在")
	}
	p := op.packet
	return node{
		{"amount", op.amount.String()},
		{"auth_no", p.AuthNo},
		{"gmt_create", stamp(op.at)},
		{"gmt_trans", stamp(op.at)},
		{"operation_id", op.id},
		{"operation_type", op.kind},
		{"out_order_no", p.OutOrderNo},
		{"out_request_no", op.number},
		{"payer_logon_id", p.PayerLogonID},
		{"payer_user_id", p.PayerUserID},
		{"remark", op.remark},
		{"status", "SUCCESS"},
		{"total_pay_refund_amount", p.refunded.String()},
	}, nil
}

// expire returns what is left of the red packets whose time is over, and tells
// the payment's notify_url. Which request number Alipay gives to an automatic
// return is not documented; it is one of Alipay's own here. a.mu is held.
func (a *Alipay) expire(now time.Time) {
	if a.nextExpiry.IsZero() || now.Before(a.nextExpiry) {
		return
	}
	var over []*packet
	for _, p := range a.packets {
		if p.left() > 0 && !now.Before(p.ExpiresAt) {
			over = append(over, p)
		}
	}
	slices.SortFunc(over, func(x, y *packet) int {
		return cmp.Or(x.ExpiresAt.Compare(y.ExpiresAt), cmp.Compare(x.AuthNo, y.AuthNo))
	})
	for _, p := range over {
		op := a.giveBack(p, p.left(), AutomaticReturn, a.number(now, "9", 28), "", now)
		if p.FundTrans {
			a.fundRefundMessage(op, "", now)
		} else {
			a.couponNotice(op, p.NotifyURL, "", now)
		}
	}
	a.planExpiry()
}

// planExpiry finds the next red packet to expire. a.mu is held.
func (a *Alipay) planExpiry() {
	a.nextExpiry = time.Time{}
	for _, p := range a.packets {
		if p.left() > 0 && (a.nextExpiry.IsZero() || p.ExpiresAt.Before(a.nextExpiry)) {
			a.nextExpiry = p.ExpiresAt
		}
	}
}
