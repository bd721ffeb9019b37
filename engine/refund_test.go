package engine_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
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

// A refund that was recorded and never sent is not asked about, is no failure to
// tell of, and its repeat sends it. If that much can be written it is failed, and
// holds nothing of the order's total.
func TestRecordedButNeverSent(t *testing.T) {
	for state, down := range map[string][]string{
		"failed":  {"Sending"},
		"pending": {"Sending", "Settle"},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := shoptest.NewShop(t)
			s.Trade()
			s.Apart()
			s.Down(time.Minute, down...)
			result, err := s.Module.Refund(t.Context(), alirefund.RefundRequest{OutTradeNo: shoptest.Order, RefundAmount: 8_88, OutRequestNo: "R1"})
			if !errors.Is(err, alirefund.ErrNothingSent) || result.Refund.ID == "" {
				t.Fatalf("%+v, %v", result, err)
			}
			s.Expect(s.Get(result.Refund.ID), 200, state)
			if n := len(s.Alipay.Calls()); n != 0 {
				t.Errorf("%d calls about what was never sent", n)
			}
			s.ExpectTold("")
			time.Sleep(2 * time.Minute)
			s.Expect(s.Refund(shoptest.Partly), 200, "succeeded")
			if n := s.Calls(gateway.MethodRefundQuery); n != 0 {
				t.Errorf("asked about %d times before it was ever sent", n)
			}
			s.ExpectTold("refund_succeeded")
		})
	}
}

// The host's veto comes before anything is recorded, and concerns new refunds
// only.
func TestBeforeRefund(t *testing.T) { synctest.Test(t, inBeforeRefund) }

func inBeforeRefund(t *testing.T) {
	var asked []store.Refund
	veto := errors.New("four eyes: a second person must agree")
	s := shoptest.NewShop(t, func(c *alirefund.Config) {
		c.BeforeRefund = func(_ context.Context, r store.Refund) error {
			asked = append(asked, r)
			return veto
		}
	})
	s.Trade()
	r := s.Refund(shoptest.Partly)
	if r.Status != 403 || r.Str("code") != "vetoed" || r.Str("detail") != veto.Error() {
		t.Errorf("%d %s", r.Status, r.Text)
	}
	if len(asked) != 1 || asked[0].Amount != 8_88 || asked[0].OutRequestNo != "R1" || asked[0].Actor != "staff" || asked[0].ID == "" {
		t.Errorf("the host was asked about %+v", asked)
	}
	rows, err := s.Module.List(t.Context(), store.Filter{})
	if len(rows) != 0 || err != nil || len(s.Alipay.Calls()) != 0 {
		t.Errorf("recorded %+v, %v; %d calls", rows, err, len(s.Alipay.Calls()))
	}
	var vetoed *alirefund.VetoError
	if _, err := s.Module.Refund(t.Context(), alirefund.RefundRequest{OutTradeNo: shoptest.Order, RefundAmount: 8_88, OutRequestNo: "R1"}); !errors.As(err, &vetoed) || !errors.Is(err, veto) {
		t.Errorf("%v", err)
	}

	// Allowed, it is not asked about again by its repeats.
	allowed := veto
	veto = nil
	s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "ACQ.SELLER_BALANCE_NOT_ENOUGH"})
	if r := s.Refund(shoptest.Partly); r.Str("code") != "alipay_refused" {
		t.Fatal(r.Text)
	}
	veto = allowed
	if r := s.Refund(shoptest.Partly); r.Str("code") != "vetoed" { // it would be sent anew
		t.Errorf("%d %s", r.Status, r.Text)
	}
	veto = nil
	s.Expect(s.Refund(`{"out_trade_no":"6823789339978248","refund_amount":"1","out_request_no":"R2"}`), 200, "succeeded")
	n := len(asked)
	veto = allowed
	s.Expect(s.Refund(`{"out_trade_no":"6823789339978248","refund_amount":"1","out_request_no":"R2"}`), 200, "succeeded")
	if len(asked) != n {
		t.Error("a repeat was put to the host")
	}
	s.ExpectMoved("R2=1.00")
}

