package conformance

import (
	"archive/zip"
	"bufio"
	"database/sql"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/bill"
	"github.com/alirefund/alirefund/signer"
	"github.com/alirefund/alirefund/store"
)

var auditRows = flag.Int("audit.rows", 1_000_000, "how many refunds BenchmarkAudit audits")

// mostAuditHeap is what an audit's memory may grow by, whatever the day.
const mostAuditHeap = 64 << 20

// BenchmarkAudit audits a day of so many refunds, in a bill and in SQLite, beside merely
// reading both. With differs a hundred of them are not in the bill, so that both are
// looked at once more.
func BenchmarkAudit(b *testing.B) {
	china := time.FixedZone("", 8*60*60)
	now := time.Now().In(china)
	yesterday := time.Date(now.Year(), now.Month(), now.Day()-1, 0, 0, 0, 0, china)
	clock := yesterday.Add(time.Hour)
	fake := alipaytest.New(alipaytest.Config{Now: func() time.Time { return clock }})
	fake.AddTrade(alipaytest.Trade{}) // so that the day has a bill
	clock = now

	d := engines[0].open(b).migrate(b)
	fillDay(b, d, fake.AppID(), yesterday)
	for name, left := range map[string]int{"agrees": 0, "differs": 100} {
		file := writeBill(b, yesterday, left)
		b.Run(name+"/floor", func(b *testing.B) {
			began := cpu()
			for b.Loop() {
				readBoth(b, d, file, yesterday)
			}
			b.ReportMetric((cpu()-began).Seconds()/float64(b.N), "cpu-s/op")
		})
		b.Run(name+"/ours", func(b *testing.B) {
			m := auditor(b, fake, d.store(b, d.DB), file)
			var most uint64
			began := cpu()
			for b.Loop() {
				most = max(most, peak(func() {
					a, err := m.Audit(b.Context(), yesterday.Format(time.DateOnly))
					if err != nil || a.Agreed != *auditRows-left || a.Counts[alirefund.DiffersWaiting] != left || len(a.Counts) > 1 {
						b.Fatalf("%+v, %v", a, err)
					}
				}))
			}
			b.ReportMetric((cpu()-began).Seconds()/float64(b.N), "cpu-s/op")
			b.ReportMetric(float64(most)/(1<<20), "MiB-heap")
			if most > mostAuditHeap {
				b.Errorf("the heap grew by %d MiB", most>>20)
			}
		})
	}
}

// dayRefund is the n-th refund of a day.
func dayRefund(n int, app string, day time.Time) store.Refund {
	at := day.Add(time.Duration(n) * (24 * time.Hour / time.Duration(*auditRows))).UTC().Truncate(time.Microsecond)
	r := refundOf(10, app)
	r.Kind, r.AuthNo = store.Trade, ""
	r.OutTradeNo, r.OutRequestNo, r.TradeNo = fmt.Sprintf("20261130220014%08d", n), fmt.Sprintf("RF-%08d", n), fmt.Sprintf("2026113022001400%012d", n)
	r.CreatedAt, r.UpdatedAt, r.SentAt, r.SettledAt = at, at, at, at
	return r.Identify()
}

