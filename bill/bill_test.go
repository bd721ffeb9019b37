package bill_test

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/alirefund/alirefund/bill"
)

const (
	detailsName = "20880000000000000156_20261003_业务明细.csv"
	summaryName = "20880000000000000156_20261003_业务明细(汇总).csv"

	head = "#支付宝业务明细查询\n#账号：[20880000000000000156]\n#起始日期：[2026年10月03日 00:00:00]   终止日期：[2026年10月04日 00:00:00]\n" +
		"#-----------------------------------------业务明细列表----------------------------------------\n"
	columns = "支付宝交易号,商户订单号,业务类型,商品名称,创建时间,完成时间,门店编号,门店名称,操作员,终端号,对方账户,订单金额（元）,商家实收（元）,支付宝红包（元）,集分宝（元）,支付宝优惠（元）,商家优惠（元）,券核销金额（元）,券名称,商家红包消费金额（元）,卡消费金额（元）,退款批次号/请求号,服务费（元）,分润（元）,备注\n"
	rows    = "2026100322001400000000000001\t,order-1\t,交易,茶,2026-10-03 10:00:00,2026-10-03 10:00:30,\t,\t,\t,\t,*某(138****00),88.88,80.00,0.00,0.00,0.00,0.00,0.00,,0.00\t,0.00,\t,-0.12,0.00,\n" +
		"2026100322001400000000000001\t,order-1\t,退款,茶,2026-10-03 10:00:00,2026-10-03 11:00:30,\t,\t,\t,\t,*某(138****00),-8.80,-8.00,0.00,0.00,0.00,0.00,0.00,,0.00\t,0.00,refund-1\t,0.00,0.00,\n" +
		"2026100322001400000000000001\t,order-1\t,退款,茶,2026-10-03 10:00:00,2026-10-03 23:59:59,\t,\t,\t,\t,*某(138****00),-0.01,0.00,0.00,0.00,0.00,0.00,0.00,,0.00\t,0.00,\t,0.00,0.00,5\" \n"
	foot = "#-----------------------------------------业务明细列表结束------------------------------------\n" +
		"#交易合计：1笔，商家实收共80.00元，商家优惠共0.00元\n#退款合计：2笔，商家实收退款共-8.00元，商家优惠退款共0.00元\n#导出时间：[2026年10月04日 05:46:49]\n"

	summaryHead = "#支付宝业务汇总查询\n#-----------------------------------------业务汇总列表----------------------------------------\n" +
		"门店编号,门店名称,交易订单总笔数,退款订单总笔数,订单金额（元）,商家实收（元）,支付宝优惠（元）,商家优惠（元）,卡消费金额（元）,服务费（元）,分润（元）,实收净额（元）\n"
	summaryRows = "\t,\t,1,2,80.07,72.00,0.00,0.00,0.00,-0.12,0.00,71.88\n合计\t,\t,1,2,80.07,72.00,0.00,0.00,0.00,-0.12,0.00,71.88\n"
	summaryFoot = "#----------------------------------------业务汇总列表结束-------------------------------------\n"
)

func details() string { return head + columns + rows + foot }
func summary() string { return summaryHead + summaryRows + summaryFoot }

