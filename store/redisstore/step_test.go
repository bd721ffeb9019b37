package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/store"
	"github.com/alirefund/alirefund/store/redisstore"
)

func trade(order, number string) store.Refund {
	return store.Refund{
		Kind: store.Trade, App: "app", OutTradeNo: order, OutRequestNo: number,
		Amount: 1_00, Origin: store.FromRequest, State: store.Pending,
	}.Identify()
}

func mustOpen(t testing.TB, s *redisstore.Store, r store.Refund) store.Refund {
	t.Helper()
	r, opened, err := s.Open(t.Context(), r, store.Limit{}, nil)
	if err != nil || opened.How != store.Created {
		t.Fatalf("Open = %+v, %v", opened, err)
	}
	return r
}

// A step writes all of its parts, or none, and is written once however often it is sent.
func TestStep(t *testing.T) {
	client := server(t)
	success := func(was store.Refund, now time.Time) store.Refund {
		r, _ := was.Apply(store.Settlement{Source: store.ByNotice, Finding: store.Success}, now)
		return r
	}
	admit := func(was store.Refund, now time.Time) store.Refund {
		r, _, _ := store.Admit(nil, was, store.OrderState{}, store.Limit{}, nil, now)
		r.BeginSend(store.Permission{Lease: time.Minute}, time.Time{}, now)
		return r
	}
	limit := func(fen money.Amount) *store.Limit { return &store.Limit{Total: fen, Known: true} }
	for _, test := range []struct {
		name   string
		before func(t *testing.T, s *redisstore.Store) string // returns a claim's token
		change func(store.Refund, time.Time) store.Refund
		parts  redisstore.Parts
		word   string
		owned  bool
		claim  string // what becomes of the claim "key"
	}{
		{name: "opened and sent", change: admit, parts: redisstore.Parts{Total: limit(1_00), Spacing: time.Minute}, word: "written", claim: "free"},
		{name: "not opened over the total", change: admit, parts: redisstore.Parts{Total: limit(99), Spacing: time.Minute}, word: "over", claim: "free"},
		{name: "not opened so soon after another", before: sentJustNow, change: admit, parts: redisstore.Parts{Total: limit(2_00), Spacing: time.Minute}, word: "spaced", claim: "free"},
		{name: "settled and claimed", before: recorded, change: success, parts: redisstore.Parts{Claim: "key"}, word: "written", claim: "held"},
		{name: "not settled where another claimed", before: claimed(time.Minute), change: success, parts: redisstore.Parts{Claim: "key"}, word: "held", claim: "held"},
		{name: "settled where another's lease ran out", before: claimed(0), change: success, parts: redisstore.Parts{Claim: "key"}, word: "written", claim: "held"},
		{name: "not settled where it is done", before: completed, change: success, parts: redisstore.Parts{Claim: "key"}, word: "done", claim: "done"},
		{name: "delivered and completed", before: claimed(time.Minute), change: success, parts: redisstore.Parts{Complete: [2]string{"key", "token"}}, word: "written", owned: true, claim: "done"},
		{name: "delivered, and another's claim stays", before: claimed(time.Minute), change: success, parts: redisstore.Parts{Complete: [2]string{"key", "another's"}}, word: "written", claim: "held"},
		{name: "changed meanwhile", before: recorded, change: success, parts: redisstore.Parts{Claim: "key"}, word: "changed", claim: "free"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, prefix := open(t, client)
			r := trade("order", "number")
			if test.before != nil {
				if token := test.before(t, s); test.parts.Complete[1] == "token" {
					test.parts.Complete[1] = token
				}
			}
			change := test.change
			if test.word == "changed" {
				change = func(was store.Refund, now time.Time) store.Refund {
					if _, err := s.Redeliver(t.Context(), r.ID, store.RefundUnresolved, ""); err != nil {
						t.Error(err)
					}
					if _, _, err := s.Settle(t.Context(), r.ID, store.Settlement{Source: store.ByQuery}); err != nil {
						t.Error(err)
					}
					return test.change(was, now)
				}
			}
			before := everything(t, client, prefix)
			word, owned, err := s.StepWith(t.Context(), r, change, test.parts, 2)
			if err != nil || word != test.word || owned != test.owned {
				t.Errorf("it is %s, owned %v, %v; want %s, %v", word, owned, err, test.word, test.owned)
			}
			after := everything(t, client, prefix)
			if test.word != "written" && test.word != "changed" && !reflect.DeepEqual(before, after) {
				t.Errorf("%s, and from\n%v\nit became\n%v", word, before, after)
			}
			if got, err := s.Get(t.Context(), r.ID); test.word == "written" && (err != nil || got.State != store.Succeeded && got.Attempts != 1) {
				t.Errorf("written, and it is %+v, %v", got, err)
			}
			agree(t, s, client, prefix)
			token, done, err := s.Claim(t.Context(), "key", time.Minute)
			if is := map[[2]bool]string{{true, false}: "free", {false, false}: "held", {false, true}: "done"}[[2]bool{token != "", done}]; err != nil || is != test.claim {
				t.Errorf("the claim is %s, %v; want %s", is, err, test.claim)
			}
		})
	}
}

