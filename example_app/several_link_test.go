package main

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"
)

// link is a way to a server that can be held: then it takes connections and bytes as
// before, and passes nothing on until it is let go, as a network does that is split.
// Nothing is refused, and nothing is lost.
type link struct {
	server string
	mu     sync.Mutex
	open   chan struct{} // closed while bytes may pass
}

// newLink returns a link to a server and where it listens.
func newLink(t *testing.T, server string) (l *link, addr string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	l = &link{server: server, open: make(chan struct{})}
	close(l.open)
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			go l.serve(near)
		}
	}()
	return l, listener.Addr().String()
}

func (l *link) serve(near net.Conn) {
	defer near.Close()
	l.pass()
	far, err := net.Dial("tcp", l.server)
	if err != nil {
		return
	}
	defer far.Close()
	var both sync.WaitGroup
	both.Go(func() { l.copy(far, near) })
	both.Go(func() { l.copy(near, far) })
	both.Wait()
}

// copy passes bytes on, and that there are no more.
func (l *link) copy(to, from net.Conn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		l.pass()
		if _, failed := to.Write(buffer[:n]); failed != nil || err != nil {
			_ = to.(*net.TCPConn).CloseWrite()
			return
		}
	}
}

// pass waits until bytes may pass.
func (l *link) pass() {
	l.mu.Lock()
	open := l.open
	l.mu.Unlock()
	<-open
}

func (l *link) hold() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open = make(chan struct{})
}

func (l *link) letGo() {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.open)
}

const (
	// probes are the refunds, and the notices, that a process is asked while its
	// store does not answer.
	probes = 8
	// probeTime bounds their answers: ten seconds are the store's, and the rest is
	// the machine's.
	probeTime = 20 * time.Second
)

// cutOff parts one of the processes from its store. It answers refunds by 503 and lets
// notices come again, both in time, while the others go on; afterwards nothing is lost.
func cutOff(t *testing.T, binary string, seed uint64, where string) {
	began := time.Now()
	c := newCrash(t, binary, seed, course{
		refunds: *severalRefunds, processes: severalProcesses, balanced: true, clients: 64, load: *severalLoad, later: probes,
		faults: crashFaults, rate: 0.3,
	})
	c.prepare(where)
	u, err := url.Parse(c.store)
	if err != nil {
		t.Fatal(err)
	}
	l, addr := newLink(t, u.Host)
	u.Host = addr
	c.processes[0].store = u.String()
	c.play(func() { c.part(l) })
	c.settle()
	c.judge(t.Name(), began)
}

// part holds the link of the first process, and asks it.
func (c *crash) part(l *link) {
	c.balancer.awaitReady(c.T)
	c.awaitCalls(len(c.plan.wishes) / 4)
	var signed []string
	for _, n := range c.fake.Notices() {
		if len(signed) < probes && n.Acknowledged && n.Params["app_id"] == c.fake.AppID() {
			n.Params["notify_id"] += "-again"
			signed = append(signed, c.fake.SignedNotice(n.Params))
		}
	}
	cut, before := c.processes[0], c.answered.Load()
	l.hold()
	held := time.Now()
	var asking sync.WaitGroup
	var mu sync.Mutex
	slowest := map[string]time.Duration{}
	probe := func(what string, ask func(ctx context.Context) (status int, body []byte, err error)) {
		asking.Go(func() {
			ctx, cancel := context.WithTimeout(c.Context(), 2*time.Minute)
			defer cancel()
			status, body, err := ask(ctx)
			took := time.Since(held)
			if err != nil || status != http.StatusServiceUnavailable || took > probeTime {
				c.Errorf("a %s of a process without its store: %d %s %v after %v", what, status, body, err, took)
			}
			mu.Lock()
			defer mu.Unlock()
			slowest[what] = max(slowest[what], took)
		})
	}
	for _, w := range c.plan.wishes[:c.later] {
		probe("refund", func(ctx context.Context) (int, []byte, error) {
			return c.send(ctx, cut.base+w.path, "application/json", w.body)
		})
	}
	for _, form := range signed {
		probe("notice", func(ctx context.Context) (int, []byte, error) {
			return c.send(ctx, cut.base+payNotifyPath, "application/x-www-form-urlencoded", form)
		})
	}
	asking.Wait()
	others := c.answered.Load() - before
	l.letGo()
	healed := time.Now()
	for _, w := range c.plan.wishes[:c.later] {
		c.todo <- w
	}
	eventually(c.T, "refund of the process that was cut off", func() bool {
		r := (&app{t: c.T, base: cut.base}).do(http.MethodGet, "/alipay/refunds?limit=1", "", "Bearer "+testToken)
		return r.status == http.StatusOK
	})
	c.note("cut off for %v; the slowest answer to a refund took %v, to a notice %v; refunds answered meanwhile by the others: %d; well again after %v",
		healed.Sub(held).Round(time.Millisecond), slowest["refund"].Round(time.Millisecond), slowest["notice"].Round(time.Millisecond), others, time.Since(healed).Round(time.Millisecond))
	if others == 0 || len(signed) == 0 {
		c.Errorf("%d refunds were answered by the others, and %d notices sent", others, len(signed))
	}
}
