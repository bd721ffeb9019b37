package store

import (
	"cmp"
	"crypto/rand"
	mathrand "math/rand/v2"
	"slices"
	"time"

	"github.com/alirefund/alirefund/money"
)

// This file decides; back-ends only store. Each function here is what one
// method of Ledger does to one refund, between reading and writing it.

// Finding is what was learnt about a refund's outcome. Its zero value is
// nothing at all.
type Finding uint8

// The findings.
const (
	Unknown  Finding = iota // the refund stays unresolved
	Success                 // signed: the money moved
	Refusal                 // signed: this send moved nothing
	NotFound                // signed: a query knows of no such refund
	NotSent                 // this send never left
)

func (f Finding) String() string {
	return [...]string{"unknown", "success", "refusal", "not found", "not sent"}[f]
}

// Settlement is one piece of knowledge about a refund.
type Settlement struct {
	Source  Source
	Attempt int    // the send it is the answer to, or the last one before the question; 0 for neither
	Token   string // ByAnswer: the send's token, whose lease ends here
	Finding Finding
	// Ended: the send's signed answer says that it moved nothing more, whatever
	// the finding. Implied by Refusal and NotSent.
	Ended bool
	// Retryable, with Refusal: the same number may be sent again.
	Retryable bool
	// Check, with Refusal: it may be the result of an earlier send, and fails
	// the refund only once a query finds nothing.
	Check bool
	// Conclusive, with NotFound: it was asked so long after the last send that a
	// refund would have been found.
	Conclusive bool

	Code, SubCode, Message string
	Attention              string // why a person should look, if waiting will not heal it
	Answer                 JSON

	// Again is when to ask again, if the refund stays pending; 0 means 10 s.
	Again time.Duration
	// Claim, if it has a token, takes the delivery of the event that this makes
	// true, in the same step: the refund's [Refund.DeliveryLease] tells whether.
	Claim Lease
	// Actor and Reason, ByPerson: who decided, and why.
	Actor, Reason string
	// Note, if it has a What, stands in the history, once for each NotifyID, and
	// is all that this settlement does: what a bank did with the money later, for
	// instance. At is set when it is recorded.
	Note Entry

	// Facts that fill in what the ledger does not know yet.
	OutTradeNo, TradeNo, OutOrderNo, OperationID string
	Amount                                       money.Amount
}

// Apply returns the refund with what was learnt, and whether that changed its
// state. It is monotonic: nothing undoes a success, only a success undoes a
// failure, and no refusal is a failure while an earlier send is unanswered,
// because it may be that send's doing. Only the last send's refusal is one: a
// late answer to an earlier send says nothing of those that followed.
func (r Refund) Apply(s Settlement, now time.Time) (Refund, bool) {
	r = r.Clone()
	changed := r.apply(s, now)
	return r, changed
}

func (r *Refund) apply(s Settlement, now time.Time) (changed bool) {
	if s.Note.What != "" {
		r.note(s.Note, now)
		return false
	}
	before := r.State
	r.UpdatedAt = now
	r.learn(s)
	if s.Source == ByQuery {
		r.Asks++
	}
	if s.Source == ByAnswer && s.Token != "" && s.Token == r.Lease.Token {
		r.Lease = Lease{}
		r.SentAt = now // it may have been written only just now
	}
	last := s.Attempt == r.Attempts
	if s.Source == ByAnswer && (s.Ended || s.Finding == Refusal) {
		r.Answered = true
		r.Doubtful = r.Doubtful || s.Finding == Unknown
	}
	if s.Source == ByAnswer && (s.Ended || s.Finding == Refusal || s.Finding == NotSent) {
		r.Unanswered = slices.DeleteFunc(r.Unanswered, func(n int) bool { return n == s.Attempt })
	}
	switch {
	case s.Finding == Success && (r.State == Pending || s.Source != ByPerson && (r.State == Failed || r.Source == ByPerson)):
		r.settle(Succeeded, s, now)
	case s.Source == ByPerson && s.Finding == Refusal && r.State == Pending:
		r.settle(Failed, s, now)
	case r.State != Pending && (r.State != Succeeded || r.Source != ByPerson):
		// A settled refund is only corrected by a success; what a person called
		// one, by a signed refusal too.
	case s.Finding == Refusal && last && !s.Check && !r.Doubtful && len(r.Unanswered) == 0:
		r.settle(Failed, s, now)
		r.Retryable = s.Retryable
	case s.Finding == Refusal && last && r.State == Pending:
		r.Refused, r.RefusedRetryable = true, s.Retryable
		r.words(s)
	case s.Finding == NotFound && r.Refused && last && !r.Lease.Held(now) &&
		(s.Conclusive || !r.Doubtful && len(r.Unanswered) == 0):
		code, subCode, message := r.Code, r.SubCode, r.Message // the refusal's, which it confirms
		r.settle(Failed, s, now)
		r.Retryable = r.RefusedRetryable
		r.Code, r.SubCode, r.Message = code, subCode, message
	case s.Finding == NotSent && s.Source == ByAnswer && !r.Answered && len(r.Unanswered) == 0 && r.State == Pending:
		r.settle(Failed, s, now)
		r.Retryable, r.NotSent = true, true
	case s.Finding != NotFound && r.State == Pending:
		r.words(s)
	}
	if s.Attention != "" && (r.State == Pending || s.Source == "" && len(r.Due()) > 0) {
		r.Attention = s.Attention
	}
	r.Log(Entry{At: now, What: cmp.Or(string(s.Source), "attention"), Detail: s.detail(), Number: s.Attempt, Actor: s.Actor})
	if due := r.Due(); s.Claim.Token != "" && len(due) > 0 {
		r.claim(due[0], s.Claim, now)
	}
	if r.AskAt = (time.Time{}); r.State == Pending {
		r.AskAt = now.Add(cmp.Or(s.Again, firstAgain))
	}
	r.plan(now)
	return r.State != before
}

