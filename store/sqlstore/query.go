package sqlstore

import (
	"context"
	"database/sql"
	"errors"

	"github.com/alirefund/alirefund/store"
)

// sql is a query as this database takes it.
func (s *Store) sql(query string) string {
	if text, ok := s.texts.Load(query); ok {
		return text.(string)
	}
	text := s.text(query)
	s.texts.Store(query, text)
	return text
}

// exec returns the number of rows that the statement changed.
func (s *Store) exec(ctx context.Context, on querier, query string, args ...any) (int, error) {
	result, err := on.ExecContext(ctx, s.sql(query), args...)
	if err != nil {
		return 0, err
	}
	n, err := result.RowsAffected()
	return int(n), err
}

// one is exec for a statement that changes one row, on a condition.
func (s *Store) one(ctx context.Context, on querier, query string, args ...any) error {
	n, err := s.exec(ctx, on, query, args...)
	if err == nil && n == 0 {
		err = errConflict
	}
	return err
}

// inTx does it in a transaction. Only after the commit it is uncertain what an error
// means.
func (s *Store) inTx(ctx context.Context, do func(tx *sql.Tx) error) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return notWritten(err)
	}
	defer tx.Rollback() //nolint:errcheck // after a commit there is nothing left to roll back
	if err := do(tx); err != nil {
		return notWritten(err)
	}
	return tx.Commit()
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

// insert and update write one row and return its version. update writes what has
// changed, so that databases leave all other indexes alone; it fails with
// errConflict unless the row is as it was.
func (s *Store) insert(ctx context.Context, on querier, r store.Refund) (version int64, err error) {
	doc, err := encode(r)
	if err != nil {
		return 0, err
	}
	version = r.UpdatedAt.UnixMicro()
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
