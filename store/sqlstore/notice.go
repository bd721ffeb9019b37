package sqlstore

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"time"

	"github.com/alirefund/alirefund/store"
)

// A claim's row holds the digest of its key, which is short and plain whatever
// the key is, and until when it counts: as a lease, or as done.

func claimID(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:20])
}

// after is a time in microseconds that no length of d overflows.
func after(now time.Time, d time.Duration) int64 { return now.UnixMicro() + d.Microseconds() }

const completeClaim = "UPDATE {claims} SET done = 1, until_at = ? WHERE id = ? AND token = ? AND done = 0"

// takeNotice claims a notification that nobody has, within a step by which r has become
// what it is. If nothing of it is due, it is done.
func (s *Store) takeNotice(ctx context.Context, tx *sql.Tx, n store.Notice, r store.Refund) error {
	done, until := 0, after(r.AsOf, n.Lease)
	if len(r.Due()) == 0 {
		done, until = 1, after(r.AsOf, n.Keep)
	}
	added, err := s.exec(ctx, tx, "{insert} INTO {claims} (id, token, done, until_at) VALUES (?, ?, ?, ?) {or nothing}", claimID(n.Key), n.Token, done, until)
	if err != nil || added == 1 {
		return err
	}
	// The same step may have been done before, and its answer lost.
	again, err := s.exec(ctx, tx, "UPDATE {claims} SET done = ?, until_at = ? WHERE id = ? AND token = ? AND done <= ?", done, until, claimID(n.Key), n.Token, done)
	if err == nil && again == 0 {
		return store.ErrTaken
	}
	return err
}
