package storetest

import (
	"testing"
	"time"

	"github.com/alirefund/alirefund/store"
)

// deliver expects one verdict of a Deliver and returns the token.
func deliver(t *testing.T, s store.Store, id string, event store.Event, lease time.Duration, want verdict) string {
	t.Helper()
	token, isDone, err := s.Deliver(t.Context(), id, event, lease)
	got := anothers
	switch {
	case err != nil:
		t.Fatal("Deliver:", err)
	case isDone && token != "":
		t.Fatal("Deliver: done, and a token")
	case isDone:
		got = done
	case token != "":
		got = owned
	}
	if got != want {
		t.Fatalf("Deliver(%s): %s; want %s", event, got, want)
	}
	return token
}

func delivered(t *testing.T, s store.Store, id string, event store.Event, token string, want bool) {
	t.Helper()
	if held, _, err := s.Delivered(t.Context(), id, event, token, store.Notice{}); err != nil || held != want {
		t.Fatalf("Delivered(%s) = %v, %v; want %v", event, held, err, want)
	}
}

func undelivered(t *testing.T, s store.Store, id string, event store.Event, token string, want bool) {
	t.Helper()
	if held, err := s.Undelivered(t.Context(), id, event, token, "the host was down"); err != nil || held != want {
		t.Fatalf("Undelivered(%s) = %v, %v; want %v", event, held, err, want)
	}
}

// succeeded returns the id of a refund that succeeded.
func succeeded(t *testing.T, s store.Store) string {
	t.Helper()
	r := mustOpen(t, s, trade("order", "number"), unlimited, store.Created)
	succeed(t, s, r.ID)
	return r.ID
}

const success = store.RefundSucceeded

