package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/store"
)

var (
	crashKills   = flag.Int("crash.kills", 0, "how often TestCrash kills the shop; 0 leaves the test out")
	crashRefunds = flag.Int("crash.refunds", 2000, "how many refunds TestCrash asks for")
	crashHeld    = flag.Duration("crash.held", 3*time.Second, "for how long at most a request is held back on its way to Alipay")
	crashSeed    = flag.Uint64("crash.seed", 0, "makes TestCrash's plan; 0 takes a fresh one")
	crashStores  = flag.String("crash.stores", "sqlite: postgres://postgres@127.0.0.1:5432/test?sslmode=disable mysql://root@127.0.0.1:3306/test redis://127.0.0.1:6379/9",
		"the databases of TestCrash, as -store has them: on a server it makes a schema, or database, of its own; of Redis it takes the first empty one from that on")
)

// The shop, as a process of its own on a database, is killed at random moments
// while clients refund, Alipay makes mistakes, requests are held back on their way,
// hooks hang, and notices come in; each process has a clock that is up to five minutes
// wrong. Afterwards what really happened, the ledger, the shop's rows and what its
// hooks were told agree to the fen.
func TestCrash(t *testing.T) {
	if *crashKills == 0 {
		t.Log("left out: make crash runs it")
		return
	}
	seed, binary := crashSeedOrFresh(), build(t, "-overlay", overlay(t))
	for where := range strings.FieldsSeq(*crashStores) {
		name, _, _ := strings.Cut(where, ":")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			c := newCrash(t, binary, seed, course{refunds: *crashRefunds, processes: 1, clients: 16, faults: crashFaults, rate: 0.5, harsh: true})
			c.prepare(where)
			c.play(func() { c.killOften(*crashKills) })
			c.settle()
			c.judge(name, began)
		})
	}
}

func crashSeedOrFresh() uint64 {
	if *crashSeed != 0 {
		return *crashSeed
	}
	return rand.Uint64()
}

