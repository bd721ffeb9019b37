package alirefund_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/internal/shoptest"
	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/store"
)

// auditDay is the day on which a bubble's clock begins, at eight in the morning in China.
const auditDay = "2000-01-01"

// auditing is a shop with a day behind it, in which three trades were refunded.
type auditing struct {
	*shoptest.Shop
	told []alirefund.Audit // by OnAudit, in order
	fail error             // what it returns
}

func newAuditing(t *testing.T, change ...func(*alirefund.Config)) *auditing {
	t.Helper()
	a := &auditing{}
	var mu sync.Mutex
	a.Shop = shoptest.NewShop(t, append([]func(*alirefund.Config){func(c *alirefund.Config) {
		c.OnAudit = func(_ context.Context, found alirefund.Audit) error {
			mu.Lock()
			defer mu.Unlock()
			a.told = append(a.told, found)
			return a.fail
		}
	}}, change...)...)
	for _, order := range []string{"T1", "T2", "T3"} {
		a.Alipay.AddTrade(alipaytest.Trade{OutTradeNo: order, Total: 100_00})
	}
	for n, amount := range []string{"8.80", "20.00", "0.08"} {
		a.refund(fmt.Sprintf("T%d", n+1), fmt.Sprintf("R%d", n+1), amount)
	}
	return a
}

func (a *auditing) refund(order, number, amount string) shoptest.Reply {
	a.T.Helper()
	return a.Refund(`{"out_trade_no":"` + order + `","out_request_no":"` + number + `","refund_amount":"` + amount + `"}`)
}

// until lets time pass until so long after the first midnight of China's.
func (a *auditing) until(after time.Duration) {
	a.T.Helper()
	time.Sleep(time.Until(time.Date(2000, 1, 1, 0, 0, 0, 0, time.FixedZone("", 8*60*60)).Add(after)))
}

func (a *auditing) audit(day string) alirefund.Audit {
	a.T.Helper()
	found, err := a.Module.Audit(a.T.Context(), day)
	if err != nil {
		a.T.Fatal(err)
	}
	return found
}

func (a *auditing) spoil(kind alipaytest.BillFaultKind, order, number string, amount money.Amount) {
	a.Alipay.SpoilBill(alipaytest.BillFault{Kind: kind, Day: auditDay, OutTradeNo: order, OutRequestNo: number, TradeNo: "2000010122001400000000000001", Amount: amount})
}

// said is an audit in a few words: its verdict, and in what it differs.
func said(a alirefund.Audit) string {
	text := string(a.Verdict)
	var kinds []string
	for kind, n := range a.Counts {
		kinds = append(kinds, fmt.Sprintf("%d %s", n, kind))
	}
	slices.Sort(kinds)
	if a.OtherDay > 0 {
		kinds = append(kinds, fmt.Sprintf("%d on another day", a.OtherDay))
	}
	if a.Pending > 0 {
		kinds = append(kinds, fmt.Sprintf("%d pending", a.Pending))
	}
	if a.NoBill {
		kinds = append(kinds, "no bill")
	}
	if len(kinds) > 0 {
		text += ": " + strings.Join(kinds, ", ")
	}
	return text
}