// A veto may have its reason in both languages, and a time to come again.
func TestReasonOfAVeto(t *testing.T) {
	reason := &alirefund.ReasonError{Reason: alirefund.Text{En: "ask the manager", Zh: "请联系店长"}}
	s := shoptest.NewShop(t, func(c *alirefund.Config) {
		c.BeforeRefund = func(context.Context, store.Refund) error { return fmt.Errorf("limits: %w", reason) }
	})
	refund := func(language string) shoptest.Reply {
		return s.Do("POST", "/alipay/refunds", shoptest.Partly, "Accept-Language", language)
	}
	for language, want := range map[string]string{"en": "ask the manager", "zh-CN": "请联系店长"} {
		if r := refund(language); r.Status != 403 || r.Str("code") != "vetoed" || r.Str("detail") != want || r.Header.Get("Retry-After") != "" {
			t.Errorf("%s: %d %s", language, r.Status, r.Text)
		}
	}
	for after, want := range map[time.Duration]string{time.Minute: "60", time.Minute + 1: "61", 1: "1"} {
		reason.After = after
		if r := refund("en"); r.Status != 429 || r.Str("code") != "too_many_refunds" || r.Str("detail") != "ask the manager" || r.Header.Get("Retry-After") != want {
			t.Errorf("%v: %d, Retry-After %s: %s", after, r.Status, r.Header.Get("Retry-After"), r.Text)
		}
	}
	var vetoed *alirefund.VetoError
	if _, err := s.Module.Refund(t.Context(), alirefund.RefundRequest{OutTradeNo: shoptest.Order, RefundAmount: 8_88, OutRequestNo: "R1"}); !errors.As(err, &vetoed) || !errors.Is(err, reason) {
		t.Errorf("%v", err)
	}
}

// A field that is left out differs too.
func TestFieldThatIsLeftOutDiffers(t *testing.T) {
	s := shoptest.NewShop(t)
	s.Trade()
	s.Expect(s.Refund(shoptest.Partly[:len(shoptest.Partly)-1]+`,"refund_reason":"x"}`), 200, "succeeded")
	if r := s.Refund(shoptest.Partly); r.Status != 409 || r.Pointers() != "/refund_reason" {
		t.Errorf("%d %s", r.Status, r.Text)
	}
}

// What had failed, and freed its amount, does not get it back for nothing.
func TestFailedRefundIsLimitedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t, shoptest.Total(88_88))
		s.Alipay.AddTrade(alipaytest.Trade{OutTradeNo: shoptest.Order, Total: 1000_00}) // Alipay would allow far more
		s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "ACQ.SELLER_BALANCE_NOT_ENOUGH"})
		if r := s.Refund(shoptest.Numbered("R1", "80.00")); r.Status != 422 {
			t.Fatalf("%d %s", r.Status, r.Text)
		}
		s.Expect(s.Refund(shoptest.Numbered("R2", "70.00")), 200, "succeeded")
		r := s.Refund(shoptest.Numbered("R1", "80.00"))
		if r.Str("code") != "exceeds_order" || r.Str("detail") != "80.00 is more than the 18.88 left of the order's 88.88" {
			t.Errorf("%d %s", r.Status, r.Text)
		}
		s.ExpectMoved("R2=70.00")
	})
}

// OrderTotal is asked for what the order is known by, for every new refund and no
// known one; a total that it does not know limits nothing.
func TestWhatOrderTotalIsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked []alirefund.Order
		known, fail := true, error(nil)
		s := shoptest.NewShop(t, func(c *alirefund.Config) {
			c.OrderTotal = func(_ context.Context, o alirefund.Order) (money.Amount, bool, error) {
				asked = append(asked, o)
				return 88_88, known, fail
			}
		})
		s.Alipay.AddTrade(alipaytest.Trade{OutTradeNo: shoptest.Order, Total: 1000_00})
		s.Expect(s.Refund(shoptest.Numbered("R1", "70.00")), 200, "succeeded")
		fail = shoptest.ErrHost
		s.Expect(s.Refund(shoptest.Numbered("R1", "70.00")), 200, "succeeded")
		fail, known = nil, false
		s.Expect(s.Refund(shoptest.Numbered("R2", "90.00")), 200, "succeeded")
		s.Refund(shoptest.Partly[:len(shoptest.Partly)-1] + `,"merchant":"m","app_auth_token":"t"}`)
		packet := s.Coupon(s.Packet("C1", ""))
		app := s.Alipay.AppID()
		want := []alirefund.Order{
			{App: app, Kind: store.Trade, OutTradeNo: shoptest.Order},
			{App: app, Kind: store.Trade, OutTradeNo: shoptest.Order},
			{App: app, Kind: store.Trade, Merchant: "m", OutTradeNo: shoptest.Order},
			{App: app, Kind: store.Coupon, AuthNo: packet.Str("auth_no")},
		}
		if !slices.Equal(asked, want) {
			t.Errorf("asked for %+v", asked)
		}
	})
}

