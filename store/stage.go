package store

import "time"

// This file is the one place that reads what a refund's flags mean together. All
// else asks for its stage, or for one of the facts below.

// Stage is how far a refund has come, told more finely than by its [State].
type Stage uint8

// The stages; those before StageSucceeded are pending, but for the first.
// [Stage.Meaning] says what each means, and docs/transitions.md what can happen in it.
const (
	StageAwaitingApproval Stage = iota
	StageRecorded
	StagePromised
	StageSending
	StageUnanswered
	StageSendingAgain
	StageRefusedOnce
	StageRefusedPerhaps
	StageUnclear
	StageSucceeded
	StageSucceededByPerson
	StageFailedRetryable
	StageFailed
	StageFailedByPerson
	StageNotSent
	StageDeclined
	StageExpired
)

var stageTexts = [...]struct{ name, meaning string }{
	StageAwaitingApproval:  {"awaiting approval", "reserved; nothing is sent before a second person approves it"},
	StageRecorded:          {"recorded", "reserved; nothing was sent yet"},
	StagePromised:          {"to be sent", "reserved; nothing was sent yet, and it will be, by `Run` if by nobody else"},
	StageSending:           {"being sent", "the send is recorded; its answer is awaited"},
	StageUnanswered:        {"unanswered", "a send was not answered: its money may have moved, or may still"},
	StageSendingAgain:      {"being sent again", "as *being sent*, while an earlier send is unanswered"},
	StageRefusedOnce:       {"refused, to be confirmed", "the only send was refused in words that may mean that it is done already"},
	StageRefusedPerhaps:    {"refused, perhaps", "the last send was refused; an earlier one may be why"},
	StageUnclear:           {"answered, unclear", "every send was answered, none by yes or no"},
	StageSucceeded:         {"succeeded", "a signed word of Alipay's says so"},
	StageSucceededByPerson: {"succeeded, says a person", "not Alipay yet"},
	StageFailedRetryable:   {"failed, may be sent again", "refused, and nothing moved; the same number may be used"},
	StageFailed:            {"failed", "refused for good, and nothing moved"},
	StageFailedByPerson:    {"failed, says a person", "not Alipay yet"},
	StageNotSent:           {"not sent", "failed, for nothing was ever sent; no event"},
	StageDeclined:          {"declined", "failed, for a person declined it, and nothing was sent"},
	StageExpired:           {"expired", "failed, for nobody approved it in time, and nothing was sent; the same number may be used"},
}

// String names the stage as docs/transitions.md does.
func (s Stage) String() string { return stageTexts[s].name }

// Meaning says what the stage means, in a few words.
func (s Stage) Meaning() string { return stageTexts[s].meaning }

// Stage returns the refund's stage at that time, which a lease depends on.
func (r Refund) Stage(now time.Time) Stage {
	person := r.Source == ByPerson
	switch {
	case r.State == AwaitingApproval:
		return StageAwaitingApproval
	case r.State == Succeeded && person:
		return StageSucceededByPerson
	case r.State == Succeeded:
		return StageSucceeded
	case r.NothingSent():
		return StageNotSent
	case r.Declined():
		return StageDeclined
	case r.Expired():
		return StageExpired
	case r.State == Failed && person:
		return StageFailedByPerson
	case r.CanReopen():
		return StageFailedRetryable
	case r.State == Failed:
		return StageFailed
	case r.Lease.Held(now) && len(r.Unanswered) > 1:
		return StageSendingAgain
	case r.Lease.Held(now):
		return StageSending
	case r.Unsent() && r.Promised:
		return StagePromised
	case r.Unsent():
		return StageRecorded
	case r.AwaitsConfirmation() && !r.mayHaveMoved():
		return StageRefusedOnce
	case r.AwaitsConfirmation():
		return StageRefusedPerhaps
	case r.HasUnanswered():
		return StageUnanswered
	}
	return StageUnclear
}

// Unsent tells whether the refund is pending and nothing was sent of it since it
// was opened, or opened again.
func (r Refund) Unsent() bool { return r.State == Pending && r.nothingLeft() }

// Settled tells whether the refund has succeeded or failed.
func (r Refund) Settled() bool { return r.State == Succeeded || r.State == Failed }

// Declined tells whether the refund failed because a person declined it.
func (r Refund) Declined() bool { return r.State == Failed && r.DeclinedBy != "" }

// Expired tells whether the refund failed because nobody approved it in time.
func (r Refund) Expired() bool {
	return r.State == Failed && !r.ApprovalUntil.IsZero() && r.ApprovedBy == "" && r.DeclinedBy == ""
}

// CanReopen tells whether the refund failed in a way that lets the same number
// be sent again.
func (r Refund) CanReopen() bool { return r.State == Failed && r.Retryable }

// mostUnknownRefusals is how often a refund is sent that is refused by words that nobody knows: a
// person looks at it then, and the questions go on.
const mostUnknownRefusals = 3

// MayRepeat tells whether a pending refund may be sent again, once it is known that its
// last send came to nothing.
func (r Refund) MayRepeat() bool {
	return !r.AwaitsConfirmation() && r.UnknownRefusals < mostUnknownRefusals
}

// NothingSent tells whether the refund failed because nothing was ever sent, which
// is no failure to tell anybody of.
func (r Refund) NothingSent() bool { return r.State == Failed && r.NotSent }

// AwaitsConfirmation tells whether Alipay refused the last send of a pending
// refund, which fails it only once a query finds nothing.
func (r Refund) AwaitsConfirmation() bool { return r.State == Pending && r.Refused }

// HasUnanswered tells whether a send was never answered: the money may have moved,
// or may still.
func (r Refund) HasUnanswered() bool { return len(r.Unanswered) > 0 }

// mayHaveMoved tells whether an earlier send may be why Alipay refuses now: it was
// never answered, or answered by neither yes nor no.
func (r Refund) mayHaveMoved() bool { return r.Doubtful || r.HasUnanswered() }

// nothingLeft tells whether no send left, as far as is known.
func (r Refund) nothingLeft() bool { return !r.Answered && !r.HasUnanswered() }
