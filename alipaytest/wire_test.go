package alipaytest_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund/alipaytest"
)

func TestHTTPClientTakesAnyAddress(t *testing.T) {
	a, c, _ := setup(t)
	for _, address := range []string{alipaytest.GatewayURL, "https://openapi.alipay.com/gateway.do", "http://127.0.0.1:1/"} {
		c.url = address
		c.expect(c.call(tradeQuery, `{"out_trade_no":"A1"}`), map[string]string{"code": "10000"})
	}
	if len(a.Calls()) != 3 {
		t.Errorf("%d calls", len(a.Calls()))
	}
}

func TestHTTPClientIsTraced(t *testing.T) {
	_, c, _ := setup(t)
	var connected, wrote bool
	trace := &httptrace.ClientTrace{
		GotConn:      func(httptrace.GotConnInfo) { connected = true },
		WroteRequest: func(httptrace.WroteRequestInfo) { wrote = true },
	}
	r := c.request(c.parameters(tradeQuery, `{"out_trade_no":"A1"}`))
	if _, err := c.do(r.WithContext(httptrace.WithClientTrace(t.Context(), trace))); err != nil || !connected || !wrote {
		t.Errorf("connected %v, wrote %v, %v", connected, wrote, err)
	}
}

func TestRefuse(t *testing.T) {
	a, c, _ := setup(t)
	a.Refuse(true)
	for range 2 {
		if _, err := c.try(refund, refundBiz("1.00", "R1")); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("refused with %v", err)
		}
	}
	a.Refuse(false)
	c.expect(c.call(refund, refundBiz("1.00", "R1")), map[string]string{"fund_change": "Y"})
	if len(a.Calls()) != 1 {
		t.Errorf("%d calls arrived", len(a.Calls()))
	}
}

// A bubble ends only when every goroutine that was started in it has: neither
// calls, kept connections nor notices leave one.
func TestBubbleEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, c, _ := setup(t)
		start := time.Now()
		c.call(refund, refundBiz("1.00", "R1"))
		a.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer}, alipaytest.Fault{Kind: alipaytest.Slow})
		_, _ = c.try(refund, refundBiz("1.00", "R2"))
		c.call(refund, refundBiz("1.00", "R3"))
		a.Deliver(t.Context())
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("it took %v of the bubble's time", took)
		}
	})
}

// One fake may serve several bubbles, and tests outside of any.
func TestManyBubbles(t *testing.T) {
	a, c, _ := setup(t)
	for i := range 2 {
		synctest.Test(t, func(t *testing.T) {
			c.call(tradeQuery, `{"out_trade_no":"A1"}`)
			a.RefundAtConsole("A1", 1_00)
			if posts := a.Deliver(t.Context()); posts != 1 {
				t.Errorf("bubble %d: %d posts", i, posts)
			}
		})
	}
	c.call(tradeQuery, `{"out_trade_no":"A1"}`)
}

// On a socket, with notices posted by a real client.
func TestListen(t *testing.T) {
	var mu sync.Mutex
	var paths []string
	shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		paths = append(paths, r.URL.Path)
		if r.URL.Path == "/redirect" {
			http.Redirect(w, r, "/followed", http.StatusTemporaryRedirect)
			return
		}
		_, _ = io.WriteString(w, "success")
	}))
	defer shop.Close()

	a := alipaytest.New(alipaytest.Config{})
	a.AddTrade(alipaytest.Trade{OutTradeNo: "A1", NotifyURL: shop.URL + "/notify"})
	a.AddTrade(alipaytest.Trade{OutTradeNo: "A2", NotifyURL: shop.URL + "/redirect"})
	url, stop, err := a.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	if !strings.HasSuffix(url, "/gateway.do") {
		t.Error(url)
	}
	c := newClient(t, a)
	c.http, c.url = http.DefaultClient, url
	c.call(refund, `{"out_trade_no":"A1","refund_amount":"1.00","out_request_no":"R1"}`)
	c.call(refund, `{"out_trade_no":"A2","refund_amount":"1.00","out_request_no":"R1"}`)
	a.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer})
	if _, err := c.try(refund, `{"out_trade_no":"A1","refund_amount":"1.00","out_request_no":"R2"}`); err == nil {
		t.Error("a lost answer was answered")
	}
	if posts := a.Deliver(t.Context()); posts != 3 {
		t.Errorf("%d posts", posts)
	}
	mu.Lock()
	defer mu.Unlock()
	if got := strings.Join(paths, " "); got != "/notify /redirect /notify" {
		t.Errorf("posted to %s; redirects are not followed", got)
	}
	if n := a.Notices(); !n[0].Acknowledged || n[1].Acknowledged || !n[2].Acknowledged {
		t.Errorf("%+v", n)
	}
	stop()
	if _, err := c.try(tradeQuery, `{"out_trade_no":"A1"}`); err == nil {
		t.Error("it still serves after stop")
	}
	if _, _, err := a.Listen("nowhere:x"); err == nil {
		t.Error("an impossible address was listened on")
	}
}

