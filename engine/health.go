package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/alirefund/alirefund/store"
)

// Health is what a process knows of itself, its store and Alipay; see [Engine.Health].
type Health struct {
	// Ready: a balancer may send requests to this process. Only what another process
	// would do better is a reason not to be: it is being stopped, or does not reach its
	// store. All else that is wrong is wrong in every process alike, and stands in
	// Problems.
	Ready    bool
	NotReady string // why not: NotReadyDraining or NotReadyStore

	StoreTook time.Duration  // how long the store took for the last look
	StoreErr  error          // why it did not answer; it may name hosts and users
	Backlog   *store.Backlog // what is left to do, in all processes; nil: unknown

	// StoreAhead is by how much this process's clock is ahead of the store's, and
	// AlipayAhead of Alipay's gateway, by its last answer, to about a second; negative
	// if it is behind. AlipayClock is when that was, zero if no answer told; nobody
	// signs that time.
	StoreAhead, AlipayAhead time.Duration
	AlipayClock             time.Time

	Running   bool      // a Run goes on in this process
	LastRound time.Time // when it last read what is due; zero if it has not

	// Verified is when the signature of an answer of Alipay's was last right, and
	// Accepted when Alipay last took ours, of any application; zero for never in this
	// process.
	Verified, Accepted time.Time

	// ApplicationEnds and AlipayEnds are as [Engine.CertificateEnds] has them; of several
	// applications the earliest.
	ApplicationEnds, AlipayEnds time.Time

	Problems []Problem
}

// Why a process is not ready.
const (
	NotReadyDraining = "draining"          // Drain was called
	NotReadyStore    = "store_unreachable" // the store does not answer this process
)

// Problem is something that a person should mend.
type Problem struct {
	Code string // one of the codes below
	Text string // what is wrong, and what to do
}

// The codes of problems.
const (
	ProblemStore         = "store_unreachable"
	ProblemStoreClock    = "store_clock_off"
	ProblemAlipayClock   = "alipay_clock_off"
	ProblemSignature     = "signature_refused"
	ProblemUnverified    = "answer_unverified"
	ProblemEndsSoon      = "certificate_ends_soon"
	ProblemEnded         = "certificate_ended"
	ProblemUnresolved    = "unresolved_for_long"
	ProblemRoundsStopped = "run_stopped"
)

const (
	// mostAlipaySkew is what this process's clock may differ by from Alipay's: Alipay
	// refuses calls of version 3 that are ten minutes old.
	mostAlipaySkew = time.Minute
	// longUnresolved is when a refund has been unresolved for longer than an answer that
	// was lost explains. The alert AlirefundOldestUnresolved goes by the same.
	longUnresolved = time.Hour
	// longRound is how long Run may take from one round to the next, pauses included.
	longRound = 2 * longestOutage
)

// Health tells what this process knows of itself, its store and Alipay: for a readiness
// probe, and for people. It calls nobody but the store, and that at most once a second
// for all that ask; it returns within two seconds, or when ctx ends, even if the store
// stalls. Alipay is known by the last calls that refunds made; nothing is sent for this.
func (e *Engine) Health(ctx context.Context) Health {
	h := Health{Running: e.vitals.runs.Load() > 0, LastRound: e.vitals.lastRound()}
	for _, v := range e.Applications() {
		seen := v.gateway.Seen()
		h.Verified, h.Accepted = later(h.Verified, seen.Verified), later(h.Accepted, seen.Accepted)
		if seen.Dated.After(h.AlipayClock) {
			h.AlipayAhead, h.AlipayClock = seen.Ahead, seen.Dated
		}
		application, alipay := v.CertificateEnds()
		h.ApplicationEnds, h.AlipayEnds = earlier(h.ApplicationEnds, application), earlier(h.AlipayEnds, alipay)
	}
	found := e.vitals.looks.share(ctx, e.look)
	h.StoreTook, h.StoreErr, h.StoreAhead, h.Backlog = found.took, found.err, found.ahead, found.backlog
	h.Ready = true
	if h.StoreErr != nil {
		h.Ready, h.NotReady = false, NotReadyStore
	}
	if e.vitals.draining.Load() {
		h.Ready, h.NotReady = false, NotReadyDraining
	}
	h.Problems = e.problems(h)
	for _, v := range e.Applications() {
		h.Problems = append(h.Problems, v.ofApplication()...)
	}
	return h
}

