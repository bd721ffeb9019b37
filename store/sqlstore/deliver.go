package sqlstore

import (
	"context"
	"database/sql"
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
func (s *Store) DeliverTx(ctx context.Context, id string, event store.Event, hook func(context.Context, *sql.Tx, store.Refund) error) (done bool, err error) {
	var failed error // of hook, or of the commit
	err = s.step(ctx, "deliver", id, func(was row) (wrote bool, err error) {
		r, now := was.Clone(), now()
		token, delivered := r.BeginDelivery(event, 0, now)
		if token == "" {
			done = delivered
			return false, nil
		}
		told := r.Clone()
		r.EndDelivery(event, token, true, "", now)

		tx, err := s.db.BeginTx(ctx, nil)
		if err != nil {
			return false, err
		}
		defer tx.Rollback() //nolint:errcheck // after a commit there is nothing left to roll back
		if _, err := s.update(ctx, tx, was, r); err != nil {
			return false, err
		}
		if failed = hook(ctx, tx, told); failed == nil {
			switch err := tx.Commit(); {
			case is(err, s.dialect.again): // and not taken: that is of the host's tables
				return false, err
			case err != nil:
				failed = fmt.Errorf("sqlstore: deliver: commit: %w", err)
			}
		}
		done = failed == nil
		return true, nil
	})
	if failed != nil {
		s.undelivered(ctx, id, event, failed.Error())
		return false, failed
	}
	return done, err
}

// undelivered records that a delivery failed; if that fails too, the event is
// due all the same. After a commit that came through although it failed, there
// is nothing to record.
func (s *Store) undelivered(ctx context.Context, id string, event store.Event, reason string) {
	const most = 300
	if len(reason) > most {
		reason = strings.ToValidUTF8(reason[:most], "") + "…"
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	_, _ = s.decide(ctx, "undelivered", id, func(r *store.Refund, now time.Time) bool {
		token, _ := r.BeginDelivery(event, 0, now)
		return r.EndDelivery(event, token, false, reason, now)
	})
}
