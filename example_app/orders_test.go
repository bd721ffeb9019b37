package main

import (
	"net/http"
	"path/filepath"
	"testing"

	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/store"
)

// expectOrders compares what GET /orders answers.
func (a *app) expectOrders(want string) {
	a.t.Helper()
	if r := a.do(http.MethodGet, "/orders", "", "Bearer "+testToken); r.status != http.StatusOK || r.text != want {
		a.t.Errorf("GET /orders: %d %s\nwant %s", r.status, r.text, want)
	}
}

// sqliteFile is a -store of the test's own, at a path that wants escaping.
func sqliteFile(t *testing.T) string {
	t.Helper()
	return "sqlite:" + filepath.Join(t.TempDir(), "50% of? #1.db")
}

// Each book shows the same: what was paid, what was given back, and by which
// numbers; also what it did not know, and what nobody here asked for.
func TestOrders(t *testing.T) {
	for name, where := range map[string]string{"memory": "memory", "SQLite": sqliteFile(t)} {
		t.Run(name, func(t *testing.T) {
			a := start(t, "-store", where)
			a.expectOrders(`[{"auth_no":"2018081710002001860231318890","total":"8.88","refunded":"0.00","refunds":{}},` +
				`{"auth_no":"2018081710002001860231318891","total":"20.00","refunded":"0.00","refunds":{}},` +
				`{"out_trade_no":"6823789339978248","total":"88.88","refunded":"0.00","refunds":{}},` +
				`{"out_trade_no":"6823789339978249","total":"0.01","refunded":"0.00","refunds":{}},` +
				`{"out_trade_no":"6823789339978250","total":"199.00","refunded":"0.00","refunds":{}}]`)
			a.expect(a.coupon(`{"auth_no":"2018081710002001860231318891","out_request_no":"r1","amount":"19.99","remark":"rest"}`), http.StatusOK, "succeeded")
			a.expect(a.refund(`{"out_trade_no":"6823789339978249","refund_amount":"0.01"}`), http.StatusOK, "succeeded")
			a.expect(a.refund(`{"out_trade_no":"6823789339978251","refund_amount":"5.00","out_request_no":"r2"}`), http.StatusOK, "succeeded")
			a.expectOrders(`[{"auth_no":"2018081710002001860231318890","total":"8.88","refunded":"0.00","refunds":{}},` +
				`{"auth_no":"2018081710002001860231318891","total":"20.00","refunded":"19.99","refunds":{"r1":"19.99"}},` +
				`{"out_trade_no":"6823789339978248","total":"88.88","refunded":"0.00","refunds":{}},` +
				`{"out_trade_no":"6823789339978249","total":"0.01","refunded":"0.01","refunds":{"6823789339978249":"0.01"}},` +
				`{"out_trade_no":"6823789339978250","total":"199.00","refunded":"0.00","refunds":{}},` +
				`{"out_trade_no":"6823789339978251","refunded":"5.00","refunds":{"r2":"5.00"}}]`)
			over := a.refund(`{"out_trade_no":"6823789339978249","refund_amount":"0.01","out_request_no":"r3"}`)
			if over.str("code") != "exceeds_order" {
				t.Errorf("more than the book's total: %d %s", over.status, over.text)
			}
		})
	}
}

// What a database holds outlives the process.
func TestOrdersAfterRestart(t *testing.T) {
	where := sqliteFile(t)
	fake, flags := account(t, nil)
	flags = append(flags, "-store", where)
	fake.AddTrade(alipaytest.Trade{OutTradeNo: "order-1", Total: 60_00})
	const refund, orders = `{"out_trade_no":"order-1","refund_amount":"1.00","out_request_no":"r1"}`,
		`[{"out_trade_no":"order-1","refunded":"1.00","refunds":{"r1":"1.00"}}]`
	for _, repeated := range []bool{false, true} {
		a := start(t, flags...)
		r := a.refund(refund)
		a.expect(r, http.StatusOK, "succeeded")
		if r.body["repeated"] != repeated || r.body["delivered"] != true {
			t.Errorf("repeated %v, want %v: %s", r.body["repeated"], repeated, r.text)
		}
		a.expectOrders(orders)
		if err := a.stop(); err != nil {
			t.Fatal(err)
		}
	}
	if calls := len(fake.Calls()); calls != 1 {
		t.Errorf("Alipay was called %d times, want once", calls)
	}
}

