package engine

import "time"

const (
	// storeTime is what the ledger may take of a request in all.
	storeTime = 10 * time.Second
	// rarest is the longest pause between two questions about one refund.
	rarest = time.Hour
	// keepNotifyID is how long a finished notification is remembered. Alipay
	// repeats for about 25 hours (opendocs, "asynchronous notices").
	keepNotifyID = 48 * time.Hour
)

// elapsed is how long ago that was: at least by the monotonic clock, which stands
// still while a machine is suspended, and at least by the wall clock, which is set
// on afterwards.
func elapsed(since time.Time) time.Duration {
	now := time.Now()
	return max(now.Sub(since), now.Round(0).Sub(since.Round(0)))
}
