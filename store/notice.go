package store

import "time"

// Notice is a notification that a step of the ledger takes, or completes, beside what
// it does to a refund: see [Claims], of which it is Claim and Complete. Without a Key it
// is none.
type Notice struct {
	Key, Token string        // the caller makes the token, which is never used twice
	Lease      time.Duration // of whoever handles it
	Keep       time.Duration // for how long it is remembered as done
}
