package engine

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"

	"github.com/alirefund/alirefund/explain"
	"github.com/alirefund/alirefund/notify"
	"github.com/alirefund/alirefund/store"
)

// Receive opens the notification that a request holds: it verifies, checks that it
// is this application's, and reads, as [notify.Receiver.Receive] does, with its
// errors, and like it puts the body back. With Config.Apps the engine of [New] receives
// for all applications: the app_id in the body chooses by whose keys it is verified, and
// nothing else; one that nobody knows is [notify.ErrNotOurs], and it may fail with
// [ErrAppUnavailable], too. It handles nothing yet. What it refuses it counts
// ([Engine.RefusedNotifications]), logs once a minute, and says why, by a cause that has a
// page, at most once a day for each cause; not of an application that nobody has heard of.
func (e *Engine) Receive(r *http.Request) (*notify.Notification, error) {
	if e.base {
		return e.ReceiveFor(r, "")
	}
	return e.ReceiveFor(r, e.app.ID)
}

// ReceiveFor is [Engine.Receive] at an address that is one application's: what names
// another is [notify.ErrNotOurs]. Empty: the address is everybody's.
func (e *Engine) ReceiveFor(r *http.Request, appID string) (*notify.Notification, error) {
	body, err := notify.ReadBody(r)
	var n *notify.Notification
	if err == nil {
		n, err = e.receive(r.Context(), body, appID)
	}
	if err != nil {
		e.refusals.note(r.Context(), e.log, err)
		e.noticeRefused(r.Context(), err)
		e.diagnose(r.Context(), body, err)
	}
	return n, err
}

func (e *Engine) receive(ctx context.Context, body []byte, appID string) (*notify.Notification, error) {
	if e.config.Apps == nil {
		if appID != "" && appID != e.app.ID {
			return nil, fmt.Errorf("%w: the address is that of app_id %.32q", notify.ErrNotOurs, appID)
		}
		return e.receiver.Open(body)
	}
	named, err := notify.UnverifiedAppID(body)
	switch {
	case err != nil:
		return nil, err
	case appID != "" && named != "" && named != appID:
		return nil, fmt.Errorf("%w: app_id is %.32q, and the address is that of %.32q", notify.ErrNotOurs, named, appID)
	}
	appID = cmp.Or(appID, named, e.config.App.ID)
	if appID == "" {
		return nil, fmt.Errorf("%w: app_id is missing", notify.ErrNotOurs)
	}
	v, err := e.of(ctx, appID, appsAge, true)
	if errors.Is(err, ErrUnknownApp) {
		return nil, fmt.Errorf("%w: app_id %.32q is unknown to Config.Apps", notify.ErrNotOurs, appID)
	}
	if err != nil {
		return nil, err
	}
	n, err := v.receiver.Open(body)
	if !errors.Is(err, notify.ErrSignature) {
		return n, err
	}
	// Perhaps Config.Apps has new keys.
	if now, failed := e.of(ctx, appID, appsDoubted, true); failed == nil && now.app.Verifier != v.app.Verifier {
		return now.receiver.Open(body)
	}
	return nil, err
}

// diagnose says why a body was refused with err.
func (e *Engine) diagnose(ctx context.Context, body []byte, err error) {
	a := e.application
	if e.base && e.config.Apps != nil {
		if named, _ := notify.UnverifiedAppID(body); named != "" && named != e.app.ID {
			a = e.apps.last(named)
		}
	}
	if a == nil || a.lost != nil {
		return
	}
	e.diagnoses.diagnose(ctx, a.log, explain.Keys{
		Alipay: a.app.Verifier, App: a.app.Signer.Public(), AppID: a.app.ID,
	}, body, err)
}

// RefusedNotifications returns how many notifications [Engine.Receive] refused since
// [New], as forged, damaged, read before by another handler, or not for this
// application: for a metric. The log has at most one line a minute about them.
func (e *Engine) RefusedNotifications() uint64 { return e.refusals.count() }

// Handle handles one verified notification, once: claim, do, complete. It returns
// nil if the notification is to be acknowledged, by the seven bytes success.
// Refunds and deposit-backs it deals with itself. other handles what is neither,
// and returns nil only if that was handled; nil stands for Config.OnNotification.
//
// It is handled for the application that received it, and for no other: with Config.Apps,
// the engine of [New] turns to that one's.
//
// It fails with [ErrUnhandled], [ErrBusy], [ErrUnsettled], [ErrHookFailed],
// [ErrStore], or other's own error; with Config.Apps also with [notify.ErrNotOurs],
// [ErrUnknownApp] or [ErrAppUnavailable]. An error, or a panic in other, releases the
// claim, so that Alipay's next delivery is handled afresh.
func (e *Engine) Handle(ctx context.Context, n *notify.Notification, other func(context.Context) error) (err error) {
	if e, err = e.addressee(ctx, n); err != nil {
		return err
	}
	ctx, cancel := e.detach(ctx)
	defer cancel()
	known, returned := false, false
	ctx, ended := e.observe(ctx, Operation{Op: OpNotice, Notice: string(n.Kind), NotifyID: n.ID})
	defer func() { ended(noticeEnded(known, returned && err == nil, err)) }()
	known, err = e.handle(ctx, n, other)
	returned = true
	return err
}

