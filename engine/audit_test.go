package engine_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/bill"
	"github.com/alirefund/alirefund/engine"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/internal/shoptest"
	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/store"
)

// heard is what OnAudit was told, by the days.
type heard struct {
	mu   sync.Mutex
	days []string
	fail error
}

func (h *heard) hear(_ context.Context, a alirefund.Audit) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.days = append(h.days, a.Day+" "+string(a.Verdict))
	return h.fail
}

func (h *heard) set(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.fail = err
}

func (h *heard) expect(t *testing.T, want ...string) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	if !slices.Equal(h.days, want) {
		t.Fatalf("by %v OnAudit has heard %q, want %q", time.Now().UTC(), h.days, want)
	}
}

// morningShop is a shop that audits at half past ten.
func morningShop(t *testing.T) (*shoptest.Shop, *heard) {
	h := &heard{}
	return shoptest.NewShop(t, func(c *alirefund.Config) { c.AuditAt, c.OnAudit = "10:30", h.hear }), h
}

// until sleeps until a moment of January 2000, in China. A bubble begins on the 1st at 8.
func until(t *testing.T, day, hour, minute int) {
	t.Helper()
	time.Sleep(time.Until(time.Date(2000, 1, day, hour, minute, 0, 0, time.FixedZone("", 8*60*60))))
}

func refundOf(s *shoptest.Shop, n int) {
	s.T.Helper()
	s.Alipay.AddTrade(alipaytest.Trade{OutTradeNo: fmt.Sprint("T", n)})
	s.Expect(s.Refund(fmt.Sprintf(`{"out_trade_no":"T%d","refund_amount":100}`, n)), 200, "succeeded")
}

// Of two processes one audits each morning, in the morning; missed days are made up for.
func TestRunAuditsEachMorning(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, h := morningShop(t)
		refundOf(s, 1)
		run := func() func() { // two processes
			stopOne, module := s.Run(), s.Module
			s.Restart()
			if s.Module == module {
				t.Fatal("there is one process")
			}
			stopOther := s.Run()
			return func() { stopOne(); stopOther() }
		}
		until(t, 1, 10, 20)
		stop := run()
		until(t, 1, 10, 29)
		h.expect(t)
		until(t, 1, 10, 31) // yesterday's, before there was anything
		h.expect(t, "1999-12-31 open")
		stop()
		until(t, 2, 10, 29)
		stop = run()
		until(t, 2, 10, 31)
		h.expect(t, "1999-12-31 open", "1999-12-31 agreed", "2000-01-01 agreed")
		stop()

		for day := 2; day <= 5; day++ { // and nobody audits
			until(t, day, 12, 0)
			refundOf(s, day)
		}
		until(t, 6, 12, 0)
		stop = run()
		until(t, 6, 12, 45)
		h.expect(t, "1999-12-31 open", "1999-12-31 agreed", "2000-01-01 agreed",
			"2000-01-02 agreed", "2000-01-03 agreed", "2000-01-04 agreed", "2000-01-05 agreed")
		if n := s.Calls(gateway.MethodBill); n != 7 {
			t.Errorf("bills were asked for %d times", n)
		}
		stop()
	})
}

// What fails is tried again half an hour later, by whichever process.
func TestAuditIsTriedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, h := morningShop(t)
		refundOf(s, 1)
		until(t, 2, 10, 20)
		defer s.Run()()
		s.Alipay.SpoilBill(alipaytest.BillFault{Kind: alipaytest.BillElsewhere, Day: "2000-01-01"})
		h.set(shoptest.ErrHost)
		until(t, 2, 10, 59)
		h.expect(t)
		until(t, 2, 11, 1) // now the hook fails; what was found stands there
		h.expect(t, "2000-01-01 agreed")
		if a, err := s.Module.AuditOf(t.Context(), "2000-01-01"); err != nil || a.Verdict != alirefund.AuditAgreed || a.Delivered {
			t.Errorf("kept is %+v, %v", a, err)
		}
		h.set(nil)
		until(t, 2, 12, 30)
		h.expect(t, "2000-01-01 agreed", "2000-01-01 agreed")
		if a, err := s.Module.AuditOf(t.Context(), "2000-01-01"); err != nil || !a.Delivered {
			t.Errorf("kept is %+v, %v", a, err)
		}
	})
}

