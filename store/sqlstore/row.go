package sqlstore

import (
	"database/sql"
	"fmt"
	"strings"
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
		{"undelivered", flag(r.Undelivered())},
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

// counted is what a refund takes of its order's total.
func counted(r store.Refund) money.Amount {
	if r.ID == "" || !r.Counts() {
		return 0
	}
	return r.Amount
}
