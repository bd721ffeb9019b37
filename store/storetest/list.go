package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/alirefund/alirefund/store"
)

// list expects the refunds of these request numbers, in this order.
func list(t *testing.T, s store.Store, f store.Filter, want ...string) {
	t.Helper()
	found, err := s.List(t.Context(), f)
	if err != nil {
		t.Fatal("List:", err)
	}
	var got []string
	for _, r := range found {
		got = append(got, r.OutRequestNo)
	}
	if !slices.Equal(got, want) {
		t.Errorf("List(%+v) = %q; want %q", f, got, want)
	}
}

// tick lets the clock move on, so that what follows is younger in any database.
func tick() { time.Sleep(2 * time.Millisecond) }

var listTests = []test{
	{"by any number, and any of them together", func(t *testing.T, s store.Store) {
		for _, number := range []string{"3", "1", "2"} {
			r := trade("order", number)
			r.TradeNo = "trade" + number
			mustOpen(t, s, r, unlimited, store.Created)
			tick()
		}
		packet := coupon("auth", "1")
		packet.OperationID = "operation"
		mustOpen(t, s, packet, unlimited, store.Created)
		succeed(t, s, trade("order", "1").ID)

		list(t, s, store.Filter{App: "app"}, "3", "1", "2", "1")
		list(t, s, store.Filter{App: "app", Limit: 2}, "3", "1")
		list(t, s, store.Filter{App: "app", Limit: 9}, "3", "1", "2", "1")
		list(t, s, store.Filter{App: "app", Kind: store.Trade}, "3", "1", "2")
		list(t, s, store.Filter{App: "app", Kind: store.Coupon}, "1")
		list(t, s, store.Filter{App: "app", State: store.Succeeded}, "1")
		list(t, s, store.Filter{App: "app", State: store.Pending}, "3", "2", "1")
		list(t, s, store.Filter{App: "app", State: store.Failed})
		list(t, s, store.Filter{App: "app", OutTradeNo: "order"}, "3", "1", "2")
		list(t, s, store.Filter{App: "app", OutTradeNo: "order", Limit: 1}, "3")
		list(t, s, store.Filter{App: "app", OutTradeNo: "order", State: store.Pending}, "3", "2")
		list(t, s, store.Filter{App: "app", TradeNo: "trade2"}, "2")
		list(t, s, store.Filter{App: "app", OutRequestNo: "1"}, "1", "1")
		list(t, s, store.Filter{App: "app", OutRequestNo: "1", Kind: store.Coupon}, "1")
		list(t, s, store.Filter{App: "app", AuthNo: "auth"}, "1")
		list(t, s, store.Filter{App: "app", OperationID: "operation"}, "1")
		list(t, s, store.Filter{App: "app", OutTradeNo: "order", TradeNo: "trade3", OutRequestNo: "3"}, "3")
		list(t, s, store.Filter{App: "app", OutTradeNo: "order", TradeNo: "trade3", OutRequestNo: "2"})
		list(t, s, store.Filter{App: "app", OutTradeNo: "order", AuthNo: "auth"})
		list(t, s, store.Filter{App: "app", OutTradeNo: "unknown"})
	}},
	{"of one application only", func(t *testing.T, s store.Store) {
		mustOpen(t, s, trade("order", "1"), unlimited, store.Created)
		list(t, s, store.Filter{App: "other"})
		list(t, s, store.Filter{App: "APP", OutTradeNo: "order"})
		list(t, s, store.Filter{OutTradeNo: "order"}) // App is required
		list(t, s, store.Filter{})
	}},
	{"numbers that look alike differ", func(t *testing.T, s store.Store) {
		for _, number := range unlike {
			mustOpen(t, s, trade(number, number), unlimited, store.Created)
		}
		for _, number := range unlike {
			list(t, s, store.Filter{App: "app", OutTradeNo: number}, number)
			list(t, s, store.Filter{App: "app", OutRequestNo: number}, number)
		}
	}},
	{"by what was learnt later", func(t *testing.T, s store.Store) {
		r := mustOpen(t, s, trade("order", "1"), unlimited, store.Created)
		list(t, s, store.Filter{App: "app", TradeNo: "trade"})
		mustSettle(t, s, r.ID, store.Settlement{Source: store.ByQuery, TradeNo: "trade", OperationID: "operation"})
		list(t, s, store.Filter{App: "app", TradeNo: "trade"}, "1")
		list(t, s, store.Filter{App: "app", OperationID: "operation"}, "1")
		list(t, s, store.Filter{App: "app", OutTradeNo: "order"}, "1")
	}},
	{"a notice's refund whose order is learnt later", func(t *testing.T, s store.Store) {
		r := store.Refund{
			Kind: store.Trade, App: "app", TradeNo: "trade", OutRequestNo: "1", Amount: 60,
			Origin: store.FromNotice, State: store.Succeeded,
		}.IdentifyBy("notify_id")
		mustOpen(t, s, r, unlimited, store.Created)
		got, _ := mustSettle(t, s, r.ID, store.Settlement{Source: store.ByQuery, OutTradeNo: "order"})
		if got.OrderID != r.OrderID {
			t.Error("its OrderID changed")
		}
		list(t, s, store.Filter{App: "app", OutTradeNo: "order"}, "1")
		list(t, s, store.Filter{App: "app", TradeNo: "trade"}, "1")
	}},
	{"a hundred unless told otherwise", func(t *testing.T, s store.Store) {
		var all []string
		for n := range store.DefaultLimit + 1 {
			all = append(all, fmt.Sprint(n))
			mustOpen(t, s, trade("order", all[n]), unlimited, store.Created)
			tick()
		}
		list(t, s, store.Filter{App: "app"}, all[:store.DefaultLimit]...)
		list(t, s, store.Filter{App: "app", OutTradeNo: "order"}, all[:store.DefaultLimit]...)
		list(t, s, store.Filter{App: "app", Limit: len(all)}, all...)
	}},
}
