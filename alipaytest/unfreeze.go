package alipaytest

import (
	"encoding/json"
	"time"

	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/signer"
)

// The interfaces of pre-authorisations.
const (
	methodUnfreeze  = "alipay.fund.auth.order.unfreeze"
	methodAuthQuery = "alipay.fund.auth.operation.detail.query"
)

// PreAuth is a pre-authorisation: money that is frozen at its payer's, some of which
// may have been spent. [Alipay.AddPreAuth] fills in what is empty.
type PreAuth struct {
	AuthNo       string       // Alipay's number of the order
	OutOrderNo   string       // the merchant's number of the order
	OutRequestNo string       // the freezing's request number
	OperationID  string       // Alipay's number of the freezing
	Amount       money.Amount // what was frozen; default: 100.00
	Paid         money.Amount // what was paid out of it
	NotifyURL    string       // the freezing's, to which a release is told that no call asked for; empty means it is not
	PayerLogonID string       // masked, as Alipay sends it
	PayerUserID  string
}

type preAuth struct {
	PreAuth
	released   money.Amount
	operations []*operation // the freezing first
}

func (p *preAuth) rest() money.Amount { return p.Amount - p.Paid - p.released }

// status is the whole order's (alipay.fund.auth.operation.detail.query,
// order_status).
func (p *preAuth) status() string {
	switch {
	case p.rest() > 0:
		return "AUTHORIZED"
	case p.Paid > 0:
		return "FINISH"
	}
	return "CLOSED"
}

// find returns the operation that fits; the freezing, if it does. The kind "" is
// any.
func (p *preAuth) find(kind string, fits func(*operation) bool) *operation {
	if p == nil {
		return nil
	}
	for _, op := range p.operations {
		if (kind == "" || op.kind == kind) && fits(op) {
			return op
		}
	}
	return nil
}

// AddPreAuth adds a pre-authorisation and returns it with its empty fields filled
// in. It panics if the fake has one of that auth_no or out_order_no already.
func (a *Alipay) AddPreAuth(p PreAuth) PreAuth {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.clock()
	a.fundNumbers(now, &p.AuthNo, &p.OutOrderNo, &p.OutRequestNo, &p.OperationID)
	p.PayerLogonID = orElse(p.PayerLogonID, "158****7723")
	p.PayerUserID = orElse(p.PayerUserID, "2088622903359001")
	if p.Amount == 0 {
		p.Amount = 100_00
	}
	if a.preAuths[p.AuthNo] != nil || a.preAuthOf(p.OutOrderNo) != nil {
		panic("alipaytest: the pre-authorisation " + p.AuthNo + " was added before")
	}
	added := &preAuth{PreAuth: p}
	a.preAuths[p.AuthNo] = added
	a.operate(added, "FREEZE", p.OperationID, p.OutRequestNo, "", p.Amount, now)
	return p
}

// preAuthOf returns the pre-authorisation of the merchant's number. a.mu is held.
func (a *Alipay) preAuthOf(outOrderNo string) *preAuth {
	for _, p := range a.preAuths {
		if p.OutOrderNo == outOrderNo {
			return p
		}
	}
	return nil
}

func (a *Alipay) operate(p *preAuth, kind, id, number, remark string, amount money.Amount, now time.Time) *operation {
	op := &operation{
		fundOrder: fundOrder{p.AuthNo, p.OutOrderNo, p.PayerLogonID, p.PayerUserID},
		id:        id, number: number, kind: kind, amount: amount, remark: remark, at: now,
	}
	p.operations = append(p.operations, op)
	return op
}

