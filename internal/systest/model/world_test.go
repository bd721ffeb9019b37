package model_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/internal/shoptest"
	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/signer"
	"github.com/alirefund/alirefund/store"
)

// explore returns every state that one step leads to, and how many steps that took.
func (l *lab) explore(t *testing.T, n *node, meddle bool) (found []*node, steps int) {
	for _, a := range l.actions() {
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
	for _, a := range l.meddlers() {
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
			if execute && !f.moved && w.now < f.flying {
				f.moves(w.now)
			}
		}
		if execute && !flying {
			continue
		}
		times++
		l.in(t, w, func(ctx context.Context) {
			for range 100 {
				next := l.next()
				if next.IsZero() {
					break
				}
				time.Sleep(next.Sub(ledgerTime()))
				l.runs(ctx)
				if l.packets && l.notified() {
					break
				}
			}
		})
		child := &node{w: w, from: n, trail: append([]string{"nothing goes wrong any more"}, l.trail...)}
		l.settled(w)
		l.check(t, child)
	}
	return times
}

// settled checks what must be at rest.
func (l *lab) settled(w *world) {
	for number, name := range numbers {
		r, ok := w.refund(number)
		f := w.facts[number]
		l.never(f.moved && !f.forgot && !ok, name+" has moved and is not known")
		if !ok {
			continue
		}
		if l.packets && r.State == store.Pending && r.Attention != "" && !r.MayRepeat() {
			continue // it was refused, perhaps because it had moved: a person is called for
		}
		l.never(!r.Settled(), name+" is never resolved")
		l.never(!r.Next.IsZero() || len(r.Due()) > 0, name+" is never done with")
		unsent := f.forgot && (r.NotSent || r.Declined() || r.Expired()) // as far as the ledger knows
		l.never(!f.person && !unsent && (r.State == store.Succeeded) != f.moved, name+" is "+string(r.State)+" at last, against the truth")
		l.never(r.State == store.Succeeded && f.heard != store.RefundSucceeded, "the host never hears that "+name+" succeeded")
		l.never(r.State == store.Failed && !r.NotSent && f.heard != store.RefundFailed, "the host never hears that "+name+" failed")
		l.never(r.NotSent && f.promised && !f.forgot, name+" was unresolved and ends without an event")
	}
}

// next is when Run has something to do next; zero for never.
func (l *lab) next() (next time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.w.refunds {
		if !r.Next.IsZero() && (next.IsZero() || r.Next.Before(next)) {
			next = r.Next
		}
	}
	return next
}

// runs lets Run do what is due.
func (l *lab) runs(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() { defer close(ended); l.module.Run(ctx) }()
	time.Sleep(time.Millisecond)
	cancel()
	<-ended
}

// within bounds the walk: what comes after so many sends of a number is the same
// over again.
func (w *world) within() bool {
	r, ok := w.refund(0)
	return !ok || r.Attempts <= *modelSends
}

