package openapi_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/internal/shoptest"
	"github.com/alirefund/alirefund/notify"
	"github.com/alirefund/alirefund/store"
)

// product is one of the routes that refund.
type product struct {
	path    string
	add     func(s *shoptest.Shop)             // what can be refunded: 88.88 and more
	body    func(number, amount string) string // a refund of it
	asks    string                             // the method that asks about it
	refusal string                             // a sub_code of a definite refusal
	twice   string                             // a body with a field twice
}

var products = []product{
	{
		path: "/alipay/refunds", asks: gateway.MethodRefundQuery, add: func(s *shoptest.Shop) { s.Trade() },
		body: shoptest.Numbered, refusal: "ACQ.BUYER_NOT_EXIST",
		twice: `{"out_trade_no":"1","refund_amount":1,"refund_amount":2}`,
	},
	{
		path: "/alipay/coupon-refunds", asks: gateway.MethodCouponQuery,
		add:  func(s *shoptest.Shop) { s.Alipay.AddRedPacket(alipaytest.RedPacket{AuthNo: "A1", OutOrderNo: "O1"}) },
		body: fundBody, refusal: "ACCESS_FORBIDDEN",
		twice: `{"auth_no":"1","auth_no":"2"}`,
	},
	{
		path: "/alipay/unfreezes", asks: gateway.MethodAuthQuery,
		add:  func(s *shoptest.Shop) { s.Alipay.AddPreAuth(alipaytest.PreAuth{AuthNo: "A1", OutOrderNo: "O1"}) },
		body: fundBody, refusal: "ACCESS_FORBIDDEN",
		twice: `{"auth_no":"1","auth_no":"2"}`,
	},
}

func fundBody(number, amount string) string {
	return `{"auth_no":"A1","out_request_no":"` + number + `","amount":"` + amount + `","remark":"back","out_order_no":"O1"}`
}

// provoke makes each route answer all that the document says it may. What it answers
// is recorded, and judged with the rest.
func provoke(t *testing.T) {
	for _, p := range products {
		for name, provoke := range refunding {
			t.Run(p.path+" "+name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { provoke(t, p) }) })
		}
	}
	for name, provoke := range deciding {
		t.Run(name, func(t *testing.T) { synctest.Test(t, provoke) })
	}
	for name, provoke := range looking {
		t.Run(name, func(t *testing.T) { synctest.Test(t, provoke) })
	}
	for _, path := range []string{"/alipay/notify", "/alipay/gateway"} {
		for name, provoke := range listening {
			t.Run(path+" "+name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { provoke(t, path) }) })
		}
	}
}

// expect fails unless a request is answered so; code is that of a problem.
func expect(t *testing.T, r shoptest.Reply, status int, code string) shoptest.Reply {
	t.Helper()
	if r.Status != status || code != "" && r.Str("code") != code {
		t.Errorf("answered %d %s, want %d %s", r.Status, r.Text, status, code)
	}
	return r
}

// apps makes Config.Apps fail, in place of Config.App.
func apps(err error) func(*alirefund.Config) {
	return func(c *alirefund.Config) {
		c.App, c.Apps = alirefund.App{}, func(context.Context, string) (alirefund.App, error) { return alirefund.App{}, err }
	}
}

// application is the header by which the shop's guard names an application.
var application = []string{"App", "2021000000000009"}

