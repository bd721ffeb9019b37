package gateway_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/alirefund/alirefund/gateway"
)

// unknown is a refund whose amount is not known.
var unknown = gateway.Want{OutTradeNo: "T1", AuthNo: "A1", OutRequestNo: "R1"}

// nodes are answers as they might come, and what each proves of the refund that it
// was asked for.
var nodes = []struct {
	call   gateway.Call
	what   string
	fields string
	want   gateway.Want
	expect gateway.Verdict
}{
	{gateway.TradeRefundCall, "no order in it", `"fund_change":"Y"`, asked, succeeded},
	{gateway.TradeRefundCall, "order as a number", `"fund_change":"Y","out_trade_no":1`, gateway.Want{OutTradeNo: "1"}, succeeded},
	{gateway.TradeRefundCall, "cumulative refund_fee", `"fund_change":"Y","out_trade_no":"T1","refund_fee":9.5`, asked, succeeded},
	{gateway.TradeRefundCall, "lower case", `"fund_change":"y"`, asked, ended},
	{gateway.TradeRefundCall, "a truth value", `"fund_change":true`, asked, ended},
	{gateway.TradeRefundCall, "no fund_change", `"out_trade_no":"T1","refund_fee":"1.00"`, asked, ended},
	{gateway.TradeRefundCall, "order in other letters", `"fund_change":"Y","out_trade_no":"t1"`, asked, attention},
	{gateway.TradeRefundCall, "N for another order", `"fund_change":"N","out_trade_no":"T2"`, asked, attention},

	{gateway.CouponRefundCall, "amount as a number", `"status":"SUCCESS","auth_no":"A1","out_request_no":"R1","amount":1`, asked, succeeded},
	{gateway.CouponRefundCall, "status alone", `"status":"SUCCESS"`, asked, succeeded},
	{gateway.CouponRefundCall, "amount not known to us", `"status":"SUCCESS","amount":"7.00"`, unknown, succeeded},
	{gateway.CouponRefundCall, "other amount", `"status":"SUCCESS","amount":"1.01"`, asked, attention},
	{gateway.CouponRefundCall, "other number", `"status":"SUCCESS","out_request_no":"R2"`, asked, attention},
	{gateway.CouponRefundCall, "other red packet", `"status":"SUCCESS","auth_no":"A2"`, asked, attention},
	{gateway.CouponRefundCall, "INIT", `"status":"INIT","auth_no":"A1"`, asked, unresolved},
	{gateway.CouponRefundCall, "CLOSED", `"status":"CLOSED","auth_no":"A1"`, asked, unresolved},
	{gateway.CouponRefundCall, "no status", `"auth_no":"A1"`, asked, unresolved},

	{gateway.RefundQueryCall, "amount as a number", `"refund_status":"REFUND_SUCCESS","out_trade_no":"T1","out_request_no":"R1","refund_amount":1.0`, asked, succeeded},
	{gateway.RefundQueryCall, "amount not known to us", `"refund_status":"REFUND_SUCCESS","out_trade_no":"T1","out_request_no":"R1","refund_amount":"7.00"`, unknown, succeeded},
	{gateway.RefundQueryCall, "empty", `"out_trade_no":"T1"`, asked, notFound},
	{gateway.RefundQueryCall, "empty, all null", `"refund_status":null,"refund_amount":"","out_request_no":null`, asked, notFound},
	{gateway.RefundQueryCall, "empty, of another order", `"out_trade_no":"T2"`, asked, attention},
	{gateway.RefundQueryCall, "empty, of another number", `"out_trade_no":"T1","out_request_no":"R2"`, asked, attention},
	{gateway.RefundQueryCall, "without status, as in 2019", `"out_trade_no":"T1","out_request_no":"R1","refund_amount":"1.00"`, asked, unresolved},
	{gateway.RefundQueryCall, "in progress", `"refund_status":"REFUND_PROCESSING","out_trade_no":"T1","out_request_no":"R1","refund_amount":"1.00"`, asked, unresolved},
	{gateway.RefundQueryCall, "failed, says a status", `"refund_status":"REFUND_FAIL","out_trade_no":"T1","out_request_no":"R1","refund_amount":"1.00"`, asked, unresolved},
	{gateway.RefundQueryCall, "other order", `"refund_status":"REFUND_SUCCESS","out_trade_no":"T2","out_request_no":"R1","refund_amount":"1.00"`, asked, attention},
	{gateway.RefundQueryCall, "other number", `"refund_status":"REFUND_SUCCESS","out_trade_no":"T1","out_request_no":"r1","refund_amount":"1.00"`, asked, attention},
	{gateway.RefundQueryCall, "other amount", `"refund_status":"REFUND_SUCCESS","out_trade_no":"T1","out_request_no":"R1","refund_amount":"1.01"`, asked, attention},
	{gateway.RefundQueryCall, "no order", `"refund_status":"REFUND_SUCCESS","out_request_no":"R1","refund_amount":"1.00"`, asked, attention},
	{gateway.RefundQueryCall, "no number", `"refund_status":"REFUND_SUCCESS","out_trade_no":"T1","refund_amount":"1.00"`, asked, attention},
	{gateway.RefundQueryCall, "no amount", `"refund_status":"REFUND_SUCCESS","out_trade_no":"T1","out_request_no":"R1"`, asked, attention},
	{gateway.RefundQueryCall, "an amount that is none", `"refund_status":"REFUND_SUCCESS","out_trade_no":"T1","out_request_no":"R1","refund_amount":"1e0"`, asked, attention},

	{gateway.CouponQueryCall, "amount as a number", `"operation_type":"REFUND","status":"SUCCESS","auth_no":"A1","out_request_no":"R1","amount":1.00`, asked, succeeded},
	{gateway.CouponQueryCall, "amount not known to us", `"operation_type":"REFUND","status":"SUCCESS","auth_no":"A1","out_request_no":"R1"`, unknown, succeeded},
	{gateway.CouponQueryCall, "empty", `"msg":"Success"`, asked, unresolved},
	{gateway.CouponQueryCall, "PAY", `"operation_type":"PAY","status":"SUCCESS","auth_no":"A1","out_request_no":"R1","amount":"1.00"`, asked, attention},
	{gateway.CouponQueryCall, "no operation_type", `"status":"SUCCESS","auth_no":"A1","out_request_no":"R1","amount":"1.00"`, asked, unresolved},
	{gateway.CouponQueryCall, "INIT", `"operation_type":"REFUND","status":"INIT","auth_no":"A1","out_request_no":"R1","amount":"1.00"`, asked, unresolved},
	{gateway.CouponQueryCall, "CLOSED", `"operation_type":"REFUND","status":"CLOSED","auth_no":"A1","out_request_no":"R1","amount":"1.00"`, asked, unresolved},
	{gateway.CouponQueryCall, "other red packet", `"operation_type":"REFUND","status":"SUCCESS","auth_no":"A2","out_request_no":"R1","amount":"1.00"`, asked, attention},
	{gateway.CouponQueryCall, "other number", `"operation_type":"REFUND","status":"SUCCESS","auth_no":"A1","out_request_no":"R2","amount":"1.00"`, asked, attention},
	{gateway.CouponQueryCall, "other amount", `"operation_type":"REFUND","status":"SUCCESS","auth_no":"A1","out_request_no":"R1","amount":"2.00"`, asked, attention},
	{gateway.CouponQueryCall, "no red packet", `"operation_type":"REFUND","status":"SUCCESS","out_request_no":"R1","amount":"1.00"`, asked, unresolved},
	{gateway.CouponQueryCall, "no number", `"operation_type":"REFUND","status":"SUCCESS","auth_no":"A1","amount":"1.00"`, asked, unresolved},
	{gateway.CouponQueryCall, "no amount", `"operation_type":"REFUND","status":"SUCCESS","auth_no":"A1","out_request_no":"R1"`, asked, unresolved},

	{gateway.FundTransRefundCall, "amount as a number", `"status":"SUCCESS","order_id":"A1","out_request_no":"R1","refund_amount":1`, asked, succeeded},
	{gateway.FundTransRefundCall, "no order_id", `"status":"SUCCESS","out_request_no":"R1","refund_amount":"1.00"`, asked, succeeded},
	{gateway.FundTransRefundCall, "status alone", `"status":"SUCCESS"`, asked, unresolved},
	{gateway.FundTransRefundCall, "no number", `"status":"SUCCESS","order_id":"A1","refund_amount":"1.00"`, asked, unresolved},
	{gateway.FundTransRefundCall, "no amount", `"status":"SUCCESS","order_id":"A1","out_request_no":"R1"`, asked, unresolved},
	{gateway.FundTransRefundCall, "no status", `"order_id":"A1","out_request_no":"R1","refund_amount":"1.00"`, asked, unresolved},
	{gateway.FundTransRefundCall, "lower case", `"status":"success","order_id":"A1","out_request_no":"R1","refund_amount":"1.00"`, asked, unresolved},
	{gateway.FundTransRefundCall, "CLOSED", `"status":"CLOSED","order_id":"A1","out_request_no":"R1","refund_amount":"1.00"`, asked, unresolved},
	{gateway.FundTransRefundCall, "other red packet", `"status":"SUCCESS","order_id":"A2","out_request_no":"R1","refund_amount":"1.00"`, asked, attention},
	{gateway.FundTransRefundCall, "other number", `"status":"SUCCESS","order_id":"A1","out_request_no":"r1","refund_amount":"1.00"`, asked, attention},
	{gateway.FundTransRefundCall, "other amount", `"status":"SUCCESS","order_id":"A1","out_request_no":"R1","refund_amount":"1.01"`, asked, attention},

	{gateway.FundTransQueryCall, "amount as a number", `"status":"SUCCESS","order_id":"F1","out_biz_no":"R1","trans_amount":1.00`, asked, succeeded},
	{gateway.FundTransQueryCall, "amount not known to us", `"status":"SUCCESS","out_biz_no":"R1","trans_amount":"7.00"`, unknown, succeeded},
	{gateway.FundTransQueryCall, "empty", `"msg":"Success"`, asked, unresolved},
	{gateway.FundTransQueryCall, "the red packet's own payment, perhaps", `"status":"SUCCESS","order_id":"A1","out_biz_no":"R1","trans_amount":"1.00"`, asked, unresolved},
	{gateway.FundTransQueryCall, "the red packet's own payment", `"status":"SUCCESS","order_id":"A1","out_biz_no":"PAY1","trans_amount":"1.00"`, asked, attention},
	{gateway.FundTransQueryCall, "no number", `"status":"SUCCESS","order_id":"F1","trans_amount":"1.00"`, asked, unresolved},
	{gateway.FundTransQueryCall, "no amount", `"status":"SUCCESS","order_id":"F1","out_biz_no":"R1"`, asked, unresolved},
	{gateway.FundTransQueryCall, "other amount", `"status":"SUCCESS","order_id":"F1","out_biz_no":"R1","trans_amount":"2.00"`, asked, attention},
	{gateway.FundTransQueryCall, "DEALING", `"status":"DEALING","order_id":"F1","out_biz_no":"R1","trans_amount":"1.00"`, asked, unresolved},
	{gateway.FundTransQueryCall, "FAIL", `"status":"FAIL","order_id":"F1","out_biz_no":"R1","trans_amount":"1.00"`, asked, unresolved},
	{gateway.FundTransQueryCall, "REFUND", `"status":"REFUND","order_id":"F1","out_biz_no":"R1","trans_amount":"1.00"`, asked, unresolved},

	{gateway.UnfreezeCall, "amount as a number", `"status":"SUCCESS","auth_no":"A1","out_request_no":"R1","amount":1`, asked, succeeded},
	{gateway.UnfreezeCall, "amount not known to us", `"status":"SUCCESS","auth_no":"A1","out_request_no":"R1","amount":"7.00"`, unknown, succeeded},
	{gateway.UnfreezeCall, "status alone", `"status":"SUCCESS"`, asked, unresolved},
	{gateway.UnfreezeCall, "no pre-authorisation", `"status":"SUCCESS","out_request_no":"R1","amount":"1.00"`, asked, unresolved},
	{gateway.UnfreezeCall, "no number", `"status":"SUCCESS","auth_no":"A1","amount":"1.00"`, asked, unresolved},
	{gateway.UnfreezeCall, "no amount", `"status":"SUCCESS","auth_no":"A1","out_request_no":"R1"`, asked, unresolved},
	{gateway.UnfreezeCall, "no status", `"auth_no":"A1","out_request_no":"R1","amount":"1.00"`, asked, unresolved},
	{gateway.UnfreezeCall, "lower case", `"status":"success","auth_no":"A1","out_request_no":"R1","amount":"1.00"`, asked, unresolved},
	{gateway.UnfreezeCall, "CLOSED", `"status":"CLOSED","auth_no":"A1","out_request_no":"R1","amount":"1.00"`, asked, unresolved},
	{gateway.UnfreezeCall, "other pre-authorisation", `"status":"SUCCESS","auth_no":"A2","out_request_no":"R1","amount":"1.00"`, asked, attention},
	{gateway.UnfreezeCall, "other number", `"status":"SUCCESS","auth_no":"A1","out_request_no":"r1","amount":"1.00"`, asked, attention},
	{gateway.UnfreezeCall, "other amount", `"status":"SUCCESS","auth_no":"A1","out_request_no":"R1","amount":"0.99"`, asked, attention},

	{gateway.AuthQueryCall, "amount as a number", `"operation_type":"UNFREEZE","status":"SUCCESS","auth_no":"A1","out_request_no":"R1","amount":1.00`, asked, succeeded},
	{gateway.AuthQueryCall, "amount not known to us", `"operation_type":"UNFREEZE","status":"SUCCESS","auth_no":"A1","out_request_no":"R1"`, unknown, succeeded},
	{gateway.AuthQueryCall, "empty", `"msg":"Success"`, asked, unresolved},
	{gateway.AuthQueryCall, "the freezing, under the same numbers", `"operation_type":"FREEZE","status":"SUCCESS","auth_no":"A1","out_request_no":"R1","amount":"1.00"`, asked, attention},
	{gateway.AuthQueryCall, "the payment, under the same numbers", `"operation_type":"PAY","status":"SUCCESS","auth_no":"A1","out_request_no":"R1","amount":"1.00"`, asked, attention},
	{gateway.AuthQueryCall, "a red packet's operation_type", `"operation_type":"REFUND","status":"SUCCESS","auth_no":"A1","out_request_no":"R1","amount":"1.00"`, asked, attention},
	{gateway.AuthQueryCall, "no operation_type", `"status":"SUCCESS","auth_no":"A1","out_request_no":"R1","amount":"1.00"`, asked, unresolved},
	{gateway.AuthQueryCall, "INIT", `"operation_type":"UNFREEZE","status":"INIT","auth_no":"A1","out_request_no":"R1","amount":"1.00"`, asked, unresolved},
	{gateway.AuthQueryCall, "CLOSED", `"operation_type":"UNFREEZE","status":"CLOSED","auth_no":"A1","out_request_no":"R1","amount":"1.00"`, asked, unresolved},
	{gateway.AuthQueryCall, "the order is closed, its operation is not said to be done", `"operation_type":"UNFREEZE","order_status":"CLOSED","auth_no":"A1","out_request_no":"R1","amount":"1.00"`, asked, unresolved},
	{gateway.AuthQueryCall, "other pre-authorisation", `"operation_type":"UNFREEZE","status":"SUCCESS","auth_no":"A2","out_request_no":"R1","amount":"1.00"`, asked, attention},
	{gateway.AuthQueryCall, "other number", `"operation_type":"UNFREEZE","status":"SUCCESS","auth_no":"A1","out_request_no":"R2","amount":"1.00"`, asked, attention},
	{gateway.AuthQueryCall, "other amount", `"operation_type":"UNFREEZE","status":"SUCCESS","auth_no":"A1","out_request_no":"R1","amount":"2.00"`, asked, attention},
	{gateway.AuthQueryCall, "no pre-authorisation", `"operation_type":"UNFREEZE","status":"SUCCESS","out_request_no":"R1","amount":"1.00"`, asked, unresolved},
	{gateway.AuthQueryCall, "no number", `"operation_type":"UNFREEZE","status":"SUCCESS","auth_no":"A1","amount":"1.00"`, asked, unresolved},
	{gateway.AuthQueryCall, "no amount", `"operation_type":"UNFREEZE","status":"SUCCESS","auth_no":"A1","out_request_no":"R1"`, asked, unresolved},
}

