package store_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/store"
)

// walked is a refund on a walk through everything that can happen to it, and
// beside it what the walk itself knows, by the rules and not by the code.
type walked struct {
	r    store.Refund
	now  time.Time
	path []string

	open     map[int]bool // sends that no signed answer has ended
	reached  bool         // since it was opened, Alipay answered a send
	doubtful bool         // ... by neither success nor refusal
	refused  int          // the latest of the sends that were refused since it was opened
}

const walkLease = time.Minute

// steps are all that can happen next.
func (w walked) steps() []store.Settlement {
	var steps []store.Settlement
	for attempt := max(1, w.r.Attempts-1); attempt <= w.r.Attempts; attempt++ {
		for _, s := range []store.Settlement{
			{Source: store.ByAnswer, Finding: store.Unknown},
			{Source: store.ByAnswer, Finding: store.Unknown, Ended: true, Code: "10000"},
			{Source: store.ByAnswer, Finding: store.Success, Ended: true, Code: "10000"},
			{Source: store.ByAnswer, Finding: store.Refusal, Code: "40004"},
			{Source: store.ByAnswer, Finding: store.Refusal, Code: "40004", Retryable: true},
			{Source: store.ByAnswer, Finding: store.Refusal, Code: "40004", Check: true},
			{Source: store.ByAnswer, Finding: store.NotSent},
			{Source: store.ByQuery, Finding: store.Unknown, Attention: "look"},
			{Source: store.ByQuery, Finding: store.Success},
			{Source: store.ByQuery, Finding: store.NotFound},
			{Source: store.ByQuery, Finding: store.NotFound, Late: true},
			{Source: store.ByQuery, Finding: store.NotFound, Late: true, Conclusive: true},
			{Source: store.ByQuery, Finding: store.NotFound, Late: true, Expired: true, Conclusive: true},
		} {
			s.Attempt = attempt
			if s.Source == store.ByAnswer && attempt == w.r.Attempts {
				s.Token = w.r.Lease.Token
			}
			steps = append(steps, s)
		}
	}
	return append(steps, store.Settlement{Source: store.ByNotice, Finding: store.Success})
}

// settle applies one settlement and holds the result against the rules.
func (w walked) settle(t *testing.T, s store.Settlement) walked {
	t.Helper()
	before := w.r
	open := make(map[int]bool, len(w.open))
	for n := range w.open {
		if n != s.Attempt || s.Source != store.ByAnswer || !s.Ended && s.Finding != store.Refusal && s.Finding != store.NotSent {
			open[n] = true
		}
	}
	w.open = open
	held := before.Lease.Held(w.now) && (s.Source != store.ByAnswer || s.Token == "" || s.Token != before.Lease.Token)
	if s.Finding == store.Refusal {
		w.refused = max(w.refused, s.Attempt)
	}
	if s.Ended || s.Finding == store.Refusal {
		w.reached = true
	}
	if s.Source == store.ByAnswer && s.Ended && s.Finding == store.Unknown {
		w.doubtful = true
	}

	want := w.want(s, held)
	after, changed := before.Apply(s, w.now)
	w.path = append(slices.Clip(w.path), fmt.Sprintf("%s of %d: %s ended=%v check=%v late=%v expired=%v conclusive=%v",
		s.Source, s.Attempt, s.Finding, s.Ended, s.Check, s.Late, s.Expired, s.Conclusive))
	if after.State != want {
		t.Fatalf("it is %s, by the rules %s, after\n%q", after.State, want, w.path)
	}
	w.mustHold(t, s, before, after, changed)
	if after.State != store.Pending {
		w.open = nil
	} else if len(after.Unanswered) != len(w.open) {
		t.Fatalf("unanswered %v, by the rules %v, after\n%q", after.Unanswered, w.open, w.path)
	}
	w.r = after
	return w
}

