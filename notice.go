package alirefund

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/notify"
	"github.com/alirefund/alirefund/store"
)

// errUnhandled: nobody took the notification, so nobody acknowledges it.
var errUnhandled = errors.New("alirefund: nobody handles this notification: set Config.OnNotification, or mount Notifications before the handler that does")

// errBusy: another delivery of the notification is being handled just now.
var errBusy = errors.New("alirefund: the notification is being handled already")

// errUnsettled: what the notification tells could not be settled yet.
var errUnsettled = errors.New("alirefund: the notification's refund is not settled and told yet")

// errHookFailed: Config.OnNotification returned an error.
var errHookFailed = errors.New("alirefund: OnNotification failed")

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
		err = m.couponNotice(ctx, n, other)
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

// tradeNotice settles what a notice of a trade's refund is about. Such a notice
// proves that a refund happened; its refund_fee is the trade's in all, so that
// the amount comes from the ledger or from a query.
func (m *Module) tradeNotice(ctx context.Context, n *notify.Notification) error {
	rows, err := m.rows(ctx, n, store.Filter{Kind: store.Trade, OutTradeNo: n.OutTradeNo()})
	if err != nil {
		return err
	}
	number := n.OutBizNo()
	if number == n.TradeNo() && number != "" && len(matching(rows, number)) == 0 && n.OutTradeNo() != "" {
		number = n.OutTradeNo() // refunded by trade_no without a number of its own: the order's is it
	}
	if number == "" {
		return m.unnumberedNotice(ctx, n, rows)
	}
	found := matching(rows, number)
	switch {
	case n.OutTradeNo() == "":
		return m.foreign(ctx, m.tradeRefund(n, number).IdentifyBy("notify_id", n.ID))
	case len(found) == 0:
		return m.foreign(ctx, m.tradeRefund(n, number).Identify())
	case len(found) > 1: // one number at several merchants of the application
		return m.askEach(ctx, found)
	}
	r := found[0]
	if r.State != store.Succeeded {
		total, known := n.RefundFee()
		contradicted := known && total < r.Amount || // less than this refund alone
			r.State == store.Pending && r.Attention != "" || // another refund was seen under the number
			n.AuthAppID() != "" && r.Merchant != m.merchantOf(n) // perhaps another merchant's
		if contradicted || r.State == store.Failed {
			return m.doubt(ctx, n, r, contradicted)
		}
	}
	s := store.Settlement{Source: store.ByNotice, Finding: store.Success, TradeNo: strings.Clone(n.TradeNo())}
	if r.Amount == 0 {
		s.Amount = m.amountOf(ctx, r)
	}
	return m.settleNotice(ctx, r, s)
}

// doubt asks what was refunded under a number whose notice may be of another
// refund: the number's may have failed here and been refunded elsewhere. What
// proves to be another is told as a refund of its own. If Alipay does not say, the
// notice is believed, unless something contradicts it.
func (m *Module) doubt(ctx context.Context, n *notify.Notification, r store.Refund, contradicted bool) error {
	switch amount := m.amountOf(ctx, r); {
	case amount == r.Amount && amount != 0:
		return m.settleNotice(ctx, r, store.Settlement{Source: store.ByQuery, Finding: store.Success, TradeNo: strings.Clone(n.TradeNo())})
	case amount != 0 && r.State == store.Failed:
		other := m.tradeRefund(n, r.OutRequestNo)
		other.Amount = amount
		return m.foreign(ctx, other.IdentifyBy("notify_id", n.ID))
	case amount == 0 && !contradicted:
		return m.settleNotice(ctx, r, store.Settlement{Source: store.ByNotice, Finding: store.Success, TradeNo: strings.Clone(n.TradeNo())})
	}
	if err := m.askEach(ctx, []store.Refund{r}); err != nil || r.State != store.Failed {
		return err
	}
	return errUnsettled
}

// unnumberedNotice: without out_biz_no any of the order's refunds may be meant.
func (m *Module) unnumberedNotice(ctx context.Context, n *notify.Notification, rows []store.Refund) error {
	var pending, settled []store.Refund
	unclear := false
	for _, r := range rows {
		switch r.State {
		case store.Pending:
			pending = append(pending, r)
		case store.Succeeded:
			settled = append(settled, r)
		}
	}
	for _, r := range pending {
		r, found := m.ask(ctx, r)
		switch {
		case r.State == store.Succeeded:
			settled = append(settled, r)
		case r.State == store.Pending && !found:
			unclear = true
		}
	}
	if err := m.tell(ctx, settled); err != nil {
		return err
	}
	if fee, known := n.RefundFee(); known && explained(settled, fee) {
		return nil // it tells of what is known
	}
	if unclear {
		return errUnsettled
	}
	r := m.tradeRefund(n, "")
	if at := n.Get("gmt_refund"); at != "" { // the same event may come under another notify_id
		return m.foreign(ctx, r.IdentifyBy("refunded", n.OutTradeNo(), n.TradeNo(), at, n.Get("refund_fee")))
	}
	return m.foreign(ctx, r.IdentifyBy("notify_id", n.ID))
}

