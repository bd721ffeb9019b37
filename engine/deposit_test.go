package engine_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
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

// toCard is a refund that wants to hear of the bank.
const toCard = `{"out_trade_no":"6823789339978248","refund_amount":"8.88","out_request_no":"R1","query_options":["deposit_back_info"]}`

// deposits is a host that hears of banks. It takes what comes once its errors are
// used up.
type deposits struct {
	errs []error
	seen []alirefund.DepositBack
}

func (d *deposits) hook(c *alirefund.Config) {
	c.OnDepositBack = func(_ context.Context, e alirefund.DepositBack) error {
		d.seen = append(d.seen, e)
		if len(d.errs) == 0 {
			return nil
		}
		err := d.errs[0]
		d.errs = d.errs[1:]
		if err == nil {
			panic("the host's bug")
		}
		return err
	}
}

// depositMessage is a deposit-back, of R1 if content does not say.
func depositMessage(id, content string) map[string]string {
	if content == "" {
		content = `{"out_trade_no":"6823789339978248","out_request_no":"R1","dback_status":"F"}`
	}
	return map[string]string{
		"app_id": "2021000000000001", "notify_id": id, "msg_method": notify.MessageDepositBack, "version": "1.1", "charset": "UTF-8",
		"utc_timestamp": "1767225600000", "biz_content": content,
	}
}

// A bank's word follows a refund that asked for it, reaches the host whole, and
// stands in the history; a failure undoes nothing.
func TestDepositBackFollowsASuccess(t *testing.T) {
	d := &deposits{}
	s := shoptest.NewShop(t, d.hook)
	trade := s.Trade()
	r := s.Refund(toCard)
	s.Expect(r, 200, "succeeded")
	s.Alipay.DepositBack(shoptest.Order, "R1", true)
	s.Alipay.DepositBack(shoptest.Order, "R1", false)
	s.Alipay.Deliver(t.Context())
	if len(d.seen) != 2 {
		t.Fatalf("told %d times", len(d.seen))
	}
	for i, e := range d.seen {
		if ok := i == 0; e.Succeeded != ok || (e.Amount == 8_88) != ok || e.EstBankReceiptTime.IsZero() == ok ||
			e.BankAckTime.IsZero() || time.Since(e.BankAckTime).Abs() > time.Minute || e.NotifyID == "" ||
			e.TradeNo != trade.TradeNo || e.OutTradeNo != shoptest.Order || e.OutRequestNo != "R1" ||
			e.Refund.ID != r.Str("id") || e.Refund.State != store.Succeeded || e.Refund.History[len(e.Refund.History)-1].NotifyID != e.NotifyID {
			t.Errorf("told of %+v", e)
		}
	}
	for _, n := range s.Alipay.Notices() {
		if !n.Acknowledged {
			t.Errorf("%+v", n)
		}
	}
	if got := s.Notes(r.Str("id")); got != "succeeded; 8.88, failed: the bank did not take it" {
		t.Errorf("history: %s", got)
	}
	s.Expect(s.Get(r.Str("id")), 200, "succeeded")
	s.ExpectTold("refund_succeeded")
	if len(s.Other) != 0 {
		t.Errorf("OnNotification got %q", s.Other)
	}
}

// A hook that fails or panics gets the message again, the history does not; what
// the hook took never comes again.
func TestDepositBackIsToldUntilItIsTaken(t *testing.T) {
	d := &deposits{errs: []error{shoptest.ErrHost, nil, shoptest.ErrHost}} // nil panics
	s := shoptest.NewShop(t, d.hook)
	s.Trade()
	r := s.Refund(toCard)
	s.Alipay.Deliver(t.Context())
	s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.NoticeTwice})
	s.Alipay.DepositBack(shoptest.Order, "R1", false)
	s.Alipay.Advance(26 * time.Hour)
	notices := s.Alipay.Notices()
	n := notices[len(notices)-1]
	if len(d.seen) != 4 || !n.Acknowledged || len(n.Deliveries) != 5 || n.Deliveries[0].Status != 503 || strings.Contains(n.Deliveries[0].Body, shoptest.ErrHost.Error()) {
		t.Errorf("told %d times: %+v", len(d.seen), n)
	}
	if got := s.Notes(r.Str("id")); got != "failed: the bank did not take it" {
		t.Errorf("history: %s", got)
	}
	if seen := d.seen[3]; seen.NotifyID != n.ID {
		t.Errorf("%+v", seen)
	}
}

// Nobody handles it, nobody acknowledges it; it stands in the history even so.
func TestDepositBackWithoutAHook(t *testing.T) {
	s := shoptest.NewShop(t)
	s.Trade()
	r := s.Refund(toCard)
	s.Alipay.DepositBack(shoptest.Order, "R1", false)
	s.Alipay.Advance(26 * time.Hour)
	notices := s.Alipay.Notices()
	n := notices[len(notices)-1]
	if n.Acknowledged || len(n.Deliveries) != 8 || n.Deliveries[0].Status != 503 || !strings.Contains(n.Deliveries[0].Body, "OnDepositBack") {
		t.Errorf("%+v", n)
	}
	if got := s.Notes(r.Str("id")); got != "failed: the bank did not take it" || len(s.Other) != 0 {
		t.Errorf("history: %s; OnNotification got %q", got, s.Other)
	}
}

