package gateway

import (
	"context"

	"github.com/alirefund/alirefund/money"
)

// Unfreeze is the biz_content of alipay.fund.auth.order.unfreeze, which releases a
// pre-authorisation, whole or in part. The notice of its success goes to
// [Options].NotifyURL and nowhere else. A request that is repeated must have the
// same number and the same amount, and another request another number (the
// interface's page, out_request_no).
type Unfreeze struct {
	AuthNo       string       `json:"auth_no"`        // Alipay's number of the pre-authorisation
	OutRequestNo string       `json:"out_request_no"` // not that of the freezing
	Amount       money.Amount `json:"amount"`
	Remark       string       `json:"remark"`
	// ExtraParam is a JSON object as text; its one documented key is
	// unfreezeBizInfo, which ends an order of Zhima credit.
	ExtraParam string `json:"extra_param,omitempty"`
}

// UnfreezeAnswer is the node of alipay.fund.auth.order.unfreeze. Amounts are 0
// where they are absent: Amount is what was released, CreditAmount and FundAmount
// the parts of it that had been frozen as credit and as money.
type UnfreezeAnswer struct {
	Reply
	AuthNo, OutOrderNo, OperationID, OutRequestNo string
	Status                                        string // SUCCESS is the only one that is documented
	Amount, CreditAmount, FundAmount              money.Amount
	GmtTrans                                      string // UTC+8
}

// Unfreeze calls alipay.fund.auth.order.unfreeze. Errors are [Client.Do]'s.
// Neither an error nor its absence says whether money moved: [JudgeUnfreeze] does.
func (c *Client) Unfreeze(ctx context.Context, r Unfreeze, o Options) (UnfreezeAnswer, error) {
	reply, err := c.Do(ctx, MethodUnfreeze, r, o)
	return DecodeUnfreeze(reply), err
}

// DecodeUnfreeze reads the verified node of a reply.
func DecodeUnfreeze(reply Reply) UnfreezeAnswer {
	return UnfreezeAnswer{
		Reply: reply, AuthNo: reply.Text("auth_no"), OutOrderNo: reply.Text("out_order_no"),
		OperationID: reply.Text("operation_id"), OutRequestNo: reply.Text("out_request_no"), Status: reply.Text("status"),
		Amount: reply.amount("amount"), CreditAmount: reply.amount("credit_amount"), FundAmount: reply.amount("fund_amount"),
		GmtTrans: reply.Text("gmt_trans"),
	}
}

// AuthQuery is the biz_content of alipay.fund.auth.operation.detail.query. Its
// documented pairs are AuthNo with OperationID and OutOrderNo with OutRequestNo.
// Without an OperationType it answers about the freezing, if one has the same
// numbers: ask about a release with [OperationUnfreeze].
type AuthQuery struct {
	AuthNo        string `json:"auth_no,omitempty"`
	OperationID   string `json:"operation_id,omitempty"`
	OutOrderNo    string `json:"out_order_no,omitempty"`
	OutRequestNo  string `json:"out_request_no,omitempty"`
	OperationType string `json:"operation_type,omitempty"`
}

// OperationUnfreeze is the operation_type of a release; the others are FREEZE and
// PAY.
const OperationUnfreeze = "UNFREEZE"

// AuthQueryAnswer is its node. Amount is that of the operation, 0 where it is
// absent; OrderStatus and RestAmount are the whole pre-authorisation's.
type AuthQueryAnswer struct {
	Reply
	AuthNo, OutOrderNo, OperationID, OutRequestNo string
	OperationType                                 string // FREEZE, UNFREEZE, PAY
	Status                                        string // INIT, SUCCESS, CLOSED
	Amount                                        money.Amount
	OrderStatus                                   string // INIT, AUTHORIZED, FINISH, CLOSED
	RestAmount                                    money.Amount
	GmtTrans                                      string // UTC+8
}

// QueryAuth calls alipay.fund.auth.operation.detail.query. Errors are
// [Client.Do]'s. [JudgeAuthQuery] says what the answer proves.
func (c *Client) QueryAuth(ctx context.Context, q AuthQuery, o Options) (AuthQueryAnswer, error) {
	reply, err := c.Do(ctx, MethodAuthQuery, q, o)
	return DecodeAuthQuery(reply), err
}

// DecodeAuthQuery reads the verified node of a reply.
func DecodeAuthQuery(reply Reply) AuthQueryAnswer {
	return AuthQueryAnswer{
		Reply: reply, AuthNo: reply.Text("auth_no"), OutOrderNo: reply.Text("out_order_no"),
		OperationID: reply.Text("operation_id"), OutRequestNo: reply.Text("out_request_no"),
		OperationType: reply.Text("operation_type"), Status: reply.Text("status"), Amount: reply.amount("amount"),
		OrderStatus: reply.Text("order_status"), RestAmount: reply.amount("rest_amount"), GmtTrans: reply.Text("gmt_trans"),
	}
}

