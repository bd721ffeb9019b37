package alipaytest

import (
	"maps"
	"time"

	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/signer"
)

// fundOrder is what a red packet and a pre-authorisation are both known by.
type fundOrder struct {
	authNo, outOrderNo        string
	payerLogonID, payerUserID string
}

// operation is one movement of a fundOrder's money.
type operation struct {
	fundOrder
	packet *packet // nil: of a pre-authorisation
	id     string
	number string // out_request_no
	kind   string // operation_type
	amount money.Amount
	remark string
	at     time.Time
}

// node has the members that every answer about an operation has, and more.
func (op *operation) node(more ...field) node {
	return append(node{
		{"amount", op.amount.String()},
		{"auth_no", op.authNo},
		{"gmt_trans", stamp(op.at)},
		{"operation_id", op.id},
		{"out_order_no", op.outOrderNo},
		{"out_request_no", op.number},
		{"status", "SUCCESS"},
	}, more...)
}

// detail is the answer of the queries: op's node, and who had paid.
func (op *operation) detail(more ...field) node {
	return append(op.node(
		field{"gmt_create", stamp(op.at)},
		field{"operation_type", op.kind},
		field{"payer_logon_id", op.payerLogonID},
		field{"payer_user_id", op.payerUserID},
		field{"remark", op.remark},
	), more...)
}

// fundNotice tells of an operation, by the fields that the notices of the fund
// interfaces have in common, and more. a.mu is held.
func (a *Alipay) fundNotice(op *operation, notifyType, to, method string, now time.Time, more ...signer.Param) {
	a.announce(to, method, append([]signer.Param{
		{Key: "charset", Value: "UTF-8"},
		{Key: "notify_type", Value: notifyType},
		{Key: "app_id", Value: a.appID},
		{Key: "auth_app_id", Value: a.appID},
		{Key: "version", Value: "1.0"},
		{Key: "auth_no", Value: op.authNo},
		{Key: "out_order_no", Value: op.outOrderNo},
		{Key: "operation_id", Value: op.id},
		{Key: "out_request_no", Value: op.number},
		{Key: "operation_type", Value: op.kind},
		{Key: "amount", Value: op.amount.String()},
		{Key: "status", Value: "SUCCESS"},
		{Key: "gmt_create", Value: stamp(op.at)},
		{Key: "gmt_trans", Value: stamp(op.at)},
		{Key: "payer_logon_id", Value: op.payerLogonID},
		{Key: "payer_user_id", Value: op.payerUserID},
	}, more...), now)
}

// fundMovement enters what an operation moved. a.mu is held.
func (a *Alipay) fundMovement(op *operation, kind MovementKind) {
	a.move(Movement{
		At: op.at, Kind: kind, AuthNo: op.authNo, OutOrderNo: op.outOrderNo,
		OutRequestNo: op.number, OperationID: op.id, Amount: op.amount,
	})
}

// fundNumbers makes up the numbers of a new order that the test gave none for.
// a.mu is held.
func (a *Alipay) fundNumbers(now time.Time, authNo, outOrderNo, outRequestNo, operationID *string) {
	for _, f := range []struct {
		number *string
		kind   string
	}{{authNo, "10002"}, {outOrderNo, "7"}, {outRequestNo, "8"}, {operationID, "20001"}} {
		if *f.number == "" {
			*f.number = a.number(now, f.kind, 28)
		}
	}
}

// fundRequest reads the parameters of a request to give money back: auth_no,
// out_request_no, amount and remark, all of them required, and the optional ones
// that more names with their lengths.
func fundRequest(q *request, more map[string]int) (map[string]string, money.Amount, *failure) {
	limits := map[string]int{"auth_no": 64, "out_request_no": 64, "remark": 100}
	maps.Copy(limits, more)
	values, broken := q.texts(limits)
	amount, ok := q.amount("amount")
	switch {
	case broken != "":
	case values["auth_no"] == "":
		broken = "auth_no"
	case values["out_request_no"] == "":
		broken = "out_request_no"
	case values["remark"] == "":
		broken = "remark"
	case !ok:
		broken = "amount"
	}
	if broken != "" {
		return nil, 0, fundRefusal(values["out_request_no"], "ILLEGAL_ARGUMENT", "参数异常: "+broken)
	}
	return values, amount, nil
}

// fundRefusal is a refusal that names the request's number, as captured ones do.
func fundRefusal(number, sub, text string) *failure {
	return business(sub, text, field{"out_request_no", number})
}

// operationAsked reads the parameters of a query about an operation, which only the
// two documented pairs of numbers are taken for. byID tells whether it is auth_no
// and operation_id, which win over out_order_no and out_request_no.
func operationAsked(q *request, more map[string]int) (values map[string]string, byID bool, refused *failure) {
	limits := map[string]int{"auth_no": 64, "operation_id": 64, "out_order_no": 64, "out_request_no": 64}
	maps.Copy(limits, more)
	values, broken := q.texts(limits)
	byID = values["auth_no"] != "" && values["operation_id"] != ""
	switch {
	case broken != "":
		return nil, false, business("ILLEGAL_ARGUMENT", "参数异常: "+broken)
	case !byID && (values["out_order_no"] == "" || values["out_request_no"] == ""):
		return nil, false, business("ILLEGAL_ARGUMENT", "参数异常: auth_no + operation_id, or out_order_no + out_request_no")
	}
	return values, byID, nil
}

func noOperation() *failure {
	return business("AUTH_OPERATION_NOT_EXIST", "支付宝资金操作流水不存在")
}
