package limit_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/contrib/limit"
	"github.com/alirefund/alirefund/signer"
	"github.com/alirefund/alirefund/store"
)

// Two refunds an hour for each member of staff, and the host's own veto before that.
func ExampleRefunds() {
	refunds, err := limit.NewRefunds(limit.RefundsConfig{
		Actor: limit.Budget{Refunds: 2, Amount: 1000_00, Per: time.Hour},
		App:   limit.Budget{Amount: 100_000_00, Per: 24 * time.Hour},
	})
	if err != nil {
		panic(err)
	}
	config := alirefund.Config{
		BeforeRefund: func(ctx context.Context, r store.Refund) error {
			if r.Amount > 500_00 && r.Actor != "manager" {
				return errors.New("above 500.00 the manager refunds")
			}
			return refunds.BeforeRefund(ctx, r) // last: it counts what the others let pass
		},
	}
	for _, r := range []store.Refund{
		{ID: "1", Actor: "li", Amount: 600_00},
		{ID: "2", Actor: "li", Amount: 8_88},
		{ID: "3", Actor: "li", Amount: 8_88},
		{ID: "3", Actor: "li", Amount: 8_88}, // repeated
		{ID: "4", Actor: "li", Amount: 8_88},
	} {
		fmt.Println(config.BeforeRefund(context.Background(), r))
	}
	// Output:
	// above 500.00 the manager refunds
	// <nil>
	// <nil>
	// <nil>
	// refunds of this actor are limited to 2 and to 1000.00 yuan within 1h0m0s; repeat the request after 1800 s
}

// The middleware stands before the notify routes, and before nothing else.
func ExampleNotices() {
	notices, err := limit.NewNotices(limit.NoticesConfig{})
	if err != nil {
		panic(err)
	}
	m, err := alirefund.New(config())
	if err != nil {
		panic(err)
	}
	r := gin.New()
	if err := r.SetTrustedProxies([]string{"10.0.0.0/8"}); err != nil { // whose X-Forwarded-For is true
		panic(err)
	}
	m.MountNotify(r.Group("/alipay", notices.Handle))
	fmt.Printf("%+v\n", notices.Counts())
	// Output: {Genuine:0 Refused:0 Waited:0 Limited:0 Addresses:0}
}

// config is a host's, beside a fake Alipay.
func config() alirefund.Config {
	alipay := alipaytest.New(alipaytest.Config{})
	sign, _ := signer.FromPEM(alipay.AppPrivateKey())
	verify, _ := signer.VerifierFromPEM(alipay.AlipayPublicKey())
	return alirefund.Config{App: alirefund.App{ID: alipay.AppID(), Signer: sign, Verifier: verify}, Store: store.NewMemory()}
}
