// Package store is what alirefund remembers: which notification is being
// handled or done ([Claims]), and what is known of every refund ([Ledger]).
//
// A host chooses one [Store]. [Memory] is for one process and forgets on
// restart. The package storetest is the contract, runnable against any other.
//
// Outcomes are values here and errors are the system's own failures: a claim
// that somebody else holds is no error, a database that is down is.
package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/alirefund/alirefund/money"
)

// ErrNotFound: the ledger holds no refund of that id.
var ErrNotFound = errors.New("store: no such refund")

// ErrNotWritten: the step failed, and changed nothing for certain. Without it in an
// error, nobody knows whether the step was done; to ask for the same again, with the
// same token, is the way to find out.
var ErrNotWritten = errors.New("store: nothing was written")

// ErrTaken: somebody handles the notification, or has handled it, and nothing was
// done. [Claims.Claim] tells which.
var ErrTaken = errors.New("store: the notification is taken")

// Store is both contracts over one memory.
type Store interface {
	Claims
	Ledger
}

// Claims keeps, for each notification, who is handling it and whether it is
// done. Every method is safe for concurrent use, by any number of processes
// that share the memory.
//
// The tokens fence: the word of an owner whose lease ran out and was given to
// another has no effect, and held tells it so. As long as nobody else took it,
// the owner of a lease that just ran out still owns it: what was done late is
// done.
type Claims interface {
	// Claim takes key for the length of lease. It returns a token if the caller
	// now owns it; done if key is completed; neither if somebody else owns it.
	Claim(ctx context.Context, key string, lease time.Duration) (token string, done bool, err error)
	// Complete marks key as done for the length of keep, if token still owns it.
	Complete(ctx context.Context, key, token string, keep time.Duration) (held bool, err error)
	// Release gives key back, as if it had never been claimed, if token still
	// owns it.
	Release(ctx context.Context, key, token string) (held bool, err error)
}

// Ledger keeps refunds. Every method is atomic, and safe for concurrent use by
// any number of processes that share the memory. What a settlement does to a
// refund is decided by [Refund.Apply] and its like in this package, not by the
// back-end, which only has to make read, decide and write one step.
//
// All times in it are of one clock, the ledger's own: when something was recorded,
// and when a lease ends. Processes whose clocks differ agree on them, and compare
// them with [Refund.AsOf] only. What is asked for is a length of time.
//
// The Refund values that go in and come out share no memory with the ledger.
type Ledger interface {
	// Open records r before anything is sent for it. r carries its identity
	// (ID, OrderID by [Identify]), content and State: Pending for a request,
	// [AwaitingApproval] for one that wants a second person's approval first, or what a notice taught about a refund that nobody here asked for.
	//
	// An unknown id is inserted and its amount reserved against limit, unless
	// limit is known and smaller than what the order's refunds that have not failed
	// add up to with it. A failed, retryable refund of the same content
	// is opened again under the same condition. Anything else is left as it is,
	// but that an unknown OutOrderNo is filled in, and that a pending one is Promised if r
	// is. See [Opened].
	//
	// With first, what was opened has its first send recorded in the same step, if the
	// order's spacing allows it: see Sending, and Opened.First. The same call again,
	// with the same token, finds what it did before. What awaits approval is not sent,
	// but waits for first.Approval, until a settlement with a [Decision] ends that.
	Open(ctx context.Context, r Refund, limit Limit, first *Permission) (Refund, Opened, error)

	// Sending records one send before it is made, if the refund is pending,
	// made exactly p.Attempts sends until now, nobody else's lease runs, and no
	// refund of the order was sent within p.Spacing; and not, if Alipay refused it
	// three times for reasons that nobody knows. The condition on the
	// attempts makes sure that what the caller concluded is still about the last
	// send. The same call again, with the same token, finds the send that it recorded.
	// It fails with [ErrNotFound].
	Sending(ctx context.Context, id string, p Permission) (Attempt, error)

	// Settle records what was learnt, by [Refund.Apply], a note included, and
	// tells whether that changed the refund's state. With s.Notice it takes the
	// notification in the same step, or fails with [ErrTaken], unless it has been taken by
	// the same token; if nothing is due of the refund then, the notification is done. It
	// fails with [ErrNotFound].
	Settle(ctx context.Context, id string, s Settlement) (Refund, bool, error)

	// Deliver takes the delivery of one event for the length of lease. It
	// returns a token if the caller is to call the hook now; done if the event
	// was delivered already or is not true of the refund (see [Refund.Due]);
	// neither if somebody else is at it. It fails with [ErrNotFound].
	Deliver(ctx context.Context, id string, event Event, lease time.Duration) (token string, done bool, err error)
	// Delivered marks the event as delivered, if token still owns the delivery, and
	// completes done in the same step, if that has a key that its token still owns.
	Delivered(ctx context.Context, id string, event Event, token string, done Notice) (held, completed bool, err error)
	// Undelivered gives the delivery back, if token still owns it, and
	// remembers why it failed.
	Undelivered(ctx context.Context, id string, event Event, token, reason string) (held bool, err error)

	// Redeliver makes an event that is true of the refund due again, delivered
	// or not, and tells whether it did. It fails with [ErrNotFound].
	Redeliver(ctx context.Context, id string, event Event, actor string) (bool, error)

	// Subscribe makes a named subscriber hear the event ([Event.For]) of a refund that
	// was recorded without it, and tells whether it did. It fails with [ErrNotFound].
	Subscribe(ctx context.Context, id string, event Event) (bool, error)

	// Due returns at most n refunds of the application whose time has come
	// ([Refund.Next]), those that wait longest first, and puts each off for the
	// length of lease, so that no other process gets it meanwhile. An empty app stands
	// for all applications, which take turns: one that has much to do holds up no
	// other. asking leaves out
	// those that succeeded, about which at most the host has still to be told. Whatever is
	// then done with one sets its time anew. Those that it could not read, such as
	// what a newer version wrote ([ErrNewerDocument]), it puts off too, and names
	// them in an error beside the others, which are valid.
	Due(ctx context.Context, app string, lease time.Duration, n int, asking bool) ([]Refund, error)
	// GiveBack ends the lease that Due put the refund off for, so that another may take
	// it up at once; and with it a delivery that token took by a settlement, and whose
	// hook was not called. It does nothing, and tells so, unless the refund's Next is
	// still next, as its owner has last seen it: somebody has worked on it since. It
	// fails with [ErrNotFound].
	GiveBack(ctx context.Context, id string, next time.Time, token string) (bool, error)

	// Get returns one refund. It fails with [ErrNotFound].
	Get(ctx context.Context, id string) (Refund, error)
	// List returns the refunds that match f, the oldest first, or with f.Newest the
	// newest.
	List(ctx context.Context, f Filter) ([]Refund, error)
}