// want is the state that a settlement must lead to. held tells whether a send is
// still under way after it.
func (w walked) want(s store.Settlement, held bool) store.State {
	before := w.r
	last, certain := s.Attempt == before.Attempts, !w.doubtful && len(w.open) == 0
	switch {
	case s.Finding == store.Success:
		return store.Succeeded
	case before.State != store.Pending:
	case s.Finding == store.Refusal && last && !s.Check && certain:
		return store.Failed
	case s.Finding == store.NotFound && w.refused == before.Attempts && w.refused > 0 && last && !held && s.Late && (certain || s.Conclusive && (s.Expired || len(w.open) == 0)):
		return store.Failed
	case s.Finding == store.NotSent && !w.reached && len(w.open) == 0:
		return store.Failed
	}
	return before.State
}

// mustHold is what must be true after any settlement.
func (w walked) mustHold(t *testing.T, s store.Settlement, before, after store.Refund, changed bool) {
	t.Helper()
	switch {
	case changed != (after.State != before.State):
		t.Fatalf("changed is %v from %s to %s, after\n%q", changed, before.State, after.State, w.path)
	case after.Attempts != before.Attempts:
		t.Fatalf("a settlement counted as a send, after\n%q", w.path)
	case after.Retryable && after.State != store.Failed || after.NotSent && after.State != store.Failed:
		t.Fatalf("%s, retryable %v, not sent %v, after\n%q", after.State, after.Retryable, after.NotSent, w.path)
	case after.Counts() != (after.State != store.Failed):
		t.Fatalf("%s counts: %v, after\n%q", after.State, after.Counts(), w.path)
	case after.State == store.Failed && after.NotSent != (!slices.Contains(after.Due(), store.RefundFailed)):
		t.Fatalf("not sent %v, due %v, after\n%q", after.NotSent, after.Due(), w.path)
	case after.State == store.Succeeded && !slices.Equal(after.Due(), []store.Event{store.RefundSucceeded}):
		t.Fatalf("succeeded, due %v, after\n%q", after.Due(), w.path)
	case changed && after.Retryable && s.Finding == store.Refusal && !s.Retryable:
		t.Fatalf("retryable after a refusal for good, after\n%q", w.path)
	}
}

// send records a send, which the rules allow exactly if it is pending and no
// lease runs.
func (w walked) send(t *testing.T) (walked, bool) {
	t.Helper()
	may := w.r.State == store.Pending && !w.r.Lease.Held(w.now)
	r := w.r.Clone()
	attempt := r.BeginSend(store.Permission{Attempts: r.Attempts, Lease: walkLease}, time.Time{}, w.now)
	if (attempt.Token != "") != may || attempt.Token != "" && attempt.Number != w.r.Attempts+1 {
		t.Fatalf("send %+v, by the rules %v, after\n%q", attempt, may, w.path)
	}
	if !may {
		return w, false
	}
	w.r, w.path = r, append(slices.Clip(w.path), "send")
	open := map[int]bool{attempt.Number: true}
	for n := range w.open {
		open[n] = true
	}
	w.open = open
	return w, true
}

// walk goes on from w by depth steps, each way there is.
func (w walked) walk(t *testing.T, depth int) (walks int) {
	t.Helper()
	if depth == 0 {
		return 1
	}
	for _, s := range w.steps() {
		walks += w.settle(t, s).walk(t, depth-1)
	}
	if next, ok := w.send(t); ok {
		walks += next.walk(t, depth-1)
	}
	if w.r.Lease.Held(w.now) {
		next := w
		next.now = next.now.Add(walkLease)
		next.path = append(slices.Clip(next.path), "the lease runs out")
		walks += next.walk(t, depth-1)
	}
	if w.r.CanReopen() {
		next := w
		next.r = w.r.Clone()
		next.r.Reopen(store.Refund{}, w.now)
		next.path = append(slices.Clip(next.path), "reopened")
		next.reached, next.doubtful, next.refused, next.open = false, false, 0, nil
		walks += next.walk(t, depth-1)
	}
	return walks
}

