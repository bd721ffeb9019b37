package notify

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/alirefund/alirefund/money"
)

// The messages to an application's gateway that this package reads.
const (
	// MessageDepositBack tells what became of the part of a trade's refund that
	// went to a bank card. It is sent for refunds that asked for it by
	// deposit_back_info in query_options (opendocs, the message's page).
	MessageDepositBack = "alipay.trade.refund.depositback.completed"
	// MessageFundRefund tells that a red packet was returned, by
	// alipay.fund.trans.refund or because its time was over.
	MessageFundRefund = "alipay.fund.trans.refund.success"
)

// ErrContent: a message's biz_content cannot be read as what msg_method says
// that it is. Its signature is good.
var ErrContent = errors.New("notify: the message's content cannot be read")

// DepositBack is what a bank did with a refund to a card. A failure does not
// undo the refund: Alipay then puts the money into the buyer's balance.
type DepositBack struct {
	TradeNo, OutTradeNo, OutRequestNo string
	// Succeeded: the bank took the money (dback_status S); otherwise it did not (F).
	Succeeded bool
	// Amount is what the bank took; 0 if it took none, or Alipay does not say.
	Amount money.Amount
	// BankAckTime is when the bank answered, and EstBankReceiptTime when the money
	// is expected on the card. Zero if Alipay does not say.
	BankAckTime, EstBankReceiptTime time.Time
}

// FundRefund is what a message tells of a red packet's return. What fields it
// has is not documented; these have the names of the interface's own answer, and
// are empty where the message does not have them.
type FundRefund struct {
	OrderID, OutRequestNo, RefundOrderID string
	Status                               string       // SUCCESS
	Amount                               money.Amount // refund_amount; 0: not said
}

// Message is the msg_method of a message to the application's gateway, and ""
// of every other notification.
func (n *Notification) Message() string { return n.Get("msg_method") }

// BizContent is a message's content, JSON. It may name people.
func (n *Notification) BizContent() string { return n.Get("biz_content") }

// SentAt is when Alipay sent the message (utc_timestamp).
func (n *Notification) SentAt() (at time.Time, ok bool) {
	ms, err := strconv.ParseInt(n.Get("utc_timestamp"), 10, 64)
	if err != nil || ms <= 0 {
		return time.Time{}, false
	}
	return time.UnixMilli(ms).UTC(), true
}

// DepositBack reads a [MessageDepositBack]. It fails with [ErrContent] if the
// status is neither S nor F or no order is named, and for other messages.
func (n *Notification) DepositBack() (DepositBack, error) {
	c, err := n.content(MessageDepositBack)
	if err != nil {
		return DepositBack{}, err
	}
	d := DepositBack{
		TradeNo: c.text("trade_no"), OutTradeNo: c.text("out_trade_no"), OutRequestNo: c.text("out_request_no"),
		Amount: c.amount("dback_amount"), BankAckTime: c.time("bank_ack_time"), EstBankReceiptTime: c.time("est_bank_receipt_time"),
	}
	switch status := c.text("dback_status"); {
	case d.TradeNo == "" && d.OutTradeNo == "":
		return DepositBack{}, fmt.Errorf("%w: it names no trade", ErrContent)
	case status == "S":
		d.Succeeded = true
	case status != "F":
		return DepositBack{}, fmt.Errorf("%w: dback_status is neither S nor F", ErrContent)
	}
	return d, nil
}

// FundRefund reads a [MessageFundRefund]. It fails with [ErrContent], also for
// other messages.
func (n *Notification) FundRefund() (FundRefund, error) {
	c, err := n.content(MessageFundRefund)
	if err != nil {
		return FundRefund{}, err
	}
	return FundRefund{
		OrderID: c.text("order_id"), OutRequestNo: c.text("out_request_no"), RefundOrderID: c.text("refund_order_id"),
		Status: c.text("status"), Amount: c.amount("refund_amount"),
	}, nil
}

// content is the fields of a message's biz_content.
type content map[string]json.RawMessage

// content reads one JSON object, of which no key is given twice.
func (n *Notification) content(method string) (content, error) {
	if n.Message() != method {
		return nil, fmt.Errorf("%w: it is no %s", ErrContent, method)
	}
	text := n.BizContent()
	if text == "" {
		return nil, fmt.Errorf("%w: biz_content is missing", ErrContent)
	}
	if !json.Valid([]byte(text)) || strings.TrimLeft(text, " \t\r\n")[0] != '{' {
		return nil, fmt.Errorf("%w: biz_content is no JSON object", ErrContent)
	}
	fields := content{}
	d := json.NewDecoder(strings.NewReader(text))
	_, _ = d.Token() // the brace
	for d.More() {
		token, _ := d.Token()
		key, _ := token.(string)
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, fmt.Errorf("%w: biz_content is no JSON object", ErrContent)
		}
		if _, twice := fields[key]; twice {
			return nil, fmt.Errorf("%w: %.32q is given twice", ErrContent, key)
		}
		fields[key] = value
	}
	return fields, nil
}

// text is a field's string, or its number as it is written; "" for what is
// absent, null, or anything else. A text with a piece that is no character
// counts as absent: two different texts could look the same.
func (c content) text(key string) string {
	raw := bytes.TrimSpace(c[key])
	var text string
	var number json.Number
	switch {
	case len(raw) == 0 || string(raw) == "null":
	case json.Unmarshal(raw, &text) == nil:
	case json.Unmarshal(raw, &number) == nil:
		text = number.String()
	}
	if text == "null" || strings.ContainsRune(text, utf8.RuneError) {
		return ""
	}
	return text
}

func (c content) amount(key string) money.Amount {
	amount, err := money.Parse(c.text(key))
	if err != nil {
		return 0
	}
	return amount
}

func (c content) time(key string) time.Time {
	at, err := time.ParseInLocation(time.DateTime, c.text(key), china)
	if err != nil {
		return time.Time{}
	}
	return at
}
