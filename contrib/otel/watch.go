package otel

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/alirefund/alirefund/engine"
)

// patience is how long a gauge waits for the store.
const patience = 5 * time.Second

// Watch adds the gauges of an engine: the backlog, if its store is a store.Counter, by one
// query whenever metrics are read, and how long the certificates last. With Config.Apps
// the backlog of what New returned is that of all applications, under an empty app_id, and
// the certificates are those of each that this process has to do with. What cannot be counted has no value then, and the error goes to OpenTelemetry's handler.
// Every process that shares the store tells the same backlog: take the greatest, and
// not the sum. Unregister ends it.
func (o *Observer) Watch(e *engine.Engine) (metric.Registration, error) {
	var errs []error
	count := func(name, unit, what string) metric.Int64ObservableGauge {
		g, err := o.meter.Int64ObservableGauge(name, metric.WithUnit(unit), metric.WithDescription(what))
		errs = append(errs, err)
		return g
	}
	seconds := func(name, what string) metric.Float64ObservableGauge {
		g, err := o.meter.Float64ObservableGauge(name, metric.WithUnit("s"), metric.WithDescription(what))
		errs = append(errs, err)
		return g
	}
	awaiting := count("alirefund.backlog.awaiting", "{refund}", "Refunds that await a second person's approval.")
	unresolved := count("alirefund.backlog.unresolved", "{refund}", "Refunds that are pending.")
	undelivered := count("alirefund.backlog.undelivered", "{refund}", "Refunds with an event that no hook has taken.")
	due := count("alirefund.backlog.due", "{refund}", "Refunds whose time has come, and that no Run has taken up.")
	oldest := seconds("alirefund.backlog.oldest.age", "How long the oldest pending refund has been so.")
	expiry := seconds("alirefund.certificate.expiry", "How long a certificate lasts; negative: it has ended.")
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	app := appID.String(e.AppID())
	return o.meter.RegisterCallback(func(ctx context.Context, to metric.Observer) error {
		for _, v := range e.Applications() {
			application, alipay := v.CertificateEnds()
			for whose, ends := range map[string]time.Time{"application": application, "alipay": alipay} {
				if !ends.IsZero() {
					to.ObserveFloat64(expiry, time.Until(ends).Seconds(), with(appID.String(v.AppID()), certificate.String(whose)))
				}
			}
		}
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		b, err := e.Backlog(ctx)
		if errors.Is(err, engine.ErrNoCounter) {
			return nil
		}
		if err != nil {
			return err
		}
		to.ObserveInt64(awaiting, int64(b.Awaiting), with(app))
		to.ObserveInt64(unresolved, int64(b.Unresolved), with(app))
		to.ObserveInt64(undelivered, int64(b.Undelivered), with(app))
		to.ObserveInt64(due, int64(b.Due), with(app))
		to.ObserveFloat64(oldest, b.Age().Seconds(), with(app))
		return nil
	}, awaiting, unresolved, undelivered, due, oldest, expiry)
}
