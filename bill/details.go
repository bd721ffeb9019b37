package bill

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/alirefund/alirefund/money"
)

// The columns of the details that are read, spelt without a currency.
type detailColumns struct{ tradeNo, outTradeNo, kind, completed, amount, received, number column }

func newDetailColumns() detailColumns {
	return detailColumns{
		tradeNo:    column{names: []string{"支付宝交易号"}},
		outTradeNo: column{names: []string{"商户订单号"}},
		kind:       column{names: []string{"业务类型"}},
		completed:  column{names: []string{"完成时间"}},
		amount:     column{names: []string{"订单金额"}},
		received:   column{names: []string{"商家实收"}, optional: true},
		number:     column{names: []string{"退款批次号/请求号", "退款批次号", "退款请求号"}},
	}
}

// details reads the details of a bill.
type details struct {
	each        func(Row) error
	columns     detailColumns
	sums        sums
	from, until time.Time
	ended       bool // the remark that ends the rows was read
}

func (d *details) read(ctx context.Context, from entry) error {
	text, err := from.file.Open()
	if err != nil {
		return &Error{File: from.name, Err: fmt.Errorf("%w: the file cannot be unpacked: %w", ErrFormat, err)}
	}
	defer text.Close()
	d.columns = newDetailColumns()
	if err := newTable(from.name, text).each(ctx, d.remark, d.header, d.row); err != nil {
		return err
	}
	if d.from.IsZero() {
		return &Error{File: from.name, Err: fmt.Errorf("%w: it has no line #起始日期 with the day of the bill", ErrFormat)}
	}
	return nil
}

var (
	day = regexp.MustCompile(`^#起始日期:\[(.*?)\]\s*终止日期:\[(.*?)\]`)
	// The totals behind the rows, "#交易合计：6笔，商家实收共0.06元，商家优惠共0.00元" and
	// "#退款合计：4笔，商家实收退款共-0.04元，…", or with 交易金额 and 交易退款金额.
	total = regexp.MustCompile(`^(\d{1,18})笔,(商家实收|交易金额|商家实收退款|交易退款金额)共(-?[\d.]+)元`)
)

// remark reads a line that begins with #. Those that say nothing to be checked are
// passed over.
func (d *details) remark(line string) error {
	line = fold(strings.TrimSpace(line))
	text := strings.TrimLeft(line, "#- ")
	switch {
	case strings.HasPrefix(text, "起始日期"):
		return d.span(line)
	case strings.HasPrefix(text, "业务明细列表结束"):
		d.ended = true
	case strings.HasPrefix(text, "交易合计"):
		return d.total(strings.TrimPrefix(text, "交易合计:"), &d.sums.payments)
	case strings.HasPrefix(text, "退款合计"):
		return d.total(strings.TrimPrefix(text, "退款合计:"), &d.sums.refunds)
	}
	return nil
}

func (d *details) span(line string) error {
	found := day.FindStringSubmatch(line)
	if found == nil {
		return fmt.Errorf("%w: #起始日期 must be as #起始日期：[2026年10月03日 00:00:00]   终止日期：[2026年10月04日 00:00:00]", ErrFormat)
	}
	const form = "2006年01月02日 15:04:05"
	from, err := time.ParseInLocation(form, found[1], china)
	until, err2 := time.ParseInLocation(form, found[2], china)
	switch {
	case err != nil || err2 != nil || !until.After(from):
		return fmt.Errorf("%w: the days behind #起始日期 must be two such as 2026年10月03日 00:00:00, the later one last", ErrFormat)
	case !d.from.IsZero():
		return fmt.Errorf("%w: a second line #起始日期", ErrFormat)
	}
	d.from, d.until = from, until
	return nil
}

