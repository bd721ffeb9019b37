package gateway

import (
	"context"

	"github.com/alirefund/alirefund/money"
)

// FundTransRefund is the biz_content of alipay.fund.trans.refund, which returns
// what nobody took out of a red packet. One that failed is to be sent again under
// its number (the interface's page). It has no notify_url: the message of its
// success goes to the application's gateway.
type FundTransRefund struct {
	OrderID      string       `json:"order_id"`       // Alipay's number of the red packet
	OutRequestNo string       `json:"out_request_no"` // the refund's own
	RefundAmount money.Amount `json:"refund_amount"`
	Remark       string       `json:"remark,omitempty"`
}

// FundTransAnswer is the node of alipay.fund.trans.refund. RefundAmount is 0
// where it is absent.
type FundTransAnswer struct {
	Reply
	OrderID, OutRequestNo string
	RefundOrderID         string // Alipay's number of the refund
	Status                string // SUCCESS is the only one that is documented
	RefundAmount          money.Amount
	RefundDate            string // UTC+8
}

// RefundFundTrans calls alipay.fund.trans.refund. Errors are [Client.Do]'s.
// Neither an error nor its absence says whether money moved:
// [JudgeFundTransRefund] does.
func (c *Client) RefundFundTrans(ctx context.Context, r FundTransRefund, o Options) (FundTransAnswer, error) {
	reply, err := c.Do(ctx, MethodFundTransRefund, r, o)
	return DecodeFundTrans(reply), err
}

// DecodeFundTrans reads the verified node of a reply.
func DecodeFundTrans(reply Reply) FundTransAnswer {
	return FundTransAnswer{
		Reply: reply, OrderID: reply.Text("order_id"), OutRequestNo: reply.Text("out_request_no"), RefundOrderID: reply.Text("refund_order_id"),
		Status: reply.Text("status"), RefundAmount: reply.amount("refund_amount"), RefundDate: reply.Text("refund_date"),
	}
}

// FundTransQuery is the biz_content of alipay.fund.trans.common.query. With an
// order_id it would answer about the red packet's payment, whatever BizScene
// says (a published answer): ask about a refund by [AskFundTransRefund].
type FundTransQuery struct {
	ProductCode string `json:"product_code"`
	BizScene    string `json:"biz_scene"`
	OutBizNo    string `json:"out_biz_no"`
}

// AskFundTransRefund is the question about the refund of that number.
func AskFundTransRefund(outRequestNo string) FundTransQuery {
	return FundTransQuery{ProductCode: "STD_RED_PACKET", BizScene: "REFUND", OutBizNo: outRequestNo}
}

// FundTransQueryAnswer is its node. TransAmount is 0 where it is absent.
type FundTransQueryAnswer struct {
	Reply
	OrderID, OutBizNo string
	Status            string // SUCCESS is the only one of a refund
	TransAmount       money.Amount
	PayDate           string // UTC+8
}

// QueryFundTrans calls alipay.fund.trans.common.query. Errors are [Client.Do]'s.
// [JudgeFundTransQuery] says what the answer proves.
func (c *Client) QueryFundTrans(ctx context.Context, q FundTransQuery, o Options) (FundTransQueryAnswer, error) {
	reply, err := c.Do(ctx, MethodFundTransQuery, q, o)
	return DecodeFundTransQuery(reply), err
}

// DecodeFundTransQuery reads the verified node of a reply.
func DecodeFundTransQuery(reply Reply) FundTransQueryAnswer {
	return FundTransQueryAnswer{
		Reply: reply, OrderID: reply.Text("order_id"), OutBizNo: reply.Text("out_biz_no"),
		Status: reply.Text("status"), TransAmount: reply.amount("trans_amount"), PayDate: reply.Text("pay_date"),
	}
}

// fundTransRows are what the return of a red packet of the newer product adds to the outcome table.
var fundTransRows = []Row{
	{Calls: []Call{FundTransRefundCall}, Transport: SignedAnswer, Codes: []string{"10000", "10003"}, Why: "in progress; only a query tells"},

	{Calls: []Call{FundTransQueryCall}, Transport: SignedAnswer, Codes: []string{"40004"}, Why: "its sub_codes are not documented: none of them proves that nothing moved"},
}

var fundTransOutcomes = outcomesOf(fundTransRows...)

// JudgeFundTransRefund says what the reply and error of alipay.fund.trans.refund
// prove. Success wants status SUCCESS and everything that the answer must name,
// the same as was asked for.
func JudgeFundTransRefund(reply Reply, err error, want Want) Verdict {
	a, proof := DecodeFundTrans(reply), Unclear
	switch {
	case a.OrderID != "" && a.OrderID != want.AuthNo, a.OutRequestNo != "" && a.OutRequestNo != want.OutRequestNo,
		a.RefundAmount != 0 && want.Amount != 0 && a.RefundAmount != want.Amount:
		proof = Mismatch
	case a.Status == "SUCCESS" && a.OutRequestNo != "" && a.RefundAmount != 0:
		proof = Moved
	}
	return fundTransOutcomes.judge(FundTransRefundCall, reply, err, proof)
}

// JudgeFundTransQuery says what the reply and error of
// alipay.fund.trans.common.query, asked by [AskFundTransRefund], prove. Success
// wants status SUCCESS, and the number and amount that were asked about. An
// answer that names the red packet's own order_id may be about its payment.
func JudgeFundTransQuery(reply Reply, err error, want Want) Verdict {
	a, proof := DecodeFundTransQuery(reply), Unclear
	switch {
	case a.OutBizNo != "" && a.OutBizNo != want.OutRequestNo, a.TransAmount != 0 && want.Amount != 0 && a.TransAmount != want.Amount:
		proof = Mismatch
	case a.Status == "SUCCESS" && a.OutBizNo != "" && a.TransAmount != 0 && (a.OrderID == "" || a.OrderID != want.AuthNo):
		proof = Moved
	}
	return fundTransOutcomes.judge(FundTransQueryCall, reply, err, proof)
}
