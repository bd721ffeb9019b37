package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Errors of [New] and [Migrate].
var (
	// ErrNotMigrated: the tables are missing, or older than this program's.
	ErrNotMigrated = errors.New("sqlstore: the tables are missing or of an older version: call Migrate")
	// ErrNewer: a newer version of this package has migrated the tables, and could
	// not rely on what this one writes.
	ErrNewer = errors.New("sqlstore: the tables are of a newer version than this program knows: update the program")
	// ErrNoAutocommit: the connections to MySQL do not commit each statement by
	// themselves; the data source's name, or the server, says autocommit=0.
	ErrNoAutocommit = errors.New("sqlstore: the connections have autocommit=0: what they write would be lost")
)

// Migrate makes the tables, or brings those of an older version of this package
// up to date. Any number of processes may do so at once, and again at every
// start: it changes nothing that is up to date, and then wants no right but to read.
// It fails with [ErrNewer], or with the database's error; what it began it then ends
// at the next call. A process that dies in it holds nobody up.
//
// On MySQL it takes two connections of db at once, if there is anything to do: what
// makes a table ends the transaction that it is in, and one that lasts is the lock.
//
// Only to make or change tables does the user of db need the right to do so. Where no
// application has it, somebody else runs what [DDL] says.
func Migrate(ctx context.Context, db *sql.DB, dialect Dialect, options ...Option) error {
	t, err := openTables(db, dialect, options)
	if err != nil {
		return err
	}
	err = t.retry(ctx, "migrate", func() error { return t.migrate(ctx, db) })
	if errors.Is(err, ErrNewer) {
		return ErrNewer
	}
	return err
}

// DDL returns what [Migrate] would run on a database without the tables: SQL statements,
// each ended by a semicolon and a line break. After them Migrate finds nothing to do. It
// fails if an option is not right for the dialect.
func DDL(dialect Dialect, options ...Option) (string, error) {
	t, err := newTables(dialect, options)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, query := range append([]string{versionTable}, statements(0)...) {
		b.WriteString(t.ddl(query) + ";\n")
	}
	return b.String(), nil
}

// migrations are each version's statements. A version, once published, is never
// changed; on MySQL it may be interrupted between any two statements and begun
// again.
//
// doc is the whole refund; the other columns are what is searched for. Numbers
// that are not known are NULL. next_at is NULL when nothing is left to do, and
// settled_at until then: so the indexes of both are about few rows. Times are
// microseconds since 1970 UTC.
var migrations = [][]string{{
	`CREATE TABLE IF NOT EXISTS {refunds} (
	id {text} NOT NULL PRIMARY KEY,
	version BIGINT NOT NULL,
	app {text} NOT NULL,
	kind {text} NOT NULL,
	order_id {text} NOT NULL,
	out_trade_no {text},
	trade_no {text},
	auth_no {text},
	out_request_no {text},
	operation_id {text},
	amount BIGINT NOT NULL,
	state {text} NOT NULL,
	undelivered SMALLINT NOT NULL,
	created_at BIGINT NOT NULL,
	next_at BIGINT,
	settled_at BIGINT,
	has_node SMALLINT NOT NULL,
	doc {doc} NOT NULL
)`,
	`CREATE INDEX {index}_due ON {refunds} (app, next_at, id, state) WHERE next_at IS NOT NULL`,
	`CREATE INDEX {index}_created ON {refunds} (app, created_at, id, state)`,
	`CREATE INDEX {index}_settled ON {refunds} (app, has_node, settled_at) WHERE settled_at IS NOT NULL`,
	`CREATE INDEX {index}_out_trade_no ON {refunds} (out_trade_no, app) WHERE out_trade_no IS NOT NULL`,
	`CREATE INDEX {index}_trade_no ON {refunds} (trade_no, app) WHERE trade_no IS NOT NULL`,
	`CREATE INDEX {index}_auth_no ON {refunds} (auth_no, app) WHERE auth_no IS NOT NULL`,
	`CREATE INDEX {index}_out_request_no ON {refunds} (out_request_no, app) WHERE out_request_no IS NOT NULL`,
	`CREATE INDEX {index}_operation_id ON {refunds} (operation_id, app) WHERE operation_id IS NOT NULL`,
	`CREATE TABLE IF NOT EXISTS {orders} (
	id {text} NOT NULL PRIMARY KEY,
	reserved BIGINT NOT NULL,
	sent_at BIGINT NOT NULL
){small}`,
	`CREATE TABLE IF NOT EXISTS {claims} (
	id {text} NOT NULL PRIMARY KEY,
	token {text} NOT NULL,
	done SMALLINT NOT NULL,
	until_at BIGINT NOT NULL
){small}`,
	`CREATE INDEX {claims index}_until ON {claims} (until_at)`,
}}

