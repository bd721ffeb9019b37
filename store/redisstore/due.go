package redisstore

import (
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/alirefund/alirefund/store"
)

//go:embed take.lua
var takeLua string

//go:embed turns.lua
var turnsLua string

//go:embed page.lua
var pageLua string

var (
	takeScript  = redis.NewScript(takeLua)
	turnsScript = redis.NewScript(turnsLua)
	pageScript  = redis.NewScript(pageLua)
)

// Due implements [store.Ledger]. One script takes what is due and puts it off.
func (s *Store) Due(ctx context.Context, app string, lease time.Duration, n int, asking bool) ([]store.Refund, error) {
	if n <= 0 {
		return nil, ctx.Err()
	}
	from := s.dueKey(app)
	if asking {
		from = s.askKey(app)
	}
	script, keys := takeScript, []string{from, s.dueKey(app), s.askKey(app)}
	args := []any{s.refundKey(""), lease.Microseconds(), n, rand.Text()}
	if app == "" {
		script, keys, args = turnsScript, []string{s.appsKey()}, append(args, from, s.dueKey(""), s.askKey(""), mostVisited)
	}
	rows, now, err := s.rows(ctx, script, keys, args...)
	if err != nil {
		return nil, fmt.Errorf("redisstore: due: %w", err)
	}
	var due []store.Refund
	var unread error
	for _, r := range rows {
		if r.unread != nil {
			unread = errors.Join(unread, fmt.Errorf("redisstore: due: %w", r.unread))
			continue
		}
		r.AsOf = now
		due = append(due, r.Refund)
	}
	return due, unread
}

// GiveBack implements [store.Ledger].
func (s *Store) GiveBack(ctx context.Context, id string, next time.Time, token string) (bool, error) {
	return s.decide(ctx, "give back", id, func(r *store.Refund, now time.Time) bool {
		return r.GiveBack(next, token, now)
	})
}

// mostVisited bounds the applications that one look at what is due visits, for the server
// does nothing else meanwhile. The next look begins with the others.
const mostVisited = 1000

// page is how many refunds List and Prune read at once.
const page = 100

// List implements [store.Ledger]. It reads the refunds of one set - those of a number,
// else the undelivered, else those of the state, else all - a hundred at a time from the
// cursor on, until enough of them match. It fails if it cannot read one of them.
func (s *Store) List(ctx context.Context, f store.Filter) ([]store.Refund, error) {
	var list []store.Refund
	most, set := f.Limit, s.listSet(f)
	if most <= 0 {
		most = store.DefaultLimit
	}
	after := f.After
	for {
		begin, end, way := scores(f, after)
		rows, now, err := s.rows(ctx, pageScript, []string{set}, s.refundKey(""), begin, end, page, way)
		for _, r := range rows {
			err = errors.Join(err, r.unread)
		}
		if err != nil {
			return nil, fmt.Errorf("redisstore: list: %w", err)
		}
		last := after
		for _, r := range rows {
			r.AsOf, last = now, r.Cursor()
			f.After = after
			if f.Matches(r.Refund) {
				list = append(list, r.Refund)
			}
			if len(list) == most {
				return list, nil
			}
		}
		if len(rows) < page || last == after {
			return list, nil
		}
		after = last
	}
}

// The ways through a set, whose scores are when refunds were recorded.
const upwards, downwards = "ZRANGEBYSCORE", "ZREVRANGEBYSCORE"

// scores returns between which scores what f selects behind after is, and the way through.
func scores(f store.Filter, after store.Cursor) (begin, end, way string) {
	from := f.From.Add(time.Microsecond - time.Nanosecond) // the first that is not before From
	least, most := strconv.FormatInt(micros(from), 10), "+inf"
	if !f.Until.IsZero() {
		most = "(" + strconv.FormatInt(f.Until.Add(time.Microsecond-time.Nanosecond).UnixMicro(), 10)
	}
	at := strconv.FormatInt(micros(after.CreatedAt), 10)
	switch {
	case !f.Newest && after.CreatedAt.After(from):
		return at, most, upwards
	case !f.Newest:
		return least, most, upwards
	case after != store.Cursor{} && (f.Until.IsZero() || after.CreatedAt.Before(f.Until)):
		return at, least, downwards
	}
	return most, least, downwards
}

// listSet is the set in which all are that f selects, and few others.
func (s *Store) listSet(f store.Filter) string {
	known := numbers(f.OutTradeNo, f.TradeNo, f.AuthNo, f.OutRequestNo, f.OperationID)
	switch {
	case len(known) > 0:
		return s.numberKey(known[0], f.App)
	case f.Undelivered:
		return s.undeliveredKey(f.App)
	case f.State != "":
		return s.stateKey(f.State, f.App)
	}
	return s.allKey(f.App)
}

// rows runs a script that returns refunds.
func (s *Store) rows(ctx context.Context, script *redis.Script, keys []string, args ...any) ([]row, time.Time, error) {
	answer, err := s.run(ctx, script, keys, args...)
	if err != nil {
		return nil, time.Time{}, err
	}
	now, err := moment(answer[0])
	found, _ := answer[1].([]any)
	rows := make([]row, len(found))
	for n, fields := range found {
		list, _ := fields.([]any)
		if len(list) != 2 {
			return nil, now, fmt.Errorf("the script returned %v", fields)
		}
		rows[n] = decode(text(list[0]), list[1])
	}
	return rows, now, err
}
