package engine_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
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

// pruned is a store that is told what to forget, and finds something twice.
type pruned struct {
	store.Store
	asked []pruning
}

type pruning struct {
	app            string
	nodes, refunds time.Duration // how long they were kept; 0 for ever
}

func (p *pruned) Prune(_ context.Context, app string, nodes, refunds time.Time) (int, error) {
	kept := func(t time.Time) time.Duration {
		if t.IsZero() {
			return 0
		}
		return max(time.Since(t), 1)
	}
	p.asked = append(p.asked, pruning{app, kept(nodes), kept(refunds)})
	if len(p.asked)%3 == 0 {
		return 0, nil
	}
	return 1, nil
}

// Run forgets what the configuration says, in pieces until nothing is left, when
// it starts and every ten minutes.
func TestRunForgets(t *testing.T) {
	for _, want := range []pruning{{nodes: 24 * time.Hour, refunds: 48 * time.Hour}, {refunds: 72 * time.Hour}, {nodes: time.Hour}, {}} {
		synctest.Test(t, func(t *testing.T) {
			p := &pruned{}
			s := shoptest.NewShop(t, func(c *alirefund.Config) {
				p.Store, c.Store = c.Store, p
				c.Times.KeepAnswers, c.Times.KeepRefunds = want.nodes, want.refunds
			})
			want.app = s.Config.App.ID
			stop := s.Run()
			time.Sleep(25 * time.Minute)
			stop()
			if !slices.Equal(p.asked, slices.Repeat([]pruning{want}, 9)) {
				t.Errorf("asked to forget %v, want thrice three times %v", p.asked, want)
			}
		})
	}
}

// leftByCalls is what a call may leave unresolved, and what Run makes of it.
var leftByCalls = []struct {
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
}

// Whatever became of the call, Run finds out: nobody repeats the request or
// looks it up.
func TestRunSettlesWhatACallLeft(t *testing.T) {
	for _, c := range leftByCalls {
		for _, kind := range []string{"trade", "coupon"} {
			t.Run(c.fault.String()+"/"+kind, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := shoptest.NewShop(t)
					ask := func() shoptest.Reply { return s.Refund(shoptest.Partly) }
					call, query := gateway.MethodTradeRefund, gateway.MethodRefundQuery
					if kind == "coupon" {
						p := s.Alipay.AddRedPacket(alipaytest.RedPacket{})
						body := fmt.Sprintf(`{"auth_no":%q,"out_order_no":%q,"out_request_no":"R1","amount":8.88,"remark":"未领取"}`, p.AuthNo, p.OutOrderNo)
						ask = func() shoptest.Reply { return s.Coupon(body) }
						call, query = gateway.MethodCouponRefund, gateway.MethodCouponQuery
					} else {
						s.Trade()
					}
					stop := s.Run()
					defer stop()
					// The question that follows at once is lost as well.
					s.Alipay.Inject(alipaytest.Fault{Kind: c.fault}, alipaytest.Fault{Kind: alipaytest.LostAnswer, Method: query})
					r := ask()
					s.Expect(r, http.StatusAccepted, "pending")
					time.Sleep(9 * time.Second)
					if n := s.Calls(query); n != 1 {
						t.Errorf("%d questions within 9 s, want the first alone", n)
					}
					time.Sleep(9 * time.Second)
					if got := s.Ledger(r.Str("id")); got.State != store.Succeeded || !got.WasDelivered(store.RefundSucceeded) {
						t.Fatalf("it is %s after 18 s: %+v", got.State, got.History)
					}
					s.ExpectTold(c.events)
					s.ExpectMoved("R1=8.88")
					sends := s.CallsOf(call)
					if len(sends) != c.sends {
						t.Fatalf("sent %d times, want %d", len(sends), c.sends)
					}
					for _, again := range sends[1:] {
						if again.BizContent != sends[0].BizContent {
							t.Errorf("sent again with other content: %s, %s", sends[0].BizContent, again.BizContent)
						}
					}
					if questions := s.CallsOf(query); questions[1].At.Sub(sends[0].At) < 10*time.Second {
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
			s := shoptest.NewShop(t, func(c *alirefund.Config) { c.Times.FirstCheck = firstCheck })
			s.Trade()
			stop := s.Run()
			defer stop()
			s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest})
			s.Always(alipaytest.LostAnswer, gateway.MethodRefundQuery)
			r := s.Refund(shoptest.Partly)
			s.Expect(r, 202, "pending")
			time.Sleep(24*time.Hour - time.Minute)
			s.ExpectTold("")
			time.Sleep(2*time.Hour + time.Minute)
			s.ExpectTold("refund_unresolved")
			time.Sleep(24 * time.Hour)
			s.ExpectTold("refund_unresolved")

			pause := 10 * time.Second
			if firstCheck > 0 {
				pause = firstCheck
			}
			questions := s.CallsOf(gateway.MethodRefundQuery)
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
			if n := s.Calls(gateway.MethodTradeRefund); n != 1 {
				t.Errorf("sent %d times", n)
			}

			s.Alipay.InjectRandomly(0, 0)
			time.Sleep(2 * time.Hour)
			s.ExpectTold("refund_unresolved refund_succeeded")
			s.ExpectMoved("R1=8.88")
		})
	}
}

