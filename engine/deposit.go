package engine

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/alirefund/alirefund/notify"
	"github.com/alirefund/alirefund/store"
)

// depositBack enters the message into its refund's history, whatever the hook
// does then, and tells the host. It returns nil only if the hook has taken it.
func (e *Engine) depositBack(ctx context.Context, n *notify.Notification) error {
	d, err := n.DepositBack() // its kind says that it can be read
	if err != nil {
		return err
	}
	r, err := e.depositedRefund(ctx, n, d)
	if err != nil {
		return err
	}
	if r.ID != "" {
		if r, err = e.settle(ctx, r, nil, store.Settlement{Source: store.ByNotice, Note: noteOf(n.ID, d)}); err != nil {
			return err
		}
	}
	if !d.Succeeded {
		e.log.WarnContext(ctx, "a bank did not take a refund; Alipay puts it into the buyer's balance", "refund", r.ID, "notify_id", n.ID)
	}
	if e.config.OnDepositBack == nil {
		return errNoDepositHook
	}
	err = e.guarded(ctx, hookOf("deposit_back", r), func(ctx context.Context) error {
		return e.config.OnDepositBack(ctx, DepositBack{
			App: e.app.ID, NotifyID: n.ID, Refund: r.Clone(),
			TradeNo: d.TradeNo, OutTradeNo: d.OutTradeNo, OutRequestNo: d.OutRequestNo,
			Succeeded: d.Succeeded, Amount: d.Amount, BankAckTime: d.BankAckTime, EstBankReceiptTime: d.EstBankReceiptTime,
		})
	})
	if err != nil {
		return fmt.Errorf("%w: OnDepositBack: %w", ErrHookFailed, err)
	}
	return nil
}

// depositedRefund finds the refund of that number. Several merchants of the
// application may have one; then the trade_no must tell which is meant.
func (e *Engine) depositedRefund(ctx context.Context, n *notify.Notification, d notify.DepositBack) (store.Refund, error) {
	f := store.Filter{App: e.app.ID, Kind: store.Trade, OutTradeNo: d.OutTradeNo, OutRequestNo: d.OutRequestNo, Limit: maxRows}
	if d.OutTradeNo == "" {
		f.TradeNo = d.TradeNo
	}
	if f.OutRequestNo == "" {
		return store.Refund{}, nil
	}
	rows, err := e.ledger.List(ctx, f)
	if err != nil {
		return store.Refund{}, storeFailed(err)
	}
	var same, perhaps []store.Refund
	for _, r := range rows {
		switch {
		case r.TradeNo == d.TradeNo && d.TradeNo != "":
			same = append(same, r)
		case r.TradeNo == "" || d.TradeNo == "":
			perhaps = append(perhaps, r)
		}
	}
	if len(same) == 0 {
		same = perhaps
	}
	if len(same) > 1 {
		e.log.WarnContext(ctx, "a deposit-back may belong to the refunds of several merchants; it stands in the history of none", "notify_id", n.ID)
	}
	if len(same) != 1 {
		return store.Refund{}, nil
	}
	return same[0], nil
}

// noteOf is how a deposit-back stands in a refund's history. The id is a copy: a
// text of the message's holds its whole body in memory.
func noteOf(id string, d notify.DepositBack) store.Entry {
	detail := "failed: the bank did not take it"
	if d.Succeeded {
		detail = "succeeded"
		if d.Amount != 0 {
			detail += "; " + d.Amount.String()
		}
	}
	if !d.BankAckTime.IsZero() {
		detail += "; bank " + d.BankAckTime.UTC().Format(time.RFC3339)
	}
	return store.Entry{What: string(notify.KindDepositBack), Detail: detail, NotifyID: strings.Clone(id)}
}
