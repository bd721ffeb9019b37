package alirefund

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/alirefund/alirefund/explain"
	"github.com/alirefund/alirefund/notify"
)

// diagnosisPause is the least time between two diagnoses. One costs some
// milliseconds, and anybody can post a notice that fails.
const diagnosisPause = time.Second

// diagnoses remembers what was diagnosed, so that each cause is logged once in a
// module's life.
type diagnoses struct {
	mu     sync.Mutex
	last   time.Time
	logged map[explain.Cause]bool
}

// due tells whether a diagnosis may be made now, and counts it as made.
func (d *diagnoses) due(now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.last.IsZero() && now.Sub(d.last) < diagnosisPause {
		return false
	}
	d.last = now
	return true
}

// first tells whether c was not logged yet, and counts it as logged.
func (d *diagnoses) first(c explain.Cause) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.logged[c] {
		return false
	}
	if d.logged == nil {
		d.logged = map[explain.Cause]bool{}
	}
	d.logged[c] = true
	return true
}

// diagnose logs why a notification could not be verified, by name. It changes
// nothing: what failed stays refused.
func (m *Module) diagnose(ctx context.Context, body []byte, err error) {
	unverified := errors.Is(err, notify.ErrSignature) || errors.Is(err, notify.ErrSignType) || errors.Is(err, notify.ErrNoSignature) ||
		errors.Is(err, notify.ErrDuplicateKey) || errors.Is(err, notify.ErrMalformed)
	if !unverified || !m.diagnoses.due(time.Now()) {
		return
	}
	r := explain.Explain(body, explain.Keys{Alipay: m.config.App.Verifier, App: m.config.App.Signer.Public(), AppID: m.config.App.ID})
	if r.Verifies || !m.diagnoses.first(r.Cause) {
		return
	}
	m.log.WarnContext(ctx, "why a notification did not verify; each cause is logged once, and has a page in docs/errors",
		"cause", r.Cause, "kind", r.Kind, "hint", r.Hint)
}