// explained tells whether fee is what some of these refunds add up to: it was
// the trade's total when the notice was caused, before others of them perhaps.
func explained(settled []store.Refund, fee money.Amount) bool {
	const most = 12 // of the latest; their sums are all tried
	settled = settled[max(0, len(settled)-most):]
	sums := map[money.Amount]bool{0: true}
	for _, r := range settled {
		for sum := range maps.Clone(sums) {
			if sum+r.Amount <= fee {
				sums[sum+r.Amount] = true
			}
		}
	}
	return fee > 0 && sums[fee]
}

// couponNotice settles what a notice of a red packet's refund is about. One
// without a usable identity is a refund of its own, told apart by its notify_id.
func (m *Module) couponNotice(ctx context.Context, n *notify.Notification, other func(context.Context) error) error {
	var rows []store.Refund
	for _, f := range []store.Filter{
		{Kind: store.Coupon, OutRequestNo: n.OutRequestNo()},
		{Kind: store.Coupon, OperationID: n.OperationID()},
	} {
		if len(rows) > 0 || f.OutRequestNo == "" && f.OperationID == "" {
			continue
		}
		var err error
		if rows, err = m.rows(ctx, n, f); err != nil {
			return err
		}
	}
	amount, known := n.Amount()
	r := store.Refund{
		Kind: store.Coupon, App: m.config.App.ID, Merchant: m.merchantOf(n),
		AuthNo: strings.Clone(n.AuthNo()), OutOrderNo: strings.Clone(n.OutOrderNo()),
		OperationID: strings.Clone(n.OperationID()), OutRequestNo: strings.Clone(n.OutRequestNo()), Amount: amount,
	}
	switch {
	case !n.Succeeded() && len(rows) == 0:
		return other(ctx)
	case !n.Succeeded() || len(rows) > 1:
		return m.askEach(ctx, rows)
	case len(rows) == 1 && known && rows[0].Amount != 0 && rows[0].Amount != amount:
		asked, err := m.settle(ctx, rows[0], store.Settlement{
			Source: store.ByNotice, Attention: "a notice of this number speaks of " + amount.String(),
		})
		if err != nil {
			return err
		}
		return m.askEach(ctx, []store.Refund{asked})
	case len(rows) == 1:
		return m.settleNotice(ctx, rows[0], store.Settlement{
			Source: store.ByNotice, Finding: store.Success,
			OutOrderNo: r.OutOrderNo, OperationID: r.OperationID, Amount: amount,
		})
	case r.OutRequestNo != "":
		r = r.Identify()
		taken, err := m.ledger.Get(ctx, r.ID)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return storeFailed(err)
		}
		if err == nil && len(taken.Differs(r)) > 0 {
			m.log.WarnContext(ctx, "a notice names a request number that belongs to another red packet", "refund", taken.ID, "notify_id", n.ID)
			r = r.IdentifyBy("notify_id", n.ID)
		}
	case r.OperationID != "":
		if known, err := m.sameOperation(ctx, n); known || err != nil {
			return err
		}
		r = r.IdentifyBy("operation_id", r.OperationID)
	default:
		r = r.IdentifyBy("notify_id", n.ID)
	}
	return m.foreign(ctx, r)
}

// sameOperation asks about the pending refunds of a notice's red packet, whether
// one of them is the operation that the notice names.
func (m *Module) sameOperation(ctx context.Context, n *notify.Notification) (bool, error) {
	if n.AuthNo() == "" {
		return false, nil
	}
	rows, err := m.rows(ctx, n, store.Filter{Kind: store.Coupon, AuthNo: n.AuthNo(), State: store.Pending})
	if err != nil {
		return false, err
	}
	for _, r := range rows {
		if asked, _ := m.ask(ctx, r); asked.State == store.Succeeded {
			if err := m.tell(ctx, []store.Refund{asked}); err != nil {
				return false, err
			}
			if asked.OperationID == n.OperationID() {
				return true, nil
			}
		}
	}
	return false, nil
}

