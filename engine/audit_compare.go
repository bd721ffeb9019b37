package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/alirefund/alirefund/bill"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/store"
)

// How a day's bills are held against the ledger. Neither side is kept in memory: both are
// read once into a tally, which tells in what parts they differ, and only what is in those
// is looked at one by one.

const (
	// auditPage is how many refunds of the ledger are read at once.
	auditPage = 500
	// mostNamed bounds the differences of one kind that are named, beside their number.
	mostNamed = 100
)

// mostAlone bounds the ledger's refunds that no bill of the day has, and a bill's of which
// Alipay knows nothing. More of them are not a difference, but the bill of another merchant,
// or the ledger of another.
var mostAlone = 20_000

// auditRound is about how many rows are looked at in one more reading of both sides.
var auditRound = 50_000

// comparing is one audit under way.
type comparing struct {
	*Engine
	day          time.Time // its first moment, in China
	audit        *Audit
	tally        *tally
	bills        []*dayBill
	merchants    map[string]Sum       // of the ledger's refunds of the day that count
	unread       map[string]error     // merchants whose bill could not be had
	seen         map[string]bool      // the ledger's refunds that a bill has, by id, in this round
	others       map[string]bool      // those among them that it has under another number
	alone        []store.Refund       // the ledger's refunds that no bill of the day has
	without      map[string]time.Time // the latest of the days around of which a merchant has no bill, or not yet
	incomparable map[store.Kind]Sum
}

// compare fills the audit of a day.
func (e *Engine) compare(ctx context.Context, audit *Audit, day time.Time) error {
	c := &comparing{
		Engine: e, day: day, audit: audit, tally: new(tally),
		merchants: map[string]Sum{}, unread: map[string]error{}, without: map[string]time.Time{}, others: map[string]bool{}, incomparable: map[store.Kind]Sum{},
	}
	defer func() {
		for _, b := range c.bills {
			b.close()
		}
	}()
	if err := c.readLedger(ctx); err != nil {
		return err
	}
	if err := c.readBills(ctx); err != nil {
		return err
	}
	for _, r := range c.tally.rounds(auditRound) {
		if err := c.lookAt(ctx, r); err != nil {
			return err
		}
	}
	c.alone = slices.DeleteFunc(c.alone, func(r store.Refund) bool { return c.others[r.ID] }) // found in a later round
	if err := c.lookAround(ctx); err != nil {
		return err
	}
	c.sumUp()
	return nil
}

// counts tells whether a refund is one that the day's bills should have. What a bill told
// of in the first place is looked up when its row comes.
func counts(r store.Refund) bool {
	return r.Kind == store.Trade && r.State == store.Succeeded && r.Origin != store.FromBill
}

// eachOfLedger calls each for the ledger's refunds that were recorded on the day.
func (c *comparing) eachOfLedger(ctx context.Context, each func(store.Refund) error) error {
	f := store.Filter{From: c.day, Until: c.day.AddDate(0, 0, 1), Limit: auditPage}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		page, err := c.List(ctx, f)
		if err != nil {
			return err
		}
		for _, r := range page {
			if err := each(r); err != nil {
				return err
			}
		}
		if len(page) < auditPage {
			return nil
		}
		f.After = page[len(page)-1].Cursor()
	}
}

func (c *comparing) readLedger(ctx context.Context) error {
	err := c.eachOfLedger(ctx, func(r store.Refund) error {
		switch {
		case counts(r):
			c.merchants[r.Merchant] = c.merchants[r.Merchant].with(r)
			c.tally.add(r.ID, r.Amount)
		case r.Kind == store.Trade && r.State == store.Pending:
			if _, known := c.merchants[r.Merchant]; !known {
				c.merchants[r.Merchant] = Sum{} // whose bill may know it
			}
			c.audit.Pending++
		case r.Kind != store.Trade && r.State == store.Succeeded:
			c.incomparable[r.Kind] = c.incomparable[r.Kind].with(r)
		}
		return nil
	})
	if len(c.merchants) == 0 {
		c.merchants[""] = Sum{}
	}
	return err
}

func (s Sum) with(r store.Refund) Sum { return Sum{s.Refunds + 1, s.Amount + r.Amount} }