// What Alipay keeps answering with SYSTEM_ERROR is sent again, and ever more
// rarely too.
func TestRunSendsAgainEverMoreRarely(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		s.Trade()
		stop := s.Run()
		defer stop()
		s.Always(alipaytest.SystemErrorBefore, gateway.MethodTradeRefund)
		s.Expect(s.Refund(shoptest.Partly), 202, "pending")
		time.Sleep(24 * time.Hour)
		if n := s.Calls(gateway.MethodTradeRefund); n < 25 || n > 50 {
			t.Errorf("sent %d times in a day", n)
		}
		s.Alipay.InjectRandomly(0, 0)
		time.Sleep(2 * time.Hour)
		s.ExpectMoved("R1=8.88")
	})
}

// A hook that fails is called again after pauses that grow, and holds up nobody.
func TestRunDeliversAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mended atomic.Bool
		var tries []time.Time
		var s *shoptest.Shop
		s = shoptest.NewShop(t, func(c *alirefund.Config) {
			c.OnRefundSucceeded = func(_ context.Context, e alirefund.RefundSucceeded) error {
				if e.Refund.OutRequestNo == "R1" && !mended.Load() {
					tries = append(tries, time.Now())
					return shoptest.ErrHost
				}
				return s.Hook(store.RefundSucceeded, e.Refund)
			}
		})
		s.Trade()
		stop := s.Run()
		defer stop()
		r := s.Refund(shoptest.Partly)
		s.Expect(r, 200, "succeeded")
		if r.Body["delivered"] != false {
			t.Errorf("delivered, says %s", r.Text)
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
		s.Expect(s.Refund(`{"out_trade_no":"6823789339978248","refund_amount":"1.00","out_request_no":"R2"}`), 200, "succeeded")
		s.ExpectTold("refund_succeeded")
		if r := s.Ledger(r.Str("id")); r.State != store.Succeeded || r.Deliveries[0].Error != shoptest.ErrHost.Error() {
			t.Errorf("the record does not say what the hook said: %s, %+v", r.State, r.Deliveries)
		}
		// A person is told after a day, once.
		time.Sleep(30 * time.Hour)
		s.ExpectTold("refund_succeeded refund_unresolved")
		if reason := s.Ledger(r.Str("id")).Attention; !strings.Contains(reason, "refund_succeeded could not be delivered") {
			t.Errorf("attention %q", reason)
		}
		mended.Store(true)
		time.Sleep(2 * time.Hour)
		s.ExpectTold("refund_succeeded refund_unresolved refund_succeeded")
	})
}