var refunding = map[string]func(t *testing.T, p product){
	"is of an application that cannot be had": func(t *testing.T, p product) {
		expect(t, shoptest.NewShop(t, apps(alirefund.ErrUnknownApp)).Do(http.MethodPost, p.path, p.body("R1", "1.00"), application...), 404, "unknown_app")
		expect(t, shoptest.NewShop(t, apps(shoptest.ErrHost)).Do(http.MethodPost, p.path, p.body("R1", "1.00"), application...), 503, "app_unavailable")
	},
	"is one too many": func(t *testing.T, p product) {
		s := shoptest.NewShop(t, func(c *alirefund.Config) {
			c.BeforeRefund = func(context.Context, store.Refund) error {
				return &alirefund.ReasonError{Reason: alirefund.Text{En: "too many", Zh: "过于频繁"}, After: time.Minute}
			}
		})
		expect(t, s.Do(http.MethodPost, p.path, p.body("R1", "1.00")), 429, "too_many_refunds")
	},
	"succeeds": func(t *testing.T, p product) {
		s := shoptest.NewShop(t)
		p.add(s)
		expect(t, s.Do(http.MethodPost, p.path, p.body("R1", "1.00")), 200, "")
		expect(t, s.Do(http.MethodPost, p.path, p.body("R1", "2.00")), 409, "number_conflict")
	},
	"is unresolved": func(t *testing.T, p product) {
		s := shoptest.NewShop(t)
		p.add(s)
		s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer})
		s.Always(alipaytest.LostAnswer, p.asks)
		expect(t, s.Do(http.MethodPost, p.path, p.body("R1", "1.00")), 202, "")
	},
	"is in progress": func(t *testing.T, p product) {
		s := shoptest.NewShop(t)
		p.add(s)
		s.Around(func(_ context.Context, c shoptest.Call, call func() error) error {
			if c.Name == "Settle" && c.Source == store.ByAnswer {
				if r := expect(t, s.Do(http.MethodPost, p.path, p.body("R1", "1.00")), 202, ""); r.Body["in_progress"] != true {
					t.Errorf("answered %s", r.Text)
				}
			}
			return call()
		})
		expect(t, s.Do(http.MethodPost, p.path, p.body("R1", "1.00")), 200, "")
	},
	"is refused": func(t *testing.T, p product) {
		s := shoptest.NewShop(t)
		p.add(s)
		s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: p.refusal})
		expect(t, s.Do(http.MethodPost, p.path, p.body("R1", "1.00")), 422, "alipay_refused")
	},
	"is badly written": func(t *testing.T, p product) {
		s := shoptest.NewShop(t)
		for body, want := range map[string]string{`[]`: "not_json", `{"x":1}`: "unknown_field", p.twice: "repeated_field"} {
			expect(t, s.Do(http.MethodPost, p.path, body), 400, want)
		}
		expect(t, s.Do(http.MethodPost, p.path, `{}`), 422, "invalid_fields")
		expect(t, s.Do(http.MethodPost, p.path, `{"x":"`+strings.Repeat("x", alirefund.MaxBody)+`"}`), 413, "too_large")
		expect(t, s.Do(http.MethodPost, p.path, `x=1`, "Content-Type", "application/x-www-form-urlencoded"), 415, "unsupported_media_type")
	},
	"is more than is left": func(t *testing.T, p product) {
		s := shoptest.NewShop(t, shoptest.Total(5_00))
		p.add(s)
		expect(t, s.Do(http.MethodPost, p.path, p.body("R1", "5.01")), 422, "exceeds_order")
	},
	"wants approval": func(t *testing.T, p product) {
		s := shoptest.NewShop(t, fourEyes)
		p.add(s)
		expect(t, s.Do(http.MethodPost, p.path, p.body("R1", "1.00"), "Actor", ""), 403, "actor_missing")
		r := expect(t, s.Do(http.MethodPost, p.path, p.body("R1", "1.00")), 202, "")
		expect(t, decide(s, "decline", r.Str("id"), "boss"), 200, "")
		expect(t, s.Do(http.MethodPost, p.path, p.body("R1", "1.00")), 422, "declined")
		expect(t, s.Do(http.MethodPost, p.path, p.body("R2", "1.00")), 202, "")
		time.Sleep(1000 * time.Hour)
		expect(t, s.Do(http.MethodPost, p.path, p.body("R2", "1.00")), 422, "approval_expired")
	},
	"is vetoed": func(t *testing.T, p product) {
		s := shoptest.NewShop(t, func(c *alirefund.Config) {
			c.BeforeRefund = func(context.Context, store.Refund) error { return errors.New("not on Sundays") }
		})
		p.add(s)
		expect(t, s.Do(http.MethodPost, p.path, p.body("R1", "1.00")), 403, "vetoed")
	},
	"cannot be sent": func(t *testing.T, p product) {
		s := shoptest.NewShop(t)
		p.add(s)
		s.Alipay.Refuse(true)
		expect(t, s.Do(http.MethodPost, p.path, p.body("R1", "1.00")), 503, "nothing_sent")
	},
	"cannot be recorded": func(t *testing.T, p product) {
		s := shoptest.NewShop(t)
		p.add(s)
		s.Around((&shoptest.Outage{Only: "Open", At: 1, Lasts: time.Hour, After: true}).Around)
		expect(t, s.Do(http.MethodPost, p.path, p.body("R1", "1.00")), 503, "store_failed")
	},
}

// fourEyes has every refund want a second person's approval.
func fourEyes(c *alirefund.Config) { c.NeedsApproval = alirefund.Above(0) }

// decide approves or declines a refund.
func decide(s *shoptest.Shop, what, id, actor string, header ...string) shoptest.Reply {
	s.T.Helper()
	return s.Do(http.MethodPost, "/alipay/refunds/"+id+"/"+what, `{"reason":"wrong order"}`, append(header, "Approves", "yes", "Actor", actor)...)
}

