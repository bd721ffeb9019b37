package engine

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/store"
)

// send makes one send: recorded first, then made, then settled. It fails with
// [ErrNothingSent] only. A refund that somebody else is sending, or that was
// sent meanwhile, comes back as it stands.
func (e *Engine) send(ctx context.Context, r store.Refund, token string, c *claim) (store.Refund, error) {
	p, known := e.productOf(r)
	if !known {
		return e.refuseUnknown(ctx, r, c)
	}
	attempt, leave, err := e.reserveSend(ctx, r, p.spacing)
	if err != nil {
		// A record that was not sent must not hold the order's total. This is no
		// send's answer: while one is unanswered it changes nothing.
		r, _ = e.settle(ctx, r, c, store.Settlement{Source: store.ByAnswer, Finding: store.NotSent, Message: "the store failed"})
		return r, nothingSent("the store", err)
	}
	if attempt.Wait > 0 { // the order's other refunds leave no room in time
		// Attempt 0, for it is no send: what became of those before it stays open.
		return e.settle(ctx, r, c, store.Settlement{
			Source: store.ByAnswer, Finding: store.NotSent, Message: "other refunds of the order were sent just before",
		})
	}
	if attempt.Token == "" {
		if now, err := e.ledger.Get(ctx, r.ID); err == nil {
			r = now
		}
		return r, nil
	}
	r.Attempts, r.SentAt = attempt.Number, r.AsOf

	s := store.Settlement{Source: store.ByAnswer, Attempt: attempt.Number, Token: attempt.Token}
	reply, err := e.gateway.Do(ctx, p.method, json.RawMessage(r.Request), gateway.Options{AppAuthToken: token, NotifyURL: r.NotifyURL, Leave: leave})
	// A settlement that could not be written leaves the refund pending.
	r, _ = e.settle(ctx, r, c, learn(s, reply, err, p.judge(reply, err, want(r))))
	return r, nil
}

// errLate: the process stood still between the record of a send and the send. Another
// may have made it since.
var errLate = errors.New("its lease is about to end")

// reserveSend records the next send, after waiting for the order's spacing, for
// as long as a call may take. An Attempt that still says to wait may not be sent, nor
// may one when leave no longer agrees: its lease must outlast the call.
func (e *Engine) reserveSend(ctx context.Context, r store.Refund, spacing time.Duration) (_ store.Attempt, leave func() error, err error) {
	p := store.Permission{Attempts: r.Attempts, Lease: e.patience(), Spacing: spacing}
	for until := time.Now().Add(max(e.config.Times.Timeout, 2*spacing)); ; {
		began := time.Now()
		attempt, err := e.ledger.Sending(ctx, r.ID, p)
		if err != nil || attempt.Wait <= 0 || time.Now().Add(attempt.Wait).After(until) {
			return attempt, func() error {
				if elapsed(began) > p.Lease-e.config.Times.Timeout {
					return errLate
				}
				return nil
			}, err
		}
		select {
		case <-time.After(attempt.Wait):
		case <-ctx.Done():
			return attempt, nil, nil
		}
	}
}
