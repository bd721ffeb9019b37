package engine

import (
	"context"
	"errors"

	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/store"
)

// ask asks Alipay about a refund that has not succeeded and settles what it
// answers. It tells whether the identical request may be sent again: after a signed
// not-found, or where only its answer can tell.
func (e *Engine) ask(ctx context.Context, r store.Refund, c *claim) (_ store.Refund, mayRepeat bool) {
	r, said := e.hear(ctx, r, c)
	return r, said == sendAgain || said == notFound && r.MayRepeat()
}

// heard is what was heard of a refund's last send.
type heard uint8

const (
	nothing   heard = iota
	notFound        // Alipay signs, late enough, that it knows nothing of it, and nobody has sent it since
	sendAgain       // no question can tell, but the answer to the identical request will
)

// hear is ask, and tells what was heard. A refund that is being sent at this moment, or
// still to be sent, is not asked about.
func (e *Engine) hear(ctx context.Context, r store.Refund, c *claim) (store.Refund, heard) {
	if r.State == store.Succeeded || r.State == store.AwaitingApproval || r.Attempts == 0 || r.Lease.Held(r.AsOf) || r.Stage(r.AsOf) == store.StagePromised {
		return r, nothing
	}
	p, known := e.productOf(r)
	if !known {
		r, _ = e.refuseUnknown(ctx, r, c)
		return r, nothing
	}
	token, err := e.token(ctx, r)
	if err != nil {
		r, _ = e.settle(ctx, r, c, e.withoutToken(ctx, r, err))
		return r, nothing
	}
	said, last := nothing, r.Attempts
	for _, q := range p.questions(r) {
		a := e.put(ctx, p, q, r, last, token)
		if r, err = e.settle(ctx, r, c, a.settlement); err != nil {
			return r, nothing
		}
		switch {
		case a.verdict.Outcome == gateway.NotFound && a.late:
			said = notFound
		case a.repeat:
			said = sendAgain
		}
		if a.verdict.Outcome != gateway.Unresolved {
			break
		}
	}
	if r.Attempts != last {
		return r, nothing
	}
	return r, said
}

// put puts one question to Alipay and says what is learnt from the answer. last is
// the send that it is about.
func (e *Engine) put(ctx context.Context, p product, q question, r store.Refund, last int, token string) asked {
	sent := r.AsOf.Sub(r.SentAt) // ago
	a := asked{refund: r, late: sent >= e.config.Times.FirstCheck}
	var err error
	a.reply, err = e.do(ctx, OpAsk, r, q.method, q.content, gateway.Options{AppAuthToken: token})
	a.verdict = q.judge(a.reply, err, want(r))
	a.settlement = learn(store.Settlement{
		Source: store.ByQuery, Attempt: last, Late: a.late, Expired: a.late && sent >= e.config.Times.Transit, Conclusive: p.conclusive,
	}, a.reply, err, a.verdict)
	if p.asked != nil {
		p.asked(&a)
	}
	return a
}

// withoutToken is what is recorded where the merchant's token could not be had.
func (e *Engine) withoutToken(ctx context.Context, r store.Refund, err error) store.Settlement {
	s := store.Settlement{Source: store.ByQuery, Attempt: r.Attempts}
	if errors.Is(err, errTokenLost) {
		s.Attention = err.Error()
	} else {
		e.log.ErrorContext(ctx, "Config.AppAuthToken failed; the refund cannot be asked about", "refund", r.ID, "error", err)
	}
	return s
}

// askAmount asks Alipay for the amount of a refund, whatever the ledger takes it
// for; 0 if that cannot be had. It fails with [ErrUnsettled] if Alipay did not say, and
// may another time.
func (e *Engine) askAmount(ctx context.Context, r store.Refund) (money.Amount, error) {
	amount, _, err := e.askMade(ctx, r)
	return amount, err
}

// askMade is askAmount, and returns the answer that says it.
func (e *Engine) askMade(ctx context.Context, r store.Refund) (money.Amount, gateway.Reply, error) {
	r.Amount = 0
	p, known := e.productOf(r)
	if !known {
		return 0, gateway.Reply{}, nil
	}
	token, err := e.token(ctx, r)
	if err != nil {
		return 0, gateway.Reply{}, nil //nolint:nilerr // nobody can ask
	}
	answered := false
	for _, q := range p.questions(r) {
		reply, err := e.do(ctx, OpAsk, r, q.method, q.content, gateway.Options{AppAuthToken: token})
		v := q.judge(reply, err, want(r))
		if v.Outcome == gateway.Succeeded {
			return q.amount(reply), reply, nil
		}
		// A question that is refused will be refused again: nothing is gained by waiting.
		answered = answered || v.Outcome == gateway.NotFound || v.Attention
	}
	if !answered {
		return 0, gateway.Reply{}, ErrUnsettled
	}
	return 0, gateway.Reply{}, nil
}
