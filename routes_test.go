package alirefund_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/internal/shoptest"
)

// The guard comes first, then what the host mounted behind it; a plugin's guard
// too; the body is bounded even for the guard.
func TestOrderOfTheChain(t *testing.T) {
	s := shoptest.NewShop(t)
	var order []string
	step := func(name string) gin.HandlerFunc {
		return func(c *gin.Context) {
			_, err := io.ReadAll(c.Request.Body)
			order = append(order, fmt.Sprint(name, " ", err != nil))
			if name == "deny" {
				c.AbortWithStatus(http.StatusForbidden)
			}
		}
	}
	r := gin.New()
	s.Module.MountRefunds(r.Group("/a"), step("guard"), step("more"))
	s.Module.MountRefunds(r.Group("/b"), step("deny"), step("never"))
	for _, path := range []string{"/a/refunds", "/b/refunds"} {
		shoptest.Serve(t, r, httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(strings.Repeat("x", alirefund.MaxBody+1))))
	}
	if got := strings.Join(order, ", "); got != "guard true, more true, deny true" {
		t.Errorf("ran %s", got)
	}
}

// A guard that refuses and forgets to abort moves no money; one that goes on by itself
// hinders nothing.
func TestGuardThatDoesNotAbort(t *testing.T) {
	for name, test := range map[string]struct {
		guard  gin.HandlerFunc
		status int
		moved  string
	}{
		"answers":      {func(c *gin.Context) { c.JSON(http.StatusUnauthorized, gin.H{"msg": "no"}) }, 401, ""},
		"answers 200":  {func(c *gin.Context) { c.String(http.StatusOK, "please log in") }, 200, ""},
		"sets status":  {func(c *gin.Context) { c.Status(http.StatusForbidden) }, 403, ""},
		"goes on":      {func(c *gin.Context) { c.Next() }, 200, "R1=8.88"},
		"lets it pass": {func(*gin.Context) {}, 200, "R1=8.88"},
	} {
		t.Run(name, func(t *testing.T) {
			var log shoptest.Log
			s := shoptest.NewShop(t, func(c *alirefund.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
			s.Trade()
			s.Router = gin.New()
			s.Module.MountRefunds(s.Router.Group("/alipay"), test.guard)
			r := s.Refund(shoptest.Partly)
			if r.Status != test.status || test.moved == "" && strings.Contains(r.Text, "state") {
				t.Errorf("%d %s", r.Status, r.Text)
			}
			s.ExpectMoved(test.moved)
			if got := len(log.Lines("not aborted")) > 0; got != (test.moved == "") {
				t.Errorf("logged: %v", got)
			}
		})
	}
}

// Both seed documents' examples, as they are written there.
func TestSeedExamples(t *testing.T) {
	s := shoptest.NewShop(t)
	s.Alipay.AddTrade(alipaytest.Trade{OutTradeNo: shoptest.Order, Total: 1})
	s.Alipay.AddRedPacket(alipaytest.RedPacket{AuthNo: "2018081710002001860231318890"})
	s.Expect(s.Refund(`{"outTradeNo": "6823789339978248", "refundAmount": "0.01"}`), 200, "succeeded")
	s.Expect(s.Coupon(`{
		"auth_no":"2018081710002001860231318890",
		"out_request_no":"refund20171228254",
		"amount":0.01,
		"remark":"支付后,剩余红包退款"
	}`), 200, "succeeded")
	s.ExpectMoved(shoptest.Order + "=0.01 refund20171228254=0.01")
	s.ExpectTold("refund_succeeded refund_succeeded")
}

// The guard comes before the body is looked at, and its actor stands in the
// record.
func TestGuard(t *testing.T) {
	s := shoptest.NewShop(t)
	s.Trade()
	router := gin.New()
	deny := func(c *gin.Context) { c.AbortWithStatus(http.StatusUnauthorized) }
	s.Module.MountRefunds(router.Group("/a"), deny)
	for _, request := range []*http.Request{
		httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/a/refunds", strings.NewReader(shoptest.Partly)),
		httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/a/coupon-refunds", strings.NewReader("{")),
		httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/a/refunds/x", nil),
	} {
		if r := shoptest.Serve(t, router, request); r.Status != 401 || r.Text != "" {
			t.Errorf("%s %s: %d %s", request.Method, request.URL, r.Status, r.Text)
		}
	}
	if n := len(s.Alipay.Calls()); n != 0 {
		t.Errorf("%d calls were made", n)
	}
	defer func() {
		if recover() == nil {
			t.Error("a nil guard is accepted")
		}
	}()
	s.Module.MountRefunds(router.Group("/b"), nil)
}

// Nothing of keys, tokens, signatures, bodies or buyers reaches the log.
func TestLogIsClean(t *testing.T) {
	var log bytes.Buffer
	s := shoptest.NewShop(t, func(c *alirefund.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	s.Alipay.AddTrade(alipaytest.Trade{OutTradeNo: shoptest.Order, Total: 88_88, BuyerLogonID: "buyer-secret", NotifyURL: shoptest.NotifyURL})
	s.Fail["refund_succeeded"] = shoptest.ErrHost
	token := "2020-app-auth-token-secret"
	s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.WrongSignature}, alipaytest.Fault{Kind: alipaytest.HTTP500, Method: "alipay.trade.fastpay.refund.query"})
	s.Refund(`{"out_trade_no":"6823789339978248","refund_amount":"8.88","out_request_no":"R1","app_auth_token":"` + token + `"}`)
	s.Alipay.Deliver(t.Context())
	s.Notice("sign=AAAA-secret&sign_type=RSA2&buyer_logon_id=buyer-secret")
	s.Refund(`{"app_auth_token":"` + token)
	if log.Len() == 0 {
		t.Fatal("nothing was logged at all")
	}
	for _, secret := range []string{"secret", token, "sign=", "biz_content", "PRIVATE"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log holds %q:\n%s", secret, log.String())
		}
	}
}