// A day is audited by one at a time; one who died in it holds others up for an hour.
func TestAuditByOneAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		until(t, 2, 10, 30)
		token, _, err := s.Config.Store.Claim(t.Context(), "audit:"+s.Config.App.ID+"/2000-01-01", time.Hour)
		if err != nil || token == "" {
			t.Fatal(token, err)
		}
		if _, err := s.Module.Audit(t.Context(), "2000-01-01"); !errors.Is(err, alirefund.ErrAuditing) {
			t.Errorf("meanwhile: %v", err)
		}
		until(t, 2, 11, 31)
		for range 2 {
			if _, err := s.Module.Audit(t.Context(), "2000-01-01"); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		}
	})
}

func TestAuditRefuses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		refundOf(s, 1)
		until(t, 2, 0, 0)
		var invalid *alirefund.ValidationError
		for _, day := range []string{"2000-01-02", "2000-01-03", "2000-1-1", "yesterday", ""} {
			if _, err := s.Module.Audit(t.Context(), day); !errors.As(err, &invalid) || invalid.Fields[0].Pointer != "/day" {
				t.Errorf("%q: %v", day, err)
			}
		}
		for kind, want := range map[alipaytest.BillFaultKind]error{alipaytest.BillElsewhere: gateway.ErrBillHost, alipaytest.BillExpired: gateway.ErrDownload} {
			for range 3 {
				s.Alipay.SpoilBill(alipaytest.BillFault{Kind: kind, Day: "2000-01-01"})
			}
			asked := s.Calls(gateway.MethodBill)
			_, err := s.Module.Audit(t.Context(), "2000-01-01")
			if !errors.Is(err, alirefund.ErrNoBillRead) || !errors.Is(err, want) || strings.Contains(err.Error(), "fileId") {
				t.Errorf("%v: %v", kind, err)
			}
			if n := s.Calls(gateway.MethodBill) - asked; kind == alipaytest.BillExpired && n != 3 {
				t.Errorf("an address was asked for %d times", n)
			}
			for { // until the fault is used up
				if _, err := s.Module.Audit(t.Context(), "2000-01-01"); err == nil {
					break
				}
			}
		}
		if _, err := s.Module.AuditOf(t.Context(), "1999-01-01"); !errors.Is(err, alirefund.ErrNotAudited) {
			t.Errorf("a day that was not audited: %v", err)
		}
	})
}

// A bill of another day is not believed, whoever sent it.
func TestAuditBelievesNoOtherDay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		refundOf(s, 1)
		until(t, 2, 10, 30)
		transport := s.Config.HTTPClient.Transport
		s.Config.HTTPClient = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodGet { // of a bill
				return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(bytes.NewReader(s.Alipay.Bill("2000-01-02"))), Request: r}, nil
			}
			return transport.RoundTrip(r)
		})}
		s.Restart()
		if _, err := s.Module.Audit(t.Context(), "2000-01-01"); !errors.Is(err, alirefund.ErrNoBillRead) || !errors.Is(err, bill.ErrFormat) {
			t.Errorf("audited: %v", err)
		}
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Nothing of a bill, which names people, stays behind.
func TestAuditLeavesNoBill(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		refundOf(s, 1)
		s.Alipay.SpoilBill(alipaytest.BillFault{Kind: alipaytest.BillTruncated, Day: "2000-01-01"})
		until(t, 2, 10, 30)
		if _, err := s.Module.Audit(t.Context(), "2000-01-01"); err != nil {
			t.Error(err)
		}
		if left, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(left) > 0 {
			t.Errorf("%q, %v", left, err)
		}
	})
	t.Setenv("TMPDIR", filepath.Join(dir, "none"))
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		refundOf(s, 1)
		until(t, 2, 10, 30)
		if _, err := s.Module.Audit(t.Context(), "2000-01-01"); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("without a place for it: %v", err)
		}
	})
}

