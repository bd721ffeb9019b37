package engine_test

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/internal/shoptest"
	"github.com/alirefund/alirefund/store"
)

// Who asks stands in the history before what Alipay said; to look asks nobody.
func TestAPersonAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		id := s.Unresolved(alipaytest.LostAnswer).ID
		ctx, asked := t.Context(), s.Calls(gateway.MethodRefundQuery)

		if r, err := s.Module.Recorded(ctx, id); err != nil || r.State != store.Pending || s.Calls(gateway.MethodRefundQuery) != asked {
			t.Errorf("a look: %s, %v, and %d questions", r.State, err, s.Calls(gateway.MethodRefundQuery)-asked)
		}
		s.Alipay.InjectRandomly(1, 0)
		result, err := s.Module.Ask(ctx, id, "lin")
		if err != nil || result.Refund.State != store.Succeeded || s.Calls(gateway.MethodRefundQuery) != asked+1 {
			t.Fatalf("%+v, %v, after %d questions", result, err, s.Calls(gateway.MethodRefundQuery)-asked)
		}
		h := s.Ledger(id).History
		n := slices.IndexFunc(h, func(e store.Entry) bool { return e.What == "ask" && e.Actor == "lin" })
		if n < 0 || h[n+1].What != "query" {
			t.Errorf("the history says %+v", h)
		}
		s.ExpectTold("refund_succeeded")

		var invalid *alirefund.ValidationError
		if _, err := s.Module.Ask(ctx, id, " "); !errors.As(err, &invalid) {
			t.Errorf("nobody asks: %v", err)
		}
		if _, err := s.Module.Ask(ctx, id, "lin"); !errors.Is(err, alirefund.ErrNotPending) {
			t.Errorf("about what is settled: %v", err)
		}
		if _, err := s.Module.Ask(ctx, "rf_unknown", "lin"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("about nothing: %v", err)
		}
	})
}

// One event of one refund is delivered once more, by somebody, if it is true.
func TestRedeliver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		s.Trade()
		id := s.Refund(shoptest.Partly).Str("id")
		ctx := t.Context()
		if done, err := s.Module.Redeliver(ctx, id, store.RefundSucceeded, "lin"); !done || err != nil {
			t.Fatal(done, err)
		}
		s.ExpectTold("refund_succeeded refund_succeeded")
		if !slices.ContainsFunc(s.Ledger(id).History, func(e store.Entry) bool { return e.What == "redeliver" && e.Actor == "lin" }) {
			t.Error("it stands nowhere who had it delivered")
		}
		if done, err := s.Module.Redeliver(ctx, id, store.RefundFailed, "lin"); done || err != nil {
			t.Error("what is not true:", done, err)
		}
		var invalid *alirefund.ValidationError
		if _, err := s.Module.Redeliver(ctx, id, store.RefundSucceeded, ""); !errors.As(err, &invalid) {
			t.Errorf("by nobody: %v", err)
		}
		if _, err := s.Module.Redeliver(ctx, "rf_unknown", store.RefundSucceeded, "lin"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("of nothing: %v", err)
		}
		other, _, err := s.Config.Store.Open(ctx, store.Refund{Kind: store.Trade, App: "2021000000000099", OutTradeNo: "o", OutRequestNo: "n", Origin: store.FromNotice, State: store.Succeeded}.Identify(), store.Limit{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Module.Redeliver(ctx, other.ID, store.RefundSucceeded, "lin"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("of another application: %v", err)
		}
		s.ExpectTold("refund_succeeded refund_succeeded")
	})
}
