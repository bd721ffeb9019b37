package alirefund

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/store"
)

// spacing is the least time between two refunds of one trade (opendocs,
// alipay.trade.refund).
const spacing = 3 * time.Second

// rarest is the longest pause between two questions about one refund.
const rarest = time.Hour

// send makes one send: recorded first, then made, then settled. It fails with
// [ErrNothingSent] only. A refund that somebody else is sending, or that was
// sent meanwhile, comes back as it stands.
func (m *Module) send(ctx context.Context, r store.Refund, token, claim string) (store.Refund, error) {
	attempt, err := m.permission(ctx, r)
	if err != nil {
		// A record that was not sent must not hold the order's total. This is no
		// send's answer: while one is unanswered it changes nothing.
		r, _ = m.settle(ctx, r, claim, store.Settlement{Source: store.ByAnswer, Finding: store.NotSent, Message: "the store failed"})
		return r, nothingSent("the store", err)
	}
	if attempt.Wait > 0 { // the order's other refunds leave no room in time
		// Attempt 0, for it is no send: what became of those before it stays open.
		return m.settle(ctx, r, claim, store.Settlement{
			Source: store.ByAnswer, Finding: store.NotSent, Message: "other refunds of the order were sent just before",
		})
	}
	if attempt.Token == "" {
		if now, err := m.ledger.Get(ctx, r.ID); err == nil {
			r = now
		}
		return r, nil
	}
	r.Attempts, r.SentAt = attempt.Number, time.Now()

	s := store.Settlement{Source: store.ByAnswer, Attempt: attempt.Number, Token: attempt.Token}
	method, judge := calling(r)
	reply, err := m.gateway.Do(ctx, method, json.RawMessage(r.Request), gateway.Options{AppAuthToken: token, NotifyURL: r.NotifyURL})
	// A settlement that could not be written leaves the refund pending.
	r, _ = m.settle(ctx, r, claim, learnt(s, reply, err, judge(reply, err, want(r))))
	return r, nil
}

// judging says what the reply and error of a call prove.
type judging func(gateway.Reply, error, gateway.Want) gateway.Verdict

// calling returns the interface that makes a refund.
func calling(r store.Refund) (method string, judge judging) {
	switch {
	case r.Kind != store.Coupon:
		return gateway.MethodTradeRefund, gateway.JudgeTradeRefund
	case r.Method == gateway.MethodFundTransRefund:
		return gateway.MethodFundTransRefund, gateway.JudgeFundTransRefund
	}
	return gateway.MethodCouponRefund, gateway.JudgeCouponRefund
}

// permission records the next send, after waiting for the order's spacing, for
// as long as a call may take. An Attempt that still says to wait may not be sent.
func (m *Module) permission(ctx context.Context, r store.Refund) (store.Attempt, error) {
	p := store.Permission{Attempts: r.Attempts, Lease: m.patience()}
	if r.Kind == store.Trade {
		p.Spacing = spacing
	}
	for until := time.Now().Add(max(m.config.Timeout, 2*spacing)); ; {
		attempt, err := m.ledger.Sending(ctx, r.ID, p)
		if err != nil || attempt.Wait <= 0 || time.Now().Add(attempt.Wait).After(until) {
			return attempt, err
		}
		select {
		case <-time.After(attempt.Wait):
		case <-ctx.Done():
			return attempt, nil
		}
	}
}

