package alipaytest

import (
	"time"

	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/signer"
)

// PreAuth is a pre-authorisation: money that is frozen at the payer's until it is
// taken or released. [Alipay.AddPreAuth] fills in what is empty.
type PreAuth struct {
	AuthNo       string       // Alipay's number of it
	OutOrderNo   string       // the merchant's number of it
	OutRequestNo string       // the freezing's request number
	OperationID  string       // Alipay's number of the freezing
	Amount       money.Amount // default: 100.00
	PayerLogonID string       // masked, as Alipay sends it
	PayerUserID  string
}

type preAuth struct {
	PreAuth
	released money.Amount
	releases map[string]release // by out_request_no
}

// release is one release of frozen money.
type release struct {
	id     string
	amount money.Amount
	remark string
	at     time.Time
}

// AddPreAuth adds a pre-authorisation and returns it with its empty fields filled
// in. It panics if the fake has its number already.
func (a *Alipay) AddPreAuth(p PreAuth) PreAuth {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.clock()
	p.AuthNo = orElse(p.AuthNo, a.number(now, "10001", 28))
	p.OutOrderNo = orElse(p.OutOrderNo, a.number(now, "6", 28))
	p.OutRequestNo = orElse(p.OutRequestNo, a.number(now, "5", 28))
	p.OperationID = orElse(p.OperationID, a.number(now, "25153", 28))
	p.PayerLogonID = orElse(p.PayerLogonID, "158****7723")
	p.PayerUserID = orElse(p.PayerUserID, "2088622903359001")
	if p.Amount == 0 {
		p.Amount = 100_00
	}
	if a.preAuths[p.AuthNo] != nil {
		panic("alipaytest: the pre-authorisation " + p.AuthNo + " was added before")
	}
	a.preAuths[p.AuthNo] = &preAuth{PreAuth: p, releases: map[string]release{}}
	return p
}

// unfreeze is alipay.fund.auth.order.unfreeze. The same release asked for again is
// answered the same (the interface's parameter list). With which sub_code Alipay
// refuses another amount under its number, or more than is frozen, is not
// documented; these are made up. a.mu is held.
func (a *Alipay) unfreeze(q *request, now time.Time) (node, *failure) {
	values, broken := q.texts(map[string]int{"auth_no": 64, "out_request_no": 64, "remark": 100, "extra_param": 1024})
	number := values["out_request_no"]
	amount, ok := q.amount("amount")
	p := a.preAuths[values["auth_no"]]
	switch {
	case broken != "":
		return nil, argument(broken, number)
	case number == "" || values["remark"] == "" || !ok:
		return nil, argument("out_request_no, remark, amount", number)
	case p == nil:
		return nil, business("AUTH_ORDER_NOT_EXIST", "支付宝资金授权订单不存在", field{"out_request_no", number})
	}
	r, known := p.releases[number]
	switch {
	case number == p.OutRequestNo, known && r.amount != amount:
		return nil, business("OUT_REQUEST_NO_USED", "商户请求号已用于另一笔操作", field{"out_request_no", number})
	case !known && amount > p.Amount-p.released:
		return nil, business("REST_AMOUNT_NOT_ENOUGH", "解冻金额超过剩余冻结金额", field{"out_request_no", number})
	case !known:
		r = release{id: a.number(now, "25153", 28), amount: amount, remark: values["remark"], at: now}
		p.releases[number] = r
		p.released += amount
		a.move(Movement{At: now, Kind: Release, AuthNo: p.AuthNo, OutOrderNo: p.OutOrderNo, OutRequestNo: number, OperationID: r.id, Amount: amount})
		a.announce(q.params["notify_url"], methodUnfreeze, a.unfreezeNotice(p, r, number), now)
	}
	return p.node(r, number), nil
}

func (p *preAuth) node(r release, number string) node {
	return node{
		{"amount", r.amount.String()},
		{"auth_no", p.AuthNo},
		{"gmt_trans", stamp(r.at)},
		{"operation_id", r.id},
		{"out_order_no", p.OutOrderNo},
		{"out_request_no", number},
		{"status", "SUCCESS"},
	}
}

// authOperation is alipay.fund.auth.operation.detail.query. a.mu is held.
func (a *Alipay) authOperation(q *request, _ time.Time) (node, *failure) {
	values, broken := q.texts(map[string]int{"auth_no": 64, "out_order_no": 64, "operation_id": 64, "out_request_no": 64, "operation_type": 20})
	p := a.preAuths[values["auth_no"]]
	number := values["out_request_no"]
	switch {
	case broken != "":
		return nil, business("ILLEGAL_ARGUMENT", "参数异常: "+broken)
	case values["auth_no"] == "" || number == "":
		return nil, business("ILLEGAL_ARGUMENT", "参数异常: auth_no, out_request_no")
	case p == nil:
		return nil, business("AUTH_ORDER_NOT_EXIST", "支付宝资金授权订单不存在")
	}
	if number == p.OutRequestNo {
		return append(p.node(release{id: p.OperationID, amount: p.Amount}, number), field{"operation_type", "FREEZE"}), nil
	}
	r, known := p.releases[number]
	if !known {
		return nil, business("AUTH_OPERATION_NOT_EXIST", "支付宝资金操作流水不存在")
	}
	return append(p.node(r, number),
		field{"operation_type", "UNFREEZE"}, field{"remark", r.remark},
		field{"payer_logon_id", p.PayerLogonID}, field{"payer_user_id", p.PayerUserID},
		field{"total_freeze_amount", p.Amount.String()}, field{"rest_amount", (p.Amount - p.released).String()}), nil
}

// unfreezeNotice has the fields of a signed capture. a.mu is held.
func (a *Alipay) unfreezeNotice(p *preAuth, r release, number string) []signer.Param {
	return []signer.Param{
		{Key: "notify_type", Value: "fund_auth_unfreeze"},
		{Key: "charset", Value: "utf-8"},
		{Key: "app_id", Value: a.appID},
		{Key: "auth_app_id", Value: a.appID},
		{Key: "version", Value: "1.0"},
		{Key: "auth_no", Value: p.AuthNo},
		{Key: "out_order_no", Value: p.OutOrderNo},
		{Key: "operation_id", Value: r.id},
		{Key: "out_request_no", Value: number},
		{Key: "operation_type", Value: "UNFREEZE"},
		{Key: "amount", Value: r.amount.String()},
		{Key: "status", Value: "SUCCESS"},
		{Key: "gmt_create", Value: stamp(r.at)},
		{Key: "gmt_trans", Value: stamp(r.at)},
		{Key: "payer_logon_id", Value: p.PayerLogonID},
		{Key: "payer_user_id", Value: p.PayerUserID},
		{Key: "total_freeze_amount", Value: p.Amount.String()},
		{Key: "total_unfreeze_amount", Value: p.released.String()},
		{Key: "total_pay_amount", Value: "0.00"},
		{Key: "rest_amount", Value: (p.Amount - p.released).String()},
	}
}