// A ledger that does not say whether the refund is known: nothing is sent.
func TestLimitWithoutALedger(t *testing.T) {
	s := shoptest.NewShop(t, shoptest.Total(88_88))
	s.Trade()
	s.Down(time.Minute, "Get")
	if r := s.Refund(shoptest.Partly); r.Status != 503 || r.Str("code") != "nothing_sent" || len(s.Alipay.Calls()) != 0 {
		t.Errorf("%d %s", r.Status, r.Text)
	}
}

// A refund whose send could not be recorded was not sent, and reserves nothing.
func TestReservationOfNothingIsFreed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t, shoptest.Total(88_88))
		s.Trade()
		s.Apart()
		s.FailAt("Sending", 1)
		if r := s.Refund(shoptest.Numbered("R1", "80.00")); r.Status != 503 || r.Str("code") != "nothing_sent" {
			t.Errorf("%d %s", r.Status, r.Text)
		}
		s.Expect(s.Refund(shoptest.Numbered("R2", "80.00")), 200, "succeeded")
		s.ExpectMoved("R2=80.00")
	})
}

// A store that did what it was asked for, and could not say so, is asked for the same
// again: what it recorded is sent, once, and nothing else.
func TestRecordThatIsNotAnswered(t *testing.T) {
	for _, method := range []string{"Open", "Sending"} {
		synctest.Test(t, func(t *testing.T) {
			s := shoptest.NewShop(t, shoptest.Total(88_88))
			s.Trade()
			if method == "Sending" {
				s.Apart()
			}
			s.Around((&shoptest.Outage{Only: method, At: 1, After: true}).Around)
			r := s.Refund(shoptest.Partly)
			s.Expect(r, 200, "succeeded")
			if strings.Contains(r.Text, `"repeated":true`) {
				t.Error("it calls itself repeated")
			}
			s.ExpectMoved("R1=8.88")
			s.ExpectTold("refund_succeeded")
		})
	}
}

// If it does not say so for longer, nobody knows whether the refund is recorded, and
// "nothing was sent" might become a lie: what is recorded is sent in the end.
func TestRecordThatNobodyKnowsOf(t *testing.T) {
	for _, method := range []string{"Open", "Sending"} {
		synctest.Test(t, func(t *testing.T) {
			s := shoptest.NewShop(t, shoptest.Total(88_88))
			s.Trade()
			if method == "Sending" {
				s.Apart()
			}
			s.Around((&shoptest.Outage{Only: method, At: 1, After: true, Lasts: 10 * time.Second}).Around)
			if r := s.Refund(shoptest.Partly); r.Status != 503 || r.Str("code") != "store_failed" {
				t.Errorf("%s: %d %s", method, r.Status, r.Text)
			}
			s.ExpectMoved("")
			stop := s.Run()
			time.Sleep(10 * time.Minute)
			stop()
			s.ExpectMoved("R1=8.88")
			s.ExpectTold("refund_succeeded")
			s.Expect(s.Refund(shoptest.Partly), 200, "succeeded")
			s.ExpectMoved("R1=8.88")
		})
	}
}

