// Package alirefund is the one module that a Gin application mounts when it has
// to refund through Alipay: trade refunds (alipay.trade.refund), returns of red
// packets (alipay.fund.coupon.order.refund), releases of pre-authorisations
// (alipay.fund.auth.order.unfreeze), and the notifications of all three.
//
// It keeps one promise: one refund, one callback. Money moves at most once per
// request number, and the host hears of it when it is true, whichever way that
// became known: the call's own answer, a signed notification, or a query.
//
//	m, err := alirefund.New(alirefund.Config{
//		App:   alirefund.App{ID: appID, Signer: sign, Verifier: verify, NotifyURL: "https://shop.example/alipay/notify"},
//		Store: store.NewMemory(),
//		OnRefundSucceeded: func(ctx context.Context, e alirefund.RefundSucceeded) error {
//			return orders.MarkRefunded(ctx, e.Refund)
//		},
//	})
//	m.MountRefunds(r.Group("/alipay"), requireStaff)
//	m.MountNotify(r.Group("/alipay"))
//	go m.Run(ctx)
//
// # Three outcomes
//
// A refund succeeds, fails, or is unresolved: the call timed out, or its answer
// proves nothing. Unresolved is neither of the other two. The record and its
// number are stored before anything is sent, and what follows is a question
// under the same number, never a new one. Only fund_change=Y, a matching query
// or a signed notification is a success; code 10000 alone is not.
//
// # Callbacks
//
// A hook of [Config] is called at least once for its event, with the event's
// facts, and is not called again after it returned nil. Hooks should be
// idempotent by Refund.ID: a crash between the hook and its being recorded
// repeats it.
//
// # Routes
//
//	POST {refunds}/refunds              refund a trade
//	POST {refunds}/coupon-refunds       return a red packet
//	POST {refunds}/unfreezes            release a pre-authorisation
//	GET  {refunds}/refunds              the refunds, by order, state and time
//	GET  {refunds}/refunds/:id          what is known of a refund, asking Alipay if it is unresolved
//	POST {refunds}/refunds/:id/approve  a second person approves a refund, where [Config].NeedsApproval says so
//	POST {refunds}/refunds/:id/decline  a person declines it
//	GET  {refunds}/audits               the days that were held against Alipay's bill
//	GET  {refunds}/audits/:day          what was found about one, also as CSV
//	POST {notify}/notify                Alipay's notifications
//	POST {notify}/gateway               the messages to the application's gateway
//
// One module serves several applications with [Config].Apps: a refund names its own by a
// parameter :app of the group's path, or the guard does by [SetApp], and notifications are
// told apart by their app_id, and come to {notify}/notify/:app and {notify}/gateway/:app,
// too.
//
// The refund's life itself stands in package engine, which knows nothing of Gin:
// a worker or a cron job uses that alone. This package is its Gin face, and
// repeats the names that a host needs.
package alirefund

import (
	"context"

	"github.com/alirefund/alirefund/engine"
	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/store"
)

// Module is an [engine.Engine], which refunds, listens and delivers, with routes
// for Gin. Make it with [New]. It is safe for concurrent use.
//
// Most of its methods are those of the engine, with which go doc shows them (go doc
// engine.Engine.Audit):
//
//   - Refund, CouponRefund, Unfreeze and Check: what the routes do, in Go
//   - Get, Recorded, List, Ask: look refunds up
//   - Approve, Decline, Resolve: a person's word
//   - Run, Drain, Close: from start to stop; Health and Backlog: how it is
//   - Replay, ReplayTo, Redeliver: tell once more
//   - Audit, AuditOf, Audits: Alipay's bill
//   - For, Applications: of several applications
//   - Receive, ReceiveFor, Handle: notifications, without Gin
type Module struct {
	*engine.Engine
	several bool // applications: Config.Apps is set
}

