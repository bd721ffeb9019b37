package engine

import (
	"context"
	"fmt"
	"runtime/debug"
	"strings"
)

// brokenError: the host's code did not come to an end of its own: it panicked, left
// its goroutine, or took longer than it may.
type brokenError struct{ what string }

func (b *brokenError) Error() string { return "alirefund: the hook " + b.what }

// errLeft is what becomes of a hook that does not come back.
var errLeft error = &brokenError{"left its goroutine (runtime.Goexit)"}

// guarded calls a hook, whose context has a time limit, and waits until it returns,
// however late: only then is it known whether its event was taken. A panic is a
// brokenError. It runs on the caller's goroutine, so that a hook that leaves that (by
// runtime.Goexit, as testing's FailNow does) takes the caller along: what is to be done
// all the same, the caller defers.
func (e *Engine) guarded(ctx context.Context, op Operation, f func(context.Context) error) (err error) {
	ctx, cancel := context.WithTimeout(ctx, e.config.Times.HookTimeout)
	defer cancel()
	defer e.hooks.enter(ctx).leave()
	within, observed := e.observe(ctx, op)
	err = errLeft // unless f returns
	defer func() { observed(endedBy(err, "failed")) }()
	defer e.recovered(ctx, &err)
	err = f(within)
	return err
}

// recovered is deferred: it makes an error of a panic.
func (e *Engine) recovered(ctx context.Context, err *error) {
	if p := recover(); p != nil {
		e.log.ErrorContext(ctx, "a hook panicked", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		*err = &brokenError{fmt.Sprintf("panicked: %v", p)}
	}
}

// begin calls the host's code on a goroutine of its own, which it may leave.
func (e *Engine) begin(ctx context.Context, op Operation, f func(context.Context) error) <-chan error {
	ended := make(chan error, 1)
	end := e.hooks.beginIn(ctx)
	within, observed := e.observe(ctx, op)
	go func() {
		defer end()
		err := errLeft // unless f returns
		defer func() {
			observed(endedBy(err, "failed"))
			ended <- err
		}()
		defer e.recovered(ctx, &err)
		err = f(within)
	}()
	return ended
}

// answered asks the host's code for something that a refund waits for, and waits no
// longer than a hook may take, or the caller waits: an answer that comes later is
// dropped.
func answered[T any](caller context.Context, e *Engine, op Operation, f func(context.Context) (T, error)) (answer T, err error) {
	ctx, cancel := context.WithTimeout(caller, e.config.Times.HookTimeout)
	defer cancel()
	answers := make(chan T, 1)
	select {
	case err = <-e.begin(ctx, op, func(ctx context.Context) error {
		found, err := f(ctx)
		answers <- found
		return err
	}):
		if err == nil {
			answer = <-answers
		}
		return answer, err
	case <-ctx.Done():
	}
	if caller.Err() != nil {
		return answer, &brokenError{"was not waited for any longer: " + caller.Err().Error()}
	}
	return answer, &brokenError{fmt.Sprintf("took longer than %v", e.config.Times.HookTimeout)}
}

// shorten bounds a text of the host's that the record keeps.
func shorten(text string) string {
	const most = 300
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}