// The same after a send that nobody answered: the refund is unresolved, and
// "nothing was sent" would be a lie.
func TestNothingSentIsNotSaidAfterASend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t, shoptest.Total(88_88))
		s.Trade()
		s.FailAt("Sending", 1)
		s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest})
		s.Expect(s.Refund(shoptest.Partly), 202, "pending")
		time.Sleep(time.Minute)
		s.Expect(s.Refund(shoptest.Partly), 202, "pending")
		if r := s.Refund(shoptest.Numbered("R2", "88.88")); r.Str("code") != "exceeds_order" {
			t.Errorf("the unresolved refund reserves nothing: %d %s", r.Status, r.Text)
		}
		s.Expect(s.Refund(shoptest.Partly), 200, "succeeded")
		s.ExpectTold("refund_succeeded")
	})
}

// A refund that is known needs no reservation; it fails, and another takes what
// that freed, before it is opened again. Then it needs one.
func TestLimitOfARefundThatFailsMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t, shoptest.Total(88_88))
		s.Alipay.AddTrade(alipaytest.Trade{OutTradeNo: shoptest.Order, Total: 1000_00}) // Alipay would allow far more
		memory := s.Config.Store
		ctx := t.Context()
		first := store.Refund{
			Kind: store.Trade, App: s.Config.App.ID, OutTradeNo: shoptest.Order, OutRequestNo: "R1", Amount: 80_00,
			State: store.Pending, Origin: store.FromRequest,
			Request: `{"out_trade_no":"6823789339978248","refund_amount":"80.00","out_request_no":"R1"}`,
		}.Identify()
		if _, _, err := memory.Open(ctx, first, store.Limit{Total: 88_88, Known: true}, nil); err != nil {
			t.Fatal(err)
		}
		send, err := memory.Sending(ctx, first.ID, store.Permission{Lease: time.Minute}) // another process is at it
		if err != nil {
			t.Fatal(err)
		}
		fails := func() { // the other process: the first fails, and another takes what that freed
			if r, _, err := memory.Settle(ctx, first.ID, store.Settlement{
				Source: store.ByAnswer, Attempt: send.Number, Token: send.Token,
				Finding: store.Refusal, Retryable: true, Code: "40004", SubCode: "ACQ.SELLER_BALANCE_NOT_ENOUGH",
			}); err != nil || !r.CanReopen() {
				t.Errorf("%+v, %v", r, err)
			}
			s.Expect(s.Refund(shoptest.Numbered("R2", "80.00")), 200, "succeeded")
		}
		var once atomic.Bool
		s.Around(func(_ context.Context, c shoptest.Call, call func() error) error {
			defer func() {
				if c.Name == "Get" && once.CompareAndSwap(false, true) {
					fails()
				}
			}()
			return call()
		})
		if r := s.Refund(shoptest.Numbered("R1", "80.00")); r.Str("code") != "exceeds_order" || !strings.Contains(r.Str("detail"), "8.88") {
			t.Errorf("%d %s", r.Status, r.Text)
		}
		var sum money.Amount
		for _, m := range s.Alipay.Movements() {
			sum += m.Amount
		}
		if sum != 80_00 {
			t.Errorf("%s moved of an order of 88.88: %s", sum, s.Moved())
		}
	})
}

func TestHeadless(t *testing.T) { synctest.Test(t, inHeadless) }

