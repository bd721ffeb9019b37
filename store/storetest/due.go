package storetest

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/alirefund/alirefund/store"
)

// due expects the refunds of these request numbers, in this order.
func due(t *testing.T, s store.Store, lease time.Duration, n int, want ...string) {
	t.Helper()
	found, err := s.Due(t.Context(), "app", lease, n, false)
	if err != nil {
		t.Fatal("Due:", err)
	}
	var got []string
	for _, r := range found {
		got = append(got, r.OutRequestNo)
	}
	if !slices.Equal(got, want) {
		t.Fatalf("Due = %q; want %q", got, want)
	}
}

// told is a refund that succeeded, and whose host knows.
func told(t *testing.T, s store.Store, number string) store.Refund {
	t.Helper()
	r := mustOpen(t, s, trade("order", number), unlimited, store.Created)
	succeed(t, s, r.ID)
	delivered(t, s, r.ID, success, deliver(t, s, r.ID, success, long, owned), true)
	return mustGet(t, s, r.ID)
}

var dueTests = []test{
	{"nothing before its time", func(t *testing.T, s store.Store) {
		due(t, s, long, 9)
		r := mustOpen(t, s, trade("order", "1"), unlimited, store.Created)
		due(t, s, long, 9)
		attempt := mustSend(t, s, r.ID, 0, long)
		mustSettle(t, s, r.ID, store.Settlement{Source: store.ByAnswer, Attempt: 1, Token: attempt.Token, Again: short})
		due(t, s, long, 9)
		outlast()
		due(t, s, long, 9, "1")
	}},
	{"an event to deliver, at once", func(t *testing.T, s store.Store) {
		succeeded(t, s)
		due(t, s, long, 9, "number")
	}},
	{"to one, for the length of its lease", func(t *testing.T, s store.Store) {
		succeeded(t, s)
		due(t, s, short, 9, "number")
		due(t, s, short, 9)
		outlast()
		due(t, s, long, 9, "number")
		outlast()
		due(t, s, long, 9)
	}},
	{"what waits longest first, at most so many", func(t *testing.T, s store.Store) {
		for _, number := range []string{"2", "1", "4", "3"} {
			succeed(t, s, mustOpen(t, s, trade("order", number), unlimited, store.Created).ID)
			tick()
		}
		due(t, s, long, 0)
		due(t, s, long, 3, "2", "1", "4")
		due(t, s, long, 3, "3")
		due(t, s, long, 3)
	}},
	{"not what succeeded, if asked so", func(t *testing.T, s store.Store) {
		succeeded(t, s)
		failed := mustOpen(t, s, trade("order", "failed"), unlimited, store.Created)
		fail(t, s, failed.ID, false)
		pending := mustOpen(t, s, trade("order", "pending"), unlimited, store.Created)
		mustSettle(t, s, pending.ID, store.Settlement{Source: store.ByQuery, Attention: "look"}) // and so due at once
		found, err := s.Due(t.Context(), "app", long, 9, true)
		if err != nil || len(found) != 2 || found[0].OutRequestNo != "failed" || found[1].OutRequestNo != "pending" {
			t.Errorf("Due = %v, %v", found, err)
		}
		due(t, s, long, 9, "number")
	}},
	{"of one application", func(t *testing.T, s store.Store) {
		for _, app := range []string{"other", "App", ""} {
			r := trade("order", "number")
			r.App = app
			succeed(t, s, mustOpen(t, s, r.Identify(), unlimited, store.Created).ID)
		}
		due(t, s, long, 9)
	}},
	{"as it is kept, with its time", func(t *testing.T, s store.Store) {
		id := succeeded(t, s)
		before := time.Now()
		got, err := s.Due(t.Context(), "app", long, 1, false)
		if err != nil || len(got) != 1 {
			t.Fatalf("Due = %v, %v", got, err)
		}
		same(t, "Due", got[0], mustGet(t, s, id))
		if off := got[0].Next.Sub(before); off < long-time.Second || off > long+time.Second {
			t.Errorf("it was put off for %v; want %v", off, long)
		}
	}},
	{"until there is nothing left to do", func(t *testing.T, s store.Store) {
		told(t, s, "told")
		r := mustOpen(t, s, trade("order", "not sent"), unlimited, store.Created)
		mustSettle(t, s, r.ID, store.Settlement{Source: store.ByAnswer, Finding: store.NotSent})
		for _, number := range []string{"told", "not sent"} {
			if got := mustGet(t, s, trade("order", number).ID); !got.Next.IsZero() {
				t.Errorf("%s: the next time is %v", number, got.Next)
			}
		}
		due(t, s, long, 9)
	}},
	{"again when somebody set another time", func(t *testing.T, s store.Store) {
		id := succeeded(t, s)
		due(t, s, long, 9, "number")
		token := deliver(t, s, id, success, short, owned)
		due(t, s, long, 9)
		outlast() // its owner died
		due(t, s, long, 9, "number")
		delivered(t, s, id, success, token, true) // or was slow
		outlast()
		due(t, s, short, 9)
	}},
	{"a send whose owner died", func(t *testing.T, s store.Store) {
		r := mustOpen(t, s, trade("order", "1"), unlimited, store.Created)
		mustSend(t, s, r.ID, 0, short)
		due(t, s, long, 9)
		outlast()
		due(t, s, long, 9, "1")
	}},
	{"given back, it is due again at once", func(t *testing.T, s store.Store) {
		succeeded(t, s)
		r := takeOne(t, s)
		due(t, s, long, 9)
		giveBack(t, s, r, "", true)
		giveBack(t, s, r, "", false) // once
		due(t, s, long, 9, "number")
	}},
	{"given back, what is not due yet is due at its time", func(t *testing.T, s store.Store) {
		r := mustOpen(t, s, trade("order", "1"), unlimited, store.Created)
		attempt := mustSend(t, s, r.ID, 0, long)
		mustSettle(t, s, r.ID, store.Settlement{Source: store.ByAnswer, Attempt: 1, Token: attempt.Token, Again: short})
		outlast()
		r = takeOne(t, s)
		r, _ = mustSettle(t, s, r.ID, store.Settlement{Source: store.ByQuery, Again: long})
		giveBack(t, s, r, "", true)
		if got := mustGet(t, s, r.ID); !got.Next.Equal(got.AskAt) {
			t.Errorf("the next time is %v, and it is to be asked about at %v", got.Next, got.AskAt)
		}
		due(t, s, long, 9)
	}},
	{"given back too late, it stays with whoever has it", func(t *testing.T, s store.Store) {
		succeeded(t, s)
		found, err := s.Due(t.Context(), "app", short, 1, false)
		if err != nil || len(found) != 1 {
			t.Fatalf("Due = %v, %v", found, err)
		}
		outlast()
		due(t, s, long, 9, "number") // another has it now
		giveBack(t, s, found[0], "", false)
		due(t, s, long, 9)
	}},
	{"given back after somebody worked on it, it stays as that left it", func(t *testing.T, s store.Store) {
		id := succeeded(t, s)
		r := takeOne(t, s)
		token := deliver(t, s, id, success, 2*long, owned)
		giveBack(t, s, r, "", false)
		due(t, s, long, 9)
		delivered(t, s, id, success, token, true)
		giveBack(t, s, mustGet(t, s, id), token, false) // nothing is left to do
	}},
	{"given back with the delivery that a settlement took", func(t *testing.T, s store.Store) {
		r := mustOpen(t, s, trade("order", "1"), unlimited, store.Created)
		r, _ = mustSettle(t, s, r.ID, store.Settlement{Source: store.ByNotice, Finding: store.Success, Claim: "token", ClaimFor: long})
		due(t, s, long, 9)
		giveBack(t, s, r, "another's", true) // and changes nothing
		due(t, s, long, 9)
		giveBack(t, s, mustGet(t, s, r.ID), "token", true)
		due(t, s, long, 9, "1")
		delivered(t, s, r.ID, success, "token", false)
		token := deliver(t, s, r.ID, success, long, owned)
		if got := mustGet(t, s, r.ID); got.Deliveries[0].Tries != 1 {
			t.Errorf("%d tries, of which the first called no hook", got.Deliveries[0].Tries)
		}
		delivered(t, s, r.ID, success, token, true)
	}},
	{"given back by whoever does not know it", func(t *testing.T, s store.Store) {
		_, err := s.GiveBack(t.Context(), "unknown", time.Now(), "")
		wantNotFound(t, "GiveBack", err)
	}},
	{"each to one, whoever asks at once", func(t *testing.T, s store.Store) {
		const all = 16
		for n := range all {
			succeed(t, s, mustOpen(t, s, trade("order", fmt.Sprint(n)), unlimited, store.Created).ID)
		}
		var mu sync.Mutex
		times := make(map[string]int)
		take := func() (n int) {
			found, err := s.Due(t.Context(), "app", long, 4, false)
			if err != nil {
				t.Error("Due:", err)
			}
			mu.Lock()
			defer mu.Unlock()
			for _, r := range found {
				times[r.OutRequestNo]++
			}
			return len(found)
		}
		race(func(int) { take() })
		for left := all; left > 0; { // some may have asked for the same, and got none of it
			left = take()
		}
		for number, n := range times {
			if n != 1 {
				t.Errorf("%s was given to %d", number, n)
			}
		}
		if len(times) != all {
			t.Errorf("%d of %d were due", len(times), all)
		}
	}},
}

