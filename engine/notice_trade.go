package engine

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/notify"
	"github.com/alirefund/alirefund/store"
)

// tradeNotice settles what a notification with a refund in it is about. One of a trade
// past its refund period (TRADE_FINISHED) tells that, and repeats what was refunded
// before: it goes on to the host's handler.
func (e *Engine) tradeNotice(ctx context.Context, n *notify.Notification, other func(context.Context) error) error {
	err := e.tradeRefunded(ctx, n)
	if err == nil && n.TradeStatus() == "TRADE_FINISHED" {
		return other(ctx)
	}
	return err
}

// tradeRefunded settles which refund a notification tells of. It proves that one
// happened; its refund_fee is the trade's in all, so that the amount comes from the
// ledger or from a query.
func (e *Engine) tradeRefunded(ctx context.Context, n *notify.Notification) error {
	rows, number, err := e.tradeOf(ctx, n)
	if err != nil {
		return err
	}
	if number == "" {
		return e.unnumberedNotice(ctx, n, rows)
	}
	found := matching(rows, number)
	switch {
	case n.OutTradeNo() == "":
		return e.recordExternal(ctx, e.noticedTrade(n, number).IdentifyBy("notify_id", n.ID))
	case len(found) == 0:
		return e.recordNoticed(ctx, n, number)
	case len(found) > 1: // one number at several merchants of the application
		return e.askEach(ctx, found)
	}
	r := found[0]
	if contradicted, doubtful := e.doubts(n, r); doubtful {
		return e.doubt(ctx, n, r, contradicted)
	}
	s := noticedSuccess(n)
	if r.Amount == 0 {
		s.Amount, _ = e.askAmount(ctx, r)
	}
	return e.settleNoticed(ctx, r, s)
}

// plainTrade is tradeRefunded where there is nothing to ask.
func (e *Engine) plainTrade(ctx context.Context, n *notify.Notification) (store.Refund, store.Settlement, bool) {
	rows, number, err := e.tradeOf(ctx, n)
	found := matching(rows, number)
	if err != nil || number == "" || len(found) != 1 || found[0].Amount == 0 || n.TradeStatus() == "TRADE_FINISHED" {
		return store.Refund{}, store.Settlement{}, false
	}
	_, doubtful := e.doubts(n, found[0])
	return found[0], noticedSuccess(n), !doubtful
}

// tradeOf returns what the ledger knows of the notification's order, and the number of
// the refund that it tells of; none if it names none.
func (e *Engine) tradeOf(ctx context.Context, n *notify.Notification) (rows []store.Refund, number string, err error) {
	if n.OutTradeNo() != "" {
		if rows, err = e.noticedRefunds(ctx, n, n.AuthNo(), store.Filter{Kind: store.Trade, OutTradeNo: n.OutTradeNo()}); err != nil {
			return nil, "", err
		}
	}
	number = n.OutBizNo()
	if number == n.TradeNo() && number != "" && len(matching(rows, number)) == 0 && n.OutTradeNo() != "" {
		number = n.OutTradeNo() // refunded by trade_no without a number of its own: the order's is it
	}
	return rows, number, nil
}

// doubts tells whether the notification of a refund's number may be of another refund,
// and whether something in it, or known here, contradicts that it is of this one.
func (e *Engine) doubts(n *notify.Notification, r store.Refund) (contradicted, doubtful bool) {
	if r.State == store.Succeeded {
		return false, false
	}
	total, known := n.RefundFee()
	contradicted = known && total < r.Amount || // less than this refund alone
		r.State == store.Pending && r.Attention != "" || // another refund was seen under the number
		n.AuthAppID() != "" && r.Merchant != e.merchantOf(n) // perhaps another merchant's
	return contradicted, contradicted || atRest(r)
}

// atRest tells whether nothing of the refund is under way: who refunded under its number
// was somebody else, or a send that came late.
func atRest(r store.Refund) bool {
	return r.State == store.Failed || r.State == store.AwaitingApproval
}

func noticedSuccess(n *notify.Notification) store.Settlement {
	return store.Settlement{Source: store.ByNotice, Finding: store.Success, TradeNo: strings.Clone(n.TradeNo())}
}

// doubt asks what was refunded under a number whose notice may be of another
// refund: the number's may have failed here and been refunded elsewhere. What
// proves to be another is told as a refund of its own. If Alipay does not say, the
// notice is believed, unless something contradicts it.
func (e *Engine) doubt(ctx context.Context, n *notify.Notification, r store.Refund, contradicted bool) error {
	switch amount, _ := e.askAmount(ctx, r); {
	case amount == r.Amount && amount != 0:
		return e.settleNoticed(ctx, r, store.Settlement{Source: store.ByQuery, Finding: store.Success, TradeNo: strings.Clone(n.TradeNo())})
	case amount != 0 && atRest(r):
		other := e.noticedTrade(n, r.OutRequestNo)
		other.Amount = amount
		return e.recordExternal(ctx, other.IdentifyBy("notify_id", n.ID))
	case amount == 0 && !contradicted:
		return e.settleNoticed(ctx, r, noticedSuccess(n))
	}
	if err := e.askEach(ctx, []store.Refund{r}); err != nil || !atRest(r) {
		return err
	}
	return ErrUnsettled
}

