package alirefund

import (
	"context"
	"errors"

	"github.com/alirefund/alirefund/notify"
	"github.com/alirefund/alirefund/store"
)

// message handles what came to the application's gateway and is no deposit-back:
// the return of a red packet as such, everything else by other.
func (m *Module) message(ctx context.Context, n *notify.Notification, other func(context.Context) error) error {
	switch n.Message() {
	case notify.MessageDepositBack:
		_, err := n.DepositBack()
		m.log.WarnContext(ctx, "a deposit-back cannot be read; it is handled as any other message", "notify_id", n.ID, "reason", err)
	case notify.MessageFundRefund:
		f, err := n.FundRefund()
		if err != nil {
			m.log.WarnContext(ctx, "a red packet's return cannot be read; it is handled as any other message", "notify_id", n.ID, "reason", err)
			break
		}
		return m.fundRefund(ctx, n, f, other)
	}
	return other(ctx)
}

// fundRefund settles the refund of a red packet that a message tells of. Which
// fields the message has is not documented: it proves a success only where it
// names red packet, number, amount and status; where less, the refund is asked
// about; and what it does not name at all is left to other.
func (m *Module) fundRefund(ctx context.Context, n *notify.Notification, f notify.FundRefund, other func(context.Context) error) error {
	w := couponWord{
		Refund: store.Refund{
			Kind: store.Coupon, Method: string(FundTransRefund), App: m.config.App.ID, Merchant: m.merchantOf(n),
			AuthNo: f.OrderID, OutRequestNo: f.OutRequestNo, OperationID: f.RefundOrderID, Amount: f.Amount,
		},
		known: f.Amount != 0, succeeded: f.OrderID != "" && f.OutRequestNo != "" && f.Amount != 0 && f.Status == "SUCCESS",
	}
	taken, err := m.ledger.Get(ctx, w.Identify().ID)
	switch {
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return storeFailed(err)
	case m.config.CouponProduct != FundTransRefund && (err != nil || taken.Method != w.Method):
		return other(ctx) // none of the host's red packets, as far as is known
	}
	return m.couponNotice(ctx, n, w, other)
}