// A refund that the ledger learnt of without its number is found by Alipay's trade.
func TestAuditOfANoticeWithoutANumber(t *testing.T) {
	t.Parallel()
	for name, amount := range map[string]int{"of that amount": 1_00, "of unknown amount": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := shoptest.NewShop(t)
				trade := s.Alipay.AddTrade(alipaytest.Trade{OutTradeNo: "T1"})
				s.Alipay.RefundAtConsole("T1", 1_00)
				r := store.Refund{
					Kind: store.Trade, App: s.Config.App.ID, OutTradeNo: "T1", TradeNo: trade.TradeNo, Amount: 0,
					State: store.Succeeded, Origin: store.FromNotice, Source: store.ByNotice,
				}
				if amount != 0 {
					r.Amount = 1_00
				}
				r = r.IdentifyBy("notify_id", "1")
				if _, _, err := s.Config.Store.Open(t.Context(), r, store.Limit{}, nil); err != nil {
					t.Fatal(err)
				}
				until(t, 2, 10, 30)
				a, err := s.Module.Audit(t.Context(), "2000-01-01")
				if err != nil || a.Verdict != alirefund.AuditAgreed || a.Agreed != 1 || len(a.Counts) > 0 || a.Ledger.Amount != 1_00 {
					t.Errorf("%+v, %v", a, err)
				}
			})
		})
	}
}

// A refund that the ledger learnt of after midnight is in the bill of the day before, and
// missed in neither.
func TestAuditOfANoticeAfterMidnight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		s.Alipay.AddTrade(alipaytest.Trade{OutTradeNo: "T1", NotifyURL: shoptest.NotifyURL})
		until(t, 1, 23, 59)
		s.Alipay.RefundAtConsole("T1", 1_00)
		until(t, 2, 0, 1)
		s.Alipay.Deliver(t.Context())
		s.ExpectTold("refund_succeeded")
		refundOf(s, 2)
		until(t, 4, 10, 30)
		for day, other := range map[string]int{"2000-01-01": 0, "2000-01-02": 1} {
			a, err := s.Module.Audit(t.Context(), day)
			if err != nil || a.Verdict != alirefund.AuditAgreed || a.Agreed != 1 || a.Bill != a.Ledger || a.OtherDay != other || len(a.Counts) > 0 {
				t.Errorf("%s: %+v, %v", day, a, err)
			}
		}
	})
}

// A refund that was long unresolved is in the bill of the day when it was made in the end.
func TestAuditOfALateRefund(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, h := morningShop(t)
		refundOf(s, 1)
		s.Alipay.AddTrade(alipaytest.Trade{OutTradeNo: "T9"})
		s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest}, alipaytest.Fault{Kind: alipaytest.LostAnswer, Method: gateway.MethodRefundQuery})
		s.Expect(s.Refund(`{"out_trade_no":"T9","refund_amount":100}`), 202, "pending")
		until(t, 2, 10, 30)
		if a, err := s.Module.Audit(t.Context(), "2000-01-01"); err != nil || a.Verdict != alirefund.AuditOpen || a.Pending != 1 {
			t.Errorf("while it is unresolved: %+v, %v", a, err)
		}
		until(t, 4, 10, 20)
		stop := s.Run() // which sends it again
		until(t, 4, 10, 31)
		h.expect(t, "2000-01-01 open", "2000-01-01 open", "2000-01-02 agreed", "2000-01-03 open")
		stop()
		until(t, 5, 10, 29)
		defer s.Run()()
		until(t, 5, 10, 31)
		h.expect(t, "2000-01-01 open", "2000-01-01 open", "2000-01-02 agreed", "2000-01-03 open", "2000-01-01 agreed", "2000-01-03 agreed", "2000-01-04 agreed")
	})
}

// A bill of other refunds altogether is refused and not recorded as so many differences.
func TestAuditOfAnotherLedger(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		s.Alipay.AddTrade(alipaytest.Trade{OutTradeNo: "T1"})
		for n := range 20_001 {
			r := store.Refund{
				Kind: store.Trade, App: s.Config.App.ID, OutTradeNo: fmt.Sprint(n), OutRequestNo: "R", Amount: 1,
				State: store.Succeeded, Origin: store.FromRequest, Source: store.ByAnswer,
			}.Identify()
			if _, _, err := s.Config.Store.Open(t.Context(), r, store.Limit{}, nil); err != nil {
				t.Fatal(err)
			}
		}
		until(t, 2, 10, 30)
		s.Alipay.SpoilBill(alipaytest.BillFault{Kind: alipaytest.BillNotExist, Day: "2000-01-01"})
		if _, err := s.Module.Audit(t.Context(), "2000-01-01"); !errors.Is(err, alirefund.ErrNoBillRead) || !errors.Is(err, gateway.ErrNoBill) {
			t.Errorf("without a bill: %v", err)
		}
		if _, err := s.Module.Audit(t.Context(), "2000-01-01"); !errors.Is(err, alirefund.ErrOtherBill) {
			t.Errorf("audited: %v", err)
		}
	})
}

