package alipaytest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund/alipaytest"
)

func TestCallFaults(t *testing.T) {
	const yes, no = true, false
	tests := []struct {
		fault                                alipaytest.Fault
		executed, answered, signed, verified bool
		code, subCode                        string
	}{
		{alipaytest.Fault{Kind: alipaytest.LostAnswer}, yes, no, no, no, "", ""},
		{alipaytest.Fault{Kind: alipaytest.LostRequest}, no, no, no, no, "", ""},
		{alipaytest.Fault{Kind: alipaytest.LateRequest}, no, no, no, no, "", ""},
		{alipaytest.Fault{Kind: alipaytest.SystemErrorBefore}, no, yes, yes, yes, "40004", "ACQ.SYSTEM_ERROR"},
		{alipaytest.Fault{Kind: alipaytest.SystemErrorAfter}, yes, yes, yes, yes, "40004", "ACQ.SYSTEM_ERROR"},
		{alipaytest.Fault{Kind: alipaytest.SystemErrorAfter, SubCode: "isp.unknow-error"}, yes, yes, yes, yes, "20000", "isp.unknow-error"},
		{alipaytest.Fault{Kind: alipaytest.SystemErrorBefore, SubCode: "aop.unknow-error"}, no, yes, yes, yes, "20000", "aop.unknow-error"},
		{alipaytest.Fault{Kind: alipaytest.WrongSignature}, yes, yes, yes, no, "10000", ""},
		{alipaytest.Fault{Kind: alipaytest.NoSignature}, yes, yes, no, no, "10000", ""},
		{alipaytest.Fault{Kind: alipaytest.Slow}, yes, yes, yes, yes, "10000", ""},
		{alipaytest.Fault{Kind: alipaytest.LooseTypes}, yes, yes, yes, yes, "10000", ""},
		{alipaytest.Fault{Kind: alipaytest.GatewayError}, no, yes, no, no, "40002", "isv.invalid-app-id"},
		{alipaytest.Fault{Kind: alipaytest.HTTP500}, no, yes, no, no, "", ""},
		{alipaytest.Fault{Kind: alipaytest.Refused}, no, no, no, no, "", ""},
		{alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "ACQ.REASON_TRADE_BEEN_FREEZEN"}, no, yes, yes, yes, "40004", "ACQ.REASON_TRADE_BEEN_FREEZEN"},
		{alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "aop.invalid-auth-token"}, no, yes, yes, yes, "20001", "aop.invalid-auth-token"},
	}
	for _, tt := range tests {
		t.Run(tt.fault.Kind.String()+" "+tt.fault.SubCode, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, c, _ := setup(t)
				a.Inject(tt.fault)
				got, err := c.try(refund, refundBiz("4.00", "R1"))
				if (err == nil) != tt.answered {
					t.Fatalf("answered %q, error %v", got.body, err)
				}
				if executed := len(a.Movements()) == 1; executed != tt.executed {
					t.Errorf("executed: %v", executed)
				}
				if got.signed != tt.signed || got.verified != tt.verified {
					t.Errorf("signed %v, verified %v", got.signed, got.verified)
				}
				c.expect(got, map[string]string{"code": tt.code, "sub_code": tt.subCode})
				if refused := errors.Is(err, syscall.ECONNREFUSED); refused != (tt.fault.Kind == alipaytest.Refused) || refused != (len(a.Calls()) == 0) {
					t.Errorf("%v, and %d calls arrived", err, len(a.Calls()))
				}
				if wantStatus := map[bool]int{true: 500, false: 200}[tt.fault.Kind == alipaytest.HTTP500]; tt.answered && got.status != wantStatus {
					t.Errorf("status %d", got.status)
				}

				// It befell one call. The next is the repeat of what was executed, or
				// the first; either way money moves once.
				change := map[bool]string{true: "N", false: "Y"}[tt.executed]
				c.expect(c.call(refund, refundBiz("4.00", "R1")), map[string]string{"fund_change": change})
				if got := a.Movements(); len(got) != 1 {
					t.Errorf("movements: %+v", got)
				}
			})
		})
	}
}

func TestCouponSystemError(t *testing.T) {
	a, c, _ := setup(t)
	a.Inject(alipaytest.Fault{Kind: alipaytest.SystemErrorAfter})
	c.refused(c.call(couponRefund, couponBiz("P1", "R1", `2.00`)), "40004", "SYSTEM_ERROR")
	c.refused(c.call(couponRefund, couponBiz("P1", "R1", `2.00`)), "40004", "UNIQUE_VIOLATION")
	c.expect(c.call(couponOperation, `{"out_order_no":"O1","out_request_no":"R1"}`), map[string]string{"status": "SUCCESS"})
}

