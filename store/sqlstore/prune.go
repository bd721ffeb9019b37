package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"
)

const (
	pruneStep = 100       // records that one call forgets
	linger    = time.Hour // how long a lease that ran out is kept, for an owner who completes late
)

// Prune implements [store.Pruner], and forgets notifications whose time is over.
// It changes some hundred rows of an application at most, and holds no lock for long.
//
// What a forgotten refund took of its order's total stays taken: the money has
// moved. Its number, asked for again, is a new one to this ledger and to be
// paid for by what the order has left; Alipay knows better, and moves nothing.
func (s *Store) Prune(ctx context.Context, app string, nodes, refunds time.Time) (pruned int, err error) {
	for _, forget := range []func() (int, error){
		func() (int, error) {
			now, err := s.clock.now(ctx)
			if err != nil {
				return 0, err
			}
			return s.forget(ctx, "{claims}", "until_at < ?", now.Add(-linger).UnixMicro())
		},
		func() (int, error) {
			if refunds.IsZero() {
				return 0, nil
			}
			return s.sum(ctx, app, func(app string) (int, error) {
				return s.forget(ctx, "{refunds}", "app = ? AND has_node IN (0, 1) AND settled_at < ?", app, refunds.UnixMicro())
			})
		},
		func() (int, error) {
			if nodes.IsZero() {
				return 0, nil
			}
			return s.sum(ctx, app, func(app string) (int, error) { return s.strip(ctx, app, nodes) })
		},
	} {
		var n int
		if err = s.retry(ctx, "prune", func() (err error) { n, err = forget(); return err }); err != nil {
			return pruned, err
		}
		pruned += n
	}
	return pruned, nil
}

// sum does it for the application, or for each if app is empty.
func (s *Store) sum(ctx context.Context, app string, do func(app string) (int, error)) (sum int, err error) {
	err = s.each(ctx, app, false, func(app string) error {
		n, err := do(app)
		sum += n
		return err
	})
	return sum, err
}

// forget deletes some rows to which the condition applies. It is checked again when
// each is deleted, for the row may have changed since.
func (s *Store) forget(ctx context.Context, table, condition string, args ...any) (int, error) {
	found, err := ids(s.db.QueryContext(ctx, s.sql("SELECT id FROM "+table+" WHERE "+condition+" LIMIT ?"), append(slices.Clone(args), pruneStep)...))
	if err != nil || len(found) == 0 {
		return 0, err
	}
	return s.exec(ctx, s.db, "DELETE FROM "+table+" WHERE "+in(len(found))+" AND "+condition, append(found, args...)...)
}

// strip takes the raw nodes out of some refunds.
func (s *Store) strip(ctx context.Context, app string, before time.Time) (stripped int, err error) {
	rows, err := s.rows(ctx, selectRows+"app = ? AND has_node = 1 AND settled_at < ? ORDER BY settled_at LIMIT ?", app, before.UnixMicro(), pruneStep)
	if err != nil || len(rows) == 0 {
		return 0, err
	}
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		for _, was := range rows {
			r := was.Clone()
			r.Answer = ""
			switch _, err := s.update(ctx, tx, was, r); {
			case err == nil:
				stripped++
			case !errors.Is(err, errConflict):
				return err
			}
		}
		return nil
	})
	return stripped, err
}