// statements bring tables of that version up to date.
func statements(version int) []string {
	return append(slices.Concat(migrations[version:]...),
		"DELETE FROM {version}",
		"INSERT INTO {version} (version) VALUES ("+strconv.Itoa(len(migrations))+")",
	)
}

// ddl is one of statements as the database takes it.
func (t *tables) ddl(query string) string {
	if strings.HasPrefix(query, "CREATE INDEX") && !t.dialect.partial {
		query, _, _ = strings.Cut(query, " WHERE ")
	}
	return t.text(query)
}

// version returns the version of the tables, 0 for none. It fails with ErrNotMigrated
// or ErrNewer if that is not this program's.
func (t *tables) version(ctx context.Context, on querier) (version int, err error) {
	err = on.QueryRowContext(ctx, t.text("SELECT COALESCE(MAX(version), 0) FROM {version}")).Scan(&version)
	switch {
	case err != nil && !t.missing(err):
		return 0, fmt.Errorf("the version of the tables: %w", err)
	case version < len(migrations):
		return version, ErrNotMigrated
	case version > len(migrations):
		return version, ErrNewer
	}
	return version, nil
}

// migrating is held by the one who migrates by two connections, of this process: of
// two, each might hold one and wait for another.
var migrating = make(chan struct{}, 1)

func (t *tables) migrate(ctx context.Context, db *sql.DB) error {
	if _, err := t.version(ctx, db); !errors.Is(err, ErrNotMigrated) {
		return err
	}
	if t.dialect.ends {
		if db.Stats().MaxOpenConnections == 1 {
			return errors.New("it takes two connections, and the pool has one")
		}
		select {
		case migrating <- struct{}{}:
			defer func() { <-migrating }()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	conn, err := db.Conn(ctx) // the lock is this connection's
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // it goes back to the pool
	if !t.dialect.ends {
		return t.upgrade(ctx, conn, conn)
	}
	making, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer making.Close() //nolint:errcheck // it goes back to the pool
	return t.upgrade(ctx, conn, making)
}

// upgrade holds the lock by a transaction of conn's, and makes tables by making.
func (t *tables) upgrade(ctx context.Context, conn, making *sql.Conn) (err error) {
	exec := func(query string) error {
		on := conn
		if strings.HasPrefix(query, "CREATE") {
			on = making
		}
		_, err := on.ExecContext(ctx, t.ddl(query))
		return err
	}
	if err := exec(t.dialect.begin); err != nil {
		return err
	}
	defer func() {
		if err == nil {
			err = exec("COMMIT")
		}
		if err != nil {
			ctx = context.WithoutCancel(ctx)
			_ = exec("ROLLBACK") // err says more
		}
	}()
	for _, query := range t.dialect.lock {
		if err := exec(query); err != nil {
			return err
		}
	}
	version, err := t.version(ctx, conn) // somebody else may have been first
	if !errors.Is(err, ErrNotMigrated) {
		return err
	}
	for _, query := range statements(version) {
		if err := exec(query); err != nil && !is(err, t.dialect.done) {
			return err
		}
	}
	return nil
}
