package alirefund_test

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/store"
)

// The host's veto comes before anything is recorded, and concerns new refunds
// only.
func TestBeforeRefund(t *testing.T) { synctest.Test(t, inBeforeRefund) }

func inBeforeRefund(t *testing.T) {
	var asked []store.Refund
	veto := errors.New("four eyes: a second person must agree")
	s := newShop(t, func(c *alirefund.Config) {
		c.BeforeRefund = func(_ context.Context, r store.Refund) error {
			asked = append(asked, r)
			return veto
		}
	})
	s.trade()
	r := s.refund(partly)
	if r.status != 403 || r.str("code") != "vetoed" || r.str("detail") != veto.Error() {
		t.Errorf("%d %s", r.status, r.text)
	}
	if len(asked) != 1 || asked[0].Amount != 8_88 || asked[0].OutRequestNo != "R1" || asked[0].Actor != "staff" || asked[0].ID == "" {
		t.Errorf("the host was asked about %+v", asked)
	}
	rows, err := s.module.List(t.Context(), store.Filter{})
	if len(rows) != 0 || err != nil || len(s.alipay.Calls()) != 0 {
		t.Errorf("recorded %+v, %v; %d calls", rows, err, len(s.alipay.Calls()))
	}
	var vetoed *alirefund.VetoError
	if _, err := s.module.Refund(t.Context(), alirefund.RefundRequest{OutTradeNo: order, RefundAmount: 8_88, OutRequestNo: "R1"}); !errors.As(err, &vetoed) || !errors.Is(err, veto) {
		t.Errorf("%v", err)
	}

	// Allowed, it is not asked about again by its repeats.
	allowed := veto
	veto = nil
	s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "ACQ.SELLER_BALANCE_NOT_ENOUGH"})
	if r := s.refund(partly); r.str("code") != "alipay_refused" {
		t.Fatal(r.text)
	}
	veto = allowed
	if r := s.refund(partly); r.str("code") != "vetoed" { // it would be sent anew
		t.Errorf("%d %s", r.status, r.text)
	}
	veto = nil
	s.expect(s.refund(`{"out_trade_no":"6823789339978248","refund_amount":"1","out_request_no":"R2"}`), 200, "succeeded")
	n := len(asked)
	veto = allowed
	s.expect(s.refund(`{"out_trade_no":"6823789339978248","refund_amount":"1","out_request_no":"R2"}`), 200, "succeeded")
	if len(asked) != n {
		t.Error("a repeat was put to the host")
	}
	s.expectMoved("R2=1.00")
}

// unresolved leaves a refund that nobody can find out about.
func (s *shop) unresolved(fault alipaytest.FaultKind) store.Refund {
	s.t.Helper()
	s.trade()
	s.alipay.Inject(alipaytest.Fault{Kind: fault})
	s.always(alipaytest.LostAnswer, gateway.MethodRefundQuery)
	r := s.refund(partly)
	s.expect(r, 202, "pending")
	return s.ledger(r.str("id"))
}

// A person's decision is told like any other, and recorded with who and why.
func TestResolve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		id := s.unresolved(alipaytest.LostAnswer).ID
		ctx := t.Context()

		var invalid *alirefund.ValidationError
		for _, c := range []struct {
			outcome       store.State
			actor, reason string
		}{{store.Pending, "boss", "why"}, {store.Succeeded, " ", "why"}, {store.Failed, "boss", ""}, {"", "boss", "why"}} {
			if _, err := s.module.Resolve(ctx, id, c.outcome, c.actor, c.reason); !errors.As(err, &invalid) {
				t.Errorf("%+v: %v", c, err)
			}
		}
		if _, err := s.module.Resolve(ctx, "rf_unknown", store.Failed, "boss", "why"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("an unknown refund: %v", err)
		}
		result, err := s.module.Resolve(ctx, id, store.Succeeded, "boss", "seen on the console")
		if err != nil || result.Refund.State != store.Succeeded || result.Refund.Source != store.ByPerson || !result.Delivered {
			t.Fatalf("%+v, %v", result, err)
		}
		if last := s.ledger(id).History; !slices.ContainsFunc(last, func(e store.Entry) bool {
			return e.What == "person" && e.Actor == "boss" && strings.Contains(e.Detail, "seen on the console")
		}) {
			t.Errorf("it stands nowhere who decided: %+v", last)
		}
		if _, err := s.module.Resolve(ctx, id, store.Failed, "boss", "no"); !errors.Is(err, alirefund.ErrNotPending) {
			t.Errorf("a second decision: %v", err)
		}
		s.expectTold("refund_succeeded")

		// The notice confirms it: Alipay's word now, and no second callback.
		s.alipay.Deliver(ctx)
		if r := s.ledger(id); r.Source != store.ByNotice || r.State != store.Succeeded {
			t.Errorf("after the notice: %s by %s", r.State, r.Source)
		}
		s.expectTold("refund_succeeded")
	})
}

