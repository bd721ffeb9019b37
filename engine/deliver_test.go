package engine_test

import (
	"context"
	"database/sql"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/internal/shoptest"
	"github.com/alirefund/alirefund/store"
)

// The lease that a settlement took may run out, and another deliver the event,
// before whoever settled comes to tell it: here he still asks about the order's
// other refunds, and Alipay is slow.
func TestEventWhoseLeaseRanOutIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		var noticed atomic.Bool
		s.Voice(func(method string, params url.Values) string {
			switch {
			case method != gateway.MethodRefundQuery || !noticed.Load():
				return shoptest.Lost
			case strings.Contains(params.Get("biz_content"), "R1"):
				return `{"code":"10000","out_trade_no":"6823789339978248","out_request_no":"R1","refund_status":"REFUND_SUCCESS","refund_amount":"1.00"}`
			}
			time.Sleep(14 * time.Second)
			return shoptest.Lost
		})
		for _, number := range []string{"R1", "R2", "R3"} {
			s.Expect(s.Refund(shoptest.Numbered(number, "1.00")), 202, "pending")
			time.Sleep(5 * time.Second)
		}
		noticed.Store(true)
		time.AfterFunc(5*time.Second, func() { // it, or another process
			stop := s.Run()
			time.Sleep(2 * time.Minute)
			stop()
		})
		s.Notice(s.Alipay.SignedNotice(shoptest.RefundNotice(map[string]string{"out_biz_no": "-", "refund_fee": "3.00"})))
		time.Sleep(5 * time.Minute)
		s.ExpectTold("refund_succeeded")
	})
}

// A repeat that comes between the settlement and its hook finds the event leased, and
// has nothing to deliver. It keeps nobody from telling it.
func TestRepeatJustBeforeTheHook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		s.Trade()
		repeated := make(chan struct{})
		s.Around(func(_ context.Context, c shoptest.Call, call func() error) error {
			switch c.Name {
			case "Settle":
				err := call()
				go s.Refund(shoptest.Partly)
				<-repeated
				return err
			case "Deliver":
				close(repeated)
				time.Sleep(time.Second) // the first request comes to its hook meanwhile
			}
			return call()
		})
		s.Expect(s.Refund(shoptest.Partly), 200, "succeeded")
		synctest.Wait()
		s.ExpectTold("refund_succeeded")
	})
}

// The transactional hook stands in for the plain one: for a success, wherever it
// is learnt, and again if it fails; the other events keep their own hooks.
func TestTransactionalHook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := &transactor{Memory: store.NewMemory()}
		var s *shoptest.Shop
		s = shoptest.NewShop(t, func(c *alirefund.Config) {
			c.Store, c.OnRefundSucceeded = db, nil
			c.OnRefundSucceededTx = func(_ context.Context, _ *sql.Tx, e alirefund.RefundSucceeded) error {
				return s.Hook(store.RefundSucceeded, e.Refund)
			}
		})
		s.Trade()
		stop := s.Run()
		defer stop()
		s.HookFails(store.RefundSucceeded, shoptest.ErrHost)
		r := s.Refund(shoptest.Partly)
		s.Expect(r, 200, "succeeded")
		if r.Body["delivered"] != false || db.began.Load() != 1 {
			t.Errorf("%d transactions: %s", db.began.Load(), r.Text)
		}
		s.HookFails(store.RefundSucceeded, nil)
		time.Sleep(5 * time.Second)
		s.ExpectTold("refund_succeeded")
		s.Mu.Lock()
		s.Panics = true
		s.Mu.Unlock()
		s.Expect(s.Refund(`{"out_trade_no":"6823789339978248","refund_amount":"1","out_request_no":"R2"}`), 200, "succeeded")
		s.Mu.Lock()
		s.Panics = false
		s.Mu.Unlock()
		time.Sleep(5 * time.Second)
		s.Alipay.Deliver(t.Context())
		s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "ACQ.BUYER_NOT_EXIST"})
		s.Refund(`{"out_trade_no":"6823789339978248","refund_amount":"1","out_request_no":"R3"}`)
		s.ExpectTold("refund_succeeded refund_succeeded refund_failed")
		if db.began.Load() != 4 {
			t.Errorf("%d transactions", db.began.Load())
		}
	})
}

// Another process was quicker to tell the host: it is told.
func TestEventThatAnotherProcessDelivered(t *testing.T) {
	s := shoptest.NewShop(t)
	s.Trade()
	s.Config.Store = quicker{s.Config.Store}
	s.Restart()
	if r := s.Refund(shoptest.Partly); r.Status != 200 || r.Body["delivered"] != true {
		t.Errorf("%d %s", r.Status, r.Text)
	}
	s.ExpectTold("")
}

