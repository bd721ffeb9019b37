package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/internal/shoptest"
	"github.com/alirefund/alirefund/store"
	"github.com/alirefund/alirefund/store/redisstore"
)

// durable is a server that has what it acknowledges on its disk.
func durable(t testing.TB) *own {
	t.Helper()
	return startServer(t, "--appendonly", "yes", "--appendfsync", "always")
}

// killAfter kills the server and starts it again, each time after so many more of what
// count counts, or after a second.
func (o *own) killAfter(times int, each int64, count *atomic.Int64) {
	for range times {
		until := count.Load() + each
		for range 1000 {
			if count.Load() >= until {
				break
			}
			<-time.After(time.Millisecond)
		}
		o.kill()
		o.start()
	}
}

// What was acknowledged is there after the server was killed in the middle of work, and
// what was not is there in whole or not at all.
func TestKilledServerKeepsWhatItAcknowledged(t *testing.T) {
	o := durable(t)
	s, prefix := open(t, o.Client)
	const workers, kills = 8, 4
	type progress struct {
		id                               string
		opened, sent, settled, delivered bool
	}
	var mu sync.Mutex
	var all []*progress
	var claims []string
	var acknowledged, failures atomic.Int64
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for worker := range workers {
		wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				p := &progress{id: trade("order", fmt.Sprint(worker, " ", n)).ID}
				mu.Lock()
				all = append(all, p)
				mu.Unlock()
				done := func(ok bool, err error) bool {
					if err != nil {
						failures.Add(1)
						return false
					}
					acknowledged.Add(1)
					return ok
				}
				_, opened, err := s.Open(ctx, trade("order", fmt.Sprint(worker, " ", n)), store.Limit{}, nil)
				if p.opened = done(opened.How == store.Created, err); !p.opened {
					continue
				}
				a, err := s.Sending(ctx, p.id, store.Permission{Lease: time.Minute})
				if p.sent = done(a.Token != "", err); !p.sent {
					continue
				}
				_, settled, err := s.Settle(ctx, p.id, store.Settlement{Source: store.ByAnswer, Attempt: 1, Token: a.Token, Finding: store.Success})
				if p.settled = done(settled, err); !p.settled {
					continue
				}
				token, _, err := s.Deliver(ctx, p.id, store.RefundSucceeded, time.Minute)
				if !done(token != "", err) {
					continue
				}
				held, _, err := s.Delivered(ctx, p.id, store.RefundSucceeded, token, store.Notice{})
				p.delivered = done(held, err)
				if token, _, err := s.Claim(ctx, p.id, time.Minute); done(token != "", err) && done(s.Complete(ctx, p.id, token, time.Hour)) {
					mu.Lock()
					claims = append(claims, p.id)
					mu.Unlock()
				}
			}
		})
	}
	o.killAfter(kills, 200, &acknowledged)
	stop()
	wg.Wait()
	for _, p := range all {
		r, err := s.Get(t.Context(), p.id)
		switch {
		case errors.Is(err, store.ErrNotFound) && !p.opened: // and so nothing of it is known
		case err != nil, p.sent && r.Attempts != 1, p.settled && r.State != store.Succeeded, p.delivered && !r.WasDelivered(store.RefundSucceeded):
			t.Errorf("acknowledged %+v, and it is %+v, %v", *p, r, err)
		}
	}
	for _, key := range claims {
		if _, done, err := s.Claim(t.Context(), key, time.Minute); err != nil || !done {
			t.Errorf("what was completed is done: %v, %v", done, err)
		}
	}
	agree(t, s, o.Client, prefix)
	t.Logf("%d kills, %d refunds, %d claims, %d acknowledged, %d failures", kills, len(all), len(claims), acknowledged.Load(), failures.Load())
	if acknowledged.Load() < kills*200 || len(claims) == 0 {
		t.Error("little was done")
	}
}

