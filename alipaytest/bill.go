package alipaytest

import (
	"archive/zip"
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/alirefund/alirefund/money"
)

// The daily bill (alipay.data.dataservice.bill.downloadurl.query), made of the trades
// and the movements of its day. Of bill_type trade alone: of the others the fake has none.

const (
	methodBill = "alipay.data.dataservice.bill.downloadurl.query"
	billPath   = "/downloadBillFile.resource"
	// billHost is where bills are downloaded from, unless the fake listens on a network.
	billHost = "dwbillcenter.alipay.com"
	// billLife is how long an address is good.
	billLife = 30 * time.Second
)

// BillFault is one thing that is wrong with the bill of a day. [Alipay.SpoilBill] plans it.
type BillFault struct {
	Kind BillFaultKind
	Day  string // the bill's, such as "2026-10-03"
	// OutTradeNo and OutRequestNo name the refund.
	OutTradeNo, OutRequestNo string
	TradeNo                  string       // of one that is invented, which must have one
	Amount                   money.Amount // of one that is invented, or what stands there instead
}

// BillFaultKind says what is wrong with a bill.
type BillFaultKind uint8

// Faults of what a bill says. They last.
const (
	// BillOmits: a refund of the day is left out.
	BillOmits BillFaultKind = iota + 1
	// BillInvents: a refund stands there that never was. It wants a TradeNo: without one
	// the bill cannot be read.
	BillInvents
	// BillAmount: a refund stands there with another amount.
	BillAmount
	// BillLate: a refund of the day was booked after midnight, and is in the next day's bill.
	BillLate
	// BillTwice: a refund stands there twice.
	BillTwice
	// BillNumberless: a refund stands there without its own number.
	BillNumberless
)

// Faults of getting a bill. Each is used up by the next time that somebody tries.
const (
	// BillNotExist: isp.bill_not_exist is answered, as of a day without trades.
	BillNotExist BillFaultKind = iota + 64
	// BillExpired: the address is too old when it is used.
	BillExpired
	// BillTruncated: the ZIP breaks off.
	BillTruncated
	// BillElsewhere: the download is redirected to a host that is not Alipay's.
	BillElsewhere
)

// SpoilBill plans faults of bills.
func (a *Alipay) SpoilBill(f ...BillFault) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.billFaults = append(a.billFaults, f...)
}

// Bill returns the bill of a day as it is downloaded: a ZIP with two files in GBK. Of a
// day that is not over it has what there is by now.
func (a *Alipay) Bill(day string) []byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.bill(day)
}

// issuedBill is an address that was given out.
type issuedBill struct {
	day string
	at  time.Time
}

// billQuery is alipay.data.dataservice.bill.downloadurl.query. a.mu is held.
func (a *Alipay) billQuery(q *request, now time.Time) (node, *failure) {
	values, broken := q.texts(map[string]int{"bill_type": 20, "bill_date": 10, "smid": 20})
	day, err := time.ParseInLocation(time.DateOnly, values["bill_date"], china)
	switch {
	case broken != "", values["bill_type"] == "", err != nil:
		return nil, business("isv.invalid-parameter", "参数有误")
	case values["bill_type"] != "trade", !now.Before(day.AddDate(0, 0, 1)) && !a.hasBill(values["bill_date"]),
		now.Before(day.AddDate(0, 0, 1)), a.spoiled(values["bill_date"], BillNotExist):
		return nil, business("isp.bill_not_exist", "账单不存在")
	}
	id := a.number(now, "7", 32)
	if a.bills == nil {
		a.bills = map[string]issuedBill{}
	}
	a.bills[id] = issuedBill{values["bill_date"], now}
	address := url.URL{Scheme: "https", Host: billHost, Path: billPath, RawQuery: url.Values{
		"bizType": {"trade"}, "userId": {a.sellerID}, "fileType": {"csv.zip"}, "bizDates": {day.Format("20060102")},
		"downloadFileName": {billName(a.sellerID, day) + ".csv.zip"}, "fileId": {"/trade/" + id}, "app_id": {a.appID},
	}.Encode()}
	if q.host != "" {
		address.Scheme, address.Host = "http", q.host
	}
	return node{{"bill_download_url", address.String()}}, nil
}

