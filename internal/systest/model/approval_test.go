package model_test

import (
	"context"
	"slices"
	"testing"

	"github.com/alirefund/alirefund/store"
)

// The same where A wants a second person's approval: nothing is sent of it before another
// than who asked has approved it since, whoever else decides, and whoever dies, at any
// moment. An approval that is recorded is sent in the end, and a wait ends.
func TestModelOfApproval(t *testing.T) { walk(t, kind{approval: true}) }

// decisions are the steps of those who approve. What A is without them, and what else can
// become of a call, is walked through by TestModel.
var decisions = append([]action{
	{"another approves A", recorded, func(ctx context.Context, l *lab) { l.approve(ctx, approver) }},
	{"A is declined", recorded, func(ctx context.Context, l *lab) { l.decline(ctx) }},
	{"who asked approves A", (*world).awaits, func(ctx context.Context, l *lab) { l.approve(ctx, asker) }},
}, slices.DeleteFunc(slices.Clone(actions), func(a action) bool {
	return !slices.Contains([]string{"A is asked for", "B is asked for", "A is looked up", "Run works on A", "a notice of A comes", "10 s pass", "25 min pass"}, a.name)
})...)

// actions are the steps that there are, and meddlers those that another process may make
// in the middle of one.
func (l *lab) actions() []action {
	if l.approval {
		return decisions
	}
	return actions
}

func (l *lab) meddlers() []action {
	if l.approval {
		return decisions[:2]
	}
	return actions
}

// meddles tells whether another process may do so at that depth: with approval, once A
// awaits it.
func (l *lab) meddles(depth int, w *world) bool {
	if l.approval {
		return depth == 1 && w.awaits()
	}
	return depth < meddling
}

// spares tells whether an exchange is left out.
func (l *lab) spares(e exchange) bool {
	return l.approval && !slices.Contains([]string{"refunded", "no connection", "no answer, executed", "no answer, lost", "refused for now", "found", "not found"}, e.name)
}

// awaits tells whether A awaits approval.
func (w *world) awaits() bool {
	r, ok := w.refund(0)
	return ok && r.State == store.AwaitingApproval
}