// A late request is executed after the next call was answered, whichever that
// is: a question in between finds nothing, a second one finds it.
func TestLateRequest(t *testing.T) {
	a, c, _ := setup(t)
	a.Inject(alipaytest.Fault{Kind: alipaytest.LateRequest})
	if got, err := c.try(refund, refundBiz("4.00", "R1")); err == nil {
		t.Fatalf("answered %s", got.body)
	}
	const ask = `{"out_trade_no":"A1","out_request_no":"R1"}`
	c.expect(c.call(refundQuery, ask), map[string]string{"code": "10000", "refund_status": ""})
	if got := a.Movements(); len(got) != 1 {
		t.Errorf("movements: %+v", got)
	}
	c.expect(c.call(refundQuery, ask), map[string]string{"code": "10000", "refund_status": "REFUND_SUCCESS"})
	a.Deliver(t.Context())
	if got := a.Notices(); len(got) != 1 || got[0].Params["out_biz_no"] != "R1" {
		t.Errorf("notices: %+v", got)
	}
}

// The late request of a number that was sent again meanwhile moves nothing.
// A request that was under way for twenty minutes, older than any that is accepted.
func TestLateRequestAfterAWhile(t *testing.T) {
	a, c, _ := setup(t)
	a.Inject(alipaytest.Fault{Kind: alipaytest.LateRequest, Delay: 20 * time.Minute})
	if got, err := c.try(refund, refundBiz("4.00", "R1")); err == nil {
		t.Fatalf("answered %s", got.body)
	}
	const ask = `{"out_trade_no":"A1","out_request_no":"R1"}`
	c.expect(c.call(refundQuery, ask), map[string]string{"code": "10000", "refund_status": ""})
	a.Advance(19 * time.Minute)
	if got := a.Movements(); len(got) != 0 {
		t.Errorf("too early: %+v", got)
	}
	a.Advance(time.Minute)
	if got := a.Movements(); len(got) != 1 {
		t.Errorf("movements: %+v", got)
	}
	if got := a.Notices(); len(got) != 1 || len(got[0].Deliveries) != 1 {
		t.Errorf("notices: %+v", got)
	}
}

func TestLateRequestAfterRepeat(t *testing.T) {
	a, c, _ := setup(t)
	a.Inject(alipaytest.Fault{Kind: alipaytest.LateRequest})
	if got, err := c.try(couponRefund, couponBiz("P1", "R1", `2.00`)); err == nil {
		t.Fatalf("answered %s", got.body)
	}
	c.expect(c.call(couponRefund, couponBiz("P1", "R1", `2.00`)), map[string]string{"status": "SUCCESS"})
	if got := a.Movements(); len(got) != 1 {
		t.Errorf("movements: %+v", got)
	}
}

func TestSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, c, _ := setup(t)
		a.Inject(alipaytest.Fault{Kind: alipaytest.Slow, Delay: time.Minute})
		start := time.Now()
		done := make(chan time.Duration)
		go func() {
			c.call(refund, refundBiz("4.00", "R1"))
			done <- time.Since(start)
		}()
		synctest.Wait()
		// Meanwhile the fake serves others, and the money has moved.
		c.expect(c.call(refundQuery, `{"out_trade_no":"A1","out_request_no":"R1"}`), map[string]string{"refund_status": "REFUND_SUCCESS"})
		if took := time.Since(start); took != 0 {
			t.Errorf("another call waited %v", took)
		}
		if took := <-done; took != time.Minute {
			t.Errorf("the slow call took %v", took)
		}
		// A client that has enough of it.
		a.Inject(alipaytest.Fault{Kind: alipaytest.Slow, Delay: time.Hour})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := c.do(c.request(c.parameters(refund, refundBiz("1.00", "R2"))).WithContext(ctx))
		if !errors.Is(err, context.DeadlineExceeded) || len(a.Movements()) != 2 {
			t.Errorf("%v, movements: %+v", err, a.Movements())
		}
	})
}

