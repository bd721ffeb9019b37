package console

import (
	"context"
	"encoding/base64"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alirefund/alirefund/internal/sheet"
	"github.com/alirefund/alirefund/store"
)

// What a list may show.
const (
	showAll        = ""
	showAwaiting   = "awaiting"
	showUnresolved = "unresolved"
	showAttention  = "attention"
	showUntold     = "untold"
	showSucceeded  = "succeeded"
	showFailed     = "failed"
)

var shows = []string{showAll, showAwaiting, showUnresolved, showAttention, showUntold, showSucceeded, showFailed}

// query is what a list is asked for, as its address says it.
type query struct {
	App, Show, Q, Kind, From, Until, Order, After string
}

// dayForm is how a day is written in a form.
const dayForm = "2006-01-02"

// readQuery reads an address. What it does not know it leaves out.
func readQuery(v url.Values) query {
	known := func(name string, values ...string) string {
		if value := v.Get(name); slices.Contains(values, value) {
			return value
		}
		return ""
	}
	day := func(name string) string {
		if _, err := time.Parse(dayForm, v.Get(name)); err != nil {
			return ""
		}
		return v.Get(name)
	}
	kinds := []string{}
	for _, k := range store.Kinds() {
		kinds = append(kinds, string(k))
	}
	return query{
		App: v.Get("app"), Show: known("show", shows...), Q: number(v.Get("q")), Kind: known("kind", kinds...),
		From: day("from"), Until: day("until"), Order: known("order", "oldest"), After: v.Get("after"),
	}
}

// number is what somebody searches, as a table that was exported may have dressed it.
func number(q string) string {
	q = strings.TrimSpace(q)
	if inner, found := strings.CutPrefix(q, `="`); found {
		q = strings.TrimSuffix(inner, `"`)
	}
	if bare, found := strings.CutPrefix(q, "'"); found && sheet.Cell(bare) == q {
		return bare
	}
	return q
}

// String is the address, seen from the console's first page.
func (q query) String() string {
	v := url.Values{}
	for name, value := range map[string]string{
		"app": q.App, "show": q.Show, "q": q.Q, "kind": q.Kind, "from": q.From, "until": q.Until, "order": q.Order, "after": q.After,
	} {
		if value != "" {
			v.Set(name, value)
		}
	}
	if len(v) == 0 {
		return "?"
	}
	return "?" + v.Encode()
}

// Showing is the same query for something else, from its beginning.
func (q query) Showing(show string) query {
	q.Show, q.After = show, ""
	return q
}

// Ordered is the same query in another order, from its beginning.
func (q query) Ordered(order string) query {
	q.Order, q.After = order, ""
	return q
}

// Begin is the same query from its beginning.
func (q query) Begin() query { return q.Behind("") }

// Behind is the same query from a place on.
func (q query) Behind(after string) query {
	q.After = after
	return q
}

// Narrow tells whether the form says anything.
func (q query) Narrow() bool { return q.Q != "" || q.Kind != "" || q.From != "" || q.Until != "" }

// filters returns lists in which all are that the query means, and what it means of them.
func (q query) filters(zone *time.Location) (all []store.Filter, keep func(store.Refund) bool) {
	f := store.Filter{Kind: store.Kind(q.Kind), Newest: q.Order != "oldest", After: readCursor(q.After)}
	f.From, _ = time.ParseInLocation(dayForm, q.From, zone)
	if day, err := time.ParseInLocation(dayForm, q.Until, zone); err == nil {
		f.Until = day.AddDate(0, 0, 1)
	}
	keep = func(store.Refund) bool { return true }
	each := []store.Filter{f}
	with := func(change func(*store.Filter)) store.Filter {
		g := f
		change(&g)
		return g
	}
	switch q.Show {
	case showAwaiting:
		each[0].State = store.AwaitingApproval
	case showUnresolved:
		each[0].State = store.Pending
	case showSucceeded:
		each[0].State = store.Succeeded
	case showFailed:
		each[0].State = store.Failed
	case showUntold:
		each[0].Undelivered = true
	case showAttention: // of what is settled, at most what is untold wants somebody
		keep = func(r store.Refund) bool { return r.Attention != "" }
		each = []store.Filter{
			with(func(f *store.Filter) { f.State, f.Limit = store.Pending, batch }),
			with(func(f *store.Filter) { f.Undelivered, f.Limit = true, batch }),
		}
	}
	if q.Q == "" {
		return each, keep
	}
	for _, f := range each {
		for _, field := range []func(*store.Filter) *string{
			func(f *store.Filter) *string { return &f.OutTradeNo },
			func(f *store.Filter) *string { return &f.OutRequestNo },
			func(f *store.Filter) *string { return &f.TradeNo },
			func(f *store.Filter) *string { return &f.AuthNo },
			func(f *store.Filter) *string { return &f.OperationID },
		} {
			g := f
			*field(&g) = q.Q
			all = append(all, g)
		}
	}
	return all, keep
}

