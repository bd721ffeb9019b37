package redisstore

import (
	"context"
	_ "embed"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/alirefund/alirefund/store"
)

//go:embed count.lua
var countLua string

var countScript = redis.NewScript(countLua)

// Count implements [store.Counter]. Of all applications it counts one after the other.
func (s *Store) Count(ctx context.Context, app string) (all store.Backlog, err error) {
	apps, now, err := s.applications(ctx, app)
	if err != nil {
		return store.Backlog{}, fmt.Errorf("redisstore: count: %w", err)
	}
	all.AsOf = now
	for _, app := range apps {
		b, err := s.count(ctx, app)
		if err != nil {
			return store.Backlog{}, fmt.Errorf("redisstore: count: %w", err)
		}
		all.Awaiting, all.Unresolved, all.Undelivered, all.Due = all.Awaiting+b.Awaiting, all.Unresolved+b.Unresolved, all.Undelivered+b.Undelivered, all.Due+b.Due
		all.AsOf = b.AsOf
		if all.Oldest.IsZero() || !b.Oldest.IsZero() && b.Oldest.Before(all.Oldest) {
			all.Oldest = b.Oldest
		}
	}
	return all, nil
}

func (s *Store) count(ctx context.Context, app string) (b store.Backlog, err error) {
	answer, err := s.run(ctx, countScript, []string{s.stateKey(store.Pending, app), s.undeliveredKey(app), s.dueKey(app), s.stateKey(store.AwaitingApproval, app)})
	if err != nil {
		return b, err
	}
	number := func(at int) int { n, _ := answer[at].(int64); return int(n) }
	b.Unresolved, b.Undelivered, b.Due, b.Awaiting = number(1), number(3), number(4), number(5)
	if oldest, err := strconv.ParseFloat(text(answer[2]), 64); err == nil { // a score, perhaps as 1.7e+15
		b.Oldest = time.UnixMicro(int64(oldest)).UTC()
	}
	b.AsOf, err = moment(answer[0])
	return b, err
}

// applications returns the one that is named, or all of them if none is; and the time, if
// it asked the server.
func (s *Store) applications(ctx context.Context, app string) (apps []string, now time.Time, err error) {
	if app != "" {
		return []string{app}, now, nil
	}
	answer, err := s.run(ctx, appsScript, []string{s.appsKey()})
	if err != nil {
		return nil, now, err
	}
	if now, err = moment(answer[0]); err != nil {
		return nil, now, err
	}
	list, _ := answer[1].([]any)
	for _, app := range list {
		apps = append(apps, text(app))
	}
	return apps, now, nil
}
