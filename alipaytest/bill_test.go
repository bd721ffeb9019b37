package alipaytest_test

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/bill"
	"github.com/alirefund/alirefund/money"
)

const billMethod = "alipay.data.dataservice.bill.downloadurl.query"

// billedDay is a fake with two refunds on 3 October 2026, one of them in the last second.
func billedDay(t *testing.T) (*client, string) {
	t.Helper()
	until(t, time.Date(2026, 10, 3, 2, 0, 0, 0, time.UTC))
	a := alipaytest.New(alipaytest.Config{})
	a.AddTrade(alipaytest.Trade{OutTradeNo: "order-1", TradeNo: "2026100322001400000000000001", Subject: `茶,"红"`, Total: 88_88})
	c := newClient(t, a)
	c.call("alipay.trade.refund", `{"out_trade_no":"order-1","refund_amount":"8.80","out_request_no":"R1"}`)
	until(t, time.Date(2026, 10, 3, 15, 59, 59, 0, time.UTC))
	c.call("alipay.trade.refund", `{"out_trade_no":"order-1","refund_amount":"0.08","out_request_no":"R2"}`)
	until(t, time.Date(2026, 10, 4, 2, 0, 0, 0, time.UTC))
	return c, "2026-10-03"
}

func until(t *testing.T, at time.Time) {
	t.Helper()
	if left := time.Until(at); left > 0 {
		time.Sleep(left)
	} else {
		t.Fatal("it is later than", at)
	}
}

// billURL asks for the address of a day's bill.
func (c *client) billURL(day string) (url, code string) {
	a := c.call(billMethod, `{"bill_type":"trade","bill_date":"`+day+`"}`)
	return a.get("bill_download_url"), a.get("sub_code")
}

// download gets what is behind an address.
func (c *client) download(url string) (int, []byte) {
	c.t.Helper()
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	r, err := c.http.Get(url)
	if err != nil {
		c.t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return r.StatusCode, body
}

// readBill returns the refunds of a bill: what of each came back, by its number.
func readBill(t *testing.T, raw []byte) (map[string]money.Amount, bill.Summary) {
	t.Helper()
	refunds := map[string]money.Amount{}
	s, err := bill.Read(t.Context(), bytes.NewReader(raw), int64(len(raw)), func(r bill.Row) error {
		if r.Refund {
			refunds[r.OutTradeNo+"/"+r.OutRequestNo] += r.Amount
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return refunds, s
}

func TestBillOfADay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, day := billedDay(t)
		url, code := c.billURL(day)
		if !strings.HasPrefix(url, "https://dwbillcenter.alipay.com/downloadBillFile.resource?") || code != "" {
			t.Fatalf("the address is %q, %s", url, code)
		}
		status, raw := c.download(url)
		refunds, s := readBill(t, raw)
		want := map[string]money.Amount{"order-1/R1": 8_80, "order-1/R2": 8}
		if status != http.StatusOK || !maps.Equal(refunds, want) || s.Payments != 1 || s.Paid != 88_88 || s.Day() != day {
			t.Errorf("%d: %v, %+v", status, refunds, s)
		}
		for _, day := range []string{"2026-10-04", "2026-10-02"} { // not over; without a trade
			if _, code := c.billURL(day); code != "isp.bill_not_exist" {
				t.Errorf("the bill of %s: %q", day, code)
			}
		}
		if _, code := c.billURL("3 October"); code != "isv.invalid-parameter" {
			t.Errorf("no day: %q", code)
		}
		time.Sleep(31 * time.Second)
		if status, _ := c.download(url); status != http.StatusForbidden {
			t.Errorf("an address that is over: %d", status)
		}
	})
}

// Each fault is what its comment says, and no other row changes.
func TestBillFaults(t *testing.T) {
	t.Parallel()
	fault := func(kind alipaytest.BillFaultKind, number string, amount money.Amount) alipaytest.BillFault {
		return alipaytest.BillFault{Kind: kind, Day: "2026-10-03", OutTradeNo: "order-1", OutRequestNo: number, TradeNo: "1", Amount: amount}
	}
	for name, f := range map[string]struct {
		fault alipaytest.BillFault
		want  map[string]money.Amount
		next  map[string]money.Amount
	}{
		"omits":      {fault(alipaytest.BillOmits, "R1", 0), map[string]money.Amount{"order-1/R2": 8}, nil},
		"invents":    {fault(alipaytest.BillInvents, "R3", 7), map[string]money.Amount{"order-1/R1": 8_80, "order-1/R2": 8, "order-1/R3": 7}, nil},
		"amount":     {fault(alipaytest.BillAmount, "R1", 8_81), map[string]money.Amount{"order-1/R1": 8_81, "order-1/R2": 8}, nil},
		"late":       {fault(alipaytest.BillLate, "R2", 0), map[string]money.Amount{"order-1/R1": 8_80}, map[string]money.Amount{"order-1/R2": 8}},
		"twice":      {fault(alipaytest.BillTwice, "R2", 0), map[string]money.Amount{"order-1/R1": 8_80, "order-1/R2": 16}, nil},
		"numberless": {fault(alipaytest.BillNumberless, "R1", 0), map[string]money.Amount{"order-1/": 8_80, "order-1/R2": 8}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c, day := billedDay(t)
				c.alipay.SpoilBill(f.fault)
				if got, _ := readBill(t, c.alipay.Bill(day)); !maps.Equal(got, f.want) {
					t.Errorf("the bill has %v, want %v", got, f.want)
				}
				if got, _ := readBill(t, c.alipay.Bill("2026-10-04")); !maps.Equal(got, f.next) {
					t.Errorf("the next day's has %v, want %v", got, f.next)
				}
			})
		})
	}
}

// What goes wrong on the way goes wrong once.
func TestBillFaultsOnTheWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, day := billedDay(t)
		for _, kind := range []alipaytest.BillFaultKind{alipaytest.BillNotExist, alipaytest.BillExpired, alipaytest.BillTruncated, alipaytest.BillElsewhere} {
			c.alipay.SpoilBill(alipaytest.BillFault{Kind: kind, Day: day})
		}
		if _, code := c.billURL(day); code != "isp.bill_not_exist" {
			t.Errorf("answered %q", code)
		}
		url, _ := c.billURL(day)
		whole := c.alipay.Bill(day)
		if status, _ := c.download(url); status != http.StatusForbidden {
			t.Errorf("expired: %d", status)
		}
		if status, _ := c.download(url); status != http.StatusFound {
			t.Errorf("elsewhere: %d", status)
		}
		if status, raw := c.download(url); status != http.StatusOK || len(raw) != len(whole)/2 || !bytes.HasPrefix(whole, raw) {
			t.Errorf("truncated: %d, %d bytes", status, len(raw))
		}
		if status, raw := c.download(url); status != http.StatusOK || !bytes.Equal(raw, whole) {
			t.Errorf("whole: %d, %d bytes", status, len(raw))
		}
	})
}
