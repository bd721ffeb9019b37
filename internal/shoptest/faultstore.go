package shoptest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/alirefund/alirefund/store"
)

// FaultStore is a store at whose calls something goes wrong, or is counted. It hides
// that the store is a [store.Transactor] or a [store.Pruner].
type FaultStore struct {
	store.Store
	// Around is given each call. It makes the call, or fails without, and may do
	// whatever it likes before and after.
	Around func(ctx context.Context, c Call, call func() error) error
}

// Call is one call of a store.
type Call struct {
	Name   string
	Source store.Source // of Settle: whose word it is
}

// Around has every call of the shop's store go through around, and starts the shop
// anew.
func (s *Shop) Around(around func(ctx context.Context, c Call, call func() error) error) {
	s.T.Helper()
	s.Config.Store = &FaultStore{Store: s.Config.Store, Around: around}
	s.Restart()
}

// Apart has the shop's store record a refund and its first send in two steps, as where
// another refund of the order was sent just before, and starts the shop anew.
func (s *Shop) Apart() {
	s.T.Helper()
	s.Config.Store = apart{s.Config.Store}
	s.Restart()
}

type apart struct{ store.Store }

func (a apart) Open(ctx context.Context, r store.Refund, limit store.Limit, _ *store.Permission) (store.Refund, store.Opened, error) {
	return a.Store.Open(ctx, r, limit, nil)
}

// FailAt makes the at-th call of a method of the shop's store fail.
func (s *Shop) FailAt(method string, at int) {
	s.T.Helper()
	s.Around((&Outage{Only: method, At: at}).Around)
}

// Down makes methods of the shop's store fail, each from its next call on, for so
// long.
func (s *Shop) Down(long time.Duration, methods ...string) {
	s.T.Helper()
	for _, method := range methods {
		s.Around((&Outage{Only: method, At: 1, Lasts: long}).Around)
	}
}

// Counter counts the calls of a method.
type Counter struct {
	Method string

	mu sync.Mutex
	n  int
}

// Count returns how many there were.
func (c *Counter) Count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

// Around is for a FaultStore.
func (c *Counter) Around(_ context.Context, asked Call, call func() error) error {
	if asked.Name == c.Method {
		c.mu.Lock()
		c.n++
		c.mu.Unlock()
	}
	return call()
}

// Outage makes the at-th call of a store fail, and with it all that follow within
// lasts. after: what was asked for is done all the same, and only not answered.
type Outage struct {
	At    int    // from 1; 0: none fails
	Only  string // the one method that counts and fails; empty: all of them
	Lasts time.Duration
	After bool

	mu    sync.Mutex
	calls int
	until time.Time
	hit   []string // the methods that failed
}

// Around is for a FaultStore.
func (o *Outage) Around(_ context.Context, c Call, call func() error) error {
	if o.Only != "" && o.Only != c.Name {
		return call()
	}
	o.mu.Lock()
	o.calls++
	if o.calls == o.At {
		o.until = time.Now().Add(o.Lasts)
	}
	fails := o.calls == o.At || time.Now().Before(o.until)
	if fails {
		o.hit = append(o.hit, c.Name)
	}
	o.mu.Unlock()
	if !fails {
		return call()
	}
	if o.After {
		_ = call()
		return ErrStoreDown
	}
	return fmt.Errorf("%w: %w", store.ErrNotWritten, ErrStoreDown)
}

// Failed returns the methods that failed until now.
func (o *Outage) Failed() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.hit)
}

func (f *FaultStore) Claim(ctx context.Context, key string, lease time.Duration) (token string, done bool, err error) {
	err = f.Around(ctx, Call{Name: "Claim"}, func() (err error) { token, done, err = f.Store.Claim(ctx, key, lease); return err })
	return token, done, err
}

func (f *FaultStore) Complete(ctx context.Context, key, token string, keep time.Duration) (held bool, err error) {
	err = f.Around(ctx, Call{Name: "Complete"}, func() (err error) { held, err = f.Store.Complete(ctx, key, token, keep); return err })
	return held, err
}

