package conformance

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"github.com/alirefund/alirefund/store/sqlstore"
)

// engine is a database that a test runs on.
type engine struct {
	name    string
	dialect sqlstore.Dialect
	driver  string
	// dsn names the database; dir is where files may be made.
	dsn func(dir string) string
	// explain begins a statement that shows how another would be done.
	explain string
}

const sqlitePragmas = "?_pragma=journal_mode(WAL)&_pragma=busy_timeout(10000)&_txlock=immediate"

func fromEnv(name, otherwise string) func(string) string {
	dsn := os.Getenv(name)
	if dsn == "" {
		dsn = otherwise
	}
	return func(string) string { return dsn }
}

func withParameters(dsn, parameters string) string {
	if strings.Contains(dsn, "?") {
		return dsn + "&" + parameters
	}
	return dsn + "?" + parameters
}

func inFile(pragmas string) func(string) string {
	return func(dir string) string { return "file:" + filepath.Join(dir, "ledger.db") + pragmas }
}

var engines = []engine{
	{"SQLite", sqlstore.SQLite, "sqlite", inFile(sqlitePragmas), "EXPLAIN QUERY PLAN "},
	{
		"PostgreSQL", sqlstore.PostgreSQL, "pgx",
		fromEnv("ALIREFUND_TEST_POSTGRES", "postgres://postgres@127.0.0.1:5432/test?sslmode=disable"), "EXPLAIN ",
	},
	{"MySQL", sqlstore.MySQL, "mysql", fromEnv("ALIREFUND_TEST_MYSQL", "root@tcp(127.0.0.1:3306)/test"), "EXPLAIN "},
}

// onEach runs a test on every engine.
func onEach(t *testing.T, test func(t *testing.T, d database)) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) { test(t, e.open(t)) })
	}
}

// database is a place of a test's own in an engine: tables that begin with a
// prefix which nobody else has, dropped afterwards.
type database struct {
	*sql.DB
	engine
	url, prefix string
}

// open returns a database without tables.
func (e engine) open(t testing.TB) database {
	t.Helper()
	d := database{engine: e, url: e.dsn(t.TempDir()), prefix: "t" + strings.ToLower(rand.Text()[:12]) + "_"}
	d.DB = d.connect(t)
	t.Cleanup(func() { d.drop(t) })
	return d
}

// connect returns another pool of connections to the same database.
func (d database) connect(t testing.TB) *sql.DB {
	t.Helper()
	db, err := sql.Open(d.driver, d.url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	db.SetMaxOpenConns(16)
	db.SetMaxIdleConns(16)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := db.PingContext(ctx); err != nil {
		d.absent(t, err)
	}
	return db
}

// absent ends a test whose server is not there: in continuous integration that
// is a failure, and elsewhere too, unless somebody asked for less.
func (d database) absent(t testing.TB, err error) {
	t.Helper()
	if os.Getenv("CI") != "true" && os.Getenv("ALIREFUND_CONFORMANCE_SKIP") == "1" {
		t.Skipf("%s is not there: %v", d.name, err)
	}
	t.Fatalf("%s is not there (ALIREFUND_CONFORMANCE_SKIP=1 leaves it out): %v", d.name, err)
}

func (d database) drop(t testing.TB) {
	for _, table := range []string{"refunds", "orders", "claims", "version", "host"} {
		if _, err := d.ExecContext(context.WithoutCancel(t.Context()), "DROP TABLE IF EXISTS "+d.prefix+table); err != nil {
			t.Error(err)
		}
	}
}

func (d database) migrate(t testing.TB) database {
	t.Helper()
	if err := sqlstore.Migrate(t.Context(), d.DB, d.dialect, sqlstore.Prefix(d.prefix)); err != nil {
		t.Fatal(err)
	}
	return d
}

// store returns a store on db, which is d's or another pool to it.
func (d database) store(t testing.TB, db *sql.DB, options ...sqlstore.Option) *sqlstore.Store {
	t.Helper()
	s, err := sqlstore.New(db, d.dialect, append(options, sqlstore.Prefix(d.prefix))...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// exec runs a statement of the test's own: {t} is the prefix, ? a parameter.
func (d database) exec(t testing.TB, query string, args ...any) {
	t.Helper()
	if _, err := d.ExecContext(t.Context(), d.text(query), args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// number reads one number.
func (d database) number(t testing.TB, query string, args ...any) (n int64) {
	t.Helper()
	if err := d.QueryRowContext(t.Context(), d.text(query), args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

func (d database) text(query string) string {
	query = strings.ReplaceAll(query, "{t}", d.prefix)
	for n := 1; d.dialect == sqlstore.PostgreSQL && strings.Contains(query, "?"); n++ {
		query = strings.Replace(query, "?", fmt.Sprint("$", n), 1)
	}
	return query
}
