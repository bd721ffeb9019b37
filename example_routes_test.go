package alirefund_test

import (
	"context"
	"encoding/json"
	"errors"
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

// moduleAt is a module that refunds at a fake of Alipay.
func moduleAt(alipay *alipaytest.Alipay) *alirefund.Module {
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
	})
	if err != nil {
		panic(err)
	}
	return m
}

// Notices of refunds arrive at the payment's notify_url. The module takes those, and hands
// on the payments.
func ExampleModule_Notifications() {
	alipay := alipaytest.New(alipaytest.Config{})
	m := moduleAt(alipay)
	r := gin.New()
	r.POST("/pay/notify", m.Notifications(), func(c *gin.Context) {
		n, _ := alirefund.NotificationFrom(c) // verified, and not seen before
		amount, _ := n.TotalAmount()
		fmt.Println("paid:", n.OutTradeNo(), amount)
		c.String(http.StatusOK, "success")
	})

	payment := map[string]string{
		"notify_type": "trade_status_sync", "trade_status": "TRADE_SUCCESS", "notify_id": "1", "app_id": alipay.AppID(),
		"out_trade_no": "order-1", "trade_no": "T1", "total_amount": "88.88", "charset": "utf-8",
	}
	for range 2 { // Alipay repeats what it does not hear success of, and sometimes what it does
		request := httptest.NewRequest(http.MethodPost, "/pay/notify", strings.NewReader(alipay.SignedNotice(payment)))
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		answer := httptest.NewRecorder()
		r.ServeHTTP(answer, request)
		fmt.Println(answer.Code, answer.Body)
	}
	// Output:
	// paid: order-1 88.88
	// 200 success
	// 200 success
}

// A refund from Go, with the amount in fen. No error means that the money moved; and
// ErrUnresolved is the third outcome, of which nobody knows yet.
func ExampleModule_refund() {
	alipay := alipaytest.New(alipaytest.Config{})
	alipay.AddTrade(alipaytest.Trade{OutTradeNo: "order-1", Total: 88_88})
	m := moduleAt(alipay)
	request := alirefund.RefundRequest{OutTradeNo: "order-1", RefundAmount: 8_88, OutRequestNo: "R1"}

	alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer})                                              // of the refund
	alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer, Method: "alipay.trade.fastpay.refund.query"}) // and of the question
	_, err := m.Refund(context.Background(), request)
	fmt.Println("unresolved:", errors.Is(err, alirefund.ErrUnresolved))

	result, err := m.Refund(context.Background(), request) // the same again, never a new number
	fmt.Println(result.Refund.State, result.Refund.Source, err)
	// Output:
	// unresolved: true
	// succeeded query <nil>
}

// The document of the routes stands beside them, and needs no guard.
func ExampleOpenAPI() {
	r := gin.New()
	r.Group("/alipay").GET("/openapi.json", alirefund.OpenAPI)

	answer := httptest.NewRecorder()
	r.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/alipay/openapi.json", nil))
	var document struct {
		OpenAPI string
		Paths   map[string]any
	}
	err := json.Unmarshal(answer.Body.Bytes(), &document)
	fmt.Println(document.OpenAPI, document.Paths["/refunds"] != nil, err)
	// Output: 3.1.0 true <nil>
}