func TestLooseTypes(t *testing.T) {
	a, c, _ := setup(t)
	a.Inject(alipaytest.Fault{Kind: alipaytest.LooseTypes})
	got := c.call(refund, refundBiz("4.50", "R1"))
	for key, want := range map[string]string{
		"refund_fee": `4.50`, "refund_detail_item_list": `{"amount":4.50,"fund_channel":"ALIPAYACCOUNT"}`, "out_trade_no": `"A1"`,
	} {
		if raw := string(got.node[key]); raw != want {
			t.Errorf("%s is %s, want %s", key, raw, want)
		}
	}
	strict := c.call(refund, refundBiz("4.50", "R1"))
	for key, want := range map[string]string{
		"refund_fee": `"4.50"`, "refund_detail_item_list": `[{"amount":"4.50","fund_channel":"ALIPAYACCOUNT"}]`,
	} {
		if raw := string(strict.node[key]); raw != want {
			t.Errorf("%s is %s, want %s", key, raw, want)
		}
	}
}

// Faults wait for the call that they are meant for, and come in their order.
func TestFaultsMatch(t *testing.T) {
	a, c, _ := setup(t)
	a.Inject(
		alipaytest.Fault{Kind: alipaytest.HTTP500, Method: refundQuery},
		alipaytest.Fault{Kind: alipaytest.SystemErrorBefore, Method: couponRefund},
		alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "ACQ.FIRST"},
		alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "ACQ.SECOND"},
	)
	c.expect(c.call(tradeQuery, `{"out_trade_no":"A1"}`), map[string]string{"code": "10000"}) // moves no money
	c.refused(c.call(refund, refundBiz("1.00", "R1")), "40004", "ACQ.FIRST")
	c.refused(c.call(couponRefund, couponBiz("P1", "R1", `2.00`)), "40004", "SYSTEM_ERROR")
	c.refused(c.call(couponRefund, couponBiz("P1", "R1", `2.00`)), "40004", "ACQ.SECOND")
	c.expect(c.call(couponRefund, couponBiz("P1", "R1", `2.00`)), map[string]string{"status": "SUCCESS"})
	if got, err := c.try(refundQuery, `{"out_trade_no":"A1","out_request_no":"R1"}`); err != nil || got.status != http.StatusInternalServerError {
		t.Errorf("%d, %v", got.status, err)
	}
	// A request that Alipay refuses uses no fault up.
	a.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer})
	r := c.request(c.parameters(refund, refundBiz("1.00", "R1")))
	setQuery("sign", "AAAA")(r)
	if _, err := c.do(r); err != nil {
		t.Error(err)
	}
	if _, err := c.try(refund, refundBiz("1.00", "R1")); err == nil {
		t.Error("the fault was used up by a refused request")
	}
}

func TestInjectUnknownKind(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("it must panic")
		}
	}()
	alipaytest.New(alipaytest.Config{}).Inject(alipaytest.Fault{})
}

// ids are the notify_ids that came.
func (h *host) ids() (ids []string) {
	for _, got := range h.got {
		ids = append(ids, got.form.Get("notify_id"))
	}
	return ids
}

