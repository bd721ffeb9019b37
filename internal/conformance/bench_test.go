package conformance

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/store"
	"github.com/alirefund/alirefund/store/sqlstore"
)

func benchEach(b *testing.B, bench func(b *testing.B, d database)) {
	for _, e := range engines {
		b.Run(e.name, func(b *testing.B) { bench(b, e.open(b).migrate(b)) })
	}
}

// What the ledger does for a refund, and the same writes in the same
// transactions by the bare driver.
func BenchmarkLedger(b *testing.B) {
	benchEach(b, func(b *testing.B, d database) {
		s := d.store(b, d.DB)
		n := 0
		b.Run("ours", func(b *testing.B) {
			for b.Loop() {
				n++
				d.lifeOf(b, s, fmt.Sprint("ours ", n))
			}
		})
		doc := d.doc(b, s)
		b.Run("floor", func(b *testing.B) {
			for b.Loop() {
				n++
				d.bare(b, fmt.Sprint("floor ", n), doc)
			}
		})
	})
}

// lifeOf is a refund that is asked for, sent, answered and told.
func (d database) lifeOf(b *testing.B, s *sqlstore.Store, number string) store.Refund {
	ctx := b.Context()
	r := refund("order of "+number, number)
	_, opened, err := s.Open(ctx, r, store.Limit{Total: 100, Known: true}, &store.Permission{Lease: time.Minute})
	attempt := opened.First
	if err != nil || attempt.Token == "" {
		b.Fatal(opened, err)
	}
	r, _, err = s.Settle(ctx, r.ID, store.Settlement{
		Source: store.ByAnswer, Attempt: attempt.Number, Token: attempt.Token, Finding: store.Success, Code: "10000",
		TradeNo: "2013112011001004330000121536", Amount: money.Amount(100), Claim: "mine", ClaimFor: time.Minute,
		Answer: store.JSON(`{"code":"10000","msg":"Success","trade_no":"2013112011001004330000121536","out_trade_no":"6823789339978248","buyer_logon_id":"159****5620","refund_fee":"1.00","fund_change":"Y","refund_detail_item_list":[{"fund_channel":"ALIPAYACCOUNT","amount":"1.00","real_amount":"1.00","fund_type":"DEBIT_CARD"}],"store_name":"Wangfujing","buyer_user_id":"2088101117955611","send_back_fee":"1.00"}`),
	})
	if err != nil {
		b.Fatal(err)
	}
	if held, _, err := s.Delivered(ctx, r.ID, success, "mine", store.Notice{}); err != nil || !held {
		b.Fatal(held, err)
	}
	return r
}

// doc is a whole refund as it is kept.
func (d database) doc(b *testing.B, s *sqlstore.Store) (doc string) {
	r := d.lifeOf(b, s, "of the doc")
	if err := d.QueryRowContext(b.Context(), d.text("SELECT doc FROM {t}refunds WHERE id = ?"), r.ID).Scan(&doc); err != nil {
		b.Fatal(err)
	}
	return doc
}

func (d database) bare(b *testing.B, number, doc string) {
	ctx := b.Context()
	r := refund("order of "+number, number)
	tx := func(statements ...func(tx *sql.Tx) error) {
		tx, err := d.BeginTx(ctx, nil)
		if err != nil {
			b.Fatal(err)
		}
		for _, statement := range statements {
			if err := statement(tx); err != nil {
				b.Fatal(err)
			}
		}
		if err := tx.Commit(); err != nil {
			b.Fatal(err)
		}
	}
	exec := func(query string, args ...any) func(*sql.Tx) error {
		return func(tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, d.text(query), args...)
			return err
		}
	}
	now := time.Now().UnixMicro()
	tx(
		exec("INSERT INTO {t}orders (id, reserved, sent_at) VALUES (?, 100, ?)", r.OrderID, now),
		exec(`INSERT INTO {t}refunds (id, version, app, kind, order_id, out_trade_no, out_request_no, amount, state, undelivered, created_at, next_at, has_node, doc)
			VALUES (?, 1, ?, 'trade', ?, ?, ?, 100, 'pending', 0, ?, ?, 0, ?)`, r.ID, r.App, r.OrderID, r.OutTradeNo, r.OutRequestNo, now, now, doc[:len(doc)/2]),
	)
	d.exec(b, "UPDATE {t}refunds SET version = 2, state = 'succeeded', trade_no = ?, undelivered = 1, has_node = 1, next_at = ?, doc = ? WHERE id = ?", "2013112011001004330000121536", now+2, doc, r.ID)
	d.exec(b, "UPDATE {t}refunds SET version = 3, undelivered = 0, next_at = NULL, settled_at = ?, doc = ? WHERE id = ?", now+3, doc, r.ID)
}