// key is all of a state that makes a difference to what follows.
func (w *world) key() string {
	now := ledgerBegan.Add(w.now)
	var b strings.Builder
	for number := range numbers {
		f := w.facts[number]
		fmt.Fprint(&b, f.moved, w.now < f.flying, !f.moved && f.flying > 0 && w.asks(number), f.stray, f.forgot, w.now < f.unseen, f.heard, f.promised, f.person, "|")
		r, ok := w.refund(number)
		if !ok {
			continue
		}
		fmt.Fprint(&b, r.State, r.Retryable, r.NotSent, r.Attempts, r.Unanswered, r.Answered, r.Doubtful, r.Refused, r.RefusedRetryable, r.Source == store.ByPerson,
			r.Attention != "", r.Lease.Held(now), r.Rechecks > 0, r.MayRepeat(), r.Orphaned(now), r.Next.IsZero(), "|")
		fmt.Fprint(&b, f.agreed, r.ApprovedBy, r.DeclinedBy, r.State == store.AwaitingApproval && !now.Before(r.ApprovalUntil), "|")
		if r.State == store.Pending {
			fmt.Fprint(&b, now.Sub(r.SentAt) < 10*time.Second, now.Sub(r.SentAt) < executedWithin, r.AskAt.After(now), "|")
		}
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
	result, err := l.request(ctx, number, amount)
	l.told(number, amount, result, err)
}

// told is what the caller of a refund, or of its approval, must never be told.
func (l *lab) told(number int, amount money.Amount, result alirefund.Result, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead {
		return // nobody hears it
	}
	f := &l.w.facts[number]
	var refused *alirefund.RefusedError
	var unapproved *alirefund.UnapprovedError
	var unresolved *alirefund.UnresolvedError
	switch {
	case err == nil:
		l.never(!f.moved && !f.person, "a caller is told that it succeeded, and it did not")
		l.never(result.Refund.Amount != amount, "a caller is told that another amount succeeded")
	case errors.As(err, &refused):
		// Another process may have opened and refunded it again since.
		l.never(l.w.out(number) && !f.person && !l.meddled, "a caller is told that it was refused, and it moved or still may")
	case errors.As(err, &unapproved):
		l.never(l.w.out(number) && !l.meddled, "a caller is told that it was not approved, and it moved or still may")
	case errors.As(err, &unresolved):
		f.promised = f.promised || !unresolved.InProgress // else the call that is sending it answers
	}
}

func (l *lab) request(ctx context.Context, number int, amount money.Amount) (alirefund.Result, error) {
	if l.packets {
		return l.module.CouponRefund(ctx, alirefund.CouponRefundRequest{AuthNo: modelOrder, OutRequestNo: numbers[number], Amount: amount, Remark: "r"})
	}
	return l.module.Refund(ctx, alirefund.RefundRequest{OutTradeNo: modelOrder, OutRequestNo: numbers[number], RefundAmount: amount, Actor: asker})
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

// asker asks for refunds, and approver approves them.
const asker, approver = "ann", "bob"

func (l *lab) approve(ctx context.Context, actor string) {
	result, err := l.module.Approve(ctx, l.recorded(0).ID, actor)
	l.told(0, modelAmount, result, err)
}

func (l *lab) decline(ctx context.Context) {
	_, _ = l.module.Decline(ctx, l.recorded(0).ID, approver, "no")
}

// run lets Run work once on one number, when that is due.
func (l *lab) run(ctx context.Context, number int) {
	time.Sleep(l.recorded(number).Next.Sub(ledgerTime()))
	l.mu.Lock()
	l.working, l.handed = number, -1
	l.mu.Unlock()
	l.runs(ctx)
}

func (l *lab) resolve(ctx context.Context, number int, outcome store.State) {
	r := l.recorded(number)
	l.mu.Lock()
	l.w.facts[number].person = true
	l.mu.Unlock()
	_, _ = l.module.Resolve(ctx, r.ID, outcome, "boss", "so it is")
}

// The world of the model: one order of 1.00, of which two refunds of 0.60 are
// asked for under the numbers A and B, so that at most one of them may ever be
// under way or done. Around the real module stand a ledger over the real rules,
// an Alipay that does whatever the next choice says as long as it does not lie,
// and a host.

var numbers = [...]string{"A", "B"}

// world is one state of all of it. It is copied, never shared.
type world struct {
	now     time.Duration // since the bubble began
	refunds map[string]store.Refund
	facts   [len(numbers)]facts
}

// facts are what really is with one number, whoever knows it.
type facts struct {
	moved bool
	// unseen: until then a question need not find what has moved.
	unseen time.Duration
	// flying: until then an unanswered send may still be executed. This is the
	// assumption that everything rests on: a send arrives and is executed within
	// Times.Transit of its beginning, or never.
	flying time.Duration
	// stray: the assumption was wrong, and it was executed later still. Then a failure
	// may have been told that was none; it must be found out and told.
	stray bool
	// forgot: the ledger lost what it knew of the number, and what moved before is not
	// in it until somebody asks for the number again.
	forgot   bool
	agreed   bool        // a second person approved it, since it was last asked for
	heard    store.Event // the last event whose hook returned nil
	promised bool        // somebody was told that it is unresolved
	person   bool        // somebody decided; that may be wrong
}

const executedWithin = 20 * time.Minute

// seenWithin is when a question finds what has moved.
const seenWithin = 10 * time.Second

func (w *world) clone() *world {
	c := *w
	c.refunds = make(map[string]store.Refund, len(w.refunds))
	for id, r := range w.refunds {
		c.refunds[id] = r.Clone()
	}
	return &c
}

// refund returns what is recorded of a number.
func (w *world) refund(number int) (store.Refund, bool) {
	for _, r := range w.refunds {
		if r.OutRequestNo == numbers[number] {
			return r, true
		}
	}
	return store.Refund{}, false
}

// forget takes a number out of the ledger, as a Memory does whose process is restarted,
// and Prune after some days.
func (w *world) forget(number int) {
	if r, ok := w.refund(number); ok {
		delete(w.refunds, r.ID)
	}
	w.facts[number] = facts{moved: w.facts[number].moved, unseen: w.facts[number].unseen, forgot: true}
}

// out tells whether the money of a number has moved or may still.
func (w *world) out(number int) bool {
	f := w.facts[number]
	return f.moved && !f.stray && !f.forgot || w.now < f.flying
}

// moves lets the money of a number move now.
func (f *facts) moves(now time.Duration) { f.moved, f.unseen = true, now+seenWithin }

// asks tells whether Alipay must still be asked about a number: for a day after it
// failed.
func (w *world) asks(number int) bool {
	r, ok := w.refund(number)
	return ok && (r.State == store.Pending || r.State == store.Failed && ledgerBegan.Add(w.now).Sub(r.SettledAt) < 23*time.Hour)
}

// script is one way through the choices of a step. Running the step again and
// again with the next script takes every way.
type script struct {
	taken, of []int
	at        int
}

func (s *script) choose(n int) int {
	if s.at == len(s.taken) {
		s.taken, s.of = append(s.taken, 0), append(s.of, n)
	}
	if s.of[s.at] != n {
		panic(fmt.Sprintf("the step is not the same again: choice %d of %d, not of %d", s.at, n, s.of[s.at]))
	}
	s.at++
	return s.taken[s.at-1]
}

// next moves on to the next way, and tells whether there is one.
func (s *script) next() bool {
	for n := len(s.taken); n > 0; n-- {
		if s.taken[n-1]++; s.taken[n-1] < s.of[n-1] {
			s.taken, s.of, s.at = s.taken[:n], s.of[:n], 0
			return true
		}
	}
	return false
}

// process is one that runs the real module.
type process struct {
	module *alirefund.Module
	router *gin.Engine
}

// kind is which refunds the model is walked through with.
type kind struct {
	packets  bool // the refunds are red packets' that Alipay cannot be asked about
	approval bool // A wants a second person's approval
}

// lab holds two processes in a world of the model.
type lab struct {
	kind
	process         // the one that acts
	other   process // the one that may act in the middle of it
	alipay  *signer.Signer
	signed  map[string][]byte // answers and notices, which are the same over and over

	mu       sync.Mutex // the module's calls come from several goroutines
	w        *world
	script   *script // nil: nothing goes wrong
	crashes  bool    // the process may die at each step of the ledger's
	meddle   func()  // another process acts, once, at a step of the ledger's
	meddled  bool    // it did
	meddling *sync.WaitGroup
	dead     bool
	working  int           // Run works on this number alone, once; -1: on all
	handed   time.Duration // when Run was last given work
	trail    []string
	broken   []string // what must never be
}

func (l *lab) start(t *testing.T, sign *signer.Signer, verify *signer.Verifier) process {
	t.Helper()
	config := alirefund.Config{
		App:   alirefund.App{ID: "2021", Signer: sign, Verifier: verify},
		Store: modelStore{l}, HTTPClient: &http.Client{Transport: l},
		OrderTotal: func(context.Context, alirefund.Order) (money.Amount, bool, error) { return modelTotal, true, nil },
		OnRefundSucceeded: func(_ context.Context, e alirefund.RefundSucceeded) error {
			return l.hook(store.RefundSucceeded, e.Refund)
		},
		OnRefundFailed: func(_ context.Context, e alirefund.RefundFailed) error {
			return l.hook(store.RefundFailed, e.Refund)
		},
		Logger: slog.New(slog.DiscardHandler),
	}
	if l.approval {
		config.Times.Approval = 20 * time.Minute
		config.NeedsApproval = func(_ context.Context, r store.Refund) (bool, error) { return r.OutRequestNo == numbers[0], nil }
	}
	module, err := alirefund.New(config)
	if err != nil {
		t.Fatal(err)
	}
	router := gin.New()
	module.MountNotify(router)
	return process{module, router}
}

func (l *lab) say(format string, args ...any) {
	l.trail = append(l.trail, fmt.Sprintf(format, args...))
}

func (l *lab) never(broken bool, what string) {
	if broken {
		l.broken = append(l.broken, what)
	}
}

// choose returns 0, the one where nothing goes wrong, without a script.
func (l *lab) choose(n int) int {
	if l.script == nil || n == 1 {
		return 0
	}
	return l.script.choose(n)
}

var errDied = errors.New("the process died")

// step is before each access to the ledger: the process may die here, or another
// may act.
func (l *lab) step(name string) error {
	if l.dead {
		return errDied
	}
	ways := 1
	if l.crashes {
		ways++
	}
	meddle := l.meddle
	if meddle != nil {
		ways++
	}
	switch way := l.choose(ways); {
	case way == 1 && l.crashes:
		l.dead = true
		l.say("dies before %s", name)
		return errDied
	case way > 0:
		l.say("[ before %s:", name)
		crashes := l.crashes
		l.meddle, l.meddled, l.crashes = nil, true, false
		l.meddling.Add(1)
		l.mu.Unlock()
		meddle()
		l.mu.Lock()
		l.meddling.Done()
		l.crashes = crashes
		l.say("]")
	}
	return nil
}

// hook is the host's: it hears, or fails.
func (l *lab) hook(event store.Event, r store.Refund) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead {
		return errDied
	}
	if l.choose(2) == 1 {
		l.say("the hook of %s fails", event)
		return shoptest.ErrHost
	}
	l.say("the host hears %s", event)
	f := &l.w.facts[slices.Index(numbers[:], r.OutRequestNo)]
	f.heard, f.promised = event, false
	return nil
}

// RoundTrip is the model's Alipay.
func (l *lab) RoundTrip(request *http.Request) (*http.Response, error) {
	if err := request.Context().Err(); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead {
		return nil, errDied
	}
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return nil, err
	}
	method := request.URL.Query().Get("method")
	content := formValue(string(body), "biz_content")
	var named struct {
		Number string       `json:"out_request_no"`
		Amount money.Amount `json:"refund_amount"`
		Packet money.Amount `json:"amount"`
	}
	if err := json.Unmarshal([]byte(content), &named); err != nil {
		return nil, err
	}
	number := slices.Index(numbers[:], named.Number)
	truth := &l.w.facts[number]

	table := questions
	switch method {
	case gateway.MethodTradeRefund:
		table = sends
		l.send(number, content, named.Amount)
	case gateway.MethodCouponRefund:
		table = packetSends
		l.send(number, content, named.Packet)
	case gateway.MethodCouponQuery:
		table = packetQuestions
	}
	now := time.Since(bubbleBegan)
	var possible []exchange
	for _, e := range table {
		if (e.when == nil || e.when(*truth, now)) && !l.spares(e) {
			possible = append(possible, e)
		}
	}
	e := possible[l.choose(len(possible))]
	l.say("%s %s: %s", method, named.Number, e.name)
	if e.executed && !truth.moved {
		truth.moves(now)
	}
	if e.late {
		r, _ := l.w.refund(number)
		truth.flying = r.SentAt.Sub(ledgerBegan) + executedWithin
	}
	if e.node == "" {
		if e.facts.Transport == gateway.NothingSent {
			httptrace.ContextClientTrace(request.Context()).GetConn("")
		}
		return nil, errors.New("the connection closed")
	}
	node := strings.ReplaceAll(e.node, "%s", named.Number)
	answer := l.envelope(method, node, e.unsigned)
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, ContentLength: int64(len(answer)), Body: io.NopCloser(bytes.NewReader(answer))}, nil
}