func gbk(tb testing.TB, text string) []byte {
	tb.Helper()
	out, err := simplifiedchinese.GBK.NewEncoder().Bytes([]byte(text))
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

// member is one file of an archive, its text as it is to stand there.
type member struct {
	name string
	text []byte
}

// archive packs the files with their names in GBK, as Alipay does.
func archive(tb testing.TB, members ...member) []byte {
	tb.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for _, m := range members {
		w, err := z.CreateHeader(&zip.FileHeader{Name: string(gbk(tb, m.name)), NonUTF8: true, Method: zip.Deflate})
		if err == nil {
			_, err = w.Write(m.text)
		}
		if err != nil {
			tb.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

// published is a bill as Alipay publishes it.
func published(tb testing.TB, details, summary string) []byte {
	tb.Helper()
	return archive(tb, member{detailsName, gbk(tb, details)}, member{summaryName, gbk(tb, summary)})
}

func read(raw []byte) (found []bill.Row, s bill.Summary, err error) {
	s, err = bill.Read(context.Background(), bytes.NewReader(raw), int64(len(raw)), func(r bill.Row) error {
		found = append(found, r)
		return nil
	})
	return found, s, err
}

// The same bill in every spelling in which one was seen.
func TestBillIsRead(t *testing.T) {
	t.Parallel()
	renamed := strings.NewReplacer("（元）", "(元)", "退款批次号/请求号", "退款批次号")
	for name, raw := range map[string][]byte{
		"GBK":                  published(t, details(), summary()),
		"CRLF":                 published(t, strings.ReplaceAll(details(), "\n", "\r\n"), strings.ReplaceAll(summary(), "\n", "\r\n")),
		"ASCII brackets":       published(t, renamed.Replace(details()), renamed.Replace(summary())),
		"no currency":          published(t, strings.ReplaceAll(details(), "（元）,", ","), strings.ReplaceAll(summary(), "（元）,", ",")),
		"UTF-8 behind a mark":  archive(t, member{detailsName, []byte("\ufeff" + details())}, member{summaryName, []byte("\ufeff" + summary())}),
		"summary first":        archive(t, member{summaryName, gbk(t, summary())}, member{detailsName, gbk(t, details())}),
		"the balance's beside": archive(t, member{"x_账务明细.csv", []byte("no text")}, member{"x_财务明细(汇总).csv", nil}, member{detailsName, gbk(t, details())}, member{summaryName, gbk(t, summary())}),
		"the older totals":     published(t, strings.NewReplacer("商家实收共80.00", "交易金额共88.88", "商家实收退款共-8.00", "交易退款金额共-8.81").Replace(details()), summary()),
		"no received":          published(t, strings.Replace(details(), "商家实收（元）", "收（元）", 1), summary()),
		"no totals behind":     published(t, head+columns+rows, summary()),
		"refunds not taken off": published(t, details(),
			strings.ReplaceAll(summary(), "80.07,72.00", "88.88,80.00")),
		"shops alone":          published(t, details(), summaryHead+"1,,1,0,88.88,80.00,0,0,0,0,0,0\n2,,0,2,-8.81,-8.00,0,0,0,0,0,0\n"),
		"a quoted product":     published(t, strings.ReplaceAll(details(), ",茶,", `,"茶, ""红""",`), summary()),
		"another column first": published(t, "\n"+strings.NewReplacer("支付宝交易号,", "新,支付宝交易号,", "2026100322001400000000000001", "x,2026100322001400000000000001").Replace(details()), summary()),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found, s, err := read(raw)
			if err != nil {
				t.Fatal(err)
			}
			zone := time.FixedZone("", 8*60*60)
			want := []bill.Row{
				{TradeNo: "2026100322001400000000000001", OutTradeNo: "order-1", Amount: 88_88, CompletedAt: time.Date(2026, 10, 3, 10, 0, 30, 0, zone)},
				{Refund: true, TradeNo: "2026100322001400000000000001", OutTradeNo: "order-1", OutRequestNo: "refund-1", Amount: 8_80, CompletedAt: time.Date(2026, 10, 3, 11, 0, 30, 0, zone)},
				{Refund: true, TradeNo: "2026100322001400000000000001", OutTradeNo: "order-1", Amount: 1, CompletedAt: time.Date(2026, 10, 3, 23, 59, 59, 0, zone)},
			}
			same := func(a, b bill.Row) bool {
				at := a.CompletedAt.Equal(b.CompletedAt)
				a.CompletedAt = b.CompletedAt
				return at && a == b
			}
			if !slices.EqualFunc(found, want, same) {
				t.Errorf("read %+v, want %+v", found, want)
			}
			if s.Day() != "2026-10-03" || s.Payments != 1 || s.Refunds != 2 || s.Paid != 88_88 || s.Refunded != 8_81 {
				t.Errorf("summary %+v of %s", s, s.Day())
			}
		})
	}
}

func TestDayOfABill(t *testing.T) {
	t.Parallel()
	for until, want := range map[string]string{"2026年10月02日": "2026-10-01", "2026年11月01日": "2026-10", "2026年10月05日": "2026-10-01/2026-10-05"} {
		text := strings.NewReplacer("2026年10月03日 00", "2026年10月01日 00", "2026年10月04日 00", until+" 00").Replace(details())
		if _, s, err := read(published(t, text, summary())); err != nil || s.Day() != want {
			t.Errorf("until %s: %q, %v; want %q", until, s.Day(), err, want)
		}
	}
}

// What is not understood is refused, with the place.
func TestBillIsRefused(t *testing.T) {
	t.Parallel()
	in := func(old, with string) func(string) string {
		return func(text string) string {
			if !strings.Contains(text, old) {
				panic("no " + old)
			}
			return strings.Replace(text, old, with, 1)
		}
	}
	for name, c := range map[string]struct {
		change func(string) string
		is     error
		line   int
		column string
		want   string
	}{
		"a column missing":        {in(",业务类型,", ",类型,"), bill.ErrFormat, 5, "业务类型", "no such column"},
		"no number of refunds":    {in("退款批次号/请求号", "请求"), bill.ErrFormat, 5, "退款批次号/请求号", "no such column"},
		"a column twice":          {in("支付宝红包（元）", "订单金额(元)"), bill.ErrFormat, 5, "订单金额", "twice"},
		"an unknown type":         {in("\t,退款,", "\t,撤销,"), bill.ErrFormat, 7, "业务类型", "neither 交易 nor 退款"},
		"a refund above 0":        {in("-8.80,-8.00", "8.80,8.00"), bill.ErrFormat, 7, "订单金额", "not be above 0"},
		"a refund received":       {in("-8.80,-8.00", "-8.80,8.00"), bill.ErrFormat, 7, "商家实收", "not be above 0"},
		"a refund of nothing":     {in("-8.80,-8.00", "0.00,0.00"), bill.ErrFormat, 7, "订单金额", "less than 0"},
		"a payment below 0":       {in("88.88,80.00", "-88.88,80.00"), bill.ErrFormat, 6, "订单金额", "not be below 0"},
		"three decimals":          {in("88.88,80.00", "88.888,80.00"), bill.ErrFormat, 6, "订单金额", "decimals"},
		"two signs":               {in("-8.80", "--8.80"), bill.ErrFormat, 7, "订单金额", "must begin with a digit"},
		"no amount":               {in("88.88,80.00", ",80.00"), bill.ErrFormat, 6, "订单金额", "empty"},
		"a payment with a number": {in("0.00,\t,-0.12", "0.00,r\t,-0.12"), bill.ErrFormat, 6, "退款批次号/请求号", "a payment must have none"},
		"no trade":                {in("2026100322001400000000000001\t", "\t"), bill.ErrFormat, 6, "支付宝交易号", "empty"},
		"no time":                 {in("2026-10-03 10:00:30", "10:00:30"), bill.ErrFormat, 6, "完成时间", "2026-10-03 10:00:30"},
		"a comma in a product":    {in(",茶,", ",茶,红,"), bill.ErrFormat, 6, "", "26 columns and the header 25"},
		"a quote that stays open": {in(",茶,", ",\"茶,"), bill.ErrFormat, 6, "", "columns and the header 25"},
		"a row cut off":           {in("23:59:59,\t,", "23:59:59\n"), bill.ErrFormat, 8, "", "columns and the header 25"},
		"a control character":     {in("order-1", "order\x1b1"), bill.ErrFormat, 6, "商户订单号", "no text"},
		"no header":               {in(columns+rows+foot, ""), bill.ErrFormat, 0, "", "names of its columns"},
		"no day":                  {in("#起始日期", "#日期"), bill.ErrFormat, 0, "", "no line #起始日期"},
		"another form of a day":   {in("2026年10月03日 ", "2026-10-03 "), bill.ErrFormat, 3, "", "behind #起始日期"},
		"the days exchanged":      {in("终止日期：[2026年10月04日", "终止日期：[2026年10月02日"), bill.ErrFormat, 3, "", "behind #起始日期"},
		"a day without an end":    {in("终止日期", "止"), bill.ErrFormat, 3, "", "must be as #起始日期"},
		"a row behind the end":    {in(foot, foot+rows), bill.ErrFormat, 13, "", "behind the end"},
		"one row lost":            {in(rows, rows[:strings.LastIndex(rows[:len(rows)-1], "\n")+1]), bill.ErrTotals, 10, "", "1 rows are there, 2 should be"},
		"another sum behind":      {in("共-8.00元", "共-8.01元"), bill.ErrTotals, 11, "", "they come to -8.00 instead of -8.01"},
		"a total in other words":  {in("#交易合计：1笔，商家实收共", "#交易合计：1笔，实收共"), bill.ErrFormat, 10, "", "a total must be"},
		"a long line":             {in(",茶,", ","+strings.Repeat("茶", 30_000)+","), bill.ErrFormat, 6, "", "longer than 65536"},
		"a line of commas":        {in(",茶,", strings.Repeat(",", 60_000)), bill.ErrFormat, 6, "", "too many columns"},
		"a header of commas":      {in("备注\n", strings.Repeat(",", 60_000)+"\n"), bill.ErrFormat, 5, "", "at most 200"},
		"sums beyond any bill":    {in("88.88,80.00", "9999999999999999.00,9999999999999999.00"), bill.ErrTotals, 10, "", "instead of"},
		"an amount too large":     {in("88.88,80.00", "99999999999999999.00,80.00"), bill.ErrFormat, 6, "订单金额", "too large"},
		"another bill's details":  {func(string) string { return summaryHead }, bill.ErrFormat, 3, "支付宝交易号", "no such column"},
		"a second day":            {in("#账号", "#起始日期：[2026年10月03日 00:00:00]   终止日期：[2026年10月04日 00:00:00]\n#账号"), bill.ErrFormat, 4, "", "second line"},
		"sums of several beyond any": {func(s string) string {
			return strings.Replace(s, rows, strings.Repeat(strings.Split(strings.ReplaceAll(rows, "88.88,80.00", "9999999999999999.00,0.00"), "\n")[0]+"\n", 5), 1)
		}, bill.ErrFormat, 10, "", "too large"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, s, err := read(published(t, c.change(details()), summary()))
			refused(t, err, c.is, detailsName, c.line, c.column, c.want)
			if s != (bill.Summary{}) {
				t.Errorf("half a summary: %+v", s)
			}
		})
	}
}

// refused wants the error at its place, without a buyer in it.
func refused(t *testing.T, err, is error, file string, line int, column, want string) {
	t.Helper()
	var at *bill.Error
	if !errors.Is(err, is) || !errors.As(err, &at) || !strings.Contains(err.Error(), want) {
		t.Fatalf("%v; want %v with %q", err, is, want)
	}
	if at.File != file || at.Line != line || at.Column != column {
		t.Errorf("at %q, line %d, column %q; want %q, %d, %q", at.File, at.Line, at.Column, file, line, column)
	}
	if strings.Contains(err.Error(), "某") || strings.Contains(err.Error(), "138") {
		t.Errorf("a buyer: %v", err)
	}
}

func TestSummaryDisagrees(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		old, with string
		is        error
		line      int
		column    string
		want      string
	}{
		"payments":            {"合计\t,\t,1,2", "合计\t,\t,2,2", bill.ErrTotals, 0, "", "1 payments are there, 2 should be"},
		"refunds":             {"合计\t,\t,1,2", "合计\t,\t,1,3", bill.ErrTotals, 0, "", "2 refunds are there, 3 should be"},
		"amount":              {"合计\t,\t,1,2,80.07", "合计\t,\t,1,2,80.08", bill.ErrTotals, 0, "订单金额", "88.88, or 80.07 with the refunds, instead of 80.08"},
		"received":            {"合计\t,\t,1,2,80.07,72.00", "合计\t,\t,1,2,80.07,73.00", bill.ErrTotals, 0, "商家实收", "instead of 73.00"},
		"no number":           {"\t,\t,1,2", "\t,\t,-1,2", bill.ErrFormat, 4, "交易订单总笔数", "a number of rows"},
		"no amount":           {"80.07", "80,07", bill.ErrFormat, 4, "", "13 columns"},
		"no column":           {"退款订单总笔数", "退款笔数", bill.ErrFormat, 3, "退款订单总笔数", "no such column"},
		"two rows for all":    {summaryFoot, "合计,,1,2,80.07,72.00,,,,,,\n", bill.ErrFormat, 6, "", "behind that of 合计"},
		"nothing but columns": {summaryRows, "", bill.ErrTotals, 0, "", "1 payments are there, 0 should be"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := strings.Replace(summary(), c.old, c.with, 1)
			_, _, err := read(published(t, details(), text))
			refused(t, err, c.is, summaryName, c.line, c.column, c.want)
		})
	}
}

