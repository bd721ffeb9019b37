package engine

import (
	"context"
	"time"

	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/notify"
	"github.com/alirefund/alirefund/store"
)

// product is one of Alipay's interfaces that give money back: by which call it is
// made, what its answers prove, how it is asked about, and which notifications
// speak of it. Each stands in a file of its own, product_*.go, and is one row of
// the table in new.go. What the rest of the engine needs to know of a product it
// reads here, and never from the refund's kind.
type product struct {
	kind store.Kind
	// recorded is what Refund.Method says of it: nothing for the first product of
	// a kind, else the method.
	recorded string
	method   string // of the call that refunds
	judge    judge  // what its answer proves

	// spacing is the least time between two refunds of one order.
	spacing time.Duration
	// amountField is what a request calls the amount.
	amountField string
	// fits refuses a request that an order of that total cannot have meant. Or nil.
	fits func(r store.Refund, total money.Amount) error

	// questions returns how a refund can be asked about, the best first.
	questions func(store.Refund) []question
	// conclusive: the questions use only the refund's own identity, no number that
	// the caller gave beside it, so that a late not-found confirms an earlier refusal.
	conclusive bool
	// asked adds to what is learnt from an answer what only this product knows. Or
	// nil.
	asked func(*asked)

	// hint says what a person can do about a refund that stays unresolved. Or nil.
	hint func(store.Refund) string

	// tells recognises a notification about a refund of this product, and notified
	// settles what it is about. other is for what turns out to be no such
	// notification; see [Engine.Handle].
	tells    func(*notify.Notification) bool
	notified func(ctx context.Context, n *notify.Notification, other func(context.Context) error) error
	// plain returns the refund of which a notification tells the success s, where that
	// is all that notified would make of it; most are such. Or nil.
	plain func(ctx context.Context, n *notify.Notification) (r store.Refund, s store.Settlement, plain bool)
}

// judge says what the reply and error of a call prove about the refund that was
// wanted.
type judge func(gateway.Reply, error, gateway.Want) gateway.Verdict

// question is one way to ask Alipay about a refund.
type question struct {
	method  string
	content any // its biz_content
	judge   judge
	amount  func(gateway.Reply) money.Amount // of the refund that was found
}

// asked is a question's answer, and what is learnt from it.
type asked struct {
	refund     store.Refund
	late       bool // so long after the last send that a refund that had arrived would be found
	reply      gateway.Reply
	verdict    gateway.Verdict
	settlement store.Settlement
	// unaskable: there was no pair of numbers that a question could be put by.
	unaskable bool
	// repeat: the question could tell nothing, but the identical request may be sent
	// again, whose answer will.
	repeat bool
}

// want is what an answer about the refund must agree with.
func want(r store.Refund) gateway.Want {
	return gateway.Want{OutTradeNo: r.OutTradeNo, AuthNo: r.AuthNo, OutRequestNo: r.OutRequestNo, Amount: r.Amount}
}
