package conformance

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/alirefund/alirefund/store"
	"github.com/alirefund/alirefund/store/sqlstore"
	"github.com/alirefund/alirefund/store/storetest"
)

func TestMigrateByManyAtOnce(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		pools := []database{d, d}
		pools[1].DB = d.connect(t)
		start := make(chan struct{})
		var wg sync.WaitGroup
		for n := range 8 {
			wg.Go(func() {
				<-start
				if err := sqlstore.Migrate(t.Context(), pools[n%2].DB, d.dialect, sqlstore.Prefix(d.prefix)); err != nil {
					t.Error(err)
				}
			})
		}
		close(start)
		wg.Wait()
		if versions := d.number(t, "SELECT COUNT(*) FROM {t}version"); versions != 1 {
			t.Errorf("%d versions", versions)
		}
		open(t, d.store(t, d.DB), "1")
		d.migrate(t) // changes nothing
		open(t, d.store(t, d.DB), "2")
	})
}

// One migrates at a time: who holds the lock makes the others wait.
func TestMigrateWaits(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		d.migrate(t)
		d.exec(t, "UPDATE {t}version SET version = 0")
		for _, table := range []string{"claims", "orders", "refunds"} {
			d.exec(t, "DROP TABLE {t}"+table)
		}
		id := fnv.New64a()
		_, _ = id.Write([]byte("alirefund " + d.prefix))
		lock := []string{"BEGIN", "SELECT pg_advisory_xact_lock({id})"}
		switch d.dialect {
		case sqlstore.MySQL:
			lock[1] = "UPDATE {t}version SET version = version"
		case sqlstore.SQLite:
			lock = []string{"BEGIN IMMEDIATE"}
		}
		conn, err := d.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		run := func(query string) {
			t.Helper()
			query = strings.ReplaceAll(d.text(query), "{id}", strconv.FormatInt(int64(id.Sum64()), 10))
			if _, err := conn.ExecContext(t.Context(), query); err != nil {
				t.Fatal(err)
			}
		}
		for _, query := range lock {
			run(query)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		if err := sqlstore.Migrate(ctx, d.DB, d.dialect, sqlstore.Prefix(d.prefix)); err == nil || ctx.Err() == nil {
			t.Errorf("Migrate: %v; want that it waits", err)
		}
		if _, err := d.ExecContext(t.Context(), d.text("SELECT 1 FROM {t}claims")); err == nil {
			t.Error("it has begun")
		}
		run("ROLLBACK")
		d.migrate(t)
	})
}

// On MySQL each wants two connections. Of a pool that has two, none waits for ever; one
// that has one is refused.
func TestMigrateByManyOfASmallPool(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		if d.dialect == sqlstore.MySQL {
			d.SetMaxOpenConns(1)
			if err := sqlstore.Migrate(t.Context(), d.DB, d.dialect, sqlstore.Prefix(d.prefix)); err == nil || !strings.Contains(err.Error(), "two connections") {
				t.Errorf("by one connection: %v", err)
			}
		}
		d.SetMaxOpenConns(2)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() { d.migrate(t) })
		}
		wg.Wait()
		claim(t, d.store(t, d.DB))
	})
}

// Whoever dies in the middle of it holds nobody up.
func TestProcessDiesInTheMigration(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		cmd, _, _ := d.process(t, "die in the migration")
		var exit *exec.ExitError
		if err := cmd.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("the process ended with %v", err)
		}
		if _, err := sqlstore.New(d.DB, d.dialect, sqlstore.Prefix(d.prefix)); !errors.Is(err, sqlstore.ErrNotMigrated) {
			t.Errorf("New in between: %v", err)
		}
		d.migrate(t)
		claim(t, d.store(t, d.DB))
	})
}

