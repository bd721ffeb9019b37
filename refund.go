package alirefund

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/store"
)

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
func (m *Module) Refund(ctx context.Context, request RefundRequest) (Result, error) {
	if err := m.rules.check(request, nil); err != nil {
		return Result{}, err
	}
	return m.refundTrade(ctx, request)
}

func (m *Module) refundTrade(ctx context.Context, request RefundRequest) (Result, error) {
	merchant, token, err := m.merchant(ctx, request.Merchant, request.AppAuthToken)
	if err != nil {
		return Result{}, err
	}
	order, err := m.resolveOrder(ctx, request, merchant, token)
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
	})
	if err != nil {
		return Result{}, nothingSent("biz_content", err)
	}
	return m.refund(ctx, store.Refund{
		Kind: store.Trade, App: m.config.App.ID, Merchant: merchant,
		OutTradeNo: order, TradeNo: request.TradeNo, OutRequestNo: number, Amount: request.RefundAmount,
		Request: store.JSON(content), Actor: request.Actor,
	}, token, request.AppAuthToken != "")
}

// CouponRefund returns a red packet, or what nobody took of it. It returns and
// fails as [Module.Refund] does.
func (m *Module) CouponRefund(ctx context.Context, request CouponRefundRequest) (Result, error) {
	if err := m.rules.check(request, nil); err != nil {
		return Result{}, err
	}
	return m.refundCoupon(ctx, request)
}

func (m *Module) refundCoupon(ctx context.Context, request CouponRefundRequest) (Result, error) {
	newer := m.config.CouponProduct == FundTransRefund
	switch {
	case request.NotifyURL == "" && !newer:
		request.NotifyURL = m.config.App.NotifyURL
	case request.NotifyURL != "" && newer:
		return Result{}, invalid("/notify_url", "unknown", Text{
			En: "notify_url is no parameter of " + string(FundTransRefund) + ", which is notified to the application's gateway",
			Zh: string(FundTransRefund) + "没有notify_url参数，其结果通知到应用网关",
		})
	case request.NotifyURL != "" && !m.config.App.allowsNotifyURL(request.NotifyURL):
		return Result{}, invalid("/notify_url", "allowed", Text{
			En: "notify_url must be one of the application's own (App.NotifyURL, App.NotifyURLs)",
			Zh: "notify_url必须是本应用配置的通知地址之一(App.NotifyURL、App.NotifyURLs)",
		})
	}
	merchant, token, err := m.merchant(ctx, request.Merchant, request.AppAuthToken)
	if err != nil {
		return Result{}, err
	}
	var content any = gateway.CouponRefund{
		AuthNo: request.AuthNo, OutRequestNo: request.OutRequestNo, Amount: request.Amount, Remark: request.Remark,
	}
	if newer {
		content = gateway.FundTransRefund{
			OrderID: request.AuthNo, OutRequestNo: request.OutRequestNo, RefundAmount: request.Amount, Remark: request.Remark,
		}
	}
	text, err := json.Marshal(content)
	if err != nil {
		return Result{}, nothingSent("biz_content", err)
	}
	return m.refund(ctx, store.Refund{
		Kind: store.Coupon, Method: string(m.config.CouponProduct), App: m.config.App.ID, Merchant: merchant,
		AuthNo: request.AuthNo, OutOrderNo: request.OutOrderNo, OutRequestNo: request.OutRequestNo, Amount: request.Amount,
		Request: store.JSON(text), NotifyURL: request.NotifyURL, Actor: request.Actor,
	}, token, request.AppAuthToken != "")
}

// refund is the life of a request: record, send, ask, settle, tell. A token that
// came with it is kept while the refund is unresolved, and only in memory.
func (m *Module) refund(ctx context.Context, r store.Refund, token string, keep bool) (Result, error) {
	r.Origin, r.State = store.FromRequest, store.Pending
	r = r.Identify()

	var limit store.Limit
	var recorded store.Refund
	var opened store.Opened
	var err error
	for range 3 { // what was known and needed no reservation may need one by now
		if limit, err = m.admit(ctx, r); err != nil {
			return Result{}, err
		}
		recorded, opened, err = m.record(ctx, r, limit)
		if err != nil || opened.How != store.OverLimit || limit.Total != 0 {
			break
		}
	}
	if err != nil {
		return Result{}, nothingSent("the store", err)
	}
	switch opened.How {
	case store.Conflict:
		return Result{Refund: recorded, Repeated: true}, &ConflictError{Refund: recorded, Differs: differences(recorded, r)}
	case store.OverLimit:
		return Result{}, &LimitError{Amount: r.Amount, Left: opened.Left, Total: limit.Total}
	}
	if keep && recorded.State == store.Pending {
		m.tokens.Store(recorded.ID, token)
	}

	ctx, cancel := m.detach(ctx)
	defer cancel()
	if recorded.State == store.Succeeded && recorded.Amount == 0 {
		if recorded, err = m.sizeUp(ctx, recorded, r.Amount); err != nil {
			return Result{Refund: recorded, Repeated: true}, err
		}
	}
	repeated := opened.How != store.Created
	claim := rand.Text()
	r, err = m.advance(ctx, recorded, token, claim, opened.How == store.Exists && !recorded.Unsent())
	if err != nil {
		return Result{Refund: r, Repeated: repeated}, err
	}
	result := m.conclude(ctx, r, claim, repeated)
	return result, result.err(r.Lease.Held(time.Now()))
}

// record opens a refund, or fails while a client still waits.
func (m *Module) record(ctx context.Context, r store.Refund, limit store.Limit) (store.Refund, store.Opened, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	return m.ledger.Open(ctx, r, limit)
}

