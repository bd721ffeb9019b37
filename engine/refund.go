package engine

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/store"
)

// Check tells what is wrong with a [RefundRequest], [CouponRefundRequest] or
// [UnfreezeRequest] by itself, and asks for nothing: it returns a [*ValidationError] with
// every wrong field, or nil.
func (e *Engine) Check(request any) error { return e.rules.check(request) }

// refund is the life of a request: record, send, ask, settle, deliver. A token that
// came with it is kept while the refund is unresolved, and only in memory.
func (e *Engine) refund(ctx context.Context, r store.Refund, token string, keep bool) (_ Result, err error) {
	r.Origin, r.State, r.Subscribed = store.FromRequest, store.Pending, e.subscribers.events
	r = r.Identify()
	ctx, ended := e.observe(ctx, opOf(OpRefund, r))
	defer func() { ended(refundEnded(r, err)) }()

	recorded, opened, limit, made, err := e.open(ctx, r)
	if keep && errors.Is(err, ErrStore) {
		e.tokens.Store(r.ID, token) // it may be recorded, and asked about
	}
	if err != nil {
		return Result{}, err
	}
	switch opened.How {
	case store.Conflict:
		return Result{Refund: recorded, Repeated: true, Delivered: e.Delivered(recorded)}, &ConflictError{Refund: recorded, Differs: e.differences(recorded, r)}
	case store.OverLimit:
		return Result{}, &LimitError{Amount: r.Amount, Left: opened.Left, Total: limit.Total}
	}
	if keep && !recorded.Settled() {
		e.tokens.Store(recorded.ID, token)
	}

	ctx, cancel := e.detach(ctx)
	defer cancel()
	if recorded.State == store.Succeeded && recorded.Amount == 0 {
		if recorded, err = e.confirmAmount(ctx, recorded, r.Amount); err != nil {
			return Result{Refund: recorded, Repeated: true}, err
		}
	}
	if opened.How == store.Created || opened.How == store.Reopened {
		e.log.InfoContext(ctx, "a refund is recorded", "refund", recorded.ID, "kind", recorded.Kind,
			"order", recorded.Order(), "out_request_no", recorded.OutRequestNo, "amount", recorded.Amount, "state", recorded.State)
		from := store.State("")
		if opened.How == store.Reopened {
			from = store.Failed
		}
		e.changed(ctx, from, recorded)
	}
	repeated := opened.How != store.Created
	out := opened.How == store.Exists && !recorded.Unsent()
	if r.Promised && recorded.State == store.Pending {
		e.later(ctx, recorded, token, out, made)
		return Result{Refund: recorded, Repeated: repeated}, &UnresolvedError{Refund: recorded, InProgress: !out}
	}
	c := newClaimAtOnce()
	recorded = e.expire(ctx, recorded, c)
	r, err = e.advance(ctx, recorded, token, c, out, made)
	if err != nil {
		return Result{Refund: r, Repeated: repeated}, err
	}
	result := e.conclude(ctx, r, c, repeated)
	return result, result.err(r.Lease.Held(r.AsOf))
}

// later takes a refund as far as it goes now, behind the back of its caller, who is
// answered. [Engine.Close] waits for it; what it leaves, Run takes up.
func (e *Engine) later(ctx context.Context, r store.Refund, token string, out bool, made reserved) {
	end := e.hooks.beginIn(ctx)
	go func() {
		defer end()
		ctx, cancel := e.detach(ctx)
		defer cancel()
		ctx, ended := e.observe(ctx, opOf(OpWork, r))
		var err error
		defer func() { ended(endedBy(err, "failed")) }()
		defer e.recovered(ctx, &err) // of the host's HTTPClient
		c := newClaimAtOnce()
		if r, err = e.advance(ctx, r, token, c, out, made); err == nil {
			e.conclude(ctx, r, c, true)
		}
	}()
}

// open asks the host for leave and for the order's total, and records the refund and
// its first send, which is made then. It returns the limit that the total set.
func (e *Engine) open(ctx context.Context, r store.Refund) (recorded store.Refund, opened store.Opened, limit store.Limit, made reserved, err error) {
	first := store.Permission{Token: rand.Text(), Lease: e.patience(), Approval: e.config.Times.Approval}
	if p, known := e.productOf(r); known {
		first.Spacing = p.spacing
	}
	began := time.Now()
	for range 3 { // a refund may fail between admit and record, and then needs a reservation after all
		var needed bool
		if limit, needed, err = e.admit(ctx, r); err != nil {
			break
		}
		asked := r
		if needed {
			asked.State, asked.Promised = store.AwaitingApproval, false // the approval promises it
		}
		recorded, opened, err = e.record(ctx, asked, limit, first)
		if err != nil || opened.How != store.OverLimit || limit.Total != 0 {
			break
		}
	}
	if opened.First.Token != "" {
		recorded.Lease = store.Lease{} // ours: nobody else is sending it
	}
	return recorded, opened, limit, e.reserved(opened.First, first, began), err
}

