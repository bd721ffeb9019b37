package alirefund_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/notify"
	"github.com/alirefund/alirefund/store"
)

// refundNotice is a notice of a refund of the test order, as Alipay words it.
func refundNotice(change map[string]string) map[string]string {
	params := map[string]string{
		"notify_type": "trade_status_sync", "notify_id": "2026112200222095137035011452559224", "trade_status": "TRADE_SUCCESS",
		"app_id": "2021000000000001", "auth_app_id": "2021000000000001", "seller_id": "2088000000000001", "charset": "UTF-8", "version": "1.0",
		"out_trade_no": order, "trade_no": "2026112222001400000000000001", "total_amount": "88.88", "refund_fee": "8.88",
		"gmt_refund": "2026-11-22 10:00:00.123", "out_biz_no": "R1",
	}
	for key, value := range change {
		if value == "-" {
			delete(params, key)
		} else {
			params[key] = value
		}
	}
	return params
}

// The notice tells what a lost answer did not.
func TestNoticeSettlesAnUnresolvedRefund(t *testing.T) {
	s := newShop(t)
	s.trade()
	s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer}, alipaytest.Fault{Kind: alipaytest.HTTP500, Method: gateway.MethodRefundQuery})
	r := s.refund(partly)
	s.expect(r, 202, "pending")
	s.alipay.Deliver(t.Context())
	s.expectTold("refund_succeeded")
	if got := s.last(); got.Source != store.ByNotice || got.Amount != 8_88 || got.TradeNo == "" || got.ID != r.str("id") {
		t.Errorf("told of %+v", got)
	}
	s.expect(s.get(r.str("id")), 200, "succeeded")
	s.expectTold("refund_succeeded")
}

// Whatever happens to a notice on its way, the host is told once.
func TestFaultsOfTheNotice(t *testing.T) {
	for _, kind := range []alipaytest.FaultKind{
		alipaytest.NoticeTwice, alipaytest.NoticeTwiceNewID, alipaytest.NoticeLate, alipaytest.NoticeOutOfOrder,
		alipaytest.NoticeEarly, alipaytest.NoticeNulls, alipaytest.NoticeGBK, alipaytest.NoticeForeign,
	} {
		t.Run(kind.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newShop(t)
				s.trade()
				s.alipay.Inject(alipaytest.Fault{Kind: kind}, alipaytest.Fault{Kind: alipaytest.LostAnswer}, alipaytest.Fault{Kind: alipaytest.HTTP500, Method: gateway.MethodRefundQuery})
				s.refund(partly)
				s.expect(s.refund(`{"out_trade_no":"6823789339978248","refund_amount":"1","out_request_no":"R2"}`), 200, "succeeded")
				time.Sleep(26 * time.Hour)
				s.alipay.Advance(26 * time.Hour)
				told := s.told()
				if told != "refund_succeeded refund_succeeded" {
					t.Errorf("told %q", told)
				}
				for _, n := range s.alipay.Notices() {
					if foreign := n.Params["app_id"] != s.alipay.AppID(); n.Acknowledged == foreign {
						t.Errorf("notice %s: acknowledged=%v: %+v", n.ID, n.Acknowledged, n.Deliveries)
					}
				}
				s.expectMoved("R1=8.88 R2=1.00")
			})
		})
	}
}

