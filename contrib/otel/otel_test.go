package otel_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/trace"
	api "go.opentelemetry.io/otel/trace"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/internal/shoptest"
	"github.com/alirefund/alirefund/store"
)

// tree is the spans that ended, each as parent>name, in the order in which they ended.
func (w *telemetry) tree() []string {
	names := map[api.SpanID]string{}
	for _, span := range w.spans.Started() {
		names[span.SpanContext().SpanID()] = strings.TrimPrefix(span.Name(), "alirefund.")
	}
	var tree []string
	for _, span := range w.spans.Ended() {
		tree = append(tree, names[span.Parent().SpanID()]+">"+names[span.SpanContext().SpanID()])
	}
	return tree
}

func (w *telemetry) span(t *testing.T, name string) trace.ReadOnlySpan {
	t.Helper()
	for _, span := range slices.Backward(w.spans.Ended()) {
		if span.Name() == name {
			return span
		}
	}
	t.Fatalf("no span %s in %q", name, w.tree())
	return nil
}

// attributes expects these among the span's, by name=value.
func attributes(t *testing.T, span trace.ReadOnlySpan, want ...string) {
	t.Helper()
	var got []string
	for _, a := range span.Attributes() {
		got = append(got, string(a.Key)+"="+a.Value.String())
	}
	for _, a := range want {
		if !slices.Contains(got, a) {
			t.Errorf("%s has %q, and not %s", span.Name(), got, a)
		}
	}
}

// One trace leads from the host's route to its hook.
func TestTraceFromRouteToHook(t *testing.T) {
	w := newTelemetry(t)
	s := w.shop(t)
	s.Trade()
	ctx, route := w.tracer.Tracer("host").Start(t.Context(), "POST /alipay/refunds")
	r := refund(ctx, s, "R1")
	route.End()
	s.Expect(r, 200, "succeeded")
	want := []string{"refund>send", "refund>settle", "refund>hook refund_succeeded", "POST /alipay/refunds>refund", ">POST /alipay/refunds"}
	if got := w.tree(); !slices.Equal(got, want) {
		t.Fatalf("spans %q, want %q", got, want)
	}
	for _, span := range w.spans.Ended() {
		if span.SpanContext().TraceID() != route.SpanContext().TraceID() {
			t.Errorf("%s is in another trace", span.Name())
		}
	}
	attributes(t, w.span(t, "alirefund.refund"), "alirefund.refund.id="+r.Str("id"), "alirefund.refund.number=R1",
		"alirefund.order.number="+shoptest.Order, "alirefund.kind=trade", "alirefund.outcome=succeeded", "alirefund.app.id="+s.Config.App.ID)
	send := w.span(t, "alirefund.send")
	attributes(t, send, "alirefund.method="+gateway.MethodTradeRefund, "alirefund.outcome=ok", "alirefund.code=10000")
	if send.SpanKind() != api.SpanKindClient {
		t.Errorf("the send is a %v", send.SpanKind())
	}
	if events := w.span(t, "alirefund.settle").Events(); len(events) != 1 || events[0].Name != "alirefund.refund.changed" {
		t.Errorf("the settlement's events: %+v", events)
	}
}

// What fails is an error of its span; Alipay's refusal is an answer.
func TestSpansThatFail(t *testing.T) { synctest.Test(t, spansThatFail) }

func spansThatFail(t *testing.T) {
	w := newTelemetry(t)
	s := w.shop(t)
	s.Trade()
	s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "ACQ.SELLER_BALANCE_NOT_ENOUGH"})
	refund(t.Context(), s, "refused")
	for name, want := range map[string]string{"alirefund.send": "refused", "alirefund.refund": "failed"} {
		span := w.span(t, name)
		attributes(t, span, "alirefund.outcome="+want, "alirefund.sub_code=ACQ.SELLER_BALANCE_NOT_ENOUGH", "alirefund.code=40004")
		if span.Status().Code != codes.Unset {
			t.Errorf("%s: %v", name, span.Status())
		}
	}
	s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer})
	s.HookFails(store.RefundSucceeded, shoptest.ErrHost)
	refund(t.Context(), s, "lost")
	notice(t.Context(), s, forged(s))
	for name, want := range map[string]string{
		"alirefund.send": "no_answer", "alirefund.hook refund_succeeded": "failed", "alirefund.notice": "refused",
	} {
		span := w.span(t, name)
		attributes(t, span, "alirefund.outcome="+want, "error.type="+want)
		if span.Status().Code != codes.Error || span.Status().Description != want {
			t.Errorf("%s: %v", name, span.Status())
		}
	}
	attributes(t, w.span(t, "alirefund.notice"), "alirefund.reason=signature")
	attributes(t, w.span(t, "alirefund.ask"), "alirefund.outcome=ok", "alirefund.method="+gateway.MethodRefundQuery)
}

