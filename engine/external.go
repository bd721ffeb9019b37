package engine

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/notify"
	"github.com/alirefund/alirefund/store"
)

// maxRows bounds what is read of one order's refunds.
const maxRows = 1000

// noticedRefunds returns the ledger's refunds that a notice may be about: f's,
// without those that another trade_no or authNo tells apart.
func (e *Engine) noticedRefunds(ctx context.Context, n *notify.Notification, authNo string, f store.Filter) ([]store.Refund, error) {
	f.App, f.Limit = e.app.ID, maxRows
	rows, err := e.ledger.List(ctx, f)
	if err != nil {
		return nil, storeFailed(err)
	}
	differ := func(a, b string) bool { return a != "" && b != "" && a != b }
	return slices.DeleteFunc(rows, func(r store.Refund) bool {
		return differ(r.TradeNo, n.TradeNo()) || differ(r.AuthNo, authNo) ||
			n.AuthAppID() != "" && (r.Merchant == "") != (n.AuthAppID() == e.app.ID)
	}), nil
}

// merchantOf names the merchant of a refund that nobody here asked for.
func (e *Engine) merchantOf(n *notify.Notification) string {
	if merchant := n.AuthAppID(); merchant != e.app.ID {
		return strings.Clone(merchant)
	}
	return ""
}

// recordExternal records a refund that nobody asked this module for, made in the
// merchant console or by itself, and delivers its event.
func (e *Engine) recordExternal(ctx context.Context, r store.Refund) error {
	if r.Amount == 0 && r.OutRequestNo != "" {
		r.Amount, _ = e.askAmount(ctx, r) // the notification proves the refund without it
	}
	r.Origin, r.State, r.Source, r.Subscribed = store.FromNotice, store.Succeeded, store.ByNotice, e.subscribers.events
	recorded, opened, err := e.ledger.Open(ctx, r, store.Limit{}, nil)
	switch {
	case err != nil:
		return storeFailed(err)
	case opened.How == store.Conflict: // asked for here meanwhile, with another amount
		return e.askEach(ctx, []store.Refund{recorded})
	case recorded.State != store.Succeeded:
		return e.settleNoticed(ctx, recorded, store.Settlement{Source: store.ByNotice, Finding: store.Success, TradeNo: r.TradeNo})
	}
	if opened.How == store.Created {
		e.changed(ctx, "", recorded)
	}
	return e.deliverAll(ctx, []store.Refund{recorded}, nil)
}

func (e *Engine) settleNoticed(ctx context.Context, r store.Refund, s store.Settlement) error {
	c := newClaimAtOnce()
	r, err := e.settle(ctx, r, c, s)
	if err != nil {
		return err
	}
	return e.deliverAll(ctx, []store.Refund{r}, c)
}

// askEach settles refunds by asking about them. A notice that leaves any of them
// pending comes again.
func (e *Engine) askEach(ctx context.Context, rows []store.Refund) error {
	open := false
	for i, r := range rows {
		if r.State == store.AwaitingApproval {
			asked, amount, err := e.askUnsent(ctx, r)
			rows[i], open = asked, open || err != nil || amount != 0 && amount != r.Amount
			continue
		}
		rows[i], _ = e.ask(ctx, r, nil) // no claim, which the next question might outlast
		open = open || rows[i].State == store.Pending
	}
	if err := e.deliverAll(ctx, rows, nil); err != nil || !open {
		return err
	}
	return ErrUnsettled
}

// askUnsent asks whether somebody refunded under the number of a refund that was not sent
// from here, as a notification or a bill may mean; if so, and of its amount, that settles
// it. It returns what was refunded, and fails if that cannot be known now.
func (e *Engine) askUnsent(ctx context.Context, r store.Refund) (store.Refund, money.Amount, error) {
	amount, err := e.askAmount(ctx, r)
	if err == nil && amount == r.Amount {
		r, err = e.settle(ctx, r, nil, store.Settlement{Source: store.ByQuery, Finding: store.Success})
	}
	return r, amount, err
}

// deliverAll delivers what is due of each refund, waits for what others deliver just
// now, and fails if anything remains.
func (e *Engine) deliverAll(ctx context.Context, rows []store.Refund, c *claim) error {
	all := true
	for _, r := range rows {
		if !e.conclude(ctx, r, c, true).complete && !e.othersDeliver(ctx, r) {
			all = false
		}
	}
	if !all {
		return ErrUnsettled
	}
	return nil
}

// othersDeliver waits while somebody delivers what is due of a refund, here or in
// another process, for half of what a hook may take at most, and tells whether the host
// has taken all of it. A notice often comes while the answer's hook runs; refused, it
// would come again four minutes later.
func (e *Engine) othersDeliver(ctx context.Context, r store.Refund) bool {
	late := time.After(e.config.Times.HookTimeout / 2)
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		_, here := e.delivering.Load(r.ID)
		now, err := e.ledger.Get(ctx, r.ID)
		if err != nil {
			return false
		}
		due := now.Due()
		if len(due) == 0 {
			return true
		}
		if !here && !slices.ContainsFunc(due, func(event store.Event) bool { return now.DeliveryLease(event).Until.After(now.AsOf) }) {
			return false
		}
		select {
		case <-time.After(pause):
		case <-late:
			return false
		case <-ctx.Done():
			return false
		}
	}
}
