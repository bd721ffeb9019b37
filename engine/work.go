package engine

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/alirefund/alirefund/store"
)

// untold is a refund that was worked on, and of which the host has still to be told.
type untold struct {
	r store.Refund
	c *claim // or nil, if nothing was done yet
}

// work takes one refund as far as it goes now, but for the hooks, and returns what there
// is to tell, or nil.
func (e *Engine) work(ctx context.Context, r store.Refund) *untold {
	ctx, cancel := e.detach(ctx)
	defer cancel()
	c := newClaim()
	now := r.AsOf
	_, known := e.productOf(r)
	switch {
	case !known && r.State == store.Pending:
		r, _ = e.refuseUnknown(ctx, r, c)
	case r.Orphaned(now):
		// Recorded, and never sent: whoever asked for it was told nothing, or to
		// repeat it. To send it now, unasked, could surprise them.
		r, _ = e.settle(ctx, r, c, store.Settlement{
			Source: store.ByAnswer, Finding: store.NotSent, Message: "recorded, and never sent",
		})
	case r.State == store.AwaitingApproval:
		r = e.expire(ctx, r, c)
	case e.lost != nil: // nobody can ask
	case r.Stage(now) == store.StagePromised && !now.Before(r.AskAt):
		r = e.keepPromise(ctx, r, c)
	case r.State == store.Pending && r.Attempts > 0 && !now.Before(r.AskAt):
		r = e.pursue(ctx, r, c)
	case r.State == store.Failed && r.Rechecks > 0 && !now.Before(r.AskAt):
		r, _ = e.ask(ctx, r, c)
	}
	if len(r.Due()) == 0 && e.overdue(r) == "" && e.overdueToNamed(r) == "" {
		e.conclude(ctx, r, c, true)
		return nil
	}
	return &untold{r, c}
}

// tell delivers what is due of a refund, and calls for a person if it has waited for
// long.
func (e *Engine) tell(ctx context.Context, u *untold) {
	r, c := u.r, u.c
	ctx, cancel := e.detach(ctx)
	defer cancel()
	reason := e.overdueToNamed(r) // before they are tried once more
	e.conclude(ctx, r, c, true)
	if r.Attention != "" || e.overdue(r) == "" && reason == "" {
		return
	}
	if fresh, err := e.ledger.Get(ctx, r.ID); err == nil {
		r = fresh // with what its hook said
	}
	if reason = cmp.Or(e.overdue(r), reason); reason != "" {
		// Without a c, which would take the delivery from a hook that hangs.
		r, _ = e.settle(ctx, r, nil, store.Settlement{Attention: reason})
		e.conclude(ctx, r, nil, true)
	}
}

// keepPromise sends what is promised and was not sent yet: who was to send it is gone, or
// could not.
func (e *Engine) keepPromise(ctx context.Context, r store.Refund, c *claim) store.Refund {
	sent, err := e.goOn(ctx, r, c)
	if err != nil {
		e.log.WarnContext(ctx, "a promised refund could not be sent", "refund", r.ID, "error", err)
	}
	return sent
}

// pursue asks about an unresolved refund, and sends it again if that is proven
// safe.
func (e *Engine) pursue(ctx context.Context, r store.Refund, c *claim) store.Refund {
	asked, mayRepeat := e.ask(ctx, r, c)
	if asked.State != store.Pending || !mayRepeat {
		return asked
	}
	token, err := e.token(ctx, asked)
	if err != nil {
		return asked // ask has said so
	}
	sent, err := e.send(ctx, asked, token, c, reserved{})
	if err != nil {
		e.log.WarnContext(ctx, "an unresolved refund could not be sent again", "refund", r.ID, "error", err)
		return asked
	}
	if sent.State == store.Pending {
		sent, _ = e.ask(ctx, sent, c)
	}
	return sent
}

// overdue says why a refund wants a person, if it has waited for long: since it
// was opened, or since its event became due.
func (e *Engine) overdue(r store.Refund) string {
	event := store.Event("")
	if due := r.Due(); len(due) > 0 {
		event = due[0]
	}
	if r.AsOf.Sub(waitsSince(r, event)) <= e.config.Times.AttentionAfter {
		return ""
	}
	if r.State == store.Pending && e.lost != nil {
		why := "Config.Apps fails for its application " + r.App
		if errors.Is(e.lost, ErrUnknownApp) {
			why = "its application " + r.App + " is unknown to Config.Apps"
		}
		return "unresolved for " + e.config.Times.AttentionAfter.String() + ", and nobody can ask about it: " + why
	}
	if r.Stage(r.AsOf) == store.StagePromised {
		return strings.TrimSuffix("to be sent, and not sent for "+e.config.Times.AttentionAfter.String()+"; it is tried again: "+r.Message, ": ")
	}
	if r.State == store.Pending {
		reason := "unresolved for " + e.config.Times.AttentionAfter.String() + "; the asking goes on"
		if p, known := e.productOf(r); known && p.hint != nil && p.hint(r) != "" {
			reason += "; " + p.hint(r)
		}
		return reason
	}
	if event != "" {
		return e.undeliverable(r, event)
	}
	return ""
}

// overdueToNamed is overdue for the named subscribers, who are not waited for: the last
// try must have failed, and have come that late.
func (e *Engine) overdueToNamed(r store.Refund) string {
	for _, event := range r.DueToNamed() {
		if d := r.Delivery(event); d.Tries > 0 && !d.Lease.Held(r.AsOf) && d.At.Sub(waitsSince(r, event)) > e.config.Times.AttentionAfter {
			return e.undeliverable(r, event)
		}
	}
	return ""
}

// waitsSince is when the refund was opened, or approved, or since it is settled, when the event became
// due.
func waitsSince(r store.Refund, event store.Event) time.Time {
	since := r.SettledAt
	if r.State == store.Pending {
		since = r.CreatedAt
	}
	for _, entry := range r.History {
		switch entry.What {
		case "reopened", "approved":
			if r.State == store.Pending {
				since = entry.At
			}
		case "redeliver", "subscribed":
			if r.State != store.Pending && entry.Detail == string(event) {
				since = entry.At
			}
		}
	}
	return since
}

func (e *Engine) undeliverable(r store.Refund, event store.Event) string {
	why := cmp.Or(r.Delivery(event).Error, "its hook has not returned")
	return string(event) + " could not be delivered for " + e.config.Times.AttentionAfter.String() + ": " + why
}