// Finding what is due among many refunds of which nothing is left to do: a poll
// that finds nothing, and one that takes ten.
func BenchmarkDue(b *testing.B) {
	sizes := []int{10_000, 1_000_000}
	if testing.Short() {
		sizes[1] = 100_000
	}
	for _, e := range engines {
		for _, size := range sizes {
			d := e.open(b).migrate(b)
			d.fill(b, size, "{}")
			d.analyze(b)
			s := d.store(b, d.DB)
			take := func(b *testing.B, want int) {
				for b.Loop() {
					due, err := s.Due(b.Context(), "app", 0, 10, false) // for no time: so they are due again
					if err != nil || len(due) != want {
						b.Fatal(len(due), err)
					}
				}
			}
			b.Run(fmt.Sprintf("%s/none/%d", e.name, size), func(b *testing.B) { take(b, 0) })
			for n := range 20 {
				r := refund("order", fmt.Sprint(n))
				if _, _, err := s.Open(b.Context(), r, store.Limit{}, nil); err != nil {
					b.Fatal(err)
				}
				if _, _, err := s.Settle(b.Context(), r.ID, store.Settlement{Source: store.ByNotice, Finding: store.Success}); err != nil {
					b.Fatal(err)
				}
			}
			b.Run(fmt.Sprintf("%s/ten/%d", e.name, size), func(b *testing.B) { take(b, 10) })
			d.drop(b)
		}
	}
}

// BenchmarkBytes reports what a refund takes on the disk, its indexes, order and
// history included.
func BenchmarkBytes(b *testing.B) {
	const refunds = 20_000
	benchEach(b, func(b *testing.B, d database) {
		doc := d.doc(b, d.store(b, d.DB))
		before := d.size(b)
		d.fill(b, refunds, strings.ReplaceAll(doc, "'", "''"))
		d.exec(b, `INSERT INTO {t}orders (id, reserved, sent_at) SELECT order_id, amount, created_at FROM {t}refunds WHERE version = 1`)
		b.ReportMetric(float64(d.size(b)-before)/refunds, "B/refund")
		b.ReportMetric(float64(len(doc)), "B/doc")
	})
}

// size is the bytes of all the tables.
func (d database) size(b *testing.B) int64 {
	ctx := context.WithoutCancel(b.Context())
	switch d.dialect {
	case sqlstore.PostgreSQL:
		return d.number(b, "SELECT pg_total_relation_size('{t}refunds') + pg_total_relation_size('{t}orders')")
	case sqlstore.MySQL:
		for _, table := range []string{"refunds", "orders"} {
			if _, err := d.ExecContext(ctx, "ANALYZE TABLE "+d.prefix+table); err != nil {
				b.Fatal(err)
			}
		}
		return d.number(b, "SELECT SUM(data_length + index_length) FROM information_schema.tables WHERE table_name IN ('{t}refunds', '{t}orders')")
	}
	return d.number(b, "SELECT (SELECT * FROM pragma_page_count) * (SELECT * FROM pragma_page_size)")
}