var deciding = map[string]func(t *testing.T){
	"of an application that cannot be had, decide": func(t *testing.T) {
		for _, what := range []string{"approve", "decline"} {
			expect(t, decide(shoptest.NewShop(t, apps(alirefund.ErrUnknownApp)), what, "rf_x", "boss", application...), 404, "unknown_app")
			expect(t, decide(shoptest.NewShop(t, apps(shoptest.ErrHost)), what, "rf_x", "boss", application...), 503, "app_unavailable")
		}
	},
	"approve and decline": func(t *testing.T) {
		s := shoptest.NewShop(t, fourEyes)
		s.Trade()
		id := expect(t, s.Refund(shoptest.Partly), 202, "").Str("id")
		for _, what := range []string{"approve", "decline"} {
			expect(t, s.Do(http.MethodPost, "/alipay/refunds/"+id+"/"+what, `{"reason":"no"}`), 403, "may_not_approve")
			expect(t, decide(s, what, id, ""), 403, "actor_missing")
			expect(t, decide(s, what, "rf_x", "boss"), 404, "not_found")
		}
		expect(t, decide(s, "approve", id, "staff"), 403, "may_not_approve")
		expect(t, decide(s, "approve", id, "boss"), 200, "")
		expect(t, decide(s, "decline", id, "boss"), 409, "not_awaiting_approval")
		id = expect(t, s.Refund(shoptest.Numbered("R2", "1.00")), 202, "").Str("id")
		expect(t, decide(s, "decline", id, "boss"), 200, "")
		expect(t, decide(s, "approve", id, "boss"), 409, "not_awaiting_approval")
		for number, fault := range map[string]alipaytest.Fault{
			"R3": {Kind: alipaytest.Refused}, "R4": {Kind: alipaytest.Refusal, SubCode: "ACQ.BUYER_NOT_EXIST"},
		} {
			id = expect(t, s.Refund(shoptest.Numbered(number, "1.00")), 202, "").Str("id")
			time.Sleep(time.Minute)
			s.Alipay.Inject(fault)
			if number == "R3" {
				expect(t, decide(s, "approve", id, "boss"), 202, "")
			} else {
				expect(t, decide(s, "approve", id, "boss"), 422, "alipay_refused")
			}
		}
		id = expect(t, s.Refund(shoptest.Numbered("R5", "1.00")), 202, "").Str("id")
		s.FailAt("Sending", 1)
		expect(t, decide(s, "approve", id, "boss"), 503, "nothing_sent")
		s.Down(time.Hour, "Get")
		expect(t, decide(s, "approve", id, "boss"), 503, "store_failed")
		expect(t, decide(s, "decline", id, "boss"), 503, "store_failed")
	},
	"decline, badly written": func(t *testing.T) {
		s := shoptest.NewShop(t, fourEyes)
		path := "/alipay/refunds/rf_x/decline"
		for body, want := range map[string]string{`[]`: "not_json", `{"x":1}`: "unknown_field", `{"reason":"a","reason":"b"}`: "repeated_field"} {
			expect(t, s.Do(http.MethodPost, path, body, "Approves", "yes"), 400, want)
		}
		expect(t, s.Do(http.MethodPost, path, `{}`, "Approves", "yes"), 422, "invalid_fields")
		expect(t, s.Do(http.MethodPost, path, `{"x":"`+strings.Repeat("x", alirefund.MaxBody)+`"}`, "Approves", "yes"), 413, "too_large")
		expect(t, s.Do(http.MethodPost, path, `x=1`, "Approves", "yes", "Content-Type", "application/x-www-form-urlencoded"), 415, "unsupported_media_type")
	},
}

