package store

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"slices"
	"time"

	"github.com/alirefund/alirefund/money"
)

// State is how far a refund has come. Pending is not failed: money may have
// moved, and nobody here knows yet.
type State string

// The states of a refund.
const (
	// AwaitingApproval: recorded and reserved. Nothing is sent before a second person
	// approves it.
	AwaitingApproval State = "awaiting_approval"
	Pending          State = "pending"
	Succeeded        State = "succeeded"
	Failed           State = "failed"
)

// States lists them.
func States() []State { return []State{AwaitingApproval, Pending, Succeeded, Failed} }

// Origin is how the ledger came to know of a refund.
type Origin string

// The origins of a refund.
const (
	FromRequest Origin = "request" // this module was asked for it
	FromNotice  Origin = "notice"  // a signed notice told of it: merchant console, automatic return
	FromBill    Origin = "bill"    // Alipay's daily bill named it, and a signed answer proved it
)

// Source is where a piece of knowledge about a refund came from.
type Source string

// The sources of knowledge.
const (
	ByAnswer Source = "answer" // the refund call's own answer
	ByQuery  Source = "query"
	ByNotice Source = "notice"
	ByPerson Source = "person" // somebody decided; a signed word of Alipay's still corrects it
)

// Event is what is delivered to the host's hooks.
type Event string

// The events of a refund.
const (
	RefundSucceeded  Event = "refund_succeeded"
	RefundFailed     Event = "refund_failed"
	RefundUnresolved Event = "refund_unresolved"
)

// Refund is what is known of one refund. Amounts of 0 and empty texts mean
// "not known". Times are UTC.
type Refund struct {
	ID      string `json:"id"`
	OrderID string `json:"-"` // the order, or red packet, whose total it reserves from
	Kind    Kind   `json:"kind"`
	App     string `json:"app_id"`
	// Merchant is the host's key of the merchant that an ISV's application acts
	// for; empty for the application's own.
	Merchant string `json:"merchant,omitempty"`

	// Method is the interface that makes the refund, if it is not the usual one of
	// its Kind: alipay.fund.trans.refund, whose order_id is AuthNo and whose
	// refund_order_id is OperationID.
	Method string `json:"method,omitempty"`

	OutTradeNo   string       `json:"out_trade_no,omitempty"`
	TradeNo      string       `json:"trade_no,omitempty"`
	AuthNo       string       `json:"auth_no,omitempty"`
	OutOrderNo   string       `json:"out_order_no,omitempty"`
	OperationID  string       `json:"operation_id,omitempty"`
	OutRequestNo string       `json:"out_request_no,omitempty"`
	Amount       money.Amount `json:"amount,omitempty"`

	// Request is the biz_content, byte for byte the same in every send. Empty
	// if the refund was learnt from a notice.
	Request   JSON   `json:"request,omitempty"`
	NotifyURL string `json:"notify_url,omitempty"`
	Actor     string `json:"actor,omitempty"` // who asked for it, by the host's guard
	Origin    Origin `json:"origin"`

	// ApprovalUntil is when the wait for a second person's approval ends, or ended;
	// zero if none was wanted since the refund was opened.
	ApprovalUntil time.Time `json:"approval_until,omitzero"`
	ApprovedBy    string    `json:"approved_by,omitempty"`
	DeclinedBy    string    `json:"declined_by,omitempty"` // Message says why

	// Promised: it is sent, by Run if by nobody else, and does not fail because a send did
	// not leave: it was approved, or who asked for it was answered before it was sent.
	Promised bool `json:"promised,omitempty"`

	State State `json:"state"`
	// Retryable: failed, and the same number may be sent again.
	Retryable bool `json:"retryable,omitempty"`
	// NotSent: failed, because nothing was sent; no failure to tell anybody of.
	NotSent bool `json:"not_sent,omitempty"`
	// Attempts counts the sends that were recorded.
	Attempts int `json:"attempts"`
	// Unanswered lists the sends that no signed answer has ended. Any of them
	// may have moved the money, or may still.
	Unanswered []int `json:"unanswered,omitempty"`
	// Answered: since the refund was opened, Alipay answered a send of it. That
	// nothing was sent is no longer true of the whole.
	Answered bool `json:"-"`
	// Doubtful: a send was answered by neither success nor refusal (fund_change=N,
	// a repeated number): somebody knows the number, so that a later refusal may
	// be the effect of an earlier send.
	Doubtful bool `json:"-"`
	// Refused: pending, and Alipay refused the last send, which fails the refund
	// only once a query finds nothing.
	Refused bool `json:"refused,omitempty"`
	// RefusedRetryable: what Retryable becomes when Refused becomes a failure.
	RefusedRetryable bool `json:"-"`
	// UnknownRefusals counts the sends that were refused by a sub_code of which no page says what
	// it proves.
	UnknownRefusals int `json:"unknown_refusals,omitempty"`
	// Code, SubCode and Message are Alipay's last words on it.
	Code    string `json:"code,omitempty"`
	SubCode string `json:"sub_code,omitempty"`
	Message string `json:"message,omitempty"`
	// Attention says why a person should look; waiting will not heal it.
	Attention string `json:"attention,omitempty"`
	// Source is what settled it.
	Source Source `json:"source,omitempty"`
	// Answer is the raw node of Alipay's answer, once its signature was verified.
	Answer JSON `json:"alipay,omitempty"`

	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
	SentAt    time.Time `json:"sent_at,omitzero"`    // when the last send began, then when its call was over
	SettledAt time.Time `json:"settled_at,omitzero"` // when State became what it is

	// Rechecks is how many questions are still put about a failure that a query
	// confirmed, also if the refund is opened again and fails otherwise. Should a send
	// arrive after all, however late, its success is told.
	Rechecks int `json:"rechecks,omitempty"`
	// Asks counts the questions since the last send.
	Asks int `json:"asks,omitempty"`
	// AskAt is when Alipay is to be asked about the refund, once no send is under way:
	// about a pending one, where zero, or in the past, is at once, or about a failed
	// one with Rechecks.
	AskAt time.Time `json:"ask_at,omitzero"`
	// Next is when somebody has to work on it again; zero if nothing is left to do.
	Next time.Time `json:"next_at,omitzero"`
	// AsOf is when the ledger said so, by its clock, which all other times are of.
	// They are to be compared with it, and not with the time of a process. No record
	// keeps it.
	AsOf time.Time `json:"-"`
	// Lease is the send that is under way.
	Lease Lease `json:"-"`
	// Subscribed lists the events that named subscribers hear of it ([Event.For]), as
	// they were when it was recorded.
	Subscribed []Event    `json:"subscribed,omitempty"`
	Deliveries []Delivery `json:"deliveries,omitempty"`
	History    []Entry    `json:"history,omitempty"`
}

