package engine_test

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/internal/shoptest"
	"github.com/alirefund/alirefund/signer"
	"github.com/alirefund/alirefund/store"
)

// What New says of the fields for all this.
func TestConfigOfRun(t *testing.T) {
	good := shoptest.NewShop(t).Config
	onTx := func(context.Context, *sql.Tx, alirefund.RefundSucceeded) error { return nil }
	for _, c := range []struct {
		name   string
		change func(*alirefund.Config)
		fields []string
	}{
		{"times", func(c *alirefund.Config) {
			c.Times.FirstCheck, c.Times.AttentionAfter, c.Times.KeepAnswers, c.Times.KeepRefunds = -1, -1, -1, -1
		}, []string{"Times.FirstCheck", "Times.AttentionAfter", "Times.KeepAnswers", "Times.KeepRefunds"}},
		{"no transactor", func(c *alirefund.Config) { c.OnRefundSucceeded, c.OnRefundSucceededTx = nil, onTx }, []string{"OnRefundSucceededTx"}},
		{"both hooks", func(c *alirefund.Config) {
			c.Store, c.OnRefundSucceededTx = &transactor{Memory: store.NewMemory()}, onTx
		}, []string{"OnRefundSucceededTx"}},
		{"subscribers", func(c *alirefund.Config) {
			call := func(context.Context, alirefund.Delivery) error { return nil }
			callTx := func(context.Context, *sql.Tx, alirefund.Delivery) error { return nil }
			c.Subscribers = []alirefund.Subscriber{
				{Name: "good", Event: store.RefundSucceeded, Call: call},
				{Name: "good", Event: store.RefundFailed, Retired: true},
				{Name: "a@b", Event: store.RefundSucceeded, Call: call},
				{Name: "event", Event: "refund", Call: call},
				{Name: "good", Event: store.RefundSucceeded, Call: call},
				{Name: "none", Event: store.RefundSucceeded},
				{Name: "two", Event: store.RefundSucceeded, Call: call, Retired: true},
				{Name: "tx", Event: store.RefundSucceeded, CallTx: callTx},
			}
		}, []string{"Subscribers[2].Name", "Subscribers[3].Event", "Subscribers[4]", "Subscribers[5].Call", "Subscribers[6].Call", "Subscribers[7].CallTx"}},
		{"nothing wrong", func(c *alirefund.Config) {
			c.Store, c.OnRefundSucceeded, c.OnRefundSucceededTx = &transactor{Memory: store.NewMemory()}, nil, onTx
		}, nil},
	} {
		config := good
		c.change(&config)
		_, err := alirefund.New(config)
		var fields []string
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			for _, e := range joined.Unwrap() {
				if wrong, ok := errors.AsType[*alirefund.ConfigError](e); ok {
					fields = append(fields, wrong.Field)
				}
			}
		}
		if !slices.Equal(fields, c.fields) {
			t.Errorf("%s: %v names %q, want %q", c.name, err, fields, c.fields)
		}
	}
}

// Addresses that would be misread, or would show a password, are refused.
func TestConfigsAddresses(t *testing.T) {
	good := shoptest.NewShop(t).Config
	for _, c := range []struct {
		field  string
		change func(*alirefund.Config)
	}{
		{"App.ID", func(c *alirefund.Config) { c.App.ID = strings.Repeat("1", 33) }},
		{"App.NotifyURL", func(c *alirefund.Config) { c.App.NotifyURL = "https://a.example/n#x" }},
		{"App.NotifyURL", func(c *alirefund.Config) { c.App.NotifyURL = "https://a.example/n?" }},
		{"App.NotifyURL", func(c *alirefund.Config) { c.App.NotifyURL = "https://user:secret@a.example/n" }},
		{"App.NotifyURL", func(c *alirefund.Config) { c.App.NotifyURL = "https://a.example/" + strings.Repeat("x", 256) }},
		{"App.NotifyURL", func(c *alirefund.Config) { c.App.NotifyURL = "/alipay/notify" }},
		{"Gateway", func(c *alirefund.Config) { c.Gateway = "https://a.example/gateway.do?charset=GBK" }},
		{"Gateway", func(c *alirefund.Config) { c.Gateway = "https://user:secret@a.example/gateway.do" }},
		{"Gateway", func(c *alirefund.Config) { c.Gateway = "ftp://a.example/gateway.do" }},
	} {
		config := good
		c.change(&config)
		m, err := alirefund.New(config)
		var wrong *alirefund.ConfigError
		if m != nil || !errors.As(err, &wrong) || wrong.Field != c.field || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s %s: %v", config.App.NotifyURL, config.Gateway, err)
		}
	}
}

