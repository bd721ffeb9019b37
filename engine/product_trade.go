package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/notify"
	"github.com/alirefund/alirefund/store"
)

// The refund of a trade: alipay.trade.refund.

// RefundRequest asks for the refund of a trade, or of a part of it. The fields
// are alipay.trade.refund's; lengths are in characters.
type RefundRequest struct {
	// OutTradeNo, TradeNo: one of them is required; both must be of one order.
	OutTradeNo string `json:"out_trade_no" alias:"outTradeNo" validate:"required_without=TradeNo,max=64,plain"`
	TradeNo    string `json:"trade_no" validate:"max=64,plain"`
	// RefundAmount is what this refund returns, in fen: 8_88 is 8.88 yuan.
	RefundAmount money.Amount `json:"refund_amount" alias:"refundAmount" validate:"amount"`
	// OutRequestNo is the refund's own number, within its order. A partial
	// refund needs one; without it the order's number is it. The same number
	// again is the same refund.
	OutRequestNo string `json:"out_request_no" validate:"max=64,plain"`
	RefundReason string `json:"refund_reason" validate:"max=256,plain=text"` // shown to the buyer

	RefundGoodsDetail       []gateway.RefundGoods   `json:"refund_goods_detail" validate:"max=100,dive"`
	RefundRoyaltyParameters []gateway.RefundRoyalty `json:"refund_royalty_parameters" validate:"max=20,dive"`
	QueryOptions            []string                `json:"query_options" validate:"max=8,dive,oneof=refund_detail_item_list deposit_back_info refund_voucher_detail_list"`
	RelatedSettleConfirmNo  string                  `json:"related_settle_confirm_no" validate:"max=64,plain"`
	// OperatorID, StoreID and TerminalID are the merchant's own numbers: who refunds,
	// in which shop, at which till.
	OperatorID string `json:"operator_id" validate:"max=30,plain"`
	StoreID    string `json:"store_id" validate:"max=32,plain"`
	TerminalID string `json:"terminal_id" validate:"max=32,plain"`
	// RefundCurrency may say that the amount is in CNY, which it is without.
	RefundCurrency string `json:"refund_currency" validate:"omitempty,oneof=CNY"`

	// Merchant names whom an ISV's application acts for, best by the merchant's
	// auth_app_id, and Config.AppAuthToken returns its token. AppAuthToken is
	// the token itself. With a token alone, the merchant is known by the token,
	// and a refreshed token is another merchant.
	Merchant     string `json:"merchant" validate:"max=64,plain,startsnotwith=token:"`
	AppAuthToken string `json:"app_auth_token" alias:"appAuthToken" validate:"max=40,plain"`

	// Actor is who asks; it stands in the refund's record.
	Actor string `json:"-"`
	// Async returns as soon as the refund is recorded, with [ErrUnresolved], unless it is
	// settled already, or awaits approval. It is sent by this process, or by [Engine.Run] if
	// that dies; the hooks tell what became of it. Without Run nobody does.
	Async bool `json:"-"`
}

// Refund refunds a trade, or a part of it. It returns no error if and only if
// the refund is known to have succeeded, now or before.
//
// It fails with [*ValidationError], [*ConflictError], [*LimitError],
// [*RefusedError], [*gateway.Error] (Alipay does not know the trade_no),
// [ErrNothingSent], or [ErrUnresolved] as an [*UnresolvedError]. The Result
// holds the refund wherever there is one.
//
// Once the refund is recorded, ctx only carries values: its end does not stop a
// refund half-way.
func (e *Engine) Refund(ctx context.Context, request RefundRequest) (Result, error) {
	if e.lost != nil {
		return Result{}, e.lost
	}
	if err := e.rules.check(request); err != nil {
		return Result{}, err
	}
	merchant, token, err := e.merchant(ctx, request.Merchant, request.AppAuthToken)
	if err != nil {
		return Result{}, err
	}
	order, err := e.resolveOrder(ctx, request, merchant, token)
	if err != nil {
		return Result{}, err
	}
	number := request.OutRequestNo
	if number == "" {
		number = order // Alipay's own rule; said explicitly, so that a repeat is one
	}
	content, err := json.Marshal(gateway.TradeRefund{
		OutTradeNo: order, OutRequestNo: number, RefundAmount: request.RefundAmount, RefundReason: request.RefundReason,
		RefundGoodsDetail: request.RefundGoodsDetail, RefundRoyaltyParameters: request.RefundRoyaltyParameters,
		QueryOptions: request.QueryOptions, RelatedSettleConfirmNo: request.RelatedSettleConfirmNo,
		OperatorID: request.OperatorID, StoreID: request.StoreID, TerminalID: request.TerminalID,
	})
	if err != nil {
		return Result{}, nothingSent("biz_content", err)
	}
	return e.refund(ctx, store.Refund{
		Kind: store.Trade, App: e.app.ID, Merchant: merchant,
		OutTradeNo: order, TradeNo: request.TradeNo, OutRequestNo: number, Amount: request.RefundAmount,
		Request: store.JSON(content), Actor: request.Actor, Promised: request.Async,
	}, token, request.AppAuthToken != "")
}

