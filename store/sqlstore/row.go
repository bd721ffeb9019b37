package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/store"
)

// encode is a refund's document without what a column says better.
func encode(r store.Refund) (string, error) {
	r.Next = time.Time{}
	doc, err := store.Encode(r)
	return string(doc), err
}

// value is one column of a refund: a string, an int64 or nil.
type value struct {
	name string
	is   any
}

// columns returns all but id, version and doc.
func columns(r store.Refund) []value {
	text := func(s string) any {
		if s == "" {
			return nil
		}
		return s
	}
	flag := func(b bool) any {
		if b {
			return int64(1)
		}
		return int64(0)
	}
	var next, settled any
	if !r.Next.IsZero() {
		next = r.Next.UnixMicro()
	} else if settled = r.SettledAt.UnixMicro(); r.SettledAt.IsZero() {
		settled = r.UpdatedAt.UnixMicro()
	}
	return []value{
		{"app", r.App},
		{"kind", string(r.Kind)},
		{"order_id", r.OrderID},
		{"out_trade_no", text(r.OutTradeNo)},
		{"trade_no", text(r.TradeNo)},
		{"auth_no", text(r.AuthNo)},
		{"out_request_no", text(r.OutRequestNo)},
		{"operation_id", text(r.OperationID)},
		{"amount", int64(r.Amount)},
		{"state", string(r.State)},
		{"undelivered", flag(len(r.Due()) > 0)},
		{"created_at", r.CreatedAt.UnixMicro()},
		{"next_at", next},
		{"settled_at", settled},
		{"has_node", flag(r.Answer != "")},
	}
}

// row is a refund as the database has it in a version. The first version is the
// time, so that none comes back after the row was forgotten.
type row struct {
	store.Refund
	version int64
	unread  error // why the document cannot be read; then only ID and version are known
}

const selectRows = "SELECT id, doc, version, next_at FROM {refunds} WHERE "

// scan reads one row. One whose document cannot be read comes with its id, its
// version and unread.
func scan(from interface{ Scan(...any) error }) (row, error) {
	var id string
	var doc []byte
	var r row
	var next sql.NullInt64
	if err := from.Scan(&id, &doc, &r.version, &next); err != nil {
		return row{}, err
	}
	var err error
	if r.Refund, err = store.Decode(doc); err != nil {
		r.ID, r.unread = id, fmt.Errorf("refund %s: %w", id, err)
	}
	if r.Next = (time.Time{}); next.Valid {
		r.Next = time.UnixMicro(next.Int64).UTC()
	}
	return r, nil
}

// rows reads what a query, which begins with selectRows, selects. It fails if a
// document cannot be read.
func (s *Store) rows(ctx context.Context, query string, args ...any) ([]row, error) {
	rows, err := s.allRows(ctx, query, args...)
	for _, r := range rows {
		err = errors.Join(err, r.unread)
	}
	if err != nil {
		return nil, err
	}
	return rows, nil
}

// allRows is rows with those whose documents cannot be read.
func (s *Store) allRows(ctx context.Context, query string, args ...any) ([]row, error) {
	found, err := s.db.QueryContext(ctx, s.sql(query), args...)
	if err != nil {
		return nil, err
	}
	defer found.Close() //nolint:errcheck // Err says it
	var rows []row
	for found.Next() {
		r, err := scan(found)
		if err != nil {
			return nil, err
		}
		rows = append(rows, r)
	}
	return rows, found.Err()
}

// in is the condition that the id is one of n.
func in(n int) string { return "id IN (?" + strings.Repeat(", ?", n-1) + ")" }

// ids reads what a query for ids found.
func ids(found *sql.Rows, err error) ([]any, error) {
	if err != nil {
		return nil, err
	}
	defer found.Close() //nolint:errcheck // Err says it
	var ids []any
	for found.Next() {
		var id string
		if err := found.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, found.Err()
}

// insert and update write one row and return its version. update writes what has
// changed, so that databases leave all other indexes alone; it fails with
// errConflict unless the row is as it was.
func (s *Store) insert(ctx context.Context, on querier, r store.Refund) (version int64, err error) {
	doc, err := encode(r)
	if err != nil {
		return 0, err
	}
	version = now().UnixMicro()
	names, marks, args := "id, version, doc", "?, ?, ?", []any{r.ID, version, doc}
	for _, c := range columns(r) {
		names += ", " + c.name
		marks += ", ?"
		args = append(args, c.is)
	}
	return version, s.one(ctx, on, "INSERT INTO {refunds} ("+names+") VALUES ("+marks+")", args...)
}

func (s *Store) update(ctx context.Context, on querier, was row, r store.Refund) (version int64, err error) {
	doc, err := encode(r)
	if err != nil {
		return 0, err
	}
	version = was.version + 1
	set, args := "version = ?, doc = ?", []any{version, doc}
	before := columns(was.Refund)
	for n, c := range columns(r) {
		if c != before[n] {
			set += ", " + c.name + " = ?"
			args = append(args, c.is)
		}
	}
	args = append(args, was.ID, was.version)
	return version, s.one(ctx, on, "UPDATE {refunds} SET "+set+" WHERE id = ? AND version = ?", args...)
}

// memory is what this process wrote last of some refunds, so that the next step
// of one need not read it first: if it has changed since, the write fails, and
// the step is taken again from what the database says.
type memory struct {
	mu   sync.Mutex
	rows map[string]row
}

const maxMemory = 1000

func (m *memory) keep(r row) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.rows == nil || len(m.rows) >= maxMemory {
		m.rows = make(map[string]row)
	}
	m.rows[r.ID] = r
}

// take returns the row and forgets it.
func (m *memory) take(id string) (r row, known bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, known = m.rows[id]
	delete(m.rows, id)
	return r, known
}

// counted is what a refund takes of its order's total.
func counted(r store.Refund) money.Amount {
	if r.ID == "" || !r.Counts() {
		return 0
	}
	return r.Amount
}
