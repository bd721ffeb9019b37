package alirefund_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund/store"
)

// What is replayed is due from then on, and not since it was settled; and the
// history has a word for each of its lines.
func TestReplayIsNotOverdue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.trade()
		stop := s.run()
		defer stop()
		s.expect(s.refund(partly), 200, "succeeded")
		time.Sleep(72 * time.Hour)
		s.hookFails(store.RefundSucceeded, errHost)
		rows, err := s.module.Replay(t.Context(), store.Filter{}, "boss", false)
		if err != nil || len(rows) != 1 {
			t.Fatal(rows, err)
		}
		time.Sleep(23 * time.Hour)
		s.expectTold("refund_succeeded")
		time.Sleep(3 * time.Hour)
		s.expectTold("refund_succeeded refund_unresolved")
		for i, entry := range s.ledger(rows[0].ID).History {
			if entry.What == "" {
				t.Errorf("line %d of the history says what of %+v?", i, entry)
			}
		}
	})
}