func inHeadless(t *testing.T) {
	s := shoptest.NewShop(t)
	s.Trade()
	ctx := t.Context()
	var invalid *alirefund.ValidationError
	if _, err := s.Module.Refund(ctx, alirefund.RefundRequest{}); !errors.As(err, &invalid) || len(invalid.Fields) != 2 {
		t.Errorf("%v", err)
	}
	result, err := s.Module.Refund(ctx, alirefund.RefundRequest{OutTradeNo: shoptest.Order, RefundAmount: 1_00, OutRequestNo: "R1", Actor: "cron"})
	if err != nil || result.Refund.State != store.Succeeded || !result.Delivered || result.Repeated || result.Refund.Actor != "cron" {
		t.Fatalf("%+v, %v", result, err)
	}
	var conflict *alirefund.ConflictError
	if _, err = s.Module.Refund(ctx, alirefund.RefundRequest{OutTradeNo: shoptest.Order, RefundAmount: 2_00, OutRequestNo: "R1"}); !errors.As(err, &conflict) || conflict.Refund.ID != result.Refund.ID {
		t.Errorf("%v", err)
	}
	s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "ACQ.BUYER_NOT_EXIST"})
	var refused *alirefund.RefusedError
	if _, err = s.Module.Refund(ctx, alirefund.RefundRequest{OutTradeNo: shoptest.Order, RefundAmount: 2_00, OutRequestNo: "R2"}); !errors.As(err, &refused) || refused.Refund.SubCode != "ACQ.BUYER_NOT_EXIST" {
		t.Errorf("%v", err)
	}
	s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest})
	var unresolved *alirefund.UnresolvedError
	if _, err = s.Module.Refund(ctx, alirefund.RefundRequest{OutTradeNo: shoptest.Order, RefundAmount: 3_00, OutRequestNo: "R3"}); !errors.Is(err, alirefund.ErrUnresolved) || !errors.As(err, &unresolved) {
		t.Errorf("%v", err)
	}
	s.Alipay.Refuse(true)
	if _, err = s.Module.Refund(ctx, alirefund.RefundRequest{OutTradeNo: shoptest.Order, RefundAmount: 3_00, OutRequestNo: "R4"}); !errors.Is(err, alirefund.ErrNothingSent) {
		t.Errorf("%v", err)
	}
	s.Alipay.Refuse(false)
	p := s.Alipay.AddRedPacket(alipaytest.RedPacket{})
	if result, err = s.Module.CouponRefund(ctx, alirefund.CouponRefundRequest{AuthNo: p.AuthNo, OutRequestNo: "C1", Amount: 1, Remark: "r"}); err != nil || result.Refund.OperationID == "" {
		t.Errorf("%+v, %v", result, err)
	}
	if _, err = s.Module.Get(ctx, "rf_x"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("%v", err)
	}
	s.ExpectTold("refund_succeeded refund_failed refund_succeeded")
}

func TestRefundSucceeds(t *testing.T) {
	s := shoptest.NewShop(t)
	s.Trade()
	r := s.Refund(`{"out_trade_no":"6823789339978248","refund_amount":"8.88","out_request_no":"R1","refund_reason":"质量问题"}`)
	s.Expect(r, http.StatusOK, "succeeded")
	if r.Body["delivered"] != true || r.Body["repeated"] != false || r.Str("amount") != "8.88" || r.Str("kind") != "trade" {
		t.Errorf("answer: %s", r.Text)
	}
	if node, _ := r.Body["alipay"].(map[string]any); node["fund_change"] != "Y" {
		t.Errorf("Alipay's node is not in the answer: %s", r.Text)
	}
	if got := string(s.Last().Source); got != "answer" {
		t.Errorf("source %q", got)
	}

	again := s.Refund(`{"refundAmount":8.88,"outTradeNo":"6823789339978248","out_request_no":"R1","refund_reason":"质量问题"}`)
	s.Expect(again, http.StatusOK, "succeeded")
	if again.Body["repeated"] != true || again.Body["delivered"] != true || again.Str("id") != r.Str("id") {
		t.Errorf("the repeat is not the same refund: %s", again.Text)
	}
	if n := s.Alipay.Deliver(t.Context()); n != 1 || !s.Alipay.Notices()[0].Acknowledged {
		t.Errorf("%d notices, want 1, acknowledged: %+v", n, s.Alipay.Notices()[0].Deliveries)
	}
	s.ExpectTold("refund_succeeded")
	s.ExpectMoved("R1=8.88")
	if n := s.Calls(gateway.MethodTradeRefund); n != 1 {
		t.Errorf("the refund was sent %d times", n)
	}

	g := s.Get(r.Str("id"))
	s.Expect(g, http.StatusOK, "succeeded")
	if history, _ := g.Body["history"].([]any); g.Str("actor") != "staff" || len(history) < 4 {
		t.Errorf("record: %s", g.Text)
	}
	if r := s.Get("rf_unknown"); r.Status != http.StatusNotFound || r.Str("code") != "not_found" {
		t.Errorf("an unknown id answers %d %s", r.Status, r.Text)
	}
}

