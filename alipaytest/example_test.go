package alipaytest_test

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/alirefund/alirefund/alipaytest"
)

// A shop asks for a refund, the answer is lost, and the notice tells the truth.
func Example() {
	alipay := alipaytest.New(alipaytest.Config{})
	alipay.AddTrade(alipaytest.Trade{OutTradeNo: "order-1", Total: 60_00, NotifyURL: "https://shop.test/alipay/notify"})

	// The host's own handler, which belongs to what is tested.
	alipay.HandleNotices(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Println("notice of", r.PostFormValue("out_biz_no"), "for", r.PostFormValue("refund_fee"))
		_, _ = io.WriteString(w, "success")
	}))

	// The application, which signs with alipay.AppPrivateKey(), verifies with
	// alipay.AlipayPublicKey() and calls through alipay.HTTPClient().
	shop := newShop(alipay)

	alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer})
	fmt.Println("first:", shop.refund("order-1", "refund-1", "20.00"))
	fmt.Println("again:", shop.refund("order-1", "refund-1", "20.00"))

	alipay.Deliver(context.Background())
	for _, m := range alipay.Movements() {
		fmt.Println("moved:", m.OutRequestNo, m.Amount)
	}
	// Output:
	// first: no answer
	// again: fund_change=N
	// notice of refund-1 for 20.00
	// moved: refund-1 20.00
}
