package alirefund_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/store"
)

// Replay goes on beyond the first page of the ledger's.
func TestReplayOfManyRefunds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		const refunds = 2*store.DefaultLimit + 1
		for i := range refunds {
			r := store.Refund{
				Kind: store.Trade, App: s.config.App.ID, OutTradeNo: fmt.Sprint("T", i), OutRequestNo: "R", Amount: 1,
				Origin: store.FromNotice, State: store.Succeeded, Source: store.ByNotice,
			}.Identify()
			if _, _, err := s.config.Store.Open(t.Context(), r, store.Limit{}); err != nil {
				t.Fatal(err)
			}
		}
		seen := map[string]bool{}
		rows, err := s.module.Replay(t.Context(), store.Filter{}, "boss", false)
		for _, r := range rows {
			seen[r.ID] = true
		}
		if err != nil || len(rows) != refunds || len(seen) != refunds || len(s.events) != refunds {
			t.Errorf("%d refunds, %d different ones, %d calls of the hook, %v; want %d", len(rows), len(seen), len(s.events), err, refunds)
		}
	})
}

// Another application's refunds, in the same store, are not ours to decide.
func TestResolveOfAnotherApplication(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		id := s.unresolved(alipaytest.LostAnswer).ID
		s.config.App.ID = "2021999999999999"
		s.restart()
		if _, err := s.module.Resolve(t.Context(), id, store.Failed, "boss", "why"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Resolve: %v, want %v", err, store.ErrNotFound)
		}
		if r := s.ledger(id); r.State != store.Pending {
			t.Errorf("it is %s", r.State)
		}
	})
}

// However long a person's reason is, the record keeps little of it.
func TestReasonIsKeptShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		id := s.unresolved(alipaytest.LostAnswer).ID
		if _, err := s.module.Resolve(t.Context(), id, store.Failed, "boss", strings.Repeat("因", 1000)); err != nil {
			t.Fatal(err)
		}
		r := s.ledger(id)
		if last := r.History[len(r.History)-2]; len(r.Message) > 310 || len(last.Detail) > 400 || last.What != "person" {
			t.Errorf("kept %d bytes as its message, and %d in the history's %q", len(r.Message), len(last.Detail), last.What)
		}
	})
}

// Why a person should look is not replaced by how long it takes.
func TestAttentionKeepsItsReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.trade()
		stop := s.run()
		defer stop()
		s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.WrongSignature})
		s.always(alipaytest.LostAnswer, gateway.MethodRefundQuery)
		r := s.refund(partly)
		s.expect(r, 202, "pending")
		reason := s.ledger(r.str("id")).Attention
		time.Sleep(50 * time.Hour)
		if now := s.ledger(r.str("id")).Attention; reason == "" || now != reason {
			t.Errorf("first %q, two days later %q", reason, now)
		}
		s.expectTold("refund_unresolved")
	})
}

// Run takes no more than it has room for: what it took and does not work on,
// nobody else could.
func TestRunTakesNoMoreThanItHasRoomFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		const refunds = 40
		for i := range refunds {
			no := fmt.Sprint("T", i)
			s.alipay.AddTrade(alipaytest.Trade{OutTradeNo: no})
			s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer}, alipaytest.Fault{Kind: alipaytest.LostAnswer, Method: gateway.MethodRefundQuery})
			s.expect(s.refund(fmt.Sprintf(`{"out_trade_no":%q,"refund_amount":100}`, no)), 202, "pending")
		}
		time.Sleep(time.Hour)
		s.alipay.InjectRandomly(1, 1, alipaytest.Fault{Kind: alipaytest.Slow, Method: gateway.MethodRefundQuery, Delay: 10 * time.Second})
		stop := s.run()
		defer stop()
		time.Sleep(5 * time.Second)
		left, err := s.config.Store.Due(t.Context(), s.config.App.ID, time.Minute, refunds)
		if err != nil || len(left) != refunds-16 {
			t.Errorf("%d of %d are left for others, %v", len(left), refunds, err)
		}
		s.alipay.InjectRandomly(0, 0)
	})
}

// A transactional hook has as long as any other.
func TestTransactionalHookHasItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var took time.Duration
		s := newShop(t, func(c *alirefund.Config) {
			c.Store, c.OnRefundSucceeded = &transactor{Memory: store.NewMemory()}, nil
			c.HookTimeout = 2 * time.Second
			c.OnRefundSucceededTx = func(ctx context.Context, _ *sql.Tx, _ alirefund.RefundSucceeded) error {
				began := time.Now()
				<-ctx.Done()
				took = time.Since(began)
				return ctx.Err()
			}
		})
		s.trade()
		s.expect(s.refund(partly), 200, "succeeded")
		if took != 2*time.Second {
			t.Errorf("its context ended after %v", took)
		}
	})
}

// A page's pending refund is not delivered, whatever is due of it; and pages meet
// without a gap, however close together their refunds were made.
func TestPagesOfRefundsCloseTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		for i := range 4 {
			r := store.Refund{
				Kind: store.Trade, App: s.config.App.ID, OutTradeNo: "T", OutRequestNo: fmt.Sprint("R", i), Amount: 1,
				Origin: store.FromRequest, State: store.Pending,
			}.Identify()
			if _, _, err := s.config.Store.Open(t.Context(), r, store.Limit{}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Microsecond)
		}
		var pages []string
		for query, next := "limit=1", ""; len(pages) < 9; {
			r := s.list(query)
			if strings.Contains(r.text, `"delivered":true`) {
				t.Errorf("a pending refund is delivered: %s", r.text)
			}
			pages = append(pages, r.listed())
			if next = r.str("next"); next == "" {
				break
			}
			query = "limit=1&cursor=" + url.QueryEscape(next)
		}
		if got := strings.Join(pages, "/"); got != "R0/R1/R2/R3/" {
			t.Errorf("pages %q", got)
		}
	})
}