// send holds a send against the rules: its content is what is recorded, and no
// other refund that does not fit beside it is or may be on its way.
func (l *lab) send(number int, content string, amount money.Amount) {
	r, recorded := l.w.refund(number)
	l.never(!recorded || r.State != store.Pending || len(r.Unanswered) == 0, "something was sent that is not recorded as being sent")
	l.never(l.approval && number == 0 && !l.w.facts[0].agreed, "something was sent that nobody else approved")
	l.never(string(r.Request) != content || amount != modelAmount, "the number was sent with other content")
	for other := range numbers {
		if other != number && l.w.out(other) && !l.w.facts[other].person {
			l.never(true, "a second number was sent while the first had moved, or still might")
		}
	}
}

func (l *lab) envelope(method, node string, unsigned bool) []byte {
	key := fmt.Sprint(method, node, unsigned)
	if body, ok := l.signed[key]; ok {
		return body
	}
	body := fmt.Sprintf(`{"%s_response":%s`, strings.ReplaceAll(method, ".", "_"), node)
	if !unsigned {
		body += `,"sign":"` + shoptest.Must(l.alipay.Sign([]byte(node))) + `"`
	}
	l.signed[key] = []byte(body + "}")
	return l.signed[key]
}

// notice posts the signed notice of a number whose money has moved.
func (l *lab) notice(number int) *httptest.ResponseRecorder {
	form, ok := l.signed["notice "+numbers[number]]
	if !ok {
		params := l.packetNotice(number)
		if !l.packets {
			params = []signer.Param{
				{Key: "notify_id", Value: strings.Repeat("0", 34-1) + numbers[number]},
				{Key: "notify_type", Value: "trade_status_sync"},
				{Key: "trade_status", Value: "TRADE_SUCCESS"},
				{Key: "sign_type", Value: "RSA2"},
				{Key: "app_id", Value: "2021"},
				{Key: "out_trade_no", Value: modelOrder},
				{Key: "trade_no", Value: "2026"},
				{Key: "out_biz_no", Value: numbers[number]},
				{Key: "gmt_refund", Value: "2026-01-01 00:00:00.000"},
				{Key: "refund_fee", Value: "0.60"},
			}
		}
		sign := shoptest.Must(l.alipay.Sign(signer.AppendText(nil, slices.Clone(params), signer.WithoutSignType)))
		form = []byte(encodeForm(append(params, signer.Param{Key: "sign", Value: sign})))
		l.signed["notice "+numbers[number]] = form
	}
	request := httptest.NewRequest(http.MethodPost, "/notify", bytes.NewReader(form))
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	recorder := httptest.NewRecorder()
	l.router.ServeHTTP(recorder, request)
	return recorder
}

