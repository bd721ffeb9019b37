package alirefund_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/signer"
	"github.com/alirefund/alirefund/store"
)

// A host mounts the module, refunds, and is told. The fake stands for Alipay.
func Example() {
	alipay := alipaytest.New(alipaytest.Config{})
	alipay.AddTrade(alipaytest.Trade{OutTradeNo: "order-1", Total: 88_88})

	sign, err := signer.FromPEM(alipay.AppPrivateKey())
	if err != nil {
		panic(err)
	}
	verify, err := signer.VerifierFromPEM(alipay.AlipayPublicKey())
	if err != nil {
		panic(err)
	}
	m, err := alirefund.New(alirefund.Config{
		App:        alirefund.App{ID: alipay.AppID(), Signer: sign, Verifier: verify},
		Store:      store.NewMemory(),
		Gateway:    alipaytest.GatewayURL,
		HTTPClient: alipay.HTTPClient(),
		OnRefundSucceeded: func(_ context.Context, e alirefund.RefundSucceeded) error {
			fmt.Println("told:", e.Refund.OutTradeNo, e.Refund.OutRequestNo, e.Refund.Amount)
			return nil
		},
	})
	if err != nil {
		panic(err)
	}
	r := gin.New()
	m.MountRefunds(r.Group("/alipay"), func(c *gin.Context) { alirefund.SetActor(c, "staff") })
	m.MountNotify(r.Group("/alipay"))

	for range 2 { // the same number is the same refund
		request := httptest.NewRequest(http.MethodPost, "/alipay/refunds",
			strings.NewReader(`{"out_trade_no":"order-1","refund_amount":"8.88","out_request_no":"R1"}`))
		request.Header.Set("Content-Type", "application/json")
		answer := httptest.NewRecorder()
		r.ServeHTTP(answer, request)
		fmt.Println(answer.Code, strings.Contains(answer.Body.String(), `"state":"succeeded"`))
	}
	fmt.Println("money moved:", len(alipay.Movements()), "time")
	// Output:
	// told: order-1 R1 8.88
	// 200 true
	// 200 true
	// money moved: 1 time
}
