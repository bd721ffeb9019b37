package engine_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/internal/shoptest"
	"github.com/alirefund/alirefund/notify"
	"github.com/alirefund/alirefund/store"
)

// While a hook works on a notification, nobody else does, and nobody
// acknowledges it.
func TestNotificationThatIsBeingHandled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		s := shoptest.NewShop(t, func(c *alirefund.Config) {
			c.OnNotification = func(context.Context, *notify.Notification) error {
				calls.Add(1)
				time.Sleep(9 * time.Second)
				return nil
			}
		})
		form := s.Alipay.SignedNotice(shoptest.PaymentNotice("p1"))
		go s.Notice(form)
		time.Sleep(8 * time.Second)
		if r := s.Notice(form); r.Status != 503 || r.Str("code") != "notification_pending" || r.Header.Get("Retry-After") == "" {
			t.Errorf("%d %s", r.Status, r.Text)
		}
		time.Sleep(time.Minute)
		if r := s.Notice(form); r.Text != "success" || calls.Load() != 1 {
			t.Errorf("%d %s; %d calls", r.Status, r.Text, calls.Load())
		}
	})
}

// Two applications in one store do not share their notifications.
func TestApplicationsShareNoClaims(t *testing.T) {
	s := shoptest.NewShop(t)
	if r := s.Notice(s.Alipay.SignedNotice(shoptest.PaymentNotice("same"))); r.Text != "success" {
		t.Fatalf("%d %s", r.Status, r.Text)
	}
	s.Config.App.ID = "2021000000000002"
	s.Restart()
	other := shoptest.PaymentNotice("same")
	other["app_id"] = "2021000000000002"
	if r := s.Notice(s.Alipay.SignedNotice(other)); r.Text != "success" || len(s.Other) != 2 {
		t.Errorf("%d %s; given %q", r.Status, r.Text, s.Other)
	}
}

// Eight deliveries of a payment over 25 hours are one call.
func TestPaymentOverTwentyFiveHours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		for _, pause := range []time.Duration{0, 4 * time.Minute, 10 * time.Minute, 10 * time.Minute, time.Hour, 2 * time.Hour, 6 * time.Hour, 15 * time.Hour} {
			time.Sleep(pause)
			if r := s.Notice(s.Alipay.SignedNotice(shoptest.PaymentNotice("p1"))); r.Text != "success" {
				t.Fatalf("%d %s", r.Status, r.Text)
			}
		}
		if len(s.Other) != 1 {
			t.Errorf("given %q", s.Other)
		}
	})
}

// A notice whose news cannot be written down is not acknowledged, and comes again.
func TestNoticeWithoutALedger(t *testing.T) {
	for _, method := range []string{"Settle", "List", "Complete", "Delivered"} {
		synctest.Test(t, func(t *testing.T) {
			s := shoptest.NewShop(t)
			s.Trade()
			s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer}, shoptest.NoQuery)
			s.Expect(s.Refund(shoptest.Partly), 202, "pending")
			s.Down(time.Minute, method)
			fields := shoptest.RefundNotice(nil)
			if method == "Complete" { // of a notice that names its refund it is no step of its own
				fields = shoptest.RefundNotice(map[string]string{"out_biz_no": "-", "trade_no": "-"})
			}
			form := s.Alipay.SignedNotice(fields)
			if r := s.Notice(form); r.Status != 503 || r.Text == "success" {
				t.Errorf("%s down: %d %s", method, r.Status, r.Text)
			}
			time.Sleep(4 * time.Minute)
			if r := s.Notice(form); r.Text != "success" {
				t.Errorf("%s up again: %d %s", method, r.Status, r.Text)
			}
			told := "refund_succeeded"
			if method == "Delivered" {
				told += " " + told // nobody knew that the hook had run
			}
			s.ExpectTold(told)
		})
	}
}

