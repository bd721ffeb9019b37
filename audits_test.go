package alirefund_test

import (
	"context"
	"encoding/csv"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/internal/shoptest"
)

func TestAuditRoutes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAuditing(t)
		a.Alipay.AddTrade(alipaytest.Trade{OutTradeNo: "=茶+1", TradeNo: "2000010122001400000000000009", Total: 100_00})
		a.refund("=茶+1", "20000101000000000001", "5.00")
		a.spoil(alipaytest.BillAmount, "=茶+1", "20000101000000000001", 5_01)
		a.Alipay.AddRedPacket(alipaytest.RedPacket{AuthNo: "A1", OutOrderNo: "O1"})
		a.Coupon(`{"auth_no":"A1","out_order_no":"O1","out_request_no":"C1","amount":"2.22","remark":"未领取"}`)
		if r := a.Do(http.MethodGet, "/alipay/audits", ""); r.Status != http.StatusOK || strings.TrimSpace(r.Text) != `{"audits":[]}` {
			t.Errorf("before any: %d %s", r.Status, r.Text)
		}
		a.until(34*time.Hour + 30*time.Minute)
		a.audit(auditDay)
		a.until(58*time.Hour + 30*time.Minute)
		a.audit("2000-01-02")

		r := a.Do(http.MethodGet, "/alipay/audits", "")
		days, _ := r.Body["audits"].([]any)
		if len(days) != 2 || days[0].(map[string]any)["day"] != "2000-01-02" || strings.Contains(r.Text, "differences") {
			t.Errorf("listed: %s", r.Text)
		}
		r = a.Do(http.MethodGet, "/alipay/audits/"+auditDay, "")
		differences, _ := r.Body["differences"].([]any)
		if r.Status != http.StatusOK || r.Str("verdict") != "differs" || len(differences) != 1 || differences[0].(map[string]any)["billed"] != "5.01" || r.Body["delivered"] != true {
			t.Errorf("the day: %d %s", r.Status, r.Text)
		}
		r = a.Do(http.MethodGet, "/alipay/audits/"+auditDay+"?format=csv", "")
		text, marked := strings.CutPrefix(r.Text, "\uFEFF")
		rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
		if !marked || err != nil || r.Header.Get("Content-Type") != "text/csv; charset=utf-8" || r.Header.Get("Content-Disposition") != `attachment; filename="audit-2000-01-01.csv"` {
			t.Fatalf("%v %v: %q", err, r.Header, r.Text)
		}
		want := []string{
			`day,what,attention,refunds,billed,recorded,said,state,kind,merchant,out_trade_no,out_request_no,trade_no,id,why`,
			`="2000-01-01",differs,,3,33.89,33.88,,,,,,,,,`,
			`="2000-01-01",amount,true,1,5.01,5.00,5.00,succeeded,trade,,'=茶+1,="20000101000000000001",="2000010122001400000000000009",`,
			`="2000-01-01",not_comparable,,1,,2.22,,,coupon,,,,,,`,
		}
		for i, row := range rows {
			if got := strings.Join(row, ","); i >= len(want) || !strings.HasPrefix(got, want[i]) {
				t.Errorf("line %d is %s", i, got)
			}
		}
		if len(rows) != len(want) {
			t.Errorf("%d lines", len(rows))
		}
	})
}

// Each merchant of an ISV's application has a bill of its own; one whose bill cannot be had
// hinders no other's.
func TestAuditOfMerchants(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAuditing(t, func(c *alirefund.Config) {
			c.AppAuthToken = func(_ context.Context, merchant string) (string, error) {
				if merchant == "M2" && time.Now().Day() > 1 {
					return "", shoptest.ErrHost
				}
				return "token-of-" + merchant, nil
			}
		})
		a.Alipay.AddTrade(alipaytest.Trade{OutTradeNo: "T4", Total: 100_00})
		a.Refund(`{"out_trade_no":"T4","out_request_no":"R4","refund_amount":"5.00","merchant":"M1"}`)
		a.spoil(alipaytest.BillAmount, "T4", "R4", 5_01)
		a.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest})
		a.Refund(`{"out_trade_no":"T9","out_request_no":"R5","refund_amount":"6.00","merchant":"M2"}`)
		a.until(34*time.Hour + 30*time.Minute)
		// The fake has one bill for all, so that of each merchant's it is the others' that differ.
		found := a.audit(auditDay)
		tokens := map[string]int{}
		for _, call := range a.CallsOf(gateway.MethodBill) {
			tokens[call.Params["app_auth_token"]]++
		}
		if tokens[""] != 1 || tokens["token-of-M1"] != 1 || len(tokens) != 2 {
			t.Errorf("bills were asked for by the tokens %v", tokens)
		}
		n := len(found.NotComparable)
		if n != 1 || found.NotComparable[0].Merchant != "M2" || !strings.Contains(found.NotComparable[0].Why, shoptest.ErrHost.Error()) {
			t.Errorf("not comparable: %+v", found.NotComparable)
		}
		of := map[string]int{}
		for _, d := range found.Differences {
			of[d.Merchant+" "+string(d.Kind)]++
		}
		if of["M1 amount"] != 1 {
			t.Errorf("differences: %v", of)
		}
		auditExplained(t, found)
		a.Do(http.MethodGet, "/alipay/audits/"+auditDay, "")
	})
}
