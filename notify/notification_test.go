package notify_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/alirefund/alirefund/notify"
)

type classified struct {
	name      string
	notice    fields
	kind      notify.Kind
	full      bool
	succeeded bool
}

// notices are what may come, and what each is.
var notices = []classified{
	{"payment", payment, notify.KindPayment, false, false},
	{"payment with a refund_fee of nothing and gmt_close", payment.with(fields{"refund_fee": "0.00", "gmt_close": "2026-01-01 10:00:05"}), notify.KindPayment, false, false},
	{"past its refund period", payment.with(fields{"trade_status": "TRADE_FINISHED"}), notify.KindPayment, false, false},
	{"waiting for the buyer", payment.with(fields{"trade_status": "WAIT_BUYER_PAY"}), notify.KindOther, false, false},
	{"payment out of a pre-authorisation", payment.with(fields{"auth_no": "1"}), notify.KindPayment, false, false},
	{"no status", payment.with(fields{"trade_status": ""}), notify.KindOther, false, false},

	{"partial refund", partialRefund, notify.KindTradeRefund, false, true},
	{"full refund", fullRefund, notify.KindTradeRefund, true, true},
	{"the last of several partial refunds", partialRefund.with(fields{"refund_fee": "88.88"}), notify.KindTradeRefund, true, true},
	{"refund known by its time alone", fullRefund.with(fields{"refund_fee": ""}), notify.KindTradeRefund, true, true},
	{"refund known by its time alone, still open", partialRefund.with(fields{"refund_fee": "null"}), notify.KindTradeRefund, false, true},
	{"refund known by its fee alone", partialRefund.with(fields{"gmt_refund": ""}), notify.KindTradeRefund, false, true},
	{"refund known by its fee, literal null for a time", partialRefund.with(fields{"gmt_refund": "null"}), notify.KindTradeRefund, false, true},
	{"closed though amounts say partial", fullRefund.with(fields{"refund_fee": "1.00"}), notify.KindTradeRefund, false, true},
	{"refund of an unknown fee", fullRefund.with(fields{"refund_fee": "全部"}), notify.KindTradeRefund, true, true},

	{"closed unpaid", payment.with(fields{"trade_status": "TRADE_CLOSED", "refund_fee": "0.00", "gmt_payment": ""}), notify.KindTradeClosed, false, false},
	{"closed unpaid, no fee", payment.with(fields{"trade_status": "TRADE_CLOSED"}), notify.KindTradeClosed, false, false},
	{"closed, unreadable fee", payment.with(fields{"trade_status": "TRADE_CLOSED", "refund_fee": "8.888"}), notify.KindOther, false, false},
	{"paid, unreadable fee", payment.with(fields{"refund_fee": "-1.00"}), notify.KindOther, false, false},

	{"red packet", couponRefund, notify.KindCouponRefund, false, true},
	{"red packet, type of a trade's", couponRefund.with(fields{"notify_type": "trade_status_sync"}), notify.KindCouponRefund, false, true},
	{"red packet, no operation_type", couponRefund.with(fields{"operation_type": "null"}), notify.KindCouponRefund, false, true},
	{"red packet, nothing but nulls", couponRefund.with(fields{"auth_no": "null", "status": "null"}), notify.KindCouponRefund, false, true},
	{"red packet, not yet", couponRefund.with(fields{"status": "INIT"}), notify.KindCouponRefund, false, false},
	{"red packet, closed", couponRefund.with(fields{"status": "CLOSED"}), notify.KindCouponRefund, false, false},
	{"red packet paid", couponRefund.with(fields{"operation_type": "PAY"}), notify.KindOther, false, false},
	{"red packet paid, trade's type and status", couponRefund.with(fields{"operation_type": "PAY", "notify_type": "trade_status_sync", "trade_status": "TRADE_SUCCESS"}), notify.KindOther, false, false},
	{"pre-authorisation released", unfreeze, notify.KindUnfreeze, false, true},
	{"pre-authorisation released, not yet", unfreeze.with(fields{"status": "INIT"}), notify.KindUnfreeze, false, false},
	{"pre-authorisation released, closed", unfreeze.with(fields{"status": "CLOSED"}), notify.KindUnfreeze, false, false},
	{"pre-authorisation released, no status", unfreeze.with(fields{"status": "null"}), notify.KindUnfreeze, false, false},
	{"pre-authorisation released, no application", unfreeze.with(fields{"app_id": ""}), notify.KindUnfreeze, false, true},
	{"pre-authorisation frozen", unfreeze.with(fields{"notify_type": "fund_auth_freeze", "operation_type": "FREEZE"}), notify.KindOther, false, false},
	{"pre-authorisation paid from", unfreeze.with(fields{"operation_type": "PAY"}), notify.KindOther, false, false},
	{"pre-authorisation cancelled", unfreeze.with(fields{"notify_type": "fund_auth_operation_cancel"}), notify.KindOther, false, false},
	{"pre-authorisation, notify_type of a release alone", unfreeze.with(fields{"operation_type": "FREEZE"}), notify.KindOther, false, false},
	{"pre-authorisation, no number", unfreeze.with(fields{"auth_no": "null"}), notify.KindOther, false, false},
	{"pre-authorisation, no operation_type", unfreeze.with(fields{"operation_type": "null"}), notify.KindOther, false, false},
	{"pre-authorisation, operation_type of a release alone", unfreeze.with(fields{"notify_type": "fund_auth_freeze"}), notify.KindOther, false, false},
	{"pre-authorisation, a trade's notify_type", unfreeze.with(fields{"notify_type": "trade_status_sync"}), notify.KindOther, false, false},
	{"another fund notice", couponRefund.with(fields{"notify_type": "fund_auth_freeze", "operation_type": "FREEZE"}), notify.KindOther, false, false},
	{"a fund notice with a refund time", couponRefund.with(fields{"operation_type": "PAY", "gmt_refund": "2026-01-02 09:00:00"}), notify.KindOther, false, false},

	{"gateway message", fields{"app_id": appID, "notify_id": notifyID, "msg_method": "alipay.fund.trans.order.changed", "biz_content": `{"status":"SUCCESS"}`, "version": "1.1"}, notify.KindMessage, false, false},
	{"gateway message with a fee", payment.with(fields{"msg_method": "alipay.trade.x", "refund_fee": "1.00"}), notify.KindMessage, false, false},
	{"deposit-back", depositBack, notify.KindDepositBack, false, false},
	{"deposit-back that cannot be read", depositBack.with(fields{"biz_content": "{"}), notify.KindMessage, false, false},
}

