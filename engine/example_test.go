package engine_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"

	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/engine"
	"github.com/alirefund/alirefund/signer"
	"github.com/alirefund/alirefund/store"
)

// shop is an engine against a fake Alipay.
func shop(alipay *alipaytest.Alipay) *engine.Engine {
	sign, _ := signer.FromPEM(alipay.AppPrivateKey())             // in production: the application's own key
	verify, _ := signer.VerifierFromPEM(alipay.AlipayPublicKey()) // and Alipay's
	e, err := engine.New(engine.Config{
		App:        engine.App{ID: alipay.AppID(), Signer: sign, Verifier: verify},
		Gateway:    alipaytest.GatewayURL,
		HTTPClient: alipay.HTTPClient(),
		Store:      store.NewMemory(),
		OnRefundSucceeded: func(_ context.Context, e engine.RefundSucceeded) error {
			fmt.Println("refunded", e.Refund.Amount, "of", e.Refund.OutTradeNo, "known by", e.Refund.Source)
			return nil
		},
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		panic(err)
	}
	return e
}

// A worker refunds without any HTTP route.
func ExampleEngine_Refund() {
	alipay := alipaytest.New(alipaytest.Config{})
	alipay.AddTrade(alipaytest.Trade{OutTradeNo: "order-1", Total: 88_88})
	e := shop(alipay)

	result, err := e.Refund(context.Background(), engine.RefundRequest{OutTradeNo: "order-1", OutRequestNo: "R1", RefundAmount: 8_88})
	fmt.Println(result.Refund.State, err)
	// Output:
	// refunded 8.88 of order-1 known by answer
	// succeeded <nil>
}

// Notifications over plain net/http, without Gin. Nothing may stand before this
// route, and nobody but the signature decides.
func ExampleEngine_Handle() {
	alipay := alipaytest.New(alipaytest.Config{})
	alipay.AddTrade(alipaytest.Trade{OutTradeNo: "order-1", Total: 88_88, NotifyURL: "http://shop.test/alipay/notify"})
	e := shop(alipay)

	mux := http.NewServeMux()
	mux.HandleFunc("POST /alipay/notify", func(w http.ResponseWriter, r *http.Request) {
		n, err := e.Receive(r)
		if err == nil {
			err = e.Handle(r.Context(), n, nil)
		}
		if err != nil {
			http.Error(w, "not acknowledged", http.StatusServiceUnavailable) // Alipay sends it again
			return
		}
		_, _ = io.WriteString(w, "success")
	})
	alipay.HandleNotices(mux)

	alipay.RefundAtConsole("order-1", 8_88) // somebody refunds in Alipay's own console
	alipay.Deliver(context.Background())    // the fake posts its notification
	// Output:
	// refunded 8.88 of order-1 known by notice
}
