package gateway

import (
	"errors"
	"slices"
	"strings"

	"github.com/alirefund/alirefund/money"
)

// This file is the one place that decides what an exchange with Alipay proves
// about money. It is a table; what is not in it is unresolved. The page
// docs/outcomes.md is generated from it.

// Outcome is what is known of a refund after a call. Its zero value is that
// nothing is: the money may have moved.
type Outcome uint8

// The outcomes.
const (
	Unresolved      Outcome = iota
	Succeeded               // the money moved, by this number
	FailedRetryable         // it did not; the same number may be sent again
	Failed                  // it did not, for good
	NotFound                // a query: no such refund is known; not a failure by itself
	NotSent                 // nothing was sent
)

func (o Outcome) String() string {
	return [...]string{"unresolved", "succeeded", "failed, retryable", "failed", "not found", "not sent"}[o]
}

// Verdict is a row's decision.
type Verdict struct {
	Outcome Outcome
	// Ended: unresolved, but this very call moved nothing (further).
	Ended bool
	// Check: a failure that may be the effect of an earlier call with the same
	// number; only a query that finds nothing confirms it.
	Check bool
	// Attention: waiting will not heal it.
	Attention bool
}

// Call is which question the table is asked about.
type Call uint8

// The calls of the table.
const (
	AnyCall Call = iota
	TradeRefundCall
	RefundQueryCall
	CouponRefundCall
	CouponQueryCall
	FundTransRefundCall
	FundTransQueryCall
	UnfreezeCall
	AuthQueryCall
)

func (c Call) String() string {
	return [...]string{"any", MethodTradeRefund, MethodRefundQuery, MethodCouponRefund, MethodCouponQuery, MethodFundTransRefund, MethodFundTransQuery, MethodUnfreeze, MethodAuthQuery}[c]
}

// Transport is what came of the exchange as such.
type Transport uint8

// The transports.
const (
	NothingSent  Transport = iota + 1
	NoAnswer               // sent, or perhaps; no usable answer: timeout, HTTP status other than 200, no envelope
	Unverified             // an answer whose signature is missing or wrong
	SignedAnswer           // the node's signature was verified
)

func (t Transport) String() string {
	return [...]string{"", "nothing sent", "no usable answer", "unsigned or wrongly signed", "signed"}[t]
}

// Proof is what the fields of a signed answer of code 10000 say.
type Proof uint8

// The proofs.
const (
	Unclear  Proof = iota // fund_change other than Y, a status other than SUCCESS, fields missing
	Moved                 // fund_change=Y; or status SUCCESS and everything the answer names matches
	Nothing               // a query's answer without status and amount
	Mismatch              // it speaks of another order, number, amount or operation
)

func (p Proof) String() string {
	return [...]string{"unclear", "moved, and it matches", "no details", "speaks of another refund"}[p]
}

// Facts are what the table decides from.
type Facts struct {
	Call      Call
	Transport Transport
	Code      string // of a signed answer
	SubCode   string // without its prefix: SYSTEM_ERROR
	Proof     Proof  // for code 10000
}

// Row is one line of the table: the facts it matches, and what they prove.
// Codes and SubCodes that are empty match all; a SubCode between two * matches
// what contains it.
type Row struct {
	Calls     []Call // none: all
	Transport Transport
	Codes     []string
	SubCodes  []string
	Proofs    []Proof
	Verdict   Verdict
	Why       string
}

var (
	refunds = []Call{TradeRefundCall, CouponRefundCall, FundTransRefundCall, UnfreezeCall}
	queries = []Call{RefundQueryCall, CouponQueryCall, FundTransQueryCall, AuthQueryCall}
)

// table is read from top to bottom; the first row that matches decides.
var table = []Row{
	{Transport: NothingSent, Verdict: Verdict{Outcome: NotSent}, Why: "no connection was made"},
	{Transport: NoAnswer, Why: "it may have been carried out"},
	{Transport: Unverified, Verdict: Verdict{Attention: true}, Why: "it proves nothing; a wrong key or app_id does not heal by waiting"},

	{Transport: SignedAnswer, Codes: []string{"20000"}, Why: "service unavailable: it may have been carried out"},
	{Transport: SignedAnswer, SubCodes: []string{"*SYSTEM_ERROR*", "*unknow-error*"}, Why: "Alipay does not know: it may have been carried out"},

	{Calls: refunds, Transport: SignedAnswer, Codes: []string{"10000"}, Proofs: []Proof{Moved}, Verdict: Verdict{Outcome: Succeeded}, Why: "fund_change=Y, or status SUCCESS of a red packet"},
	{Calls: refunds, Transport: SignedAnswer, Codes: []string{"10000"}, Proofs: []Proof{Mismatch}, Verdict: Verdict{Attention: true}, Why: "an answer to another refund"},
	{Calls: []Call{TradeRefundCall}, Transport: SignedAnswer, Codes: []string{"10000"}, Verdict: Verdict{Ended: true}, Why: "fund_change is not Y: repeated, or not refunded; only a query tells"},
	{Calls: []Call{CouponRefundCall, FundTransRefundCall, UnfreezeCall}, Transport: SignedAnswer, Codes: []string{"10000", "10003"}, Why: "in progress; only a query tells"},

	{Calls: refunds, Transport: SignedAnswer, Codes: []string{"40005"}, Verdict: Verdict{Outcome: FailedRetryable}, Why: "rate limited: not carried out"},
	{Calls: refunds, Transport: SignedAnswer, Codes: []string{"20001", "40001", "40002", "40003", "40006"}, Verdict: Verdict{Outcome: FailedRetryable}, Why: "token, parameter, signature or permission: not carried out"},

	{Calls: []Call{TradeRefundCall}, Transport: SignedAnswer, Codes: []string{"40004"}, SubCodes: []string{"DISCORDANT_REPEAT_REQUEST"}, Verdict: Verdict{Ended: true, Attention: true}, Why: "the number was used with another amount; only a query tells whose"},
	{Calls: []Call{TradeRefundCall}, Transport: SignedAnswer, Codes: []string{"40004"}, SubCodes: []string{
		"REFUND_CHARGE_ERROR", "SELLER_BALANCE_NOT_ENOUGH", "REFUND_ACCOUNT_NOT_EXIST", "REFUNDALLOC_UNAUTH_LIMIT",
	}, Verdict: Verdict{Outcome: FailedRetryable}, Why: "can be mended, then the same number sent again"},
	{Calls: []Call{TradeRefundCall}, Transport: SignedAnswer, Codes: []string{"40004"}, SubCodes: []string{"TRADE_HAS_CLOSE"}, Verdict: Verdict{Outcome: Failed, Check: true}, Why: "closed: never paid, or refunded in full already, perhaps by this number"},
	{Calls: []Call{TradeRefundCall}, Transport: SignedAnswer, Codes: []string{"40004"}, SubCodes: []string{
		"REASON_TRADE_BEEN_FREEZEN", "REASON_TRADE_REFUND_FEE_ERR", "REFUND_AMT_NOT_EQUAL_TOTAL", "REFUND_FEE_ERROR",
		"TRADE_HAS_FINISHED", "TRADE_NOT_EXIST", "TRADE_STATUS_ERROR", "REASON_TRADE_STATUS_INVALID", "TRADE_NOT_ALLOW_REFUND", "USER_NOT_MATCH_ERR",
		"NOT_ALLOW_PARTIAL_REFUND", "ONLINE_TRADE_VOUCHER_NOT_ALLOW_REFUND",
		"BUYER_ENABLE_STATUS_FORBID", "BUYER_ERROR", "BUYER_NOT_EXIST", "CUSTOMER_VALIDATE_ERROR",
		"INVALID_PARAMETER", "CURRENCY_NOT_SUPPORT", "ENTERPRISE_PAY_BIZ_ERROR", "OVERDRAFT_AGREEMENT_NOT_MATCH", "OVERDRAFT_ASSIGN_ACCOUNT_INVALID",
		"ALLOC_AMOUNT_VALIDATE_ERROR", "REFUND_ROYALTY_PAYEE_ACCOUNT_NOT_EXIST", "TRADE_SETTLE_ERROR",
	}, Verdict: Verdict{Outcome: Failed}, Why: "refused for good"},

	{Calls: []Call{CouponRefundCall}, Transport: SignedAnswer, Codes: []string{"40004"}, SubCodes: []string{"UNIQUE_VIOLATION"}, Verdict: Verdict{Ended: true}, Why: "a repeated number: only a query tells what became of it"},
	{Calls: []Call{CouponRefundCall}, Transport: SignedAnswer, Codes: []string{"40004"}, SubCodes: []string{"ACCESS_FORBIDDEN", "HAS_NO_PRIVILEGE"}, Verdict: Verdict{Outcome: FailedRetryable}, Why: "a permission can be granted, then the same number sent again"},
	{Calls: []Call{CouponRefundCall}, Transport: SignedAnswer, Codes: []string{"40004"}, SubCodes: []string{
		"MONEY_NOT_ENOUGH", "ILLEGAL_ARGUMENT", "AUTH_ORDER_NOT_EXIST", "ENTERPRISE_PAY_BIZ_ERROR",
	}, Verdict: Verdict{Outcome: Failed}, Why: "refused for good"},

	{Calls: []Call{FundTransRefundCall, FundTransQueryCall}, Transport: SignedAnswer, Codes: []string{"40004"}, Why: "its sub_codes are not documented: none of them proves that nothing moved"},

	{Calls: []Call{UnfreezeCall}, Transport: SignedAnswer, Codes: []string{"40004"}, SubCodes: []string{"ACCESS_FORBIDDEN", "HAS_NO_PRIVILEGE"}, Verdict: Verdict{Outcome: FailedRetryable, Check: true}, Why: "a permission can be granted, then the same number sent again; the code is documented for its query alone"},
	{Calls: []Call{UnfreezeCall}, Transport: SignedAnswer, Codes: []string{"40004"}, SubCodes: []string{"ILLEGAL_ARGUMENT", "AUTH_ORDER_NOT_EXIST"}, Verdict: Verdict{Outcome: Failed, Check: true}, Why: "refused for good; the code is documented for its query alone"},

	{Calls: queries, Transport: SignedAnswer, Codes: []string{"10000"}, Proofs: []Proof{Moved}, Verdict: Verdict{Outcome: Succeeded}, Why: "success, and order, number and amount match"},
	{Calls: queries, Transport: SignedAnswer, Codes: []string{"10000"}, Proofs: []Proof{Mismatch}, Verdict: Verdict{Attention: true}, Why: "the number belongs to another refund"},
	{Calls: []Call{RefundQueryCall}, Transport: SignedAnswer, Codes: []string{"10000"}, Proofs: []Proof{Nothing}, Verdict: Verdict{Outcome: NotFound}, Why: "no such refund arrived, or it was refused"},
	{Calls: []Call{RefundQueryCall}, Transport: SignedAnswer, Codes: []string{"40004"}, SubCodes: []string{"TRADE_NOT_EXIST"}, Verdict: Verdict{Outcome: NotFound}, Why: "no such trade, hence no such refund"},
	{Calls: []Call{CouponQueryCall, AuthQueryCall}, Transport: SignedAnswer, Codes: []string{"40004"}, SubCodes: []string{"AUTH_OPERATION_NOT_EXIST", "AUTH_ORDER_NOT_EXIST"}, Verdict: Verdict{Outcome: NotFound}, Why: "no such operation"},
	{Calls: queries, Transport: SignedAnswer, Codes: []string{"20001", "40001", "40002", "40003", "40006"}, Verdict: Verdict{Attention: true}, Why: "the question was refused; asking again will not help"},
}