// ask asks Alipay about a refund that has not succeeded and settles what it
// answers. It tells whether the answer was a signed not-found that the identical
// request may be sent again after. A refund that is being sent at this moment is
// not asked about.
func (m *Module) ask(ctx context.Context, r store.Refund, claim string) (_ store.Refund, conclusive bool) {
	if r.State == store.Succeeded || r.Attempts == 0 || r.Lease.Held(time.Now()) {
		return r, false
	}
	token, err := m.token(ctx, r)
	if err != nil {
		s := store.Settlement{Source: store.ByQuery, Attempt: r.Attempts}
		if errors.Is(err, errTokenLost) {
			s.Attention = err.Error()
		} else {
			m.log.ErrorContext(ctx, "Config.AppAuthToken failed; the refund cannot be asked about", "refund", r.ID, "error", err)
		}
		r, _ = m.settle(ctx, r, claim, s)
		return r, false
	}
	asked := r.Attempts
	for _, question := range m.questions(r) {
		late := time.Since(r.SentAt) >= m.config.FirstCheck
		// What a red packet is asked about by is the caller's word: finding
		// nothing under it may call for the identical request, but fails nothing.
		s := store.Settlement{Source: store.ByQuery, Attempt: asked, Conclusive: late && r.Kind == store.Trade}
		reply, err := m.gateway.Do(ctx, question.method, question.content, gateway.Options{AppAuthToken: token})
		verdict := question.judge(reply, err, want(r))
		s = learnt(s, reply, err, verdict)
		if verdict.Outcome == gateway.NotFound && blind(r) {
			verdict, s.Finding = gateway.Verdict{}, store.Unknown // no documented pair: it says nothing
		}
		if verdict.Outcome == gateway.NotFound && r.Kind == store.Coupon && r.Refused {
			s.Attention = "a red packet's refund was refused while an earlier send was unanswered; only a person can tell which is true"
		}
		if verdict.Outcome == gateway.Unresolved && blind(r) {
			s.Code, s.SubCode, s.Message = "", "", "" // about the question, not about the refund
		}
		if verdict.Outcome == gateway.Unresolved && blind(r) && late {
			s.Attention = "Alipay cannot be asked about it without the red packet's out_order_no: repeat the request with that, or look for its number in Alipay's console"
		}
		if r.Method == gateway.MethodFundTransRefund && reply.Code == "40004" && late && !strings.Contains(reply.SubCode, "SYSTEM_ERROR") {
			s.Attention = "Alipay's query refused with " + reply.SubCode + ", which is not documented to mean that nothing moved: look for its number in Alipay's console"
		}
		if r, err = m.settle(ctx, r, claim, s); err != nil {
			return r, false
		}
		if verdict.Outcome != gateway.Unresolved {
			return r, verdict.Outcome == gateway.NotFound && late && !r.Refused && r.Attempts == asked // else another sent meanwhile
		}
	}
	return r, false
}

// blind tells whether no documented question about the refund is known.
func blind(r store.Refund) bool {
	return r.Kind == store.Coupon && r.Method == "" && r.OutOrderNo == "" && r.OperationID == ""
}

type question struct {
	method  string
	content any
	judge   judging
	amount  func(gateway.Reply) money.Amount // of what it found
}

// questions returns how a refund can be asked about, the best first. The
// documented pairs for a red packet are auth_no with operation_id and
// out_order_no with out_request_no; without either, what numbers there are have
// their try, and an argument error leaves the refund unresolved.
func (m *Module) questions(r store.Refund) []question {
	if r.Kind != store.Coupon {
		return []question{{
			gateway.MethodRefundQuery,
			gateway.RefundQuery{OutTradeNo: r.OutTradeNo, OutRequestNo: r.OutRequestNo},
			gateway.JudgeRefundQuery,
			func(reply gateway.Reply) money.Amount { return gateway.DecodeRefundQuery(reply).RefundAmount },
		}}
	}
	if r.Method == gateway.MethodFundTransRefund {
		return []question{{
			gateway.MethodFundTransQuery, gateway.AskFundTransRefund(r.OutRequestNo), gateway.JudgeFundTransQuery,
			func(reply gateway.Reply) money.Amount { return gateway.DecodeFundTransQuery(reply).TransAmount },
		}}
	}
	var pairs []gateway.CouponQuery
	if r.OperationID != "" && r.AuthNo != "" {
		pairs = append(pairs, gateway.CouponQuery{AuthNo: r.AuthNo, OperationID: r.OperationID})
	}
	if r.OutOrderNo != "" {
		pairs = append(pairs, gateway.CouponQuery{OutOrderNo: r.OutOrderNo, OutRequestNo: r.OutRequestNo})
	}
	if len(pairs) == 0 {
		pairs = append(pairs, gateway.CouponQuery{AuthNo: r.AuthNo, OutRequestNo: r.OutRequestNo})
	}
	questions := make([]question, len(pairs))
	for i, pair := range pairs {
		questions[i] = question{
			gateway.MethodCouponQuery, pair, gateway.JudgeCouponQuery,
			func(reply gateway.Reply) money.Amount { return gateway.DecodeCoupon(reply).Amount },
		}
	}
	return questions
}

