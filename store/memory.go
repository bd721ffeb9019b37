package store

import (
	"context"
	"crypto/rand"
	"time"
)

// Memory is a [Store] in the memory of one process. It forgets everything on
// restart, so it suits tests, trials, and a host that can do without the
// refunds that were unresolved when it stopped.
//
// Refunds that are pending or await approval, or have an event to deliver, are kept for ever. The
// others are forgotten some time after their last change, see [KeepSettled]. A
// forgotten refund no longer counts against its order's total, and its number
// is asked for as if for the first time; Alipay's own idempotency remains.
//
// Memory is safe for concurrent use. It starts no goroutine: what has expired
// is removed bit by bit as it is used. Its methods fail with [ErrNotFound] where
// [Ledger] says so and with the context's error if that is over before they
// begin, and do nothing then.
type Memory struct {
	claims *expiring
	ledger ledger
}

var (
	_ Store   = (*Memory)(nil)
	_ Counter = (*Memory)(nil)
)

// NewMemory returns an empty Memory.
func NewMemory(options ...MemoryOption) *Memory {
	m := &Memory{claims: newExpiring()}
	m.ledger.init(DefaultKeepSettled)
	for _, option := range options {
		option(m)
	}
	return m
}

// MemoryOption changes what [NewMemory] makes.
type MemoryOption func(*Memory)

// DefaultKeepSettled is how long a Memory keeps a refund that nothing remains to
// be done for.
const DefaultKeepSettled = 7 * 24 * time.Hour

// KeepSettled sets how long a refund is kept after its last change once nothing
// remains to be done for it. Zero and less mean [DefaultKeepSettled].
func KeepSettled(d time.Duration) MemoryOption {
	return func(m *Memory) {
		if d > 0 {
			m.ledger.retention = d
		}
	}
}

// completed is what claims hold for a key that is done, and a [Lease] for one
// that is being handled.
type completed struct{}

// linger is how long a lease that ran out is remembered, so that its owner can
// still complete what nobody else took meanwhile.
const linger = time.Hour

// Knows tells whether a key is done.
func (m *Memory) Knows(key string) bool {
	s := m.claims.lock(key)
	defer s.mu.Unlock()
	done, _ := s.claimed(key)
	return done
}

// Local says that there is nothing that [Remember] could spare.
func (m *Memory) Local() {}

// Claim implements [Claims].
func (m *Memory) Claim(ctx context.Context, key string, lease time.Duration) (token string, done bool, err error) {
	if err := over(ctx); err != nil {
		return "", false, err
	}
	s := m.claims.lock(key)
	defer s.mu.Unlock()
	if done, taken := s.claimed(key); taken {
		return "", done, nil
	}
	token = rand.Text()
	s.claim(key, token, lease)
	return token, false, nil
}

// claimed tells whether somebody handles key, or has done so.
func (s *shard) claimed(key string) (done, taken bool) {
	held, _ := s.get(key)
	switch held := held.(type) {
	case completed:
		return true, true
	case Lease:
		return false, held.Held(time.Now())
	}
	return false, false
}

func (s *shard) claim(key, token string, lease time.Duration) {
	// max: an absurdly long lease plus a while is a negative number.
	s.set(key, Lease{Token: token, Until: time.Now().Add(lease)}, max(lease, lease+linger))
}

// owns tells whether token is that of whoever handles key.
func (s *shard) owns(key, token string) bool {
	value, _ := s.get(key)
	lease, ok := value.(Lease)
	return ok && token != "" && lease.Token == token
}

// Complete implements [Claims].
func (m *Memory) Complete(ctx context.Context, key, token string, keep time.Duration) (held bool, err error) {
	return m.end(ctx, key, token, func(s *shard) { s.set(key, completed{}, keep) })
}

// Release implements [Claims].
func (m *Memory) Release(ctx context.Context, key, token string) (held bool, err error) {
	return m.end(ctx, key, token, func(s *shard) { s.delete(key) })
}

func (m *Memory) end(ctx context.Context, key, token string, how func(*shard)) (held bool, err error) {
	if err := over(ctx); err != nil {
		return false, err
	}
	s := m.claims.lock(key)
	defer s.mu.Unlock()
	if !s.owns(key, token) {
		return false, nil
	}
	how(s)
	return true, nil
}

// Open implements [Ledger].
func (m *Memory) Open(ctx context.Context, r Refund, limit Limit, first *Permission) (Refund, Opened, error) {
	if err := over(ctx); err != nil {
		return Refund{}, Opened{}, err
	}
	l := &m.ledger
	l.lock()
	defer l.rows.mu.Unlock()
	found := l.read(r.ID)
	orderID := r.OrderID
	if found != nil {
		orderID = found.OrderID
	}
	now := time.Now().UTC()
	order := OrderState{Reserved: l.reserved(orderID, r.ID)}
	if first != nil {
		order.SentAt = l.lastSend(orderID)
	}
	admitted, opened, changed := Admit(found, r, order, limit, first, now)
	if changed {
		l.write(&admitted)
	}
	r = admitted.Clone()
	r.AsOf = now
	return r, opened, nil
}

// Sending implements [Ledger].
func (m *Memory) Sending(ctx context.Context, id string, p Permission) (Attempt, error) {
	var attempt Attempt
	_, err := m.ledger.change(ctx, id, func(r *Refund, now time.Time) bool {
		attempt = r.BeginSend(p, m.ledger.lastSend(r.OrderID), now)
		return attempt.Token != ""
	})
	return attempt, err
}

