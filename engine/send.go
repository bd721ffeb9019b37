package engine

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"time"

	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/store"
)

// send makes one send: recorded first, unless it is already, then made, then settled. It
// fails with [ErrNothingSent], or with [ErrStore] if nobody knows whether the send was
// recorded. A refund that somebody else is sending, or that was sent meanwhile, comes
// back as it stands.
func (e *Engine) send(ctx context.Context, r store.Refund, token string, c *claim, recorded reserved) (store.Refund, error) {
	p, known := e.productOf(r)
	if !known {
		return e.refuseUnknown(ctx, r, c)
	}
	if recorded.Token == "" {
		var err error
		if recorded, err = e.reserveSend(ctx, r, p.spacing); errors.Is(err, ErrNothingSent) {
			// A record that was not sent must not hold the order's total. This is no
			// send's answer: while one is unanswered it changes nothing.
			r, _ = e.settle(ctx, r, c, store.Settlement{Source: store.ByAnswer, Finding: store.NotSent, Message: "the store failed"})
		}
		if err != nil {
			return r, err
		}
	}
	if recorded.Wait > 0 { // the order's other refunds leave no room in time
		// Attempt 0, for it is no send: what became of those before it stays open.
		return e.settle(ctx, r, c, store.Settlement{
			Source: store.ByAnswer, Finding: store.NotSent, Message: "other refunds of the order were sent just before",
		})
	}
	if recorded.Token == "" {
		if now, err := e.ledger.Get(ctx, r.ID); err == nil {
			r = now
		}
		return r, nil
	}
	r.Attempts, r.SentAt = recorded.Number, r.AsOf

	s := store.Settlement{Source: store.ByAnswer, Attempt: recorded.Number, Token: recorded.Token}
	reply, err := e.do(ctx, OpSend, r, p.method, json.RawMessage(r.Request), gateway.Options{AppAuthToken: token, NotifyURL: r.NotifyURL, Leave: recorded.leave})
	if errors.Is(err, errLate) {
		e.leaseLost(ctx, "send", r)
	}
	// A settlement that could not be written leaves the refund pending.
	r, _ = e.settle(ctx, r, c, learn(s, reply, err, p.judge(reply, err, want(r))))
	return r, nil
}

// errLate: the process stood still between the record of a send and the send. Another
// may have made it since.
var errLate = errors.New("its lease is about to end")

// reserved is a send that is recorded. It may not be made when leave no longer agrees:
// its lease must outlast the call.
type reserved struct {
	store.Attempt
	leave func() error
}

// reserved is what the ledger answered to p, which it was asked for when the call began.
func (e *Engine) reserved(a store.Attempt, p store.Permission, began time.Time) reserved {
	return reserved{a, func() error {
		if elapsed(began) > p.Lease-e.config.Times.Timeout {
			return errLate
		}
		return nil
	}}
}

// reserveSend records the next send, after waiting for the order's spacing, for
// as long as a call may take. A send that still says to wait may not be made. It fails
// as [certain] does.
func (e *Engine) reserveSend(ctx context.Context, r store.Refund, spacing time.Duration) (reserved, error) {
	for until := time.Now().Add(max(e.config.Times.Timeout, 2*spacing)); ; {
		p := store.Permission{Token: rand.Text(), Attempts: r.Attempts, Lease: e.patience(), Spacing: spacing}
		began := time.Now()
		var attempt store.Attempt
		record := func(ctx context.Context) (err error) {
			attempt, err = e.ledger.Sending(ctx, r.ID, p)
			return err
		}
		err := record(ctx)
		if err = certain(ctx, err, record); err != nil || attempt.Wait <= 0 || time.Now().Add(attempt.Wait).After(until) {
			return e.reserved(attempt, p, began), err
		}
		select {
		case <-time.After(attempt.Wait):
		case <-ctx.Done():
			return reserved{Attempt: attempt}, nil
		}
	}
}
