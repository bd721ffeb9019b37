package engine

import (
	"cmp"
	"context"

	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/notify"
	"github.com/alirefund/alirefund/store"
)

// The return of a red packet ("coupon" in Alipay's names):
// alipay.fund.coupon.order.refund.

// CouponRefundRequest asks for the return of a red packet, or of what nobody
// took of it. The fields are alipay.fund.coupon.order.refund's, also with
// [FundTransRefund]; lengths are in characters.
type CouponRefundRequest struct {
	// AuthNo is Alipay's number of the red packet: its auth_no, or its order_id
	// with [FundTransRefund].
	AuthNo string `json:"auth_no" validate:"required,max=64,plain"`
	// OutRequestNo is the refund's own number, never used before by the merchant,
	// and not the payment's. The same number again is the same refund.
	OutRequestNo string       `json:"out_request_no" validate:"required,max=64,plain"`
	Amount       money.Amount `json:"amount" validate:"amount"`
	Remark       string       `json:"remark" validate:"required,max=100,plain=text"`
	// Product is which of Alipay's products the red packet is of; Config.CouponProduct
	// if it is empty.
	Product CouponProduct `json:"product" validate:"omitempty,oneof=alipay.fund.coupon.order.refund alipay.fund.trans.refund"`
	// NotifyURL is where the success is notified: App.NotifyURL, or one of
	// App.NotifyURLs.
	NotifyURL string `json:"notify_url" validate:"max=256"`
	// OutOrderNo is the red packet's own number at the merchant. Optional: with it an
	// unresolved refund can be asked about; without it the identical request is sent
	// again instead, and where Alipay knows its number already the notification tells,
	// because Alipay's query takes no other pair that is known by then. A repeat of
	// the request may add it.
	OutOrderNo string `json:"out_order_no" validate:"max=64,plain"`

	Merchant     string `json:"merchant" validate:"max=64,plain,startsnotwith=token:"` // see RefundRequest
	AppAuthToken string `json:"app_auth_token" alias:"appAuthToken" validate:"max=40,plain"`
	Actor        string `json:"-"`
	Async        bool   `json:"-"` // see RefundRequest
}

// CouponRefund returns a red packet, or what nobody took of it. It returns and
// fails as [Engine.Refund] does.
func (e *Engine) CouponRefund(ctx context.Context, request CouponRefundRequest) (Result, error) {
	if e.lost != nil {
		return Result{}, e.lost
	}
	if err := e.rules.check(request); err != nil {
		return Result{}, err
	}
	request.Product = cmp.Or(request.Product, e.app.CouponProduct, CouponOrderRefund)
	r, content, err := e.packet(request)
	if err != nil {
		return Result{}, err
	}
	r.Kind, r.AuthNo, r.OutOrderNo, r.OutRequestNo = store.Coupon, request.AuthNo, request.OutOrderNo, request.OutRequestNo
	r.Amount, r.Actor, r.Promised = request.Amount, request.Actor, request.Async
	return e.fundRefund(ctx, r, content, request.Merchant, request.AppAuthToken)
}

// packet returns what the request's product adds to the record, and its
// biz_content.
func (e *Engine) packet(request CouponRefundRequest) (store.Refund, any, error) {
	if request.Product == FundTransRefund {
		return transferPacket(request.NotifyURL, gateway.FundTransRefund{
			OrderID: request.AuthNo, OutRequestNo: request.OutRequestNo, RefundAmount: request.Amount, Remark: request.Remark,
		})
	}
	notifyURL, err := chooseNotifyURL(e.app, request.NotifyURL)
	return store.Refund{NotifyURL: notifyURL}, gateway.CouponRefund{
		AuthNo: request.AuthNo, OutRequestNo: request.OutRequestNo, Amount: request.Amount, Remark: request.Remark,
	}, err
}

func (e *Engine) couponProduct() product {
	return product{
		kind: store.Coupon, method: gateway.MethodCouponRefund, judge: gateway.JudgeCouponRefund, amountField: "amount",
		questions: couponQuestions, asked: couponAsked, hint: couponHint,
		tells: func(n *notify.Notification) bool { return n.Kind == notify.KindCouponRefund },
		notified: func(ctx context.Context, n *notify.Notification, other func(context.Context) error) error {
			return e.fundNotice(ctx, n, e.fundWord(store.Coupon, n), other)
		},
		plain: func(ctx context.Context, n *notify.Notification) (store.Refund, store.Settlement, bool) {
			return e.plainFund(ctx, n, e.fundWord(store.Coupon, n))
		},
	}
}

// couponAsked sends the identical request again where no question can be put: its
// number is unique at Alipay, so that it moves money once, and its answer tells.
// SUCCESS settles it. UNIQUE_VIOLATION says that the number is known there; then the
// notification tells, or in the end a person. Source: Alipay's posts on the interface
// ("same number: idempotent" after 10003 and 20000, and UNIQUE_VIOLATION of a number
// that is done).
//
// A refusal that can be mended, such as of an old token, is no reason to stop: another
// send is still unanswered.
func couponAsked(a *asked) {
	fundAsked("red packet")(a)
	r := a.refund
	if a.unaskable && a.late && (r.MayRepeat() || r.AwaitsConfirmation() && r.RefusedRetryable) {
		a.settlement.Attention, a.repeat = "", !r.Doubtful
	}
}

func couponHint(r store.Refund) string {
	if !guessed(r) {
		return ""
	}
	return withoutPair("red packet")
}

func couponQuestions(r store.Refund) []question {
	var questions []question
	for _, pair := range fundPairs(r) {
		questions = append(questions, question{
			method: gateway.MethodCouponQuery, content: gateway.CouponQuery(pair), judge: gateway.JudgeCouponQuery,
			amount: func(reply gateway.Reply) money.Amount { return gateway.DecodeCoupon(reply).Amount },
		})
	}
	return questions
}
