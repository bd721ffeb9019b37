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
	"github.com/alirefund/alirefund/store"
)

func (s *shop) list(query string) reply {
	s.t.Helper()
	return s.do(http.MethodGet, "/alipay/refunds?"+query, "")
}

// listed returns the request numbers of a page.
func (r reply) listed() string {
	var numbers []string
	refunds, _ := r.body["refunds"].([]any)
	for _, item := range refunds {
		refund, _ := item.(map[string]any)
		number, _ := refund["out_request_no"].(string)
		numbers = append(numbers, number)
	}
	return strings.Join(numbers, " ")
}

func TestListRefunds(t *testing.T) { synctest.Test(t, inListRefunds) }

func inListRefunds(t *testing.T) {
	s := newShop(t)
	trade := s.trade()
	s.alipay.AddTrade(alipaytest.Trade{OutTradeNo: "other"})
	packet := s.alipay.AddRedPacket(alipaytest.RedPacket{})
	if r := s.list(""); r.status != 200 || r.text != `{"refunds":[]}` {
		t.Errorf("nothing is there: %d %s", r.status, r.text)
	}
	start := time.Now()
	s.expect(s.refund(partly), 200, "succeeded")
	time.Sleep(time.Minute)
	s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "ACQ.TRADE_NOT_ALLOW_REFUND"})
	s.refund(`{"out_trade_no":"6823789339978248","refund_amount":"1","out_request_no":"R2"}`)
	time.Sleep(time.Minute)
	s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest})
	s.expect(s.refund(`{"out_trade_no":"other","refund_amount":"1","out_request_no":"R3"}`), 202, "pending")
	time.Sleep(time.Minute)
	s.fail[store.RefundSucceeded] = errHost
	coupon := s.coupon(fmt.Sprintf(`{"auth_no":%q,"out_request_no":"C1","amount":1,"remark":"r"}`, packet.AuthNo))
	s.expect(coupon, 200, "succeeded")

	at := func(d time.Duration) string { return url.QueryEscape(start.Add(d).Format(time.RFC3339)) }
	for query, want := range map[string]string{
		"":                          "R1 R2 R3 C1",
		"out_trade_no=" + order:     "R1 R2",
		"trade_no=" + trade.TradeNo: "R1",
		"auth_no=" + packet.AuthNo:  "C1",
		"out_request_no=R2":         "R2",
		"operation_id=" + coupon.str("operation_id"): "C1",
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
		if r := s.list(query); r.status != 200 || r.listed() != want {
			t.Errorf("%s: %d %q, want %q", query, r.status, r.listed(), want)
		}
	}
	if r := s.list("out_request_no=C1"); !strings.Contains(r.text, `"delivered":false`) || strings.Contains(r.text, `"alipay"`) {
		t.Errorf("a page's refund: %s", r.text)
	}

	// Page by page.
	var pages []string
	for query, next := "limit=3", ""; ; {
		r := s.list(query)
		pages = append(pages, r.listed())
		if next = r.str("next"); next == "" {
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
	s := newShop(t)
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
		r := s.list(query)
		if r.status != 422 || r.str("code") != "invalid_fields" || r.pointers() != want {
			t.Errorf("%s: %d %q, want %q", query, r.status, r.pointers(), want)
		}
	}
	if r := s.do(http.MethodGet, "/alipay/refunds?kind=order", "", "Accept-Language", "zh-CN"); !strings.Contains(r.text, "必须是trade或coupon") {
		t.Errorf("in Chinese: %s", r.text)
	}
}

// The list is behind the guard, and another application's refunds are not in it.
func TestListIsGuarded(t *testing.T) {
	s := newShop(t)
	s.trade()
	s.expect(s.refund(partly), 200, "succeeded")
	s.config.App.ID = "2021999999999999"
	s.restart()
	if r := s.list(""); r.status != 200 || r.listed() != "" {
		t.Errorf("another application sees %d %s", r.status, r.text)
	}
	closed := gin.New()
	s.module.MountRefunds(closed, func(c *gin.Context) { c.AbortWithStatus(http.StatusUnauthorized) })
	s.router = closed
	if r := s.do(http.MethodGet, "/refunds", ""); r.status != http.StatusUnauthorized || r.text != "" {
		t.Errorf("behind a guard that refuses: %d %s", r.status, r.text)
	}
}