// Nor is one whose refunds Alipay does not know: it is asked about so many, and no more.
func TestAuditOfAnInventedBill(t *testing.T) {
	defer engine.SetMostAlone(5)()
	for invented, want := range map[int]error{5: nil, 50: alirefund.ErrOtherBill} {
		synctest.Test(t, func(t *testing.T) {
			s := shoptest.NewShop(t)
			refundOf(s, 1)
			for n := range invented {
				s.Alipay.SpoilBill(alipaytest.BillFault{Kind: alipaytest.BillInvents, Day: "2000-01-01", OutTradeNo: "T1", OutRequestNo: fmt.Sprint("X", n), TradeNo: "1", Amount: 1})
			}
			until(t, 2, 10, 30)
			if _, err := s.Module.Audit(t.Context(), "2000-01-01"); !errors.Is(err, want) {
				t.Errorf("%d invented: %v", invented, err)
			}
			if n := s.Calls(gateway.MethodRefundQuery); n > 6 {
				t.Errorf("%d invented: Alipay was asked %d times", invented, n)
			}
		})
	}
}

// Why a merchant's bill could not be had may be said in other words each time: what was
// found is the same all the same.
func TestAuditIsTheSameInOtherWords(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, h := morningShop(t)
		s.Config.AppAuthToken = func(context.Context, string) (string, error) { return "", fmt.Errorf("down at %v", time.Now()) }
		s.Restart()
		refundOf(s, 1)
		r := store.Refund{
			Kind: store.Trade, App: s.Config.App.ID, Merchant: "M", OutTradeNo: "T1", OutRequestNo: "R", Amount: 1,
			State: store.Succeeded, Origin: store.FromRequest, Source: store.ByAnswer,
		}.Identify()
		if _, _, err := s.Config.Store.Open(t.Context(), r, store.Limit{}, nil); err != nil {
			t.Fatal(err)
		}
		until(t, 2, 10, 30)
		for range 2 {
			time.Sleep(time.Minute)
			if a, err := s.Module.Audit(t.Context(), "2000-01-01"); err != nil || len(a.NotComparable) != 1 || a.NotComparable[0].Why == "" {
				t.Fatalf("%+v, %v", a, err)
			}
		}
		h.expect(t, "2000-01-01 partly")
	})
}

// A row without its own number is that of the refund which has none in the bill, and not of
// another of the order, of the same amount, that has.
func TestAuditOfARowWithoutANumberAmongSeveral(t *testing.T) {
	t.Parallel()
	for _, number := range []string{"R1", "R2", "R3"} {
		synctest.Test(t, func(t *testing.T) {
			s := shoptest.NewShop(t)
			s.Alipay.AddTrade(alipaytest.Trade{OutTradeNo: "T1"})
			for _, n := range []string{"R1", "R2", "R3"} {
				s.Expect(s.Refund(`{"out_trade_no":"T1","refund_amount":"1.00","out_request_no":"`+n+`"}`), 200, "succeeded")
				time.Sleep(time.Minute)
			}
			s.Alipay.SpoilBill(alipaytest.BillFault{Kind: alipaytest.BillNumberless, Day: "2000-01-01", OutTradeNo: "T1", OutRequestNo: number})
			until(t, 3, 10, 30)
			a, err := s.Module.Audit(t.Context(), "2000-01-01")
			if err != nil || a.Verdict != alirefund.AuditAgreed || a.Agreed != 3 || a.Ledger != a.Bill {
				t.Errorf("%s: %+v, %v", number, a, err)
			}
		})
	}
}