// note enters what came by a message, unless it stands there already.
func (r *Refund) note(e Entry, now time.Time) {
	known := func(old Entry) bool { return old.What == e.What && old.NotifyID == e.NotifyID }
	if e.NotifyID != "" && slices.ContainsFunc(r.History, known) {
		return
	}
	e.At = now
	r.Log(e)
}

// settle ends the refund's pending life.
func (r *Refund) settle(state State, s Settlement, now time.Time) {
	r.State, r.Source, r.SettledAt = state, s.Source, now
	r.Retryable, r.NotSent, r.Refused = false, false, false
	r.Attention = ""
	// The call for a person was about the pending refund: another may follow.
	r.Deliveries = slices.DeleteFunc(r.Deliveries, func(d Delivery) bool { return d.Event == RefundUnresolved })
	if s.Source != ByPerson { // which ends no send
		r.Unanswered = nil
	}
	if state == Failed { // what a person called a success; should it become one after all, that is news
		r.Deliveries = slices.DeleteFunc(r.Deliveries, func(d Delivery) bool { return d.Event == RefundSucceeded })
	}
	r.words(s)
}

// words remembers what Alipay said last. A refusal that waits for its
// confirmation is not overwritten by the questions that follow it.
func (r *Refund) words(s Settlement) {
	if r.State == Pending && r.Refused && s.Finding != Refusal {
		return
	}
	if s.Code != "" || s.SubCode != "" || s.Message != "" {
		r.Code, r.SubCode, r.Message = s.Code, s.SubCode, s.Message
	}
}

func (r *Refund) learn(s Settlement) {
	for _, f := range []struct {
		known *string
		learn string
	}{
		{&r.OutTradeNo, s.OutTradeNo},
		{&r.TradeNo, s.TradeNo},
		{&r.OutOrderNo, s.OutOrderNo},
		{&r.OperationID, s.OperationID},
	} {
		if *f.known == "" {
			*f.known = f.learn
		}
	}
	if r.Amount == 0 {
		r.Amount = s.Amount
	}
	// What settled or refused it says most; a later query's node does not
	// replace that.
	settled := r.State == Succeeded || r.Refused && s.Finding == NotFound
	if s.Answer != "" && (r.Answer == "" || !settled) {
		r.Answer = s.Answer
	}
}

func (s Settlement) detail() string {
	text := s.Finding.String()
	for _, word := range []string{s.Code, s.SubCode, s.Attention, s.Reason} {
		if word != "" {
			text += "; " + word
		}
	}
	return text
}

// BeginSend records the next send, by the conditions of [Ledger.Sending], and
// returns it, or an Attempt without a token. last is when any refund of the
// order was last sent.
func (r *Refund) BeginSend(p Permission, last, now time.Time) Attempt {
	if r.State != Pending || r.Attempts != p.Attempts || r.Lease.Held(now) {
		return Attempt{}
	}
	if wait := p.Spacing - now.Sub(last); wait > 0 {
		return Attempt{Wait: wait}
	}
	r.Attempts++
	r.Asks = 0
	r.Unanswered = append(r.Unanswered, r.Attempts)
	r.Refused = false // a new send: an older refusal no longer speaks for it
	r.Lease = Lease{Token: rand.Text(), Until: now.Add(p.Lease)}
	r.SentAt, r.UpdatedAt, r.AskAt = now, now, r.Lease.Until
	r.Log(Entry{At: now, What: "send", Number: r.Attempts})
	r.plan(now)
	return Attempt{Number: r.Attempts, Token: r.Lease.Token}
}

