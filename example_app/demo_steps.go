package main

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/engine"
	"github.com/alirefund/alirefund/store"
)

// step is one thing that happened to a refund, as the page at / tells it.
type step struct {
	N      int        `json:"n"`
	At     time.Time  `json:"at"`
	Kind   store.Kind `json:"kind,omitempty"`
	Order  string     `json:"order"`
	Number string     `json:"number"`           // out_request_no
	Refund string     `json:"refund,omitempty"` // its ID, where that is known
	// Name is what happened, and Outcome how that ended: see texts.json, which has both.
	Name    string `json:"name"`
	Outcome string `json:"outcome,omitempty"`
	Detail  string `json:"detail,omitempty"` // an interface, a code, an event
	// Moved is how often the fake Alipay has moved money for it by now; -1 is unknown.
	Moved int `json:"moved"`
}

// subject is the refund that a step is about.
type subject struct{ order, number string }

// mostSteps is how many steps are kept for whoever opens the page later: the newest.
const mostSteps = 1000

// steps are what happened. They are safe for concurrent use.
type steps struct {
	moved func(subject) int

	mu      sync.Mutex
	last    int // the newest step's N
	kept    []step
	news    chan struct{}      // closed when there is more
	notices map[string]subject // by notify_id
}

func newSteps(moved func(subject) int) *steps {
	return &steps{moved: moved, news: make(chan struct{}), notices: map[string]subject{}}
}

func (s *steps) add(what step) {
	what.Moved = s.moved(subject{what.Order, what.Number})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	what.N, what.At = s.last, time.Now().UTC()
	if s.kept = append(s.kept, what); len(s.kept) >= 2*mostSteps {
		s.kept = slices.Clone(s.kept[len(s.kept)-mostSteps:])
	}
	close(s.news)
	s.news = make(chan struct{})
}

// since returns the steps after the n-th, and what is closed when there are more.
func (s *steps) since(n int) ([]step, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	from := len(s.kept) - min(max(s.last-n, 0), len(s.kept))
	return slices.Clone(s.kept[from:]), s.news
}

// about remembers which refund a notice tells of, and of returns it.
func (s *steps) about(notifyID string, of subject) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.notices) >= mostSteps {
		clear(s.notices)
	}
	s.notices[notifyID] = of
}

func (s *steps) of(notifyID string) (subject, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	of, known := s.notices[notifyID]
	return of, known
}

// observer tells the page what the module does. It is a [alirefund.Config].Observer.
type observer struct{ steps *steps }

// noticing is the key of the notify_id that a context is about.
type noticing struct{}

func (o observer) Begin(ctx context.Context, op alirefund.Operation) (context.Context, func(alirefund.Ended)) {
	add := func(name, outcome, detail string) {
		o.steps.add(step{Kind: op.Kind, Order: op.Order, Number: op.Number, Refund: op.Refund, Name: name, Outcome: outcome, Detail: detail})
	}
	if id, ok := ctx.Value(noticing{}).(string); ok && op.Number != "" {
		if _, known := o.steps.of(id); !known {
			o.steps.about(id, subject{op.Order, op.Number})
			add("verified", "", "")
		}
	}
	switch op.Op {
	case engine.OpSend:
		add("sent", "", op.Method)
		return underFaults(ctx, subject{op.Order, op.Number}), func(e alirefund.Ended) { add("answer", e.Outcome, cmp.Or(e.SubCode, e.Code)) }
	case engine.OpAsk:
		if op.Number != "" { // and not about an order alone
			add("ask", "", op.Method)
			return ctx, func(e alirefund.Ended) { add("told", e.Outcome, cmp.Or(e.SubCode, e.Code)) }
		}
	case engine.OpSettle:
		return ctx, func(e alirefund.Ended) { add("settled", e.Outcome, "") }
	case engine.OpHook:
		if name := store.Event(op.Hook); name == store.RefundSucceeded || name == store.RefundFailed || name == store.RefundUnresolved {
			return ctx, func(e alirefund.Ended) {
				add("hook", e.Outcome, op.Hook)
				if e.Outcome == "ok" && name != store.RefundUnresolved {
					add("done", op.Hook, "")
				}
			}
		}
	case engine.OpRefund:
		return ctx, func(e alirefund.Ended) {
			recorded := e.Outcome == "succeeded" || e.Outcome == "failed" || e.Outcome == "unresolved" || e.Outcome == "nothing_sent"
			if recorded && !crashed(ctx) { // else nobody was answered
				add("answered", e.Outcome, "")
			}
		}
	case engine.OpNotice:
		if op.NotifyID != "" {
			return o.notice(ctx, op)
		}
	}
	return ctx, func(alirefund.Ended) {}
}

// notice tells of a genuine notice, once it is known which refund that is about: at once
// where the network has seen it, else when the module has found it out.
func (o observer) notice(ctx context.Context, op alirefund.Operation) (context.Context, func(alirefund.Ended)) {
	add := func(name, outcome string) {
		if of, known := o.steps.of(op.NotifyID); known {
			o.steps.add(step{Order: of.order, Number: of.number, Name: name, Outcome: outcome})
		}
	}
	add("verified", "")
	return context.WithValue(ctx, noticing{}, op.NotifyID), func(e alirefund.Ended) {
		if e.Outcome == "known" {
			add("duplicate", "")
		} else {
			add("acknowledged", e.Outcome)
		}
	}
}

// Changed tells that a refund is recorded; what it comes to is told by what is done.
func (o observer) Changed(_ context.Context, c alirefund.Change) {
	if c.To == store.Pending {
		o.steps.add(step{Kind: c.Kind, Order: c.Order, Number: c.Number, Refund: c.Refund, Name: "recorded"})
	}
}

// observers are all told.
type observers []alirefund.Observer

func (all observers) Begin(ctx context.Context, op alirefund.Operation) (context.Context, func(alirefund.Ended)) {
	ends := make([]func(alirefund.Ended), len(all))
	for i, o := range all {
		ctx, ends[i] = o.Begin(ctx, op) //nolint:fatcontext // each within the last
	}
	return ctx, func(e alirefund.Ended) {
		for _, end := range slices.Backward(ends) {
			end(e)
		}
	}
}

func (all observers) Changed(ctx context.Context, c alirefund.Change) {
	for _, o := range all {
		o.Changed(ctx, c)
	}
}
