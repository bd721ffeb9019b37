package sqlstore

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"time"
)

// Claim implements [store.Claims]. A new key, which most are, takes one statement.
func (s *Store) Claim(ctx context.Context, key string, lease time.Duration) (token string, done bool, err error) {
	id := claimID(key)
	err = s.retry(ctx, "claim", func() error {
		token, done = "", false
		mine := rand.Text()
		start, err := s.clock.now(ctx)
		if err != nil {
			return err
		}
		added, err := s.exec(ctx, s.db, "{insert} INTO {claims} (id, token, done, until_at) VALUES (?, ?, 0, ?) {or nothing}", id, mine, after(start, lease))
		if err != nil || added == 1 {
			token = mine
			return err
		}
		var was string
		var until int64
		switch err := s.db.QueryRowContext(ctx, s.sql("SELECT token, done, until_at FROM {claims} WHERE id = ?"), id).Scan(&was, &done, &until); {
		case errors.Is(err, sql.ErrNoRows):
			return errConflict // released meanwhile
		case err != nil || until > start.UnixMicro():
			return err
		}
		done = false
		if err := s.one(ctx, s.db, "UPDATE {claims} SET token = ?, done = 0, until_at = ? WHERE id = ? AND token = ?", mine, after(start, lease), id, was); err != nil {
			return err
		}
		token = mine
		return nil
	})
	if err != nil {
		return "", false, err
	}
	return token, done, nil
}

// Complete implements [store.Claims].
func (s *Store) Complete(ctx context.Context, key, token string, keep time.Duration) (held bool, err error) {
	now, err := s.Now(ctx)
	if err != nil {
		return false, err
	}
	return s.end(ctx, "complete", completeClaim, after(now, keep), claimID(key), token)
}

// Release implements [store.Claims].
func (s *Store) Release(ctx context.Context, key, token string) (held bool, err error) {
	return s.end(ctx, "release", "DELETE FROM {claims} WHERE id = ? AND token = ? AND done = 0", claimID(key), token)
}

// end changes the claim's row, if the token owns it.
func (s *Store) end(ctx context.Context, what, query string, args ...any) (held bool, err error) {
	err = s.retry(ctx, what, func() error {
		n, err := s.exec(ctx, s.db, query, args...)
		held = n == 1
		return err
	})
	return held && err == nil, err
}
