package alirefund

import (
	"strings"
	"time"

	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/store"
)

// view is how a refund is answered: Alipay's words, beside what this module adds.
type view struct {
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
	Repeated   bool `json:"repeated"`
	Retryable  bool `json:"retryable,omitempty"`
	AskedAgain bool `json:"asked_again,omitempty"` // see store.Refund.Rechecks
	// While it is unresolved: whether it is being sent just now, why a person
	// should look, and what was last heard.
	InProgress bool       `json:"in_progress,omitempty"`
	Attention  string     `json:"attention,omitempty"`
	Heard      *heard     `json:"heard,omitempty"`
	SettledAt  time.Time  `json:"settled_at,omitzero"`
	Alipay     store.JSON `json:"alipay,omitempty"`
}

type heard struct {
	Code    string `json:"code,omitempty"`
	SubCode string `json:"sub_code,omitempty"`
	Message string `json:"message,omitempty"`
}

// pageView is how GET /refunds answers.
type pageView struct {
	Refunds []*view `json:"refunds"`
	Next    string  `json:"next,omitempty"`
}

// recordView is how GET /refunds/:id answers: the whole record.
type recordView struct {
	store.Refund
	Delivered bool `json:"delivered"`
}

func viewOf(res Result) *view {
	r := res.Refund
	v := &view{
		ID: r.ID, State: r.State, Kind: r.Kind, Merchant: r.Merchant,
		OutTradeNo: r.OutTradeNo, TradeNo: r.TradeNo,
		AuthNo: r.AuthNo, OutOrderNo: r.OutOrderNo, OperationID: r.OperationID, OutRequestNo: r.OutRequestNo,
		Amount: r.Amount, Source: r.Source, Delivered: res.Delivered, Repeated: res.Repeated, Retryable: r.Retryable, AskedAgain: r.Rechecks > 0,
		Attention: r.Attention, SettledAt: r.SettledAt, Alipay: displayable(r.Answer),
	}
	if !r.ApprovalUntil.IsZero() {
		v.Actor, v.ApprovalUntil, v.ApprovedBy, v.DeclinedBy = r.Actor, r.ApprovalUntil, r.ApprovedBy, r.DeclinedBy
	}
	if r.State == store.Pending && (r.Code != "" || r.Message != "") {
		v.Heard = &heard{r.Code, r.SubCode, r.Message}
	}
	return v
}

// displayable is a node fit for an answer in UTF-8: as it came but for blanks,
// unless the gateway put other bytes into it.
func displayable(node store.JSON) store.JSON {
	return store.JSON(strings.ToValidUTF8(string(node), "\uFFFD"))
}
