package storetest

import (
	"slices"
	"testing"

	"github.com/alirefund/alirefund/store"
)

func keepAudit(t *testing.T, s store.Store, app, day string, found store.JSON) {
	t.Helper()
	if err := store.KeepAudit(t.Context(), s, app, day, found); err != nil {
		t.Fatal("KeepAudit:", err)
	}
}

func audited(t *testing.T, s store.Store, app, day string, want store.JSON) {
	t.Helper()
	if got, err := store.Audit(t.Context(), s, app, day); err != nil || got != want {
		t.Errorf("Audit(%s, %s) = %s, %v; want %s", app, day, got, err, want)
	}
}

var auditTests = []test{
	{"the last of a day", func(t *testing.T, s store.Store) {
		audited(t, s, "app", "2026-10-03", "")
		keepAudit(t, s, "app", "2026-10-03", `{"n":1}`)
		keepAudit(t, s, "app", "2026-10-03", `{"n":1}`)
		outlast()
		keepAudit(t, s, "app", "2026-10-03", `{"n":"日账单"}`)
		keepAudit(t, s, "other", "2026-10-03", `{"n":3}`)
		audited(t, s, "app", "2026-10-03", `{"n":"日账单"}`)
		audited(t, s, "other", "2026-10-03", `{"n":3}`)
		audited(t, s, "app", "2026-10-04", "")
	}},
	{"each day once, the latest first", func(t *testing.T, s store.Store) {
		for _, day := range []string{"2026-10-03", "2026-10-05", "2026-10-04"} {
			keepAudit(t, s, "app", day, store.JSON(`{"of":"`+day+`"}`))
		}
		outlast()
		keepAudit(t, s, "app", "2026-10-03", `{"again":true}`)
		for n, want := range map[int][]store.JSON{
			2: {`{"of":"2026-10-05"}`, `{"of":"2026-10-04"}`},
			9: {`{"of":"2026-10-05"}`, `{"of":"2026-10-04"}`, `{"again":true}`},
		} {
			if got, err := store.Audits(t.Context(), s, "app", n); err != nil || !slices.Equal(got, want) {
				t.Errorf("Audits(%d) = %v, %v; want %v", n, got, err, want)
			}
		}
	}},
	{"nothing to do, and in no list", func(t *testing.T, s store.Store) {
		keepAudit(t, s, "app", "2026-10-03", `{}`)
		list(t, s, store.Filter{App: "app"})
		for _, app := range []string{"app", ""} {
			if due, err := s.Due(t.Context(), app, long, 10, false); err != nil || len(due) > 0 {
				t.Errorf("Due(%q) = %v, %v", app, due, err)
			}
			if c, ok := s.(store.Counter); ok {
				if b, err := c.Count(t.Context(), app); err != nil || b.Unresolved+b.Undelivered+b.Due > 0 {
					t.Errorf("Count(%q) = %+v, %v", app, b, err)
				}
			}
		}
	}},
}
