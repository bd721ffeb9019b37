package engine

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/alirefund/alirefund/store"
)

const (
	// lookTime is how long a look at the store may take before that counts as no answer.
	lookTime = 2 * time.Second
	// countTime is how much of that counting may take: much to do is no reason to be
	// unready, which every process would be alike.
	countTime = lookTime * 3 / 4
	// lookEvery is the least time between two looks, whoever asks for them.
	lookEvery = time.Second
	// mostLookEvery bounds the time between two looks at a store that is slow.
	mostLookEvery = 5 * time.Second
)

// vitals is what a process knows of its own doing, and what it last saw of its store.
type vitals struct {
	draining atomic.Bool
	runs     atomic.Int32 // of Run that go on
	started  atomic.Int64 // when the last of them was, in Unix nanoseconds
	rounded  atomic.Int64 // when one of them last read what is due; 0 for never
	looks    looks
	// lookFailed: the last look did.
	lookFailed atomic.Bool
}

// run notes that a Run begins, and returns how to note that it ends.
func (v *vitals) run() (end func()) {
	v.started.Store(time.Now().UnixNano())
	v.runs.Add(1)
	return func() { v.runs.Add(-1) }
}

// stands tells whether no round of Run has come to its end for so long.
func (v *vitals) stands(long time.Duration) bool {
	return time.Since(time.Unix(0, max(v.started.Load(), v.rounded.Load()))) > long
}

// round notes whether a Run could read what is due.
func (v *vitals) round(err error) {
	if err == nil {
		v.rounded.Store(time.Now().UnixNano())
	}
}

// lastRound is when a Run here last read what is due; zero if none has.
func (v *vitals) lastRound() time.Time {
	if at := v.rounded.Load(); at != 0 {
		return time.Unix(0, at)
	}
	return time.Time{}
}

// look is what a look at the store found.
type look struct {
	began   time.Time
	took    time.Duration
	err     error          // why the store did not answer
	backlog *store.Backlog // nil: the store cannot count it
	ahead   time.Duration  // of the ledger's clock, this process's; negative if it is behind
}

// compare notes what the ledger's clock said while the look went on.
func (l *look) compare(ledger time.Time) {
	ahead := l.began.Sub(ledger) // at least so much, and at most the look's time more
	switch took := time.Since(l.began); {
	case ahead > 0:
		l.ahead = ahead
	case ahead+took < 0:
		l.ahead = ahead + took
	}
}

// fresh is until when the look is as good as another.
func (l look) fresh() time.Time {
	pause := lookEvery
	if l.err == nil { // a tenth of the store's time, for a slow one
		pause = min(max(10*l.took, lookEvery), mostLookEvery)
	}
	return l.began.Add(pause)
}

// errSlow: the store has not answered in time.
var errSlow = errors.New("the store has not answered within " + lookTime.String())

// looks shares one look at the store among all that ask at once, and for a while.
type looks struct {
	mu     sync.Mutex
	last   look
	flight *sharedLook // nil: none goes on
}

type sharedLook struct {
	began time.Time
	ended chan struct{}
	found look // once ended is closed
}

// share returns what the last look found, or if that is too long ago begins another by
// do, unless one goes on. It waits for no longer than ctx and lookTime allow, even if do
// pays no heed to its context: then nobody looks again before do has returned.
func (l *looks) share(ctx context.Context, do func(context.Context) look) look {
	l.mu.Lock()
	if l.flight == nil && !time.Now().Before(l.last.fresh()) {
		l.flight = &sharedLook{began: time.Now(), ended: make(chan struct{})}
		go l.fly(l.flight, do) //nolint:gosec // not the context of whoever asked first: see fly
	}
	f, last := l.flight, l.last
	l.mu.Unlock()
	if f == nil {
		return last
	}
	late := time.NewTimer(time.Until(f.began.Add(lookTime)))
	defer late.Stop()
	err := errSlow
	select {
	case <-f.ended:
		return f.found
	case <-late.C:
	case <-ctx.Done():
		err = ctx.Err()
	}
	return look{began: f.began, took: time.Since(f.began), err: err}
}

func (l *looks) fly(f *sharedLook, do func(context.Context) look) {
	// Several wait for it, and none of them ends it by giving up.
	ctx, cancel := context.WithTimeout(context.Background(), lookTime)
	defer cancel()
	f.found = do(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last, l.flight = f.found, nil
	close(f.ended)
}
