package engine

import (
	"context"

	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/notify"
	"github.com/alirefund/alirefund/store"
)

// The release of a pre-authorisation, whole or in part:
// alipay.fund.auth.order.unfreeze.

// UnfreezeRequest asks for the release of a pre-authorisation, or of a part of it.
// The fields are alipay.fund.auth.order.unfreeze's; lengths are in characters.
type UnfreezeRequest struct {
	// AuthNo is Alipay's number of the pre-authorisation.
	AuthNo string `json:"auth_no" validate:"required,max=64,plain"`
	// OutRequestNo is the release's own number, never used before by the merchant,
	// and not the freezing's. The same number again is the same release.
	OutRequestNo string       `json:"out_request_no" validate:"required,max=64,plain"`
	Amount       money.Amount `json:"amount" validate:"amount"`
	Remark       string       `json:"remark" validate:"required,max=100,plain=text"`
	// ExtraParam is a JSON object in a text; its one documented key is
	// unfreezeBizInfo.
	ExtraParam string `json:"extra_param" validate:"omitempty,max=1024,json"`
	// OutOrderNo is the pre-authorisation's own number at the merchant. Optional: with
	// it an unresolved release can be asked about; without it only the notification
	// tells, because Alipay's query takes no other pair that is known by then. A
	// repeat of the request may add it.
	OutOrderNo string `json:"out_order_no" validate:"max=64,plain"`
	// NotifyURL is where the success is notified: App.NotifyURL, or one of
	// App.NotifyURLs.
	NotifyURL string `json:"notify_url" validate:"max=256"`

	Merchant     string `json:"merchant" validate:"max=64,plain,startsnotwith=token:"` // see RefundRequest
	AppAuthToken string `json:"app_auth_token" alias:"appAuthToken" validate:"max=40,plain"`
	Actor        string `json:"-"`
	Async        bool   `json:"-"` // see RefundRequest
}

// Unfreeze releases a pre-authorisation, or a part of it. It returns and fails as
// [Engine.Refund] does.
func (e *Engine) Unfreeze(ctx context.Context, request UnfreezeRequest) (Result, error) {
	if e.lost != nil {
		return Result{}, e.lost
	}
	if err := e.rules.check(request); err != nil {
		return Result{}, err
	}
	notifyURL, err := chooseNotifyURL(e.app, request.NotifyURL)
	if err != nil {
		return Result{}, err
	}
	return e.fundRefund(ctx, store.Refund{
		Kind: store.Unfreeze, AuthNo: request.AuthNo, OutOrderNo: request.OutOrderNo, OutRequestNo: request.OutRequestNo,
		Amount: request.Amount, NotifyURL: notifyURL, Actor: request.Actor, Promised: request.Async,
	}, gateway.Unfreeze{
		AuthNo: request.AuthNo, OutRequestNo: request.OutRequestNo, Amount: request.Amount, Remark: request.Remark, ExtraParam: request.ExtraParam,
	}, request.Merchant, request.AppAuthToken)
}

func (e *Engine) unfreezeProduct() product {
	return product{
		kind: store.Unfreeze, method: gateway.MethodUnfreeze, judge: gateway.JudgeUnfreeze, amountField: "amount",
		questions: unfreezeQuestions, asked: fundAsked("pre-authorisation"),
		tells: func(n *notify.Notification) bool { return n.Kind == notify.KindUnfreeze },
		notified: func(ctx context.Context, n *notify.Notification, other func(context.Context) error) error {
			return e.fundNotice(ctx, n, e.fundWord(store.Unfreeze, n), other)
		},
		plain: func(ctx context.Context, n *notify.Notification) (store.Refund, store.Settlement, bool) {
			return e.plainFund(ctx, n, e.fundWord(store.Unfreeze, n))
		},
	}
}

func unfreezeQuestions(r store.Refund) []question {
	var questions []question
	for _, pair := range fundPairs(r) {
		questions = append(questions, question{
			method: gateway.MethodAuthQuery,
			content: gateway.AuthQuery{
				AuthNo: pair.AuthNo, OperationID: pair.OperationID, OutOrderNo: pair.OutOrderNo, OutRequestNo: pair.OutRequestNo,
				OperationType: gateway.OperationUnfreeze,
			},
			judge:  gateway.JudgeAuthQuery,
			amount: func(reply gateway.Reply) money.Amount { return gateway.DecodeAuthQuery(reply).Amount },
		})
	}
	return questions
}
