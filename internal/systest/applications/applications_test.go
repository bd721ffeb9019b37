package applications_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/internal/shoptest"
	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/store"
)

// Two applications may give one number to their refunds, and each has its own.
func TestOneNumberInTwoApplications(t *testing.T) {
	m := open(t)
	if m.alipay[one].AlipayPublicKey() != m.alipay[two].AlipayPublicKey() {
		t.Fatal("they have two keys of Alipay's: this test says nothing")
	}
	ids := map[string]string{}
	for _, id := range []string{one, two} {
		m.trade(id)
		ids[id] = m.expect(m.refund(id, shoptest.Partly), 200, "succeeded").Str("id")
		for _, movement := range m.alipay[id].Movements() {
			if movement.OutRequestNo != "R1" || movement.Amount != 8_88 {
				t.Errorf("at %s moved %+v", id, movement)
			}
		}
		if n := len(m.alipay[id].Movements()); n != 1 {
			t.Errorf("at %s money moved %d times", id, n)
		}
		m.alipay[id].Deliver(t.Context())
		for _, n := range m.alipay[id].Notices() {
			if !n.Acknowledged {
				t.Errorf("a notice of %s is not acknowledged", id)
			}
		}
	}
	m.heard("1 succeeded R1", "2 succeeded R1")
	for _, id := range []string{one, two} {
		other := ids[map[string]string{one: two, two: one}[id]]
		m.expect(m.do(http.MethodGet, "/alipay/"+id+"/refunds/"+ids[id], ""), 200, "succeeded")
		m.expect(m.do(http.MethodGet, "/alipay/"+id+"/refunds/"+other, ""), 404, "not_found")
		list := m.do(http.MethodGet, "/alipay/"+id+"/refunds", "")
		if !strings.Contains(list.Text, ids[id]) || strings.Contains(list.Text, other) {
			t.Errorf("%s lists %s", id, list.Text)
		}
	}
	if n := m.lookups(); n > 2 {
		t.Errorf("Config.Apps was asked %d times", n)
	}
}

