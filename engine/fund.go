package engine

import (
	"context"
	"encoding/json"

	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/store"
)

// What red packets and pre-authorisations have in common: the interfaces of Alipay's
// that are named alipay.fund are asked by the same pairs of numbers.

// fundRefund completes the record r of a refund, with its merchant and the content of
// its call, and begins its life.
func (e *Engine) fundRefund(ctx context.Context, r store.Refund, content any, merchant, appAuthToken string) (Result, error) {
	merchant, token, err := e.merchant(ctx, merchant, appAuthToken)
	if err != nil {
		return Result{}, err
	}
	text, err := json.Marshal(content)
	if err != nil {
		return Result{}, nothingSent("biz_content", err)
	}
	r.App, r.Merchant, r.Request = e.app.ID, merchant, store.JSON(text)
	return e.refund(ctx, r, token, appAuthToken != "")
}

// fundPair is a pair of numbers that an operation can be asked about by.
type fundPair struct{ AuthNo, OperationID, OutOrderNo, OutRequestNo string }

// fundPairs returns by what a refund can be asked about, the best first. The
// documented pairs are auth_no with operation_id and out_order_no with
// out_request_no; without either, what numbers there are have their try, and an
// argument error leaves the refund unresolved.
func fundPairs(r store.Refund) []fundPair {
	var pairs []fundPair
	if r.OperationID != "" && r.AuthNo != "" {
		pairs = append(pairs, fundPair{AuthNo: r.AuthNo, OperationID: r.OperationID})
	}
	if r.OutOrderNo != "" {
		pairs = append(pairs, fundPair{OutOrderNo: r.OutOrderNo, OutRequestNo: r.OutRequestNo})
	}
	if len(pairs) == 0 {
		pairs = append(pairs, fundPair{AuthNo: r.AuthNo, OutRequestNo: r.OutRequestNo})
	}
	return pairs
}

// guessed tells whether a refund has no documented pair: what it is asked about by is
// a guess.
func guessed(r store.Refund) bool { return r.OutOrderNo == "" && r.OperationID == "" }

// withoutPair says what a person can do about a refund of an order of that name that
// has no documented pair.
func withoutPair(order string) string {
	return "Alipay cannot be asked about it without the " + order + "'s out_order_no: repeat the request with that, or look for its number in Alipay's console"
}

// fundAsked reads an answer about an order of that name. The caller gave the numbers
// that it was asked about by, and they may be wrong: not found allows the identical
// request again, but confirms no refusal. Where they are no documented pair, not
// found says nothing at all.
func fundAsked(order string) func(*asked) {
	return func(a *asked) {
		guess := guessed(a.refund)
		if guess && a.verdict.Outcome == gateway.NotFound {
			a.verdict, a.settlement.Finding = gateway.Verdict{}, store.Unknown
		}
		switch {
		case a.verdict.Outcome == gateway.NotFound && a.refund.Stage(a.refund.AsOf) == store.StageRefusedPerhaps:
			a.settlement.Attention = "a refund of the " + order + " was refused while an earlier send was unanswered; only a person can tell which is true"
		case a.verdict.Outcome == gateway.Unresolved && guess:
			a.unaskable = true
			a.settlement.Code, a.settlement.SubCode, a.settlement.Message = "", "", "" // about the question, not about the refund
			if a.late {
				a.settlement.Attention = withoutPair(order)
			}
		}
	}
}
