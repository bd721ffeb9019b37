package alirefund

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"

	"github.com/alirefund/alirefund/notify"
	"github.com/alirefund/alirefund/store"
)

// couponWord is what a notice or a message says of a red packet's refund.
type couponWord struct {
	store.Refund
	known     bool // the amount
	succeeded bool
}

// couponWord reads a notice. Its texts are copies: a text of the notice's holds
// its whole body in memory.
func (m *Module) couponWord(n *notify.Notification) couponWord {
	amount, known := n.Amount()
	return couponWord{
		Refund: store.Refund{
			Kind: store.Coupon, App: m.config.App.ID, Merchant: m.merchantOf(n),
			AuthNo: strings.Clone(n.AuthNo()), OutOrderNo: strings.Clone(n.OutOrderNo()),
			OperationID: strings.Clone(n.OperationID()), OutRequestNo: strings.Clone(n.OutRequestNo()), Amount: amount,
		},
		known: known, succeeded: n.Succeeded(),
	}
}

// couponNotice settles what a notice of a red packet's refund is about. One
// without a usable identity is a refund of its own, told apart by its notify_id.
func (m *Module) couponNotice(ctx context.Context, n *notify.Notification, w couponWord, other func(context.Context) error) error {
	var rows []store.Refund
	for _, f := range []store.Filter{
		{Kind: store.Coupon, OutRequestNo: w.OutRequestNo},
		{Kind: store.Coupon, OperationID: w.OperationID},
	} {
		if len(rows) > 0 || f.OutRequestNo == "" && f.OperationID == "" {
			continue
		}
		var err error
		if rows, err = m.rows(ctx, n, w.AuthNo, f); err != nil {
			return err
		}
	}
	r, amount := w.Refund, w.Amount
	switch {
	case !w.succeeded && len(rows) == 0:
		return other(ctx)
	case !w.succeeded || len(rows) > 1:
		return m.askEach(ctx, rows)
	case len(rows) == 1 && w.known && rows[0].Amount != 0 && rows[0].Amount != amount:
		asked, err := m.settle(ctx, rows[0], "", store.Settlement{
			Source: store.ByNotice, Attention: "a notice of this number speaks of " + amount.String(),
		})
		if err != nil {
			return err
		}
		return m.askEach(ctx, []store.Refund{asked})
	case len(rows) == 1:
		return m.settleNotice(ctx, rows[0], store.Settlement{
			Source: store.ByNotice, Finding: store.Success,
			OutOrderNo: r.OutOrderNo, OperationID: r.OperationID, Amount: amount,
		})
	case r.OutRequestNo != "":
		r = r.Identify()
		taken, err := m.ledger.Get(ctx, r.ID)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return storeFailed(err)
		}
		if err == nil && len(taken.Differs(r)) > 0 {
			m.log.WarnContext(ctx, "a notice names a request number that belongs to another red packet", "refund", taken.ID, "notify_id", n.ID)
			if n.Message() != "" {
				return other(ctx) // what its order_id names is not documented: perhaps that very refund
			}
			r = r.IdentifyBy("notify_id", n.ID)
		}
	case r.OperationID != "":
		if known, err := m.sameOperation(ctx, n, w); known || err != nil {
			return err
		}
		r = r.IdentifyBy("operation_id", r.OperationID)
	default:
		r = r.IdentifyBy("notify_id", n.ID)
	}
	return m.foreign(ctx, r)
}

// sameOperation asks about the pending refunds of a notice's red packet, whether
// one of them is the operation that the notice names.
func (m *Module) sameOperation(ctx context.Context, n *notify.Notification, w couponWord) (bool, error) {
	if w.AuthNo == "" {
		return false, nil
	}
	rows, err := m.rows(ctx, n, w.AuthNo, store.Filter{Kind: store.Coupon, AuthNo: w.AuthNo, State: store.Pending})
	if err != nil {
		return false, err
	}
	claim := rand.Text()
	for _, r := range rows {
		if asked, _ := m.ask(ctx, r, claim); asked.State == store.Succeeded {
			if err := m.tell(ctx, []store.Refund{asked}, claim); err != nil {
				return false, err
			}
			if asked.OperationID == w.OperationID {
				return true, nil
			}
		}
	}
	return false, nil
}
