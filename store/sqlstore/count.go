package sqlstore

import (
	"context"
	"time"

	"github.com/alirefund/alirefund/store"
)

// Count implements [store.Counter], by the index of what is left to do.
func (s *Store) Count(ctx context.Context, app string) (b store.Backlog, err error) {
	err = s.retry(ctx, "count", func() error {
		now, err := s.clock.now(ctx)
		if err != nil {
			return err
		}
		b, err = s.count(ctx, app, now)
		return err
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
