package conformance

import (
	"context"
	"errors"
	"hash/fnv"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alirefund/alirefund/store"
	"github.com/alirefund/alirefund/store/sqlstore"
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
		id := fnv.New64a()
		_, _ = id.Write([]byte("alirefund " + d.prefix))
		lock, unlock := "SELECT pg_advisory_lock({id})", "SELECT pg_advisory_unlock({id})"
		switch d.dialect {
		case sqlstore.MySQL:
			lock, unlock = "SELECT GET_LOCK('alirefund {id}', 9)", "SELECT RELEASE_LOCK('alirefund {id}')"
		case sqlstore.SQLite:
			lock, unlock = "BEGIN IMMEDIATE", "ROLLBACK"
		}
		conn, err := d.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		run := func(query string) {
			t.Helper()
			query = strings.ReplaceAll(query, "{id}", strconv.FormatInt(int64(id.Sum64()), 10))
			if _, err := conn.ExecContext(t.Context(), query); err != nil {
				t.Fatal(err)
			}
		}
		run(lock)
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		if err := sqlstore.Migrate(ctx, d.DB, d.dialect, sqlstore.Prefix(d.prefix)); err == nil || ctx.Err() == nil {
			t.Errorf("Migrate: %v; want that it waits", err)
		}
		if _, err := d.ExecContext(t.Context(), d.text("INSERT INTO {t}version (version) VALUES (0)")); err == nil {
			t.Error("it has begun")
		}
		run(unlock)
		d.migrate(t)
	})
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
