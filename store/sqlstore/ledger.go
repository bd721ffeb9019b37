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
func (s *Store) Open(ctx context.Context, asked store.Refund, limit store.Limit, first *store.Permission) (r store.Refund, opened store.Opened, err error) {
	err = s.retry(ctx, "open", func() error {
		was, err := s.read(ctx, asked.ID)
		var found *store.Refund
		switch {
		case err == nil:
			found = &was.Refund
		case !errors.Is(err, store.ErrNotFound):
			return notWritten(err)
		}
		now, err := s.clock.now(ctx)
		if err != nil {
			return notWritten(err)
		}
		open := func(first *store.Permission) error {
			// Whether the total and the spacing allow it the database decides, in write.
			var changed bool
			r, opened, changed = store.Admit(found, asked, store.OrderState{}, store.Limit{}, first, now)
			r.AsOf = now
			if !changed {
				return nil
			}
			by := terms{limit: limit}
			if opened.First.Token != "" {
				by.send = first
			}
			return s.write(ctx, was, r, by)
		}
		err = open(first)
		if soon, is := errors.AsType[*tooSoonError](err); is {
			if err = open(nil); err == nil {
				opened.First.Wait = soon.wait
			}
		}
		return err
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
			return false, notWritten(err)
		}
		r := was.Clone()
		attempt = r.BeginSend(p, time.Time{}, at) // the spacing is the order's to say
		if attempt.Token == "" || r.Attempts == was.Attempts {
			return false, nil
		}
		err = s.write(ctx, was, r, terms{send: &p})
		if soon, is := errors.AsType[*tooSoonError](err); is {
			attempt = store.Attempt{Wait: soon.wait}
			return false, nil
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
	r, err := s.change(ctx, "settle", id, terms{take: settlement.Notice}, func(r *store.Refund, now time.Time) bool {
		*r, changed = r.Apply(settlement, now)
		return true
	})
	return r, changed && err == nil, err
}

// Deliver implements [store.Ledger].
func (s *Store) Deliver(ctx context.Context, id string, event store.Event, lease time.Duration) (token string, done bool, err error) {
	_, err = s.change(ctx, "deliver", id, terms{}, func(r *store.Refund, now time.Time) bool {
		token, done = r.BeginDelivery(event, lease, now)
		return token != ""
	})
	if err != nil {
		return "", false, err
	}
	return token, done, nil
}

// Delivered implements [store.Ledger].
func (s *Store) Delivered(ctx context.Context, id string, event store.Event, token string, done store.Notice) (held, completed bool, err error) {
	_, err = s.change(ctx, "delivered", id, terms{complete: done, completed: &completed}, func(r *store.Refund, now time.Time) bool {
		held = r.EndDelivery(event, token, true, "", now)
		return held
	})
	return held && err == nil, completed && held && err == nil, err
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

// Subscribe implements [store.Ledger].
func (s *Store) Subscribe(ctx context.Context, id string, event store.Event) (bool, error) {
	return s.decide(ctx, "subscribe", id, func(r *store.Refund, now time.Time) bool { return r.Subscribe(event, now) })
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

// change is a step that changes the refund, by terms: decide does so, and tells
// whether to store it.
func (s *Store) change(ctx context.Context, what, id string, by terms, decide func(r *store.Refund, now time.Time) bool) (r store.Refund, err error) {
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
		err = s.write(ctx, was, r, by)
		return err == nil, err
	})
	if err != nil {
		return store.Refund{}, err
	}
	return r, nil
}

// decide is change for a step that is stored only if do says that it did something.
func (s *Store) decide(ctx context.Context, what, id string, do func(r *store.Refund, now time.Time) bool) (did bool, err error) {
	_, err = s.change(ctx, what, id, terms{}, func(r *store.Refund, now time.Time) bool {
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

// terms are what a write depends on, and does, beside the refund.
type terms struct {
	limit          store.Limit
	send           *store.Permission // the write records a send, by its spacing
	take, complete store.Notice
	completed      *bool // whether complete was
}

// write stores r in the place of what was there, if that still is; was is zero
// for nothing. What r takes of its order's total changes with it, in one
// transaction, and so does what else the terms say. Everybody locks the notification
// first, then the order, and then the refund.
func (s *Store) write(ctx context.Context, was row, r store.Refund, by terms) (err error) {
	is := row{Refund: r.Clone()} // r is the caller's
	if was.version > 0 && counted(r) == counted(was.Refund) && by.send == nil && by.take.Key == "" && by.complete.Key == "" {
		is.version, err = s.update(ctx, s.db, was, r)
	} else {
		err = s.inTx(ctx, func(tx *sql.Tx) error {
			is.version, err = s.put(ctx, tx, was, r, by)
			return err
		})
	}
	if err == nil {
		s.memory.keep(is)
	}
	return err
}

// put is write within a transaction.
func (s *Store) put(ctx context.Context, tx *sql.Tx, was row, r store.Refund, by terms) (version int64, err error) {
	if by.take.Key != "" {
		if err := s.takeNotice(ctx, tx, by.take, r); err != nil {
			return 0, err
		}
	}
	if n := by.complete; n.Key != "" {
		done, err := s.exec(ctx, tx, completeClaim, after(r.AsOf, n.Keep), claimID(n.Key), n.Token)
		if err != nil {
			return 0, err
		}
		*by.completed = done == 1
	}
	take := counted(r) - counted(was.Refund)
	if was.version == 0 {
		if _, err := s.exec(ctx, tx, "INSERT INTO {orders} (id, reserved, sent_at) VALUES (?, 0, 0) {ensure}", r.OrderID); err != nil {
			return 0, err
		}
	}
	if take != 0 || by.send != nil {
		if err := s.reserve(ctx, tx, was, r, take, by); err != nil {
			return 0, err
		}
	}
	if was.version == 0 {
		return s.insert(ctx, tx, r)
	}
	return s.update(ctx, tx, was, r)
}

// overLimitError: the order has only that much left.
type overLimitError struct{ left money.Amount }

func (e *overLimitError) Error() string { return "the order has only " + e.left.String() + " left" }

// tooSoonError: a refund of the order was sent just now.
type tooSoonError struct{ wait time.Duration }

func (e *tooSoonError) Error() string { return "the order's next send is to wait " + e.wait.String() }

// reserve takes an amount of the order's total, or gives it back if it is
// negative, and notes when the order is sent for. One conditional update decides,
// whoever else does the same.
func (s *Store) reserve(ctx context.Context, tx *sql.Tx, was row, r store.Refund, take money.Amount, by terms) error {
	total := int64(math.MaxInt64)
	if by.limit.Known {
		total = int64(by.limit.Total)
	}
	query, args := "UPDATE {orders} SET reserved = reserved + ?", []any{int64(take)}
	if by.send != nil {
		query, args = query+", sent_at = ?", append(args, r.SentAt.UnixMicro())
	}
	query, args = query+" WHERE id = ? AND reserved + ? <= ?", append(args, r.OrderID, int64(take), total)
	if by.send != nil {
		query, args = query+" AND sent_at <= ?", append(args, r.SentAt.Add(-by.send.Spacing).UnixMicro())
	}
	err := s.one(ctx, tx, query, args...)
	if !errors.Is(err, errConflict) {
		return err
	}
	var reserved, sent, version int64
	err = tx.QueryRowContext(ctx, s.sql("SELECT o.reserved, o.sent_at, COALESCE(r.version, 0) FROM {orders} o LEFT JOIN {refunds} r ON r.id = ? WHERE o.id = ?"), r.ID, r.OrderID).Scan(&reserved, &sent, &version)
	if err != nil {
		return err
	}
	left := money.Amount(total - reserved)
	switch {
	case version != was.version: // taken by this very refund
		return errConflict
	case left < take:
		return &overLimitError{max(left, 0)}
	case by.send == nil:
		return errConflict // given back meanwhile
	}
	if wait := by.send.Spacing - r.SentAt.Sub(time.UnixMicro(sent)); wait > 0 {
		return &tooSoonError{wait}
	}
	return errConflict
}
