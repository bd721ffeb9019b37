package sqlstore_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/alirefund/alirefund/store"
	"github.com/alirefund/alirefund/store/sqlstore"
)

// The contract is run against the real databases in internal/conformance.

// Whatever field a refund has, or is given one day, is kept.
func TestEveryFieldIsKept(t *testing.T) {
	var r store.Refund
	n := 0
	fill(t, reflect.ValueOf(&r).Elem(), &n)
	r.Request, r.Answer = "{ \"z\":1e2,\"a\":\"<\\u4e2d\\/&> 文\" }", "{\"a\" :1}"
	r.Next = time.Time{} // is kept in a column
	doc, err := sqlstore.Encode(r)
	if err != nil {
		t.Fatal(err)
	}
	got, err := sqlstore.Decode([]byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	for i, field := range reflect.VisibleFields(reflect.TypeFor[store.Refund]()) {
		got, want := reflect.ValueOf(got).Field(i).Interface(), reflect.ValueOf(r).Field(i).Interface()
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s is kept as %+v; want %+v: does it miss in document?", field.Name, got, want)
		}
	}
}

// fill puts another value into every field, however deep.
func fill(t *testing.T, v reflect.Value, n *int) {
	t.Helper()
	*n++
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.Unix(int64(*n), 1000).UTC()))
	case v.Kind() == reflect.Struct:
		for _, field := range v.Fields() {
			fill(t, field, n)
		}
	case v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(t, v.Index(i), n)
		}
	case v.Kind() == reflect.String:
		v.SetString(fmt.Sprint("文 ", *n))
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
	case v.CanInt():
		v.SetInt(int64(*n))
	default:
		t.Fatalf("a %s: say here how to fill it", v.Type())
	}
}

func TestDecodeRefusesWhatIsNoRefund(t *testing.T) {
	for _, doc := range []string{"", "{", "[]", `{"amount":"-1"}`} {
		if _, err := sqlstore.Decode([]byte(doc)); err == nil {
			t.Errorf("%q was taken for a refund", doc)
		}
	}
}

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
