package engine

import (
	"cmp"
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/alirefund/alirefund/store"
)

const (
	// inFlight bounds the refunds that one Run asks about at once, and those whose hooks
	// it calls at once: hooks that hang hold up no question.
	inFlight = 16
	// mostToTell bounds the refunds whose hooks it calls or is about to.
	mostToTell = 2 * inFlight
	// idle is how long Run waits where nothing was due.
	idle = time.Second
	// longestOutage is the longest pause of Run where the store fails.
	longestOutage = 30 * time.Second
	// pruneEvery is how often Run looks for what may be forgotten.
	pruneEvery = 10 * time.Minute
	// warnEvery is how often Run says that a certificate ends.
	warnEvery = 24 * time.Hour
)

// Run settles what is unresolved and delivers what is undelivered, until ctx
// ends; then it finishes what it has begun, for [Times.Grace] at most, and returns. Any
// number of processes may run it on one store.
//
// An unresolved refund is asked about from [Times.FirstCheck] on, ever more
// rarely, down to once an hour, and for as long as it takes: none fails by age.
// It is sent again, the same, only after Alipay's signed word, late enough, that
// it knows nothing of it. A failure that rests on such a word is asked about again, 10
// min, 1 h, 6 h and 24 h later. An event is delivered again after a pause that grows
// with each failure, without holding up others. A store that fails is tried again
// after up to 30 s. A certificate that ends within 30 days is logged every day.
//
// With [Config.AuditAt] it holds Alipay's bill of yesterday against the ledger each morning.
//
// With Config.Apps one Run looks after all applications, which take turns. A refund whose
// application cannot be had waits, and after [Times.AttentionAfter] a person is called.
func (e *Engine) Run(ctx context.Context) {
	e.running.Store(true)
	defer e.vitals.run()()
	t := &turn{asking: make(chan struct{}, inFlight), telling: make(chan struct{}, inFlight)}
	t.hooks.ends = ctx.Done()
	var working sync.WaitGroup
	defer func() { e.finish(ctx, &working, &t.hooks) }()
	var pruned time.Time
	var down outage
	warned := time.Now() // by New
	working.Go(func() { e.seekOn(ctx) })
	if e.config.AuditAt != "" {
		working.Go(func() { e.auditMornings(ctx) })
	}
	var compared time.Time
	for ctx.Err() == nil {
		if time.Since(compared) >= skewEvery {
			e.warnOfSkew(ctx)
			compared = time.Now()
		}
		if time.Since(warned) >= warnEvery {
			for _, v := range e.Applications() {
				v.warnOfExpiry(ctx)
			}
			warned = time.Now()
		}
		round, ended := e.observe(ctx, Operation{Op: OpRound})
		// What came later than its lease would be nobody's any more.
		within, cancel := context.WithTimeout(round, e.patience())
		free := inFlight - len(t.asking)
		due, err := e.ledger.Due(within, e.scope(), e.patience(), free, t.toTell.Load() >= mostToTell)
		cancel()
		ended(roundEnded(ctx, len(due), err))
		e.vitals.round(err)
		for _, r := range due {
			t.asking <- struct{}{}
			working.Go(func() { e.takeUp(ctx, r, t) })
		}
		more := false
		if err == nil && time.Since(pruned) > pruneEvery {
			if more = e.prune(ctx); !more {
				pruned = time.Now()
			}
		}
		pause := e.noteOutage(ctx, &down, err)
		if len(due) > 0 || more {
			continue
		}
		t.rest(ctx, pause, free == 0 && err == nil)
	}
}

// rest waits, and if all places were taken no longer than until one is free.
func (t *turn) rest(ctx context.Context, pause time.Duration, full bool) {
	var place chan<- struct{}
	if full {
		place = t.asking
	}
	select {
	case place <- struct{}{}:
		<-t.asking
	case <-time.After(pause):
	case <-ctx.Done():
	}
}

// turn is what one Run has taken up.
type turn struct {
	asking, telling chan struct{} // a place for each refund that is asked about, or whose hooks are called
	toTell          atomic.Int32
	waiting         sync.Map // the refunds that wait for a place to be told, or have one, by id
	hooks           hooks    // that it has called
}

// takeUp works on one refund that Due handed out, in the place among those asked about
// that its caller took. What ctx's end keeps from its hooks is given back.
func (e *Engine) takeUp(ctx context.Context, r store.Refund, t *turn) {
	if ctx.Err() != nil {
		<-t.asking
		e.giveBack(ctx, r, "")
		return
	}
	e = e.owner(ctx, r)
	working, ended := e.observe(context.WithValue(ctx, ofRun{}, &t.hooks), opOf(OpWork, r))
	defer ended(Ended{Outcome: "ok"})
	u := e.work(working, r)
	<-t.asking
	if u == nil {
		return
	}
	if _, already := t.waiting.LoadOrStore(r.ID, true); already {
		return
	}
	defer t.waiting.Delete(r.ID)
	t.toTell.Add(1)
	defer t.toTell.Add(-1)
	if enter(ctx, t.telling) {
		e.tell(working, u)
		<-t.telling
		return
	}
	token := ""
	if u.c != nil {
		token = u.c.token
	}
	e.giveBack(ctx, u.r, token)
}

// enter takes a place, which is waited for until ctx ends.
func enter(ctx context.Context, places chan struct{}) bool {
	select {
	case places <- struct{}{}: // also at the end, for what was begun
		return true
	default:
	}
	select {
	case places <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// finish waits for what Run has begun, its own hooks included.
func (e *Engine) finish(ctx context.Context, working *sync.WaitGroup, own *hooks) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cmp.Or(e.config.Times.Grace, e.patience()))
	defer cancel()
	ended := make(chan struct{})
	go func() { working.Wait(); close(ended) }()
	var err error
	select {
	case <-ended:
		err = own.wait(ctx)
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		e.log.WarnContext(ctx, "Run was stopped before all that it had begun came to its end; another Run takes it up", "error", err)
	}
}

// outage is a time in which the store could not say what is due.
type outage struct {
	since time.Time // zero: there is none
	pause time.Duration
}

// noteOutage logs that an outage begins or ends, rather than that it lasts, and
// returns how long to wait before the next turn.
func (e *Engine) noteOutage(ctx context.Context, o *outage, err error) time.Duration {
	switch {
	case ctx.Err() != nil:
	case err == nil && !o.since.IsZero():
		e.log.InfoContext(ctx, "what is due can be read again", "after", time.Since(o.since).Round(time.Second))
		*o = outage{}
	case err != nil && o.since.IsZero():
		e.log.ErrorContext(ctx, "what is due could not be read; it is tried again, ever more rarely, until it can", "error", err)
		o.since, o.pause = time.Now(), idle
	case err != nil:
		o.pause = min(2*o.pause, longestOutage)
	}
	return max(o.pause, idle)
}

// prune forgets some of what may be forgotten, and tells whether there was any,
// so that much of it holds nobody up.
func (e *Engine) prune(ctx context.Context) bool {
	pruner, ok := e.config.Store.(store.Pruner)
	if !ok {
		return false
	}
	before := func(keep time.Duration) (t time.Time) {
		if keep > 0 {
			t = time.Now().Add(-keep)
		}
		return t
	}
	within, cancel := context.WithTimeout(ctx, e.patience())
	defer cancel()
	n, err := pruner.Prune(within, e.scope(), before(e.config.Times.KeepAnswers), before(e.config.Times.KeepRefunds))
	if err != nil && ctx.Err() == nil {
		e.log.WarnContext(ctx, "old records could not be removed", "error", err)
	}
	return err == nil && n > 0
}