// Refunds that nobody asked this module for, by the merchant's console, are
// recorded when their notice comes, and told of by the same event.
func TestNoticeOfAForeignRefund(t *testing.T) {
	s := newShop(t, total(88_88))
	s.trade()
	console := s.console()
	if _, err := console.RefundTrade(t.Context(), gateway.TradeRefund{OutTradeNo: order, RefundAmount: 80_00, OutRequestNo: "console"}, gateway.Options{}); err != nil {
		t.Fatal(err)
	}
	s.alipay.Deliver(t.Context())
	s.expectTold("refund_succeeded")
	if got := s.last(); got.Origin != store.FromNotice || got.Amount != 80_00 || got.OutRequestNo != "console" || got.OutTradeNo != order {
		t.Errorf("told of %+v", got)
	}
	// It counts against the order's total.
	if r := s.refund(partly[:len(partly)-1] + `,"refund_reason":"x"}`); r.status != 200 {
		t.Fatalf("%d %s", r.status, r.text)
	}
	if r := s.refund(`{"out_trade_no":"6823789339978248","refund_amount":"0.01","out_request_no":"R2"}`); r.str("code") != "exceeds_order" {
		t.Errorf("%d %s", r.status, r.text)
	}
	// Asked for under its number and amount it is that refund, not another.
	r := s.refund(`{"out_trade_no":"6823789339978248","refund_amount":"80","out_request_no":"console"}`)
	s.expect(r, 200, "succeeded")
	if r.body["repeated"] != true {
		t.Errorf("answer: %s", r.text)
	}
}

// console is somebody else who refunds for the same application.
func (s *shop) console() *gateway.Client {
	s.t.Helper()
	client, err := gateway.New(gateway.Config{
		AppID: s.config.App.ID, Signer: s.config.App.Signer, Verifier: s.config.App.Verifier,
		URL: alipaytest.GatewayURL, HTTP: s.alipay.HTTPClient(), ContentKey: s.config.App.ContentKey,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return client
}

// refund_fee is the trade's in all: two partial refunds whose notices come in
// the wrong order each keep their own amount.
func TestCumulativeRefundFee(t *testing.T) { synctest.Test(t, inCumulativeRefundFee) }

func inCumulativeRefundFee(t *testing.T) {
	s := newShop(t)
	s.trade()
	for _, number := range []string{"R1", "R2"} {
		s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer}, alipaytest.Fault{Kind: alipaytest.HTTP500, Method: gateway.MethodRefundQuery})
		s.expect(s.refund(fmt.Sprintf(`{"out_trade_no":%q,"refund_amount":"1.11","out_request_no":%q}`, order, number)), 202, "pending")
	}
	notices := s.alipay.Notices()
	for _, i := range []int{1, 0} {
		if r := s.notice(s.alipay.SignedNotice(notices[i].Params)); r.text != "success" {
			t.Fatalf("%d %s", r.status, r.text)
		}
	}
	s.expectTold("refund_succeeded refund_succeeded")
	for _, e := range s.events {
		if e.refund.Amount != 1_11 {
			t.Errorf("%s: amount %s", e.refund.OutRequestNo, e.refund.Amount)
		}
	}
}

// A refund without a number of its own is named by the order's, or by trade_no.
func TestOutBizNoThatNamesTheOrder(t *testing.T) {
	for _, name := range []string{order, "2026112222001400000000000001"} {
		s := newShop(t)
		s.alipay.AddTrade(alipaytest.Trade{OutTradeNo: order, TradeNo: "2026112222001400000000000001", Total: 8_88})
		s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer}, alipaytest.Fault{Kind: alipaytest.HTTP500, Method: gateway.MethodRefundQuery})
		s.expect(s.refund(`{"outTradeNo":"6823789339978248","refundAmount":"8.88"}`), 202, "pending")
		r := s.notice(s.alipay.SignedNotice(refundNotice(map[string]string{"out_biz_no": name, "trade_status": "TRADE_CLOSED"})))
		if r.text != "success" {
			t.Fatalf("%d %s", r.status, r.text)
		}
		s.expectTold("refund_succeeded")
		if got := s.last(); got.OutRequestNo != order || got.Source != store.ByNotice {
			t.Errorf("told of %+v", got)
		}
	}
}

