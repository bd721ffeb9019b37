package storetest

import (
	"fmt"
	"sync"
	"testing"

	"github.com/alirefund/alirefund/store"
)

// tally counts what racers got.
type tally struct {
	mu     sync.Mutex
	counts map[string]int
}

func (c *tally) add(what any, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil {
		c.counts = make(map[string]int)
	}
	if err != nil {
		what = err
	}
	c.counts[fmt.Sprint(what)]++
}

func (c *tally) want(t *testing.T, want map[string]int) {
	t.Helper()
	if fmt.Sprint(c.counts) != fmt.Sprint(want) {
		t.Errorf("%d racers got %v; want %v", racers, c.counts, want)
	}
}

var raceTests = []test{
	{"one claims", func(t *testing.T, s store.Store) {
		var got tally
		race(func(int) {
			token, done, err := s.Claim(t.Context(), "key", long)
			got.add(fmt.Sprint(token != "", done), err)
		})
		got.want(t, map[string]int{"true false": 1, "false false": racers - 1})
	}},
	{"one takes what ran out", func(t *testing.T, s store.Store) {
		claim(t, s, "key", short, owned)
		outlast()
		var got tally
		race(func(int) {
			token, done, err := s.Claim(t.Context(), "key", long)
			got.add(fmt.Sprint(token != "", done), err)
		})
		got.want(t, map[string]int{"true false": 1, "false false": racers - 1})
	}},
	{"one completes", func(t *testing.T, s store.Store) {
		token := claim(t, s, "key", long, owned)
		var got tally
		race(func(n int) {
			var held bool
			var err error
			if n%2 == 0 {
				held, err = s.Complete(t.Context(), "key", token, long)
			} else {
				held, err = s.Release(t.Context(), "key", token)
			}
			got.add(held, err)
		})
		got.want(t, map[string]int{"true": 1, "false": racers - 1})
	}},
	{"one opens", func(t *testing.T, s store.Store) {
		var got tally
		race(func(int) {
			_, opened, err := s.Open(t.Context(), trade("order", "number"), total(100), nil)
			got.add(opened.How, err)
		})
		got.want(t, map[string]int{fmt.Sprint(store.Created): 1, fmt.Sprint(store.Exists): racers - 1})
	}},
	{"one reopens", func(t *testing.T, s store.Store) {
		r := mustOpen(t, s, trade("order", "number"), total(100), store.Created)
		fail(t, s, r.ID, true)
		var got tally
		race(func(int) {
			_, opened, err := s.Open(t.Context(), r, total(100), nil)
			got.add(opened.How, err)
		})
		got.want(t, map[string]int{fmt.Sprint(store.Reopened): 1, fmt.Sprint(store.Exists): racers - 1})
	}},
	{"a total is never exceeded", func(t *testing.T, s store.Store) {
		var got tally
		race(func(n int) {
			r := trade("order", fmt.Sprint(n))
			r.Amount = 30
			_, opened, err := s.Open(t.Context(), r, total(1000), nil)
			got.add(opened, err)
		})
		got.want(t, map[string]int{
			fmt.Sprint(store.Opened{How: store.Created}):             33,
			fmt.Sprint(store.Opened{How: store.OverLimit, Left: 10}): racers - 33,
		})
	}},
	{"many orders at once, each within its total", func(t *testing.T, s store.Store) {
		var got tally
		race(func(n int) {
			_, opened, err := s.Open(t.Context(), trade(fmt.Sprint("order", n%8), fmt.Sprint(n)), total(250), nil)
			got.add(opened.How, err)
		})
		got.want(t, map[string]int{fmt.Sprint(store.Created): 16, fmt.Sprint(store.OverLimit): racers - 16})
	}},
	{"one sends", func(t *testing.T, s store.Store) {
		r := mustOpen(t, s, trade("order", "number"), unlimited, store.Created)
		var got tally
		race(func(int) {
			attempt, err := s.Sending(t.Context(), r.ID, store.Permission{Attempts: 0, Lease: long})
			got.add(attempt.Number, err)
		})
		got.want(t, map[string]int{"1": 1, "0": racers - 1})
	}},
	{"one settles", func(t *testing.T, s store.Store) {
		r := mustOpen(t, s, trade("order", "number"), unlimited, store.Created)
		var got tally
		race(func(int) {
			_, changed, err := s.Settle(t.Context(), r.ID, store.Settlement{Source: store.ByNotice, Finding: store.Success})
			got.add(changed, err)
		})
		got.want(t, map[string]int{"true": 1, "false": racers - 1})
	}},
	{"no settlement is lost", func(t *testing.T, s store.Store) {
		r := mustOpen(t, s, trade("order", "number"), unlimited, store.Created)
		mustSend(t, s, r.ID, 0, long)
		var got tally
		race(func(n int) {
			finding := store.Refusal
			if n == racers/2 {
				finding = store.Success
			}
			_, _, err := s.Settle(t.Context(), r.ID, store.Settlement{Source: store.ByAnswer, Attempt: 1, Finding: finding})
			got.add("settled", err)
		})
		got.want(t, map[string]int{"settled": racers})
		if state := mustGet(t, s, r.ID).State; state != store.Succeeded {
			t.Errorf("one said success, and it is %s", state)
		}
	}},
	{"one delivers", func(t *testing.T, s store.Store) {
		id := succeeded(t, s)
		var got tally
		race(func(int) {
			token, done, err := s.Deliver(t.Context(), id, success, long)
			got.add(fmt.Sprint(token != "", done), err)
		})
		got.want(t, map[string]int{"true false": 1, "false false": racers - 1})
	}},
	{"one has delivered", func(t *testing.T, s store.Store) {
		id := succeeded(t, s)
		token := deliver(t, s, id, success, long, owned)
		var got tally
		race(func(n int) {
			var held bool
			var err error
			if n%2 == 0 {
				held, _, err = s.Delivered(t.Context(), id, success, token, store.Notice{})
			} else {
				held, err = s.Undelivered(t.Context(), id, success, token, "reason")
			}
			got.add(held, err)
		})
		got.want(t, map[string]int{"true": 1, "false": racers - 1})
	}},
}