// How says what [Ledger.Open] found.
type How uint8

// What Open found, and did.
const (
	Created   How = iota + 1 // unknown until now: recorded, reserved
	Reopened                 // had failed, and may be sent again: pending once more, reserved
	Exists                   // the same refund, as it stands; at most its OutOrderNo was filled in
	Conflict                 // the same number with other content; nothing changed
	OverLimit                // the order has not that much left; nothing recorded
)

// Opened is what [Ledger.Open] did.
type Opened struct {
	How   How
	Left  money.Amount // OverLimit: what the order had left
	First Attempt      // Created, Reopened: the send that it recorded, if it was asked to
}

// Limit is an order's total, if it is known. An unknown one limits nothing.
type Limit struct {
	Total money.Amount
	Known bool
}

// Permission is what [Ledger.Sending] is asked for.
type Permission struct {
	Token    string        // that the caller makes for this send; empty for one that is made up
	Attempts int           // the sends that were made until now; Open knows them
	Lease    time.Duration // how long the send may take
	Spacing  time.Duration // the least time between two sends of one order
	// Approval, in Open, is how long a refund that is AwaitingApproval waits for it.
	Approval time.Duration
}

// Attempt is one send that was recorded and is now to be made. Without a token
// the conditions of [Ledger.Sending] did not hold, and nothing may be sent.
type Attempt struct {
	Number int           // 1 for the first send of a refund
	Token  string        // for the settlement
	Wait   time.Duration // without a token: when only the spacing stood against it, what is left of it
}

// Transactor is a [Store] on a database of the host's, in whose transactions an
// event can be delivered: the host's rows and the mark commit together, or
// neither does.
type Transactor interface {
	// DeliverTx calls hook within a transaction in which the event is marked as
	// delivered, and commits it if hook returns nil. No other process delivers
	// the event meanwhile. It tells whether the event is delivered, or not true,
	// now. An error of hook's comes back as it is, the transaction rolled back
	// and the error recorded. It fails with [ErrNotFound].
	//
	// What was learnt, if it is given, is part of the transaction, and with it that its
	// Notice is done. Where the event is not to be delivered now it is [Ledger.Settle]
	// alone; and where hook fails it is recorded all the same, without its Notice.
	// settled is the refund as it is recorded; without an ID if what was learnt is not.
	DeliverTx(ctx context.Context, id string, event Event, learnt *Settlement, hook func(context.Context, *sql.Tx, Refund) error) (settled Refund, done bool, err error)
}

// Clock is a [Store] whose times are not those of the process: a database's, or
// another machine's.
type Clock interface {
	// Now returns the time that the ledger goes by.
	Now(ctx context.Context) (time.Time, error)
}

// Pruner is a [Store] that keeps refunds until it is told to forget them.
type Pruner interface {
	// Prune forgets a piece of what nothing remains to be done for, and tells
	// how many records it changed: the raw nodes of Alipay's (they name buyers)
	// of refunds settled before nodes, and whole refunds settled before refunds;
	// a zero time keeps all. The two times may be of the caller's clock. 0 means that
	// nothing is left to forget. An empty app stands for all applications.
	Prune(ctx context.Context, app string, nodes, refunds time.Time) (int, error)
}

// Counter is a [Store] that can count what is left to do without reading it.
type Counter interface {
	// Count counts the application's refunds for which something is left to do. It
	// costs no more than those are many. An empty app stands for all applications.
	Count(ctx context.Context, app string) (Backlog, error)
}

// Backlog is how much is left to do.
type Backlog struct {
	Awaiting    int       // refunds that await a second person's approval
	Unresolved  int       // pending refunds, those being sent among them
	Oldest      time.Time // when the oldest of them was recorded; zero if there is none
	Undelivered int       // refunds with an event that no hook has taken yet
	Due         int       // refunds whose time has come, and that nobody has taken up
	AsOf        time.Time // when the ledger said so, by its clock
}

// Age is how long the oldest unresolved refund has been pending; 0 if none is.
func (b Backlog) Age() time.Duration {
	if b.Oldest.IsZero() {
		return 0
	}
	return b.AsOf.Sub(b.Oldest)
}
