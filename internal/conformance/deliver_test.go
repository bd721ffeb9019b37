package conformance

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/alirefund/alirefund/store"
	"github.com/alirefund/alirefund/store/sqlstore"
)

const success = store.RefundSucceeded

// host makes a table as a host has one.
func (d database) host(t testing.TB) database {
	t.Helper()
	d.exec(t, "CREATE TABLE {t}host (refund VARCHAR(64) NOT NULL)")
	return d
}

// hosts writes what a transactional hook writes.
func (d database) hosts(ctx context.Context, tx *sql.Tx, r store.Refund) error {
	_, err := tx.ExecContext(ctx, d.text("INSERT INTO {t}host (refund) VALUES (?)"), r.ID)
	return err
}

// wantTold expects that the host's row and the mark are both there, or neither.
func (d database) wantTold(t testing.TB, s store.Ledger, id string, told bool) {
	t.Helper()
	rows := d.number(t, "SELECT COUNT(*) FROM {t}host WHERE refund = ?", id)
	r, err := s.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if want := map[bool]int64{true: 1}[told]; rows != want || r.WasDelivered(success) != told || (len(r.Due()) == 0) != told || r.Next.IsZero() != told {
		t.Errorf("%d rows, delivered %v, due %v at %v; want told: %v", rows, r.WasDelivered(success), r.Due(), r.Next, told)
	}
}

func TestHostsRowsAndTheMarkAreOne(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		s := d.migrate(t).host(t).store(t, d.DB)
		r := succeeded(t, s, "1")
		failure := errors.New("the host changed its mind")
		_, _, err := s.DeliverTx(t.Context(), r.ID, success, nil, func(ctx context.Context, tx *sql.Tx, r store.Refund) error {
			return errors.Join(d.hosts(ctx, tx, r), failure)
		})
		if !errors.Is(err, failure) {
			t.Errorf("DeliverTx: %v", err)
		}
		d.wantTold(t, s, r.ID, false)

		ctx, cancel := context.WithCancel(t.Context())
		_, _, err = s.DeliverTx(ctx, r.ID, success, nil, func(ctx context.Context, tx *sql.Tx, r store.Refund) error {
			err := d.hosts(ctx, tx, r)
			cancel() // the client hangs up
			return err
		})
		if err == nil {
			t.Error("a delivery whose context ended came through")
		}
		d.wantTold(t, s, r.ID, false)

		// An error of the database's that the hook swallows.
		_, _, err = s.DeliverTx(t.Context(), r.ID, success, nil, func(ctx context.Context, tx *sql.Tx, r store.Refund) error {
			_, _ = tx.ExecContext(ctx, "SELECT nothing")
			return d.hosts(ctx, tx, r)
		})
		d.wantTold(t, s, r.ID, err == nil) // only PostgreSQL ends a transaction for that

		for range 2 {
			if _, done, err := s.DeliverTx(t.Context(), r.ID, success, nil, d.hosts); !done || err != nil {
				t.Fatalf("DeliverTx = %v, %v", done, err)
			}
			d.wantTold(t, s, r.ID, true)
		}
	})
}

func TestOneOfManyWritesTheHostsRow(t *testing.T) {
	loose := engines[0]
	loose.name, loose.dsn = "SQLite, no pragmas", inFile("") // whose commits fail for being busy
	for _, e := range append(slices.Clone(engines), loose) {
		t.Run(e.name, func(t *testing.T) {
			d := e.open(t).migrate(t).host(t)
			stores := []*sqlstore.Store{d.store(t, d.DB), d.store(t, d.connect(t))}
			r := succeeded(t, stores[0], "1")
			var wg sync.WaitGroup
			for n := range 32 {
				wg.Go(func() {
					if _, done, err := stores[n%2].DeliverTx(t.Context(), r.ID, success, nil, d.hosts); !done || err != nil {
						t.Errorf("DeliverTx = %v, %v", done, err)
					}
				})
			}
			wg.Wait()
			d.wantTold(t, stores[0], r.ID, true)
		})
	}
}

// The server ends the connection between the host's write and the commit.
func TestConnectionLostInTheHook(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		id, kill := "SELECT pg_backend_pid()", "SELECT pg_terminate_backend(?)"
		switch d.dialect {
		case sqlstore.MySQL:
			id, kill = "SELECT CONNECTION_ID()", "KILL ?"
		case sqlstore.SQLite:
			return // it has no connection to lose: see TestProcessDiesInTheHook
		}
		s := d.migrate(t).host(t).store(t, d.DB)
		r := succeeded(t, s, "1")
		_, done, err := s.DeliverTx(t.Context(), r.ID, success, nil, func(ctx context.Context, tx *sql.Tx, r store.Refund) error {
			var connection int64
			if err := tx.QueryRowContext(ctx, id).Scan(&connection); err != nil {
				t.Error(err)
			}
			err := d.hosts(ctx, tx, r)
			d.exec(t, kill, connection)
			return err
		})
		if done || err == nil {
			t.Errorf("DeliverTx = %v, %v", done, err)
		}
		d.wantTold(t, s, r.ID, false)
		if _, done, err := s.DeliverTx(t.Context(), r.ID, success, nil, d.hosts); !done || err != nil {
			t.Fatalf("DeliverTx = %v, %v", done, err)
		}
		d.wantTold(t, s, r.ID, true)
	})
}

// A hook that runs holds up neither the work on other refunds nor, for longer
// than itself, that on its own.
func TestHookHoldsNobodyUp(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		if d.dialect == sqlstore.SQLite {
			return // one writer at a time
		}
		s := d.migrate(t).host(t).store(t, d.DB)
		slow, other := succeeded(t, s, "slow"), succeeded(t, s, "other")
		inHook, goOn, told := make(chan struct{}), make(chan struct{}), make(chan error)
		go func() {
			_, _, err := s.DeliverTx(t.Context(), slow.ID, success, nil, func(ctx context.Context, tx *sql.Tx, r store.Refund) error {
				close(inHook)
				<-goOn
				return d.hosts(ctx, tx, r)
			})
			told <- err
		}()
		<-inHook

		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if due, err := s.Due(ctx, "app", time.Minute, 9, false); err != nil || len(due) != 1 || due[0].ID != other.ID {
			t.Errorf("Due = %d refunds, %v; want the other", len(due), err)
		}
		if _, done, err := s.DeliverTx(ctx, other.ID, success, nil, d.hosts); !done || err != nil {
			t.Errorf("DeliverTx = %v, %v", done, err)
		}
		if got, err := s.Get(ctx, slow.ID); err != nil || got.WasDelivered(success) {
			t.Errorf("Get: delivered %v, %v", got.WasDelivered(success), err)
		}
		learnt := make(chan error)
		go func() {
			_, _, err := s.Settle(ctx, slow.ID, store.Settlement{Source: store.ByQuery, TradeNo: "learnt meanwhile"})
			learnt <- err
		}()
		close(goOn)
		if err := errors.Join(<-told, <-learnt); err != nil {
			t.Error(err)
		}
		d.wantTold(t, s, slow.ID, true)
		d.wantTold(t, s, other.ID, true)
		if got, err := s.Get(ctx, slow.ID); err != nil || got.TradeNo != "learnt meanwhile" {
			t.Errorf("trade_no %q, %v", got.TradeNo, err)
		}
	})
}