// A process that forgot everything refunds again under the number that Alipay
// knows: the money stays where it is, and the query tells the truth.
func TestAnEmptyStoreStillRefundsOnce(t *testing.T) {
	s := shoptest.NewShop(t)
	s.Trade()
	s.Expect(s.Refund(shoptest.Partly), 200, "succeeded")
	s.Config.Store = store.NewMemory()
	s.Restart()
	r := s.Refund(shoptest.Partly)
	s.Expect(r, 200, "succeeded")
	if r.Str("source") != "query" {
		t.Errorf("fund_change=N settled by %q, want the query", r.Str("source"))
	}
	s.ExpectMoved("R1=8.88")
}

func TestOtherContentUnderTheSameNumber(t *testing.T) {
	s := shoptest.NewShop(t)
	s.Trade()
	s.Expect(s.Refund(shoptest.Partly), 200, "succeeded")
	for body, want := range map[string]string{
		`{"out_trade_no":"6823789339978248","refund_amount":"8.89","out_request_no":"R1"}`:                      "/refund_amount",
		`{"out_trade_no":"6823789339978248","refund_amount":"8.88","out_request_no":"R1","refund_reason":"其他"}`: "/refund_reason",
	} {
		r := s.Refund(body)
		if r.Status != 409 || r.Str("code") != "number_conflict" || r.Pointers() != want || r.Str("amount") != "8.88" {
			t.Errorf("%s: %d %s", body, r.Status, r.Text)
		}
	}
	p, q := s.Alipay.AddRedPacket(alipaytest.RedPacket{}), s.Alipay.AddRedPacket(alipaytest.RedPacket{})
	coupon := `{"auth_no":%q,"out_request_no":"C1","amount":1,"remark":"r"}`
	s.Expect(s.Coupon(fmt.Sprintf(coupon, p.AuthNo)), 200, "succeeded")
	if r := s.Coupon(fmt.Sprintf(coupon, q.AuthNo)); r.Status != 409 || r.Pointers() != "/auth_no" {
		t.Errorf("another red packet under the number: %d %s", r.Status, r.Text)
	}
	s.ExpectMoved("R1=8.88 C1=1.00")
}

// Numbers are compared by their bytes: what looks alike is another refund.
func TestNumbersDoNotCollide(t *testing.T) { synctest.Test(t, inNumbersDoNotCollide) }

func inNumbersDoNotCollide(t *testing.T) {
	s := shoptest.NewShop(t)
	for _, order := range []string{"A", "A_B", "a", "A:B"} {
		s.Alipay.AddTrade(alipaytest.Trade{OutTradeNo: order, Total: 10_00})
	}
	for _, c := range [][2]string{{"A", "B_C"}, {"A_B", "C"}, {"a", "B_C"}, {"A", "b_c"}, {"A:B", "C"}, {"A", "B:C"}, {"A", "B_C0"}} {
		r := s.Refund(fmt.Sprintf(`{"out_trade_no":%q,"out_request_no":%q,"refund_amount":1}`, c[0], c[1]))
		s.Expect(r, 200, "succeeded")
		if r.Body["repeated"] != false {
			t.Errorf("%q is taken for another refund", c)
		}
	}
}

// The reservation: however many refunds of an order run at once, with whatever
// comes of them, they never exceed its total.
func TestConcurrentRefundsStayWithinTheTotal(t *testing.T) {
	synctest.Test(t, inConcurrentRefundsStayWithinTheTotal)
}

