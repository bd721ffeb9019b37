package alirefund_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/signer"
	"github.com/alirefund/alirefund/store"
)

func storeFilter(s *shop) store.Filter { return store.Filter{App: s.config.App.ID} }

func TestNewNamesEveryProblem(t *testing.T) {
	good := newShop(t).config
	ownKey, err := signer.NewVerifier(good.App.Signer.Public())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		change func(*alirefund.Config)
		fields []string
		is     error
	}{
		{"nothing", func(c *alirefund.Config) { *c = alirefund.Config{} }, []string{"App.ID", "App.Signer", "App.Verifier", "Store"}, nil},
		{"zero keys", func(c *alirefund.Config) { c.App.Signer, c.App.Verifier = &signer.Signer{}, &signer.Verifier{} }, []string{"App.Signer"}, signer.ErrKey},
		{"own key", func(c *alirefund.Config) { c.App.Verifier = ownKey }, []string{"App.Verifier"}, signer.ErrOwnKey},
		{"protocol", func(c *alirefund.Config) { c.Protocol = gateway.V3 + 1 }, []string{"Protocol"}, nil},
		{"app id", func(c *alirefund.Config) { c.App.ID = "2021/1" }, []string{"App.ID"}, nil},
		{"query", func(c *alirefund.Config) {
			c.App.NotifyURL, c.App.NotifyURLs = "https://a.example/n?x=1", []string{"", "ftp://a.example/"}
		}, []string{"App.NotifyURL", "App.NotifyURLs[0]", "App.NotifyURLs[1]"}, nil},
		{"times", func(c *alirefund.Config) { c.Timeout, c.HookTimeout = -1, -1 }, []string{"Timeout", "HookTimeout"}, nil},
		{"gateway", func(c *alirefund.Config) { c.Gateway = "openapi.alipay.com" }, []string{"Gateway"}, nil},
		{"red packets", func(c *alirefund.Config) { c.CouponProduct = "alipay.fund.coupon.order.refund " }, []string{"CouponProduct"}, nil},
		{"sellers", func(c *alirefund.Config) { c.App.SellerIDs = []string{""} }, []string{"App.SellerIDs"}, nil},
	} {
		config := good
		c.change(&config)
		m, err := alirefund.New(config)
		var fields []string
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			for _, e := range joined.Unwrap() {
				var wrong *alirefund.ConfigError
				if !errors.As(e, &wrong) || wrong.Problem == "" {
					t.Errorf("%s: %v is no ConfigError", c.name, e)
					continue
				}
				fields = append(fields, wrong.Field)
			}
		}
		if m != nil || !slices.Equal(fields, c.fields) {
			t.Errorf("%s: %v names %q, want %q", c.name, err, fields, c.fields)
		}
		if c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%s: %v is not %v", c.name, err, c.is)
		}
	}
}

// New copies what it is given.
func TestConfigIsCopied(t *testing.T) {
	s := newShop(t, func(c *alirefund.Config) { c.App.NotifyURLs = []string{"https://a.example/n"} })
	s.config.App.NotifyURLs[0] = "https://evil.example/n"
	p := s.alipay.AddRedPacket(alipaytest.RedPacket{})
	if r := s.coupon(`{"auth_no":"` + p.AuthNo + `","out_request_no":"1","amount":1,"remark":"r","notify_url":"https://evil.example/n"}`); r.pointers() != "/notify_url" {
		t.Errorf("%d %s", r.status, r.text)
	}
	s.expect(s.coupon(`{"auth_no":"`+p.AuthNo+`","out_request_no":"1","amount":1,"remark":"r","notify_url":"https://a.example/n"}`), 200, "succeeded")
	if got := s.alipay.Calls()[0].Params["notify_url"]; got != "https://a.example/n" {
		t.Errorf("notify_url %q", got)
	}
}

func TestHeadless(t *testing.T) { synctest.Test(t, inHeadless) }