// auditCases are the table of docs/audit.md: what is wrong, what the morning after says, and
// what a day later.
var auditCases = []struct {
	name           words
	day            func(a *auditing) // what happens on the day, beside three refunds
	first, morning string            // what is said; morning only if it is something else
	agreed         int               // in the first audit
	sum            money.Amount      // of the ledger, in the first audit
	told           int               // how many more successes the host hears of by it
	partly         bool
}{
	{name: words{En: "Bill and ledger are the same", Zh: "账单与账本一致"}, day: func(*auditing) {}, first: "agreed", agreed: 3, sum: 28_88},
	{name: words{En: "Made at Alipay's console, and its notification was lost", Zh: "在支付宝后台退款，通知丢失"}, day: func(a *auditing) {
		a.Alipay.RefundAtConsole("T1", 1_00)
	}, first: "agreed: 1 recorded", agreed: 4, sum: 29_88, told: 1},
	{name: words{En: "In the bill, and nobody ever made it", Zh: "账单中有一笔无人发起的退款"}, day: func(a *auditing) {
		a.spoil(alipaytest.BillInvents, "T1", "R9", 5_00)
	}, first: "differs: 1 unproven", agreed: 3, sum: 28_88},
	{name: words{En: "In the bill, of a trade that Alipay does not know", Zh: "账单中的退款，其交易支付宝查无记录"}, day: func(a *auditing) {
		a.spoil(alipaytest.BillInvents, "T9", "R9", 5_00)
	}, first: "differs: 1 unproven", agreed: 3, sum: 28_88},
	{name: words{En: "In the bill without an order's number, of an unknown trade", Zh: "账单中无商户订单号，且交易不存在"}, day: func(a *auditing) {
		a.spoil(alipaytest.BillInvents, "", "R9", 5_00)
	}, first: "differs: 1 unproven", agreed: 3, sum: 28_88},
	{name: words{En: "Not known here, and Alipay does not answer", Zh: "账本无此退款，查询又无应答"}, day: func(a *auditing) {
		a.Alipay.RefundAtConsole("T1", 1_00)
		a.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer, Method: gateway.MethodRefundQuery})
	}, first: "open: 1 unanswered", agreed: 3, sum: 28_88, morning: "agreed: 1 recorded"},
	{name: words{En: "Left out of the bill", Zh: "账单漏记一笔退款"}, day: func(a *auditing) {
		a.spoil(alipaytest.BillOmits, "T2", "R2", 0)
	}, first: "open: 1 waiting", agreed: 2, sum: 28_88, morning: "differs: 1 missing"},
	{name: words{En: "Booked after midnight, in the next day's bill", Zh: "零点后入账，记在次日账单"}, day: func(a *auditing) {
		a.spoil(alipaytest.BillLate, "T2", "R2", 0)
	}, first: "open: 1 waiting", agreed: 2, sum: 28_88, morning: "agreed: 1 on another day"},
	{name: words{En: "Of another amount in the bill", Zh: "账单金额不同"}, day: func(a *auditing) {
		a.spoil(alipaytest.BillAmount, "T2", "R2", 20_01)
	}, first: "differs: 1 amount", agreed: 2, sum: 28_88},
	{name: words{En: "Twice in the bill", Zh: "账单中重复出现"}, day: func(a *auditing) {
		a.spoil(alipaytest.BillTwice, "T2", "R2", 0)
	}, first: "differs: 1 twice", agreed: 3, sum: 28_88},
	{name: words{En: "In the bill without its own number", Zh: "账单缺少退款请求号"}, day: func(a *auditing) {
		a.spoil(alipaytest.BillNumberless, "T2", "R2", 0)
	}, first: "agreed", agreed: 3, sum: 28_88},
	{name: words{En: "Unresolved here, and Alipay says that it was made", Zh: "本地未决，支付宝确认已退款"}, day: func(a *auditing) {
		a.unresolved(alipaytest.LostAnswer)
	}, first: "agreed", agreed: 4, sum: 33_88, told: 1},
	{name: words{En: "Unresolved here, and Alipay still does not answer", Zh: "本地未决，支付宝仍无应答"}, day: func(a *auditing) {
		a.unresolved(alipaytest.LostAnswer)
		a.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer, Method: gateway.MethodRefundQuery})
	}, first: "differs: 1 unresolved", agreed: 3, sum: 28_88, morning: "agreed"},
	{name: words{En: "Unresolved here, and not in the bill", Zh: "本地未决，账单中没有"}, day: func(a *auditing) {
		a.unresolved(alipaytest.LostRequest)
	}, first: "open: 1 pending", agreed: 3, sum: 28_88},
	{name: words{En: "Failed here, in the bill, and Alipay knows nothing of it", Zh: "本地失败，账单中有，支付宝查无记录"}, day: func(a *auditing) {
		a.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "ACQ.BUYER_NOT_EXIST"})
		a.refund("T1", "R4", "5.00")
		a.spoil(alipaytest.BillInvents, "T1", "R4", 5_00)
	}, first: "differs: 1 unresolved", agreed: 3, sum: 28_88},
	{name: words{En: "A red packet was returned, and a pre-authorisation released, too", Zh: "当日另有红包退款和预授权解冻"}, day: func(a *auditing) {
		a.Alipay.AddRedPacket(alipaytest.RedPacket{AuthNo: "A1", OutOrderNo: "O1"})
		a.Coupon(`{"auth_no":"A1","out_order_no":"O1","out_request_no":"C1","amount":"2.22","remark":"未领取"}`)
		a.Alipay.AddPreAuth(alipaytest.PreAuth{AuthNo: "A2", OutOrderNo: "O2"})
		a.Do(http.MethodPost, "/alipay/unfreezes", `{"auth_no":"A2","out_order_no":"O2","out_request_no":"U1","amount":"3.33","remark":"退房"}`)
	}, first: "partly", agreed: 3, sum: 28_88, partly: true},
	{name: words{En: "The bill is not ready in the morning", Zh: "早上账单尚未生成"}, day: func(a *auditing) {
		a.spoil(alipaytest.BillNotExist, "", "", 0)
	}, first: "open: 3 waiting, no bill", sum: 28_88, morning: "agreed"},
	{name: words{En: "The address of the bill was too old", Zh: "下载地址已过期"}, day: func(a *auditing) {
		a.spoil(alipaytest.BillExpired, "", "", 0)
	}, first: "agreed", agreed: 3, sum: 28_88},
	{name: words{En: "The ZIP was cut off", Zh: "ZIP 不完整"}, day: func(a *auditing) {
		a.spoil(alipaytest.BillTruncated, "", "", 0)
	}, first: "agreed", agreed: 3, sum: 28_88},
}

// unresolved leaves a refund of 5.00 that nobody could find out about on the day.
func (a *auditing) unresolved(fault alipaytest.FaultKind) {
	a.T.Helper()
	a.Alipay.Inject(alipaytest.Fault{Kind: fault}, alipaytest.Fault{Kind: alipaytest.LostAnswer, Method: gateway.MethodRefundQuery})
	time.Sleep(time.Minute)
	a.Expect(a.refund("T1", "R4", "5.00"), 202, "pending")
}

