package conformance

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/alirefund/alirefund/store"
	"github.com/alirefund/alirefund/store/sqlstore"
)

// The host locks in another order than the ledger, and the database ends one of
// the two: the ledger then begins again.
func TestDeadlockIsRetried(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		if d.dialect == sqlstore.SQLite {
			return // one lock for all
		}
		s := d.migrate(t).host(t).store(t, d.DB)
		r := open(t, s, "1")
		attempt, err := s.Sending(t.Context(), r.ID, store.Permission{Lease: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		host, err := d.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		exec := func(query string, args ...any) {
			t.Helper()
			if _, err := host.ExecContext(t.Context(), d.text(query), args...); err != nil {
				t.Fatalf("%s: %v", query, err)
			}
		}
		for range 50 { // MySQL ends whoever has written less
			exec("INSERT INTO {t}host (refund) VALUES ('x')")
		}
		exec("UPDATE {t}refunds SET amount = amount + 1 WHERE id = ?", r.ID)
		settled := make(chan error)
		go func() { // locks the order, and waits for the refund
			_, changed, err := s.Settle(t.Context(), r.ID, store.Settlement{
				Source: store.ByAnswer, Attempt: 1, Token: attempt.Token, Finding: store.Refusal,
			})
			if err == nil && !changed {
				err = errors.New("it changed nothing")
			}
			settled <- err
		}()
		time.Sleep(100 * time.Millisecond)
		exec("UPDATE {t}orders SET reserved = reserved + 0 WHERE id = ?", r.OrderID)
		exec("UPDATE {t}refunds SET amount = amount - 1 WHERE id = ?", r.ID)
		if err := errors.Join(host.Commit(), <-settled); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Get(t.Context(), r.ID); err != nil || got.State != store.Failed {
			t.Errorf("it is %s, %v", got.State, err)
		}
		if reserved := d.number(t, "SELECT reserved FROM {t}orders"); reserved != 0 {
			t.Errorf("%d are reserved", reserved)
		}
	})
}

// What is in the way for longer than the caller has time is the caller's to
// hear of.
func TestRetriesEndWithTheContext(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		s := d.migrate(t).store(t, d.DB)
		r := open(t, s, "1")
		other, err := d.connect(t).BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer other.Rollback()
		if _, err := other.ExecContext(t.Context(), d.text("UPDATE {t}refunds SET amount = amount + 1 WHERE id = ?"), r.ID); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		if _, _, err := s.Settle(ctx, r.ID, store.Settlement{Source: store.ByQuery}); err == nil || ctx.Err() == nil {
			t.Errorf("Settle: %v", err)
		}
	})
}

// What this process remembers of a refund that another forgot, and then recorded
// anew, is not taken for it.
func TestForgottenAndRecordedAnew(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		d.migrate(t)
		first, second := d.store(t, d.DB), d.store(t, d.connect(t))
		told := func(s *sqlstore.Store, actor string) store.Refund {
			t.Helper()
			r := refund("order", "1")
			r.Actor = actor
			_, opened, err1 := s.Open(t.Context(), r, store.Limit{}, nil)
			r, _, err2 := s.Settle(t.Context(), r.ID, store.Settlement{
				Source: store.ByNotice, Finding: store.Success, Claim: "mine", ClaimFor: time.Minute,
			})
			held, _, err3 := s.Delivered(t.Context(), r.ID, success, "mine", store.Notice{})
			if err := errors.Join(err1, err2, err3); err != nil || !held || opened.How != store.Created {
				t.Fatal(opened, held, err)
			}
			return r
		}
		r := told(first, "first")
		if n, err := second.Prune(t.Context(), "app", time.Time{}, time.Now().Add(time.Hour)); n != 1 || err != nil {
			t.Fatalf("Prune = %d, %v", n, err)
		}
		told(second, "second")
		if did, err := first.Redeliver(t.Context(), r.ID, success, "somebody"); !did || err != nil {
			t.Fatalf("Redeliver = %v, %v", did, err)
		}
		if got, err := first.Get(t.Context(), r.ID); err != nil || got.Actor != "second" || len(got.Due()) != 1 {
			t.Errorf("it is %q's, due %v, %v", got.Actor, got.Due(), err)
		}
	})
}
