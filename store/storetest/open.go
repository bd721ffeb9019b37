package storetest

import (
	"reflect"
	"testing"
	"time"

	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/store"
)

var openTests = []test{
	{"unknown ids are not found", func(t *testing.T, s store.Store) {
		_, err := s.Get(t.Context(), "rf_unknown")
		wantNotFound(t, "Get", err)
		_, err = s.Sending(t.Context(), "rf_unknown", store.Permission{Lease: long})
		wantNotFound(t, "Sending", err)
		_, _, err = s.Settle(t.Context(), "rf_unknown", store.Settlement{Finding: store.Success})
		wantNotFound(t, "Settle", err)
		_, _, err = s.Deliver(t.Context(), "rf_unknown", store.RefundSucceeded, long)
		wantNotFound(t, "Deliver", err)
		_, _, err = s.Delivered(t.Context(), "rf_unknown", store.RefundSucceeded, "token", store.Notice{})
		wantNotFound(t, "Delivered", err)
		_, err = s.Redeliver(t.Context(), "rf_unknown", store.RefundSucceeded, "")
		wantNotFound(t, "Redeliver", err)
		_, err = s.Subscribe(t.Context(), "rf_unknown", store.RefundSucceeded.For(books))
		wantNotFound(t, "Subscribe", err)
		_, err = s.Undelivered(t.Context(), "rf_unknown", store.RefundSucceeded, "token", "reason")
		wantNotFound(t, "Undelivered", err)
	}},
	{"everything is kept, byte for byte", keepsEverything},
	{"what it returns is what it keeps", func(t *testing.T, s store.Store) {
		before := time.Now()
		created := mustOpen(t, s, trade("order", "number"), unlimited, store.Created)
		if age := created.CreatedAt.Sub(before); age < -time.Second || age > time.Minute {
			t.Errorf("created at %v, %v after the call", created.CreatedAt, age)
		}
		same(t, "Get", mustGet(t, s, created.ID), created)
		same(t, "Open", mustOpen(t, s, trade("order", "number"), unlimited, store.Exists), created)
		settled, _ := mustSettle(t, s, created.ID, store.Settlement{Source: store.ByQuery, TradeNo: "trade"})
		if settled.TradeNo != "trade" {
			t.Errorf("Settle: trade_no %q", settled.TradeNo)
		}
		same(t, "Settle", mustGet(t, s, created.ID), settled)
	}},
	{"what it returns says as of when", func(t *testing.T, s store.Store) {
		created := mustOpen(t, s, trade("order", "number"), unlimited, store.Created)
		fresh := func(what string, got store.Refund) {
			t.Helper()
			if age := got.AsOf.Sub(created.CreatedAt); got.AsOf.IsZero() || age < short-time.Second/50 || age > 10*time.Second {
				t.Errorf("%s: as of %v, %v after it was recorded; it was called %v after that", what, got.AsOf, age, short+short/2)
			}
		}
		outlast()
		fresh("Open", mustOpen(t, s, trade("order", "number"), unlimited, store.Exists))
		fresh("Get", mustGet(t, s, created.ID))
		settled, _ := mustSettle(t, s, created.ID, store.Settlement{Source: store.ByQuery, Finding: store.Success})
		fresh("Settle", settled)
		fresh("what was settled", store.Refund{AsOf: settled.SettledAt})
		listed, err := s.List(t.Context(), store.Filter{App: "app"})
		if err != nil || len(listed) != 1 {
			t.Fatalf("List = %v, %v", listed, err)
		}
		fresh("List", listed[0])
		taken, err := s.Due(t.Context(), "app", long, 9, false)
		if err != nil || len(taken) != 1 {
			t.Fatalf("Due = %v, %v", taken, err)
		}
		fresh("Due", taken[0])
	}},
	{"what is settled when it is recorded was settled then", func(t *testing.T, s store.Store) {
		r := trade("order", "number")
		r.State, r.Source, r.SettledAt = store.Succeeded, store.ByNotice, time.Unix(1e9, 0)
		if got := mustOpen(t, s, r, unlimited, store.Created); !got.SettledAt.Equal(got.CreatedAt) {
			t.Errorf("settled at %v, recorded at %v", got.SettledAt, got.CreatedAt)
		}
	}},
	{"the same refund is left as it is", func(t *testing.T, s store.Store) {
		first := trade("order", "number")
		first.Actor, first.Request = "first", store.JSON(`{"a":1}`)
		created := mustOpen(t, s, first, unlimited, store.Created)
		again := first.Clone()
		again.Actor, again.TradeNo = "second", "trade"
		same(t, "Open", mustOpen(t, s, again, unlimited, store.Exists), created)
		same(t, "Get", mustGet(t, s, created.ID), created)
	}},
	{"an unknown out_order_no is filled in, once", func(t *testing.T, s store.Store) {
		r := coupon("auth", "number")
		mustOpen(t, s, r, unlimited, store.Created)
		for _, number := range []string{"", "out order", "other"} {
			r.OutOrderNo = number
			mustOpen(t, s, r, unlimited, store.Exists)
		}
		if got := mustGet(t, s, r.ID).OutOrderNo; got != "out order" {
			t.Errorf("out_order_no %q", got)
		}
	}},
	{"a pending refund is promised later on, and nothing of it fails for not being sent", func(t *testing.T, s store.Store) {
		r := trade("order", "number")
		before := mustOpen(t, s, r, unlimited, store.Created)
		r.Promised = true
		after := mustOpen(t, s, r, unlimited, store.Exists)
		same(t, "Get", mustGet(t, s, r.ID), after)
		if before.Promised || !after.Promised {
			t.Errorf("promised before: %t, after: %t", before.Promised, after.Promised)
		}
		if r.Promised = false; !mustOpen(t, s, r, unlimited, store.Exists).Promised {
			t.Error("the promise was taken back")
		}
		settled, changed, err := s.Settle(t.Context(), r.ID, store.Settlement{Source: store.ByAnswer, Finding: store.NotSent})
		if err != nil || changed || settled.State != store.Pending || settled.Next.IsZero() {
			t.Errorf("not sent: %s, changed %t, %v; due %v", settled.State, changed, err, settled.Next)
		}
	}},
	{"other content is a conflict", func(t *testing.T, s store.Store) {
		first := coupon("auth", "number")
		first.Request = store.JSON(`{"amount":"1.00"}`)
		created := mustOpen(t, s, first, unlimited, store.Created)
		for _, change := range []func(*store.Refund){
			func(r *store.Refund) { r.Amount = 101 },
			func(r *store.Refund) { r.AuthNo = "other" },
			func(r *store.Refund) { r.Request = store.JSON(`{"amount": "1.00"}`) },
		} {
			other := first.Clone()
			change(&other)
			same(t, "Open", mustOpen(t, s, other.Identify(), unlimited, store.Conflict), created)
		}
		same(t, "Get", mustGet(t, s, created.ID), created)
	}},
	{"a retryable failure is opened again", func(t *testing.T, s store.Store) {
		r := trade("order", "number")
		mustOpen(t, s, r, unlimited, store.Created)
		fail(t, s, r.ID, true)
		if got := mustOpen(t, s, r, unlimited, store.Reopened); got.State != store.Pending || got.Attempts != 1 {
			t.Errorf("reopened: %s after %d attempts", got.State, got.Attempts)
		}
		mustOpen(t, s, r, unlimited, store.Exists)
		mustSend(t, s, r.ID, 1, long)
	}},
	{"a failure for good stays", func(t *testing.T, s store.Store) {
		r := trade("order", "number")
		mustOpen(t, s, r, unlimited, store.Created)
		fail(t, s, r.ID, false)
		if got := mustOpen(t, s, r, unlimited, store.Exists); got.State != store.Failed {
			t.Errorf("it is %s", got.State)
		}
	}},
	{"a success stays", func(t *testing.T, s store.Store) {
		r := trade("order", "number")
		mustOpen(t, s, r, unlimited, store.Created)
		succeed(t, s, r.ID)
		if got := mustOpen(t, s, r, unlimited, store.Exists); got.State != store.Succeeded {
			t.Errorf("it is %s", got.State)
		}
	}},
	{"a notice's refund is recorded as it says", func(t *testing.T, s store.Store) {
		r := trade("order", "console")
		r.Origin, r.State, r.Amount = store.FromNotice, store.Succeeded, 0
		mustOpen(t, s, r, unlimited, store.Created)
		if got := mustGet(t, s, r.ID); got.State != store.Succeeded || got.Origin != store.FromNotice {
			t.Errorf("recorded %s from %s", got.State, got.Origin)
		}
	}},
	{"identities that look alike differ", func(t *testing.T, s store.Store) {
		ids := make(map[string]string)
		for _, order := range append([]string{"", "a", "ab"}, unlike...) {
			for _, number := range []string{"", "b", order, order + " "} {
				r := trade(order, number)
				r.Actor = order + "\n" + number
				if _, again := ids[r.ID]; !again {
					mustOpen(t, s, r, unlimited, store.Created)
				}
				ids[r.ID] = r.Actor
			}
		}
		other := trade("a", "b")
		other.Merchant = "merchant"
		another := trade("a", "b")
		another.App = "App"
		packet := coupon("a", "b")
		for _, r := range []store.Refund{other, another, packet} {
			mustOpen(t, s, r.Identify(), unlimited, store.Created)
		}
		for id, actor := range ids {
			if got := mustGet(t, s, id).Actor; got != actor {
				t.Errorf("%q was taken for %q", got, actor)
			}
		}
	}},
	{"values share no memory", func(t *testing.T, s store.Store) {
		r := trade("order", "number")
		r.Request = store.JSON(`{"a":1}`)
		created := mustOpen(t, s, r, unlimited, store.Created)
		scribble(r)
		scribble(created)
		mustSend(t, s, r.ID, 0, long)
		settled, _ := mustSettle(t, s, r.ID, store.Settlement{Source: store.ByQuery, Answer: store.JSON(`{"b":2}`), Attention: "look"})
		scribble(settled)
		if _, _, err := s.Deliver(t.Context(), r.ID, store.RefundUnresolved, long); err != nil {
			t.Fatal(err)
		}
		before := mustGet(t, s, r.ID)
		scribble(mustGet(t, s, r.ID))
		scribble(mustOpen(t, s, trade("order", "number"), unlimited, store.Exists))
		list, err := s.List(t.Context(), store.Filter{App: "app"})
		if err != nil || len(list) != 1 {
			t.Fatal("List:", list, err)
		}
		scribble(list[0])
		same(t, "Get", mustGet(t, s, r.ID), before)
		if string(before.Request) != `{"a":1}` || string(before.Answer) != `{"b":2}` || before.History[0].What != "created" {
			t.Errorf("changed from outside: %s %s %v", before.Request, before.Answer, before.History)
		}
	}},
}

