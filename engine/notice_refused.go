package engine

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// refusalPause is the least time between two lines about refused notifications:
// anybody can post one, as fast as the host's network takes them.
const refusalPause = time.Minute

// refusals counts the notifications that were refused before they were handled.
type refusals struct {
	mu      sync.Mutex
	total   uint64
	counted uint64 // since the last line
	last    error
	resting bool // until refusalPause after the last line is over
}

// note counts a refusal and logs the first at once, those that follow within a
// minute in one line when it is over.
func (r *refusals) note(ctx context.Context, log *slog.Logger, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.total++
	r.counted++
	r.last = err
	if !r.resting {
		r.write(ctx, log)
	}
}

// write writes one line, and another when the pause is over if there is more to say.
func (r *refusals) write(ctx context.Context, log *slog.Logger) {
	log.WarnContext(ctx, "notifications were not acknowledged: forged, damaged, read before by another handler, or not for this application",
		"count", r.counted, "error", r.last)
	r.counted, r.resting = 0, true
	ctx = context.WithoutCancel(ctx)
	time.AfterFunc(refusalPause, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.resting = false; r.counted > 0 {
			r.write(ctx, log)
		}
	})
}

// count returns how many there were.
func (r *refusals) count() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.total
}