// Every sequence of four events after the first send, and after a second while
// the first is unanswered.
func TestRulesWalkedThrough(t *testing.T) {
	start := walked{r: refund("order", "number"), now: time.Unix(1e9, 0).UTC()}
	first, ok := start.send(t)
	if !ok {
		t.Fatal("no first send")
	}
	first.now = first.now.Add(walkLease)
	second, ok := first.send(t)
	if !ok {
		t.Fatal("no second send")
	}
	walks := first.walk(t, 4) + second.walk(t, 4)
	if walks < 100_000 {
		t.Errorf("only %d walks", walks)
	}
	t.Logf("%d walks", walks)
}

// lesson is what is learnt of a refund, and the state that it then has.
type lesson struct {
	name  string
	sends int // each made once the lease of the one before ran out
	learn []store.Settlement
	want  store.State
}

func lessons() []lesson {
	answer := func(attempt int, finding store.Finding, more ...func(*store.Settlement)) store.Settlement {
		s := store.Settlement{Source: store.ByAnswer, Attempt: attempt, Finding: finding}
		for _, change := range more {
			change(&s)
		}
		return s
	}
	check := func(s *store.Settlement) { s.Check = true }
	ended := func(s *store.Settlement) { s.Ended, s.Code = true, "10000" }
	query := func(attempt int, conclusive bool) store.Settlement {
		return store.Settlement{Source: store.ByQuery, Attempt: attempt, Finding: store.NotFound, Late: conclusive, Expired: conclusive, Conclusive: conclusive}
	}
	late := func(attempt int) store.Settlement {
		return store.Settlement{Source: store.ByQuery, Attempt: attempt, Finding: store.NotFound, Late: true}
	}
	young := func(attempt int) store.Settlement {
		return store.Settlement{Source: store.ByQuery, Attempt: attempt, Finding: store.NotFound, Late: true, Conclusive: true}
	}
	notice := store.Settlement{Source: store.ByNotice, Finding: store.Success}
	return []lesson{
		{"nothing learnt", 1, []store.Settlement{answer(1, store.Unknown)}, store.Pending},
		{"success", 1, []store.Settlement{answer(1, store.Success)}, store.Succeeded},
		{"refusal", 1, []store.Settlement{answer(1, store.Refusal)}, store.Failed},
		{"not sent", 1, []store.Settlement{answer(1, store.NotSent)}, store.Failed},
		{"success undoes a failure", 1, []store.Settlement{answer(1, store.Refusal), notice}, store.Succeeded},
		{"nothing undoes a success", 1, []store.Settlement{notice, answer(1, store.Refusal), query(1, true)}, store.Succeeded},
		{"refusal to be checked", 1, []store.Settlement{answer(1, store.Refusal, check)}, store.Pending},
		{"refusal checked", 1, []store.Settlement{answer(1, store.Refusal, check), late(1)}, store.Failed},
		{"refusal checked too early", 1, []store.Settlement{answer(1, store.Refusal, check), query(1, false)}, store.Pending},
		{"checked before the refusal", 1, []store.Settlement{query(1, true), answer(1, store.Refusal, check)}, store.Pending},
		{"not found alone", 1, []store.Settlement{query(1, true)}, store.Pending},
		{"refusal, an earlier send unanswered", 2, []store.Settlement{answer(2, store.Refusal)}, store.Pending},
		{"the same, then not found", 2, []store.Settlement{answer(2, store.Refusal), late(2)}, store.Pending},
		{"the same, then not found while it may be on its way", 2, []store.Settlement{answer(2, store.Refusal), young(2)}, store.Pending},
		{"refusal, an earlier send answered by neither, then not found", 2, []store.Settlement{answer(1, store.Unknown, ended), answer(2, store.Refusal), young(2)}, store.Failed},
		{"refusal, an earlier send unanswered, then conclusively", 2, []store.Settlement{answer(2, store.Refusal), query(2, true)}, store.Failed},
		{"the same, but asked before the last send", 2, []store.Settlement{answer(2, store.Refusal), query(1, true)}, store.Pending},
		{"refusal of an earlier send says nothing of the last", 2, []store.Settlement{answer(1, store.Refusal), query(2, true)}, store.Pending},
		{"the last refused, then the earlier one", 2, []store.Settlement{answer(2, store.Refusal), answer(1, store.Refusal)}, store.Pending},
		{"the same, then not found", 2, []store.Settlement{answer(2, store.Refusal), answer(1, store.Refusal), late(2)}, store.Failed},
		{"both refused", 2, []store.Settlement{answer(1, store.Refusal), answer(2, store.Refusal)}, store.Failed},
		{"the last not sent, an earlier one unanswered", 2, []store.Settlement{answer(2, store.NotSent)}, store.Pending},
		{"the last not sent, an earlier one answered", 2, []store.Settlement{answer(1, store.Unknown, ended), answer(2, store.NotSent)}, store.Pending},
		{"the last not sent, an earlier refusal to be checked", 2, []store.Settlement{answer(1, store.Refusal, check), answer(2, store.NotSent)}, store.Pending},
		{"none of them sent", 2, []store.Settlement{answer(1, store.NotSent), answer(2, store.NotSent)}, store.Failed},
	}
}