// Each difference is named right, none is invented, and auditing once more changes nothing.
func TestAuditCases(t *testing.T) {
	t.Parallel()
	for _, c := range auditCases {
		t.Run(c.name.En, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := newAuditing(t)
				c.day(a)
				a.until(34*time.Hour + 30*time.Minute)
				before := len(a.Events)
				found := a.audit(auditDay)
				if said(found) != c.first || found.Agreed != c.agreed || found.Ledger.Amount != c.sum || !found.Delivered {
					t.Errorf("it says %s: %+v; want %s, %d agreed, %v", said(found), found, c.first, c.agreed, c.sum)
				}
				if got := len(a.Events) - before; got != c.told {
					t.Errorf("the host was told %d more: %s; want %d", got, a.Told(), c.told)
				}
				auditExplained(t, found)
				if partly := len(found.NotComparable) > 0; partly != c.partly {
					t.Errorf("not comparable: %+v", found.NotComparable)
				}
				if len(a.told) != 1 {
					t.Fatalf("OnAudit heard %d times", len(a.told))
				}
				a.Do(http.MethodGet, "/alipay/audits/"+auditDay, "")
				stillOpen := c.morning != "" && c.first != "open: 1 waiting" // what was wrong is over by the second time
				if !stillOpen {
					again(t, a, found)
				}
				a.Alipay.AddTrade(alipaytest.Trade{}) // so that the next day has a bill
				a.until(58*time.Hour + 30*time.Minute)
				want := c.morning
				if want == "" {
					want = c.first
				}
				later := a.audit(auditDay)
				if said(later) != want {
					t.Errorf("a day later it says %s: %+v; want %s", said(later), later, want)
				}
				auditExplained(t, later)
				if r := a.Do(http.MethodGet, "/alipay/audits/"+auditDay, ""); r.Status != http.StatusOK || r.Str("verdict") != string(later.Verdict) {
					t.Errorf("kept is %d %s", r.Status, r.Text)
				}
				for _, r := range a.Ledgers() {
					if r.Origin == store.FromBill && a.Get(r.ID).Str("source") != "query" {
						t.Errorf("recorded is %+v", r)
					}
				}
				again(t, a, later)
				if next := a.audit("2000-01-02"); len(next.Counts) > 0 || next.OtherDay > 0 || next.NotComparable != nil {
					t.Errorf("of the day on which it was audited it says %s: %+v", said(next), next)
				}
			})
		})
	}
}

// again audits once more, which finds the same, and tells nobody.
func again(t *testing.T, a *auditing, found alirefund.Audit) {
	t.Helper()
	heard, events, rows := len(a.told), len(a.Events), len(a.Ledgers())
	time.Sleep(time.Minute)
	if got := a.audit(auditDay); fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", found) {
		t.Errorf("once more it says %+v; want %+v", got, found)
	}
	if len(a.told) != heard || len(a.Events) != events || len(a.Ledgers()) != rows {
		t.Errorf("once more, OnAudit heard %d times, the hooks %d, and %d refunds were recorded", len(a.told)-heard, len(a.Events)-events, len(a.Ledgers())-rows)
	}
}

// Ledgers returns all refunds of the ledger.
func (a *auditing) Ledgers() []store.Refund {
	return shoptest.Must(a.Config.Store.List(a.T.Context(), shoptest.StoreFilter(a.Shop)))
}

// auditExplained wants the differences to be what the sums differ by, to the fen.
func auditExplained(t *testing.T, a alirefund.Audit) {
	t.Helper()
	apart := a.Bill.Amount - a.Ledger.Amount
	rows := a.Bill.Refunds - a.Ledger.Refunds
	for _, d := range a.Differences {
		apart -= d.Billed - d.Recorded
		if d.Billed != 0 {
			rows--
		}
		if d.Recorded != 0 {
			rows++
		}
	}
	if apart != 0 || rows != 0 {
		t.Errorf("%v and %v differ by %v, %d refunds more than %+v explain", a.Bill, a.Ledger, apart, rows, a.Differences)
	}
}

func TestAuditPage(t *testing.T) {
	t.Parallel()
	for file, zh := range map[string]bool{"docs/audit.md": false, "docs/audit.zh-CN.md": true} {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		const begin, end = "<!-- cases -->\n", "<!-- /cases -->\n"
		head, rest, ok := strings.Cut(string(raw), begin)
		_, tail, ok2 := strings.Cut(rest, end)
		if !ok || !ok2 {
			t.Fatalf("%s has no place for its table", file)
		}
		table := words{En: "| what happened on the day | the morning after | a day later |\n|---|---|---|\n", Zh: "| 当日情形 | 次日早上 | 再过一天 |\n|---|---|---|\n"}.In(zh)
		for _, c := range auditCases {
			table += fmt.Sprintf("| %s | %s | %s |\n", c.name.In(zh), code(c.first), code(c.morning))
		}
		upToDate(t, file, head+begin+table+end+tail)
	}
}

func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + text + "`"
}
