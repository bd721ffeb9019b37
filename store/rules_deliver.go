package store

import (
	"crypto/rand"
	mathrand "math/rand/v2"
	"slices"
	"time"
)

// How events are delivered, and when somebody has to work on it again.

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
	if _, subscriber := event.Split(); subscriber != "" {
		d.Renewed++
	}
	r.setDelivery(d)
	r.UpdatedAt = now
	r.Log(Entry{At: now, What: "redeliver", Detail: string(event), Actor: actor})
	r.plan(now)
	return true
}

// TakeBack takes back the mark of a delivery that did not come to pass.
func (r *Refund) TakeBack(event Event, now time.Time) {
	d := r.delivery(event)
	d.Done, d.At, d.Lease = false, now, Lease{}
	r.setDelivery(d)
	r.plan(now)
}

// Subscribe decides [Ledger.Subscribe].
func (r *Refund) Subscribe(event Event, now time.Time) bool {
	if _, subscriber := event.Split(); subscriber == "" || slices.Contains(r.Subscribed, event) {
		return false
	}
	r.Subscribed = append(r.Subscribed, event)
	r.UpdatedAt = now
	r.Log(Entry{At: now, What: "subscribed", Detail: string(event)})
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

// plan sets Next: when the wait for an approval ends, a promised refund is to be sent, an
// unresolved one to be asked about, or an undelivered event to be delivered, whichever
// comes first. A lease that runs out counts too, for its owner may have died.
func (r *Refund) plan(now time.Time) {
	var next time.Time
	earliest := func(t time.Time) {
		if next.IsZero() || t.Before(next) {
			next = t
		}
	}
	switch {
	case r.State == AwaitingApproval:
		earliest(r.ApprovalUntil)
	case r.State == Failed && r.Rechecks > 0:
		earliest(r.AskAt)
	case r.State != Pending:
	case r.Lease.Held(now):
		earliest(r.Lease.Until)
	case r.Unsent() && (!r.Promised || r.AskAt.IsZero()):
		earliest(r.UpdatedAt.Add(orphaned))
	default:
		earliest(r.AskAt)
	}
	for _, event := range append(r.Due(), r.DueToNamed()...) {
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

// Orphaned tells whether the refund waits for a first send of its present life
// that nobody will make any more.
func (r Refund) Orphaned(now time.Time) bool {
	return r.Stage(now) == StageRecorded && !now.Before(r.UpdatedAt.Add(orphaned))
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
