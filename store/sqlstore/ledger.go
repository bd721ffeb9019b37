package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/store"
)

// Open implements [store.Ledger].
func (s *Store) Open(ctx context.Context, asked store.Refund, limit store.Limit) (r store.Refund, opened store.Opened, err error) {
	err = s.retry(ctx, "open", func() error {
		was, err := s.read(ctx, asked.ID)
		var found *store.Refund
		switch {
		case err == nil:
			found = &was.Refund
		case !errors.Is(err, store.ErrNotFound):
			return err
		}
		now, err := s.clock.now(ctx)
		if err != nil {
			return err
		}
		// Whether the total allows it the database decides, in write.
		var changed bool
		r, opened, changed = store.Admit(found, asked, 0, store.Limit{}, now)
		r.AsOf = now
		if !changed {
			return nil
		}
		return s.write(ctx, was, r, limit)
	})
	if over, is := errors.AsType[*overLimitError](err); is {
		return store.Refund{}, store.Opened{How: store.OverLimit, Left: over.left}, nil
	}
	if err != nil {
		return store.Refund{}, store.Opened{}, err
	}
	return r, opened, nil
}

// Sending implements [store.Ledger].
func (s *Store) Sending(ctx context.Context, id string, p store.Permission) (attempt store.Attempt, err error) {
	err = s.step(ctx, "send", id, func(was row) (wrote bool, err error) {
		at, err := s.clock.now(ctx)
		if err != nil {
			return false, err
		}
		r := was.Clone()
		attempt = r.BeginSend(p, time.Time{}, at) // the spacing is the order's to say
		if attempt.Token == "" {
			return false, nil
		}
		var version int64
		err = s.inTx(ctx, func(tx *sql.Tx) error {
			err := s.one(ctx, tx, "UPDATE {orders} SET sent_at = ? WHERE id = ? AND sent_at <= ?", at.UnixMicro(), r.OrderID, at.Add(-p.Spacing).UnixMicro())
			if err == nil {
				version, err = s.update(ctx, tx, was, r)
			}
			return err
		})
		if errors.Is(err, errConflict) {
			var sent int64
			if err := s.db.QueryRowContext(ctx, s.sql("SELECT sent_at FROM {orders} WHERE id = ?"), r.OrderID).Scan(&sent); err != nil {
				return false, err
			}
			again := was.Clone()
			if attempt = again.BeginSend(p, time.UnixMicro(sent), at); attempt.Token == "" {
				return false, nil
			}
		}
		if err == nil {
			s.memory.keep(row{Refund: r, version: version})
		}
		return err == nil, err
	})
	if err != nil {
		return store.Attempt{}, err
	}
	return attempt, nil
}

// Settle implements [store.Ledger].
func (s *Store) Settle(ctx context.Context, id string, settlement store.Settlement) (store.Refund, bool, error) {
	var changed bool
	r, err := s.change(ctx, "settle", id, func(r *store.Refund, now time.Time) bool {
		*r, changed = r.Apply(settlement, now)
		return true
	})
	return r, changed && err == nil, err
}

// Deliver implements [store.Ledger].
func (s *Store) Deliver(ctx context.Context, id string, event store.Event, lease time.Duration) (token string, done bool, err error) {
	_, err = s.change(ctx, "deliver", id, func(r *store.Refund, now time.Time) bool {
		token, done = r.BeginDelivery(event, lease, now)
		return token != ""
	})
	if err != nil {
		return "", false, err
	}
	return token, done, nil
}

// Delivered implements [store.Ledger].
func (s *Store) Delivered(ctx context.Context, id string, event store.Event, token string) (held bool, err error) {
	return s.decide(ctx, "delivered", id, func(r *store.Refund, now time.Time) bool {
		return r.EndDelivery(event, token, true, "", now)
	})
}

// Undelivered implements [store.Ledger].
func (s *Store) Undelivered(ctx context.Context, id string, event store.Event, token, reason string) (held bool, err error) {
	return s.decide(ctx, "undelivered", id, func(r *store.Refund, now time.Time) bool {
		return r.EndDelivery(event, token, false, reason, now)
	})
}

// Redeliver implements [store.Ledger].
func (s *Store) Redeliver(ctx context.Context, id string, event store.Event, actor string) (bool, error) {
	return s.decide(ctx, "redeliver", id, func(r *store.Refund, now time.Time) bool {
		return r.Redeliver(event, actor, now)
	})
}

// Get implements [store.Ledger].
func (s *Store) Get(ctx context.Context, id string) (store.Refund, error) {
	if !plain(id) {
		return store.Refund{}, store.ErrNotFound
	}
	var r row
	err := s.retry(ctx, "get", func() (err error) {
		if r, err = s.read(ctx, id); err == nil {
			r.AsOf, err = s.clock.now(ctx)
		}
		return err
	})
	return r.Refund, err
}