// build builds the shop.
func build(t *testing.T, flags ...string) (binary string) {
	t.Helper()
	binary = filepath.Join(t.TempDir(), "shop")
	args := append(append([]string{"build"}, flags...), "-o", binary, ".")
	if out, err := exec.CommandContext(t.Context(), "go", args...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return binary
}

// course is how a run of the test goes.
type course struct {
	refunds   int
	processes int           // of the shop
	balanced  bool          // they are behind a balancer
	clients   int           // how many ask at once
	load      time.Duration // over which the refunds are asked for; 0: as fast as the clients can
	later     int           // of the refunds, which the test itself gives to the clients
	faults    []alipaytest.Fault
	rate      float64 // how often they happen
	harsh     bool    // requests are held back on their way to Alipay, and hooks hang
}

// crash is one run of the test.
type crash struct {
	*testing.T
	course
	rand *rand.Rand // the plan's and the killer's, for nobody else at the same time
	seed uint64
	plan plan
	fake *alipaytest.Alipay
	base string // where clients and Alipay reach the shop: the balancer, if there is one
	// start's: the program, and where it keeps what
	binary, dir, store string
	flags              []string
	processes          []*process
	balancer           *balancer // or nil

	todo           chan *wish
	called         chan struct{} // something by each call to Alipay
	client         http.Client
	kills          int
	cut, repeated  atomic.Int64 // requests that were cut off; that were repeated
	unsure         atomic.Int64 // requests of which nobody knew whether they sent anything (store_failed)
	answered       atomic.Int64 // requests that were answered for good
	driven         atomic.Int64 // orders that drive has made
	held, onTheWay atomic.Int64 // requests that were held back; that still are
	consoled       map[refundKey]bool
	notes          []string // what judge prints besides
}

// process is one process of the shop.
type process struct {
	*exec.Cmd
	base  string // its own address
	store string // its own way to the store; empty: that of all
}

const (
	crashTimeout    = time.Second // of one call to Alipay
	crashFirstCheck = time.Second
	// crashPace is what a second is to the fake: its notices come again, after
	// four minutes and more, while the test lasts, and a request that is held back
	// for three minutes arrives after three seconds.
	crashPace = time.Minute
	// crashMargin is what Times.Transit has beyond the time that a request is held back:
	// the call's own timeout is in it.
	crashMargin = 20 * time.Second
	// crashDrain is how long a process serves on that is told to stop: the balancer asks
	// far more often whether it is ready.
	crashDrain = time.Second
	// crashHang is how long some hooks hang: longer than one may take.
	crashHang = 12 * time.Second
)

// crashFaults befall a third of the refunds, some of the queries and half of the
// notices. Of a notice's faults one is missing, that which leaves out every
// number: such a notice is a refund of its own.
var crashFaults = []alipaytest.Fault{
	{Kind: alipaytest.LostAnswer},
	{Kind: alipaytest.LostRequest},
	{Kind: alipaytest.LateRequest},
	{Kind: alipaytest.LateRequest, Delay: 3 * time.Minute},
	{Kind: alipaytest.SystemErrorBefore},
	{Kind: alipaytest.SystemErrorAfter},
	{Kind: alipaytest.WrongSignature},
	{Kind: alipaytest.NoSignature},
	{Kind: alipaytest.Slow, Delay: crashTimeout * 3 / 2},
	{Kind: alipaytest.LooseTypes},
	{Kind: alipaytest.GatewayError},
	{Kind: alipaytest.HTTP500},
	{Kind: alipaytest.Refusal, SubCode: "ACQ.SELLER_BALANCE_NOT_ENOUGH", Method: "alipay.trade.refund"},

	{Kind: alipaytest.LostAnswer, Method: "alipay.trade.fastpay.refund.query"},
	{Kind: alipaytest.SystemErrorBefore, Method: "alipay.trade.fastpay.refund.query"},
	{Kind: alipaytest.NoSignature, Method: "alipay.trade.fastpay.refund.query"},
	{Kind: alipaytest.LostAnswer, Method: "alipay.fund.coupon.operation.query"},
	{Kind: alipaytest.SystemErrorBefore, Method: "alipay.fund.coupon.operation.query"},
	{Kind: alipaytest.HTTP500, Method: "alipay.fund.coupon.operation.query"},

	{Kind: alipaytest.NoticeTwice},
	{Kind: alipaytest.NoticeTwiceNewID},
	{Kind: alipaytest.NoticeLate, Delay: 2 * time.Minute},
	{Kind: alipaytest.NoticeOutOfOrder},
	{Kind: alipaytest.NoticeEarly},
	{Kind: alipaytest.NoticeGBK},
	{Kind: alipaytest.NoticeForeign},
}

func newCrash(t *testing.T, binary string, seed uint64, how course) *crash {
	c := &crash{
		T: t, course: how, seed: seed, rand: rand.New(rand.NewPCG(seed, 1)), fake: alipaytest.New(alipaytest.Config{}),
		binary: binary, dir: t.TempDir(), called: make(chan struct{}, 1000), consoled: map[refundKey]bool{},
	}
	c.client = http.Client{Timeout: 2 * time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: how.clients}}
	for range how.processes {
		c.processes = append(c.processes, &process{base: "http://" + freeAddress(t)})
	}
	c.base = c.processes[0].base
	if how.balanced {
		c.balancer = newBalancer(t, seed, c.processes)
		c.base = listenAndServe(t, c.balancer)
	}
	c.fake.InjectRandomly(seed, c.rate, c.faults...)
	gateway := listenAndServe(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case c.called <- struct{}{}:
		default: // the killer is late, or has done
		}
		if c.harsh && rand.IntN(20) == 0 {
			c.holdBack(r)
			panic(http.ErrAbortHandler)
		}
		c.fake.ServeHTTP(w, r)
	}))
	c.flags = []string{
		"-gateway", gateway + "/gateway.do", "-app-id", c.fake.AppID(),
		"-private-key", file(t, "app.pem", c.fake.AppPrivateKey()), "-alipay-public-key", file(t, "alipay.txt", c.fake.AlipayPublicKey()),
		"-notify-url", c.base + notifyPath, "-staff-token", testToken, "-drain", crashDrain.String(),
		"-timeout", crashTimeout.String(), "-first-check", crashFirstCheck.String(), "-transit", (*crashHeld + crashMargin).String(),
	}
	return c
}

