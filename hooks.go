package alirefund

import (
	"context"
	"database/sql"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"github.com/alirefund/alirefund/store"
)

// RefundSucceeded: the money moved. Refund.Source says which word of Alipay's
// proved it.
type RefundSucceeded struct{ Refund store.Refund }

// RefundFailed: Alipay refused, and nothing moved. Should a signed word of
// Alipay's say otherwise later, RefundSucceeded follows.
type RefundFailed struct{ Refund store.Refund }

// RefundUnresolved: Reason wants a person. Nobody knows whether the money moved,
// and waiting will not tell; the refund still succeeds or fails once Alipay says
// so. Or the refund's own event could not be delivered for long.
type RefundUnresolved struct {
	Refund store.Refund
	Reason string
}

// deliver tells the host what is due, and whether nothing is left to tell. Each
// event is leased, its hook called, and then marked: a crash in between repeats
// the hook, and loses nothing. What the caller's settlement leased by its claim
// is not leased again.
//
// The hooks run beside the caller, who waits for as long as they may take. One
// that takes longer is marked when it returns.
func (m *Module) deliver(ctx context.Context, r store.Refund, claim string) bool {
	due := r.Due()
	if len(due) == 0 {
		return true
	}
	key, all := r.ID, true
	if _, running := m.telling.LoadOrStore(key, true); running {
		// All wait for a hook that runs, but the call for a person: it may hang.
		if due[len(due)-1] != store.RefundUnresolved {
			return false
		}
		key, all, due = r.ID+" "+string(store.RefundUnresolved), false, due[len(due)-1:]
		if _, running := m.telling.LoadOrStore(key, true); running {
			return false
		}
	}
	told := make(chan bool, 1)
	go func() {
		for _, event := range due {
			all = m.tellOne(ctx, r, event, claim) && all
		}
		m.telling.Delete(key)
		told <- all
	}()
	select {
	case all := <-told:
		return all
	case <-time.After(time.Duration(len(due)) * (m.config.HookTimeout + storeTime)):
		return false
	}
}

// tellOne delivers one event and tells whether the host has taken it.
func (m *Module) tellOne(ctx context.Context, r store.Refund, event store.Event, claim string) bool {
	if event == store.RefundSucceeded && m.config.OnRefundSucceededTx != nil {
		return m.deliverTx(ctx, r)
	}
	lease, done, err := r.DeliveryLease(event), false, error(nil)
	if claim == "" || lease.Token != claim || !m.lasts(lease) {
		lease.Until = time.Now().Add(m.config.HookTimeout + storeTime)
		lease.Token, done, err = m.ledger.Deliver(ctx, r.ID, event, m.config.HookTimeout+storeTime)
	}
	if err != nil {
		m.log.ErrorContext(ctx, "an event could not be delivered: the store failed", "refund", r.ID, "event", event, "error", err)
		return false
	}
	if done || lease.Token == "" || !m.lasts(lease) {
		return done // or somebody else is at it, or may be before the hook returns
	}
	hookErr := m.guarded(ctx, func(ctx context.Context) error { return m.call(ctx, event, r) })
	if hookErr != nil {
		m.log.ErrorContext(ctx, "a hook failed; its event will be delivered again", "refund", r.ID, "event", event, "error", hookErr)
	}
	err = m.mark(ctx, func(ctx context.Context) (err error) {
		if hookErr != nil {
			_, err = m.ledger.Undelivered(ctx, r.ID, event, lease.Token, shorten(hookErr.Error()))
		} else {
			_, err = m.ledger.Delivered(ctx, r.ID, event, lease.Token)
		}
		return err
	})
	if err != nil {
		m.log.ErrorContext(ctx, "a delivery could not be recorded; the hook may run again", "refund", r.ID, "event", event, "error", err)
	}
	return hookErr == nil && err == nil
}

// lasts tells whether a lease, which may have been taken a while ago, is long
// enough for a hook.
func (m *Module) lasts(lease store.Lease) bool {
	return time.Until(lease.Until) >= m.config.HookTimeout
}

// deliverTx delivers a success within a transaction of the store's: the host's
// rows and the mark commit together, or neither does.
func (m *Module) deliverTx(ctx context.Context, r store.Refund) bool {
	transactor := m.config.Store.(store.Transactor) // New has checked it
	done, err := transactor.DeliverTx(ctx, r.ID, store.RefundSucceeded, func(ctx context.Context, tx *sql.Tx, r store.Refund) error {
		return m.guarded(ctx, func(ctx context.Context) error {
			return m.config.OnRefundSucceededTx(ctx, tx, RefundSucceeded{Refund: r.Clone()})
		})
	})
	if err != nil {
		m.log.ErrorContext(ctx, "a transactional hook failed, or its commit; its event will be delivered again", "refund", r.ID, "error", err)
	}
	return done && err == nil
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
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

// completed is how long a finished notification is remembered. Alipay repeats
// for about 25 hours (opendocs, "asynchronous notices").
const completed = 48 * time.Hour

// mark writes down that a hook ran, however late it returned, and more than once
// if the store fails: what is not marked is done again.
func (m *Module) mark(ctx context.Context, write func(context.Context) error) (err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTime)
	defer cancel()
	for pause := 50 * time.Millisecond; pause < 2*time.Second; pause *= 3 {
		if err = write(ctx); err == nil {
			return nil
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
	return err
}