func TestJudge(t *testing.T) {
	for _, c := range nodes {
		t.Run(fmt.Sprintf("%v/%s", c.call, c.what), func(t *testing.T) {
			reply, err := came(gateway.SignedAnswer, "10000", "", c.fields)
			if got := judges[c.call](reply, err, c.want); got != c.expect {
				t.Errorf("%+v, want %+v", got, c.expect)
			}
		})
	}
}

// An error counts more than what the reply beside it claims, and an error that
// nobody knows, of the host's own transport for instance, proves nothing.
func TestJudgeOfStrangeErrors(t *testing.T) {
	reply, _ := came(gateway.SignedAnswer, "10000", "", `"fund_change":"Y"`)
	unsigned, _ := came(gateway.Unverified, "10000", "", "")
	for _, c := range []struct {
		what  string
		reply gateway.Reply
		err   error
		want  gateway.Verdict
	}{
		{"no error, no reply", gateway.Reply{}, nil, gateway.Verdict{}},
		{"no error, unsigned", unsigned, nil, gateway.Verdict{}},
		{"an error from elsewhere", reply, errors.New("disk full"), gateway.Verdict{}},
		{"no answer because of what says it was not sent", gateway.Reply{}, fmt.Errorf("%w: %w", gateway.ErrNoAnswer, gateway.ErrNotSent), gateway.Verdict{}},
		{"a signed refusal beside an unsigned reply", unsigned, &gateway.Error{Code: "40004", SubCode: "ACQ.TRADE_NOT_EXIST", Signed: true}, gateway.Verdict{}},
		{"an unsigned refusal beside a signed reply", reply, &gateway.Error{Code: "40004", SubCode: "ACQ.TRADE_NOT_EXIST"}, gateway.Verdict{Attention: true}},
	} {
		for call, judge := range judges {
			if got := judge(c.reply, c.err, asked); got != c.want {
				t.Errorf("%s, %v: %+v, want %+v", c.what, call, got, c.want)
			}
		}
	}
}
