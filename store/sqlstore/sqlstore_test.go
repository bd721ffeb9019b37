package sqlstore_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/alirefund/alirefund/store/sqlstore"
)

// The contract is run against the real databases in internal/conformance.

// state is an error as pgx and pq have it.
type state string

func (s state) Error() string    { return "ERROR: something (SQLSTATE " + string(s) + ")" }
func (s state) SQLState() string { return string(s) }

func TestErrorsAreTold(t *testing.T) {
	for _, test := range []struct {
		dialect            sqlstore.Dialect
		err                error
		transient, missing bool
	}{
		{sqlstore.SQLite, errors.New("database is locked (5) (SQLITE_BUSY)"), true, false},                     // modernc.org/sqlite
		{sqlstore.SQLite, errors.New("database table is locked"), true, false},                                 // mattn/go-sqlite3
		{sqlstore.SQLite, errors.New("sqlite3: database is locked"), true, false},                              // ncruces/go-sqlite3
		{sqlstore.SQLite, errors.New("constraint failed: UNIQUE constraint failed: a.id (1555)"), true, false}, // another's insert
		{sqlstore.SQLite, errors.New("SQL logic error: no such table: a (1)"), false, true},
		{sqlstore.SQLite, errors.New("database or disk is full (13)"), false, false},
		{sqlstore.PostgreSQL, state("40001"), true, false},
		{sqlstore.PostgreSQL, fmt.Errorf("commit: %w", state("40P01")), true, false},
		{sqlstore.PostgreSQL, state("55P03"), true, false},
		{sqlstore.PostgreSQL, state("23505"), true, false},
		{sqlstore.PostgreSQL, state("42P01"), false, true},
		{sqlstore.PostgreSQL, state("57P01"), false, false}, // the server ends the connection
		{sqlstore.MySQL, errors.New("Error 1213 (40001): Deadlock found when trying to get lock; try restarting transaction"), true, false},
		{sqlstore.MySQL, errors.New("Error 1213: Deadlock found"), true, false}, // older drivers
		{sqlstore.MySQL, errors.New("Error 1205 (HY000): Lock wait timeout exceeded"), true, false},
		{sqlstore.MySQL, errors.New("Error 1020 (HY000): Record has changed since last read"), true, false},
		{sqlstore.MySQL, errors.New("Error 1062 (23000): Duplicate entry"), true, false},
		{sqlstore.MySQL, errors.New("Error 1146 (42S02): Table 'test.a' doesn't exist"), false, true},
		{sqlstore.MySQL, errors.New("invalid connection"), false, false},
		{sqlstore.MySQL, nil, false, false},
	} {
		if transient, missing := sqlstore.Is(test.dialect, test.err); transient != test.transient || missing != test.missing {
			t.Errorf("%v: transient %v, missing %v", test.err, transient, missing)
		}
	}
}

func TestQueriesAreWrittenInTheDialect(t *testing.T) {
	const query = "UPDATE {orders} SET reserved = ? WHERE id = ?{skip locked}"
	for _, test := range []struct {
		dialect sqlstore.Dialect
		options []sqlstore.Option
		want    string
	}{
		{sqlstore.SQLite, nil, "UPDATE alirefund_orders SET reserved = ? WHERE id = ?"},
		{sqlstore.PostgreSQL, nil, "UPDATE alirefund_orders SET reserved = $1 WHERE id = $2 FOR UPDATE SKIP LOCKED"},
		{sqlstore.PostgreSQL, []sqlstore.Option{sqlstore.Schema("Pay"), sqlstore.Prefix("r_")}, `UPDATE "Pay".r_orders SET reserved = $1 WHERE id = $2 FOR UPDATE SKIP LOCKED`},
		{sqlstore.MySQL, []sqlstore.Option{sqlstore.Schema("pay")}, "UPDATE `pay`.alirefund_orders SET reserved = ? WHERE id = ? FOR UPDATE SKIP LOCKED"},
	} {
		if got, err := sqlstore.Text(test.dialect, query, test.options...); got != test.want || err != nil {
			t.Errorf("%s, %v; want %s", got, err, test.want)
		}
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for _, test := range []struct {
		dialect sqlstore.Dialect
		option  sqlstore.Option
		want    string
	}{
		{0, sqlstore.Prefix("a"), "dialect"},
		{sqlstore.SQLite, sqlstore.Prefix(""), "prefix"},
		{sqlstore.SQLite, sqlstore.Prefix("A"), "prefix"},
		{sqlstore.SQLite, sqlstore.Prefix("a b"), "prefix"},
		{sqlstore.SQLite, sqlstore.Prefix("a;DROP TABLE b"), "prefix"},
		{sqlstore.SQLite, sqlstore.Prefix(strings.Repeat("a", 33)), "prefix"},
		{sqlstore.SQLite, sqlstore.Schema("main"), "schemas"},
		{sqlstore.PostgreSQL, sqlstore.Schema(`a"."b`), "schema's name"},
		{sqlstore.MySQL, sqlstore.Schema("a`.`b"), "schema's name"},
	} {
		if _, err := sqlstore.Text(test.dialect, "", test.option); err == nil || !strings.HasPrefix(err.Error(), "sqlstore: ") || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v; want an error about the %s", err, test.want)
		}
	}
	if _, err := sqlstore.New(nil, sqlstore.SQLite); err == nil {
		t.Error("no database is none")
	}
}
