// Package redisstore keeps alirefund's ledger and claims in Redis, for any number of
// processes: one server, Sentinel or a cluster, by go-redis.
//
//	client := redis.NewUniversalClient(&redis.UniversalOptions{Addrs: []string{"127.0.0.1:6379"}})
//	s, err := redisstore.New(client)
//
// A SQL database ([sqlstore]) is the better place for money: it keeps what it has
// acknowledged. Take this one where there is Redis and no database, and read on.
//
// # What Redis does not promise
//
// Redis acknowledges a write before its replicas have it, and by default before it is on
// a disk. A failover, or a restart, may forget what was acknowledged. Then this is a
// [store.Memory] that several processes share: the refunds of the last moments may be
// unknown, or as they were before. Alipay's own idempotency remains, so that the same
// number still moves money once. But nobody asks about a forgotten refund, an order's
// total may be exceeded by what was forgotten, and an event whose mark was forgotten is
// delivered again.
//
// Set
//
//   - appendonly yes and appendfsync always: what was acknowledged outlives a crash
//     of the process and of the machine; with everysec, the last two seconds may be lost;
//   - maxmemory-policy noeviction, without which [New] refuses: an evicted refund is a
//     forgotten one;
//   - where there are replicas, min-replicas-to-write 1 and min-replicas-max-lag: a master
//     that is cut off soon stops to take writes. It does not wait for the replicas, so a
//     failover may still forget the last moments. Nor would WAIT change that for certain,
//     for a replica that did not answer may be the one that is promoted; this package
//     does not call it.
//
// With the first two on one server that nothing fails over from, all that
// docs/guarantees.md says of a database holds, but for OnRefundSucceededTx, which wants
// a database's transaction.
//
// # How it works
//
// Each method reads, lets the rules of package store decide, and writes by one script,
// on the condition that nobody else wrote meanwhile; if somebody did, it begins again.
// The script changes a refund, what its order has reserved and the sets that it is found
// by together, or nothing.
//
// All keys of a store lie in one hash slot, that of its prefix: {alirefund}:refund:ID.
// A script can write to one slot only, a refund's id does not tell its application, and
// the claims are to be written with the refunds. Applications may share a store. One
// that is too much for a single node gets a store, and a prefix, of its own. Move no slot
// to another node while processes work on it: their steps fail until all of it has moved.
//
// All times of the ledger are the server's, read in each step: the clocks of the
// processes do not matter, and this package reads none. Those of a master and its
// replicas should agree. Everything is asked of the master, also by a client that is
// set to read from replicas.
//
// Refunds are kept until [Store.Prune] forgets them; claims run out by themselves.
// What an order has reserved is kept for ever, in about a hundred bytes.
//
// It is for Redis 6.2 or later (tested: 7.0), and wants of an ACL: EVAL, EVALSHA, INFO, TIME, DEL, PEXPIRE,
// HGET, HMGET, HSET, HINCRBY, ZADD, ZREM, ZCOUNT and ZRANGEBYSCORE on {PREFIX}:*.
//
// [sqlstore]: https://pkg.go.dev/github.com/alirefund/alirefund/store/sqlstore
package redisstore

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/alirefund/alirefund/store"
)

// Store is a [store.Store], a [store.Pruner], a [store.Clock] and a [store.Counter] on
// Redis. It is safe for concurrent use, by any number of processes.
//
// Its methods begin again after another's write in between, until the context ends.
// Errors of the client's come back wrapped. They fail with [store.ErrNotFound] where
// [store.Ledger] says so. After an error nobody knows whether Redis did it; every method
// may then be called again. The client's own timeouts bound each round trip; the context
// does as well if the client has ContextTimeoutEnabled.
type Store struct {
	client redis.UniversalClient
	prefix string
}

var _ interface {
	store.Store
	store.Pruner
	store.Clock
	store.Counter
} = (*Store)(nil)

// Option changes where the keys are.
type Option func(*Store)

// Prefix stands in braces at the beginning of each key; [DefaultPrefix] unless told
// otherwise. It is of letters, digits and . _ : -, at most 64. Stores with different
// prefixes have nothing in common.
func Prefix(prefix string) Option { return func(s *Store) { s.prefix = prefix } }

// DefaultPrefix is what the keys begin with, in braces.
const DefaultPrefix = "alirefund"

var plainName = regexp.MustCompile(`^[A-Za-z0-9._:-]{1,64}$`)

// ErrEvicts: the server throws keys away when its memory is full. Its maxmemory-policy
// has to be noeviction, or its maxmemory 0.
var ErrEvicts = errors.New("redisstore: the server may evict refunds: set maxmemory-policy noeviction")

//go:embed info.lua
var infoLua string

var infoScript = redis.NewScript(infoLua)

// New returns the store behind client. It asks the server how it deals with full memory,
// for at most ten seconds, and fails with [ErrEvicts] or the client's error. client stays
// the host's to close.
func New(client redis.UniversalClient, options ...Option) (*Store, error) {
	s := &Store{client: client, prefix: DefaultPrefix}
	for _, option := range options {
		option(s)
	}
	switch {
	case client == nil:
		return nil, errors.New("redisstore: no client")
	case !plainName.MatchString(s.prefix):
		return nil, fmt.Errorf("redisstore: the prefix %q is not of letters, digits and . _ : -, at most 64", s.prefix)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	info, err := infoScript.Run(ctx, client, []string{s.key("")}).Text()
	if err != nil {
		return nil, fmt.Errorf("redisstore: the server's memory: %w", err)
	}
	if !strings.Contains(info, "maxmemory:0\r\n") && !strings.Contains(info, "maxmemory_policy:noeviction\r\n") {
		return nil, ErrEvicts
	}
	return s, nil
}

// key names a thing of the store. Every key begins with the prefix in braces, so that
// all of them are in one hash slot.
func (s *Store) key(name string) string { return "{" + s.prefix + "}:" + name }
