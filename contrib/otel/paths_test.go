package otel_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	client "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/contrib/otel"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/internal/shoptest"
	"github.com/alirefund/alirefund/notify"
	"github.com/alirefund/alirefund/store"
)

// telemetry is where a test's spans, metrics and log lines go.
type telemetry struct {
	*otel.Observer
	spans   *tracetest.SpanRecorder
	tracer  *trace.TracerProvider
	reader  *metric.ManualReader
	scraped http.Handler // what Prometheus would read
	log     shoptest.Log
}

func newTelemetry(t *testing.T) *telemetry {
	t.Helper()
	w := &telemetry{spans: tracetest.NewSpanRecorder(), reader: metric.NewManualReader()}
	registry := client.NewRegistry()
	exporter, err := prometheus.New(prometheus.WithRegisterer(registry))
	if err != nil {
		t.Fatal(err)
	}
	w.scraped = promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
	w.tracer = trace.NewTracerProvider(trace.WithSpanProcessor(w.spans))
	w.Observer, err = otel.New(otel.Config{
		TracerProvider: w.tracer,
		MeterProvider:  metric.NewMeterProvider(metric.WithReader(w.reader), metric.WithReader(exporter)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// shop opens a host application that is watched.
func (w *telemetry) shop(t *testing.T, change ...func(*alirefund.Config)) *shoptest.Shop {
	t.Helper()
	return shoptest.NewShop(t, append(change, w.watch)...)
}

func (w *telemetry) watch(c *alirefund.Config) {
	c.Observer = w
	c.Logger = slog.New(slog.NewJSONHandler(&w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// scrape returns what Prometheus reads.
func (w *telemetry) scrape(t *testing.T) string {
	t.Helper()
	answer := httptest.NewRecorder()
	w.scraped.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.Code != http.StatusOK {
		t.Fatal(answer.Code, err)
	}
	return string(text)
}

// metric returns what is measured, by "attribute=value ..." without the app_id:
// counts, values, and of histograms how many values there are.
func (w *telemetry) metric(t *testing.T, name string) map[string]float64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := w.reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	found := map[string]float64{}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			if m.Name == name {
				points(t, m.Data, found)
			}
		}
	}
	return found
}

func points(t *testing.T, data metricdata.Aggregation, found map[string]float64) {
	t.Helper()
	switch data := data.(type) {
	case metricdata.Sum[int64]:
		for _, p := range data.DataPoints {
			found[labels(p.Attributes)] += float64(p.Value)
		}
	case metricdata.Gauge[int64]:
		for _, p := range data.DataPoints {
			found[labels(p.Attributes)] = float64(p.Value)
		}
	case metricdata.Gauge[float64]:
		for _, p := range data.DataPoints {
			found[labels(p.Attributes)] = p.Value
		}
	case metricdata.Histogram[float64]:
		for _, p := range data.DataPoints {
			found[labels(p.Attributes)] += float64(p.Count)
		}
	default:
		t.Fatalf("a metric is a %T", data)
	}
}

func labels(set attribute.Set) string {
	var list []string
	for _, a := range set.ToSlice() { // in the order of their names
		if a.Key != "alirefund.app.id" {
			list = append(list, strings.TrimPrefix(string(a.Key), "alirefund.")+"="+a.Value.String())
		}
	}
	return strings.Join(list, " ")
}

// refund asks for one over HTTP, as another part of the host's with a span of its own
// would.
func refund(ctx context.Context, s *shoptest.Shop, number string, more ...string) shoptest.Reply {
	s.T.Helper()
	body := fmt.Sprintf(`{"out_trade_no":%q,"refund_amount":"1.00","out_request_no":%q%s}`, shoptest.Order, number, strings.Join(more, ""))
	request := httptest.NewRequestWithContext(ctx, http.MethodPost, "/alipay/refunds", strings.NewReader(body))
	request.Header.Set("Content-Type", "application/json")
	return shoptest.Serve(s.T, s.Router, request)
}

// notice posts one over HTTP.
func notice(ctx context.Context, s *shoptest.Shop, form string) shoptest.Reply {
	s.T.Helper()
	request := httptest.NewRequestWithContext(ctx, http.MethodPost, "/alipay/notify", strings.NewReader(form))
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	return shoptest.Serve(s.T, s.Router, request)
}

// forged is a payment's notice with another amount under its signature.
func forged(s *shoptest.Shop) string {
	return strings.Replace(s.Payment(), "total_amount=88.88", "total_amount=99.99", 1)
}

// drift is a ledger whose clock is 40 s behind the process's, and that no longer
// owns what it gives back.
type drift struct{ *store.Memory }

func (drift) Now(context.Context) (time.Time, error) { return time.Now().Add(-40 * time.Second), nil }

func (d drift) Delivered(ctx context.Context, id string, event store.Event, token string, done store.Notice) (held, completed bool, err error) {
	_, completed, err = d.Memory.Delivered(ctx, id, event, token, done)
	return false, completed, err
}

// everything goes every way that a metric, an alert or a graph speaks of.
func (w *telemetry) everything(t *testing.T) {
	t.Helper()
	for _, path := range []func(*testing.T){w.answers, w.run, w.down} {
		synctest.Test(t, path)
	}
	s := shoptest.NewShopOf(t, shoptest.Modes["certificates"], w.watch)
	if _, err := w.Watch(s.Module.Engine); err != nil {
		t.Fatal(err)
	}
}

// answers: what Alipay may answer, and what may be notified.
func (w *telemetry) answers(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	s := w.shop(t)
	s.Trade()
	s.Expect(refund(ctx, s, "ok"), 200, "succeeded")
	s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "ACQ.SELLER_BALANCE_NOT_ENOUGH"})
	refund(ctx, s, "refused")
	s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refused})
	refund(ctx, s, "not sent")
	s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer})
	s.Expect(refund(ctx, s, "lost"), 200, "succeeded")
	s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.WrongSignature})
	s.Always(alipaytest.LostAnswer, gateway.MethodRefundQuery)
	s.Expect(refund(ctx, s, "unverified"), 202, "pending")

	notice(ctx, s, s.Payment())
	notice(ctx, s, s.Payment())
	notice(ctx, s, forged(s))

	// It failed here, and somebody succeeds with the same number elsewhere.
	s = w.shop(t)
	s.Trade()
	s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "ACQ.SELLER_BALANCE_NOT_ENOUGH"})
	refund(ctx, s, "corrected")
	if _, err := s.Console().Do(ctx, gateway.MethodTradeRefund,
		gateway.TradeRefund{OutTradeNo: shoptest.Order, OutRequestNo: "corrected", RefundAmount: 1_00}, gateway.Options{}); err != nil {
		t.Fatal(err)
	}
	notice(ctx, s, s.Alipay.SignedNotice(shoptest.RefundNotice(map[string]string{"out_biz_no": "corrected", "refund_fee": "1.00"})))
}

