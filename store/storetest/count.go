package storetest

import (
	"testing"
	"time"

	"github.com/alirefund/alirefund/store"
)

// counter is a test of the stores that are a [store.Counter].
func counter(run func(t *testing.T, s store.Store, c store.Counter)) func(*testing.T, store.Store) {
	return func(t *testing.T, s store.Store) {
		if c, ok := s.(store.Counter); ok {
			run(t, s, c)
		}
	}
}

// count expects so many, and the age of a refund that was recorded then.
func count(t *testing.T, c store.Counter, want store.Backlog) {
	t.Helper()
	got, err := c.Count(t.Context(), "app")
	if err != nil {
		t.Fatal("Count:", err)
	}
	if got.AsOf.IsZero() || got.Age() < 0 {
		t.Errorf("Count says %v, of %v", got.AsOf, got.Oldest)
	}
	if want.AsOf = got.AsOf; got != want {
		t.Errorf("Count = %+v; want %+v", got, want)
	}
}

var counterTests = []test{
	{"what is left to do, and nothing else", counter(func(t *testing.T, s store.Store, c store.Counter) {
		count(t, c, store.Backlog{})
		told(t, s, "told")
		r := mustOpen(t, s, trade("order", "not sent"), unlimited, store.Created)
		mustSettle(t, s, r.ID, store.Settlement{Source: store.ByAnswer, Finding: store.NotSent})
		count(t, c, store.Backlog{})

		oldest := mustOpen(t, s, trade("order", "oldest"), unlimited, store.Created)
		attempt := mustSend(t, s, oldest.ID, 0, long)
		mustSettle(t, s, oldest.ID, store.Settlement{Source: store.ByAnswer, Attempt: 1, Token: attempt.Token, Again: long})
		tick()
		mustOpen(t, s, coupon("auth", "younger"), unlimited, store.Created)
		untold := mustOpen(t, s, trade("order", "untold"), unlimited, store.Created)
		succeed(t, s, untold.ID)
		other := trade("order", "of another application")
		other.App = "other"
		mustOpen(t, s, other.Identify(), unlimited, store.Created)
		tick()
		count(t, c, store.Backlog{Unresolved: 2, Oldest: mustGet(t, s, oldest.ID).CreatedAt, Undelivered: 1, Due: 1})

		deliver(t, s, untold.ID, success, long, owned)
		count(t, c, store.Backlog{Unresolved: 2, Oldest: mustGet(t, s, oldest.ID).CreatedAt, Undelivered: 1})
		succeed(t, s, oldest.ID)
		tick()
		count(t, c, store.Backlog{Unresolved: 1, Oldest: mustGet(t, s, coupon("auth", "younger").ID).CreatedAt, Undelivered: 2, Due: 1})
	})},
	{"a person called for, and a refund that is pending, are one", counter(func(t *testing.T, s store.Store, c store.Counter) {
		r := mustOpen(t, s, trade("order", "1"), unlimited, store.Created)
		attempt := mustSend(t, s, r.ID, 0, long)
		mustSettle(t, s, r.ID, store.Settlement{Source: store.ByAnswer, Attempt: 1, Token: attempt.Token, Again: long, Attention: "look"})
		tick()
		count(t, c, store.Backlog{Unresolved: 1, Oldest: mustGet(t, s, r.ID).CreatedAt, Undelivered: 1, Due: 1})
	})},
	{"by the time that its age is told by", counter(func(t *testing.T, s store.Store, c store.Counter) {
		mustOpen(t, s, trade("order", "1"), unlimited, store.Created)
		outlast()
		b, err := c.Count(t.Context(), "app")
		if err != nil || b.Age() < short || b.Age() > time.Minute {
			t.Errorf("Count = %+v, %v: the age is %v", b, err, b.Age())
		}
	})},
}
