// Package sqlstore keeps alirefund's ledger and claims in the host's own
// database: SQLite, PostgreSQL, or MySQL and MariaDB, by database/sql and any
// driver. It imports none.
//
//	db, err := sql.Open("pgx", dsn)
//	err = sqlstore.Migrate(ctx, db, sqlstore.PostgreSQL)
//	s, err := sqlstore.New(db, sqlstore.PostgreSQL)
//
// Each method reads, lets the rules of package store decide, and writes on the
// condition that nobody else wrote meanwhile; if somebody did, it begins again.
// So it holds no lock while it decides, and needs no isolation level beyond READ
// COMMITTED. Open, Sending, Settle and Delivered or DeliverTx are one write
// transaction each. An order's total is kept by one conditional update.
//
// # What the database should be
//
// SQLite: a file, in the data source's name journal_mode=WAL, a busy_timeout of
// some seconds and _txlock=immediate (as modernc.org/sqlite and
// mattn/go-sqlite3 call them). Without them all of it still holds, more slowly.
//
// PostgreSQL: 12 or later. With [Store.DeliverTx], an
// idle_in_transaction_session_timeout frees what a stopped process holds.
//
// MySQL: 8.0 or later, or MariaDB: 10.6 or later. The character set of the
// connection does not matter.
//
// The clocks of the processes that share a database should agree to within a
// second: leases are times.
package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/alirefund/alirefund/store"
)

// Errors of [New] and [Migrate].
var (
	// ErrNotMigrated: the tables are missing, or older than this program's.
	ErrNotMigrated = errors.New("sqlstore: the tables are missing or of an older version: call Migrate")
	// ErrNewer: a newer version of this package has migrated the tables; what
	// this one would write, that one could not trust.
	ErrNewer = errors.New("sqlstore: the tables are of a newer version than this program knows: update the program")
	// ErrNoAutocommit: the connections to MySQL do not commit each statement by
	// themselves; the data source's name, or the server, says autocommit=0.
	ErrNoAutocommit = errors.New("sqlstore: the connections have autocommit=0: what they write would be lost")
)

// Store is a [store.Store], a [store.Transactor] and a [store.Pruner] on a
// database. It is safe for concurrent use, by any number of processes.
//
// Its methods retry deadlocks, serialization failures, a busy SQLite and
// another's write in between until the context ends; other errors of the
// driver's come back wrapped. They fail with [store.ErrNotFound] where
// [store.Ledger] says so. After an error nobody knows whether the database did
// it, as with any database; every method may then be called again.
type Store struct {
	db *sql.DB
	tables
	memory memory
	texts  sync.Map // SQL as it is written here → as this database takes it
}

var _ interface {
	store.Store
	store.Transactor
	store.Pruner
} = (*Store)(nil)

// New returns the store in db's tables, which [Migrate] made with the same
// options. It asks db for their version, for at most ten seconds, and fails with
// [ErrNotMigrated], [ErrNewer], [ErrNoAutocommit] or the database's error. db stays the host's to
// close.
func New(db *sql.DB, dialect Dialect, options ...Option) (*Store, error) {
	t, err := newTables(db, dialect, options)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	switch version, err := t.version(ctx, db); {
	case err != nil && !t.missing(err):
		return nil, fmt.Errorf("sqlstore: the version of the tables: %w", err)
	case err != nil || version < len(migrations):
		return nil, ErrNotMigrated
	case version > len(migrations):
		return nil, ErrNewer
	}
	if err := t.commits(ctx, db); err != nil {
		return nil, err
	}
	return &Store{db: db, tables: t}, nil
}

// commits refuses a MySQL whose connections do not commit each statement by
// themselves: what was written would be gone with the connection.
func (t *tables) commits(ctx context.Context, db *sql.DB) error {
	if t.dialect.autocommit == "" {
		return nil
	}
	var on bool
	if err := db.QueryRowContext(ctx, t.dialect.autocommit).Scan(&on); err != nil {
		return fmt.Errorf("sqlstore: autocommit: %w", err)
	}
	if !on {
		return ErrNoAutocommit
	}
	return nil
}

// Option changes where the tables are.
type Option func(*tables)

// Prefix begins the tables' names; [DefaultPrefix] unless told otherwise. It is
// of lower-case letters, digits and _, at most 32.
func Prefix(prefix string) Option { return func(t *tables) { t.prefix = prefix } }

// DefaultPrefix is what the tables' names begin with.
const DefaultPrefix = "alirefund_"

// Schema is the schema of the tables on PostgreSQL, or the database on MySQL. It
// must exist. Without it they are where the connection looks first. SQLite has
// none.
func Schema(schema string) Option { return func(t *tables) { t.schema = schema } }

// querier is a *sql.DB, *sql.Conn or *sql.Tx.
type querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

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

func (s *Store) inTx(ctx context.Context, do func(tx *sql.Tx) error) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after a commit there is nothing left to roll back
	if err := do(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// errConflict: what was decided on has changed since it was read.
var errConflict = errors.New("somebody else keeps changing it")

// retry calls try until it fails with nothing that a repetition may heal, or ctx
// ends. What fails with such an error has changed nothing.
func (t *tables) retry(ctx context.Context, what string, try func() error) error {
	for tries := 1; ; tries++ {
		err := try()
		switch {
		case err == nil || errors.Is(err, store.ErrNotFound):
			return err
		case !errors.Is(err, errConflict) && !t.transient(err):
			return fmt.Errorf("sqlstore: %s: %w", what, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("sqlstore: %s: %w: %w", what, ctx.Err(), err)
		case <-time.After(store.Backoff(tries, time.Millisecond, 100*time.Millisecond)):
		}
	}
}

// now is the time in UTC, as exactly as the database keeps it.
func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }
