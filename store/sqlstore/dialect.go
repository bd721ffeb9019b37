package sqlstore

import (
	"errors"
	"slices"
	"strings"
	"time"
)

// Dialect is the database's language.
type Dialect uint8

// The dialects.
const (
	SQLite     Dialect = iota + 1
	PostgreSQL         //
	MySQL              // MariaDB as well
)

// dialect is what one language does in its own way. Errors are told by their
// SQLSTATE, their number or their text, because no driver is imported.
type dialect struct {
	// text holds what identities are made of, and compares bytes; doc is long.
	text, doc string
	// ensure ends the insert of an order that may exist. MySQL's locks the row
	// for writing at once: INSERT IGNORE would lock it for reading, and whoever
	// then does the same and updates deadlocks.
	ensure string
	// insert and orNothing begin and end the insert of a row that may exist, and
	// that is looked at if it does.
	insert, orNothing string

	clock      string        // asks for the time, in microseconds since 1970
	resolution time.Duration // of that time, which is cut off
	skipLocked string        // ends a SELECT that locks rows, but for those that others hold
	small      string        // ends a table of short rows
	partial    bool          // indexes may leave rows out
	numbered   bool          // parameters are $1, $2
	quote      string
	autocommit string // asks whether it is on, where it may be off

	begin string   // of a migration
	lock  []string // follows begin: makes the table of the version, and waits until nobody else migrates
	ends  bool     // what makes a table ends the transaction that it is in

	again   []string // a repetition may heal it
	taken   []string // a row with that key exists: another process inserted it first
	missing []string // there is no such table
	done    []string // of a migration's statement: one that was interrupted has done it already
	refused []string // it knows no SKIP LOCKED
}

// versionTable is made before anything else. It has one row, which is MySQL's lock.
const versionTable = "CREATE TABLE IF NOT EXISTS {version} (id SMALLINT DEFAULT 1 NOT NULL PRIMARY KEY, version BIGINT NOT NULL)"

var dialects = map[Dialect]dialect{
	SQLite: {
		text: "TEXT", doc: "TEXT", partial: true, quote: `"`, small: " WITHOUT ROWID",
		ensure: "ON CONFLICT (id) DO NOTHING", insert: "INSERT", orNothing: "ON CONFLICT (id) DO NOTHING",
		clock: "SELECT CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)", resolution: time.Millisecond,
		begin: "BEGIN IMMEDIATE", lock: []string{versionTable},
		again:   []string{"database is locked", "database table is locked", "SQLITE_BUSY", "SQLITE_LOCKED"},
		taken:   []string{"UNIQUE constraint failed"},
		missing: []string{"no such table"},
	},
	PostgreSQL: {
		text: `TEXT COLLATE "C"`, doc: "TEXT", partial: true, quote: `"`, numbered: true,
		ensure: "ON CONFLICT (id) DO NOTHING", insert: "INSERT", orNothing: "ON CONFLICT (id) DO NOTHING", skipLocked: " FOR UPDATE SKIP LOCKED",
		clock: "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)",
		begin: "BEGIN ISOLATION LEVEL READ COMMITTED", lock: []string{"SELECT pg_advisory_xact_lock({lock})", versionTable},
		// Serialization failure, deadlock, lock not available.
		again:   []string{"40001", "40P01", "55P03"},
		taken:   []string{"23505"},
		missing: []string{"42P01", "3F000"},
		refused: []string{"42601", "0A000"}, // syntax error, not supported
	},
	MySQL: {
		text: "VARBINARY(256)", doc: "MEDIUMBLOB", quote: "`", autocommit: "SELECT @@autocommit",
		ensure: "ON DUPLICATE KEY UPDATE reserved = reserved", insert: "INSERT IGNORE", skipLocked: " FOR UPDATE SKIP LOCKED",
		// In UTC: a local time comes twice when clocks are set back.
		clock: "SELECT TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', UTC_TIMESTAMP(6))",
		// The lock is a row: OceanBase knows no GET_LOCK, and a cluster's nodes each have
		// their own.
		begin: "START TRANSACTION", ends: true,
		lock: []string{versionTable, "INSERT INTO {version} (version) VALUES (0) ON DUPLICATE KEY UPDATE version = version"},
		// Deadlock, lock wait timeout, changed since last read.
		again:   []string{"Error 1213", "Error 1205", "Error 1020"},
		taken:   []string{"Error 1062"},
		missing: []string{"Error 1146", "Error 1049"},
		done:    []string{"Error 1061"}, // the index is there
		// Syntax error, not yet supported, and what TiDB says where it parses it alone.
		refused: []string{"Error 1064", "Error 1235", "Error 1105"},
	},
}

// is tells whether err is one of these, by its SQLSTATE or its text.
func is(err error, signs []string) bool {
	var state interface{ SQLState() string } // pgx and pq have it
	if errors.As(err, &state) {
		return slices.Contains(signs, state.SQLState())
	}
	return err != nil && slices.ContainsFunc(signs, func(sign string) bool { return strings.Contains(err.Error(), sign) })
}
