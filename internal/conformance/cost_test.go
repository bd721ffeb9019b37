package conformance

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/alirefund/alirefund/store"
	"github.com/alirefund/alirefund/store/sqlstore"
)

// needs stops a test whose step failed.
func needs(t *testing.T, ok bool, err error) {
	t.Helper()
	if !ok || err != nil {
		t.Fatal(ok, err)
	}
}

// lookAround does all that should write nothing.
func lookAround(t *testing.T, s *sqlstore.Store, id string) {
	t.Helper()
	_, opened, err := s.Open(t.Context(), refund("order", "hook"), store.Limit{Total: 1, Known: true}, nil)
	needs(t, opened.How == store.Exists, err)
	_, err = s.Get(t.Context(), id)
	needs(t, true, err)
	_, err = s.List(t.Context(), store.Filter{App: "app"})
	needs(t, true, err)
	due, err := s.Due(t.Context(), "app", time.Minute, 9, false)
	needs(t, len(due) == 0, err)
}

// A refund is three write transactions, or two where the host is told within one; a
// first notice is two, or one; what is known, or only read, is none.
func TestWriteTransactions(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		db, spy := d.migrate(t).host(t).spied(t)
		s := d.store(t, db)
		remembered := store.Remember(s)
		tx := remembered.(store.Transactor)
		wrote := func(what string, want int) {
			t.Helper()
			if writes, _ := spy.take(); writes != want {
				t.Errorf("%s: %d write transactions; want %d", what, writes, want)
			}
		}
		must := func(ok bool, err error) { t.Helper(); needs(t, ok, err) }
		opened := func(number string) (r store.Refund, answer store.Settlement) {
			t.Helper()
			r, o, err := s.Open(t.Context(), refund("order", number), store.Limit{Total: 1000, Known: true}, &store.Permission{Lease: time.Minute, Spacing: time.Nanosecond})
			must(o.First.Number == 1, err)
			return r, store.Settlement{Source: store.ByAnswer, Attempt: 1, Token: o.First.Token, Finding: store.Success, Claim: "mine", ClaimFor: time.Minute}
		}
		notice := func(id string) store.Settlement {
			n := store.Notice{Key: id, Token: "mine", Lease: time.Minute, Keep: time.Hour}
			return store.Settlement{Source: store.ByNotice, Finding: store.Success, Claim: "mine", ClaimFor: time.Minute, Notice: n}
		}
		spy.take()

		r, answer := opened("hook")
		_, changed, err := s.Settle(t.Context(), r.ID, answer)
		must(changed, err)
		held, _, err := s.Delivered(t.Context(), r.ID, success, "mine", store.Notice{})
		must(held, err)
		wrote("a refund and its hook", 3)
		_, _, err = remembered.Settle(t.Context(), r.ID, notice("after its answer"))
		must(true, err)
		wrote("a notice of what is told already", 1)

		r, answer = opened("transactional hook")
		answer.Claim = ""
		_, told, err := s.DeliverTx(t.Context(), r.ID, success, &answer, d.hosts)
		must(told, err)
		wrote("a refund and its transactional hook", 2)
		d.wantTold(t, s, r.ID, true)

		r, _ = opened("notice")
		wrote("a record with its send", 1)
		says := notice("notice")
		_, changed, err = remembered.Settle(t.Context(), r.ID, says)
		must(changed, err)
		_, completed, err := remembered.Delivered(t.Context(), r.ID, success, "mine", says.Notice)
		must(completed, err)
		wrote("a notice", 2)

		r, _ = opened("notice with a transactional hook")
		wrote("a record with its send", 1)
		says = notice("in one")
		says.Claim = ""
		_, told, err = tx.DeliverTx(t.Context(), r.ID, success, &says, d.hosts)
		must(told, err)
		wrote("a notice and its transactional hook", 1)

		for _, known := range []string{"after its answer", "notice", "in one"} {
			_, _, err := remembered.Settle(t.Context(), r.ID, notice(known))
			must(errors.Is(err, store.ErrTaken), nil)
			_, done, err := remembered.Claim(t.Context(), known, time.Minute)
			must(done, err)
		}
		if writes, queries := spy.take(); writes+len(queries) != 0 {
			t.Errorf("a known notice: %d writes and %d queries", writes, len(queries))
		}
		says = notice("notice")
		says.Notice.Token = "another's"
		_, _, err = s.Settle(t.Context(), r.ID, says)
		must(errors.Is(err, store.ErrTaken), nil)
		wrote("a notice that another process knows", 0)

		lookAround(t, s, r.ID)
		wrote("a repeat, a look, a list, and nothing due", 0)
	})
}

