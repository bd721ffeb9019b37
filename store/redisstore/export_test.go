package redisstore

import (
	"context"
	"time"

	"github.com/alirefund/alirefund/store"
)

// Sets returns where a refund is to be found, with its score there.
func (s *Store) Sets(r store.Refund) map[string]int64 { return s.sets(r) }

// Parts are what a step may have beside a refund that changes.
type Parts struct {
	Total    *store.Limit
	Spacing  time.Duration // of a send, if it is not 0
	Claim    string        // a key, by the token "mine"
	Complete [2]string     // a key and its token
}

// StepWith does what change does, with the other parts in the same step, as often as it is
// told, as a client that loses the answers. was may be no refund of the ledger's yet.
func (s *Store) StepWith(ctx context.Context, was store.Refund, change func(was store.Refund, now time.Time) store.Refund, p Parts, times int) (word string, owned bool, err error) {
	found, now, err := s.read(ctx, was.ID)
	if err != nil && found.ID != "" {
		return "", false, err
	}
	if found.ID != "" {
		was = found.Refund
	}
	r := change(was, now)
	w, err := s.store(found, r)
	if p.Total != nil {
		w.limit(p.Total.Total)
	}
	if p.Spacing != 0 {
		w.send(now, p.Spacing)
	}
	if p.Claim != "" {
		w.key, w.Claim = p.Claim, claimFor("mine", time.Minute)
	}
	if p.Complete[0] != "" {
		w.key, w.Complete = p.Complete[0], &endPart{Token: p.Complete[1], Keep: time.Minute.Milliseconds()}
	}
	var a answer
	for range times {
		if err == nil {
			a, err = s.write(ctx, w)
		}
	}
	return a.word, a.owned, err
}
