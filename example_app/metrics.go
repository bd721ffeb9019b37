package main

import (
	"net/http"
	"regexp"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	exporter "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/contrib/otel"
)

var liveHeap = regexp.MustCompile(`^/gc/heap/live:bytes$`)

// measure makes a module that is watched, beside config's own Observer, and what Prometheus reads of it. A real shop
// has a tracer provider as well.
func measure(config alirefund.Config) (*alirefund.Module, http.Handler, error) {
	registry := prometheus.NewRegistry()
	registry.MustRegister( // of the process itself, with what is alive after a collection of garbage
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collectors.NewGoCollector(collectors.WithGoCollectorRuntimeMetrics(collectors.GoRuntimeMetricsRule{Matcher: liveHeap})),
	)
	reader, err := exporter.New(exporter.WithRegisterer(registry))
	if err != nil {
		return nil, nil, err
	}
	watch, err := otel.New(otel.Config{MeterProvider: metric.NewMeterProvider(metric.WithReader(reader))})
	if err != nil {
		return nil, nil, err
	}
	config.Observer = observers{watch, config.Observer}
	module, err := alirefund.New(config)
	if err != nil {
		return nil, nil, err
	}
	_, err = watch.Watch(module.Engine)
	return module, promhttp.HandlerFor(registry, promhttp.HandlerOpts{}), err
}