// What is done often, or among many refunds, is found by an index.
func TestIndexes(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		db, spy := d.migrate(t).spied(t)
		s := d.store(t, db)
		d.fill(t, 20_000, "{}")
		unresolved := open(t, s, "number")
		succeeded(t, s, "due")
		d.analyze(t)
		ctx := t.Context()
		list := func(f store.Filter) func() error {
			return func() error {
				f.App, f.Limit = "app", 10
				_, err := s.List(ctx, f)
				return err
			}
		}
		for _, test := range []struct {
			index string
			do    func() error
		}{
			{"refunds_due", func() error { _, err := s.Due(ctx, "app", time.Minute, 9, false); return err }},
			{"refunds_due", list(store.Filter{State: store.Pending})},
			{"refunds_due", list(store.Filter{Undelivered: true})},
			{"refunds_created", list(store.Filter{})},
			{"refunds_created", list(store.Filter{After: store.Cursor{CreatedAt: time.UnixMicro(19_000), ID: "x"}})},
			{"refunds_created", list(store.Filter{From: time.UnixMicro(500), Until: time.UnixMicro(600)})},
			{"refunds_out_trade_no", list(store.Filter{OutTradeNo: "order 77"})},
			{"refunds_trade_no", list(store.Filter{TradeNo: "trade 77"})},
			{"refunds_auth_no", list(store.Filter{AuthNo: "auth 77"})},
			{"refunds_out_request_no", list(store.Filter{OutRequestNo: "number 77"})},
			{"refunds_operation_id", list(store.Filter{OperationID: "operation 77"})},
			{"refunds_settled", func() error { _, err := s.Prune(ctx, "app", time.UnixMicro(2), time.Time{}); return err }},
			{"refunds_due", func() error { _, err := s.Due(ctx, "", time.Minute, 9, false); return err }},
			{"refunds_due", func() error { _, err := s.Due(ctx, "", time.Minute, 9, true); return err }},
			{"refunds_due", func() error { _, err := s.Count(ctx, ""); return err }},
			{"refunds_settled", func() error { _, err := s.Prune(ctx, "", time.UnixMicro(2), time.Time{}); return err }},
			{"", func() error { _, err := s.Get(ctx, unresolved.ID); return err }},
		} {
			spy.take()
			if err := test.do(); err != nil {
				t.Fatal(err)
			}
			_, queries := spy.take()
			found := false
			for _, q := range queries {
				if strings.Contains(q.text, "claims") || !strings.Contains(q.text, " FROM "+d.prefix) {
					continue // few rows yet, or the time
				}
				plan := d.plan(t, q)
				found = found || strings.Contains(plan, d.prefix+test.index)
				for _, scan := range []string{"SCAN ", "Seq Scan", " ALL "} {
					if strings.Contains(plan, scan) {
						t.Errorf("every row is looked at by %s\n%s", q.text, plan)
					}
				}
			}
			if !found && test.index != "" {
				t.Errorf("%s is not used by %s\n%s", test.index, queries[0].text, d.plan(t, queries[0]))
			}
		}
	})
}

// analyze has the database look at its tables, as it does by itself in time.
// SQLite does not.
func (d database) analyze(t testing.TB) {
	t.Helper()
	switch d.dialect {
	case sqlstore.MySQL:
		d.exec(t, "ANALYZE TABLE {t}refunds")
	case sqlstore.PostgreSQL:
		d.exec(t, "VACUUM ANALYZE {t}refunds")
	case sqlstore.SQLite: // what fill wrote is in the log, which would be looked through
		d.exec(t, "PRAGMA wal_checkpoint(TRUNCATE)")
	}
}

// fill adds settled refunds of which nothing is left to do, each of an order of
// its own, with doc for what is not searched for.
func (d database) fill(t testing.TB, n int, doc string) {
	t.Helper()
	text := func(word string) string {
		if d.dialect == sqlstore.MySQL {
			return "CONCAT('" + word + " ', n)"
		}
		return "'" + word + " ' || n"
	}
	digits, number := "(SELECT 0 AS d", "0"
	for d := range 9 {
		digits += " UNION ALL SELECT " + string(rune('1'+d))
	}
	digits += ") AS "
	var from []string
	for place, power := 0, 1; power < n; place, power = place+1, power*10 {
		name := string(rune('a' + place))
		from = append(from, digits+name)
		number += " + " + strings.Repeat("10 * ", place) + name + ".d"
	}
	d.exec(t, `INSERT INTO {t}refunds (id, version, app, kind, order_id, out_trade_no, trade_no, auth_no, out_request_no, operation_id,
			amount, state, undelivered, created_at, next_at, settled_at, has_node, doc)
		SELECT `+text("rf")+`, 1, 'app', 'trade', `+text("or")+`, `+text("order")+`, `+text("trade")+`, `+text("auth")+`, `+text("number")+`, `+text("operation")+`,
			100, 'succeeded', 0, n, NULL, n, 1, '`+doc+`'
		FROM (SELECT `+number+` AS n FROM `+strings.Join(from, ", ")+`) AS numbers WHERE n < ?`, n)
}
