package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/alirefund/alirefund/store"
)

// For returns the engine of another application, which shares with this one all but the
// application: ledger, hooks, [Engine.Run]. It has the keys of now: ask for it again for
// each piece of work, which costs nothing while Config.Apps' answer is good, a minute.
// Where Config.Apps fails, an application that it knew goes on as it was.
//
// It fails with [ErrUnknownApp], or with [ErrAppUnavailable] if Config.Apps failed, took
// longer than a hook may, or returned what cannot be used, or if ctx ends first.
func (e *Engine) For(ctx context.Context, appID string) (*Engine, error) {
	return e.of(ctx, appID, appsAge, false)
}

// of is For with what is not older than age, if it can be had. stranger: nobody has
// verified yet who names the application.
func (e *Engine) of(ctx context.Context, appID string, age time.Duration, stranger bool) (*Engine, error) {
	switch {
	case appID == e.config.App.ID && appID != "":
		return &Engine{core: e.core, application: e.own}, nil
	case e.config.Apps == nil || !isAppID(appID):
		return nil, unknownApp(appID)
	}
	answer, under, begun, err := e.apps.get(appID, age, stranger)
	if begun != nil {
		go e.askApps(context.WithoutCancel(ctx), appID, begun) // others wait for it, too
		under = begun
	}
	if under != nil {
		select {
		case <-under.ended:
			answer, err = under.answer, under.err
		case <-ctx.Done():
			err = fmt.Errorf("%w: %w", ErrAppUnavailable, ctx.Err())
		}
	}
	if err != nil {
		return nil, err
	}
	return &Engine{core: e.core, application: answer}, nil
}

// askApps asks Config.Apps about an application and ends the flight.
func (e *Engine) askApps(ctx context.Context, id string, f *flight) {
	before := e.apps.last(id)
	v := &Engine{core: e.core, application: &application{app: App{ID: id}, log: e.config.Logger.With("app", id)}}
	now, err := answered(ctx, v, hookOf("Apps", store.Refund{}), func(ctx context.Context) (*application, error) {
		app, err := e.config.Apps(ctx, id)
		if err != nil {
			return nil, err
		}
		return e.newApplication(id, app, before)
	})
	if errors.Is(err, ErrUnknownApp) {
		if before != nil {
			v.log.WarnContext(ctx, "Config.Apps does not know an application any more; it is not served from now on")
		}
		e.apps.forget(id, f, unknownApp(id))
		return
	}
	if err != nil {
		if e.apps.fail(id, f, fmt.Errorf("%w: %w", ErrAppUnavailable, err)) {
			v.log.ErrorContext(ctx, "Config.Apps failed; the application goes on as it was", "error", err)
		}
		return
	}
	if e.apps.learn(id, f, now) {
		v.log.InfoContext(ctx, "Config.Apps answers again")
	}
	if before == nil || before.gateway != now.gateway {
		(&Engine{core: e.core, application: now}).warnOfExpiry(ctx)
	}
}

// without is the engine for a refund whose application cannot be had, for the reason
// why: it delivers events, and neither sends nor asks.
func (e *Engine) without(ctx context.Context, id string, why error) *Engine {
	if _, said := e.missing.LoadOrStore(id, true); !said && ctx.Err() == nil {
		e.log.ErrorContext(ctx, "refunds of an application that cannot be had are neither sent nor asked about; their events are delivered", "app", id, "error", why)
	}
	a := &application{app: App{ID: id}, log: e.config.Logger.With("app", id), lost: why}
	v := &Engine{core: e.core, application: a}
	a.products = v.table()
	return v
}

// missingTime is how long Run waits for an application that it could not have before: it
// keeps a place from the refunds of others meanwhile.
const missingTime = 200 * time.Millisecond

// owner is the engine for a refund that is due.
func (e *Engine) owner(ctx context.Context, r store.Refund) *Engine {
	if e.config.Apps == nil {
		return e
	}
	within, cancel := ctx, func() {}
	if _, missing := e.missing.Load(r.App); missing {
		within, cancel = context.WithTimeout(ctx, missingTime)
	}
	defer cancel()
	v, err := e.For(within, r.App)
	if err != nil {
		return e.without(ctx, r.App, err)
	}
	e.missing.Delete(r.App)
	return v
}

// Applications returns an engine for each application that this process has to do with:
// Config.App, and those that Config.Apps has returned and that are served still.
func (e *Engine) Applications() (all []*Engine) {
	for _, a := range append(e.apps.all(), e.own) {
		if a.lost == nil {
			all = append(all, &Engine{core: e.core, application: a})
		}
	}
	return all
}

// scope is the application whose refunds Run looks after; empty for all.
func (e *Engine) scope() string {
	if e.config.Apps != nil {
		return ""
	}
	return e.app.ID
}
