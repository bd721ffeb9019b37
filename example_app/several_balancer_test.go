package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httputil"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// balancer is the one address of several processes of the shop. Each request goes to
// one of those that say that they are ready, at random, and to another where the
// connection is refused. A process that dies under a request takes the request along.
type balancer struct {
	httputil.ReverseProxy
	transport http.Transport
	targets   []*target
	// double: every tenth notice goes to a second process at the same time.
	double bool
	// took is told how long each request took, and how it was answered; nil: nobody is.
	took func(path string, status int, d time.Duration)

	mu      sync.Mutex
	rand    *rand.Rand
	doubled atomic.Int64
}

// target is a process as the balancer sees it.
type target struct {
	*process
	ready atomic.Bool
}

// readyEvery is how often the balancer asks a process whether it is ready.
const readyEvery = 50 * time.Millisecond

func newBalancer(t *testing.T, seed uint64, processes []*process) *balancer {
	b := &balancer{rand: rand.New(rand.NewPCG(seed, 2)), transport: http.Transport{MaxIdleConnsPerHost: 100, IdleConnTimeout: time.Minute}}
	b.Rewrite = func(*httputil.ProxyRequest) {} // RoundTrip says where to
	b.Transport = b
	b.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }
	var watching sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(func() { cancel(); watching.Wait(); b.transport.CloseIdleConnections() })
	for _, p := range processes {
		to := &target{process: p}
		b.targets = append(b.targets, to)
		watching.Go(func() { b.watch(ctx, to) })
	}
	return b
}

// watch asks a process, again and again, whether it is ready. One that does not say is
// not from the third time on, as with other balancers: the machine may be busy.
func (b *balancer) watch(ctx context.Context, to *target) {
	tick := time.NewTicker(readyEvery)
	defer tick.Stop()
	client := http.Client{Transport: &b.transport, Timeout: time.Second}
	for silent := 0; ctx.Err() == nil; {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, to.base+"/readyz", nil)
		if err != nil {
			return
		}
		answer, err := client.Do(r)
		if err == nil {
			_, _ = io.Copy(io.Discard, answer.Body)
			answer.Body.Close()
			silent = 0
			to.ready.Store(answer.StatusCode == http.StatusOK)
		} else if silent++; silent == 3 {
			to.ready.Store(false)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// ServeHTTP implements http.Handler.
func (b *balancer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	kept := &keptStatus{ResponseWriter: w}
	b.ReverseProxy.ServeHTTP(kept, r) // it does not return from a request that is cut off
	if b.took != nil {
		b.took(r.URL.Path, kept.status, time.Since(began))
	}
}

// keptStatus keeps the status of an answer.
type keptStatus struct {
	http.ResponseWriter
	status int
}

func (k *keptStatus) WriteHeader(status int) {
	k.status = status
	k.ResponseWriter.WriteHeader(status)
}

// errNobody: no process is ready.
var errNobody = errors.New("no process is ready")

// RoundTrip implements http.RoundTripper.
func (b *balancer) RoundTrip(r *http.Request) (answer *http.Response, err error) {
	var body []byte
	if r.Body != nil {
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	order, second := b.choose(r.URL.Path)
	if second != nil {
		b.doubled.Add(1)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			if answer, err := b.send(r, body, second); err == nil {
				_, _ = io.Copy(io.Discard, answer.Body)
				answer.Body.Close()
			}
		}()
		defer func() { <-ended }()
	}
	err = errNobody
	for _, to := range order {
		if answer, err = b.send(r, body, to); !errors.Is(err, syscall.ECONNREFUSED) {
			return answer, err
		}
		to.ready.Store(false)
	}
	return nil, err
}

// choose returns the processes to try, one after the other, and a second one that gets
// the same at once, if there is to be one.
func (b *balancer) choose(path string) (order []*target, second *target) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, n := range b.rand.Perm(len(b.targets)) {
		if to := b.targets[n]; to.ready.Load() {
			order = append(order, to)
		}
	}
	if b.double && len(order) > 1 && strings.HasSuffix(path, "notify") && b.rand.IntN(10) == 0 {
		second = order[1]
	}
	return order, second
}

func (b *balancer) send(r *http.Request, body []byte, to *target) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.URL.Scheme, r.URL.Host = "http", strings.TrimPrefix(to.base, "http://")
	r.Body = io.NopCloser(bytes.NewReader(body))
	return b.transport.RoundTrip(r)
}

// awaitReady waits until the balancer knows that all its processes are ready.
func (b *balancer) awaitReady(t *testing.T) {
	t.Helper()
	for _, to := range b.targets {
		eventually(t, "readiness of "+to.base, to.ready.Load)
	}
}
