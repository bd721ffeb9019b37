package conformance

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/alirefund/alirefund/store"
	"github.com/alirefund/alirefund/store/sqlstore"
)

// MySQL ends the whole transaction of whom it lets lose a deadlock, and the
// mark with it: a hook that only repeats its statement is then told again.
func TestHookThatSwallowsADeadlock(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		if d.dialect == sqlstore.SQLite {
			return
		}
		s := d.migrate(t).host(t).store(t, d.DB)
		d.exec(t, "CREATE UNIQUE INDEX {t}host_refund ON {t}host (refund)")
		d.exec(t, "INSERT INTO {t}host (refund) VALUES ('a'), ('b')")
		r := succeeded(t, s, "1")
		_, done, err := s.DeliverTx(t.Context(), r.ID, success, nil, func(ctx context.Context, tx *sql.Tx, r store.Refund) error {
			other, err := d.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			for n := range 50 { // the heavier one survives
				if _, err := other.ExecContext(ctx, d.text("INSERT INTO {t}host (refund) VALUES (?)"), fmt.Sprint("heavy", n)); err != nil {
					return err
				}
			}
			lock := func(tx *sql.Tx, row string) error {
				_, err := tx.ExecContext(ctx, d.text("SELECT refund FROM {t}host WHERE refund = ? FOR UPDATE"), row)
				return err
			}
			if err := errors.Join(lock(tx, "a"), lock(other, "b")); err != nil {
				return err
			}
			ended := make(chan error, 1)
			go func() { ended <- errors.Join(lock(other, "a"), other.Rollback()) }()
			time.Sleep(200 * time.Millisecond)
			err = lock(tx, "b")
			if otherErr := <-ended; otherErr != nil && err == nil {
				t.Logf("the other lost: %v", otherErr)
			}
			t.Logf("the hook's statement: %v", err)
			return d.hosts(ctx, tx, r) // as if nothing had been
		})
		t.Logf("DeliverTx = %v, %v", done, err)
		if got, _ := s.Get(t.Context(), r.ID); done != got.WasDelivered(success) {
			t.Errorf("DeliverTx says done=%v, the record delivered=%v", done, got.WasDelivered(success))
		}
	})
}

// A hook that ended the transaction, against the rule, and then fails: its event
// must not count as told.
func TestHookThatCommitsAndFails(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		s := d.migrate(t).host(t).store(t, d.DB)
		r := succeeded(t, s, "1")
		_, done, err := s.DeliverTx(t.Context(), r.ID, success, nil, func(ctx context.Context, tx *sql.Tx, r store.Refund) error {
			if d.dialect == sqlstore.MySQL { // commits by itself
				_, err := tx.ExecContext(ctx, d.text("CREATE INDEX {t}host_i ON {t}host (refund)"))
				return errors.Join(err, errors.New("the hook failed after that"))
			}
			return errors.Join(tx.Commit(), errors.New("the hook failed after that"))
		})
		if done || err == nil {
			t.Errorf("DeliverTx = %v, %v", done, err)
		}
		if got, _ := s.Get(t.Context(), r.ID); got.WasDelivered(success) || got.Next.IsZero() {
			t.Errorf("the hook failed, and its event counts as told: lost; %+v", got.Deliveries)
		}
	})
}

// The host's own constraint, checked at the commit, fails for ever: that is the
// hook's failure, recorded as such.
func TestHostsDeferredConstraintIsNoConflict(t *testing.T) {
	d := engines[1].open(t).migrate(t)
	s := d.store(t, d.DB)
	d.exec(t, "CREATE TABLE {t}host (refund VARCHAR(64) NOT NULL UNIQUE DEFERRABLE INITIALLY DEFERRED)")
	d.exec(t, "INSERT INTO {t}host (refund) VALUES ('taken')")
	r := succeeded(t, s, "1")
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	calls := 0
	_, _, err := s.DeliverTx(ctx, r.ID, success, nil, func(ctx context.Context, tx *sql.Tx, _ store.Refund) error {
		calls++
		_, err := tx.ExecContext(ctx, d.text("INSERT INTO {t}host (refund) VALUES ('taken')"))
		return err
	})
	got, _ := s.Get(t.Context(), r.ID)
	if calls > 3 || len(got.Deliveries) == 0 || got.Deliveries[0].Error == "" {
		t.Errorf("the hook ran %d times in 3 s, and the record says %+v: %v", calls, got.Deliveries, err)
	}
}

// Texts that no record can hold find nothing; they are no failure of the store.
func TestImpossibleIDsAreNotFound(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		s := d.migrate(t).store(t, d.DB)
		for _, text := range []string{"rf_\x00", "rf_\xff", "'"} {
			if _, err := s.Get(t.Context(), text); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("Get(%q): %v", text, err)
			}
			if list, err := s.List(t.Context(), store.Filter{App: "app", OutTradeNo: text}); len(list) != 0 || err != nil {
				t.Errorf("List(%q): %v", text, err)
			}
			if list, err := s.List(t.Context(), store.Filter{App: "app", After: store.Cursor{CreatedAt: time.Unix(1, 0), ID: text}}); len(list) != 0 || err != nil {
				t.Errorf("List after %q: %v", text, err)
			}
		}
	})
}

// On connections that do not commit by themselves.
func TestWithoutAutocommit(t *testing.T) {
	e := engines[2]
	dsn := e.dsn
	e.dsn = func(dir string) string { return withParameters(dsn(dir), "autocommit=0") }
	d := e.open(t).migrate(t)
	s, err := sqlstore.New(d.DB, d.dialect, sqlstore.Prefix(d.prefix))
	if err != nil {
		t.Logf("refused: %v", err)
		return
	}
	r := open(t, s, "1")
	if _, _, err := s.Settle(t.Context(), r.ID, store.Settlement{Source: store.ByQuery, TradeNo: "learnt"}); err != nil {
		t.Fatal(err)
	}
	_ = d.Close() // the process dies
	plain := engines[2]
	db, err := sql.Open(plain.driver, plain.dsn(""))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	s2, err := sqlstore.New(db, d.dialect, sqlstore.Prefix(d.prefix))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s2.Get(t.Context(), r.ID); err != nil || got.TradeNo != "learnt" {
		t.Errorf("what was settled is not in the database: %q, %v", got.TradeNo, err)
	}
	for _, table := range []string{"refunds", "orders", "claims", "version"} {
		_, _ = db.ExecContext(context.Background(), "DROP TABLE IF EXISTS "+d.prefix+table)
	}
}
