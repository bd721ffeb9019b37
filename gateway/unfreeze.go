package gateway

import (
	"context"

	"github.com/alirefund/alirefund/money"
)

// The methods that release a pre-authorisation: what was frozen at the payer's, and
// not taken.
const (
	MethodUnfreeze  = "alipay.fund.auth.order.unfreeze"
	MethodAuthQuery = "alipay.fund.auth.operation.detail.query"
)

// Unfreeze is the biz_content of alipay.fund.auth.order.unfreeze, which releases a
// pre-authorisation, or a part of it. The same release, asked for again, keeps its
// number and its amount (the interface's parameter list). The notification of its
// success goes to [Options].NotifyURL.
type Unfreeze struct {
	AuthNo       string       `json:"auth_no"`        // Alipay's number of the pre-authorisation
	OutRequestNo string       `json:"out_request_no"` // of this release, never another's
	Amount       money.Amount `json:"amount"`
	Remark       string       `json:"remark"`
	// ExtraParam is a JSON object in a text; its one documented key is
	// unfreezeBizInfo.
	ExtraParam string `json:"extra_param,omitempty"`
}

// Unfreeze calls alipay.fund.auth.order.unfreeze, whose node has the fields of a red
// packet's. Errors are [Client.Do]'s. Neither an error nor its absence says whether
// anything was released: [JudgeUnfreeze] does.
func (c *Client) Unfreeze(ctx context.Context, r Unfreeze, o Options) (CouponAnswer, error) {
	reply, err := c.Do(ctx, MethodUnfreeze, r, o)
	return DecodeCoupon(reply), err
}

// AuthQuery is the biz_content of alipay.fund.auth.operation.detail.query, which
// wants one number of the pre-authorisation and one of the operation.
type AuthQuery struct {
	AuthNo        string `json:"auth_no"`
	OutRequestNo  string `json:"out_request_no"`
	OperationType string `json:"operation_type,omitempty"` // FREEZE, UNFREEZE or PAY
}

// QueryAuth calls alipay.fund.auth.operation.detail.query. Errors are
// [Client.Do]'s. [JudgeAuthQuery] says what the answer proves.
func (c *Client) QueryAuth(ctx context.Context, q AuthQuery, o Options) (CouponAnswer, error) {
	reply, err := c.Do(ctx, MethodAuthQuery, q, o)
	return DecodeCoupon(reply), err
}

// JudgeUnfreeze says what the reply and error of alipay.fund.auth.order.unfreeze
// prove. Success wants status SUCCESS, and the number and amount that were asked
// for.
func JudgeUnfreeze(reply Reply, err error, want Want) Verdict {
	a, proof := DecodeCoupon(reply), Unclear
	switch {
	case a.differs(want):
		proof = Mismatch
	case a.Status == "SUCCESS" && a.OutRequestNo != "" && a.Amount != 0:
		proof = Moved
	}
	return judge(UnfreezeCall, reply, err, proof)
}

// JudgeAuthQuery says what the reply and error of
// alipay.fund.auth.operation.detail.query prove about a release. Success wants
// operation_type UNFREEZE, status SUCCESS, and the auth_no, number and amount that
// were asked about.
func JudgeAuthQuery(reply Reply, err error, want Want) Verdict {
	return judge(AuthQueryCall, reply, err, DecodeCoupon(reply).proves("UNFREEZE", want))
}
