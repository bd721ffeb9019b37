package store_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund/store"
)

// database is claims that are not a Memory, and counts what they are asked.
type database struct {
	store.Store
	asked int
	err   error
}

func newDatabase() *database { return &database{Store: store.NewMemory()} }

func (d *database) Claim(ctx context.Context, key string, lease time.Duration) (string, bool, error) {
	d.asked++
	if d.err != nil {
		return "", false, d.err
	}
	return d.Store.Claim(ctx, key, lease)
}

func (d *database) Complete(ctx context.Context, key, token string, keep time.Duration) (bool, error) {
	if d.err != nil {
		return true, d.err // a sloppy back-end: an error decides
	}
	return d.Store.Complete(ctx, key, token, keep)
}

func claimed(t *testing.T, c store.Claims, key string) string {
	t.Helper()
	token, done, err := c.Claim(t.Context(), key, time.Minute)
	if token == "" || done || err != nil {
		t.Fatalf("Claim(%q) = %q, %v, %v; want a token", key, token, done, err)
	}
	return token
}

func wantDone(t *testing.T, c store.Claims, key string) {
	t.Helper()
	if token, done, err := c.Claim(t.Context(), key, time.Minute); token != "" || !done || err != nil {
		t.Fatalf("Claim(%q) = %q, %v, %v; want done", key, token, done, err)
	}
}

func TestRememberReturnsAMemoryAsItIs(t *testing.T) {
	m := store.NewMemory()
	if got := store.Remember(m); got != store.Store(m) {
		t.Errorf("Remember(*Memory) = %T, another", got)
	}
}

func TestRememberedRedeliveryCostsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := newDatabase()
		c := store.Remember(db)
		token := claimed(t, c, "key")
		if held, err := c.Complete(t.Context(), "key", token, 48*time.Hour); !held || err != nil {
			t.Fatal("Complete:", held, err)
		}
		for range 47 {
			time.Sleep(time.Hour)
			wantDone(t, c, "key")
		}
		if db.asked != 1 {
			t.Errorf("the store was asked %d times, want once", db.asked)
		}
		time.Sleep(time.Hour)
		claimed(t, c, "key") // both have forgotten it
		if db.asked != 2 {
			t.Errorf("the store was asked %d times, want 2", db.asked)
		}
	})
}

// Another process completed the key: its word is believed for an hour.
func TestRememberAnothersDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := newDatabase()
		if held, err := db.Complete(t.Context(), "key", claimed(t, db.Store, "key"), 48*time.Hour); !held || err != nil {
			t.Fatal("Complete:", held, err)
		}
		c := store.Remember(db)
		wantDone(t, c, "key")
		time.Sleep(time.Hour - time.Nanosecond)
		wantDone(t, c, "key")
		if db.asked != 1 {
			t.Errorf("within the hour the store was asked %d times, want once", db.asked)
		}
		time.Sleep(time.Nanosecond)
		wantDone(t, c, "key")
		if db.asked != 2 {
			t.Errorf("after the hour the store was asked %d times, want 2", db.asked)
		}
	})
}

// What the store did not confirm is not remembered.
func TestRememberOnlyWhatIsConfirmed(t *testing.T) {
	down := errors.New("down")
	for _, test := range []struct {
		name string
		do   func(t *testing.T, db *database, c store.Claims)
	}{
		{"claimed", func(*testing.T, *database, store.Claims) {}},
		{"completed with another's token", func(t *testing.T, _ *database, c store.Claims) {
			if held, err := c.Complete(t.Context(), "key", "other", time.Hour); held || err != nil {
				t.Fatal("Complete:", held, err)
			}
		}},
		{"completed with an error", func(t *testing.T, db *database, c store.Claims) {
			db.err = down
			if _, err := c.Complete(t.Context(), "key", "other", time.Hour); !errors.Is(err, down) {
				t.Fatal("Complete:", err)
			}
			if _, _, err := c.Claim(t.Context(), "key", time.Minute); !errors.Is(err, down) {
				t.Fatal("Claim:", err)
			}
			db.err = nil
		}},
		{"completed for no time", func(t *testing.T, _ *database, c store.Claims) {
			if held, err := c.Complete(t.Context(), "another", claimed(t, c, "another"), 0); !held || err != nil {
				t.Fatal("Complete:", held, err)
			}
			claimed(t, c, "another")
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			db := newDatabase()
			c := store.Remember(db)
			token := claimed(t, c, "key")
			test.do(t, db, c)
			if n := store.Remembered(c); n != 0 {
				t.Errorf("%d keys are remembered, want none", n)
			}
			if held, err := c.Release(t.Context(), "key", token); !held || err != nil {
				t.Fatal("Release:", held, err)
			}
			claimed(t, c, "key")
		})
	}
}

func TestRememberForgetsUnderUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := store.Remember(newDatabase())
		fill := func(prefix string) {
			for n := range 10_000 {
				key := fmt.Sprint(prefix, n)
				if held, err := c.Complete(t.Context(), key, claimed(t, c, key), time.Hour); !held || err != nil {
					t.Fatal("Complete:", held, err)
				}
			}
		}
		fill("a")
		for _, prefix := range []string{"b", "c", "d"} {
			time.Sleep(2 * time.Hour)
			fill(prefix)
		}
		if n := store.Remembered(c); n > 11_000 {
			t.Errorf("%d keys are remembered, of which 10000 have not expired", n)
		}
	})
}

// What is done together with a refund's step is remembered like what is completed.
func TestRememberNoticesOfSteps(t *testing.T) {
	db := newDatabase()
	s := store.Remember(db)
	notice := func(key string) store.Settlement {
		n := store.Notice{Key: key, Token: "mine", Lease: time.Minute, Keep: time.Hour}
		return store.Settlement{Source: store.ByNotice, Finding: store.Success, Claim: "mine", ClaimFor: time.Minute, Notice: n}
	}
	r, _, err := s.Open(t.Context(), refund("order", "number"), store.Limit{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	first := notice("first")
	if _, _, err := s.Settle(t.Context(), r.ID, first); err != nil {
		t.Fatal(err)
	}
	others := notice("first")
	others.Notice.Token = "another's"
	if _, _, err := s.Settle(t.Context(), r.ID, others); !errors.Is(err, store.ErrTaken) {
		t.Errorf("taken, and then: %v", err)
	}
	if token, done, err := s.Claim(t.Context(), "first", time.Minute); token != "" || done || err != nil {
		t.Errorf("while it is handled: %q, %v, %v", token, done, err)
	}
	if _, completed, err := s.Delivered(t.Context(), r.ID, store.RefundSucceeded, "mine", first.Notice); !completed || err != nil {
		t.Fatal(completed, err)
	}
	if _, _, err := s.Settle(t.Context(), r.ID, notice("second")); err != nil { // nothing is left to tell
		t.Fatal(err)
	}
	asked := db.asked
	db.err = errors.New("down")
	for _, key := range []string{"first", "second"} {
		wantDone(t, s, key)
		if _, _, err := s.Settle(t.Context(), r.ID, notice(key)); !errors.Is(err, store.ErrTaken) {
			t.Errorf("%s: %v", key, err)
		}
	}
	if db.asked != asked {
		t.Error("the database was asked about what is done")
	}
}
