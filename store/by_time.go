package store

import (
	"slices"
	"time"
)

// byTime is the order in which refunds were recorded, so that a list need not look at
// all of them. What is forgotten stays in it until there is more of that than of the rest.
type byTime struct {
	list  []Cursor
	stale int
}

// add files a refund, which is mostly the youngest.
func (b *byTime) add(c Cursor) {
	if n := len(b.list); n == 0 || b.list[n-1].compare(c) < 0 {
		b.list = append(b.list, c)
	} else if n, found := b.find(c); !found {
		b.list = slices.Insert(b.list, n, c)
	}
}

func (b *byTime) find(c Cursor) (n int, found bool) {
	return slices.BinarySearchFunc(b.list, c, Cursor.compare)
}

// since returns where those begin that are not older than t.
func (b *byTime) since(t time.Time) int {
	n, _ := b.find(Cursor{CreatedAt: t})
	return n
}

// forgot notes that a refund is gone; alive tells which are not.
func (b *byTime) forgot(alive func(Cursor) bool) {
	if b.stale++; b.stale*2 > len(b.list) {
		b.list = slices.DeleteFunc(b.list, func(c Cursor) bool { return !alive(c) })
		b.stale = 0
	}
}

// each calls found with those among which all are that f selects, in f's order, until it
// returns false.
func (b *byTime) each(f Filter, found func(Cursor) bool) {
	from, until := 0, len(b.list)
	if !f.From.IsZero() {
		from = b.since(f.From)
	}
	if !f.Until.IsZero() {
		until = b.since(f.Until)
	}
	if n, known := b.find(f.After); f.After != (Cursor{}) && f.Newest {
		until = min(until, n)
	} else if f.After != (Cursor{}) {
		if from = max(from, n); known && from == n {
			from++
		}
	}
	for n := from; n < until; n++ {
		at := n
		if f.Newest {
			at = until - 1 - (n - from)
		}
		if !found(b.list[at]) {
			return
		}
	}
}