var deliverTests = []test{
	{"delivered once", func(t *testing.T, s store.Store) {
		id := succeeded(t, s)
		token := deliver(t, s, id, success, long, owned)
		deliver(t, s, id, success, long, anothers)
		delivered(t, s, id, success, token, true)
		deliver(t, s, id, success, long, done)
		if got := mustGet(t, s, id); !got.WasDelivered(success) || len(got.Due()) != 0 {
			t.Errorf("delivered %v, due %v", got.Deliveries, got.Due())
		}
	}},
	{"what is not true is not to be told", func(t *testing.T, s store.Store) {
		r := mustOpen(t, s, trade("order", "number"), unlimited, store.Created)
		deliver(t, s, r.ID, success, long, done)
		deliver(t, s, r.ID, store.RefundFailed, long, done)
		deliver(t, s, r.ID, store.RefundUnresolved, long, done)
		deliver(t, s, r.ID, "something else", long, done)
		mustSettle(t, s, r.ID, store.Settlement{Source: store.ByQuery, Attention: "look"})
		deliver(t, s, r.ID, store.RefundUnresolved, long, owned)
	}},
	{"undelivered comes again, with its reason", func(t *testing.T, s store.Store) {
		id := succeeded(t, s)
		first := deliver(t, s, id, success, long, owned)
		undelivered(t, s, id, success, first, true)
		got := mustGet(t, s, id)
		if len(got.Deliveries) != 1 || got.Deliveries[0].Error != "the host was down" || got.Deliveries[0].Tries != 1 || got.Deliveries[0].Done {
			t.Errorf("deliveries %+v", got.Deliveries)
		}
		second := deliver(t, s, id, success, long, owned)
		if first == second {
			t.Error("two deliveries got the same token")
		}
		delivered(t, s, id, success, first, false)
		delivered(t, s, id, success, second, true)
		if got := mustGet(t, s, id); got.Deliveries[0].Tries != 2 || got.Deliveries[0].Error != "" {
			t.Errorf("deliveries %+v", got.Deliveries)
		}
	}},
	{"another's word has no effect", func(t *testing.T, s store.Store) {
		id := succeeded(t, s)
		delivered(t, s, id, success, "", false)
		undelivered(t, s, id, success, "", false)
		token := deliver(t, s, id, success, long, owned)
		for _, wrong := range []string{"", "nobody's", token + " ", token[1:]} {
			delivered(t, s, id, success, wrong, false)
			undelivered(t, s, id, success, wrong, false)
		}
		delivered(t, s, id, store.RefundFailed, token, false)
		deliver(t, s, id, success, long, anothers)
		delivered(t, s, id, success, token, true)
		undelivered(t, s, id, success, token, false)
		undelivered(t, s, id, success, "", false)
		deliver(t, s, id, success, long, done)
	}},
	{"a lease that ran out is another's to take", func(t *testing.T, s store.Store) {
		id := succeeded(t, s)
		slow := deliver(t, s, id, success, short, owned)
		outlast()
		fast := deliver(t, s, id, success, long, owned)
		delivered(t, s, id, success, slow, false)
		undelivered(t, s, id, success, slow, false)
		deliver(t, s, id, success, long, anothers)
		delivered(t, s, id, success, fast, true)
		undelivered(t, s, id, success, slow, false)
		deliver(t, s, id, success, long, done)
	}},
	{"a lease that ran out and nobody took is still held", func(t *testing.T, s store.Store) {
		id := succeeded(t, s)
		late := deliver(t, s, id, success, short, owned)
		outlast()
		delivered(t, s, id, success, late, true)
		deliver(t, s, id, success, long, done)
	}},
	{"a delivered failure does not swallow a later success", func(t *testing.T, s store.Store) {
		r := mustOpen(t, s, trade("order", "number"), unlimited, store.Created)
		fail(t, s, r.ID, false)
		delivered(t, s, r.ID, store.RefundFailed, deliver(t, s, r.ID, store.RefundFailed, long, owned), true)
		deliver(t, s, r.ID, store.RefundFailed, long, done)
		succeed(t, s, r.ID)
		delivered(t, s, r.ID, success, deliver(t, s, r.ID, success, long, owned), true)
		deliver(t, s, r.ID, success, long, done)
	}},
	{"a second failure of a reopened refund is told again", func(t *testing.T, s store.Store) {
		r := mustOpen(t, s, trade("order", "number"), unlimited, store.Created)
		fail(t, s, r.ID, true)
		late := deliver(t, s, r.ID, store.RefundFailed, long, owned)
		mustOpen(t, s, r, unlimited, store.Reopened)
		fail(t, s, r.ID, true)
		delivered(t, s, r.ID, store.RefundFailed, late, false) // it told of the first
		delivered(t, s, r.ID, store.RefundFailed, deliver(t, s, r.ID, store.RefundFailed, long, owned), true)
	}},
	{"what settles it may take the delivery", func(t *testing.T, s store.Store) {
		r := mustOpen(t, s, trade("order", "number"), unlimited, store.Created)
		got, _ := mustSettle(t, s, r.ID, store.Settlement{Source: store.ByQuery, Claim: "mine", ClaimFor: long})
		if got.DeliveryLease(success).Token != "" || len(got.Deliveries) != 0 {
			t.Errorf("nothing is to be told, and %+v", got.Deliveries)
		}
		got, _ = mustSettle(t, s, r.ID, store.Settlement{Source: store.ByQuery, Finding: store.Success, Claim: "mine", ClaimFor: long})
		if got.DeliveryLease(success).Token != "mine" {
			t.Errorf("the delivery is %+v", got.Deliveries)
		}
		deliver(t, s, r.ID, success, long, anothers)
		due(t, s, long, 9)
		// Another learns the same, and gets nothing.
		got, _ = mustSettle(t, s, r.ID, store.Settlement{
			Source: store.ByNotice, Finding: store.Success, Claim: "other", ClaimFor: long,
		})
		if got.DeliveryLease(success).Token != "mine" {
			t.Errorf("the delivery is %+v", got.Deliveries)
		}
		delivered(t, s, r.ID, success, "other", false)
		delivered(t, s, r.ID, success, "mine", true)
		deliver(t, s, r.ID, success, long, done)
	}},
	{"a delivery taken so runs out", func(t *testing.T, s store.Store) {
		r := mustOpen(t, s, trade("order", "number"), unlimited, store.Created)
		mustSettle(t, s, r.ID, store.Settlement{
			Source: store.ByQuery, Finding: store.Success, Claim: "slow", ClaimFor: short,
		})
		due(t, s, long, 9)
		outlast()
		due(t, s, long, 9, "number")
		token := deliver(t, s, r.ID, success, long, owned)
		delivered(t, s, r.ID, success, "slow", false)
		delivered(t, s, r.ID, success, token, true)
	}},
}