func inHeadless(t *testing.T) {
	s := newShop(t)
	s.trade()
	ctx := t.Context()
	var invalid *alirefund.ValidationError
	if _, err := s.module.Refund(ctx, alirefund.RefundRequest{}); !errors.As(err, &invalid) || len(invalid.Fields) != 2 {
		t.Errorf("%v", err)
	}
	result, err := s.module.Refund(ctx, alirefund.RefundRequest{OutTradeNo: order, RefundAmount: 1_00, OutRequestNo: "R1", Actor: "cron"})
	if err != nil || result.Refund.State != store.Succeeded || !result.Delivered || result.Repeated || result.Refund.Actor != "cron" {
		t.Fatalf("%+v, %v", result, err)
	}
	var conflict *alirefund.ConflictError
	if _, err = s.module.Refund(ctx, alirefund.RefundRequest{OutTradeNo: order, RefundAmount: 2_00, OutRequestNo: "R1"}); !errors.As(err, &conflict) || conflict.Refund.ID != result.Refund.ID {
		t.Errorf("%v", err)
	}
	s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "ACQ.TRADE_STATUS_ERROR"})
	var refused *alirefund.RefusedError
	if _, err = s.module.Refund(ctx, alirefund.RefundRequest{OutTradeNo: order, RefundAmount: 2_00, OutRequestNo: "R2"}); !errors.As(err, &refused) || refused.Refund.SubCode != "ACQ.TRADE_STATUS_ERROR" {
		t.Errorf("%v", err)
	}
	s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest})
	var unresolved *alirefund.UnresolvedError
	if _, err = s.module.Refund(ctx, alirefund.RefundRequest{OutTradeNo: order, RefundAmount: 3_00, OutRequestNo: "R3"}); !errors.Is(err, alirefund.ErrUnresolved) || !errors.As(err, &unresolved) {
		t.Errorf("%v", err)
	}
	s.alipay.Refuse(true)
	if _, err = s.module.Refund(ctx, alirefund.RefundRequest{OutTradeNo: order, RefundAmount: 3_00, OutRequestNo: "R4"}); !errors.Is(err, alirefund.ErrNothingSent) {
		t.Errorf("%v", err)
	}
	s.alipay.Refuse(false)
	p := s.alipay.AddRedPacket(alipaytest.RedPacket{})
	if result, err = s.module.CouponRefund(ctx, alirefund.CouponRefundRequest{AuthNo: p.AuthNo, OutRequestNo: "C1", Amount: 1, Remark: "r"}); err != nil || result.Refund.OperationID == "" {
		t.Errorf("%+v, %v", result, err)
	}
	if _, err = s.module.Get(ctx, "rf_x"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("%v", err)
	}
	s.expectTold("refund_succeeded refund_failed refund_succeeded")
}

// Another application's refund in the same store is not this module's to show.
func TestApplicationsAreApart(t *testing.T) {
	s := newShop(t)
	s.trade()
	r := s.refund(partly)
	s.config.App.ID = "2021999999999999"
	s.restart()
	if got := s.get(r.str("id")); got.status != 404 {
		t.Errorf("%d %s", got.status, got.text)
	}
}

// A failing hook never changes the refund's own answer; the event stays due.
func TestFailingHooks(t *testing.T) {
	for name, bad := range map[string]func(*shop){
		"error": func(s *shop) { s.fail[store.RefundSucceeded] = errHost },
		"panic": func(s *shop) { s.panics = true },
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t)
			s.trade()
			bad(s)
			r := s.refund(partly)
			s.expect(r, 200, "succeeded")
			if r.body["delivered"] != false {
				t.Errorf("answer: %s", r.text)
			}
			s.alipay.Deliver(t.Context())
			if n := s.alipay.Notices()[0]; n.Acknowledged {
				t.Error("the notice was acknowledged though the hook failed")
			}
			g := s.get(r.str("id"))
			deliveries, _ := g.body["deliveries"].([]any)
			if len(deliveries) != 1 || !strings.Contains(g.text, `"error":"`) || g.body["delivered"] != false {
				t.Errorf("record: %s", g.text)
			}
			s.fail, s.panics = map[store.Event]error{}, false
			s.expectTold("")
			if g := s.get(r.str("id")); g.body["delivered"] != true {
				t.Errorf("record: %s", g.text)
			}
			s.expect(s.refund(partly), 200, "succeeded")
			s.expectTold("refund_succeeded")
		})
	}
}

