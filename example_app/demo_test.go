package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/engine"
)

// page is what a browser hears that has the page open.
type page struct {
	*app
	mu     sync.Mutex
	steps  []step
	orders []offer
	last   string // event id
}

// page opens it, until the test ends.
func (a *app) page(header ...string) *page {
	a.t.Helper()
	ctx, cancel := context.WithCancel(a.t.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, a.base+"/demo/steps", http.NoBody)
	if err != nil {
		a.t.Fatal(err)
	}
	for n := 0; n+1 < len(header); n += 2 {
		r.Header.Set(header[n], header[n+1])
	}
	answer, err := http.DefaultClient.Do(r) //nolint:bodyclose // it is, when the test ends
	if err != nil || answer.StatusCode != http.StatusOK || answer.Header.Get("Content-Type") != "text/event-stream" {
		a.t.Fatal(err, answer)
	}
	p := &page{app: a}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		var event string
		for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
			name, value, _ := strings.Cut(lines.Text(), ": ")
			p.mu.Lock()
			switch {
			case name == "id":
				p.last = value
			case name == "event":
				event = value
			case name == "data" && event == "step":
				var s step
				if json.Unmarshal([]byte(value), &s) == nil {
					p.steps = append(p.steps, s)
				}
			case name == "data" && event == "orders":
				p.orders = nil
				_ = json.Unmarshal([]byte(value), &p.orders)
			}
			p.mu.Unlock()
		}
	}()
	a.t.Cleanup(func() { cancel(); <-ended; _ = answer.Body.Close() })
	return p
}

// of returns the steps of a refund, and how often money has moved by the last.
func (p *page) of(number string) (steps string, moved int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var names []string
	for _, s := range p.steps {
		if s.Number == number {
			names, moved = append(names, strings.TrimSuffix(s.Name+"."+s.Outcome, ".")), s.Moved
		}
	}
	return strings.Join(names, " "), moved
}

// seen waits for the steps of a refund, and wants money to have moved once.
func (p *page) seen(number, want string) {
	p.t.Helper()
	ctx := soon(p.t)
	for {
		got, moved := p.of(number)
		if got == want {
			if moved != 1 {
				p.t.Errorf("%s: money moved %d times", number, moved)
			}
			return
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			p.t.Fatalf("the steps of %s are\n%s, want\n%s", number, got, want)
		}
	}
}

