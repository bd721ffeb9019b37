package store

import (
	"cmp"
	"hash/maphash"
	"math/bits"
	"slices"
	"sync"
	"time"

	gocache "github.com/patrickmn/go-cache"
)

// expiring is a go-cache in shards that rids itself of what has expired while
// it is used. go-cache's own janitor would hold its one lock through the whole
// sweep, a quarter of a second for a million entries, and its goroutine would
// outlive whoever made it. Here every use of a shard removes the few entries of
// it that are due, about in the order in which they end: nothing is scanned,
// nobody waits, and no goroutine runs.
type expiring struct {
	seed   maphash.Seed
	shards [256]shard
}

func newExpiring() *expiring {
	e := &expiring{seed: maphash.MakeSeed()}
	for i := range e.shards {
		e.shards[i].init()
	}
	return e
}

// lock returns the shard of key, locked; the caller unlocks its mu.
func (e *expiring) lock(key string) *shard {
	s := &e.shards[maphash.String(e.seed, key)%uint64(len(e.shards))]
	s.mu.Lock()
	s.sweep()
	return s
}

// shard is one go-cache and the order in which its entries end. go-cache has no
// compare-and-swap, so mu is held from reading over deciding to writing.
type shard struct {
	mu    sync.Mutex
	items *gocache.Cache
	ends  ends
}

func (s *shard) init() { s.items = gocache.New(gocache.NoExpiration, 0) }

// sweepStep is how many ended entries one use of a shard removes. One use adds
// at most one, so that the shard drains faster than it fills.
const sweepStep = 2

// sweep removes a few entries that have ended.
func (s *shard) sweep() {
	for range sweepStep {
		key, ok := s.ends.next(time.Now().UnixNano())
		if !ok {
			return
		}
		if _, alive := s.get(key); !alive { // else it was stored again, with another end
			s.items.Delete(key)
		}
	}
}

// get returns what set or keep stored, unless its time is over: at its very end
// it is, which go-cache sees one nanosecond later.
func (s *shard) get(key string) (any, bool) {
	value, until, found := s.items.GetWithExpiration(key)
	if !found || !until.IsZero() && !time.Now().Before(until) {
		return nil, false
	}
	return value, true
}

// set stores value under key for the length of ttl. Nothing is stored for no
// time: go-cache takes 0 for its default and a negative ttl for "for ever".
func (s *shard) set(key string, value any, ttl time.Duration) {
	if ttl <= 0 {
		s.items.Delete(key)
		return
	}
	s.items.Set(key, value, ttl)
	// The end is the one that go-cache computed: another reading of the clock
	// could be earlier, and the entry then outlive its only sweep.
	_, until, found := s.items.GetWithExpiration(key)
	switch {
	case !found: // over already
		s.items.Delete(key)
	case !until.IsZero(): // else it is so far away that go-cache keeps it for ever
		s.ends.add(key, until.UnixNano(), ttl)
	}
}

// keep stores value under key until it is set, kept or deleted again.
func (s *shard) keep(key string, value any) { s.items.Set(key, value, gocache.NoExpiration) }

func (s *shard) delete(key string) { s.items.Delete(key) }

// ends is when entries were to end as they were stored, the earliest first, in
// slots, because a heap of single ends costs a claim three times as much.
type ends []slot

type slot struct {
	at   int64 // when all of its keys have ended, as go-cache counts time
	keys []string
}

// add files the end of an entry. A slot is as long as 1/128 of the ttl, or less:
// so much longer an entry may stay, and so few slots there are.
func (e *ends) add(key string, until int64, ttl time.Duration) {
	var length int64 = 1 << max(bits.Len64(uint64(max(ttl, 0)))-8, 0)
	at := (until | (length - 1)) + 1
	i, found := slices.BinarySearchFunc(*e, at, func(s slot, at int64) int { return cmp.Compare(s.at, at) })
	if !found {
		*e = slices.Insert(*e, i, slot{at: at})
	}
	(*e)[i].keys = append((*e)[i].keys, key)
}

// next takes out a key whose end as filed is over.
func (e *ends) next(now int64) (key string, ok bool) {
	if len(*e) == 0 || (*e)[0].at > now {
		return "", false
	}
	first := &(*e)[0]
	last := len(first.keys) - 1
	key = first.keys[last]
	first.keys = first.keys[:last]
	if last == 0 {
		*e = slices.Delete(*e, 0, 1)
	}
	return key, true
}
