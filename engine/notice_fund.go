package engine

import (
	"context"
	"errors"
	"strings"

	"github.com/alirefund/alirefund/notify"
	"github.com/alirefund/alirefund/store"
)

// fundWord is what a notification of Alipay's fund interfaces says of a refund: of
// a red packet, or of a pre-authorisation.
type fundWord struct {
	store.Refund
	known     bool // the amount
	succeeded bool
}

// fundWord reads a notification about a refund of that kind. Its texts are copies:
// a text of the notification's holds its whole body in memory.
func (e *Engine) fundWord(kind store.Kind, n *notify.Notification) fundWord {
	amount, known := n.Amount()
	return fundWord{
		Refund: store.Refund{
			Kind: kind, App: e.app.ID, Merchant: e.merchantOf(n),
			AuthNo: strings.Clone(n.AuthNo()), OutOrderNo: strings.Clone(n.OutOrderNo()),
			OperationID: strings.Clone(n.OperationID()), OutRequestNo: strings.Clone(n.OutRequestNo()), Amount: amount,
		},
		known: known, succeeded: n.Succeeded(),
	}
}

// fundNotice settles what the notification is about. One without a usable identity
// is a refund of its own, told apart by its notify_id.
func (e *Engine) fundNotice(ctx context.Context, n *notify.Notification, w fundWord, other func(context.Context) error) error {
	rows, err := e.fundOf(ctx, n, w)
	if err != nil {
		return err
	}
	r, amount := w.Refund, w.Amount
	if e.ownerless(n) {
		return e.askNoticed(ctx, w, rows, other)
	}
	switch {
	case !w.succeeded && len(rows) == 0:
		return other(ctx)
	case !w.succeeded || len(rows) > 1:
		return e.askEach(ctx, rows)
	case w.isAnothers(rows):
		r = r.IdentifyBy("notify_id", n.ID) // somebody else's refund, under its number
	case len(rows) == 1 && w.known && rows[0].Amount != 0 && rows[0].Amount != amount:
		asked, err := e.settle(ctx, rows[0], nil, store.Settlement{
			Source: store.ByNotice, Attention: "a notice of this number speaks of " + amount.String(),
		})
		if err != nil {
			return err
		}
		return e.askEach(ctx, []store.Refund{asked})
	case len(rows) == 1:
		return e.settleNoticed(ctx, rows[0], w.success())
	case r.OutRequestNo != "":
		r = r.Identify()
		taken, err := e.ledger.Get(ctx, r.ID)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return storeFailed(err)
		}
		if err == nil && len(taken.Differs(r)) > 0 {
			e.log.WarnContext(ctx, "a notice names a request number that belongs to another order", "refund", taken.ID, "notify_id", n.ID)
			if n.Message() != "" {
				return other(ctx) // what its order_id names is not documented: perhaps that very refund
			}
			r = r.IdentifyBy("notify_id", n.ID)
		}
	case r.OperationID != "":
		if known, err := e.sameOperation(ctx, n, w); known || err != nil {
			return err
		}
		r = r.IdentifyBy("operation_id", r.OperationID)
	default:
		r = r.IdentifyBy("notify_id", n.ID)
	}
	return e.recordExternal(ctx, r)
}

// ownerless tells whether a notification may be of any of several applications: it names
// none, and they may have one key of Alipay's.
func (e *Engine) ownerless(n *notify.Notification) bool {
	return e.config.Apps != nil && n.AppID() == ""
}

// askNoticed is fundNotice where the notification is no more than a hint: whether there is
// such a refund of this application's, Alipay is asked.
func (e *Engine) askNoticed(ctx context.Context, w fundWord, rows []store.Refund, other func(context.Context) error) error {
	if len(rows) > 0 {
		return e.askEach(ctx, rows)
	}
	if !w.succeeded || w.OutRequestNo == "" {
		return other(ctx)
	}
	r := w.Identify()
	amount, err := e.askAmount(ctx, r)
	if err != nil {
		return err
	}
	if r.Amount = amount; amount == 0 {
		return other(ctx)
	}
	return e.recordExternal(ctx, r)
}

// plainFund is fundNotice where there is nothing to ask.
func (e *Engine) plainFund(ctx context.Context, n *notify.Notification, w fundWord) (store.Refund, store.Settlement, bool) {
	rows, err := e.fundOf(ctx, n, w)
	if err != nil || !w.succeeded || e.ownerless(n) || len(rows) != 1 || w.known && rows[0].Amount != 0 && rows[0].Amount != w.Amount {
		return store.Refund{}, store.Settlement{}, false
	}
	return rows[0], w.success(), true
}

// fundOf returns the refunds that the notification may be about.
func (e *Engine) fundOf(ctx context.Context, n *notify.Notification, w fundWord) (rows []store.Refund, err error) {
	for _, f := range []store.Filter{
		{Kind: w.Kind, OutRequestNo: w.OutRequestNo},
		{Kind: w.Kind, OperationID: w.OperationID},
	} {
		if len(rows) > 0 || f.OutRequestNo == "" && f.OperationID == "" {
			continue
		}
		if rows, err = e.noticedRefunds(ctx, n, w.AuthNo, f); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// isAnothers tells whether it is of another refund, of another amount, under the number of
// one of which nothing is under way.
func (w fundWord) isAnothers(rows []store.Refund) bool {
	return len(rows) == 1 && w.known && atRest(rows[0]) && rows[0].Amount != w.Amount
}

// success is what is learnt if it is one.
func (w fundWord) success() store.Settlement {
	return store.Settlement{
		Source: store.ByNotice, Finding: store.Success,
		OutOrderNo: w.OutOrderNo, OperationID: w.OperationID, Amount: w.Amount,
	}
}

// sameOperation asks about the pending refunds of a notice's red packet, whether
// one of them is the operation that the notice names.
func (e *Engine) sameOperation(ctx context.Context, n *notify.Notification, w fundWord) (bool, error) {
	if w.AuthNo == "" {
		return false, nil
	}
	rows, err := e.noticedRefunds(ctx, n, w.AuthNo, store.Filter{Kind: w.Kind, AuthNo: w.AuthNo, State: store.Pending})
	if err != nil {
		return false, err
	}
	c := newClaim()
	for _, r := range rows {
		if asked, _ := e.ask(ctx, r, c); asked.State == store.Succeeded {
			if err := e.deliverAll(ctx, []store.Refund{asked}, c); err != nil {
				return false, err
			}
			if asked.OperationID == w.OperationID {
				return true, nil
			}
		}
	}
	return false, nil
}
