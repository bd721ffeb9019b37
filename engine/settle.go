package engine

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/store"
)

// settle writes down what was learnt. A ledger that fails is tried again for a
// while; if it stays down, r comes back as it was, with the ledger's error: the
// send stays unanswered in it, which is the truth.
func (e *Engine) settle(ctx context.Context, r store.Refund, c *claim, s store.Settlement) (store.Refund, error) {
	// Each question and each send makes the next one rarer. The first pause is
	// never shorter than FirstCheck, for a question before that concludes nothing.
	s.Again = store.Backoff(r.Asks+max(r.Attempts, 1), e.config.Times.FirstCheck*5/4, rarest)
	if c != nil {
		s.Notice = c.notice
	}
	ctx, ended := e.observe(ctx, opOf(OpSettle, r))
	lasting, cancel := lasting(ctx)
	defer cancel()
	settled, changed, err := e.settleTx(lasting, r, c, s)
	if settled.ID == "" && err == nil {
		settled, changed, err = e.recordLearnt(lasting, r, c, s)
	}
	if errors.Is(err, store.ErrTaken) {
		ended(Ended{Outcome: "taken"})
		return r, err
	}
	if err != nil {
		ended(Ended{Outcome: "store_failed"})
		e.log.ErrorContext(ctx, "what was learnt about a refund could not be recorded", "refund", r.ID, "finding", s.Finding.String(), "error", err)
		return r, storeFailed(err)
	}
	if c != nil && s.Notice.Key != "" {
		c.done = len(settled.Due()) == 0
	}
	if changed {
		if s.Decision != "" {
			e.log.InfoContext(ctx, "the wait for approval is over", "refund", r.ID, "approved", settled.ApprovedBy != "", "actor", s.Actor)
		}
		if settled.Settled() {
			e.log.InfoContext(ctx, "a refund is settled", "refund", r.ID, "state", settled.State, "source", settled.Source)
		}
		e.changed(ctx, r.State, settled)
	}
	ended(Ended{Outcome: string(settled.State)})
	if changed && r.State == store.Failed && settled.State == store.Succeeded {
		e.log.WarnContext(ctx, "a refund that had failed has succeeded: a send of it was carried out late, or elsewhere", "refund", r.ID, "source", settled.Source)
	}
	if settled.Attention != "" && settled.Attention != r.Attention {
		e.log.WarnContext(ctx, "a refund needs attention", "refund", r.ID, "reason", settled.Attention)
	}
	return settled, nil
}

// recordLearnt writes it down, and with it that c takes the delivery of what that makes
// true. Where a hook of the refund runs here, whose lease may be over, it keeps the
// event.
func (e *Engine) recordLearnt(ctx context.Context, r store.Refund, c *claim, s store.Settlement) (settled store.Refund, changed bool, err error) {
	_, running := e.delivering.Load(r.ID)
	_, calling := e.delivering.Load(deliveryKey(r, store.RefundUnresolved))
	if e.tx == nil && c != nil && !running && !calling {
		s.Claim, s.ClaimFor, c.settled = c.token, e.config.Times.HookTimeout+storeTime, time.Now()
	}
	taken := false
	err = retry(ctx, func(ctx context.Context) (err error) {
		settled, changed, err = e.ledger.Settle(ctx, r.ID, s)
		if taken = errors.Is(err, store.ErrTaken); taken {
			return nil
		}
		return err
	})
	if taken {
		err = store.ErrTaken
	}
	return settled, changed, err
}

// learn adds to s what a reply and its verdict say.
func learn(s store.Settlement, reply gateway.Reply, err error, v gateway.Verdict) store.Settlement {
	switch v.Outcome {
	case gateway.Succeeded:
		s.Finding = store.Success
	case gateway.Failed, gateway.FailedRetryable:
		s.Finding, s.Retryable, s.Check = store.Refusal, v.Outcome == gateway.FailedRetryable, v.Check
	case gateway.NotFound:
		s.Finding = store.NotFound
	case gateway.NotSent:
		s.Finding = store.NotSent
	case gateway.Unresolved:
	}
	s.Ended, s.Unlisted = v.Ended, v.Unlisted
	s.Code, s.SubCode, s.Message = reply.Code, reply.SubCode, reply.SubMsg
	if s.Message == "" && err != nil {
		s.Message = reply.Msg
	}
	if reply.Code == "" && err != nil {
		s.Message = err.Error()
	}
	// A node is kept if it proves something: a query's "Success" beside a pending
	// refund would read as if the money had moved. A refusal of the call itself
	// may quote the text that was signed, and with it a token.
	proves := v.Outcome != gateway.Unresolved && v.Outcome != gateway.NotFound
	if proves && (reply.Code == "10000" || reply.Code == "40004") {
		s.Answer = store.JSON(reply.Node)
	}
	if v.Outcome == gateway.Succeeded || reply.Code == "10000" && !v.Attention { // a red packet in progress has its operation_id
		s.TradeNo, s.OutOrderNo, s.OperationID = reply.Text("trade_no"), reply.Text("out_order_no"), cmp.Or(reply.Text("operation_id"), reply.Text("refund_order_id"))
	}
	if v.Attention {
		s.Attention = attention(reply, err)
	}
	return s
}

// attention says why a person should look at a refund.
func attention(reply gateway.Reply, err error) string {
	words := strings.TrimSpace(reply.Code + " " + reply.SubCode)
	switch {
	case errors.Is(err, gateway.ErrUnverified) && words != "" && reply.Code != "10000":
		return "an unsigned answer says " + words + "; it proves nothing, and waiting will not heal it"
	case errors.Is(err, gateway.ErrUnverified):
		return "the answer's signature is wrong: is this Alipay's public key of this application?"
	case err != nil:
		return "Alipay refused the call: " + words
	}
	return "Alipay's answer speaks of another refund under this number"
}

// refuseUnknown calls for a person where a refund's product is not known: another
// version of this module recorded it, and this one must not guess.
func (e *Engine) refuseUnknown(ctx context.Context, r store.Refund, c *claim) (store.Refund, error) {
	if r.Attention != "" {
		return r, nil // a person is called for already
	}
	what := strings.TrimSpace(string(r.Kind) + " " + r.Method)
	return e.settle(ctx, r, c, store.Settlement{
		Attention: "this version of the module does not know refunds of the kind " + what + ", and neither sends this one nor asks about it: upgrade this process",
	})
}
