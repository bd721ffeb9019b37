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
	{"by state, of which nothing is left to do as well", func(t *testing.T, s store.Store) {
		told(t, s, "told")
		tick()
		succeed(t, s, mustOpen(t, s, trade("order", "untold"), unlimited, store.Created).ID)
		tick()
		r := mustOpen(t, s, trade("order", "not sent"), unlimited, store.Created)
		mustSettle(t, s, r.ID, store.Settlement{Source: store.ByAnswer, Finding: store.NotSent})
		list(t, s, store.Filter{App: "app", State: store.Succeeded}, "told", "untold")
		list(t, s, store.Filter{App: "app", State: store.Failed}, "not sent")
		list(t, s, store.Filter{App: "app", Undelivered: true}, "untold")
	}},
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
		var rows []store.Refund
		for n := range store.DefaultLimit + 1 {
			rows = append(rows, mustOpen(t, s, trade("order", fmt.Sprint(n)), unlimited, store.Created))
			tick()
		}
		// By the time that the process knew which recorded it: see apart.
		slices.SortStableFunc(rows, func(a, b store.Refund) int { return a.CreatedAt.Compare(b.CreatedAt) })
		var all []string
		for _, r := range rows {
			all = append(all, r.OutRequestNo)
		}
		list(t, s, store.Filter{App: "app"}, all[:store.DefaultLimit]...)
		list(t, s, store.Filter{App: "app", OutTradeNo: "order"}, all[:store.DefaultLimit]...)
		list(t, s, store.Filter{App: "app", Limit: len(all)}, all...)
	}},
	{"what is not delivered", func(t *testing.T, s store.Store) {
		mustOpen(t, s, trade("order", "pending"), unlimited, store.Created)
		looked := mustOpen(t, s, trade("order", "to be looked at"), unlimited, store.Created)
		mustSettle(t, s, looked.ID, store.Settlement{Source: store.ByQuery, Attention: "look"})
		tick()
		untold := mustOpen(t, s, trade("order", "untold"), unlimited, store.Created)
		succeed(t, s, untold.ID)
		r := told(t, s, "told")
		list(t, s, store.Filter{App: "app", Undelivered: true}, "to be looked at", "untold")
		list(t, s, store.Filter{App: "app", Undelivered: true, State: store.Succeeded}, "untold")
		redeliver(t, s, r.ID, success, true)
		delivered(t, s, untold.ID, success, deliver(t, s, untold.ID, success, long, owned), true)
		list(t, s, store.Filter{App: "app", Undelivered: true, OutTradeNo: "order"}, "to be looked at", "told")
	}},
	{"by time", func(t *testing.T, s store.Store) {
		var at [3]time.Time
		for n := range at {
			at[n] = mustOpen(t, s, trade("order", fmt.Sprint(n)), unlimited, store.Created).CreatedAt
			tick()
		}
		list(t, s, store.Filter{App: "app", From: at[1]}, "1", "2")
		list(t, s, store.Filter{App: "app", From: at[1].Add(time.Nanosecond)}, "2")
		list(t, s, store.Filter{App: "app", Until: at[1]}, "0")
		list(t, s, store.Filter{App: "app", Until: at[1].Add(time.Nanosecond)}, "0", "1")
		list(t, s, store.Filter{App: "app", From: at[0], Until: at[2], State: store.Pending}, "0", "1")
		list(t, s, store.Filter{App: "app", From: at[2], Until: at[2]})
	}},
	{"the newest first", func(t *testing.T, s store.Store) {
		var at [4]store.Refund
		for n := range at {
			at[n] = mustOpen(t, s, trade("order", fmt.Sprint(n)), unlimited, store.Created)
			tick()
		}
		succeed(t, s, at[2].ID)
		newest := func(f store.Filter, want ...string) {
			t.Helper()
			f.App, f.Newest = "app", true
			list(t, s, f, want...)
		}
		newest(store.Filter{}, "3", "2", "1", "0")
		newest(store.Filter{Limit: 2}, "3", "2")
		newest(store.Filter{Limit: 2, After: at[2].Cursor()}, "1", "0")
		newest(store.Filter{After: at[0].Cursor()})
		newest(store.Filter{State: store.Pending}, "3", "1", "0")
		newest(store.Filter{State: store.Succeeded}, "2")
		newest(store.Filter{Undelivered: true}, "2")
		newest(store.Filter{OutTradeNo: "order"}, "3", "2", "1", "0")
		newest(store.Filter{OutTradeNo: "order", After: at[3].Cursor(), Limit: 1}, "2")
		newest(store.Filter{From: at[1].CreatedAt, Until: at[3].CreatedAt}, "2", "1")
		newest(store.Filter{From: at[1].CreatedAt, Until: at[3].CreatedAt, After: at[2].Cursor()}, "1")
		newest(store.Filter{Until: at[1].CreatedAt, After: at[3].Cursor()}, "0")
	}},
	{"page by page, each refund once", func(t *testing.T, s store.Store) {
		pages(t, s, store.Filter{App: "app", Limit: 3})
	}},
	{"page by page, the newest first, each refund once", func(t *testing.T, s store.Store) {
		pages(t, s, store.Filter{App: "app", Limit: 3, Newest: true})
	}},
}

// pages reads seven refunds by f, three at a time.
func pages(t *testing.T, s store.Store, f store.Filter) {
	t.Helper()
	for n := range 7 {
		mustOpen(t, s, trade("order", fmt.Sprint(n)), unlimited, store.Created)
	}
	var all []string
	for pages := 0; ; pages++ {
		page, err := s.List(t.Context(), f)
		if err != nil {
			t.Fatal("List:", err)
		}
		if len(page) == 0 && pages == 3 {
			break
		}
		if len(page) == 0 || pages == 3 {
			t.Fatalf("%d refunds on page %d", len(page), pages)
		}
		for _, r := range page {
			all = append(all, r.OutRequestNo)
		}
		f.After = page[len(page)-1].Cursor()
	}
	slices.Sort(all)
	if !slices.Equal(all, []string{"0", "1", "2", "3", "4", "5", "6"}) {
		t.Errorf("the pages held %q", all)
	}
}