// A day that differs in much is looked at in parts, and says the same.
func TestAuditInParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		for n := range 60 {
			refundOf(s, n)
			f := alipaytest.BillFault{Day: "2000-01-01", OutTradeNo: fmt.Sprint("T", n), OutRequestNo: fmt.Sprint("T", n), Amount: 2_00}
			switch n % 4 {
			case 0:
				f.Kind = alipaytest.BillOmits
			case 1:
				f.Kind = alipaytest.BillAmount
			case 2:
				f.Kind, f.OutRequestNo, f.TradeNo = alipaytest.BillInvents, "X", "1"
			}
			s.Alipay.SpoilBill(f)
		}
		for n := range 9 { // whose place among the parts is not that of its row in the bill
			order := fmt.Sprint("N", n)
			s.Alipay.AddTrade(alipaytest.Trade{OutTradeNo: order})
			s.Alipay.RefundAtConsole(order, 3_00)
			r := store.Refund{
				Kind: store.Trade, App: s.Config.App.ID, OutTradeNo: order, Amount: 3_00,
				State: store.Succeeded, Origin: store.FromNotice, Source: store.ByNotice,
			}.IdentifyBy("notify_id", order)
			if _, _, err := s.Config.Store.Open(t.Context(), r, store.Limit{}, nil); err != nil {
				t.Fatal(err)
			}
		}
		until(t, 4, 10, 30)
		whole, err := s.Module.Audit(t.Context(), "2000-01-01")
		if err != nil || whole.Counts[alirefund.DiffersMissing] != 15 || whole.Counts[alirefund.DiffersAmount] != 15 || whole.Counts[alirefund.DiffersUnproven] != 15 || whole.Agreed != 39 || len(whole.Counts) != 3 {
			t.Fatalf("%+v, %v", whole, err)
		}
		defer engine.SetAuditRound(7)()
		parts, err := s.Module.Audit(t.Context(), "2000-01-01")
		order := func(a, b alirefund.Difference) int {
			return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.OutTradeNo, b.OutTradeNo))
		}
		slices.SortFunc(whole.Differences, order)
		slices.SortFunc(parts.Differences, order)
		if parts.At = whole.At; err != nil || fmt.Sprintf("%+v", parts) != fmt.Sprintf("%+v", whole) {
			t.Errorf("in parts %+v, %v; want %+v", parts, err, whole)
		}
	})
}

// Somebody else refunded under the number of a refund that awaits approval: the bill
// proves nothing, and Alipay, asked, does.
func TestAuditOfARefundThatAwaitsApproval(t *testing.T) {
	t.Parallel()
	for amount, want := range map[money.Amount]struct {
		state   store.State
		verdict alirefund.Verdict
		told    string
	}{
		8_88: {store.Succeeded, alirefund.AuditAgreed, "refund_succeeded"},
		5_00: {store.AwaitingApproval, alirefund.AuditDiffers, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := fourEyes(t)
			id := asked(s)
			s.Elsewhere(gateway.TradeRefund{OutTradeNo: shoptest.Order, RefundAmount: amount, OutRequestNo: "R1"})
			until(t, 2, 10, 30)
			a, err := s.Module.Audit(t.Context(), "2000-01-01")
			if err != nil || a.Verdict != want.verdict || len(a.Differences) != 1 && want.state == store.AwaitingApproval {
				t.Errorf("%v: %+v, %v", amount, a, err)
			}
			if got := s.Ledger(id).State; got != want.state {
				t.Errorf("%v: the refund is %s", amount, got)
			}
			s.ExpectTold(want.told)
		})
	}
}

// What the bill alone says of a refund is not recorded with it: by the number of another
// order's trade that order would be taken for this one, and this one refunded instead.
func TestAuditRecordsNoTradeOfTheBill(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		trade := s.Alipay.AddTrade(alipaytest.Trade{OutTradeNo: "T1"})
		other := s.Alipay.AddTrade(alipaytest.Trade{OutTradeNo: "T2"})
		number := s.Alipay.RefundAtConsole("T1", 1_00)
		forged := alipaytest.BillFault{Kind: alipaytest.BillInvents, Day: "2000-01-01", OutTradeNo: "T1", OutRequestNo: number, TradeNo: other.TradeNo, Amount: 1_00}
		omitted := forged
		omitted.Kind = alipaytest.BillOmits
		s.Alipay.SpoilBill(forged, omitted)
		until(t, 2, 10, 30)
		if a, err := s.Module.Audit(t.Context(), "2000-01-01"); err != nil || a.Counts[alirefund.DiffersRecorded] != 1 {
			t.Fatalf("%+v, %v", a, err)
		}
		rows, err := s.Config.Store.List(t.Context(), store.Filter{App: s.Config.App.ID})
		if err != nil || len(rows) != 1 || rows[0].TradeNo != trade.TradeNo {
			t.Errorf("recorded: %+v, %v", rows, err)
		}
		s.Expect(s.Refund(`{"trade_no":"`+other.TradeNo+`","refund_amount":"1.00","out_request_no":"R1"}`), 200, "succeeded")
		if movements := s.Alipay.Movements(); movements[len(movements)-1].OutTradeNo != "T2" {
			t.Errorf("refunded: %+v", movements)
		}
	})
}

