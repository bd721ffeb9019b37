package model_test

import (
	"context"
	"crypto"
	"flag"
	"fmt"
	"io"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/internal/shoptest"
	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/signer"
	"github.com/alirefund/alirefund/store"
)

var (
	modelSends   = flag.Int("model.sends", 1, "how many sends of one number the model is walked through to; each more takes five times as long")
	modelForgets = flag.Bool("model.forgets", true, "whether the ledger may forget what it knew")
)

// The machine of a refund, walked through: from every state that is reached,
// every step there is, with everything that can become of it. The module is the
// real one; see world_test.go for what stands around it. Found out is
// whether ever
//
//   - a second number, or a second amount, is sent while the first has moved or
//     still might;
//   - what has moved, or still might, does not count against its order's total;
//   - a success is undone;
//   - somebody is told what is not so;
//   - from any state, Run does not come to rest with the truth recorded and told.
//
// One thing is assumed: a send arrives and is executed within Times.Transit of its
// beginning. If it is executed later, what was told may prove wrong; then it must be
// found out and told, as long as anybody still asks. So must what the ledger forgot,
// once somebody asks for it again. A person's decision may be wrong; what it brings
// about is not held against the module.
func TestModel(t *testing.T) { walk(t, kind{}) }

// walk walks through the refunds of trades, or of red packets, or with approval.
func walk(t *testing.T, of kind) {
	labs := make([]*lab, runtime.GOMAXPROCS(0))
	for i := range labs {
		labs[i] = newLab(t, of)
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
					found, took := l.explore(t, n, l.meddles(depth, n.w))
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
	least := 900 // as many has a walk of one send
	if of.approval {
		least = 150
	}
	if !t.Failed() && len(seen) < least {
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
	{"the late send of A is executed", func(w *world) bool { return w.now < w.facts[0].flying && !w.facts[0].moved }, func(_ context.Context, l *lab) { l.w.facts[0].moves(l.w.now) }},
	{
		"the late send of A is executed far too late",
		func(w *world) bool {
			f := w.facts[0]
			return !f.moved && f.flying > 0 && w.now >= f.flying && w.asks(0)
		},
		func(_ context.Context, l *lab) { l.w.facts[0].moves(l.w.now); l.w.facts[0].stray = true },
	},
	{
		"the ledger forgets A",
		func(w *world) bool {
			return *modelForgets && recorded(w) && w.now >= w.facts[0].flying && !w.facts[0].forgot
		},
		func(_ context.Context, l *lab) { l.w.forget(0) },
	},
	{"10 s pass", recorded, func(context.Context, *lab) { time.Sleep(10 * time.Second) }},
	{"2 min pass", recorded, func(context.Context, *lab) { time.Sleep(2 * time.Minute) }},
	{"25 min pass", recorded, func(context.Context, *lab) { time.Sleep(25 * time.Minute) }},
}

func recorded(w *world) bool { _, ok := w.refund(0); return ok }

// bubbleBegan is when every synctest bubble begins.
var bubbleBegan = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// ledgerBegan is what the ledger's clock says then. The processes' clocks are ahead
// of it: leases look as if they were over, and sends as if they were long ago.
var ledgerBegan = bubbleBegan.Add(-5 * time.Minute)

func ledgerTime() time.Time { return time.Now().UTC().Add(ledgerBegan.Sub(bubbleBegan)) }

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

const (
	modelOrder  = "T"
	modelTotal  = money.Amount(100)
	modelAmount = money.Amount(60)
)

// paper is an application's key that signs nothing: the model's Alipay does not
// look at it.
type paper struct{ crypto.PublicKey }

func (p paper) Public() crypto.PublicKey { return p.PublicKey }

func (paper) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return make([]byte, 256), nil
}

func newLab(t *testing.T, of kind) *lab {
	t.Helper()
	l := &lab{alipay: shoptest.NewKey(t), signed: map[string][]byte{}, kind: of}
	sign, err := signer.New(paper{shoptest.NewKey(t).Public()})
	if err != nil {
		t.Fatal(err)
	}
	verify, err := signer.NewVerifier(l.alipay.Public())
	if err != nil {
		t.Fatal(err)
	}
	l.process, l.other = l.start(t, sign, verify), l.start(t, sign, verify)
	return l
}

// exchange is one thing that can become of a call.
type exchange struct {
	name  string
	facts gateway.Facts // how the outcome table sees it
	when  func(f facts, now time.Duration) bool
	// executed: whether the call moves the money, if it has not moved.
	executed bool
	late     bool   // it may be executed while its answer is no longer awaited
	node     string // what is answered; empty: nothing
	unsigned bool
}

func still(f facts, _ time.Duration) bool { return !f.moved }

func already(f facts, _ time.Duration) bool { return f.moved }

// remembered: to a number that has moved, and that the ledger forgot, Alipay gives no
// reason that its own refund cannot have caused.
func remembered(f facts, _ time.Duration) bool { return !f.moved || !f.forgot }

func unseen(f facts, now time.Duration) bool { return f.moved && now < f.unseen }

func refusal(sub string) string {
	return fmt.Sprintf(`{"code":"40004","msg":"Business Failed","sub_code":"ACQ.%s"}`, sub)
}

func sendFacts(transport gateway.Transport, code, sub string, proof gateway.Proof) gateway.Facts {
	return gateway.Facts{Call: gateway.TradeRefundCall, Transport: transport, Code: code, SubCode: sub, Proof: proof}
}

const moves = `{"code":"10000","msg":"Success","fund_change":"Y","out_trade_no":"T","trade_no":"2026"}`

// sends are what can become of a send: each verdict of the outcome table, with
// each truth that it leaves open. The first that applies is what happens when
// nothing goes wrong.
var sends = []exchange{
	{name: "refunded", facts: sendFacts(gateway.SignedAnswer, "10000", "", gateway.Moved), when: still, executed: true, node: moves},
	{name: "fund_change=N", facts: sendFacts(gateway.SignedAnswer, "10000", "", gateway.Unclear), when: already, node: `{"code":"10000","msg":"Success","fund_change":"N","out_trade_no":"T"}`},
	{name: "no connection", facts: sendFacts(gateway.NothingSent, "", "", 0)},
	{name: "no answer, executed", facts: sendFacts(gateway.NoAnswer, "", "", 0), when: still, executed: true},
	{name: "no answer, lost", facts: sendFacts(gateway.NoAnswer, "", "", 0)},
	{name: "no answer, on its way", facts: sendFacts(gateway.NoAnswer, "", "", 0), when: still, late: true},
	{name: "unsigned, executed", facts: sendFacts(gateway.Unverified, "", "", 0), when: still, executed: true, node: moves, unsigned: true},
	{name: "unsigned, refused", facts: sendFacts(gateway.Unverified, "", "", 0), node: refusal("TRADE_NOT_EXIST"), unsigned: true},
	{name: "refused for now", facts: sendFacts(gateway.SignedAnswer, "40004", "SELLER_BALANCE_NOT_ENOUGH", 0), when: remembered, node: refusal("SELLER_BALANCE_NOT_ENOUGH")},
	{name: "refused for good", facts: sendFacts(gateway.SignedAnswer, "40004", "BUYER_NOT_EXIST", 0), when: remembered, node: refusal("BUYER_NOT_EXIST")},
	{name: "refused, nobody knows for what", facts: gateway.Facts{Call: gateway.TradeRefundCall, Transport: gateway.SignedAnswer, Code: "40004", SubCode: "REFUND_NOT_ALLOW"}, node: refusal("REFUND_NOT_ALLOW")},
	{name: "closed", facts: sendFacts(gateway.SignedAnswer, "40004", "TRADE_HAS_CLOSE", 0), node: refusal("TRADE_HAS_CLOSE")},
	{name: "discordant", facts: sendFacts(gateway.SignedAnswer, "40004", "DISCORDANT_REPEAT_REQUEST", 0), when: already, node: refusal("DISCORDANT_REPEAT_REQUEST")},
}

func askFacts(transport gateway.Transport, code, sub string, proof gateway.Proof) gateway.Facts {
	f := sendFacts(transport, code, sub, proof)
	f.Call = gateway.RefundQueryCall
	return f
}

// questions are what can become of a question; Alipay never lies.
var questions = []exchange{
	{name: "found", facts: askFacts(gateway.SignedAnswer, "10000", "", gateway.Moved), when: already, node: `{"code":"10000","out_trade_no":"T","out_request_no":"%s","refund_amount":"0.60","refund_status":"REFUND_SUCCESS"}`},
	{name: "not found", facts: askFacts(gateway.SignedAnswer, "10000", "", gateway.Nothing), when: still, node: `{"code":"10000","msg":"Success"}`},
	{name: "not found yet", facts: askFacts(gateway.SignedAnswer, "10000", "", gateway.Nothing), when: unseen, node: `{"code":"10000","msg":"Success"}`},
	{name: "no answer", facts: askFacts(gateway.NoAnswer, "", "", 0)},
	{name: "the question is refused", facts: askFacts(gateway.SignedAnswer, "40006", "isv.insufficient-isv-permissions", 0), node: `{"code":"40006","msg":"Insufficient Permissions","sub_code":"isv.insufficient-isv-permissions"}`},
}
