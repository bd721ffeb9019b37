package engine

import (
	"context"
	"time"

	"github.com/alirefund/alirefund/store"
)

const (
	// mostSkew is what this process's clock may differ by from the ledger's unnoticed.
	mostSkew = 5 * time.Second
	// skewEvery is how often Run compares the two.
	skewEvery = time.Hour
)

// warnOfSkew logs that this process's clock is set otherwise than the ledger's. No
// refund depends on it, but Alipay refuses calls whose time is far off.
func (e *Engine) warnOfSkew(ctx context.Context) {
	ledger, ok := e.config.Store.(store.Clock)
	if !ok {
		return
	}
	ctx, ended := e.observe(ctx, Operation{Op: OpClock})
	within, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	began := time.Now()
	now, err := ledger.Now(within)
	if err != nil {
		ended(Ended{Outcome: "store_failed"})
		return // Run says so, when it asks what is due
	}
	ahead := began.Sub(now)
	took := time.Since(began)
	if -took <= ahead+mostSkew && ahead <= mostSkew {
		ended(Ended{Outcome: "ok", Ahead: ahead})
		return
	}
	ended(Ended{Outcome: "off", Ahead: ahead})
	e.log.WarnContext(ctx, "this process's clock and the ledger's differ; refunds go by the ledger's, but Alipay refuses calls whose time is off by ten minutes",
		"ahead", ahead.Round(time.Millisecond), "todo", "set both by NTP")
}
