package engine

import (
	"context"
	"fmt"
	"strings"

	"github.com/alirefund/alirefund/store"
)

// Recorded returns what the ledger has of a refund. Unlike [Engine.Get] it asks nobody and
// delivers nothing. It fails with [store.ErrNotFound], [ErrStore] or [ErrUnknownApp].
func (e *Engine) Recorded(ctx context.Context, id string) (store.Refund, error) {
	return e.find(ctx, id)
}

// Ask is [Engine.Get] for a person, who stands in the refund's history as the actor: now,
// and not when it is due, Alipay is asked about an unresolved refund. It fails with
// [store.ErrNotFound], [ErrNotPending], [ErrStore], [ErrUnknownApp], or a
// [*ValidationError].
func (e *Engine) Ask(ctx context.Context, id, actor string) (Result, error) {
	if strings.TrimSpace(actor) == "" {
		return Result{}, errNoActor
	}
	r, err := e.find(ctx, id)
	switch {
	case err != nil:
		return Result{}, err
	case r.State != store.Pending:
		return Result{Refund: r, Repeated: true}, fmt.Errorf("%w: it %s", ErrNotPending, r.State)
	}
	if _, err := e.settle(ctx, r, nil, store.Settlement{Note: store.Entry{What: "ask", Actor: actor}}); err != nil {
		return Result{}, err
	}
	return e.Get(ctx, id)
}

// Redeliver delivers one event of a refund once more, on purpose, to whom the event names
// ([store.Event.For]). actor stands in the refund's history. It tells whether the event is
// true of the refund; if not, nothing was done. A hook that fails again stays due, and a
// named subscriber is not waited for. It fails with [store.ErrNotFound], [ErrStore],
// [ErrUnknownApp], or a [*ValidationError].
func (e *Engine) Redeliver(ctx context.Context, id string, event store.Event, actor string) (bool, error) {
	if strings.TrimSpace(actor) == "" {
		return false, errNoActor
	}
	if _, err := e.find(ctx, id); err != nil {
		return false, err
	}
	ctx, cancel := e.detach(ctx)
	defer cancel()
	_, done, err := e.redeliver(ctx, id, event, actor)
	return done, err
}

var errNoActor = invalid("/actor", "required", Text{En: "actor is required", Zh: "actor 为必填字段"})

// redeliver makes an event due once more and delivers it.
func (e *Engine) redeliver(ctx context.Context, id string, event store.Event, actor string) (store.Refund, bool, error) {
	done, err := e.ledger.Redeliver(ctx, id, event, actor)
	if err != nil {
		return store.Refund{}, false, storeFailed(err)
	}
	r, err := e.ledger.Get(ctx, id)
	if err != nil {
		return store.Refund{}, false, storeFailed(err)
	}
	if done {
		e.deliver(ctx, r, nil)
		e.deliverToNamed(ctx, r)
	}
	return r, done, nil
}
