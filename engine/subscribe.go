package engine

import (
	"context"
	"slices"
	"time"

	"github.com/alirefund/alirefund/store"
)

// Run looks so often for refunds that processes without a subscriber have
// recorded.
const (
	seekEvery = time.Hour
	// seekAgain is how soon it does again if the store fails, and for an application that
	// it did not know.
	seekAgain = 30 * time.Second
)

// seeking is how far Run has come with the refunds that subscribers are to hear of,
// although they were recorded without them.
type seeking struct {
	from time.Time // where to go on; zero: nobody wants older ones
	next time.Time
}

func (e *Engine) newSeeking() (s seeking) {
	for _, one := range e.subscribers.list {
		if !one.Retired && !one.From.IsZero() && (s.from.IsZero() || one.From.Before(s.from)) {
			s.from = one.From
		}
	}
	return s
}

// seekOn seeks until ctx ends, for each application that this process has to do with.
func (e *Engine) seekOn(ctx context.Context) {
	first := e.newSeeking()
	apps := map[string]*seeking{}
	for !first.from.IsZero() && ctx.Err() == nil {
		for _, v := range e.Applications() {
			s := apps[v.app.ID]
			if s == nil {
				s = &seeking{from: first.from}
				apps[v.app.ID] = s
			}
			if !time.Now().Before(s.next) {
				v.seek(ctx, s)
			}
		}
		select {
		case <-time.After(seekAgain):
		case <-ctx.Done():
		}
	}
}

// seek subscribes those with a From to refunds that were recorded without them.
func (e *Engine) seek(ctx context.Context, s *seeking) {
	began := time.Now()
	s.next = began.Add(seekEvery)
	f := store.Filter{App: e.app.ID, From: s.from}
	for {
		look, cancel := looking(ctx)
		page, err := e.ledger.List(look, f)
		cancel()
		if err == nil {
			err = e.subscribe(ctx, page)
		}
		if err != nil {
			if ctx.Err() == nil {
				e.log.WarnContext(ctx, "subscribers could not be told of earlier refunds; it is tried again", "error", err)
			}
			s.next = time.Now().Add(seekAgain)
			return
		}
		if len(page) == 0 {
			break
		}
		f.After = page[len(page)-1].Cursor()
	}
	if from := began.Add(-seekEvery); from.After(s.from) { // clocks differ, and a step takes time
		s.from = from
	}
}

func (e *Engine) subscribe(ctx context.Context, page []store.Refund) error {
	for _, r := range page {
		for _, one := range e.subscribers.list {
			event := one.Event.For(one.Name)
			if one.Retired || one.From.IsZero() || r.CreatedAt.Before(one.From) || slices.Contains(r.Subscribed, event) {
				continue
			}
			write, cancel := looking(ctx)
			_, err := e.ledger.Subscribe(write, r.ID, event)
			cancel()
			if err != nil {
				return err
			}
		}
	}
	return nil
}