// rows returns the ledger's refunds that a notice may be about: f's, without
// those that another trade_no or auth_no tells apart.
func (m *Module) rows(ctx context.Context, n *notify.Notification, f store.Filter) ([]store.Refund, error) {
	f.App, f.Limit = m.config.App.ID, maxRows
	if f.Kind == store.Trade && f.OutTradeNo == "" {
		return nil, nil
	}
	rows, err := m.ledger.List(ctx, f)
	if err != nil {
		return nil, storeFailed(err)
	}
	differ := func(a, b string) bool { return a != "" && b != "" && a != b }
	return slices.DeleteFunc(rows, func(r store.Refund) bool {
		return differ(r.TradeNo, n.TradeNo()) || differ(r.AuthNo, n.AuthNo()) ||
			n.AuthAppID() != "" && (r.Merchant == "") != (n.AuthAppID() == m.config.App.ID)
	}), nil
}

func matching(rows []store.Refund, number string) []store.Refund {
	var found []store.Refund
	for _, r := range rows {
		if r.OutRequestNo == number {
			found = append(found, r)
		}
	}
	return found
}

// tradeRefund is the refund that a notice tells of. Its texts are copies: a text
// of the notice's holds its whole body in memory.
func (m *Module) tradeRefund(n *notify.Notification, number string) store.Refund {
	return store.Refund{
		Kind: store.Trade, App: m.config.App.ID, Merchant: m.merchantOf(n),
		OutTradeNo: strings.Clone(n.OutTradeNo()), TradeNo: strings.Clone(n.TradeNo()), OutRequestNo: strings.Clone(number),
	}
}

// merchantOf names the merchant of a refund that nobody here asked for.
func (m *Module) merchantOf(n *notify.Notification) string {
	if merchant := n.AuthAppID(); merchant != m.config.App.ID {
		return strings.Clone(merchant)
	}
	return ""
}

// foreign records a refund that this module was not asked for, by the merchant
// console or automatic, and tells the host of it.
func (m *Module) foreign(ctx context.Context, r store.Refund) error {
	if r.Amount == 0 && r.OutRequestNo != "" {
		r.Amount = m.amountOf(ctx, r)
	}
	r.Origin, r.State, r.Source, r.SettledAt = store.FromNotice, store.Succeeded, store.ByNotice, time.Now().UTC()
	recorded, opened, err := m.ledger.Open(ctx, r, store.Limit{})
	switch {
	case err != nil:
		return storeFailed(err)
	case opened.How == store.Conflict: // asked for here meanwhile, with another amount
		return m.askEach(ctx, []store.Refund{recorded})
	case recorded.State != store.Succeeded:
		return m.settleNotice(ctx, recorded, store.Settlement{Source: store.ByNotice, Finding: store.Success, TradeNo: r.TradeNo})
	}
	return m.tell(ctx, []store.Refund{recorded})
}

// amountOf asks Alipay for the amount of a refund, whatever the ledger takes it
// for; 0 if that cannot be had.
func (m *Module) amountOf(ctx context.Context, r store.Refund) money.Amount {
	r.Amount = 0
	token, err := m.token(ctx, r)
	if err != nil {
		return 0
	}
	for _, q := range m.questions(r) {
		reply, err := m.gateway.Do(ctx, q.method, q.content, gateway.Options{AppAuthToken: token})
		if q.judge(reply, err, want(r)).Outcome != gateway.Succeeded {
			continue
		}
		if r.Kind == store.Coupon {
			return gateway.DecodeCoupon(reply).Amount
		}
		return gateway.DecodeRefundQuery(reply).RefundAmount
	}
	return 0
}

func (m *Module) settleNotice(ctx context.Context, r store.Refund, s store.Settlement) error {
	r, err := m.settle(ctx, r, s)
	if err != nil {
		return err
	}
	return m.tell(ctx, []store.Refund{r})
}

// askEach settles refunds by asking about them. A notice that leaves any of them
// pending comes again.
func (m *Module) askEach(ctx context.Context, rows []store.Refund) error {
	open := false
	for i, r := range rows {
		rows[i], _ = m.ask(ctx, r)
		open = open || rows[i].State == store.Pending
	}
	if err := m.tell(ctx, rows); err != nil || !open {
		return err
	}
	return errUnsettled
}

// tell delivers what is due of each refund, and fails if anything remains.
func (m *Module) tell(ctx context.Context, rows []store.Refund) error {
	all := true
	for _, r := range rows {
		if !m.conclude(ctx, r, true).told {
			all = false
		}
	}
	if !all {
		return errUnsettled
	}
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
