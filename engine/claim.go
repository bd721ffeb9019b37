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
}

func newClaim() *claim { return &claim{token: rand.Text()} }

// has tells whether the last settlement, which returned r, took the event's delivery
// or found it taken by this claim.
func (c *claim) has(r store.Refund, event store.Event) bool {
	return c != nil && r.DeliveryLease(event).Token == c.token
}

// left is how much of the event's lease is left, at least.
func (c *claim) left(r store.Refund, event store.Event) time.Duration {
	return r.DeliveryLease(event).Until.Sub(r.AsOf) - elapsed(c.settled)
}
