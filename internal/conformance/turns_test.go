package conformance

import (
	"context"
	"database/sql"
	"sync/atomic"
	"time"

	"github.com/alirefund/alirefund/store"
	"github.com/alirefund/alirefund/store/sqlstore"
)

// turns is a store of two, each of which makes every other call.
type turns struct {
	stores [2]*sqlstore.Store
	calls  atomic.Int64
}

func (t *turns) next() *sqlstore.Store { return t.stores[t.calls.Add(1)%2] }

func (t *turns) Claim(ctx context.Context, key string, lease time.Duration) (string, bool, error) {
	return t.next().Claim(ctx, key, lease)
}

func (t *turns) Complete(ctx context.Context, key, token string, keep time.Duration) (bool, error) {
	return t.next().Complete(ctx, key, token, keep)
}

func (t *turns) Release(ctx context.Context, key, token string) (bool, error) {
	return t.next().Release(ctx, key, token)
}

func (t *turns) Open(ctx context.Context, r store.Refund, limit store.Limit, first *store.Permission) (store.Refund, store.Opened, error) {
	return t.next().Open(ctx, r, limit, first)
}

func (t *turns) Sending(ctx context.Context, id string, p store.Permission) (store.Attempt, error) {
	return t.next().Sending(ctx, id, p)
}

func (t *turns) Settle(ctx context.Context, id string, s store.Settlement) (store.Refund, bool, error) {
	return t.next().Settle(ctx, id, s)
}

func (t *turns) Deliver(ctx context.Context, id string, event store.Event, lease time.Duration) (string, bool, error) {
	return t.next().Deliver(ctx, id, event, lease)
}

func (t *turns) Delivered(ctx context.Context, id string, event store.Event, token string, n store.Notice) (held, completed bool, err error) {
	return t.next().Delivered(ctx, id, event, token, n)
}

func (t *turns) Undelivered(ctx context.Context, id string, event store.Event, token, reason string) (bool, error) {
	return t.next().Undelivered(ctx, id, event, token, reason)
}

func (t *turns) Redeliver(ctx context.Context, id string, event store.Event, actor string) (bool, error) {
	return t.next().Redeliver(ctx, id, event, actor)
}

func (t *turns) Subscribe(ctx context.Context, id string, event store.Event) (bool, error) {
	return t.next().Subscribe(ctx, id, event)
}

func (t *turns) Due(ctx context.Context, app string, lease time.Duration, n int, pending bool) ([]store.Refund, error) {
	return t.next().Due(ctx, app, lease, n, pending)
}

func (t *turns) GiveBack(ctx context.Context, id string, next time.Time, token string) (bool, error) {
	return t.next().GiveBack(ctx, id, next, token)
}

func (t *turns) Get(ctx context.Context, id string) (store.Refund, error) {
	return t.next().Get(ctx, id)
}

func (t *turns) List(ctx context.Context, f store.Filter) ([]store.Refund, error) {
	return t.next().List(ctx, f)
}

func (t *turns) DeliverTx(ctx context.Context, id string, event store.Event, learnt *store.Settlement, hook func(context.Context, *sql.Tx, store.Refund) error) (store.Refund, bool, error) {
	return t.next().DeliverTx(ctx, id, event, learnt, hook)
}

func (t *turns) Prune(ctx context.Context, app string, nodes, refunds time.Time) (int, error) {
	return t.next().Prune(ctx, app, nodes, refunds)
}

func (t *turns) Count(ctx context.Context, app string) (store.Backlog, error) {
	return t.next().Count(ctx, app)
}
