package store

import (
	"context"
	"crypto/rand"
	"slices"
	"strings"
)

// What an audit found is kept in the ledger as well: as a record of an application that
// no refund has, so that every back-end keeps it, and no list of refunds shows it.

// auditKind is the kind of such a record. Nothing is ever sent, asked or told of it.
const auditKind = "audit"

func auditApp(app string) string { return "audit:" + app }

// KeepAudit keeps what was found about the day of an application, beside what was found
// about it before. day is as 2026-10-03. Errors are [Ledger.Open]'s.
func KeepAudit(ctx context.Context, l Ledger, app, day string, found JSON) error {
	_, _, err := l.Open(ctx, Refund{
		ID: digest("au_", app, day, rand.Text()), OrderID: digest("au_", app), Kind: auditKind, App: auditApp(app),
		OutRequestNo: day, Request: found, Origin: FromRequest, State: Failed, NotSent: true,
	}, Limit{}, nil)
	return err
}

// Audit returns what was found last about the day of an application; empty for nothing.
// Errors are [Ledger.List]'s.
func Audit(ctx context.Context, l Ledger, app, day string) (JSON, error) {
	rows, err := l.List(ctx, Filter{App: auditApp(app), OutRequestNo: day, Newest: true, Limit: 1})
	if err != nil || len(rows) == 0 {
		return "", err
	}
	return rows[0].Request, nil
}

// Audits returns what was found last about each of the days that were looked at lately,
// the latest day first, at most n. Errors are [Ledger.List]'s.
func Audits(ctx context.Context, l Ledger, app string, n int) ([]JSON, error) {
	rows, err := l.List(ctx, Filter{App: auditApp(app), Newest: true, Limit: 2 * n}) // a day may be there twice
	if err != nil {
		return nil, err
	}
	known := map[string]bool{}
	rows = slices.DeleteFunc(rows, func(r Refund) bool {
		again := known[r.OutRequestNo]
		known[r.OutRequestNo] = true
		return again
	})
	slices.SortStableFunc(rows, func(a, b Refund) int { return strings.Compare(b.OutRequestNo, a.OutRequestNo) })
	var found []JSON
	for _, r := range rows[:min(n, len(rows))] {
		found = append(found, r.Request)
	}
	return found, nil
}