// Whatever OnNotification's error is made of, the notification comes again.
func TestHooksErrorDecidesNothing(t *testing.T) {
	for _, hookErr := range []error{
		context.DeadlineExceeded, store.ErrNotFound, &alirefund.RefusedError{}, &alirefund.ValidationError{}, &http.MaxBytesError{},
	} {
		s := shoptest.NewShop(t, func(c *alirefund.Config) {
			c.OnNotification = func(context.Context, *notify.Notification) error { return fmt.Errorf("host: %w", hookErr) }
		})
		if r := s.Notice(s.Alipay.SignedNotice(shoptest.PaymentNotice("p1"))); r.Status != 503 || r.Str("code") != "notification_pending" {
			t.Errorf("%T: %d %s", hookErr, r.Status, r.Text)
		}
	}
}

func TestFailingMarkOfANotification(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		s.FailAt("Complete", 1)
		for range 2 {
			if r := s.Notice(s.Payment()); r.Text != "success" {
				t.Errorf("%d %s", r.Status, r.Text)
			}
			time.Sleep(4 * time.Minute)
		}
		if len(s.Other) != 1 {
			t.Errorf("OnNotification was given %q", s.Other)
		}
	})
}

func TestLateNotificationHookIsMarked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		s := shoptest.NewShop(t, func(c *alirefund.Config) {
			c.OnNotification = func(context.Context, *notify.Notification) error {
				calls.Add(1)
				time.Sleep(2 * time.Minute)
				return nil
			}
		})
		for range 2 {
			if r := s.Notice(s.Payment()); r.Text != "success" {
				t.Errorf("%d %s", r.Status, r.Text)
			}
			time.Sleep(10 * time.Minute)
		}
		if calls.Load() != 1 {
			t.Errorf("the hook ran %d times", calls.Load())
		}
	})
}

// The second seed document's notification, with a number for its amount and its
// literal nulls, sent eight times over 25 hours, re-signed each time.
func TestSeedNotificationOverTwentyFiveHours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		for _, pause := range []time.Duration{0, 4 * time.Minute, 10 * time.Minute, 10 * time.Minute, time.Hour, 2 * time.Hour, 6 * time.Hour, 15 * time.Hour} {
			time.Sleep(pause)
			r := s.Notice(s.Alipay.SignedNotice(map[string]string{
				"notify_type": "fund_stdtrustee_refund.success", "notify_id": "91722adff935e8cfa58b3aabf4dead6ibe",
				"notify_time": time.Now().Format(time.DateTime), "auth_no": "null", "out_order_no": "null", "operation_id": "null",
				"out_request_no": "null", "operation_type": "REFUND", "amount": "0.01", "status": "null", "gmt_create": "null",
				"gmt_trans": "null", "payer_logon_id": "null", "payer_user_id": "null",
			}))
			if r.Status != 200 || r.Text != "success" || !strings.HasPrefix(r.Header.Get("Content-Type"), "text/plain") {
				t.Fatalf("%d %s", r.Status, r.Text)
			}
		}
		s.ExpectTold("refund_succeeded")
		if got := s.Last(); got.Kind != store.Coupon || got.Amount != 1 || got.AuthNo != "" || got.OutRequestNo != "" {
			t.Errorf("told of %+v", got)
		}
	})
}

// The same event's notice that the fake sends with nulls, refused at first by a
// failing hook: eight deliveries, one callback.
func TestHookThatFailsGetsTheNoticeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		p := s.Alipay.AddRedPacket(alipaytest.RedPacket{})
		s.Fail[store.RefundSucceeded] = shoptest.ErrHost
		s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer}, alipaytest.Fault{Kind: alipaytest.HTTP500, Method: gateway.MethodCouponQuery})
		s.Expect(s.Coupon(fmt.Sprintf(`{"auth_no":%q,"out_request_no":"C1","amount":0.01,"remark":"r"}`, p.AuthNo)), 202, "pending")
		time.Sleep(30 * time.Minute)
		s.Alipay.Advance(0)
		s.Alipay.Advance(30 * time.Minute)
		s.ExpectTold("")
		s.Mu.Lock()
		s.Fail = map[store.Event]error{}
		s.Mu.Unlock()
		s.Alipay.Advance(25 * time.Hour)
		s.ExpectTold("refund_succeeded")
		n := s.Alipay.Notices()[0]
		if !n.Acknowledged || len(n.Deliveries) < 3 || n.Deliveries[0].Status != 503 {
			t.Errorf("deliveries: %+v", n.Deliveries)
		}
	})
}