// resolveOrder returns the out_trade_no that the refund is identified by. A
// trade_no is looked up in the ledger, then at Alipay: sent unchecked, it would
// win over the out_trade_no that the total was reserved for.
func (e *Engine) resolveOrder(ctx context.Context, request RefundRequest, merchant, token string) (string, error) {
	if request.TradeNo == "" {
		return request.OutTradeNo, nil
	}
	order, err := e.knownOrder(ctx, request.TradeNo, merchant)
	if err != nil {
		return "", err
	}
	if order == "" {
		if order, err = e.askOrder(ctx, request.TradeNo, token); err != nil {
			return "", err
		}
	}
	if request.OutTradeNo != "" && request.OutTradeNo != order {
		return "", invalid("/trade_no", "agree", Text{
			En: "trade_no and out_trade_no belong to different orders; give one of them",
			Zh: "trade_no 与 out_trade_no 不是同一笔订单，请只传其中一个",
		})
	}
	return order, nil
}

func (e *Engine) knownOrder(ctx context.Context, tradeNo, merchant string) (string, error) {
	ctx, cancel := looking(ctx)
	defer cancel()
	rows, err := e.ledger.List(ctx, store.Filter{App: e.app.ID, Kind: store.Trade, TradeNo: tradeNo})
	if err != nil {
		return "", nothingSent("the store", err)
	}
	for _, r := range rows {
		if r.Merchant == merchant && r.OutTradeNo != "" {
			return r.OutTradeNo, nil
		}
	}
	return "", nil
}

func (e *Engine) askOrder(ctx context.Context, tradeNo, token string) (string, error) {
	within, ended := e.observe(ctx, Operation{Op: OpAsk, Kind: store.Trade, Method: gateway.MethodTradeQuery})
	answer, err := e.gateway.QueryTrade(within, gateway.TradeQuery{TradeNo: tradeNo}, gateway.Options{AppAuthToken: token})
	ended(callEnded(gateway.Reply{}, err))
	var refusal *gateway.Error
	switch {
	case errors.As(err, &refusal) && refusal.Signed && refusal.Code == "40004" && !strings.Contains(refusal.SubCode, "SYSTEM_ERROR"):
		return "", refusal
	case err != nil:
		return "", nothingSent("trade_no could not be looked up", err)
	case answer.TradeNo != tradeNo || answer.OutTradeNo == "":
		return "", nothingSent("trade_no could not be looked up", errors.New("the answer speaks of another trade"))
	}
	return answer.OutTradeNo, nil
}

// tradeSpacing is the least time between two refunds of one trade (opendocs,
// alipay.trade.refund).
const tradeSpacing = 3 * time.Second

func (e *Engine) tradeProduct() product {
	return product{
		kind: store.Trade, method: gateway.MethodTradeRefund, judge: gateway.JudgeTradeRefund,
		spacing: tradeSpacing, amountField: "refund_amount", fits: wantsOwnNumber,
		questions: tradeQuestions, conclusive: true,
		tells:    func(n *notify.Notification) bool { return n.Kind == notify.KindTradeRefund },
		notified: e.tradeNotice, plain: e.plainTrade,
	}
}

func tradeQuestions(r store.Refund) []question {
	return []question{{
		method:  gateway.MethodRefundQuery,
		content: gateway.RefundQuery{OutTradeNo: r.OutTradeNo, OutRequestNo: r.OutRequestNo},
		judge:   gateway.JudgeRefundQuery,
		amount:  func(reply gateway.Reply) money.Amount { return gateway.DecodeRefundQuery(reply).RefundAmount },
	}}
}

// wantsOwnNumber refuses a partial refund under the number of its order, which is
// that of the refund of all of it.
func wantsOwnNumber(r store.Refund, total money.Amount) error {
	if r.OutRequestNo != r.OutTradeNo || r.Amount >= total {
		return nil
	}
	return invalid("/out_request_no", "partial", Text{
		En: fmt.Sprintf("a partial refund (%s of %s) wants its own number: out_request_no is required", r.Amount, total),
		Zh: fmt.Sprintf("部分退款（%s/%s）必须传入自己的退款请求号 out_request_no", r.Amount, total),
	})
}
