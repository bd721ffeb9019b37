package conformance

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"github.com/alirefund/alirefund/store"
	"github.com/alirefund/alirefund/store/sqlstore"
)

// What the host's own constraint says at the commit no repetition heals: it is
// the hook's failure, and recorded.
func TestHostsConstraintFailsAtTheCommit(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		if d.dialect != sqlstore.PostgreSQL {
			return // only there is a unique constraint deferred
		}
		s := d.migrate(t).store(t, d.DB)
		d.exec(t, "CREATE TABLE {t}host (refund TEXT UNIQUE DEFERRABLE INITIALLY DEFERRED)")
		r := succeeded(t, s, "1")
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		ran := 0
		done, err := s.DeliverTx(ctx, r.ID, success, func(ctx context.Context, tx *sql.Tx, r store.Refund) error {
			ran++
			_, err := tx.ExecContext(ctx, d.text("INSERT INTO {t}host (refund) VALUES (?), (?)"), r.ID, r.ID)
			return err
		})
		if done || err == nil || ran != 1 {
			t.Errorf("DeliverTx = %v, %v; the hook ran %d times", done, err, ran)
		}
		if got, err := s.Get(t.Context(), r.ID); err != nil || len(got.Deliveries) != 1 || got.Deliveries[0].Error == "" {
			t.Errorf("recorded %+v, %v", got.Deliveries, err)
		}
	})
}
