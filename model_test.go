package alirefund_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/signer"
	"github.com/alirefund/alirefund/store"
)

var modelSends = flag.Int("model.sends", 2, "how many sends of one number the model is walked through to; each more takes three times as long")

// The machine of a refund, walked through: from every state that is reached,
// every step there is, with everything that can become of it. The module is the
// real one; see modelworld_test.go for what stands around it. Found out is
// whether ever
//
//   - a second number, or a second amount, is sent while the first has moved or
//     still might;
//   - what has moved, or still might, does not count against its order's total;
//   - a success is undone;
//   - somebody is told what is not so;
//   - from any state, Run does not come to rest with the truth recorded and told.
//
// One thing is assumed, as Alipay documents it: a send is executed within 10 s
// of its beginning, or never. A person's decision may be wrong; what it brings
// about is not held against the module.
func TestModel(t *testing.T) {
	labs := make([]*lab, runtime.GOMAXPROCS(0))
	for i := range labs {
		labs[i] = newLab(t)
	}
	start := &node{w: &world{refunds: map[string]store.Refund{}}}
	seen := map[string]bool{start.w.key(): true}
	level := []*node{start}
	var steps, rests int
	for depth := 0; len(level) > 0; depth++ {
		var (
			next    []*node
			mu      sync.Mutex
			workers sync.WaitGroup
			todo    = make(chan *node, len(level))
		)
		for _, n := range level {
			todo <- n
		}
		close(todo)
		for _, l := range labs {
			workers.Go(func() {
				for n := range todo {
					if t.Failed() {
						return
					}
					rested := l.rest(t, n)
					found, took := l.explore(t, n, depth < meddling)
					mu.Lock()
					steps, rests = steps+took, rests+rested
					for _, f := range found {
						if key := f.w.key(); !seen[key] {
							seen[key] = true
							next = append(next, f)
						}
					}
					mu.Unlock()
				}
			})
		}
		workers.Wait()
		t.Logf("depth %d: %d states", depth, len(level))
		level = next
	}
	t.Logf("%d states, %d steps, %d times brought to rest", len(seen), steps, rests)
	if !t.Failed() && len(seen) < 900 { // as many has a walk of one send
		t.Errorf("only %d states", len(seen))
	}
}

// meddling is down to which depth another process may act in the middle of a
// step.
const meddling = 1

// node is a state and how it came about.
type node struct {
	w     *world
	from  *node
	trail []string
}

func (n *node) path() string {
	if n.from == nil {
		return "nothing is recorded"
	}
	return n.from.path() + "\n- " + strings.Join(n.trail, "; ")
}

// action is a step of the walk.
type action struct {
	name string
	can  func(*world) bool
	do   func(context.Context, *lab)
}

// A goes every way there is; B, the same as it is, only tries to be refunded
// beside it, and would if it were let.
var actions = []action{
	{"A is asked for", nil, func(ctx context.Context, l *lab) { l.ask(ctx, 0, modelAmount) }},
	{"A is asked for with another amount", recorded, func(ctx context.Context, l *lab) { l.ask(ctx, 0, modelAmount-1) }},
	{"B is asked for", nil, func(ctx context.Context, l *lab) { l.ask(ctx, 1, modelAmount) }},
	{"A is looked up", recorded, func(ctx context.Context, l *lab) { l.look(ctx, 0) }},
	{"Run works on A", func(w *world) bool { r, ok := w.refund(0); return ok && !r.Next.IsZero() }, func(ctx context.Context, l *lab) { l.run(ctx, 0) }},
	{"a notice of A comes", func(w *world) bool { return w.facts[0].moved }, func(_ context.Context, l *lab) { l.notice(0) }},
	{"a person says that A succeeded", recorded, func(ctx context.Context, l *lab) { l.resolve(ctx, 0, store.Succeeded) }},
	{"a person says that A failed", recorded, func(ctx context.Context, l *lab) { l.resolve(ctx, 0, store.Failed) }},
	{"the late send of A is executed", func(w *world) bool { return w.now < w.facts[0].flying && !w.facts[0].moved }, func(_ context.Context, l *lab) { l.w.facts[0].moved = true }},
	{"10 s pass", recorded, func(context.Context, *lab) { time.Sleep(10 * time.Second) }},
	{"2 min pass", recorded, func(context.Context, *lab) { time.Sleep(2 * time.Minute) }},
}

func recorded(w *world) bool { _, ok := w.refund(0); return ok }