// Without out_biz_no every pending refund of the order is asked about.
func TestNoticeWithoutANumber(t *testing.T) {
	s := newShop(t)
	trade := s.trade()
	s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer}, alipaytest.Fault{Kind: alipaytest.HTTP500, Method: gateway.MethodRefundQuery})
	s.expect(s.refund(partly), 202, "pending")
	anonymous := func(id string, change map[string]string) reply {
		params := refundNotice(map[string]string{"out_biz_no": "-", "notify_id": id, "trade_no": trade.TradeNo})
		maps.Copy(params, change)
		return s.notice(s.alipay.SignedNotice(params))
	}
	if r := anonymous("2026112200222095137035011452559001", nil); r.text != "success" {
		t.Fatalf("%d %s", r.status, r.text)
	}
	s.expectTold("refund_succeeded")
	if s.last().Source != store.ByQuery {
		t.Errorf("source %q", s.last().Source)
	}
	// Another one that says no more than what is known tells nothing new.
	if r := anonymous("2026112200222095137035011452559002", nil); r.text != "success" {
		t.Fatalf("%d %s", r.status, r.text)
	}
	s.expectTold("refund_succeeded")
	// One that says more is a refund of its own, of unknown number and amount.
	for range 2 {
		if r := anonymous("2026112200222095137035011452559003", map[string]string{"refund_fee": "9.99"}); r.text != "success" {
			t.Fatalf("%d %s", r.status, r.text)
		}
	}
	s.expectTold("refund_succeeded refund_succeeded")
	if got := s.last(); got.Amount != 0 || got.OutRequestNo != "" || got.Origin != store.FromNotice {
		t.Errorf("told of %+v", got)
	}
}

// A notice that names less than the refund it is about is not believed; Alipay
// is asked.
func TestNoticeThatContradictsTheLedger(t *testing.T) {
	s := newShop(t)
	trade := s.trade()
	s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest})
	s.expect(s.refund(partly), 202, "pending")
	r := s.notice(s.alipay.SignedNotice(refundNotice(map[string]string{"refund_fee": "0.10", "trade_no": trade.TradeNo})))
	if r.status != 503 || r.text == "success" {
		t.Errorf("%d %s", r.status, r.text)
	}
	s.expectTold("")
}

// The second seed document's notification, with a number for its amount and its
// literal nulls, sent eight times over 25 hours, re-signed each time.
func TestSeedNotificationOverTwentyFiveHours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		for _, pause := range []time.Duration{0, 4 * time.Minute, 10 * time.Minute, 10 * time.Minute, time.Hour, 2 * time.Hour, 6 * time.Hour, 15 * time.Hour} {
			time.Sleep(pause)
			r := s.notice(s.alipay.SignedNotice(map[string]string{
				"notify_type": "fund_stdtrustee_refund.success", "notify_id": "91722adff935e8cfa58b3aabf4dead6ibe",
				"notify_time": time.Now().Format(time.DateTime), "auth_no": "null", "out_order_no": "null", "operation_id": "null",
				"out_request_no": "null", "operation_type": "REFUND", "amount": "0.01", "status": "null", "gmt_create": "null",
				"gmt_trans": "null", "payer_logon_id": "null", "payer_user_id": "null",
			}))
			if r.status != 200 || r.text != "success" || !strings.HasPrefix(r.header.Get("Content-Type"), "text/plain") {
				t.Fatalf("%d %s", r.status, r.text)
			}
		}
		s.expectTold("refund_succeeded")
		if got := s.last(); got.Kind != store.Coupon || got.Amount != 1 || got.AuthNo != "" || got.OutRequestNo != "" {
			t.Errorf("told of %+v", got)
		}
	})
}

// The same event's notice that the fake sends with nulls, refused at first by a
// failing hook: eight deliveries, one callback.
func TestHookThatFailsGetsTheNoticeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		p := s.alipay.AddRedPacket(alipaytest.RedPacket{})
		s.fail[store.RefundSucceeded] = errHost
		s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer}, alipaytest.Fault{Kind: alipaytest.HTTP500, Method: gateway.MethodCouponQuery})
		s.expect(s.coupon(fmt.Sprintf(`{"auth_no":%q,"out_request_no":"C1","amount":0.01,"remark":"r"}`, p.AuthNo)), 202, "pending")
		time.Sleep(30 * time.Minute)
		s.alipay.Advance(0)
		s.alipay.Advance(30 * time.Minute)
		s.expectTold("")
		s.mu.Lock()
		s.fail = map[store.Event]error{}
		s.mu.Unlock()
		s.alipay.Advance(25 * time.Hour)
		s.expectTold("refund_succeeded")
		n := s.alipay.Notices()[0]
		if !n.Acknowledged || len(n.Deliveries) < 3 || n.Deliveries[0].Status != 503 {
			t.Errorf("deliveries: %+v", n.Deliveries)
		}
	})
}

