// Package bill reads Alipay's daily trade bill as it is published: a ZIP with two
// CSV files in GBK, the details and their summary
// (alipay.data.dataservice.bill.downloadurl.query, bill_type trade; a month's has
// the same form). Columns are found by name, since they come and go and their
// spelling varies.
//
// It refuses what it does not understand rather than reading half of it. Nothing is
// unpacked to a disk, and memory does not grow with the bill. The other side's
// account, which may name a person, is neither kept nor shown.
package bill

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/alirefund/alirefund/money"
)

var (
	// ErrFormat is wrapped when something is not as a bill is published: not a ZIP,
	// cut off, another charset, a column that is missing, a row that contradicts itself.
	ErrFormat = errors.New("not as Alipay publishes a trade bill")
	// ErrTotals is wrapped when the details do not add up to what the bill says of them.
	ErrTotals = errors.New("the details do not add up to the bill's own totals")
)

// Error says where in a bill something was wrong. It wraps [ErrFormat],
// [ErrTotals] or the error of reading the archive, and contains no cell of the bill.
type Error struct {
	File   string // in the archive; empty for the archive itself
	Line   int    // from 1; 0 for the whole file
	Column string // the column's name as this package spells it; empty for the whole line
	Err    error
}

func (e *Error) Error() string {
	text := "bill: "
	if e.File != "" {
		text += fmt.Sprintf("%q: ", e.File)
	}
	if e.Line > 0 {
		text += fmt.Sprintf("line %d: ", e.Line)
	}
	if e.Column != "" {
		text += "column " + e.Column + ": "
	}
	return text + e.Err.Error()
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// Row is one line of the details.
type Row struct {
	// Refund tells money that went back (业务类型 退款) from a payment (交易).
	Refund     bool
	TradeNo    string
	OutTradeNo string
	// OutRequestNo is the refund's own number (退款批次号/请求号). It is empty for a
	// payment, and for a refund that was made without one.
	OutRequestNo string
	// Amount is what was paid or what went back (订单金额), never negative: the
	// bill's minus in front of a refund is checked and taken off.
	Amount money.Amount
	// CompletedAt is 完成时间, in China's time.
	CompletedAt time.Time
}

// Summary is what a whole bill says.
type Summary struct {
	// From and Until are the bill's time, in China's; Until is no part of it.
	From, Until       time.Time
	Payments, Refunds int
	// Paid and Refunded are the sums of Row.Amount, neither negative.
	Paid, Refunded money.Amount
}

// Day is the bill's day, "2026-10-03", or month, "2026-10".
func (s Summary) Day() string {
	switch {
	case s.Until.Equal(s.From.AddDate(0, 0, 1)):
		return s.From.Format(time.DateOnly)
	case s.From.Day() == 1 && s.Until.Equal(s.From.AddDate(0, 1, 0)):
		return s.From.Format("2006-01")
	}
	return s.From.Format(time.DateOnly) + "/" + s.Until.Format(time.DateOnly)
}

// china is the zone of every time in a bill.
var china = time.FixedZone("UTC+8", 8*60*60)

// Read reads the bill in archive, of size bytes, and calls each for every row in
// the bill's order. Whether the details are whole is known at their end only: what
// each was given counts if Read returns nil, and not before.
//
// The error is an [*Error], what each returned, or that of ctx.
func Read(ctx context.Context, archive io.ReaderAt, size int64, each func(Row) error) (Summary, error) {
	files, err := open(archive, size)
	if err != nil {
		return Summary{}, err
	}
	said, err := readTotals(ctx, files.summary)
	if err != nil {
		return Summary{}, err
	}
	d := &details{each: each}
	if err := d.read(ctx, files.details); err != nil {
		return Summary{}, err
	}
	if err := said.check(&d.sums); err != nil {
		return Summary{}, place(err, files.summary.name, 0)
	}
	return Summary{
		From: d.from, Until: d.until, Payments: d.sums.payments.count, Refunds: d.sums.refunds.count,
		Paid: d.sums.payments.amount, Refunded: -d.sums.refunds.amount,
	}, nil
}

// side adds up the payments, or the refunds, with the bill's own signs.
type side struct {
	count            int
	amount, received money.Amount
}

type sums struct {
	payments, refunds side
	received          bool // the details have that column
}

func (s *side) add(amount, received money.Amount) error {
	if overflows(s.amount, amount) || overflows(s.received, received) {
		return fmt.Errorf("%w: the sum of its amounts is too large", ErrFormat)
	}
	s.count++
	s.amount += amount
	s.received += received
	return nil
}

// overflows tells whether a+b is beyond half of what an Amount holds, so that two
// such sums may be added as well.
func overflows(a, b money.Amount) bool {
	const most = math.MaxInt64 / 2
	return b > 0 && a > most-b || b < 0 && a < -most-b
}