// The cases that the walk is about, by name.
func TestApply(t *testing.T) {
	for _, test := range lessons() {
		t.Run(test.name, func(t *testing.T) {
			r, now := refund("order", "number"), time.Unix(1e9, 0)
			for n := range test.sends {
				if a := r.BeginSend(store.Permission{Attempts: n, Lease: walkLease}, time.Time{}, now); a.Number != n+1 {
					t.Fatalf("send %d: %+v", n+1, a)
				}
				now = now.Add(walkLease)
			}
			for _, s := range test.learn {
				r, _ = r.Apply(s, now)
			}
			if r.State != test.want {
				t.Errorf("it is %s, want %s: %+v", r.State, test.want, r.History)
			}
		})
	}
}

// A failure that a question confirmed is asked about four times more, unless Alipay
// does not answer for two days; a success that is found then is one.
func TestRechecks(t *testing.T) {
	began := time.Unix(1e9, 0)
	failed := func() store.Refund {
		r := refund("order", "number")
		r.BeginSend(store.Permission{Lease: walkLease}, time.Time{}, began)
		for _, s := range []store.Settlement{
			{Source: store.ByAnswer, Attempt: 1, Token: r.Lease.Token, Finding: store.Refusal, Check: true, Retryable: true},
			{Source: store.ByQuery, Attempt: 1, Finding: store.NotFound, Late: true},
		} {
			r, _ = r.Apply(s, began)
		}
		r.Deliveries = []store.Delivery{{Event: store.RefundFailed, Done: true}}
		return r
	}
	notFound := store.Settlement{Source: store.ByQuery, Attempt: 1, Finding: store.NotFound, Late: true, Again: time.Minute}
	r := failed()
	for _, step := range []struct {
		after   time.Duration // the failure
		learn   store.Settlement
		next    time.Duration // 0: never
		remains int
	}{
		{10 * time.Minute, notFound, time.Hour, 3},
		{time.Hour, store.Settlement{Source: store.ByQuery, Attempt: 1, Again: time.Minute}, time.Hour + time.Minute, 3},
		{2 * time.Hour, notFound, 6 * time.Hour, 2},
		{8 * time.Hour, notFound, 24 * time.Hour, 1},
		{24 * time.Hour, notFound, 0, 0},
	} {
		r, _ = r.Apply(step.learn, began.Add(step.after))
		want := began.Add(step.next)
		if step.next == 0 {
			want = time.Time{}
		}
		if r.State != store.Failed || r.Rechecks != step.remains || !r.AskAt.Equal(want) || !r.Next.Equal(want) {
			t.Errorf("%v after it failed: %s, %d remain, the next at %v, %v; want %d, %v", step.after, r.State, r.Rechecks, r.AskAt, r.Next, step.remains, want)
		}
	}

	r, _ = failed().Apply(store.Settlement{Source: store.ByQuery, Attempt: 1}, began.Add(49*time.Hour))
	if r.Rechecks != 0 || !r.Next.IsZero() {
		t.Errorf("after two days without an answer: %d remain, the next at %v", r.Rechecks, r.Next)
	}
	r = failed()
	for range 9 { // asked in between, by whoever it may be
		r, _ = r.Apply(notFound, began.Add(9*time.Minute))
	}
	if r.Rechecks != 4 || !r.AskAt.Equal(began.Add(10*time.Minute)) {
		t.Errorf("asked before it is time: %d remain, the next at %v", r.Rechecks, r.AskAt)
	}
	r, changed := failed().Apply(store.Settlement{Source: store.ByQuery, Attempt: 1, Finding: store.Success}, began.Add(time.Hour))
	if !changed || r.State != store.Succeeded || r.Rechecks != 0 || !slices.Equal(r.Due(), []store.Event{store.RefundSucceeded}) {
		t.Errorf("found after all: %s, %d remain, due %v", r.State, r.Rechecks, r.Due())
	}
	r, _, _ = store.Admit(new(failed()), refund("order", "number"), store.OrderState{}, store.Limit{}, nil, began.Add(time.Hour))
	if r.State != store.Pending || !r.AskAt.IsZero() {
		t.Errorf("opened again: %s, the next question at %v", r.State, r.AskAt)
	}
	r, _ = r.Apply(store.Settlement{Source: store.ByAnswer, Finding: store.NotSent}, began.Add(2*time.Hour))
	if r.State != store.Failed || !r.NotSent || r.Rechecks != 4 || !r.AskAt.Equal(began.Add(2*time.Hour+10*time.Minute)) {
		t.Errorf("and not sent: %s, %d remain, the next question at %v", r.State, r.Rechecks, r.AskAt)
	}
}