// fillDay is a database with a day of refunds, as its store would have written them.
func fillDay(b *testing.B, d database, app string, day time.Time) {
	b.Helper()
	tx, err := d.BeginTx(b.Context(), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer tx.Rollback()
	insert, err := tx.PrepareContext(b.Context(), d.text(`INSERT INTO {t}refunds (id, version, app, kind, order_id, out_trade_no, trade_no, out_request_no,
		amount, state, undelivered, created_at, settled_at, has_node, doc) VALUES (?, 1, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?, 1, ?)`))
	if err != nil {
		b.Fatal(err)
	}
	for n := range *auditRows {
		r := dayRefund(n, app, day)
		doc, err := store.Encode(r)
		if err == nil {
			_, err = insert.ExecContext(b.Context(), r.ID, r.App, string(r.Kind), r.OrderID, r.OutTradeNo, r.TradeNo, r.OutRequestNo,
				int64(r.Amount), string(r.State), r.CreatedAt.UnixMicro(), r.UpdatedAt.UnixMicro(), string(doc))
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		b.Fatal(err)
	}
	d.analyze(b)
}

// writeBill writes the bill of the day to a file, without the first of left parts of it.
func writeBill(b *testing.B, day time.Time, left int) string {
	b.Helper()
	name := filepath.Join(b.TempDir(), "bill.zip")
	file, err := os.Create(name)
	if err != nil {
		b.Fatal(err)
	}
	z := zip.NewWriter(file)
	gbk := simplifiedchinese.GBK.NewEncoder()
	create := func(name string) *bufio.Writer {
		coded, err := gbk.String(name)
		if err != nil {
			b.Fatal(err)
		}
		w, err := z.CreateHeader(&zip.FileHeader{Name: coded, NonUTF8: true, Method: zip.Deflate})
		if err != nil {
			b.Fatal(err)
		}
		return bufio.NewWriter(gbk.Writer(w))
	}
	details := create("2088_业务明细.csv")
	const form = "2006年01月02日 15:04:05"
	fmt.Fprintf(details, "#起始日期：[%s]   终止日期：[%s]\n支付宝交易号,商户订单号,业务类型,商品名称,创建时间,完成时间,门店编号,门店名称,操作员,终端号,对方账户,订单金额（元）,商家实收（元）,支付宝红包（元）,集分宝（元）,支付宝优惠（元）,商家优惠（元）,券核销金额（元）,券名称,商家红包消费金额（元）,卡消费金额（元）,退款批次号/请求号,服务费（元）,分润（元）,备注\n",
		day.Format(form), day.AddDate(0, 0, 1).Format(form))
	rows := 0
	for n := range *auditRows {
		if left > 0 && n%(*auditRows/left) == 0 {
			continue
		}
		rows++
		r := dayRefund(n, "", day)
		at := r.CreatedAt.In(day.Location()).Format(time.DateTime)
		fmt.Fprintf(details, "%s\t,%s\t,退款,茶,%s,%s,\t,\t,\t,\t,*某(138****00),-%s,-%s,0.00,0.00,0.00,0.00,0.00,,0.00\t,0.00,%s\t,0.00,0.00,\n", r.TradeNo, r.OutTradeNo, at, at, r.Amount, r.Amount, r.OutRequestNo)
	}
	if err := details.Flush(); err != nil {
		b.Fatal(err)
	}
	summary := create("2088_业务明细(汇总).csv")
	fmt.Fprintf(summary, "门店编号,交易订单总笔数,退款订单总笔数\n合计,0,%d\n", rows)
	if err := summary.Flush(); err != nil {
		b.Fatal(err)
	}
	if err := z.Close(); err != nil {
		b.Fatal(err)
	}
	if err := file.Close(); err != nil {
		b.Fatal(err)
	}
	return name
}

// readBoth is the least: the bill's rows, and what of the ledger's is compared.
func readBoth(b *testing.B, d database, name string, day time.Time) {
	b.Helper()
	file, err := os.Open(name)
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		b.Fatal(err)
	}
	if _, err := bill.Read(b.Context(), file, info.Size(), func(bill.Row) error { return nil }); err != nil {
		b.Fatal(err)
	}
	rows, err := d.QueryContext(b.Context(), d.text(`SELECT id, kind, state, amount, doc FROM {t}refunds WHERE created_at >= ? AND created_at < ? ORDER BY created_at, id`), day.UnixMicro(), day.AddDate(0, 0, 1).UnixMicro())
	if err != nil {
		b.Fatal(err)
	}
	defer rows.Close()
	n := 0
	for ; rows.Next(); n++ {
		var id, kind, state string
		var amount int64
		var doc sql.RawBytes
		if err := rows.Scan(&id, &kind, &state, &amount, &doc); err != nil {
			b.Fatal(err)
		}
	}
	if rows.Err() != nil || n != *auditRows {
		b.Fatalf("%d rows: %v", n, rows.Err())
	}
}

// auditor is a module whose bills come from a file.
func auditor(b *testing.B, fake *alipaytest.Alipay, s store.Store, file string) *alirefund.Module {
	b.Helper()
	sign, err := signer.FromPEM(fake.AppPrivateKey())
	if err != nil {
		b.Fatal(err)
	}
	verify, err := signer.VerifierFromPEM(fake.AlipayPublicKey())
	if err != nil {
		b.Fatal(err)
	}
	calls := fake.HTTPClient().Transport
	m, err := alirefund.New(alirefund.Config{
		App: alirefund.App{ID: fake.AppID(), Signer: sign, Verifier: verify}, Store: s, Gateway: alipaytest.GatewayURL,
		HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.Method != http.MethodGet {
				return calls.RoundTrip(r)
			}
			body, err := os.Open(file)
			return &http.Response{StatusCode: http.StatusOK, Body: body, Request: r}, err
		})},
	})
	if err != nil {
		b.Fatal(err)
	}
	return m
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// cpu is what this process has used of the processors, which other work does not change.
func cpu() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		return 0
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// peak is how far the heap grew while do ran, garbage included.
func peak(do func()) uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	heap := func() uint64 {
		metrics.Read(sample)
		return sample[0].Value.Uint64()
	}
	runtime.GC()
	before, most := heap(), uint64(0)
	over := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		for {
			most = max(most, heap())
			select {
			case <-over:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	})
	do()
	close(over)
	watching.Wait()
	return most - min(before, most)
}
