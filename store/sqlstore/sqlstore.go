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
// The clocks of the processes that share a database need not agree: all times of
// the ledger are the database's, which each process asks for every 15 s.
package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/alirefund/alirefund/store"
)

// Store is a [store.Store], a [store.Transactor], a [store.Pruner] and a
// [store.Clock] on a database. It is safe for concurrent use, by any number of processes.
//
// Its methods retry deadlocks, serialization failures, a busy SQLite and
// another's write in between until the context ends; other errors of the
// driver's come back wrapped. They fail with [store.ErrNotFound] where
// [store.Ledger] says so. After an error nobody knows whether the database did
// it, as with any database; every method may then be called again.
type Store struct {
	db *sql.DB
	tables
	clock  clock
	memory memory
	turns  turns
	waits  atomic.Bool // the database has refused SKIP LOCKED
	texts  sync.Map    // SQL as it is written here → as this database takes it
}

var _ interface {
	store.Store
	store.Transactor
	store.Counter
	store.Pruner
	store.Clock
} = (*Store)(nil)

// New returns the store in db's tables, which [Migrate] made with the same
// options. It asks db for their version, for at most ten seconds, and fails with
// [ErrNotMigrated], [ErrNewer], [ErrNoAutocommit] or the database's error. db stays the host's to
// close.
func New(db *sql.DB, dialect Dialect, options ...Option) (*Store, error) {
	t, err := openTables(db, dialect, options)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	switch _, err := t.version(ctx, db); {
	case errors.Is(err, ErrNotMigrated), errors.Is(err, ErrNewer):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("sqlstore: %w", err)
	}
	if err := t.commits(ctx, db); err != nil {
		return nil, err
	}
	s := &Store{db: db, tables: t}
	s.clock.process, s.clock.ask = moments(t.process), func(ctx context.Context) (micros int64, err error) {
		return micros, db.QueryRowContext(ctx, t.dialect.clock).Scan(&micros)
	}
	return s, s.retry(ctx, "now", func() error {
		_, err := s.clock.now(ctx)
		return err
	})
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
