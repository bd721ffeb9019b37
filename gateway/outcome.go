package gateway

import (
	"errors"
	"slices"
	"strings"

	"github.com/alirefund/alirefund/money"
)

// What an exchange with Alipay proves about money is decided by one table and by
// nothing else; what is not in the table is unresolved. This file holds the form of
// the table and the rows that all products have in common. The rows of one product
// stand in that product's file; table.go puts them together, and docs/outcomes.md
// is generated from the whole.

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
	// Unlisted: nobody has documented what such an answer proves.
	Unlisted bool
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

// refunds are the calls that move money, queries those that ask whether it moved.
var (
	refunds = []Call{TradeRefundCall, CouponRefundCall, FundTransRefundCall, UnfreezeCall}
	queries = []Call{RefundQueryCall, CouponQueryCall, FundTransQueryCall, AuthQueryCall}
)

// outcomes is a table, or one product's part of it. It is read from top to bottom,
// and the first row that matches decides.
type outcomes []Row

// common are the rows that stand above those of every product.
var common = outcomes{
	{Transport: NothingSent, Verdict: Verdict{Outcome: NotSent}, Why: "no connection was made"},
	{Transport: NoAnswer, Why: "it may have been carried out"},
	{Transport: Unverified, Verdict: Verdict{Attention: true}, Why: "it proves nothing; a wrong key or app_id does not heal by waiting"},

	{Transport: SignedAnswer, Codes: []string{"20000"}, Why: "service unavailable: it may have been carried out"},
	{Transport: SignedAnswer, SubCodes: []string{"*SYSTEM_ERROR*", "*unknow-error*"}, Why: "Alipay does not know: it may have been carried out"},

	{Calls: refunds, Transport: SignedAnswer, Codes: []string{"10000"}, Proofs: []Proof{Moved}, Verdict: Verdict{Outcome: Succeeded}, Why: "fund_change=Y of a trade, status SUCCESS of all others"},
	{Calls: refunds, Transport: SignedAnswer, Codes: []string{"10000"}, Proofs: []Proof{Mismatch}, Verdict: Verdict{Attention: true}, Why: "an answer to another refund"},
	{Calls: refunds, Transport: SignedAnswer, Codes: []string{"40005"}, Verdict: Verdict{Outcome: FailedRetryable}, Why: "rate limited: not carried out"},
	{Calls: refunds, Transport: SignedAnswer, Codes: []string{"20001", "40001", "40002", "40003", "40006"}, Verdict: Verdict{Outcome: FailedRetryable}, Why: "token, parameter, signature or permission: not carried out"},

	{Calls: queries, Transport: SignedAnswer, Codes: []string{"10000"}, Proofs: []Proof{Moved}, Verdict: Verdict{Outcome: Succeeded}, Why: "success, and order, number and amount match"},
	{Calls: queries, Transport: SignedAnswer, Codes: []string{"10000"}, Proofs: []Proof{Mismatch}, Verdict: Verdict{Attention: true}, Why: "the number belongs to another refund"},
	{Calls: queries, Transport: SignedAnswer, Codes: []string{"20001", "40001", "40002", "40003", "40006"}, Verdict: Verdict{Attention: true}, Why: "the question was refused; asking again will not help"},
}

// last are the rows that stand below those of every product.
var last = outcomes{
	{Calls: refunds, Transport: SignedAnswer, Codes: []string{"40004"}, Verdict: Verdict{Unlisted: true}, Why: "no page says what it proves"},
}

// outcomesOf is the table for the calls of one product.
func outcomesOf(own ...Row) outcomes { return slices.Concat(common, own, last) }

// of returns what the facts prove. What no row matches is unresolved.
func (o outcomes) of(f Facts) Verdict {
	for i := range o {
		if o[i].matches(f) {
			return o[i].Verdict
		}
	}
	return Verdict{}
}

// judge is what the reply and error of a call prove. proof is what the fields of
// the answer say, if it is a signed one of code 10000.
func (o outcomes) judge(call Call, reply Reply, err error, proof Proof) Verdict {
	f := Facts{Call: call, Transport: transport(reply, err)}
	if f.Transport == SignedAnswer {
		f.Code, f.SubCode = reply.Code, shortSubCode(reply.SubCode)
		if f.Code == "10000" {
			f.Proof = proof
		}
	}
	return o.of(f)
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

// contradicted tells whether an answer names another order, number or amount. A
// field that the answer does not have, or that is not known here, contradicts
// nothing.
func (w Want) contradicted(authNo, outRequestNo string, amount money.Amount) bool {
	return authNo != "" && w.AuthNo != "" && authNo != w.AuthNo ||
		outRequestNo != "" && w.OutRequestNo != "" && outRequestNo != w.OutRequestNo ||
		amount != 0 && w.Amount != 0 && amount != w.Amount
}

// transport classifies every error: one that it does not know counts as no usable
// answer.
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