// run: what is left for Run, whose hook has failed, whose leases are lost and whose
// clock is off.
func (w *telemetry) run(t *testing.T) {
	s := w.shop(t, func(c *alirefund.Config) { c.Store = drift{store.NewMemory()} })
	s.Trade()
	s.HookFails(store.RefundSucceeded, errors.New("the host's database is down"))
	refund(t.Context(), s, "untold")
	stop := s.Run()
	time.Sleep(time.Minute)
	s.HookFails(store.RefundSucceeded, nil)
	time.Sleep(time.Hour)
	stop()
}

// down: the store is, and nobody handles notifications.
func (w *telemetry) down(t *testing.T) {
	ctx := t.Context()
	s := w.shop(t)
	s.Trade()
	s.Config.BeforeRefund = func(context.Context, store.Refund) error { return nil }
	s.FailAt("Claim", 1)
	notice(ctx, s, s.Payment())
	s.Config.OnNotification = func(ctx context.Context, _ *notify.Notification) error {
		notice(ctx, s, s.Payment()) // the same again, while it is handled
		return errors.New("the host's database is down")
	}
	s.Restart()
	notice(ctx, s, s.Payment())
	s.Config.OnNotification = nil
	s.Restart()
	notice(ctx, s, s.Payment())
	s.Down(time.Minute, "Settle", "Due")
	s.Expect(refund(ctx, s, "unsettled"), 202, "pending")
	stop := s.Run()
	time.Sleep(time.Minute / 2)
	stop()
}
