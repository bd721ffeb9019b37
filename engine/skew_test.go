package engine_test

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/internal/shoptest"
	"github.com/alirefund/alirefund/store"
)

// behind is a ledger whose clock is behind the process's.
type behind struct {
	*store.Memory
	by *atomic.Int64 // a time.Duration
}

func (b behind) Now(context.Context) (time.Time, error) {
	return time.Now().Add(-time.Duration(b.by.Load())), nil
}

// A clock that is set wrong is logged at the start, and again every hour.
func TestSkewIsLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log shoptest.Log
		var by atomic.Int64
		by.Store(int64(4 * time.Second))
		s := shoptest.NewShop(t, func(c *alirefund.Config) {
			c.Store, c.Logger = behind{store.NewMemory(), &by}, slog.New(slog.NewTextHandler(&log, nil))
		})
		stop := s.Run()
		defer stop()
		lines := func(want int, said string) {
			t.Helper()
			synctest.Wait()
			found := log.Lines("clock")
			if len(found) != want || want > 0 && !strings.Contains(found[want-1], said) {
				t.Errorf("%d lines, want %d with %s: %q", len(found), want, said, found)
			}
		}
		lines(0, "")
		by.Store(int64(6 * time.Second))
		time.Sleep(time.Hour + time.Minute)
		lines(1, "ahead=6s")
		by.Store(-int64(10 * time.Minute))
		time.Sleep(time.Hour)
		lines(2, "ahead=-10m0s")
	})
}
