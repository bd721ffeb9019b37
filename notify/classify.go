package notify

import (
	"fmt"
	"strings"
)

// couponRefunded is the notify_type of a red packet's refund, asked for or
// automatic (Alipay's page on alipay.fund.coupon.order.refund).
const couponRefunded = "fund_stdtrustee_refund.success"

// The notify_type and the operation_type of a pre-authorisation's release (opendocs,
// notices of pre-authorisations; a signed capture).
const (
	unfrozen = "fund_auth_unfreeze"
	unfreeze = "UNFREEZE"
)

// fund tells whether the notice belongs to the interfaces named alipay.fund,
// whose fields are others. One of Alipay's pages prints a red packet's notice
// with the notify_type of a trade's, so that it does not decide alone. A message
// has a form of its own.
func (n *Notification) fund() bool {
	return n.Message() == "" && (strings.HasPrefix(n.NotifyType(), "fund_") || n.AuthNo() != "" && n.OperationType() != "")
}

// classify goes by facts, not by names: a partial refund is notified with the
// notify_type and the trade_status of a payment, a full one with those of an
// unpaid trade's closing, and a payment may carry a refund_fee of 0.00 (signed
// captures).
func (n *Notification) classify() Kind {
	if n.Message() != "" {
		return n.classifyMessage()
	}
	if n.fund() {
		refund := n.OperationType() == "REFUND" || n.OperationType() == "" && n.NotifyType() == couponRefunded
		if refund && (n.AuthNo() != "" || n.NotifyType() == couponRefunded) {
			return KindCouponRefund
		}
		if n.NotifyType() == unfrozen && n.OperationType() == unfreeze && n.AuthNo() != "" {
			return KindUnfreeze
		}
		return KindOther
	}
	refunded, known := n.RefundFee()
	switch {
	case n.Get("gmt_refund") != "" || refunded > 0:
		return KindTradeRefund
	case n.Get("refund_fee") != "" && !known:
		return KindOther // neither a payment nor a closing for certain
	case n.TradeStatus() == "TRADE_CLOSED":
		return KindTradeClosed
	case n.TradeStatus() == "TRADE_SUCCESS" || n.TradeStatus() == "TRADE_FINISHED":
		return KindPayment
	}
	return KindOther
}

// classifyMessage goes by msg_method; a deposit-back that cannot be read is a
// message like any other.
func (n *Notification) classifyMessage() Kind {
	if n.Message() == MessageDepositBack {
		if _, err := n.DepositBack(); err == nil {
			return KindDepositBack
		}
	}
	return KindMessage
}

// maxID bounds what callers keep of a notice; real ids have 34 characters.
const maxID = 128

// identify sets ID. Without one it is no notification, whatever its signature.
func (n *Notification) identify() error {
	id := n.Get("notify_id")
	switch {
	case strings.HasSuffix(n.Get("method"), ".return"):
		return fmt.Errorf("%w: method says that it is the query of a return_url", ErrNoID)
	case id == "":
		return fmt.Errorf("%w: notify_id is missing", ErrNoID)
	case len(id) > maxID:
		return fmt.Errorf("%w: notify_id is longer than %d characters", ErrNoID, maxID)
	}
	for _, c := range []byte(id) {
		if c <= ' ' || c > '~' {
			return fmt.Errorf("%w: notify_id has a blank or a character that is not ASCII", ErrNoID)
		}
	}
	n.ID = id
	return nil
}
