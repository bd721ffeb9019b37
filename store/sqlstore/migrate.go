package sqlstore

import (
	"context"
	"database/sql"
	"errors"
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
// start: it changes nothing that is up to date. It fails with [ErrNewer], or
// with the database's error; what it began it then ends at the next call.
//
// The user of db needs the right to create tables and indexes, for Migrate
// alone.
func Migrate(ctx context.Context, db *sql.DB, dialect Dialect, options ...Option) error {
	t, err := newTables(db, dialect, options)
	if err != nil {
		return err
	}
	err = t.retry(ctx, "migrate", func() error {
		conn, err := db.Conn(ctx) // the lock is this connection's
		if err != nil {
			return err
		}
		defer conn.Close() //nolint:errcheck // it goes back to the pool
		return t.migrate(ctx, conn)
	})
	if errors.Is(err, ErrNewer) {
		return ErrNewer
	}
	return err
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

// version returns the version of the tables, 0 for none.
func (t *tables) version(ctx context.Context, on querier) (int, error) {
	var version int
	err := on.QueryRowContext(ctx, t.text("SELECT version FROM {version}")).Scan(&version)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return version, err
}

func (t *tables) migrate(ctx context.Context, conn *sql.Conn) (err error) {
	exec := func(query string) error {
		if strings.HasPrefix(query, "CREATE INDEX") && !t.dialect.partial {
			query, _, _ = strings.Cut(query, " WHERE ")
		}
		_, err := conn.ExecContext(ctx, t.text(query))
		return err
	}
	if err := exec(t.dialect.begin); err != nil {
		return err
	}
	defer func() {
		if err == nil {
			err = exec(t.dialect.commit)
		}
		if err != nil {
			ctx = context.WithoutCancel(ctx)
			_ = exec(t.dialect.rollback) // err says more
		}
	}()
	var locked sql.NullInt64
	if err := conn.QueryRowContext(ctx, t.text(t.dialect.lock)).Scan(&locked); err != nil {
		return err
	}
	if locked.Int64 != 1 {
		return errConflict
	}
	if err := exec("CREATE TABLE IF NOT EXISTS {version} (version BIGINT NOT NULL)"); err != nil {
		return err
	}
	version, err := t.version(ctx, conn)
	switch {
	case err != nil:
		return err
	case version > len(migrations):
		return ErrNewer
	case version == len(migrations):
		return nil
	}
	for _, migration := range migrations[version:] {
		for _, query := range migration {
			if err := exec(query); err != nil && !is(err, t.dialect.done) {
				return err
			}
		}
	}
	if err := exec("DELETE FROM {version}"); err != nil {
		return err
	}
	_, err = conn.ExecContext(ctx, t.text("INSERT INTO {version} (version) VALUES (?)"), len(migrations))
	return err
}