// By the guard's word, by the route's, or by both: then they agree.
func TestWhoNamesTheApplication(t *testing.T) {
	m := open(t)
	m.trade(two)
	m.expect(m.do(http.MethodPost, "/guarded/refunds", shoptest.Partly, "Shop", two), 200, "succeeded")
	m.expect(m.do(http.MethodPost, "/both/"+two+"/refunds", shoptest.Partly, "Shop", two), 200, "succeeded")
	m.heard("2 succeeded R1")
	for _, path := range []string{"/both/" + one + "/refunds", "/guarded/refunds"} {
		shop := map[bool]string{true: two}[strings.HasPrefix(path, "/both")] // of the other the guard names none
		for _, method := range []string{http.MethodPost, http.MethodGet} {
			m.expect(m.do(method, path, shoptest.Partly, "Shop", shop), 404, "unknown_app")
		}
		m.expect(m.do(http.MethodPost, strings.TrimSuffix(path, "refunds")+"unfreezes", `{}`, "Shop", shop), 404, "unknown_app")
		m.expect(m.do(http.MethodGet, path+"/rf_1", "", "Shop", shop), 404, "unknown_app")
	}
	if r := m.do(http.MethodGet, "/guarded/refunds", ""); !strings.Contains(r.Str("detail"), "app_id") {
		t.Errorf("it says %s", r.Text)
	}
	for name, err := range map[string]error{
		"Refund":   second(m.module.Refund(t.Context(), alirefund.RefundRequest{OutTradeNo: "1", RefundAmount: 1})),
		"Coupon":   second(m.module.CouponRefund(t.Context(), alirefund.CouponRefundRequest{})),
		"Unfreeze": second(m.module.Unfreeze(t.Context(), alirefund.UnfreezeRequest{})),
		"Get":      second(m.module.Get(t.Context(), "rf_1")),
		"List":     second(m.module.List(t.Context(), store.Filter{})),
		"Resolve":  second(m.module.Resolve(t.Context(), "rf_1", store.Failed, "a", "b")),
		"Replay":   second(m.module.Replay(t.Context(), store.Filter{}, "a", false)),
		"For":      second(m.module.For(t.Context(), "")),
	} {
		if !errors.Is(err, alirefund.ErrUnknownApp) || !strings.Contains(err.Error(), "app_id") {
			t.Errorf("%s without an application: %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// With both, Config.App is meant where none is named, and Config.Apps is not asked of it.
func TestDefaultApplication(t *testing.T) {
	m := open(t, func(c *alirefund.Config) { c.App = shoptest.Must(c.Apps(t.Context(), one)) })
	m.lookups()
	m.trade(one)
	m.trade(two)
	m.expect(m.do(http.MethodPost, "/guarded/refunds", shoptest.Partly), 200, "succeeded")
	m.expect(m.refund(two, shoptest.Partly), 200, "succeeded")
	m.heard("1 succeeded R1", "2 succeeded R1")
	m.expect(m.refund(one, shoptest.Partly), 200, "succeeded")
	if n := m.lookups(); n != 1 {
		t.Errorf("Config.Apps was asked %d times", n)
	}
}

// Without Config.Apps no name changes anything, and there are no further routes.
func TestOneApplicationAsEver(t *testing.T) {
	m := open(t, func(c *alirefund.Config) {
		c.App = shoptest.Must(c.Apps(t.Context(), one))
		c.Apps = nil
	})
	m.trade(one)
	m.expect(m.do(http.MethodPost, "/guarded/refunds", shoptest.Partly, "Shop", two), 200, "succeeded")
	m.expect(m.refund(two, shoptest.Partly), 200, "succeeded")
	if r := m.notice("/alipay/notify/"+one, m.form(one)); r.Status != 404 || r.Text != "404 page not found" {
		t.Errorf("%d %s", r.Status, r.Text)
	}
	m.expect(m.notice("/alipay/notify", m.form(one)), 200, "success")
	if v, err := m.module.For(t.Context(), two); !errors.Is(err, alirefund.ErrUnknownApp) {
		t.Errorf("For returns %v, %v", v, err)
	}
}

// An application is added, its key replaced, and it is removed, without a restart.
func TestWithoutRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := open(t)
		later := m.apps[two]
		m.set(two, nil)
		m.trade(two)
		m.expect(m.refund(two, shoptest.Partly), 404, "unknown_app")
		m.set(two, func(a *alirefund.App) { *a = later })
		time.Sleep(11 * time.Second) // that it is unknown is remembered
		m.expect(m.refund(two, shoptest.Partly), 200, "succeeded")

		key := newKey()
		m.alipay[two].SetAppPublicKey(public(key))
		m.alipay[two].Advance(8 * 24 * time.Hour) // the old one is not accepted any more
		if r := m.refund(two, shoptest.Numbered("R2", "1.00")); r.Status == 200 {
			t.Fatal("the old key is good: this test says nothing")
		}
		m.set(two, func(a *alirefund.App) { a.Signer = key })
		time.Sleep(61 * time.Second)
		m.expect(m.refund(two, shoptest.Numbered("R3", "1.00")), 200, "succeeded")

		m.set(two, nil)
		time.Sleep(61 * time.Second)
		m.expect(m.refund(two, shoptest.Numbered("R4", "1.00")), 404, "unknown_app")
		m.expect(m.do(http.MethodGet, "/alipay/"+two+"/refunds", ""), 404, "unknown_app")
		if n := m.log.count("any more; it is not served"); n != 1 {
			t.Errorf("that it is gone was logged %d times", n)
		}
		m.module.Close(t.Context())
	})
}

// Where Config.Apps fails, what it knew goes on, and what it never said is unavailable.
func TestAppsFails(t *testing.T) {
	both := func(change func(*alirefund.App)) func(*mall) {
		return func(m *mall) {
			m.set(one, change)
			m.set(two, change)
		}
	}
	for name, broken := range map[string]func(*mall){
		"an error":                 func(m *mall) { m.breaks(shoptest.ErrHost) },
		"a panic":                  func(m *mall) { m.breaks(errPanic) },
		"keys that cannot be":      both(func(a *alirefund.App) { a.Signer = nil }),
		"another application":      both(func(a *alirefund.App) { a.ID = "2021" }),
		"a gateway that is no URL": both(func(a *alirefund.App) { a.Gateway = "x" }),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := open(t)
				m.trade(one)
				m.expect(m.refund(one, shoptest.Numbered("R1", "1.00")), 200, "succeeded")
				was := map[string]alirefund.App{one: m.apps[one], two: m.apps[two]}
				broken(m)
				for _, number := range []string{"R2", "R3", "R4"} {
					time.Sleep(61 * time.Second)
					m.expect(m.refund(one, shoptest.Numbered(number, "1.00")), 200, "succeeded")
				}
				if n := m.log.count("Config.Apps failed"); n != 1 {
					t.Errorf("it was logged %d times", n)
				}
				if r := m.expect(m.refund(two, shoptest.Partly), 503, "app_unavailable"); r.Header.Get("Retry-After") == "" {
					t.Error("when to come again it does not say")
				}
				m.expect(m.notice("/alipay/notify/"+two, m.form(one, "app_id", two)), 503, "app_unavailable")
				if n := len(m.alipay[two].Calls()); n != 0 {
					t.Errorf("%d calls", n)
				}
				m.breaks(nil)
				m.set(one, func(a *alirefund.App) { *a = was[one] })
				m.set(two, func(a *alirefund.App) { *a = was[two] })
				time.Sleep(61 * time.Second)
				m.trade(two)
				m.expect(m.refund(two, shoptest.Partly), 200, "succeeded")
				m.expect(m.refund(one, shoptest.Numbered("R5", "1.00")), 200, "succeeded")
				if n := m.log.count("Config.Apps answers again"); n != 1 {
					t.Errorf("that it answers was logged %d times", n)
				}
			})
		})
	}
}