// Now implements [store.Clock].
func (s *Store) Now(ctx context.Context) (now time.Time, err error) {
	err = s.retry(ctx, "now", func() error {
		now, err = s.clock.now(ctx)
		return err
	})
	return now, err
}

// plain tells whether a text can be in a column. PostgreSQL fails if it is asked
// for one that cannot.
func plain(text string) bool { return utf8.ValidString(text) && !strings.Contains(text, "\x00") }

// step is one step of a refund's life: take decides, and writes if that changes
// anything. The row may be the remembered one, and stale: then a write fails by its
// version, and a decision that writes nothing is taken again on what the database
// says.
func (s *Store) step(ctx context.Context, what, id string, take func(was row) (wrote bool, err error)) error {
	return s.retry(ctx, what, func() error {
		if was, known := s.memory.take(id); known {
			if wrote, err := take(was); wrote || err != nil {
				return err
			}
		}
		was, err := s.read(ctx, id)
		if err == nil {
			_, err = take(was)
		}
		return err
	})
}

// change is a step that changes the refund alone: decide does so, and tells
// whether to store it.
func (s *Store) change(ctx context.Context, what, id string, decide func(r *store.Refund, now time.Time) bool) (r store.Refund, err error) {
	err = s.step(ctx, what, id, func(was row) (wrote bool, err error) {
		now, err := s.clock.now(ctx)
		if err != nil {
			return false, err
		}
		r = was.Clone()
		r.AsOf = now
		if !decide(&r, now) {
			return false, nil
		}
		err = s.write(ctx, was, r, store.Limit{})
		return err == nil, err
	})
	if err != nil {
		return store.Refund{}, err
	}
	return r, nil
}

// decide is change for a step that is stored only if do says that it did something.
func (s *Store) decide(ctx context.Context, what, id string, do func(r *store.Refund, now time.Time) bool) (did bool, err error) {
	_, err = s.change(ctx, what, id, func(r *store.Refund, now time.Time) bool {
		did = do(r, now)
		return did
	})
	return did && err == nil, err
}

func (s *Store) read(ctx context.Context, id string) (row, error) {
	r, err := scan(s.db.QueryRowContext(ctx, s.sql(selectRows+"id = ?"), id))
	if err == nil {
		err = r.unread
	}
	return r, notFound(err)
}

func notFound(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return store.ErrNotFound
	}
	return err
}

// write stores r in the place of what was there, if that still is; was is zero
// for nothing. What r takes of its order's total changes with it, in one
// transaction. Everybody locks the order first, and then the refund.
func (s *Store) write(ctx context.Context, was row, r store.Refund, limit store.Limit) (err error) {
	is := row{Refund: r.Clone()} // r is the caller's
	take := counted(r) - counted(was.Refund)
	if was.version > 0 && take == 0 {
		is.version, err = s.update(ctx, s.db, was, r)
	} else {
		err = s.inTx(ctx, func(tx *sql.Tx) error {
			if err := s.reserve(ctx, tx, was, r, take, limit); err != nil {
				return err
			}
			if was.version == 0 {
				is.version, err = s.insert(ctx, tx, r)
			} else {
				is.version, err = s.update(ctx, tx, was, r)
			}
			return err
		})
	}
	if err == nil {
		s.memory.keep(is)
	}
	return err
}

// overLimitError: the order has only that much left.
type overLimitError struct{ left money.Amount }

func (e *overLimitError) Error() string { return "the order has only " + e.left.String() + " left" }

// reserve takes an amount of the order's total, or gives it back if it is
// negative. One conditional update decides, whoever else does the same.
func (s *Store) reserve(ctx context.Context, tx *sql.Tx, was row, r store.Refund, take money.Amount, limit store.Limit) error {
	if _, err := s.exec(ctx, tx, "INSERT INTO {orders} (id, reserved, sent_at) VALUES (?, 0, 0) {ensure}", r.OrderID); err != nil || take == 0 {
		return err
	}
	total := int64(math.MaxInt64)
	if limit.Known {
		total = int64(limit.Total)
	}
	err := s.one(ctx, tx, "UPDATE {orders} SET reserved = reserved + ? WHERE id = ? AND reserved + ? <= ?", int64(take), r.OrderID, int64(take), total)
	if !errors.Is(err, errConflict) {
		return err
	}
	var reserved, version int64
	err = tx.QueryRowContext(ctx, s.sql("SELECT o.reserved, COALESCE(r.version, 0) FROM {orders} o LEFT JOIN {refunds} r ON r.id = ? WHERE o.id = ?"), r.ID, r.OrderID).Scan(&reserved, &version)
	if err != nil {
		return err
	}
	left := money.Amount(total - reserved)
	if left >= take || version != was.version { // given back meanwhile, or taken by this very refund
		return errConflict
	}
	return &overLimitError{max(left, 0)}
}
