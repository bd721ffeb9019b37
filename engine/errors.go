package engine

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/store"
)

// The conditions that [Engine.Refund] and its like end in, besides success.
var (
	// ErrUnresolved: nobody knows yet whether the money moved. Ask again, with
	// [Engine.Get] or by repeating the same request; never with a new number.
	ErrUnresolved = errors.New("alirefund: unresolved: the refund may have happened; keep its number and ask again")
	// ErrNothingSent: nothing was sent to Alipay. Repeat the same request.
	ErrNothingSent = errors.New("alirefund: nothing was sent; repeat the same request")
	// ErrAwaitingApproval: the refund is recorded, and nothing is sent before a second
	// person approves it.
	ErrAwaitingApproval = errors.New("alirefund: the refund awaits a second person's approval; nothing was sent")
)

// UnresolvedError is [ErrUnresolved] with the refund.
type UnresolvedError struct {
	Refund     store.Refund
	InProgress bool // another call is sending it at this moment
}

func (e *UnresolvedError) Error() string { return ErrUnresolved.Error() }

// Unwrap returns [ErrUnresolved].
func (e *UnresolvedError) Unwrap() error { return ErrUnresolved }

// AwaitingApprovalError is [ErrAwaitingApproval] with the refund.
type AwaitingApprovalError struct{ Refund store.Refund }

func (e *AwaitingApprovalError) Error() string { return ErrAwaitingApproval.Error() }

// Unwrap returns [ErrAwaitingApproval].
func (e *AwaitingApprovalError) Unwrap() error { return ErrAwaitingApproval }

// UnapprovedError: the refund was declined, or not approved in time. Nothing was sent.
type UnapprovedError struct{ Refund store.Refund }

func (e *UnapprovedError) Error() string {
	if e.Refund.Declined() {
		return "alirefund: the refund was declined: " + e.Refund.Message
	}
	return "alirefund: nobody approved the refund in time; the same request asks anew"
}

// NotAwaitingError: the refund does not await approval, or not any more: Refund says what
// has become of it.
type NotAwaitingError struct{ Refund store.Refund }

func (e *NotAwaitingError) Error() string {
	return "alirefund: the refund awaits no approval: it is " + string(e.Refund.State)
}

// Why an approval cannot be asked for or given.
var (
	// ErrNoActor: the refund wants a second person's approval, and the one who asks, or
	// decides, is not named.
	ErrNoActor = errors.New("alirefund: approval wants to know who asks, and nobody is named: the guard is to call SetActor")
	// ErrSelfApproval: who asked for the refund must not approve it.
	ErrSelfApproval = errors.New("alirefund: who asked for the refund must not approve it")
)

// RefusedError is Alipay's definite refusal: nothing moved.
type RefusedError struct{ Refund store.Refund }

func (e *RefusedError) Error() string {
	return strings.TrimRight("alirefund: Alipay refused the refund: "+e.Refund.Code+" "+e.Refund.SubCode+" "+e.Refund.Message, " ")
}

// VetoError: Config.BeforeRefund refused the refund; nothing was recorded.
type VetoError struct{ Err error }

func (e *VetoError) Error() string { return "alirefund: vetoed: " + e.Err.Error() }

// Unwrap returns the host's error.
func (e *VetoError) Unwrap() error { return e.Err }

// ReasonError is for Config.BeforeRefund to return: why it refuses, for the caller, in
// both languages. The routes answer 403, or 429 with Retry-After where After is set.
type ReasonError struct {
	Reason Text
	After  time.Duration // when the same request may pass; 0: waiting does not help
}

func (e *ReasonError) Error() string { return e.Reason.En }

// ConflictError: the request number belongs to a refund of other content.
type ConflictError struct {
	Refund  store.Refund // the recorded one
	Differs []string     // the fields that differ
}

func (e *ConflictError) Error() string {
	return "alirefund: the request number was used for another refund; these differ: " + strings.Join(e.Differs, ", ")
}

// LimitError: the order has not that much left to refund.
type LimitError struct {
	Amount, Left, Total money.Amount
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("alirefund: %s is more than the %s that are left of the order's %s", e.Amount, e.Left, e.Total)
}

// ValidationError lists every field of a request that is wrong.
type ValidationError struct{ Fields []FieldError }

func (e *ValidationError) Error() string {
	texts := make([]string, len(e.Fields))
	for i, f := range e.Fields {
		texts[i] = f.Detail.En
	}
	return "alirefund: invalid request: " + strings.Join(texts, "; ")
}

// FieldError is one wrong field.
type FieldError struct {
	Pointer string // RFC 6901, as the caller wrote the field: /refundAmount
	Rule    string // such as required, max, amount, type
	Detail  Text
}

func invalid(pointer, rule string, detail Text) *ValidationError {
	return &ValidationError{Fields: []FieldError{{Pointer: pointer, Rule: rule, Detail: detail}}}
}

// Text is a sentence for people in both languages of this module.
type Text struct{ En, Zh string }

// In returns the sentence in Chinese, or in English.
func (t Text) In(zh bool) string {
	if zh {
		return t.Zh
	}
	return t.En
}

// ErrStore: the store failed. Try the same again. Of a refund nobody knows whether it is
// recorded; if it is, it will be made.
var ErrStore = errors.New("alirefund: the store failed")

func storeFailed(err error) error { return fmt.Errorf("%w: %w", ErrStore, err) }

// nothingSent wraps a cause with [ErrNothingSent].
func nothingSent(what string, err error) error {
	return fmt.Errorf("%w: %s: %w", ErrNothingSent, what, err)
}

// Why an application cannot be had.
var (
	// ErrUnknownApp: there is no such application here. Config.Apps returns it of an
	// app_id that it does not know.
	ErrUnknownApp = errors.New("alirefund: the application is not known")
	// ErrAppUnavailable: Config.Apps failed. Try the same again.
	ErrAppUnavailable = errors.New("alirefund: the application cannot be had now")
)

var (
	errNoApp     = fmt.Errorf("%w: no app_id is given, and Config.App is empty; Engine.For is for one that is named", ErrUnknownApp)
	errStrangers = fmt.Errorf("%w: too many notifications name applications that nobody knows", ErrAppUnavailable)
)

func unknownApp(id string) error { return fmt.Errorf("%w: app_id %.32q", ErrUnknownApp, id) }

// ErrNotPending: a person's decision is wanted for a refund that is settled.
var ErrNotPending = errors.New("alirefund: the refund is not unresolved")

// Why [Engine.Handle] does not acknowledge a notification.
var (
	// ErrUnhandled: nobody took the notification, so nobody acknowledges it.
	ErrUnhandled = errors.New("alirefund: nobody handles this notification")
	// ErrBusy: another delivery of the notification is being handled just now.
	ErrBusy = errors.New("alirefund: the notification is being handled already")
	// ErrUnsettled: what the notification tells could not be settled yet.
	ErrUnsettled = errors.New("alirefund: the notification's refund is not settled and delivered yet")
	// ErrHookFailed: Config.OnNotification or Config.OnDepositBack returned an
	// error, which this wraps.
	ErrHookFailed = errors.New("alirefund: the notification's hook failed")
)

var (
	errNoHook        = fmt.Errorf("%w: set Config.OnNotification, or mount Notifications before the handler that does", ErrUnhandled)
	errNoDepositHook = fmt.Errorf("%w: a deposit-back; set Config.OnDepositBack", ErrUnhandled)
)

// errTokenLost: the merchant's app_auth_token came with a request of an earlier
// process, and nobody can say it again.
var errTokenLost = errors.New("the merchant's app_auth_token is not known any more; repeating the request with it would settle the refund")