func recorded(t *testing.T, s *redisstore.Store) string {
	mustOpen(t, s, trade("order", "number"))
	return ""
}

func sentJustNow(t *testing.T, s *redisstore.Store) string {
	other := mustOpen(t, s, trade("order", "other"))
	if a, err := s.Sending(t.Context(), other.ID, store.Permission{Lease: time.Minute}); err != nil || a.Token == "" {
		t.Fatal(a, err)
	}
	return ""
}

func claimed(lease time.Duration) func(*testing.T, *redisstore.Store) string {
	return func(t *testing.T, s *redisstore.Store) string {
		recorded(t, s)
		token, _, err := s.Claim(t.Context(), "key", lease)
		if err != nil || token == "" {
			t.Fatal(err)
		}
		return token
	}
}

func completed(t *testing.T, s *redisstore.Store) string {
	token := claimed(time.Minute)(t, s)
	if held, err := s.Complete(t.Context(), "key", token, time.Minute); err != nil || !held {
		t.Fatal(held, err)
	}
	return ""
}

// everything returns what Redis keeps of a store.
func everything(t testing.TB, client redis.UniversalClient, prefix string) map[string]any {
	all := map[string]any{}
	for _, key := range keys(t, client, prefix) {
		var err error
		if client.Type(t.Context(), key).Val() == "hash" {
			all[key], err = client.HGetAll(t.Context(), key).Result()
		} else {
			all[key], err = client.ZRangeWithScores(t.Context(), key, 0, -1).Result()
		}
		if err != nil {
			t.Error(err)
		}
	}
	return all
}

// agree expects that each refund is in its sets, with its score, and that the sets hold
// nothing else, but its application among all; and that each order has reserved what its refunds count.
func agree(t testing.TB, s *redisstore.Store, client redis.UniversalClient, prefix string) {
	t.Helper()
	want, is := map[string]int64{}, map[string]int64{}
	reserved, sums := map[string]string{}, map[string]money.Amount{}
	known := map[string]bool{} // the applications, whose scores are when their turn was
	for key, value := range everything(t, client, prefix) {
		_, name, _ := strings.Cut(key, "}:")
		kind, id, _ := strings.Cut(name, ":")
		switch value := value.(type) {
		case []redis.Z:
			for _, z := range value {
				is[key+" "+z.Member.(string)] = int64(z.Score)
			}
		case map[string]string:
			switch kind {
			case "order":
				reserved[id] = value["reserved"]
			case "refund":
				r, err := s.Get(t.Context(), id)
				if err != nil {
					t.Fatal(err)
				}
				for set, score := range s.Sets(r) {
					want[set+" "+id] = score
				}
				known["{"+prefix+"}:apps "+r.App] = true
				if r.Counts() {
					sums[r.OrderID] += r.Amount
				}
			}
		}
	}
	for app := range known {
		if _, some := is[app]; !some {
			t.Errorf("%s is not among the applications", app)
		}
		delete(is, app)
	}
	if !maps.Equal(is, want) {
		t.Errorf("the sets hold\n%v\nand should hold\n%v", is, want)
	}
	for order, sum := range sums {
		if reserved[order] != fmt.Sprint(int64(sum)) {
			t.Errorf("%s has reserved %s, and its refunds count %d", order, reserved[order], int64(sum))
		}
	}
}

// Whatever many do at once, the sets and the orders agree with the refunds.
func TestSetsAgreeWithTheRefunds(t *testing.T) {
	client := server(t)
	s, prefix := open(t, client)
	const orderTotal = 20_00
	var wg sync.WaitGroup
	var done atomic.Int64
	for worker := range 8 {
		wg.Go(func() {
			dice := rand.New(rand.NewPCG(7, uint64(worker)))
			for range 150 {
				if err := anything(t.Context(), s, dice, orderTotal); err != nil {
					t.Error(err)
					return
				}
				done.Add(1)
			}
		})
	}
	wg.Wait()
	agree(t, s, client, prefix)
	list, err := s.List(t.Context(), store.Filter{App: "app", Limit: 1000})
	if err != nil || len(list) < 20 {
		t.Errorf("%d refunds, %v", len(list), err)
	}
	states := map[store.State]int{}
	for _, r := range list {
		states[r.State]++
	}
	t.Logf("%d steps, %v", done.Load(), states)
	if len(states) != 3 {
		t.Errorf("some state was not reached: %v", states)
	}
	if n, err := s.Prune(t.Context(), "app", later(), later()); err != nil || n == 0 {
		t.Errorf("Prune = %d, %v", n, err)
	}
}

func later() time.Time { return time.Now().Add(time.Hour) }

