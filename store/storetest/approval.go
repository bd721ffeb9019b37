package storetest

import (
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alirefund/alirefund/store"
)

// awaiting opens a refund of ann's that waits so long for somebody else's approval.
func awaiting(t *testing.T, s store.Store, number string, within time.Duration, how store.How) store.Refund {
	t.Helper()
	return awaitingOf(t, s, number, "ann", within, how)
}

func awaitingOf(t *testing.T, s store.Store, number, actor string, within time.Duration, how store.How) store.Refund {
	t.Helper()
	asked := trade("order", number)
	asked.State, asked.Actor = store.AwaitingApproval, actor
	r, opened, err := s.Open(t.Context(), asked, total(150), &store.Permission{Lease: long, Approval: within})
	if err != nil || opened.How != how || opened.First.Token != "" {
		t.Fatalf("Open = %+v, %v; want How %d, and no send", opened, err, how)
	}
	if r.State != store.AwaitingApproval || r.Actor != actor || !r.ApprovalUntil.Equal(r.Next) || r.ApprovalUntil.Before(r.AsOf) || r.ApprovedBy != "" || r.DeclinedBy != "" {
		t.Fatalf("Open = %+v", r)
	}
	return r
}

func decision(d store.Decision, actor string) store.Settlement {
	return store.Settlement{Source: store.ByPerson, Decision: d, Actor: actor, Reason: "so"}
}

// unmoved settles, and expects that it changes nothing.
func unmoved(t *testing.T, s store.Store, id string, settlements ...store.Settlement) {
	t.Helper()
	before := mustGet(t, s, id)
	for _, settlement := range settlements {
		r, changed := mustSettle(t, s, id, settlement)
		if changed || r.State != before.State || r.ApprovedBy != before.ApprovedBy || r.DeclinedBy != before.DeclinedBy || len(r.History) != len(before.History) {
			t.Errorf("%+v of a refund that is %s: changed %v, %s, approved by %q, declined by %q", settlement, before.State, changed, r.State, r.ApprovedBy, r.DeclinedBy)
		}
	}
}

