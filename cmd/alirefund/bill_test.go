package main

import (
	"archive/zip"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/alirefund/alirefund/internal/shoptest"
)

const billDetails = "#支付宝业务明细查询\n#起始日期：[2026年10月03日 00:00:00]   终止日期：[2026年10月04日 00:00:00]\n" +
	"支付宝交易号,商户订单号,业务类型,完成时间,对方账户,订单金额（元）,商家实收（元）,退款批次号/请求号\n" +
	"2026100322001400000000000001\t,order-1\t,交易,2026-10-03 10:00:30,*某(138****00),88.88,88.88,\t\n" +
	"2026100322001400000000000001\t,order-1\t,退款,2026-10-03 11:00:30,*某(138****00),-8.80,-8.80,refund-1\t\n" +
	"2026100322001400000000000001\t,order-1\t,退款,2026-10-03 12:00:30,*某(138****00),-0.08,-0.08,\t\n" +
	"#交易合计：1笔，商家实收共88.88元，商家优惠共0.00元\n#退款合计：2笔，商家实收退款共-8.88元，商家优惠退款共0.00元\n"

// billFile writes a bill as Alipay publishes it.
func billFile(t *testing.T, details string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "bill.zip")
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(file)
	for name, text := range map[string]string{"1_业务明细.csv": details, "1_业务明细(汇总).csv": "门店编号,交易订单总笔数,退款订单总笔数\n合计,1,2\n"} {
		encoder := simplifiedchinese.GBK.NewEncoder()
		if name, err = encoder.String(name); err != nil {
			t.Fatal(err)
		}
		w, err := z.CreateHeader(&zip.FileHeader{Name: name, NonUTF8: true, Method: zip.Deflate})
		if err == nil {
			text, err = encoder.String(text)
		}
		if err == nil {
			_, err = w.Write([]byte(text))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestBillPrintsRefunds(t *testing.T) {
	t.Parallel()
	name := billFile(t, billDetails)
	code, out, errs := alirefund(t, "", "bill", name)
	want := "bill of 2026-10-03: 2 refunds, 8.88 yuan, and 1 payments\n" +
		"2026-10-03 11:00:30        8.80  out_trade_no order-1, trade_no 2026100322001400000000000001, out_request_no refund-1\n" +
		"2026-10-03 12:00:30        0.08  out_trade_no order-1, trade_no 2026100322001400000000000001\n"
	if code != 0 || out != want {
		t.Errorf("%d: %s%s", code, out, errs)
	}
	code, out, errs = alirefund(t, "", "bill", "-json", name)
	want = `{"day":"2026-10-03","refunds":[` +
		`{"out_trade_no":"order-1","trade_no":"2026100322001400000000000001","out_request_no":"refund-1","amount":"8.80","completed_at":"2026-10-03T11:00:30+08:00"},` +
		`{"out_trade_no":"order-1","trade_no":"2026100322001400000000000001","out_request_no":"","amount":"0.08","completed_at":"2026-10-03T12:00:30+08:00"}],` +
		`"sum":"8.88","payments":1}` + "\n"
	if code != 0 || out != want {
		t.Errorf("%d: %s%s", code, out, errs)
	}
}

func TestBillAgainstAList(t *testing.T) {
	t.Parallel()
	const (
		one   = `{"id":"a","state":"succeeded","kind":"trade","out_trade_no":"order-1","out_request_no":"refund-1","amount":"8.80","delivered":true,"settled_at":"2026-10-03T11:00:31+08:00"}`
		two   = `{"id":"b","state":"succeeded","kind":"trade","out_trade_no":"order-1","out_request_no":"order-1","amount":0.08,"settled_at":"2026-10-03T04:00:31Z"}`
		later = `{"id":"c","state":"succeeded","kind":"trade","out_trade_no":"order-2","out_request_no":"r","amount":"1.00","settled_at":"2026-10-03T16:00:00Z"}`
		extra = `{"id":"d","state":"succeeded","kind":"trade","out_trade_no":"order-3","out_request_no":"r","amount":"1.00","settled_at":"2026-10-03T15:59:59Z"}`
		other = `{"id":"e","state":"succeeded","kind":"coupon","out_request_no":"r","amount":"1.00","settled_at":"2026-10-03T12:00:00Z"},{"id":"f","state":"failed","kind":"trade","out_trade_no":"order-4","out_request_no":"r"}`
	)
	page := func(refunds ...string) string { return `{"refunds":[` + strings.Join(refunds, ",") + `]}` }
	name := billFile(t, billDetails)
	for what, c := range map[string]struct {
		list string
		code int
		want string
	}{
		"agreed":            {page(one, two, later, other), 0, "agreed: 2; of other days in the list: 1\n"},
		"by Alipay's trade": {page(strings.Replace(one, `"out_trade_no":"order-1"`, `"trade_no":"2026100322001400000000000001"`, 1), two), 0, "agreed: 2;"},
		"no number either":  {page(one, strings.Replace(two, `"out_request_no":"order-1",`, "", 1)), 0, "agreed: 2;"},
		"the same twice":    {page(two, one, strings.Replace(one, "succeeded", "failed", 1)), 0, "agreed: 2;"},
		"two pages":         {`{"refunds":[` + one + `],"next":"x"}` + "\n" + page(two), 0, "agreed: 2;"},
		"missing":           {page(two), 1, "only in the bill:  2026-10-03 11:00:30        8.80  out_trade_no order-1, trade_no 2026100322001400000000000001, out_request_no refund-1: not in the list\n"},
		"pending":           {page(strings.Replace(one, "succeeded", "pending", 1), two), 1, ": pending in the list\n"},
		"more":              {page(one, two, extra), 1, "only in the list:  id d, 1.00, out_trade_no order-3, trade_no , out_request_no r\n"},
		"another amount":    {page(strings.Replace(one, "8.80", "8.81", 1), two), 1, "amounts differ:    2026-10-03 11:00:30        8.80  out_trade_no order-1, trade_no 2026100322001400000000000001, out_request_no refund-1: 8.81 in the list\n"},
		"no amount":         {page(strings.Replace(one, `"amount":"8.80",`, "", 1), two), 1, "of unknown amount in the list"},
		"a page missing":    {`{"refunds":[` + one + `],"next":"x"}`, 2, "not whole"},
		"nothing":           {"", 2, "not whole"},
		"a problem":         {`{"code":"unauthorized"}`, 2, "no refunds"},
		"no JSON":           {"<html>", 2, "no answer of GET /refunds"},
		"half":              {page(one, two)[:200], 2, "no answer of GET /refunds"},
	} {
		t.Run(what, func(t *testing.T) {
			code, out, errs := alirefund(t, "", "bill", "-against", write(t, "refunds.json", c.list), name)
			if code != c.code || !strings.Contains(out+errs, c.want) || code == 2 && out != "" {
				t.Errorf("%d, want %d with %q: %s%s", code, c.code, c.want, out, errs)
			}
		})
	}
	code, out, _ := alirefund(t, "", "bill", "-json", "-against", write(t, "refunds.json", page(strings.Replace(one, "8.80", "8.81", 1), extra)), name)
	var got billed
	if err := json.Unmarshal([]byte(out), &got); err != nil || code != exitDiffers {
		t.Fatalf("%d, %v: %s", code, err, out)
	}
	if c := got.Comparison; len(c.OnlyInBill) != 1 || len(c.OnlyInList) != 1 || c.OnlyInList[0].ID != "d" || len(c.Amounts) != 1 || c.Amounts[0].Listed != 8_81 || c.Amounts[0].Amount != 8_80 {
		t.Errorf("%s", out)
	}
}

// What GET /refunds really answers is understood.
func TestBillAgainstAListOfTheModule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		s.Trade()
		s.Expect(s.Refund(shoptest.Partly), http.StatusOK, "succeeded")
		list := write(t, "refunds.json", s.List("state=succeeded").Text)
		day := time.Now().In(time.FixedZone("", 8*60*60))
		details := strings.NewReplacer("2026年10月03日", day.Format("2006年01月02日"), "2026年10月04日", day.AddDate(0, 0, 1).Format("2006年01月02日"),
			"order-1", shoptest.Order, "refund-1", "R1", "-8.80", "-8.88", "-0.08", "-1.00", "共-8.88", "共-9.88").Replace(billDetails)
		code, out, errs := alirefund(t, "", "bill", "-against", list, billFile(t, details))
		if code != exitDiffers || !strings.Contains(out, "agreed: 1; of other days in the list: 0\nonly in the bill:  2026-10-03 12:00:30        1.00  ") || strings.Count(out, "\n") != 3 {
			t.Errorf("%d: %s%s", code, out, errs)
		}
		code, out, errs = alirefund(t, "", "bill", "-against", list, billFile(t, strings.ReplaceAll(details, ",R1\t", ",R2\t")))
		if code != exitDiffers || !strings.Contains(out, "only in the list:  id ") {
			t.Errorf("%d: %s%s", code, out, errs)
		}
	})
}

