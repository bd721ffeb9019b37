package notify_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/alirefund/alirefund/notify"
)

// depositBack is a message to the application's gateway, as the page of
// alipay.trade.refund.depositback.completed words it.
var depositBack = fields{
	"app_id": appID, "notify_id": notifyID, "msg_method": notify.MessageDepositBack, "version": "1.1", "charset": "UTF-8",
	"utc_timestamp": "1514210452731",
	"biz_content": `{"trade_no":"T1","out_trade_no":"ORDER-1","out_request_no":"R1","dback_status":"S","dback_amount":"1.01",` +
		`"bank_ack_time":"2020-06-02 14:03:48","est_bank_receipt_time":"2020-06-03 00:00:00"}`,
}

func message(t *testing.T, notice fields) *notify.Notification {
	t.Helper()
	n, err := receiver(t).Open(notice.post(t))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestDepositBack(t *testing.T) {
	n := message(t, depositBack)
	got, err := n.DepositBack()
	want := notify.DepositBack{TradeNo: "T1", OutTradeNo: "ORDER-1", OutRequestNo: "R1", Succeeded: true, Amount: 1_01}
	at, receipt := got.BankAckTime, got.EstBankReceiptTime
	got.BankAckTime, got.EstBankReceiptTime = time.Time{}, time.Time{}
	if err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	if !at.Equal(time.Date(2020, 6, 2, 6, 3, 48, 0, time.UTC)) || !receipt.Equal(time.Date(2020, 6, 2, 16, 0, 0, 0, time.UTC)) {
		t.Errorf("%v, %v: they are written in UTC+8", at, receipt)
	}
	if sent, ok := n.SentAt(); !ok || sent.UnixMilli() != 1514210452731 {
		t.Errorf("sent at %v, %t", sent, ok)
	}
	if n.Message() != notify.MessageDepositBack || n.BizContent() != depositBack["biz_content"] {
		t.Errorf("%s %s", n.Message(), n.BizContent())
	}
	if _, err := n.FundRefund(); !errors.Is(err, notify.ErrContent) {
		t.Errorf("as another message: %v", err)
	}
	payment := message(t, payment)
	if _, err := payment.DepositBack(); payment.Message() != "" || !errors.Is(err, notify.ErrContent) {
		t.Errorf("a payment: %q, %v", payment.Message(), err)
	}
	if _, ok := payment.SentAt(); ok {
		t.Error("a payment has no utc_timestamp")
	}
}

// What is optional, or of another type than documented, does not fail it.
func TestDepositBackIsReadTolerantly(t *testing.T) {
	for name, test := range map[string]struct {
		content string
		want    notify.DepositBack
	}{
		"failed":            {`{"out_trade_no":"O","out_request_no":"R","dback_status":"F"}`, notify.DepositBack{OutTradeNo: "O", OutRequestNo: "R"}},
		"by trade_no alone": {`{"trade_no":"T","dback_status":"F"}`, notify.DepositBack{TradeNo: "T"}},
		"numbers":           {`{"out_trade_no":682,"out_request_no":"R","dback_status":"S","dback_amount":1.01}`, notify.DepositBack{OutTradeNo: "682", OutRequestNo: "R", Succeeded: true, Amount: 1_01}},
		"nulls":             {` {"trade_no":null,"out_trade_no":"O","out_request_no":"null","dback_status":"S","bank_ack_time":null} `, notify.DepositBack{OutTradeNo: "O", Succeeded: true}},
		"nonsense where it is optional": {
			`{"out_trade_no":"O","dback_status":"S","dback_amount":"much","bank_ack_time":[],"est_bank_receipt_time":"soon","new":{"a":[1]}}`,
			notify.DepositBack{OutTradeNo: "O", Succeeded: true},
		},
	} {
		got, err := message(t, depositBack.with(fields{"biz_content": test.content})).DepositBack()
		if err != nil || got != test.want {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// What cannot be read is a message like any other: not lost, and not believed.
func TestUnreadableDepositBackIsAMessage(t *testing.T) {
	for content, says := range map[string]string{
		"":                                       "missing",
		"   ":                                    "no JSON object",
		"null ":                                  "no JSON object",
		`[]`:                                     "no JSON object",
		`{"out_trade_no":"O","dback_status":"S"`: "no JSON object",
		`{"out_trade_no":"O","dback_status":"S"} x`:                    "no JSON object",
		`{"out_trade_no":"O","dback_status":"S","dback_status":"F"}`:   "dback_status\" is given twice",
		`{"out_trade_no":"O","dback_\u0073tatus":1,"dback_status":""}`: "given twice",

		`{"dback_status":"S"}`:                         "no trade",
		`{"out_trade_no":"O"}`:                         "neither S nor F",
		`{"out_trade_no":"O","dback_status":"P"}`:      "neither S nor F",
		`{"out_trade_no":"O","dback_status":true}`:     "neither S nor F",
		`{"out_trade_no":"O","DBACK_STATUS":"S"}`:      "neither S nor F",
		`{"out_trade_no":"\ud800","dback_status":"S"}`: "no trade",
	} {
		n := message(t, depositBack.with(fields{"biz_content": content}))
		got, err := n.DepositBack()
		if n.Kind != notify.KindMessage || !errors.Is(err, notify.ErrContent) || !strings.Contains(err.Error(), says) || got != (notify.DepositBack{}) {
			t.Errorf("%s: %s, %+v, %v", content, n.Kind, got, err)
		}
	}
}

func TestFundRefund(t *testing.T) {
	told := depositBack.with(fields{
		"msg_method":  notify.MessageFundRefund,
		"biz_content": `{"order_id":"P1","out_request_no":"R1","refund_amount":"8.88","refund_order_id":"F1","status":"SUCCESS","new":1}`,
	})
	n := message(t, told)
	got, err := n.FundRefund()
	if want := (notify.FundRefund{OrderID: "P1", OutRequestNo: "R1", RefundOrderID: "F1", Status: "SUCCESS", Amount: 8_88}); err != nil || got != want || n.Kind != notify.KindMessage {
		t.Errorf("%s, %+v, %v", n.Kind, got, err)
	}
	if got, err := message(t, told.with(fields{"biz_content": `{}`})).FundRefund(); err != nil || got != (notify.FundRefund{}) {
		t.Errorf("without fields: %+v, %v", got, err)
	}
	if _, err := message(t, told.with(fields{"biz_content": `"x"`})).FundRefund(); !errors.Is(err, notify.ErrContent) {
		t.Errorf("no object: %v", err)
	}
}

// A message names its application, whatever else it looks like.
func TestMessageNamesItsApplication(t *testing.T) {
	for _, change := range []fields{
		{"app_id": ""},
		{"app_id": "", "notify_type": "fund_stdtrustee_refund.success"},
		{"app_id": "", "auth_no": "A", "operation_type": "REFUND"},
		{"app_id": "2021000000000009"},
	} {
		if _, err := receiver(t).Open(depositBack.with(change).post(t)); !errors.Is(err, notify.ErrNotOurs) {
			t.Errorf("%v: %v", change, err)
		}
	}
}

// A message whose content somebody moved into another field's value has none.
func TestContentHiddenInAnotherValue(t *testing.T) {
	hidden := depositBack.with(fields{"biz_content": "", "app_id": appID + "&biz_content=" + depositBack["biz_content"]})
	if _, err := receiver(t).Open(hidden.post(t)); !errors.Is(err, notify.ErrHidden) {
		t.Errorf("got %v", err)
	}
}

// Whatever a message's content is, reading it neither panics nor disagrees with
// the message's kind.
func FuzzDepositBack(f *testing.F) {
	for _, content := range []string{depositBack["biz_content"], `{`, `{"a":{"b":[1]},"a":2}`, `{"out_trade_no":1e400,"dback_status":"S"}`, "{}x"} {
		f.Add(content)
	}
	f.Fuzz(func(t *testing.T, content string) {
		n, err := receiver(t).Open(depositBack.with(fields{"biz_content": content}).post(t))
		if err != nil {
			return // a body that is too large, or hides a field
		}
		d, err := n.DepositBack()
		if (err == nil) != (n.Kind == notify.KindDepositBack) || err == nil && d.OutTradeNo == "" && d.TradeNo == "" {
			t.Errorf("%s: %+v, %v", n.Kind, d, err)
		}
	})
}