// What is old is not overdue: the time counts from when the refund was opened
// again, or the event became due.
func TestRunDoesNotCountTheTimeBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		s.Trade()
		stop := s.Run()
		defer stop()
		s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "ACQ.SELLER_BALANCE_NOT_ENOUGH"})
		if r := s.Refund(shoptest.Partly); r.Str("code") != "alipay_refused" {
			t.Fatal(r.Text)
		}
		time.Sleep(48 * time.Hour)
		s.Always(alipaytest.LostAnswer, gateway.MethodRefundQuery)
		s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest})
		s.Expect(s.Refund(shoptest.Partly), 202, "pending")
		time.Sleep(time.Hour)
		s.ExpectTold("refund_failed") // unresolved for an hour
		s.Alipay.InjectRandomly(0, 0)
		s.HookFails(store.RefundSucceeded, shoptest.ErrHost)
		time.Sleep(3 * time.Hour)
		s.ExpectMoved("R1=8.88")
		s.ExpectTold("refund_failed") // undelivered for some hours
		time.Sleep(24 * time.Hour)
		s.ExpectTold("refund_failed refund_unresolved")
	})
}

// A refund that was recorded and never sent was promised to nobody: it becomes
// not sent, which is no failure to tell of, and the same request sends it.
func TestRunOrphans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		s.Trade()
		memory := s.Config.Store
		s.Config.Store = &noSending{Store: memory}
		s.Apart()
		r := s.Refund(shoptest.Partly)
		if r.Status != 503 || r.Str("code") != "nothing_sent" {
			t.Fatalf("%d %s", r.Status, r.Text)
		}
		rows, err := memory.List(t.Context(), shoptest.StoreFilter(s))
		if err != nil || len(rows) != 1 || rows[0].State != store.Pending {
			t.Fatalf("%+v, %v", rows, err)
		}
		s.Config.Store = memory
		s.Restart()
		stop := s.Run()
		defer stop()
		time.Sleep(50 * time.Second)
		if r := s.Ledger(rows[0].ID); r.State != store.Pending {
			t.Errorf("taken up before its minute is over: %+v", r)
		}
		time.Sleep(20 * time.Second)
		if r := s.Ledger(rows[0].ID); r.State != store.Failed || !r.NotSent || !r.Retryable || r.Counts() {
			t.Errorf("orphaned: %+v", r)
		}
		s.ExpectTold("")
		if n := len(s.Alipay.Calls()); n != 0 {
			t.Errorf("%d calls were made", n)
		}
		s.Expect(s.Refund(shoptest.Partly), 200, "succeeded")
		s.ExpectMoved("R1=8.88")
	})
}

// noSending is the store of a process that dies where a send is to be recorded.
type noSending struct{ store.Store }

func (noSending) Settle(context.Context, string, store.Settlement) (store.Refund, bool, error) {
	return store.Refund{}, false, shoptest.ErrStoreDown
}

func (noSending) Sending(context.Context, string, store.Permission) (store.Attempt, error) {
	return store.Attempt{}, errors.Join(store.ErrNotWritten, shoptest.ErrStoreDown)
}

// Two processes that run on one store do nothing twice.
func TestTwoRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		stop := s.Run()
		defer stop()
		s.Restart()
		stopOther := s.Run()
		defer stopOther()
		const refunds = 40
		for i := range refunds {
			no := fmt.Sprint("T", i)
			s.Alipay.AddTrade(alipaytest.Trade{OutTradeNo: no, Total: 10_00})
			kind := []alipaytest.FaultKind{alipaytest.LostRequest, alipaytest.LostAnswer}[i%2]
			s.Alipay.Inject(alipaytest.Fault{Kind: kind}, alipaytest.Fault{Kind: alipaytest.LostAnswer, Method: gateway.MethodRefundQuery})
			s.Expect(s.Refund(fmt.Sprintf(`{"out_trade_no":%q,"refund_amount":10}`, no)), 202, "pending")
		}
		time.Sleep(2 * time.Minute)
		if n := len(s.Alipay.Movements()); n != refunds {
			t.Errorf("money moved %d times", n)
		}
		if n := strings.Count(s.Told(), "refund_succeeded"); n != refunds || len(s.Events) != refunds {
			t.Errorf("%d events: %s", n, s.Told())
		}
		// One question with the request, one by Run; half of them are sent again.
		if asked, sent := s.Calls(gateway.MethodRefundQuery), s.Calls(gateway.MethodTradeRefund); asked != 2*refunds || sent != refunds*3/2 {
			t.Errorf("%d questions and %d sends", asked, sent)
		}
	})
}

