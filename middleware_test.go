package alirefund_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/internal/shoptest"
)

// The host's words wait for the claim to be completed, whatever its handler does
// with the response.
func TestHostsAnswerIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		s.Down(time.Minute, "Complete")
		h := s.Host()
		h.Answer = func(c *gin.Context) {
			c.String(http.StatusOK, "success")
			c.Writer.Flush()
			c.Writer.WriteHeader(http.StatusInternalServerError) // too late, as everywhere
		}
		form := s.Alipay.SignedNotice(shoptest.PaymentNotice("p1"))
		post := func() shoptest.Reply {
			return shoptest.Serve(t, s.Router, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/pay/notify", strings.NewReader(form)))
		}
		if r := post(); r.Status != 503 || strings.Contains(r.Text, "success") {
			t.Errorf("%d %s", r.Status, r.Text)
		}
		time.Sleep(4 * time.Minute)
		if r := post(); r.Status != 200 || r.Text != "success" || len(h.Seen) != 2 {
			t.Errorf("%d %s, seen %q", r.Status, r.Text, h.Seen)
		}
	})
}

// The host's own handler, slower than the claim is long, is acknowledged when it
// acknowledges.
func TestSlowHostHandlerIsAcknowledged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		h := s.Host()
		h.Answer = func(c *gin.Context) {
			time.Sleep(100 * time.Second)
			c.String(http.StatusOK, "success")
		}
		for range 3 {
			r := s.Do(http.MethodPost, "/pay/notify", s.Payment(), "Content-Type", "application/x-www-form-urlencoded")
			if r.Status != 200 || r.Text != "success" {
				t.Errorf("%d %s", r.Status, r.Text)
			}
			time.Sleep(4 * time.Minute)
		}
		if len(h.Seen) != 1 {
			t.Errorf("the host saw %q", h.Seen)
		}
	})
}

// Forged, tampered, foreign, oversized and malformed notifications are refused
// with 4xx, fire nothing, and cost the store nothing.
func TestHostileNotifications(t *testing.T) {
	s := shoptest.NewShop(t)
	claims := &shoptest.Counter{Method: "Claim"}
	s.Config.Store = &shoptest.FaultStore{Store: s.Config.Store, Around: claims.Around}
	s.Config.App.SellerIDs = []string{"2088000000000001"}
	s.Restart()
	good := s.Alipay.SignedNotice(shoptest.RefundNotice(nil))
	for _, c := range []struct {
		name, body string
		status     int
		code       string
	}{
		{"empty", "", 400, "notification_refused"},
		{"not a form", "%zz", 400, "notification_refused"},
		{"JSON", `{"notify_id":"1"}`, 400, "notification_refused"},
		{"tampered", strings.Replace(good, "8.88", "9.88", 1), 403, "notification_forged"},
		{"a field added", good + "&extra=1", 403, "notification_forged"},
		{"a key twice", good + "&refund_fee=9.00", 400, "notification_refused"},
		{"unsigned", url.Values{"notify_id": {"1"}, "sign_type": {"RSA2"}, "app_id": {"2021000000000001"}}.Encode(), 400, "notification_refused"},
		{"another sign_type", strings.Replace(good, "sign_type=RSA2", "sign_type=RSA", 1), 400, "notification_refused"},
		{"no sign_type", strings.Replace(good, "sign_type=RSA2", "x=", 1), 400, "notification_refused"},
		{"another app", s.Alipay.SignedNotice(shoptest.RefundNotice(map[string]string{"app_id": "2021000000000002"})), 403, "notification_not_ours"},
		{"no app", s.Alipay.SignedNotice(shoptest.RefundNotice(map[string]string{"app_id": "-"})), 403, "notification_not_ours"},
		{"another seller", s.Alipay.SignedNotice(shoptest.RefundNotice(map[string]string{"seller_id": "2088000000000002"})), 403, "notification_not_ours"},
		{"a return_url's query", s.Alipay.SignedNotice(shoptest.RefundNotice(map[string]string{"notify_id": "-", "method": "alipay.trade.page.pay.return"})), 400, "notification_refused"},
		{"oversized", good + "&pad=" + strings.Repeat("x", alirefund.MaxBody), 413, "too_large"},
	} {
		r := s.Notice(c.body)
		if r.Status != c.status || r.Str("code") != c.code {
			t.Errorf("%s: %d %s, want %d %s", c.name, r.Status, r.Text, c.status, c.code)
		}
	}
	smuggled := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/alipay/notify?refund_fee=88.88", strings.NewReader(strings.Replace(good, "refund_fee=8.88&", "", 1)))
	smuggled.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if r := shoptest.Serve(t, s.Router, smuggled); r.Status != 403 {
		t.Errorf("a value from the URL: %d %s", r.Status, r.Text)
	}
	if r := s.Do(http.MethodGet, "/alipay/notify?"+good, ""); r.Status != 404 {
		t.Errorf("by GET: %d", r.Status)
	}
	s.ExpectTold("")
	if claims.Count() != 0 {
		t.Errorf("the store was called %d times", claims.Count())
	}
	if r := s.Notice(good); r.Text != "success" {
		t.Fatalf("the genuine one: %d %s", r.Status, r.Text)
	}
	// A redelivery of what is done costs the store nothing more.
	for range 7 {
		if r := s.Notice(good); r.Text != "success" {
			t.Fatalf("%d %s", r.Status, r.Text)
		}
	}
	s.ExpectTold("refund_succeeded")
	if claims.Count() != 1 {
		t.Errorf("eight deliveries cost %d claims, want 1", claims.Count())
	}
}

