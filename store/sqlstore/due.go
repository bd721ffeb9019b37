package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"github.com/alirefund/alirefund/store"
)

// Due implements [store.Ledger]. What another process holds a lock on, because
// its hook runs within [Store.DeliverTx], is not waited for, unless the database refuses
// SKIP LOCKED.
func (s *Store) Due(ctx context.Context, app string, lease time.Duration, n int, asking bool) (due []store.Refund, err error) {
	if n <= 0 {
		return nil, ctx.Err()
	}
	var unread error
	err = s.retry(ctx, "due", func() error {
		due, unread = nil, nil
		// Read anew, and to the end of what it may be: what another process has just
		// made due is due.
		now, err := s.clock.read(ctx)
		if err != nil {
			return err
		}
		now = now.Add(s.dialect.resolution)
		rows, err := s.dueRows(ctx, app, now.UnixMicro(), n, asking)
		if err != nil || len(rows) == 0 {
			return err
		}
		return s.inTx(ctx, func(tx *sql.Tx) error {
			free, err := s.unlocked(ctx, tx, rows)
			if err != nil {
				return err
			}
			for _, r := range rows {
				if !free[r.ID] {
					continue
				}
				r.Next, r.AsOf = now.Add(lease).Truncate(time.Microsecond), now
				taken, err := s.exec(ctx, tx, "UPDATE {refunds} SET next_at = ?, version = version + 1 WHERE id = ? AND version = ?", r.Next.UnixMicro(), r.ID, r.version)
				switch {
				case err != nil:
					return err
				case taken == 0: // somebody works on it
				case r.unread != nil:
					unread = errors.Join(unread, r.unread)
				default:
					due = append(due, r.Refund)
				}
			}
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return due, unread
}

// GiveBack implements [store.Ledger].
func (s *Store) GiveBack(ctx context.Context, id string, next time.Time, token string) (bool, error) {
	return s.decide(ctx, "give back", id, func(r *store.Refund, now time.Time) bool {
		return r.GiveBack(next, token, now)
	})
}

// dueRows reads at most n that are due.
func (s *Store) dueRows(ctx context.Context, app string, now int64, n int, asking bool) ([]row, error) {
	if app != "" {
		return s.allRows(ctx, selectRows+isDue(asking), app, now, n)
	}
	due, err := s.takeTurns(ctx, now, n, asking)
	if err != nil || len(due) == 0 {
		return nil, err
	}
	rows, err := s.allRows(ctx, selectRows+in(len(due))+" AND next_at <= ?", append(slices.Clone(due), now)...)
	slices.SortFunc(rows, func(a, b row) int { return cmp.Compare(slices.Index(due, any(a.ID)), slices.Index(due, any(b.ID))) })
	return rows, err
}

// unlocked locks those of rows that nobody else holds a lock on, and names them: all of
// them on SQLite, who has one lock for all, and where SKIP LOCKED is not known. There
// each is waited for.
func (s *Store) unlocked(ctx context.Context, tx *sql.Tx, rows []row) (free map[string]bool, err error) {
	all := s.dialect.skipLocked == "" || s.waits.Load()
	free = make(map[string]bool, len(rows))
	args := make([]any, len(rows))
	for n, r := range rows {
		free[r.ID], args[n] = all, r.ID
	}
	if all {
		return free, nil
	}
	found, err := ids(tx.QueryContext(ctx, s.sql("SELECT id FROM {refunds} WHERE "+in(len(args))+"{skip locked}"), args...))
	if is(err, s.dialect.refused) {
		s.waits.Store(true)
		return nil, errConflict // in another transaction: PostgreSQL has ended this one
	}
	for _, id := range found {
		free[id.(string)] = true
	}
	return free, err
}

// List implements [store.Ledger]. A number, a time, [store.Pending],
// [store.AwaitingApproval] and Undelivered are found by an index.
func (s *Store) List(ctx context.Context, f store.Filter) (list []store.Refund, err error) {
	query, args, possible := listQuery(f)
	if !possible {
		return nil, ctx.Err()
	}
	err = s.retry(ctx, "list", func() error {
		rows, err := s.rows(ctx, query, args...)
		if err != nil {
			return err
		}
		now, err := s.clock.now(ctx)
		list = make([]store.Refund, len(rows))
		for n, r := range rows {
			list[n] = r.Refund
			list[n].AsOf = now
			if len(rows) < remembered {
				s.memory.keep(row{Refund: r.Clone(), version: r.version})
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// listQuery is the query for what f selects; not possible if f names what no
// database can hold.
func listQuery(f store.Filter) (query string, args []any, possible bool) {
	query, args = selectRows+"app = ?", []any{f.App}
	order, way, behind := "created_at", "", ">"
	if f.Newest {
		way, behind = " DESC", "<"
	}
	and := func(condition string, value ...any) {
		query += " AND " + condition
		args = append(args, value...)
	}
	for _, c := range []struct{ column, want string }{
		{"kind", string(f.Kind)},
		{"out_trade_no", f.OutTradeNo},
		{"trade_no", f.TradeNo},
		{"auth_no", f.AuthNo},
		{"out_request_no", f.OutRequestNo},
		{"operation_id", f.OperationID},
		{"state", string(f.State)},
	} {
		if !plain(c.want) {
			return "", nil, false
		}
		if c.want == "" {
			continue
		}
		and(c.column+" = ?", c.want)
		if c.column != "kind" && c.column != "state" {
			order = few
		}
	}
	if f.Undelivered {
		and("undelivered = 1")
	}
	if f.Undelivered || f.State == store.Pending || f.State == store.AwaitingApproval {
		and("next_at IS NOT NULL") // it is, and the index of those is small
		order = few
	}
	if !f.From.IsZero() {
		and(order+" >= ?", ceil(f.From))
	}
	if !f.Until.IsZero() {
		and(order+" < ?", ceil(f.Until))
	}
	if !plain(f.After.ID) {
		return "", nil, false
	}
	if f.After != (store.Cursor{}) {
		at := f.After.CreatedAt.UnixMicro()
		and(order+" "+behind+"= ? AND (created_at "+behind+" ? OR id "+behind+" ?)", at, at, f.After.ID)
	}
	query += " ORDER BY " + order + way + ", id" + way + " LIMIT ?"
	if args = append(args, f.Limit); f.Limit <= 0 {
		args[len(args)-1] = store.DefaultLimit
	}
	return query, args, true
}

// few is the column created_at where there are few rows. Without the leading + SQLite,
// which knows no statistics, would read all rows by the index of that column.
const few = "+created_at"

// remembered is the longest list whose refunds are kept in memory, so that the next
// step need not read them again: those of one notification, not those of a page.
const remembered = 10

// ceil is the first time that a column may hold which is not before t.
func ceil(t time.Time) int64 { return t.Add(time.Microsecond - time.Nanosecond).UnixMicro() }
