package store

import (
	"context"
	"fmt"
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
}

func (l *ledger) init(retention time.Duration) {
	l.retention = retention
	l.index = make(index)
	l.rows.init()
	l.rows.items.OnEvicted(func(_ string, row any) { l.index.move(row.(*Refund), nil) })
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

// matching returns the rows that f selects, in no order.
func (l *ledger) matching(f Filter) []*Refund {
	l.lock()
	defer l.rows.mu.Unlock()
	var found []*Refund
	match := func(row any) {
		if r := row.(*Refund); f.Matches(*r) {
			found = append(found, r)
		}
	}
	if ids, ok := l.index.candidates(f); ok {
		for _, id := range ids {
			if row, ok := l.rows.get(id); ok {
				match(row)
			}
		}
		return found
	}
	for _, item := range l.rows.items.Items() {
		match(item.Object)
	}
	return found
}

// over fails with the context's error if that is over: then nothing is done.
func over(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", ErrNotWritten, err)
	}
	return nil
}
