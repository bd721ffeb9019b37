package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/alirefund/alirefund/money"
)

// ledger is the refunds of a Memory. A stored *Refund is never changed, only
// replaced. One lock for all of them makes every method atomic, the sum of an
// order included; nothing under it takes longer than a few map accesses.
type ledger struct {
	retention time.Duration
	rows      shard
	index     index
	byTime    byTime
	turn      string // the application whose turn was last
}

func (l *ledger) init(retention time.Duration) {
	l.retention = retention
	l.index = make(index)
	l.rows.init()
	l.rows.items.OnEvicted(func(_ string, row any) {
		l.index.move(row.(*Refund), nil)
		l.byTime.forgot(func(c Cursor) bool { return l.at(c) != nil })
	})
}

// lock locks the rows; the caller unlocks rows.mu.
func (l *ledger) lock() {
	l.rows.mu.Lock()
	l.rows.sweep()
}

// read returns the row, which is not to be changed, or nil.
func (l *ledger) read(id string) *Refund {
	row, ok := l.rows.get(id)
	if !ok {
		l.rows.delete(id) // it may have expired, but stand in the index until it is swept
		return nil
	}
	return row.(*Refund)
}

func (l *ledger) write(r *Refund) {
	old := l.read(r.ID)
	if !r.Next.IsZero() {
		l.rows.keep(r.ID, r)
	} else {
		l.rows.set(r.ID, r, l.retention)
	}
	l.index.move(old, r)
	if old == nil {
		l.byTime.add(r.Cursor())
	}
}

// at returns the row at a place of byTime, if it is still there.
func (l *ledger) at(c Cursor) *Refund {
	row, ok := l.rows.get(c.ID)
	if !ok || !row.(*Refund).CreatedAt.Equal(c.CreatedAt) {
		return nil
	}
	return row.(*Refund)
}

// change is read, decide, write: decide gets a copy of the row and tells whether
// to store it. The copy is returned; if it was stored it is the row, and not to
// be changed.
func (l *ledger) change(ctx context.Context, id string, decide func(r *Refund, now time.Time) bool) (*Refund, error) {
	if err := over(ctx); err != nil {
		return nil, err
	}
	l.lock()
	defer l.rows.mu.Unlock()
	found := l.read(id)
	if found == nil {
		return nil, ErrNotFound
	}
	r := found.Clone()
	r.AsOf = time.Now().UTC()
	if decide(&r, r.AsOf) {
		l.write(&r)
	}
	return &r, nil
}

// reserved adds up the order's refunds that count, but for the one of id.
func (l *ledger) reserved(orderID, id string) money.Amount {
	var sum money.Amount
	for _, other := range l.index[lookup{"order", orderID}] {
		if row, ok := l.rows.get(other); ok && other != id && row.(*Refund).Counts() {
			sum += row.(*Refund).Amount
		}
	}
	return sum
}

// lastSend is when any refund of the order was last sent.
func (l *ledger) lastSend(orderID string) (last time.Time) {
	for _, id := range l.index[lookup{"order", orderID}] {
		if row, ok := l.rows.get(id); ok && row.(*Refund).SentAt.After(last) {
			last = row.(*Refund).SentAt
		}
	}
	return last
}

// left returns the refunds of the application for which something is left to do; of
// every application if app is empty.
func (l *ledger) left(app string) (rows []*Refund) {
	if app == "" {
		for _, app := range l.index[apps] {
			rows = append(rows, l.left(app)...)
		}
		return rows
	}
	for _, id := range l.index[lookup{"due", app}] {
		if r := l.read(id); r != nil {
			rows = append(rows, r)
		}
	}
	return rows
}

// due returns those of the application whose time has come, in its order.
func (l *ledger) due(app string, now time.Time, asking bool) []*Refund {
	if app == "" {
		return nil
	}
	due := slices.DeleteFunc(l.left(app), func(r *Refund) bool { return r.Next.After(now) || asking && r.State == Succeeded })
	slices.SortFunc(due, func(a, b *Refund) int { return cmp.Or(a.Next.Compare(b.Next), cmp.Compare(a.ID, b.ID)) })
	return due
}

// takeTurns returns at most n refunds that are due of any application: one of each,
// beginning behind the application whose turn was last, then one of each again.
func (l *ledger) takeTurns(now time.Time, n int, asking bool) (due []*Refund) {
	var of [][]*Refund
	names := slices.Sorted(slices.Values(l.index[apps]))
	first, _ := slices.BinarySearchFunc(names, l.turn, func(name, last string) int { // the first behind last
		if name > last {
			return 1
		}
		return -1
	})
	for _, name := range slices.Concat(names[first:], names[:first]) {
		if some := l.due(name, now, asking); len(some) > 0 && len(of) < n {
			of = append(of, some)
			l.turn = name
		}
	}
	return Turns(of, n)
}

// Turns returns at most n of several queues, the first of each before the second of any:
// how a back-end lets no application with much to do hold up the others.
func Turns[T any](queues [][]T, n int) (taken []T) {
	for place := 0; len(taken) < n; place++ {
		before := len(taken)
		for _, queue := range queues {
			if place < len(queue) && len(taken) < n {
				taken = append(taken, queue[place])
			}
		}
		if len(taken) == before {
			break
		}
	}
	return taken
}

// matching returns the first rows that f selects, at most so many.
func (l *ledger) matching(f Filter, most int) (found []*Refund) {
	l.lock()
	defer l.rows.mu.Unlock()
	ids, numbered := l.index.candidates(f)
	if !numbered {
		l.byTime.each(f, func(c Cursor) bool {
			if r := l.at(c); r != nil && f.matches(r) {
				found = append(found, r)
			}
			return len(found) < most
		})
		return found
	}
	for _, id := range ids {
		if row, ok := l.rows.get(id); ok && f.matches(row.(*Refund)) {
			found = append(found, row.(*Refund))
		}
	}
	slices.SortFunc(found, func(a, b *Refund) int { return f.compare(a.Cursor(), b.Cursor()) })
	return found[:min(most, len(found))]
}

// over fails with the context's error if that is over: then nothing is done.
func over(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", ErrNotWritten, err)
	}
	return nil
}