// recordNoticed records a refund that a notification names, and the ledger does not
// know. That of a trade past its refund period is old: it is recorded only if Alipay,
// asked, knows it.
func (e *Engine) recordNoticed(ctx context.Context, n *notify.Notification, number string) error {
	r := e.noticedTrade(n, number).Identify()
	if n.TradeStatus() == "TRADE_FINISHED" {
		var err error
		if r.Amount, err = e.askAmount(ctx, r); err != nil || r.Amount == 0 {
			return err
		}
	}
	return e.recordExternal(ctx, r)
}

// unnumberedNotice: without out_biz_no any of the order's refunds may be meant, one that
// awaits approval and was refunded elsewhere among them. What the ledger explains is no new
// refund. What it does not is asked about by the number that a refund has which was given
// none; only then it is recorded without.
func (e *Engine) unnumberedNotice(ctx context.Context, n *notify.Notification, rows []store.Refund) error {
	settled, unclear, found := e.askUnnumbered(ctx, rows)
	if err := e.deliverAll(ctx, settled, nil); err != nil {
		return err
	}
	fee, known := n.RefundFee()
	if !known && n.Full() { // closed by refunds, of all that was paid
		fee, known = n.TotalAmount()
	}
	switch {
	case known && explained(settled, fee), !known && (found || atTheTime(settled, n)):
		return nil // it tells of what is known
	case unclear:
		return ErrUnsettled
	}
	if n.OutTradeNo() != "" && len(matching(rows, n.OutTradeNo())) == 0 {
		whole := e.noticedTrade(n, n.OutTradeNo()).Identify()
		amount, err := e.askAmount(ctx, whole)
		if err != nil {
			return err
		}
		if whole.Amount = amount; amount != 0 {
			return e.recordExternal(ctx, whole)
		}
	}
	if n.TradeStatus() == "TRADE_FINISHED" {
		return nil // of a refund that is long past
	}
	r := e.noticedTrade(n, "")
	if at := n.Get("gmt_refund"); at != "" { // the same event may come under another notify_id
		return e.recordExternal(ctx, r.IdentifyBy("refunded", n.OutTradeNo(), n.TradeNo(), at, n.Get("refund_fee")))
	}
	return e.recordExternal(ctx, r.IdentifyBy("notify_id", n.ID))
}

// askUnnumbered asks about the refunds that a notification without a number may mean. It
// returns those that have succeeded, and whether any of the others may have, and whether one
// was found only now.
func (e *Engine) askUnnumbered(ctx context.Context, rows []store.Refund) (settled []store.Refund, unclear, found bool) {
	var pending []store.Refund
	for _, r := range rows {
		switch r.State {
		case store.Pending:
			pending = append(pending, r)
		case store.Succeeded:
			settled = append(settled, r)
		case store.AwaitingApproval:
			switch asked, _, err := e.askUnsent(ctx, r); {
			case asked.State == store.Succeeded:
				settled, found = append(settled, asked), true
			case err != nil:
				unclear = true
			}
		}
	}
	for _, r := range pending {
		r, said := e.hear(ctx, r, nil) // no claim, which the next question might outlast
		switch {
		case r.State == store.Succeeded:
			settled, found = append(settled, r), true
		case r.State == store.Pending && (said != notFound || r.AwaitsConfirmation()):
			unclear = true
		}
	}
	return settled, unclear, found
}

// atTheTime tells whether one of these refunds was sent last when the notification says
// that it happened. A call takes seconds, and clocks differ by some.
func atTheTime(settled []store.Refund, n *notify.Notification) bool {
	const apart = 2 * time.Minute
	at, known := n.GmtRefund()
	return known && slices.ContainsFunc(settled, func(r store.Refund) bool {
		return !r.SentAt.IsZero() && at.Sub(r.SentAt).Abs() <= apart
	})
}

// explained tells whether fee is what some of these refunds add up to. It is what the
// trade had been refunded when Alipay wrote the notification: later refunds are not
// in it.
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

func matching(rows []store.Refund, number string) []store.Refund {
	var found []store.Refund
	for _, r := range rows {
		if r.OutRequestNo == number {
			found = append(found, r)
		}
	}
	return found
}

// noticedTrade is the refund that a notice tells of. Its texts are copies: a text
// of the notice's holds its whole body in memory.
func (e *Engine) noticedTrade(n *notify.Notification, number string) store.Refund {
	return store.Refund{
		Kind: store.Trade, App: e.app.ID, Merchant: e.merchantOf(n),
		OutTradeNo: strings.Clone(n.OutTradeNo()), TradeNo: strings.Clone(n.TradeNo()), OutRequestNo: strings.Clone(number),
	}
}