// keepsEverything puts a value into every field that Open takes.
func keepsEverything(t *testing.T, s store.Store) {
	r := store.Refund{
		Kind: store.Coupon, App: "2021001234567890", Merchant: "merchant ", OutTradeNo: "Order/1 ",
		TradeNo: "2021\\22", AuthNo: "auth'", OutOrderNo: "out order", OperationID: "operation", OutRequestNo: "退款1",
		Method: "alipay.fund.trans.refund",
		Amount: money.Max, Request: store.JSON("{\"z\": 1,\"a\":\"\\u4e2d\\/ 文\", \"z2\":1.10}"),
		NotifyURL: "https://shop.example/notify?", Actor: "员工 7", Origin: store.FromNotice, Promised: true, State: store.Pending,
		Code: "10000", SubCode: "ACQ.SYSTEM_ERROR", Message: "系统繁忙", Attention: "look at it",
		Source: store.ByNotice, Answer: store.JSON("{ \"url\":\"https:\\/\\/a\",\"n\":1e2 }"),
		Answered: true, Doubtful: true, Refused: true, RefusedRetryable: true, SettledAt: time.Now().UTC(),
	}.Identify()
	opened := mustOpen(t, s, r, unlimited, store.Created)
	got := mustGet(t, s, r.ID)
	same(t, "Get", got, opened)
	if len(got.History) != 1 {
		t.Errorf("history %+v, want one entry", got.History)
	}
	got.History = nil
	r.CreatedAt, r.UpdatedAt, r.Next = opened.CreatedAt, opened.UpdatedAt, opened.Next
	same(t, "Get", got, r)
}

