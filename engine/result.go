package engine

import (
	"context"
	"errors"

	"github.com/alirefund/alirefund/store"
)

// Result is what is known of a refund.
type Result struct {
	Refund store.Refund
	// Delivered: the host's own hook of what the refund has become has returned nil. It
	// is false where none is set: nothing to deliver is not delivered.
	Delivered bool
	// Repeated: the refund was known before this call.
	Repeated bool

	complete bool // no event of it is left to deliver now
}

// conclude delivers what is due and puts the result together.
func (e *Engine) conclude(ctx context.Context, r store.Refund, c *claim, repeated bool) Result {
	if r.Settled() {
		if r.Rechecks == 0 {
			e.tokens.Delete(r.ID)
		}
	} else if r.State == store.Pending && !e.running.Load() {
		e.warnOnce.Do(func() {
			e.log.ErrorContext(ctx, "a refund is unresolved and Run was never started: nobody will ask about it", "refund", r.ID)
		})
	}
	complete := e.deliver(ctx, r, c)
	e.deliverToNamed(ctx, r)
	return Result{Refund: r, Delivered: complete && e.hears(r), Repeated: repeated, complete: complete}
}

// Delivered is [Result.Delivered] of a refund as the ledger has it.
func (e *Engine) Delivered(r store.Refund) bool { return e.hears(r) && len(r.Due()) == 0 }

// hears tells whether the host has a hook of its own for what the refund has become.
func (e *Engine) hears(r store.Refund) bool {
	switch {
	case r.True(store.RefundSucceeded):
		return e.config.OnRefundSucceeded != nil || e.tx != nil
	case r.True(store.RefundFailed):
		return e.config.OnRefundFailed != nil
	}
	return false
}

// err is the result as an error: nil if and only if the refund succeeded.
func (res Result) err(inProgress bool) error {
	switch {
	case res.Refund.State == store.Succeeded:
		return nil
	case res.Refund.State == store.AwaitingApproval:
		return &AwaitingApprovalError{Refund: res.Refund}
	case res.Refund.Declined() || res.Refund.Expired():
		return &UnapprovedError{Refund: res.Refund}
	case res.Refund.NothingSent():
		return nothingSent("Alipay", errors.New(res.Refund.Message))
	case res.Refund.State == store.Failed:
		return &RefusedError{Refund: res.Refund}
	}
	return &UnresolvedError{Refund: res.Refund, InProgress: inProgress}
}
