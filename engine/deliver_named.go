package engine

import (
	"context"

	"github.com/alirefund/alirefund/store"
)

// deliverToNamed begins what is due to named subscribers, and waits for none of it.
// What finds no place stays due.
func (e *Engine) deliverToNamed(ctx context.Context, r store.Refund) {
	for _, event := range r.DueToNamed() {
		leave := e.enter(r.ID+" "+string(event), false)
		if leave == nil {
			continue
		}
		q := e.subscribers.queueOf(event)
		// Only what has a place is waited for when the process stops.
		var end func()
		if q.enter(0) {
			end = e.hooks.beginIn(ctx)
		}
		go func() {
			defer leave()
			if end == nil {
				if !q.enter(e.patience()) {
					return
				}
				end = e.hooks.beginIn(ctx)
			}
			defer func() { <-q.places; end() }()
			ctx, cancel := e.detach(ctx)
			defer cancel()
			e.deliverOne(ctx, r, event, nil)
		}()
	}
}
