package engine

import (
	"context"
	"fmt"
	"runtime/debug"
	"strings"
)

// guarded calls the host's code with a time limit, and makes a panic an error.
func (e *Engine) guarded(ctx context.Context, f func(context.Context) error) (err error) {
	ctx, cancel := context.WithTimeout(ctx, e.config.Times.HookTimeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			e.log.ErrorContext(ctx, "a hook panicked", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = fmt.Errorf("alirefund: the hook panicked: %v", p)
		}
	}()
	return f(ctx)
}

// shorten bounds a text of the host's that the record keeps.
func shorten(text string) string {
	const most = 300
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}