// A question during a send fails nothing: it may have overtaken it.
func TestApplyNotFoundDuringASend(t *testing.T) {
	r, now := refund("order", "number"), time.Unix(1e9, 0)
	r.BeginSend(store.Permission{Attempts: 0, Lease: walkLease}, time.Time{}, now)
	r, _ = r.Apply(store.Settlement{Source: store.ByAnswer, Attempt: 1, Finding: store.Refusal, Check: true}, now)
	question := store.Settlement{Source: store.ByQuery, Attempt: 1, Finding: store.NotFound, Late: true, Conclusive: true}
	if r, _ := r.Apply(question, now.Add(walkLease-1)); r.State != store.Pending {
		t.Errorf("while the lease runs: %s", r.State)
	}
	if r, _ := r.Apply(question, now.Add(walkLease)); r.State != store.Failed {
		t.Errorf("after it: %s", r.State)
	}
}

func TestApplyKeepsTheRefusalsWords(t *testing.T) {
	r, now := refund("order", "number"), time.Unix(1e9, 0)
	a := r.BeginSend(store.Permission{Attempts: 0, Lease: walkLease}, time.Time{}, now)
	for _, s := range []store.Settlement{
		{
			Source: store.ByAnswer, Attempt: 1, Token: a.Token, Finding: store.Refusal, Check: true, Retryable: true,
			Code: "40004", SubCode: "refusal", Message: "no", Answer: store.JSON(`"refusal"`),
		},
		{Source: store.ByQuery, Attempt: 1, Finding: store.Unknown, Code: "20000", SubCode: "busy"},
		{
			Source: store.ByQuery, Attempt: 1, Finding: store.NotFound, Late: true, Conclusive: true,
			Code: "10000", SubCode: "none", Answer: store.JSON(`"not found"`),
		},
	} {
		r, _ = r.Apply(s, now)
	}
	if !r.CanReopen() || r.SubCode != "refusal" || r.Message != "no" || string(r.Answer) != `"refusal"` {
		t.Errorf("%s, retryable %v: %s %s %s", r.State, r.Retryable, r.SubCode, r.Message, r.Answer)
	}
}