// quicker is shared with a process that delivers each event first.
type quicker struct{ store.Store }

func (q quicker) Settle(ctx context.Context, id string, s store.Settlement) (store.Refund, bool, error) {
	s.Claim = ""
	return q.Store.Settle(ctx, id, s)
}

func (q quicker) Deliver(ctx context.Context, id string, e store.Event, lease time.Duration) (string, bool, error) {
	token, _, err := q.Store.Deliver(ctx, id, e, lease)
	if err == nil {
		_, _, err = q.Delivered(ctx, id, e, token, store.Notice{})
	}
	if err != nil {
		return "", false, err
	}
	return q.Store.Deliver(ctx, id, e, lease)
}

// The same for a refund's hook: its event has one owner as long as it may run. A notice
// waits for it a while.
func TestRefundWhoseHookIsRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		s := shoptest.NewShop(t, func(c *alirefund.Config) {
			c.OnRefundSucceeded = func(context.Context, alirefund.RefundSucceeded) error {
				calls.Add(1)
				time.Sleep(9 * time.Second)
				return nil
			}
		})
		s.Trade()
		go s.Refund(shoptest.Partly)
		time.Sleep(2 * time.Second)
		s.Restart() // another process
		notice := s.Alipay.SignedNotice(shoptest.RefundNotice(map[string]string{"trade_no": "-"}))
		began := time.Now()
		if r := s.Notice(notice); r.Status != 503 || time.Since(began) != 5*time.Second {
			t.Errorf("%d %s after %v", r.Status, r.Text, time.Since(began))
		}
		r := s.Refund(shoptest.Partly)
		s.Expect(r, 200, "succeeded")
		if r.Body["delivered"] != false || calls.Load() != 1 {
			t.Errorf("%d calls: %s", calls.Load(), r.Text)
		}
		began = time.Now()
		if r := s.Notice(notice); r.Text != "success" || time.Since(began) > 3*time.Second {
			t.Errorf("%d %s after %v", r.Status, r.Text, time.Since(began))
		}
		if r := s.Refund(shoptest.Partly); r.Body["delivered"] != true || calls.Load() != 1 {
			t.Errorf("%d calls: %s", calls.Load(), r.Text)
		}
	})
}

// What was done is marked as done, and what was not is not: hooks that fail,
// take long or hang, and a store that fails between doing and marking.

// slowHook counts its calls, which succeed after so long.
func slowHook(calls *atomic.Int32, long time.Duration) func(*alirefund.Config) {
	return func(c *alirefund.Config) {
		c.OnRefundSucceeded = func(context.Context, alirefund.RefundSucceeded) error {
			calls.Add(1)
			time.Sleep(long)
			return nil
		}
	}
}

// A mark that fails once is written again: the hook has run.
func TestFailingMarkOfARefund(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		s.Trade()
		s.FailAt("Delivered", 1)
		r := s.Refund(shoptest.Partly)
		s.Expect(r, 200, "succeeded")
		time.Sleep(time.Minute)
		if g := s.Get(r.Str("id")); g.Body["delivered"] != true {
			t.Errorf("record: %s", g.Text)
		}
		s.ExpectTold("refund_succeeded")
	})
}

// A hook that returns nil late, its lease and the caller's patience over, has
// taken the event all the same.
func TestLateHookIsMarked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		s := shoptest.NewShop(t, slowHook(&calls, 2*time.Minute))
		s.Trade()
		r := s.Refund(shoptest.Partly)
		s.Expect(r, 200, "succeeded")
		if r.Body["delivered"] != false {
			t.Errorf("delivered before its hook returned: %s", r.Text)
		}
		time.Sleep(10 * time.Minute)
		if g := s.Get(r.Str("id")); g.Body["delivered"] != true || calls.Load() != 1 {
			t.Errorf("the hook ran %d times: %s", calls.Load(), g.Text)
		}
	})
}

// A hook that outlasts its lease is not called beside itself.
func TestHookLongerThanItsLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		s := shoptest.NewShop(t, slowHook(&calls, 25*time.Second))
		s.Trade()
		go s.Refund(shoptest.Partly)
		time.Sleep(21 * time.Second)
		s.Alipay.Deliver(t.Context())
		time.Sleep(time.Minute)
		if calls.Load() != 1 {
			t.Errorf("the hook ran %d times", calls.Load())
		}
	})
}

