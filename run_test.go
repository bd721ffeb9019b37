package alirefund_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
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

// run starts Module.Run and returns what stops it and waits for it.
func (s *shop) run() (stop func()) {
	ctx, cancel := context.WithCancel(s.t.Context())
	ended := make(chan struct{})
	module := s.module
	go func() { defer close(ended); module.Run(ctx) }()
	return func() {
		cancel()
		<-ended
	}
}

// callsOf returns the calls of a method, in order.
func (s *shop) callsOf(method string) []alipaytest.Call {
	return slices.DeleteFunc(s.alipay.Calls(), func(c alipaytest.Call) bool { return c.Method != method })
}

// always makes a fault befall every call of a method.
func (s *shop) always(kind alipaytest.FaultKind, method string) {
	s.alipay.InjectRandomly(1, 1, alipaytest.Fault{Kind: kind, Method: method})
}

// hookFails makes the hook of an event fail, or with nil no longer.
func (s *shop) hookFails(event store.Event, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail[event] = err
}

func (s *shop) ledger(id string) store.Refund {
	s.t.Helper()
	r, err := s.config.Store.Get(s.t.Context(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

// Whatever became of the call, Run finds out: nobody repeats the request or
// looks it up.
func TestRunSettlesWhatACallLeft(t *testing.T) {
	for _, c := range []struct {
		fault  alipaytest.FaultKind
		sends  int
		events string
	}{
		{alipaytest.LostAnswer, 1, "refund_succeeded"},
		{alipaytest.LostRequest, 2, "refund_succeeded"},
		{alipaytest.LateRequest, 1, "refund_succeeded"},
		{alipaytest.SystemErrorBefore, 2, "refund_succeeded"},
		{alipaytest.SystemErrorAfter, 1, "refund_succeeded"},
		{alipaytest.HTTP500, 2, "refund_succeeded"},
		{alipaytest.NoSignature, 1, "refund_unresolved refund_succeeded"},
		{alipaytest.WrongSignature, 1, "refund_unresolved refund_succeeded"},
		{alipaytest.GatewayError, 2, "refund_unresolved refund_succeeded"},
	} {
		for _, kind := range []string{"trade", "coupon"} {
			t.Run(c.fault.String()+"/"+kind, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newShop(t)
					ask := func() reply { return s.refund(partly) }
					call, query := gateway.MethodTradeRefund, gateway.MethodRefundQuery
					if kind == "coupon" {
						p := s.alipay.AddRedPacket(alipaytest.RedPacket{})
						body := fmt.Sprintf(`{"auth_no":%q,"out_order_no":%q,"out_request_no":"R1","amount":8.88,"remark":"未领取"}`, p.AuthNo, p.OutOrderNo)
						ask = func() reply { return s.coupon(body) }
						call, query = gateway.MethodCouponRefund, gateway.MethodCouponQuery
					} else {
						s.trade()
					}
					stop := s.run()
					defer stop()
					// The question that follows at once is lost as well.
					s.alipay.Inject(alipaytest.Fault{Kind: c.fault}, alipaytest.Fault{Kind: alipaytest.LostAnswer, Method: query})
					r := ask()
					s.expect(r, http.StatusAccepted, "pending")
					time.Sleep(9 * time.Second)
					if n := s.calls(query); n != 1 {
						t.Errorf("%d questions within 9 s, want the first alone", n)
					}
					time.Sleep(9 * time.Second)
					if got := s.ledger(r.str("id")); got.State != store.Succeeded || !got.WasDelivered(store.RefundSucceeded) {
						t.Fatalf("it is %s after 18 s: %+v", got.State, got.History)
					}
					s.expectTold(c.events)
					s.expectMoved("R1=8.88")
					sends := s.callsOf(call)
					if len(sends) != c.sends {
						t.Fatalf("sent %d times, want %d", len(sends), c.sends)
					}
					for _, again := range sends[1:] {
						if again.BizContent != sends[0].BizContent {
							t.Errorf("sent again with other content: %s, %s", sends[0].BizContent, again.BizContent)
						}
					}
					if questions := s.callsOf(query); questions[1].At.Sub(sends[0].At) < 10*time.Second {
						t.Errorf("the second question came %v after the send", questions[1].At.Sub(sends[0].At))
					}
				})
			})
		}
	}
}

