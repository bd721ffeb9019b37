package alirefund

import (
	"context"
	"crypto/rand"
	"slices"
	"strings"
	"time"

	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/notify"
	"github.com/alirefund/alirefund/store"
)

// rows returns the ledger's refunds that a notice may be about: f's, without
// those that another trade_no or authNo tells apart.
func (m *Module) rows(ctx context.Context, n *notify.Notification, authNo string, f store.Filter) ([]store.Refund, error) {
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
		return differ(r.TradeNo, n.TradeNo()) || differ(r.AuthNo, authNo) ||
			n.AuthAppID() != "" && (r.Merchant == "") != (n.AuthAppID() == m.config.App.ID)
	}), nil
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
	return m.tell(ctx, []store.Refund{recorded}, "")
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
		return q.amount(reply)
	}
	return 0
}

func (m *Module) settleNotice(ctx context.Context, r store.Refund, s store.Settlement) error {
	claim := rand.Text()
	r, err := m.settle(ctx, r, claim, s)
	if err != nil {
		return err
	}
	return m.tell(ctx, []store.Refund{r}, claim)
}

// askEach settles refunds by asking about them. A notice that leaves any of them
// pending comes again.
func (m *Module) askEach(ctx context.Context, rows []store.Refund) error {
	open, claim := false, rand.Text()
	for i, r := range rows {
		rows[i], _ = m.ask(ctx, r, claim)
		open = open || rows[i].State == store.Pending
	}
	if err := m.tell(ctx, rows, claim); err != nil || !open {
		return err
	}
	return errUnsettled
}

// tell delivers what is due of each refund, and fails if anything remains.
func (m *Module) tell(ctx context.Context, rows []store.Refund, claim string) error {
	all := true
	for _, r := range rows {
		if !m.conclude(ctx, r, claim, true).told {
			all = false
		}
	}
	if !all {
		return errUnsettled
	}
	return nil
}