// What is unresolved is settled without anybody's asking for it, first after
// -first-check, and also by the next process.
func TestSettledInTheBackground(t *testing.T) {
	fake, flags := account(t, nil)
	flags = append(flags, "-store", sqliteFile(t), "-first-check", "50ms")
	fake.AddTrade(alipaytest.Trade{OutTradeNo: "order-1", Total: 60_00})
	fake.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer},
		alipaytest.Fault{Kind: alipaytest.LostAnswer, Method: "alipay.trade.fastpay.refund.query"})
	first := start(t, flags...)
	first.expect(first.refund(`{"out_trade_no":"order-1","refund_amount":"1.00","out_request_no":"r1"}`), http.StatusAccepted, "pending")
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	second := start(t, flags...)
	eventually(t, "success", func() bool { return len(second.events()) > 0 })
	eventually(t, "row of it", func() bool { return second.do(http.MethodGet, "/orders", "", "Bearer "+testToken).text != "[]" }) // the event is written before the commit
	second.expectOrders(`[{"out_trade_no":"order-1","refunded":"1.00","refunds":{"r1":"1.00"}}]`)
}

// Told again on purpose, or of an order without a number: a book has one row of
// each refund.
func TestBookedOnce(t *testing.T) {
	refunds := []store.Refund{
		{ID: "1", Kind: store.Trade, OutTradeNo: "a", OutRequestNo: "r", Amount: 1_00},
		{ID: "2", Kind: store.Trade, OutTradeNo: "a", OutRequestNo: "s", Amount: 2_00},
		{ID: "3", Kind: store.Coupon, Amount: 4_00},
		{ID: "1", Kind: store.Trade, OutTradeNo: "a", OutRequestNo: "r", Amount: 1_00},
	}
	d, _, err := openDatabase(t.Context(), sqliteFile(t))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	m := newMemory()
	for _, r := range refunds {
		m.refund(r)
		tx, err := d.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.refund(t.Context(), tx, r); err != nil {
			t.Fatal(err)
		}
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	for _, book := range []orderBook{m, d} {
		if err := book.add(t.Context(), store.Trade, "a", 9_00); err != nil { // it is known, without its total
			t.Fatal(err)
		}
		orders, err := book.list(t.Context())
		if err != nil || len(orders) != 2 {
			t.Fatalf("%T: %v, %v", book, orders, err)
		}
		nameless, trade := orders[0], orders[1]
		if nameless.Refunded != 4_00 || nameless.Refunds["3"] != 4_00 ||
			trade.Refunded != 3_00 || trade.Refunds["r"] != 1_00 || trade.Refunds["s"] != 2_00 || trade.Total != 0 {
			t.Errorf("%T: %+v, %+v", book, nameless, trade)
		}
		if total, known, err := book.total(t.Context(), store.Trade, "a"); known || err != nil {
			t.Errorf("%T: the total is %s, %v", book, total, err)
		}
	}
}

func TestConnect(t *testing.T) {
	for url, want := range map[string]string{
		"mysql://shop:p%40ss%2Fw:d@db:3307/shop?tls=skip-verify": "shop:p@ss/w:d@tcp(db:3307)/shop?timeout=5s&tls=skip-verify",
		"mysql://root@127.0.0.1/test":                            "root@tcp(127.0.0.1:3306)/test?timeout=5s",
	} {
		if got, err := mysqlDSN(url); err != nil || got != want {
			t.Errorf("%s is %s, %v; want %s", url, got, err, want)
		}
	}
}
