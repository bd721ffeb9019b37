package engine

import (
	"context"
	"errors"

	"github.com/alirefund/alirefund/store"
)

// Get returns what is known of a refund. If it is unresolved Alipay is asked
// first, and if an event of it is undelivered its hook is called. The state in
// the result tells success, failure and unresolved apart; an error means that
// the ledger could not be read ([ErrStore]), [store.ErrNotFound], or [ErrUnknownApp].
func (e *Engine) Get(ctx context.Context, id string) (Result, error) {
	r, err := e.find(ctx, id)
	if err != nil {
		return Result{}, err
	}
	ctx, cancel := e.detach(ctx)
	defer cancel()
	c := newClaimAtOnce()
	r = e.expire(ctx, r, c)
	if r.State == store.Pending {
		r, _ = e.ask(ctx, r, c)
	}
	result := e.conclude(ctx, r, c, true)
	if now, err := e.ledger.Get(ctx, id); err == nil {
		result.Refund = now // with its deliveries
	}
	return result, nil
}

// find reads a refund of this application's. One of another application's, in
// the same store, is not found.
func (e *Engine) find(ctx context.Context, id string) (store.Refund, error) {
	if e.lost != nil {
		return store.Refund{}, e.lost
	}
	ctx, cancel := looking(ctx)
	defer cancel()
	r, err := e.ledger.Get(ctx, id)
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && r.App != e.app.ID:
		return store.Refund{}, store.ErrNotFound
	case err != nil:
		return store.Refund{}, storeFailed(err)
	}
	return r, nil
}

// ErrNoCounter: the store cannot count what is left to do.
var ErrNoCounter = errors.New("alirefund: Config.Store is no store.Counter")

// Backlog counts what is left to do, in all processes that share the store: for
// gauges and health checks. With Config.Apps, the engine of [New] counts all
// applications, and one of [Engine.For] its own. It fails with [ErrNoCounter] or
// [ErrStore].
func (e *Engine) Backlog(ctx context.Context) (store.Backlog, error) {
	counter, ok := e.config.Store.(store.Counter)
	if !ok {
		return store.Backlog{}, ErrNoCounter
	}
	app := e.app.ID
	if e.base {
		app = e.scope()
	}
	b, err := counter.Count(ctx, app)
	if err != nil {
		return store.Backlog{}, storeFailed(err)
	}
	return b, nil
}

// List returns the application's refunds that f selects, the oldest first. It
// fails with [ErrStore] or [ErrUnknownApp].
func (e *Engine) List(ctx context.Context, f store.Filter) ([]store.Refund, error) {
	if e.lost != nil {
		return nil, e.lost
	}
	ctx, cancel := looking(ctx)
	defer cancel()
	f.App = e.app.ID
	rows, err := e.ledger.List(ctx, f)
	if err != nil {
		return nil, storeFailed(err)
	}
	return rows, nil
}
