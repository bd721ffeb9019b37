package engine

import (
	"context"
	"time"
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
