package engine

import (
	"context"
	"database/sql"
	"time"

	"github.com/alirefund/alirefund/store"
)

// Subscriber is one more who hears an event of refunds, beside the function of [Config]
// for it, under a name of its own: an outbox, a broker, a mailer. Its deliveries, their
// marks and their repetitions are its own, so that one who is down holds up nobody else,
// no notification and no answer to a request.
//
// Which subscribers hear of a refund is recorded with the refund. One that is added
// later hears of the refunds that are recorded from then on, unless From says otherwise.
// A process on the same store that does not know it yet calls nobody: a delivery that it
// takes up has failed, and comes again, ever more rarely, until a process that knows it is
// the one who takes it up. One that is no longer wanted stays in the list, Retired, until nothing is
// left to be delivered to it.
type Subscriber struct {
	// Name is up to 32 lower-case letters, digits, - and _, and stays the same for ever:
	// what was delivered is marked under it. A subscriber of several events has one
	// entry for each.
	Name  string
	Event store.Event

	// Call is called at least once for each event, and not again after it returned nil,
	// as the functions of [Config] are, with the same time limit.
	Call func(ctx context.Context, d Delivery) error
	// CallTx, instead of Call, is called within a transaction of the store's database,
	// in which the delivery is marked: see [Config.OnRefundSucceededTx]. While it runs it
	// holds a connection and the refund, and on SQLite all who write; two run at once.
	CallTx func(ctx context.Context, tx *sql.Tx, d Delivery) error
	// Retired, instead of either: what is left to be delivered is dropped.
	Retired bool

	// From, if it is set, makes the subscriber hear also of refunds that were recorded
	// before it was added, since that time. [Engine.Run] looks for them when it starts,
	// and every hour for those of processes that do not know the subscriber yet; with
	// Config.Apps for each application that this process comes to know.
	From time.Time
}

// Delivery is what a [Subscriber] is called with.
type Delivery struct {
	// ID is the same for each try, and for no other event: whoever hears of it twice may
	// know it by that. It is the refund's ID, a dot and the event, and, if the event
	// became due once more, on purpose or because it came true once more, a dot and the
	// number of times.
	ID     string
	Event  store.Event
	Refund store.Refund
	Reason string // RefundUnresolved: why it wants a person
}
