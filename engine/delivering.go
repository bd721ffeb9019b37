package engine

import (
	"time"

	"github.com/alirefund/alirefund/store"
)

// deliveryKey names what is delivered one after the other: while a hook runs, the
// refund's other events wait. Only the call for a person does not: the hook that runs
// may hang.
func deliveryKey(r store.Refund, event store.Event) string {
	if event == store.RefundUnresolved {
		return r.ID + " " + string(event)
	}
	return r.ID
}

// enter begins the delivering of what key names in this process, unless it goes on
// already, and returns how to end it. Where the caller has the event's lease it waits
// for the one before, no longer than a hook may take: that one may have found only
// that the event is leased, and nobody but the caller can tell it for now.
func (e *Engine) enter(key string, leased bool) (leave func()) {
	ended := make(chan struct{})
	late := time.After(e.config.Times.HookTimeout)
	for {
		before, running := e.delivering.LoadOrStore(key, ended)
		switch {
		case !running:
			return func() { e.delivering.Delete(key); close(ended) }
		case !leased:
			return nil
		}
		select {
		case <-before.(chan struct{}):
		case <-late:
			return nil
		}
	}
}