// Run that is stopped takes up nothing new, and finishes what it has begun.
func TestRunStopsCleanly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		s.Trade()
		s.Alipay.AddTrade(alipaytest.Trade{OutTradeNo: "T2"})
		stop := s.Run()
		s.Alipay.Inject(
			alipaytest.Fault{Kind: alipaytest.LostRequest},
			alipaytest.Fault{Kind: alipaytest.LostAnswer, Method: gateway.MethodRefundQuery},
		)
		r := s.Refund(shoptest.Partly)
		s.Expect(r, 202, "pending")
		s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.Slow, Method: gateway.MethodRefundQuery, Delay: 10 * time.Second})
		time.Sleep(17 * time.Second) // in the middle of the question
		if n := s.Calls(gateway.MethodRefundQuery); n != 2 {
			t.Fatalf("%d questions", n)
		}
		began := time.Now()
		stop()
		if took := time.Since(began); took < time.Second || took > 10*time.Second {
			t.Errorf("it took %v to stop", took)
		}
		if r := s.Ledger(r.Str("id")); r.State != store.Succeeded {
			t.Errorf("what was begun is not finished: %s", r.State)
		}
		s.ExpectTold("refund_succeeded")
		s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest})
		s.Expect(s.Refund(`{"out_trade_no":"T2","refund_amount":100}`), 202, "pending")
		n := len(s.Alipay.Calls())
		time.Sleep(time.Hour)
		if more := len(s.Alipay.Calls()) - n; more != 0 {
			t.Errorf("%d calls after it was stopped", more)
		}
	})
}

// However much is due at once, Run works on a few, and is soon through.
func TestRunWorksOnAFewAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		const refunds = 100
		for i := range refunds {
			no := fmt.Sprint("T", i)
			s.Alipay.AddTrade(alipaytest.Trade{OutTradeNo: no})
			s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer}, alipaytest.Fault{Kind: alipaytest.LostAnswer, Method: gateway.MethodRefundQuery})
			s.Expect(s.Refund(fmt.Sprintf(`{"out_trade_no":%q,"refund_amount":100}`, no)), 202, "pending")
		}
		time.Sleep(time.Hour)
		var now, most atomic.Int32
		s.Config.HTTPClient = &http.Client{Transport: counting{s.Alipay.HTTPClient().Transport, &now, &most}}
		s.Restart()
		stop := s.Run()
		defer stop()
		time.Sleep(10 * time.Second)
		if n := strings.Count(s.Told(), "refund_succeeded"); n != refunds {
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
		s := shoptest.NewShop(t)
		s.Trade()
		const refunds = 8
		for i := range refunds {
			s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest})
			s.Expect(s.Refund(fmt.Sprintf(`{"out_trade_no":%q,"refund_amount":"1.00","out_request_no":"R%d"}`, shoptest.Order, i)), 202, "pending")
		}
		stop := s.Run() // all are due at once
		defer stop()
		time.Sleep(10 * time.Minute)
		movements := s.Alipay.Movements()
		if len(movements) != refunds {
			t.Errorf("%d of %d refunds moved", len(movements), refunds)
		}
		for _, m := range movements {
			if m.TooSoon {
				t.Errorf("%s came too soon", m.OutRequestNo)
			}
		}
		s.ExpectTold(strings.TrimSpace(strings.Repeat("refund_succeeded ", refunds)))
	})
}