// unfreezeRows are what the release of a pre-authorisation adds to the outcome
// table. Source: for the query, Alipay's page; for the release, a copy of its error
// codes in public source code, of which support posts confirm ORDER_ALREADY_CLOSED,
// ORDER_ALREADY_FINISH and REQUEST_AMOUNT_EXCEED. BIZ_ERROR says that some other
// business may be using the pre-authorisation, not that nothing moved. What the
// number's own earlier release may have caused is checked by a query first.
var unfreezeRows = []Row{
	{Calls: []Call{UnfreezeCall}, Transport: SignedAnswer, Codes: []string{"10000", "10003"}, Why: "in progress; only a query tells"},

	{Calls: []Call{UnfreezeCall}, Transport: SignedAnswer, Codes: []string{"40004"}, SubCodes: []string{"UNIQUE_VIOLATION"}, Verdict: Verdict{Ended: true, Attention: true}, Why: "the number was used with another amount or order; only a query tells whose"},
	{Calls: []Call{UnfreezeCall}, Transport: SignedAnswer, Codes: []string{"40004"}, SubCodes: []string{"BIZ_ERROR"}, Verdict: Verdict{Attention: true}, Why: "not documented to mean that nothing moved"},
	{Calls: []Call{UnfreezeCall}, Transport: SignedAnswer, Codes: []string{"40004"}, SubCodes: []string{"ACCESS_FORBIDDEN", "PAYER_USER_STATUS_LIMIT"}, Verdict: Verdict{Outcome: FailedRetryable}, Why: "a contract or the payer's account can be mended, then the same number sent again"},
	{Calls: []Call{UnfreezeCall}, Transport: SignedAnswer, Codes: []string{"40004"}, SubCodes: []string{"ORDER_ALREADY_CLOSED", "ORDER_ALREADY_FINISH", "REQUEST_AMOUNT_EXCEED", "ILLEGAL_STATUS"}, Verdict: Verdict{Outcome: Failed, Check: true}, Why: "not so much is frozen any more: released or paid, perhaps by this number"},
	{Calls: []Call{UnfreezeCall}, Transport: SignedAnswer, Codes: []string{"40004"}, SubCodes: []string{
		"ILLEGAL_ARGUMENT", "AUTH_ORDER_NOT_EXIST", "PAYER_NOT_EXIST",
	}, Verdict: Verdict{Outcome: Failed}, Why: "refused for good"},

	{Calls: []Call{AuthQueryCall}, Transport: SignedAnswer, Codes: []string{"40004"}, SubCodes: []string{"AUTH_OPERATION_NOT_EXIST", "AUTH_ORDER_NOT_EXIST"}, Verdict: Verdict{Outcome: NotFound}, Why: "no such operation"},
	{Calls: []Call{AuthQueryCall}, Transport: SignedAnswer, Codes: []string{"40004"}, SubCodes: []string{"ACCESS_FORBIDDEN", "HAS_NO_PRIVILEGE"}, Verdict: Verdict{Attention: true}, Why: "the question was refused; asking again will not help"},
}

var unfreezeOutcomes = outcomesOf(unfreezeRows...)

// JudgeUnfreeze says what the reply and error of alipay.fund.auth.order.unfreeze
// prove. Success wants status SUCCESS, and the auth_no, number and amount that were
// asked for.
func JudgeUnfreeze(reply Reply, err error, want Want) Verdict {
	a, proof := DecodeUnfreeze(reply), Unclear
	switch {
	case want.contradicted(a.AuthNo, a.OutRequestNo, a.Amount):
		proof = Mismatch
	case a.Status == "SUCCESS" && a.AuthNo != "" && a.OutRequestNo != "" && a.Amount != 0:
		proof = Moved
	}
	return unfreezeOutcomes.judge(UnfreezeCall, reply, err, proof)
}

// JudgeAuthQuery says what the reply and error of
// alipay.fund.auth.operation.detail.query prove of a release. Success wants
// operation_type UNFREEZE, status SUCCESS, and the auth_no, number and amount that
// were asked about: the same numbers may be those of the freezing.
func JudgeAuthQuery(reply Reply, err error, want Want) Verdict {
	a, proof := DecodeAuthQuery(reply), Unclear
	switch {
	case a.OperationType != "" && a.OperationType != OperationUnfreeze, want.contradicted(a.AuthNo, a.OutRequestNo, a.Amount):
		proof = Mismatch
	case a.OperationType == OperationUnfreeze && a.Status == "SUCCESS" && a.AuthNo != "" && (a.OutRequestNo != "" || want.OutRequestNo == "") && (a.Amount != 0 || want.Amount == 0):
		proof = Moved
	}
	return unfreezeOutcomes.judge(AuthQueryCall, reply, err, proof)
}
