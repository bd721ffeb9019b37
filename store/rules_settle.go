package store

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/alirefund/alirefund/money"
)

// The files named rules_ decide; back-ends only store. Each function there is what
// one method of Ledger does to one refund, between reading and writing it. This file
// is about what was learnt.

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
	// Unlisted, with Unknown: a signed refusal of which no page says what it proves.
	Unlisted bool
	// Late, with NotFound: it was asked so long after the last send and its refusal
	// that a refund would have been found. A not-found before that concludes
	// nothing.
	Late bool
	// Expired, with NotFound: it was asked so long after the last send that no send
	// can still be on its way.
	Expired bool
	// Conclusive, with NotFound: the question named the refund beyond doubt.
	Conclusive bool

	Code, SubCode, Message string
	Attention              string // why a person should look, if waiting will not heal it
	Answer                 JSON

	// Again is when to ask again, if the refund stays pending; 0 means 10 s.
	Again time.Duration
	// Claim, if it is a token, takes the delivery of the event that this makes true
	// for the length of ClaimFor, in the same step: the refund's
	// [Refund.DeliveryLease] tells whether.
	Claim    string
	ClaimFor time.Duration
	// Notice, if it has a Key, is the notification that said so, and is taken in the
	// same step; done at once if nothing is due of the refund then.
	Notice Notice
	// Decision, if there is one, ends the wait for an approval, and is all that this
	// settlement does; nothing, if the refund does not wait, or not any more.
	Decision Decision
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
	r.AsOf = now
	return r, changed
}

func (r *Refund) apply(s Settlement, now time.Time) (changed bool) {
	if s.Note.What != "" {
		r.note(s.Note, now)
		return false
	}
	before := r.State
	if s.Decision != "" {
		if r.applyDecision(s, now) {
			r.goOn(s, now)
		}
		return r.State != before
	}
	r.UpdatedAt = now
	r.learn(s)
	switch s.Source {
	case ByAnswer:
		r.applyAnswer(s, now)
	case ByQuery:
		r.applyQuery(s, now)
	case ByNotice:
		r.applyNotice(s, now)
	case ByPerson:
		r.applyPerson(s, now)
	}
	if s.Attention != "" && (r.State == Pending || r.State == Failed && r.Rechecks > 0 || s.Source == "" && r.Undelivered()) {
		r.Attention = s.Attention
	}
	r.Log(Entry{At: now, What: cmp.Or(string(s.Source), "attention"), Detail: s.detail(), Number: s.Attempt, Actor: s.Actor})
	r.goOn(s, now)
	return r.State != before
}

// goOn plans what follows a settlement.
func (r *Refund) goOn(s Settlement, now time.Time) {
	if due := r.Due(); s.Claim != "" && len(due) > 0 {
		r.claim(due[0], Lease{Token: s.Claim, Until: now.Add(s.ClaimFor)}, now)
	}
	r.AskAt = r.nextQuestion(cmp.Or(s.Again, firstAgain), now)
	r.plan(now)
}

// applyAnswer: a send was answered, or was not. Only the answer to the last send
// fails the refund, and only if no earlier send may be why Alipay refuses.
func (r *Refund) applyAnswer(s Settlement, now time.Time) {
	r.endSend(s, now)
	r.countUnknown(s)
	refused := s.Finding == Refusal && s.Attempt == r.Attempts
	certain := refused && !s.Check && !r.mayHaveMoved()
	switch {
	case s.Finding == Success:
		r.succeed(s, now)
	case certain && (r.State == Pending || r.State == Succeeded && r.Source == ByPerson): // a person's word yields to Alipay's
		r.settle(Failed, s, now)
		r.Retryable = s.Retryable
	case r.State != Pending:
	case refused:
		r.Refused, r.RefusedRetryable = true, s.Retryable
		r.words(s)
	case s.Finding == NotSent && r.nothingLeft() && !r.Promised:
		r.settle(Failed, s, now)
		r.Retryable, r.NotSent = true, true
	default:
		r.words(s)
	}
}

// endSend ends the lease of the send that was answered, and notes whether its
// answer says that it moved nothing more.
func (r *Refund) endSend(s Settlement, now time.Time) {
	if s.Token != "" && s.Token == r.Lease.Token {
		r.Lease = Lease{}
		r.SentAt = now // it may have been written only just now
	}
	if s.Ended || s.Finding == Refusal {
		r.Answered = true
		r.Doubtful = r.Doubtful || s.Finding == Unknown
	}
	if s.Ended || s.Finding == Refusal || s.Finding == NotSent {
		r.Unanswered = slices.DeleteFunc(r.Unanswered, func(n int) bool { return n == s.Attempt })
	}
}

// countUnknown counts the refusals of which nobody knows what they prove.
func (r *Refund) countUnknown(s Settlement) {
	if !s.Unlisted || s.Attempt != r.Attempts {
		return
	}
	r.UnknownRefusals++
	if r.UnknownRefusals >= mostUnknownRefusals && r.State == Pending {
		r.Attention = fmt.Sprintf("Alipay refused it %d times, last with %s, of which no page says that nothing moved; it is not sent again, and a person is to find out", r.UnknownRefusals, s.SubCode)
	}
}