func (f *FaultStore) Release(ctx context.Context, key, token string) (held bool, err error) {
	err = f.Around(ctx, Call{Name: "Release"}, func() (err error) { held, err = f.Store.Release(ctx, key, token); return err })
	return held, err
}

func (f *FaultStore) Open(ctx context.Context, asked store.Refund, limit store.Limit, first *store.Permission) (r store.Refund, opened store.Opened, err error) {
	err = f.Around(ctx, Call{Name: "Open"}, func() (err error) { r, opened, err = f.Store.Open(ctx, asked, limit, first); return err })
	return r, opened, err
}

func (f *FaultStore) Sending(ctx context.Context, id string, p store.Permission) (a store.Attempt, err error) {
	err = f.Around(ctx, Call{Name: "Sending"}, func() (err error) { a, err = f.Store.Sending(ctx, id, p); return err })
	return a, err
}

func (f *FaultStore) Settle(ctx context.Context, id string, s store.Settlement) (r store.Refund, changed bool, err error) {
	err = f.Around(ctx, Call{Name: "Settle", Source: s.Source}, func() (err error) { r, changed, err = f.Store.Settle(ctx, id, s); return err })
	return r, changed, err
}

func (f *FaultStore) Deliver(ctx context.Context, id string, e store.Event, lease time.Duration) (token string, done bool, err error) {
	err = f.Around(ctx, Call{Name: "Deliver"}, func() (err error) { token, done, err = f.Store.Deliver(ctx, id, e, lease); return err })
	return token, done, err
}

func (f *FaultStore) Delivered(ctx context.Context, id string, e store.Event, token string, n store.Notice) (held, completed bool, err error) {
	err = f.Around(ctx, Call{Name: "Delivered"}, func() (err error) {
		held, completed, err = f.Store.Delivered(ctx, id, e, token, n)
		return err
	})
	return held, completed, err
}

func (f *FaultStore) Undelivered(ctx context.Context, id string, e store.Event, token, reason string) (held bool, err error) {
	err = f.Around(ctx, Call{Name: "Undelivered"}, func() (err error) { held, err = f.Store.Undelivered(ctx, id, e, token, reason); return err })
	return held, err
}

func (f *FaultStore) Redeliver(ctx context.Context, id string, e store.Event, actor string) (due bool, err error) {
	err = f.Around(ctx, Call{Name: "Redeliver"}, func() (err error) { due, err = f.Store.Redeliver(ctx, id, e, actor); return err })
	return due, err
}

func (f *FaultStore) Subscribe(ctx context.Context, id string, e store.Event) (did bool, err error) {
	err = f.Around(ctx, Call{Name: "Subscribe"}, func() (err error) { did, err = f.Store.Subscribe(ctx, id, e); return err })
	return did, err
}

func (f *FaultStore) Due(ctx context.Context, app string, lease time.Duration, n int, pending bool) (due []store.Refund, err error) {
	err = f.Around(ctx, Call{Name: "Due"}, func() (err error) { due, err = f.Store.Due(ctx, app, lease, n, pending); return err })
	return due, err
}

func (f *FaultStore) GiveBack(ctx context.Context, id string, next time.Time, token string) (did bool, err error) {
	err = f.Around(ctx, Call{Name: "GiveBack"}, func() (err error) { did, err = f.Store.GiveBack(ctx, id, next, token); return err })
	return did, err
}

func (f *FaultStore) Get(ctx context.Context, id string) (r store.Refund, err error) {
	err = f.Around(ctx, Call{Name: "Get"}, func() (err error) { r, err = f.Store.Get(ctx, id); return err })
	return r, err
}

func (f *FaultStore) List(ctx context.Context, filter store.Filter) (rows []store.Refund, err error) {
	err = f.Around(ctx, Call{Name: "List"}, func() (err error) { rows, err = f.Store.List(ctx, filter); return err })
	return rows, err
}
