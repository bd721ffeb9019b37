package bill_test

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/alirefund/alirefund/bill"
)

// large is a bill of n payments and as many refunds.
func large(tb testing.TB, n int) []byte {
	tb.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	write := func(name string) io.Writer {
		w, err := z.CreateHeader(&zip.FileHeader{Name: string(gbk(tb, name)), NonUTF8: true, Method: zip.Deflate})
		if err != nil {
			tb.Fatal(err)
		}
		return w
	}
	say := func(w io.Writer, text []byte) {
		if _, err := w.Write(text); err != nil {
			tb.Fatal(err)
		}
	}
	w := write(detailsName)
	say(w, gbk(tb, head+columns))
	pair := gbk(tb, rows[:strings.Index(rows, "-0.01")])
	pair = pair[:bytes.LastIndexByte(pair, '\n')+1]
	for i := range n {
		say(w, bytes.ReplaceAll(pair, []byte("r-1"), fmt.Appendf(nil, "r-%d", i)))
	}
	say(w, gbk(tb, fmt.Sprintf("#交易合计：%d笔，商家实收共%d.00元，商家优惠共0.00元\n#退款合计：%d笔，商家实收退款共-%d.00元，商家优惠退款共0.00元\n", n, 80*n, n, 8*n)))
	say(write(summaryName), gbk(tb, summaryHead+fmt.Sprintf("合计,,%d,%d,%d.%02d,%d.00,,,,,,\n", n, n, n*80_08/100, n*80_08%100, 72*n)))
	if err := z.Close(); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

// What is held while a bill is read does not grow with it.
func TestMemoryIsFlat(t *testing.T) {
	const pairs, most = 150_000, 2 << 20
	raw := large(t, pairs)
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before, peak, n := heap(), uint64(0), 0
	s, err := bill.Read(t.Context(), bytes.NewReader(raw), int64(len(raw)), func(bill.Row) error {
		if n++; n%50_000 == 0 {
			peak = max(peak, heap())
		}
		return nil
	})
	if err != nil || n != 2*pairs || s.Refunds != pairs || s.Refunded != pairs*8_80 {
		t.Fatalf("%d rows, %+v, %v", n, s, err)
	}
	if peak > before+most {
		t.Errorf("%d KiB are held, at most %d are wanted", (peak-before)>>10, most>>10)
	}
	runtime.KeepAlive(raw)
}

func BenchmarkRead(b *testing.B) {
	const pairs = 10_000
	raw := large(b, pairs)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := bill.Read(b.Context(), bytes.NewReader(raw), int64(len(raw)), func(bill.Row) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(2*pairs), "ns/row")
}
