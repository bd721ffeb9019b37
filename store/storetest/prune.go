package storetest

import (
	"testing"
	"time"

	"github.com/alirefund/alirefund/store"
)

// pruner is a test of the stores that are a [store.Pruner].
func pruner(run func(t *testing.T, s store.Store, p store.Pruner)) func(*testing.T, store.Store) {
	return func(t *testing.T, s store.Store) {
		if p, ok := s.(store.Pruner); ok {
			run(t, s, p)
		}
	}
}

// prune forgets what there is to forget, and expects some or nothing.
func prune(t *testing.T, p store.Pruner, app string, nodes, refunds time.Time, want bool) {
	t.Helper()
	did := false
	for {
		n, err := p.Prune(t.Context(), app, nodes, refunds)
		if err != nil {
			t.Fatal("Prune:", err)
		}
		if n == 0 {
			break
		}
		did = true
	}
	if did != want {
		t.Errorf("Prune(%s) forgot: %v; want %v", app, did, want)
	}
}

const node = store.JSON(`{"code":"10000","buyer_logon_id":"a***@b.c"}`)

// unfinished are refunds that something remains to be done for, each with a node.
func unfinished(t *testing.T, s store.Store) []store.Refund {
	t.Helper()
	pending := mustOpen(t, s, trade("order", "pending"), unlimited, store.Created)
	mustSettle(t, s, pending.ID, store.Settlement{Source: store.ByQuery, Answer: node})
	untold := mustOpen(t, s, trade("order", "untold"), unlimited, store.Created)
	mustSettle(t, s, untold.ID, store.Settlement{Source: store.ByQuery, Finding: store.Success, Answer: node})
	again := told(t, s, "again")
	mustSettle(t, s, again.ID, store.Settlement{Source: store.ByQuery, Answer: node})
	redeliver(t, s, again.ID, success, true)
	return []store.Refund{mustGet(t, s, pending.ID), mustGet(t, s, untold.ID), mustGet(t, s, again.ID)}
}

var prunerTests = []test{
	{"nodes, of what is done", pruner(func(t *testing.T, s store.Store, p store.Pruner) {
		kept := unfinished(t, s)
		r := told(t, s, "told")
		mustSettle(t, s, r.ID, store.Settlement{Source: store.ByNotice, Finding: store.Success, Answer: node})
		r = mustGet(t, s, r.ID)
		prune(t, p, "app", time.Time{}, time.Time{}, false)
		prune(t, p, "app", r.SettledAt.Add(-time.Second), time.Time{}, false)
		prune(t, p, "other", later(), time.Time{}, false)
		same(t, "Get", mustGet(t, s, r.ID), r)
		prune(t, p, "app", later(), time.Time{}, true)
		r.Answer = ""
		same(t, "Get", mustGet(t, s, r.ID), r)
		for _, r := range kept {
			same(t, "Get", mustGet(t, s, r.ID), r)
		}
	})},
	{"refunds, of which nothing is left to do", pruner(func(t *testing.T, s store.Store, p store.Pruner) {
		kept := unfinished(t, s)
		for n := range 3 {
			told(t, s, string(rune('a'+n)))
		}
		r := mustOpen(t, s, trade("order", "not sent"), unlimited, store.Created)
		mustSettle(t, s, r.ID, store.Settlement{Source: store.ByAnswer, Finding: store.NotSent})
		prune(t, p, "app", time.Time{}, mustGet(t, s, trade("order", "a").ID).SettledAt.Add(-time.Second), false)
		prune(t, p, "other", later(), later(), false)
		prune(t, p, "app", time.Time{}, later(), true)
		list(t, s, store.Filter{App: "app"}, "pending", "untold", "again")
		for _, r := range kept {
			same(t, "Get", mustGet(t, s, r.ID), r)
		}
	})},
	{"by when they were settled, not last told", pruner(func(t *testing.T, s store.Store, p store.Pruner) {
		r := told(t, s, "told")
		between := mustGet(t, s, r.ID).SettledAt.Add(short / 2)
		outlast()
		redeliver(t, s, r.ID, success, true)
		delivered(t, s, r.ID, success, deliver(t, s, r.ID, success, long, owned), true)
		prune(t, p, "app", time.Time{}, between, true)
		list(t, s, store.Filter{App: "app"})
	})},
	{"but not what an order has left", pruner(func(t *testing.T, s store.Store, p store.Pruner) {
		told(t, s, "told")
		prune(t, p, "app", later(), later(), true)
		over(t, s, sized("order", 60), total(150), 50)
	})},
	{"no claim that counts", pruner(func(t *testing.T, s store.Store, p store.Pruner) {
		token := claim(t, s, "done", long, owned)
		complete(t, s, "done", token, long, true)
		claim(t, s, "held", long, owned)
		slow := claim(t, s, "slow", short, owned)
		outlast()
		prune(t, p, "app", later(), later(), false)
		claim(t, s, "done", long, done)
		claim(t, s, "held", long, anothers)
		complete(t, s, "slow", slow, long, true)
	})},
}

func later() time.Time { return time.Now().Add(time.Hour) }
