package main

import (
	"net/http"
	"strings"
	"testing"
)

// Prometheus reads what became of refunds, with the staff's token alone.
func TestMetrics(t *testing.T) {
	a := start(t)
	if r := a.do(http.MethodGet, "/metrics", "", ""); r.status != http.StatusUnauthorized {
		t.Errorf("without the token: %d", r.status)
	}
	a.expect(a.refund(`{"out_trade_no":"6823789339978248","refund_amount":"8.88","out_request_no":"R1"}`), http.StatusOK, "succeeded")
	r := a.do(http.MethodGet, "/metrics", "", "Bearer "+testToken)
	if r.status != http.StatusOK {
		t.Fatal(r.status)
	}
	for _, series := range []string{`alirefund_refunds_settled_total{`, `alirefund_backlog_unresolved{`, `alirefund_outcome="succeeded"`, `alirefund_run_rounds_total{`, "go_goroutines ", "go_gc_heap_live_bytes "} {
		if !strings.Contains(r.text, series) {
			t.Errorf("no %s in\n%s", series, r.text)
		}
	}
	if strings.Contains(r.text, testToken) || strings.Contains(r.text, "6823789339978248") {
		t.Error("the token or an order's number is in the metrics")
	}
}