// A trade about which Alipay could not be asked is not one that it does not know.
func TestAuditOfATradeThatCannotBeAskedAbout(t *testing.T) {
	t.Parallel()
	for _, fault := range []alipaytest.FaultKind{alipaytest.GatewayError, alipaytest.SystemErrorBefore, alipaytest.LostAnswer, alipaytest.HTTP500} {
		synctest.Test(t, func(t *testing.T) {
			s := shoptest.NewShop(t)
			trade := s.Alipay.AddTrade(alipaytest.Trade{OutTradeNo: "T1"})
			number := s.Alipay.RefundAtConsole("T1", 1_00)
			row := alipaytest.BillFault{Kind: alipaytest.BillInvents, Day: "2000-01-01", OutRequestNo: number, TradeNo: trade.TradeNo, Amount: 1_00}
			omitted := row
			omitted.Kind, omitted.OutTradeNo = alipaytest.BillOmits, "T1"
			s.Alipay.SpoilBill(row, omitted)
			until(t, 2, 10, 30)
			s.Alipay.Inject(alipaytest.Fault{Kind: fault, Method: gateway.MethodTradeQuery})
			for _, want := range []alirefund.DifferenceKind{alirefund.DiffersUnanswered, alirefund.DiffersRecorded} {
				if a, err := s.Module.Audit(t.Context(), "2000-01-01"); err != nil || a.Counts[want] != 1 || a.Verdict == alirefund.AuditDiffers {
					t.Errorf("%v: %+v, %v; want %s", fault, a, err, want)
				}
			}
		})
	}
}

// While the next day's bill is not ready, what it may have is waited for.
func TestAuditWaitsForTheNextDaysBill(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, h := morningShop(t)
		refundOf(s, 1)
		refundOf(s, 2)
		s.Alipay.SpoilBill(alipaytest.BillFault{Kind: alipaytest.BillLate, Day: "2000-01-01", OutTradeNo: "T2", OutRequestNo: "T2"})
		until(t, 2, 10, 20)
		defer s.Run()()
		until(t, 3, 10, 20)
		for range 2 { // the day's own audit asks for it, too
			s.Alipay.SpoilBill(alipaytest.BillFault{Kind: alipaytest.BillNotExist, Day: "2000-01-02"})
		}
		until(t, 4, 12, 0)
		h.expect(t, "2000-01-01 open", "2000-01-02 open", "2000-01-01 agreed", "2000-01-02 agreed", "2000-01-03 open")
		if a, err := s.Module.AuditOf(t.Context(), "2000-01-01"); err != nil || a.OtherDay != 1 || len(a.Counts) > 0 {
			t.Errorf("in the end: %+v, %v", a, err)
		}
	})
}

// Somebody else refunded under the number of a refund that was never sent from here, for it
// was declined, or nobody approved it in time, or Alipay cannot be reached since: Alipay is
// asked about it all the same.
func TestAuditOfARefundThatWasNeverSent(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(s *shoptest.Shop, id string){
		"declined": func(s *shoptest.Shop, id string) { decline(s, id) },
		"expired":  func(s *shoptest.Shop, id string) { time.Sleep(100 * time.Hour); s.Expect(s.Get(id), 200, "failed") },
		"approved": func(s *shoptest.Shop, id string) {
			s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refused})
			s.Expect(approve(s, id), 202, "pending")
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := fourEyes(t)
			id := asked(s)
			end(s, id)
			s.Elsewhere(gateway.TradeRefund{OutTradeNo: shoptest.Order, RefundAmount: 8_88, OutRequestNo: "R1"})
			day := time.Now().In(time.FixedZone("", 8*60*60)).Format(time.DateOnly)
			time.Sleep(24 * time.Hour)
			a, err := s.Module.Audit(t.Context(), day)
			if err != nil || a.Settled != 1 || len(a.Differences) > 0 {
				t.Errorf("%s: %+v, %v", name, a, err)
			}
			if r := s.Ledger(id); r.State != store.Succeeded || r.Source != store.ByQuery {
				t.Errorf("%s: the refund is %s by %q", name, r.State, r.Source)
			}
			s.ExpectMoved("R1=8.88")
		})
	}
}