// downloadBill serves the address that billQuery gave out.
func (a *Alipay) downloadBill(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	issued, known := a.bills[strings.TrimPrefix(r.URL.Query().Get("fileId"), "/trade/")]
	expired := known && (a.clock().Sub(issued.at) > billLife || a.spoiled(issued.day, BillExpired))
	elsewhere := known && !expired && a.spoiled(issued.day, BillElsewhere)
	truncated := known && !expired && !elsewhere && a.spoiled(issued.day, BillTruncated)
	var file []byte
	if known && !expired && !elsewhere {
		file = a.bill(issued.day)
	}
	a.mu.Unlock()
	switch {
	case !known || expired:
		http.Error(w, "<html><body>链接已失效</body></html>", http.StatusForbidden)
		return
	case elsewhere:
		http.Redirect(w, r, "https://elsewhere.example"+billPath, http.StatusFound)
		return
	case truncated:
		file = file[:len(file)/2]
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	_, _ = w.Write(file) // a client that has gone is its own affair
}

// spoiled uses up a fault of getting a day's bill. a.mu is held.
func (a *Alipay) spoiled(day string, kind BillFaultKind) bool {
	i := slices.IndexFunc(a.billFaults, func(f BillFault) bool { return f.Kind == kind && f.Day == day })
	if i >= 0 {
		a.billFaults = slices.Delete(a.billFaults, i, i+1)
	}
	return i >= 0
}

// hasBill tells whether anything stands in a day's bill. a.mu is held.
func (a *Alipay) hasBill(day string) bool { return len(a.booked(day)) > 0 }

// booking is one row of a bill.
type booking struct {
	refund                      bool
	tradeNo, outTradeNo, number string
	subject, payer              string
	created, completed          time.Time
	amount                      money.Amount
}

// booked returns what stands in a day's bill. a.mu is held.
func (a *Alipay) booked(day string) (rows []booking) {
	of := func(t time.Time) string { return t.In(china).Format(time.DateOnly) }
	for _, t := range a.trades {
		paid := t.Status == TradeSuccess || t.Status == TradeFinished || t.refunded > 0
		if paid && of(t.created) == day {
			rows = append(rows, booking{false, t.TradeNo, t.OutTradeNo, "", t.Subject, t.BuyerLogonID, t.created, t.created, t.Total})
		}
	}
	for _, m := range a.movements {
		if m.Kind != TradeRefund {
			continue
		}
		t := a.byOrder[m.OutTradeNo]
		row := booking{true, m.TradeNo, m.OutTradeNo, m.OutRequestNo, t.Subject, t.BuyerLogonID, t.created, m.At, m.Amount}
		times := 1
		for _, f := range a.billFaults {
			if f.OutTradeNo != m.OutTradeNo || f.OutRequestNo != m.OutRequestNo || f.Day != of(m.At) {
				continue
			}
			switch f.Kind {
			case BillOmits:
				times = 0
			case BillTwice:
				times = 2
			case BillAmount:
				row.amount = f.Amount
			case BillNumberless:
				row.number = ""
			case BillLate:
				midnight, _ := time.ParseInLocation(time.DateOnly, f.Day, china)
				row.completed = midnight.AddDate(0, 0, 1).Add(2 * time.Second)
			}
		}
		if of(row.completed) == day {
			rows = append(rows, slices.Repeat([]booking{row}, times)...)
		}
	}
	for _, f := range a.billFaults {
		if noon, _ := time.ParseInLocation(time.DateOnly, f.Day, china); f.Kind == BillInvents && f.Day == day {
			noon = noon.Add(12 * time.Hour)
			rows = append(rows, booking{true, f.TradeNo, f.OutTradeNo, f.OutRequestNo, "", "", noon, noon, f.Amount})
		}
	}
	slices.SortStableFunc(rows, func(x, y booking) int { return x.completed.Compare(y.completed) })
	return rows
}

const billColumns = "支付宝交易号,商户订单号,业务类型,商品名称,创建时间,完成时间,门店编号,门店名称,操作员,终端号,对方账户,订单金额（元）,商家实收（元）,支付宝红包（元）,集分宝（元）,支付宝优惠（元）,商家优惠（元）,券核销金额（元）,券名称,商家红包消费金额（元）,卡消费金额（元）,退款批次号/请求号,服务费（元）,分润（元）,备注\n"

// billSide is one side of a bill's totals.
type billSide struct {
	count int
	sum   money.Amount
}

// bill writes a day's bill. a.mu is held.
func (a *Alipay) bill(day string) []byte {
	from := must(time.ParseInLocation(time.DateOnly, day, china))
	const form = "2006年01月02日 15:04:05"
	var b strings.Builder
	account := "#账号：[" + a.sellerID + "0156]\n"
	span := "#起始日期：[" + from.Format(form) + "]   终止日期：[" + from.AddDate(0, 0, 1).Format(form) + "]\n"
	line := func(text string) string { return "#" + strings.Repeat("-", 41) + text + strings.Repeat("-", 40) + "\n" }
	b.WriteString("#支付宝业务明细查询\n" + account + span + line("业务明细列表") + billColumns)
	var payments, refunds billSide
	for _, r := range a.booked(day) {
		kind, amount, side := "交易", r.amount, &payments
		if r.refund {
			kind, amount, side = "退款", -r.amount, &refunds
		}
		side.count++
		side.sum += amount
		fmt.Fprintf(&b, "%s\t,%s\t,%s,%s,%s,%s,\t,\t,\t,\t,%s,%s,%s,0.00,0.00,0.00,0.00,0.00,,0.00\t,0.00,%s\t,0.00,0.00,\n",
			r.tradeNo, r.outTradeNo, kind, billText(r.subject), stamp(r.created), stamp(r.completed), billText(r.payer), amount, amount, r.number)
	}
	b.WriteString(line("业务明细列表结束"))
	fmt.Fprintf(&b, "#交易合计：%d笔，商家实收共%s元，商家优惠共0.00元\n#退款合计：%d笔，商家实收退款共%s元，商家优惠退款共0.00元\n", payments.count, payments.sum, refunds.count, refunds.sum)
	b.WriteString("#导出时间：[" + from.AddDate(0, 0, 1).Add(9*time.Hour).Format(form) + "]\n")

	total := payments.sum + refunds.sum
	row := fmt.Sprintf("\t,\t,%d,%d,%s,%s,0.00,0.00,0.00,0.00,0.00,%s\n", payments.count, refunds.count, total, total, total)
	summary := "#支付宝业务汇总查询\n" + account + span + line("业务汇总列表") +
		"门店编号,门店名称,交易订单总笔数,退款订单总笔数,订单金额（元）,商家实收（元）,支付宝优惠（元）,商家优惠（元）,卡消费金额（元）,服务费（元）,分润（元）,实收净额（元）\n" +
		row + "合计" + row + line("业务汇总列表结束") + "#导出时间：[" + from.AddDate(0, 0, 1).Add(9*time.Hour).Format(form) + "]\n"

	name := billName(a.sellerID, from)
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for _, file := range []struct{ name, text string }{{name + "_业务明细.csv", b.String()}, {name + "_业务明细(汇总).csv", summary}} {
		w := must(z.CreateHeader(&zip.FileHeader{Name: gbk(file.name), NonUTF8: true, Method: zip.Deflate}))
		_ = must(w.Write([]byte(gbk(file.text))))
	}
	if err := z.Close(); err != nil {
		panic("alipaytest: " + err.Error()) // it is all in memory
	}
	return out.Bytes()
}

// billName is what a bill's files begin with.
func billName(seller string, day time.Time) string { return seller + "0156_" + day.Format("20060102") }

// billText is a cell of text: what could end it is quoted.
func billText(text string) string {
	if strings.ContainsAny(text, ",\"\r\n") {
		return `"` + strings.ReplaceAll(strings.NewReplacer("\r", " ", "\n", " ").Replace(text), `"`, `""`) + `"`
	}
	return text
}

func gbk(text string) string {
	return must(simplifiedchinese.GB18030.NewEncoder().String(text)) // which contains GBK
}
