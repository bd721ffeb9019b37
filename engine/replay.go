package engine

import (
	"context"

	"github.com/alirefund/alirefund/store"
)

// Replay delivers the main event of each settled refund that f selects once
// more, on purpose: after a hook that returned nil was found to have lost what it
// was told. With dryRun it only lists them. actor stands in their histories. It
// returns the refunds; one whose hook fails again stays due. It fails if the
// store does.
func (e *Engine) Replay(ctx context.Context, f store.Filter, actor string, dryRun bool) ([]store.Refund, error) {
	f.App = e.config.App.ID
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
			if !r.True(event) {
				continue
			}
			if !dryRun {
				if _, err := e.ledger.Redeliver(ctx, r.ID, event, actor); err != nil {
					return replayed, storeFailed(err)
				}
				if r, err = e.ledger.Get(ctx, r.ID); err != nil {
					return replayed, storeFailed(err)
				}
				e.deliver(ctx, r, nil)
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
