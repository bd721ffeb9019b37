package store

import (
	"cmp"
	"time"
)

// Filter selects refunds. App is required; every other empty field matches all.
type Filter struct {
	App          string
	Kind         Kind
	OutTradeNo   string
	TradeNo      string
	AuthNo       string
	OutRequestNo string
	OperationID  string
	State        State
	Undelivered  bool      // only those with an event to deliver
	From, Until  time.Time // created at From or later, before Until
	Newest       bool      // the newest first, and not the oldest
	After        Cursor    // behind the last one of an earlier list, in the same order
	Limit        int       // at most so many; 0 means 100
}

// DefaultLimit is the number of refunds that List returns if the filter does
// not say.
const DefaultLimit = 100

// Matches tells whether f selects r. A filter without App selects nothing that
// has one.
func (f Filter) Matches(r Refund) bool { return f.matches(&r) }

func (f *Filter) matches(r *Refund) bool {
	if f.App != r.App {
		return false
	}
	for _, c := range []struct{ want, got string }{
		{string(f.Kind), string(r.Kind)},
		{f.OutTradeNo, r.OutTradeNo},
		{f.TradeNo, r.TradeNo},
		{f.AuthNo, r.AuthNo},
		{f.OutRequestNo, r.OutRequestNo},
		{f.OperationID, r.OperationID},
		{string(f.State), string(r.State)},
	} {
		if c.want != "" && c.want != c.got {
			return false
		}
	}
	return (!f.Undelivered || r.Undelivered()) &&
		(f.From.IsZero() || !r.CreatedAt.Before(f.From)) && (f.Until.IsZero() || r.CreatedAt.Before(f.Until)) &&
		(f.After == Cursor{} || f.compare(f.After, r.Cursor()) < 0)
}

// compare is negative where a list of f has a before b.
func (f Filter) compare(a, b Cursor) int {
	if f.Newest {
		return b.compare(a)
	}
	return a.compare(b)
}

// Cursor is a place in the order of List: behind the refund it names.
type Cursor struct {
	CreatedAt time.Time
	ID        string
}

// Cursor returns the place behind r.
func (r Refund) Cursor() Cursor { return Cursor{r.CreatedAt, r.ID} }

func (c Cursor) compare(other Cursor) int {
	return cmp.Or(c.CreatedAt.Compare(other.CreatedAt), cmp.Compare(c.ID, other.ID))
}