// readBills gets the bill of each merchant. A merchant's that cannot be had hinders no
// other's.
func (c *comparing) readBills(ctx context.Context) error {
	none := 0
	var errs []error
	for _, merchant := range slices.Sorted(maps.Keys(c.merchants)) {
		var with *tally
		b, err := c.fetchBill(ctx, merchant, c.audit.Day, func() func(bill.Row) error {
			copied := *c.tally
			with = &copied
			return func(row bill.Row) error {
				if row.Refund {
					with.take(c.billed(merchant, row).ID, row.Amount)
				}
				return nil
			}
		})
		switch {
		case err == nil:
			c.tally = with
			c.bills = append(c.bills, b)
			c.audit.Bill.Refunds += b.summary.Refunds
			c.audit.Bill.Amount += b.summary.Refunded
		case errors.Is(err, gateway.ErrNoBill):
			none++
		case ctx.Err() != nil:
			return ctx.Err()
		default:
			c.unread[merchant] = err
			errs = append(errs, err)
			c.log.WarnContext(ctx, "a bill could not be had", "day", c.audit.Day, "merchant", merchant, "error", err)
		}
	}
	c.audit.NoBill = none > 0 && len(c.bills) == 0
	all := 0
	for _, s := range c.merchants {
		all += s.Refunds
	}
	if c.audit.NoBill && all > mostAlone {
		return fmt.Errorf("%w: of %d refunds: %w", ErrNoBillRead, all, gateway.ErrNoBill) // it is not ready
	}
	if len(c.bills)+none == 0 {
		return fmt.Errorf("%w: %w", ErrNoBillRead, errors.Join(errs...))
	}
	return nil
}

// billed is the refund of a bill's row, as the ledger would have it.
func (c *comparing) billed(merchant string, row bill.Row) store.Refund {
	return store.Refund{
		Kind: store.Trade, App: c.app.ID, Merchant: merchant,
		OutTradeNo: row.OutTradeNo, TradeNo: row.TradeNo, OutRequestNo: cmp.Or(row.OutRequestNo, row.OutTradeNo),
	}.Identify()
}