// takeOne takes the one refund that is due.
func takeOne(t *testing.T, s store.Store) store.Refund {
	t.Helper()
	found, err := s.Due(t.Context(), "app", long, 1, false)
	if err != nil || len(found) != 1 {
		t.Fatalf("Due = %v, %v; want one", found, err)
	}
	return found[0]
}

func giveBack(t *testing.T, s store.Store, r store.Refund, token string, want bool) {
	t.Helper()
	if did, err := s.GiveBack(t.Context(), r.ID, r.Next, token); err != nil || did != want {
		t.Fatalf("GiveBack = %v, %v; want %v", did, err, want)
	}
}

var redeliverTests = []test{
	{"a delivered event is due again", func(t *testing.T, s store.Store) {
		r := told(t, s, "1")
		due(t, s, long, 9)
		redeliver(t, s, r.ID, success, true)
		if got := mustGet(t, s, r.ID); len(got.Due()) != 1 || got.History[len(got.History)-1].Actor != "somebody" {
			t.Errorf("due %v, after %+v", got.Due(), got.History)
		}
		due(t, s, long, 9, "1")
		delivered(t, s, r.ID, success, deliver(t, s, r.ID, success, long, owned), true)
		deliver(t, s, r.ID, success, long, done)
	}},
	{"only what is true", func(t *testing.T, s store.Store) {
		r := told(t, s, "1")
		redeliver(t, s, r.ID, store.RefundFailed, false)
		redeliver(t, s, r.ID, store.RefundUnresolved, false)
		same(t, "Get", mustGet(t, s, r.ID), r)
	}},
	{"whoever is at it has no say any more", func(t *testing.T, s store.Store) {
		id := succeeded(t, s)
		token := deliver(t, s, id, success, long, owned)
		redeliver(t, s, id, success, true)
		delivered(t, s, id, success, token, false)
		deliver(t, s, id, success, long, owned)
	}},
}

func redeliver(t *testing.T, s store.Store, id string, event store.Event, want bool) {
	t.Helper()
	if did, err := s.Redeliver(t.Context(), id, event, "somebody"); err != nil || did != want {
		t.Fatalf("Redeliver(%s) = %v, %v; want %v", event, did, err, want)
	}
}
