package engine_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/engine"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/internal/shoptest"
	"github.com/alirefund/alirefund/store"
)

// watcher is an Observer that notes what it is told: an operation when it ends, by the
// way down to it.
type watcher struct {
	mu      sync.Mutex
	ended   []string
	changes []engine.Change
	seen    []engine.Operation
	how     []engine.Ended
}

type within struct{}

func (w *watcher) Begin(ctx context.Context, op engine.Operation) (context.Context, func(engine.Ended)) {
	path := string(op.Op)
	if outer, ok := ctx.Value(within{}).(string); ok {
		path = outer + ">" + path
	}
	return context.WithValue(ctx, within{}, path), func(how engine.Ended) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.ended = append(w.ended, strings.Join(strings.Fields(fmt.Sprintf("%s %s %s %s %s", path, op.Hook, op.Lease, how.Outcome, how.Reason)), " "))
		w.seen, w.how = append(w.seen, op), append(w.how, how)
	}
}

func (w *watcher) Changed(_ context.Context, c engine.Change) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.changes = append(w.changes, c)
}

// told expects what was ended since the last call, rounds of Run and clocks aside, in
// the order of its ends.
func (w *watcher) told(t *testing.T, want ...string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	got := slices.DeleteFunc(w.ended, func(line string) bool { return strings.HasPrefix(line, "round") })
	if !slices.Equal(got, want) {
		t.Errorf("told:\n  %s\nwant:\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
	w.ended = nil
}

func (w *watcher) of(op engine.Op) (found []engine.Ended) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for n, seen := range w.seen {
		if seen.Op == op {
			found = append(found, w.how[n])
		}
	}
	return found
}

func watched(t *testing.T, change ...func(*alirefund.Config)) (*shoptest.Shop, *watcher) {
	w := &watcher{}
	return shoptest.NewShop(t, append(change, func(c *alirefund.Config) { c.Observer = w })...), w
}

// What is done is told from the outside in, and the host's hooks run within.
func TestObserverIsToldTheWay(t *testing.T) {
	s, w := watched(t)
	var inHook any
	s.Config.OnRefundSucceeded = func(ctx context.Context, _ alirefund.RefundSucceeded) error {
		inHook = ctx.Value(within{})
		return nil
	}
	s.Restart()
	s.Trade()
	r := s.Refund(shoptest.Partly)
	s.Expect(r, 200, "succeeded")
	w.told(t, "refund>send ok", "refund>settle succeeded", "refund>hook refund_succeeded ok", "refund succeeded")
	if inHook != "refund>hook" {
		t.Errorf("the hook runs within %v", inHook)
	}
	op := w.seen[0]
	if op.App != s.Config.App.ID || op.Kind != store.Trade || op.Method != gateway.MethodTradeRefund ||
		op.Refund != r.Str("id") || op.Order != shoptest.Order || op.Number != "R1" {
		t.Errorf("the send: %+v", op)
	}
	if len(w.changes) != 2 || w.changes[0].From != "" || w.changes[0].To != store.Pending || w.changes[1].From != store.Pending ||
		w.changes[1].To != store.Succeeded || w.changes[1].Source != store.ByAnswer || w.changes[1].Refund != r.Str("id") {
		t.Errorf("changes: %+v", w.changes)
	}

	s.Notice(s.Payment())
	w.told(t, "notice>hook notification ok", "notice handled")
	s.Notice(s.Payment())
	w.told(t, "notice known")
	s.Notice(strings.Replace(s.Payment(), "total_amount=88.88", "total_amount=99.99", 1))
	w.told(t, "notice refused signature")
}

func TestObserverIsToldWhatBecameOfARefund(t *testing.T) { synctest.Test(t, toldWhatBecame) }

func toldWhatBecame(t *testing.T) {
	s, w := watched(t, func(c *alirefund.Config) {
		c.BeforeRefund = func(_ context.Context, r store.Refund) error {
			if r.OutRequestNo == "vetoed" {
				return errors.New("four eyes")
			}
			return nil
		}
	})
	s.Trade()
	refund := func(number, amount string) {
		s.Refund(fmt.Sprintf(`{"out_trade_no":%q,"refund_amount":%q,"out_request_no":%q}`, shoptest.Order, amount, number))
	}
	refund("vetoed", "1.00")
	s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "ACQ.SELLER_BALANCE_NOT_ENOUGH"})
	refund("refused", "1.00")
	s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refused})
	refund("not sent", "1.00")
	w.told(t,
		"refund>hook BeforeRefund failed", "refund vetoed",
		"refund>hook BeforeRefund ok", "refund>send refused", "refund>settle failed", "refund>hook refund_failed ok", "refund failed",
		"refund>hook BeforeRefund ok", "refund>send not_sent", "refund>settle failed", "refund nothing_sent")
	other, unresolved := watched(t)
	other.Unresolved(alipaytest.LostAnswer)
	unresolved.told(t, "refund>send no_answer", "refund>settle pending", "refund>ask no_answer", "refund>settle pending", "refund unresolved")
	if c := w.changes[1]; c.SubCode != "ACQ.SELLER_BALANCE_NOT_ENOUGH" || c.NotSent || c.To != store.Failed {
		t.Errorf("of the refusal: %+v", c)
	}
	if c := w.changes[len(w.changes)-1]; c.SubCode != "" || !c.NotSent || c.To != store.Failed {
		t.Errorf("of what was not sent: %+v", c)
	}
	if sent := w.of(engine.OpSend)[0]; sent.Code != "40004" || sent.SubCode != "ACQ.SELLER_BALANCE_NOT_ENOUGH" {
		t.Errorf("the refusal: %+v", sent)
	}
}

