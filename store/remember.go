package store

import (
	"context"
	"time"
)

// Remember returns claims over c that keep completed keys in this process's
// memory too: a notification that Alipay delivers again costs the database
// nothing. Who owns a key is always decided by c. A [Memory] is returned as it
// is.
//
// A key that this process completed is remembered as long as c keeps it; one
// that c says is done, for an hour: c does not tell how much longer it keeps
// it, and the deliveries that follow ask again.
func Remember(c Claims) Claims {
	if memory, ok := c.(*Memory); ok {
		return memory
	}
	return &remembering{inner: c, done: newExpiring()}
}

// rememberDone is for how long another's word that a key is done is believed.
const rememberDone = time.Hour

type remembering struct {
	inner Claims
	done  *expiring
}

// Claim implements [Claims].
func (r *remembering) Claim(ctx context.Context, key string, lease time.Duration) (token string, done bool, err error) {
	if r.knows(key) {
		return "", true, nil
	}
	token, done, err = r.inner.Claim(ctx, key, lease)
	if err == nil && done {
		r.remember(key, rememberDone)
	}
	return token, done, err
}

// Complete implements [Claims].
func (r *remembering) Complete(ctx context.Context, key, token string, keep time.Duration) (held bool, err error) {
	held, err = r.inner.Complete(ctx, key, token, keep)
	if err == nil && held {
		r.remember(key, keep)
	}
	return held, err
}

// Release implements [Claims].
func (r *remembering) Release(ctx context.Context, key, token string) (held bool, err error) {
	return r.inner.Release(ctx, key, token)
}

func (r *remembering) knows(key string) bool {
	s := r.done.lock(key)
	defer s.mu.Unlock()
	_, known := s.get(key)
	return known
}

// remember must not shorten what is known already: a delivery that asked
// before another completed the key may come back after.
func (r *remembering) remember(key string, ttl time.Duration) {
	s := r.done.lock(key)
	defer s.mu.Unlock()
	if _, known := s.get(key); !known {
		s.set(key, completed{}, ttl)
	}
}