// JSON is a JSON text, kept byte for byte. Being a string it cannot be changed by
// whoever holds a copy.
type JSON string

// MarshalJSON puts the text into the surrounding one; an empty one is null.
func (j JSON) MarshalJSON() ([]byte, error) {
	if j == "" {
		return []byte("null"), nil
	}
	return []byte(j), nil
}

// UnmarshalJSON keeps the text as it stands.
func (j *JSON) UnmarshalJSON(data []byte) error {
	*j = JSON(data)
	return nil
}

// Lease is a piece of work that one owner has taken for a time.
type Lease struct {
	Token string
	Until time.Time
}

// Held tells whether somebody owns the work at that time.
func (l Lease) Held(now time.Time) bool { return l.Token != "" && now.Before(l.Until) }

// Delivery is how far one event has come on its way to its hook.
type Delivery struct {
	Event Event     `json:"event"`
	Done  bool      `json:"done"`
	At    time.Time `json:"at"`    // the last change
	Tries int       `json:"tries"` // calls of the hook that were begun
	// Renewed counts how often it became due anew for a named subscriber: on purpose, by
	// [Refund.Redeliver], or because the refund's life went on.
	Renewed int    `json:"renewed,omitempty"`
	Error   string `json:"error,omitempty"` // why the last one failed
	Lease   Lease  `json:"-"`
}

// Entry is one line of a refund's history.
type Entry struct {
	At     time.Time `json:"at"`
	What   string    `json:"what"`             // created, reopened, approved, declined, expired, send, answer, query, ask, notice, deposit_back, person, attention, delivered, undelivered, redeliver, subscribed
	Detail string    `json:"detail,omitempty"` // code, sub_code, finding: never a body, a token or a buyer
	Actor  string    `json:"actor,omitempty"`
	Number int       `json:"attempt,omitempty"` // the send it is about
	// NotifyID is the message that a note came by, which stands here once.
	NotifyID string `json:"notify_id,omitempty"`
}

// maxHistory bounds a record: the first entries and the latest are kept.
const maxHistory = 64

// Log adds an entry to the history. Beyond 64 entries it drops those in the
// middle.
func (r *Refund) Log(e Entry) {
	if len(r.History) >= maxHistory {
		r.History = slices.Delete(r.History, maxHistory/2, len(r.History)-maxHistory/2+1)
	}
	r.History = append(r.History, e)
}

// Clone returns a copy that shares no memory with r.
func (r Refund) Clone() Refund {
	r.Unanswered = slices.Clone(r.Unanswered)
	r.Subscribed = slices.Clone(r.Subscribed)
	r.Deliveries = slices.Clone(r.Deliveries)
	r.History = slices.Clone(r.History)
	return r
}

// Order names the order by the number that its totals are kept under: its
// out_trade_no, or the auth_no of a red packet or a pre-authorisation.
func (r Refund) Order() string { return r.Kind.order(r.OutTradeNo, r.AuthNo) }

// Identify sets ID and OrderID. A trade's refund is (app, merchant, out_trade_no,
// out_request_no), any other (app, merchant, out_request_no), as Alipay defines
// their idempotency. The ids are digests of the length-prefixed bytes, so that no
// two identities collide in any database's collation.
func (r Refund) Identify() Refund {
	r.OrderID = digest("or_", string(r.Kind), r.App, r.Merchant, r.Order())
	if r.Kind.withinOrder() {
		r.ID = digest("rf_", string(r.Kind), r.App, r.Merchant, r.Order(), r.OutRequestNo)
	} else {
		r.ID = digest("rf_", string(r.Kind), r.App, r.Merchant, r.OutRequestNo)
	}
	return r
}

// IdentifyBy sets ID for a refund without a usable identity of its own, from
// what it is recognised by: the notification that reported it.
func (r Refund) IdentifyBy(parts ...string) Refund {
	r = r.Identify()
	r.ID = digest("rn_", append([]string{string(r.Kind), r.App}, parts...)...)
	return r
}

var encoding = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

func digest(prefix string, parts ...string) string {
	var buf [256]byte
	text := buf[:0]
	for _, part := range parts {
		text = binary.AppendUvarint(text, uint64(len(part)))
		text = append(text, part...)
	}
	sum := sha256.Sum256(text)
	return prefix + encoding.EncodeToString(sum[:20])
}

// Counts tells whether the refund's amount is taken from its order's total:
// all but failed ones are, wherever they were learnt of.
func (r Refund) Counts() bool { return r.State != Failed }
