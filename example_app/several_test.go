package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alirefund/alirefund/alipaytest"
)

var (
	severalRefunds = flag.Int("several.refunds", 0, "how many refunds each part of TestSeveral asks for; 0 leaves the test out")
	severalKills   = flag.Int("several.kills", 8, "how often TestSeveral kills a process")
	severalLoad    = flag.Duration("several.load", 20*time.Second, "how long the refunds of TestSeveral are spread where processes are restarted or cut off")
	severalMeasure = flag.Duration("several.measure", 5*time.Second, "how long TestSeveral measures one process, and then three")
	severalStores  = flag.String("several.stores", "postgres://postgres@127.0.0.1:5432/test?sslmode=disable redis://127.0.0.1:6379/9",
		"the databases of TestSeveral, as crash.stores has them")
)

// severalProcesses are so many: one that is killed, one that notices, and one that
// knows of nothing.
const severalProcesses = 3

// Three processes of the shop on one store, behind one address. The seed is -crash.seed.
func TestSeveral(t *testing.T) {
	if *severalRefunds == 0 {
		t.Log("left out: make several runs it")
		return
	}
	seed, binary := crashSeedOrFresh(), build(t, "-overlay", overlay(t))
	for where := range strings.FieldsSeq(*severalStores) {
		name, _, _ := strings.Cut(where, ":")
		t.Run("throughput/"+name, func(t *testing.T) { throughput(t, binary, seed, where) })
	}
	for where := range strings.FieldsSeq(*severalStores) {
		name, _, _ := strings.Cut(where, ":")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, part := range []struct {
				name string
				run  func(t *testing.T, binary string, seed uint64, where string)
			}{{"killed", killed}, {"rolled", rolled}, {"cut", cutOff}} {
				t.Run(part.name, func(t *testing.T) {
					if name == "redis" { // PostgreSQL has no room for the connections of more than one part
						t.Parallel()
					}
					part.run(t, binary, seed, where)
				})
			}
		})
	}
}

// killed lets processes be killed at random moments, as TestCrash does, while every
// tenth notice reaches two processes at once.
func killed(t *testing.T, binary string, seed uint64, where string) {
	began := time.Now()
	c := newCrash(t, binary, seed, course{refunds: *severalRefunds, processes: severalProcesses, balanced: true, clients: 16, faults: crashFaults, rate: 0.5, harsh: true})
	c.balancer.double = true
	c.prepare(where)
	c.play(func() { c.killOften(*severalKills) })
	c.settle()
	c.note("notices that reached two processes at once: %d", c.balancer.doubled.Load())
	c.judge(t.Name(), began)
	if c.balancer.doubled.Load() == 0 {
		t.Error("no notice reached two processes at once")
	}
}

// rolledFaults leave a call without a proof, so that Alipay is asked.
var rolledFaults = []alipaytest.Fault{
	{Kind: alipaytest.LostAnswer},
	{Kind: alipaytest.SystemErrorAfter},
	{Kind: alipaytest.LooseTypes},
}

// rolled restarts one process after the other by SIGTERM, twice round, under load. No
// request fails but by the documented 503 "nothing was sent", and each notice is taken
// when it comes first.
func rolled(t *testing.T, binary string, seed uint64, where string) {
	began := time.Now()
	c := newCrash(t, binary, seed, course{refunds: *severalRefunds, processes: severalProcesses, balanced: true, clients: 64, load: *severalLoad, faults: rolledFaults, rate: 0.3})
	c.flags = append(c.flags, "-timeout", patientTimeout)
	c.prepare(where)
	c.play(c.roll)
	c.settle()
	c.judge(t.Name(), began)
	if n := c.cut.Load(); n != 0 {
		t.Errorf("%d requests were cut off", n)
	}
	if n := c.unsure.Load(); n != 0 {
		t.Errorf("%d requests were answered by 503, and not because nothing was sent", n)
	}
	for _, n := range c.fake.Notices() {
		if first := n.Deliveries[0]; !first.Acknowledged && !errors.Is(first.Err, context.Canceled) { // by the end of play
			t.Errorf("notice %s was not taken when it came first: %d %s %v", n.ID, first.Status, first.Body, first.Err)
		}
	}
}

// roll restarts every process, twice, while the load lasts.
func (c *crash) roll() {
	c.balancer.awaitReady(c.T)
	c.awaitCalls(1)
	before, longest := c.answered.Load(), time.Duration(0)
	for range 2 {
		for _, p := range c.processes {
			<-time.After(c.load / time.Duration(2*len(c.processes)+2))
			began := time.Now()
			c.end(p)
			longest = max(longest, time.Since(began))
			c.start(p)
			c.balancer.awaitReady(c.T)
		}
	}
	during := c.answered.Load() - before
	c.note("processes stopped and started again: %d; the slowest stop took %v; refunds answered meanwhile: %d",
		2*len(c.processes), longest.Round(time.Millisecond), during)
	if during == 0 {
		c.Error("no refund was answered while processes were restarted")
	}
}

// throughput measures one process, and then three, on the same store and behind the
// same balancer, which shares the machine with them.
func throughput(t *testing.T, binary string, seed uint64, where string) {
	c := newCrash(t, binary, seed, course{processes: severalProcesses, balanced: true, clients: 64})
	c.flags = append(c.flags, "-timeout", patientTimeout)
	c.prepare(where)
	background, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	running.Go(func() { c.fake.Run(background) })
	measure := func(processes ...*process) (each float64) {
		for _, p := range processes {
			c.start(p)
			for _, to := range c.balancer.targets {
				if to.process == p {
					eventually(t, "readiness", to.ready.Load)
				}
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), *severalMeasure)
		defer cancel()
		began := time.Now()
		n := c.drive(ctx, 0)
		return float64(n) / time.Since(began).Seconds()
	}
	one := measure(c.processes[0])
	all := measure(c.processes[1:]...)
	for _, p := range c.processes {
		c.end(p)
	}
	t.Logf("refunds/s by one process %.0f, by %d %.0f: %.2f times as many", one, severalProcesses, all, all/one)
}

// drive asks for refunds of orders of their own until ctx ends, rate a second or, by 0,
// as many as the clients can, and returns how many succeeded. Any other answer fails
// the test.
func (c *crash) drive(ctx context.Context, rate float64) int {
	var succeeded atomic.Int64
	var asking sync.WaitGroup
	turns := make(chan struct{})
	for range c.clients {
		asking.Go(func() {
			for range turns {
				order := fmt.Sprintf("driven-%d", c.driven.Add(1))
				c.trade(order, 1_00)
				status, body, err := c.send(c.Context(), c.base+"/alipay/refunds", "application/json", `{"out_trade_no":"`+order+`","refund_amount":"1.00"}`)
				if err != nil || status != http.StatusOK {
					c.Errorf("%s: %d %s %v", order, status, body, err)
				}
				succeeded.Add(1)
			}
		})
	}
	for began, n := time.Now(), 0; ctx.Err() == nil; n++ {
		var turn <-chan time.Time
		if rate > 0 {
			turn = time.After(time.Until(began.Add(time.Duration(float64(n) / rate * float64(time.Second)))))
			select {
			case <-turn:
			case <-ctx.Done():
			}
		}
		select {
		case turns <- struct{}{}:
		case <-ctx.Done():
		}
	}
	close(turns)
	asking.Wait()
	return int(succeeded.Load())
}