func TestHostsOwnPaymentRoute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		h := s.Host()
		s.Alipay.AddTrade(alipaytest.Trade{OutTradeNo: shoptest.Order, Total: 88_88, NotifyURL: shoptest.PayURL})

		// A payment passes through, and comes again until the host has it.
		h.Answer = func(c *gin.Context) { c.String(http.StatusOK, "fail") }
		s.Alipay.Pay(shoptest.Order)
		s.Alipay.Advance(0)
		h.Answer = func(*gin.Context) {} // writes nothing
		s.Alipay.Advance(4 * time.Minute)
		h.Answer = func(c *gin.Context) { c.String(http.StatusInternalServerError, "success") }
		s.Alipay.Advance(10 * time.Minute)
		h.Answer = func(c *gin.Context) { c.String(http.StatusOK, "success") }
		s.Alipay.Advance(25 * time.Hour)
		n := s.Alipay.Notices()[0]
		if len(h.Seen) != 4 || h.Seen[3] != "payment "+shoptest.Order || !n.Acknowledged || len(n.Deliveries) != 4 {
			t.Fatalf("the host saw %q; deliveries %+v", h.Seen, n.Deliveries)
		}
		if n.Deliveries[0].Body != "fail" || n.Deliveries[1].Status != 503 || n.Deliveries[2].Status != 500 {
			t.Errorf("answers: %+v", n.Deliveries)
		}
		if h.Bodies[3] != n.Deliveries[3].Form {
			t.Errorf("the host could not read the body: %q", h.Bodies[3])
		}
		// A partial refund's notice, which looks like a payment, does not.
		s.Expect(s.Refund(shoptest.Partly), 200, "succeeded")
		s.Alipay.Advance(time.Minute)
		if n := s.Alipay.Notices()[1]; !n.Acknowledged || n.Params["trade_status"] != "TRADE_SUCCESS" {
			t.Errorf("%+v", n)
		}
		// Nor does the console's, which the host hears of by the refund hook.
		if _, err := s.Console().RefundTrade(t.Context(), gateway.TradeRefund{OutTradeNo: shoptest.Order, RefundAmount: 1, OutRequestNo: "console"}, gateway.Options{}); err != nil {
			t.Fatal(err)
		}
		s.Alipay.Advance(time.Minute)
		s.ExpectTold("refund_succeeded refund_succeeded")
		if len(h.Seen) != 4 {
			t.Errorf("refund notices reached the host's payment handler: %q", h.Seen)
		}
		// A payment that is done is not handled twice.
		if r := shoptest.Serve(t, s.Router, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/pay/notify", strings.NewReader(n.Deliveries[3].Form))); r.Text != "success" || len(h.Seen) != 4 {
			t.Errorf("%d %s; the host saw %q", r.Status, r.Text, h.Seen)
		}
		// Forged ones do not reach it.
		if r := shoptest.Serve(t, s.Router, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/pay/notify", strings.NewReader(n.Deliveries[3].Form+"&x=1"))); r.Status != 403 || len(h.Seen) != 4 {
			t.Errorf("%d %s; the host saw %q", r.Status, r.Text, h.Seen)
		}
	})
}