// Alipay's signed word corrects a person's.
func TestResolveIsCorrected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t, total(88_88))
		id := s.unresolved(alipaytest.LostAnswer).ID
		result, err := s.module.Resolve(t.Context(), id, store.Failed, "boss", "cannot be")
		if err != nil || result.Refund.State != store.Failed || result.Refund.Retryable {
			t.Fatalf("%+v, %v", result, err)
		}
		s.expectTold("refund_failed")
		if r := s.refund(partly); r.status != 422 || r.str("code") != "alipay_refused" { // a repeat sends nothing
			t.Errorf("%d %s", r.status, r.text)
		}
		s.alipay.Deliver(t.Context())
		if r := s.ledger(id); r.State != store.Succeeded || r.Source != store.ByNotice {
			t.Errorf("after the notice: %s by %s", r.State, r.Source)
		}
		s.expectTold("refund_failed refund_succeeded")
		s.expectMoved("R1=8.88")
	})
}

// Replay tells what was told already once more; a dry run only lists it.
func TestReplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.trade()
		s.expect(s.refund(partly), 200, "succeeded")
		time.Sleep(time.Minute)
		s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "ACQ.TRADE_NOT_ALLOW_REFUND"})
		s.refund(`{"out_trade_no":"6823789339978248","refund_amount":"1","out_request_no":"R2"}`)
		time.Sleep(time.Minute)
		s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest})
		s.refund(`{"out_trade_no":"6823789339978248","refund_amount":"1","out_request_no":"R3"}`)
		s.always(alipaytest.LostAnswer, gateway.MethodRefundQuery)
		s.expectTold("refund_succeeded refund_failed")
		numbers := func(rows []store.Refund) (list string) {
			for _, r := range rows {
				list += r.OutRequestNo + " "
			}
			return list
		}

		ctx := t.Context()
		rows, err := s.module.Replay(ctx, store.Filter{}, "boss", true)
		if err != nil || numbers(rows) != "R1 R2 " { // R3 is unresolved: there is nothing to tell
			t.Errorf("dry: %q, %v", numbers(rows), err)
		}
		s.expectTold("refund_succeeded refund_failed")
		if rows, err = s.module.Replay(ctx, store.Filter{Limit: 1}, "boss", true); err != nil || numbers(rows) != "R1 " {
			t.Errorf("dry, at most one: %q, %v", numbers(rows), err)
		}
		rows, err = s.module.Replay(ctx, store.Filter{State: store.Succeeded}, "boss", false)
		if err != nil || numbers(rows) != "R1 " {
			t.Errorf("%q, %v", numbers(rows), err)
		}
		s.expectTold("refund_succeeded refund_failed refund_succeeded")
		if h := s.ledger(rows[0].ID).History; !slices.ContainsFunc(h, func(e store.Entry) bool { return e.What == "redeliver" && e.Actor == "boss" }) {
			t.Errorf("it stands nowhere who replayed it: %+v", h)
		}

		// A hook that fails again stays due, and Run delivers it.
		s.hookFails(store.RefundSucceeded, errHost)
		if rows, err = s.module.Replay(ctx, store.Filter{OutRequestNo: "R1"}, "boss", false); err != nil || len(rows) != 1 {
			t.Errorf("%q, %v", numbers(rows), err)
		}
		s.hookFails(store.RefundSucceeded, nil)
		stop := s.run()
		defer stop()
		time.Sleep(time.Minute)
		s.expectTold("refund_succeeded refund_failed refund_succeeded refund_succeeded")
	})
}