// Nor is the call for a person, which other hooks do not hold up.
func TestCallForAPersonIsNotMadeBesideItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		s := shoptest.NewShop(t, func(c *alirefund.Config) {
			c.OnRefundUnresolved = func(context.Context, alirefund.RefundUnresolved) error {
				calls.Add(1)
				time.Sleep(10 * time.Minute)
				return nil
			}
		})
		s.Trade()
		defer time.Sleep(20 * time.Minute) // until it has returned
		stop := s.Run()
		defer stop()
		s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.WrongSignature})
		s.Always(alipaytest.WrongSignature, gateway.MethodRefundQuery)
		s.Expect(s.Refund(shoptest.Partly), 202, "pending")
		time.Sleep(9 * time.Minute)
		if n := calls.Load(); n != 1 {
			t.Errorf("%d calls at once", n)
		}
	})
}

// A hook that hangs holds up no answer, and is not called beside itself.
func TestHookThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		release := make(chan struct{})
		s := shoptest.NewShop(t, func(c *alirefund.Config) {
			c.OnRefundSucceeded = func(context.Context, alirefund.RefundSucceeded) error {
				calls.Add(1)
				<-release
				return nil
			}
		})
		s.Trade()
		answers := make(chan shoptest.Reply, 2)
		go func() {
			answers <- s.Refund(shoptest.Partly)
			answers <- s.Refund(shoptest.Partly)
		}()
		time.Sleep(time.Minute)
		if len(answers) != 2 {
			t.Errorf("%d answers after a minute, want 2", len(answers))
		}
		close(release)
		for range 2 {
			r := <-answers
			s.Expect(r, 200, "succeeded")
			if r.Body["delivered"] != false {
				t.Errorf("delivered before its hook returned: %s", r.Text)
			}
		}
		if calls.Load() != 1 {
			t.Errorf("the hook ran %d times", calls.Load())
		}
	})
}

// A failing hook never changes the refund's own answer; the event stays due.
func TestFailingHooks(t *testing.T) {
	for name, bad := range map[string]func(*shoptest.Shop){
		"error": func(s *shoptest.Shop) { s.Fail[store.RefundSucceeded] = shoptest.ErrHost },
		"panic": func(s *shoptest.Shop) { s.Panics = true },
	} {
		t.Run(name, func(t *testing.T) {
			s := shoptest.NewShop(t)
			s.Trade()
			bad(s)
			r := s.Refund(shoptest.Partly)
			s.Expect(r, 200, "succeeded")
			if r.Body["delivered"] != false {
				t.Errorf("answer: %s", r.Text)
			}
			s.Alipay.Deliver(t.Context())
			if n := s.Alipay.Notices()[0]; n.Acknowledged {
				t.Error("the notice was acknowledged though the hook failed")
			}
			g := s.Get(r.Str("id"))
			deliveries, _ := g.Body["deliveries"].([]any)
			if len(deliveries) != 1 || !strings.Contains(g.Text, `"error":"`) || g.Body["delivered"] != false {
				t.Errorf("record: %s", g.Text)
			}
			s.Fail, s.Panics = map[store.Event]error{}, false
			s.ExpectTold("")
			if g := s.Get(r.Str("id")); g.Body["delivered"] != true {
				t.Errorf("record: %s", g.Text)
			}
			s.Expect(s.Refund(shoptest.Partly), 200, "succeeded")
			s.ExpectTold("refund_succeeded")
		})
	}
}

// A delivered failure does not swallow a later success: a signed notice corrects
// the refusal.
func TestSuccessAfterAFailure(t *testing.T) {
	s := shoptest.NewShop(t)
	trade := s.Trade()
	s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "ACQ.BUYER_NOT_EXIST"})
	r := s.Refund(shoptest.Partly)
	if r.Status != 422 {
		t.Fatalf("%d %s", r.Status, r.Text)
	}
	if n := s.Notice(s.Alipay.SignedNotice(shoptest.RefundNotice(map[string]string{"trade_no": trade.TradeNo}))); n.Text != "success" {
		t.Fatalf("%d %s", n.Status, n.Text)
	}
	s.Expect(s.Refund(shoptest.Partly), 200, "succeeded")
	s.ExpectTold("refund_failed refund_succeeded")
}