// explore returns every state that one step leads to, and how many steps that took.
func (l *lab) explore(t *testing.T, n *node, meddle bool) (found []*node, steps int) {
	for _, a := range actions {
		if a.can != nil && !a.can(n.w) {
			continue
		}
		for s := (&script{}); ; {
			w := n.w.clone()
			l.in(t, w, func(ctx context.Context) {
				l.script, l.crashes = s, true
				l.say("%s", a.name)
				if meddle {
					l.meddle = func() { l.another(ctx) }
				}
				a.do(ctx, l)
			})
			steps++
			child := &node{w: w, from: n, trail: slices.Clone(l.trail)}
			l.check(t, child)
			if t.Failed() {
				return nil, steps
			}
			if w.within() {
				found = append(found, child)
			}
			if !s.next() {
				break
			}
		}
	}
	return found, steps
}

// another process makes a step in the middle of this one's.
func (l *lab) another(ctx context.Context) {
	var possible []action
	l.mu.Lock()
	for _, a := range actions {
		if a.can == nil || a.can(l.w) {
			possible = append(possible, a)
		}
	}
	a := possible[l.choose(len(possible))]
	l.say("%s", a.name)
	l.process, l.other = l.other, l.process
	l.mu.Unlock()
	a.do(ctx, l)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.process, l.other = l.other, l.process
}

// in runs f in a bubble in which the world's time has come.
func (l *lab) in(t *testing.T, w *world, f func(context.Context)) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(w.now)
		l.w, l.trail, l.broken, l.dead, l.meddled, l.working, l.handed = w, nil, nil, false, false, -1, -1
		l.script, l.meddle, l.crashes, l.meddling = nil, nil, false, new(sync.WaitGroup)
		f(t.Context())
		if l.meddled { // a hook may have been left behind
			l.meddling.Wait()
			time.Sleep(5 * time.Second)
		}
		synctest.Wait()
		w.now = time.Since(bubbleBegan)
	})
}

// bubbleBegan is when every synctest bubble begins.
var bubbleBegan = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// check holds a state against what must always be.
func (l *lab) check(t *testing.T, n *node) {
	for number, name := range numbers {
		r, ok := n.w.refund(number)
		if n.w.out(number) && !n.w.facts[number].person && (!ok || !r.Counts()) {
			l.broken = append(l.broken, name+" has moved, or still may, and does not count")
		}
	}
	if len(l.broken) > 0 {
		t.Errorf("%s: after\n%s", strings.Join(l.broken, "; "), n.path())
	}
}

// rest brings a state to rest, with Run alone and nothing going wrong: once with
// what is on its way executed, once without.
func (l *lab) rest(t *testing.T, n *node) (times int) {
	for _, execute := range []bool{false, true} {
		w := n.w.clone()
		flying := false
		for number := range numbers {
			f := &w.facts[number]
			flying = flying || !f.moved && w.now < f.flying
			f.moved = f.moved || execute && w.now < f.flying
		}
		if execute && !flying {
			continue
		}
		times++
		l.in(t, w, func(ctx context.Context) {
			ctx, cancel := context.WithCancel(ctx)
			ended := make(chan struct{})
			go func() { defer close(ended); l.module.Run(ctx) }()
			for range 4 * 60 {
				time.Sleep(time.Minute)
				synctest.Wait()
				if l.rests() {
					break
				}
			}
			cancel()
			<-ended
		})
		child := &node{w: w, from: n, trail: append([]string{"nothing goes wrong any more"}, l.trail...)}
		for number, name := range numbers {
			r, ok := w.refund(number)
			f := w.facts[number]
			l.never(f.moved && !ok, name+" has moved and is not known")
			if !ok {
				continue
			}
			l.never(r.State == store.Pending, name+" is never resolved")
			l.never(!r.Next.IsZero() || len(r.Due()) > 0, name+" is never done with")
			l.never(!f.person && (r.State == store.Succeeded) != f.moved, name+" is "+string(r.State)+" at last, against the truth")
			l.never(r.State == store.Succeeded && f.heard != store.RefundSucceeded, "the host never hears that "+name+" succeeded")
			l.never(r.State == store.Failed && !r.NotSent && f.heard != store.RefundFailed, "the host never hears that "+name+" failed")
			l.never(r.NotSent && f.promised, name+" was unresolved and ends without an event")
		}
		l.check(t, child)
	}
	return times
}

func (l *lab) rests() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.w.refunds {
		if !r.Next.IsZero() {
			return false
		}
	}
	return true
}

// within bounds the walk: what comes after so many sends of a number is the same
// over again.
func (w *world) within() bool {
	r, ok := w.refund(0)
	return !ok || r.Attempts <= *modelSends
}

