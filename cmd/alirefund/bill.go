package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/alirefund/alirefund/bill"
	"github.com/alirefund/alirefund/money"
)

const billHelp = `alirefund bill [-json] [-against FILE] FILE.zip

Prints the refunds of a daily trade bill of Alipay's, as it is downloaded. Nothing is
sent anywhere. A bill that is damaged, or does not add up, is refused as a whole.

With -against it compares them with what GET /refunds returned: the pages one behind
the other in one file, all of them. Refunds of trades alone are in such a bill.

Exit codes: 0 it is read, and agrees; 1 it differs from the list; 2 wrong flags, or an
unreadable bill or list.

`

// exitDiffers: the bill and the list are not of one mind.
const exitDiffers = 1

// billed is what -json prints. The names are stable.
type billed struct {
	Day        string         `json:"day"`
	Refunds    []billedRefund `json:"refunds"`
	Sum        money.Amount   `json:"sum"`
	Payments   int            `json:"payments"`
	Comparison *comparison    `json:"comparison,omitempty"`
}

type billedRefund struct {
	OutTradeNo   string       `json:"out_trade_no"`
	TradeNo      string       `json:"trade_no"`
	OutRequestNo string       `json:"out_request_no"`
	Amount       money.Amount `json:"amount"`
	CompletedAt  time.Time    `json:"completed_at"`
}

func billCommand(ctx context.Context, args []string, std streams) (int, error) {
	flags := flag.NewFlagSet("bill", flag.ContinueOnError)
	asJSON := flags.Bool("json", false, "print one JSON object: day, refunds, sum, payments; with -against comparison, too")
	against := flags.String("against", "", "`FILE` with the pages of GET /refunds")
	if err := parse(flags, args, billHelp, std); err != nil {
		return 0, err
	}
	if flags.NArg() != 1 {
		return 0, fmt.Errorf("one FILE.zip is wanted, not %d; flags stand before it", flags.NArg())
	}
	b, summary, err := readBill(ctx, flags.Arg(0))
	if err != nil {
		return 0, err
	}
	code := 0
	if *against != "" {
		listed, err := readList(*against)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", *against, err)
		}
		b.Comparison = compare(b.Refunds, listed, summary)
		if b.Comparison.differs() {
			code = exitDiffers
		}
	}
	if *asJSON {
		encoder := json.NewEncoder(std.out)
		encoder.SetEscapeHTML(false)
		return code, encoder.Encode(b)
	}
	_, err = io.WriteString(std.out, b.text())
	return code, err
}

func readBill(ctx context.Context, name string) (*billed, bill.Summary, error) {
	file, err := os.Open(name) //nolint:gosec // the user's own choice
	if err != nil {
		return nil, bill.Summary{}, err
	}
	defer file.Close() //nolint:errcheck // it was only read
	info, err := file.Stat()
	if err != nil {
		return nil, bill.Summary{}, err
	}
	b := &billed{Refunds: []billedRefund{}}
	summary, err := bill.Read(ctx, file, info.Size(), func(r bill.Row) error {
		if r.Refund {
			b.Refunds = append(b.Refunds, billedRefund{r.OutTradeNo, r.TradeNo, r.OutRequestNo, r.Amount, r.CompletedAt})
		}
		return nil
	})
	if err != nil {
		return nil, summary, fmt.Errorf("%s: %w", name, err)
	}
	b.Day, b.Sum, b.Payments = summary.Day(), summary.Refunded, summary.Payments
	return b, summary, nil
}

// text is the bill for people.
func (b *billed) text() string {
	var out strings.Builder
	fmt.Fprintf(&out, "bill of %s: %d refunds, %s yuan, and %d payments\n", b.Day, len(b.Refunds), b.Sum, b.Payments)
	if b.Comparison != nil {
		b.Comparison.write(&out)
		return out.String()
	}
	for _, r := range b.Refunds {
		fmt.Fprintf(&out, "%s\n", r)
	}
	return out.String()
}

func (r billedRefund) String() string {
	return fmt.Sprintf("%s  %10s  %s", r.CompletedAt.Format(time.DateTime), r.Amount, numbers(r.OutTradeNo, r.TradeNo, r.OutRequestNo))
}

// numbers names a refund on one line of the terminal.
func numbers(outTradeNo, tradeNo, outRequestNo string) string {
	text := "out_trade_no " + outTradeNo + ", trade_no " + tradeNo
	if outRequestNo != "" {
		text += ", out_request_no " + outRequestNo
	}
	return printable(text)
}
