package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/alirefund/alirefund/store"
)

// nosend expects that no send is recorded now.
func nosend(t *testing.T, s store.Store, id string, attempts int) {
	t.Helper()
	if attempt, err := s.Sending(t.Context(), id, store.Permission{Attempts: attempts, Lease: long}); err != nil || attempt != (store.Attempt{}) {
		t.Fatalf("Sending = %+v, %v; want none", attempt, err)
	}
}

var sendTests = []test{
	{"a send is recorded", func(t *testing.T, s store.Store) {
		r := mustOpen(t, s, trade("order", "number"), unlimited, store.Created)
		mustSend(t, s, r.ID, 0, long)
		got := mustGet(t, s, r.ID)
		if got.Attempts != 1 || !slices.Equal(got.Unanswered, []int{1}) || got.SentAt.IsZero() || got.State != store.Pending {
			t.Errorf("recorded %+v", got)
		}
	}},
	{"after exactly so many sends", func(t *testing.T, s store.Store) {
		r := mustOpen(t, s, trade("order", "number"), unlimited, store.Created)
		for _, attempts := range []int{-1, 1, 2} {
			nosend(t, s, r.ID, attempts)
		}
		mustSend(t, s, r.ID, 0, short)
		outlast()
		nosend(t, s, r.ID, 0)
		mustSend(t, s, r.ID, 1, long)
	}},
	{"not while a send is under way", func(t *testing.T, s store.Store) {
		r := mustOpen(t, s, trade("order", "number"), unlimited, store.Created)
		mustSend(t, s, r.ID, 0, short)
		nosend(t, s, r.ID, 1)
		outlast()
		mustSend(t, s, r.ID, 1, long)
		nosend(t, s, r.ID, 2)
	}},
	{"what is refused three times, for nobody knows what, is not sent again", func(t *testing.T, s store.Store) {
		r := mustOpen(t, s, trade("order", "number"), unlimited, store.Created)
		for n, sub := range []string{"NEW", "", "OTHER", "NEW"} {
			attempt := mustSend(t, s, r.ID, n, long)
			mustSettle(t, s, r.ID, store.Settlement{ // the second is not answered
				Source: store.ByAnswer, Attempt: attempt.Number, Token: attempt.Token, Unlisted: sub != "", Code: "40004", SubCode: sub,
			})
			mustSettle(t, s, r.ID, store.Settlement{Source: store.ByQuery, Attempt: attempt.Number, Finding: store.NotFound, Late: true})
		}
		nosend(t, s, r.ID, 4)
		if got := mustGet(t, s, r.ID); got.State != store.Pending || got.Attention == "" || got.UnknownRefusals != 3 || got.MayRepeat() {
			t.Errorf("it is %s, refused %d times: %q", got.State, got.UnknownRefusals, got.Attention)
		}
		succeed(t, s, r.ID)
	}},
	{"its answer ends the send, nobody else's does", func(t *testing.T, s store.Store) {
		r := mustOpen(t, s, trade("order", "number"), unlimited, store.Created)
		attempt := mustSend(t, s, r.ID, 0, long)
		mustSettle(t, s, r.ID, store.Settlement{Source: store.ByAnswer, Attempt: 1, Token: "other"})
		mustSettle(t, s, r.ID, store.Settlement{Source: store.ByQuery, Attempt: 1, Finding: store.NotFound})
		nosend(t, s, r.ID, 1)
		mustSettle(t, s, r.ID, store.Settlement{Source: store.ByAnswer, Attempt: 1, Token: attempt.Token})
		mustSend(t, s, r.ID, 1, long)
	}},
	{"not once it is settled", func(t *testing.T, s store.Store) {
		ok := mustOpen(t, s, trade("order", "succeeded"), unlimited, store.Created)
		succeed(t, s, ok.ID)
		nosend(t, s, ok.ID, 0)
		failed := mustOpen(t, s, trade("order", "failed"), unlimited, store.Created)
		fail(t, s, failed.ID, true)
		nosend(t, s, failed.ID, 1)
	}},
	{"a note stands in the history once, and changes nothing else", func(t *testing.T, s store.Store) {
		pending := mustOpen(t, s, trade("order", "pending"), unlimited, store.Created)
		mustSend(t, s, pending.ID, 0, long)
		succeeded := mustOpen(t, s, trade("order", "succeeded"), unlimited, store.Created)
		succeed(t, s, succeeded.ID)
		for _, id := range []string{pending.ID, succeeded.ID} {
			before := mustGet(t, s, id)
			for _, notifyID := range []string{"1", "2", "1"} {
				note := store.Entry{What: "deposit_back", Detail: "failed, 中", NotifyID: notifyID}
				if _, changed := mustSettle(t, s, id, store.Settlement{Source: store.ByNotice, Finding: store.Refusal, Attempt: 1, Note: note}); changed {
					t.Error("a note changed the state")
				}
			}
			got := mustGet(t, s, id)
			n := len(before.History)
			if len(got.History) != n+2 || got.History[n].NotifyID != "1" || got.History[n+1].NotifyID != "2" {
				t.Fatalf("history %+v, was %+v", got.History, before.History)
			}
			if e := got.History[n]; e.What != "deposit_back" || e.Detail != "failed, 中" || e.At.IsZero() {
				t.Errorf("entry %+v", e)
			}
			got.History = got.History[:n]
			same(t, "Get", got, before)
		}
	}},
	{"settling tells whether the state changed", func(t *testing.T, s store.Store) {
		r := mustOpen(t, s, trade("order", "number"), unlimited, store.Created)
		fail(t, s, r.ID, false)
		success := store.Settlement{Source: store.ByNotice, Finding: store.Success}
		if got, changed := mustSettle(t, s, r.ID, store.Settlement{Source: store.ByQuery, Finding: store.NotFound}); changed || got.State != store.Failed {
			t.Errorf("a question: %s, changed %v", got.State, changed)
		}
		if got, changed := mustSettle(t, s, r.ID, success); !changed || got.State != store.Succeeded {
			t.Errorf("a success: %s, changed %v", got.State, changed)
		}
		if got, changed := mustSettle(t, s, r.ID, success); changed || got.State != store.Succeeded {
			t.Errorf("the same again: %s, changed %v", got.State, changed)
		}
		if got, changed := mustSettle(t, s, r.ID, store.Settlement{Source: store.ByAnswer, Attempt: 1, Finding: store.Refusal}); changed || got.State != store.Succeeded {
			t.Errorf("a refusal after it: %s, changed %v", got.State, changed)
		}
	}},
	{"a refusal that waits for its question is remembered", func(t *testing.T, s store.Store) {
		r := mustOpen(t, s, trade("order", "number"), unlimited, store.Created)
		attempt := mustSend(t, s, r.ID, 0, long)
		refused, changed := mustSettle(t, s, r.ID, store.Settlement{
			Source: store.ByAnswer, Attempt: 1, Token: attempt.Token, Finding: store.Refusal, Check: true, Retryable: true,
			SubCode: "ACQ.TRADE_HAS_CLOSE", Answer: store.JSON(`{"code":"40004"}`),
		})
		if changed || refused.State != store.Pending {
			t.Fatalf("the refusal: %s, changed %v", refused.State, changed)
		}
		early, _ := mustSettle(t, s, r.ID, store.Settlement{Source: store.ByQuery, Attempt: 1, Finding: store.NotFound})
		if early.State != store.Pending {
			t.Errorf("a question that was asked too early made it %s", early.State)
		}
		mustSettle(t, s, r.ID, store.Settlement{Source: store.ByQuery, Attempt: 1, Finding: store.NotFound, Late: true})
		got := mustGet(t, s, r.ID)
		if !got.CanReopen() || got.SubCode != "ACQ.TRADE_HAS_CLOSE" || string(got.Answer) != `{"code":"40004"}` {
			t.Errorf("it is %s, retryable %v: %s, %s", got.State, got.Retryable, got.SubCode, got.Answer)
		}
	}},
	{"a question during a send fails nothing", func(t *testing.T, s store.Store) {
		r := mustOpen(t, s, trade("order", "number"), unlimited, store.Created)
		mustSend(t, s, r.ID, 0, short)
		outlast()
		mustSend(t, s, r.ID, 1, long)
		// The late answer to the first.
		mustSettle(t, s, r.ID, store.Settlement{Source: store.ByAnswer, Attempt: 1, Finding: store.Refusal})
		notFound := store.Settlement{Source: store.ByQuery, Attempt: 2, Finding: store.NotFound, Late: true, Expired: true, Conclusive: true}
		if got, changed := mustSettle(t, s, r.ID, notFound); changed || got.State != store.Pending {
			t.Errorf("it is %s, changed %v", got.State, changed)
		}
	}},
	{"not so soon after another send of the order", func(t *testing.T, s store.Store) {
		first := mustOpen(t, s, trade("order", "first"), unlimited, store.Created)
		second := mustOpen(t, s, trade("order", "second"), unlimited, store.Created)
		other := mustOpen(t, s, trade("other", "first"), unlimited, store.Created)
		spaced := func(id string, attempts int, spacing time.Duration) store.Attempt {
			t.Helper()
			attempt, err := s.Sending(t.Context(), id, store.Permission{Attempts: attempts, Lease: short / 2, Spacing: spacing})
			if err != nil {
				t.Fatal("Sending:", err)
			}
			return attempt
		}
		if a := spaced(first.ID, 0, long); a.Token == "" || a.Wait != 0 {
			t.Fatalf("the first send of an order: %+v", a)
		}
		if a := spaced(second.ID, 0, long); a.Token != "" || a.Wait <= long-time.Second || a.Wait > long+apart {
			t.Errorf("another refund of the order: %+v", a)
		}
		if got := mustGet(t, s, second.ID); got.Attempts != 0 || !got.SentAt.IsZero() {
			t.Errorf("nothing was to be sent, and %d sends are recorded", got.Attempts)
		}
		if a := spaced(other.ID, 0, long); a.Token == "" {
			t.Errorf("another order: %+v", a)
		}
		outlast()
		if a := spaced(first.ID, 1, long); a.Token != "" || a.Wait <= 0 {
			t.Errorf("the same refund: %+v", a)
		}
		if a := spaced(second.ID, 0, short); a.Token == "" {
			t.Errorf("after the wait: %+v", a)
		}
		if a := spaced(first.ID, 1, 0); a.Token == "" {
			t.Errorf("without a spacing: %+v", a)
		}
	}},
	{"spaced, though all ask at once", func(t *testing.T, s store.Store) {
		var ids [racers]string
		for n := range ids {
			ids[n] = mustOpen(t, s, trade("order", fmt.Sprint(n)), unlimited, store.Created).ID
		}
		var got tally
		race(func(n int) {
			attempt, err := s.Sending(t.Context(), ids[n], store.Permission{Lease: long, Spacing: long})
			got.add(fmt.Sprint(attempt.Token != "", attempt.Wait > 0), err)
		})
		got.want(t, map[string]int{"true false": 1, "false true": racers - 1})
	}},
}
