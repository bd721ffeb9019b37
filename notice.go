package alirefund

import (
	"context"
	"errors"
	"fmt"

	"github.com/alirefund/alirefund/notify"
)

// errUnhandled: nobody took the notification, so nobody acknowledges it.
var errUnhandled = errors.New("alirefund: nobody handles this notification: set Config.OnNotification, or mount Notifications before the handler that does")

// errBusy: another delivery of the notification is being handled just now.
var errBusy = errors.New("alirefund: the notification is being handled already")

// errUnsettled: what the notification tells could not be settled yet.
var errUnsettled = errors.New("alirefund: the notification's refund is not settled and told yet")

// errNoDepositBack is errUnhandled for a deposit-back.
var errNoDepositBack = errors.New("alirefund: nobody handles this deposit-back: set Config.OnDepositBack")

// errHookFailed: Config.OnNotification or Config.OnDepositBack returned an error.
var errHookFailed = errors.New("alirefund: the notification's hook failed")

// maxRows bounds what is read of one order's refunds.
const maxRows = 1000

// receive handles one verified notification, once: claim, do, complete. It
// returns nil if the notification is to be acknowledged. other handles what is
// no refund; it returns nil only if that was handled.
//
// An error, or a panic in other, releases the claim, so that Alipay's next
// delivery is handled afresh.
func (m *Module) receive(ctx context.Context, n *notify.Notification, other func(context.Context) error) (err error) {
	ctx, cancel := m.detach(ctx)
	defer cancel()
	key := m.config.App.ID + "/" + n.ID
	token, done, err := m.claims.Claim(ctx, key, m.patience())
	switch {
	case err != nil:
		return storeFailed(err)
	case done:
		return nil
	case token == "":
		return errBusy
	}
	handled := false
	defer func() {
		if handled {
			return
		}
		if failed := m.mark(ctx, func(ctx context.Context) error {
			_, err := m.claims.Release(ctx, key, token)
			return err
		}); failed != nil {
			m.log.ErrorContext(ctx, "a notification's claim could not be released; it runs out by itself", "notify_id", n.ID, "error", failed)
		}
	}()

	switch n.Kind {
	case notify.KindTradeRefund:
		err = m.tradeNotice(ctx, n)
	case notify.KindCouponRefund:
		err = m.couponNotice(ctx, n, m.couponWord(n), other)
	case notify.KindDepositBack:
		err = m.depositBack(ctx, n)
	case notify.KindMessage:
		err = m.message(ctx, n, other)
	default:
		err = other(ctx)
	}
	if err != nil {
		return err
	}
	if err = m.mark(ctx, func(ctx context.Context) error {
		_, err := m.claims.Complete(ctx, key, token, completed)
		return err
	}); err != nil {
		return storeFailed(err)
	}
	handled = true
	return nil
}

// hook hands a notification to Config.OnNotification.
func (m *Module) hook(ctx context.Context, n *notify.Notification) error {
	if m.config.OnNotification == nil {
		return errUnhandled
	}
	err := m.guarded(ctx, func(ctx context.Context) error { return m.config.OnNotification(ctx, n) })
	if err != nil {
		return fmt.Errorf("%w: %w", errHookFailed, err)
	}
	return nil
}
