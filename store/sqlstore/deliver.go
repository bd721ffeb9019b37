package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/alirefund/alirefund/store"
)

// DeliverTx implements [store.Transactor]. The transaction's first statement
// marks the event as delivered, and so locks the refund; then hook runs; then it
// commits. So what hook writes by tx and the mark are one, whatever crashes.
//
// hook is to use tx alone: on SQLite a second connection waits for the first,
// for ever; elsewhere what it writes stands even if tx is rolled back. While
// hook runs, whoever else learns something of this refund waits, and on SQLite
// whoever writes anything: it should be short, and talk to nobody else. It must
// not end tx.
//
// If hook fails or panics, or the commit fails, nothing of it remains, and the
// event is due again later; if the commit fails in a way that a repetition
// heals, as under serializable isolation, hook runs again at once.
func (s *Store) DeliverTx(ctx context.Context, id string, event store.Event, learnt *store.Settlement, hook func(context.Context, *sql.Tx, store.Refund) error) (settled store.Refund, done bool, err error) {
	var failed error     // of hook, or of the commit
	var marked time.Time // by a transaction whose hook failed
	err = s.step(ctx, "deliver", id, func(was row) (wrote bool, err error) {
		done = false
		now, err := s.clock.now(ctx)
		if err != nil {
			return false, err
		}
		r := was.Clone()
		r.AsOf = now
		var by terms
		if learnt != nil {
			r, _ = r.Apply(*learnt, now)
			by.take = learnt.Notice
		}
		token, delivered := r.BeginDelivery(event, 0, now)
		if token == "" {
			done = delivered
			if learnt == nil {
				return false, nil
			}
			settled = r
			err = s.write(ctx, was, r, by)
			return err == nil, err
		}
		told := r.Clone()
		r.EndDelivery(event, token, true, "", now)

		tx, err := s.db.BeginTx(ctx, nil)
		if err != nil {
			return false, err
		}
		defer tx.Rollback() //nolint:errcheck // after a commit there is nothing left to roll back
		version, err := s.put(ctx, tx, was, r, by)
		if err != nil {
			return false, err
		}
		if failed = hook(ctx, tx, told); failed != nil {
			marked = now
		} else if failed = s.within(ctx, tx, id, version); failed == nil {
			switch err := tx.Commit(); {
			case is(err, s.dialect.again): // but not by taken: such a key is in the host's own tables
				return false, err
			case err != nil:
				failed = fmt.Errorf("sqlstore: deliver: commit: %w", err)
			}
		}
		if done = failed == nil; done {
			settled = r
		}
		return true, nil
	})
	if failed != nil {
		return s.undelivered(ctx, id, event, learnt, marked, failed.Error()), false, failed
	}
	if err != nil || learnt == nil {
		return store.Refund{}, done, err
	}
	return settled, done, nil
}

// within tells whether tx is still the transaction that marked the event in that
// version. MySQL ends the whole of one that loses a deadlock, says so to the
// statement alone, and commits by itself whatever follows.
func (s *Store) within(ctx context.Context, tx *sql.Tx, id string, version int64) error {
	var is int64
	err := tx.QueryRowContext(ctx, s.sql("SELECT version FROM {refunds} WHERE id = ?"), id).Scan(&is)
	if err == nil && is != version {
		err = errors.New("the transaction ended within the hook, which hid it")
	}
	if err != nil {
		err = fmt.Errorf("sqlstore: deliver: %w", err)
	}
	return err
}

// undelivered records that a delivery failed, and what was learnt before it; if that
// fails too, the event is due all the same. After a commit that came through although
// it failed, there is nothing to record; but the mark of a hook that failed, and had
// ended the transaction before, is taken back.
func (s *Store) undelivered(ctx context.Context, id string, event store.Event, learnt *store.Settlement, marked time.Time, reason string) store.Refund {
	const most = 300
	if len(reason) > most {
		reason = strings.ToValidUTF8(reason[:most], "") + "…"
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	settled, err := s.change(ctx, "undelivered", id, terms{}, func(r *store.Refund, now time.Time) bool {
		if learnt != nil {
			*r, _ = r.Apply(*learnt, now)
		}
		for _, d := range r.Deliveries {
			if d.Event == event && d.Done && d.At.Equal(marked) {
				r.TakeBack(event, now)
			}
		}
		token, _ := r.BeginDelivery(event, 0, now)
		return r.EndDelivery(event, token, false, reason, now) || learnt != nil
	})
	if err != nil || learnt == nil {
		return store.Refund{}
	}
	return settled
}
