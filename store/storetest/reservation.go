package storetest

import (
	"fmt"
	"testing"

	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/store"
)

// sized is a refund of an order, of so many fen.
func sized(order string, fen money.Amount) store.Refund {
	r := trade(order, fmt.Sprint("of ", fen))
	r.Amount = fen
	return r
}

// over opens r and expects that the order has only left for it.
func over(t *testing.T, s store.Store, r store.Refund, limit store.Limit, left money.Amount) {
	t.Helper()
	_, opened, err := s.Open(t.Context(), r, limit, nil)
	if want := (store.Opened{How: store.OverLimit, Left: left}); err != nil || opened != want {
		t.Fatalf("Open = %+v, %v; want %+v", opened, err, want)
	}
}

var reservationTests = []test{
	{"pending and succeeded count", func(t *testing.T, s store.Store) {
		mustOpen(t, s, sized("order", 60), total(100), store.Created)
		over(t, s, sized("order", 41), total(100), 40)
		_, err := s.Get(t.Context(), sized("order", 41).ID)
		wantNotFound(t, "Get", err)
		succeed(t, s, sized("order", 60).ID)
		over(t, s, sized("order", 41), total(100), 40)
		mustOpen(t, s, sized("order", 40), total(100), store.Created)
		over(t, s, sized("order", 1), total(100), 0)
		mustOpen(t, s, sized("order", 60), total(100), store.Exists)
	}},
	{"a failure frees", func(t *testing.T, s store.Store) {
		mustOpen(t, s, sized("order", 60), total(100), store.Created)
		fail(t, s, sized("order", 60).ID, false)
		mustOpen(t, s, sized("order", 100), total(100), store.Created)
	}},
	{"a failure that was a success counts again", func(t *testing.T, s store.Store) {
		mustOpen(t, s, sized("order", 60), total(100), store.Created)
		fail(t, s, sized("order", 60).ID, false)
		succeed(t, s, sized("order", 60).ID)
		over(t, s, sized("order", 41), total(100), 40)
	}},
	{"reopening reserves again", func(t *testing.T, s store.Store) {
		mustOpen(t, s, sized("order", 60), total(100), store.Created)
		fail(t, s, sized("order", 60).ID, true)
		mustOpen(t, s, sized("order", 50), total(100), store.Created)
		over(t, s, sized("order", 60), total(100), 50)
		if got := mustGet(t, s, sized("order", 60).ID); got.State != store.Failed {
			t.Errorf("over the limit, and it is %s", got.State)
		}
		fail(t, s, sized("order", 50).ID, false)
		mustOpen(t, s, sized("order", 60), total(60), store.Reopened) // its own amount is not in its way
		over(t, s, sized("order", 1), total(60), 0)
	}},
	{"an unknown total limits nothing, but its refunds count", func(t *testing.T, s store.Store) {
		mustOpen(t, s, sized("order", 60), unlimited, store.Created)
		mustOpen(t, s, sized("order", 70), store.Limit{Total: 100}, store.Created)
		over(t, s, sized("order", 1), total(100), 0) // more than all is gone: nothing is left, not less
		over(t, s, sized("order", 80), total(200), 70)
	}},
	{"a known total of nothing is known", func(t *testing.T, s store.Store) {
		over(t, s, sized("order", 1), total(0), 0)
	}},
	{"what notices taught counts", func(t *testing.T, s store.Store) {
		console := sized("order", 60)
		console.Origin, console.State = store.FromNotice, store.Succeeded
		mustOpen(t, s, console, unlimited, store.Created)
		over(t, s, sized("order", 41), total(100), 40)
		later := sized("order", 0)
		later.Origin, later.State = store.FromNotice, store.Succeeded
		mustOpen(t, s, later, unlimited, store.Created)
		mustSettle(t, s, later.ID, store.Settlement{Source: store.ByQuery, Amount: 30}) // its amount, asked for later
		over(t, s, sized("order", 41), total(100), 10)
	}},
	{"each order has its own total", func(t *testing.T, s store.Store) {
		mustOpen(t, s, sized("order", 100), total(100), store.Created)
		mustOpen(t, s, sized("Order", 100), total(100), store.Created)
		mustOpen(t, s, sized("order ", 100), total(100), store.Created)
		for _, change := range []func(*store.Refund){
			func(r *store.Refund) { r.App = "other" },
			func(r *store.Refund) { r.Merchant = "other" },
			func(r *store.Refund) { r.Kind, r.AuthNo = store.Coupon, "order" },
		} {
			r := sized("order", 100)
			change(&r)
			mustOpen(t, s, r.Identify(), total(100), store.Created)
		}
	}},
	{"a red packet's total is that of its auth_no", func(t *testing.T, s store.Store) {
		mustOpen(t, s, coupon("auth", "one"), total(150), store.Created)
		over(t, s, coupon("auth", "two"), total(150), 50)
		mustOpen(t, s, coupon("other", "two"), total(150), store.Created)
	}},
}