func TestCouponNotices(t *testing.T) {
	s := newShop(t)
	p := s.alipay.AddRedPacket(alipaytest.RedPacket{Amount: 10_00})
	s.expect(s.coupon(fmt.Sprintf(`{"auth_no":%q,"out_request_no":"C1","amount":"1.00","remark":"r"}`, p.AuthNo)), 200, "succeeded")
	s.alipay.Deliver(t.Context())
	s.expectTold("refund_succeeded")
	base := s.alipay.Notices()[0].Params
	post := func(id string, change map[string]string) reply {
		params := maps.Clone(base)
		maps.Copy(params, change)
		params["notify_id"] = id
		return s.notice(s.alipay.SignedNotice(params))
	}
	for _, c := range []struct {
		name   string
		change map[string]string
		status int
		told   string
	}{
		{"again under another id", nil, 200, "refund_succeeded"},
		{"named by one of Alipay's pages as a trade's", map[string]string{"notify_type": "trade_status_sync"}, 200, "refund_succeeded"},
		{"its operation_id is a second key", map[string]string{"out_request_no": "null"}, 200, "refund_succeeded"},
		{"a status that is no success", map[string]string{"out_request_no": "C9", "operation_id": "9", "status": "CLOSED"}, 200, "refund_succeeded"},
		{"of the console", map[string]string{"out_request_no": "C2", "operation_id": "2", "amount": "2.00"}, 200, "refund_succeeded refund_succeeded"},
		{"by operation_id alone", map[string]string{"out_request_no": "null", "operation_id": "3"}, 200, "refund_succeeded refund_succeeded refund_succeeded"},
		{"the same operation again", map[string]string{"out_request_no": "null", "operation_id": "3"}, 200, "refund_succeeded refund_succeeded refund_succeeded"},
	} {
		if r := post(strings.ReplaceAll(c.name, " ", "_"), c.change); r.status != c.status {
			t.Errorf("%s: %d %s", c.name, r.status, r.text)
		}
		if got := s.told(); got != c.told {
			t.Fatalf("%s: told %q, want %q", c.name, got, c.told)
		}
	}
	if strings.Join(s.other, " ") != "coupon_refund" {
		t.Errorf("OnNotification was given %q, want the one that is no success", s.other)
	}
	s.expectMoved("C1=1.00")
}

// A notice of the number but of another amount is not believed.
func TestCouponNoticeOfAnotherAmount(t *testing.T) {
	s := newShop(t)
	p := s.alipay.AddRedPacket(alipaytest.RedPacket{})
	s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest})
	r := s.coupon(fmt.Sprintf(`{"auth_no":%q,"out_request_no":"C1","amount":"1.00","remark":"r"}`, p.AuthNo))
	s.expect(r, 202, "pending")
	n := s.notice(s.alipay.SignedNotice(map[string]string{
		"notify_type": "fund_stdtrustee_refund.success", "notify_id": "x", "app_id": s.alipay.AppID(), "auth_no": p.AuthNo,
		"out_request_no": "C1", "operation_type": "REFUND", "amount": "2.00", "status": "SUCCESS",
	}))
	if n.status != 503 {
		t.Errorf("%d %s", n.status, n.text)
	}
	s.expectTold("refund_unresolved")
}