// Table returns a copy of the outcome table, for documentation and tests.
func Table() []Row { return append([]Row(nil), table...) }

// Judge returns what the facts prove. What no row matches is unresolved.
func Judge(f Facts) Verdict {
	for i := range table {
		if table[i].matches(f) {
			return table[i].Verdict
		}
	}
	return Verdict{}
}

func (r *Row) matches(f Facts) bool {
	return r.Transport == f.Transport &&
		contains(r.Calls, f.Call) && contains(r.Codes, f.Code) && contains(r.Proofs, f.Proof) &&
		(len(r.SubCodes) == 0 || matchesAny(r.SubCodes, f.SubCode))
}

func contains[T comparable](list []T, want T) bool {
	return len(list) == 0 || slices.Contains(list, want)
}

func matchesAny(patterns []string, code string) bool {
	for _, p := range patterns {
		if p == code || p[0] == '*' && strings.Contains(code, strings.Trim(p, "*")) {
			return true
		}
	}
	return false
}

// Want is the refund that a call was made for, or a question asked about.
type Want struct {
	OutTradeNo   string // trade
	AuthNo       string // red packet, or its order_id in the newer product; pre-authorisation
	OutRequestNo string
	Amount       money.Amount // 0: not known, anything matches
}

// JudgeTradeRefund says what the reply and error of alipay.trade.refund prove.
func JudgeTradeRefund(reply Reply, err error, want Want) Verdict {
	proof := Unclear
	switch order := reply.Text("out_trade_no"); {
	case order != "" && order != want.OutTradeNo:
		proof = Mismatch
	case reply.Text("refund_fee") != "" && reply.amount("refund_fee") < want.Amount && reply.Text("fund_change") == "Y":
		proof = Mismatch // what the trade was refunded in all is less than this refund
	case reply.Text("fund_change") == "Y":
		proof = Moved
	}
	return judge(TradeRefundCall, reply, err, proof)
}