func TestBillIsUnreadable(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		want string
		args []string
	}{
		"no file":         {"FILE.zip is wanted, not 0", nil},
		"two files":       {"FILE.zip is wanted, not 2", []string{"a.zip", "-json"}},
		"no such file":    {"/nowhere.zip", []string{"/nowhere.zip"}},
		"no ZIP":          {"the ZIP cannot be read", []string{write(t, "bill.zip", "<html>")}},
		"another type":    {`"1_业务明细.csv": line 5: column 业务类型`, []string{billFile(t, strings.Replace(billDetails, "退款,", "转账,", 1))}},
		"does not add up": {"line 8: the details do not add up", []string{billFile(t, strings.Replace(billDetails, "退款合计：2笔", "退款合计：3笔", 1))}},
		"no list":         {"/nowhere.json", []string{"-against", "/nowhere.json", billFile(t, billDetails)}},
	} {
		code, out, errs := alirefund(t, "", append([]string{"bill"}, c.args...)...)
		if code != exitUsage || out != "" || !strings.Contains(errs, c.want) || strings.Contains(errs, "某") {
			t.Errorf("%s: %d, %q, %q; want %q", what, code, out, errs, c.want)
		}
	}
	if code, out, _ := alirefund(t, "", "bill", "-h"); code != 0 || !strings.Contains(out, "Exit codes: 0") {
		t.Errorf("help: %d, %s", code, out)
	}
}