// batch is how many refunds are read at once, and mostRead how many for one page at most.
const batch, mostRead = 250, 1000

// found is a piece of what a query means.
type found struct {
	rows []store.Refund
	next string // where to go on; empty at the end
}

// find returns at most so many refunds, fewer also where it has read enough for one page.
func find(ctx context.Context, e Engine, q query, zone *time.Location, most int) (found, error) {
	if strings.HasPrefix(q.Q, "rf_") || strings.HasPrefix(q.Q, "rn_") { // an ID
		if r, err := e.Recorded(ctx, q.Q); err == nil {
			return found{rows: []store.Refund{r}}, nil
		} else if !errors.Is(err, store.ErrNotFound) {
			return found{}, err
		}
	}
	filters, keep := q.filters(zone)
	compare := func(a, b store.Cursor) int {
		if filters[0].Newest {
			a, b = b, a
		}
		if n := a.CreatedAt.Compare(b.CreatedAt); n != 0 {
			return n
		}
		return strings.Compare(a.ID, b.ID)
	}
	var all []store.Refund
	var stop store.Cursor // behind it, not all is known
	for _, f := range filters {
		rows, end, err := scan(ctx, e, f, keep, most+1)
		if err != nil {
			return found{}, err
		}
		all = append(all, rows...)
		if end != (store.Cursor{}) && (stop == store.Cursor{} || compare(end, stop) < 0) {
			stop = end
		}
	}
	slices.SortFunc(all, func(a, b store.Refund) int { return compare(a.Cursor(), b.Cursor()) })
	all = slices.CompactFunc(all, func(a, b store.Refund) bool { return a.ID == b.ID })
	if stop != (store.Cursor{}) {
		all = slices.DeleteFunc(all, func(r store.Refund) bool { return compare(r.Cursor(), stop) > 0 })
	}
	switch {
	case len(all) > most:
		return found{all[:most], writeCursor(all[most-1].Cursor())}, nil
	case stop != store.Cursor{}:
		return found{all, writeCursor(stop)}, nil
	}
	return found{rows: all}, nil
}

// scan reads on until it has so many to keep, or has read enough: then end is how far.
func scan(ctx context.Context, e Engine, f store.Filter, keep func(store.Refund) bool, most int) (kept []store.Refund, end store.Cursor, err error) {
	if f.Limit == 0 {
		f.Limit = min(most, batch)
	}
	for read := 0; read < mostRead; {
		rows, err := e.List(ctx, f)
		if err != nil {
			return nil, end, err
		}
		for _, r := range rows {
			if keep(r) {
				kept = append(kept, r)
			}
			if len(kept) == most {
				return kept, r.Cursor(), nil
			}
		}
		if len(rows) < f.Limit {
			return kept, store.Cursor{}, nil
		}
		read += len(rows)
		f.After = rows[len(rows)-1].Cursor()
	}
	return kept, f.After, nil
}

func writeCursor(c store.Cursor) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(c.CreatedAt.UnixNano(), 36) + " " + c.ID))
}

// readCursor reads one that writeCursor has written; of anything else it is the beginning.
func readCursor(text string) store.Cursor {
	raw, _ := base64.RawURLEncoding.DecodeString(text)
	at, id, _ := strings.Cut(string(raw), " ")
	nanos, err := strconv.ParseInt(at, 36, 64)
	if err != nil || id == "" {
		return store.Cursor{}
	}
	return store.Cursor{CreatedAt: time.Unix(0, nanos).UTC(), ID: id}
}
