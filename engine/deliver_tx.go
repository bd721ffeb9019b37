package engine

import (
	"context"
	"database/sql"
	"errors"
	"sync"

	"github.com/alirefund/alirefund/store"
)

// deliverTx delivers a success within a transaction of the store's: the host's
// rows and the mark commit together, or neither does.
func (e *Engine) deliverTx(ctx context.Context, r store.Refund) bool {
	_, done, err := e.tx.DeliverTx(ctx, r.ID, store.RefundSucceeded, nil, func(ctx context.Context, tx *sql.Tx, r store.Refund) error {
		ctx, cancel := context.WithTimeout(ctx, e.config.Times.HookTimeout)
		defer cancel()
		return <-e.begin(ctx, hookOf(string(store.RefundSucceeded), r), func(ctx context.Context) error { return e.callTx(ctx, tx, r) })
	})
	e.sayDelivered(ctx, r, done, err)
	return done
}

// settleTx is deliverTx with what was learnt in the same transaction: what Alipay's
// answer proves, the host's rows and the mark commit together. It returns no refund if
// that is not what c is for, or is not possible now; then what was learnt is still to
// be recorded.
//
// A hook that takes longer than it may has failed: its transaction ends, so that what
// was learnt can be recorded. It is not called beside itself all the same.
func (e *Engine) settleTx(ctx context.Context, r store.Refund, c *claim, s store.Settlement) (settled store.Refund, changed bool, err error) {
	if e.tx == nil || c == nil || !c.atOnce || s.Finding != store.Success {
		return store.Refund{}, false, nil
	}
	leave := e.enter(deliveryKey(r, store.RefundSucceeded), false)
	if leave == nil {
		return store.Refund{}, false, nil
	}
	var running sync.WaitGroup
	var broken bool // the hook may be running still
	settled, done, err := e.tx.DeliverTx(ctx, r.ID, store.RefundSucceeded, &s, func(ctx context.Context, tx *sql.Tx, r store.Refund) error {
		c.tried = true
		running.Add(1)
		_, err := answered(ctx, e, hookOf(string(store.RefundSucceeded), r), func(ctx context.Context) (struct{}, error) {
			defer running.Done()
			return struct{}{}, e.callTx(ctx, tx, r)
		})
		_, broken = errors.AsType[*brokenError](err)
		return err
	})
	if broken {
		go func() { running.Wait(); leave() }()
	} else {
		leave()
	}
	if errors.Is(err, store.ErrTaken) {
		return store.Refund{}, false, err
	}
	if c.tried || err != nil {
		e.sayDelivered(ctx, r, done, err)
	}
	return settled, settled.ID != "" && settled.SettledAt.Equal(settled.AsOf), nil
}

func (e *Engine) callTx(ctx context.Context, tx *sql.Tx, r store.Refund) error {
	return e.config.OnRefundSucceededTx(ctx, tx, RefundSucceeded{Refund: r.Clone()})
}

func (e *Engine) sayDelivered(ctx context.Context, r store.Refund, done bool, err error) {
	switch {
	case err != nil:
		e.log.ErrorContext(ctx, "a transactional hook failed, or its commit; its event will be delivered again", "refund", r.ID, "error", err)
	case done:
		e.log.InfoContext(ctx, "an event is delivered", "refund", r.ID, "event", store.RefundSucceeded)
	}
}