// What comes later - a notice, Run's work, a repeat - is linked to where the refund
// was asked for, and names it.
func TestLinksToTheRefund(t *testing.T) {
	w := newTelemetry(t)
	s := w.shop(t)
	trade := s.Trade()
	s.HookFails(store.RefundSucceeded, shoptest.ErrHost)
	r := refund(t.Context(), s, "R1")
	asked := w.span(t, "alirefund.refund")
	s.HookFails(store.RefundSucceeded, nil)
	notice(t.Context(), s, s.Alipay.SignedNotice(shoptest.RefundNotice(map[string]string{"refund_fee": "1.00", "trade_no": trade.TradeNo})))
	refund(t.Context(), s, "R1")
	for _, name := range []string{"alirefund.notice", "alirefund.refund"} {
		span := w.span(t, name)
		if span.Parent().IsValid() || span.SpanContext().TraceID() == asked.SpanContext().TraceID() {
			t.Errorf("%s is in the trace of the request", name)
		}
		if links := span.Links(); len(links) != 1 || !links[0].SpanContext.Equal(asked.SpanContext()) {
			t.Errorf("%s is linked to %v, want %v", name, links, asked.SpanContext())
		}
	}
	attributes(t, w.span(t, "alirefund.hook refund_succeeded"), "alirefund.refund.id="+r.Str("id"), "alirefund.retry=true")
	attributes(t, w.span(t, "alirefund.settle"), "alirefund.refund.id="+r.Str("id"))

	// Another process, which was never asked for it, knows no link; but both name it.
	other := newTelemetry(t)
	s.Config.Observer = other
	s.Restart()
	notice(t.Context(), s, s.Alipay.SignedNotice(shoptest.RefundNotice(map[string]string{"refund_fee": "1.00", "trade_no": trade.TradeNo, "notify_id": "2"})))
	if links := other.span(t, "alirefund.notice").Links(); len(links) != 0 {
		t.Errorf("links %v", links)
	}
	attributes(t, other.span(t, "alirefund.settle"), "alirefund.refund.id="+r.Str("id"))
}

func TestRunIsLinkedAndCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTelemetry(t)
		s := w.shop(t)
		r := s.Unresolved(alipaytest.LostAnswer)
		asked := w.span(t, "alirefund.refund")
		stop := s.Run()
		time.Sleep(time.Minute)
		stop()
		work := w.span(t, "alirefund.work")
		if links := work.Links(); len(links) != 1 || !links[0].SpanContext.Equal(asked.SpanContext()) {
			t.Errorf("linked to %v", links)
		}
		attributes(t, work, "alirefund.refund.id="+r.ID)
		attributes(t, asked, "alirefund.outcome=unresolved", "error.type=unresolved")
		if rounds := w.metric(t, "alirefund.run.rounds"); rounds["outcome=ok"] < 50 || len(rounds) != 1 {
			t.Errorf("rounds: %v", rounds)
		}
		if taken := w.metric(t, "alirefund.run.refunds"); taken[""] < 1 {
			t.Errorf("taken up: %v", taken)
		}
		for _, name := range w.tree() {
			if strings.HasSuffix(name, ">round") || strings.HasSuffix(name, ">clock") {
				t.Errorf("a span of each %s", name)
			}
		}
	})
}