// modelStore is a ledger over the rules of package store, and claims that
// remember nothing: a notification may always come again.
type modelStore struct{ *lab }

func (modelStore) Local() {} // the module is one for all worlds

func (modelStore) Claim(context.Context, string, time.Duration) (string, bool, error) {
	return "token", false, nil
}

func (l modelStore) Complete(context.Context, string, string, time.Duration) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return false, l.step("Complete")
}

func (modelStore) Release(context.Context, string, string) (bool, error) { return true, nil }

// change is one step of the ledger's on one refund.
func (l modelStore) change(ctx context.Context, name, id string, decide func(r *store.Refund, now time.Time)) (store.Refund, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.step(name); err != nil {
		return store.Refund{}, err
	}
	if err := ctx.Err(); err != nil { // it may have been held up
		return store.Refund{}, err
	}
	r, ok := l.w.refunds[id]
	if !ok {
		return store.Refund{}, store.ErrNotFound
	}
	before := r
	r = r.Clone()
	if decide != nil {
		decide(&r, ledgerTime())
		l.w.refunds[id] = r
	}
	l.never(before.State == store.Succeeded && before.Source != store.ByPerson && r.State != store.Succeeded, "a success was undone")
	l.never(before.Amount != r.Amount || before.Request != r.Request, "an amount changed")
	r = r.Clone()
	r.AsOf = ledgerTime()
	return r, nil
}

