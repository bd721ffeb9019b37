package otel

import (
	"context"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/alirefund/alirefund/engine"
)

// Attributes of spans and metrics.
const (
	appID       = attribute.Key("alirefund.app.id")
	kind        = attribute.Key("alirefund.kind")
	outcome     = attribute.Key("alirefund.outcome")
	method      = attribute.Key("alirefund.method")
	purpose     = attribute.Key("alirefund.purpose")
	hook        = attribute.Key("alirefund.hook")
	retry       = attribute.Key("alirefund.retry")
	lease       = attribute.Key("alirefund.lease")
	from        = attribute.Key("alirefund.from")
	source      = attribute.Key("alirefund.source")
	origin      = attribute.Key("alirefund.origin")
	subCode     = attribute.Key("alirefund.sub_code")
	reason      = attribute.Key("alirefund.reason")
	noticeKind  = attribute.Key("alirefund.notification.kind")
	certificate = attribute.Key("alirefund.certificate")
)

// Attributes of spans alone.
const (
	code        = attribute.Key("alirefund.code")
	refundID    = attribute.Key("alirefund.refund.id")
	orderNo     = attribute.Key("alirefund.order.number")
	refundNo    = attribute.Key("alirefund.refund.number")
	noticeID    = attribute.Key("alirefund.notification.id")
	errorType   = attribute.Key("error.type")
	leaseLost   = "alirefund.lease.lost"
	stateChange = "alirefund.refund.changed"
)

// fails are the outcomes that fail a span. Alipay's refusal of a refund is an answer,
// and no error.
var fails = map[engine.Op]map[string]bool{
	engine.OpRefund: {"unresolved": true, "nothing_sent": true, "error": true},
	engine.OpSend:   {"unverified": true, "no_answer": true, "not_sent": true},
	engine.OpAsk:    {"unverified": true, "no_answer": true, "not_sent": true},
	engine.OpSettle: {"store_failed": true},
	engine.OpHook:   {"failed": true},
	engine.OpNotice: {"refused": true, "unhandled": true, "unsettled": true, "hook_failed": true, "store_failed": true},
}

// begin starts the operation's span, and returns how to end it. A round of Run and a
// look at the clock have none: there is one each second, and it says nothing.
func (o *Observer) begin(ctx context.Context, op engine.Operation) (context.Context, func(engine.Ended)) {
	switch op.Op {
	case engine.OpRound, engine.OpClock:
		return ctx, func(engine.Ended) {}
	case engine.OpLease:
		return ctx, func(engine.Ended) {
			trace.SpanFromContext(ctx).AddEvent(leaseLost, trace.WithAttributes(lease.String(op.Lease)))
		}
	}
	name, how := "alirefund."+string(op.Op), trace.SpanKindInternal
	switch op.Op {
	case engine.OpSend, engine.OpAsk:
		how = trace.SpanKindClient
	case engine.OpHook:
		name += " " + op.Hook
	}
	ctx, span := o.tracer.Start(ctx, name, trace.WithSpanKind(how), trace.WithAttributes(given(
		appID.String(op.App), kind.String(string(op.Kind)), method.String(op.Method), hook.String(op.Hook),
		noticeKind.String(op.Notice), noticeID.String(op.NotifyID), refundID.String(op.Refund), orderNo.String(op.Order), refundNo.String(op.Number),
	)...))
	if op.Op == engine.OpHook {
		span.SetAttributes(retry.Bool(op.Again))
	}
	ctx = o.traces.join(ctx, op, span)
	return ctx, func(how engine.Ended) {
		span.SetAttributes(given(outcome.String(how.Outcome), code.String(how.Code), subCode.String(how.SubCode), reason.String(how.Reason))...)
		if fails[op.Op][how.Outcome] {
			span.SetStatus(codes.Error, how.Outcome)
			span.SetAttributes(errorType.String(how.Outcome))
		}
		span.End()
	}
}

// changed stands as an event in the span within which it happened.
func changed(ctx context.Context, c engine.Change) {
	trace.SpanFromContext(ctx).AddEvent(stateChange, trace.WithAttributes(given(
		refundID.String(c.Refund), from.String(string(c.From)), outcome.String(became(c)), source.String(string(c.Source)), subCode.String(c.SubCode),
	)...))
}

// given leaves out the attributes that are empty.
func given(attributes ...attribute.KeyValue) []attribute.KeyValue {
	some := attributes[:0]
	for _, a := range attributes {
		if a.Value.Type() != attribute.STRING || a.Value.AsString() != "" {
			some = append(some, a)
		}
	}
	return some
}

// mostTraces is how many refunds' traces are remembered.
const mostTraces = 4096

// traces remembers in which span each of the latest refunds was asked for, in this
// process alone, so that what comes later - a notification, Run, a repeat - is linked
// to it. What another process was asked for has no link, and is found by the attribute
// alirefund.refund.id, which both have.
type traces struct {
	mu   sync.Mutex
	of   map[string]trace.SpanContext // by refund id
	ring [mostTraces]string           // the ids, the oldest at next
	next int
}

// top is the span that a request, a notification or Run's work on a refund began
// with, as a value of the context.
type top struct {
	span   trace.Span
	mu     sync.Mutex
	linked map[string]bool // refund ids
}

type topKey struct{}

// join links the span at the top to where the operation's refund was asked for, once.
func (t *traces) join(ctx context.Context, op engine.Operation, span trace.Span) context.Context {
	above, _ := ctx.Value(topKey{}).(*top)
	switch op.Op {
	case engine.OpRefund, engine.OpNotice, engine.OpWork:
		above = &top{span: span, linked: map[string]bool{}}
		ctx = context.WithValue(ctx, topKey{}, above)
	}
	if above == nil || op.Refund == "" {
		return ctx
	}
	above.mu.Lock()
	done := above.linked[op.Refund]
	above.linked[op.Refund] = true
	above.mu.Unlock()
	if done {
		return ctx
	}
	if first, known := t.find(op.Refund, above.span.SpanContext(), op.Op == engine.OpRefund); known {
		above.span.AddLink(trace.Link{SpanContext: first})
	}
	return ctx
}

// find returns the span in which the refund was first asked for. add: here is one.
func (t *traces) find(id string, here trace.SpanContext, add bool) (first trace.SpanContext, known bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if first, known = t.of[id]; known || !add || !here.IsValid() {
		return first, known
	}
	if t.of == nil {
		t.of = map[string]trace.SpanContext{}
	}
	delete(t.of, t.ring[t.next])
	t.of[id], t.ring[t.next] = here, id
	t.next = (t.next + 1) % mostTraces
	return first, false
}
