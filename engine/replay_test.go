package engine_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/internal/shoptest"
	"github.com/alirefund/alirefund/store"
)

// Replay tells what was told already once more; a dry run only lists it.
func TestReplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		s.Trade()
		s.Expect(s.Refund(shoptest.Partly), 200, "succeeded")
		time.Sleep(time.Minute)
		s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "ACQ.BUYER_NOT_EXIST"})
		s.Refund(`{"out_trade_no":"6823789339978248","refund_amount":"1","out_request_no":"R2"}`)
		time.Sleep(time.Minute)
		s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest})
		s.Refund(`{"out_trade_no":"6823789339978248","refund_amount":"1","out_request_no":"R3"}`)
		s.Always(alipaytest.LostAnswer, gateway.MethodRefundQuery)
		s.ExpectTold("refund_succeeded refund_failed")
		numbers := func(rows []store.Refund) (list string) {
			for _, r := range rows {
				list += r.OutRequestNo + " "
			}
			return list
		}

		ctx := t.Context()
		rows, err := s.Module.Replay(ctx, store.Filter{}, "boss", true)
		if err != nil || numbers(rows) != "R1 R2 " { // R3 is unresolved: there is nothing to tell
			t.Errorf("dry: %q, %v", numbers(rows), err)
		}
		s.ExpectTold("refund_succeeded refund_failed")
		if rows, err = s.Module.Replay(ctx, store.Filter{Limit: 1}, "boss", true); err != nil || numbers(rows) != "R1 " {
			t.Errorf("dry, at most one: %q, %v", numbers(rows), err)
		}
		rows, err = s.Module.Replay(ctx, store.Filter{State: store.Succeeded}, "boss", false)
		if err != nil || numbers(rows) != "R1 " {
			t.Errorf("%q, %v", numbers(rows), err)
		}
		s.ExpectTold("refund_succeeded refund_failed refund_succeeded")
		if h := s.Ledger(rows[0].ID).History; !slices.ContainsFunc(h, func(e store.Entry) bool { return e.What == "redeliver" && e.Actor == "boss" }) {
			t.Errorf("it stands nowhere who replayed it: %+v", h)
		}

		// A hook that fails again stays due, and Run delivers it.
		s.HookFails(store.RefundSucceeded, shoptest.ErrHost)
		if rows, err = s.Module.Replay(ctx, store.Filter{OutRequestNo: "R1"}, "boss", false); err != nil || len(rows) != 1 {
			t.Errorf("%q, %v", numbers(rows), err)
		}
		s.HookFails(store.RefundSucceeded, nil)
		stop := s.Run()
		defer stop()
		time.Sleep(time.Minute)
		s.ExpectTold("refund_succeeded refund_failed refund_succeeded refund_succeeded")
	})
}

// Replay goes on beyond the first page of the ledger's.
func TestReplayOfManyRefunds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		const refunds = 2*store.DefaultLimit + 1
		for i := range refunds {
			r := store.Refund{
				Kind: store.Trade, App: s.Config.App.ID, OutTradeNo: fmt.Sprint("T", i), OutRequestNo: "R", Amount: 1,
				Origin: store.FromNotice, State: store.Succeeded, Source: store.ByNotice,
			}.Identify()
			if _, _, err := s.Config.Store.Open(t.Context(), r, store.Limit{}, nil); err != nil {
				t.Fatal(err)
			}
		}
		seen := map[string]bool{}
		rows, err := s.Module.Replay(t.Context(), store.Filter{}, "boss", false)
		for _, r := range rows {
			seen[r.ID] = true
		}
		if err != nil || len(rows) != refunds || len(seen) != refunds || len(s.Events) != refunds {
			t.Errorf("%d refunds, %d different ones, %d calls of the hook, %v; want %d", len(rows), len(seen), len(s.Events), err, refunds)
		}
	})
}