// noticeFaults play with one refund, of trade A1 under the number R1, and say what
// the host got: who was named, and after how long.
var noticeFaults = map[string]struct {
	fault alipaytest.Fault
	check func(*alipaytest.Alipay, *client, *host)
}{
	"twice": {alipaytest.Fault{Kind: alipaytest.NoticeTwice}, func(a *alipaytest.Alipay, _ *client, h *host) {
		posts := a.Deliver(h.t.Context())
		if got := h.ids(); posts != 2 || len(got) != 2 || got[0] != got[1] {
			h.t.Errorf("%d posts: %v", posts, got)
		}
		if n := a.Notices(); len(n) != 1 || !n[0].Acknowledged || len(n[0].Deliveries) != 2 || n[0].Fault != alipaytest.NoticeTwice {
			h.t.Errorf("%+v", n)
		}
	}},
	"twice, new id": {alipaytest.Fault{Kind: alipaytest.NoticeTwiceNewID}, func(a *alipaytest.Alipay, _ *client, h *host) {
		posts := a.Deliver(h.t.Context())
		if got := h.ids(); posts != 2 || len(got) != 2 || got[0] == got[1] {
			h.t.Errorf("%d posts: %v", posts, got)
		}
		h.expect(1, map[string]string{"out_biz_no": "R1"})
	}},
	"late": {alipaytest.Fault{Kind: alipaytest.NoticeLate, Delay: 20 * time.Minute}, func(a *alipaytest.Alipay, _ *client, h *host) {
		a.Advance(20*time.Minute - 1)
		if len(h.got) != 0 {
			h.t.Error("too early")
		}
		a.Advance(1)
		h.expect(0, map[string]string{"out_biz_no": "R1", "notify_time": "2000-01-01 08:20:00", "gmt_refund": "2000-01-01 08:00:00.000"})
	}},
	"out of order": {alipaytest.Fault{Kind: alipaytest.NoticeOutOfOrder}, func(a *alipaytest.Alipay, c *client, h *host) {
		a.Deliver(h.t.Context())
		if len(h.got) != 0 {
			h.t.Error("it did not wait for the next")
		}
		c.call(refund, refundBiz("1.00", "R2"))
		a.Deliver(h.t.Context())
		h.expect(0, map[string]string{"out_biz_no": "R2", "refund_fee": "5.00"})
		h.expect(1, map[string]string{"out_biz_no": "R1", "refund_fee": "4.00"})
	}},
	"out of order, without another": {alipaytest.Fault{Kind: alipaytest.NoticeOutOfOrder}, func(a *alipaytest.Alipay, _ *client, h *host) {
		a.Advance(time.Hour)
		h.expect(0, map[string]string{"out_biz_no": "R1"})
	}},
	"nulls": {alipaytest.Fault{Kind: alipaytest.NoticeNulls}, func(a *alipaytest.Alipay, _ *client, h *host) {
		a.Deliver(h.t.Context())
		h.expect(0, map[string]string{
			"out_biz_no": "null", "gmt_refund": "null", "buyer_id": "null",
			"out_trade_no": "A1", "refund_fee": "4.00", "trade_status": "TRADE_SUCCESS", "app_id": a.AppID(), "charset": "UTF-8",
		})
	}},
	"GBK": {alipaytest.Fault{Kind: alipaytest.NoticeGBK}, func(a *alipaytest.Alipay, _ *client, h *host) {
		a.Deliver(h.t.Context())
		h.expect(0, map[string]string{"charset": "GBK", "subject": "测试订单"}) // the host decodes it
		if !strings.Contains(h.got[0].body, "subject=%B2%E2%CA%D4%B6%A9%B5%A5") {
			h.t.Errorf("not in GBK: %s", h.got[0].body)
		}
	}},
	"of another app": {alipaytest.Fault{Kind: alipaytest.NoticeForeign}, func(a *alipaytest.Alipay, _ *client, h *host) {
		a.Deliver(h.t.Context())
		h.expect(0, map[string]string{"out_biz_no": "R1", "seller_id": a.SellerID()})
		if got := h.got[0].form; got.Get("app_id") == a.AppID() || got.Get("auth_app_id") == a.AppID() {
			h.t.Error("the first is not of another app")
		}
		h.expect(1, map[string]string{"out_biz_no": "R1", "app_id": a.AppID()})
	}},
}

func TestNoticeFaults(t *testing.T) {
	for name, play := range noticeFaults {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, c, h := setup(t)
				a.Inject(play.fault)
				c.call(refund, refundBiz("4.00", "R1"))
				play.check(a, c, h)
			})
		})
	}
}

// A notice that comes before its call is answered.
func TestEarlyNotice(t *testing.T) {
	t.Run("early", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a, c, h := setup(t)
			a.Inject(alipaytest.Fault{Kind: alipaytest.NoticeEarly})
			answered := true
			h.before = func() { answered = a.Calls()[0].Status != 0 }
			c.call(refund, refundBiz("4.00", "R1"))
			h.expect(0, map[string]string{"out_biz_no": "R1"})
			if answered {
				t.Error("the call was answered before its notice came")
			}
			if posts := a.Deliver(t.Context()); posts != 0 || len(h.got) != 1 {
				t.Errorf("%d more posts", posts)
			}
		})
	})
	t.Run("early, and not acknowledged", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a, c, h := setup(t)
			a.Inject(alipaytest.Fault{Kind: alipaytest.NoticeEarly}, alipaytest.Fault{Kind: alipaytest.LostAnswer})
			h.answer = func(n int) string { return []string{"fail", "success"}[n-1] }
			if _, err := c.try(refund, refundBiz("4.00", "R1")); err == nil {
				t.Error("both faults befall one call")
			}
			a.Advance(time.Hour)
			if len(h.got) != 2 {
				t.Errorf("%d notices", len(h.got))
			}
		})
	})
}

