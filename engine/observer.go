package engine

import (
	"context"
	"time"

	"github.com/alirefund/alirefund/store"
)

// Observer is told what an [Engine] does, for traces and metrics: package
// contrib/otel is one. Nothing that it is told holds a key, a token, a signature, a
// body, a buyer, or a text of the host's or of Alipay's but their codes. The numbers of
// refunds and orders are for spans: as labels of a metric they are too many.
//
// It is called by many goroutines at once, and on the way of each refund: it must not
// block. A panic of it is logged, and changes nothing. Its structs may grow; its
// methods do not.
type Observer interface {
	// Begin is called before something is done, and what it returns when that is over,
	// on whatever goroutine. The context that it returns is derived from ctx and is
	// what the thing is done with, the host's hooks among them.
	Begin(ctx context.Context, op Operation) (context.Context, func(Ended))
	// Changed is called after a refund's new state was recorded. Of a transition whose
	// writer died, or was told that its write had failed, nobody hears: this is for
	// graphs, and not for books.
	Changed(ctx context.Context, c Change)
}

// Op is something that an [Engine] does.
type Op string

// What an Observer is told of. In brackets stands what [Ended.Outcome] may be.
const (
	// OpRefund: a request is recorded, or approved, and taken as far as it goes at once
	// (succeeded, failed, unresolved, awaiting_approval, nothing_sent, vetoed, conflict, exceeds_order, invalid, error).
	OpRefund Op = "refund"
	// OpWork: Run takes up one refund whose time has come (ok).
	OpWork Op = "work"
	// OpSend and OpAsk: a call to Alipay, which may move money, or never does (ok,
	// refused, unverified, no_answer, not_sent).
	OpSend Op = "send"
	OpAsk  Op = "ask"
	// OpSettle: what was learnt is written down (the refund's state, store_failed; taken,
	// if the notification that says so is another's).
	OpSettle Op = "settle"
	// OpHook: the host's code runs, under the name in Operation.Hook (ok, failed).
	OpHook Op = "hook"
	// OpNotice: a notification is dealt with (handled, known, busy, unhandled,
	// unsettled, hook_failed, store_failed, declined by the host's handler), or was
	// refused for Ended.Reason before that (refused).
	OpNotice Op = "notice"
	// OpRound: Run looks for what is due (ok, store_failed).
	OpRound Op = "round"
	// OpClock: this process's clock is compared with the ledger's (ok, off, store_failed).
	OpClock Op = "clock"
	// OpLease: a lease, of the thing in Operation.Lease, was found to be over, or
	// another's, before what it was for was recorded (lost).
	OpLease Op = "lease"
)

// Operation is one thing that is about to be done. What does not apply is empty.
type Operation struct {
	Op     Op
	App    string     // app_id
	Kind   store.Kind // of the refund
	Method string     // of Alipay's, for OpSend and OpAsk
	Hook   string     // the event's name, or the field of [Config]
	Notice string     // what a notification is: its kind
	Lease  string     // send, delivery, notification
	// Again: an earlier call of the hook for the same event failed.
	Again bool

	// For spans alone.
	Refund, Order, Number, NotifyID string
}

// Ended is how an operation ended.
type Ended struct {
	Outcome       string // see [Op]
	Code, SubCode string // Alipay's, from a signed answer
	Reason        string // why a notification was refused: signature, not_ours and the like
	Due           int    // OpRound: the refunds that were taken up
	// Ahead is how far this process's clock is before the ledger's; negative: behind.
	Ahead time.Duration
}

// Change is one transition of a refund.
type Change struct {
	App    string
	Kind   store.Kind
	From   store.State // empty: the refund was unknown
	To     store.State
	Origin store.Origin
	Source store.Source // what proved it; empty until then, and if an approval expired
	// NotSent: failed, because nothing was ever sent.
	NotSent bool
	// SubCode is Alipay's, of a refusal that Alipay signed.
	SubCode string
	Age     time.Duration // since the refund was first recorded, by the ledger's clock

	Refund, Order, Number string // for spans alone
}
