package engine

import (
	"context"

	"github.com/alirefund/alirefund/store"
)

// Replay is [Engine.ReplayTo] for the functions of [Config], and no named subscriber.
func (e *Engine) Replay(ctx context.Context, f store.Filter, actor string, dryRun bool) ([]store.Refund, error) {
	return e.ReplayTo(ctx, "", f, actor, dryRun)
}

// ReplayTo delivers the main event of each settled refund that f selects once
// more to the subscriber of that name, on purpose: after it was found to have lost what
// it was told, and had returned nil. What it has not subscribed to is left out. With
// dryRun it only lists them. actor stands in their histories. It returns the refunds; one
// whose hook fails again stays due. A named subscriber is not waited for. It fails if the
// store does.
func (e *Engine) ReplayTo(ctx context.Context, subscriber string, f store.Filter, actor string, dryRun bool) ([]store.Refund, error) {
	if e.lost != nil {
		return nil, e.lost
	}
	f.App = e.app.ID
	var replayed []store.Refund
	for {
		rows, err := e.ledger.List(ctx, f)
		if err != nil {
			return replayed, storeFailed(err)
		}
		for _, r := range rows {
			event := store.RefundSucceeded
			if r.State == store.Failed {
				event = store.RefundFailed
			}
			if event = event.For(subscriber); !r.True(event) {
				continue
			}
			if !dryRun {
				if r, _, err = e.redeliver(ctx, r.ID, event, actor); err != nil {
					return replayed, err
				}
			}
			if replayed = append(replayed, r); len(replayed) == f.Limit {
				return replayed, nil
			}
		}
		if len(rows) == 0 {
			return replayed, nil
		}
		f.After = rows[len(rows)-1].Cursor()
	}
}
