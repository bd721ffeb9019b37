package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// All times of a ledger are the database's: leases that one process takes must be
// over for all others at the same moment. The database is asked what time it is now
// and then; in between, what has passed since is added.
const (
	fresh   = 15 * time.Second // how long a reading is used
	stale   = time.Minute      // and while somebody else is reading
	slowest = 2 * time.Second  // a reading that took longer says too little
	jump    = time.Second      // the process's clocks may come apart by so much
)

// clock is the database's, as this process knows it.
type clock struct {
	process func() moment
	ask     func(context.Context) (micros int64, err error) // the database
	last    atomic.Pointer[reading]
	reading atomic.Bool // somebody is at it
}

// moment is a time of the process's, by its two clocks: one that may be set, and one
// that may stand still while the machine is suspended.
type moment struct {
	wall    time.Time
	running time.Duration
}

// moments reads the two clocks behind now.
func moments(now func() time.Time) func() moment {
	began := now()
	return func() moment {
		at := now()
		return moment{at.Round(0), at.Sub(began)}
	}
}

// reading is what the database said, and when that arrived. So the clock is behind the
// database's by no more than the reading took, and never ahead: nobody takes another's
// lease too early.
type reading struct {
	at       moment
	database time.Time
}

// now returns the database's time in UTC, as exactly as the database keeps it. It
// fails if the database does not say.
func (c *clock) now(ctx context.Context) (time.Time, error) {
	last := c.last.Load()
	if last != nil {
		passed, usable := c.passed(last.at)
		reads := usable && passed >= fresh && c.reading.CompareAndSwap(false, true)
		if reads {
			defer c.reading.Store(false)
		} else if usable && passed < stale {
			return last.database.Add(passed).Truncate(time.Microsecond), nil
		}
	}
	return c.read(ctx)
}

// passed is how long ago that was. It is not usable if the two clocks do not agree:
// then the one was set, or the other stood still.
func (c *clock) passed(since moment) (d time.Duration, usable bool) {
	now := c.process()
	d = now.running - since.running
	apart := now.wall.Sub(since.wall) - d
	return d, -jump < apart && apart < jump
}

// read asks the database.
func (c *clock) read(ctx context.Context) (time.Time, error) {
	for range 3 {
		began := c.process()
		micros, err := c.ask(ctx)
		if err != nil {
			return time.Time{}, fmt.Errorf("the database's time: %w", err)
		}
		r := reading{c.process(), time.UnixMicro(micros).UTC()}
		if took, usable := c.passed(began); usable && took < slowest {
			c.last.Store(&r)
			return r.database, nil
		}
	}
	return time.Time{}, errors.New("the database takes too long to say what time it is")
}
