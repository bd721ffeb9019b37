package engine

import (
	"context"

	"github.com/alirefund/alirefund/store"
)

// giveBack lets another Run have at once what this one does not begin with any more: the
// refund as it was last seen here, and the delivery that token took, if it is one.
func (e *Engine) giveBack(ctx context.Context, r store.Refund, token string) {
	err := persist(ctx, func(ctx context.Context) error {
		_, err := e.ledger.GiveBack(ctx, r.ID, r.Next, token)
		return err
	})
	if err != nil {
		e.log.WarnContext(ctx, "a refund could not be given back; another Run takes it up when its lease is over", "refund", r.ID, "error", err)
	}
}
