package conformance

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"strings"
	"sync"
	"testing"

	"github.com/alirefund/alirefund/store/sqlstore"
)

// spy is a driver in front of another that sees every statement.
type spy struct {
	inner driver.Driver
	dsn   string
	// before sees each statement first, and may change or refuse it.
	before func(text string) (string, error)

	mu      sync.Mutex
	writes  int // transactions that wrote
	queries []query
}

// query is a SELECT that came by.
type query struct {
	text string
	args []any
}

// spied returns a pool of connections to the same database, seen by a spy.
func (d database) spied(t testing.TB) (*sql.DB, *spy) {
	t.Helper()
	s := &spy{inner: d.Driver(), dsn: d.url}
	if d.dialect == sqlstore.MySQL {
		s.dsn = withParameters(s.dsn, "interpolateParams=true") // else each statement is prepared first, past the spy
	}
	db := sql.OpenDB(s)
	t.Cleanup(func() { _ = db.Close() })
	return db, s
}

// take returns what came by since the last time.
func (s *spy) take() (writes int, queries []query) {
	s.mu.Lock()
	defer s.mu.Unlock()
	writes, queries, s.writes, s.queries = s.writes, s.queries, 0, nil
	return writes, queries
}

func (s *spy) see(text string) (string, error) {
	if s.before == nil {
		return text, nil
	}
	return s.before(text)
}

// Connect implements driver.Connector.
func (s *spy) Connect(context.Context) (driver.Conn, error) {
	conn, err := s.inner.Open(s.dsn)
	return &spiedConn{Conn: conn, spy: s}, err
}

// Driver implements driver.Connector.
func (s *spy) Driver() driver.Driver { return s.inner }

type spiedConn struct {
	driver.Conn
	spy         *spy
	inTx, wrote bool
}

func (c *spiedConn) BeginTx(ctx context.Context, options driver.TxOptions) (driver.Tx, error) {
	tx, err := c.Conn.(driver.ConnBeginTx).BeginTx(ctx, options)
	c.inTx, c.wrote = true, false
	return &spiedTx{tx, c}, err
}

func (c *spiedConn) ExecContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	text, err := c.spy.see(text)
	if err != nil {
		return nil, err
	}
	result, err := c.Conn.(driver.ExecerContext).ExecContext(ctx, text, args)
	c.wrote = true
	if !c.inTx {
		c.count()
	}
	return result, err
}

func (c *spiedConn) QueryContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	text, err := c.spy.see(text)
	if err != nil {
		return nil, err
	}
	q := query{text: text}
	for _, arg := range args {
		q.args = append(q.args, arg.Value)
	}
	c.spy.mu.Lock()
	c.spy.queries = append(c.spy.queries, q)
	c.spy.mu.Unlock()
	return c.Conn.(driver.QueryerContext).QueryContext(ctx, text, args)
}

func (c *spiedConn) count() {
	c.spy.mu.Lock()
	defer c.spy.mu.Unlock()
	c.spy.writes++
}

type spiedTx struct {
	driver.Tx
	conn *spiedConn
}

func (tx *spiedTx) Commit() error {
	if tx.conn.inTx = false; tx.conn.wrote {
		tx.conn.count()
	}
	return tx.Tx.Commit()
}

func (tx *spiedTx) Rollback() error {
	tx.conn.inTx = false
	return tx.Tx.Rollback()
}

// plan is how the database would do a query, as it describes it.
func (d database) plan(t testing.TB, q query) string {
	t.Helper()
	rows, err := d.QueryContext(t.Context(), d.explain+q.text, q.args...)
	if err != nil {
		t.Fatalf("%s: %v", q.text, err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var plan strings.Builder
	for rows.Next() {
		cells, into := make([]sql.NullString, len(names)), make([]any, len(names))
		for n := range cells {
			into[n] = &cells[n]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		for n, cell := range cells {
			if names[n] != "possible_keys" {
				plan.WriteString(cell.String + " ")
			}
		}
		plan.WriteString("\n")
	}
	return plan.String()
}
