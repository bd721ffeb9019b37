package alirefund

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/notify"
	"github.com/alirefund/alirefund/store"
)

// DepositBack is what a bank did with a refund to a card
// (alipay.trade.refund.depositback.completed). It follows a success and never
// changes it: where the bank did not take the money, Alipay has put it into the
// buyer's balance.
type DepositBack struct {
	// NotifyID names the message: the same for each of its deliveries.
	NotifyID string
	// Refund is the refund that it belongs to, with this message in its history;
	// zero if the ledger does not know it, or cannot tell it from another's.
	Refund store.Refund

	TradeNo, OutTradeNo, OutRequestNo string
	Succeeded                         bool
	// Amount is what the bank took; 0 if it took none, or Alipay does not say.
	Amount money.Amount
	// BankAckTime is when the bank answered, EstBankReceiptTime when the money is
	// expected on the card; zero if Alipay does not say.
	BankAckTime, EstBankReceiptTime time.Time
}

// depositBack enters the message into its refund's history, whatever the hook
// does then, and tells the host. It returns nil only if the hook has taken it.
func (m *Module) depositBack(ctx context.Context, n *notify.Notification) error {
	d, err := n.DepositBack() // its kind says that it can be read
	if err != nil {
		return err
	}
	r, err := m.depositedRefund(ctx, n, d)
	if err != nil {
		return err
	}
	if r.ID != "" {
		if r, err = m.settle(ctx, r, "", store.Settlement{Source: store.ByNotice, Note: noteOf(n.ID, d)}); err != nil {
			return err
		}
	}
	if !d.Succeeded {
		m.log.WarnContext(ctx, "a bank did not take a refund; Alipay puts it into the buyer's balance", "refund", r.ID, "notify_id", n.ID)
	}
	if m.config.OnDepositBack == nil {
		return errNoDepositBack
	}
	err = m.guarded(ctx, func(ctx context.Context) error {
		return m.config.OnDepositBack(ctx, DepositBack{
			NotifyID: n.ID, Refund: r.Clone(),
			TradeNo: d.TradeNo, OutTradeNo: d.OutTradeNo, OutRequestNo: d.OutRequestNo,
			Succeeded: d.Succeeded, Amount: d.Amount, BankAckTime: d.BankAckTime, EstBankReceiptTime: d.EstBankReceiptTime,
		})
	})
	if err != nil {
		return fmt.Errorf("%w: OnDepositBack: %w", errHookFailed, err)
	}
	return nil
}

// depositedRefund finds the refund of that number. Several merchants of the
// application may have one; then the trade_no must tell which is meant.
func (m *Module) depositedRefund(ctx context.Context, n *notify.Notification, d notify.DepositBack) (store.Refund, error) {
	f := store.Filter{App: m.config.App.ID, Kind: store.Trade, OutTradeNo: d.OutTradeNo, OutRequestNo: d.OutRequestNo, Limit: maxRows}
	if d.OutTradeNo == "" {
		f.TradeNo = d.TradeNo
	}
	if f.OutRequestNo == "" {
		return store.Refund{}, nil
	}
	rows, err := m.ledger.List(ctx, f)
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
		m.log.WarnContext(ctx, "a deposit-back may belong to the refunds of several merchants; it stands in the history of none", "notify_id", n.ID)
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
