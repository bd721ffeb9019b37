package alirefund_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/signer"
	"github.com/alirefund/alirefund/store"
)

// One module refunds for two shops, each an application of its own.
func ExampleSetApp() {
	gin.SetMode(gin.ReleaseMode)
	tea := alipaytest.New(alipaytest.Config{AppID: "2021000000000001"})
	coffee := alipaytest.New(alipaytest.Config{AppID: "2021000000000002"})
	shops := map[string]alirefund.App{} // yours are in a database
	for _, shop := range []*alipaytest.Alipay{tea, coffee} {
		sign, _ := signer.FromPEM(shop.AppPrivateKey())
		verify, _ := signer.VerifierFromPEM(shop.AlipayPublicKey())
		shops[shop.AppID()] = alirefund.App{ID: shop.AppID(), Signer: sign, Verifier: verify}
		shop.AddTrade(alipaytest.Trade{OutTradeNo: "order-1", Total: 88_88})
	}
	m, err := alirefund.New(alirefund.Config{
		Apps: func(_ context.Context, appID string) (alirefund.App, error) {
			if shop, known := shops[appID]; known {
				return shop, nil
			}
			return alirefund.App{}, alirefund.ErrUnknownApp
		},
		OnRefundSucceeded: func(_ context.Context, e alirefund.RefundSucceeded) error {
			fmt.Println(e.Refund.App, "refunded", e.Refund.Amount)
			return nil
		},
		Store:      store.NewMemory(),
		HTTPClient: alipaytest.HTTPClient(tea, coffee),
		Logger:     slog.New(slog.DiscardHandler),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	router := gin.New()
	m.MountRefunds(router.Group("/alipay"), func(c *gin.Context) {
		alirefund.SetApp(c, c.GetHeader("Shop")) // yours comes from the session, or stands in the path
	})
	for _, shop := range []string{coffee.AppID(), tea.AppID(), "2021000000000003"} {
		body := strings.NewReader(`{"out_trade_no":"order-1","refund_amount":"8.88","out_request_no":"R1"}`)
		r := httptest.NewRequest(http.MethodPost, "/alipay/refunds", body)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Shop", shop)
		w := httptest.NewRecorder()
		router.ServeHTTP(w, r)
		fmt.Println(w.Code)
	}
	// Output:
	// 2021000000000002 refunded 8.88
	// 200
	// 2021000000000001 refunded 8.88
	// 200
	// 404
}
