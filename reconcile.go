package alirefund

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/alirefund/alirefund/store"
)

const (
	// inFlight bounds the refunds that one Run works on at once.
	inFlight = 16
	// idle is how long Run waits where nothing was due.
	idle = time.Second
	// pruneEvery is how often Run looks for what may be forgotten.
	pruneEvery = 10 * time.Minute
	// warnEvery is how often Run says that a certificate ends.
	warnEvery = 24 * time.Hour
)

// Run settles what is unresolved and delivers what is undelivered, until ctx
// ends; then it finishes what it has begun and returns nil. Any number of
// processes may run it on one store.
//
// An unresolved refund is asked about from [Config.FirstCheck] on, ever more
// rarely, down to once an hour, and for as long as it takes: none fails by age.
// It is sent again, the same, only after Alipay's signed word, late enough, that
// it knows nothing of it. An event is delivered again after a pause that grows
// with each failure, without holding up others. A certificate that ends within 30
// days is logged every day.
func (m *Module) Run(ctx context.Context) error {
	m.running.Store(true)
	var working sync.WaitGroup
	defer working.Wait()
	room := make(chan struct{}, inFlight)
	var pruned time.Time
	warned := time.Now() // by New
	for {
		if ctx.Err() != nil {
			return nil // being stopped is how it ends
		}
		if time.Since(warned) >= warnEvery {
			m.warnOfExpiry(ctx)
			warned = time.Now()
		}
		due, err := m.ledger.Due(ctx, m.config.App.ID, m.patience(), inFlight-len(room))
		if err != nil && ctx.Err() == nil {
			m.log.ErrorContext(ctx, "what is due could not be read", "error", err)
		}
		for _, r := range due {
			room <- struct{}{}
			working.Go(func() {
				defer func() { <-room }()
				m.work(ctx, r)
			})
		}
		more := false
		if time.Since(pruned) > pruneEvery {
			if more = m.prune(ctx); !more {
				pruned = time.Now()
			}
		}
		if len(due) > 0 || more {
			continue
		}
		select {
		case <-time.After(idle):
		case <-ctx.Done():
		}
	}
}

// work takes one refund as far as it goes now.
func (m *Module) work(ctx context.Context, r store.Refund) {
	ctx, cancel := m.detach(ctx)
	defer cancel()
	claim := rand.Text()
	now := time.Now()
	switch {
	case r.Orphaned(now):
		// Recorded, and never sent: whoever asked for it was told nothing, or to
		// repeat it. To send it now, unasked, could surprise them.
		r, _ = m.settle(ctx, r, claim, store.Settlement{
			Source: store.ByAnswer, Finding: store.NotSent, Message: "recorded, and never sent",
		})
	case r.State == store.Pending && r.Attempts > 0 && !now.Before(r.AskAt):
		r = m.pursue(ctx, r, claim)
	}
	told := m.conclude(ctx, r, claim, true).told
	if r.State != store.Pending && told || r.Attention != "" || m.overdue(r, now) == "" {
		return
	}
	if now, err := m.ledger.Get(ctx, r.ID); err == nil {
		r = now // with what its hook said
	}
	if reason := m.overdue(r, now); reason != "" {
		// Without a claim, which would take the delivery from a hook that hangs.
		r, _ = m.settle(ctx, r, "", store.Settlement{Attention: reason})
		m.conclude(ctx, r, "", true)
	}
}

// pursue asks about an unresolved refund, and sends it again if that is proven
// safe.
func (m *Module) pursue(ctx context.Context, r store.Refund, claim string) store.Refund {
	asked, conclusive := m.ask(ctx, r, claim)
	if asked.State != store.Pending || !conclusive {
		return asked
	}
	token, err := m.token(ctx, asked)
	if err != nil {
		return asked // ask has said so
	}
	sent, err := m.send(ctx, asked, token, claim)
	if err != nil {
		m.log.WarnContext(ctx, "an unresolved refund could not be sent again", "refund", r.ID, "error", err)
		return asked
	}
	if sent.State == store.Pending {
		sent, _ = m.ask(ctx, sent, claim)
	}
	return sent
}

