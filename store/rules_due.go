package store

import "time"

// How what [Ledger.Due] handed out is given back.

// GiveBack decides [Ledger.GiveBack].
func (r *Refund) GiveBack(next time.Time, token string, now time.Time) bool {
	if next.IsZero() || !r.Next.Equal(next) {
		return false
	}
	for n := range r.Deliveries {
		if d := &r.Deliveries[n]; token != "" && d.Lease.Token == token {
			d.Tries, d.Lease = d.Tries-1, Lease{} // its hook was not called
		}
	}
	r.plan(now)
	return true
}