// A refund that nobody here knows, or cannot tell from another's, is told of
// without its record.
func TestDepositBackOfAnUnknownRefund(t *testing.T) {
	d := &deposits{}
	s := shoptest.NewShop(t, d.hook)
	s.Trade()
	for _, merchant := range []string{"m1", "m2"} {
		s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest})
		s.Expect(s.Refund(shoptest.Partly[:len(shoptest.Partly)-1]+`,"merchant":"`+merchant+`","app_auth_token":"t"}`), 202, "pending")
	}
	for i, content := range []string{
		`{"out_trade_no":"other","out_request_no":"R1","dback_status":"F"}`,
		`{"out_trade_no":"6823789339978248","out_request_no":"r1","dback_status":"F"}`,
		`{"out_trade_no":"6823789339978248","dback_status":"F"}`,
		`{"trade_no":"T9","out_request_no":"R1","dback_status":"F"}`,
		`{"out_trade_no":"6823789339978248","out_request_no":"R1","dback_status":"F"}`, // whose?
	} {
		if r := s.Notice(s.Alipay.SignedNotice(depositMessage(string(rune('a'+i)), content))); r.Text != "success" {
			t.Fatalf("%s: %d %s", content, r.Status, r.Text)
		}
		if e := d.seen[len(d.seen)-1]; len(d.seen) != i+1 || e.Refund.ID != "" || e.Succeeded || e.OutTradeNo+e.TradeNo == "" {
			t.Errorf("%s: told of %+v", content, e)
		}
	}
}

// The trade's own number tells merchants apart, and finds a refund by itself.
func TestDepositBackByTradeNo(t *testing.T) {
	d := &deposits{}
	s := shoptest.NewShop(t, d.hook)
	trade := s.Trade()
	s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest})
	s.Expect(s.Refund(shoptest.Partly[:len(shoptest.Partly)-1]+`,"merchant":"m","app_auth_token":"t"}`), 202, "pending")
	r := s.Refund(shoptest.Partly)
	s.Expect(r, 200, "succeeded")
	for i, content := range []string{
		`{"trade_no":"` + trade.TradeNo + `","out_request_no":"R1","dback_status":"F"}`,
		`{"trade_no":"` + trade.TradeNo + `","out_trade_no":"6823789339978248","out_request_no":"R1","dback_status":"F"}`,
	} {
		s.Notice(s.Alipay.SignedNotice(depositMessage(string(rune('a'+i)), content)))
		if e := d.seen[len(d.seen)-1]; e.Refund.ID != r.Str("id") {
			t.Errorf("%s: told of %+v", content, e)
		}
	}
	// Of another trade it can only be the refund whose trade_no is not known yet.
	s.Notice(s.Alipay.SignedNotice(depositMessage("c", `{"trade_no":"T9","out_trade_no":"6823789339978248","out_request_no":"R1","dback_status":"F"}`)))
	if e := d.seen[2]; e.Refund.Merchant != "m" {
		t.Errorf("told of %+v", e)
	}
}

// It never settles anything: what is unresolved stays so, what failed too.
func TestDepositBackSettlesNothing(t *testing.T) { synctest.Test(t, inDepositBackSettlesNothing) }

func inDepositBackSettlesNothing(t *testing.T) {
	d := &deposits{}
	s := shoptest.NewShop(t, d.hook)
	s.Trade()
	s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest})
	pending := s.Refund(toCard)
	s.Expect(pending, 202, "pending")
	s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "ACQ.SELLER_BALANCE_NOT_ENOUGH"})
	failed := s.Refund(strings.Replace(toCard, "R1", "R2", 1))
	if failed.Str("code") != "alipay_refused" {
		t.Fatal(failed.Text)
	}
	for i, r := range []shoptest.Reply{pending, failed} {
		before, err := s.Config.Store.Get(t.Context(), r.Str("id"))
		if err != nil {
			t.Fatal(err)
		}
		content := `{"out_trade_no":"6823789339978248","out_request_no":"` + before.OutRequestNo + `","dback_status":"S","dback_amount":"8.88"}`
		if n := s.Notice(s.Alipay.SignedNotice(depositMessage(string(rune('a'+i)), content))); n.Text != "success" {
			t.Fatalf("%d %s", n.Status, n.Text)
		}
		after, err := s.Config.Store.Get(t.Context(), r.Str("id"))
		if err != nil || after.State != before.State || !after.Next.Equal(before.Next) || !after.UpdatedAt.Equal(before.UpdatedAt) || after.TradeNo != before.TradeNo {
			t.Errorf("%v\n%+v\nwas\n%+v", err, after, before)
		}
		if e := d.seen[i]; e.Refund.ID != before.ID || s.Notes(before.ID) != "succeeded; 8.88" {
			t.Errorf("told of %+v", e)
		}
	}
}