// key is all of a state that makes a difference to what follows.
func (w *world) key() string {
	now := bubbleBegan.Add(w.now)
	var b strings.Builder
	for number := range numbers {
		f := w.facts[number]
		fmt.Fprint(&b, f.moved, w.now < f.flying, f.heard, f.promised, f.person, "|")
		r, ok := w.refund(number)
		if !ok {
			continue
		}
		fmt.Fprint(&b, r.State, r.Retryable, r.NotSent, r.Attempts, r.Unanswered, r.Answered, r.Doubtful, r.Refused, r.RefusedRetryable, r.Source == store.ByPerson,
			r.Attention != "", r.Lease.Held(now), now.Sub(r.SentAt) < 10*time.Second, r.AskAt.After(now), r.Orphaned(now), r.Next.IsZero(), "|")
		for _, event := range []store.Event{store.RefundSucceeded, store.RefundFailed, store.RefundUnresolved} {
			fmt.Fprint(&b, slices.Contains(r.Due(), event), r.WasDelivered(event), r.DeliveryLease(event).Held(now), "|")
		}
	}
	return b.String()
}

// ask is a request for a refund, and what its answer must never say.
func (l *lab) ask(ctx context.Context, number int, amount money.Amount) {
	if number != 0 {
		way, crashes := l.script, l.crashes
		l.script, l.crashes = nil, false
		defer func() { l.script, l.crashes = way, crashes }()
	}
	result, err := l.module.Refund(ctx, alirefund.RefundRequest{OutTradeNo: modelOrder, OutRequestNo: numbers[number], RefundAmount: amount})
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead {
		return // nobody hears it
	}
	f := &l.w.facts[number]
	var refused *alirefund.RefusedError
	var unresolved *alirefund.UnresolvedError
	switch {
	case err == nil:
		l.never(!f.moved && !f.person, "a caller is told that it succeeded, and it did not")
		l.never(result.Refund.Amount != amount, "a caller is told that another amount succeeded")
	case errors.As(err, &refused):
		// Another process may have opened and refunded it again since.
		l.never(l.w.out(number) && !f.person && !l.meddled, "a caller is told that it was refused, and it moved or still may")
	case errors.As(err, &unresolved):
		f.promised = f.promised || !unresolved.InProgress // else the call that is sending it answers
	}
}

func (l *lab) recorded(number int) store.Refund {
	l.mu.Lock()
	defer l.mu.Unlock()
	r, _ := l.w.refund(number)
	return r
}

func (l *lab) look(ctx context.Context, number int) {
	_, _ = l.module.Get(ctx, l.recorded(number).ID)
}

// run lets Run work once on one number, when that is due.
func (l *lab) run(ctx context.Context, number int) {
	time.Sleep(time.Until(l.recorded(number).Next))
	l.mu.Lock()
	l.working, l.handed = number, -1
	l.mu.Unlock()
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() { defer close(ended); l.module.Run(ctx) }()
	time.Sleep(time.Millisecond)
	cancel()
	<-ended
}

func (l *lab) resolve(ctx context.Context, number int, outcome store.State) {
	r := l.recorded(number)
	l.mu.Lock()
	l.w.facts[number].person = true
	l.mu.Unlock()
	_, _ = l.module.Resolve(ctx, r.ID, outcome, "boss", "so it is")
}

// Every verdict of the outcome table is among what can happen in the model.
func TestModelKnowsEveryVerdict(t *testing.T) {
	for _, c := range []struct {
		call  gateway.Call
		table []exchange
	}{{gateway.TradeRefundCall, sends}, {gateway.RefundQueryCall, questions}} {
		known := map[gateway.Verdict]bool{}
		for _, e := range c.table {
			known[gateway.Judge(e.facts)] = true
		}
		for _, row := range gateway.Table() {
			applies := len(row.Calls) == 0 || slices.Contains(row.Calls, c.call)
			if asking := c.call == gateway.RefundQueryCall; asking && row.Transport != gateway.SignedAnswer && row.Transport != gateway.NoAnswer {
				continue // to a question all that is no signed answer is no answer
			}
			if applies && !known[row.Verdict] {
				t.Errorf("%v: nothing in the model is judged %+v (%s)", c.call, row.Verdict, row.Why)
			}
		}
	}
}

func encodeForm(params []signer.Param) string {
	form := url.Values{}
	for _, p := range params {
		form.Set(p.Key, p.Value)
	}
	return form.Encode()
}

func formValue(form, name string) string {
	values, err := url.ParseQuery(form)
	if err != nil {
		return ""
	}
	return values.Get(name)
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}