// A host's handler that panics: nothing is claimed, the notice comes again.
func TestHostsHandlerPanics(t *testing.T) {
	s := shoptest.NewShop(t)
	s.Router.Use(gin.CustomRecoveryWithWriter(io.Discard, func(c *gin.Context, _ any) { c.AbortWithStatus(500) }))
	h := s.Host()
	h.Answer = func(*gin.Context) { panic("the host's bug") }
	form := s.Alipay.SignedNotice(shoptest.RefundNotice(map[string]string{"refund_fee": "0.00", "gmt_refund": "-"}))
	post := func() shoptest.Reply {
		return shoptest.Serve(t, s.Router, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/pay/notify", strings.NewReader(form)))
	}
	if r := post(); r.Status != 500 || r.Text == "success" {
		t.Errorf("%d %s", r.Status, r.Text)
	}
	h.Answer = func(c *gin.Context) { c.String(http.StatusOK, "success") }
	if r := post(); r.Status != 200 || r.Text != "success" || len(h.Seen) != 2 {
		t.Errorf("%d %s, seen %q", r.Status, r.Text, h.Seen)
	}
}

// An earlier middleware that read the body must not lose notices.
func TestBodyReadByAnEarlierMiddleware(t *testing.T) {
	s := shoptest.NewShop(t)
	form := s.Alipay.SignedNotice(shoptest.RefundNotice(map[string]string{"passback_params": "a=1&b=2", "subject": "一+一"}))
	for name, earlier := range map[string]gin.HandlerFunc{
		"PostForm": func(c *gin.Context) { c.PostForm("out_trade_no") },
		"ShouldBindBodyWith": func(c *gin.Context) {
			_ = c.ShouldBindBodyWithPlain(new(string))
		},
	} {
		r := gin.New()
		r.POST("/n", earlier, s.Module.Notifications())
		request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/n?refund_fee=77", strings.NewReader(form))
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if got := shoptest.Serve(t, r, request); got.Text != "success" {
			t.Errorf("%s: %d %s", name, got.Status, got.Text)
		}
	}
	r := gin.New()
	r.POST("/n", func(c *gin.Context) { _, _ = io.Copy(io.Discard, c.Request.Body) }, s.Module.Notifications())
	got := shoptest.Serve(t, r, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/n", strings.NewReader(form)))
	if got.Status != 500 || got.Str("code") != "notification_unread" {
		t.Errorf("a body that is gone: %d %s", got.Status, got.Text)
	}
	s.ExpectTold("refund_succeeded")
}

// pipes is a listener whose connections take no sockets, so that it works in a bubble.
type pipes struct{ conns chan net.Conn }

func (p pipes) Accept() (net.Conn, error) {
	if c, ok := <-p.conns; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}
func (p pipes) Close() error   { return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

// A middleware in front of a notify route can tell, afterwards, whether what came was
// genuine.
func TestMiddlewareLearnsWhatWasGenuine(t *testing.T) {
	s := shoptest.NewShop(t)
	var genuine []bool
	r := gin.New()
	watched := r.Group("/", func(c *gin.Context) {
		c.Next()
		_, ok := alirefund.NotificationFrom(c)
		genuine = append(genuine, ok)
	})
	s.Module.MountNotify(watched)
	watched.POST("/pay", s.Module.Notifications(), func(c *gin.Context) { c.Status(http.StatusTeapot) })
	for _, path := range []string{"/notify", "/pay"} {
		for _, body := range []string{s.Alipay.SignedNotice(shoptest.RefundNotice(nil)), s.Payment(), s.Payment() + "0"} {
			request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(body))
			request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			shoptest.Serve(t, r, request)
		}
	}
	if want := []bool{true, true, false, true, true, false}; !slices.Equal(genuine, want) {
		t.Errorf("genuine: %v, want %v", genuine, want)
	}
}

// A stranger who sends three bytes and then nothing is answered, whatever timeouts the
// server has.
func TestSlowNotificationIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		listener := pipes{make(chan net.Conn, 1)}
		server := &http.Server{Handler: s.Router}
		ended := make(chan error, 1)
		go func() { ended <- server.Serve(listener) }()
		near, far := net.Pipe()
		listener.conns <- far
		began := time.Now()
		go func() {
			_, _ = io.WriteString(near, "POST /alipay/notify HTTP/1.1\r\nHost: shop\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 60000\r\n\r\na=b")
		}()
		response, err := http.ReadResponse(bufio.NewReader(near), nil)
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); response.StatusCode < 400 || took != 10*time.Second {
			t.Errorf("%s after %v", response.Status, took)
		}
		_ = near.Close() // and what is left of the body
		_ = response.Body.Close()
		close(listener.conns)
		_ = server.Close()
		<-ended
	})
}
