package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/notify"
	"github.com/alirefund/alirefund/store"
)

// observe tells Config.Observer that an operation begins, and returns the context to
// go on with and how to say that it ended. All that is told an Observer is told here.
func (e *Engine) observe(ctx context.Context, op Operation) (context.Context, func(Ended)) {
	if e.config.Observer == nil {
		return ctx, unobserved
	}
	op.App = e.app.ID
	within, ended := e.begun(ctx, op)
	if within == nil || ended == nil { // it panicked, or is no good one
		return ctx, unobserved
	}
	return within, func(how Ended) {
		defer e.shield(ctx)
		ended(how)
	}
}

func (e *Engine) begun(ctx context.Context, op Operation) (within context.Context, ended func(Ended)) {
	defer e.shield(ctx)
	return e.config.Observer.Begin(ctx, op)
}

func unobserved(Ended) {}

// changed tells Config.Observer of a transition of r from an earlier state.
func (e *Engine) changed(ctx context.Context, from store.State, r store.Refund) {
	if e.config.Observer == nil {
		return
	}
	c := Change{
		App: r.App, Kind: r.Kind, From: from, To: r.State, Origin: r.Origin, NotSent: r.NothingSent(), Age: r.AsOf.Sub(r.CreatedAt),
		Refund: r.ID, Order: r.Order(), Number: r.OutRequestNo,
	}
	if r.Settled() {
		c.Source = r.Source
	}
	if r.State == store.Failed && r.Source != store.ByPerson && !c.NotSent { // others may stand there from an unsigned answer
		c.SubCode = r.SubCode
	}
	defer e.shield(ctx)
	e.config.Observer.Changed(ctx, c)
}

// shield, deferred, keeps a panic of the Observer's from what it observes.
func (e *Engine) shield(ctx context.Context) {
	if p := recover(); p != nil {
		e.log.ErrorContext(ctx, "Config.Observer panicked; what it observed goes on", "panic", fmt.Sprint(p))
	}
}

// opOf is an operation on a refund.
func opOf(op Op, r store.Refund) Operation {
	return Operation{Op: op, Kind: r.Kind, Refund: r.ID, Order: r.Order(), Number: r.OutRequestNo}
}

// hookOf is a call of the host's code, for a refund or for none.
func hookOf(name string, r store.Refund) Operation {
	op := opOf(OpHook, r)
	op.Hook = name
	for _, d := range r.Deliveries {
		op.Again = op.Again || string(d.Event) == name && d.Error != ""
	}
	return op
}

// do makes a call to Alipay about a refund.
func (e *Engine) do(ctx context.Context, op Op, r store.Refund, method string, content any, o gateway.Options) (gateway.Reply, error) {
	about := opOf(op, r)
	about.Method = method
	ctx, ended := e.observe(ctx, about)
	reply, err := e.gateway.Do(ctx, method, content, o)
	ended(callEnded(reply, err))
	return reply, err
}

// callEnded is how a call to Alipay ended.
func callEnded(reply gateway.Reply, err error) Ended {
	how := Ended{Outcome: "ok"}
	switch {
	case errors.Is(err, gateway.ErrUnverified):
		how.Outcome = "unverified"
	case errors.Is(err, gateway.ErrNoAnswer):
		how.Outcome = "no_answer"
	case errors.Is(err, gateway.ErrNotSent):
		how.Outcome = "not_sent"
	case err != nil:
		how.Outcome = "refused"
	}
	if reply.Signed {
		how.Code, how.SubCode = reply.Code, reply.SubCode
	}
	return how
}

// leaseLost tells of a lease that was over, or another's, too early.
func (e *Engine) leaseLost(ctx context.Context, of string, r store.Refund) {
	op := opOf(OpLease, r)
	op.Lease = of
	_, ended := e.observe(ctx, op)
	ended(Ended{Outcome: "lost"})
}

// endedBy is how something ended that either succeeds or fails.
func endedBy(err error, failed string) Ended {
	if err != nil {
		return Ended{Outcome: failed}
	}
	return Ended{Outcome: "ok"}
}

// named gives the conditions of errors the names that an Observer is told.
type named []struct {
	name string
	is   error
}

// of returns the name of the first condition that err is, or otherwise.
func (n named) of(err error, otherwise string) string {
	for _, condition := range n {
		if errors.Is(err, condition.is) {
			return condition.name
		}
	}
	return otherwise
}

// refundEnded is how [Engine.Refund] and its like ended.
func refundEnded(r store.Refund, err error) Ended {
	switch {
	case err == nil:
		return Ended{Outcome: "succeeded"}
	case isA[*RefusedError](err), isA[*UnapprovedError](err):
		return Ended{Outcome: "failed", Code: r.Code, SubCode: r.SubCode}
	case isA[*VetoError](err):
		return Ended{Outcome: "vetoed"}
	case isA[*ConflictError](err):
		return Ended{Outcome: "conflict"}
	case isA[*LimitError](err):
		return Ended{Outcome: "exceeds_order"}
	case isA[*ValidationError](err):
		return Ended{Outcome: "invalid"}
	}
	return Ended{Outcome: named{
		{"unresolved", ErrUnresolved}, {"awaiting_approval", ErrAwaitingApproval}, {"nothing_sent", ErrNothingSent},
	}.of(err, "error")}
}

func isA[E error](err error) bool {
	_, is := errors.AsType[E](err)
	return is
}

// unacknowledged names why [Engine.Handle] failed.
var unacknowledged = named{
	{"busy", ErrBusy}, {"unhandled", ErrUnhandled}, {"unsettled", ErrUnsettled}, {"hook_failed", ErrHookFailed}, {"store_failed", ErrStore},
}

// noticeEnded is how [Engine.Handle] ended. known: it had been handled before;
// handled: now. Neither, without an error: the host's handler panicked.
func noticeEnded(known, handled bool, err error) Ended {
	switch {
	case known:
		return Ended{Outcome: "known"}
	case handled:
		return Ended{Outcome: "handled"}
	}
	return Ended{Outcome: unacknowledged.of(err, "declined")}
}

// refused names why [Engine.Receive] failed.
var refused = named{
	{"method", notify.ErrMethod},
	{"unread", notify.ErrUnread},
	{"too_large", notify.ErrTooLarge},
	{"malformed", notify.ErrMalformed},
	{"duplicate_key", notify.ErrDuplicateKey},
	{"sign_type", notify.ErrSignType},
	{"no_signature", notify.ErrNoSignature},
	{"signature", notify.ErrSignature},
	{"hidden", notify.ErrHidden},
	{"charset", notify.ErrCharset},
	{"no_id", notify.ErrNoID},
	{"not_ours", notify.ErrNotOurs},
	{"app_unavailable", ErrAppUnavailable},
}

// noticeRefused tells of a notification that was refused before anything in it was
// trusted.
func (e *Engine) noticeRefused(ctx context.Context, err error) {
	_, ended := e.observe(ctx, Operation{Op: OpNotice})
	ended(Ended{Outcome: "refused", Reason: refused.of(err, "other")})
}

// roundEnded is how one look of Run at what is due ended.
func roundEnded(ctx context.Context, due int, err error) Ended {
	if ctx.Err() != nil {
		err = nil // Run is stopped, which is no fault of the store's
	}
	how := endedBy(err, "store_failed")
	how.Due = due
	return how
}