// addressee is the engine of the application that a notification is for.
func (e *Engine) addressee(ctx context.Context, n *notify.Notification) (*Engine, error) {
	if e.config.Apps == nil {
		return e, nil
	}
	id := cmp.Or(n.Receiver(), n.AppID(), e.app.ID)
	switch {
	case id == e.app.ID && e.lost == nil:
		return e, nil
	case !e.base || n.AppID() != "" && n.AppID() != id:
		return nil, fmt.Errorf("%w: it was received for app_id %.32q", notify.ErrNotOurs, id)
	}
	return e.For(ctx, id)
}

// handle is Handle, and tells whether the notification was known: handled before.
func (e *Engine) handle(ctx context.Context, n *notify.Notification, other func(context.Context) error) (known bool, err error) {
	if other == nil {
		other = func(ctx context.Context) error { return e.hook(ctx, n) }
	}
	claimed := store.Notice{Key: e.app.ID + "/" + n.ID, Lease: e.patience(), Keep: keepNotifyID}
	if memory, ok := e.ledger.(interface{ Knows(key string) bool }); ok && memory.Knows(claimed.Key) {
		return true, nil
	}
	look, cancel := looking(ctx)
	defer cancel()
	if r, s, plain := e.plain(look, n); plain {
		claimed.Token = rand.Text()
		if err := e.handlePlain(ctx, claimed, r, s); !errors.Is(err, store.ErrTaken) {
			return false, err
		}
		look, cancel = looking(ctx) // that may have taken long
		defer cancel()
	}
	token, done, err := e.ledger.Claim(look, claimed.Key, claimed.Lease)
	switch {
	case err != nil:
		return false, storeFailed(err)
	case done:
		return true, nil
	case token == "":
		return false, ErrBusy
	}
	claimed.Token = token
	return false, e.whileClaimed(ctx, claimed, func() (completed bool, err error) { return false, e.dispatch(ctx, n, other) })
}

// handlePlain handles a notification that tells the success s of one refund: claimed
// and settled in one step, told and completed in another. It fails with
// [store.ErrTaken], and does nothing, if somebody else handles it or has done so.
func (e *Engine) handlePlain(ctx context.Context, claimed store.Notice, r store.Refund, s store.Settlement) error {
	c := newClaimAtOnce()
	c.notice = claimed
	r, err := e.settle(ctx, r, c, s)
	if err != nil {
		return err
	}
	return e.whileClaimed(ctx, claimed, func() (bool, error) {
		if err := e.deliverAll(ctx, []store.Refund{r}, c); err != nil {
			return false, err // a hook that still runs may complete it yet
		}
		return c.done, nil
	})
}

// whileClaimed handles what is claimed, and completes or releases it, unless handling
// it has completed it.
func (e *Engine) whileClaimed(ctx context.Context, claimed store.Notice, handle func() (completed bool, err error)) (err error) {
	handled := false
	defer func() {
		if handled {
			return
		}
		if failed := persist(ctx, func(ctx context.Context) error {
			_, err := e.ledger.Release(ctx, claimed.Key, claimed.Token)
			return err
		}); failed != nil {
			e.log.ErrorContext(ctx, "a notification's claim could not be released; it runs out by itself", "key", claimed.Key, "error", failed)
		}
	}()
	completed, err := handle()
	if err != nil {
		return err
	}
	if !completed {
		held := false
		ctx, cancel := lasting(ctx)
		defer cancel()
		if err = retry(ctx, func(ctx context.Context) (err error) {
			held, err = e.ledger.Complete(ctx, claimed.Key, claimed.Token, claimed.Keep)
			return err
		}); err != nil {
			return storeFailed(err)
		}
		if !held {
			e.leaseLost(ctx, "notification", store.Refund{})
		}
	}
	handled = true
	return nil
}

// plain returns the refund whose success a notification tells, if it tells nothing
// else, and nobody has to be asked. It changes nothing.
func (e *Engine) plain(ctx context.Context, n *notify.Notification) (r store.Refund, s store.Settlement, plain bool) {
	for _, p := range e.products {
		if p.tells(n) && p.plain != nil {
			return p.plain(ctx, n)
		}
	}
	return store.Refund{}, store.Settlement{}, false
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
	err := e.guarded(ctx, hookOf("notification", store.Refund{}), func(ctx context.Context) error { return e.config.OnNotification(ctx, n) })
	if err != nil {
		return fmt.Errorf("%w: %w", ErrHookFailed, err)
	}
	return nil
}
