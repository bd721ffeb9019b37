package engine

import (
	"context"
	"strings"

	"github.com/alirefund/alirefund/store"
)

// Approve is a second person's word that a refund may be sent: it is sent at once, and the
// call goes on, and ends, as [Engine.Refund] does. actor must be another than the one who
// asked for the refund. Where the refund was approved before, it is a repeat of the request.
//
// Beside what Refund fails with, it fails with [store.ErrNotFound], [ErrNoActor],
// [ErrSelfApproval], or a [*NotAwaitingError]: somebody was quicker, or the time is over.
func (e *Engine) Approve(ctx context.Context, id, actor string) (_ Result, err error) {
	r, err := e.decidable(ctx, id, actor)
	if err != nil {
		return Result{}, err
	}
	ctx, ended := e.observe(ctx, opOf(OpRefund, r))
	defer func() { ended(refundEnded(r, err)) }()
	repeated := r.ApprovedBy != ""
	switch {
	case repeated:
	case r.State != store.AwaitingApproval:
		return Result{Refund: r, Delivered: e.Delivered(r), Repeated: true}, &NotAwaitingError{Refund: r}
	case !r.MayApprove(actor):
		return Result{Refund: r}, ErrSelfApproval
	}
	ctx, cancel := e.detach(ctx)
	defer cancel()
	c := newClaimAtOnce()
	if !repeated {
		r, err = e.settle(ctx, r, c, store.Settlement{Source: store.ByPerson, Decision: store.Approved, Actor: actor})
		if err != nil {
			return Result{Refund: r}, err
		}
		if r.ApprovedBy == "" {
			return e.conclude(ctx, r, c, true), &NotAwaitingError{Refund: r}
		}
		repeated = r.ApprovedBy != actor
	}
	if r, err = e.goOn(ctx, r, c); err != nil {
		return Result{Refund: r, Repeated: repeated}, err
	}
	result := e.conclude(ctx, r, c, repeated)
	return result, result.err(r.Lease.Held(r.AsOf))
}

// Decline ends the wait of a refund for approval: it has failed, and nothing was sent. Who
// asked for it may decline it, too. Its number stays declined; another asks anew. reason
// stands in its history. The event is delivered as usual.
//
// It fails with [store.ErrNotFound], [ErrNoActor], [ErrStore], a [*ValidationError], or a
// [*NotAwaitingError].
func (e *Engine) Decline(ctx context.Context, id, actor, reason string) (Result, error) {
	if strings.TrimSpace(reason) == "" {
		return Result{}, invalid("/reason", "required", Text{En: "reason is required", Zh: "reason 为必填字段"})
	}
	r, err := e.decidable(ctx, id, actor)
	if err != nil {
		return Result{}, err
	}
	ctx, cancel := e.detach(ctx)
	defer cancel()
	c, repeated := newClaim(), r.DeclinedBy == actor
	r, err = e.settle(ctx, r, c, store.Settlement{Source: store.ByPerson, Decision: store.Declined, Actor: actor, Reason: shorten(reason)})
	if err != nil {
		return Result{Refund: r}, err
	}
	result := e.conclude(ctx, r, c, repeated)
	if !r.Declined() || r.DeclinedBy != actor {
		return result, &NotAwaitingError{Refund: r}
	}
	return result, nil
}

// decidable returns the refund that actor is to decide about.
func (e *Engine) decidable(ctx context.Context, id, actor string) (store.Refund, error) {
	if strings.TrimSpace(actor) == "" {
		return store.Refund{}, ErrNoActor
	}
	return e.find(ctx, id)
}

// goOn takes a promised refund as far as it goes now.
func (e *Engine) goOn(ctx context.Context, r store.Refund, c *claim) (store.Refund, error) {
	if r.State != store.Pending {
		return r, nil
	}
	token, err := e.token(ctx, r)
	if err != nil {
		r, _ = e.settle(ctx, r, c, e.withoutToken(ctx, r, err))
		return r, nil
	}
	return e.advance(ctx, r, token, c, !r.Unsent(), reserved{})
}