func inConcurrentRefundsStayWithinTheTotal(t *testing.T) {
	s := shoptest.NewShop(t, shoptest.Total(88_88), func(c *alirefund.Config) { c.Times.Timeout = time.Minute }) // they keep their distance
	s.Alipay.AddTrade(alipaytest.Trade{OutTradeNo: shoptest.Order, Total: 1000_00})                              // Alipay would allow far more
	var wg sync.WaitGroup
	status := make([]int, 64)
	for i := range status {
		wg.Go(func() {
			status[i] = s.Refund(fmt.Sprintf(`{"out_trade_no":%q,"refund_amount":"10.00","out_request_no":"R%d"}`, shoptest.Order, i)).Status
		})
	}
	wg.Wait()
	count := map[int]int{}
	for _, code := range status {
		count[code]++
	}
	if count[200] != 8 || count[422] != 56 {
		t.Errorf("answers by status: %v, want 8 of 200 and 56 of 422", count)
	}
	if n := len(s.Alipay.Movements()); n != 8 {
		t.Errorf("money moved %d times, want 8", n)
	}
	r := s.Refund(fmt.Sprintf(`{"out_trade_no":%q,"refund_amount":"8.89","out_request_no":"last"}`, shoptest.Order))
	if r.Status != 422 || r.Str("code") != "exceeds_order" || !strings.Contains(r.Str("detail"), "8.88") {
		t.Errorf("one fen too much: %d %s", r.Status, r.Text)
	}
	s.Expect(s.Refund(fmt.Sprintf(`{"out_trade_no":%q,"refund_amount":"8.88","out_request_no":"last"}`, shoptest.Order)), 200, "succeeded")
}

func TestUnresolvedRefundsKeepTheirReservation(t *testing.T) {
	synctest.Test(t, inUnresolvedRefundsKeepTheirReservation)
}

func inUnresolvedRefundsKeepTheirReservation(t *testing.T) {
	s := shoptest.NewShop(t, shoptest.Total(88_88))
	s.Trade()
	s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest})
	s.Expect(s.Refund(`{"out_trade_no":"6823789339978248","refund_amount":"80.00","out_request_no":"R1"}`), 202, "pending")
	if r := s.Refund(`{"out_trade_no":"6823789339978248","refund_amount":"80.00","out_request_no":"R2"}`); r.Str("code") != "exceeds_order" {
		t.Errorf("%d %s", r.Status, r.Text)
	}
	s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "ACQ.BUYER_NOT_EXIST"})
	if r := s.Refund(`{"out_trade_no":"6823789339978248","refund_amount":"8.88","out_request_no":"R3"}`); r.Str("code") != "alipay_refused" {
		t.Errorf("%d %s", r.Status, r.Text)
	}
	// The failure frees what it had reserved.
	s.Expect(s.Refund(`{"out_trade_no":"6823789339978248","refund_amount":"8.88","out_request_no":"R4"}`), 200, "succeeded")
}

// 64 clients with the same request: one send, one callback.
func TestTheSameRequestAtOnce(t *testing.T) {
	s := shoptest.NewShop(t)
	s.Trade()
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			if r := s.Refund(shoptest.Partly); r.Status != 200 && r.Status != 202 {
				t.Errorf("%d %s", r.Status, r.Text)
			}
		})
	}
	wg.Wait()
	s.ExpectMoved("R1=8.88")
	s.ExpectTold("refund_succeeded")
	if n := s.Calls(gateway.MethodTradeRefund); n != 1 {
		t.Errorf("sent %d times", n)
	}
}

// An answer to another refund proves nothing, however well it is signed.
func TestAnswerToAnotherRefund(t *testing.T) {
	s := shoptest.NewShop(t)
	s.Trade()
	s.Alipay.AddTrade(alipaytest.Trade{OutTradeNo: "other", Total: 10_00})
	s.Config.HTTPClient = &http.Client{Transport: redirecting{s.Alipay.HTTPClient().Transport, s}}
	s.Restart()
	r := s.Refund(shoptest.Partly)
	s.Expect(r, 202, "pending")
	if !strings.Contains(r.Str("attention"), "another refund") {
		t.Errorf("attention %q", r.Str("attention"))
	}
	s.ExpectTold("refund_unresolved")
}

// redirecting gives the answer to a refund of another order.
type redirecting struct {
	http.RoundTripper
	s *shoptest.Shop
}