// One Run settles what is left of both; that of an application which is gone waits, until
// a person is called. What was to be told is told all the same.
func TestRunForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := open(t)
		first, second := m.unresolved(one), m.unresolved(two)
		stop := m.run()
		time.Sleep(30 * time.Second)
		m.heard()
		m.deaf(one, false)
		m.set(two, nil)
		time.Sleep(10 * time.Minute)
		m.heard("1 succeeded R1")
		if r := m.stored(first); r.State != store.Succeeded {
			t.Errorf("it is %s", r.State)
		}
		calls := len(m.alipay[two].Calls())
		m.deaf(two, false)
		time.Sleep(23*time.Hour + 45*time.Minute)
		m.heard()
		time.Sleep(time.Hour)
		r := m.stored(second)
		if r.State != store.Pending || !strings.Contains(r.Attention, two+" is unknown to Config.Apps") {
			t.Errorf("it is %s, and a person is called because %q", r.State, r.Attention)
		}
		m.heard("2 unresolved " + r.Attention)
		if n := len(m.alipay[two].Calls()) - calls; n != 0 {
			t.Errorf("Alipay was called %d times for it", n)
		}
		if n := m.log.count("neither sent nor asked about"); n != 1 {
			t.Errorf("it was logged %d times", n)
		}
		app := m.apps[one]
		app.ID, app.Signer = two, keys[two]()
		m.set(two, func(a *alirefund.App) { *a = app })
		time.Sleep(2 * time.Hour)
		m.heard("2 succeeded R1")
		stop()
	})
}

// With Config.App beside Config.Apps, Run looks after all the same.
func TestRunForAllBesideADefault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := open(t, func(c *alirefund.Config) { c.App = shoptest.Must(c.Apps(t.Context(), one)) })
		m.unresolved(one)
		m.unresolved(two)
		m.deaf(one, false)
		m.deaf(two, false)
		stop := m.run()
		time.Sleep(time.Minute)
		m.heard("1 succeeded R1", "2 succeeded R1")
		stop()
	})
}

