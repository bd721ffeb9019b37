package alirefund

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/alirefund/alirefund/store"
)

// RefundSucceeded: the money moved. Refund.Source says which word of Alipay's
// proved it.
type RefundSucceeded struct{ Refund store.Refund }

// RefundFailed: Alipay refused, and nothing moved. Should a signed word of
// Alipay's say otherwise later, RefundSucceeded follows.
type RefundFailed struct{ Refund store.Refund }

// RefundUnresolved: nobody knows whether the money moved, and waiting will not
// tell: Reason wants a person. The refund still succeeds or fails once Alipay
// says so.
type RefundUnresolved struct {
	Refund store.Refund
	Reason string
}

// deliver tells the host what is due, and whether nothing is left to tell. Each
// event is leased, its hook called, and then marked: a crash in between repeats
// the hook, and loses nothing.
func (m *Module) deliver(ctx context.Context, r store.Refund) bool {
	all := true
	for _, event := range r.Due() {
		token, done, err := m.ledger.Deliver(ctx, r.ID, event, m.config.HookTimeout+storeTime)
		switch {
		case err != nil:
			m.log.ErrorContext(ctx, "an event could not be delivered: the store failed", "refund", r.ID, "event", event, "error", err)
			all = false
			continue
		case done:
			continue
		case token == "":
			all = false // somebody else is at it
			continue
		}
		if hookErr := m.guarded(ctx, func(ctx context.Context) error { return m.call(ctx, event, r) }); hookErr != nil {
			m.log.ErrorContext(ctx, "a hook failed; its event will be delivered again", "refund", r.ID, "event", event, "error", hookErr)
			_, err = m.ledger.Undelivered(ctx, r.ID, event, token, shorten(hookErr.Error()))
			all = false
		} else {
			_, err = m.ledger.Delivered(ctx, r.ID, event, token)
		}
		if err != nil {
			m.log.ErrorContext(ctx, "a delivery could not be recorded; the hook may run again", "refund", r.ID, "event", event, "error", err)
			all = false
		}
	}
	return all
}

func (m *Module) call(ctx context.Context, event store.Event, r store.Refund) error {
	r = r.Clone()
	switch {
	case event == store.RefundSucceeded && m.config.OnRefundSucceeded != nil:
		return m.config.OnRefundSucceeded(ctx, RefundSucceeded{Refund: r})
	case event == store.RefundFailed && m.config.OnRefundFailed != nil:
		return m.config.OnRefundFailed(ctx, RefundFailed{Refund: r})
	case event == store.RefundUnresolved && m.config.OnRefundUnresolved != nil:
		return m.config.OnRefundUnresolved(ctx, RefundUnresolved{Refund: r, Reason: r.Attention})
	}
	return nil
}

// guarded calls the host's code with a time limit, and makes a panic an error.
func (m *Module) guarded(ctx context.Context, f func(context.Context) error) (err error) {
	ctx, cancel := context.WithTimeout(ctx, m.config.HookTimeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			m.log.ErrorContext(ctx, "a hook panicked", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = fmt.Errorf("alirefund: the hook panicked: %v", p)
		}
	}()
	return f(ctx)
}

// shorten bounds a text of the host's that the record keeps.
func shorten(text string) string {
	const most = 300
	if len(text) > most {
		text = text[:most] + "…"
	}
	return text
}

// completed is how long a finished notification is remembered. Alipay repeats
// for about 25 hours (opendocs, "asynchronous notices").
const completed = 48 * time.Hour