// total holds what was read of one side against what the bill says of it.
func (d *details) total(text string, read *side) error {
	found := total.FindStringSubmatch(text)
	if found == nil {
		return fmt.Errorf("%w: a total must be as 6笔，商家实收共0.06元", ErrFormat)
	}
	d.ended = true
	said, err := signed(found[3])
	if err != nil {
		return fmt.Errorf("%w: the sum: %w", ErrFormat, err)
	}
	sum, known := read.amount, true
	if strings.HasPrefix(found[2], "商家实收") {
		sum, known = read.received, d.sums.received
	}
	if count, err := strconv.Atoi(found[1]); err != nil || count != read.count {
		return fmt.Errorf("%w: %d rows are there, %s should be", ErrTotals, read.count, found[1])
	}
	if known && sum != said {
		return fmt.Errorf("%w: they come to %s instead of %s", ErrTotals, sum, said)
	}
	return nil
}

func (d *details) header(cells []string) error {
	c := &d.columns
	err := find(cells, &c.tradeNo, &c.outTradeNo, &c.kind, &c.completed, &c.amount, &c.received, &c.number)
	d.sums.received = c.received.at >= 0
	return err
}

func (d *details) row(cells []string) error {
	if d.ended {
		return fmt.Errorf("%w: a row behind the end of the details", ErrFormat)
	}
	row, received, err := d.columns.row(cells)
	if err != nil {
		return err
	}
	sum, amount := &d.sums.payments, row.Amount
	if row.Refund {
		sum, amount = &d.sums.refunds, -row.Amount
	}
	if err := sum.add(amount, received); err != nil {
		return err
	}
	if err := d.each(row); err != nil {
		return callersError{err}
	}
	return nil
}

// row reads one row, and beside it what the merchant received, by the bill's sign.
func (c *detailColumns) row(cells []string) (row Row, received money.Amount, err error) {
	kind, err := c.kind.text(cells)
	if err != nil {
		return row, 0, err
	}
	switch kind {
	case "交易":
	case "退款":
		row.Refund = true
	default:
		return row, 0, wrong(c.kind.String(), "it is neither 交易 nor 退款")
	}
	for _, id := range []struct {
		column *column
		into   *string
	}{{&c.tradeNo, &row.TradeNo}, {&c.outTradeNo, &row.OutTradeNo}, {&c.number, &row.OutRequestNo}} {
		text, err := id.column.text(cells)
		if err != nil {
			return row, 0, err
		}
		*id.into = strings.Clone(text) // without the rest of the line
	}
	switch {
	case row.TradeNo == "":
		return row, 0, wrong(c.tradeNo.String(), "it is empty")
	case !row.Refund && row.OutRequestNo != "":
		return row, 0, wrong(c.number.String(), "a payment must have none")
	}
	if row.Amount, err = c.amount.amount(cells, row.Refund); err != nil {
		return row, 0, err
	}
	if row.Refund && row.Amount == 0 {
		return row, 0, wrong(c.amount.String(), "a refund must be less than 0")
	}
	if row.Refund {
		row.Amount = -row.Amount
	}
	if c.received.at >= 0 {
		if received, err = c.received.amount(cells, row.Refund); err != nil {
			return row, 0, err
		}
	}
	completed, err := c.completed.text(cells)
	if err == nil {
		row.CompletedAt, err = time.ParseInLocation(time.DateTime, completed, china)
		if err != nil {
			err = wrong(c.completed.String(), "it must be a time such as 2026-10-03 10:00:30")
		}
	}
	return row, received, err
}

// amount reads the column's amount, whose sign must be that of a refund or of a
// payment; either may be 0.
func (c *column) amount(cells []string, refund bool) (money.Amount, error) {
	text, err := c.text(cells)
	if err != nil {
		return 0, err
	}
	fen, err := signed(text)
	switch {
	case err != nil:
		return 0, wrong(c.String(), "%w", err)
	case refund && fen > 0:
		return 0, wrong(c.String(), "a refund's amounts must not be above 0")
	case !refund && fen < 0:
		return 0, wrong(c.String(), "a payment's amounts must not be below 0")
	}
	return fen, nil
}

// signed reads an amount that may have a minus.
func signed(text string) (money.Amount, error) {
	digits, negative := strings.CutPrefix(text, "-")
	fen, err := money.Parse(digits)
	if negative {
		fen = -fen
	}
	return fen, err
}
