package store

import (
	"crypto/rand"
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
	before := r.State
	r.UpdatedAt = now
	r.learn(s)
	if s.Source == ByAnswer && s.Token != "" && s.Token == r.Lease.Token {
		r.Lease = Lease{}
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
	case s.Finding == Success && r.State != Succeeded:
		r.settle(Succeeded, s, now)
	case r.State != Pending:
		// A settled refund is only corrected by a success.
	case s.Finding == Refusal && last && !s.Check && !r.Doubtful && len(r.Unanswered) == 0:
		r.settle(Failed, s, now)
		r.Retryable = s.Retryable
	case s.Finding == Refusal && last:
		r.Refused, r.RefusedRetryable = true, s.Retryable
		r.words(s)
	case s.Finding == NotFound && r.Refused && last && !r.Lease.Held(now) &&
		(s.Conclusive || !r.Doubtful && len(r.Unanswered) == 0):
		code, subCode, message := r.Code, r.SubCode, r.Message // the refusal's, which it confirms
		r.settle(Failed, s, now)
		r.Retryable = r.RefusedRetryable
		r.Code, r.SubCode, r.Message = code, subCode, message
	case s.Finding == NotSent && s.Source == ByAnswer && !r.Answered && len(r.Unanswered) == 0:
		r.settle(Failed, s, now)
		r.Retryable, r.NotSent = true, true
	case s.Finding != NotFound:
		r.words(s)
	}
	if r.State == Pending && s.Attention != "" {
		r.Attention = s.Attention
	}
	r.Log(Entry{At: now, What: string(s.Source), Detail: s.detail(), Number: s.Attempt})
	return r.State != before
}

// settle ends the refund's pending life.
func (r *Refund) settle(state State, s Settlement, now time.Time) {
	r.State, r.Source, r.SettledAt = state, s.Source, now
	r.Retryable, r.NotSent, r.Refused = false, false, false
	r.Unanswered, r.Attention = nil, ""
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
	for _, word := range []string{s.Code, s.SubCode, s.Attention} {
		if word != "" {
			text += "; " + word
		}
	}
	return text
}

// BeginSend records the next send, by the conditions of [Ledger.Sending], and
// returns it, or the zero Attempt.
func (r *Refund) BeginSend(attempts int, lease time.Duration, now time.Time) Attempt {
	if r.State != Pending || r.Attempts != attempts || r.Lease.Held(now) {
		return Attempt{}
	}
	r.Attempts++
	r.Unanswered = append(r.Unanswered, r.Attempts)
	r.Refused = false // a new send: an older refusal no longer speaks for it
	r.Lease = Lease{Token: rand.Text(), Until: now.Add(lease)}
	r.SentAt, r.UpdatedAt = now, now
	r.Log(Entry{At: now, What: "send", Number: r.Attempts})
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
	d.Tries++
	d.At = now
	d.Lease = Lease{Token: rand.Text(), Until: now.Add(lease)}
	r.setDelivery(d)
	return d.Lease.Token, false
}

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
	return true
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
	return true
}
