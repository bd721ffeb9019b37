package gateway

import (
	"context"

	"github.com/alirefund/alirefund/internal/rawjson"
	"github.com/alirefund/alirefund/money"
)

// CouponRefund is the biz_content of alipay.fund.coupon.order.refund, which
// returns what nobody took out of a red packet. The notice of its success goes
// to [Options].NotifyURL.
type CouponRefund struct {
	AuthNo       string       `json:"auth_no"`        // Alipay's number of the red packet
	OutRequestNo string       `json:"out_request_no"` // not the payment's, never used again
	Amount       money.Amount `json:"amount"`
	Remark       string       `json:"remark"`
}

// CouponAnswer is the node of alipay.fund.coupon.order.refund and of
// alipay.fund.coupon.operation.query. Amount is 0 where it is absent.
type CouponAnswer struct {
	Reply
	AuthNo, OutOrderNo, OperationID, OutRequestNo string
	OperationType                                 string // PAY or REFUND; the refund's own answer has none
	Status                                        string // INIT, SUCCESS, CLOSED
	Amount                                        money.Amount
	GmtTrans                                      string // UTC+8
}

// RefundCoupon calls alipay.fund.coupon.order.refund. Errors are [Client.Do]'s.
// Neither an error nor its absence says whether money moved:
// [JudgeCouponRefund] does.
func (c *Client) RefundCoupon(ctx context.Context, r CouponRefund, o Options) (CouponAnswer, error) {
	reply, err := c.Do(ctx, MethodCouponRefund, r, o)
	return DecodeCoupon(reply), err
}

// CouponQuery is the biz_content of alipay.fund.coupon.operation.query. Its
// documented pairs are AuthNo with OperationID and OutOrderNo with OutRequestNo.
type CouponQuery struct {
	AuthNo       string `json:"auth_no,omitempty"`
	OperationID  string `json:"operation_id,omitempty"`
	OutOrderNo   string `json:"out_order_no,omitempty"`
	OutRequestNo string `json:"out_request_no,omitempty"`
}

// QueryCoupon calls alipay.fund.coupon.operation.query. Errors are
// [Client.Do]'s. [JudgeCouponQuery] says what the answer proves.
func (c *Client) QueryCoupon(ctx context.Context, q CouponQuery, o Options) (CouponAnswer, error) {
	reply, err := c.Do(ctx, MethodCouponQuery, q, o)
	return DecodeCoupon(reply), err
}

// DecodeCoupon reads the verified node of a reply.
func DecodeCoupon(reply Reply) CouponAnswer {
	a := CouponAnswer{Reply: reply}
	_, _ = rawjson.Fields(reply.Node, func(key, value []byte) {
		switch string(key) {
		case "auth_no":
			a.AuthNo = text(value)
		case "out_order_no":
			a.OutOrderNo = text(value)
		case "operation_id":
			a.OperationID = text(value)
		case "out_request_no":
			a.OutRequestNo = text(value)
		case "operation_type":
			a.OperationType = text(value)
		case "status":
			a.Status = text(value)
		case "amount":
			a.Amount = amount(value)
		case "gmt_trans":
			a.GmtTrans = text(value)
		}
	})
	return a
}

// couponRows are what the return of a red packet adds to the outcome table.
var couponRows = []Row{
	{Calls: []Call{CouponRefundCall}, Transport: SignedAnswer, Codes: []string{"10000", "10003"}, Why: "in progress; only a query tells"},

	{Calls: []Call{CouponRefundCall}, Transport: SignedAnswer, Codes: []string{"40004"}, SubCodes: []string{"UNIQUE_VIOLATION"}, Verdict: Verdict{Ended: true}, Why: "a repeated number: only a query tells what became of it"},
	{Calls: []Call{CouponRefundCall}, Transport: SignedAnswer, Codes: []string{"40004"}, SubCodes: []string{"ACCESS_FORBIDDEN", "HAS_NO_PRIVILEGE"}, Verdict: Verdict{Outcome: FailedRetryable}, Why: "a permission can be granted, then the same number sent again"},
	{Calls: []Call{CouponRefundCall}, Transport: SignedAnswer, Codes: []string{"40004"}, SubCodes: []string{
		"MONEY_NOT_ENOUGH", "ILLEGAL_ARGUMENT", "AUTH_ORDER_NOT_EXIST", "ENTERPRISE_PAY_BIZ_ERROR",
	}, Verdict: Verdict{Outcome: Failed}, Why: "refused for good"},

	{Calls: []Call{CouponQueryCall}, Transport: SignedAnswer, Codes: []string{"40004"}, SubCodes: []string{"AUTH_OPERATION_NOT_EXIST", "AUTH_ORDER_NOT_EXIST"}, Verdict: Verdict{Outcome: NotFound}, Why: "no such operation"},
}

var couponOutcomes = outcomesOf(couponRows...)

// JudgeCouponRefund says what the reply and error of
// alipay.fund.coupon.order.refund prove.
func JudgeCouponRefund(reply Reply, err error, want Want) Verdict {
	a, proof := DecodeCoupon(reply), Unclear
	switch {
	case want.contradicted(a.AuthNo, a.OutRequestNo, a.Amount):
		proof = Mismatch
	case a.Status == "SUCCESS":
		proof = Moved
	}
	return couponOutcomes.judge(CouponRefundCall, reply, err, proof)
}

// JudgeCouponQuery says what the reply and error of
// alipay.fund.coupon.operation.query prove. Success wants operation_type REFUND,
// status SUCCESS, and the auth_no, number and amount that were asked about.
func JudgeCouponQuery(reply Reply, err error, want Want) Verdict {
	a, proof := DecodeCoupon(reply), Unclear
	switch {
	case a.OperationType != "" && a.OperationType != "REFUND", want.contradicted(a.AuthNo, a.OutRequestNo, a.Amount):
		proof = Mismatch
	case a.OperationType == "REFUND" && a.Status == "SUCCESS" && a.AuthNo != "" && (a.OutRequestNo != "" || want.OutRequestNo == "") && (a.Amount != 0 || want.Amount == 0):
		proof = Moved
	}
	return couponOutcomes.judge(CouponQueryCall, reply, err, proof)
}
