package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/alirefund/alirefund/store"
)

// first is what Open is asked for that is to record the first send, too.
func first(token string, spacing time.Duration) *store.Permission {
	return &store.Permission{Token: token, Lease: long, Spacing: spacing}
}

// openFirst opens r, and expects how and the number of the send; 0 for none.
func openFirst(t *testing.T, s store.Store, r store.Refund, limit store.Limit, p *store.Permission, how store.How, number int) store.Opened {
	t.Helper()
	got, opened, err := s.Open(t.Context(), r, limit, p)
	a := opened.First
	if err != nil || opened.How != how || a.Number != number || number > 0 && (a.Token == "" || p.Token != "" && a.Token != p.Token || a.Wait != 0) {
		t.Fatalf("Open = %+v, %v; want How %d, and send %d", opened, err, how, number)
	}
	if how != store.OverLimit {
		same(t, "Open", mustGet(t, s, r.ID), got)
	}
	return opened
}

var firstTests = []test{
	{"a refund and its first send are one step", func(t *testing.T, s store.Store) {
		r := trade("order", "number")
		a := openFirst(t, s, r, total(100), first("mine", long), store.Created, 1).First
		got := mustGet(t, s, r.ID)
		if got.Attempts != 1 || !slices.Equal(got.Unanswered, []int{1}) || got.SentAt.IsZero() || got.Lease.Token != a.Token {
			t.Errorf("recorded %+v", got)
		}
		nosend(t, s, r.ID, 1)
		mustSettle(t, s, r.ID, store.Settlement{Source: store.ByAnswer, Attempt: 1, Token: a.Token, Finding: store.Refusal, Retryable: true})
		openFirst(t, s, r, total(100), first("again", 0), store.Reopened, 2)
	}},
	{"a token that nobody made is made up", func(t *testing.T, s store.Store) {
		openFirst(t, s, trade("order", "number"), unlimited, first("", 0), store.Created, 1)
	}},
	{"the same again finds what it did, and anything else does not", func(t *testing.T, s store.Store) {
		r := trade("order", "number")
		for range 2 {
			openFirst(t, s, r, total(100), first("mine", long), store.Created, 1)
		}
		openFirst(t, s, r, total(100), first("other", 0), store.Exists, 0)
		openFirst(t, s, r, total(100), nil, store.Exists, 0)
		mustSettle(t, s, r.ID, store.Settlement{Source: store.ByAnswer, Attempt: 1, Token: "mine", Finding: store.Refusal, Retryable: true})
		for range 2 {
			openFirst(t, s, r, total(100), first("reopened", 0), store.Reopened, 2)
		}
		openFirst(t, s, r, total(100), first("mine", 0), store.Exists, 0)
	}},
	{"a send that is asked for again is the same", func(t *testing.T, s store.Store) {
		r := mustOpen(t, s, trade("order", "number"), unlimited, store.Created)
		for range 2 {
			a, err := s.Sending(t.Context(), r.ID, *first("mine", long))
			if err != nil || a != (store.Attempt{Number: 1, Token: "mine"}) {
				t.Errorf("Sending = %+v, %v", a, err)
			}
		}
		if got := mustGet(t, s, r.ID); got.Attempts != 1 {
			t.Errorf("%d sends are recorded", got.Attempts)
		}
		nosend(t, s, r.ID, 1)
	}},
	{"not more than the order has, and then nothing", func(t *testing.T, s store.Store) {
		openFirst(t, s, sized("order", 60), total(100), first("one", 0), store.Created, 1)
		other := sized("order", 60)
		other.OutRequestNo = "other"
		other = other.Identify()
		if left := openFirst(t, s, other, total(100), first("two", 0), store.OverLimit, 0).Left; left != 40 {
			t.Errorf("%d left", left)
		}
		_, err := s.Get(t.Context(), other.ID)
		wantNotFound(t, "Get", err)
	}},
	{"where the spacing stands against it, it is recorded alone", func(t *testing.T, s store.Store) {
		openFirst(t, s, trade("order", "first"), unlimited, first("first", long), store.Created, 1)
		second := trade("order", "second")
		opened := openFirst(t, s, second, total(1000), first("second", long), store.Created, 0)
		if wait := opened.First.Wait; wait <= long-10*time.Second || wait > long+apart {
			t.Errorf("it is to wait %v", wait)
		}
		if got := mustGet(t, s, second.ID); got.Attempts != 0 || !got.SentAt.IsZero() || !got.Unsent() {
			t.Errorf("nothing was to be sent, and it is %+v", got)
		}
		mustSend(t, s, second.ID, 0, long)
		openFirst(t, s, trade("other order", "second"), unlimited, first("other", long), store.Created, 1)
	}},
	{"what exists is not sent, also where something is filled in", func(t *testing.T, s store.Store) {
		mustOpen(t, s, coupon("auth", "never sent"), unlimited, store.Created)
		openFirst(t, s, coupon("auth", "sent"), unlimited, first("sent", 0), store.Created, 1)
		for _, number := range []string{"never sent", "sent"} {
			r := coupon("auth", number)
			r.OutOrderNo = "order"
			before := mustGet(t, s, r.ID)
			openFirst(t, s, r, unlimited, first("other", 0), store.Exists, 0)
			if got := mustGet(t, s, r.ID); got.OutOrderNo != "order" || got.Attempts != before.Attempts || !got.SentAt.Equal(before.SentAt) {
				t.Errorf("%s: %+v, was %+v", number, got, before)
			}
		}
	}},
	{"one opens and sends", func(t *testing.T, s store.Store) {
		var got tally
		race(func(n int) {
			_, opened, err := s.Open(t.Context(), trade("order", "number"), total(100), first(fmt.Sprint(n), 0))
			got.add(fmt.Sprint(opened.How, opened.First.Token != ""), err)
		})
		got.want(t, map[string]int{fmt.Sprint(store.Created, true): 1, fmt.Sprint(store.Exists, false): racers - 1})
	}},
	{"spaced, though all open at once", func(t *testing.T, s store.Store) {
		var got tally
		race(func(n int) {
			_, opened, err := s.Open(t.Context(), trade("order", fmt.Sprint(n)), unlimited, first(fmt.Sprint(n), long))
			got.add(fmt.Sprint(opened.How, opened.First.Token != "", opened.First.Wait > 0), err)
		})
		got.want(t, map[string]int{fmt.Sprint(store.Created, true, false): 1, fmt.Sprint(store.Created, false, true): racers - 1})
	}},
}
