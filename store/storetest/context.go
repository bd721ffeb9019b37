package storetest

import (
	"errors"
	"testing"

	"github.com/alirefund/alirefund/store"
)

// ended judges a call whose context was over before it: true if it was made all
// the same, false if it was not made at all.
func ended(t *testing.T, method string, err error) (made bool) {
	t.Helper()
	if errors.Is(err, store.ErrNotFound) {
		t.Fatalf("%s: %v, for a refund that is there", method, err)
	}
	return err == nil
}

var contextTests = []test{
	{"a claim is taken or not", func(t *testing.T, s store.Store) {
		token, _, err := s.Claim(cancelled(t), "key", long)
		if ended(t, "Claim", err) {
			complete(t, s, "key", token, long, true)
			return
		}
		if token != "" {
			t.Error("an error, and a token")
		}
		claim(t, s, "key", long, owned)
	}},
	{"a claim is completed or still held", func(t *testing.T, s store.Store) {
		token := claim(t, s, "key", long, owned)
		held, err := s.Complete(cancelled(t), "key", token, long)
		if made := ended(t, "Complete", err); made != held {
			t.Errorf("held %v, %v", held, err)
		}
		complete(t, s, "key", token, long, !held)
		claim(t, s, "key", long, done)
	}},
	{"a claim is released or still held", func(t *testing.T, s store.Store) {
		token := claim(t, s, "key", long, owned)
		held, err := s.Release(cancelled(t), "key", token)
		if made := ended(t, "Release", err); made != held {
			t.Errorf("held %v, %v", held, err)
		}
		complete(t, s, "key", token, long, !held)
	}},
	{"a refund is recorded and reserved, or neither", func(t *testing.T, s store.Store) {
		_, _, err := s.Open(cancelled(t), sized("order", 60), total(100), nil)
		if ended(t, "Open", err) {
			mustOpen(t, s, sized("order", 60), total(100), store.Exists)
			over(t, s, sized("order", 50), total(100), 40)
			return
		}
		_, err = s.Get(t.Context(), sized("order", 60).ID)
		wantNotFound(t, "Get", err)
		mustOpen(t, s, sized("order", 100), total(100), store.Created)
	}},
	{"a send is recorded or not", func(t *testing.T, s store.Store) {
		r := mustOpen(t, s, trade("order", "number"), unlimited, store.Created)
		attempt, err := s.Sending(cancelled(t), r.ID, store.Permission{Attempts: 0, Lease: long})
		if ended(t, "Sending", err) != (attempt.Token != "") {
			t.Fatalf("Sending = %+v, %v", attempt, err)
		}
		if got := mustGet(t, s, r.ID); got.Attempts != attempt.Number || len(got.Unanswered) != attempt.Number {
			t.Errorf("%d sends, of which %v are unanswered", got.Attempts, got.Unanswered)
		}
	}},
	{"a settlement is recorded or not", func(t *testing.T, s store.Store) {
		r := mustOpen(t, s, trade("order", "number"), unlimited, store.Created)
		_, changed, err := s.Settle(cancelled(t), r.ID, store.Settlement{Source: store.ByNotice, Finding: store.Success})
		made := ended(t, "Settle", err)
		if got := mustGet(t, s, r.ID); made != changed || made != (got.State == store.Succeeded) {
			t.Errorf("changed %v, %v, and it is %s", changed, err, got.State)
		}
	}},
	{"a delivery is taken or not", func(t *testing.T, s store.Store) {
		id := succeeded(t, s)
		token, _, err := s.Deliver(cancelled(t), id, success, long)
		if ended(t, "Deliver", err) != (token != "") {
			t.Fatalf("Deliver = %q, %v", token, err)
		}
		if token == "" {
			token = deliver(t, s, id, success, long, owned)
		}
		held, _, err := s.Delivered(cancelled(t), id, success, token, store.Notice{})
		if made := ended(t, "Delivered", err); made != held {
			t.Errorf("held %v, %v", held, err)
		}
		delivered(t, s, id, success, token, !held)
	}},
	{"reading says so", func(t *testing.T, s store.Store) {
		r := mustOpen(t, s, trade("order", "number"), unlimited, store.Created)
		if got, err := s.Get(cancelled(t), r.ID); ended(t, "Get", err) {
			same(t, "Get", got, r)
		}
		if got, err := s.List(cancelled(t), store.Filter{App: "app"}); ended(t, "List", err) && len(got) != 1 {
			t.Errorf("List = %v, and no error", got)
		}
	}},
}
