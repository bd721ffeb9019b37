package storetest

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/alirefund/alirefund/store"
)

// of is a refund of an application's that has succeeded, and is due at once.
func of(t *testing.T, s store.Store, app, number string) store.Refund {
	t.Helper()
	r := trade("order", number)
	r.App = app
	r = mustOpen(t, s, r.Identify(), unlimited, store.Created)
	succeed(t, s, r.ID)
	return r
}

// turn takes what is due of all applications, and names it.
func turn(t *testing.T, s store.Store, lease time.Duration, n int, asking bool) (got []string) {
	t.Helper()
	found, err := s.Due(t.Context(), "", lease, n, asking)
	if err != nil {
		t.Fatal("Due:", err)
	}
	if len(found) > n {
		t.Errorf("Due returned %d, at most %d were wanted", len(found), n)
	}
	for _, r := range found {
		got = append(got, r.App+" "+r.OutRequestNo)
	}
	return got
}

var applicationTests = []test{
	{"all that is due, where none is named", func(t *testing.T, s store.Store) {
		if got := turn(t, s, long, 9, false); len(got) != 0 {
			t.Errorf("%q are due of nothing", got)
		}
		for _, app := range []string{"app", "App", "other"} {
			of(t, s, app, "1")
			of(t, s, app, "2")
		}
		later := trade("order", "later")
		later.App = "later"
		mustOpen(t, s, later.Identify(), unlimited, store.Created)
		got := turn(t, s, long, 9, false)
		slices.Sort(got)
		if want := []string{"App 1", "App 2", "app 1", "app 2", "other 1", "other 2"}; !slices.Equal(got, want) {
			t.Errorf("Due = %q; want %q", got, want)
		}
		if got := turn(t, s, long, 9, false); len(got) != 0 {
			t.Errorf("%q are due again", got)
		}
		due(t, s, long, 9)
	}},
	{"for the length of its lease", func(t *testing.T, s store.Store) {
		of(t, s, "app", "1")
		if got := turn(t, s, short, 9, false); len(got) != 1 {
			t.Errorf("Due = %q", got)
		}
		due(t, s, long, 9)
		outlast()
		due(t, s, long, 9, "1")
	}},
	{"in turns: what one has much of holds up no other", func(t *testing.T, s store.Store) {
		for n := range 12 {
			of(t, s, "much", fmt.Sprintf("%02d", n))
			tick()
		}
		of(t, s, "few", "1")
		of(t, s, "some", "1")
		of(t, s, "some", "2")
		if got := turn(t, s, long, 3, false); !slices.Contains(got, "few 1") || !slices.Contains(got, "some 1") || !slices.Contains(got, "much 00") {
			t.Errorf("three of three are %q", got)
		}
		of(t, s, "few", "2")
		var singly []string
		for range 6 { // by two processes, perhaps, that have one place left at a time
			singly = append(singly, turn(t, s, long, 1, false)...)
		}
		if len(singly) != 6 || !slices.Contains(singly, "few 2") || !slices.Contains(singly, "some 2") {
			t.Errorf("one by one they are %q", singly)
		}
		if got := turn(t, s, long, 4, false); !slices.Equal(got, []string{"much 05", "much 06", "much 07", "much 08"}) {
			t.Errorf("where one alone has any they are %q", got)
		}
	}},
	{"not what succeeded, if asked so", func(t *testing.T, s store.Store) {
		of(t, s, "app", "1")
		pending := trade("order", "pending")
		pending.App = "other"
		pending = mustOpen(t, s, pending.Identify(), unlimited, store.Created)
		mustSettle(t, s, pending.ID, store.Settlement{Source: store.ByQuery, Attention: "look"}) // and so due at once
		if got := turn(t, s, long, 9, true); !slices.Equal(got, []string{"other pending"}) {
			t.Errorf("Due = %q", got)
		}
		if got := turn(t, s, long, 9, true); len(got) != 0 {
			t.Errorf("%q are due again", got)
		}
		if got := turn(t, s, long, 9, false); !slices.Equal(got, []string{"app 1"}) {
			t.Errorf("then Due = %q", got)
		}
	}},
	{"each to one, whoever asks at once", func(t *testing.T, s store.Store) {
		const each = 8
		for n := range each {
			for _, app := range []string{"one", "two", "three"} {
				of(t, s, app, fmt.Sprint(n))
			}
		}
		var mu sync.Mutex
		times := make(map[string]int)
		take := func() int {
			found, err := s.Due(t.Context(), "", long, 4, false)
			if err != nil {
				t.Error("Due:", err)
			}
			mu.Lock()
			defer mu.Unlock()
			for _, r := range found {
				times[r.ID]++
			}
			return len(found)
		}
		race(func(int) { take() })
		for left := 1; left > 0; {
			left = take()
		}
		for id, n := range times {
			if n != 1 {
				t.Errorf("%s was given to %d", id, n)
			}
		}
		if len(times) != 3*each {
			t.Errorf("%d of %d were due", len(times), 3*each)
		}
	}},
	{"counted together", counter(func(t *testing.T, s store.Store, c store.Counter) {
		of(t, s, "app", "1")
		of(t, s, "other", "1")
		oldest := trade("order", "oldest")
		oldest.App = "other"
		oldest = mustOpen(t, s, oldest.Identify(), unlimited, store.Created)
		tick()
		mustOpen(t, s, trade("order", "younger"), unlimited, store.Created)
		tick()
		got, err := c.Count(t.Context(), "")
		if err != nil {
			t.Fatal("Count:", err)
		}
		if want := (store.Backlog{Unresolved: 2, Oldest: mustGet(t, s, oldest.ID).CreatedAt, Undelivered: 2, Due: 2, AsOf: got.AsOf}); got != want || got.AsOf.IsZero() {
			t.Errorf("Count = %+v; want %+v", got, want)
		}
		count(t, c, store.Backlog{Unresolved: 1, Oldest: mustGet(t, s, trade("order", "younger").ID).CreatedAt, Undelivered: 1, Due: 1})
	})},
	{"forgotten together", pruner(func(t *testing.T, s store.Store, p store.Pruner) {
		told(t, s, "told")
		r := of(t, s, "other", "1")
		delivered(t, s, r.ID, success, deliver(t, s, r.ID, success, long, owned), true)
		of(t, s, "third", "untold")
		prune(t, p, "", later(), time.Time{}, false)
		prune(t, p, "", time.Time{}, later(), true)
		list(t, s, store.Filter{App: "app"})
		list(t, s, store.Filter{App: "other"})
		list(t, s, store.Filter{App: "third"}, "untold")
	})},
}
