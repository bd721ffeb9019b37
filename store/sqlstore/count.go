package sqlstore

import (
	"context"
	"time"

	"github.com/alirefund/alirefund/store"
)

// Count implements [store.Counter], by the index of what is left to do. Of all
// applications it counts one after the other.
func (s *Store) Count(ctx context.Context, app string) (b store.Backlog, err error) {
	err = s.retry(ctx, "count", func() error {
		now, err := s.clock.now(ctx)
		if err != nil {
			return err
		}
		b = store.Backlog{AsOf: now}
		return s.each(ctx, app, true, func(app string) error {
			more, err := s.count(ctx, app, now)
			b.Awaiting, b.Unresolved, b.Undelivered, b.Due = b.Awaiting+more.Awaiting, b.Unresolved+more.Unresolved, b.Undelivered+more.Undelivered, b.Due+more.Due
			if b.Oldest.IsZero() || !more.Oldest.IsZero() && more.Oldest.Before(b.Oldest) {
				b.Oldest = more.Oldest
			}
			return err
		})
	})
	if err != nil {
		return store.Backlog{}, err
	}
	return b, nil
}

func (s *Store) count(ctx context.Context, app string, now time.Time) (store.Backlog, error) {
	b := store.Backlog{AsOf: now}
	found, err := s.db.QueryContext(ctx, s.sql("SELECT state, undelivered, COUNT(*), MIN(created_at), COUNT(CASE WHEN next_at <= ? THEN 1 END)"+
		" FROM {refunds} WHERE app = ? AND next_at IS NOT NULL GROUP BY state, undelivered"), now.Add(s.dialect.resolution).UnixMicro(), app)
	if err != nil {
		return b, err
	}
	defer found.Close() //nolint:errcheck // Err says it
	for found.Next() {
		var state string
		var undelivered, n, due int
		var oldest int64
		if err := found.Scan(&state, &undelivered, &n, &oldest, &due); err != nil {
			return b, err
		}
		b.Due += due
		b.Undelivered += n * undelivered
		if state == string(store.AwaitingApproval) {
			b.Awaiting += n
		}
		if state != string(store.Pending) {
			continue
		}
		b.Unresolved += n
		if at := time.UnixMicro(oldest).UTC(); b.Oldest.IsZero() || at.Before(b.Oldest) {
			b.Oldest = at
		}
	}
	return b, found.Err()
}
