package sqlstore

import (
	"context"
	"database/sql"
	"errors"

	"github.com/alirefund/alirefund/store"
)

// What is asked of all applications is asked of one after the other: which one is next
// is one look into an index that begins with the application, and so is what is due of
// it. Nothing is scanned, and no index of its own is needed.

// mostVisited bounds the applications that one look at what is due visits. The next look
// goes on behind them.
const mostVisited = 100

// takeTurns returns the ids of at most n refunds that are due of any application: one of
// each, beginning behind the one whose turn was last, then one of each again.
func (s *Store) takeTurns(ctx context.Context, now int64, n int, asking bool) ([]any, error) {
	var of [][]any
	last := s.turns.get()
	for visited, app, around := 0, last, false; visited < mostVisited && len(of) < n; visited++ {
		next, some, err := s.next(ctx, app, true)
		if err != nil {
			return nil, err
		}
		if !some && !around {
			around, app = true, ""
			continue
		}
		if !some || around && next > last {
			break
		}
		due, err := ids(s.db.QueryContext(ctx, s.sql("SELECT id FROM {refunds} WHERE "+isDue(asking)), next, now, n))
		if err != nil {
			return nil, err
		}
		if len(due) > 0 {
			of = append(of, due)
		}
		app = next
		s.turns.set(app)
	}
	return store.Turns(of, n), nil
}

// isDue is the condition, order and limit of what is due of an application.
func isDue(asking bool) string {
	if asking {
		return "app = ? AND next_at <= ? AND state <> 'succeeded' ORDER BY next_at, id LIMIT ?"
	}
	return "app = ? AND next_at <= ? ORDER BY next_at, id LIMIT ?"
}

// next returns the first application behind after; not some if there is none. left leaves
// out those that have nothing left to do, where an index leaves them out.
func (s *Store) next(ctx context.Context, after string, left bool) (app string, some bool, err error) {
	query := "SELECT app FROM {refunds} WHERE app > ? ORDER BY app LIMIT 1"
	if left && s.dialect.partial {
		query = "SELECT app FROM {refunds} WHERE app > ? AND next_at IS NOT NULL ORDER BY app, next_at LIMIT 1"
	}
	err = s.db.QueryRowContext(ctx, s.sql(query), after).Scan(&app)
	if errors.Is(err, sql.ErrNoRows) {
		return "", false, nil
	}
	return app, err == nil, err
}

// each does it for the application, or if app is empty for each; left as in next.
func (s *Store) each(ctx context.Context, app string, left bool, do func(app string) error) error {
	if app != "" {
		return do(app)
	}
	for {
		next, some, err := s.next(ctx, app, left)
		if err != nil || !some {
			return err
		}
		if err := do(next); err != nil {
			return err
		}
		app = next
	}
}
