package store_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/alirefund/alirefund/store"
)

var update = flag.Bool("update", false, "write docs/transitions.md anew")

// The page docs/transitions.md says what the rules do.
func TestTransitionsPage(t *testing.T) {
	const name = "../docs/transitions.md"
	page := transitionsPage(t)
	if *update {
		if err := os.WriteFile(name, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	found, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if string(found) != page {
		t.Errorf("%s is stale: go test ./store -run TestTransitionsPage -update", name)
	}
}

// pageNow is when everything on the page happens, and pageLease how long a send
// may take.
var pageNow = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

const pageLease = 90 * time.Second

// asked is the refund as it is asked for.
func askedFor(amount int64) store.Refund {
	r := store.Refund{Actor: "ann", Kind: store.Trade, App: "2021", OutTradeNo: "T", OutRequestNo: "R", State: store.Pending, Origin: store.FromRequest}
	r.Request = store.JSON(fmt.Sprint(amount))
	return r.Identify()
}

// promise is the same, of a caller who is answered before it is sent.
func promise() store.Refund {
	r := askedFor(1)
	r.Promised = true
	return r
}

// A happening changes a refund; nil: it does not concern it.
type happening struct {
	name string
	do   func(r *store.Refund, now time.Time)
}

func settlement(name string, s store.Settlement) happening {
	return happening{name, func(r *store.Refund, now time.Time) {
		if s.Source == store.ByAnswer || s.Source == store.ByQuery {
			s.Attempt = r.Attempts
		}
		if s.Source == store.ByAnswer {
			s.Token = r.Lease.Token
		}
		*r, _ = r.Apply(s, now)
	}}
}

func request(name string, asked store.Refund) happening {
	return happening{name, func(r *store.Refund, now time.Time) {
		*r, _, _ = store.Admit(r, asked, store.OrderState{}, store.Limit{}, nil, now)
	}}
}

// forApproval asks for the refund where it wants approval; anew, if there is one already.
func forApproval(found *store.Refund, now time.Time) store.Refund {
	asked := askedFor(1)
	asked.State = store.AwaitingApproval
	r, _, _ := store.Admit(found, asked, store.OrderState{}, store.Limit{}, &store.Permission{Approval: time.Hour}, now)
	return r
}

var (
	sent = happening{"a send is recorded", func(r *store.Refund, now time.Time) {
		r.BeginSend(store.Permission{Attempts: r.Attempts, Lease: pageLease}, time.Time{}, now)
	}}
	died = happening{"nobody records an answer: the process died", func(*store.Refund, time.Time) {}}

	success   = settlement("signed answer: refunded", store.Settlement{Source: store.ByAnswer, Finding: store.Success, Ended: true})
	mendable  = settlement("signed answer: refused, and can be mended", store.Settlement{Source: store.ByAnswer, Finding: store.Refusal, Retryable: true})
	final     = settlement("signed answer: refused for good", store.Settlement{Source: store.ByAnswer, Finding: store.Refusal})
	check     = settlement("signed answer: the trade is closed", store.Settlement{Source: store.ByAnswer, Finding: store.Refusal, Check: true})
	unclear   = settlement("signed answer: `fund_change` is not `Y`, or the number is repeated", store.Settlement{Source: store.ByAnswer, Ended: true})
	noAnswer  = settlement("no answer, an unsigned one, or SYSTEM_ERROR", store.Settlement{Source: store.ByAnswer})
	notSent   = settlement("no connection was made", store.Settlement{Source: store.ByAnswer, Finding: store.NotSent})
	found     = settlement("question: it is found, and matches", store.Settlement{Source: store.ByQuery, Finding: store.Success})
	tooEarly  = settlement("question: not found, less than 10 s after the last send", store.Settlement{Source: store.ByQuery, Finding: store.NotFound})
	notFound  = settlement("question: not found, 10 s or more after the last send", store.Settlement{Source: store.ByQuery, Finding: store.NotFound, Late: true, Conclusive: true})
	expired   = settlement("question: not found, 20 min or more after the last send", store.Settlement{Source: store.ByQuery, Finding: store.NotFound, Late: true, Conclusive: true, Expired: true})
	noMatch   = settlement("question: no signed answer, or one that does not match", store.Settlement{Source: store.ByQuery})
	notice    = settlement("signed notice: refunded", store.Settlement{Source: store.ByNotice, Finding: store.Success})
	personYes = settlement("a person says: succeeded", store.Settlement{Source: store.ByPerson, Finding: store.Success})
	personNo  = settlement("a person says: failed", store.Settlement{Source: store.ByPerson, Finding: store.Refusal})
	orphaned  = settlement("a minute passes, and nobody sends it", store.Settlement{Source: store.ByAnswer, Finding: store.NotSent})
	approved  = settlement("another person approves it", store.Settlement{Source: store.ByPerson, Decision: store.Approved, Actor: "bob"})
	himself   = settlement("who asked for it approves it", store.Settlement{Source: store.ByPerson, Decision: store.Approved, Actor: "ann"})
	declined  = settlement("a person declines it", store.Settlement{Source: store.ByPerson, Decision: store.Declined, Actor: "bob"})
	expires   = happening{"its time is over", func(r *store.Refund, _ time.Time) {
		*r, _ = r.Apply(store.Settlement{Decision: store.Expired}, r.ApprovalUntil)
	}}
	awaits   = happening{"it is asked for, and wants approval", func(r *store.Refund, now time.Time) { *r = forApproval(nil, now) }}
	asksAnew = happening{"the same request again", func(r *store.Refund, now time.Time) { *r = forApproval(r, now) }}
	again    = request("the same request again", askedFor(1))
	promised = request("the same request again, answered at once", promise())
	other    = request("the same number with other content", askedFor(2))
)

// stages are how a refund comes to be in each stage, and what can happen to it there.
var stages = []struct {
	stage store.Stage
	path  []happening
	next  []happening
}{
	{store.StageAwaitingApproval, []happening{awaits}, []happening{approved, himself, declined, expires, notice, again, promised, other}},
	{store.StageRecorded, nil, []happening{sent, orphaned, notice, again, promised, other}},
	{store.StagePromised, []happening{awaits, approved}, []happening{sent, notSent, died, approved, declined, notice, personYes, personNo, again, promised, other}},
	{
		store.StageSending,
		[]happening{sent},
		[]happening{success, mendable, final, check, unclear, noAnswer, notSent, died, notice, personYes, personNo, again, other},
	},
	{
		store.StageUnanswered,
		[]happening{sent, noAnswer},
		[]happening{found, tooEarly, notFound, noMatch, success, sent, notice, personYes, personNo, again, other},
	},
	{
		store.StageSendingAgain,
		[]happening{sent, noAnswer, sent},
		[]happening{success, mendable, final, check, unclear, noAnswer, notSent, died, notice},
	},
	{
		store.StageRefusedOnce,
		[]happening{sent, check},
		[]happening{found, tooEarly, notFound, noMatch, notice, again},
	},
	{
		store.StageRefusedPerhaps,
		[]happening{sent, noAnswer, sent, mendable},
		[]happening{found, tooEarly, notFound, expired, noMatch, notice, again},
	},
	{
		store.StageUnclear,
		[]happening{sent, unclear},
		[]happening{found, tooEarly, notFound, noMatch, notice, again},
	},
	{store.StageSucceeded, []happening{sent, success}, []happening{final, notFound, notice, personNo, again, other}},
	{store.StageSucceededByPerson, []happening{sent, noAnswer, personYes}, []happening{success, final, notFound, notice, again}},
	{store.StageFailedRetryable, []happening{sent, mendable}, []happening{success, notice, again, other}},
	{store.StageFailed, []happening{sent, final}, []happening{success, notice, again, other}},
	{store.StageFailedByPerson, []happening{sent, noAnswer, personNo}, []happening{success, notice, again}},
	{store.StageNotSent, []happening{sent, notSent}, []happening{notice, again, other}},
	{store.StageDeclined, []happening{awaits, declined}, []happening{approved, notice, again, other}},
	{store.StageExpired, []happening{awaits, expires}, []happening{approved, notice, asksAnew, other}},
}

// doesNext says what the module does about a refund after something happened.
func doesNext(before, r store.Refund, what string, now time.Time) string {
	var does []string
	for _, event := range r.Due() {
		if !before.True(event) {
			does = append(does, "tells the host `"+string(event)+"`")
		}
	}
	if r.Rechecks > before.Rechecks {
		does = append(does, "asks Alipay again after 10 min, 1 h, 6 h and 24 h")
	}
	switch {
	case what == other.name, what == approved.name && before.Settled(), what == declined.name && before.State != store.AwaitingApproval:
		does = append(does, "409")
	case what == himself.name:
		does = append(does, "403")
	case r.State == store.AwaitingApproval:
		does = append(does, "202; waits for another person, 72 h at most")
	case r.Stage(now) == store.StagePromised && what != personYes.name && what != personNo.name:
		does = append(does, "sends it")
	case r.State != store.Pending && len(does) > 0:
	case r.State != store.Pending && what == again.name:
		does = append(does, "the stored answer")
	case r.State != store.Pending && before.State == r.State:
		does = append(does, "nothing")
	case r.State != store.Pending:
		does = append(does, "503; the same request may be repeated")
	case what == notFound.name && !r.AwaitsConfirmation(), what == again.name && r.Unsent():
		does = append(does, "sends the identical request")
	case r.Lease.Held(now):
		does = append(does, "waits for the answer, until the lease ends")
	case what == again.name:
		does = append(does, "asks Alipay, and goes by the answer")
	default:
		does = append(does, "asks Alipay, ever more rarely")
	}
	return strings.Join(does, "; ")
}

func transitionsPage(t *testing.T) string {
	var b strings.Builder
	b.WriteString(transitionsHead)
	for _, s := range stages {
		r := reach(t, s.stage, s.path)
		counts := "yes"
		if !r.Counts() {
			counts = "no"
		}
		fmt.Fprintf(&b, "| **%s** | `%s` | %s | %s |\n", s.stage, r.State, s.stage.Meaning(), counts)
	}
	b.WriteString(transitionsMiddle)
	for _, s := range stages {
		for _, h := range s.next {
			before := reach(t, s.stage, s.path)
			now := pageNow
			if h.name == died.name {
				now = now.Add(pageLease)
			}
			r := before.Clone()
			h.do(&r, now)
			next := "the same"
			if r.Stage(now) != s.stage {
				next = "**" + r.Stage(now).String() + "**"
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", s.stage, h.name, next, doesNext(before, r, h.name, now))
		}
	}
	b.WriteString(transitionsFoot)
	return b.String()
}

// reach makes a refund that is in a stage.
func reach(t *testing.T, stage store.Stage, path []happening) store.Refund {
	t.Helper()
	r, _, _ := store.Admit(nil, askedFor(1), store.OrderState{}, store.Limit{}, nil, pageNow)
	for _, h := range path {
		h.do(&r, pageNow)
	}
	if is := r.Stage(pageNow); is != stage {
		t.Fatalf("what should be %q is %q", stage, is)
	}
	return r
}

const transitionsHead = `<!-- Written by "go test ./store -run TestTransitionsPage -update" from store/stage.go and the rules. Do not edit. -->

# What becomes of a refund

A refund has four states that a host sees: ` + "`awaiting_approval`" + ` where the host wants
a second person's approval, ` + "`pending`, `succeeded` and `failed`" + `. The
rules tell more apart. *Reserved* says whether its amount is taken from its
order's total; that of a refund whose money has moved, or may still, always is,
unless a person has said that it failed.

| stage | state | means | reserved |
|---|---|---|---|
`

const transitionsMiddle = `
In every stage, this can happen. The events are told at least once each; a hook
that fails is called again. *Asks Alipay* means at once with the request, then 10
to 15 s after the last send, then ever more rarely, down to once an hour. An
unresolved refund of a day, and what waiting cannot heal at once, is told by
` + "`refund_unresolved`" + `, and the asking goes on.

| stage | what happens | next stage | what the module does next |
|---|---|---|---|
`

const transitionsFoot = `
Which answer means what is in [outcomes.md](outcomes.md). A red packet's question that
finds nothing is never conclusive, since what it is asked about by is the
caller's word: a refused one that an earlier send may explain waits for its
notice, or for a person.

Two things are assumed. Alipay carries out what has arrived within 10 s, as its
documents have it (opendocs, alipay.trade.fastpay.refund.query: ask after 10 s). And a
request is on its way for 20 min at most (` + "`Times.Transit`" + `). ` + "`TestModel`" + ` walks through
all that can happen, in every order, with processes that die between any two steps and
others that act in the middle of them; on these assumptions it finds no way to send a
second number or amount while the first is unresolved, to free what may have moved, to
tell what is not so, to lose an event, or to undo a success. Where a request is later
than that, a failure has been told that was none; it is found out within a day, and
told.
`