// Refunds go on through a server that is killed again and again: each moves its money
// once, and the host hears of it.
func TestRefundsGoOnThroughKills(t *testing.T) {
	o := durable(t)
	s, prefix := open(t, o.Client)
	shop := shoptest.NewShop(t, func(c *alirefund.Config) {
		c.Store = s
		c.Times.FirstCheck = time.Second
	}, shoptest.Total(88_88))
	shop.Alipay.InjectRandomly(3, 0.2, alipaytest.Fault{Kind: alipaytest.LostAnswer}, alipaytest.Fault{Kind: alipaytest.SystemErrorAfter})
	stop := shop.Run()
	const workers, each = 8, 10
	var answered, repeated atomic.Int64
	var wg sync.WaitGroup
	for worker := range workers {
		for n := range each {
			shop.Alipay.AddTrade(alipaytest.Trade{OutTradeNo: fmt.Sprint("order", worker, "-", n), Total: 88_88})
		}
		wg.Go(func() {
			for n := range each {
				for {
					_, err := shop.Module.Refund(t.Context(), alirefund.RefundRequest{OutTradeNo: fmt.Sprint("order", worker, "-", n), RefundAmount: 8_88, OutRequestNo: "R"})
					if err == nil {
						answered.Add(1)
						break
					}
					repeated.Add(1)
					<-time.After(100 * time.Millisecond)
				}
			}
		})
	}
	o.killAfter(5, 10, &answered)
	wg.Wait()
	eventually(t, "something is left to do", func(ctx context.Context) bool {
		left, err := s.List(ctx, store.Filter{App: shop.Config.App.ID, Undelivered: true})
		return err == nil && len(left) == 0
	})
	stop()
	list, err := s.List(t.Context(), store.Filter{App: shop.Config.App.ID, State: store.Succeeded})
	if err != nil || len(list) != workers*each {
		t.Errorf("%d succeeded, %v", len(list), err)
	}
	told := strings.Count(shop.Told(), string(store.RefundSucceeded))
	t.Logf("%d refunds, %d repeated, %d told", len(list), repeated.Load(), told)
	if moved := shop.Alipay.Movements(); len(moved) != workers*each {
		t.Errorf("money moved %d times", len(moved))
	}
	heard := map[string]bool{}
	for _, e := range shop.Events {
		heard[e.Refund.ID] = heard[e.Refund.ID] || e.Name == store.RefundSucceeded
	}
	if len(heard) != workers*each {
		t.Errorf("the host heard of %d", len(heard))
	}
	agree(t, s, o.Client, prefix)
}

// A server that would throw refunds away is refused.
func TestNewRefusesAServerThatEvicts(t *testing.T) {
	o := startServer(t)
	client := o.impatient()
	for _, test := range []struct {
		memory, policy string
		want           error
	}{
		{"0", "allkeys-lru", nil},
		{"100mb", "noeviction", nil},
		{"100mb", "allkeys-lru", redisstore.ErrEvicts},
		{"100mb", "volatile-ttl", redisstore.ErrEvicts},
	} {
		err := errors.Join(o.ConfigSet(t.Context(), "maxmemory", test.memory).Err(), o.ConfigSet(t.Context(), "maxmemory-policy", test.policy).Err())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := redisstore.New(client); err != test.want {
			t.Errorf("%s, %s: %v; want %v", test.memory, test.policy, err, test.want)
		}
	}
	o.kill()
	if _, err := redisstore.New(client); err == nil {
		t.Error("a server that is not there is taken")
	}
}

func TestNewRefuses(t *testing.T) {
	client := server(t)
	if _, err := redisstore.New(nil); err == nil {
		t.Error("no client is taken")
	}
	for _, prefix := range []string{"", "a{b", "a}b", "a b", "*", strings.Repeat("x", 65)} {
		if _, err := redisstore.New(client, redisstore.Prefix(prefix)); err == nil {
			t.Errorf("the prefix %q is taken", prefix)
		}
	}
}

// A server that takes no writes, because its memory is full or its replicas are away,
// writes nothing of a step.
func TestNothingIsHalfWritten(t *testing.T) {
	o := startServer(t, "--maxmemory-policy", "noeviction")
	s, prefix := open(t, o.impatient())
	for n, setting := range []struct{ name, no, yes string }{
		{"min-replicas-to-write", "1", "0"},
		{"maxmemory", "1mb", "0"},
	} {
		t.Run(setting.name, func(t *testing.T) {
			order := fmt.Sprint("order", n)
			r := mustOpen(t, s, trade(order, "before"))
			token, _, err := s.Claim(t.Context(), order, time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			set := func(to string) {
				t.Helper()
				if err := o.ConfigSet(t.Context(), setting.name, to).Err(); err != nil {
					t.Fatal(err)
				}
			}
			set(setting.no)
			before := everything(t, o.Client, prefix)
			if _, _, err := s.Open(t.Context(), trade(order, "after"), store.Limit{Total: 9_00, Known: true}, nil); err == nil {
				t.Error("Open: no error")
			}
			if a, err := s.Sending(t.Context(), r.ID, store.Permission{Lease: time.Minute}); err == nil || a.Token != "" {
				t.Errorf("Sending = %v, %v", a, err)
			}
			if _, settled, err := s.Settle(t.Context(), r.ID, store.Settlement{Source: store.ByQuery, Finding: store.Success}); err == nil || settled {
				t.Errorf("Settle = %v, %v", settled, err)
			}
			if token, _, err := s.Claim(t.Context(), "another"+order, time.Minute); err == nil || token != "" {
				t.Errorf("Claim = %q, %v", token, err)
			}
			if after := everything(t, o.Client, prefix); fmt.Sprint(before) != fmt.Sprint(after) {
				t.Errorf("from\n%v\nit became\n%v", before, after)
			}
			set(setting.yes)
			if held, err := s.Complete(t.Context(), order, token, time.Minute); err != nil || !held {
				t.Errorf("Complete = %v, %v", held, err)
			}
			mustOpen(t, s, trade(order, "after"))
			agree(t, s, o.Client, prefix)
		})
	}
}
