package store_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/alirefund/alirefund/store"
)

// million is how many notifications the benchmarks of Memory remember.
const million = 1_000_000

// notifyKey is a key as the notify route builds it: app_id, and a notify_id of
// the 34 characters that Alipay's have.
func notifyKey(n int) string {
	return "2021001234567890/" + fmt.Sprintf("%034d", n)
}

// BenchmarkMemoryBytes measures what one completed notify_id costs, all
// included, beside its floor: a plain map of the ids to their ends.
func BenchmarkMemoryBytes(b *testing.B) {
	for b.Loop() {
		floor := heapOf(func() any {
			m := make(map[string]time.Time)
			for n := range million {
				m[fmt.Sprintf("%034d", n)] = time.Now()
			}
			return m
		})
		ours := heapOf(func() any {
			m := store.NewMemory()
			for n := range million {
				complete(b, m, notifyKey(n), 48*time.Hour)
			}
			return m
		})
		b.ReportMetric(floor/million, "map-B/id")
		b.ReportMetric(ours/million, "B/id")
		b.ReportMetric(0, "ns/op")
	}
}

// heapOf returns the bytes of live heap that build's result keeps.
func heapOf(build func() any) float64 {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	kept := build()
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(kept)
	return float64(after.HeapAlloc) - float64(before.HeapAlloc)
}

// BenchmarkMemorySweep measures what a claim of a new id waits while a million
// ids that have expired are being removed from among another million, and, its
// floor, what it waits where there is nothing to remove. The two take turns, so
// that whatever else the machine does disturbs both alike.
func BenchmarkMemorySweep(b *testing.B) {
	const turns, claims = 60, 10_000 // 600,000 claims remove more than a million
	for b.Loop() {
		resting, sweeping := store.NewMemory(), store.NewMemory()
		start := time.Now()
		for n := range million {
			complete(b, resting, notifyKey(n), 48*time.Hour)
			complete(b, sweeping, notifyKey(n), 48*time.Hour)
		}
		// They expire together, once the last of them is in.
		end := time.Now().Add(time.Since(start) + time.Second)
		for n := range million {
			complete(b, sweeping, "other/"+notifyKey(n), time.Until(end))
		}
		time.Sleep(time.Until(end.Add(100 * time.Millisecond)))
		before, _ := sweeping.Entries()
		runtime.GC()

		var rest, sweep []time.Duration
		for turn := range turns {
			rest = claimTimes(b, rest, resting, turn*claims, claims)
			sweep = claimTimes(b, sweep, sweeping, turn*claims, claims)
		}
		if after, _ := sweeping.Entries(); before != 2*million || after != million+turns*claims {
			b.Fatalf("%d entries before, %d after %d claims: not what was to be measured", before, after, turns*claims)
		}
		slices.Sort(rest)
		slices.Sort(sweep)
		tail := len(rest) * 999 / 1000
		b.ReportMetric(float64(rest[tail]), "rest-p99.9-ns")
		b.ReportMetric(float64(sweep[tail]), "sweep-p99.9-ns")
		b.ReportMetric(float64(sweep[tail])/float64(rest[tail]), "times-rest")
		b.ReportMetric(float64(rest[len(rest)/2]), "rest-median-ns")
		b.ReportMetric(float64(sweep[len(sweep)/2]), "sweep-median-ns")
		b.ReportMetric(0, "ns/op")
	}
}

// claimTimes claims n new keys and appends how long each claim took.
func claimTimes(b *testing.B, times []time.Duration, m *store.Memory, first, n int) []time.Duration {
	b.Helper()
	for i := range n {
		key := "new/" + notifyKey(first+i)
		start := time.Now()
		_, _, err := m.Claim(context.Background(), key, time.Minute)
		times = append(times, time.Since(start))
		if err != nil {
			b.Fatal(err)
		}
	}
	return times
}

// complete makes key done, by way of a claim.
func complete(b *testing.B, m *store.Memory, key string, keep time.Duration) {
	b.Helper()
	token, _, err := m.Claim(context.Background(), key, time.Minute)
	if err != nil {
		b.Fatal(err)
	}
	if held, err := m.Complete(context.Background(), key, token, keep); err != nil || !held {
		b.Fatal("Complete:", held, err)
	}
}