// Reopen makes a failed, retryable refund pending again, as asked for by asked.
// What the host was told of its former life no longer counts as told.
func (r *Refund) Reopen(asked Refund, now time.Time) {
	r.State, r.Retryable, r.NotSent, r.Refused, r.Answered, r.Doubtful = Pending, false, false, false, false, false
	r.Attention, r.Source, r.SettledAt = "", "", time.Time{}
	r.Code, r.SubCode, r.Message = "", "", ""
	r.Deliveries = slices.DeleteFunc(r.Deliveries, func(d Delivery) bool { return d.Event != RefundSucceeded })
	r.UpdatedAt = now
	r.Log(Entry{At: now, What: "reopened", Actor: asked.Actor})
	r.plan(now)
}

// CanReopen tells whether the refund failed in a way that lets the same number
// be sent again.
func (r Refund) CanReopen() bool { return r.State == Failed && r.Retryable }

// Differs names what differs in content between a recorded refund and one that
// is asked for under the same identity; nothing if they are the same refund.
// What one of them does not know does not differ.
func (r Refund) Differs(asked Refund) []string {
	var names []string
	if r.Amount != 0 && asked.Amount != 0 && r.Amount != asked.Amount {
		names = append(names, "amount")
	}
	if r.AuthNo != "" && asked.AuthNo != "" && r.AuthNo != asked.AuthNo {
		names = append(names, "auth_no")
	}
	if len(names) == 0 && r.Request != "" && asked.Request != "" && r.Request != asked.Request {
		names = append(names, "request")
	}
	return names
}

// Admit decides what [Ledger.Open] does with asked: found is the refund of its
// id, or nil; reserved is what the order's other counting refunds add up to.
// It returns what to store, if anything changes.
func Admit(found *Refund, asked Refund, reserved money.Amount, limit Limit, now time.Time) (Refund, Opened, bool) {
	if found == nil {
		if left := limit.Total - reserved; limit.Known && asked.Counts() && asked.Amount > left {
			return Refund{}, Opened{How: OverLimit, Left: max(left, 0)}, false
		}
		asked = asked.Clone()
		asked.CreatedAt, asked.UpdatedAt = now, now
		asked.Log(Entry{At: now, What: "created", Actor: asked.Actor, Detail: string(asked.Origin)})
		asked.plan(now)
		return asked, Opened{How: Created}, true
	}
	r := found.Clone()
	if len(r.Differs(asked)) > 0 {
		return r, Opened{How: Conflict}, false
	}
	if r.CanReopen() && asked.State == Pending {
		if left := limit.Total - reserved; limit.Known && asked.Amount > left {
			return Refund{}, Opened{How: OverLimit, Left: max(left, 0)}, false
		}
		r.Reopen(asked, now)
		return r, Opened{How: Reopened}, true
	}
	if r.OutOrderNo == "" && asked.OutOrderNo != "" {
		r.OutOrderNo = asked.OutOrderNo
		return r, Opened{How: Exists}, true
	}
	return r, Opened{How: Exists}, false
}

// BeginDelivery decides [Ledger.Deliver].
func (r *Refund) BeginDelivery(event Event, lease time.Duration, now time.Time) (token string, done bool) {
	d := r.delivery(event)
	switch {
	case d.Done || !r.True(event):
		return "", true
	case d.Lease.Held(now):
		return "", false
	}
	taken := Lease{Token: rand.Text(), Until: now.Add(lease)}
	r.claim(event, taken, now)
	r.plan(now)
	return taken.Token, false
}

// claim takes the delivery of an event unless somebody has it.
func (r *Refund) claim(event Event, lease Lease, now time.Time) {
	d := r.delivery(event)
	if d.Lease.Held(now) {
		return
	}
	d.Tries++
	d.At, d.Lease = now, lease
	r.setDelivery(d)
}

// DeliveryLease is who is delivering the event.
func (r Refund) DeliveryLease(event Event) Lease { return r.delivery(event).Lease }

