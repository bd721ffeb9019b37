package engine

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/alirefund/alirefund/explain"
	"github.com/alirefund/alirefund/notify"
)

const (
	// diagnosisPause is the least time between two diagnoses: one costs
	// milliseconds, and anybody can post a notice that fails.
	diagnosisPause = time.Second
	// diagnosisRest is how long a cause is not logged again: not for ever, for
	// anybody can post a notice that has the cause of a later, genuine one.
	diagnosisRest = 24 * time.Hour
	// diagnosable is the size of the largest body that is diagnosed. Real notices
	// have one to three thousand bytes.
	diagnosable = 16 << 10
)

// diagnoses remembers what was diagnosed, so that each cause is logged once a day.
type diagnoses struct {
	mu     sync.Mutex // held by the one diagnosis that is made
	last   time.Time  // when that ended
	logged map[diagnosis]time.Time
}

type diagnosis struct {
	app   string
	cause explain.Cause
}

// diagnose logs why a notification could not be verified, by name. It changes
// nothing: what failed stays refused.
func (d *diagnoses) diagnose(ctx context.Context, log *slog.Logger, keys explain.Keys, body []byte, err error) {
	unverified := errors.Is(err, notify.ErrSignature) || errors.Is(err, notify.ErrSignType) || errors.Is(err, notify.ErrNoSignature) ||
		errors.Is(err, notify.ErrDuplicateKey) || errors.Is(err, notify.ErrMalformed)
	if !unverified || len(body) > diagnosable || !d.mu.TryLock() {
		return
	}
	defer d.mu.Unlock()
	if !d.last.IsZero() && time.Since(d.last) < diagnosisPause {
		return
	}
	r := explain.Explain(body, keys)
	d.last = time.Now()
	key := diagnosis{keys.AppID, r.Cause}
	if at, ok := d.logged[key]; r.Verifies || ok && d.last.Sub(at) < diagnosisRest {
		return
	}
	if d.logged == nil {
		d.logged = map[diagnosis]time.Time{}
	}
	d.logged[key] = d.last
	log.WarnContext(ctx, "why a notification did not verify; each cause is logged once a day, and has a page in docs/errors",
		"cause", r.Cause, "kind", r.Kind, "hint", r.Hint)
}