func want(r store.Refund) gateway.Want {
	return gateway.Want{OutTradeNo: r.OutTradeNo, AuthNo: r.AuthNo, OutRequestNo: r.OutRequestNo, Amount: r.Amount}
}

// learnt adds to s what a reply and its verdict say.
func learnt(s store.Settlement, reply gateway.Reply, err error, v gateway.Verdict) store.Settlement {
	switch v.Outcome {
	case gateway.Succeeded:
		s.Finding = store.Success
	case gateway.Failed, gateway.FailedRetryable:
		s.Finding, s.Retryable, s.Check = store.Refusal, v.Outcome == gateway.FailedRetryable, v.Check
	case gateway.NotFound:
		s.Finding = store.NotFound
	case gateway.NotSent:
		s.Finding = store.NotSent
	}
	s.Ended = v.Ended
	s.Code, s.SubCode, s.Message = reply.Code, reply.SubCode, reply.SubMsg
	if s.Message == "" && err != nil {
		s.Message = reply.Msg
	}
	if reply.Code == "" && err != nil {
		s.Message = err.Error()
	}
	// A node is kept if it proves something: a query's "Success" beside a pending
	// refund would read as if the money had moved. A refusal of the call itself
	// may quote the text that was signed, and with it a token.
	proves := v.Outcome != gateway.Unresolved && v.Outcome != gateway.NotFound
	if proves && (reply.Code == "10000" || reply.Code == "40004") {
		s.Answer = store.JSON(reply.Node)
	}
	if v.Outcome == gateway.Succeeded || reply.Code == "10000" && !v.Attention { // a red packet in progress has its operation_id
		s.TradeNo, s.OutOrderNo, s.OperationID = reply.Text("trade_no"), reply.Text("out_order_no"), cmp.Or(reply.Text("operation_id"), reply.Text("refund_order_id"))
	}
	if v.Attention {
		s.Attention = attention(reply, err)
	}
	return s
}

// attention says why a person should look at a refund.
func attention(reply gateway.Reply, err error) string {
	words := strings.TrimSpace(reply.Code + " " + reply.SubCode)
	switch {
	case errors.Is(err, gateway.ErrUnverified) && words != "" && reply.Code != "10000":
		return "an unsigned answer says " + words + "; it proves nothing, and waiting will not heal it"
	case errors.Is(err, gateway.ErrUnverified):
		return "the answer's signature is wrong: is this Alipay's public key of this application?"
	case err != nil:
		return "Alipay refused the call: " + words
	}
	return "Alipay's answer speaks of another refund under this number"
}

// settle writes down what was learnt. A ledger that fails is tried again for a
// while; if it stays down, r comes back as it was, with the ledger's error: the
// send stays unanswered in it, which is the truth. claim is the caller's name for
// the delivery of what this makes true, so that [Module.deliver] need not ask.
func (m *Module) settle(ctx context.Context, r store.Refund, claim string, s store.Settlement) (store.Refund, error) {
	var err error
	// Each question and each send makes the next one rarer. The first pause is
	// never shorter than FirstCheck, for a question before that concludes nothing.
	s.Again = store.Backoff(r.Asks+max(r.Attempts, 1), m.config.FirstCheck*5/4, rarest)
	if m.config.OnRefundSucceededTx == nil && claim != "" {
		s.Claim = store.Lease{Token: claim, Until: time.Now().Add(m.config.HookTimeout + storeTime)}
	}
	for pause := 50 * time.Millisecond; pause < 2*time.Second; pause *= 3 {
		var settled store.Refund
		if settled, _, err = m.ledger.Settle(ctx, r.ID, s); err == nil {
			if settled.Attention != "" && settled.Attention != r.Attention {
				m.log.WarnContext(ctx, "a refund needs attention", "refund", r.ID, "reason", settled.Attention)
			}
			return settled, nil
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
	m.log.ErrorContext(ctx, "what was learnt about a refund could not be recorded", "refund", r.ID, "finding", s.Finding.String(), "error", err)
	return r, storeFailed(err)
}
