package store

import (
	"context"
	"database/sql"
	"time"
)

// Remember returns a store over s that keeps the notifications that are done in this
// process's memory too: one that Alipay delivers again costs the database nothing; its
// method Knows(key) tells without asking. Who owns a key is always decided by s. It is a
// [Transactor] if s is one. A [Memory], and any other that answers from the process's
// memory and says so by a method Local(), is returned as it is.
//
// A key that this process completed is remembered as long as s keeps it; one
// that s says is done, for an hour: s does not tell how much longer it keeps
// it, and the deliveries that follow ask again.
func Remember(s Store) Store {
	if local, ok := s.(interface {
		Store
		Local()
	}); ok {
		return local
	}
	r := &remembering{Store: s, done: newExpiring()}
	if t, ok := s.(Transactor); ok {
		return &rememberingTx{remembering: r, tx: t}
	}
	return r
}

// rememberDone is for how long another's word that a key is done is believed.
const rememberDone = time.Hour

type remembering struct {
	Store
	done *expiring
}

// Claim implements [Claims].
func (r *remembering) Claim(ctx context.Context, key string, lease time.Duration) (token string, done bool, err error) {
	if r.Knows(key) {
		return "", true, nil
	}
	token, done, err = r.Store.Claim(ctx, key, lease)
	if err == nil && done {
		r.remember(key, rememberDone)
	}
	return token, done, err
}

// Complete implements [Claims].
func (r *remembering) Complete(ctx context.Context, key, token string, keep time.Duration) (held bool, err error) {
	held, err = r.Store.Complete(ctx, key, token, keep)
	if err == nil && held {
		r.remember(key, keep)
	}
	return held, err
}

// Settle implements [Ledger].
func (r *remembering) Settle(ctx context.Context, id string, s Settlement) (Refund, bool, error) {
	if r.Knows(s.Notice.Key) {
		return Refund{}, false, ErrTaken
	}
	settled, changed, err := r.Store.Settle(ctx, id, s)
	if err == nil && len(settled.Due()) == 0 {
		r.remember(s.Notice.Key, s.Notice.Keep)
	}
	return settled, changed, err
}

// Delivered implements [Ledger].
func (r *remembering) Delivered(ctx context.Context, id string, event Event, token string, done Notice) (held, completed bool, err error) {
	held, completed, err = r.Store.Delivered(ctx, id, event, token, done)
	if err == nil && completed {
		r.remember(done.Key, done.Keep)
	}
	return held, completed, err
}

// rememberingTx is for a store that is a Transactor.
type rememberingTx struct {
	*remembering
	tx Transactor
}

// DeliverTx implements [Transactor].
func (r *rememberingTx) DeliverTx(ctx context.Context, id string, event Event, learnt *Settlement, hook func(context.Context, *sql.Tx, Refund) error) (settled Refund, done bool, err error) {
	if learnt != nil && r.Knows(learnt.Notice.Key) {
		return Refund{}, false, ErrTaken
	}
	settled, done, err = r.tx.DeliverTx(ctx, id, event, learnt, hook)
	if err == nil && learnt != nil && len(settled.Due()) == 0 {
		r.remember(learnt.Notice.Key, learnt.Notice.Keep)
	}
	return settled, done, err
}

// Knows tells whether a key is done, as far as this process knows, and asks nobody.
func (r *remembering) Knows(key string) bool {
	if key == "" {
		return false
	}
	s := r.done.lock(key)
	defer s.mu.Unlock()
	_, known := s.get(key)
	return known
}

// remember must not shorten what is known already: a delivery that asked
// before another completed the key may come back after.
func (r *remembering) remember(key string, ttl time.Duration) {
	if key == "" {
		return
	}
	s := r.done.lock(key)
	defer s.mu.Unlock()
	if _, known := s.get(key); !known {
		s.set(key, completed{}, ttl)
	}
}