// The sellers are copied, and the application's own notify_url may be named.
func TestSellersAndAddressesOfTheConfig(t *testing.T) {
	sellers := []string{"2088000000000001"}
	s := shoptest.NewShop(t, func(c *alirefund.Config) { c.App.SellerIDs = sellers })
	sellers[0] = "2088000000000002"
	if r := s.Notice(s.Alipay.SignedNotice(shoptest.PaymentNotice("p1"))); r.Text != "success" {
		t.Errorf("%d %s", r.Status, r.Text)
	}
	s.Expect(s.Coupon(s.Packet("C1", `,"notify_url":"`+shoptest.NotifyURL+`"`)), 200, "succeeded")
}

// Without a Logger of the host's there is one: this test prints a line.
func TestDefaultLogger(t *testing.T) {
	s := shoptest.NewShop(t, func(c *alirefund.Config) { c.Logger = nil })
	if r := s.Notice("forged=1"); r.Status != 400 {
		t.Errorf("%d %s", r.Status, r.Text)
	}
}

// Slow answers end by the module's own timeouts, of which the one of the whole is
// longer than that of one call.
func TestTimeouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t, func(c *alirefund.Config) { c.Times.Timeout = 4 * time.Second })
		s.Trade()
		s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.Slow, Delay: time.Hour}, alipaytest.Fault{Kind: alipaytest.Slow, Delay: 3 * time.Second, Method: gateway.MethodRefundQuery})
		begin := time.Now()
		s.Expect(s.Refund(shoptest.Partly), 200, "succeeded") // by the query
		if took := time.Since(begin); took != 7*time.Second {
			t.Errorf("it took %v", took)
		}
		s.Config.Store = stuck{s.Config.Store}
		s.Restart()
		begin = time.Now()
		s.Expect(s.Refund(shoptest.Numbered("R2", "1")), 202, "pending")
		if took := time.Since(begin); took > 5*time.Minute {
			t.Errorf("a stuck store held it up for %v", took)
		}
	})
}

// stuck takes the outcome of a refund and does not come back.
type stuck struct{ store.Store }

func (stuck) Settle(ctx context.Context, _ string, _ store.Settlement) (store.Refund, bool, error) {
	select {
	case <-ctx.Done():
	case <-time.After(24 * time.Hour):
	}
	return store.Refund{}, false, shoptest.ErrStoreDown
}

// Without times of the host's, a hook has its ten seconds even after a send and
// a question that took as long as they may.
func TestDefaultTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var left time.Duration
		s := shoptest.NewShop(t, func(c *alirefund.Config) {
			c.OnRefundSucceeded = func(ctx context.Context, _ alirefund.RefundSucceeded) error {
				at, _ := ctx.Deadline()
				left = time.Until(at)
				return nil
			}
		})
		s.Trade()
		s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.Slow, Delay: time.Hour}, alipaytest.Fault{Kind: alipaytest.Slow, Delay: 14 * time.Second, Method: gateway.MethodRefundQuery})
		begin := time.Now()
		s.Expect(s.Refund(shoptest.Partly), 200, "succeeded")
		if took := time.Since(begin); left != 10*time.Second || took != 29*time.Second {
			t.Errorf("the hook had %v, after %v", left, took)
		}
	})
}

func TestNewNamesEveryProblem(t *testing.T) {
	good := shoptest.NewShop(t).Config
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
		{"times", func(c *alirefund.Config) { c.Times.Timeout, c.Times.HookTimeout = -1, -1 }, []string{"Times.Timeout", "Times.HookTimeout"}, nil},
		{"gateway", func(c *alirefund.Config) { c.Gateway = "openapi.alipay.com" }, []string{"Gateway"}, nil},
		{"red packets", func(c *alirefund.Config) { c.CouponProduct = "alipay.fund.coupon.order.refund " }, []string{"CouponProduct"}, nil},
		{"sellers", func(c *alirefund.Config) { c.App.SellerIDs = []string{""} }, []string{"App.SellerIDs"}, nil},
		{"audits", func(c *alirefund.Config) {
			c.AuditAt, c.BillHosts = "25:30", []string{"https://bills.example", "bills.example:8443", ""}
		}, []string{"AuditAt", "BillHosts[0]", "BillHosts[2]"}, nil},
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
	s := shoptest.NewShop(t, func(c *alirefund.Config) { c.App.NotifyURLs = []string{"https://a.example/n"} })
	s.Config.App.NotifyURLs[0] = "https://evil.example/n"
	p := s.Alipay.AddRedPacket(alipaytest.RedPacket{})
	if r := s.Coupon(`{"auth_no":"` + p.AuthNo + `","out_request_no":"1","amount":1,"remark":"r","notify_url":"https://evil.example/n"}`); r.Pointers() != "/notify_url" {
		t.Errorf("%d %s", r.Status, r.Text)
	}
	s.Expect(s.Coupon(`{"auth_no":"`+p.AuthNo+`","out_request_no":"1","amount":1,"remark":"r","notify_url":"https://a.example/n"}`), 200, "succeeded")
	if got := s.Alipay.Calls()[0].Params["notify_url"]; got != "https://a.example/n" {
		t.Errorf("notify_url %q", got)
	}
}
