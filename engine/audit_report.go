package engine

import (
	"errors"
	"time"

	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/store"
)

// Audit is what [Engine.Audit] found about one day of an application: the refunds of
// trades in Alipay's bills of the day, held against the ledger.
type Audit struct {
	App string `json:"app_id"`
	Day string `json:"day"` // of China: 2026-10-03
	// At is when it was found. It is kept while a later audit finds the same.
	At      time.Time `json:"at"`
	Verdict Verdict   `json:"verdict"`
	// Bill and Ledger are both sides, once what was missing here is recorded. They differ
	// by what Differences say, to the fen.
	Bill   Sum `json:"bill"`
	Ledger Sum `json:"ledger"`
	// Agreed are refunds that both sides have, of one amount.
	Agreed int `json:"agreed"`
	// Settled counts those among them that were unresolved here, until this audit asked.
	Settled int `json:"settled,omitempty"`
	// OtherDay counts the ledger's refunds of the day that another day's bill has, as
	// those around midnight. Neither side of this day counts them.
	OtherDay int `json:"other_day,omitempty"`
	// Pending counts the ledger's refunds of the day that are unresolved, and in no bill.
	Pending int `json:"pending,omitempty"`
	// NoBill: Alipay had no bill of the day: there was no trade, or it is not ready yet.
	NoBill bool `json:"no_bill,omitempty"`
	// Counts has how many differences of each kind there are, and Differences at most 100
	// of each.
	Counts      map[DifferenceKind]int `json:"counts,omitempty"`
	Differences []Difference           `json:"differences,omitempty"`
	// NotComparable are the ledger's refunds of the day of which no bill tells.
	NotComparable []NotComparable `json:"not_comparable,omitempty"`
	// Delivered: Config.OnAudit has taken it.
	Delivered bool `json:"delivered"`
}

// Verdict is an audit in a word.
type Verdict string

// The verdicts; the first that is true.
const (
	AuditDiffers Verdict = "differs" // a person should look: see Difference.Attention
	AuditOpen    Verdict = "open"    // a later audit of the day will tell
	AuditPartly  Verdict = "partly"  // what can be compared agrees, and not all of it can
	AuditAgreed  Verdict = "agreed"
)

// Sum is so many refunds, and what they come to.
type Sum struct {
	Refunds int          `json:"refunds"`
	Amount  money.Amount `json:"amount"`
}

// DifferenceKind is in what a bill and the ledger differ.
type DifferenceKind string

// The differences. Those of which a person should know are marked by Difference.Attention.
const (
	// DiffersRecorded: the ledger did not have it. Alipay's signed answer proved it; it is
	// recorded with [store.FromBill], and the host was told.
	DiffersRecorded DifferenceKind = "recorded"
	// DiffersUnproven: the ledger does not have it, and neither has Alipay, asked by the
	// signed query. Nobody signs a bill: nothing was recorded.
	DiffersUnproven DifferenceKind = "unproven"
	// DiffersUnanswered: as unproven, but Alipay did not answer. It is asked again.
	DiffersUnanswered DifferenceKind = "unanswered"
	// DiffersUnresolved: the bill has it, and here it is pending or failed; Alipay, asked
	// by the signed query, did not prove it.
	DiffersUnresolved DifferenceKind = "unresolved"
	// DiffersAmount: both have it, with other amounts.
	DiffersAmount DifferenceKind = "amount"
	// DiffersTwice: it is in the bill once more.
	DiffersTwice DifferenceKind = "twice"
	// DiffersWaiting: it succeeded here, and is not in the bill. The next day's bill may have it.
	DiffersWaiting DifferenceKind = "waiting"
	// DiffersMissing: it succeeded here, and is neither in the day's bill nor in its neighbours'.
	DiffersMissing DifferenceKind = "missing"
)

// Difference is one refund in which a bill and the ledger differ.
type Difference struct {
	Kind DifferenceKind `json:"kind"`
	// Attention: a person should look.
	Attention    bool        `json:"attention,omitempty"`
	Refund       string      `json:"id,omitempty"` // of the ledger's
	Merchant     string      `json:"merchant,omitempty"`
	OutTradeNo   string      `json:"out_trade_no,omitempty"`
	TradeNo      string      `json:"trade_no,omitempty"`
	OutRequestNo string      `json:"out_request_no,omitempty"`
	State        store.State `json:"state,omitempty"` // in the ledger
	// Billed is the bill's amount, Recorded what succeeded in the ledger, Said what Alipay's
	// signed answer says; each 0 for none.
	Billed   money.Amount `json:"billed,omitempty"`
	Recorded money.Amount `json:"recorded,omitempty"`
	Said     money.Amount `json:"said,omitempty"`
}

// NotComparable are refunds that no bill of trades has, or whose bill could not be had.
type NotComparable struct {
	Kind     store.Kind `json:"kind"`
	Merchant string     `json:"merchant,omitempty"`
	Sum
	// Why is empty for the kinds of which Alipay's bill of trades does not tell.
	Why string `json:"why,omitempty"`
}

// Why a day could not be audited.
var (
	// ErrNoBillRead: no bill of the day could be had, for the reasons that it wraps.
	ErrNoBillRead = errors.New("alirefund: no bill of the day could be read")
	// ErrAuditing: another process audits the day just now.
	ErrAuditing = errors.New("alirefund: the day is being audited already")
	// ErrOtherBill: bill and ledger have next to nothing in common.
	ErrOtherBill = errors.New("alirefund: the bill seems to be another merchant's")
	// ErrNotAudited: nobody has audited the day.
	ErrNotAudited = errors.New("alirefund: the day was not audited")
)