// Nobody handles it, nobody acknowledges it.
func TestOtherNotifications(t *testing.T) {
	s := newShop(t)
	s.alipay.AddTrade(alipaytest.Trade{OutTradeNo: order, Total: 88_88, NotifyURL: notifyURL})
	s.alipay.Pay(order)
	s.alipay.Deliver(t.Context())
	if got := strings.Join(s.other, " "); got != "payment" {
		t.Errorf("OnNotification was given %q", got)
	}
	closed := refundNotice(map[string]string{"trade_status": "TRADE_CLOSED", "refund_fee": "0.00", "gmt_refund": "-", "out_biz_no": "-", "gmt_close": "2026-11-22 10:00:00"})
	if r := s.notice(s.alipay.SignedNotice(closed)); r.text != "success" {
		t.Errorf("%d %s", r.status, r.text)
	}
	if got := strings.Join(s.other, " "); got != "payment trade_closed" {
		t.Errorf("OnNotification was given %q", got)
	}
	s.expectTold("")

	s.config.OnNotification = nil
	s.restart()
	closed["notify_id"] = "another"
	if r := s.notice(s.alipay.SignedNotice(closed)); r.status != 503 || r.str("code") != "notification_unhandled" {
		t.Errorf("without a hook: %d %s", r.status, r.text)
	}
	for _, bad := range []func(context.Context, *notify.Notification) error{
		func(context.Context, *notify.Notification) error { return errHost },
		func(context.Context, *notify.Notification) error { panic("the host's bug") },
	} {
		s.config.OnNotification = bad
		s.restart()
		if r := s.notice(s.alipay.SignedNotice(closed)); r.status != 503 || strings.Contains(r.text, "bug") {
			t.Errorf("a failing hook: %d %s", r.status, r.text)
		}
	}
}

// countingStore counts what a notification costs.
type countingStore struct {
	store.Store
	mu    sync.Mutex
	calls int
}

func (c *countingStore) Claim(ctx context.Context, key string, lease time.Duration) (string, bool, error) {
	c.mu.Lock()
	c.calls++
	c.mu.Unlock()
	return c.Store.Claim(ctx, key, lease)
}

// Forged, tampered, foreign, oversized and malformed notifications are refused
// with 4xx, fire nothing, and cost the store nothing.
func TestHostileNotifications(t *testing.T) {
	s := newShop(t)
	counting := &countingStore{Store: store.NewMemory()}
	s.config.Store = counting
	s.config.App.SellerIDs = []string{"2088000000000001"}
	s.restart()
	good := s.alipay.SignedNotice(refundNotice(nil))
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
		{"another app", s.alipay.SignedNotice(refundNotice(map[string]string{"app_id": "2021000000000002"})), 403, "notification_not_ours"},
		{"no app", s.alipay.SignedNotice(refundNotice(map[string]string{"app_id": "-"})), 403, "notification_not_ours"},
		{"another seller", s.alipay.SignedNotice(refundNotice(map[string]string{"seller_id": "2088000000000002"})), 403, "notification_not_ours"},
		{"a return_url's query", s.alipay.SignedNotice(refundNotice(map[string]string{"notify_id": "-", "method": "alipay.trade.page.pay.return"})), 400, "notification_refused"},
		{"oversized", good + "&pad=" + strings.Repeat("x", alirefund.MaxBody), 413, "too_large"},
	} {
		r := s.notice(c.body)
		if r.status != c.status || r.str("code") != c.code {
			t.Errorf("%s: %d %s, want %d %s", c.name, r.status, r.text, c.status, c.code)
		}
	}
	smuggled := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/alipay/notify?refund_fee=88.88", strings.NewReader(strings.Replace(good, "refund_fee=8.88&", "", 1)))
	smuggled.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if r := serve(t, s.router, smuggled); r.status != 403 {
		t.Errorf("a value from the URL: %d %s", r.status, r.text)
	}
	if r := s.do(http.MethodGet, "/alipay/notify?"+good, ""); r.status != 404 {
		t.Errorf("by GET: %d", r.status)
	}
	s.expectTold("")
	if counting.calls != 0 {
		t.Errorf("the store was called %d times", counting.calls)
	}
	if r := s.notice(good); r.text != "success" {
		t.Fatalf("the genuine one: %d %s", r.status, r.text)
	}
	// A redelivery of what is done costs the store nothing more.
	for range 7 {
		if r := s.notice(good); r.text != "success" {
			t.Fatalf("%d %s", r.status, r.text)
		}
	}
	s.expectTold("refund_succeeded")
	if counting.calls != 1 {
		t.Errorf("eight deliveries cost %d claims, want 1", counting.calls)
	}
}

