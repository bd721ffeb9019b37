package engine

import (
	"context"
	"strings"

	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/store"
)

// A second person's approval ("four eyes"): until then a refund is recorded and reserved,
// and nothing is sent.

// Above is a [Config.NeedsApproval]: every refund of more than sum wants approval.
func Above(sum money.Amount) func(context.Context, store.Refund) (bool, error) {
	return func(_ context.Context, r store.Refund) (bool, error) { return r.Amount > sum, nil }
}

// expire ends the wait for an approval that did not come in time.
func (e *Engine) expire(ctx context.Context, r store.Refund, c *claim) store.Refund {
	if r.State == store.AwaitingApproval && !r.AsOf.Before(r.ApprovalUntil) {
		r, _ = e.settle(ctx, r, c, store.Settlement{Decision: store.Expired})
	}
	return r
}

// needsApproval asks the host whether a refund that is asked for wants approval.
func (e *Engine) needsApproval(ctx context.Context, r store.Refund) (bool, error) {
	if e.config.NeedsApproval == nil {
		return false, nil
	}
	needed, err := answered(ctx, e, hookOf("NeedsApproval", r), func(ctx context.Context) (bool, error) { return e.config.NeedsApproval(ctx, r.Clone()) })
	switch {
	case err != nil:
		return false, nothingSent("NeedsApproval", err)
	case needed && strings.TrimSpace(r.Actor) == "":
		return false, ErrNoActor
	}
	return needed, nil
}