// holdBack does with a request what a proxy with a full queue does: the caller waits
// until it gives up, and some time later Alipay gets the request all the same.
func (c *crash) holdBack(r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the shop was killed before it had sent it all
	}
	<-r.Context().Done()
	c.held.Add(1)
	c.onTheWay.Add(1)
	late := r.Clone(context.WithoutCancel(r.Context()))
	late.Body = io.NopCloser(bytes.NewReader(body))
	time.AfterFunc(rand.N(*crashHeld), func() {
		defer c.onTheWay.Add(-1)
		defer func() { _ = recover() }() // the fake's way to break a connection
		c.fake.ServeHTTP(httptest.NewRecorder(), late)
	})
}

// freeAddress is one that no outgoing connection takes while the shop is down.
func freeAddress(t *testing.T) string {
	t.Helper()
	for range 100 {
		listener, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", 20000+rand.N(10000)))
		if err == nil {
			defer listener.Close()
			return listener.Addr().String()
		}
	}
	t.Fatal("there is no free port")
	return ""
}

// play lets everybody do their part until each refund was answered for good and
// disturb has returned.
func (c *crash) play(disturb func()) {
	background, stop := context.WithCancel(c.Context())
	var running, clients sync.WaitGroup
	defer running.Wait()
	defer stop()
	for _, p := range c.processes {
		c.start(p)
	}

	for range 4 {
		running.Go(func() { c.fake.Run(background) })
	}
	running.Go(func() { c.passTime(background) })
	running.Go(func() { c.console(background) })

	c.todo = make(chan *wish, len(c.plan.wishes))
	clients.Add(len(c.plan.wishes))
	running.Go(func() { c.feed(background) })
	for range c.clients {
		running.Go(func() {
			for {
				select {
				case <-background.Done():
					return
				case w := <-c.todo:
					if c.ask(w) {
						clients.Done()
						continue
					}
					c.repeated.Add(1)
					time.AfterFunc(time.Second+rand.N(time.Second), func() { c.todo <- w })
				}
			}
		})
	}
	disturb()
	answered := make(chan struct{})
	go func() { clients.Wait(); close(answered) }()
	c.awaitAnswers(answered)
}

// awaitAnswers waits until all is answered, or nothing has been for some minutes: judge
// says what is not.
func (c *crash) awaitAnswers(all <-chan struct{}) {
	for before := int64(-1); c.answered.Load() > before; {
		before = c.answered.Load()
		select {
		case <-all:
			return
		case <-time.After(3*time.Minute + *crashHeld):
		}
	}
}

// feed gives the wishes to the clients, spread over the time of the load.
func (c *crash) feed(ctx context.Context) {
	for _, w := range c.plan.wishes[c.later:] {
		c.todo <- w
		select {
		case <-time.After(c.load / time.Duration(len(c.plan.wishes))):
		case <-ctx.Done():
		}
	}
}