// Nothing but a signed not-found lets the request be sent again, however long it
// takes; the questions become rarer, down to one an hour; a person is told once,
// and the asking goes on.
func TestRunAsksEverMoreRarely(t *testing.T) {
	for _, firstCheck := range []time.Duration{0, time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			s := newShop(t, func(c *alirefund.Config) { c.FirstCheck = firstCheck })
			s.trade()
			stop := s.run()
			defer stop()
			s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest})
			s.always(alipaytest.LostAnswer, gateway.MethodRefundQuery)
			r := s.refund(partly)
			s.expect(r, 202, "pending")
			time.Sleep(24*time.Hour - time.Minute)
			s.expectTold("")
			time.Sleep(2*time.Hour + time.Minute)
			s.expectTold("refund_unresolved")
			time.Sleep(24 * time.Hour)
			s.expectTold("refund_unresolved")

			pause := 10 * time.Second
			if firstCheck > 0 {
				pause = firstCheck
			}
			questions := s.callsOf(gateway.MethodRefundQuery)
			before := questions[0].At // that which the request itself asked
			for i, q := range questions[1:] {
				gap := q.At.Sub(before)
				if since := q.At.Sub(questions[0].At); since > 24*time.Hour && gap < 15*time.Second {
					continue // one right after a person was told
				}
				if gap < pause || gap > pause*3/2+time.Minute {
					t.Errorf("question %d came %v after the one before it, want about %v", i+1, gap, pause*5/4)
				}
				pause, before = min(2*pause, time.Hour*4/5), q.At
			}
			if n := len(questions); n < 50 || n > 75 {
				t.Errorf("%d questions in 50 hours", n)
			}
			if n := s.calls(gateway.MethodTradeRefund); n != 1 {
				t.Errorf("sent %d times", n)
			}

			s.alipay.InjectRandomly(0, 0)
			time.Sleep(2 * time.Hour)
			s.expectTold("refund_unresolved refund_succeeded")
			s.expectMoved("R1=8.88")
		})
	}
}

// What Alipay keeps answering with SYSTEM_ERROR is sent again, and ever more
// rarely too.
func TestRunSendsAgainEverMoreRarely(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.trade()
		stop := s.run()
		defer stop()
		s.always(alipaytest.SystemErrorBefore, gateway.MethodTradeRefund)
		s.expect(s.refund(partly), 202, "pending")
		time.Sleep(24 * time.Hour)
		if n := s.calls(gateway.MethodTradeRefund); n < 25 || n > 50 {
			t.Errorf("sent %d times in a day", n)
		}
		s.alipay.InjectRandomly(0, 0)
		time.Sleep(2 * time.Hour)
		s.expectMoved("R1=8.88")
	})
}