func dieInTheMigration(ctx context.Context, d database, _ *sqlstore.Store) error {
	s := &spy{inner: d.Driver(), dsn: d.url, before: func(text string) (string, error) {
		if strings.Contains(text, "CREATE INDEX") && strings.Contains(text, "_auth_no") {
			return text, syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
		return text, nil
	}}
	return fmt.Errorf("still alive: %w", sqlstore.Migrate(ctx, sql.OpenDB(s), d.dialect, sqlstore.Prefix(d.prefix)))
}

// Servers that are not here, as far as they refuse or ignore what the one that is here
// knows: OceanBase's GET_LOCK, and SKIP LOCKED as different versions of TiDB have it.
func TestContractWithoutLocksThatOthersLack(t *testing.T) {
	const skip = " FOR UPDATE SKIP LOCKED"
	syntax := &mysql.MySQLError{Number: 1064, SQLState: [5]byte([]byte("42000")), Message: `You have an error in your SQL syntax; line 1 near "SKIP LOCKED"`}
	notYet := &mysql.MySQLError{Number: 1235, SQLState: [5]byte([]byte("42000")), Message: "This version doesn't yet support 'SKIP LOCKED'"}
	for _, test := range []struct {
		name   string
		engine engine
		err    error // nil: the lock is ignored without a word
	}{
		{"MySQL, a syntax error", engines[2], syntax},
		{"MySQL, not yet supported", engines[2], notYet},
		{"MySQL, ignored", engines[2], nil},
		{"PostgreSQL, not supported", engines[1], &pgconn.PgError{Code: "0A000", Message: "SKIP LOCKED is not supported"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			storetest.Run(t, func(t *testing.T) store.Store {
				d := test.engine.open(t)
				db, s := d.spied(t)
				db.SetMaxOpenConns(16)
				var refusals atomic.Int32
				s.before = func(text string) (string, error) {
					switch plain, skips := strings.CutSuffix(text, skip); {
					case strings.Contains(text, "GET_LOCK"):
						return text, &mysql.MySQLError{Number: 1305, SQLState: [5]byte([]byte("42000")), Message: "FUNCTION GET_LOCK does not exist"}
					case skips && test.err != nil:
						refusals.Add(1)
						return text, test.err
					default:
						return plain, nil
					}
				}
				t.Cleanup(func() {
					if refusals.Load() > 16 { // of those who asked before the first was refused
						t.Errorf("SKIP LOCKED was refused %d times, and tried again", refusals.Load())
					}
				})
				if err := sqlstore.Migrate(t.Context(), db, d.dialect, sqlstore.Prefix(d.prefix)); err != nil {
					t.Fatal(err)
				}
				return d.store(t, db)
			})
		})
	}
}

// Only as far as an interrupted one came: MySQL's tables are no transaction.
func TestMigrateGoesOn(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		d.migrate(t)
		if d.dialect != sqlstore.MySQL {
			return // it is all or nothing
		}
		d.exec(t, "DELETE FROM {t}version")
		d.exec(t, "DROP TABLE {t}claims")
		d.exec(t, "DROP INDEX {t}refunds_trade_no ON {t}refunds")
		if _, err := sqlstore.New(d.DB, d.dialect, sqlstore.Prefix(d.prefix)); !errors.Is(err, sqlstore.ErrNotMigrated) {
			t.Errorf("New in between: %v", err)
		}
		d.migrate(t)
		claim(t, d.store(t, d.DB))
	})
}

func TestOtherVersionsAreRefused(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		opens := func(want error) {
			t.Helper()
			if _, err := sqlstore.New(d.DB, d.dialect, sqlstore.Prefix(d.prefix)); !errors.Is(err, want) {
				t.Errorf("New: %v; want %v", err, want)
			}
		}
		opens(sqlstore.ErrNotMigrated)
		d.migrate(t)
		opens(nil)
		d.exec(t, "UPDATE {t}version SET version = version + 1")
		opens(sqlstore.ErrNewer)
		if err := sqlstore.Migrate(t.Context(), d.DB, d.dialect, sqlstore.Prefix(d.prefix)); !errors.Is(err, sqlstore.ErrNewer) {
			t.Errorf("Migrate: %v; want %v", err, sqlstore.ErrNewer)
		}
		d.exec(t, "DELETE FROM {t}version")
		opens(sqlstore.ErrNotMigrated)
	})
}

func TestSchema(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		options := []sqlstore.Option{sqlstore.Prefix("a_"), sqlstore.Schema(strings.TrimSuffix(d.prefix, "_"))}
		if d.dialect == sqlstore.SQLite {
			if err := sqlstore.Migrate(t.Context(), d.DB, d.dialect, options...); err == nil {
				t.Error("SQLite took a schema")
			}
			return
		}
		drop := "DROP SCHEMA {s} CASCADE"
		if d.dialect == sqlstore.MySQL {
			drop = "DROP SCHEMA {s}"
		}
		schema := strings.NewReplacer("{s}", strings.TrimSuffix(d.prefix, "_"))
		d.exec(t, schema.Replace("CREATE SCHEMA {s}"))
		defer d.exec(t, schema.Replace(drop))
		for range 2 {
			if err := sqlstore.Migrate(t.Context(), d.DB, d.dialect, options...); err != nil {
				t.Fatal(err)
			}
		}
		s, err := sqlstore.New(d.DB, d.dialect, options...)
		if err != nil {
			t.Fatal(err)
		}
		open(t, s, "1")
		if n := d.number(t, schema.Replace("SELECT COUNT(*) FROM {s}.a_refunds")); n != 1 {
			t.Errorf("%d refunds in the schema", n)
		}
	})
}

// refund is a refund of 1.00 yuan, as a request makes it.
func refund(order, number string) store.Refund {
	return store.Refund{
		Kind: store.Trade, App: "app", OutTradeNo: order, OutRequestNo: number, Amount: 100,
		Request: store.JSON(`{"out_trade_no":"` + order + `","out_request_no":"` + number + `","refund_amount":"1.00"}`),
		Actor:   "staff", Origin: store.FromRequest, State: store.Pending,
	}.Identify()
}

func open(t testing.TB, s store.Ledger, number string) store.Refund {
	t.Helper()
	r, opened, err := s.Open(t.Context(), refund("order", number), store.Limit{}, nil)
	if err != nil || opened.How != store.Created {
		t.Fatalf("Open = %+v, %v", opened, err)
	}
	return r
}

// succeeded is a refund that its host is to be told of.
func succeeded(t testing.TB, s store.Ledger, number string) store.Refund {
	t.Helper()
	r, _, err := s.Settle(t.Context(), open(t, s, number).ID, store.Settlement{Source: store.ByNotice, Finding: store.Success})
	if err != nil || r.State != store.Succeeded {
		t.Fatalf("Settle = %s, %v", r.State, err)
	}
	return r
}

func claim(t testing.TB, s store.Claims) {
	t.Helper()
	if token, _, err := s.Claim(t.Context(), "key", 1e9); token == "" || err != nil {
		t.Fatalf("Claim = %q, %v", token, err)
	}
}