// anything does something to some refund.
func anything(ctx context.Context, s *redisstore.Store, dice *rand.Rand, total money.Amount) error {
	r := trade(fmt.Sprint("order", dice.IntN(3)), fmt.Sprint(dice.IntN(25)))
	var err error
	switch dice.IntN(6) {
	case 0, 1:
		_, _, err = s.Open(ctx, r, store.Limit{Total: total, Known: true}, nil)
	case 2:
		var was store.Refund
		if was, err = s.Get(ctx, r.ID); err == nil {
			var a store.Attempt
			if a, err = s.Sending(ctx, r.ID, store.Permission{Attempts: was.Attempts, Lease: time.Minute}); err == nil && a.Token != "" {
				_, _, err = s.Settle(ctx, r.ID, store.Settlement{
					Source: store.ByAnswer, Attempt: a.Number, Token: a.Token,
					Finding: store.Refusal, Retryable: dice.IntN(2) == 0, Answer: `{"code":"40004"}`,
				})
			}
		}
	case 3:
		_, _, err = s.Settle(ctx, r.ID, store.Settlement{
			Source: store.ByQuery, TradeNo: "trade", Answer: `{"code":"10000"}`,
			Finding: []store.Finding{store.Unknown, store.Success}[dice.IntN(2)],
		})
	case 4:
		var token string
		event := []store.Event{store.RefundSucceeded, store.RefundFailed}[dice.IntN(2)]
		if token, _, err = s.Deliver(ctx, r.ID, event, time.Minute); err == nil && token != "" {
			_, _, err = s.Delivered(ctx, r.ID, event, token, store.Notice{})
		}
	case 5:
		_, err = s.Due(ctx, "app", time.Millisecond, 3, dice.IntN(2) == 0)
	}
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

// A client that loses the answer sends the step again. It is written once, and the caller
// hears what came of it.
func TestAnswersThatAreLost(t *testing.T) {
	options := *server(t).Options()
	var lose atomic.Bool
	var lost atomic.Int64
	options.Dialer = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, network, address)
		return &leaky{Conn: c, lose: &lose, lost: &lost}, err
	}
	client := redis.NewClient(&options)
	t.Cleanup(func() { _ = client.Close() })
	s, prefix := open(t, client)
	losing := func(what string, do func() (bool, error)) {
		t.Helper()
		before := lost.Load()
		lose.Store(true)
		if did, err := do(); err != nil || !did {
			t.Errorf("%s: %v, %v", what, did, err)
		}
		if lost.Load() == before {
			t.Errorf("%s: no answer was lost", what)
		}
	}
	mustOpen(t, s, trade("order", "first")) // and so the scripts are known
	id := trade("order", "number").ID
	losing("Open", func() (bool, error) {
		_, opened, err := s.Open(t.Context(), trade("order", "number"), store.Limit{Total: 2_00, Known: true}, nil)
		return opened.How == store.Created, err
	})
	losing("Sending", func() (bool, error) {
		attempt, err := s.Sending(t.Context(), id, store.Permission{Lease: time.Minute, Spacing: time.Second})
		return attempt.Token != "", err
	})
	losing("Settle", func() (bool, error) {
		_, settled, err := s.Settle(t.Context(), id, store.Settlement{Source: store.ByQuery, Finding: store.Success})
		return settled, err
	})
	var token string
	losing("Deliver", func() (_ bool, err error) {
		token, _, err = s.Deliver(t.Context(), id, store.RefundSucceeded, time.Minute)
		return token != "", err
	})
	losing("Delivered", func() (bool, error) {
		held, _, err := s.Delivered(t.Context(), id, store.RefundSucceeded, token, store.Notice{})
		return held, err
	})
	losing("Claim", func() (bool, error) {
		token, _, err := s.Claim(t.Context(), "key", time.Minute)
		return token != "", err
	})
	agree(t, s, client, prefix)
	if r, err := s.Get(t.Context(), id); err != nil || r.Attempts != 1 || len(r.History) != 4 {
		t.Errorf("it is %+v, %v", r, err)
	}
}

// leaky is a connection that breaks before the answer to a step arrives.
type leaky struct {
	net.Conn
	lose   *atomic.Bool
	lost   *atomic.Int64
	broken bool
}

func (l *leaky) Write(b []byte) (int, error) {
	step := strings.Contains(string(b), `"row"`) || strings.Contains(string(b), `"claim"`)
	l.broken = l.broken || step && l.lose.CompareAndSwap(true, false)
	return l.Conn.Write(b)
}

func (l *leaky) Read(b []byte) (int, error) {
	n, err := l.Conn.Read(b)
	if l.broken { // and the server has done it
		l.lost.Add(1)
		_ = l.Close()
		return 0, io.EOF
	}
	return n, err
}

// Without a server nothing is written, for certain: whoever asked may be told so.
func TestNothingIsWrittenWithoutAServer(t *testing.T) {
	client := server(t)
	s, err := redisstore.New(client)
	if err != nil {
		t.Fatal(err)
	}
	_ = client.Close()
	if _, _, err := s.Open(t.Context(), trade("order", "number"), store.Limit{}, nil); !errors.Is(err, store.ErrNotWritten) {
		t.Errorf("Open: %v", err)
	}
	if _, err := s.Sending(t.Context(), "rf_x", store.Permission{Lease: time.Minute}); !errors.Is(err, store.ErrNotWritten) {
		t.Errorf("Sending: %v", err)
	}
}
