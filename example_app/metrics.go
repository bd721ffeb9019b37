package main

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	exporter "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/contrib/otel"
)

// measure makes a module that is watched, and what Prometheus reads of it. A real shop
// has a tracer provider as well.
func measure(config alirefund.Config) (*alirefund.Module, http.Handler, error) {
	registry := prometheus.NewRegistry()
	reader, err := exporter.New(exporter.WithRegisterer(registry))
	if err != nil {
		return nil, nil, err
	}
	watch, err := otel.New(otel.Config{MeterProvider: metric.NewMeterProvider(metric.WithReader(reader))})
	if err != nil {
		return nil, nil, err
	}
	config.Observer = watch
	module, err := alirefund.New(config)
	if err != nil {
		return nil, nil, err
	}
	_, err = watch.Watch(module.Engine)
	return module, promhttp.HandlerFor(registry, promhttp.HandlerOpts{}), err
}