// applyQuery: Alipay was asked. Finding nothing fails nothing by itself; it may
// confirm a refusal, and then is asked a few times more.
func (r *Refund) applyQuery(s Settlement, now time.Time) {
	r.Asks++
	switch {
	case s.Finding == Success:
		r.succeed(s, now)
	case r.State == Failed && r.Rechecks > 0 && s.Finding == NotFound:
		if !now.Before(r.AskAt) { // one that somebody asked in between is none of them
			r.Rechecks--
		}
	case r.State != Pending:
	case s.Finding != NotFound:
		r.words(s)
	case r.AwaitsConfirmation() && s.Attempt == r.Attempts && !r.Lease.Held(now) && r.confirmedBy(s):
		code, subCode, message := r.Code, r.SubCode, r.Message // the refusal's, which it confirms
		r.settle(Failed, s, now)
		r.Retryable, r.Rechecks = r.RefusedRetryable, len(rechecks)
		r.Code, r.SubCode, r.Message = code, subCode, message
	}
}

// confirmedBy tells whether a not-found shows that a refusal is no earlier send's
// doing: it was asked late enough to have found the refund. Earlier than that it shows
// nothing, not even where the ledger knows of no earlier send: a store that forgot may
// have made one. A send without any answer may arrive much later still.
func (r *Refund) confirmedBy(s Settlement) bool {
	switch {
	case r.HasUnanswered():
		return s.Late && s.Conclusive && s.Expired
	case r.Doubtful:
		return s.Late && s.Conclusive
	}
	return s.Late
}

// rechecks are when Alipay is asked again about a failure that a not-found confirmed:
// so long after it. No time is long enough for what was held back on its way, by
// whoever it may be.
var rechecks = [...]time.Duration{10 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour}

// endOfRechecks is when they end, answered or not.
const endOfRechecks = 48 * time.Hour

// nextQuestion is when Alipay is to be asked about the refund, again after the last
// question at the earliest; zero for never.
func (r *Refund) nextQuestion(again time.Duration, now time.Time) time.Time {
	if r.State == Failed && r.Rechecks > 0 && now.Sub(r.SettledAt) > endOfRechecks {
		r.Rechecks = 0
	}
	switch {
	case r.State == Pending:
		return now.Add(again)
	case r.Rechecks == 0:
		return time.Time{}
	}
	at := r.SettledAt.Add(rechecks[len(rechecks)-r.Rechecks])
	if !at.After(now) { // the last question was not answered, or came late
		at = now.Add(again)
	}
	return at
}

// applyNotice: a signed notification told of the refund.
func (r *Refund) applyNotice(s Settlement, now time.Time) {
	switch {
	case s.Finding == Success:
		r.succeed(s, now)
	case r.State == Pending:
		r.words(s)
	}
}

// applyPerson: somebody decided about a pending refund.
func (r *Refund) applyPerson(s Settlement, now time.Time) {
	switch {
	case r.State != Pending:
	case s.Finding == Success:
		r.settle(Succeeded, s, now)
	case s.Finding == Refusal:
		r.settle(Failed, s, now)
	}
}

// applyDecision ends the wait, and tells whether it did. What comes when the time is
// over finds the wait expired, whatever it says.
func (r *Refund) applyDecision(s Settlement, now time.Time) bool {
	late := !now.Before(r.ApprovalUntil)
	switch {
	case r.State != AwaitingApproval:
		return false
	case late:
		s.Decision, s.Actor, s.Reason, s.Source = Expired, "", "", ""
	case s.Decision == Expired, s.Decision == Approved && !r.MayApprove(s.Actor), strings.TrimSpace(s.Actor) == "":
		return false
	}
	if r.UpdatedAt = now; s.Decision == Approved {
		r.State, r.ApprovedBy, r.Promised = Pending, s.Actor, true
	} else {
		s.Message = s.Reason
		r.settle(Failed, s, now)
		r.Retryable = late
		if !late {
			r.DeclinedBy = s.Actor
		}
	}
	r.Log(Entry{At: now, What: string(s.Decision), Detail: s.Reason, Actor: s.Actor})
	return true
}

// succeed: Alipay's signed word that the money moved overrides all but itself.
func (r *Refund) succeed(s Settlement, now time.Time) {
	if r.State != Succeeded || r.Source == ByPerson {
		r.settle(Succeeded, s, now)
	}
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
	if state == Succeeded {
		r.Rechecks = 0
	}
	// The call for a person was about the pending refund: another may follow.
	r.forget(RefundUnresolved)
	if s.Source != ByPerson { // which ends no send
		r.Unanswered = nil
	}
	if state == Failed { // a person had called it a success: if Alipay says so later, that is delivered again
		r.forget(RefundSucceeded)
	}
	r.words(s)
}

// words remembers what Alipay said last. A refusal that waits for its
// confirmation is not overwritten by the questions that follow it.
func (r *Refund) words(s Settlement) {
	if r.AwaitsConfirmation() && s.Finding != Refusal {
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
	settled := r.State == Succeeded || r.AwaitsConfirmation() && s.Finding == NotFound
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
