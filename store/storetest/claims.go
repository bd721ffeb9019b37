package storetest

import (
	"testing"
	"time"

	"github.com/alirefund/alirefund/store"
)

// What a Claim may return, beside an error.
type verdict string

const (
	owned    verdict = "a token"
	done     verdict = "done"
	anothers verdict = "neither: another's"
)

// claim expects one verdict of a Claim and returns the token.
func claim(t *testing.T, s store.Store, key string, lease time.Duration, want verdict) string {
	t.Helper()
	token, isDone, err := s.Claim(t.Context(), key, lease)
	got := anothers
	switch {
	case err != nil:
		t.Fatal("Claim:", err)
	case isDone && token != "":
		t.Fatal("Claim: done, and a token")
	case isDone:
		got = done
	case token != "":
		got = owned
	}
	if got != want {
		t.Fatalf("Claim(%q): %s; want %s", key, got, want)
	}
	return token
}

func complete(t *testing.T, s store.Store, key, token string, keep time.Duration, want bool) {
	t.Helper()
	if held, err := s.Complete(t.Context(), key, token, keep); err != nil || held != want {
		t.Fatalf("Complete(%q) = %v, %v; want %v", key, held, err, want)
	}
}

func release(t *testing.T, s store.Store, key, token string, want bool) {
	t.Helper()
	if held, err := s.Release(t.Context(), key, token); err != nil || held != want {
		t.Fatalf("Release(%q) = %v, %v; want %v", key, held, err, want)
	}
}

var claimsTests = []test{
	{"one owner at a time", func(t *testing.T, s store.Store) {
		claim(t, s, "key", long, owned)
		claim(t, s, "key", long, anothers)
		claim(t, s, "key", long, anothers)
	}},
	{"completed is done, past the lease", func(t *testing.T, s store.Store) {
		token := claim(t, s, "key", short, owned)
		complete(t, s, "key", token, long, true)
		claim(t, s, "key", long, done)
		outlast()
		claim(t, s, "key", long, done)
	}},
	{"done until keep ends", func(t *testing.T, s store.Store) {
		token := claim(t, s, "key", long, owned)
		complete(t, s, "key", token, short, true)
		claim(t, s, "key", long, done)
		outlast()
		claim(t, s, "key", long, owned)
	}},
	{"released is as if never claimed", func(t *testing.T, s store.Store) {
		first := claim(t, s, "key", long, owned)
		release(t, s, "key", first, true)
		second := claim(t, s, "key", long, owned)
		if second == first {
			t.Error("two claims got the same token")
		}
		release(t, s, "key", first, false)
		complete(t, s, "key", first, long, false)
		claim(t, s, "key", long, anothers)
		complete(t, s, "key", second, long, true)
	}},
	{"another's word has no effect", func(t *testing.T, s store.Store) {
		other := claim(t, s, "other", long, owned)
		token := claim(t, s, "key", long, owned)
		for _, wrong := range []string{"", other, token + " ", token[:len(token)-1], "nobody's"} {
			complete(t, s, "key", wrong, long, false)
			release(t, s, "key", wrong, false)
		}
		claim(t, s, "key", long, anothers)
		complete(t, s, "key", token, long, true)
	}},
	{"a word about an unknown key has no effect", func(t *testing.T, s store.Store) {
		token := claim(t, s, "other", long, owned)
		for _, token := range []string{"", token} {
			complete(t, s, "key", token, long, false)
			release(t, s, "key", token, false)
		}
		claim(t, s, "key", long, owned)
	}},
	{"completing ends the ownership", func(t *testing.T, s store.Store) {
		token := claim(t, s, "key", long, owned)
		complete(t, s, "key", token, long, true)
		complete(t, s, "key", token, long, false)
		release(t, s, "key", token, false)
		complete(t, s, "key", "", long, false)
		release(t, s, "key", "", false)
		claim(t, s, "key", long, done)
	}},
	{"a lease that ran out is another's to take", func(t *testing.T, s store.Store) {
		slow := claim(t, s, "key", short, owned)
		outlast()
		fast := claim(t, s, "key", long, owned)
		if slow == fast {
			t.Fatal("two owners got the same token")
		}
		complete(t, s, "key", slow, long, false)
		claim(t, s, "key", long, anothers)
		release(t, s, "key", slow, false)
		claim(t, s, "key", long, anothers)
		complete(t, s, "key", fast, long, true)
		release(t, s, "key", slow, false)
		claim(t, s, "key", long, done)
	}},
	{"a lease that ran out and nobody took is still held", func(t *testing.T, s store.Store) {
		late := claim(t, s, "completed", short, owned)
		back := claim(t, s, "released", short, owned)
		outlast()
		complete(t, s, "completed", late, long, true)
		claim(t, s, "completed", long, done)
		release(t, s, "released", back, true)
		claim(t, s, "released", long, owned)
	}},
	{"keys that look alike differ", func(t *testing.T, s store.Store) {
		tokens := make(map[string]string)
		for _, key := range unlike {
			tokens[key] = claim(t, s, key, long, owned)
		}
		for n, key := range unlike {
			if n%2 == 0 {
				complete(t, s, key, tokens[key], long, true)
			}
		}
		for n, key := range unlike {
			if n%2 == 0 {
				claim(t, s, key, long, done)
			} else {
				claim(t, s, key, long, anothers)
			}
		}
	}},
}
