package storetest

import (
	"slices"
	"testing"

	"github.com/alirefund/alirefund/store"
)

const books = "books"

// subscribed opens a refund of which a subscriber hears.
func subscribed(t *testing.T, s store.Store) store.Refund {
	t.Helper()
	r := trade("order", "number")
	r.Subscribed = []store.Event{success.For(books)}
	return mustOpen(t, s, r, unlimited, store.Created)
}

func subscribe(t *testing.T, s store.Store, id string, event store.Event, want bool) {
	t.Helper()
	if did, err := s.Subscribe(t.Context(), id, event); err != nil || did != want {
		t.Fatalf("Subscribe(%s) = %v, %v; want %v", event, did, err, want)
	}
}

var subscribeTests = []test{
	{"a subscriber's delivery is its own", func(t *testing.T, s store.Store) {
		r := subscribed(t, s)
		deliver(t, s, r.ID, success.For(books), long, done) // it is not true yet
		succeed(t, s, r.ID)
		theirs := deliver(t, s, r.ID, success.For(books), long, owned)
		ours := deliver(t, s, r.ID, success, long, owned)
		delivered(t, s, r.ID, success, theirs, false)
		delivered(t, s, r.ID, success, ours, true)
		got := mustGet(t, s, r.ID)
		if len(got.Due()) != 0 || !slices.Equal(got.DueToNamed(), r.Subscribed) || got.Next.IsZero() {
			t.Errorf("due %v and %v, next %v", got.Due(), got.DueToNamed(), got.Next)
		}
		if list, err := s.List(t.Context(), store.Filter{App: "app", Undelivered: true}); err != nil || len(list) != 1 {
			t.Errorf("undelivered: %v, %v", list, err)
		}
		delivered(t, s, r.ID, success.For(books), theirs, true)
		if got = mustGet(t, s, r.ID); got.Undelivered() || !got.Next.IsZero() {
			t.Errorf("left: %+v", got)
		}
	}},
	{"nobody hears who has not subscribed", func(t *testing.T, s store.Store) {
		r := subscribed(t, s)
		succeed(t, s, r.ID)
		deliver(t, s, r.ID, success.For("another"), long, done)
		deliver(t, s, r.ID, store.RefundFailed.For(books), long, done)
		redeliver(t, s, r.ID, success.For("another"), false)
	}},
	{"due for a subscriber alone", func(t *testing.T, s store.Store) {
		r := subscribed(t, s)
		succeed(t, s, r.ID)
		delivered(t, s, r.ID, success, deliver(t, s, r.ID, success, long, owned), true)
		due(t, s, long, 9, "number")
		due(t, s, long, 9)
		delivered(t, s, r.ID, success.For(books), deliver(t, s, r.ID, success.For(books), long, owned), true)
		due(t, s, long, 9)
	}},
	{"a notification is done once the host's own functions have heard", func(t *testing.T, s store.Store) {
		r := subscribed(t, s)
		mustSettle(t, s, r.ID, says(notice("mine")))
		deliveredBy(t, s, r.ID, "mine", notice("mine"), true, true)
		claim(t, s, "notice", long, done)
	}},
	{"from later on", func(t *testing.T, s store.Store) {
		id := told(t, s, "number").ID
		subscribe(t, s, id, success.For(books), true)
		subscribe(t, s, id, success.For(books), false)
		subscribe(t, s, id, success, false)
		due(t, s, long, 9, "number")
		delivered(t, s, id, success.For(books), deliver(t, s, id, success.For(books), long, owned), true)
		got := mustGet(t, s, id)
		if got.Undelivered() || !slices.Equal(got.Subscribed, []store.Event{success.For(books)}) || got.History[len(got.History)-2].What != "subscribed" {
			t.Errorf("%+v", got)
		}
	}},
	{"delivered anew, by a number of its own", func(t *testing.T, s store.Store) {
		r := subscribed(t, s)
		succeed(t, s, r.ID)
		delivered(t, s, r.ID, success.For(books), deliver(t, s, r.ID, success.For(books), long, owned), true)
		redeliver(t, s, r.ID, success.For(books), true)
		if d := mustGet(t, s, r.ID).Delivery(success.For(books)); d.Done || d.Renewed != 1 {
			t.Errorf("%+v", d)
		}
	}},
	{"an opened refund keeps who has subscribed", func(t *testing.T, s store.Store) {
		r := subscribed(t, s)
		again := mustOpen(t, s, trade("order", "number"), unlimited, store.Exists)
		if !slices.Equal(again.Subscribed, r.Subscribed) {
			t.Errorf("subscribed: %v", again.Subscribed)
		}
	}},
}
