package engine

import (
	"hash/maphash"

	"github.com/alirefund/alirefund/money"
)

// tallyBuckets is into how many parts a day is divided: of a million refunds each has 15.
const tallyBuckets = 1 << 16

// tally holds two lists of refunds against each other without keeping either. What one
// list adds the other takes away; a bucket in which nothing remains had the same on both
// sides. A bucket keeps a count and the sum of its refunds' hashes, 128 bits in all, so that
// different lists do not agree by chance.
type tally [tallyBuckets]struct {
	count      int32 // of the one side less those of the other
	rows       int32 // of both sides
	one, other uint64
}

// seeds make the hashes: unknown to whoever chooses a refund's number.
var seedOne, seedOther = maphash.MakeSeed(), maphash.MakeSeed()

// counted is a refund as a tally counts it.
type counted struct {
	id     string
	amount money.Amount
}

func bucketOf(id string) int {
	return int(maphash.String(seedOne, id) % tallyBuckets)
}

func (t *tally) change(id string, amount money.Amount, by int32) {
	b := &t[bucketOf(id)]
	c := counted{id, amount}
	b.count += by
	b.rows++
	if by > 0 {
		b.one += maphash.Comparable(seedOne, c)
		b.other += maphash.Comparable(seedOther, c)
	} else {
		b.one -= maphash.Comparable(seedOne, c)
		b.other -= maphash.Comparable(seedOther, c)
	}
}

func (t *tally) add(id string, amount money.Amount)  { t.change(id, amount, 1) }
func (t *tally) take(id string, amount money.Amount) { t.change(id, amount, -1) }

// differs tells whether the two sides have other refunds in the bucket.
func (t *tally) differs(bucket int) bool {
	b := &t[bucket]
	return b.count != 0 || b.one != 0 || b.other != 0
}

// round is a part of the buckets that differ: from first, before end.
type round struct{ first, end int }

// has tells whether a refund is to be looked at in the round.
func (t *tally) has(r round, id string) bool {
	bucket := bucketOf(id)
	return bucket >= r.first && bucket < r.end && t.differs(bucket)
}

// rounds divides the buckets that differ, so that each part has about most rows at most.
// There is one at least.
func (t *tally) rounds(most int) (rounds []round) {
	first, rows := 0, 0
	for n := range t {
		if !t.differs(n) {
			continue
		}
		if rows > 0 && rows+int(t[n].rows) > most {
			rounds = append(rounds, round{first, n})
			first, rows = n, 0
		}
		rows += int(t[n].rows)
	}
	return append(rounds, round{first, tallyBuckets})
}
