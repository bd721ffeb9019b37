package storetest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/alirefund/alirefund/store"
)

// notice is one that is taken together with what it says.
func notice(token string) store.Notice {
	return store.Notice{Key: "notice", Token: token, Lease: long, Keep: long}
}

// says is a success that the notice tells, and that the caller delivers.
func says(n store.Notice) store.Settlement {
	return store.Settlement{Source: store.ByNotice, Finding: store.Success, Claim: n.Token, ClaimFor: long, Notice: n}
}

// taken expects that settling by the notice fails, and changes nothing.
func taken(t *testing.T, s store.Store, id string) {
	t.Helper()
	before := mustGet(t, s, id)
	if _, changed, err := s.Settle(t.Context(), id, says(notice("late"))); changed || !errors.Is(err, store.ErrTaken) {
		t.Fatalf("Settle: changed %v, %v; want ErrTaken", changed, err)
	}
	same(t, "after ErrTaken", mustGet(t, s, id), before)
}

// deliveredBy marks a success as delivered, and completes a notice.
func deliveredBy(t *testing.T, s store.Store, id, token string, n store.Notice, wantHeld, wantCompleted bool) {
	t.Helper()
	if held, completed, err := s.Delivered(t.Context(), id, success, token, n); err != nil || held != wantHeld || completed != wantCompleted {
		t.Fatalf("Delivered = %v, %v, %v; want %v, %v", held, completed, err, wantHeld, wantCompleted)
	}
}

var noticeTests = []test{
	{"taken with what it says, and completed with its delivery", func(t *testing.T, s store.Store) {
		r := mustOpen(t, s, trade("order", "number"), unlimited, store.Created)
		mustSettle(t, s, r.ID, says(notice("mine")))
		claim(t, s, "notice", long, anothers)
		taken(t, s, r.ID)
		deliveredBy(t, s, r.ID, "mine", notice("mine"), true, true)
		claim(t, s, "notice", long, done)
		taken(t, s, r.ID)
	}},
	{"done at once where nothing is to be told", func(t *testing.T, s store.Store) {
		id := succeeded(t, s)
		delivered(t, s, id, success, deliver(t, s, id, success, long, owned), true)
		mustSettle(t, s, id, says(notice("mine")))
		claim(t, s, "notice", long, done)
	}},
	{"the same again finds what it did", func(t *testing.T, s store.Store) {
		r := mustOpen(t, s, trade("order", "number"), unlimited, store.Created)
		mustSettle(t, s, r.ID, says(notice("mine")))
		mustSettle(t, s, r.ID, says(notice("mine")))
		deliveredBy(t, s, r.ID, "mine", notice("mine"), true, true)
	}},
	{"not taken where somebody has it", func(t *testing.T, s store.Store) {
		r := mustOpen(t, s, trade("order", "number"), unlimited, store.Created)
		token := claim(t, s, "notice", long, owned)
		taken(t, s, r.ID)
		release(t, s, "notice", token, true)
		mustSettle(t, s, r.ID, says(notice("mine")))
	}},
	{"a taken one can be given back", func(t *testing.T, s store.Store) {
		r := mustOpen(t, s, trade("order", "number"), unlimited, store.Created)
		mustSettle(t, s, r.ID, says(notice("mine")))
		release(t, s, "notice", "other", false)
		release(t, s, "notice", "mine", true)
		claim(t, s, "notice", long, owned)
	}},
	{"a lease of it that ran out is another's to take", func(t *testing.T, s store.Store) {
		r := mustOpen(t, s, trade("order", "number"), unlimited, store.Created)
		n := notice("mine")
		n.Lease = short
		mustSettle(t, s, r.ID, says(n))
		outlast()
		token := claim(t, s, "notice", long, owned)
		deliveredBy(t, s, r.ID, "mine", n, true, false)
		complete(t, s, "notice", token, long, true)
	}},
	{"who has not the delivery completes nothing", func(t *testing.T, s store.Store) {
		r := mustOpen(t, s, trade("order", "number"), unlimited, store.Created)
		mustSettle(t, s, r.ID, says(notice("mine")))
		deliveredBy(t, s, r.ID, "other", notice("mine"), false, false)
		claim(t, s, "notice", long, anothers)
	}},
	{"of an unknown refund it is not taken", func(t *testing.T, s store.Store) {
		_, _, err := s.Settle(t.Context(), "rf_unknown", says(notice("mine")))
		wantNotFound(t, "Settle", err)
		claim(t, s, "notice", long, owned)
	}},
	{"one of many takes it", func(t *testing.T, s store.Store) {
		r := mustOpen(t, s, trade("order", "number"), unlimited, store.Created)
		var got tally
		race(func(n int) {
			_, changed, err := s.Settle(t.Context(), r.ID, says(notice(fmt.Sprint(n))))
			if errors.Is(err, store.ErrTaken) {
				err = nil
			}
			got.add(changed, err)
		})
		got.want(t, map[string]int{"true": 1, "false": racers - 1})
	}},
	{"it is forgotten when its time is over", func(t *testing.T, s store.Store) {
		id := succeeded(t, s)
		delivered(t, s, id, success, deliver(t, s, id, success, long, owned), true)
		n := notice("mine")
		n.Keep = short
		mustSettle(t, s, id, says(n))
		outlast()
		claim(t, s, "notice", long, owned)
	}},
}

