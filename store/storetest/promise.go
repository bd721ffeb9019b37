package storetest

import (
	"testing"

	"github.com/alirefund/alirefund/store"
)

// promised is the refund of that number, of a caller who is answered before it is sent.
func promised(number string) store.Refund {
	r := trade("order", number)
	r.Promised = true
	return r
}

var promiseTests = []test{
	{"a promised refund is to be sent until it is", func(t *testing.T, s store.Store) {
		r := mustOpen(t, s, promised("1"), total(150), store.Created)
		for n := range 2 {
			if got := mustGet(t, s, r.ID); !got.Promised || got.Stage(got.AsOf) != store.StagePromised || got.Next.IsZero() {
				t.Fatalf("it is %s: %+v", got.Stage(got.AsOf), got)
			}
			attempt := mustSend(t, s, r.ID, n, long)
			got, changed := mustSettle(t, s, r.ID, store.Settlement{
				Source: store.ByAnswer, Attempt: attempt.Number, Token: attempt.Token, Finding: store.NotSent, Again: short,
			})
			if changed || got.State != store.Pending {
				t.Fatalf("not sent: changed %v, %+v", changed, got)
			}
			outlast()
			due(t, s, 0, 10, "1")
		}
		mustOpen(t, s, trade("order", "2"), total(150), store.OverLimit)
		mustSend(t, s, r.ID, 2, long)
		succeed(t, s, r.ID)
	}},
	{"a pending refund is promised to who asks again, until it has failed", func(t *testing.T, s store.Store) {
		r := mustOpen(t, s, trade("order", "1"), unlimited, store.Created)
		for _, asked := range []store.Refund{promised("1"), trade("order", "1")} {
			got := mustOpen(t, s, asked, unlimited, store.Exists)
			if same(t, "Get", mustGet(t, s, r.ID), got); !got.Promised {
				t.Fatal("it is not promised")
			}
		}
		got, changed := mustSettle(t, s, r.ID, store.Settlement{Source: store.ByAnswer, Finding: store.NotSent})
		if changed || got.State != store.Pending || got.Next.IsZero() {
			t.Errorf("not sent: changed %v, %+v", changed, got)
		}
		fail(t, s, r.ID, true)
		if got := mustOpen(t, s, trade("order", "1"), unlimited, store.Reopened); got.Promised {
			t.Error("opened again for who waits it is promised")
		}
		fail(t, s, r.ID, false)
		if got := mustOpen(t, s, promised("1"), unlimited, store.Exists); got.Promised {
			t.Error("one that has failed for good is promised")
		}
	}},
	{"what awaits approval is promised by the approval alone", func(t *testing.T, s store.Store) {
		r := awaiting(t, s, "1", long, store.Created)
		if got := mustOpen(t, s, promised("1"), unlimited, store.Exists); got.Promised {
			t.Error("it is promised while it waits")
		}
		if got, _ := mustSettle(t, s, r.ID, decision(store.Approved, "bob")); !got.Promised {
			t.Error("it is not promised when it is approved")
		}
	}},
}