// same compares two forms of a refund. Databases keep fewer digits of a time.
func same(t *testing.T, what string, got, want store.Refund) {
	t.Helper()
	gotTimes, wantTimes := timeless(&got), timeless(&want)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s returned\n%+v\nwant\n%+v", what, got, want)
	}
	if len(gotTimes) != len(wantTimes) {
		return // the difference was reported
	}
	for n := range gotTimes {
		if d := gotTimes[n].Sub(wantTimes[n]); d > time.Millisecond || d < -time.Millisecond {
			t.Errorf("%s: time %d is %v; want %v", what, n, gotTimes[n], wantTimes[n])
		}
	}
}

// timeless takes the times out of r, and its differences between nil and empty.
func timeless(r *store.Refund) (times []time.Time) {
	*r = r.Clone()
	take := func(at *time.Time) {
		times = append(times, *at)
		*at = time.Time{}
	}
	r.AsOf = time.Time{} // of the call, not of the refund
	for _, at := range []*time.Time{&r.CreatedAt, &r.UpdatedAt, &r.SentAt, &r.SettledAt, &r.Next, &r.Lease.Until} {
		take(at)
	}
	for n := range r.Deliveries {
		take(&r.Deliveries[n].At)
		take(&r.Deliveries[n].Lease.Until)
	}
	for n := range r.History {
		take(&r.History[n].At)
	}
	r.Unanswered = append([]int{}, r.Unanswered...)
	r.Deliveries = append([]store.Delivery{}, r.Deliveries...)
	r.History = append([]store.Entry{}, r.History...)
	return times
}

// scribble overwrites whatever memory r shares.
func scribble(r store.Refund) {
	for n := range r.Unanswered {
		r.Unanswered[n] = -1
	}
	clear(r.Deliveries)
	clear(r.History)
}