// One notice, delivered to several processes at once: one callback.
func TestTheSameNoticeAtOnce(t *testing.T) {
	s := newShop(t)
	s.alipay.AddTrade(alipaytest.Trade{OutTradeNo: order, Total: 88_88})
	other, err := alirefund.New(s.config)
	if err != nil {
		t.Fatal(err)
	}
	second := gin.New()
	other.MountNotify(second.Group("/alipay"))
	form := s.alipay.SignedNotice(refundNotice(nil))
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/alipay/notify", strings.NewReader(form))
			var h http.Handler = s.router
			if i%2 == 1 {
				h = second
			}
			if r := serve(t, h, request); r.status != 200 && r.str("code") != "notification_pending" {
				t.Errorf("%d %s", r.status, r.text)
			}
		})
	}
	wg.Wait()
	s.expectTold("refund_succeeded")
}

// host is an application's own payment route, under Notifications.
type host struct {
	answer func(c *gin.Context)
	seen   []string
	bodies []string
}

func (h *host) handle(c *gin.Context) {
	n, ok := alirefund.NotificationFrom(c)
	if !ok {
		c.String(http.StatusInternalServerError, "no notification")
		return
	}
	body, _ := io.ReadAll(c.Request.Body)
	h.seen, h.bodies = append(h.seen, string(n.Kind)+" "+n.OutTradeNo()), append(h.bodies, string(body))
	h.answer(c)
}

const payURL = "http://shop.test/pay/notify"

func (s *shop) host() *host {
	h := &host{answer: func(c *gin.Context) { c.String(http.StatusOK, "success") }}
	s.router.POST("/pay/notify", s.module.Notifications(), h.handle)
	return h
}

func TestHostsOwnPaymentRoute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		h := s.host()
		s.alipay.AddTrade(alipaytest.Trade{OutTradeNo: order, Total: 88_88, NotifyURL: payURL})

		// A payment passes through, and comes again until the host has it.
		h.answer = func(c *gin.Context) { c.String(http.StatusOK, "fail") }
		s.alipay.Pay(order)
		s.alipay.Advance(0)
		h.answer = func(*gin.Context) {} // writes nothing
		s.alipay.Advance(4 * time.Minute)
		h.answer = func(c *gin.Context) { c.String(http.StatusInternalServerError, "success") }
		s.alipay.Advance(10 * time.Minute)
		h.answer = func(c *gin.Context) { c.String(http.StatusOK, "success") }
		s.alipay.Advance(25 * time.Hour)
		n := s.alipay.Notices()[0]
		if len(h.seen) != 4 || h.seen[3] != "payment "+order || !n.Acknowledged || len(n.Deliveries) != 4 {
			t.Fatalf("the host saw %q; deliveries %+v", h.seen, n.Deliveries)
		}
		if n.Deliveries[0].Body != "fail" || n.Deliveries[1].Status != 503 || n.Deliveries[2].Status != 500 {
			t.Errorf("answers: %+v", n.Deliveries)
		}
		if h.bodies[3] != n.Deliveries[3].Form {
			t.Errorf("the host could not read the body: %q", h.bodies[3])
		}
		// A partial refund's notice, which looks like a payment, does not.
		s.expect(s.refund(partly), 200, "succeeded")
		s.alipay.Advance(time.Minute)
		if n := s.alipay.Notices()[1]; !n.Acknowledged || n.Params["trade_status"] != "TRADE_SUCCESS" {
			t.Errorf("%+v", n)
		}
		// Nor does the console's, which the host hears of by the refund hook.
		if _, err := s.console().RefundTrade(t.Context(), gateway.TradeRefund{OutTradeNo: order, RefundAmount: 1, OutRequestNo: "console"}, gateway.Options{}); err != nil {
			t.Fatal(err)
		}
		s.alipay.Advance(time.Minute)
		s.expectTold("refund_succeeded refund_succeeded")
		if len(h.seen) != 4 {
			t.Errorf("refund notices reached the host's payment handler: %q", h.seen)
		}
		// A payment that is done is not handled twice.
		if r := serve(t, s.router, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/pay/notify", strings.NewReader(n.Deliveries[3].Form))); r.text != "success" || len(h.seen) != 4 {
			t.Errorf("%d %s; the host saw %q", r.status, r.text, h.seen)
		}
		// Forged ones do not reach it.
		if r := serve(t, s.router, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/pay/notify", strings.NewReader(n.Deliveries[3].Form+"&x=1"))); r.status != 403 || len(h.seen) != 4 {
			t.Errorf("%d %s; the host saw %q", r.status, r.text, h.seen)
		}
	})
}