// lookAt looks at what is in the round's buckets, which differ, on both sides. The first
// round counts what agrees.
func (c *comparing) lookAt(ctx context.Context, r round) error {
	c.seen = maps.Clone(c.others)
	for _, b := range c.bills {
		err := b.read(ctx, func(row bill.Row) error {
			if !row.Refund {
				return nil
			}
			asked := c.billed(b.merchant, row)
			switch bucket := bucketOf(asked.ID); {
			case !c.tally.differs(bucket):
				if r.first == 0 {
					c.agree(store.Refund{Amount: row.Amount})
				}
			case c.tally.has(r, asked.ID):
				return c.judge(ctx, asked, row)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if r.first == 0 && r.end == tallyBuckets && !c.anyDiffers() {
		return nil
	}
	return c.eachOfLedger(ctx, func(here store.Refund) error {
		if _, unread := c.unread[here.Merchant]; unread || !counts(here) || !c.tally.has(r, here.ID) || c.seen[here.ID] {
			return nil
		}
		if len(c.alone) == mostAlone {
			return fmt.Errorf("%w: %d refunds of the ledger are not in the bill", ErrOtherBill, mostAlone)
		}
		c.alone = append(c.alone, store.Refund{ // no more than is needed of it
			ID: here.ID, Kind: here.Kind, App: here.App, Merchant: here.Merchant, State: here.State, SettledAt: here.SettledAt,
			OutTradeNo: here.OutTradeNo, TradeNo: here.TradeNo, OutRequestNo: here.OutRequestNo, Amount: here.Amount,
		})
		return nil
	})
}

func (c *comparing) anyDiffers() bool {
	for n := range c.tally {
		if c.tally.differs(n) {
			return true
		}
	}
	return false
}

// agree counts a refund that both sides have.
func (c *comparing) agree(r store.Refund) {
	c.audit.Agreed++
	c.audit.Ledger = c.audit.Ledger.with(r)
}

// differ notes a difference.
func (c *comparing) differ(d Difference) {
	if c.audit.Counts == nil {
		c.audit.Counts = map[DifferenceKind]int{}
	}
	c.audit.Counts[d.Kind]++
	if c.audit.Counts[d.Kind] <= mostNamed {
		c.audit.Differences = append(c.audit.Differences, d)
	}
	switch {
	case d.Attention:
		c.audit.Verdict = AuditDiffers
	case (d.Kind == DiffersWaiting || d.Kind == DiffersUnanswered) && c.audit.Verdict == "":
		c.audit.Verdict = AuditOpen
	}
}

func differenceOf(kind DifferenceKind, r store.Refund, row bill.Row) Difference {
	d := Difference{
		Kind: kind, Refund: r.ID, Merchant: r.Merchant, State: r.State,
		OutTradeNo: cmp.Or(row.OutTradeNo, r.OutTradeNo), TradeNo: cmp.Or(row.TradeNo, r.TradeNo), OutRequestNo: cmp.Or(row.OutRequestNo, r.OutRequestNo),
		Billed: row.Amount,
	}
	if r.State == store.Succeeded {
		d.Recorded = r.Amount
	}
	return d
}

// judge says what is to be said of a bill's row, and does about it what Alipay, asked by
// the signed query, makes certain.
func (c *comparing) judge(ctx context.Context, asked store.Refund, row bill.Row) error {
	here, err := c.hereOf(ctx, asked, row)
	switch {
	case err != nil:
		return err
	case here.ID == "" && c.seen[asked.ID], here.ID != "" && c.seen[here.ID]:
		d := differenceOf(DiffersTwice, asked, row)
		d.Attention = true
		c.differ(d)
		return nil
	case here.ID == "":
		return c.unknown(ctx, asked, row)
	}
	c.seen[here.ID] = true
	if here.ID != asked.ID {
		c.others[here.ID] = true
	}
	return c.known(ctx, here, asked, row)
}

// hereOf returns the ledger's refund of a bill's row, or one without an ID.
func (c *comparing) hereOf(ctx context.Context, asked store.Refund, row bill.Row) (store.Refund, error) {
	here, err := c.find(ctx, asked.ID)
	if err == nil || !errors.Is(err, store.ErrNotFound) {
		return here, err
	}
	// A notification may have told of it without its number, or by Alipay's alone; and the
	// bill may not have its number.
	for _, f := range []store.Filter{{TradeNo: row.TradeNo}, {OutTradeNo: row.OutTradeNo}} {
		if f.TradeNo+f.OutTradeNo == "" {
			continue
		}
		f.Kind, f.Limit = store.Trade, maxRows
		rows, err := c.List(ctx, f)
		if err != nil {
			return store.Refund{}, err
		}
		for _, r := range rows {
			same := r.OutRequestNo == asked.OutRequestNo ||
				r.OutRequestNo == "" && (r.Amount == 0 || r.Amount == row.Amount) ||
				row.OutRequestNo == "" && r.Amount == row.Amount && r.State == store.Succeeded
			own := counts(r) && c.recordedThatDay(r) && !c.tally.differs(bucketOf(r.ID)) // it has a row of its own
			if same && !own && r.Merchant == asked.Merchant && (r.TradeNo == "" || r.TradeNo == row.TradeNo) && !c.seen[r.ID] {
				return r, nil
			}
		}
	}
	return store.Refund{}, nil
}

// known is judge for a refund that the ledger has.
func (c *comparing) known(ctx context.Context, r, asked store.Refund, row bill.Row) error {
	if r.State != store.Succeeded {
		if r.State == store.Pending && c.recordedThatDay(r) {
			c.audit.Pending--
		}
		if r = c.settleBilled(ctx, r); r.State != store.Succeeded {
			d := differenceOf(DiffersUnresolved, r, row)
			d.Attention = true
			c.differ(d)
			return ctx.Err()
		}
		c.audit.Settled++
	}
	if r.Amount != row.Amount {
		if r.OutTradeNo != "" && r.OutRequestNo != "" {
			asked = r
		}
		said, _ := c.askAmount(ctx, asked)
		if r.Amount == 0 && said != 0 {
			var err error
			if r, err = c.settle(ctx, r, nil, store.Settlement{Source: store.ByQuery, Finding: store.Success, Amount: said}); err != nil {
				return err
			}
		}
		if r.Amount != row.Amount {
			d := differenceOf(DiffersAmount, r, row)
			d.Said, d.Attention = said, true
			c.audit.Ledger = c.audit.Ledger.with(r)
			c.differ(d)
			return ctx.Err()
		}
	}
	c.agree(r)
	if r.Origin == store.FromBill {
		d := differenceOf(DiffersRecorded, r, row)
		d.Said = r.Amount
		c.differ(d)
	}
	return ctx.Err()
}

func (c *comparing) recordedThatDay(r store.Refund) bool {
	return !r.CreatedAt.Before(c.day) && r.CreatedAt.Before(c.day.AddDate(0, 0, 1))
}

// settleBilled asks Alipay about a refund that has not succeeded here, and delivers what
// becomes of it.
func (c *comparing) settleBilled(ctx context.Context, r store.Refund) store.Refund {
	ctx, cancel := c.detach(ctx)
	defer cancel()
	claim := newClaim()
	if r.State == store.AwaitingApproval || r.Attempts == 0 || r.Unsent() {
		r, _, _ = c.askUnsent(ctx, r)
	} else {
		r, _ = c.ask(ctx, r, claim)
	}
	c.conclude(ctx, r, claim, true)
	return r
}

// unknown is judge for a refund that the ledger does not have: it is recorded, once Alipay's
// signed answer says that it was made.
func (c *comparing) unknown(ctx context.Context, asked store.Refund, row bill.Row) error {
	c.seen[asked.ID] = true
	token, err := c.token(ctx, asked)
	if err == nil && asked.OutTradeNo == "" {
		if asked.OutTradeNo, err = c.askOrder(ctx, asked.TradeNo, token); err == nil {
			asked.OutRequestNo = cmp.Or(row.OutRequestNo, asked.OutTradeNo)
			asked = asked.Identify()
		}
	}
	if err == nil {
		var said gateway.Reply
		asked.Amount, said, err = c.askMade(ctx, asked)
		asked.TradeNo = said.Text("trade_no") // and not what the bill says: by it an order is found
	}
	if isA[*gateway.Error](err) && !errors.Is(err, ErrNothingSent) {
		err = nil // signed: Alipay knows no such trade
	}
	d := differenceOf(DiffersUnproven, asked, row)
	d.Refund = ""
	switch {
	case err != nil:
		d.Kind = DiffersUnanswered
		c.differ(d)
		return ctx.Err()
	case asked.Amount == 0 && c.audit.Counts[DiffersUnproven] == mostAlone:
		return fmt.Errorf("%w: Alipay knows nothing of %d of its refunds", ErrOtherBill, mostAlone)
	case asked.Amount == 0:
		d.Attention = true
		c.differ(d)
		return ctx.Err()
	}
	recorded, err := c.recordBilled(ctx, asked)
	if err != nil {
		return err
	}
	return c.known(ctx, recorded, asked, row)
}

// recordBilled records a refund that a signed answer proved, and tells the host.
func (c *comparing) recordBilled(ctx context.Context, r store.Refund) (store.Refund, error) {
	ctx, cancel := c.detach(ctx)
	defer cancel()
	r.Origin, r.State, r.Source, r.Subscribed = store.FromBill, store.Succeeded, store.ByQuery, c.subscribers.events
	recorded, opened, err := c.ledger.Open(ctx, r, store.Limit{}, nil)
	if err != nil {
		return r, storeFailed(err)
	}
	if opened.How == store.Created {
		c.changed(ctx, "", recorded)
	}
	c.conclude(ctx, recorded, newClaim(), true)
	return recorded, nil
}

// lookAround looks for what the day's bills do not have in those of its neighbours: a refund
// around midnight may be booked on either day, and one that was long unresolved when it was
// made in the end.
func (c *comparing) lookAround(ctx context.Context) error {
	last := func(r store.Refund) time.Time { // in whose bill it may still be
		settled := midnight(r.SettledAt)
		if settled.Before(c.day) {
			settled = c.day
		}
		return settled.AddDate(0, 0, 1)
	}
	today := midnight(time.Now())
	yesterday := today.AddDate(0, 0, -1)
	over := func(r store.Refund) bool { // yesterday's bill may not be ready
		return last(r).Before(yesterday) || last(r).Before(today) && !c.without[r.Merchant].Equal(yesterday)
	}
	latest := c.day
	for _, r := range c.alone {
		if last(r).After(latest) {
			latest = last(r)
		}
	}
	for day := c.day.AddDate(0, 0, -1); len(c.alone) > 0 && !day.After(latest) && day.Before(today); day = day.AddDate(0, 0, 1) {
		if day.Equal(c.day) {
			continue
		}
		if err := c.lookInto(ctx, day); err != nil {
			return err
		}
	}
	for _, r := range c.alone {
		d := differenceOf(DiffersWaiting, r, bill.Row{})
		if over(r) {
			d.Kind, d.Attention = DiffersMissing, true
			d.Said, _ = c.askAmount(ctx, r)
		}
		c.audit.Ledger = c.audit.Ledger.with(r)
		c.differ(d)
	}
	return ctx.Err()
}

// lookInto takes from those that are alone what the bills of another day have.
func (c *comparing) lookInto(ctx context.Context, day time.Time) error {
	byID, byTrade, merchants := map[string]int{}, map[string]int{}, map[string]bool{}
	for n, r := range c.alone {
		byID[r.ID], merchants[r.Merchant] = n, true
		if r.OutRequestNo == "" {
			byTrade[r.TradeNo] = n
		}
	}
	there := map[int]bool{}
	for _, merchant := range slices.Sorted(maps.Keys(merchants)) {
		var found map[int]bill.Row
		b, err := c.fetchBill(ctx, merchant, day.Format(time.DateOnly), func() func(bill.Row) error {
			found = map[int]bill.Row{}
			return func(row bill.Row) error {
				if !row.Refund {
					return nil
				}
				n, ok := byID[c.billed(merchant, row).ID]
				if !ok {
					n, ok = byTrade[row.TradeNo]
				}
				if ok && c.alone[n].Merchant == merchant {
					found[n] = row
				}
				return nil
			}
		})
		switch {
		case errors.Is(err, gateway.ErrNoBill):
			c.without[merchant] = day
			continue
		case err != nil:
			return err
		}
		b.close()
		for n, row := range found {
			there[n] = true
			if r := c.alone[n]; r.Amount != 0 && r.Amount != row.Amount {
				// The other day's audit says it of its own bill.
				c.log.InfoContext(ctx, "a refund is in another day's bill, with another amount", "refund", r.ID, "day", day.Format(time.DateOnly))
			}
		}
	}
	c.audit.OtherDay += len(there)
	var alone []store.Refund
	for n, r := range c.alone {
		if !there[n] {
			alone = append(alone, r)
		}
	}
	c.alone = alone
	return nil
}

// midnight is the beginning of a moment's day, in China.
func midnight(t time.Time) time.Time {
	t = t.In(china)
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, china)
}

// sumUp says what remains to be said of the whole.
func (c *comparing) sumUp() {
	a := c.audit
	for _, kind := range slices.Sorted(maps.Keys(c.incomparable)) {
		a.NotComparable = append(a.NotComparable, NotComparable{Kind: kind, Sum: c.incomparable[kind]})
	}
	for _, merchant := range slices.Sorted(maps.Keys(c.unread)) {
		a.NotComparable = append(a.NotComparable, NotComparable{Kind: store.Trade, Merchant: merchant, Sum: c.merchants[merchant], Why: shorten(c.unread[merchant].Error())})
	}
	slices.SortStableFunc(a.Differences, func(x, y Difference) int { // what wants a person comes first
		rank := func(d Difference) int {
			if d.Attention {
				return 0
			}
			return 1
		}
		return rank(x) - rank(y)
	})
	yesterday := midnight(time.Now()).AddDate(0, 0, -1)
	switch {
	case a.Verdict != "":
	case a.Pending > 0, a.NoBill && !c.day.Before(yesterday):
		a.Verdict = AuditOpen
	case len(a.NotComparable) > 0:
		a.Verdict = AuditPartly
	default:
		a.Verdict = AuditAgreed
	}
}
