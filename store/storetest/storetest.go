// Package storetest is the contract of package store, runnable: a back-end that
// passes [Run] may keep refunds.
//
//	func TestContract(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) store.Store { return open(t) })
//	}
package storetest

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/store"
)

// Run runs the contract against the stores that open returns: an empty one for
// each test, which open closes by t.Cleanup. Stores that are a [store.Transactor],
// a [store.Pruner] or a [store.Counter] are tested as such too. It waits for leases of a fraction
// of a second by the real clock, about five seconds in all, and runs one test
// after the other.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	run(t, open, func(t *testing.T, test func(*testing.T)) { test(t) })
}

// RunInBubble is [Run] with each test in a bubble of testing/synctest, where
// leases cost no time. It is for back-ends without sockets and without
// goroutines that last.
func RunInBubble(t *testing.T, open func(t *testing.T) store.Store) {
	run(t, open, synctest.Test)
}

func run(t *testing.T, open func(*testing.T) store.Store, in func(*testing.T, func(*testing.T))) {
	for _, group := range []struct {
		name  string
		tests []test
	}{
		{"Claims", claimsTests},
		{"Open", openTests},
		{"Reservation", reservationTests},
		{"Send", sendTests},
		{"First", firstTests},
		{"Approval", approvalTests},
		{"Promise", promiseTests},
		{"Deliver", deliverTests},
		{"Notice", noticeTests},
		{"List", listTests},
		{"Due", dueTests},
		{"Applications", applicationTests},
		{"Redeliver", redeliverTests},
		{"Subscribe", subscribeTests},
		{"Transactor", transactorTests},
		{"Learnt", learntTests},
		{"Pruner", prunerTests},
		{"Counter", counterTests},
		{"Audit", auditTests},
		{"Race", raceTests},
		{"Context", contextTests},
	} {
		t.Run(group.name, func(t *testing.T) {
			for _, test := range group.tests {
				t.Run(test.name, func(t *testing.T) {
					in(t, func(t *testing.T) { test.run(t, open(t)) })
				})
			}
		})
	}
}

// test is one sentence of the contract.
type test struct {
	name string
	run  func(t *testing.T, s store.Store)
}

const (
	long  = time.Minute            // a lease that no test outlasts
	short = 200 * time.Millisecond // one that is waited for
	apart = time.Second            // what two processes may differ by that know the ledger's time, on a machine that is busy
)

// outlast waits until what was taken for a short time is over.
func outlast() { time.Sleep(short + short/2) }

// A limit that nothing reaches, and one that is known.
var unlimited = store.Limit{}

func total(fen money.Amount) store.Limit { return store.Limit{Total: fen, Known: true} }

// trade is a refund as a request for 1.00 yuan makes it.
func trade(order, number string) store.Refund {
	return store.Refund{
		Kind: store.Trade, App: "app", OutTradeNo: order, OutRequestNo: number,
		Amount: 100, Origin: store.FromRequest, State: store.Pending,
	}.Identify()
}

// coupon is trade for a red packet.
func coupon(auth, number string) store.Refund {
	return store.Refund{
		Kind: store.Coupon, App: "app", AuthNo: auth, OutRequestNo: number,
		Amount: 100, Origin: store.FromRequest, State: store.Pending,
	}.Identify()
}

// mustOpen opens r and expects how.
func mustOpen(t *testing.T, s store.Store, r store.Refund, limit store.Limit, how store.How) store.Refund {
	t.Helper()
	got, opened, err := s.Open(t.Context(), r, limit, nil)
	if err != nil || opened.How != how {
		t.Fatalf("Open = %+v, %v; want How %d", opened, err, how)
	}
	return got
}

func mustGet(t *testing.T, s store.Store, id string) store.Refund {
	t.Helper()
	r, err := s.Get(t.Context(), id)
	if err != nil {
		t.Fatal("Get:", err)
	}
	return r
}

// mustSend records a send after so many others.
func mustSend(t *testing.T, s store.Store, id string, attempts int, lease time.Duration) store.Attempt {
	t.Helper()
	attempt, err := s.Sending(t.Context(), id, store.Permission{Attempts: attempts, Lease: lease})
	if err != nil || attempt.Token == "" || attempt.Number != attempts+1 {
		t.Fatalf("Sending = %+v, %v; want send %d", attempt, err, attempts+1)
	}
	return attempt
}

func mustSettle(t *testing.T, s store.Store, id string, settlement store.Settlement) (r store.Refund, changed bool) {
	t.Helper()
	r, changed, err := s.Settle(t.Context(), id, settlement)
	if err != nil {
		t.Fatal("Settle:", err)
	}
	return r, changed
}

// succeed and fail settle a refund, whatever it went through.
func succeed(t *testing.T, s store.Store, id string) {
	t.Helper()
	if r, _ := mustSettle(t, s, id, store.Settlement{Source: store.ByNotice, Finding: store.Success}); r.State != store.Succeeded {
		t.Fatalf("a success leaves it %s", r.State)
	}
}

func fail(t *testing.T, s store.Store, id string, retryable bool) {
	t.Helper()
	attempt := mustSend(t, s, id, mustGet(t, s, id).Attempts, long)
	r, _ := mustSettle(t, s, id, store.Settlement{
		Source: store.ByAnswer, Attempt: attempt.Number, Token: attempt.Token,
		Finding: store.Refusal, Retryable: retryable, Code: "40004", SubCode: "ACQ.SELLER_BALANCE_NOT_ENOUGH",
	})
	if r.State != store.Failed {
		t.Fatalf("a refusal leaves it %s", r.State)
	}
}

// racers is how many do the same at once.
const racers = 64

// race runs do in many goroutines and returns when all of them are through.
func race(do func(n int)) {
	start := make(chan struct{})
	var wg sync.WaitGroup
	for n := range racers {
		wg.Go(func() {
			<-start
			do(n)
		})
	}
	close(start)
	wg.Wait()
}

// unlike are texts that a collation, a separator or a conversion may take for
// one another; a memory of money must not.
var unlike = []string{
	"a/b", "a/b ", " a/b", "a/b\t", "A/b", "a/B", "a|b", "a:b", "a\\b", "a%2Fb", "a%b", "a_b", "a'b", `a"b`,
	"1", "01", "1.0", "1e0", "+1", "１", "é", "e\u0301", "e", "ß", "ss", "ı", "i", "I", "null", "NULL",
	strings.Repeat("x", 60) + "1", strings.Repeat("x", 60) + "2",
}

// cancelled returns a context that is over.
func cancelled(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

func wantNotFound(t *testing.T, method string, err error) {
	t.Helper()
	if !errors.Is(err, store.ErrNotFound) {
		t.Errorf("%s of an unknown refund: %v; want ErrNotFound", method, err)
	}
}
