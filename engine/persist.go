package engine

import (
	"context"
	"errors"
	"time"

	"github.com/alirefund/alirefund/store"
)

// persist is retry for what has happened already, and so must be written down even
// if whoever waited for it has gone: that a hook ran, however late it returned.
func persist(ctx context.Context, write func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTime)
	defer cancel()
	return retry(ctx, write)
}

// lasting returns ctx, or where it ends too soon for a write, one that does not: what
// was learnt has happened, however long that took.
func lasting(ctx context.Context) (context.Context, context.CancelFunc) {
	if ends, some := ctx.Deadline(); ctx.Err() == nil && (!some || time.Until(ends) >= storeTime) {
		return ctx, func() {}
	}
	return context.WithTimeout(context.WithoutCancel(ctx), storeTime)
}

// looking bounds a look at the store that somebody waits for: a connection may be dead
// without anybody saying so.
func looking(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, storeTime)
}

// retry writes to the store, and tries again for a while if that fails. What is
// not written down in the end is asked about, or done, again.
func retry(ctx context.Context, write func(context.Context) error) (err error) {
	for pause := 50 * time.Millisecond; pause < 2*time.Second; pause *= 3 {
		if err = write(ctx); err == nil {
			return nil
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
	return err
}

// certain makes sure whether a step of the ledger's was done that failed with err, by
// the same step again. It fails with [ErrNothingSent] if it was not, and with
// [ErrStore] if nobody knows.
func certain(ctx context.Context, err error, again func(context.Context) error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, store.ErrNotWritten) {
		return nothingSent("the store", err)
	}
	if err = persist(ctx, again); err != nil {
		return storeFailed(err)
	}
	return nil
}
