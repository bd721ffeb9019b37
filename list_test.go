package alirefund_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/internal/shoptest"
	"github.com/alirefund/alirefund/store"
)

func TestListRefunds(t *testing.T) { synctest.Test(t, inListRefunds) }

func inListRefunds(t *testing.T) {
	s := shoptest.NewShop(t)
	trade := s.Trade()
	s.Alipay.AddTrade(alipaytest.Trade{OutTradeNo: "other"})
	packet := s.Alipay.AddRedPacket(alipaytest.RedPacket{})
	if r := s.List(""); r.Status != 200 || r.Text != `{"refunds":[]}` {
		t.Errorf("nothing is there: %d %s", r.Status, r.Text)
	}
	start := time.Now()
	s.Expect(s.Refund(shoptest.Partly), 200, "succeeded")
	time.Sleep(time.Minute)
	s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "ACQ.BUYER_NOT_EXIST"})
	s.Refund(`{"out_trade_no":"6823789339978248","refund_amount":"1","out_request_no":"R2"}`)
	time.Sleep(time.Minute)
	s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest})
	s.Expect(s.Refund(`{"out_trade_no":"other","refund_amount":"1","out_request_no":"R3"}`), 202, "pending")
	time.Sleep(time.Minute)
	s.Fail[store.RefundSucceeded] = shoptest.ErrHost
	coupon := s.Coupon(fmt.Sprintf(`{"auth_no":%q,"out_request_no":"C1","amount":1,"remark":"r"}`, packet.AuthNo))
	s.Expect(coupon, 200, "succeeded")

	at := func(d time.Duration) string { return url.QueryEscape(start.Add(d).Format(time.RFC3339)) }
	for query, want := range map[string]string{
		"":                               "R1 R2 R3 C1",
		"out_trade_no=" + shoptest.Order: "R1 R2",
		"trade_no=" + trade.TradeNo:      "R1",
		"auth_no=" + packet.AuthNo:       "C1",
		"out_request_no=R2":              "R2",
		"operation_id=" + coupon.Str("operation_id"): "C1",
		"kind=trade":               "R1 R2 R3",
		"kind=coupon":              "C1",
		"state=pending":            "R3",
		"state=failed":             "R2",
		"state=succeeded":          "R1 C1",
		"undelivered=true":         "C1",
		"undelivered=false":        "R1 R2 R3 C1",
		"from=" + at(time.Minute):  "R2 R3 C1",
		"until=" + at(time.Minute): "R1",
		"from=" + at(1) + "&until=" + at(3*time.Minute): "R1 R2 R3",
		"from=2000-01-01T08:01:00+08:00":                "R2 R3 C1", // a + that nobody escaped
		"limit=2":                                       "R1 R2",
		"state=failed&kind=coupon":                      "",
		"out_trade_no=nobody":                           "",
	} {
		if r := s.List(query); r.Status != 200 || r.Listed() != want {
			t.Errorf("%s: %d %q, want %q", query, r.Status, r.Listed(), want)
		}
	}
	if r := s.List("out_request_no=C1"); !strings.Contains(r.Text, `"delivered":false`) || !strings.Contains(r.Text, `"created_at":"`) || strings.Contains(r.Text, `"alipay"`) || strings.Contains(r.Text, `"repeated"`) {
		t.Errorf("a page's refund: %s", r.Text)
	}
	inPages(t, s)
}

// inPages lists them page by page.
func inPages(t *testing.T, s *shoptest.Shop) {
	t.Helper()
	var pages []string
	for query, next := "limit=3", ""; ; {
		r := s.List(query)
		pages = append(pages, r.Listed())
		if next = r.Str("next"); next == "" {
			break
		}
		query = "limit=3&cursor=" + url.QueryEscape(next)
	}
	if got := strings.Join(pages, " / "); got != "R1 R2 R3 / C1" {
		t.Errorf("pages %q", got)
	}
}

// Whatever is wrong with a query is named, all of it.
func TestListRefusesBadQueries(t *testing.T) {
	s := shoptest.NewShop(t)
	for query, want := range map[string]string{
		"kind=order":                     "/kind",
		"state=unresolved":               "/state",
		"undelivered=maybe":              "/undelivered",
		"from=yesterday":                 "/from",
		"until=2026-01-01":               "/until",
		"limit=0":                        "/limit",
		"limit=101":                      "/limit",
		"limit=x":                        "/limit",
		"cursor=x!":                      "/cursor",
		"cursor=AAAA":                    "/cursor",
		"page=2":                         "/page",
		"state=failed&state=pending":     "/state",
		"kind=order&state=&limit=-1&x=1": "/kind /limit /state /x",
	} {
		r := s.List(query)
		if r.Status != 422 || r.Str("code") != "invalid_fields" || r.Pointers() != want {
			t.Errorf("%s: %d %q, want %q", query, r.Status, r.Pointers(), want)
		}
	}
	if r := s.Do(http.MethodGet, "/alipay/refunds?kind=order", "", "Accept-Language", "zh-CN"); !strings.Contains(r.Text, "必须是 trade、coupon 或 unfreeze") {
		t.Errorf("in Chinese: %s", r.Text)
	}
}

// The list is behind the guard, and another application's refunds are not in it.
func TestListIsGuarded(t *testing.T) {
	s := shoptest.NewShop(t)
	s.Trade()
	s.Expect(s.Refund(shoptest.Partly), 200, "succeeded")
	s.Config.App.ID = "2021999999999999"
	s.Restart()
	if r := s.List(""); r.Status != 200 || r.Listed() != "" {
		t.Errorf("another application sees %d %s", r.Status, r.Text)
	}
	closed := gin.New()
	s.Module.MountRefunds(closed, func(c *gin.Context) { c.AbortWithStatus(http.StatusUnauthorized) })
	s.Router = closed
	if r := s.Do(http.MethodGet, "/refunds", ""); r.Status != http.StatusUnauthorized || r.Text != "" {
		t.Errorf("behind a guard that refuses: %d %s", r.Status, r.Text)
	}
}

// A page's pending refund is not delivered, whatever is due of it; and pages meet
// without a gap, however close together their refunds were made.
func TestPagesOfRefundsCloseTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		for i := range 4 {
			r := store.Refund{
				Kind: store.Trade, App: s.Config.App.ID, OutTradeNo: "T", OutRequestNo: fmt.Sprint("R", i), Amount: 1,
				Origin: store.FromRequest, State: store.Pending,
			}.Identify()
			if _, _, err := s.Config.Store.Open(t.Context(), r, store.Limit{}, nil); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Microsecond)
		}
		var pages []string
		for query, next := "limit=1", ""; len(pages) < 9; {
			r := s.List(query)
			if strings.Contains(r.Text, `"delivered":true`) {
				t.Errorf("a pending refund is delivered: %s", r.Text)
			}
			pages = append(pages, r.Listed())
			if next = r.Str("next"); next == "" {
				break
			}
			query = "limit=1&cursor=" + url.QueryEscape(next)
		}
		if got := strings.Join(pages, "/"); got != "R0/R1/R2/R3/" {
			t.Errorf("pages %q", got)
		}
	})
}