// unfreeze is alipay.fund.auth.order.unfreeze. The same request again, number and
// amount, is answered as it was at first; the same number for anything else is a
// UNIQUE_VIOLATION (the interface's page, out_request_no and error codes). The
// freezing's number is taken too, though the page says that it must be another: a
// signed capture of 2019 has both. a.mu is held.
func (a *Alipay) unfreeze(q *request, now time.Time) (node, *failure) {
	values, amount, f := fundRequest(q, map[string]int{"extra_param": 1024})
	if f != nil {
		return nil, f
	}
	number := values["out_request_no"]
	if extra := values["extra_param"]; extra != "" && json.Unmarshal([]byte(extra), &map[string]string{}) != nil {
		return nil, fundRefusal(number, "ILLEGAL_ARGUMENT", "参数异常: extra_param")
	}
	p := a.preAuths[values["auth_no"]]
	if p == nil {
		return nil, fundRefusal(number, "AUTH_ORDER_NOT_EXIST", "授权订单不存在")
	}
	op := a.released(number)
	switch {
	case op != nil && (op.authNo != p.AuthNo || op.amount != amount):
		return nil, fundRefusal(number, "UNIQUE_VIOLATION", "解冻信息被篡改")
	case op != nil:
	case p.status() == "FINISH":
		return nil, fundRefusal(number, "ORDER_ALREADY_FINISH", "授权订单已经完结，无法再进行资金操作")
	case p.status() == "CLOSED":
		return nil, fundRefusal(number, "ORDER_ALREADY_CLOSED", "授权订单已经关闭，无法再进行资金操作")
	case amount > p.rest():
		return nil, fundRefusal(number, "REQUEST_AMOUNT_EXCEED", "请求解冻金额超限")
	default:
		op = a.release(p, amount, number, values["remark"], q.params["notify_url"], methodUnfreeze, now)
	}
	return op.node(field{"credit_amount", "0.00"}, field{"fund_amount", op.amount.String()}), nil
}

// released returns the release of that request number, which is unique for a
// merchant. a.mu is held.
func (a *Alipay) released(number string) *operation {
	for _, p := range a.preAuths {
		if op := p.find("UNFREEZE", func(op *operation) bool { return op.number == number }); op != nil {
			return op
		}
	}
	return nil
}

// release gives frozen money back and tells so. a.mu is held.
func (a *Alipay) release(p *preAuth, amount money.Amount, number, remark, to, method string, now time.Time) *operation {
	op := a.operate(p, "UNFREEZE", a.number(now, "20001", 28), number, remark, amount, now)
	p.released += amount
	a.fundMovement(op, Unfreeze)
	a.fundNotice(op, unfreezeNotifyType, to, method, now,
		signer.Param{Key: "total_freeze_amount", Value: p.Amount.String()},
		signer.Param{Key: "total_unfreeze_amount", Value: p.released.String()},
		signer.Param{Key: "total_pay_amount", Value: p.Paid.String()},
		signer.Param{Key: "rest_amount", Value: p.rest().String()},
	)
	return op
}

const unfreezeNotifyType = "fund_auth_unfreeze"

// UnfreezeAtConsole releases as a person does at Alipay's console: no application
// asked for it, and it hears of it by the notice alone, at the freezing's
// notify_url. Where Alipay tells of such a release, and under which request number,
// is not documented. It returns the number, and panics if there is no such
// pre-authorisation or not that much left of it.
func (a *Alipay) UnfreezeAtConsole(authNo string, amount money.Amount) (outRequestNo string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	p, now := a.preAuths[authNo], a.clock()
	if p == nil || amount > p.rest() {
		panic("alipaytest: the pre-authorisation " + authNo + " does not exist or has less left")
	}
	number := a.number(now, "9", 28)
	a.release(p, amount, number, "", p.NotifyURL, "", now)
	return number
}

// authQuery is alipay.fund.auth.operation.detail.query. With an operation_type only
// such an operation is found, and without one the freezing before a release of the
// same number (the interface's page). a.mu is held.
func (a *Alipay) authQuery(q *request, _ time.Time) (node, *failure) {
	values, byID, f := operationAsked(q, map[string]int{"operation_type": 20})
	if f != nil {
		return nil, f
	}
	p, fits := a.preAuthOf(values["out_order_no"]), func(op *operation) bool { return op.number == values["out_request_no"] }
	if byID {
		p, fits = a.preAuths[values["auth_no"]], func(op *operation) bool { return op.id == values["operation_id"] }
	}
	if p == nil {
		return nil, business("AUTH_ORDER_NOT_EXIST", "支付宝资金授权订单不存在")
	}
	op := p.find(values["operation_type"], fits)
	if op == nil {
		return nil, noOperation()
	}
	return op.detail(
		field{"order_status", p.status()},
		field{"rest_amount", p.rest().String()},
		field{"total_freeze_amount", p.Amount.String()},
		field{"total_pay_amount", p.Paid.String()},
	), nil
}
