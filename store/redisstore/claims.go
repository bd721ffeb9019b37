package redisstore

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"
)

// linger is how long a lease that ran out is kept, for an owner who completes late.
const linger = time.Hour

// Claim implements [store.Claims].
func (s *Store) Claim(ctx context.Context, key string, lease time.Duration) (token string, done bool, err error) {
	token = rand.Text()
	switch a, err := s.write(ctx, step{key: key, Claim: claimFor(token, lease)}); {
	case err != nil:
		return "", false, fmt.Errorf("redisstore: claim: %w", err)
	case a.word == written:
		return token, false, nil
	default:
		return "", a.word == alreadyDone, nil
	}
}

func claimFor(token string, lease time.Duration) *claimPart {
	return &claimPart{Token: token, Lease: lease.Microseconds(), Keep: lease.Milliseconds() + linger.Milliseconds()}
}

// Complete implements [store.Claims].
func (s *Store) Complete(ctx context.Context, key, token string, keep time.Duration) (held bool, err error) {
	return s.end(ctx, "complete", step{key: key, Complete: &endPart{Token: token, Keep: keep.Milliseconds()}})
}

// Release implements [store.Claims].
func (s *Store) Release(ctx context.Context, key, token string) (held bool, err error) {
	return s.end(ctx, "release", step{key: key, Release: &endPart{Token: token}})
}

func (s *Store) end(ctx context.Context, what string, w step) (held bool, err error) {
	a, err := s.write(ctx, w)
	if err != nil {
		return false, fmt.Errorf("redisstore: %s: %w", what, err)
	}
	return a.owned, nil
}