// JudgeCouponRefund says what the reply and error of
// alipay.fund.coupon.order.refund prove.
func JudgeCouponRefund(reply Reply, err error, want Want) Verdict {
	a, proof := DecodeCoupon(reply), Unclear
	switch {
	case a.differs(want):
		proof = Mismatch
	case a.Status == "SUCCESS":
		proof = Moved
	}
	return judge(CouponRefundCall, reply, err, proof)
}

// JudgeRefundQuery says what the reply and error of
// alipay.trade.fastpay.refund.query prove. Success wants REFUND_SUCCESS and the
// order, number and amount that were asked about.
func JudgeRefundQuery(reply Reply, err error, want Want) Verdict {
	a, proof := DecodeRefundQuery(reply), Unclear
	switch {
	case a.OutTradeNo != "" && a.OutTradeNo != want.OutTradeNo, a.OutRequestNo != "" && a.OutRequestNo != want.OutRequestNo:
		proof = Mismatch
	case a.RefundStatus == "" && reply.Text("refund_amount") == "":
		proof = Nothing
	case a.OutTradeNo == "", a.OutRequestNo == "", want.Amount != 0 && a.RefundAmount != want.Amount:
		proof = Mismatch
	case a.RefundStatus == "REFUND_SUCCESS":
		proof = Moved
	}
	return judge(RefundQueryCall, reply, err, proof)
}

// JudgeCouponQuery says what the reply and error of
// alipay.fund.coupon.operation.query prove. Success wants operation_type REFUND,
// status SUCCESS, and the auth_no, number and amount that were asked about.
func JudgeCouponQuery(reply Reply, err error, want Want) Verdict {
	return judge(CouponQueryCall, reply, err, DecodeCoupon(reply).proves("REFUND", want))
}

// proves says what the answer to a question about an operation of that type proves.
func (a CouponAnswer) proves(operation string, want Want) Proof {
	switch {
	case a.OperationType != "" && a.OperationType != operation, a.differs(want):
		return Mismatch
	case a.OperationType == operation && a.Status == "SUCCESS" && a.AuthNo != "" && (a.OutRequestNo != "" || want.OutRequestNo == "") && (a.Amount != 0 || want.Amount == 0):
		return Moved
	}
	return Unclear
}

func (a CouponAnswer) differs(want Want) bool {
	return a.AuthNo != "" && want.AuthNo != "" && a.AuthNo != want.AuthNo ||
		a.OutRequestNo != "" && want.OutRequestNo != "" && a.OutRequestNo != want.OutRequestNo ||
		a.Amount != 0 && want.Amount != 0 && a.Amount != want.Amount
}

func judge(call Call, reply Reply, err error, proof Proof) Verdict {
	f := Facts{Call: call, Transport: transport(reply, err)}
	if f.Transport == SignedAnswer {
		f.Code, f.SubCode = reply.Code, shortSubCode(reply.SubCode)
		if f.Code == "10000" {
			f.Proof = proof
		}
	}
	return Judge(f)
}

// transport is total: an error that it does not know is no usable answer.
func transport(reply Reply, err error) Transport {
	var refusal *Error
	switch {
	case err == nil && reply.Signed:
		return SignedAnswer
	case errors.Is(err, ErrNoAnswer): // first: its cause may be any error of the host's transport
		return NoAnswer
	case errors.Is(err, ErrNotSent):
		return NothingSent
	case errors.Is(err, ErrUnverified):
		return Unverified
	case errors.As(err, &refusal) && reply.Signed: // an unsigned refusal is ErrUnverified
		return SignedAnswer
	}
	return NoAnswer
}
