package engine

import (
	"context"
	"time"

	"github.com/alirefund/alirefund/store"
)

// deliver calls the host's own hooks of all events that are due, and returns whether none is
// left to deliver. Each event is leased, its hook called, and then marked: a crash
// in between repeats the hook, and loses nothing. What the caller's settlement leased
// by its [claim] is not leased again.
//
// The hooks run beside the caller, who waits for as long as they may take. One
// that takes longer is marked when it returns.
func (e *Engine) deliver(ctx context.Context, r store.Refund, c *claim) bool {
	all := true
	for _, event := range r.Due() {
		all = e.deliverBeside(ctx, r, event, c) && all
	}
	return all
}

// deliverBeside delivers one event, on a goroutine of its own.
func (e *Engine) deliverBeside(ctx context.Context, r store.Refund, event store.Event, c *claim) bool {
	leave := e.enter(deliveryKey(r, event), c.has(r, event))
	if leave == nil {
		return false
	}
	told := make(chan bool, 1)
	end := e.hooks.beginIn(ctx)
	go func() {
		defer end()
		done := false
		defer func() { leave(); told <- done }() // the hook may leave this goroutine
		done = e.deliverOne(ctx, r, event, c)
	}()
	select {
	case done := <-told:
		return done
	case <-time.After(e.config.Times.HookTimeout + storeTime):
		return false
	}
}

// deliverOne delivers one event and tells whether the host has taken it.
func (e *Engine) deliverOne(ctx context.Context, r store.Refund, event store.Event, c *claim) (delivered bool) {
	if call := e.transactional(event); call != nil {
		return !c.wasTried() && e.deliverTx(ctx, r, event, call)
	}
	var token string
	var left time.Duration
	var done bool
	var err error
	if c.has(r, event) {
		token, left = c.token, c.left(r, event)
	}
	if left < e.config.Times.HookTimeout {
		began := time.Now()
		token, done, err = e.ledger.Deliver(ctx, r.ID, event, e.config.Times.HookTimeout+storeTime)
		left = e.config.Times.HookTimeout + storeTime - elapsed(began)
	}
	if err != nil {
		e.log.ErrorContext(ctx, "an event could not be delivered: the store failed", "refund", r.ID, "event", event, "error", err)
		return false
	}
	if done || token == "" || left < e.config.Times.HookTimeout {
		return done // or somebody else is at it, or may be before the hook returns
	}
	if r, err = e.asLeased(ctx, r, event); err != nil {
		e.log.ErrorContext(ctx, "an event could not be delivered: the store failed", "refund", r.ID, "event", event, "error", err)
		return false
	}
	hookErr := errLeft // unless it returns
	defer func() { delivered = e.mark(ctx, r, event, token, hookErr, c) }()
	hookErr = e.guarded(ctx, hookOf(string(event), r), func(ctx context.Context) error { return e.call(ctx, event, r) })
	return false // mark says
}

// asLeased reads what a named subscriber is told of, once its event is leased: whoever
// waited for a place may hold a refund from before others delivered it, and made it due
// once more, by another ID.
func (e *Engine) asLeased(ctx context.Context, r store.Refund, event store.Event) (store.Refund, error) {
	if _, subscriber := event.Split(); subscriber == "" {
		return r, nil
	}
	now, err := e.ledger.Get(ctx, r.ID)
	if err != nil {
		return r, err
	}
	return now, nil
}

// mark records that an event's hook returned, and how, and tells whether the host has
// taken the event.
func (e *Engine) mark(ctx context.Context, r store.Refund, event store.Event, token string, hookErr error, c *claim) bool {
	if hookErr != nil {
		e.log.ErrorContext(ctx, "a hook failed; its event will be delivered again", "refund", r.ID, "event", event, "error", hookErr)
	}
	held := false
	err := persist(ctx, func(ctx context.Context) (err error) {
		if hookErr != nil {
			held, err = e.ledger.Undelivered(ctx, r.ID, event, token, shorten(hookErr.Error()))
			return err
		}
		var completed bool
		if held, completed, err = e.ledger.Delivered(ctx, r.ID, event, token, c.completes(r)); completed {
			c.done = true
		}
		return err
	})
	if err == nil && !held {
		e.leaseLost(ctx, "delivery", r)
	}
	if err != nil {
		e.log.ErrorContext(ctx, "a delivery could not be recorded; the hook may run again", "refund", r.ID, "event", event, "error", err)
	}
	if hookErr != nil || err != nil {
		return false
	}
	e.log.InfoContext(ctx, "an event is delivered", "refund", r.ID, "event", event)
	return true
}

func (e *Engine) call(ctx context.Context, event store.Event, r store.Refund) error {
	if _, subscriber := event.Split(); subscriber != "" {
		return e.subscribers.call(ctx, event, r)
	}
	r = r.Clone()
	switch {
	case event == store.RefundSucceeded && e.config.OnRefundSucceeded != nil:
		return e.config.OnRefundSucceeded(ctx, RefundSucceeded{Refund: r})
	case event == store.RefundFailed && e.config.OnRefundFailed != nil:
		return e.config.OnRefundFailed(ctx, RefundFailed{Refund: r})
	case event == store.RefundUnresolved && e.config.OnRefundUnresolved != nil:
		return e.config.OnRefundUnresolved(ctx, RefundUnresolved{Refund: r, Reason: r.Attention})
	}
	return nil
}
