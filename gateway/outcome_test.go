package gateway_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/alirefund/alirefund/gateway"
)

// What Alipay's documents say of each code, in lists of their own: the error
// tables of alipay.trade.refund and of alipay.fund.auth.order.unfreeze (opendocs),
// the support pages of the red packet interfaces, and the gateway's common codes.
var (
	allCodes = []string{
		"10000", "10003", "20000", "20001", "40001", "40002", "40003", "40004", "40005", "40006",
		"", "0", "1000", "10001", "30000", "40000", "40007", "50000", "success",
	}
	neverExecuted = strings.Fields("20001 40001 40002 40003 40005 40006")

	unknownCodes = strings.Fields("SYSTEM_ERROR unknow-error")

	tradeMendable = strings.Fields("REFUND_CHARGE_ERROR SELLER_BALANCE_NOT_ENOUGH REFUND_ACCOUNT_NOT_EXIST REFUNDALLOC_UNAUTH_LIMIT")
	tradeOver     = strings.Fields(`TRADE_HAS_CLOSE TRADE_STATUS_ERROR REASON_TRADE_STATUS_INVALID TRADE_NOT_ALLOW_REFUND
		TRADE_HAS_FINISHED REASON_TRADE_REFUND_FEE_ERR REFUND_FEE_ERROR REFUND_AMT_NOT_EQUAL_TOTAL`)
	tradeFinal = strings.Fields(`REASON_TRADE_BEEN_FREEZEN TRADE_NOT_EXIST USER_NOT_MATCH_ERR NOT_ALLOW_PARTIAL_REFUND ONLINE_TRADE_VOUCHER_NOT_ALLOW_REFUND BUYER_ENABLE_STATUS_FORBID BUYER_ERROR
		BUYER_NOT_EXIST CUSTOMER_VALIDATE_ERROR INVALID_PARAMETER CURRENCY_NOT_SUPPORT ENTERPRISE_PAY_BIZ_ERROR
		OVERDRAFT_AGREEMENT_NOT_MATCH OVERDRAFT_ASSIGN_ACCOUNT_INVALID ALLOC_AMOUNT_VALIDATE_ERROR
		REFUND_ROYALTY_PAYEE_ACCOUNT_NOT_EXIST TRADE_SETTLE_ERROR`)
	tradeSpecial = strings.Fields("DISCORDANT_REPEAT_REQUEST")

	couponMendable = strings.Fields("ACCESS_FORBIDDEN HAS_NO_PRIVILEGE")
	couponFinal    = strings.Fields("MONEY_NOT_ENOUGH ILLEGAL_ARGUMENT AUTH_ORDER_NOT_EXIST ENTERPRISE_PAY_BIZ_ERROR")
	couponSpecial  = strings.Fields("UNIQUE_VIOLATION AUTH_OPERATION_NOT_EXIST")

	unfreezeMendable = strings.Fields("ACCESS_FORBIDDEN PAYER_USER_STATUS_LIMIT")
	unfreezeFinal    = strings.Fields("ILLEGAL_ARGUMENT AUTH_ORDER_NOT_EXIST PAYER_NOT_EXIST")
	unfreezeOver     = strings.Fields("ORDER_ALREADY_CLOSED ORDER_ALREADY_FINISH REQUEST_AMOUNT_EXCEED ILLEGAL_STATUS")
	unfreezeSpecial  = strings.Fields("BIZ_ERROR CANCEL_OPERATION_TIME_OUT")

	nothingThere = strings.Fields("AUTH_OPERATION_NOT_EXIST AUTH_ORDER_NOT_EXIST")

	otherCodes = []string{
		"", "NEW_ERROR", "TRADE_NOT_EXIST_2", "trade_not_exist", "XTRADE_NOT_EXIST", "*", "SYSTEM_ERROR_RETRY", "XSYSTEM_ERROR",
		"unknow-error-2", "invalid-signature", "invalid-app-id", "missing-method", "insufficient-isv-permissions",
		"invalid-auth-token", "REASON_ILLEGAL_STATUS", "TRADE_CANCEL_TIME_OUT", "CANCEL_NOT_ALLOWED",
	}
	prefixes = []string{"", "ACQ.", "AQC.", "aop.ACQ.", "isp.", "isv."}
)

