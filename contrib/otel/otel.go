// Package otel watches alirefund with OpenTelemetry: spans of what is done about a
// refund, and metrics of what becomes of refunds.
//
//	watch, err := otel.New(otel.Config{TracerProvider: traces, MeterProvider: metrics})
//	m, err := alirefund.New(alirefund.Config{Observer: watch, ...})
//	_, err = watch.Watch(m.Engine) // gauges of the backlog, and of the certificates
//
// The spans hang below whatever span is in the request's context: that of otelhttp, for
// instance. The numbers of refunds and orders are on spans, and on no metric. No span
// and no metric holds a key, a token, a body, a buyer, or a text of an error.
//
// docs/telemetry.md lists all of them; alerts.yml and dashboard.json beside this file
// are for Prometheus and Grafana.
package otel

import (
	"context"
	"time"

	api "go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/alirefund/alirefund/engine"
)

// scope names the instrumentation.
const scope = "github.com/alirefund/alirefund/contrib/otel"

// Config says where spans and metrics go; nil is OpenTelemetry's global one.
type Config struct {
	TracerProvider trace.TracerProvider
	MeterProvider  metric.MeterProvider
}

// Observer is an [engine.Observer]. Make it with [New]. It is safe for concurrent use,
// and may serve several engines: app_ids tell them apart.
type Observer struct {
	tracer  trace.Tracer
	meter   metric.Meter
	metrics metrics
	traces  traces
}

var _ engine.Observer = (*Observer)(nil)

// New returns an observer. It fails if the MeterProvider refuses an instrument.
func New(config Config) (*Observer, error) {
	if config.TracerProvider == nil {
		config.TracerProvider = api.GetTracerProvider()
	}
	if config.MeterProvider == nil {
		config.MeterProvider = api.GetMeterProvider()
	}
	o := &Observer{tracer: config.TracerProvider.Tracer(scope), meter: config.MeterProvider.Meter(scope)}
	return o, o.metrics.make(o.meter)
}

// Begin implements [engine.Observer].
func (o *Observer) Begin(ctx context.Context, op engine.Operation) (context.Context, func(engine.Ended)) {
	began := time.Now()
	ctx, end := o.begin(ctx, op)
	return ctx, func(how engine.Ended) {
		o.metrics.ended(ctx, op, how, time.Since(began))
		end(how)
	}
}

// Changed implements [engine.Observer].
func (o *Observer) Changed(ctx context.Context, c engine.Change) {
	o.metrics.changed(ctx, c)
	changed(ctx, c)
}