// ask asks for a refund, and tells whether that was answered for good.
func (c *crash) ask(w *wish) bool {
	status, body, err := c.send(c.Context(), c.base+w.path, "application/json", w.body)
	if errors.Is(err, syscall.ECONNREFUSED) {
		<-time.After(50 * time.Millisecond) // until it listens again
		return false
	}
	if err != nil {
		c.cut.Add(1)
		return false
	}
	var problem struct{ Code string }
	if err := json.Unmarshal(body, &problem); err != nil || problem.Code == "invalid_fields" {
		c.Errorf("%s: %s", w.body, body)
	}
	switch status {
	case http.StatusServiceUnavailable:
		if problem.Code != "nothing_sent" {
			c.unsure.Add(1)
		}
		return false
	case http.StatusAccepted:
		return false
	case http.StatusOK, http.StatusUnprocessableEntity:
	default:
		c.Errorf("%s: %d %s", w.body, status, body)
	}
	w.status, w.code = status, problem.Code
	c.answered.Add(1)
	return true
}

// send posts to an address of the shop's, by the staff's token.
func (c *crash) send(ctx context.Context, to, contentType, text string) (status int, body []byte, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, strings.NewReader(text))
	if err != nil {
		return 0, nil, err
	}
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("Authorization", "Bearer "+testToken)
	answer, err := c.client.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer answer.Body.Close()
	body, err = io.ReadAll(answer.Body)
	return answer.StatusCode, body, err
}

// passTime lets an hour pass for the fake in a minute.
func (c *crash) passTime(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			c.fake.Advance(crashPace)
		}
	}
}

// console refunds, as people do at Alipay's console, what only a notice tells of.
func (c *crash) console(ctx context.Context) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for _, order := range c.plan.console {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			c.consoled[refundKey{orderKey{store.Trade, order}, c.fake.RefundAtConsole(order, 1_00)}] = true
		}
	}
}

// killOften kills a process of the shop, each time after a random number of calls to
// Alipay, or two seconds if there is little to do, and a moment more.
func (c *crash) killOften(kills int) {
	for mean := max(2, len(c.plan.wishes)/kills); c.kills < kills; c.kills++ {
		c.awaitCalls(c.rand.IntN(2*mean) + 1)
		<-time.After(time.Duration(c.rand.Int64N(int64(30 * time.Millisecond))))
		p := c.processes[c.rand.IntN(len(c.processes))]
		if err := p.Process.Kill(); err != nil {
			c.Fatal(err)
		}
		_ = p.Wait()
		if end := p.ProcessState; end.ExitCode() != -1 {
			c.Fatalf("the shop ended by itself: %v", end)
		}
		c.start(p)
	}
}

// awaitCalls waits for so many calls to Alipay, or two seconds.
func (c *crash) awaitCalls(n int) {
	patience := time.After(2 * time.Second)
	for ; n > 0; n-- {
		select {
		case <-c.called:
		case <-patience:
			return
		}
	}
}

// start runs a process of the shop until it is killed.
func (c *crash) start(p *process) {
	c.Helper()
	log, err := os.OpenFile(filepath.Join(c.dir, "shop.log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		c.Fatal(err)
	}
	defer log.Close() // the process has its own
	addr := strings.TrimPrefix(p.base, "http://")
	p.Cmd = exec.CommandContext(c.Context(), c.binary, append(c.flags,
		"-addr", addr, "-store", cmp.Or(p.store, c.store), "-events", filepath.Join(c.dir, "events-"+addr+".jsonl"))...)
	p.Stderr = log
	p.Env = append(os.Environ(), fmt.Sprintf("%s=%d", clockVariable, c.rand.IntN(601)-300))
	out, err := p.StdoutPipe()
	if err != nil {
		c.Fatal(err)
	}
	if err := p.Start(); err != nil {
		c.Fatal(err)
	}
	startUp(c.T, out)
}

// end stops a process as an operator does.
func (c *crash) end(p *process) {
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		c.Error(err)
	}
	if err := p.Wait(); err != nil {
		c.Errorf("it did not stop cleanly: %v", err)
	}
}

// note adds to what judge prints.
func (c *crash) note(format string, args ...any) {
	c.notes = append(c.notes, fmt.Sprintf(format, args...))
}
