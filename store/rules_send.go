package store

import (
	"cmp"
	"crypto/rand"
	"time"

	"github.com/alirefund/alirefund/money"
)

// How a refund is opened, opened again, and sent.

// BeginSend records the next send, by the conditions of [Ledger.Sending], and
// returns it, or an Attempt without a token. last is when any refund of the order was
// last sent. One that was refused three times, for nobody knows what, is not sent again.
// A send that is recorded with p's token already is returned as it is.
func (r *Refund) BeginSend(p Permission, last, now time.Time) Attempt {
	if r.sends(p, now) {
		return Attempt{Number: r.Attempts, Token: p.Token}
	}
	if r.State != Pending || r.Attempts != p.Attempts || r.Lease.Held(now) || r.UnknownRefusals >= mostUnknownRefusals {
		return Attempt{}
	}
	if wait := p.Spacing - now.Sub(last); wait > 0 {
		return Attempt{Wait: wait}
	}
	r.Attempts++
	r.Asks = 0
	r.Unanswered = append(r.Unanswered, r.Attempts)
	r.Refused = false // a new send: an older refusal no longer speaks for it
	r.Lease = Lease{Token: cmp.Or(p.Token, rand.Text()), Until: now.Add(p.Lease)}
	r.SentAt, r.UpdatedAt, r.AskAt = now, now, r.Lease.Until
	r.Log(Entry{At: now, What: "send", Number: r.Attempts})
	r.plan(now)
	return Attempt{Number: r.Attempts, Token: r.Lease.Token}
}

// sends tells whether p's send is under way: whoever asks for it has asked before, and
// was not answered.
func (r *Refund) sends(p Permission, now time.Time) bool {
	return p.Token != "" && r.Lease.Token == p.Token && r.Lease.Held(now)
}

// Reopen makes a failed, retryable refund pending again, or await approval, as asked
// for by asked. What was delivered of its former life no longer counts as delivered.
func (r *Refund) Reopen(asked Refund, now time.Time) {
	r.State, r.Retryable, r.NotSent, r.Refused, r.Answered, r.Doubtful = asked.State, false, false, false, false, false
	r.Attention, r.Source, r.SettledAt, r.AskAt = "", "", time.Time{}, time.Time{}
	r.ApprovalUntil, r.ApprovedBy, r.DeclinedBy = time.Time{}, "", "" // of what was asked for before
	if r.State == AwaitingApproval {
		r.Actor = asked.Actor // who may not approve it
	}
	r.Promised = asked.Promised
	r.UnknownRefusals = 0
	r.Code, r.SubCode, r.Message = "", "", ""
	r.forget(RefundFailed)
	r.forget(RefundUnresolved)
	r.UpdatedAt = now
	r.Log(Entry{At: now, What: "reopened", Actor: asked.Actor})
	r.plan(now)
}

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

// OrderState is what [Ledger.Open] has to know of an order.
type OrderState struct {
	Reserved money.Amount // what its counting refunds add up to, but for the one in question
	SentAt   time.Time    // when any of its refunds was last sent
}

// Admit decides what [Ledger.Open] does with asked: found is the refund of its
// id, or nil. It returns what to store, if anything changes.
func Admit(found *Refund, asked Refund, order OrderState, limit Limit, first *Permission, now time.Time) (Refund, Opened, bool) {
	r, opened, changed := admit(found, asked, order.Reserved, limit, now)
	if first == nil {
		return r, opened, changed
	}
	switch p := *first; {
	case opened.How == Exists && r.sends(p, now):
		opened.How = Reopened
		if r.Attempts == 1 {
			opened.How = Created
		}
		opened.First = r.BeginSend(p, order.SentAt, now)
	case opened.How != Created && opened.How != Reopened:
	case r.State == AwaitingApproval:
		r.ApprovalUntil = now.Add(p.Approval)
		r.plan(now)
	default:
		p.Attempts = r.Attempts
		opened.First = r.BeginSend(p, order.SentAt, now)
	}
	return r, opened, changed
}

func admit(found *Refund, asked Refund, reserved money.Amount, limit Limit, now time.Time) (Refund, Opened, bool) {
	if found == nil {
		if left := limit.Total - reserved; limit.Known && asked.Counts() && asked.Amount > left {
			return Refund{}, Opened{How: OverLimit, Left: max(left, 0)}, false
		}
		asked = asked.Clone()
		asked.CreatedAt, asked.UpdatedAt = now, now
		if asked.Settled() {
			asked.SettledAt = now
		}
		asked.Log(Entry{At: now, What: "created", Actor: asked.Actor, Detail: string(asked.Origin)})
		asked.plan(now)
		return asked, Opened{How: Created}, true
	}
	r := found.Clone()
	if len(r.Differs(asked)) > 0 {
		return r, Opened{How: Conflict}, false
	}
	if r.CanReopen() && !asked.Settled() {
		if left := limit.Total - reserved; limit.Known && asked.Amount > left {
			return Refund{}, Opened{How: OverLimit, Left: max(left, 0)}, false
		}
		r.Reopen(asked, now)
		return r, Opened{How: Reopened}, true
	}
	changed := false
	if r.OutOrderNo == "" && asked.OutOrderNo != "" {
		r.OutOrderNo, changed = asked.OutOrderNo, true
	}
	if asked.Promised && r.State == Pending && !r.Promised {
		r.Promised, changed = true, true
	}
	return r, Opened{How: Exists}, changed
}
