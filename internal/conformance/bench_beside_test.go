package conformance

import (
	"database/sql"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/alirefund/alirefund/store"
)

// pair is the same piece of work, done twice over: by the least that does it,
// and by this module.
type pair struct{ floor, ours func() }

// beside times pairs. The two take turns, and each is first in every other pair,
// so that whatever else the machine does disturbs both alike. next prepares the
// nth pair, and is not timed. It reports the median of each side, and how many
// times the floor ours takes, by the medians and by the sums of all times.
func beside(b *testing.B, next func(n int) pair) {
	b.Helper()
	const batch = 32 // the first warms up: connections, plans, pages
	var pairs [batch]pair
	var times [2][]time.Duration
	prepare := func(first int) {
		for n := range batch {
			pairs[n] = next(first + n)
		}
	}
	do := func(n int) {
		p := pairs[n%batch]
		for turn := range 2 {
			side := (n + turn) % 2
			start := time.Now()
			[]func(){p.floor, p.ours}[side]()
			times[side] = append(times[side], time.Since(start))
		}
	}
	prepare(0)
	for n := range batch {
		do(n)
	}
	times = [2][]time.Duration{}
	for n := batch; b.Loop(); n++ {
		if n%batch == 0 {
			b.StopTimer()
			prepare(n)
			b.StartTimer()
		}
		do(n)
	}
	var medians, sums [2]float64
	for side := range times {
		slices.Sort(times[side])
		medians[side] = float64(times[side][len(times[side])/2])
		for _, t := range times[side] {
			sums[side] += float64(t)
		}
	}
	b.ReportMetric(medians[0], "floor-ns")
	b.ReportMetric(medians[1], "ours-ns")
	b.ReportMetric(medians[1]/medians[0], "times-floor")
	b.ReportMetric(sums[1]/sums[0], "times-floor-by-sums")
	b.ReportMetric(0, "ns/op") // of both and what prepared them
}

// place is where a ledger is kept: in Memory, or in a database.
type place struct {
	name  string
	store store.Store
	d     database // without a DB for Memory
}

func eachPlace(b *testing.B, bench func(b *testing.B, p place)) {
	b.Run("Memory", func(b *testing.B) { bench(b, place{name: "Memory", store: store.NewMemory()}) })
	benchEach(b, func(b *testing.B, d database) { bench(b, place{d.name, d.store(b, d.DB), d}) })
}

// anew returns a store on the same place that remembers nothing of it, as
// another process has one.
func (p place) anew(b *testing.B) store.Store {
	if p.d.DB == nil {
		return p.store
	}
	return p.d.store(b, p.d.DB)
}

// recorded returns a store on the same place, and what records its writes. Those
// of Memory are none.
func (p place) recorded(b *testing.B) (store.Store, *recorder) {
	if p.d.DB == nil {
		return p.store, &recorder{}
	}
	r := &recorder{inner: p.d.Driver(), dsn: p.d.url}
	db := sql.OpenDB(r)
	b.Cleanup(func() { _ = db.Close() })
	return p.d.store(b, db), r
}

// writer returns what writes one transaction of a script, or for Memory into a
// map as often.
func (p place) writer(b *testing.B, s script) func(n int) {
	if p.d.DB != nil {
		return func(n int) { s.write(b, p.d.DB, n) }
	}
	var mu sync.Mutex
	rows := map[int]string{}
	return func(n int) {
		mu.Lock()
		defer mu.Unlock()
		rows[n] = "a refund"
	}
}