// A host's handler that panics: nothing is claimed, the notice comes again.
func TestHostsHandlerPanics(t *testing.T) {
	s := newShop(t)
	s.router.Use(gin.CustomRecoveryWithWriter(io.Discard, func(c *gin.Context, _ any) { c.AbortWithStatus(500) }))
	h := s.host()
	h.answer = func(*gin.Context) { panic("the host's bug") }
	form := s.alipay.SignedNotice(refundNotice(map[string]string{"refund_fee": "0.00", "gmt_refund": "-"}))
	post := func() reply {
		return serve(t, s.router, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/pay/notify", strings.NewReader(form)))
	}
	if r := post(); r.status != 500 || r.text == "success" {
		t.Errorf("%d %s", r.status, r.text)
	}
	h.answer = func(c *gin.Context) { c.String(http.StatusOK, "success") }
	if r := post(); r.status != 200 || r.text != "success" || len(h.seen) != 2 {
		t.Errorf("%d %s, seen %q", r.status, r.text, h.seen)
	}
}

// An earlier middleware that read the body must not lose notices.
func TestBodyReadByAnEarlierMiddleware(t *testing.T) {
	s := newShop(t)
	form := s.alipay.SignedNotice(refundNotice(map[string]string{"passback_params": "a=1&b=2", "subject": "一+一"}))
	for name, earlier := range map[string]gin.HandlerFunc{
		"PostForm": func(c *gin.Context) { c.PostForm("out_trade_no") },
		"ShouldBindBodyWith": func(c *gin.Context) {
			_ = c.ShouldBindBodyWithPlain(new(string))
		},
	} {
		r := gin.New()
		r.POST("/n", earlier, s.module.Notifications())
		request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/n?refund_fee=77", strings.NewReader(form))
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if got := serve(t, r, request); got.text != "success" {
			t.Errorf("%s: %d %s", name, got.status, got.text)
		}
	}
	r := gin.New()
	r.POST("/n", func(c *gin.Context) { _, _ = io.Copy(io.Discard, c.Request.Body) }, s.module.Notifications())
	got := serve(t, r, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/n", strings.NewReader(form)))
	if got.status != 500 || got.str("code") != "notification_unread" {
		t.Errorf("a body that is gone: %d %s", got.status, got.text)
	}
	s.expectTold("refund_succeeded")
}

// The automatic return of a red packet arrives at the payment's notify_url.
func TestAutomaticReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		h := s.host()
		p := s.alipay.AddRedPacket(alipaytest.RedPacket{Amount: 10_00, Claimed: 3_00, NotifyURL: payURL})
		s.expect(s.coupon(fmt.Sprintf(`{"auth_no":%q,"out_request_no":"C1","amount":"1.00","remark":"r"}`, p.AuthNo)), 200, "succeeded")
		s.alipay.Advance(49 * time.Hour)
		s.expectTold("refund_succeeded refund_succeeded")
		if got := s.last(); got.Origin != store.FromNotice || got.AuthNo != p.AuthNo || got.Amount != 6_00 {
			t.Errorf("told of %+v", got)
		}
		if len(h.seen) != 0 {
			t.Errorf("the host's payment handler saw %q", h.seen)
		}
		s.alipay.Advance(48 * time.Hour)
		s.expectTold("refund_succeeded refund_succeeded")
	})
}
