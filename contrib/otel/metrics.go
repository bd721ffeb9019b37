package otel

import (
	"context"
	"errors"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/alirefund/alirefund/engine"
	"github.com/alirefund/alirefund/store"
)

type metrics struct {
	opened, settled, notifications, leases, rounds, taken metric.Int64Counter
	age, request, gateway, ledger, hooks                  metric.Float64Histogram
	ahead                                                 metric.Float64Gauge
}

// Buckets, in seconds: of what a caller waits for, and of how long a refund may stay
// unresolved.
var (
	brief = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 15, 30, 60}
	long  = []float64{.1, .25, .5, 1, 2.5, 5, 15, 60, 300, 1200, 3600, 6 * 3600, 24 * 3600, 7 * 24 * 3600}
)

func (m *metrics) make(meter metric.Meter) error {
	var errs []error
	counter := func(name, unit, what string) metric.Int64Counter {
		c, err := meter.Int64Counter(name, metric.WithUnit(unit), metric.WithDescription(what))
		errs = append(errs, err)
		return c
	}
	seconds := func(name, what string, buckets []float64) metric.Float64Histogram {
		h, err := meter.Float64Histogram(name, metric.WithUnit("s"), metric.WithDescription(what), metric.WithExplicitBucketBoundaries(buckets...))
		errs = append(errs, err)
		return h
	}
	m.opened = counter("alirefund.refunds.opened", "{refund}", "Refunds that were recorded, or opened again, and are pending or await approval.")
	m.settled = counter("alirefund.refunds.settled", "{refund}", "Refunds that succeeded, failed, or turned out never to have been sent.")
	m.notifications = counter("alirefund.notifications", "{notification}", "Notifications, by what became of them.")
	m.leases = counter("alirefund.leases.lost", "{lease}", "Leases that were over, or another's, before what they were for was recorded.")
	m.rounds = counter("alirefund.run.rounds", "{round}", "Looks of Run at what is due.")
	m.taken = counter("alirefund.run.refunds", "{refund}", "Refunds that Run took up.")
	m.age = seconds("alirefund.refund.duration", "How long refunds were pending, from their record to what they became.", long)
	m.request = seconds("alirefund.request.duration", "How long requests for a refund took.", brief)
	m.gateway = seconds("alirefund.gateway.duration", "How long calls to Alipay took.", brief)
	m.ledger = seconds("alirefund.settle.duration", "How long it took to write down what was learnt.", brief)
	m.hooks = seconds("alirefund.hook.duration", "How long calls of the host's hooks took.", brief)
	var err error
	m.ahead, err = meter.Float64Gauge("alirefund.clock.ahead", metric.WithUnit("s"),
		metric.WithDescription("How far this process's clock is before the ledger's; negative: behind."))
	return errors.Join(append(errs, err)...)
}

// with are the attributes that a metric has, without those that are empty.
func with(attributes ...attribute.KeyValue) metric.MeasurementOption {
	return metric.WithAttributeSet(attribute.NewSet(given(attributes...)...))
}

func (m *metrics) ended(ctx context.Context, op engine.Operation, how engine.Ended, took time.Duration) {
	app, kind, outcome := appID.String(op.App), kind.String(string(op.Kind)), outcome.String(how.Outcome)
	switch op.Op {
	case engine.OpRefund:
		m.request.Record(ctx, took.Seconds(), with(app, kind, outcome))
	case engine.OpSend, engine.OpAsk:
		m.gateway.Record(ctx, took.Seconds(), with(app, purpose.String(string(op.Op)), method.String(op.Method), outcome))
	case engine.OpSettle:
		m.ledger.Record(ctx, took.Seconds(), with(app, outcome))
	case engine.OpHook:
		m.hooks.Record(ctx, took.Seconds(), with(app, hook.String(op.Hook), retry.Bool(op.Again), outcome))
	case engine.OpNotice:
		m.notifications.Add(ctx, 1, with(app, noticeKind.String(op.Notice), outcome, reason.String(how.Reason)))
	case engine.OpLease:
		m.leases.Add(ctx, 1, with(app, lease.String(op.Lease)))
	case engine.OpRound:
		m.rounds.Add(ctx, 1, with(app, outcome))
		m.taken.Add(ctx, int64(how.Due), with(app))
	case engine.OpClock:
		if how.Outcome != "store_failed" {
			m.ahead.Record(ctx, how.Ahead.Seconds(), with(app))
		}
	}
}

func (m *metrics) changed(ctx context.Context, c engine.Change) {
	app, kind := appID.String(c.App), kind.String(string(c.Kind))
	switch {
	case c.From == store.AwaitingApproval && c.To == store.Pending: // approved; it was opened before
		return
	case c.To == store.Pending, c.To == store.AwaitingApproval:
		m.opened.Add(ctx, 1, with(app, kind))
		return
	}
	before := string(c.From)
	if before == "" {
		before = "unknown"
	}
	outcome, source := outcome.String(became(c)), source.String(string(c.Source))
	m.settled.Add(ctx, 1, with(app, kind, from.String(before), outcome, source, origin.String(string(c.Origin)), subCode.String(listed(c.SubCode))))
	if c.From != "" && !c.NotSent {
		m.age.Record(ctx, c.Age.Seconds(), with(app, kind, outcome, source))
	}
}

// became is what a refund became.
func became(c engine.Change) string {
	if c.NotSent {
		return "not_sent"
	}
	return string(c.To)
}

// listed is a sub_code as a metric's attribute: Alipay's signed word, and still not
// any text at all.
func listed(subCode string) string {
	const most = 64
	if len(subCode) > most || strings.Trim(subCode, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") != "" {
		return "other"
	}
	return subCode
}
