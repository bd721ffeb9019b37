package engine

import (
	"time"

	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/store"
)

// RefundSucceeded: the money moved. Refund.Source says which word of Alipay's
// proved it.
type RefundSucceeded struct{ Refund store.Refund }

// RefundFailed: Alipay refused, and nothing moved. Should a signed word of
// Alipay's say otherwise later, RefundSucceeded follows.
type RefundFailed struct{ Refund store.Refund }

// RefundUnresolved: Reason wants a person. Nobody knows whether the money moved,
// and waiting will not tell; the refund still succeeds or fails once Alipay says
// so. Or the refund's own event could not be delivered for long.
type RefundUnresolved struct {
	Refund store.Refund
	Reason string
}

// DepositBack is what a bank did with a refund to a card
// (alipay.trade.refund.depositback.completed). It follows a success and never
// changes it: where the bank did not take the money, Alipay has put it into the
// buyer's balance.
type DepositBack struct {
	App string // app_id
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