// A refund that may be out stays unresolved if its order is too busy for it to
// be sent again.
func TestBusyOrderFailsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		s.Trade()
		s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest})
		r := s.Refund(shoptest.Partly)
		s.Expect(r, 202, "pending")
		time.Sleep(time.Minute)
		ledger, others := s.Config.Store, 0
		var busy atomic.Bool
		busy.Store(true)
		s.Around(func(ctx context.Context, c shoptest.Call, call func() error) error {
			if c.Name == "Sending" && busy.Load() { // another process is quicker every time
				another := store.Refund{
					Kind: store.Trade, App: s.Config.App.ID, OutTradeNo: shoptest.Order, OutRequestNo: "R2", Amount: 1_00,
					State: store.Pending, Origin: store.FromRequest, Request: `{}`,
				}.Identify()
				if _, _, err := ledger.Open(ctx, another, store.Limit{}, nil); err != nil {
					t.Error(err)
				}
				a, err := ledger.Sending(ctx, another.ID, store.Permission{Attempts: others, Lease: time.Millisecond})
				if others++; err != nil || a.Number != others {
					t.Error("the other refund is not sent:", a, err)
				}
			}
			return call()
		})
		s.Expect(s.Refund(shoptest.Partly), 202, "pending") // not found, and no room to send it
		if got := s.Ledger(r.Str("id")); got.State != store.Pending || len(got.Unanswered) != 1 {
			t.Errorf("%s, unanswered %v", got.State, got.Unanswered)
		}
		busy.Store(false)
		time.Sleep(time.Minute)
		s.Expect(s.Refund(shoptest.Partly), 200, "succeeded")
		s.ExpectMoved("R1=8.88")
	})
}

// Without Run nobody asks about what is unresolved: that is said once, loudly.
func TestRunThatWasNeverStarted(t *testing.T) {
	for _, started := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var log strings.Builder
			s := shoptest.NewShop(t, func(c *alirefund.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
			s.Trade()
			if started {
				stop := s.Run()
				defer stop()
				synctest.Wait()
			}
			for i := range 3 {
				s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest})
				s.Expect(s.Refund(fmt.Sprintf(`{"out_trade_no":%q,"refund_amount":"1.00","out_request_no":"R%d"}`, shoptest.Order, i)), 202, "pending")
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

// Run takes no more than it has room for: what it took and does not work on,
// nobody else could.
func TestRunTakesNoMoreThanItHasRoomFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		const refunds = 40
		for i := range refunds {
			no := fmt.Sprint("T", i)
			s.Alipay.AddTrade(alipaytest.Trade{OutTradeNo: no})
			s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer}, alipaytest.Fault{Kind: alipaytest.LostAnswer, Method: gateway.MethodRefundQuery})
			s.Expect(s.Refund(fmt.Sprintf(`{"out_trade_no":%q,"refund_amount":100}`, no)), 202, "pending")
		}
		time.Sleep(time.Hour)
		s.Alipay.InjectRandomly(1, 1, alipaytest.Fault{Kind: alipaytest.Slow, Method: gateway.MethodRefundQuery, Delay: 10 * time.Second})
		stop := s.Run()
		defer stop()
		time.Sleep(5 * time.Second)
		left, err := s.Config.Store.Due(t.Context(), s.Config.App.ID, time.Minute, refunds, false)
		if err != nil || len(left) != refunds-16 {
			t.Errorf("%d of %d are left for others, %v", len(left), refunds, err)
		}
		s.Alipay.InjectRandomly(0, 0)
	})
}

// A store that is down for long is tried ever more rarely, and fills no log.
func TestRunWhileTheStoreIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		var tries atomic.Int64
		down.Store(true)
		due := func(_ context.Context, c shoptest.Call, call func() error) error {
			if c.Name != "Due" {
				return call()
			}
			tries.Add(1)
			if down.Load() {
				return shoptest.ErrStoreDown
			}
			return call()
		}
		var log bytes.Buffer
		s := shoptest.NewShop(t, func(c *alirefund.Config) {
			c.Store = &shoptest.FaultStore{Store: c.Store, Around: due}
			c.Logger = slog.New(slog.NewTextHandler(&log, nil))
		})
		stop := s.Run()
		time.Sleep(time.Hour)
		if n := tries.Load(); n < 120 || n > 130 {
			t.Errorf("tried %d times in an hour; every 30 s is wanted", n)
		}
		down.Store(false)
		time.Sleep(time.Minute)
		down.Store(true)
		time.Sleep(time.Minute)
		stop()
		if failed, again := strings.Count(log.String(), "could not be read"), strings.Count(log.String(), "can be read again"); failed != 2 || again != 1 {
			t.Errorf("the log says %d times that it fails and %d times that it is back:\n%s", failed, again, log.String())
		}
	})
}