// New checks the whole configuration and returns a module, or every
// [*ConfigError] at once, joined. It opens no connection and never panics. It logs
// a certificate that ends within 30 days.
func New(config Config) (*Module, error) {
	e, err := engine.New(config)
	if err != nil {
		return nil, err
	}
	return &Module{Engine: e, several: config.Apps != nil}, nil
}

// What a host names, all of it package engine's.
type (
	Config        = engine.Config
	App           = engine.App
	Times         = engine.Times
	Order         = engine.Order
	CouponProduct = engine.CouponProduct

	RefundRequest       = engine.RefundRequest
	CouponRefundRequest = engine.CouponRefundRequest
	UnfreezeRequest     = engine.UnfreezeRequest
	Result              = engine.Result

	Health = engine.Health

	Observer  = engine.Observer
	Operation = engine.Operation
	Ended     = engine.Ended
	Change    = engine.Change

	RefundSucceeded  = engine.RefundSucceeded
	RefundFailed     = engine.RefundFailed
	RefundUnresolved = engine.RefundUnresolved
	DepositBack      = engine.DepositBack
	Subscriber       = engine.Subscriber
	Delivery         = engine.Delivery

	Audit          = engine.Audit
	Verdict        = engine.Verdict
	Sum            = engine.Sum
	Difference     = engine.Difference
	DifferenceKind = engine.DifferenceKind
	NotComparable  = engine.NotComparable

	ConfigError     = engine.ConfigError
	ValidationError = engine.ValidationError
	FieldError      = engine.FieldError
	ConflictError   = engine.ConflictError
	LimitError      = engine.LimitError
	VetoError       = engine.VetoError
	ReasonError     = engine.ReasonError
	RefusedError    = engine.RefusedError
	UnresolvedError = engine.UnresolvedError
	Text            = engine.Text

	AwaitingApprovalError = engine.AwaitingApprovalError
	UnapprovedError       = engine.UnapprovedError
	NotAwaitingError      = engine.NotAwaitingError
)

// What an audit says, and in what a bill and the ledger differ; see package engine.
const (
	AuditAgreed  = engine.AuditAgreed
	AuditPartly  = engine.AuditPartly
	AuditOpen    = engine.AuditOpen
	AuditDiffers = engine.AuditDiffers

	DiffersRecorded   = engine.DiffersRecorded
	DiffersUnproven   = engine.DiffersUnproven
	DiffersUnanswered = engine.DiffersUnanswered
	DiffersUnresolved = engine.DiffersUnresolved
	DiffersAmount     = engine.DiffersAmount
	DiffersTwice      = engine.DiffersTwice
	DiffersWaiting    = engine.DiffersWaiting
	DiffersMissing    = engine.DiffersMissing
)

// The products of red packets; see package engine.
const (
	CouponOrderRefund = engine.CouponOrderRefund
	FundTransRefund   = engine.FundTransRefund
)

// What [Module.Refund] and its like end in, besides success; see package engine.
var (
	ErrUnresolved  = engine.ErrUnresolved
	ErrNothingSent = engine.ErrNothingSent
	ErrNotPending  = engine.ErrNotPending
	ErrStore       = engine.ErrStore

	ErrNoBillRead = engine.ErrNoBillRead
	ErrAuditing   = engine.ErrAuditing
	ErrOtherBill  = engine.ErrOtherBill
	ErrNotAudited = engine.ErrNotAudited

	ErrAwaitingApproval = engine.ErrAwaitingApproval
	ErrNoActor          = engine.ErrNoActor
	ErrSelfApproval     = engine.ErrSelfApproval

	ErrUnknownApp     = engine.ErrUnknownApp
	ErrAppUnavailable = engine.ErrAppUnavailable
)

// Above is a [Config].NeedsApproval: every refund of more than sum wants a second person's
// approval.
func Above(sum money.Amount) func(context.Context, store.Refund) (bool, error) {
	return engine.Above(sum)
}