func TestMetrics(t *testing.T) {
	w := newTelemetry(t)
	synctest.Test(t, w.answers)
	for name, want := range map[string]map[string]float64{
		"alirefund.refunds.opened": {"kind=trade": 6},
		"alirefund.refunds.settled": {
			"from=pending kind=trade origin=request outcome=succeeded source=answer":                                     1,
			"from=pending kind=trade origin=request outcome=succeeded source=query":                                      1,
			"from=pending kind=trade origin=request outcome=not_sent source=answer":                                      1,
			"from=pending kind=trade origin=request outcome=failed source=answer sub_code=ACQ.SELLER_BALANCE_NOT_ENOUGH": 2,
			"from=failed kind=trade origin=request outcome=succeeded source=query":                                       1,
		},
		"alirefund.refund.duration": {
			"kind=trade outcome=succeeded source=answer": 1, "kind=trade outcome=succeeded source=query": 2, "kind=trade outcome=failed source=answer": 2,
		},
		"alirefund.request.duration": {
			"kind=trade outcome=succeeded": 2, "kind=trade outcome=failed": 2, "kind=trade outcome=nothing_sent": 1, "kind=trade outcome=unresolved": 1,
		},
		"alirefund.gateway.duration": {
			"method=alipay.trade.refund outcome=ok purpose=send":                     1,
			"method=alipay.trade.refund outcome=refused purpose=send":                2,
			"method=alipay.trade.refund outcome=not_sent purpose=send":               1,
			"method=alipay.trade.refund outcome=no_answer purpose=send":              1,
			"method=alipay.trade.refund outcome=unverified purpose=send":             1,
			"method=alipay.trade.fastpay.refund.query outcome=ok purpose=ask":        2,
			"method=alipay.trade.fastpay.refund.query outcome=no_answer purpose=ask": 1,
		},
		"alirefund.hook.duration": {
			"hook=refund_succeeded outcome=ok retry=false": 3, "hook=refund_failed outcome=ok retry=false": 2,
			"hook=refund_unresolved outcome=ok retry=false": 1, "hook=notification outcome=ok retry=false": 1,
		},
		"alirefund.notifications": {
			"notification.kind=payment outcome=handled": 1, "notification.kind=payment outcome=known": 1,
			"outcome=refused reason=signature": 1, "notification.kind=trade_refund outcome=handled": 1,
		},
	} {
		if got := w.metric(t, name); !maps.Equal(got, want) {
			t.Errorf("%s:\n got %v\nwant %v", name, got, want)
		}
	}
}

func TestGauges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTelemetry(t)
		s := shoptest.NewShopOf(t, shoptest.Modes["certificates"], w.watch)
		gauges, err := w.Watch(s.Module.Engine)
		if err != nil {
			t.Fatal(err)
		}
		s.HookFails(store.RefundUnresolved, shoptest.ErrHost)
		s.Unresolved(alipaytest.WrongSignature)
		time.Sleep(10 * time.Minute)
		for name, want := range map[string]map[string]float64{
			"alirefund.backlog.awaiting":    {"": 0},
			"alirefund.backlog.unresolved":  {"": 1},
			"alirefund.backlog.undelivered": {"": 1},
			"alirefund.backlog.due":         {"": 1},
			"alirefund.backlog.oldest.age":  {"": 600},
		} {
			if got := w.metric(t, name); !maps.Equal(got, want) {
				t.Errorf("%s: %v, want %v", name, got, want)
			}
		}
		application, alipay := s.Module.CertificateEnds()
		want := map[string]float64{"certificate=application": time.Until(application).Seconds(), "certificate=alipay": time.Until(alipay).Seconds()}
		if got := w.metric(t, "alirefund.certificate.expiry"); !maps.Equal(got, want) || application.IsZero() || alipay.IsZero() {
			t.Errorf("the certificates: %v, want %v", got, want)
		}
		if err := gauges.Unregister(); err != nil {
			t.Fatal(err)
		}
		if got := w.metric(t, "alirefund.backlog.unresolved"); len(got) != 0 {
			t.Errorf("after Unregister: %v", got)
		}
	})
}

// A store that cannot count, and keys without certificates, have no gauges, and are no
// errors.
func TestGaugesThatThereAreNot(t *testing.T) {
	w := newTelemetry(t)
	s := w.shop(t, func(c *alirefund.Config) { c.Store = struct{ store.Store }{store.NewMemory()} })
	if _, err := w.Watch(s.Module.Engine); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"alirefund.backlog.unresolved", "alirefund.certificate.expiry"} {
		if got := w.metric(t, name); len(got) != 0 {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// The numbers of refunds, orders and notifications are on spans alone.
func TestNoNumberIsOnAMetric(t *testing.T) {
	w := newTelemetry(t)
	w.everything(t)
	scraped := w.scrape(t)
	found := 0
	for _, span := range w.spans.Ended() {
		for _, a := range span.Attributes() {
			switch a.Key {
			case "alirefund.refund.id", "alirefund.order.number", "alirefund.notification.id":
				found++
				if a.Value.Type() != attribute.STRING || strings.Contains(scraped, a.Value.AsString()) {
					t.Errorf("%s is on a metric", a.Key)
				}
			}
		}
	}
	if found < 20 {
		t.Errorf("%d numbers are on spans", found)
	}
}
