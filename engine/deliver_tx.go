package engine

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"time"

	"github.com/alirefund/alirefund/store"
)

// callTx is a hook that is called within a transaction of the store's.
type callTx func(ctx context.Context, tx *sql.Tx, r store.Refund) error

// transactional returns the hook of the event, if it is such a one.
func (e *Engine) transactional(event store.Event) callTx {
	if event == store.RefundSucceeded && e.tx != nil {
		return e.callTx
	}
	if s := e.subscribers.byEvent[event]; s.CallTx != nil {
		return func(ctx context.Context, tx *sql.Tx, r store.Refund) error {
			return s.CallTx(ctx, tx, deliveryOf(event, r))
		}
	}
	return nil
}

// deliverTx delivers an event within a transaction of the store's: the host's
// rows and the mark commit together, or neither does.
func (e *Engine) deliverTx(ctx context.Context, r store.Refund, event store.Event, call callTx) bool {
	tx := e.ledger.(store.Transactor) // check has made sure
	_, done, err := tx.DeliverTx(ctx, r.ID, event, nil, func(ctx context.Context, tx *sql.Tx, r store.Refund) error {
		ctx, cancel := context.WithTimeout(ctx, e.config.Times.HookTimeout)
		defer cancel()
		return <-e.begin(ctx, hookOf(string(event), r), func(ctx context.Context) error { return call(ctx, tx, r) })
	})
	e.sayDelivered(ctx, r, event, done, err)
	return done && err == nil
}

// settleTx is deliverTx with what was learnt in the same transaction: what Alipay's
// answer proves, the host's rows and the mark commit together. It returns no refund if
// that is not what c is for, or is not possible now; then what was learnt is still to
// be recorded.
//
// A hook that takes longer than it may has failed: its transaction ends, so that what
// was learnt can be recorded. It is not called beside itself all the same. Where the
// transaction cannot end, because a statement hangs that heeds no context, the caller
// does not wait: then what was learnt is not recorded, and is asked about again.
func (e *Engine) settleTx(ctx context.Context, r store.Refund, c *claim, s store.Settlement) (settled store.Refund, changed bool, err error) {
	if e.tx == nil || c == nil || !c.atOnce || s.Finding != store.Success {
		return store.Refund{}, false, nil
	}
	leave := e.enter(deliveryKey(r, store.RefundSucceeded), false)
	if leave == nil {
		return store.Refund{}, false, nil
	}
	ended := make(chan settledTx, 1)
	end := e.hooks.beginIn(ctx)
	go func() {
		defer end()
		var running sync.WaitGroup
		defer func() { running.Wait(); leave() }()
		ended <- e.callSettleTx(ctx, r, s, &running)
	}()
	var t settledTx
	select {
	case t = <-ended:
	case <-time.After(e.config.Times.HookTimeout + storeTime):
		t = settledTx{tried: true, err: errHeld}
	}
	if errors.Is(t.err, store.ErrTaken) || errors.Is(t.err, errHeld) {
		return store.Refund{}, false, t.err
	}
	c.tried = c.tried || t.tried
	if t.tried || t.err != nil {
		e.sayDelivered(ctx, r, store.RefundSucceeded, t.done, t.err)
	}
	return t.settled, t.settled.ID != "" && t.settled.SettledAt.Equal(t.settled.AsOf), nil
}

// errHeld: the hook's transaction does not end, and holds the refund.
var errHeld = errors.New("the transactional hook holds the refund")

// settledTx is what became of the transaction; tried: the hook was called.
type settledTx struct {
	settled     store.Refund
	done, tried bool
	err         error
}

// callSettleTx makes the transaction. The hook may be running still when it returns.
func (e *Engine) callSettleTx(ctx context.Context, r store.Refund, s store.Settlement, running *sync.WaitGroup) (t settledTx) {
	t.settled, t.done, t.err = e.tx.DeliverTx(ctx, r.ID, store.RefundSucceeded, &s, func(ctx context.Context, tx *sql.Tx, r store.Refund) error {
		t.tried = true
		running.Add(1)
		_, err := answered(ctx, e, hookOf(string(store.RefundSucceeded), r), func(ctx context.Context) (struct{}, error) {
			defer running.Done()
			return struct{}{}, e.callTx(ctx, tx, r)
		})
		return err
	})
	return t
}

func (e *Engine) callTx(ctx context.Context, tx *sql.Tx, r store.Refund) error {
	return e.config.OnRefundSucceededTx(ctx, tx, RefundSucceeded{Refund: r.Clone()})
}

func (e *Engine) sayDelivered(ctx context.Context, r store.Refund, event store.Event, done bool, err error) {
	switch {
	case err != nil:
		e.log.ErrorContext(ctx, "a transactional hook failed, or its commit; its event will be delivered again", "refund", r.ID, "event", event, "error", err)
	case done:
		e.log.InfoContext(ctx, "an event is delivered", "refund", r.ID, "event", event)
	}
}