// A hook that fails is called again after pauses that grow, and holds up nobody.
func TestRunDeliversAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mended atomic.Bool
		var tries []time.Time
		var s *shop
		s = newShop(t, func(c *alirefund.Config) {
			c.OnRefundSucceeded = func(_ context.Context, e alirefund.RefundSucceeded) error {
				if e.Refund.OutRequestNo == "R1" && !mended.Load() {
					tries = append(tries, time.Now())
					return errHost
				}
				return s.hook(store.RefundSucceeded, e.Refund)
			}
		})
		s.trade()
		stop := s.run()
		defer stop()
		r := s.refund(partly)
		s.expect(r, 200, "succeeded")
		if r.body["delivered"] != false {
			t.Errorf("delivered, says %s", r.text)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := len(tries); n < 10 || n > 16 {
			t.Errorf("%d tries in an hour", n)
		}
		for i := 3; i < len(tries); i++ {
			if was, is := tries[i-2].Sub(tries[i-3]), tries[i].Sub(tries[i-1]); is <= was {
				t.Errorf("pause %d is %v after one of %v", i, is, was)
			}
		}
		s.expect(s.refund(`{"out_trade_no":"6823789339978248","refund_amount":"1.00","out_request_no":"R2"}`), 200, "succeeded")
		s.expectTold("refund_succeeded")
		if r := s.ledger(r.str("id")); r.State != store.Succeeded || r.Deliveries[0].Error != errHost.Error() {
			t.Errorf("the record does not say what the hook said: %s, %+v", r.State, r.Deliveries)
		}
		// A person is told after a day, once.
		time.Sleep(30 * time.Hour)
		s.expectTold("refund_succeeded refund_unresolved")
		if reason := s.ledger(r.str("id")).Attention; !strings.Contains(reason, "refund_succeeded could not be delivered") {
			t.Errorf("attention %q", reason)
		}
		mended.Store(true)
		time.Sleep(2 * time.Hour)
		s.expectTold("refund_succeeded refund_unresolved refund_succeeded")
	})
}

// What is old is not overdue: the time counts from when the refund was opened
// again, or the event became due.
func TestRunDoesNotCountTheTimeBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.trade()
		stop := s.run()
		defer stop()
		s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "ACQ.SELLER_BALANCE_NOT_ENOUGH"})
		if r := s.refund(partly); r.str("code") != "alipay_refused" {
			t.Fatal(r.text)
		}
		time.Sleep(48 * time.Hour)
		s.always(alipaytest.LostAnswer, gateway.MethodRefundQuery)
		s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest})
		s.expect(s.refund(partly), 202, "pending")
		time.Sleep(time.Hour)
		s.expectTold("refund_failed") // unresolved for an hour
		s.alipay.InjectRandomly(0, 0)
		s.hookFails(store.RefundSucceeded, errHost)
		time.Sleep(3 * time.Hour)
		s.expectMoved("R1=8.88")
		s.expectTold("refund_failed") // undelivered for some hours
		time.Sleep(24 * time.Hour)
		s.expectTold("refund_failed refund_unresolved")
	})
}

// A refund that was recorded and never sent was promised to nobody: it becomes
// not sent, which is no failure to tell of, and the same request sends it.
func TestRunOrphans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.trade()
		memory := s.config.Store
		s.config.Store = &noSending{Store: memory}
		s.restart()
		r := s.refund(partly)
		if r.status != 503 || r.str("code") != "nothing_sent" {
			t.Fatalf("%d %s", r.status, r.text)
		}
		rows, err := memory.List(t.Context(), storeFilter(s))
		if err != nil || len(rows) != 1 || rows[0].State != store.Pending {
			t.Fatalf("%+v, %v", rows, err)
		}
		s.config.Store = memory
		s.restart()
		stop := s.run()
		defer stop()
		time.Sleep(50 * time.Second)
		if r := s.ledger(rows[0].ID); r.State != store.Pending {
			t.Errorf("taken up before its minute is over: %+v", r)
		}
		time.Sleep(20 * time.Second)
		if r := s.ledger(rows[0].ID); r.State != store.Failed || !r.NotSent || !r.Retryable || r.Counts() {
			t.Errorf("orphaned: %+v", r)
		}
		s.expectTold("")
		if n := len(s.alipay.Calls()); n != 0 {
			t.Errorf("%d calls were made", n)
		}
		s.expect(s.refund(partly), 200, "succeeded")
		s.expectMoved("R1=8.88")
	})
}

// noSending is the store of a process that dies where a send is to be recorded.
type noSending struct{ store.Store }

