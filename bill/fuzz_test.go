package bill_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"testing"

	"github.com/alirefund/alirefund/bill"
	"github.com/alirefund/alirefund/money"
)

// FuzzBill gives foreign bytes as the two files of a bill, and as the archive.
// Whatever is accepted adds up, and whatever is not says where.
func FuzzBill(f *testing.F) {
	f.Add(gbk(f, details()), gbk(f, summary()), false)
	f.Add([]byte("\ufeff"+details()), []byte("\ufeff"+summary()), false)
	f.Add(gbk(f, head+columns), gbk(f, summaryHead), false)
	f.Add(gbk(f, "\""+details()), gbk(f, summaryHead+"合计,,1,0"), false)
	f.Add([]byte("#\x84\x31\x95\x33\n\"\",\r\n"), []byte(nil), false)
	f.Add(published(f, details(), summary()), []byte(nil), true)
	f.Fuzz(func(t *testing.T, one, two []byte, whole bool) {
		if !whole {
			var out bytes.Buffer
			z := zip.NewWriter(&out)
			for name, text := range map[string][]byte{detailsName: one, summaryName: two} {
				w, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
				if err == nil {
					_, err = w.Write(text)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			if err := z.Close(); err != nil {
				t.Fatal(err)
			}
			one = out.Bytes()
		}
		found, s, err := read(one)
		if err != nil {
			var at *bill.Error
			if !errors.As(err, &at) || !errors.Is(err, bill.ErrFormat) && !errors.Is(err, bill.ErrTotals) || s != (bill.Summary{}) {
				t.Fatalf("%v, %+v", err, s)
			}
			return
		}
		var payments, refunds int
		var paid, refunded money.Amount
		for _, row := range found {
			switch {
			case row.Amount < 0, row.TradeNo == "", row.CompletedAt.IsZero():
				t.Fatalf("%+v", row)
			case row.Refund:
				refunds++
				refunded += row.Amount
			default:
				payments++
				paid += row.Amount
			}
		}
		if payments != s.Payments || refunds != s.Refunds || paid != s.Paid || refunded != s.Refunded || s.Day() == "" {
			t.Fatalf("%+v of %+v", s, found)
		}
	})
}