// A delivered failure does not swallow a later success: a signed notice corrects
// the refusal.
func TestSuccessAfterAFailure(t *testing.T) {
	s := newShop(t)
	trade := s.trade()
	s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "ACQ.TRADE_STATUS_ERROR"})
	r := s.refund(partly)
	if r.status != 422 {
		t.Fatalf("%d %s", r.status, r.text)
	}
	if n := s.notice(s.alipay.SignedNotice(refundNotice(map[string]string{"trade_no": trade.TradeNo}))); n.text != "success" {
		t.Fatalf("%d %s", n.status, n.text)
	}
	s.expect(s.refund(partly), 200, "succeeded")
	s.expectTold("refund_failed refund_succeeded")
}

// The hook gets a context that ends in time, and values of the caller's.
func TestHookContext(t *testing.T) {
	type key struct{}
	var deadline time.Duration
	var value any
	s := newShop(t, func(c *alirefund.Config) {
		c.HookTimeout = 3 * time.Second
		c.OnRefundSucceeded = func(ctx context.Context, _ alirefund.RefundSucceeded) error {
			at, _ := ctx.Deadline()
			deadline, value = time.Until(at), ctx.Value(key{})
			return ctx.Err()
		}
	})
	s.trade()
	if _, err := s.module.Refund(context.WithValue(t.Context(), key{}, "trace"), alirefund.RefundRequest{OutTradeNo: order, RefundAmount: 1, OutRequestNo: "R"}); err != nil {
		t.Fatal(err)
	}
	if deadline <= 0 || deadline > 3*time.Second || value != "trace" {
		t.Errorf("deadline in %v, value %v", deadline, value)
	}
}

// Tokens: the merchant of an ISV's application.
func TestAppAuthToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.trade()
		body := `{"outTradeNo":"6823789339978248","refundAmount":"8.88","out_request_no":"R1","appAuthToken":"token-one"}`
		s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest})
		r := s.refund(body)
		s.expect(r, 202, "pending")
		for _, c := range s.alipay.Calls() {
			if c.Params["app_auth_token"] != "token-one" {
				t.Errorf("%s without the token", c.Method)
			}
		}
		if record := s.get(r.str("id")); strings.Contains(record.text, "token-one") {
			t.Errorf("the token is stored: %s", record.text)
		}
		// After a restart nobody knows the token: nothing is asked without it,
		// and a person is asked instead.
		s.restart()
		before := len(s.alipay.Calls())
		time.Sleep(time.Minute)
		if record := s.get(r.str("id")); !strings.Contains(record.str("attention"), "app_auth_token") || len(s.alipay.Calls()) != before {
			t.Errorf("record: %s", record.text)
		}
		s.expectTold("refund_unresolved")
		// Repeating the request with it settles the refund.
		s.expect(s.refund(body), 200, "succeeded")
		s.expectTold("refund_unresolved refund_succeeded")
		s.expectMoved("R1=8.88")
	})
}