func (l modelStore) Open(ctx context.Context, asked store.Refund, limit store.Limit, first *store.Permission) (store.Refund, store.Opened, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.step("Open"); err != nil {
		return store.Refund{}, store.Opened{}, err
	}
	if err := ctx.Err(); err != nil { // it may have been held up
		return store.Refund{}, store.Opened{}, errors.Join(store.ErrNotWritten, err)
	}
	var found *store.Refund
	var order store.OrderState
	for id, r := range l.w.refunds {
		if id == asked.ID {
			found = &r
		} else if r.Counts() {
			order.Reserved += r.Amount
		}
		if r.SentAt.After(order.SentAt) {
			order.SentAt = r.SentAt
		}
	}
	r, opened, changed := store.Admit(found, asked, order, limit, first, ledgerTime())
	if changed {
		l.w.refunds[r.ID] = r.Clone()
	}
	if opened.How == store.Created || opened.How == store.Reopened {
		l.w.facts[slices.Index(numbers[:], r.OutRequestNo)].agreed = false
	}
	if opened.How == store.Reopened { // whoever waited asks anew, and is answered now
		l.w.facts[slices.Index(numbers[:], r.OutRequestNo)].promised = false
	}
	r.AsOf = ledgerTime()
	return r, opened, nil
}

func (l modelStore) Sending(ctx context.Context, id string, p store.Permission) (a store.Attempt, err error) {
	_, err = l.change(ctx, "Sending", id, func(r *store.Refund, now time.Time) {
		var last time.Time
		for _, other := range l.w.refunds {
			if other.SentAt.After(last) {
				last = other.SentAt
			}
		}
		a = r.BeginSend(p, last, now)
	})
	return a, err
}

