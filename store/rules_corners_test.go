package store_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund/store"
)

// Attention is for what is unresolved: it ends with that, and does not begin
// after it.
func TestAttentionEndsWithTheRefund(t *testing.T) {
	r, now := refund("order", "number"), time.Unix(1e9, 0)
	r.BeginSend(store.Permission{Lease: walkLease}, time.Time{}, now)
	look := store.Settlement{Source: store.ByQuery, Attempt: 1, Code: "20000", SubCode: "busy", Message: "m", Attention: "look"}
	r, _ = r.Apply(look, now)
	if r.Attention != "look" || r.Code != "20000" || r.SubCode != "busy" || r.Message != "m" {
		t.Errorf("unresolved: %+v", r)
	}
	r, _ = r.Apply(store.Settlement{Source: store.ByNotice, Finding: store.Success}, now)
	if r.Attention != "" {
		t.Errorf("settled: %q", r.Attention)
	}
	if r, _ = r.Apply(look, now); r.Attention != "" {
		t.Errorf("after it was settled: %q", r.Attention)
	}
}

// What a person called a success while two sends were unanswered is not undone by
// the refusal of the second: the first may be why.
func TestAPersonEndsNoSend(t *testing.T) {
	r, now := refund("order", "number"), time.Unix(1e9, 0)
	r.BeginSend(store.Permission{Lease: walkLease}, time.Time{}, now)
	now = now.Add(2 * walkLease)
	attempt := r.BeginSend(store.Permission{Attempts: 1, Lease: walkLease}, time.Time{}, now)
	if attempt.Number != 2 {
		t.Fatalf("%+v", attempt)
	}
	r, _ = r.Apply(store.Settlement{Source: store.ByPerson, Finding: store.Success, Actor: "boss", Reason: "seen"}, now)
	r, _ = r.Apply(store.Settlement{Source: store.ByAnswer, Attempt: 2, Token: attempt.Token, Finding: store.Refusal}, now)
	if r.State != store.Succeeded || r.Source != store.ByPerson {
		t.Errorf("it is %s by %s", r.State, r.Source)
	}
	// Once no send is unanswered, a signed refusal corrects a person.
	r.Unanswered = nil
	if r, _ = r.Apply(store.Settlement{Source: store.ByAnswer, Attempt: 2, Finding: store.Refusal}, now); r.State != store.Failed {
		t.Errorf("nothing is unanswered: it is %s", r.State)
	}
}

// Questions are counted from the last send on: so soon after it the next one is.
func TestAsksCountFromTheLastSend(t *testing.T) {
	r, now := refund("order", "number"), time.Unix(1e9, 0)
	for sent := range 3 {
		if attempt := r.BeginSend(store.Permission{Attempts: sent, Lease: walkLease}, time.Time{}, now); attempt.Token == "" || r.Asks != 0 {
			t.Errorf("send %d: %+v, after %d questions", sent+1, attempt, r.Asks)
		}
		now = now.Add(2 * walkLease)
		for range 2 {
			r, _ = r.Apply(store.Settlement{Source: store.ByQuery, Attempt: sent + 1, Finding: store.NotFound}, now)
		}
		if r.Asks != 2 {
			t.Errorf("%d questions after send %d", r.Asks, sent+1)
		}
	}
}

// A question that could not be sent is no send that was not made.
func TestUnsentQuestionIsNoUnsentRefund(t *testing.T) {
	r, now := refund("order", "number"), time.Unix(1e9, 0)
	if r, _ := r.Apply(store.Settlement{Source: store.ByQuery, Finding: store.NotSent}, now); r.State != store.Pending {
		t.Errorf("it is %s", r.State)
	}
	if r, _ := r.Apply(store.Settlement{Source: store.ByAnswer, Finding: store.NotSent}, now); r.State != store.Failed || !r.NotSent {
		t.Errorf("a send that was not made: it is %s", r.State)
	}
}

// A refund that is opened again begins anew; a notice does not open it.
func TestReopenedBeginsAnew(t *testing.T) {
	r, now := refund("order", "number"), time.Unix(1e9, 0)
	asked := r.Clone()
	r.BeginSend(store.Permission{Lease: walkLease}, time.Time{}, now)
	r, _ = r.Apply(store.Settlement{
		Source: store.ByAnswer, Attempt: 1, Finding: store.Refusal, Retryable: true, Code: "40004", SubCode: "x", Message: "m",
	}, now)
	told := asked.Clone()
	told.State = store.Succeeded
	if got, opened, write := store.Admit(&r, told, store.OrderState{}, store.Limit{}, nil, now); opened.How != store.Exists || write || got.State != store.Failed {
		t.Errorf("a notice: %v, %s", opened.How, got.State)
	}
	got, opened, _ := store.Admit(&r, asked, store.OrderState{}, store.Limit{}, nil, now)
	if opened.How != store.Reopened || got.State != store.Pending || got.Code+got.SubCode+got.Message != "" || got.Source != "" || !got.SettledAt.IsZero() || got.Retryable {
		t.Errorf("%v: %+v", opened.How, got)
	}
}

func TestMatchesByOperation(t *testing.T) {
	r := refund("order", "number")
	r.OperationID = "1"
	if (store.Filter{App: r.App, OperationID: "2"}).Matches(r) || !(store.Filter{App: r.App, OperationID: "1"}).Matches(r) {
		t.Error("operation_id does not select")
	}
}

// What a failing store says of a key is not believed.
func TestRememberBelievesNoFailure(t *testing.T) {
	broken := &claimsThatFail{Store: store.NewMemory(), err: errors.New("down")}
	remembered := store.Remember(broken)
	if _, _, err := remembered.Claim(t.Context(), "key", time.Minute); !errors.Is(err, broken.err) {
		t.Fatal(err)
	}
	broken.err = nil
	claimed(t, remembered, "key")
}

// claimsThatFail says done, and an error.
type claimsThatFail struct {
	store.Store
	err error
}

func (c *claimsThatFail) Claim(ctx context.Context, key string, lease time.Duration) (string, bool, error) {
	if c.err != nil {
		return "", true, c.err
	}
	return c.Store.Claim(ctx, key, lease)
}

// A delivery that asked before another completed the key, and comes back after,
// does not shorten what is remembered.
func TestRememberIsNotShortened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &slowClaims{Store: store.NewMemory()}
		c := store.Remember(slow)
		token := claimed(t, c, "key")
		slow.meanwhile = func() {
			if held, err := c.Complete(t.Context(), "key", token, 48*time.Hour); !held || err != nil {
				t.Error("Complete:", held, err)
			}
		}
		wantDone(t, c, "key")
		time.Sleep(2 * time.Hour)
		asked := slow.asked
		wantDone(t, c, "key")
		if slow.asked != asked {
			t.Error("the store was asked again after two hours of 48")
		}
	})
}

// slowClaims lets something happen while it is asked.
type slowClaims struct {
	store.Store
	asked     int
	meanwhile func()
}

func (c *slowClaims) Claim(ctx context.Context, key string, lease time.Duration) (string, bool, error) {
	c.asked++
	if c.meanwhile != nil {
		c.meanwhile()
		c.meanwhile = nil
	}
	return c.Store.Claim(ctx, key, lease)
}