// overdue says why a refund wants a person, if it has waited for long: since it
// was opened, or since its event became due.
func (m *Module) overdue(r store.Refund, now time.Time) string {
	since := r.SettledAt
	if r.State == store.Pending {
		since = r.CreatedAt
	}
	for _, entry := range r.History {
		if entry.What == "reopened" && r.State == store.Pending || entry.What == "redeliver" {
			since = entry.At
		}
	}
	if now.Sub(since) <= m.config.AttentionAfter {
		return ""
	}
	if r.State == store.Pending {
		return "unresolved for " + m.config.AttentionAfter.String() + "; the asking goes on"
	}
	due := r.Due()
	if len(due) == 0 {
		return ""
	}
	why := "its hook has not returned"
	for _, d := range r.Deliveries {
		if d.Event == due[0] && d.Error != "" {
			why = d.Error
		}
	}
	return string(due[0]) + " could not be delivered for " + m.config.AttentionAfter.String() + ": " + why
}

// prune forgets some of what may be forgotten, and tells whether there was any,
// so that much of it holds nobody up.
func (m *Module) prune(ctx context.Context) bool {
	pruner, ok := m.config.Store.(store.Pruner)
	if !ok {
		return false
	}
	before := func(keep time.Duration) (t time.Time) {
		if keep > 0 {
			t = time.Now().Add(-keep)
		}
		return t
	}
	n, err := pruner.Prune(ctx, m.config.App.ID, before(m.config.KeepAnswers), before(m.config.KeepRefunds))
	if err != nil && ctx.Err() == nil {
		m.log.WarnContext(ctx, "old records could not be removed", "error", err)
	}
	return err == nil && n > 0
}

// Replay delivers the main event of each settled refund that f selects once
// more, on purpose: after a hook that returned nil was found to have lost what it
// was told. With dryRun it only lists them. actor stands in their histories. It
// returns the refunds; one whose hook fails again stays due. It fails if the
// store does.
func (m *Module) Replay(ctx context.Context, f store.Filter, actor string, dryRun bool) ([]store.Refund, error) {
	f.App = m.config.App.ID
	var replayed []store.Refund
	for {
		rows, err := m.ledger.List(ctx, f)
		if err != nil {
			return replayed, storeFailed(err)
		}
		for _, r := range rows {
			event := store.RefundSucceeded
			if r.State == store.Failed {
				event = store.RefundFailed
			}
			if !r.True(event) {
				continue
			}
			if !dryRun {
				if _, err := m.ledger.Redeliver(ctx, r.ID, event, actor); err != nil {
					return replayed, storeFailed(err)
				}
				if r, err = m.ledger.Get(ctx, r.ID); err != nil {
					return replayed, storeFailed(err)
				}
				m.deliver(ctx, r, "")
			}
			if replayed = append(replayed, r); len(replayed) == f.Limit {
				return replayed, nil
			}
		}
		if len(rows) == 0 {
			return replayed, nil
		}
		f.After = rows[len(rows)-1].Cursor()
	}
}

// ErrNotPending: a person's decision is wanted for a refund that is settled.
var ErrNotPending = errors.New("alirefund: the refund is not unresolved")

// Resolve records a person's decision about an unresolved refund: that it
// succeeded or failed, who says so, and why. The host is told as usual, with
// Source "person". A later signed word of Alipay's still corrects it. It fails
// with [store.ErrNotFound], [ErrNotPending], or a [*ValidationError].
func (m *Module) Resolve(ctx context.Context, id string, outcome store.State, actor, reason string) (Result, error) {
	finding := store.Success
	switch {
	case outcome == store.Failed:
		finding = store.Refusal
	case outcome != store.Succeeded:
		return Result{}, invalid("/outcome", "oneof", Text{En: "outcome must be succeeded or failed", Zh: "outcome必须是succeeded或failed"})
	}
	if strings.TrimSpace(actor) == "" || strings.TrimSpace(reason) == "" {
		return Result{}, invalid("/reason", "required", Text{En: "actor and reason are required", Zh: "actor和reason为必填字段"})
	}
	r, err := m.ledger.Get(ctx, id)
	switch {
	case errors.Is(err, store.ErrNotFound) || err == nil && r.App != m.config.App.ID:
		return Result{}, store.ErrNotFound
	case err != nil:
		return Result{}, storeFailed(err)
	case r.State != store.Pending:
		return Result{Refund: r, Repeated: true}, fmt.Errorf("%w: it %s", ErrNotPending, r.State)
	}
	claim := rand.Text()
	r, err = m.settle(ctx, r, claim, store.Settlement{
		Source: store.ByPerson, Finding: finding, Actor: actor, Reason: shorten(reason), Message: shorten(reason),
	})
	if err != nil {
		return Result{}, err
	}
	result := m.conclude(ctx, r, claim, true)
	if r.State != outcome || r.Source != store.ByPerson { // Alipay was quicker
		return result, fmt.Errorf("%w: it %s", ErrNotPending, r.State)
	}
	return result, nil
}