func (l modelStore) Settle(ctx context.Context, id string, s store.Settlement) (settled store.Refund, changed bool, err error) {
	settled, err = l.change(ctx, "Settle", id, func(r *store.Refund, now time.Time) {
		if *r, changed = r.Apply(s, now); changed && r.State == store.Pending {
			l.w.facts[slices.Index(numbers[:], r.OutRequestNo)].agreed = s.Actor == approver
		}
	})
	return settled, changed, err
}

func (l modelStore) Deliver(ctx context.Context, id string, e store.Event, lease time.Duration) (token string, done bool, err error) {
	_, err = l.change(ctx, "Deliver", id, func(r *store.Refund, now time.Time) { token, done = r.BeginDelivery(e, lease, now) })
	return token, done, err
}

func (l modelStore) Delivered(ctx context.Context, id string, e store.Event, token string, _ store.Notice) (held, completed bool, err error) {
	_, err = l.change(ctx, "Delivered", id, func(r *store.Refund, now time.Time) { held = r.EndDelivery(e, token, true, "", now) })
	return held, false, err
}

func (l modelStore) Undelivered(ctx context.Context, id string, e store.Event, token, why string) (held bool, err error) {
	_, err = l.change(ctx, "Undelivered", id, func(r *store.Refund, now time.Time) { held = r.EndDelivery(e, token, false, why, now) })
	return held, err
}

func (l modelStore) Redeliver(ctx context.Context, id string, e store.Event, actor string) (done bool, err error) {
	_, err = l.change(ctx, "Redeliver", id, func(r *store.Refund, now time.Time) { done = r.Redeliver(e, actor, now) })
	return done, err
}

func (l modelStore) Subscribe(ctx context.Context, id string, e store.Event) (done bool, err error) {
	_, err = l.change(ctx, "Subscribe", id, func(r *store.Refund, now time.Time) { done = r.Subscribe(e, now) })
	return done, err
}

func (l modelStore) GiveBack(ctx context.Context, id string, next time.Time, token string) (done bool, err error) {
	_, err = l.change(ctx, "GiveBack", id, func(r *store.Refund, now time.Time) { done = r.GiveBack(next, token, now) })
	return done, err
}

func (l modelStore) Get(ctx context.Context, id string) (store.Refund, error) {
	return l.change(ctx, "Get", id, nil)
}

func (l modelStore) List(_ context.Context, f store.Filter) ([]store.Refund, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead {
		return nil, errDied
	}
	var list []store.Refund
	for _, id := range slices.Sorted(maps.Keys(l.w.refunds)) {
		if r := l.w.refunds[id]; f.Matches(r) {
			r = r.Clone()
			r.AsOf = ledgerTime()
			list = append(list, r)
		}
	}
	return list, nil
}

// Due hands out one refund at a time, so that a step is the same each time.
func (l modelStore) Due(_ context.Context, _ string, lease time.Duration, _ int, _ bool) ([]store.Refund, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := ledgerTime()
	if l.dead || l.handed == now.Sub(ledgerBegan) {
		return nil, nil
	}
	for number := range numbers {
		r, ok := l.w.refund(number)
		if !ok || r.Next.IsZero() || r.Next.After(now) || l.working >= 0 && l.working != number {
			continue
		}
		if l.handed = now.Sub(ledgerBegan); l.working >= 0 {
			l.working = len(numbers) // no more
		}
		r = r.Clone()
		r.Next, r.AsOf = now.Add(lease), now
		l.w.refunds[r.ID] = r
		return []store.Refund{r.Clone()}, nil
	}
	return nil, nil
}