// Run's work is told by refund, with the tries of its hook, and its rounds.
func TestObserverIsToldOfRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var by atomic.Int64
		by.Store(int64(6 * time.Second))
		s, w := watched(t, func(c *alirefund.Config) { c.Store = behind{store.NewMemory(), &by} })
		s.Trade()
		s.HookFails(store.RefundSucceeded, shoptest.ErrHost)
		s.Refund(shoptest.Partly)
		s.HookFails(store.RefundSucceeded, nil)
		w.told(t, "refund>send ok", "refund>settle succeeded", "refund>hook refund_succeeded failed", "refund succeeded")
		stop := s.Run()
		time.Sleep(time.Minute)
		synctest.Wait()
		stop()
		w.told(t, "clock off", "work>hook refund_succeeded ok", "work ok")
		hooks := slices.DeleteFunc(slices.Clone(w.seen), func(op engine.Operation) bool { return op.Op != engine.OpHook })
		if hooks[0].Again || !hooks[1].Again {
			t.Errorf("again: %+v", hooks)
		}
		if clock := w.of(engine.OpClock); clock[0].Ahead != 6*time.Second {
			t.Errorf("the clock: %+v", clock)
		}
		due := 0
		for _, round := range w.of(engine.OpRound) {
			due += round.Due
		}
		if rounds := len(w.of(engine.OpRound)); due != 1 || rounds < 50 || rounds > 70 {
			t.Errorf("%d rounds took up %d", rounds, due)
		}
	})
}

// notHeld is a store in which every lease is somebody else's when it is given back.
type notHeld struct{ store.Store }

func (n notHeld) Complete(ctx context.Context, key, token string, keep time.Duration) (bool, error) {
	_, err := n.Store.Complete(ctx, key, token, keep)
	return false, err
}

func (n notHeld) Delivered(ctx context.Context, id string, event store.Event, token string, done store.Notice) (held, completed bool, err error) {
	_, completed, err = n.Store.Delivered(ctx, id, event, token, done)
	return false, completed, err
}

