package conformance

import (
	"crypto/rand"
	"errors"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/alirefund/alirefund/store"
	"github.com/alirefund/alirefund/store/sqlstore"
	"github.com/alirefund/alirefund/store/storetest"
)

// aside is the engine with an empty schema of the test's own, which is dropped
// afterwards. SQLite has a file for each test anyway.
func (e engine) aside(t testing.TB) (aside engine, schema string) {
	t.Helper()
	if e.dialect == sqlstore.SQLite {
		return e, ""
	}
	admin := e.open(t)
	schema = strings.TrimSuffix(admin.prefix, "_")
	admin.exec(t, "CREATE SCHEMA "+schema)
	drop := "DROP SCHEMA " + schema + map[sqlstore.Dialect]string{sqlstore.PostgreSQL: " CASCADE"}[e.dialect]
	t.Cleanup(func() {
		if _, err := admin.Exec(drop); err != nil { // the test's context is over
			t.Error(err)
		}
	})
	e.dsn = func(string) string { return withParameters(admin.url, "search_path="+schema) }
	if e.dialect == sqlstore.MySQL {
		e.dsn = func(string) string {
			return changed(t, admin.url, func(config *mysql.Config) { config.DBName = schema })
		}
	}
	return e, schema
}

// changed is a data source of MySQL's with something else in it.
func changed(t testing.TB, dsn string, change func(*mysql.Config)) string {
	t.Helper()
	config, err := mysql.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	change(config)
	return config.FormatDSN()
}

// byDDL makes the tables as whoever runs the printed statements does.
func (d database) byDDL(t testing.TB) {
	t.Helper()
	text, err := sqlstore.DDL(d.dialect, sqlstore.Prefix(d.prefix))
	if err != nil {
		t.Fatal(err)
	}
	for query := range strings.SplitSeq(strings.TrimSuffix(text, ";\n"), ";\n") {
		if _, err := d.Exec(query); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
}

// user makes one who may read and write the schema's rows, and make no tables: as is
// its data source for an administrator's, and grant gives it the tables that are there.
// On SQLite, who has no users, its connections write nothing at all.
func (e engine) user(t testing.TB, schema string) (as func(dsn string) string, grant func()) {
	t.Helper()
	if e.dialect == sqlstore.SQLite {
		return func(dsn string) string { return withParameters(dsn, "_pragma=query_only(1)") }, func() {}
	}
	admin, name, password := e.open(t), "u"+schema, rand.Text()
	create, drop := "CREATE ROLE "+name, "DROP OWNED BY "+name+"; DROP ROLE "+name
	rights := "GRANT USAGE ON SCHEMA " + schema + " TO " + name + "; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA " + schema + " TO " + name
	as = func(dsn string) string { return withParameters(dsn, "role="+name) }
	if e.dialect == sqlstore.MySQL {
		create, drop = "CREATE USER "+name+"@'%' IDENTIFIED BY '"+password+"'", "DROP USER "+name+"@'%'"
		rights = "GRANT SELECT, INSERT, UPDATE, DELETE ON " + schema + ".* TO " + name + "@'%'"
		as = func(dsn string) string {
			return changed(t, dsn, func(config *mysql.Config) { config.User, config.Passwd = name, password })
		}
	}
	run := func(queries string) {
		for query := range strings.SplitSeq(queries, "; ") {
			if _, err := admin.Exec(query); err != nil {
				t.Errorf("%s: %v", query, err)
			}
		}
	}
	run(create)
	t.Cleanup(func() { run(drop) })
	return as, func() { run(rights) }
}

func TestDDL(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		d.byDDL(t)
		before := d.number(t, "SELECT version FROM {t}version")
		watched, seen := d.spied(t)
		if err := sqlstore.Migrate(t.Context(), watched, d.dialect, sqlstore.Prefix(d.prefix)); err != nil {
			t.Fatal(err)
		}
		if writes, queries := seen.take(); writes != 0 || len(queries) != 1 {
			t.Errorf("then Migrate wrote %d times and asked %v; want that it only asks for the version", writes, queries)
		}
		if after := d.number(t, "SELECT version FROM {t}version"); after != before || before == 0 {
			t.Errorf("version %d, then %d", before, after)
		}
		claim(t, d.store(t, d.DB))
	})
}

// Where applications may make no tables, on tables that somebody else made.
func TestContractWithoutTheRightToMakeTables(t *testing.T) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			e, schema := e.aside(t)
			as, grant := e.user(t, schema)
			opened := func(t *testing.T) *sqlstore.Store {
				admin := e.open(t)
				grant()
				user := database{engine: e, url: as(admin.url), prefix: admin.prefix}
				user.DB = user.connect(t)
				if err := sqlstore.Migrate(t.Context(), user.DB, user.dialect, sqlstore.Prefix(user.prefix)); err == nil {
					t.Error("the user may make tables")
				}
				if _, err := sqlstore.New(user.DB, user.dialect, sqlstore.Prefix(user.prefix)); !errors.Is(err, sqlstore.ErrNotMigrated) {
					t.Errorf("New without tables: %v", err)
				}
				admin.byDDL(t)
				grant()
				user.migrate(t)
				return user.store(t, user.DB)
			}
			if e.dialect == sqlstore.SQLite {
				opened(t)
				return // no row can be written
			}
			storetest.Run(t, func(t *testing.T) store.Store { return opened(t) })
		})
	}
}
