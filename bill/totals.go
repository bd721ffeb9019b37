package bill

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/alirefund/alirefund/money"
)

// totals is what the summary file says: a row for each shop and one for all of
// them (合计), or only the former.
type totals struct {
	payments, refunds, amount, received column

	counted [2]int // payments, refunds
	sum     side
	all     bool // the row for all was read
}

func readTotals(ctx context.Context, from entry) (*totals, error) {
	text, err := from.file.Open()
	if err != nil {
		return nil, &Error{File: from.name, Err: fmt.Errorf("%w: the file cannot be unpacked: %w", ErrFormat, err)}
	}
	defer text.Close()
	t := &totals{
		payments: column{names: []string{"交易订单总笔数"}},
		refunds:  column{names: []string{"退款订单总笔数"}},
		amount:   column{names: []string{"订单金额"}, optional: true},
		received: column{names: []string{"商家实收"}, optional: true},
	}
	return t, newTable(from.name, text).each(ctx, func(string) error { return nil }, t.header, t.row)
}

func (t *totals) header(cells []string) error {
	return find(cells, &t.payments, &t.refunds, &t.amount, &t.received)
}

func (t *totals) row(cells []string) error {
	if t.all {
		return fmt.Errorf("%w: a row behind that of 合计", ErrFormat)
	}
	if strings.TrimRight(fold(strings.TrimSpace(cells[0])), ":") == "合计" {
		t.all, t.counted, t.sum = true, [2]int{}, side{}
	}
	for i, c := range []*column{&t.payments, &t.refunds} {
		text, err := c.text(cells)
		if err != nil {
			return err
		}
		n, err := strconv.ParseUint(text, 10, 31)
		if err != nil {
			return wrong(c.String(), "it must be a number of rows")
		}
		t.counted[i] += int(n)
	}
	var both [2]money.Amount
	for i, c := range []*column{&t.amount, &t.received} {
		if c.at < 0 {
			continue
		}
		text, err := c.text(cells)
		if err != nil {
			return err
		}
		if both[i], err = signed(text); err != nil {
			return wrong(c.String(), "%w", err)
		}
	}
	return t.sum.add(both[0], both[1])
}

// check holds the details against the summary. Whether a refund is taken off its
// amounts is not documented, so that they may be the sum of all rows or that of the
// payments.
func (t *totals) check(read *sums) error {
	switch {
	case t.counted[0] != read.payments.count:
		return fmt.Errorf("%w: %d payments are there, %d should be", ErrTotals, read.payments.count, t.counted[0])
	case t.counted[1] != read.refunds.count:
		return fmt.Errorf("%w: %d refunds are there, %d should be", ErrTotals, read.refunds.count, t.counted[1])
	}
	if err := sameSum(&t.amount, t.sum.amount, read.payments.amount, read.refunds.amount); err != nil || !read.received {
		return err
	}
	return sameSum(&t.received, t.sum.received, read.payments.received, read.refunds.received)
}

func sameSum(c *column, said, paid, refunded money.Amount) error {
	if c.at < 0 || said == paid || said == paid+refunded {
		return nil
	}
	return &Error{Column: c.String(), Err: fmt.Errorf("%w: they come to %s, or %s with the refunds, instead of %s", ErrTotals, paid, paid+refunded, said)}
}