// transactor is a store on a database as the module sees it: the hook and the
// mark in one step. tx is nil.
type transactor struct {
	*store.Memory
	began atomic.Int64
}

func (d *transactor) DeliverTx(ctx context.Context, id string, event store.Event, hook func(context.Context, *sql.Tx, store.Refund) error) (bool, error) {
	token, done, err := d.Deliver(ctx, id, event, time.Minute)
	if err != nil || done || token == "" {
		return done, err
	}
	d.began.Add(1)
	r, err := d.Get(ctx, id)
	if err != nil {
		return false, err
	}
	if failed := hook(ctx, nil, r); failed != nil {
		_, err = d.Undelivered(ctx, id, event, token, failed.Error())
		return false, errors.Join(failed, err)
	}
	return d.Delivered(ctx, id, event, token)
}

// The transactional hook stands in for the plain one: for a success, wherever it
// is learnt, and again if it fails; the other events keep their own hooks.
func TestTransactionalHook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := &transactor{Memory: store.NewMemory()}
		var s *shop
		s = newShop(t, func(c *alirefund.Config) {
			c.Store, c.OnRefundSucceeded = db, nil
			c.OnRefundSucceededTx = func(_ context.Context, _ *sql.Tx, e alirefund.RefundSucceeded) error {
				return s.hook(store.RefundSucceeded, e.Refund)
			}
		})
		s.trade()
		stop := s.run()
		defer stop()
		s.hookFails(store.RefundSucceeded, errHost)
		r := s.refund(partly)
		s.expect(r, 200, "succeeded")
		if r.body["delivered"] != false || db.began.Load() != 1 {
			t.Errorf("%d transactions: %s", db.began.Load(), r.text)
		}
		s.hookFails(store.RefundSucceeded, nil)
		time.Sleep(5 * time.Second)
		s.expectTold("refund_succeeded")
		s.mu.Lock()
		s.panics = true
		s.mu.Unlock()
		s.expect(s.refund(`{"out_trade_no":"6823789339978248","refund_amount":"1","out_request_no":"R2"}`), 200, "succeeded")
		s.mu.Lock()
		s.panics = false
		s.mu.Unlock()
		time.Sleep(5 * time.Second)
		s.alipay.Deliver(t.Context())
		s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "ACQ.TRADE_NOT_ALLOW_REFUND"})
		s.refund(`{"out_trade_no":"6823789339978248","refund_amount":"1","out_request_no":"R3"}`)
		s.expectTold("refund_succeeded refund_succeeded refund_failed")
		if db.began.Load() != 4 {
			t.Errorf("%d transactions", db.began.Load())
		}
	})
}

// What New says of the fields for all this.
func TestConfigOfRun(t *testing.T) {
	good := newShop(t).config
	onTx := func(context.Context, *sql.Tx, alirefund.RefundSucceeded) error { return nil }
	for _, c := range []struct {
		name   string
		change func(*alirefund.Config)
		fields []string
	}{
		{"times", func(c *alirefund.Config) {
			c.FirstCheck, c.AttentionAfter, c.KeepAnswers, c.KeepRefunds = -1, -1, -1, -1
		}, []string{"FirstCheck", "AttentionAfter", "KeepAnswers", "KeepRefunds"}},
		{"no transactor", func(c *alirefund.Config) { c.OnRefundSucceeded, c.OnRefundSucceededTx = nil, onTx }, []string{"OnRefundSucceededTx"}},
		{"both hooks", func(c *alirefund.Config) {
			c.Store, c.OnRefundSucceededTx = &transactor{Memory: store.NewMemory()}, onTx
		}, []string{"OnRefundSucceededTx"}},
		{"nothing wrong", func(c *alirefund.Config) {
			c.Store, c.OnRefundSucceeded, c.OnRefundSucceededTx = &transactor{Memory: store.NewMemory()}, nil, onTx
		}, nil},
	} {
		config := good
		c.change(&config)
		_, err := alirefund.New(config)
		var fields []string
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			for _, e := range joined.Unwrap() {
				if wrong, ok := errors.AsType[*alirefund.ConfigError](e); ok {
					fields = append(fields, wrong.Field)
				}
			}
		}
		if !slices.Equal(fields, c.fields) {
			t.Errorf("%s: %v names %q, want %q", c.name, err, fields, c.fields)
		}
	}
}
