package engine

import (
	"context"
	"fmt"
	"net/http"

	"github.com/alirefund/alirefund/explain"
	"github.com/alirefund/alirefund/notify"
)

// Receive opens the notification that a request holds: it verifies, checks that it
// is this application's, and reads, as [notify.Receiver.Receive] does, with its
// errors. It handles nothing yet. The body, as far as it was read, is for the caller
// to put back. What it refuses it counts ([Engine.RefusedNotifications]), and logs
// once a minute.
func (e *Engine) Receive(r *http.Request) (*notify.Notification, error) {
	n, err := e.receiver.Receive(r)
	if err != nil {
		e.refusals.note(r.Context(), e.log, err)
	}
	return n, err
}

// RefusedNotifications returns how many notifications [Engine.Receive] refused since
// [New], as forged, damaged, read before by another handler, or not for this
// application: for a metric. The log has at most one line a minute about them.
func (e *Engine) RefusedNotifications() uint64 { return e.refusals.count() }

// Diagnose logs why a body was refused with err, by a cause that has a page, at
// most once a day for each cause. It changes nothing: what failed stays refused.
func (e *Engine) Diagnose(ctx context.Context, body []byte, err error) {
	e.diagnoses.diagnose(ctx, e.log, explain.Keys{
		Alipay: e.config.App.Verifier, App: e.config.App.Signer.Public(), AppID: e.config.App.ID,
	}, body, err)
}

// Handle handles one verified notification, once: claim, do, complete. It returns
// nil if the notification is to be acknowledged, by the seven bytes success.
// Refunds and deposit-backs it deals with itself. other handles what is neither,
// and returns nil only if that was handled; nil stands for Config.OnNotification.
//
// It fails with [ErrUnhandled], [ErrBusy], [ErrUnsettled], [ErrHookFailed],
// [ErrStore], or other's own error. An error, or a panic in other, releases the
// claim, so that Alipay's next delivery is handled afresh.
func (e *Engine) Handle(ctx context.Context, n *notify.Notification, other func(context.Context) error) (err error) {
	if other == nil {
		other = func(ctx context.Context) error { return e.hook(ctx, n) }
	}
	ctx, cancel := e.detach(ctx)
	defer cancel()
	key := e.config.App.ID + "/" + n.ID
	token, done, err := e.claims.Claim(ctx, key, e.patience())
	switch {
	case err != nil:
		return storeFailed(err)
	case done:
		return nil
	case token == "":
		return ErrBusy
	}
	handled := false
	defer func() {
		if handled {
			return
		}
		if failed := persist(ctx, func(ctx context.Context) error {
			_, err := e.claims.Release(ctx, key, token)
			return err
		}); failed != nil {
			e.log.ErrorContext(ctx, "a notification's claim could not be released; it runs out by itself", "notify_id", n.ID, "error", failed)
		}
	}()

	if err = e.dispatch(ctx, n, other); err != nil {
		return err
	}
	if err = persist(ctx, func(ctx context.Context) error {
		_, err := e.claims.Complete(ctx, key, token, keepNotifyID)
		return err
	}); err != nil {
		return storeFailed(err)
	}
	handled = true
	return nil
}

// dispatch gives the notification to the product that it tells of.
func (e *Engine) dispatch(ctx context.Context, n *notify.Notification, other func(context.Context) error) error {
	if n.Kind == notify.KindDepositBack {
		return e.depositBack(ctx, n)
	}
	for _, p := range e.products {
		if p.tells(n) {
			return p.notified(ctx, n, other)
		}
	}
	if n.Message() == notify.MessageDepositBack {
		_, err := n.DepositBack()
		e.log.WarnContext(ctx, "a deposit-back cannot be read; it is handled as any other message", "notify_id", n.ID, "error", err)
	}
	return other(ctx)
}

// hook hands a notification to Config.OnNotification.
func (e *Engine) hook(ctx context.Context, n *notify.Notification) error {
	if e.config.OnNotification == nil {
		return errNoHook
	}
	err := e.guarded(ctx, func(ctx context.Context) error { return e.config.OnNotification(ctx, n) })
	if err != nil {
		return fmt.Errorf("%w: %w", ErrHookFailed, err)
	}
	return nil
}
