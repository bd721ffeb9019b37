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

// AddRedPacket adds a red packet and returns it with its empty fields filled in.
// It panics if the fake has one of its numbers already.
func (a *Alipay) AddRedPacket(r RedPacket) RedPacket {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.clock()
	a.fundNumbers(now, &r.AuthNo, &r.OutOrderNo, &r.OutRequestNo, &r.OperationID)
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
	a.record(p, r.OperationID, r.OutRequestNo, "PAY", r.Amount, "", now)
	a.planExpiry()
	a.wakeUp()
	return r
}

// record enters an operation under both its numbers. a.mu is held.
func (a *Alipay) record(p *packet, id, number, kind string, amount money.Amount, remark string, now time.Time) *operation {
	op := &operation{
		fundOrder: fundOrder{p.AuthNo, p.OutOrderNo, p.PayerLogonID, p.PayerUserID}, packet: p,
		id: id, number: number, kind: kind, amount: amount, remark: remark, at: now,
	}
	p.byID[id] = op
	a.operations[number] = op
	return op
}

// couponRefund is alipay.fund.coupon.order.refund. A request number that was
// used by the merchant before, also by a payment, is a UNIQUE_VIOLATION, even if
// all else is the same. a.mu is held.
func (a *Alipay) couponRefund(q *request, now time.Time) (node, *failure) {
	values, amount, f := fundRequest(q, nil)
	if f != nil {
		return nil, f
	}
	number := values["out_request_no"]
	p := a.packets[values["auth_no"]]
	switch {
	case p == nil || p.FundTrans:
		return nil, fundRefusal(number, "AUTH_ORDER_NOT_EXIST", "支付宝资金授权订单不存在")
	case a.operations[number] != nil:
		return nil, fundRefusal(number, "UNIQUE_VIOLATION", "商户请求号重复")
	case amount > p.left():
		return nil, fundRefusal(number, "MONEY_NOT_ENOUGH", "退款金额超过剩余金额")
	}
	op := a.giveBack(p, amount, CouponRefund, number, values["remark"], now)
	a.couponNotice(op, q.params["notify_url"], methodCouponRefund, now)
	return op.node(), nil
}

// giveBack moves money out of a red packet. a.mu is held.
func (a *Alipay) giveBack(p *packet, amount money.Amount, kind MovementKind, number, remark string, now time.Time) *operation {
	op := a.record(p, a.number(now, "20001", 28), number, "REFUND", amount, remark, now)
	p.refunded += amount
	a.fundMovement(op, kind)
	return op
}

// couponOperation is alipay.fund.coupon.operation.query, by one of the two
// documented pairs of numbers only. a.mu is held.
func (a *Alipay) couponOperation(q *request, _ time.Time) (node, *failure) {
	values, byID, f := operationAsked(q, nil)
	if f != nil {
		return nil, f
	}
	var op *operation
	if byID {
		if p := a.packets[values["auth_no"]]; p != nil {
			op = p.byID[values["operation_id"]]
		}
	} else if op = a.operations[values["out_request_no"]]; op != nil && op.outOrderNo != values["out_order_no"] {
		op = nil
	}
	if op == nil {
		return nil, noOperation()
	}
	return op.detail(field{"total_pay_refund_amount", op.packet.refunded.String()}), nil
}

// couponNotice tells of money that left a red packet. Its fields are those of the
// sample in Alipay's post on the interface, and what signed captures of the same
// family carry beside them. a.mu is held.
func (a *Alipay) couponNotice(op *operation, to, method string, now time.Time) {
	a.fundNotice(op, couponNotifyType, to, method, now)
}

const couponNotifyType = "fund_stdtrustee_refund.success"

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