// The hook gets a context that ends in time, and values of the caller's.
func TestHookContext(t *testing.T) {
	type key struct{}
	var deadline time.Duration
	var value any
	s := shoptest.NewShop(t, func(c *alirefund.Config) {
		c.Times.HookTimeout = 3 * time.Second
		c.OnRefundSucceeded = func(ctx context.Context, _ alirefund.RefundSucceeded) error {
			at, _ := ctx.Deadline()
			deadline, value = time.Until(at), ctx.Value(key{})
			return ctx.Err()
		}
	})
	s.Trade()
	if _, err := s.Module.Refund(context.WithValue(t.Context(), key{}, "trace"), alirefund.RefundRequest{OutTradeNo: shoptest.Order, RefundAmount: 1, OutRequestNo: "R"}); err != nil {
		t.Fatal(err)
	}
	if deadline <= 0 || deadline > 3*time.Second || value != "trace" {
		t.Errorf("deadline in %v, value %v", deadline, value)
	}
}

// A transactional hook has as long as any other.
func TestTransactionalHookHasItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var took time.Duration
		s := shoptest.NewShop(t, func(c *alirefund.Config) {
			c.Store, c.OnRefundSucceeded = &transactor{Memory: store.NewMemory()}, nil
			c.Times.HookTimeout = 2 * time.Second
			c.OnRefundSucceededTx = func(ctx context.Context, _ *sql.Tx, _ alirefund.RefundSucceeded) error {
				began := time.Now()
				<-ctx.Done()
				took = time.Since(began)
				return ctx.Err()
			}
		})
		s.Trade()
		s.Expect(s.Refund(shoptest.Partly), 200, "succeeded")
		synctest.Wait() // nobody waits for a hook that takes so long
		if took != 2*time.Second {
			t.Errorf("its context ended after %v", took)
		}
	})
}

// A transactional hook that hangs holds up neither the answer nor what was learnt, and
// is not called beside itself.
func TestTransactionalHookThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := &transactor{Memory: store.NewMemory()}
		var inside, most atomic.Int64
		hangs := make(chan struct{})
		s := shoptest.NewShop(t, func(c *alirefund.Config) {
			c.Store, c.OnRefundSucceeded = db, nil
			c.Times.HookTimeout = 2 * time.Second
			c.OnRefundSucceededTx = func(context.Context, *sql.Tx, alirefund.RefundSucceeded) error {
				most.Store(max(most.Load(), inside.Add(1)))
				defer inside.Add(-1)
				<-hangs
				return nil
			}
		})
		s.Trade()
		stop := s.Run()
		defer stop()
		began := time.Now()
		r := s.Refund(shoptest.Partly)
		s.Expect(r, 200, "succeeded")
		if took := time.Since(began); r.Body["delivered"] != false || took != 2*time.Second {
			t.Errorf("answered after %v: %s", took, r.Text)
		}
		time.Sleep(10 * time.Minute)
		if most.Load() != 1 || db.began.Load() != 1 {
			t.Errorf("%d transactions, up to %d hooks at once", db.began.Load(), most.Load())
		}
		close(hangs)
		time.Sleep(10 * time.Minute)
		if got := s.Ledger(r.Str("id")); !got.WasDelivered(store.RefundSucceeded) || db.began.Load() != 2 || most.Load() != 1 {
			t.Errorf("%d transactions: %+v", db.began.Load(), got)
		}
	})
}

// A transaction that does not end, whatever its context says, keeps no caller; here it
// locks nothing, so that a question settles the refund beside it. The host hears of it
// when it ends, once.
func TestTransactionThatDoesNotEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s *shoptest.Shop
		db := &endless{transactor: &transactor{Memory: store.NewMemory()}, ends: make(chan struct{})}
		s = shoptest.NewShop(t, func(c *alirefund.Config) {
			c.Store, c.OnRefundSucceeded = db, nil
			c.OnRefundSucceededTx = func(_ context.Context, _ *sql.Tx, e alirefund.RefundSucceeded) error {
				return s.Hook(store.RefundSucceeded, e.Refund)
			}
		})
		s.Trade()
		began := time.Now()
		r := s.Refund(shoptest.Partly)
		s.Expect(r, 200, "succeeded")
		if took := time.Since(began); r.Body["delivered"] != false || took > 20*time.Second {
			t.Errorf("answered after %v: %s", took, r.Text)
		}
		close(db.ends)
		synctest.Wait()
		s.ExpectTold("refund_succeeded")
		s.Expect(s.Refund(shoptest.Partly), 200, "succeeded")
		s.ExpectTold("refund_succeeded")
		s.ExpectMoved("R1=8.88")
	})
}

type endless struct {
	*transactor
	ends chan struct{}
}

func (d *endless) DeliverTx(ctx context.Context, id string, event store.Event, learnt *store.Settlement, hook func(context.Context, *sql.Tx, store.Refund) error) (store.Refund, bool, error) {
	<-d.ends
	return d.transactor.DeliverTx(context.WithoutCancel(ctx), id, event, learnt, hook)
}