// Settle implements [Ledger].
func (m *Memory) Settle(ctx context.Context, id string, s Settlement) (Refund, bool, error) {
	var claims *shard
	if s.Notice.Key != "" {
		claims = m.claims.lock(s.Notice.Key)
		defer claims.mu.Unlock()
		if _, taken := claims.claimed(s.Notice.Key); taken && !claims.owns(s.Notice.Key, s.Notice.Token) {
			return Refund{}, false, ErrTaken
		}
	}
	var changed bool
	r, err := m.ledger.change(ctx, id, func(r *Refund, now time.Time) bool {
		changed = r.apply(s, now)
		return true
	})
	if err != nil {
		return Refund{}, false, err
	}
	switch n := s.Notice; {
	case claims == nil:
	case len(r.Due()) == 0:
		claims.set(n.Key, completed{}, n.Keep)
	default:
		claims.claim(n.Key, n.Token, n.Lease)
	}
	return r.Clone(), changed, nil
}

// Deliver implements [Ledger].
func (m *Memory) Deliver(ctx context.Context, id string, event Event, lease time.Duration) (token string, done bool, err error) {
	_, err = m.ledger.change(ctx, id, func(r *Refund, now time.Time) bool {
		token, done = r.BeginDelivery(event, lease, now)
		return token != ""
	})
	return token, done, err
}

// Delivered implements [Ledger].
func (m *Memory) Delivered(ctx context.Context, id string, event Event, token string, done Notice) (held, complete bool, err error) {
	var claims *shard
	if done.Key != "" {
		claims = m.claims.lock(done.Key)
		defer claims.mu.Unlock()
	}
	_, err = m.ledger.change(ctx, id, func(r *Refund, now time.Time) bool {
		held = r.EndDelivery(event, token, true, "", now)
		return held
	})
	if complete = held && claims != nil && claims.owns(done.Key, done.Token); complete {
		claims.set(done.Key, completed{}, done.Keep)
	}
	return held, complete, err
}

// Undelivered implements [Ledger].
func (m *Memory) Undelivered(ctx context.Context, id string, event Event, token, reason string) (held bool, err error) {
	_, err = m.ledger.change(ctx, id, func(r *Refund, now time.Time) bool {
		held = r.EndDelivery(event, token, false, reason, now)
		return held
	})
	return held, err
}

// Redeliver implements [Ledger].
func (m *Memory) Redeliver(ctx context.Context, id string, event Event, actor string) (done bool, err error) {
	_, err = m.ledger.change(ctx, id, func(r *Refund, now time.Time) bool {
		done = r.Redeliver(event, actor, now)
		return done
	})
	return done, err
}

// Subscribe implements [Ledger].
func (m *Memory) Subscribe(ctx context.Context, id string, event Event) (done bool, err error) {
	_, err = m.ledger.change(ctx, id, func(r *Refund, now time.Time) bool {
		done = r.Subscribe(event, now)
		return done
	})
	return done, err
}

// Due implements [Ledger].
func (m *Memory) Due(ctx context.Context, app string, lease time.Duration, n int, asking bool) ([]Refund, error) {
	if err := over(ctx); err != nil {
		return nil, err
	}
	l := &m.ledger
	l.lock()
	defer l.rows.mu.Unlock()
	now := time.Now().UTC()
	due := l.due(app, now, asking)
	if app == "" {
		due = l.takeTurns(now, n, asking)
	}
	list := make([]Refund, min(max(n, 0), len(due)))
	for i := range list {
		r := due[i].Clone()
		r.Next, r.AsOf = now.Add(lease), now
		l.write(&r)
		list[i] = r.Clone()
	}
	return list, nil
}

// GiveBack implements [Ledger].
func (m *Memory) GiveBack(ctx context.Context, id string, next time.Time, token string) (done bool, err error) {
	_, err = m.ledger.change(ctx, id, func(r *Refund, now time.Time) bool {
		done = r.GiveBack(next, token, now)
		return done
	})
	return done, err
}

// Get implements [Ledger].
func (m *Memory) Get(ctx context.Context, id string) (Refund, error) {
	r, err := m.ledger.change(ctx, id, func(*Refund, time.Time) bool { return false })
	if err != nil {
		return Refund{}, err
	}
	return *r, nil
}

// List implements [Ledger]. Without any number in f, and unless it selects what is left to
// do, it looks at the refunds between its times until it has enough.
func (m *Memory) List(ctx context.Context, f Filter) ([]Refund, error) {
	if err := over(ctx); err != nil {
		return nil, err
	}
	now := time.Now().UTC()
	limit := f.Limit
	if limit <= 0 {
		limit = DefaultLimit
	}
	found := m.ledger.matching(f, limit)
	list := make([]Refund, len(found))
	for i := range list {
		list[i] = found[i].Clone()
		list[i].AsOf = now
	}
	return list, nil
}

// Count implements [Counter].
func (m *Memory) Count(ctx context.Context, app string) (Backlog, error) {
	if err := ctx.Err(); err != nil {
		return Backlog{}, err
	}
	l := &m.ledger
	l.lock()
	defer l.rows.mu.Unlock()
	b := Backlog{AsOf: time.Now().UTC()}
	for _, r := range l.left(app) {
		if r.State == AwaitingApproval {
			b.Awaiting++
		}
		if r.State == Pending {
			b.Unresolved++
			if b.Oldest.IsZero() || r.CreatedAt.Before(b.Oldest) {
				b.Oldest = r.CreatedAt
			}
		}
		if r.Undelivered() {
			b.Undelivered++
		}
		if !r.Next.After(b.AsOf) {
			b.Due++
		}
	}
	return b, nil
}
