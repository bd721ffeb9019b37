package alirefund

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"

	"github.com/alirefund/alirefund/notify"
	"github.com/alirefund/alirefund/store"
)

// couponNotice settles what a notice of a red packet's refund is about. One
// without a usable identity is a refund of its own, told apart by its notify_id.
func (m *Module) couponNotice(ctx context.Context, n *notify.Notification, other func(context.Context) error) error {
	var rows []store.Refund
	for _, f := range []store.Filter{
		{Kind: store.Coupon, OutRequestNo: n.OutRequestNo()},
		{Kind: store.Coupon, OperationID: n.OperationID()},
	} {
		if len(rows) > 0 || f.OutRequestNo == "" && f.OperationID == "" {
			continue
		}
		var err error
		if rows, err = m.rows(ctx, n, f); err != nil {
			return err
		}
	}
	amount, known := n.Amount()
	r := store.Refund{
		Kind: store.Coupon, App: m.config.App.ID, Merchant: m.merchantOf(n),
		AuthNo: strings.Clone(n.AuthNo()), OutOrderNo: strings.Clone(n.OutOrderNo()),
		OperationID: strings.Clone(n.OperationID()), OutRequestNo: strings.Clone(n.OutRequestNo()), Amount: amount,
	}
	switch {
	case !n.Succeeded() && len(rows) == 0:
		return other(ctx)
	case !n.Succeeded() || len(rows) > 1:
		return m.askEach(ctx, rows)
	case len(rows) == 1 && known && rows[0].Amount != 0 && rows[0].Amount != amount:
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
			r = r.IdentifyBy("notify_id", n.ID)
		}
	case r.OperationID != "":
		if known, err := m.sameOperation(ctx, n); known || err != nil {
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
func (m *Module) sameOperation(ctx context.Context, n *notify.Notification) (bool, error) {
	if n.AuthNo() == "" {
		return false, nil
	}
	rows, err := m.rows(ctx, n, store.Filter{Kind: store.Coupon, AuthNo: n.AuthNo(), State: store.Pending})
	if err != nil {
		return false, err
	}
	claim := rand.Text()
	for _, r := range rows {
		if asked, _ := m.ask(ctx, r, claim); asked.State == store.Succeeded {
			if err := m.tell(ctx, []store.Refund{asked}, claim); err != nil {
				return false, err
			}
			if asked.OperationID == n.OperationID() {
				return true, nil
			}
		}
	}
	return false, nil
}
