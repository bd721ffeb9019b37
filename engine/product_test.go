package engine_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/engine"
	"github.com/alirefund/alirefund/signer"
	"github.com/alirefund/alirefund/store"
)

// A ledger may hold refunds that a newer version recorded, of kinds and methods
// that this one does not know. They must never go out as something else.
func TestUnknownProductIsNeverSentNorAskedAbout(t *testing.T) {
	for name, r := range map[string]store.Refund{
		"kind":   {Kind: "points", OutTradeNo: "T", OutRequestNo: "R", Amount: 1_00, Request: `{"out_trade_no":"T","out_request_no":"R","refund_amount":"1.00"}`},
		"method": {Kind: store.Coupon, Method: "alipay.fund.coupon.order.return", AuthNo: "A", OutOrderNo: "O", OutRequestNo: "R", Amount: 1_00, Request: `{"auth_no":"A"}`},
	} {
		for _, life := range []struct {
			name string
			live func(t *testing.T, ledger store.Ledger, id string)
		}{
			{"recorded", func(*testing.T, store.Ledger, string) {}},
			{"sent and unanswered", func(t *testing.T, ledger store.Ledger, id string) {
				if a, err := ledger.Sending(t.Context(), id, store.Permission{Lease: time.Second}); err != nil || a.Token == "" {
					t.Fatalf("%+v, %v", a, err)
				}
			}},
		} {
			t.Run(name+" "+life.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					alipay := alipaytest.New(alipaytest.Config{})
					alipay.AddTrade(alipaytest.Trade{OutTradeNo: "T", Total: 1_00})
					var told []string
					ledger := store.NewMemory()
					e := newEngine(t, alipay, ledger, &told)

					r.App, r.State, r.Origin = alipay.AppID(), store.Pending, store.FromRequest
					recorded, _, err := ledger.Open(t.Context(), r.Identify(), store.Limit{}, nil)
					if err != nil {
						t.Fatal(err)
					}
					life.live(t, ledger, recorded.ID)

					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					go e.Run(ctx)
					time.Sleep(25 * time.Hour)
					result, err := e.Get(t.Context(), recorded.ID)
					if err != nil || result.Refund.State != store.Pending || !strings.Contains(result.Refund.Attention, "upgrade this process") {
						t.Errorf("it is %s with attention %q, %v", result.Refund.State, result.Refund.Attention, err)
					}
					if calls := alipay.Calls(); len(calls) > 0 {
						t.Errorf("Alipay was called: %v", calls)
					}
					if got := strings.Join(told, " "); got != "unresolved" {
						t.Errorf("the host heard %q", got)
					}
				})
			})
		}
	}
}

// newEngine returns an engine against a fake Alipay, whose hooks note what they hear.
func newEngine(t *testing.T, alipay *alipaytest.Alipay, ledger store.Store, told *[]string) *engine.Engine {
	t.Helper()
	sign, err := signer.FromPEM(alipay.AppPrivateKey())
	if err != nil {
		t.Fatal(err)
	}
	verify, err := signer.VerifierFromPEM(alipay.AlipayPublicKey())
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.New(engine.Config{
		App:     engine.App{ID: alipay.AppID(), Signer: sign, Verifier: verify},
		Gateway: alipaytest.GatewayURL, HTTPClient: alipay.HTTPClient(), Store: ledger,
		OnRefundSucceeded: func(_ context.Context, e engine.RefundSucceeded) error {
			*told = append(*told, "succeeded")
			return nil
		},
		OnRefundFailed: func(context.Context, engine.RefundFailed) error {
			*told = append(*told, "failed")
			return nil
		},
		OnRefundUnresolved: func(context.Context, engine.RefundUnresolved) error {
			*told = append(*told, "unresolved")
			return nil
		},
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}
