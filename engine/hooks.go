package engine

import (
	"context"
	"fmt"
	"sync"
)

// hooks counts what goes on in the host's code, and what remains to be recorded of it.
type hooks struct {
	mu   sync.Mutex
	n    int
	none chan struct{} // closed when n is 0 again; nil: nobody waits

	ends <-chan struct{} // of Run's: closed when it is stopped
}

func (h *hooks) begin() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.n++
}

func (h *hooks) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.n--; h.n == 0 && h.none != nil {
		close(h.none)
		h.none = nil
	}
}

// ofRun is the key of the context under which Run works, with its own count of hooks.
type ofRun struct{}

// beginIn counts a hook, also among those of Run if it is one of them, and returns how
// to end it.
func (h *hooks) beginIn(ctx context.Context) (end func()) { return h.enter(ctx).leave }

// enter is beginIn without a function to allocate.
func (h *hooks) enter(ctx context.Context) begun {
	own := hooksOfRun(ctx)
	h.begin()
	if own != nil {
		own.begin()
	}
	return begun{h, own}
}

// begun is a hook that goes on, and where it counts.
type begun struct{ all, ofRun *hooks }

func (b begun) leave() {
	if b.ofRun != nil {
		b.ofRun.end()
	}
	b.all.end()
}

// hooksOfRun returns the hooks of the Run that works under ctx, or nil.
func hooksOfRun(ctx context.Context) *hooks {
	own, _ := ctx.Value(ofRun{}).(*hooks)
	return own
}

// wait waits until none runs, or ctx ends; then it fails.
func (h *hooks) wait(ctx context.Context) error {
	h.mu.Lock()
	if h.n > 0 && h.none == nil {
		h.none = make(chan struct{})
	}
	n, none := h.n, h.none
	h.mu.Unlock()
	if n == 0 {
		return nil
	}
	select {
	case <-none:
		return nil
	case <-ctx.Done():
	}
	return fmt.Errorf("alirefund: hooks have not returned, or what they did is not recorded: %w", ctx.Err())
}
