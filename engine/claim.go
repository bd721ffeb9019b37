package engine

import (
	"crypto/rand"
	"time"

	"github.com/alirefund/alirefund/store"
)

// claim is what a caller of [Engine.settle] takes the delivery by of what that makes
// true, so that [Engine.deliver] need not ask for it: both are one step of the ledger.
// It is for one refund.
type claim struct {
	token   string
	settled time.Time // when settle was last called with it

	// atOnce: a success is told within the transaction that records it, where the host
	// is told by one. Not by Run, whose questions wait for no hook.
	atOnce bool
	tried  bool // so it was told, and that failed: it is not tried again now

	// notice is the notification that the next settlement takes, and the delivery that
	// follows completes; done says that either of them has.
	notice store.Notice
	done   bool
}

func newClaim() *claim { return &claim{token: rand.Text()} }

// newClaimAtOnce is for a caller who waits for the hook.
func newClaimAtOnce() *claim { return &claim{token: rand.Text(), atOnce: true} }

// wasTried tells whether the host was told already, by the settlement, and failed.
func (c *claim) wasTried() bool { return c != nil && c.tried }

// completes is the notification that is done once the event is delivered which is due
// of r: if it is the last.
func (c *claim) completes(r store.Refund) store.Notice {
	if c == nil || len(r.Due()) != 1 {
		return store.Notice{}
	}
	return c.notice
}

// has tells whether the last settlement, which returned r, took the event's delivery
// or found it taken by this claim.
func (c *claim) has(r store.Refund, event store.Event) bool {
	return c != nil && r.DeliveryLease(event).Token == c.token
}

// left is how much of the event's lease is left, at least.
func (c *claim) left(r store.Refund, event store.Event) time.Duration {
	return r.DeliveryLease(event).Until.Sub(r.AsOf) - elapsed(c.settled)
}
