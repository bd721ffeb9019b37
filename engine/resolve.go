package engine

import (
	"context"
	"fmt"
	"strings"

	"github.com/alirefund/alirefund/store"
)

// Resolve records a person's decision about an unresolved refund: that it
// succeeded or failed, who says so, and why. The event is delivered as usual, with
// Source "person". A later signed word of Alipay's still corrects it. It fails
// with [store.ErrNotFound], [ErrNotPending], [ErrStore], or a [*ValidationError].
func (e *Engine) Resolve(ctx context.Context, id string, outcome store.State, actor, reason string) (Result, error) {
	finding := store.Success
	switch {
	case outcome == store.Failed:
		finding = store.Refusal
	case outcome != store.Succeeded:
		return Result{}, invalid("/outcome", "oneof", Text{En: "outcome must be succeeded or failed", Zh: "outcome 必须是 succeeded 或 failed"})
	}
	if strings.TrimSpace(actor) == "" || strings.TrimSpace(reason) == "" {
		return Result{}, invalid("/reason", "required", Text{En: "actor and reason are required", Zh: "actor 和 reason 为必填字段"})
	}
	r, err := e.find(ctx, id)
	switch {
	case err != nil:
		return Result{}, err
	case r.State != store.Pending:
		return Result{Refund: r, Repeated: true}, fmt.Errorf("%w: it %s", ErrNotPending, r.State)
	}
	c := newClaim()
	r, err = e.settle(ctx, r, c, store.Settlement{
		Source: store.ByPerson, Finding: finding, Actor: actor, Reason: shorten(reason), Message: shorten(reason),
	})
	if err != nil {
		return Result{}, err
	}
	result := e.conclude(ctx, r, c, true)
	if r.State != outcome || r.Source != store.ByPerson { // Alipay was quicker
		return result, fmt.Errorf("%w: it %s", ErrNotPending, r.State)
	}
	return result, nil
}