func TestArchiveIsRefused(t *testing.T) {
	t.Parallel()
	whole := published(t, details(), summary())
	d, s := member{detailsName, gbk(t, details())}, member{summaryName, gbk(t, summary())}
	damaged := bytes.Clone(whole)
	damaged[bytes.Index(damaged, gbk(t, "明细.csv"))+40] ^= 0x55
	var many []member
	for range 20_000 {
		many = append(many, member{name: "x_账务明细.csv"})
	}
	for name, c := range map[string]struct {
		raw        []byte
		file, want string
	}{
		"empty":              {nil, "", "the ZIP cannot be read"},
		"an error page":      {[]byte("<html>链接已失效</html>"), "", "the ZIP cannot be read"},
		"cut off":            {whole[:len(whole)-30], "", "cut off"},
		"half":               {whole[:len(whole)/2], "", "cut off"},
		"damaged":            {damaged, detailsName, "cannot be unpacked"},
		"no details":         {archive(t, s), "", "no …业务明细.csv"},
		"no summary":         {archive(t, d), "", "no …业务明细(汇总).csv"},
		"the balance's":      {archive(t, member{"x_账务明细.csv", nil}), "", "bill_type trade"},
		"details twice":      {archive(t, d, s, member{"x_业务明细.csv", d.text}), "x_业务明细.csv", "a second"},
		"another file":       {archive(t, d, s, member{"x.txt", nil}), "x.txt", "no file of a bill"},
		"a folder above":     {archive(t, member{"../" + detailsName, d.text}, s), "../" + detailsName, "must not lead elsewhere"},
		"a folder":           {archive(t, member{"x/", nil}, d, s), "x/", "must not lead elsewhere"},
		"Windows' folders":   {archive(t, member{`C:\` + detailsName, d.text}, s), `C:\` + detailsName, "must not lead elsewhere"},
		"too many files":     {archive(t, many...), "", "list of files is too long"},
		"UTF-8 without mark": {archive(t, member{detailsName, []byte(details())}, s), detailsName, "not GBK"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found, _, err := read(c.raw)
			var at *bill.Error
			if !errors.Is(err, bill.ErrFormat) || !errors.As(err, &at) || at.File != c.file || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v; want %q in %q", err, c.want, c.file)
			}
			if len(found) > 0 && name != "damaged" {
				t.Errorf("%d rows", len(found))
			}
		})
	}
}

func TestReadStops(t *testing.T) {
	t.Parallel()
	raw := published(t, details(), summary())
	own := errors.New("enough")
	n := 0
	_, err := bill.Read(t.Context(), bytes.NewReader(raw), int64(len(raw)), func(bill.Row) error { n++; return own })
	if err != own || n != 1 {
		t.Errorf("%v after %d rows", err, n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	raw = published(t, head+columns+strings.Repeat(rows, 1000), summary())
	_, err = bill.Read(ctx, bytes.NewReader(raw), int64(len(raw)), func(bill.Row) error { return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func ExampleRead() {
	var raw []byte // the ZIP
	var refunds []bill.Row
	summary, err := bill.Read(context.Background(), bytes.NewReader(raw), int64(len(raw)), func(r bill.Row) error {
		if r.Refund {
			refunds = append(refunds, r)
		}
		return nil
	})
	if errors.Is(err, bill.ErrFormat) {
		fmt.Println(len(refunds), summary.Refunds)
	}
	// Output: 0 0
}