var looking = map[string]func(t *testing.T){
	"of an application that cannot be had": func(t *testing.T) {
		for _, path := range []string{"/alipay/refunds", "/alipay/refunds/rf_x", "/alipay/audits", "/alipay/audits/2000-01-01"} {
			expect(t, shoptest.NewShop(t, apps(alirefund.ErrUnknownApp)).Do(http.MethodGet, path, "", application...), 404, "unknown_app")
			expect(t, shoptest.NewShop(t, apps(shoptest.ErrHost)).Do(http.MethodGet, path, "", application...), 503, "app_unavailable")
		}
	},
	"GET": func(t *testing.T) {
		s := shoptest.NewShop(t)
		expect(t, s.Get("rf_x"), 404, "not_found")
		expect(t, s.List("limit=0"), 422, "invalid_fields")
		r := s.Unresolved(alipaytest.LostAnswer)
		expect(t, s.Get(r.ID), 200, "")
		expect(t, s.List("limit=1"), 200, "")
		s.Refund(shoptest.Numbered("R2", "1.00"))
		s.Coupon(fundBody("C1", "1.00"))
		time.Sleep(24 * time.Hour)
		if _, err := s.Module.Audit(t.Context(), "2000-01-01"); err != nil {
			t.Error(err)
		}
		for path, code := range map[string]int{"/alipay/audits": 200, "/alipay/audits/2000-01-01": 200, "/alipay/audits/2000-01-01?format=csv": 200} {
			expect(t, s.Do(http.MethodGet, path, ""), code, "")
		}
		expect(t, s.Do(http.MethodGet, "/alipay/audits/2000-01-02", ""), 404, "not_audited")
		other := shoptest.NewShop(t, fourEyes)
		other.Trade()
		expect(t, other.Refund(shoptest.Partly), 202, "")
		other.Elsewhere(gateway.TradeRefund{OutTradeNo: shoptest.Order, RefundAmount: 5_00, OutRequestNo: "R1"})
		time.Sleep(24 * time.Hour)
		if _, err := other.Module.Audit(t.Context(), "2000-01-02"); err != nil {
			t.Error(err)
		}
		expect(t, other.Do(http.MethodGet, "/alipay/audits/2000-01-02", ""), 200, "")
		expect(t, s.Do(http.MethodGet, "/alipay/audits/2000-01-01?format=xml", ""), 422, "invalid_fields")
		s.Down(time.Hour, "Get", "List")
		expect(t, s.Do(http.MethodGet, "/alipay/audits", ""), 503, "store_failed")
		expect(t, s.Do(http.MethodGet, "/alipay/audits/2000-01-01", ""), 503, "store_failed")
		expect(t, s.Get(r.ID), 503, "store_failed")
		expect(t, s.List(""), 503, "store_failed")
	},
}

// post posts a notification's body.
func post(t *testing.T, s *shoptest.Shop, path string, body io.Reader) shoptest.Reply {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, body)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	return shoptest.Serve(t, s.Router, r)
}

var listening = map[string]func(t *testing.T, path string){
	"of an application that cannot be had": func(t *testing.T, path string) {
		s := shoptest.NewShop(t, apps(shoptest.ErrHost))
		body := s.Alipay.SignedNotice(shoptest.RefundNotice(nil))
		expect(t, s.Do(http.MethodPost, path, body, "Content-Type", "application/x-www-form-urlencoded; charset=utf-8"), 503, "app_unavailable")
	},
	"takes": func(t *testing.T, path string) {
		s := shoptest.NewShop(t)
		s.Trade()
		expect(t, post(t, s, path, strings.NewReader(s.Payment())), 200, "")
		expect(t, post(t, s, path, strings.NewReader(s.Alipay.SignedNotice(shoptest.RefundNotice(nil)))), 200, "")
	},
	"refuses": func(t *testing.T, path string) {
		s := shoptest.NewShop(t)
		for want, change := range map[string]map[string]string{
			"400 notification_refused":  {"charset": "latin1"},
			"403 notification_not_ours": {"app_id": "2021000000000002"},
		} {
			r := post(t, s, path, strings.NewReader(s.Alipay.SignedNotice(shoptest.RefundNotice(change))))
			status, code, _ := strings.Cut(want, " ")
			expect(t, r, map[string]int{"400": 400, "403": 403}[status], code)
		}
		expect(t, post(t, s, path, strings.NewReader("notify_id=1&sign=AAAA&sign_type=RSA2")), 403, "notification_forged")
		expect(t, post(t, s, path, strings.NewReader(strings.Repeat("x", alirefund.MaxBody+1))), 413, "too_large")
		expect(t, post(t, s, path, iotest.ErrReader(errors.New("the connection broke"))), 500, "notification_unread")
	},
	"fails": func(t *testing.T, path string) {
		s := shoptest.NewShop(t)
		s.Config.OnNotification = func(context.Context, *notify.Notification) error { return shoptest.ErrHost }
		s.Restart()
		expect(t, post(t, s, path, strings.NewReader(s.Payment())), 503, "notification_pending")
		s.Config.OnNotification = nil
		s.Restart()
		expect(t, post(t, s, path, strings.NewReader(s.Payment())), 503, "notification_unhandled")
		s.Down(time.Hour, "Claim")
		expect(t, post(t, s, path, strings.NewReader(s.Payment())), 503, "store_failed")
	},
}