func (noSending) Settle(context.Context, string, store.Settlement) (store.Refund, bool, error) {
	return store.Refund{}, false, errStoreDown
}

func (noSending) Sending(context.Context, string, store.Permission) (store.Attempt, error) {
	return store.Attempt{}, errStoreDown
}

// Two processes that run on one store do nothing twice.
func TestTwoRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		stop := s.run()
		defer stop()
		s.restart()
		stopOther := s.run()
		defer stopOther()
		const refunds = 40
		for i := range refunds {
			no := fmt.Sprint("T", i)
			s.alipay.AddTrade(alipaytest.Trade{OutTradeNo: no, Total: 10_00})
			kind := []alipaytest.FaultKind{alipaytest.LostRequest, alipaytest.LostAnswer}[i%2]
			s.alipay.Inject(alipaytest.Fault{Kind: kind}, alipaytest.Fault{Kind: alipaytest.LostAnswer, Method: gateway.MethodRefundQuery})
			s.expect(s.refund(fmt.Sprintf(`{"out_trade_no":%q,"refund_amount":10}`, no)), 202, "pending")
		}
		time.Sleep(2 * time.Minute)
		if n := len(s.alipay.Movements()); n != refunds {
			t.Errorf("money moved %d times", n)
		}
		if n := strings.Count(s.told(), "refund_succeeded"); n != refunds || len(s.events) != refunds {
			t.Errorf("%d events: %s", n, s.told())
		}
		// One question with the request, one by Run; half of them are sent again.
		if asked, sent := s.calls(gateway.MethodRefundQuery), s.calls(gateway.MethodTradeRefund); asked != 2*refunds || sent != refunds*3/2 {
			t.Errorf("%d questions and %d sends", asked, sent)
		}
	})
}

// Run that is stopped takes up nothing new, and finishes what it has begun.
func TestRunStopsCleanly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.trade()
		s.alipay.AddTrade(alipaytest.Trade{OutTradeNo: "T2"})
		stop := s.run()
		s.alipay.Inject(
			alipaytest.Fault{Kind: alipaytest.LostRequest},
			alipaytest.Fault{Kind: alipaytest.LostAnswer, Method: gateway.MethodRefundQuery},
		)
		r := s.refund(partly)
		s.expect(r, 202, "pending")
		s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.Slow, Method: gateway.MethodRefundQuery, Delay: 10 * time.Second})
		time.Sleep(17 * time.Second) // in the middle of the question
		if n := s.calls(gateway.MethodRefundQuery); n != 2 {
			t.Fatalf("%d questions", n)
		}
		began := time.Now()
		stop()
		if took := time.Since(began); took < time.Second || took > 10*time.Second {
			t.Errorf("it took %v to stop", took)
		}
		if r := s.ledger(r.str("id")); r.State != store.Succeeded {
			t.Errorf("what was begun is not finished: %s", r.State)
		}
		s.expectTold("refund_succeeded")
		s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest})
		s.expect(s.refund(`{"out_trade_no":"T2","refund_amount":100}`), 202, "pending")
		n := len(s.alipay.Calls())
		time.Sleep(time.Hour)
		if more := len(s.alipay.Calls()) - n; more != 0 {
			t.Errorf("%d calls after it was stopped", more)
		}
	})
}

// However much is due at once, Run works on a few, and is soon through.
func TestRunWorksOnAFewAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		const refunds = 100
		for i := range refunds {
			no := fmt.Sprint("T", i)
			s.alipay.AddTrade(alipaytest.Trade{OutTradeNo: no})
			s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer}, alipaytest.Fault{Kind: alipaytest.LostAnswer, Method: gateway.MethodRefundQuery})
			s.expect(s.refund(fmt.Sprintf(`{"out_trade_no":%q,"refund_amount":100}`, no)), 202, "pending")
		}
		time.Sleep(time.Hour)
		var now, most atomic.Int32
		s.config.HTTPClient = &http.Client{Transport: counting{s.alipay.HTTPClient().Transport, &now, &most}}
		s.restart()
		stop := s.run()
		defer stop()
		time.Sleep(10 * time.Second)
		if n := strings.Count(s.told(), "refund_succeeded"); n != refunds {
			t.Errorf("%d of %d settled in 10 s", n, refunds)
		}
		if n := most.Load(); n < 2 || n > 16 {
			t.Errorf("at most %d calls at once", n)
		}
	})
}