func TestApplyFillsInWhatIsUnknown(t *testing.T) {
	r := refund("order", "number")
	r.TradeNo, r.Amount = "", 0
	learnt := store.Settlement{
		Source: store.ByQuery, OutTradeNo: "other", TradeNo: "trade", OutOrderNo: "out order", OperationID: "operation", Amount: 7,
	}
	got, _ := r.Apply(learnt, time.Unix(1e9, 0))
	if got.OutTradeNo != "order" || got.TradeNo != "trade" || got.OutOrderNo != "out order" || got.OperationID != "operation" || got.Amount != 7 {
		t.Errorf("learnt %+v", got)
	}
	again, _ := got.Apply(store.Settlement{TradeNo: "x", OutOrderNo: "x", OperationID: "x", Amount: 8}, time.Unix(1e9, 0))
	if again.TradeNo != "trade" || again.OutOrderNo != "out order" || again.OperationID != "operation" || again.Amount != 7 {
		t.Errorf("overwritten %+v", again)
	}
}

// Apply and Admit leave what they are given alone.
func TestRulesChangeNothingInPlace(t *testing.T) {
	now := time.Unix(1e9, 0)
	r := refund("order", "number")
	r.Request = store.JSON(`{}`)
	r.Deliveries = make([]store.Delivery, 0, 8)
	r.History = make([]store.Entry, 0, 8)
	r.Unanswered = make([]int, 0, 8)
	r.BeginSend(store.Permission{Attempts: 0, Lease: walkLease}, time.Time{}, now)
	r.BeginSend(store.Permission{Attempts: 1, Lease: walkLease}, time.Time{}, now.Add(walkLease))
	before := r.Clone()
	for finding := range store.NotSent + 1 {
		r.Apply(store.Settlement{Source: store.ByAnswer, Attempt: 1, Finding: finding, Answer: store.JSON(`1`)}, now)
	}
	store.Admit(&r, r, store.OrderState{}, store.Limit{}, nil, now)
	if !reflect.DeepEqual(r, before) {
		t.Errorf("changed to %+v", r)
	}
}

func TestHistoryIsBounded(t *testing.T) {
	var r store.Refund
	for n := range 10_000 {
		r.Log(store.Entry{Number: n})
	}
	if len(r.History) != 64 {
		t.Fatalf("%d entries", len(r.History))
	}
	for n, entry := range r.History {
		want := n // the first ones
		if n >= 32 {
			want = 10_000 - 64 + n // and the latest
		}
		if entry.Number != want {
			t.Errorf("entry %d is %d, want %d", n, entry.Number, want)
		}
	}
}

func TestDiffers(t *testing.T) {
	recorded := refund("order", "number")
	recorded.AuthNo, recorded.Request = "auth", store.JSON(`{"a":1}`)
	for _, test := range []struct {
		name   string
		change func(*store.Refund)
		want   []string
	}{
		{"the same", func(*store.Refund) {}, nil},
		{"amount", func(r *store.Refund) { r.Amount = 1 }, []string{"amount"}},
		{"auth_no", func(r *store.Refund) { r.AuthNo = "other" }, []string{"auth_no"}},
		{"both", func(r *store.Refund) { r.Amount, r.AuthNo = 1, "other" }, []string{"amount", "auth_no"}},
		{"request", func(r *store.Refund) { r.Request = store.JSON(`{}`) }, []string{"request"}},
		{"what is unknown", func(r *store.Refund) { r.Amount, r.AuthNo, r.Request = 0, "", "" }, nil},
		{"who asks", func(r *store.Refund) { r.Actor, r.NotifyURL = "other", "other" }, nil},
	} {
		other := recorded.Clone()
		test.change(&other)
		if got := recorded.Differs(other); !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
		if got := other.Differs(recorded); !slices.Equal(got, test.want) {
			t.Errorf("%s, the other way round: %v, want %v", test.name, got, test.want)
		}
	}
}

