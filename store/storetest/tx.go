package storetest

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"

	"github.com/alirefund/alirefund/store"
)

// transactor is a test of the stores that are a [store.Transactor].
func transactor(run func(t *testing.T, s store.Store, tx store.Transactor)) func(*testing.T, store.Store) {
	return func(t *testing.T, s store.Store) {
		if tx, ok := s.(store.Transactor); ok {
			run(t, s, tx)
		}
	}
}

type hook = func(context.Context, *sql.Tx, store.Refund) error

// never is a hook that must not run.
func never(t *testing.T) hook {
	return func(context.Context, *sql.Tx, store.Refund) error {
		t.Error("the hook ran")
		return nil
	}
}

func deliverTx(t *testing.T, tx store.Transactor, id string, event store.Event, h hook, want bool) {
	t.Helper()
	if _, done, err := tx.DeliverTx(t.Context(), id, event, nil, h); err != nil || done != want {
		t.Fatalf("DeliverTx(%s) = %v, %v; want %v", event, done, err, want)
	}
}

var transactorTests = []test{
	{"delivered with the transaction, once", transactor(func(t *testing.T, s store.Store, tx store.Transactor) {
		id := succeeded(t, s)
		before, ran := mustGet(t, s, id), 0
		deliverTx(t, tx, id, success, func(ctx context.Context, tx *sql.Tx, r store.Refund) error {
			ran++
			if r.ID != id || r.State != store.Succeeded || r.WasDelivered(success) || r.Amount != before.Amount {
				t.Errorf("the hook is told of %+v", r)
			}
			var one int
			return tx.QueryRowContext(ctx, "SELECT 1").Scan(&one)
		}, true)
		got := mustGet(t, s, id)
		if ran != 1 || !got.WasDelivered(success) || got.Deliveries[0].Tries != 1 || !got.Next.IsZero() {
			t.Errorf("the hook ran %d times; it is %+v", ran, got)
		}
		deliverTx(t, tx, id, success, never(t), true)
		deliver(t, s, id, success, long, done)
		due(t, s, long, 9)
	})},
	{"what is not true is not to be told", transactor(func(t *testing.T, s store.Store, tx store.Transactor) {
		deliverTx(t, tx, succeeded(t, s), store.RefundFailed, never(t), true)
		_, _, err := tx.DeliverTx(t.Context(), "rf_unknown", success, nil, never(t))
		wantNotFound(t, "DeliverTx", err)
	})},
	{"a failure is the hook's, and recorded", transactor(func(t *testing.T, s store.Store, tx store.Transactor) {
		id := succeeded(t, s)
		failure := errors.New("the host was down " + strings.Repeat("é", 500))
		for n := range 2 {
			_, done, err := tx.DeliverTx(t.Context(), id, success, nil, func(context.Context, *sql.Tx, store.Refund) error { return failure })
			if done || err != failure {
				t.Errorf("DeliverTx = %v, %v", done, err)
			}
			got := mustGet(t, s, id)
			d := got.Deliveries
			if len(d) != 1 || d[0].Done || d[0].Tries != n+1 || !strings.HasPrefix(d[0].Error, "the host was down") || len(d[0].Error) > 400 || got.Next.IsZero() {
				t.Errorf("recorded %+v", got)
			}
		}
		deliverTx(t, tx, id, success, func(context.Context, *sql.Tx, store.Refund) error { return nil }, true)
		if d := mustGet(t, s, id).Deliveries[0]; !d.Done || d.Tries != 3 || d.Error != "" {
			t.Errorf("delivered at last: %+v", d)
		}
	})},
	{"a panic leaves nothing behind", transactor(func(t *testing.T, s store.Store, tx store.Transactor) {
		id := succeeded(t, s)
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic was lost")
				}
			}()
			_, _, _ = tx.DeliverTx(t.Context(), id, success, nil, func(context.Context, *sql.Tx, store.Refund) error { panic("the host") })
		}()
		deliverTx(t, tx, id, success, func(context.Context, *sql.Tx, store.Refund) error { return nil }, true)
	})},
	{"a hook that ends the transaction has not delivered", transactor(func(t *testing.T, s store.Store, tx store.Transactor) {
		id := succeeded(t, s)
		_, done, err := tx.DeliverTx(t.Context(), id, success, nil, func(_ context.Context, tx *sql.Tx, _ store.Refund) error { return tx.Rollback() })
		if done || !errors.Is(err, sql.ErrTxDone) {
			t.Errorf("DeliverTx = %v, %v", done, err)
		}
		deliver(t, s, id, success, long, owned)
	})},
	{"not while somebody else delivers", transactor(func(t *testing.T, s store.Store, tx store.Transactor) {
		id := succeeded(t, s)
		token := deliver(t, s, id, success, short, owned)
		deliverTx(t, tx, id, success, never(t), false)
		outlast()
		deliverTx(t, tx, id, success, func(context.Context, *sql.Tx, store.Refund) error { return nil }, true)
		delivered(t, s, id, success, token, false)
	})},
	{"one of many delivers", transactor(func(t *testing.T, s store.Store, tx store.Transactor) {
		id := succeeded(t, s)
		var got tally
		race(func(int) {
			_, done, err := tx.DeliverTx(t.Context(), id, success, nil, func(context.Context, *sql.Tx, store.Refund) error { return nil })
			got.add(done, err)
		})
		got.want(t, map[string]int{"true": racers})
		if d := mustGet(t, s, id).Deliveries; len(d) != 1 || !d[0].Done || d[0].Tries != 1 {
			t.Errorf("delivered %+v", d)
		}
	})},
}