var approvalTests = []test{
	{"what awaits approval is reserved, listed, and not sent", func(t *testing.T, s store.Store) {
		r := awaiting(t, s, "1", long, store.Created)
		if until := r.ApprovalUntil.Sub(r.CreatedAt); until != long {
			t.Errorf("it waits for %v; want %v", until, long)
		}
		if attempt, err := s.Sending(t.Context(), r.ID, store.Permission{Lease: long}); err != nil || attempt.Token != "" {
			t.Errorf("Sending = %+v, %v; want none", attempt, err)
		}
		if got := mustOpen(t, s, trade("order", "1"), total(150), store.Exists); got.State != store.AwaitingApproval {
			t.Errorf("asked for again it is %s", got.State)
		}
		mustOpen(t, s, trade("order", "2"), total(150), store.OverLimit)
		mustOpen(t, s, trade("order", "3"), unlimited, store.Created)
		list(t, s, store.Filter{App: "app", State: store.AwaitingApproval}, "1")
		if due, err := s.Due(t.Context(), "app", long, 10, false); err != nil || len(due) > 0 {
			t.Errorf("Due = %+v, %v", due, err)
		}
		if c, ok := s.(store.Counter); ok {
			if b, err := c.Count(t.Context(), "app"); err != nil || b.Awaiting != 1 || b.Unresolved != 1 || b.Due != 0 {
				t.Errorf("Count = %+v, %v", b, err)
			}
		}
		got := mustGet(t, s, r.ID)
		if !got.ApprovalUntil.Equal(r.ApprovalUntil) || got.Stage(got.AsOf) != store.StageAwaitingApproval {
			t.Errorf("it is kept as %+v", got)
		}
	}},
	{"another approves it, once", func(t *testing.T, s store.Store) {
		r := awaiting(t, s, "1", long, store.Created)
		unmoved(t, s, r.ID, decision(store.Approved, "ann"), decision(store.Approved, " Ann "), decision(store.Approved, ""), decision(store.Declined, " "), decision(store.Expired, ""))
		got, changed := mustSettle(t, s, r.ID, decision(store.Approved, "bob"))
		if !changed || got.State != store.Pending || got.ApprovedBy != "bob" || got.Stage(got.AsOf) != store.StagePromised {
			t.Fatalf("approved: changed %v, %+v", changed, got)
		}
		if last := got.History[len(got.History)-1]; last.What != "approved" || last.Actor != "bob" {
			t.Errorf("the history ends with %+v", last)
		}
		unmoved(t, s, r.ID, decision(store.Approved, "carl"), decision(store.Declined, "carl"), decision(store.Expired, ""))
		mustSend(t, s, r.ID, 0, long)
		succeed(t, s, r.ID)
		unmoved(t, s, r.ID, decision(store.Approved, "carl"), decision(store.Declined, "carl"))
	}},
	{"declined, it has failed, is told, and frees its amount", func(t *testing.T, s store.Store) {
		r := awaiting(t, s, "1", long, store.Created)
		got, changed := mustSettle(t, s, r.ID, decision(store.Declined, "ann")) // who asked may take it back
		if !changed || !got.Declined() || got.Expired() || got.DeclinedBy != "ann" || got.CanReopen() || got.Source != store.ByPerson || !slices.Equal(got.Due(), []store.Event{store.RefundFailed}) {
			t.Fatalf("declined: changed %v, %+v", changed, got)
		}
		unmoved(t, s, r.ID, decision(store.Approved, "bob"), decision(store.Declined, "bob"))
		mustOpen(t, s, trade("order", "1"), total(150), store.Exists)
		awaiting(t, s, "2", long, store.Created) // there is room
	}},
	{"when its time is over it has expired, whatever is decided", func(t *testing.T, s store.Store) {
		for n, late := range []store.Settlement{{Decision: store.Expired}, decision(store.Approved, "bob"), decision(store.Declined, "bob")} {
			how, actor := store.Reopened, "ann"
			switch n {
			case 0:
				how = store.Created
			case 2:
				actor = "bob" // whoever asks anew
			}
			r := awaitingOf(t, s, "1", actor, short, how)
			outlast()
			if due, err := s.Due(t.Context(), "app", 0, 10, true); err != nil || len(due) != 1 || due[0].ID != r.ID {
				t.Fatalf("Due = %+v, %v", due, err)
			}
			got, changed := mustSettle(t, s, r.ID, late)
			if !changed || !got.Expired() || got.Declined() || got.ApprovedBy != "" || !got.CanReopen() || got.Source != "" || !slices.Equal(got.Due(), []store.Event{store.RefundFailed}) {
				t.Fatalf("%+v: changed %v, %+v", late, changed, got)
			}
			if last := got.History[len(got.History)-1]; last.What != "expired" || last.Actor != "" {
				t.Errorf("the history ends with %+v", last)
			}
			unmoved(t, s, r.ID, decision(store.Approved, "carl"))
		}
	}},
	{"approved, it is to be sent until it is", func(t *testing.T, s store.Store) {
		r := awaiting(t, s, "1", long, store.Created)
		approved := decision(store.Approved, "bob")
		approved.Again = short
		mustSettle(t, s, r.ID, approved)
		for n := range 2 {
			outlast()
			if due, err := s.Due(t.Context(), "app", 0, 10, true); err != nil || len(due) != 1 || due[0].ID != r.ID {
				t.Fatalf("Due = %+v, %v", due, err)
			}
			attempt := mustSend(t, s, r.ID, n, long)
			got, changed := mustSettle(t, s, r.ID, store.Settlement{
				Source: store.ByAnswer, Attempt: attempt.Number, Token: attempt.Token, Finding: store.NotSent, Again: short,
			})
			if changed || got.State != store.Pending || got.Stage(got.AsOf) != store.StagePromised {
				t.Fatalf("not sent: changed %v, %+v", changed, got)
			}
		}
		mustOpen(t, s, trade("order", "2"), total(150), store.OverLimit)
	}},
	{"an approval is spent with what it sent", func(t *testing.T, s store.Store) {
		r := awaiting(t, s, "1", long, store.Created)
		mustSettle(t, s, r.ID, decision(store.Approved, "bob"))
		fail(t, s, r.ID, true)
		awaiting(t, s, "1", long, store.Reopened)
		mustSettle(t, s, r.ID, decision(store.Approved, "bob"))
		fail(t, s, r.ID, true)
		if got := mustOpen(t, s, trade("order", "1"), total(150), store.Reopened); got.State != store.Pending || got.ApprovedBy != "" || !got.ApprovalUntil.IsZero() {
			t.Errorf("opened again without approval: %+v", got)
		}
	}},
	{"refunded elsewhere, it has succeeded", func(t *testing.T, s store.Store) {
		r := awaiting(t, s, "1", long, store.Created)
		succeed(t, s, r.ID)
		unmoved(t, s, r.ID, decision(store.Approved, "bob"), decision(store.Declined, "bob"), decision(store.Expired, ""))
		if got := mustGet(t, s, r.ID); got.ApprovedBy != "" || !slices.Equal(got.Due(), []store.Event{store.RefundSucceeded}) {
			t.Errorf("it is %+v", got)
		}
	}},
	{"of many who decide one does", func(t *testing.T, s store.Store) {
		r := awaiting(t, s, "1", long, store.Created)
		var won atomic.Int32
		race(func(n int) {
			_, changed, err := s.Settle(t.Context(), r.ID, decision([]store.Decision{store.Approved, store.Declined}[n%2], string(rune('A'+n))+"b"))
			if err != nil {
				t.Error("Settle:", err)
			}
			if changed {
				won.Add(1)
			}
		})
		got := mustGet(t, s, r.ID)
		if won.Load() != 1 || len(got.History) != 2 || (got.ApprovedBy == "") == (got.DeclinedBy == "") {
			t.Errorf("%d won: %+v", won.Load(), got)
		}
	}},
}