// Admit never lets an order's refunds exceed a known total, whatever the order
// of requests, failures and repeats.
func TestAdmitNeverExceeds(t *testing.T) {
	const total = money.Amount(100)
	random := rand.New(rand.NewPCG(1, 2))
	now := time.Unix(1e9, 0)
	for range 2000 {
		refunds := make(map[string]*store.Refund)
		for range 12 {
			asked := refund("order", fmt.Sprint(random.IntN(6)))
			asked.Amount = money.Amount(1 + random.IntN(60))
			found := refunds[asked.ID]
			if found != nil && random.IntN(2) == 0 {
				asked.Amount = found.Amount
			}
			var others, all money.Amount
			for id, r := range refunds {
				if id != asked.ID && r.Counts() {
					others += r.Amount
				}
			}
			r, opened, write := store.Admit(found, asked, store.OrderState{Reserved: others}, store.Limit{Total: total, Known: true}, nil, now)
			if opened.How == store.OverLimit && (write || opened.Left != total-others || asked.Amount <= opened.Left) {
				t.Fatalf("%+v, write %v, of %d with %d reserved", opened, write, asked.Amount, others)
			}
			if write {
				refunds[r.ID] = &r
			}
			if r := refunds[asked.ID]; r != nil && r.State == store.Pending && random.IntN(2) == 0 {
				r.BeginSend(store.Permission{Attempts: r.Attempts, Lease: 0}, time.Time{}, now)
				*r, _ = r.Apply(store.Settlement{
					Source: store.ByAnswer, Attempt: r.Attempts, Finding: store.Refusal, Retryable: random.IntN(2) == 0,
				}, now)
			}
			for _, r := range refunds {
				if r.Counts() {
					all += r.Amount
				}
			}
			if all > total {
				t.Fatalf("%d reserved of %d", all, total)
			}
		}
	}
}

// A delivery that fails, or is made again, moves no question forward.
func TestDeliveriesLeaveTheNextQuestionAlone(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	r := store.Refund{State: store.Pending}
	send := r.BeginSend(store.Permission{Lease: time.Minute}, time.Time{}, now)
	r, _ = r.Apply(store.Settlement{
		Source: store.ByAnswer, Attempt: send.Number, Token: send.Token, Attention: "look", Again: time.Hour,
	}, now)
	if !r.Next.Equal(now) || !r.AskAt.Equal(now.Add(time.Hour)) {
		t.Fatalf("next %v, question %v", r.Next, r.AskAt)
	}
	token, _ := r.BeginDelivery(store.RefundUnresolved, time.Minute, now)
	if want := now.Add(time.Minute); !r.Next.Equal(want) { // when whoever delivers has died
		t.Errorf("while it is delivered, next is %v", r.Next)
	}
	r.EndDelivery(store.RefundUnresolved, token, true, "", now.Add(time.Second))
	if !r.Next.Equal(now.Add(time.Hour)) {
		t.Errorf("after it was delivered, next is %v", r.Next)
	}
	r.Redeliver(store.RefundUnresolved, "ann", now.Add(2*time.Second))
	if !r.Next.Equal(now.Add(2*time.Second)) || !r.AskAt.Equal(now.Add(time.Hour)) {
		t.Errorf("delivered again: next %v, question %v", r.Next, r.AskAt)
	}
}
