package redisstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/store"
)

// Open implements [store.Ledger].
func (s *Store) Open(ctx context.Context, asked store.Refund, limit store.Limit, first *store.Permission) (r store.Refund, opened store.Opened, err error) {
	wrote := false // or tried to: what a lost answer did is not known any more
	err = retry(ctx, "open", func() error {
		was, now, err := s.read(ctx, asked.ID)
		var found *store.Refund
		switch {
		case err == nil:
			found = &was.Refund
		case errors.Is(err, store.ErrNotFound):
		case wrote:
			return err
		default:
			return fmt.Errorf("%w: %w", store.ErrNotWritten, err)
		}
		wrote = true
		open := func(first *store.Permission) (a answer, err error) {
			// Whether the total and the spacing allow it the step decides.
			var changes bool
			r, opened, changes = store.Admit(found, asked, store.OrderState{}, store.Limit{}, first, now)
			r.AsOf = now
			if !changes {
				return answer{word: written}, nil
			}
			w, err := s.store(was, r)
			if err != nil {
				return answer{}, err
			}
			if limit.Known && opened.How != store.Exists && r.Counts() {
				w.limit(limit.Total)
			}
			if opened.First.Token != "" {
				w.send(now, first.Spacing)
			}
			return s.write(ctx, w)
		}
		a, err := open(first)
		if err == nil && a.word == tooSoon {
			wait := first.Spacing - now.Sub(time.UnixMicro(a.is))
			if a, err = open(nil); a.word == written {
				opened.First.Wait = wait
			}
		}
		switch {
		case err != nil:
			return err
		case a.word == overTotal:
			r, opened = store.Refund{}, store.Opened{How: store.OverLimit, Left: max(limit.Total-money.Amount(a.is), 0)}
		case a.word != written:
			return errConflict
		}
		return nil
	})
	if err != nil {
		return store.Refund{}, store.Opened{}, err
	}
	return r, opened, nil
}

// Sending implements [store.Ledger].
func (s *Store) Sending(ctx context.Context, id string, p store.Permission) (attempt store.Attempt, err error) {
	wrote := false // or tried to
	err = retry(ctx, "send", func() error {
		was, now, err := s.read(ctx, id)
		if errors.Is(err, store.ErrNotFound) || err != nil && wrote {
			return err
		}
		wrote = true
		if err != nil {
			return fmt.Errorf("%w: %w", store.ErrNotWritten, err)
		}
		r := was.Clone()
		attempt = r.BeginSend(p, time.Time{}, now) // the spacing is the order's to say
		if attempt.Token == "" || r.Attempts == was.Attempts {
			return nil
		}
		w, err := s.store(was, r)
		if err != nil {
			return err
		}
		w.send(now, p.Spacing)
		a, err := s.write(ctx, w)
		switch {
		case err != nil:
			return err
		case a.word == tooSoon:
			again := was.Clone()
			attempt = again.BeginSend(p, time.UnixMicro(a.is), now)
		case a.word != written:
			return errConflict
		}
		return nil
	})
	if err != nil {
		return store.Attempt{}, err
	}
	return attempt, nil
}

// Settle implements [store.Ledger].
func (s *Store) Settle(ctx context.Context, id string, settlement store.Settlement) (store.Refund, bool, error) {
	var settled bool
	r, err := s.change(ctx, "settle", id, func(r *store.Refund, w *step) { w.take(settlement.Notice, *r) }, func(r *store.Refund, now time.Time) bool {
		*r, settled = r.Apply(settlement, now)
		return true
	})
	return r, settled && err == nil, err
}

// Deliver implements [store.Ledger].
func (s *Store) Deliver(ctx context.Context, id string, event store.Event, lease time.Duration) (token string, done bool, err error) {
	_, err = s.change(ctx, "deliver", id, nil, func(r *store.Refund, now time.Time) bool {
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
	_, owned, err := s.changeWith(ctx, "delivered", id, func(_ *store.Refund, w *step) { w.complete(done) }, func(r *store.Refund, now time.Time) bool {
		held = r.EndDelivery(event, token, true, "", now)
		return held
	})
	return held && err == nil, held && owned && done.Key != "" && err == nil, err
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
	return s.change(ctx, "get", id, nil, func(*store.Refund, time.Time) bool { return false })
}

// Now implements [store.Clock].
func (s *Store) Now(ctx context.Context) (time.Time, error) {
	_, now, err := s.read(ctx, "")
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return time.Time{}, fmt.Errorf("redisstore: now: %w", err)
	}
	return now, nil
}

// change is a step that changes one refund: decide does so, and tells whether to store
// it. more, or nil, adds to the step that stores it.
func (s *Store) change(ctx context.Context, what, id string, more func(*store.Refund, *step), decide func(r *store.Refund, now time.Time) bool) (store.Refund, error) {
	r, _, err := s.changeWith(ctx, what, id, more, decide)
	return r, err
}

// changeWith is change, and tells whether the claim that more ended was the caller's.
func (s *Store) changeWith(ctx context.Context, what, id string, more func(*store.Refund, *step), decide func(r *store.Refund, now time.Time) bool) (r store.Refund, owned bool, err error) {
	err = retry(ctx, what, func() error {
		was, now, err := s.read(ctx, id)
		if err != nil {
			return err
		}
		r = was.Clone()
		r.AsOf = now
		if !decide(&r, now) {
			return nil
		}
		w, err := s.store(was, r)
		if err != nil {
			return err
		}
		if more != nil {
			more(&r, &w)
		}
		a, err := s.write(ctx, w)
		switch {
		case err != nil:
			return err
		case a.word == alreadyDone || a.word == anothers:
			return store.ErrTaken
		case a.word != written:
			return errConflict
		}
		owned = a.owned
		return nil
	})
	if err != nil {
		return store.Refund{}, false, err
	}
	return r, owned, nil
}

// decide is change for a step that is stored only if do says that it did something.
func (s *Store) decide(ctx context.Context, what, id string, do func(r *store.Refund, now time.Time) bool) (did bool, err error) {
	_, err = s.change(ctx, what, id, nil, func(r *store.Refund, now time.Time) bool {
		did = do(r, now)
		return did
	})
	return did && err == nil, err
}
