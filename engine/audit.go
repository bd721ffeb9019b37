package engine

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/alirefund/alirefund/store"
)

// auditLease is for how long a process that audits a day keeps others from it.
const auditLease = time.Hour

// Audit holds Alipay's bills of a day, such as "2026-10-03", against the ledger. Days are
// China's, and the latest is yesterday; its bill is ready in the morning. It asks for the
// bill of each merchant that the ledger has refunds of trades of, recorded on that day, and
// else for the application's own.
//
// Nobody signs a bill, so that it changes nothing by itself. About a refund that differs
// Alipay is asked by the signed query, and what that proves is recorded and delivered as
// ever. A day may be audited any number of times: while it finds the same, nothing is
// recorded and nobody told again. Config.OnAudit is called, and what was found is kept, for
// [Engine.AuditOf].
//
// Its memory does not grow with the bill, which lies on this machine's disk meanwhile, at
// most 2 GiB for each merchant. It fails with a [*ValidationError] for no day, or one that
// is not over, with [ErrNoBillRead], [ErrAuditing], [ErrOtherBill], [ErrStore],
// [ErrUnknownApp], ctx's error, or that of [Config.OnAudit]; with the last, what was found is kept,
// and the next audit tells it once more.
func (e *Engine) Audit(ctx context.Context, day string) (Audit, error) {
	first, err := e.auditable(day)
	if err != nil {
		return Audit{}, err
	}
	key := "audit:" + e.app.ID + "/" + day
	token, _, err := e.ledger.Claim(ctx, key, auditLease)
	switch {
	case err != nil:
		return Audit{}, storeFailed(err)
	case token == "":
		return Audit{}, ErrAuditing
	}
	defer func() {
		_ = persist(ctx, func(ctx context.Context) error { _, err := e.ledger.Release(ctx, key, token); return err })
	}()
	found := Audit{App: e.app.ID, Day: day, At: time.Now().UTC().Truncate(time.Second)}
	if err := e.compare(ctx, &found, first); err != nil {
		return Audit{}, err
	}
	return e.tellAudit(ctx, found)
}

// auditable returns the first moment of a day that is over.
func (e *Engine) auditable(day string) (time.Time, error) {
	if e.lost != nil {
		return time.Time{}, e.lost
	}
	first, err := time.ParseInLocation(time.DateOnly, day, china)
	if err != nil {
		return first, invalid("/day", "date", Text{En: "day must be a day such as 2026-10-03", Zh: "day 必须是日期，例如 2026-10-03"})
	}
	if !first.Before(midnight(time.Now())) {
		return first, invalid("/day", "past", Text{En: "day must be over, in China", Zh: "day 必须是已结束的日期（北京时间）"})
	}
	return first, nil
}

// tellAudit tells the host what was found, and keeps it, unless that is known.
func (e *Engine) tellAudit(ctx context.Context, found Audit) (Audit, error) {
	before, err := e.AuditOf(ctx, found.Day)
	if err != nil && !errors.Is(err, ErrNotAudited) {
		return found, err
	}
	same := err == nil && before.same(found)
	if same {
		found = before
	}
	if found.Delivered {
		return found, nil
	}
	log := e.log.InfoContext
	if found.Verdict == AuditDiffers {
		log = e.log.WarnContext
	}
	log(ctx, "a day was held against Alipay's bill", "day", found.Day, "verdict", found.Verdict, "agreed", found.Agreed,
		"bill", found.Bill.Amount, "ledger", found.Ledger.Amount, "differences", found.Counts)
	var hookErr error
	if e.config.OnAudit != nil {
		_, hookErr = answered(ctx, e, hookOf("OnAudit", store.Refund{}), func(ctx context.Context) (struct{}, error) {
			return struct{}{}, e.config.OnAudit(ctx, found)
		})
	}
	found.Delivered = hookErr == nil
	if same && !found.Delivered {
		return found, hookErr // which stands there already
	}
	doc, err := json.Marshal(found)
	if err == nil {
		err = persist(ctx, func(ctx context.Context) error {
			return store.KeepAudit(ctx, e.ledger, e.app.ID, found.Day, store.JSON(doc))
		})
	}
	if err != nil {
		return found, errors.Join(storeFailed(err), hookErr)
	}
	return found, hookErr
}

// same tells whether an audit finds what the last one did. In what words a bill could not be
// had does not matter: they may name a time or a connection.
func (a Audit) same(found Audit) bool {
	found.At, found.Settled, found.Delivered = a.At, a.Settled, a.Delivered
	found.NotComparable = slices.Clone(found.NotComparable)
	for i := range found.NotComparable {
		if n := &found.NotComparable[i]; n.Why != "" && i < len(a.NotComparable) && a.NotComparable[i].Why != "" {
			n.Why = a.NotComparable[i].Why
		}
	}
	one, err := json.Marshal(a)
	other, err2 := json.Marshal(found)
	return err == nil && err2 == nil && string(one) == string(other)
}

// AuditOf returns what the last audit of a day found. It fails with [ErrNotAudited],
// [ErrStore] or [ErrUnknownApp].
func (e *Engine) AuditOf(ctx context.Context, day string) (Audit, error) {
	if e.lost != nil {
		return Audit{}, e.lost
	}
	ctx, cancel := looking(ctx)
	defer cancel()
	doc, err := store.Audit(ctx, e.ledger, e.app.ID, day)
	switch {
	case err != nil:
		return Audit{}, storeFailed(err)
	case doc == "":
		return Audit{}, ErrNotAudited
	}
	return readAudit(doc)
}

// Audits returns what the last audits found, each day once, the latest day first, at most n.
// It fails with [ErrStore] or [ErrUnknownApp].
func (e *Engine) Audits(ctx context.Context, n int) ([]Audit, error) {
	if e.lost != nil {
		return nil, e.lost
	}
	ctx, cancel := looking(ctx)
	defer cancel()
	docs, err := store.Audits(ctx, e.ledger, e.app.ID, n)
	if err != nil {
		return nil, storeFailed(err)
	}
	audits := make([]Audit, len(docs))
	for i, doc := range docs {
		if audits[i], err = readAudit(doc); err != nil {
			return nil, err
		}
	}
	return audits, nil
}

func readAudit(doc store.JSON) (a Audit, err error) {
	if err = json.Unmarshal([]byte(doc), &a); err != nil {
		return a, storeFailed(err)
	}
	return a, nil
}