// EndDelivery decides [Ledger.Delivered], where done, and [Ledger.Undelivered],
// where not, for a reason.
func (r *Refund) EndDelivery(event Event, token string, done bool, reason string, now time.Time) (held bool) {
	d := r.delivery(event)
	if token == "" || d.Lease.Token != token {
		return false
	}
	what := "delivered"
	if !done {
		what = "undelivered"
	}
	d.Done, d.Error, d.At, d.Lease = done, reason, now, Lease{}
	r.setDelivery(d)
	r.UpdatedAt = now
	r.Log(Entry{At: now, What: what, Detail: string(event)})
	r.plan(now)
	return true
}

// Redeliver makes a delivered event due again, on purpose, and tells whether it
// did: the event must be true of the refund.
func (r *Refund) Redeliver(event Event, actor string, now time.Time) bool {
	d := r.delivery(event)
	if !r.True(event) {
		return false
	}
	d.Done, d.At, d.Lease = false, now, Lease{}
	r.setDelivery(d)
	r.UpdatedAt = now
	r.Log(Entry{At: now, What: "redeliver", Detail: string(event), Actor: actor})
	r.plan(now)
	return true
}

const (
	firstAgain = 10 * time.Second
	// orphaned is when a refund that was recorded, and never sent, is taken up:
	// whoever recorded it has died or given up by then.
	orphaned = time.Minute
	// mostBackoff bounds the pause between two deliveries of one event.
	mostBackoff = time.Hour
)

// plan sets Next: when an unresolved refund is to be asked about, or an
// undelivered event to be delivered, whichever comes first. A lease that runs
// out counts too, for its owner may have died.
func (r *Refund) plan(now time.Time) {
	var next time.Time
	earliest := func(t time.Time) {
		if next.IsZero() || t.Before(next) {
			next = t
		}
	}
	switch {
	case r.State != Pending:
	case r.Lease.Held(now):
		earliest(r.Lease.Until)
	case r.Unsent():
		earliest(r.UpdatedAt.Add(orphaned))
	default:
		earliest(r.AskAt)
	}
	for _, event := range r.Due() {
		switch d := r.delivery(event); {
		case d.Lease.Held(now):
			earliest(d.Lease.Until)
		case d.Error != "":
			earliest(d.At.Add(Backoff(d.Tries, time.Second, mostBackoff)))
		default:
			earliest(now)
		}
	}
	r.Next = next
}

// Unsent tells whether the refund is pending and nothing was sent of it since it
// was opened, or opened again.
func (r Refund) Unsent() bool {
	return r.State == Pending && len(r.Unanswered) == 0 && !r.Answered
}

// Orphaned tells whether the refund waits for a first send of its present life
// that nobody will make any more.
func (r Refund) Orphaned(now time.Time) bool {
	return r.Unsent() && !r.Lease.Held(now) && !now.Before(r.UpdatedAt.Add(orphaned))
}

// Backoff is the pause before the try of that number: first, doubled with each,
// at most most, and up to a fifth shorter or longer, so that what failed
// together does not come back together.
func Backoff(tries int, first, most time.Duration) time.Duration {
	pause := first
	for i := 1; i < tries && pause < most; i++ {
		pause *= 2
	}
	pause = min(pause, most)
	return pause - pause/5 + mathrand.N(2*pause/5+1) //nolint:gosec // only to spread the load
}

// Matches tells whether f selects r. A filter without App selects nothing that
// has one.
func (f Filter) Matches(r Refund) bool {
	if f.App != r.App {
		return false
	}
	for _, c := range []struct{ want, got string }{
		{string(f.Kind), string(r.Kind)},
		{f.OutTradeNo, r.OutTradeNo},
		{f.TradeNo, r.TradeNo},
		{f.AuthNo, r.AuthNo},
		{f.OutRequestNo, r.OutRequestNo},
		{f.OperationID, r.OperationID},
		{string(f.State), string(r.State)},
	} {
		if c.want != "" && c.want != c.got {
			return false
		}
	}
	return (!f.Undelivered || len(r.Due()) > 0) &&
		(f.From.IsZero() || !r.CreatedAt.Before(f.From)) && (f.Until.IsZero() || r.CreatedAt.Before(f.Until)) &&
		(f.After == Cursor{} || f.After.before(r))
}

// Cursor is a place in the order of List: behind the refund it names.
type Cursor struct {
	CreatedAt time.Time
	ID        string
}

// Cursor returns the place behind r.
func (r Refund) Cursor() Cursor { return Cursor{r.CreatedAt, r.ID} }

func (c Cursor) before(r Refund) bool {
	if !c.CreatedAt.Equal(r.CreatedAt) {
		return c.CreatedAt.Before(r.CreatedAt)
	}
	return c.ID < r.ID
}