// The fake's clock: one that a test sets, and what Advance adds to it.
func TestClock(t *testing.T) {
	now := time.Date(2026, 1, 31, 23, 59, 59, 0, time.UTC)
	a := alipaytest.New(alipaytest.Config{Now: func() time.Time { return now }})
	h := newHost(t, a)
	a.HandleNotices(h)
	a.AddTrade(alipaytest.Trade{OutTradeNo: "A1", NotifyURL: "https://shop.test/"})
	c := newClient(t, a)
	at := func(stamp string) answer {
		params := c.parameters(refund, refundBiz("1.00", stamp))
		params["timestamp"] = stamp
		got, err := c.do(c.request(params))
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	c.refused(at("2026-01-31 23:59:59"), "40002", "isv.invalid-timestamp") // UTC
	c.expect(at("2026-02-01 07:59:59"), map[string]string{"code": "10000"})
	c.expect(at("2026-02-01 07:45:00"), map[string]string{"code": "10000"})
	a.Advance(24 * time.Hour) // the application's clock has not moved
	c.expect(at("2026-02-01 08:14:59"), map[string]string{"code": "10000"})
	a.Deliver(t.Context())
	h.expect(0, map[string]string{"gmt_refund": "2026-02-01 07:59:59.000"})
	h.expect(2, map[string]string{"gmt_refund": "2026-02-02 07:59:59.000"})
}

func TestConcurrent(t *testing.T) {
	a, c, h := setup(t)
	var mu sync.Mutex
	a.HandleNotices(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		h.ServeHTTP(w, r)
	}))
	a.InjectRandomly(1, 0.3, alipaytest.Fault{Kind: alipaytest.LostAnswer}, alipaytest.Fault{Kind: alipaytest.LateRequest},
		alipaytest.Fault{Kind: alipaytest.NoticeEarly}, alipaytest.Fault{Kind: alipaytest.NoticeForeign}, alipaytest.Fault{Kind: alipaytest.NoticeOutOfOrder})
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for j := range 10 {
				_, _ = c.try(refund, refundBiz("1.00", fmt.Sprint("R", j)))
				_, _ = c.try(refundQuery, `{"out_trade_no":"A1","out_request_no":"R0"}`)
				a.Deliver(t.Context())
				_, _, _ = a.Calls(), a.Notices(), a.Movements()
				if i == 0 {
					a.Advance(time.Minute)
					a.AddTrade(alipaytest.Trade{})
				}
			}
		})
	}
	group.Wait()
	if got := a.Movements(); len(got) != 10 {
		t.Errorf("%d movements, want one for each of 10 numbers", len(got))
	}
	var genuine int
	for _, n := range a.Notices() {
		if n.Params["app_id"] == a.AppID() {
			genuine++
		}
	}
	if genuine != 10 {
		t.Errorf("%d notices of our app, want 10", genuine)
	}
}

func BenchmarkRefund(b *testing.B) {
	a := alipaytest.New(alipaytest.Config{})
	c := newClient(b, a)
	a.AddTrade(alipaytest.Trade{OutTradeNo: "A1", Total: 100000000_00})
	b.Run("call, with the application's own signature", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			c.call(refund, refundBiz("0.01", fmt.Sprint(i)))
		}
	})
	b.Run("floor, two signatures and two verifications", func(b *testing.B) {
		text := []byte("text")
		for b.Loop() {
			for range 2 {
				sign, err := c.sign.Sign(text)
				if err != nil {
					b.Fatal(err)
				}
				_ = c.verify.Verify(text, sign)
			}
		}
	})
}

// Several fakes share a gateway: each gets the calls that name it, by either version.
func TestHTTPClientOfSeveral(t *testing.T) {
	fakes := []*alipaytest.Alipay{alipaytest.New(alipaytest.Config{AppID: "2021000000000001"}), alipaytest.New(alipaytest.Config{AppID: "2021000000000002"})}
	client := alipaytest.HTTPClient(fakes...)
	for n, appID := range []string{"2021000000000001", "2021000000000002", "2021000000000003"} {
		for _, to := range []string{alipaytest.GatewayURL + "?method=x&app_id=" + appID, "https://openapi.alipay.com/v3/alipay/trade/refund"} {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, to, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", "ALIPAY-SHA256withRSA app_id="+appID+",nonce=1")
			answer, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = answer.Body.Close()
		}
		if one, two := len(fakes[0].Calls()), len(fakes[1].Calls()); one+two != 2*n+2 || two != min(2*n, 2) {
			t.Errorf("after those of %s they have got %d and %d calls", appID, one, two)
		}
	}
}