// later returns the later time, and earlier the earlier one of those that are known.
func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// problems names what a person should mend that is of no single application.
func (e *Engine) problems(h Health) (found []Problem) {
	wrong := func(code, format string, args ...any) {
		found = append(found, Problem{code, fmt.Sprintf(format, args...)})
	}
	switch {
	case h.StoreErr != nil:
		wrong(ProblemStore, "this process does not reach the store; the log says why")
	case h.Backlog != nil && h.Backlog.Age() > longUnresolved:
		wrong(ProblemUnresolved, "unresolved refunds: %d, the oldest for %s; look at its history", h.Backlog.Unresolved, h.Backlog.Age().Round(time.Second))
	}
	if h.StoreAhead.Abs() > mostSkew {
		wrong(ProblemStoreClock, "this process's clock is %s the store's: set both by NTP", apart(h.StoreAhead))
	}
	if h.AlipayAhead.Abs() > mostAlipaySkew {
		wrong(ProblemAlipayClock, "this process's clock is %s Alipay's, which refuses calls that are ten minutes off: set it by NTP", apart(h.AlipayAhead))
	}
	if e.running.Load() && !e.vitals.draining.Load() && (!h.Running || h.StoreErr == nil && e.vitals.stands(longRound)) {
		wrong(ProblemRoundsStopped, "Run was started in this process and has stopped, or stands still: nobody here asks about what is unresolved")
	}
	return found
}

// ofApplication names what a person should mend of the engine's application, by its
// app_id where there are several.
func (e *Engine) ofApplication() (found []Problem) {
	seen := e.gateway.Seen()
	wrong := func(code, format string, args ...any) {
		text := fmt.Sprintf(format, args...)
		if e.config.Apps != nil {
			text = "application " + e.app.ID + ": " + text
		}
		found = append(found, Problem{code, text})
	}
	if seen.Refused.After(seen.Accepted) {
		wrong(ProblemSignature, "Alipay refuses this application's signature (%s): the public key in its console is not that of App.Signer, or App.ID is another's; alirefund doctor tells which", seen.SubCode)
	}
	if seen.Unverified.After(seen.Verified) {
		wrong(ProblemUnverified, "answers of Alipay's do not verify: App.Verifier has not the key, or the certificate, that Alipay's console shows now; alirefund doctor tells more")
	}
	for _, c := range e.ending() {
		if c.left > 0 {
			wrong(ProblemEndsSoon, "the certificate of %s ends in %d days; then %s: %s", c.whose, int(c.left/(24*time.Hour)), c.then, c.todo)
		} else {
			wrong(ProblemEnded, "the certificate of %s has ended; %s: %s", c.whose, c.then, c.todo)
		}
	}
	return found
}

// Drain says that this process is about to stop: from now on it is not ready (see
// [Health]), so that a balancer sends no more to it. It returns at once and stops
// nothing; all that still arrives is served. There is no way back.
func (e *Engine) Drain() { e.vitals.draining.Store(true) }

// look looks at the store once: what is left to do, if it can count that in time, else what
// time it is, else a refund that it does not have.
func (e *Engine) look(ctx context.Context) look {
	l := look{began: time.Now()}
	clock, hasClock := e.config.Store.(store.Clock)
	all := &Engine{core: e.core, application: e.own, base: true}
	counting, cancel := context.WithTimeout(ctx, countTime)
	defer cancel()
	b, err := all.Backlog(counting)
	slow := err != nil && counting.Err() != nil && ctx.Err() == nil
	switch {
	case err == nil:
		l.backlog = &b
		l.compare(b.AsOf)
	case !errors.Is(err, ErrNoCounter) && !slow:
	case hasClock:
		var now time.Time
		if now, err = clock.Now(ctx); err == nil {
			l.compare(now)
		}
	default:
		if _, err = e.ledger.Get(ctx, "-"); errors.Is(err, store.ErrNotFound) {
			err = nil
		}
	}
	l.err, l.took = err, time.Since(l.began)
	if before := e.vitals.lookFailed.Swap(err != nil); before != (err != nil) {
		e.tellOfStore(l)
	}
	return l
}

// tellOfStore logs that the store has ceased to answer, or answers again.
func (e *Engine) tellOfStore(l look) {
	if l.err != nil {
		e.log.Error("the store does not answer; this process is not ready", "took", l.took, "error", l.err)
		return
	}
	e.log.Info("the store answers again; this process is ready", "took", l.took)
}

// apart says how a clock differs from another.
func apart(ahead time.Duration) string {
	if ahead < 0 {
		return ahead.Abs().Round(time.Millisecond).String() + " behind"
	}
	return ahead.Round(time.Millisecond).String() + " ahead of"
}
