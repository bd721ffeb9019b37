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
		at, own := q.enter(), hooksOfRun(ctx)
		if !at && own == nil { // Close does not wait for what has no place
			go func() {
				defer leave()
				if q.await(e.patience(), nil) {
					e.deliverAt(ctx, r, event, q, e.hooks.beginIn(ctx))
				}
			}()
			continue
		}
		end := e.hooks.beginIn(ctx)
		go func() {
			defer leave()
			if at || q.await(e.patience(), own.ends) {
				e.deliverAt(ctx, r, event, q, end)
				return
			}
			defer end()
			select {
			case <-own.ends: // else it stays due for later
				e.giveBack(ctx, r, "")
			default:
			}
		}()
	}
}

// deliverAt delivers an event in the place that was taken for it, and leaves that.
func (e *Engine) deliverAt(ctx context.Context, r store.Refund, event store.Event, q *queue, end func()) {
	defer func() { <-q.places; end() }()
	ctx, cancel := e.detach(ctx)
	defer cancel()
	e.deliverOne(ctx, r, event, nil)
}