func TestKind(t *testing.T) {
	for _, test := range notices {
		t.Run(test.name, func(t *testing.T) {
			n, err := receiver(t).Open(test.notice.post(t))
			if err != nil {
				t.Fatal(err)
			}
			if n.Kind != test.kind || n.Full() != test.full || n.Succeeded() != test.succeeded {
				t.Errorf("kind %s, full %t, succeeded %t; want %s, %t, %t", n.Kind, n.Full(), n.Succeeded(), test.kind, test.full, test.succeeded)
			}
		})
	}
}

func TestDocumentedSample(t *testing.T) {
	n, err := receiver(t).Open(sample.post(t))
	if err != nil {
		t.Fatal(err)
	}
	if n.Kind != notify.KindCouponRefund || !n.Succeeded() || n.ID != sample["notify_id"] {
		t.Errorf("got %v, succeeded %t", n, n.Succeeded())
	}
	for _, value := range []string{n.AuthNo(), n.OutOrderNo(), n.OperationID(), n.OutRequestNo(), n.Status()} {
		if value != "" {
			t.Errorf("a literal null is %q", value)
		}
	}
	if amount, ok := n.Amount(); ok || amount != 0 {
		t.Errorf("amount %v, %t: it is a word", amount, ok)
	}
	n, err = receiver(t).Open(sample.with(fields{"amount": "0.01"}).post(t))
	if err != nil {
		t.Fatal(err)
	}
	if amount, ok := n.Amount(); !ok || amount != 1 {
		t.Errorf("amount %v, %t; want 0.01", amount, ok)
	}
}

func TestAccessors(t *testing.T) {
	n, err := receiver(t).Open(partialRefund.post(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ key, got string }{
		{"notify_id", n.ID},
		{"app_id", n.AppID()},
		{"auth_app_id", n.AuthAppID()},
		{"seller_id", n.SellerID()},
		{"notify_type", n.NotifyType()},
		{"trade_status", n.TradeStatus()},
		{"out_trade_no", n.OutTradeNo()},
		{"trade_no", n.TradeNo()},
		{"out_biz_no", n.OutBizNo()},
	} {
		if test.got != partialRefund[test.key] {
			t.Errorf("%s is %q, want %q", test.key, test.got, partialRefund[test.key])
		}
	}
	if fee, ok := n.RefundFee(); !ok || fee != 888 {
		t.Errorf("refund_fee %v, %t", fee, ok)
	}
	if total, ok := n.TotalAmount(); !ok || total != 8888 {
		t.Errorf("total_amount %v, %t", total, ok)
	}
	if at, ok := n.GmtRefund(); !ok || !at.Equal(time.Date(2026, 1, 2, 1, 0, 0, 123e6, time.UTC)) {
		t.Errorf("gmt_refund %v, %t: it is written in UTC+8", at, ok)
	}
	if at, ok := n.Time("gmt_absent"); ok || !at.IsZero() {
		t.Errorf("an absent time is %v, %t", at, ok)
	}
	collected := maps.Collect(n.Fields())
	if !maps.Equal(collected, partialRefund) {
		t.Errorf("fields %v", collected)
	}
	var keys []string
	for key := range n.Fields() {
		keys = append(keys, key)
	}
	if !slices.IsSorted(keys) {
		t.Errorf("keys %v are not sorted", keys)
	}
	for range n.Fields() {
		break // an early stop must be heard
	}
	for _, printed := range []string{fmt.Sprint(n), fmt.Sprintf("%+v", n)} {
		if want := "trade_refund " + notifyID; printed != want {
			t.Errorf("printed as %q, want %q", printed, want)
		}
	}
}

// The fields by which the release of a pre-authorisation is recognised.
func TestAccessorsOfUnfreeze(t *testing.T) {
	n, err := receiver(t).Open(unfreeze.post(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ key, got string }{
		{"auth_no", n.AuthNo()},
		{"out_order_no", n.OutOrderNo()},
		{"operation_id", n.OperationID()},
		{"out_request_no", n.OutRequestNo()},
		{"operation_type", n.OperationType()},
		{"status", n.Status()},
	} {
		if test.got == "" || test.got != unfreeze[test.key] {
			t.Errorf("%s is %q, want %q", test.key, test.got, unfreeze[test.key])
		}
	}
	if amount, ok := n.Amount(); !ok || amount != 200_00 {
		t.Errorf("amount %v, %t", amount, ok)
	}
}