// Nobody handles it, nobody acknowledges it.
func TestOtherNotifications(t *testing.T) {
	s := shoptest.NewShop(t)
	s.Alipay.AddTrade(alipaytest.Trade{OutTradeNo: shoptest.Order, Total: 88_88, NotifyURL: shoptest.NotifyURL})
	s.Alipay.Pay(shoptest.Order)
	s.Alipay.Deliver(t.Context())
	if got := strings.Join(s.Other, " "); got != "payment" {
		t.Errorf("OnNotification was given %q", got)
	}
	closed := shoptest.RefundNotice(map[string]string{"trade_status": "TRADE_CLOSED", "refund_fee": "0.00", "gmt_refund": "-", "out_biz_no": "-", "gmt_close": "2026-11-22 10:00:00"})
	if r := s.Notice(s.Alipay.SignedNotice(closed)); r.Text != "success" {
		t.Errorf("%d %s", r.Status, r.Text)
	}
	if got := strings.Join(s.Other, " "); got != "payment trade_closed" {
		t.Errorf("OnNotification was given %q", got)
	}
	s.ExpectTold("")

	s.Config.OnNotification = nil
	s.Restart()
	closed["notify_id"] = "another"
	if r := s.Notice(s.Alipay.SignedNotice(closed)); r.Status != 503 || r.Str("code") != "notification_unhandled" {
		t.Errorf("without a hook: %d %s", r.Status, r.Text)
	}
	for _, bad := range []func(context.Context, *notify.Notification) error{
		func(context.Context, *notify.Notification) error { return shoptest.ErrHost },
		func(context.Context, *notify.Notification) error { panic("the host's bug") },
	} {
		s.Config.OnNotification = bad
		s.Restart()
		if r := s.Notice(s.Alipay.SignedNotice(closed)); r.Status != 503 || strings.Contains(r.Text, "bug") {
			t.Errorf("a failing hook: %d %s", r.Status, r.Text)
		}
	}
}

// One notice, delivered to several processes at once: one callback.
func TestTheSameNoticeAtOnce(t *testing.T) {
	s := shoptest.NewShop(t)
	s.Alipay.AddTrade(alipaytest.Trade{OutTradeNo: shoptest.Order, Total: 88_88})
	other, err := alirefund.New(s.Config)
	if err != nil {
		t.Fatal(err)
	}
	second := gin.New()
	other.MountNotify(second.Group("/alipay"))
	form := s.Alipay.SignedNotice(shoptest.RefundNotice(nil))
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/alipay/notify", strings.NewReader(form))
			var h http.Handler = s.Router
			if i%2 == 1 {
				h = second
			}
			if r := shoptest.Serve(t, h, request); r.Status != 200 && r.Str("code") != "notification_pending" {
				t.Errorf("%d %s", r.Status, r.Text)
			}
		})
	}
	wg.Wait()
	s.ExpectTold("refund_succeeded")
}

// A notification that this process knows costs the store nothing.
func TestKnownNoticeAsksNobody(t *testing.T) {
	for name, fields := range map[string]map[string]string{
		"a refund": shoptest.RefundNotice(map[string]string{"trade_no": "-"}), "a payment": shoptest.PaymentNotice("p1"),
	} {
		s := shoptest.NewShop(t)
		s.Trade()
		s.Expect(s.Refund(shoptest.Partly), 200, "succeeded")
		var calls atomic.Int64
		s.Around(func(_ context.Context, _ shoptest.Call, call func() error) error {
			calls.Add(1)
			return call()
		})
		form := s.Alipay.SignedNotice(fields)
		if r := s.Notice(form); r.Text != "success" || calls.Load() == 0 {
			t.Fatalf("%s: %d %s, after %d calls", name, r.Status, r.Text, calls.Load())
		}
		calls.Store(0)
		if r := s.Notice(form); r.Text != "success" || calls.Load() != 0 {
			t.Errorf("%s, again: %d %s, after %d calls", name, r.Status, r.Text, calls.Load())
		}
	}
}
