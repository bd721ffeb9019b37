package shoptest

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/alirefund/alirefund/store"
)

// Payment is the body of a payment's notice, the same one at every call.
func (s *Shop) Payment() string {
	return s.Alipay.SignedNotice(RefundNotice(map[string]string{"refund_fee": "0.00", "gmt_refund": "-"}))
}

// Whole lives of one refund, with something going wrong at every place in turn.

// Flaky is a store whose at-th call fails, and with it all that follow within
// lasts. after: what was asked for is done all the same, and only not answered.
type Flaky struct {
	store.Store
	At    int    // from 1
	Only  string // the one method that counts and fails; empty: all of them
	Lasts time.Duration
	After bool

	Mu    sync.Mutex
	Calls int
	Until time.Time
	Hit   []string // the methods that failed
}

func (f *Flaky) Do(method string, call func() error) error {
	if f.Only != "" && f.Only != method {
		return call()
	}
	f.Mu.Lock()
	f.Calls++
	if f.Calls == f.At {
		f.Until = time.Now().Add(f.Lasts)
	}
	fails := f.Calls == f.At || time.Now().Before(f.Until)
	if fails {
		f.Hit = append(f.Hit, method)
	}
	f.Mu.Unlock()
	if !fails {
		return call()
	}
	if f.After {
		_ = call()
	}
	return ErrStoreDown
}

// Failed returns the methods that failed until now.
func (f *Flaky) Failed() []string {
	f.Mu.Lock()
	defer f.Mu.Unlock()
	return slices.Clone(f.Hit)
}

func (f *Flaky) Claim(ctx context.Context, key string, lease time.Duration) (token string, done bool, err error) {
	err = f.Do("Claim", func() (err error) { token, done, err = f.Store.Claim(ctx, key, lease); return err })
	return token, done, err
}

func (f *Flaky) Complete(ctx context.Context, key, token string, keep time.Duration) (held bool, err error) {
	err = f.Do("Complete", func() (err error) { held, err = f.Store.Complete(ctx, key, token, keep); return err })
	return held, err
}

func (f *Flaky) Release(ctx context.Context, key, token string) (held bool, err error) {
	err = f.Do("Release", func() (err error) { held, err = f.Store.Release(ctx, key, token); return err })
	return held, err
}

func (f *Flaky) Open(ctx context.Context, asked store.Refund, limit store.Limit) (r store.Refund, opened store.Opened, err error) {
	err = f.Do("Open", func() (err error) { r, opened, err = f.Store.Open(ctx, asked, limit); return err })
	return r, opened, err
}

func (f *Flaky) Sending(ctx context.Context, id string, p store.Permission) (a store.Attempt, err error) {
	err = f.Do("Sending", func() (err error) { a, err = f.Store.Sending(ctx, id, p); return err })
	return a, err
}

func (f *Flaky) Settle(ctx context.Context, id string, s store.Settlement) (r store.Refund, changed bool, err error) {
	err = f.Do("Settle", func() (err error) { r, changed, err = f.Store.Settle(ctx, id, s); return err })
	return r, changed, err
}

func (f *Flaky) Deliver(ctx context.Context, id string, e store.Event, lease time.Duration) (token string, done bool, err error) {
	err = f.Do("Deliver", func() (err error) { token, done, err = f.Store.Deliver(ctx, id, e, lease); return err })
	return token, done, err
}

func (f *Flaky) Delivered(ctx context.Context, id string, e store.Event, token string) (held bool, err error) {
	err = f.Do("Delivered", func() (err error) { held, err = f.Store.Delivered(ctx, id, e, token); return err })
	return held, err
}

func (f *Flaky) Undelivered(ctx context.Context, id string, e store.Event, token, reason string) (held bool, err error) {
	err = f.Do("Undelivered", func() (err error) { held, err = f.Store.Undelivered(ctx, id, e, token, reason); return err })
	return held, err
}

func (f *Flaky) Get(ctx context.Context, id string) (r store.Refund, err error) {
	err = f.Do("Get", func() (err error) { r, err = f.Store.Get(ctx, id); return err })
	return r, err
}

func (f *Flaky) List(ctx context.Context, filter store.Filter) (rows []store.Refund, err error) {
	err = f.Do("List", func() (err error) { rows, err = f.Store.List(ctx, filter); return err })
	return rows, err
}