// What an application that is gone has still to be told of needs no keys.
func TestTheEventsOfAnApplicationThatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := open(t)
		m.trade(two)
		m.fail = shoptest.ErrHost
		m.expect(m.refund(two, shoptest.Partly), 200, "succeeded")
		m.mu.Lock()
		m.fail = nil
		m.mu.Unlock()
		m.set(two, nil)
		time.Sleep(2 * time.Minute)
		m.heard()
		stop := m.run()
		time.Sleep(10 * time.Minute)
		m.heard("2 succeeded R1")
		stop()
	})
}

// Each has its own limits, tokens and products, or Config's.
func TestWhatIsAnApplicationsOwn(t *testing.T) {
	m := open(t, func(c *alirefund.Config) {
		c.CouponProduct = alirefund.FundTransRefund
		c.AppAuthToken = func(_ context.Context, merchant string) (string, error) { return "shared-" + merchant, nil }
		c.OrderTotal = func(_ context.Context, o alirefund.Order) (money.Amount, bool, error) {
			return map[string]money.Amount{one: 1_00, two: 8_88}[o.App], true, nil
		}
	})
	m.set(two, func(a *alirefund.App) {
		a.CouponProduct = alirefund.CouponOrderRefund
		a.AppAuthToken = func(_ context.Context, merchant string) (string, error) { return "own-" + merchant, nil }
	})
	m.trade(one)
	m.trade(two)
	m.expect(m.refund(one, shoptest.Partly), 422, "exceeds_order")
	for id, want := range map[string]string{one: "shared-m", two: "own-m"} {
		body := `{"out_trade_no":"` + shoptest.Order + `","refund_amount":"0.50","out_request_no":"M","merchant":"m"}`
		m.expect(m.refund(id, body), 200, "succeeded")
		calls := m.alipay[id].Calls()
		if got := calls[len(calls)-1].Params["app_auth_token"]; got != want {
			t.Errorf("%s calls with the token %q; want %q", id, got, want)
		}
		body = `{"out_trade_no":"` + shoptest.Order + `","refund_amount":"0.25","out_request_no":"T","merchant":"m","app_auth_token":"called"}`
		m.expect(m.refund(id, body), 200, "succeeded")
		calls = m.alipay[id].Calls()
		if got := calls[len(calls)-1].Params["app_auth_token"]; got != "called" {
			t.Errorf("%s calls with the token %q", id, got)
		}
		packet := m.alipay[id].AddRedPacket(alipaytest.RedPacket{Amount: 1_00})
		m.do(http.MethodPost, "/alipay/"+id+"/coupon-refunds", `{"auth_no":"`+packet.AuthNo+`","out_request_no":"C","amount":"0.10","remark":"back"}`)
		product := map[string]string{one: gateway.MethodFundTransRefund, two: gateway.MethodCouponRefund}[id]
		if !slices.ContainsFunc(m.alipay[id].Calls(), func(c alipaytest.Call) bool { return c.Method == product }) {
			t.Errorf("%s does not return a red packet by %s", id, product)
		}
	}
	r := m.do(http.MethodPost, "/alipay/"+two+"/coupon-refunds",
		`{"auth_no":"1","out_request_no":"D","amount":"0.10","remark":"back","notify_url":"http://shop.test/alipay/notify/`+one+`"}`)
	m.expect(r, 422, "invalid_fields")
	for id, want := range map[string]int{"": 1, one: 1, two: 0} { // the one of FundTransRefund, of which Alipay knows nothing
		e := m.module.Engine
		if id != "" {
			e = shoptest.Must(m.module.For(t.Context(), id))
		}
		if b, err := e.Backlog(t.Context()); err != nil || b.Unresolved != want {
			t.Errorf("the backlog of %q is %+v, %v", id, b, err)
		}
	}
}