// Signed by Alipay and unreadable: a message like any other, and not lost.
func TestUnreadableDepositBackReachesTheHost(t *testing.T) {
	d := &deposits{}
	s := shoptest.NewShop(t, d.hook)
	for i, content := range []string{`{`, `[]`, `{"dback_status":"S"}`, `{"out_trade_no":"1","dback_status":"P"}`} {
		if r := s.Notice(s.Alipay.SignedNotice(depositMessage(string(rune('a'+i)), content))); r.Text != "success" {
			t.Errorf("%s: %d %s", content, r.Status, r.Text)
		}
	}
	if got := strings.Join(s.Other, " "); got != "message message message message" || len(d.seen) != 0 {
		t.Errorf("OnNotification got %q, OnDepositBack %+v", got, d.seen)
	}
	s.Config.OnNotification = nil
	s.Restart()
	if r := s.Notice(s.Alipay.SignedNotice(depositMessage("z", `{`))); r.Status != 503 || r.Str("code") != "notification_unhandled" {
		t.Errorf("nobody: %d %s", r.Status, r.Text)
	}
}

// A store that is down loses no message.
func TestDepositBackWhileTheStoreIsDown(t *testing.T) {
	for _, method := range []string{"List", "Settle"} {
		d := &deposits{}
		s := shoptest.NewShop(t, d.hook)
		s.Trade()
		r := s.Refund(toCard)
		s.Alipay.Deliver(t.Context())
		s.Down(time.Hour, method)
		form := s.Alipay.SignedNotice(depositMessage("a", ""))
		if n := s.Notice(form); n.Status != 503 || len(d.seen) != 0 {
			t.Errorf("%s: %d %s, told %+v", method, n.Status, n.Text, d.seen)
		}
		s.Config.Store = s.Config.Store.(*shoptest.FaultStore).Store
		s.Restart()
		if n := s.Notice(form); n.Text != "success" || len(d.seen) != 1 || s.Notes(r.Str("id")) == "" {
			t.Errorf("%s: %d %s, told %+v", method, n.Status, n.Text, d.seen)
		}
	}
}

// Both addresses take both, and so does the middleware: who mixes them loses
// nothing.
func TestBothAddressesTakeBoth(t *testing.T) {
	for _, path := range []string{"/alipay/notify", "/alipay/gateway", "/pay/notify"} {
		t.Run(path, func(t *testing.T) {
			d := &deposits{}
			s := shoptest.NewShop(t, d.hook)
			s.Trade()
			s.Router.POST("/pay/notify", s.Module.Notifications(), func(c *gin.Context) {
				n, _ := alirefund.NotificationFrom(c)
				s.Other = append(s.Other, string(n.Kind))
				c.String(http.StatusOK, "success")
			})
			s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer}, alipaytest.Fault{Kind: alipaytest.HTTP500, Method: gateway.MethodRefundQuery})
			s.Expect(s.Refund(toCard), 202, "pending")
			post := func(params map[string]string) shoptest.Reply {
				return shoptest.Serve(t, s.Router, httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(s.Alipay.SignedNotice(params))))
			}
			message := depositMessage("4", `{"status":"SUCCESS"}`)
			message["msg_method"] = "alipay.fund.trans.order.changed"
			for _, params := range []map[string]string{
				shoptest.RefundNotice(map[string]string{"notify_id": "1", "trade_no": "-"}), shoptest.PaymentNotice("2"), depositMessage("3", ""), message,
			} {
				for range 2 {
					if r := post(params); r.Text != "success" {
						t.Errorf("%s: %d %s", params["notify_id"], r.Status, r.Text)
					}
				}
			}
			s.ExpectTold("refund_succeeded")
			if got := strings.Join(s.Other, " "); got != "payment message" || len(d.seen) != 1 || d.seen[0].Refund.State != store.Succeeded {
				t.Errorf("other: %q, deposit-backs: %+v", got, d.seen)
			}
			// Forged and foreign ones are refused as anywhere.
			foreign := depositMessage("5", "")
			foreign["app_id"] = "2021000000009999"
			if r := post(foreign); r.Status != 403 || r.Str("code") != "notification_not_ours" || len(d.seen) != 1 {
				t.Errorf("foreign: %d %s", r.Status, r.Text)
			}
			forged := s.Alipay.SignedNotice(depositMessage("6", "")) + "&x=1"
			if r := shoptest.Serve(t, s.Router, httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(forged))); r.Status != 403 || len(d.seen) != 1 {
				t.Errorf("forged: %d %s", r.Status, r.Text)
			}
		})
	}
}

// What the hook is handed is its own.
func TestDepositBackSharesNoMemory(t *testing.T) {
	s := shoptest.NewShop(t, func(c *alirefund.Config) {
		c.OnDepositBack = func(_ context.Context, e alirefund.DepositBack) error {
			clear(e.Refund.History)
			return errors.New("again")
		}
	})
	s.Trade()
	r := s.Refund(toCard)
	s.Notice(s.Alipay.SignedNotice(depositMessage("a", "")))
	if s.Notes(r.Str("id")) == "" {
		t.Error("the hook changed the record")
	}
}