func TestObserverIsToldOfLostLeases(t *testing.T) {
	s, w := watched(t, func(c *alirefund.Config) { c.Store = notHeld{store.NewMemory()} })
	s.Trade()
	s.Refund(shoptest.Partly)
	s.Notice(s.Payment())
	w.told(t, "refund>send ok", "refund>settle succeeded", "refund>hook refund_succeeded ok", "refund>lease delivery lost", "refund succeeded",
		"notice>hook notification ok", "notice>lease notification lost", "notice handled")
}

// What was refunded elsewhere is one change, from nothing to success.
func TestObserverIsToldOfRefundsFromElsewhere(t *testing.T) {
	s, w := watched(t)
	s.Trade()
	if _, err := s.Console().Do(t.Context(), gateway.MethodTradeRefund,
		gateway.TradeRefund{OutTradeNo: shoptest.Order, OutRequestNo: "R9", RefundAmount: 8_88}, gateway.Options{}); err != nil {
		t.Fatal(err)
	}
	s.Notice(s.Alipay.SignedNotice(shoptest.RefundNotice(map[string]string{"out_biz_no": "R9"})))
	if len(w.changes) != 1 || w.changes[0].From != "" || w.changes[0].To != store.Succeeded || w.changes[0].Origin != store.FromNotice {
		t.Errorf("changes: %+v", w.changes)
	}
	w.told(t, "notice>ask ok", "notice>hook refund_succeeded ok", "notice handled")
}

// broken is an Observer with a bug wherever it may have one.
type broken struct{ begins, ends bool }

func (b broken) Begin(ctx context.Context, _ engine.Operation) (context.Context, func(engine.Ended)) {
	if b.begins {
		panic("the observer's bug")
	}
	if !b.ends {
		return nil, nil
	}
	return ctx, func(engine.Ended) { panic("the observer's bug") }
}

func (broken) Changed(context.Context, engine.Change) { panic("the observer's bug") }

func TestBrokenObserverBreaksNothing(t *testing.T) {
	for _, b := range []broken{{begins: true}, {ends: true}, {}} {
		t.Run(fmt.Sprintf("%+v", b), func(t *testing.T) {
			var log shoptest.Log
			s := shoptest.NewShop(t, func(c *alirefund.Config) { c.Observer, c.Logger = b, slog.New(slog.NewTextHandler(&log, nil)) })
			s.Trade()
			r := s.Refund(shoptest.Partly)
			s.Expect(r, 200, "succeeded")
			if r.Body["delivered"] != true {
				t.Errorf("answered %s", r.Text)
			}
			s.ExpectMoved("R1=8.88")
			s.ExpectTold("refund_succeeded")
			if answer := s.Notice(s.Payment()); answer.Text != "success" {
				t.Errorf("the notice: %+v", answer)
			}
			if len(log.Lines("Config.Observer panicked")) == 0 {
				t.Error("nothing is logged")
			}
		})
	}
}

func TestBacklog(t *testing.T) {
	s, _ := watched(t)
	s.HookFails(store.RefundSucceeded, shoptest.ErrHost)
	s.Trade()
	s.Refund(shoptest.Partly)
	b, err := s.Module.Backlog(t.Context())
	if err != nil || b.Undelivered != 1 || b.Unresolved != 0 || b.Age() != 0 {
		t.Errorf("Backlog = %+v, %v", b, err)
	}
	s.Around(func(_ context.Context, _ shoptest.Call, call func() error) error { return call() })
	if _, err := s.Module.Backlog(t.Context()); !errors.Is(err, engine.ErrNoCounter) {
		t.Errorf("without a counter: %v", err)
	}
	s.Config.Store = uncounted{store.NewMemory()}
	s.Restart()
	if _, err := s.Module.Backlog(t.Context()); !errors.Is(err, engine.ErrStore) {
		t.Errorf("with a store that is down: %v", err)
	}
}

type uncounted struct{ *store.Memory }

func (uncounted) Count(context.Context, string) (store.Backlog, error) {
	return store.Backlog{}, shoptest.ErrStoreDown
}
