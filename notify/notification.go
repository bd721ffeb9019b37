package notify

import (
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/signer"
)

// Kind says what a notification tells.
type Kind string

// The kinds of a notification.
const (
	// KindTradeRefund: money of a trade went back; the trade's own status may
	// still be TRADE_SUCCESS. See [Notification.Full].
	KindTradeRefund Kind = "trade_refund"
	// KindTradeClosed: a trade was closed without any refund, unpaid for too
	// long for instance.
	KindTradeClosed Kind = "trade_closed"
	// KindPayment: a trade was paid (TRADE_SUCCESS), or is past its refund
	// period (TRADE_FINISHED).
	KindPayment Kind = "payment"
	// KindCouponRefund: about the refund of a red packet. Only if
	// [Notification.Succeeded] did it happen.
	KindCouponRefund Kind = "coupon_refund"
	// KindUnfreeze: about the release of a pre-authorisation, whole or in part. Only
	// if [Notification.Succeeded] did it happen.
	KindUnfreeze Kind = "unfreeze"
	// KindDepositBack: a bank took, or did not take, what a refund sent to a
	// card. See [Notification.DepositBack].
	KindDepositBack Kind = "deposit_back"
	// KindMessage: every other message to the application's gateway; which one,
	// [Notification.Message] says. A deposit-back that cannot be read is one too.
	KindMessage Kind = "message"
	// KindOther: everything else.
	KindOther Kind = "other"
)

// Notification is a verified notice. Its fields are those that the signature
// covers, decoded to UTF-8. A field that is empty or the literal null is absent.
// It is immutable, and safe for concurrent use.
type Notification struct {
	// ID is the notify_id: the same for every delivery of one event.
	ID   string
	Kind Kind

	params []signer.Param    // sorted by key
	raw    map[string]string // of those that were decoded: as they were
	sha1   bool              // verified by the weak signature of sign_type=RSA
	by     *string           // the app_id of the Receiver that opened it, or nil
}

// Receiver is the app_id of the [Receiver] that opened the notification: the application
// that it is for, also where it names none. Empty if it was opened by [Open].
func (n *Notification) Receiver() string {
	if n.by == nil {
		return ""
	}
	return *n.by
}

// Get returns the value of a field, or "" if it is absent.
func (n *Notification) Get(key string) string {
	i, found := slices.BinarySearchFunc(n.params, key, func(p signer.Param, key string) int {
		return strings.Compare(p.Key, key)
	})
	if !found {
		return ""
	}
	return n.params[i].Value
}

// Raw returns the bytes of a field as they were signed, which [Notification.Get] gives
// in UTF-8 and repaired; "" if it is absent.
func (n *Notification) Raw(key string) string {
	if value, ok := n.raw[key]; ok {
		return value
	}
	return n.Get(key)
}

// Fields yields every field that is present, in the order of the keys, without
// sign and sign_type. Some of them name the buyer.
func (n *Notification) Fields() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, p := range n.params {
			if !yield(p.Key, p.Value) {
				return
			}
		}
	}
}

// String names the notification and no field of it, so that a log line does not
// name the buyer.
func (n *Notification) String() string { return string(n.Kind) + " " + n.ID }

// Money returns the value of a field as an amount; ok is false if it is absent
// or not one.
func (n *Notification) Money(key string) (amount money.Amount, ok bool) {
	value := n.Get(key)
	if value == "" {
		return 0, false // most fields are absent, and making an error costs time
	}
	amount, err := money.Parse(value)
	return amount, err == nil
}

// china is the zone of Alipay's timestamps, wherever they are read.
var china = time.FixedZone("UTC+8", 8*60*60)

// Time returns the value of a field such as gmt_refund as a time; ok is false if
// it is absent or not one.
func (n *Notification) Time(key string) (at time.Time, ok bool) {
	at, err := time.ParseInLocation(time.DateTime, n.Get(key), china) // takes fractions of a second too
	return at, err == nil
}

// Full tells of a trade refund whether the whole trade is refunded by now. The
// amounts decide; without them, that the trade is closed.
func (n *Notification) Full() bool {
	if n.Kind != KindTradeRefund {
		return false
	}
	refunded, known := n.RefundFee()
	total, totalKnown := n.TotalAmount()
	if known && totalKnown {
		return refunded >= total
	}
	return n.TradeStatus() == "TRADE_CLOSED"
}

// Succeeded tells of a refund whether the money moved. A trade refund is only
// ever notified once it has; the release of a pre-authorisation says so by its
// status; a red packet's refund too, and by being sent if it has none.
func (n *Notification) Succeeded() bool {
	//exhaustive:enforce
	switch n.Kind {
	case KindTradeRefund:
		return true
	case KindCouponRefund:
		return n.Status() == "" || n.Status() == "SUCCESS"
	case KindUnfreeze:
		return n.Status() == "SUCCESS"
	case KindTradeClosed, KindPayment, KindDepositBack, KindMessage, KindOther:
	}
	return false
}

// AppID is the application that the notice is for.
func (n *Notification) AppID() string { return n.Get("app_id") }

// AuthAppID is the merchant's application that AppID acts for, or AppID again.
func (n *Notification) AuthAppID() string { return n.Get("auth_app_id") }

// SellerID is the account that was paid, 2088...
func (n *Notification) SellerID() string { return n.Get("seller_id") }

// NotifyType is Alipay's own word for the kind; the same one stands for
// payments, closings and refunds.
func (n *Notification) NotifyType() string { return n.Get("notify_type") }

// TradeStatus is the trade's status after the event.
func (n *Notification) TradeStatus() string { return n.Get("trade_status") }

// OutTradeNo is the merchant's number of the order.
func (n *Notification) OutTradeNo() string { return n.Get("out_trade_no") }

// TradeNo is Alipay's number of the trade.
func (n *Notification) TradeNo() string { return n.Get("trade_no") }

// OutBizNo is, in a trade refund, the out_request_no of the refund; of one
// without a number it is the out_trade_no or trade_no by which it was asked for.
func (n *Notification) OutBizNo() string { return n.Get("out_biz_no") }

// RefundFee is what has been refunded of the trade so far, not by one refund.
func (n *Notification) RefundFee() (money.Amount, bool) { return n.Money("refund_fee") }

// TotalAmount is the amount of the trade.
func (n *Notification) TotalAmount() (money.Amount, bool) { return n.Money("total_amount") }

// Amount is, in the notice of a red packet or a pre-authorisation, the amount of
// this operation.
func (n *Notification) Amount() (money.Amount, bool) { return n.Money("amount") }

// GmtRefund is when the trade refund happened.
func (n *Notification) GmtRefund() (time.Time, bool) { return n.Time("gmt_refund") }

// AuthNo is Alipay's number of the red packet or of the pre-authorisation.
func (n *Notification) AuthNo() string { return n.Get("auth_no") }

// OutOrderNo is the merchant's number of the red packet or of the
// pre-authorisation.
func (n *Notification) OutOrderNo() string { return n.Get("out_order_no") }

// OperationID is Alipay's number of the operation: of the one refund, or of the one
// release.
func (n *Notification) OperationID() string { return n.Get("operation_id") }

// OutRequestNo is the merchant's number of the operation.
func (n *Notification) OutRequestNo() string { return n.Get("out_request_no") }

// OperationType is PAY or REFUND of a red packet; FREEZE, UNFREEZE or PAY of a
// pre-authorisation.
func (n *Notification) OperationType() string { return n.Get("operation_type") }

// Status is the operation's: INIT, SUCCESS or CLOSED.
func (n *Notification) Status() string { return n.Get("status") }