// What a person looks for afterwards is one line each, and tells no more of the
// refund than its numbers.
func TestWhatHappensIsLogged(t *testing.T) {
	var log bytes.Buffer
	s := shoptest.NewShop(t, func(c *alirefund.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	s.Trade()
	s.Expect(s.Refund(shoptest.Partly), 200, "succeeded")
	s.Expect(s.Refund(shoptest.Partly), 200, "succeeded")
	for _, line := range []string{"a refund is recorded", "a refund is settled", "an event is delivered"} {
		if strings.Count(log.String(), "level=INFO msg=\""+line+"\" refund=rf_") != 1 {
			t.Errorf("%q is not logged once:\n%s", line, log.String())
		}
	}
	if strings.Count(log.String(), "\n") != 3 {
		t.Errorf("more is logged:\n%s", log.String())
	}
}

// Hooks that hang hold up no question about money.
func TestHooksThatHangHoldUpNoQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var hang atomic.Bool
		s := shoptest.NewShop(t, func(c *alirefund.Config) {
			c.OnRefundSucceeded = func(ctx context.Context, _ alirefund.RefundSucceeded) error {
				if !hang.Load() {
					return shoptest.ErrHost
				}
				time.Sleep(10 * time.Second)
				return ctx.Err()
			}
		})
		refund := func(i, status int, state string) string {
			no := fmt.Sprint("T", i)
			s.Alipay.AddTrade(alipaytest.Trade{OutTradeNo: no})
			r := s.Refund(fmt.Sprintf(`{"out_trade_no":%q,"refund_amount":100}`, no))
			s.Expect(r, status, state)
			return r.Str("id")
		}
		for i := range 160 {
			refund(i, 200, "succeeded")
		}
		hang.Store(true)
		time.Sleep(time.Hour)
		s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer}, alipaytest.Fault{Kind: alipaytest.LostAnswer, Method: gateway.MethodRefundQuery})
		id := refund(160, 202, "pending")
		stop := s.Run()
		defer stop()
		time.Sleep(17 * time.Second) // its question is due after 10 to 15 s
		if r := s.Ledger(id); r.State != store.Succeeded {
			t.Errorf("after 17 s it is %s", r.State)
		}
	})
}

// As soon as one refund has been asked about, the next is taken up.
func TestRunTakesUpTheNextAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		var going atomic.Bool
		s.Voice(func(method string, params url.Values) string {
			if method != gateway.MethodRefundQuery || !going.Load() {
				return shoptest.Lost
			}
			time.Sleep(100 * time.Millisecond)
			var asked struct {
				OutTradeNo   string `json:"out_trade_no"`
				OutRequestNo string `json:"out_request_no"`
			}
			_ = json.Unmarshal([]byte(params.Get("biz_content")), &asked)
			return fmt.Sprintf(`{"code":"10000","out_trade_no":%q,"out_request_no":%q,"refund_status":"REFUND_SUCCESS","refund_amount":"1.00"}`, asked.OutTradeNo, asked.OutRequestNo)
		})
		for n := range 160 {
			s.Expect(s.Refund(fmt.Sprintf(`{"out_trade_no":"T%d","refund_amount":"1.00"}`, n)), 202, "pending")
		}
		time.Sleep(time.Hour)
		going.Store(true)
		defer s.Run()()
		time.Sleep(4 * time.Second)
		if n := len(strings.Fields(s.Told())); n != 160 {
			t.Errorf("%d of 160 are settled and told", n)
		}
	})
}