func (r redirecting) RoundTrip(request *http.Request) (*http.Response, error) {
	if shoptest.MethodOf(request) != gateway.MethodTradeRefund {
		return r.RoundTripper.RoundTrip(request)
	}
	other := request
	client, err := gateway.New(gateway.Config{
		AppID: r.s.Config.App.ID, Signer: r.s.Config.App.Signer, Verifier: r.s.Config.App.Verifier,
		URL: alipaytest.GatewayURL, Protocol: r.s.Config.Protocol, HTTP: &http.Client{Transport: capture{r.RoundTripper, &other}},
	})
	if err != nil {
		return nil, err
	}
	_, _ = client.RefundTrade(context.Background(), gateway.TradeRefund{OutTradeNo: "other", OutRequestNo: "X", RefundAmount: 1}, gateway.Options{})
	return r.RoundTripper.RoundTrip(other.Clone(request.Context()))
}

// capture keeps the request that it was given, and sends nothing.
type capture struct {
	http.RoundTripper
	into **http.Request
}

func (c capture) RoundTrip(request *http.Request) (*http.Response, error) {
	*c.into = request
	return nil, errors.New("captured")
}

func TestClientThatHangsUp(t *testing.T) {
	s := shoptest.NewShop(t)
	s.Trade()
	ctx, cancel := context.WithCancel(t.Context())
	s.Config.HTTPClient = &http.Client{Transport: before{s.Alipay.HTTPClient().Transport, cancel}}
	s.Restart()
	result, err := s.Module.Refund(ctx, alirefund.RefundRequest{OutTradeNo: shoptest.Order, RefundAmount: 8_88, OutRequestNo: "R1"})
	if err != nil || result.Refund.State != store.Succeeded || !result.Delivered {
		t.Fatalf("%+v, %v", result, err)
	}
	s.ExpectTold("refund_succeeded")
}

// before calls f before each request.
type before struct {
	http.RoundTripper
	f func()
}

func (b before) RoundTrip(r *http.Request) (*http.Response, error) {
	b.f()
	return b.RoundTripper.RoundTrip(r)
}

// Two processes share a store; one died between recording the send and its
// answer. Its lease holds everybody else off, then the refund is asked about.
func TestASendThatNobodyAnswersFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		s.Trade()
		var died atomic.Bool
		died.Store(true)
		s.Around(func(_ context.Context, c shoptest.Call, call func() error) error {
			if c.Name == "Settle" && died.Load() {
				return shoptest.ErrStoreDown
			}
			return call()
		})
		r := s.Refund(shoptest.Partly) // executed, and its outcome never recorded
		s.Expect(r, 202, "pending")
		died.Store(false)
		calls := len(s.Alipay.Calls())
		second := s.Refund(shoptest.Partly)
		s.Expect(second, 202, "pending") // the lease still runs
		if n := len(s.Alipay.Calls()) - calls; n != 0 || second.Body["in_progress"] != true {
			t.Errorf("%d calls while the lease runs: %s", n, second.Text)
		}
		time.Sleep(3 * time.Minute)
		s.Expect(s.Get(r.Str("id")), 200, "succeeded")
		s.ExpectTold("refund_succeeded")
		s.ExpectMoved("R1=8.88")
	})
}

func TestStoreThatIsDownSendsNothing(t *testing.T) {
	s := shoptest.NewShop(t)
	s.Trade()
	s.FailAt("Open", 1)
	r := s.Refund(shoptest.Partly)
	if r.Status != 503 || r.Str("code") != "nothing_sent" || r.Header.Get("Retry-After") == "" {
		t.Errorf("%d %s", r.Status, r.Text)
	}
	if strings.Contains(r.Text, "database lost") {
		t.Errorf("the store's error is shown to the caller: %s", r.Text)
	}
	if n := len(s.Alipay.Calls()); n != 0 {
		t.Errorf("%d calls were made", n)
	}
}

func TestOrderTotalThatFailsSendsNothing(t *testing.T) {
	s := shoptest.NewShop(t, func(c *alirefund.Config) {
		c.OrderTotal = func(context.Context, alirefund.Order) (money.Amount, bool, error) { return 0, false, shoptest.ErrHost }
	})
	s.Trade()
	if r := s.Refund(shoptest.Partly); r.Status != 503 || r.Str("code") != "nothing_sent" {
		t.Errorf("%d %s", r.Status, r.Text)
	}
	if n := len(s.Alipay.Calls()); n != 0 {
		t.Errorf("%d calls were made", n)
	}
}
