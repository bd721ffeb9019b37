package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/alirefund/alirefund/bill"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/store"
)

// How a bill is had.

// china is the zone of Alipay's days.
var china = time.FixedZone("UTC+8", 8*60*60)

// billTries is how often a bill is downloaded that does not come whole. Each time wants an
// address of its own, which is good for 30 s.
const billTries = 3

// dayBill is a bill on this machine's disk. It may name people, so that it stays there no
// longer than the audit takes.
type dayBill struct {
	merchant string
	file     *os.File
	left     bool // its name is on the disk
	size     int64
	summary  bill.Summary
}

func (b *dayBill) close() {
	_ = b.file.Close()
	if b.left {
		_ = os.Remove(b.file.Name())
	}
}

// read reads it once more.
func (b *dayBill) read(ctx context.Context, each func(bill.Row) error) error {
	_, err := bill.Read(ctx, b.file, b.size, each)
	return err
}

// fetchBill gets the bill of a merchant's day and reads it. begin returns what each row is
// given to, for each try anew: what an earlier one was given does not count. It fails with
// [gateway.ErrNoBill] if there is none.
func (e *Engine) fetchBill(ctx context.Context, merchant, day string, begin func() func(bill.Row) error) (*dayBill, error) {
	token, err := e.token(ctx, store.Refund{Merchant: merchant})
	if err != nil {
		return nil, err
	}
	file, err := os.CreateTemp("", "alirefund-bill-*.zip")
	if err != nil {
		return nil, fmt.Errorf("a place for the bill: %w", err)
	}
	b := &dayBill{merchant: merchant, file: file}
	b.left = os.Remove(file.Name()) != nil // where the system can: nothing is left of it, whatever happens
	for range billTries {
		err = e.fetchOnce(ctx, b, day, token, begin())
		if err == nil {
			return b, nil
		}
		if !errors.Is(err, gateway.ErrDownload) && !errors.Is(err, bill.ErrFormat) && !errors.Is(err, gateway.ErrNoAnswer) {
			break
		}
	}
	b.close()
	return nil, err
}

func (e *Engine) fetchOnce(ctx context.Context, b *dayBill, day, token string, each func(bill.Row) error) (err error) {
	within, ended := e.observe(ctx, Operation{Op: OpAsk, Kind: store.Trade, Method: gateway.MethodBill})
	address, err := e.gateway.QueryBill(within, gateway.BillQuery{BillType: gateway.BillTrade, BillDate: day}, gateway.Options{AppAuthToken: token})
	if errors.Is(err, gateway.ErrNoBill) {
		ended(Ended{Outcome: "refused"})
		return err
	}
	ended(callEnded(gateway.Reply{}, err))
	if err != nil {
		return err
	}
	if err = b.file.Truncate(0); err == nil {
		_, err = b.file.Seek(0, 0)
	}
	if err != nil {
		return err
	}
	if b.size, err = e.gateway.DownloadBill(ctx, address, e.config.BillHosts, b.file); err != nil {
		return err
	}
	if b.summary, err = bill.Read(ctx, b.file, b.size, each); err != nil {
		return err
	}
	if b.summary.Day() != day {
		return fmt.Errorf("%w: it is the bill of %s", bill.ErrFormat, b.summary.Day())
	}
	return nil
}
