// Package limit bounds what others can use up: strangers, by notifications that do not
// verify ([Notices]), and the host's own people and programs, by refunds ([Refunds]).
//
//	notices, err := limit.NewNotices(limit.NoticesConfig{})
//	refunds, err := limit.NewRefunds(limit.RefundsConfig{Actor: limit.Budget{Refunds: 20, Per: time.Hour}})
//	m, err := alirefund.New(alirefund.Config{BeforeRefund: refunds.BeforeRefund, ...})
//	m.MountNotify(r.Group("/alipay", notices.Handle))
//
// Both count in the memory of one process: ten replicas allow ten times as much, and a
// restart forgets. docs/abuse.md says what to do about that.
package limit

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/patrickmn/go-cache"
)

// most is how many addresses, or actors, a table holds: some megabytes.
const most = 1 << 14

// table remembers values by key for a time, and never more than its size. It is not safe
// for concurrent use.
type table struct {
	items *cache.Cache
	keep  time.Duration
	size  int
	swept time.Time
}

func newTable(size int, keep time.Duration) *table {
	// No janitor: its goroutine would outlive its owner, and set sweeps anyway.
	return &table{items: cache.New(keep, 0), keep: keep, size: size}
}

func (t *table) get(key string) (value any, known bool) { return t.items.Get(key) }

func (t *table) has(key string) bool {
	_, known := t.items.Get(key)
	return known
}

// set remembers a value, or remembers it anew. It returns false if the table is full,
// of which it makes sure once a second at most: whoever fills it must not have it swept
// by every request.
func (t *table) set(key string, value any, now time.Time) bool {
	if t.items.ItemCount() >= t.size && !t.has(key) {
		if now.Sub(t.swept) < time.Second {
			return false
		}
		t.swept = now
		t.items.DeleteExpired()
		if t.items.ItemCount() >= t.size {
			return false
		}
	}
	t.items.Set(key, value, t.keep)
	return true
}

// addressKey is what one client is known by: its address, of IPv6 the network of 64
// bits, all of whose addresses are usually one subscriber's. What is no address is one
// client.
func addressKey(ip string) string {
	a, err := netip.ParseAddr(ip)
	if err != nil {
		return ""
	}
	if a = a.Unmap().WithZone(""); a.Is4() {
		return a.String()
	}
	network, _ := a.Prefix(64) // IPv6 has that many
	return network.String()
}

// negative returns an error about a setting that is below zero.
func negative[T ~int | ~int64](field string, value T) error {
	if value < 0 {
		return fmt.Errorf("limit: %s: %v is negative; 0 stands for the default, or for no limit", field, value)
	}
	return nil
}