// learns delivers a success together with what was learnt.
func learns(t *testing.T, tx store.Transactor, id string, s store.Settlement, h hook) (store.Refund, bool, error) {
	t.Helper()
	s.Claim, s.ClaimFor = "", 0
	return tx.DeliverTx(t.Context(), id, success, &s, h)
}

var learntTests = []test{
	{"what was learnt, the host's word and the mark are one", transactor(func(t *testing.T, s store.Store, tx store.Transactor) {
		r := mustOpen(t, s, trade("order", "number"), unlimited, store.Created)
		ran := 0
		got, delivered, err := learns(t, tx, r.ID, says(notice("mine")), func(_ context.Context, _ *sql.Tx, r store.Refund) error {
			if ran++; r.State != store.Succeeded || r.WasDelivered(success) {
				t.Errorf("the hook is told of %+v", r)
			}
			return nil
		})
		if err != nil || !delivered || ran != 1 || !got.WasDelivered(success) {
			t.Fatalf("DeliverTx = %+v, %v, %v; the hook ran %d times", got, delivered, err, ran)
		}
		same(t, "DeliverTx", mustGet(t, s, r.ID), got)
		claim(t, s, "notice", long, done)
	})},
	{"what was learnt stands though the hook fails", transactor(func(t *testing.T, s store.Store, tx store.Transactor) {
		r := mustOpen(t, s, trade("order", "number"), unlimited, store.Created)
		failure := errors.New("the host was down")
		got, delivered, err := learns(t, tx, r.ID, says(notice("mine")), func(context.Context, *sql.Tx, store.Refund) error { return failure })
		if !errors.Is(err, failure) || delivered || got.State != store.Succeeded {
			t.Fatalf("DeliverTx = %+v, %v, %v", got, delivered, err)
		}
		now := mustGet(t, s, r.ID)
		same(t, "DeliverTx", now, got)
		if len(now.Due()) != 1 || now.Deliveries[0].Error != "the host was down" || now.Deliveries[0].Tries != 1 {
			t.Errorf("recorded %+v", now)
		}
		claim(t, s, "notice", long, owned) // which was not taken
	})},
	{"where nothing is to be told it is settled alone", transactor(func(t *testing.T, s store.Store, tx store.Transactor) {
		id := succeeded(t, s)
		delivered(t, s, id, success, deliver(t, s, id, success, long, owned), true)
		n := len(mustGet(t, s, id).History)
		got, delivered, err := learns(t, tx, id, says(notice("mine")), never(t))
		if err != nil || !delivered || len(got.History) != n+1 {
			t.Errorf("DeliverTx = %+v, %v, %v", got, delivered, err)
		}
		same(t, "DeliverTx", mustGet(t, s, id), got)
		claim(t, s, "notice", long, done)
	})},
	{"a notification that is taken tells nobody", transactor(func(t *testing.T, s store.Store, tx store.Transactor) {
		r := mustOpen(t, s, trade("order", "number"), unlimited, store.Created)
		claim(t, s, "notice", long, owned)
		if _, delivered, err := learns(t, tx, r.ID, says(notice("mine")), never(t)); delivered || !errors.Is(err, store.ErrTaken) {
			t.Errorf("DeliverTx = %v, %v", delivered, err)
		}
		if got := mustGet(t, s, r.ID); got.State != store.Pending {
			t.Errorf("it is %s", got.State)
		}
	})},
	{"one of many learns, and tells", transactor(func(t *testing.T, s store.Store, tx store.Transactor) {
		r := mustOpen(t, s, trade("order", "number"), unlimited, store.Created)
		var got tally
		race(func(n int) {
			p := notice(fmt.Sprint(n))
			p.Key += p.Token
			_, delivered, err := learns(t, tx, r.ID, says(p), func(context.Context, *sql.Tx, store.Refund) error {
				time.Sleep(time.Millisecond)
				return nil
			})
			got.add(delivered, err)
		})
		got.want(t, map[string]int{"true": racers})
		if d := mustGet(t, s, r.ID).Deliveries; len(d) != 1 || !d[0].Done || d[0].Tries != 1 {
			t.Errorf("delivered %+v", d)
		}
	})},
}
