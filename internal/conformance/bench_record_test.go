package conformance

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"strings"
	"testing"
)

// script is what was written, transaction by transaction, to be written again
// by the bare driver.
type script [][]statement

type statement struct {
	text string
	args []any
}

// of returns the script, which must be of so many transactions; one of Memory is
// empty.
func (s script) of(b *testing.B, transactions int) script {
	if len(s) != transactions && s != nil {
		b.Fatalf("%d transactions were recorded; want %d: %v", len(s), transactions, s)
	}
	return s
}

// instead returns the script with other texts in its arguments: old, new, and so
// on. So the same is written again, of something else.
func (s script) instead(oldnew ...string) script {
	replacer := strings.NewReplacer(oldnew...)
	other := make(script, len(s))
	for n, transaction := range s {
		for _, was := range transaction {
			is := statement{was.text, make([]any, len(was.args))}
			for i, arg := range was.args {
				if text, ok := arg.(string); ok {
					arg = replacer.Replace(text)
				}
				is.args[i] = arg
			}
			other[n] = append(other[n], is)
		}
	}
	return other
}

// write makes one of the script's transactions: each statement changes a row.
func (s script) write(b *testing.B, db *sql.DB, n int) {
	ctx := b.Context()
	exec := db.ExecContext
	var tx *sql.Tx
	if len(s[n]) > 1 {
		var err error
		if tx, err = db.BeginTx(ctx, nil); err != nil {
			b.Fatal(err)
		}
		defer tx.Rollback()
		exec = tx.ExecContext
	}
	for _, st := range s[n] {
		result, err := exec(ctx, st.text, st.args...)
		if err != nil {
			b.Fatalf("%s: %v", st.text, err)
		}
		if rows, err := result.RowsAffected(); err != nil || rows != 1 {
			b.Fatalf("%s: %d rows, %v", st.text, rows, err)
		}
	}
	if tx != nil {
		if err := tx.Commit(); err != nil {
			b.Fatal(err)
		}
	}
}

// recorder is a driver in front of another that writes down every statement that
// changes something. It is for one user at a time.
type recorder struct {
	inner  driver.Driver
	dsn    string
	script script
	inTx   bool
}

// take returns what was written since the last time.
func (r *recorder) take() script {
	s := r.script
	r.script = nil
	return s
}

// Connect implements driver.Connector.
func (r *recorder) Connect(context.Context) (driver.Conn, error) {
	conn, err := r.inner.Open(r.dsn)
	return &recordedConn{conn, r}, err
}

// Driver implements driver.Connector.
func (r *recorder) Driver() driver.Driver { return r.inner }

type recordedConn struct {
	driver.Conn
	recorder *recorder
}

func (c *recordedConn) BeginTx(ctx context.Context, options driver.TxOptions) (driver.Tx, error) {
	c.recorder.inTx = true
	c.recorder.script = append(c.recorder.script, nil)
	tx, err := c.Conn.(driver.ConnBeginTx).BeginTx(ctx, options)
	return &recordedTx{tx, c.recorder}, err
}

func (c *recordedConn) ExecContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	r := c.recorder
	if !r.inTx {
		r.script = append(r.script, nil)
	}
	st := statement{text: text}
	for _, arg := range args {
		st.args = append(st.args, arg.Value)
	}
	last := len(r.script) - 1
	r.script[last] = append(r.script[last], st)
	return c.Conn.(driver.ExecerContext).ExecContext(ctx, text, args)
}

func (c *recordedConn) QueryContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	return c.Conn.(driver.QueryerContext).QueryContext(ctx, text, args)
}

type recordedTx struct {
	driver.Tx
	recorder *recorder
}

func (tx *recordedTx) Commit() error {
	tx.recorder.inTx = false
	return tx.Tx.Commit()
}

func (tx *recordedTx) Rollback() error {
	tx.recorder.inTx = false
	return tx.Tx.Rollback()
}