// allSubCodes are the ones above and whatever the table names besides.
func allSubCodes() []string {
	all := slices.Concat(unknownCodes, tradeMendable, tradeFinal, tradeOver, tradeSpecial, couponMendable, couponFinal, couponSpecial,
		unfreezeMendable, unfreezeFinal, unfreezeOver, unfreezeSpecial, otherCodes)
	for _, row := range gateway.Table() {
		for _, code := range row.SubCodes {
			all = append(all, strings.Trim(code, "*"))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// The verdicts.
var (
	unresolved = gateway.Verdict{}
	attention  = gateway.Verdict{Attention: true}
	ended      = gateway.Verdict{Ended: true}
	succeeded  = gateway.Verdict{Outcome: gateway.Succeeded}
	retryable  = gateway.Verdict{Outcome: gateway.FailedRetryable}
	failed     = gateway.Verdict{Outcome: gateway.Failed}
	checked    = gateway.Verdict{Outcome: gateway.Failed, Check: true}
	notFound   = gateway.Verdict{Outcome: gateway.NotFound}
	unlisted   = gateway.Verdict{Unlisted: true}
)

// refusals are what each call's sub_codes of 40004 mean; what is not here leaves
// the refund unresolved, and is unlisted if it answers a send.
var refusals = map[gateway.Call][]struct {
	codes []string
	means gateway.Verdict
}{
	gateway.TradeRefundCall: {
		{tradeMendable, retryable},
		{tradeFinal, failed},
		{tradeOver, checked},
		{[]string{"DISCORDANT_REPEAT_REQUEST"}, gateway.Verdict{Ended: true, Attention: true}},
	},
	gateway.RefundQueryCall: {{[]string{"TRADE_NOT_EXIST"}, notFound}},
	gateway.CouponRefundCall: {
		{couponMendable, retryable},
		{couponFinal, failed},
		{[]string{"UNIQUE_VIOLATION"}, ended},
	},
	gateway.CouponQueryCall: {{nothingThere, notFound}},
	gateway.UnfreezeCall: {
		{unfreezeMendable, retryable},
		{unfreezeFinal, failed},
		{unfreezeOver, checked},
		{[]string{"UNIQUE_VIOLATION"}, gateway.Verdict{Ended: true, Attention: true}},
		{[]string{"BIZ_ERROR"}, attention},
	},
	gateway.AuthQueryCall: {
		{nothingThere, notFound},
		{couponMendable, attention},
	},
}

var asking = []gateway.Call{gateway.RefundQueryCall, gateway.CouponQueryCall, gateway.FundTransQueryCall, gateway.AuthQueryCall}

// expected is the table over again, in the order in which a person would ask.
func expected(call gateway.Call, transport gateway.Transport, code, sub string, proof gateway.Proof) gateway.Verdict {
	asks := slices.Contains(asking, call)
	switch {
	case transport == gateway.NothingSent:
		return gateway.Verdict{Outcome: gateway.NotSent}
	case transport == gateway.NoAnswer:
		return unresolved
	case transport == gateway.Unverified:
		return attention
	case code == "20000" || strings.Contains(sub, "SYSTEM_ERROR") || strings.Contains(sub, "unknow-error"):
		return unresolved
	case slices.Contains(neverExecuted, code) && !asks:
		return retryable
	case code == "40005":
		return unresolved
	case slices.Contains(neverExecuted, code):
		return attention
	case code == "10000":
		return expectedOfSuccess(call, proof)
	case code == "40004":
		for _, r := range refusals[call] {
			if slices.Contains(r.codes, sub) {
				return r.means
			}
		}
		if !asks {
			return unlisted
		}
	}
	return unresolved
}

func expectedOfSuccess(call gateway.Call, proof gateway.Proof) gateway.Verdict {
	switch {
	case proof == gateway.Moved:
		return succeeded
	case proof == gateway.Mismatch:
		return attention
	case call == gateway.TradeRefundCall:
		return ended
	case call == gateway.RefundQueryCall && proof == gateway.Nothing:
		return notFound
	}
	return unresolved
}

// asked is the refund that all calls of the walk are made for. proven holds, for
// each call, one node for each proof that its Judge function can find.
var (
	asked  = gateway.Want{OutTradeNo: "T1", AuthNo: "A1", OutRequestNo: "R1", Amount: 100}
	proven = map[gateway.Call]map[gateway.Proof]string{
		gateway.TradeRefundCall: {
			gateway.Moved:    `"out_trade_no":"T1","fund_change":"Y"`,
			gateway.Unclear:  `"out_trade_no":"T1","fund_change":"N"`,
			gateway.Mismatch: `"out_trade_no":"T2","fund_change":"Y"`,
		},
		gateway.CouponRefundCall: {
			gateway.Moved:    `"auth_no":"A1","out_request_no":"R1","amount":"1.00","status":"SUCCESS"`,
			gateway.Unclear:  `"auth_no":"A1","out_request_no":"R1","amount":"1.00","status":"INIT"`,
			gateway.Mismatch: `"auth_no":"A2","out_request_no":"R1","amount":"1.00","status":"SUCCESS"`,
		},
		gateway.RefundQueryCall: {
			gateway.Moved:    `"out_trade_no":"T1","out_request_no":"R1","refund_amount":"1.00","refund_status":"REFUND_SUCCESS"`,
			gateway.Unclear:  `"out_trade_no":"T1","out_request_no":"R1","refund_amount":"1.00"`,
			gateway.Mismatch: `"out_trade_no":"T1","out_request_no":"R1","refund_amount":"2.00","refund_status":"REFUND_SUCCESS"`,
			gateway.Nothing:  `"msg":"Success"`,
		},
		gateway.CouponQueryCall: {
			gateway.Moved:    `"auth_no":"A1","out_request_no":"R1","amount":"1.00","status":"SUCCESS","operation_type":"REFUND"`,
			gateway.Unclear:  `"auth_no":"A1","out_request_no":"R1","amount":"1.00","status":"CLOSED","operation_type":"REFUND"`,
			gateway.Mismatch: `"auth_no":"A1","out_request_no":"R1","amount":"1.00","status":"SUCCESS","operation_type":"PAY"`,
		},
		gateway.FundTransRefundCall: {
			gateway.Moved:    `"order_id":"A1","out_request_no":"R1","refund_amount":"1.00","status":"SUCCESS"`,
			gateway.Unclear:  `"order_id":"A1","out_request_no":"R1","refund_amount":"1.00","status":"DEALING"`,
			gateway.Mismatch: `"order_id":"A2","out_request_no":"R1","refund_amount":"1.00","status":"SUCCESS"`,
		},
		gateway.FundTransQueryCall: {
			gateway.Moved:    `"order_id":"F1","out_biz_no":"R1","trans_amount":"1.00","status":"SUCCESS"`,
			gateway.Unclear:  `"order_id":"F1","out_biz_no":"R1","trans_amount":"1.00","status":"CLOSED"`,
			gateway.Mismatch: `"order_id":"F1","out_biz_no":"R2","trans_amount":"1.00","status":"SUCCESS"`,
		},
		gateway.UnfreezeCall: {
			gateway.Moved:    `"auth_no":"A1","out_request_no":"R1","amount":"1.00","status":"SUCCESS"`,
			gateway.Unclear:  `"auth_no":"A1","out_request_no":"R1","amount":"1.00","status":"INIT"`,
			gateway.Mismatch: `"auth_no":"A1","out_request_no":"R1","amount":"2.00","status":"SUCCESS"`,
		},
		gateway.AuthQueryCall: {
			gateway.Moved:    `"auth_no":"A1","out_request_no":"R1","amount":"1.00","status":"SUCCESS","operation_type":"UNFREEZE"`,
			gateway.Unclear:  `"auth_no":"A1","out_request_no":"R1","amount":"1.00","status":"INIT","operation_type":"UNFREEZE"`,
			gateway.Mismatch: `"auth_no":"A1","out_request_no":"R1","amount":"1.00","status":"SUCCESS","operation_type":"FREEZE"`,
		},
	}
	judges = map[gateway.Call]func(gateway.Reply, error, gateway.Want) gateway.Verdict{
		gateway.TradeRefundCall:  gateway.JudgeTradeRefund,
		gateway.CouponRefundCall: gateway.JudgeCouponRefund,
		gateway.RefundQueryCall:  gateway.JudgeRefundQuery,
		gateway.CouponQueryCall:  gateway.JudgeCouponQuery,

		gateway.FundTransRefundCall: gateway.JudgeFundTransRefund,
		gateway.FundTransQueryCall:  gateway.JudgeFundTransQuery,

		gateway.UnfreezeCall:  gateway.JudgeUnfreeze,
		gateway.AuthQueryCall: gateway.JudgeAuthQuery,
	}
	transports = []gateway.Transport{gateway.NothingSent, gateway.NoAnswer, gateway.Unverified, gateway.SignedAnswer}
)

// came returns the reply and the error of a call that ended with this transport,
// code and sub_code, and with these fields in the node.
func came(transport gateway.Transport, code, sub, fields string) (gateway.Reply, error) {
	reply := gateway.Reply{Code: code, SubCode: sub, Signed: transport == gateway.SignedAnswer}
	if reply.Signed {
		reply.Node = fmt.Appendf(nil, `{"code":"%s","sub_code":"%s",%s}`, code, sub, fields)
	}
	switch {
	case transport == gateway.NothingSent:
		return reply, fmt.Errorf("call: %w: refused", gateway.ErrNotSent)
	case transport == gateway.NoAnswer || reply.Signed && code == "":
		return reply, fmt.Errorf("call: %w: timeout", gateway.ErrNoAnswer)
	case transport == gateway.Unverified && (code == "10000" || code == ""):
		return reply, fmt.Errorf("call: %w", gateway.ErrUnverified)
	case code == "10000":
		return reply, nil
	}
	return reply, &gateway.Error{Code: code, SubCode: sub, Signed: reply.Signed}
}

// Every combination of call, transport, code, sub_code with each of its
// prefixes, and proof.
func TestOutcomes(t *testing.T) {
	walked := 0
	for call, nodes := range proven {
		for _, transport := range transports {
			for _, code := range allCodes {
				for _, sub := range allSubCodes() {
					for _, prefix := range prefixes {
						for proof, fields := range nodes {
							reply, err := came(transport, code, prefix+sub, fields)
							got, want := judges[call](reply, err, asked), expected(call, transport, code, sub, proof)
							if code == "" && transport == gateway.SignedAnswer {
								want = gateway.Verdict{} // an answer without a code is none
							}
							if got != want {
								t.Errorf("%v, %v, %q, %q, %v: %+v, want %+v", call, transport, code, prefix+sub, proof, got, want)
							}
							checkInvariants(t, got, transport, code, sub, proof)
							walked++
						}
					}
					// The table alone, also for proofs that this call never comes to.
					for _, proof := range []gateway.Proof{gateway.Unclear, gateway.Moved, gateway.Nothing, gateway.Mismatch} {
						got := gateway.Judge(gateway.Facts{Call: call, Transport: transport, Code: code, SubCode: sub, Proof: proof})
						if want := expected(call, transport, code, sub, proof); got != want {
							t.Errorf("%v, %v, %q, %q, %v: %+v, want %+v", call, transport, code, sub, proof, got, want)
						}
					}
				}
			}
		}
	}
	t.Logf("%d combinations", walked)
}

// checkInvariants checks what must be true of any such table.
func checkInvariants(t *testing.T, got gateway.Verdict, transport gateway.Transport, code, sub string, proof gateway.Proof) {
	t.Helper()
	refused := got.Outcome == gateway.Failed || got.Outcome == gateway.FailedRetryable
	for _, rule := range []struct {
		broken bool
		says   string
	}{
		{transport != gateway.SignedAnswer && got.Outcome != gateway.Unresolved && got.Outcome != gateway.NotSent, "nothing unsigned proves anything"},
		{(got.Outcome == gateway.NotSent) != (transport == gateway.NothingSent), "not sent is what did not leave"},
		{got.Outcome == gateway.Succeeded && (proof != gateway.Moved || code != "10000"), "only what moved succeeds"},
		{got.Outcome == gateway.NotFound && proof != gateway.Nothing && code == "10000", "only an answer without details finds nothing"},
		{refused && (code == "20000" || code == "10000" || code == "10003"), "an accepted or unknown call does not fail"},
		{refused && (strings.Contains(sub, "SYSTEM_ERROR") || strings.Contains(sub, "unknow-error")), "what Alipay does not know does not fail"},
		{got.Outcome != gateway.Unresolved && code == "40004" && transport == gateway.SignedAnswer && slices.Contains(otherCodes, sub), "an unknown sub_code is unresolved"},
		{got.Ended && got.Outcome != gateway.Unresolved, "Ended belongs to unresolved"},
		{got.Check && !refused, "Check belongs to failed"},
	} {
		if rule.broken {
			t.Errorf("%v, %q, %q, %v: %+v: %s", transport, code, sub, proof, got, rule.says)
		}
	}
}

// Facts that no Judge function can find prove nothing.
func TestJudgeOfNoFacts(t *testing.T) {
	for _, f := range []gateway.Facts{
		{},
		{Call: gateway.TradeRefundCall},
		{Call: gateway.TradeRefundCall, Transport: gateway.SignedAnswer},
		{Transport: gateway.SignedAnswer, Code: "10000", Proof: gateway.Moved},
		{Call: gateway.Call(99), Transport: gateway.SignedAnswer, Code: "10000", Proof: gateway.Moved},
		{Call: gateway.TradeRefundCall, Transport: gateway.Transport(99), Code: "10000", Proof: gateway.Moved},
	} {
		if got := gateway.Judge(f); got != (gateway.Verdict{}) {
			t.Errorf("%+v: %+v", f, got)
		}
	}
}

// No row of the table is dead, and each says why.
func TestTableRows(t *testing.T) {
	rows := gateway.Table()
	for i, row := range rows {
		if row.Why == "" {
			t.Errorf("row %d does not say why", i)
		}
		f := gateway.Facts{Transport: row.Transport, Call: gateway.TradeRefundCall}
		if len(row.Calls) > 0 {
			f.Call = row.Calls[0]
		}
		if len(row.Proofs) > 0 {
			f.Proof = row.Proofs[0]
		}
		for _, code := range append(row.Codes, "40004")[:max(1, len(row.Codes))] {
			for _, sub := range append(row.SubCodes, "")[:max(1, len(row.SubCodes))] {
				f.Code, f.SubCode = code, strings.Trim(sub, "*")
				if got := gateway.Judge(f); got != row.Verdict {
					t.Errorf("row %d is hidden by another for %+v: %+v", i, f, got)
				}
			}
		}
	}
}