// counting takes a tenth of a second more for each request, and counts them.
type counting struct {
	http.RoundTripper
	now, most *atomic.Int32
}

func (c counting) RoundTrip(r *http.Request) (*http.Response, error) {
	n := c.now.Add(1)
	defer c.now.Add(-1)
	for most := c.most.Load(); n > most; most = c.most.Load() {
		c.most.CompareAndSwap(most, n)
	}
	time.Sleep(100 * time.Millisecond)
	return c.RoundTripper.RoundTrip(r)
}

// The refunds of one trade keep their distance, also when they are sent again.
func TestRunKeepsTheSpacing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.trade()
		const refunds = 8
		for i := range refunds {
			s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest})
			s.expect(s.refund(fmt.Sprintf(`{"out_trade_no":%q,"refund_amount":"1.00","out_request_no":"R%d"}`, order, i)), 202, "pending")
		}
		stop := s.run() // all are due at once
		defer stop()
		time.Sleep(10 * time.Minute)
		movements := s.alipay.Movements()
		if len(movements) != refunds {
			t.Errorf("%d of %d refunds moved", len(movements), refunds)
		}
		for _, m := range movements {
			if m.TooSoon {
				t.Errorf("%s came too soon", m.OutRequestNo)
			}
		}
		s.expectTold(strings.TrimSpace(strings.Repeat("refund_succeeded ", refunds)))
	})
}

// A refund that may be out stays unresolved if its order is too busy for it to
// be sent again.
func TestBusyOrderFailsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		order := &busy{}
		s := newShop(t, func(c *alirefund.Config) { order.Store, c.Store = c.Store, order })
		s.trade()
		s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest})
		r := s.refund(partly)
		s.expect(r, 202, "pending")
		time.Sleep(time.Minute)
		order.busy = true
		s.expect(s.refund(partly), 202, "pending") // not found, and no room to send it
		if got := s.ledger(r.str("id")); got.State != store.Pending || len(got.Unanswered) != 1 {
			t.Errorf("%s, unanswered %v", got.State, got.Unanswered)
		}
		order.busy = false
		s.expect(s.refund(partly), 200, "succeeded")
		s.expectMoved("R1=8.88")
	})
}

// busy is a store of whose orders other refunds are always being sent.
type busy struct {
	store.Store
	busy bool
}

func (b *busy) Sending(ctx context.Context, id string, p store.Permission) (store.Attempt, error) {
	if b.busy {
		return store.Attempt{Wait: time.Minute}, nil
	}
	return b.Store.Sending(ctx, id, p)
}

// Without Run nobody asks about what is unresolved: that is said once, loudly.
func TestRunThatWasNeverStarted(t *testing.T) {
	for _, started := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var log strings.Builder
			s := newShop(t, func(c *alirefund.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
			s.trade()
			if started {
				stop := s.run()
				defer stop()
				synctest.Wait()
			}
			for i := range 3 {
				s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest})
				s.expect(s.refund(fmt.Sprintf(`{"out_trade_no":%q,"refund_amount":"1.00","out_request_no":"R%d"}`, order, i)), 202, "pending")
				time.Sleep(3 * time.Second)
			}
			want := 1
			if started {
				want = 0
			}
			if n := strings.Count(log.String(), "level=ERROR"); n != want || strings.Count(log.String(), "Run was never started") != want {
				t.Errorf("%d errors in the log, want %d:\n%s", n, want, log.String())
			}
		})
	}
}
