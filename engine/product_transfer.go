package engine

import (
	"context"
	"errors"
	"strings"

	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/notify"
	"github.com/alirefund/alirefund/store"
)

// The return of a red packet of the newer product, which has an order_id:
// alipay.fund.trans.refund.

// transferPacket returns what this product adds to the record, and the biz_content.
func transferPacket(notifyURL string, content gateway.FundTransRefund) (store.Refund, any, error) {
	var err error
	if notifyURL != "" {
		err = invalid("/notify_url", "unknown", Text{
			En: "notify_url is no parameter of " + gateway.MethodFundTransRefund + ", which is notified to the application's gateway",
			Zh: gateway.MethodFundTransRefund + " 没有 notify_url 参数，其结果通知到应用网关",
		})
	}
	return store.Refund{Method: gateway.MethodFundTransRefund}, content, err
}

func (e *Engine) transferProduct() product {
	return product{
		kind: store.Coupon, recorded: gateway.MethodFundTransRefund,
		method: gateway.MethodFundTransRefund, judge: gateway.JudgeFundTransRefund, amountField: "amount",
		questions: transferQuestions, asked: transferAsked,
		tells:    func(n *notify.Notification) bool { return n.Message() == notify.MessageFundRefund },
		notified: e.transferNotice,
	}
}

func transferQuestions(r store.Refund) []question {
	return []question{{
		method: gateway.MethodFundTransQuery, content: gateway.AskFundTransRefund(r.OutRequestNo), judge: gateway.JudgeFundTransQuery,
		amount: func(reply gateway.Reply) money.Amount { return gateway.DecodeFundTransQuery(reply).TransAmount },
	}}
}

// transferAsked: of the query's refusals none is documented to mean that nothing
// moved, so that waiting does not heal them.
func transferAsked(a *asked) {
	if a.reply.Code == "40004" && a.late && !strings.Contains(a.reply.SubCode, "SYSTEM_ERROR") {
		a.settlement.Attention = "Alipay's query refused with " + a.reply.SubCode + ", which is not documented to mean that nothing moved: look for its number in Alipay's console"
	}
}

// transferNotice settles the refund of a red packet that a message tells of. Which
// fields the message has is not documented: it proves a success only where it
// names red packet, number, amount and status; where less, the refund is asked
// about; and what it does not name at all is left to other.
func (e *Engine) transferNotice(ctx context.Context, n *notify.Notification, other func(context.Context) error) error {
	f, err := n.FundRefund()
	if err != nil {
		e.log.WarnContext(ctx, "a red packet's return cannot be read; it is handled as any other message", "notify_id", n.ID, "error", err)
		return other(ctx)
	}
	w := fundWord{
		Refund: store.Refund{
			Kind: store.Coupon, Method: gateway.MethodFundTransRefund, App: e.app.ID, Merchant: e.merchantOf(n),
			AuthNo: f.OrderID, OutRequestNo: f.OutRequestNo, OperationID: f.RefundOrderID, Amount: f.Amount,
		},
		known: f.Amount != 0, succeeded: f.OrderID != "" && f.OutRequestNo != "" && f.Amount != 0 && f.Status == "SUCCESS",
	}
	taken, err := e.ledger.Get(ctx, w.Identify().ID)
	switch {
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return storeFailed(err)
	case e.app.CouponProduct != FundTransRefund && (err != nil || taken.Method != w.Method):
		return other(ctx) // none of the host's red packets, as far as is known
	}
	return e.fundNotice(ctx, n, w, other)
}
