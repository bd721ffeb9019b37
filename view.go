package alirefund

import (
	"strings"
	"time"

	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/store"
)

// summary is a refund in short, and true of it whoever asks.
type summary struct {
	ID           string       `json:"id"`
	State        store.State  `json:"state"`
	Kind         store.Kind   `json:"kind"`
	Merchant     string       `json:"merchant,omitempty"`
	OutTradeNo   string       `json:"out_trade_no,omitempty"`
	TradeNo      string       `json:"trade_no,omitempty"`
	AuthNo       string       `json:"auth_no,omitempty"`
	OutOrderNo   string       `json:"out_order_no,omitempty"`
	OperationID  string       `json:"operation_id,omitempty"`
	OutRequestNo string       `json:"out_request_no,omitempty"`
	Amount       money.Amount `json:"amount,omitempty"`
	Source       store.Source `json:"source,omitempty"`
	// Where a second person's approval is wanted: who asked, until when it waits, and who
	// approved or declined it.
	Actor         string    `json:"actor,omitempty"`
	ApprovalUntil time.Time `json:"approval_until,omitzero"`
	ApprovedBy    string    `json:"approved_by,omitempty"`
	DeclinedBy    string    `json:"declined_by,omitempty"`

	Delivered  bool `json:"delivered"`
	Retryable  bool `json:"retryable,omitempty"`
	AskedAgain bool `json:"asked_again,omitempty"` // see store.Refund.Rechecks
	// While it is unresolved: why a person should look, and what was last heard.
	Attention string    `json:"attention,omitempty"`
	Heard     *heard    `json:"heard,omitempty"`
	SettledAt time.Time `json:"settled_at,omitzero"`
}

// view is how a request for a refund is answered: what the module knows of it, beside
// Alipay's own words.
type view struct {
	summary
	Repeated   bool `json:"repeated"`
	InProgress bool `json:"in_progress,omitempty"` // unresolved, and being sent just now
	// Alipay is its node as it came. Its refund_fee is of the order in all, unlike Amount.
	Alipay store.JSON `json:"alipay,omitempty"`
}

// rowView is a refund in a list.
type rowView struct {
	summary
	CreatedAt time.Time `json:"created_at"`
}

type heard struct {
	Code    string `json:"code,omitempty"`
	SubCode string `json:"sub_code,omitempty"`
	Message string `json:"message,omitempty"`
}

// pageView is how GET /refunds answers.
type pageView struct {
	Refunds []rowView `json:"refunds"`
	Next    string    `json:"next,omitempty"`
}

// recordView is how GET /refunds/:id answers: the whole record.
type recordView struct {
	store.Refund
	Delivered bool `json:"delivered"`
}

func viewOf(res Result) *view {
	return &view{summary: summaryOf(res), Repeated: res.Repeated, Alipay: displayable(res.Refund.Answer)}
}

func summaryOf(res Result) summary {
	r := res.Refund
	s := summary{
		ID: r.ID, State: r.State, Kind: r.Kind, Merchant: r.Merchant,
		OutTradeNo: r.OutTradeNo, TradeNo: r.TradeNo,
		AuthNo: r.AuthNo, OutOrderNo: r.OutOrderNo, OperationID: r.OperationID, OutRequestNo: r.OutRequestNo,
		Amount: r.Amount, Source: r.Source, Delivered: res.Delivered, Retryable: r.Retryable, AskedAgain: r.Rechecks > 0,
		Attention: r.Attention, SettledAt: r.SettledAt,
	}
	if !r.ApprovalUntil.IsZero() {
		s.Actor, s.ApprovalUntil, s.ApprovedBy, s.DeclinedBy = r.Actor, r.ApprovalUntil, r.ApprovedBy, r.DeclinedBy
	}
	if r.State == store.Pending && (r.Code != "" || r.Message != "") {
		s.Heard = &heard{r.Code, r.SubCode, r.Message}
	}
	return s
}

// displayable is a node fit for an answer in UTF-8: as it came but for blanks,
// unless the gateway put other bytes into it.
func displayable(node store.JSON) store.JSON {
	return store.JSON(strings.ToValidUTF8(string(node), "\uFFFD"))
}