func TestMerchantsTokenIsFetched(t *testing.T) {
	asked := []string{}
	s := newShop(t, func(c *alirefund.Config) {
		c.AppAuthToken = func(_ context.Context, merchant string) (string, error) {
			asked = append(asked, merchant)
			if merchant == "unknown" {
				return "", errHost
			}
			return "token of " + merchant, nil
		}
	})
	s.trade()
	s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer})
	s.expect(s.refund(`{"out_trade_no":"6823789339978248","refund_amount":"1","out_request_no":"R1","merchant":"m1"}`), 200, "succeeded")
	for _, c := range s.alipay.Calls() {
		if c.Params["app_auth_token"] != "token of m1" {
			t.Errorf("%s with %q", c.Method, c.Params["app_auth_token"])
		}
	}
	calls := len(s.alipay.Calls())
	if r := s.refund(`{"out_trade_no":"6823789339978248","refund_amount":"1","out_request_no":"R2","merchant":"unknown"}`); r.status != 503 || r.str("code") != "nothing_sent" || len(s.alipay.Calls()) != calls {
		t.Errorf("%d %s", r.status, r.text)
	}
	if strings.Join(asked, " ") != "m1 m1 unknown" {
		t.Errorf("asked for %q", asked)
	}
}

// An unresolved red packet without out_order_no cannot be asked about by any
// documented pair: it stays unresolved until its notice comes.
func TestRedPacketThatOnlyTheNoticeSettles(t *testing.T) {
	s := newShop(t)
	p := s.alipay.AddRedPacket(alipaytest.RedPacket{})
	body := `{"auth_no":"` + p.AuthNo + `","out_request_no":"C1","amount":"1.00","remark":"r"`
	s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer})
	s.expect(s.coupon(body+`}`), 202, "pending")
	s.expect(s.coupon(body+`}`), 202, "pending")
	s.expectTold("")
	// A repeat that names it can be asked about, and is the same refund.
	r := s.coupon(body + `,"out_order_no":"` + p.OutOrderNo + `"}`)
	s.expect(r, 200, "succeeded")
	if r.body["repeated"] != true || s.calls(gateway.MethodCouponRefund) != 1 {
		t.Errorf("answer: %s", r.text)
	}
	s.expectTold("refund_succeeded")

	s.config.Store = store.NewMemory() // what was sent is forgotten: UNIQUE_VIOLATION
	s.restart()
	s.expect(s.coupon(body+`}`), 202, "pending")
	s.alipay.Deliver(t.Context())
	s.expectTold("refund_succeeded refund_succeeded")
	s.expectMoved("C1=1.00")
}

// Plugin is what gin-vue-admin's plugin interface asks for.
type plugin interface {
	Register(group *gin.RouterGroup)
	RouterPath() string
}

func TestPlugins(t *testing.T) {
	s := newShop(t)
	s.trade()
	r := gin.New()
	for _, p := range []plugin{
		s.module.RefundPlugin("staff", func(c *gin.Context) { alirefund.SetActor(c, "gva") }),
		s.module.NotifyPlugin("public"),
	} {
		p.Register(r.Group(p.RouterPath()))
	}
	var routes []string
	for _, route := range r.Routes() {
		routes = append(routes, route.Method+" "+route.Path)
	}
	slices.Sort(routes)
	want := []string{"GET /staff/refunds", "GET /staff/refunds/:id", "POST /public/gateway", "POST /public/notify", "POST /staff/coupon-refunds", "POST /staff/refunds"}
	if !slices.Equal(routes, want) {
		t.Errorf("routes %q", routes)
	}
	s.router = r
	if got := s.do(http.MethodPost, "/staff/refunds", partly); got.status != 200 {
		t.Errorf("%d %s", got.status, got.text)
	}
}

// The module is a guest: Gin's mode, its validator and the defaults of net/http
// stay as the host set them.
func TestNoGlobalIsTouched(t *testing.T) {
	mode, transport := gin.Mode(), http.DefaultClient.Transport
	s := newShop(t)
	s.trade()
	s.refund(partly)
	if gin.Mode() != mode || http.DefaultClient.Transport != transport || http.DefaultClient.CheckRedirect != nil {
		t.Error("a global was changed")
	}
}