// record opens a refund together with its first send, or fails while a client still
// waits. Where a failure leaves it open whether it is recorded, the same is asked for
// again: a send that nobody makes would be made some day. If that does not tell either,
// it fails with [ErrStore], else with [ErrNothingSent].
func (e *Engine) record(ctx context.Context, r store.Refund, limit store.Limit, first store.Permission) (recorded store.Refund, opened store.Opened, err error) {
	open := func(ctx context.Context) error {
		recorded, opened, err = e.ledger.Open(ctx, r, limit, &first)
		return err
	}
	waiting, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	err = open(waiting)
	err = certain(ctx, err, open)
	return recorded, opened, err
}

// confirmAmount asks Alipay for the amount of a refund that is known from a
// notification, which did not say it. The caller believes that it is his own
// refund, of the amount want: it is, only if Alipay says the same.
func (e *Engine) confirmAmount(ctx context.Context, r store.Refund, want money.Amount) (store.Refund, error) {
	amount, _ := e.askAmount(ctx, r)
	if amount != 0 {
		var err error
		if r, err = e.settle(ctx, r, nil, store.Settlement{Source: store.ByQuery, Amount: amount}); err != nil {
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
func (e *Engine) advance(ctx context.Context, r store.Refund, token string, c *claim, out bool, first reserved) (store.Refund, error) {
	if r.State != store.Pending {
		return r, nil
	}
	if out {
		asked, mayRepeat := e.ask(ctx, r, c)
		if asked.State != store.Pending || !mayRepeat {
			return asked, nil
		}
		r = asked
	}
	r, err := e.send(ctx, r, token, c, first)
	if r.State == store.Pending && r.HasUnanswered() {
		err = nil // nothing was sent now, but earlier: it is unresolved
	}
	if err == nil && r.State == store.Pending {
		r, _ = e.ask(ctx, r, c)
	}
	return r, err
}

// admit asks the host whether it objects, whether the refund needs approval, and for the
// order's total, unless the refund is known and needs nothing of that.
func (e *Engine) admit(ctx context.Context, r store.Refund) (limit store.Limit, needsApproval bool, err error) {
	if e.config.OrderTotal == nil && e.config.BeforeRefund == nil && e.config.NeedsApproval == nil {
		return store.Limit{}, false, nil
	}
	look, cancel := looking(ctx)
	defer cancel()
	known, err := e.ledger.Get(look, r.ID)
	if err == nil && !known.CanReopen() {
		return store.Limit{Known: true}, false, nil // reserves nothing, should Open find it otherwise
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return store.Limit{}, false, nothingSent("the store", err)
	}
	if e.config.BeforeRefund != nil {
		_, err := answered(ctx, e, hookOf("BeforeRefund", r), func(ctx context.Context) (struct{}, error) { return struct{}{}, e.config.BeforeRefund(ctx, r.Clone()) })
		if _, broken := errors.AsType[*brokenError](err); broken {
			return store.Limit{}, false, nothingSent("BeforeRefund", err) // which is no veto
		}
		if err != nil {
			return store.Limit{}, false, &VetoError{Err: err}
		}
	}
	if needsApproval, err = e.needsApproval(ctx, r); err != nil || e.config.OrderTotal == nil {
		return store.Limit{}, needsApproval, err
	}
	limit, err = answered(ctx, e, hookOf("OrderTotal", r), func(ctx context.Context) (store.Limit, error) {
		total, known, err := e.config.OrderTotal(ctx, Order{App: r.App, Kind: r.Kind, Merchant: r.Merchant, OutTradeNo: r.OutTradeNo, AuthNo: r.AuthNo})
		return store.Limit{Total: total, Known: known}, err
	})
	if err != nil {
		return store.Limit{}, false, nothingSent("OrderTotal", err)
	}
	if p, _ := e.productOf(r); limit.Known && p.fits != nil {
		err = p.fits(r, limit.Total)
	}
	return limit, needsApproval, err
}

// differences names the fields in which two requests under one number differ.
func (e *Engine) differences(recorded, asked store.Refund) []string {
	names := recorded.Differs(asked)
	if i := slices.Index(names, "amount"); i >= 0 {
		if p, known := e.productOf(recorded); known {
			names[i] = p.amountField
		}
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
