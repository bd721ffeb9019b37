package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

var (
	soakMinutes = flag.Float64("soak.minutes", 0, "for how long TestSoak drives the shop; 0 leaves the test out")
	soakStore   = flag.String("soak.store", "postgres://postgres@127.0.0.1:5432/test?sslmode=disable", "the database of TestSoak, as crash.stores has them")
	soakMost    = flag.Float64("soak.most", 300, "how many refunds a second TestSoak asks for at most")
)

// soakTolerance is what the least of the last third of a soak may be beyond the least of
// the first: of goroutines and file descriptors, which come and go with what is under way,
// for up to 64 clients, and of memory that is alive after a collection of garbage.
var soakTolerance = struct{ part, goroutines, files, bytes, bytesByNotice float64 }{
	part: 0.1, goroutines: 64, files: 32, bytes: 4 << 20,
	bytesByNotice: 300, // a notification that is done is remembered for 48 hours, in about 200 bytes
}

// One process of the shop, for long, under half the load that it can take: what it needs
// stays the same, and nothing fails. The seed is -crash.seed.
func TestSoak(t *testing.T) {
	if *soakMinutes == 0 {
		t.Log("left out: make soak runs it")
		return
	}
	c := newCrash(t, build(t), crashSeedOrFresh(), course{
		processes: 1, balanced: true, clients: 64,
	})
	c.flags = append(c.flags, "-timeout", patientTimeout)
	routes := newRoutes()
	c.balancer.took = routes.add
	c.prepare(*soakStore)
	background, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	for range 8 {
		running.Go(func() { c.fake.Run(background) })
	}
	c.start(c.processes[0])
	c.balancer.awaitReady(t)

	const measure = 10 * time.Second
	ctx, cancel := context.WithTimeout(t.Context(), measure)
	asked := c.drive(ctx, 0)
	cancel()
	capacity := float64(asked) / measure.Seconds()
	rate := min(capacity/2, *soakMost)
	t.Logf("-crash.seed=%d: it can take %.0f refunds/s, and gets %.0f", c.seed, capacity, rate)
	routes.take()

	ctx, cancel = context.WithTimeout(t.Context(), time.Duration(*soakMinutes*float64(time.Minute)))
	defer cancel()
	var samples []sample
	running.Go(func() { asked += c.drive(ctx, rate) })
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for began, minute := time.Now(), 1; ; {
		samples = append(samples, c.sample())
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
		if passed := time.Since(began); ctx.Err() != nil && passed < time.Minute || passed >= time.Duration(minute)*time.Minute {
			last := samples[len(samples)-1]
			t.Logf("minute %d: %s; RSS %.0f MB, alive %.1f MB, %.0f goroutines, %.0f files", minute, routes.take(),
				last["process_resident_memory_bytes"]/1e6, last["go_gc_heap_live_bytes"]/1e6, last["go_goroutines"], last["process_open_fds"])
			minute++
		}
		if ctx.Err() != nil {
			break
		}
	}
	for patience := time.Now().Add(3 * time.Minute); c.noticesLeft() > 0 && time.Now().Before(patience); {
		<-tick.C
	}
	stop()
	running.Wait()
	c.soaked(samples, asked)
	c.end(c.processes[0])
}

// patientTimeout is that of a call to Alipay where only the machine is slow.
const patientTimeout = "15s"

// soaked judges what came of it.
func (c *crash) soaked(samples []sample, asked int) {
	moved := map[string]int{}
	for _, m := range c.fake.Movements() {
		if moved[m.OutTradeNo]++; moved[m.OutTradeNo] > 1 {
			c.Errorf("%s was refunded twice", m.OutTradeNo)
		}
	}
	notices := c.fake.Notices()
	if len(moved) != asked || len(notices) != asked {
		c.Errorf("%d refunds were asked for, %d moved, and %d notices came", asked, len(moved), len(notices))
	}
	for _, n := range notices {
		if len(n.Deliveries) != 1 || !n.Acknowledged {
			c.Errorf("notice %s came %d times, at first: %d %s %v", n.ID, len(n.Deliveries), n.Deliveries[0].Status, n.Deliveries[0].Body, n.Deliveries[0].Err)
		}
	}
	if left := len(c.records("state=pending")) + len(c.records("undelivered=true")); left > 0 {
		c.Errorf("%d refunds are unresolved or undelivered", left)
	}
	third := len(samples) / 3
	if third < 3 {
		c.Fatalf("%d samples are too few", len(samples))
	}
	first, last := samples[:third], samples[len(samples)-third:]
	between := float64(asked) * 2 / 3 // of the middles of the two
	for name, more := range map[string]float64{
		"go_goroutines":         soakTolerance.goroutines,
		"process_open_fds":      soakTolerance.files,
		"go_gc_heap_live_bytes": soakTolerance.bytes + between*soakTolerance.bytesByNotice,
	} {
		was, is := least(first, name), least(last, name)
		c.Logf("%-22s first third %.0f, last third %.0f, at most %.0f", name, was, is, was*(1+soakTolerance.part)+more)
		if was == 0 || is > was*(1+soakTolerance.part)+more {
			c.Errorf("%s grew from %.0f to %.0f", name, was, is)
		}
	}
}

// sample is what the process says of itself: the value by the metric's name.
type sample map[string]float64

// sample asks the process, and not the balancer.
func (c *crash) sample() sample {
	r := (&app{t: c.T, base: c.processes[0].base}).do(http.MethodGet, "/metrics", "", "Bearer "+testToken)
	s := sample{}
	for lines := bufio.NewScanner(strings.NewReader(r.text)); lines.Scan(); {
		name, text, _ := strings.Cut(lines.Text(), " ")
		if value, err := strconv.ParseFloat(text, 64); err == nil {
			s[name] = value
		}
	}
	return s
}

func least(samples []sample, name string) float64 {
	least := samples[0][name]
	for _, s := range samples {
		least = min(least, s[name])
	}
	return least
}

// routes are how long the requests of each route took since they were last taken.
type routes struct {
	mu    sync.Mutex
	times map[string][]time.Duration
}

func newRoutes() *routes { return &routes{times: map[string][]time.Duration{}} }

func (r *routes) add(path string, _ int, took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.times[path] = append(r.times[path], took)
}

// take says how many requests there were, and how long they took.
func (r *routes) take() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var texts []string
	for _, route := range []struct{ name, path string }{{"refunds", "/alipay/refunds"}, {"notices", payNotifyPath}} {
		times := r.times[route.path]
		slices.Sort(times)
		at := func(part float64) time.Duration {
			if len(times) == 0 {
				return 0
			}
			return times[int(part*float64(len(times)-1))].Round(100 * time.Microsecond)
		}
		texts = append(texts, fmt.Sprintf("%d %s, p50 %v, p99 %v", len(times), route.name, at(0.5), at(0.99)))
	}
	clear(r.times)
	return strings.Join(texts, "; ")
}