// post is what the page's button does.
func (a *app) post(path, faults, body string, header ...string) reply {
	a.t.Helper()
	r, err := http.NewRequestWithContext(a.t.Context(), http.MethodPost, a.base+path, strings.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	r.Header.Set(faultHeader, faults)
	for n := 0; n+1 < len(header); n += 2 {
		r.Header.Set(header[n], header[n+1])
	}
	return exchange(a.t, r)
}

// Whatever goes wrong, money moves once and the hook is called once; and the page says so
// step by step.
func TestDemoFaults(t *testing.T) {
	a := start(t)
	page := a.page()
	const wellUntilNotice = "recorded sent answer.ok settled.succeeded hook.ok done.refund_succeeded answered.succeeded "
	for i, c := range []struct{ faults, steps string }{
		{"", wellUntilNotice + "notice verified settled.succeeded acknowledged.handled"},
		{"lost-answer, notice-twice", "recorded sent answer.no_answer settled.pending ask told.ok settled.succeeded hook.ok done.refund_succeeded answered.succeeded notice verified settled.succeeded acknowledged.handled notice verified duplicate"},
		{"late-answer", "recorded sent notice verified settled.succeeded hook.ok done.refund_succeeded acknowledged.handled answer.ok settled.succeeded answered.succeeded"},
		{"late-request", "recorded sent answer.no_answer settled.pending ask told.ok settled.pending answered.unresolved arrived notice verified settled.succeeded hook.ok done.refund_succeeded acknowledged.handled"},
		{"tampered-notice", wellUntilNotice + "tampered refused notice verified settled.succeeded acknowledged.handled"},
		{"crash", "recorded sent crashed restarted notice verified settled.succeeded hook.ok done.refund_succeeded acknowledged.handled"},
	} {
		number := fmt.Sprint("r", i)
		r := a.post("/demo/refunds", c.faults, `{"out_trade_no":"6823789339978250","out_request_no":"`+number+`","refund_amount":"1.00"}`)
		if r.status != http.StatusOK || r.body["status"] == 200.0 == (c.faults == "crash" || c.faults == "late-request") {
			t.Errorf("%q: %s", c.faults, r.text)
		}
		page.seen(number, c.steps)
		<-time.After(1200 * time.Millisecond) // Alipay wants 3 s between an order's refunds
	}
	told := map[string]int{}
	for _, e := range a.events() {
		told[e.OutRequestNo]++
	}
	if !maps.Equal(told, map[string]int{"r0": 1, "r1": 1, "r2": 1, "r3": 1, "r4": 1, "r5": 1}) {
		t.Errorf("the hooks were told %v", told)
	}

	// Whoever opens it later sees the same, and whoever was away sees what is missing.
	later := a.page()
	later.seen("r5", "recorded sent crashed restarted notice verified settled.succeeded hook.ok done.refund_succeeded acknowledged.handled")
	page.mu.Lock()
	last, all := page.last, len(page.steps)
	page.mu.Unlock()
	back := a.page("Last-Event-ID", last)
	if r := a.post("/demo/refunds?kind=coupon", "", `{"auth_no":"2018081710002001860231318891","out_request_no":"back","amount":"1.00","remark":"x"}`); r.body["status"] != 200.0 {
		t.Error(r.text)
	}
	back.seen("back", wellUntilNotice+"notice verified settled.succeeded acknowledged.handled")
	back.mu.Lock()
	defer back.mu.Unlock()
	if len(back.steps) != 11 || back.steps[0].N != all+1 {
		t.Errorf("%d steps came after %s, the first is %+v", len(back.steps), last, back.steps[0])
	}
	if len(back.orders) != 5 || back.orders[0].Claimed != 6_66 || back.orders[1].Refunded != 1_00 {
		t.Errorf("the orders are %+v", back.orders)
	}
}

// Something new can be bought, where no money is.
func TestDemoOrder(t *testing.T) {
	a := start(t)
	page := a.page()
	if r := a.post("/demo/orders", "", ""); r.status != http.StatusNoContent {
		t.Fatalf("%d %s", r.status, r.text)
	}
	eventually(t, "order", func() bool {
		page.mu.Lock()
		defer page.mu.Unlock()
		return slices.ContainsFunc(page.orders, func(o offer) bool { return o.Total == 128_00 })
	})
}

// What goes wrong with the request itself is said in the body, and the staff's token is
// never given away.
func TestDemoRefundsOverTheShopsRoute(t *testing.T) {
	a := start(t)
	for body, status := range map[string]float64{
		`{`: 400, `{"out_trade_no":"6823789339978249","refund_amount":"9.90"}`: 422, `{"out_trade_no":"6823789339978249","refund_amount":"0.01","refund_reason":"<script>\u202e😀"}`: 200,
		`"` + strings.Repeat("x", 70<<10): 0,
	} {
		if r := a.post("/demo/refunds", "", body); r.status != http.StatusOK || r.body["status"] != status {
			t.Errorf("%.80s: %d %s", body, r.status, r.text)
		}
	}
	for _, faults := range []string{"nonsense", "lost-answer,crash", "lost-answer,"} {
		if r := a.post("/demo/refunds", faults, "{}"); r.body["status"] != 400.0 {
			t.Errorf("%s: %s", faults, r.text)
		}
		if r := a.post("/alipay/refunds", faults, "{}"); r.status != http.StatusBadRequest {
			t.Errorf("%s: %d", faults, r.status)
		}
	}
	for _, path := range []string{"/", "/demo/demo.js", "/demo/demo.css"} {
		if r := a.do(http.MethodGet, path, "", ""); r.status != http.StatusOK || strings.Contains(r.text, testToken) {
			t.Errorf("%s: %d", path, r.status)
		}
	}
}

func TestDemoPage(t *testing.T) {
	a := start(t)
	for _, c := range []struct{ path, accept, cookie, want string }{
		{"/", "en-GB,en;q=0.9", "", "One refund, one callback."},
		{"/", "zh-CN,zh;q=0.9,en;q=0.8", "", "一笔退款，一次回调。"},
		{"/?lang=zh", "en", "", "一笔退款，一次回调。"},
		{"/", "en", "zh", "一笔退款，一次回调。"},
		{"/?lang=en", "zh", "zh", "One refund, one callback."},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, a.base+c.path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept-Language", c.accept)
		r.AddCookie(&http.Cookie{Name: languageCookie, Value: c.cookie})
		got := exchange(t, r)
		policy := got.header.Get("Content-Security-Policy")
		if got.status != http.StatusOK || !strings.Contains(got.text, c.want) || !strings.Contains(policy, "default-src 'none'; script-src 'self';") || strings.Contains(policy, "unsafe") {
			t.Errorf("%+v: %d %s\n%.400s", c, got.status, policy, got.text)
		}
		if strings.Contains(got.text, "<script>") || strings.Contains(got.text, "style=") || strings.Contains(got.text, "onclick") {
			t.Error("something inline would be refused by the policy")
		}
	}
	for path, status := range map[string]int{"/demo/texts.json": 404, "/demo/index.html": 404, "/demo/..%2fmain.go": 404, "/demo/icon.svg": 200, "/nothing": 404} {
		if r := a.do(http.MethodGet, path, "", ""); r.status != status {
			t.Errorf("%s: %d", path, r.status)
		}
	}
	for name, text := range texts[1] {
		if text == "" || texts[0][name] == "" {
			t.Errorf("%s has no words", name)
		}
	}
}

// Another site cannot press the button, not even by a name that leads here, and whoever is
// not on this machine signs in.
func TestDemoIsGuarded(t *testing.T) {
	a := start(t)
	for _, c := range []struct {
		method, path, host, site string
		status                   int
	}{
		{"POST", "/demo/refunds", "", "cross-site", http.StatusForbidden},
		{"POST", "/demo/orders", "", "same-site", http.StatusForbidden},
		{"POST", "/demo/orders", "", "same-origin", http.StatusNoContent},
		{"POST", "/demo/refunds", "evil.example", "same-origin", http.StatusUnauthorized},
		{"GET", "/demo/steps", "evil.example:80", "", http.StatusUnauthorized},
		{"GET", "/", "evil.example", "", http.StatusSeeOther},
		{"GET", "/", "localhost:80", "", http.StatusOK},
		{"GET", "/", "[::1]", "", http.StatusOK},
	} {
		r, err := http.NewRequestWithContext(t.Context(), c.method, a.base+c.path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = c.host
		r.Header.Set("Sec-Fetch-Site", c.site)
		answer, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != c.status {
			t.Errorf("%+v: %d", c, answer.StatusCode)
		}
	}
	for _, path := range []string{"/events", "/orders"} {
		if r := a.do(http.MethodGet, path, "", ""); r.status != http.StatusUnauthorized {
			t.Errorf("%s without the token: %d", path, r.status)
		}
	}
}

// With a real Alipay one signs in, and nothing is made to go wrong.
func TestDemoOfARealAlipay(t *testing.T) {
	a, _ := startWith(t, nil)
	visit := a.browser()
	if status, at, _ := visit("/", nil); status != http.StatusOK || at != loginPath {
		t.Errorf("%d at %s", status, at)
	}
	for _, path := range []string{"/demo/refunds", "/demo/orders"} {
		if r := a.post(path, "", "{}"); r.status == http.StatusOK || r.status == http.StatusNoContent {
			t.Errorf("%s: %d %s", path, r.status, r.text)
		}
	}
	status, at, text := visit(loginPath+"?to=/", url.Values{"name": {"lin"}, "token": {testToken}})
	if status != http.StatusOK || at != "/" || !strings.Contains(text, "the faults are the fake") || strings.Contains(text, `value="`+crashShop) || strings.Contains(text, `id="buy"`) {
		t.Errorf("%d at %s\n%s", status, at, text)
	}
	if r := a.post("/alipay/refunds", "nonsense", "{}"); r.status != http.StatusUnauthorized {
		t.Errorf("a fault is heard: %d %s", r.status, r.text)
	}
}

// The page does not keep the program from ending.
func TestDemoEnds(t *testing.T) {
	a := start(t)
	page := a.page()
	eventually(t, "orders", func() bool {
		page.mu.Lock()
		defer page.mu.Unlock()
		return len(page.orders) > 0
	})
	began := time.Now()
	if err := a.stop(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
}

// Steps are not kept for ever, and of a notice that nobody knows nothing is told.
func TestSteps(t *testing.T) {
	s := newSteps(func(subject) int { return 0 })
	for range 5*mostSteps + 1 {
		s.add(step{})
		s.about(fmt.Sprint(s.last), subject{})
	}
	if len(s.kept) >= 2*mostSteps || len(s.notices) > mostSteps {
		t.Errorf("%d steps and %d notices are kept", len(s.kept), len(s.notices))
	}
	if some, _ := s.since(5*mostSteps - 1); len(some) != 2 || some[1].N != 5*mostSteps+1 {
		t.Errorf("%+v", some)
	}
	_, news := s.since(s.last)
	ctx, ended := observer{s}.Begin(t.Context(), alirefund.Operation{Op: engine.OpNotice, NotifyID: "unknown"})
	ended(alirefund.Ended{Outcome: "handled"})
	select {
	case <-news:
		t.Error("something is told")
	default:
	}
	_, ended = observer{s}.Begin(ctx, alirefund.Operation{Op: engine.OpSettle, Order: "o", Number: "n"}) // it is this one
	ended(alirefund.Ended{Outcome: "succeeded"})
	<-news
	if some, _ := s.since(s.last - 2); some[0].Name != "verified" || some[0].Number != "n" || some[1].Name != "settled" {
		t.Errorf("%+v", some)
	}
}

// A notice that is no refund's goes through as it is.
func TestNetworkLeavesOthersAlone(t *testing.T) {
	var got string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = string(body)
	}))
	defer server.Close()
	n := newNetwork()
	n.plan[subject{"a", ""}] = &faults{names: []string{noticeTwice}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, strings.NewReader("out_trade_no=a&trade_status=TRADE_SUCCESS"))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := n.notices().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if got != "out_trade_no=a&trade_status=TRADE_SUCCESS" {
		t.Errorf("%q", got)
	}
}
