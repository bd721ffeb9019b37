// Package engine is the life of a refund, without HTTP routes: it records a
// refund, sends it, asks about it, settles it, and delivers what the host is to
// know. It listens to Alipay's notifications and looks after what stayed
// unresolved.
//
// A Gin application mounts package alirefund, which is this one with routes.
// A worker, a cron job or an application on another framework uses an [Engine]
// by itself: [Engine.Refund] and its like refund, [Engine.Receive] and
// [Engine.Handle] serve a notify route, and [Engine.Run] settles what is left.
package engine

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/alirefund/alirefund/store"
)

// Engine refunds, listens, and calls the host's hooks, for one application. Make it with
// [New]; with Config.Apps, [Engine.For] returns that of another application. All of them
// share one [core]. It is safe for concurrent use.
type Engine struct {
	*core
	*application
	// base: it is what New returned, and stands for all applications where none is named.
	base bool
}

// core is what is of no single application.
type core struct {
	config Config
	own    *application // Config.App
	apps   applications // what Config.Apps said
	ledger store.Store
	tx     store.Transactor // the ledger, where the host is told of a success within a transaction
	rules  *rules
	// subscribers are the named ones.
	subscribers subscribers
	// tokens holds the app_auth_tokens that came with requests, by refund id,
	// while Alipay is still to be asked about the refund. They are never stored.
	tokens sync.Map
	// delivering holds the refunds whose hook is running here, by id: a hook that
	// outlasts its lease is not called beside itself, nor a later event's before
	// it has returned. Each has a channel that is closed when it ends.
	delivering sync.Map
	missing    sync.Map // the applications of due refunds that could not be had, by app_id

	vitals    vitals      // of this process
	hooks     hooks       // that run
	running   atomic.Bool // Run was started
	warnOnce  sync.Once   // that it was not
	diagnoses diagnoses   // why notifications did not verify
	refusals  refusals    // of notifications
}

// AppID is the application that the engine refunds for; empty for what [New] returned
// without Config.App.
func (e *Engine) AppID() string { return e.app.ID }

// Logger is where the engine logs: Config.Logger, or its default.
func (e *Engine) Logger() *slog.Logger { return e.log }

// Close waits until the hooks that requests, notifications and [Engine.Run] have begun
// have returned and what they did is recorded, and what was answered early
// ([RefundRequest.Async]) is sent, or until ctx ends; then it fails with
// ctx's error. Stop the server and Run first: Close stops neither, and an engine works
// on after it.
func (e *Engine) Close(ctx context.Context) error { return e.hooks.wait(ctx) }

// detach returns a context that outlives the caller: once money may move, its
// hanging up must not stop what has to be recorded. Each call within has a
// timeout of its own.
func (e *Engine) detach(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), e.patience())
}

// patience bounds one request or notification as a whole: a send, the questions
// around it, and the hooks. Leases are as long, so that none runs out while its
// owner works.
func (e *Engine) patience() time.Duration {
	return 4*e.config.Times.Timeout + 2*e.config.Times.HookTimeout + storeTime
}

// productOf returns what makes a recorded refund. Not found means that another
// version of this module wrote it: it must be neither sent nor asked about.
func (e *Engine) productOf(r store.Refund) (product, bool) {
	for _, p := range e.products {
		if p.kind == r.Kind && p.recorded == r.Method {
			return p, true
		}
	}
	return product{}, false
}