// sizeUp asks for the amount of a refund that a notice told of without one, which
// the caller takes for his.
func (m *Module) sizeUp(ctx context.Context, r store.Refund, want money.Amount) (store.Refund, error) {
	amount := m.amountOf(ctx, r)
	if amount != 0 {
		var err error
		if r, err = m.settle(ctx, r, "", store.Settlement{Source: store.ByQuery, Amount: amount}); err != nil {
			return r, err
		}
	}
	switch amount {
	case want:
		return r, nil
	case 0:
		return r, &UnresolvedError{Refund: r}
	}
	return r, &ConflictError{Refund: r, Differs: []string{"amount"}}
}

// advance takes a pending refund as far as it goes now. One that may be out
// already is asked about, and sent again, the same, only if Alipay has answered,
// signed and late enough, that it knows nothing of it.
func (m *Module) advance(ctx context.Context, r store.Refund, token, claim string, out bool) (store.Refund, error) {
	if r.State != store.Pending {
		return r, nil
	}
	if out {
		asked, conclusive := m.ask(ctx, r, claim)
		if asked.State != store.Pending || !conclusive {
			return asked, nil
		}
		r = asked
	}
	r, err := m.send(ctx, r, token, claim)
	if r.State == store.Pending && len(r.Unanswered) > 0 {
		err = nil // nothing was sent now, but earlier: it is unresolved
	}
	if err == nil && r.State == store.Pending {
		r, _ = m.ask(ctx, r, claim)
	}
	return r, err
}

// admit asks the host whether it objects, and for the order's total, unless the
// refund is known and needs neither.
func (m *Module) admit(ctx context.Context, r store.Refund) (store.Limit, error) {
	if m.config.OrderTotal == nil && m.config.BeforeRefund == nil {
		return store.Limit{}, nil
	}
	known, err := m.ledger.Get(ctx, r.ID)
	if err == nil && !known.CanReopen() {
		return store.Limit{Known: true}, nil // reserves nothing, should Open find it otherwise
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return store.Limit{}, nothingSent("the store", err)
	}
	if m.config.BeforeRefund != nil {
		if err := m.config.BeforeRefund(ctx, r); err != nil {
			return store.Limit{}, &VetoError{Err: err}
		}
	}
	if m.config.OrderTotal == nil {
		return store.Limit{}, nil
	}
	total, ok, err := m.config.OrderTotal(ctx, Order{Kind: r.Kind, Merchant: r.Merchant, OutTradeNo: r.OutTradeNo, AuthNo: r.AuthNo})
	if err != nil {
		return store.Limit{}, nothingSent("OrderTotal", err)
	}
	if ok && r.Kind == store.Trade && r.OutRequestNo == r.OutTradeNo && r.Amount < total {
		return store.Limit{}, invalid("/out_request_no", "partial", Text{
			En: fmt.Sprintf("a partial refund (%s of %s) wants its own number: out_request_no is required", r.Amount, total),
			Zh: fmt.Sprintf("部分退款(%s/%s)必须传入自己的退款请求号out_request_no", r.Amount, total),
		})
	}
	return store.Limit{Total: total, Known: ok}, nil
}

// resolveOrder returns the out_trade_no that the refund is identified by. A
// trade_no is looked up in the ledger, then at Alipay: sent unchecked, it would
// win over the out_trade_no that the total was reserved for.
func (m *Module) resolveOrder(ctx context.Context, request RefundRequest, merchant, token string) (string, error) {
	if request.TradeNo == "" {
		return request.OutTradeNo, nil
	}
	order, err := m.knownOrder(ctx, request.TradeNo, merchant)
	if err != nil {
		return "", err
	}
	if order == "" {
		if order, err = m.askOrder(ctx, request.TradeNo, token); err != nil {
			return "", err
		}
	}
	if request.OutTradeNo != "" && request.OutTradeNo != order {
		return "", invalid("/trade_no", "agree", Text{
			En: "trade_no and out_trade_no belong to different orders; give one of them",
			Zh: "trade_no与out_trade_no不是同一笔订单，请只传其中一个",
		})
	}
	return order, nil
}

func (m *Module) knownOrder(ctx context.Context, tradeNo, merchant string) (string, error) {
	rows, err := m.ledger.List(ctx, store.Filter{App: m.config.App.ID, Kind: store.Trade, TradeNo: tradeNo})
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

func (m *Module) askOrder(ctx context.Context, tradeNo, token string) (string, error) {
	answer, err := m.gateway.QueryTrade(ctx, gateway.TradeQuery{TradeNo: tradeNo}, gateway.Options{AppAuthToken: token})
	var refusal *gateway.Error
	switch {
	case errors.As(err, &refusal) && refusal.Signed && refusal.Code == "40004":
		return "", refusal
	case err != nil:
		return "", nothingSent("trade_no could not be looked up", err)
	case answer.TradeNo != tradeNo || answer.OutTradeNo == "":
		return "", nothingSent("trade_no could not be looked up", errors.New("the answer speaks of another trade"))
	}
	return answer.OutTradeNo, nil
}

// differences names the fields in which two requests under one number differ.
func differences(recorded, asked store.Refund) []string {
	names := recorded.Differs(asked)
	if i := slices.Index(names, "amount"); i >= 0 && recorded.Kind == store.Trade {
		names[i] = "refund_amount"
	}
	if len(names) != 1 || names[0] != "request" {
		return names
	}
	var was, is map[string]json.RawMessage
	if json.Unmarshal([]byte(recorded.Request), &was) != nil || json.Unmarshal([]byte(asked.Request), &is) != nil {
		return names
	}
	names = nil
	for name, value := range is {
		if string(was[name]) != string(value) {
			names = append(names, name)
		}
	}
	for name := range was {
		if _, ok := is[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
