package redisstore

import (
	"context"
	_ "embed"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

//go:embed apps.lua
var appsLua string

var appsScript = redis.NewScript(appsLua)

// Prune implements [store.Pruner]. It changes two hundred refunds of an application at
// most. Claims run out by themselves.
//
// What a forgotten refund took of its order's total stays taken: the money has
// moved. Its number, asked for again, is a new one to this ledger and to be
// paid for by what the order has left; Alipay knows better, and moves nothing.
func (s *Store) Prune(ctx context.Context, app string, nodes, refunds time.Time) (pruned int, err error) {
	apps, _, err := s.applications(ctx, app)
	if err != nil {
		return 0, fmt.Errorf("redisstore: prune: %w", err)
	}
	for _, app := range apps {
		n, err := s.prune(ctx, app, nodes, refunds)
		if pruned += n; err != nil {
			return pruned, err
		}
	}
	return pruned, nil
}

func (s *Store) prune(ctx context.Context, app string, nodes, refunds time.Time) (pruned int, err error) {
	for _, forget := range []struct {
		set    string
		before time.Time
		step   func(was row) (step, error)
	}{
		{s.settledKey(app), refunds, func(was row) (step, error) { return s.remove(was), nil }},
		{s.nodesKey(app), nodes, func(was row) (step, error) {
			r := was.Clone()
			r.Answer = ""
			return s.store(was, r)
		}},
	} {
		if forget.before.IsZero() {
			continue
		}
		n, err := s.forget(ctx, forget.set, forget.before, forget.step)
		if pruned += n; err != nil {
			return pruned, fmt.Errorf("redisstore: prune: %w", err)
		}
	}
	return pruned, nil
}

// forget does a step to the first refunds of a set.
func (s *Store) forget(ctx context.Context, set string, before time.Time, to func(was row) (step, error)) (done int, err error) {
	rows, _, err := s.rows(ctx, pageScript, []string{set}, s.refundKey(""), 0, "("+strconv.FormatInt(before.UnixMicro(), 10), page, upwards)
	if err != nil {
		return 0, err
	}
	for _, was := range rows {
		if was.unread != nil {
			continue
		}
		w, err := to(was)
		if err != nil {
			return done, err
		}
		a, err := s.write(ctx, w)
		if err != nil {
			return done, err
		}
		if a.word == written { // else somebody works on it
			done++
		}
	}
	return done, nil
}
