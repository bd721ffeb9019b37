package redisstore

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/store"
)

// row is a refund as Redis has it: a hash of its document, the time when it is due next,
// which the document leaves out, and a version, which is another random text after each
// write, so that no writer takes another's write for his own.
type row struct {
	store.Refund
	version string
	unread  error // why the document cannot be read; then only ID and version are known
}

func (s *Store) refundKey(id string) string { return s.key("refund:" + id) }

// sets returns the sets that a refund stands in, each with its score there; none for a
// refund without an id.
func (s *Store) sets(r store.Refund) map[string]int64 {
	sets := make(map[string]int64)
	if r.ID == "" {
		return sets
	}
	enter := func(key string, at time.Time) { sets[key] = at.UnixMicro() }
	enter(s.allKey(r.App), r.CreatedAt)
	enter(s.stateKey(r.State, r.App), r.CreatedAt)
	if r.Undelivered() {
		enter(s.undeliveredKey(r.App), r.CreatedAt)
	}
	for _, n := range numbers(r.OutTradeNo, r.TradeNo, r.AuthNo, r.OutRequestNo, r.OperationID) {
		enter(s.numberKey(n, r.App), r.CreatedAt)
	}
	if !r.Next.IsZero() {
		enter(s.dueKey(r.App), r.Next)
		if r.State != store.Succeeded {
			enter(s.askKey(r.App), r.Next)
		}
		return sets
	}
	settled := r.SettledAt
	if settled.IsZero() {
		settled = r.UpdatedAt
	}
	enter(s.settledKey(r.App), settled)
	if r.Answer != "" {
		enter(s.nodesKey(r.App), settled)
	}
	return sets
}

// The sets of an application. By when they were created: all its refunds, those of a
// state, those with an event to deliver, those of a number. By when they are due: those
// with something left to do, and of them those that have not succeeded. By when they were
// settled: those with nothing left to do, and of them those with a raw node.
func (s *Store) allKey(app string) string         { return s.key("all:" + app) }
func (s *Store) undeliveredKey(app string) string { return s.key("undelivered:" + app) }
func (s *Store) dueKey(app string) string         { return s.key("due:" + app) }
func (s *Store) askKey(app string) string         { return s.key("ask:" + app) }
func (s *Store) settledKey(app string) string     { return s.key("settled:" + app) }
func (s *Store) nodesKey(app string) string       { return s.key("nodes:" + app) }

// appsKey is the set of the applications that ever had a refund, by when it was their
// turn to have what is due looked at.
func (s *Store) appsKey() string { return s.key("apps") }

func (s *Store) stateKey(state store.State, app string) string {
	return s.key("state:" + string(state) + ":" + app)
}

// Two of an application and a number may have one key, if there are colons in them:
// whoever reads it looks at the refunds too.
func (s *Store) numberKey(n number, app string) string {
	return s.key(n.name + ":" + app + ":" + n.is)
}

type number struct{ name, is string }

// numbers returns those that are not empty, the most telling first.
func numbers(outTradeNo, tradeNo, authNo, outRequestNo, operationID string) []number {
	var known []number
	for _, n := range [...]number{
		{"operation_id", operationID}, {"trade_no", tradeNo}, {"out_trade_no", outTradeNo}, {"auth_no", authNo}, {"out_request_no", outRequestNo},
	} {
		if n.is != "" {
			known = append(known, n)
		}
	}
	return known
}

// encode is a refund's document without what the row says better.
func encode(r store.Refund) (string, error) {
	r.Next = time.Time{}
	doc, err := store.Encode(r)
	return string(doc), err
}

// counted is what a refund takes of its order's total.
func counted(r store.Refund) money.Amount {
	if r.ID == "" || !r.Counts() {
		return 0
	}
	return r.Amount
}

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

//go:embed read.lua
var readLua string

var readScript = redis.NewScript(readLua)

// read returns a refund and the time. If there is none it fails with
// [store.ErrNotFound], and the time is valid all the same.
func (s *Store) read(ctx context.Context, id string) (row, time.Time, error) {
	list, err := s.run(ctx, readScript, []string{s.refundKey(id)})
	if err != nil {
		return row{}, time.Time{}, err
	}
	now, err := moment(list[0])
	if err != nil {
		return row{}, now, err
	}
	r := decode(id, list[1])
	switch {
	case r.version == "":
		return row{}, now, store.ErrNotFound
	case r.unread != nil:
		return row{}, now, r.unread
	}
	return r, now, nil
}

// run runs a script that answers with a list.
func (s *Store) run(ctx context.Context, script *redis.Script, keys []string, args ...any) ([]any, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return script.Run(ctx, s.client, keys, args...).Slice()
}

// moment reads what TIME says: seconds, and microseconds.
func moment(answer any) (time.Time, error) {
	parts, _ := answer.([]any)
	if len(parts) != 2 {
		return time.Time{}, fmt.Errorf("the server's time is %v", answer)
	}
	seconds, err := strconv.ParseInt(text(parts[0]), 10, 64)
	micros, err2 := strconv.ParseInt(text(parts[1]), 10, 64)
	return time.Unix(seconds, micros*1000).UTC(), errors.Join(err, err2)
}

// decode reads document, version and next of a refund, as the scripts return them.
func decode(id string, fields any) row {
	list, _ := fields.([]any)
	if len(list) != 3 || text(list[0]) == "" {
		r := row{unread: fmt.Errorf("refund %s is in a set, and nowhere else", id)}
		r.ID = id
		return r
	}
	r := row{version: text(list[1])}
	var err error
	if r.Refund, err = store.Decode([]byte(text(list[0]))); err != nil {
		r.ID, r.unread = id, fmt.Errorf("refund %s: %w", id, err)
	}
	r.Next = time.Time{}
	if next, _ := strconv.ParseInt(text(list[2]), 10, 64); next != 0 { // this package wrote it
		r.Next = time.UnixMicro(next).UTC()
	}
	return r
}

func text(answer any) string {
	s, _ := answer.(string)
	return s
}
