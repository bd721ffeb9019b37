package engine

import (
	"context"
	"errors"
	"time"
)

// The audits that Run makes each morning.

const (
	// auditAgain is how long a process waits before it looks again whether a morning's
	// audits are done, where one of them failed or another process is at them.
	auditAgain = 30 * time.Minute
	// mostMissed is how many days are caught up with at most, and for how long a day is
	// audited again that is open.
	mostMissed = 31
)

// auditMornings audits, each day at Config.AuditAt, what has not been audited, until ctx
// ends. Of the processes that do so one does it for an application.
func (e *Engine) auditMornings(ctx context.Context) {
	at, _ := auditTime(e.config.AuditAt) // New has checked it
	morning := midnight(time.Now()).Add(at)
	for ctx.Err() == nil {
		select {
		case <-time.After(time.Until(morning)):
		case <-ctx.Done():
			return
		}
		done := true
		for _, v := range e.Applications() {
			done = v.auditMorning(ctx, morning) && done
		}
		if next := morning.AddDate(0, 0, 1); done || !time.Now().Add(auditAgain).Before(next) {
			morning = next
			continue
		}
		select {
		case <-time.After(auditAgain):
		case <-ctx.Done():
		}
	}
}

// auditTime reads Config.AuditAt: a time of China's day.
func auditTime(text string) (time.Duration, error) {
	at, err := time.Parse("15:04", text)
	return time.Duration(at.Hour())*time.Hour + time.Duration(at.Minute())*time.Minute, err
}

// auditMorning makes a morning's audits of one application, and tells whether nothing is
// left to do of them.
func (e *Engine) auditMorning(ctx context.Context, morning time.Time) (done bool) {
	key := "audits:" + e.app.ID + "/" + morning.Format(time.DateOnly)
	token, done, err := e.ledger.Claim(ctx, key, auditLease)
	if err != nil || done || token == "" {
		return done
	}
	days, err := e.auditsDue(ctx, morning)
	done = err == nil
	for _, day := range days {
		if _, err := e.Audit(ctx, day); err != nil && ctx.Err() == nil {
			e.log.ErrorContext(ctx, "a day could not be audited; it is tried again", "day", day, "error", err)
			done = done && errors.Is(err, ErrOtherBill) // which waiting does not heal
		}
	}
	done = done && ctx.Err() == nil
	_ = persist(ctx, func(ctx context.Context) error {
		if done {
			_, err := e.ledger.Complete(ctx, key, token, 48*time.Hour)
			return err
		}
		_, err := e.ledger.Release(ctx, key, token)
		return err
	})
	return done
}

// auditsDue returns the days that are to be audited on a morning, the earliest first: those
// since the last one that was, and those that were open, or untold.
func (e *Engine) auditsDue(ctx context.Context, morning time.Time) (days []string, err error) {
	before, err := e.Audits(ctx, mostMissed)
	if err != nil {
		return nil, err
	}
	known := map[string]Audit{}
	for _, a := range before {
		known[a.Day] = a
	}
	today := midnight(morning)
	for ago := mostMissed; ago > 0; ago-- {
		day := today.AddDate(0, 0, -ago).Format(time.DateOnly)
		a, audited := known[day]
		switch {
		case !audited && (ago == 1 || len(before) > 0 && day > before[len(before)-1].Day),
			audited && (a.Verdict == AuditOpen || a.Counts[DiffersWaiting] > 0 || a.Counts[DiffersUnanswered] > 0 || !a.Delivered):
			days = append(days, day)
		}
	}
	return days, nil
}