// The sample notice in Alipay's post on the interface.
func TestCouponNoticeWithNulls(t *testing.T) {
	a, c, h := setup(t)
	a.Inject(alipaytest.Fault{Kind: alipaytest.NoticeNulls, Method: couponRefund})
	params := c.parameters(couponRefund, couponBiz("P1", "R1", `2.00`))
	params["notify_url"] = "https://shop.test/refunded"
	if _, err := c.do(c.request(params)); err != nil {
		t.Fatal(err)
	}
	a.Deliver(t.Context())
	want := strings.Fields("notify_type notify_id notify_time sign_type sign auth_no out_order_no operation_id " +
		"out_request_no operation_type amount status gmt_create gmt_trans payer_logon_id payer_user_id")
	var keys []string
	for key := range h.got[0].form {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	slices.Sort(want)
	if !slices.Equal(keys, want) {
		t.Errorf("it has %v, want %v", keys, want)
	}
	h.expect(0, map[string]string{
		"operation_type": "REFUND", "amount": "2.00", "auth_no": "null", "out_request_no": "null",
		"operation_id": "null", "status": "null", "gmt_trans": "null",
	})
}

// The same seed makes the same mistakes.
func TestInjectRandomly(t *testing.T) {
	play := func(seed uint64, rate float64) (kinds []alipaytest.FaultKind) {
		synctest.Test(t, func(t *testing.T) {
			a := alipaytest.New(alipaytest.Config{})
			c := newClient(t, a)
			a.AddTrade(alipaytest.Trade{OutTradeNo: "A1", NotifyURL: "https://shop.test/"})
			a.HandleNotices(newHost(t, a))
			a.InjectRandomly(seed, rate)
			refused := 0
			for i := range 100 {
				_, err := c.try(refund, refundBiz("0.01", fmt.Sprint(i)))
				if errors.Is(err, syscall.ECONNREFUSED) {
					refused++
				}
			}
			for _, call := range a.Calls() {
				kinds = append(kinds, call.Fault)
			}
			for _, n := range a.Notices() {
				kinds = append(kinds, n.Fault)
			}
			for range refused {
				kinds = append(kinds, alipaytest.Refused)
			}
		})
		return kinds
	}
	first := play(1, 0.5)
	if !slices.Equal(first, play(1, 0.5)) {
		t.Error("the same seed, another play")
	}
	if slices.Equal(first, play(2, 0.5)) {
		t.Error("another seed, the same play")
	}
	seen := map[alipaytest.FaultKind]int{}
	for _, kind := range append(play(3, 0.9), play(4, 0.9)...) {
		seen[kind]++
	}
	for kind := alipaytest.LostAnswer; kind <= alipaytest.NoticeForeign; kind++ {
		if known := !strings.HasPrefix(kind.String(), "FaultKind("); known && kind != alipaytest.Refusal && seen[kind] == 0 {
			t.Errorf("%v never came in 200 calls", kind)
		}
	}
	if seen[alipaytest.Refusal] > 0 {
		t.Error("a refusal without a sub_code")
	}
	for _, kind := range play(5, 0) {
		if kind != 0 {
			t.Errorf("%v at rate 0", kind)
		}
	}
}

// What is in the books is true whatever went wrong: no number moves money twice,
// no trade gives more than it had.
func TestBooksUnderFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, c, _ := setup(t)
		a.InjectRandomly(7, 0.8)
		for i := range 200 {
			_, _ = c.try(refund, refundBiz("0.50", fmt.Sprint("R", i%25)))
			_, _ = c.try(couponRefund, couponBiz("P1", fmt.Sprint("C", i%25), `0.50`))
		}
		a.Advance(100 * time.Hour)
		seen, sum := map[string]bool{}, map[alipaytest.MovementKind]int64{}
		for _, m := range a.Movements() {
			key := m.AuthNo + "/" + m.OutTradeNo + "/" + m.OutRequestNo
			if seen[key] {
				t.Errorf("%s moved money twice", key)
			}
			seen[key] = true
			sum[m.Kind] += int64(m.Amount)
		}
		if sum[alipaytest.TradeRefund] != 10_00 || sum[alipaytest.CouponRefund]+sum[alipaytest.AutomaticReturn] != 10_00 {
			t.Errorf("moved: %v", sum)
		}
	})
}

func TestCallIsJSONOrHTML(t *testing.T) {
	a, c, _ := setup(t)
	a.InjectRandomly(9, 1, alipaytest.Fault{Kind: alipaytest.NoSignature}, alipaytest.Fault{Kind: alipaytest.LooseTypes}, alipaytest.Fault{Kind: alipaytest.GatewayError})
	for i := range 20 {
		got, err := c.try(refund, refundBiz("0.01", fmt.Sprint(i)))
		if err != nil || !json.Valid([]byte(got.body)) {
			t.Fatalf("%s, %v", got.body, err)
		}
	}
}
