package engine_test

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/engine"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/internal/shoptest"
	"github.com/alirefund/alirefund/store"
)

// One application may serve red packets of both products: the request says which,
// and Config.CouponProduct where it does not.
func TestProductOfARequest(t *testing.T) {
	alipay := alipaytest.New(alipaytest.Config{})
	older := alipay.AddRedPacket(alipaytest.RedPacket{Amount: 10_00})
	newer := alipay.AddRedPacket(alipaytest.RedPacket{Amount: 10_00, FundTrans: true})
	var told []string
	e := newEngine(t, alipay, store.NewMemory(), &told)

	for _, c := range []struct {
		number, authNo string
		product        engine.CouponProduct
		method, kept   string
	}{
		{"R1", older.AuthNo, "", gateway.MethodCouponRefund, ""},
		{"R2", older.AuthNo, engine.CouponOrderRefund, gateway.MethodCouponRefund, ""},
		{"R3", newer.AuthNo, engine.FundTransRefund, gateway.MethodFundTransRefund, gateway.MethodFundTransRefund},
	} {
		result, err := e.CouponRefund(t.Context(), engine.CouponRefundRequest{
			AuthNo: c.authNo, OutRequestNo: c.number, Amount: 1_00, Remark: "r", Product: c.product,
		})
		calls := alipay.Calls()
		if err != nil || calls[len(calls)-1].Method != c.method || result.Refund.Method != c.kept {
			t.Errorf("%s went by %s and is recorded as %q, %v", c.number, calls[len(calls)-1].Method, result.Refund.Method, err)
		}
	}

	_, err := e.CouponRefund(t.Context(), engine.CouponRefundRequest{AuthNo: "A", OutRequestNo: "R4", Amount: 1_00, Remark: "r", Product: "alipay.trade.refund"})
	var wrong *engine.ValidationError
	if !errors.As(err, &wrong) || len(wrong.Fields) != 1 || wrong.Fields[0].Pointer != "/product" || wrong.Fields[0].Rule != "oneof" {
		t.Errorf("another product gives %v", err)
	}
}

// A red packet whose number Alipay knows already, and that it cannot be asked about, is
// a person's business after a day: until then its notification may come.
func TestStuckRedPacketIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		p := s.Alipay.AddRedPacket(alipaytest.RedPacket{OutRequestNo: "the-payment"})
		stop := s.Run()
		defer stop()
		body := fmt.Sprintf(`{"auth_no":%q,"out_request_no":"the-payment","amount":1,"remark":"r"}`, p.AuthNo)
		r := s.Coupon(body)
		s.Expect(r, 202, "pending") // UNIQUE_VIOLATION
		time.Sleep(23 * time.Hour)
		s.ExpectTold("")
		time.Sleep(3 * time.Hour) // its question may be some more than an hour away
		g := s.Get(r.Str("id"))
		if !strings.Contains(g.Str("attention"), "out_order_no") || g.Str("sub_code") == "ILLEGAL_ARGUMENT" {
			t.Errorf("record: %s", g.Text)
		}
		s.ExpectTold("refund_unresolved")
		s.Expect(s.Coupon(body), 202, "pending")
		s.ExpectTold("refund_unresolved")
		if n := s.Calls(gateway.MethodCouponRefund); n != 1 {
			t.Errorf("sent %d times", n)
		}
	})
}

// A red packet's request without a pair that it could be asked about by, and without an
// answer, is sent again, the same, on the schedule of questions: its number moves money
// once, whether the first send was lost, was carried out, or is carried out later.
func TestRedPacketWithoutAPairIsSentAgain(t *testing.T) {
	for name, c := range map[string]struct {
		faults []alipaytest.Fault
		sends  int
	}{
		"lost":                     {[]alipaytest.Fault{{Kind: alipaytest.LostRequest}}, 2},
		"lost twice":               {[]alipaytest.Fault{{Kind: alipaytest.LostRequest}, {Kind: alipaytest.SystemErrorBefore}}, 3},
		"lost, then refused":       {[]alipaytest.Fault{{Kind: alipaytest.LostRequest}, {Kind: alipaytest.Refusal, SubCode: "ACCESS_FORBIDDEN"}}, 3},
		"carried out":              {[]alipaytest.Fault{{Kind: alipaytest.LostAnswer}}, 2},
		"carried out a minute on":  {[]alipaytest.Fault{{Kind: alipaytest.LateRequest, Delay: time.Minute}}, 2},
		"carried out after a lost": {[]alipaytest.Fault{{Kind: alipaytest.LateRequest, Delay: time.Minute}, {Kind: alipaytest.LostRequest}}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := shoptest.NewShop(t)
				p := s.Alipay.AddRedPacket(alipaytest.RedPacket{})
				stop := s.Run()
				defer stop()
				s.Alipay.Inject(c.faults...)
				s.Expect(s.Coupon(fmt.Sprintf(`{"auth_no":%q,"out_request_no":"C1","amount":"1.00","remark":"r"}`, p.AuthNo)), 202, "pending")
				time.Sleep(5 * time.Second)
				if n := s.Calls(gateway.MethodCouponRefund); n != 1 {
					t.Errorf("sent %d times at once", n)
				}
				time.Sleep(10 * time.Minute)
				s.Alipay.Deliver(t.Context()) // what was carried out and not answered, the notification tells
				s.ExpectMoved("C1=1.00")
				s.ExpectTold("refund_succeeded")
				time.Sleep(25 * time.Hour)
				s.ExpectTold("refund_succeeded")
				content := map[string]bool{}
				for _, call := range s.CallsOf(gateway.MethodCouponRefund) {
					content[call.BizContent] = true
				}
				if n := s.Calls(gateway.MethodCouponRefund); n != c.sends || len(content) != 1 {
					t.Errorf("sent %d times, want %d: %v", n, c.sends, content)
				}
			})
		})
	}
}

// A red packet is asked about with what numbers there are, though no page of
// Alipay's documents that pair.
func TestRedPacketIsAskedWithWhatThereIs(t *testing.T) {
	s := shoptest.NewShop(t)
	s.Voice(func(method string, params url.Values) string {
		switch biz := params.Get("biz_content"); {
		case method == gateway.MethodCouponRefund:
			return shoptest.Lost
		case biz == `{"auth_no":"A","out_request_no":"C1"}`:
			return `{"code":"10000","auth_no":"A","out_request_no":"C1","operation_type":"REFUND","status":"SUCCESS","amount":"1.00"}`
		}
		return `{"code":"40004","sub_code":"ILLEGAL_ARGUMENT"}`
	})
	s.Expect(s.Coupon(`{"auth_no":"A","out_request_no":"C1","amount":"1.00","remark":"r"}`), 200, "succeeded")
}

// A red packet's refund that is in progress names its operation and its order: it
// is asked about by either.
func TestRedPacketInProgressIsAskedByWhatItNames(t *testing.T) {
	for _, pair := range []string{`{"auth_no":"A","operation_id":"7"}`, `{"out_order_no":"O","out_request_no":"C1"}`} {
		s := shoptest.NewShop(t)
		s.Voice(func(method string, params url.Values) string {
			switch biz := params.Get("biz_content"); {
			case method == gateway.MethodCouponRefund:
				return `{"code":"10000","auth_no":"A","out_order_no":"O","out_request_no":"C1","operation_id":"7","amount":"1.00","status":"INIT"}`
			case biz == pair:
				return `{"code":"10000","auth_no":"A","out_request_no":"C1","operation_id":"7","operation_type":"REFUND","status":"SUCCESS","amount":"1.00"}`
			}
			return `{"code":"40004","sub_code":"ILLEGAL_ARGUMENT"}`
		})
		s.Expect(s.Coupon(`{"auth_no":"A","out_request_no":"C1","amount":"1.00","remark":"r"}`), 200, "succeeded")
	}
}

// A red packet's refund that was refused after a send which nobody answered for is
// not sent again, though nothing is found of it.
func TestRefusedRedPacketIsNotSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		p := s.Alipay.AddRedPacket(alipaytest.RedPacket{})
		body := fmt.Sprintf(`{"auth_no":%q,"out_order_no":%q,"out_request_no":"C1","amount":"1.00","remark":"r"}`, p.AuthNo, p.OutOrderNo)
		s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest})
		s.Expect(s.Coupon(body), 202, "pending")
		s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "MONEY_NOT_ENOUGH"})
		for range 3 {
			time.Sleep(time.Minute)
			s.Expect(s.Coupon(body), 202, "pending")
		}
		if n := s.Calls(gateway.MethodCouponRefund); n != 2 {
			t.Errorf("sent %d times", n)
		}
	})
}

// What a red packet's answer names is learnt, and what its notice names.
func TestRedPacketsNumbersAreLearnt(t *testing.T) {
	s := shoptest.NewShop(t)
	p := s.Alipay.AddRedPacket(alipaytest.RedPacket{})
	body := `{"auth_no":"` + p.AuthNo + `","out_request_no":%q,"amount":"1.00","remark":"r"}`
	answered := s.Coupon(fmt.Sprintf(body, "C1"))
	s.Expect(answered, 200, "succeeded")
	s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer})
	noticed := s.Coupon(fmt.Sprintf(body, "C2"))
	s.Expect(noticed, 202, "pending")
	for _, r := range []shoptest.Reply{answered, noticed} {
		if r.Status != 200 {
			s.Alipay.Deliver(t.Context())
		}
		if record := s.Get(r.Str("id")); record.Str("out_order_no") != p.OutOrderNo || record.Str("operation_id") == "" {
			t.Errorf("record: %s", record.Text)
		}
	}
}

// Red packets that Alipay cannot be asked about with certainty: the caller's
// out_order_no is wrong, or he gave none and the pair that is left is documented
// nowhere. That nothing is found then fails nothing.
func TestRedPacketThatIsNotFound(t *testing.T) {
	notFound := alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "AUTH_OPERATION_NOT_EXIST", Method: gateway.MethodCouponQuery}
	for name, c := range map[string]struct {
		outOrderNo string
		faults     []alipaytest.Fault
	}{
		"wrong out_order_no": {outOrderNo: `"out_order_no":"typo",`},
		"undocumented pair":  {faults: []alipaytest.Fault{notFound, notFound, notFound, notFound}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := shoptest.NewShop(t)
				p := s.Alipay.AddRedPacket(alipaytest.RedPacket{})
				body := fmt.Sprintf(`{"auth_no":%q,%s"out_request_no":"C1","amount":"100.00","remark":"r"}`, p.AuthNo, c.outOrderNo)
				s.Alipay.Inject(c.faults...)
				s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer})
				s.Expect(s.Coupon(body), 202, "pending")
				s.ExpectMoved("C1=100.00")
				s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "MONEY_NOT_ENOUGH"})
				var r shoptest.Reply
				for range 2 {
					time.Sleep(time.Minute)
					r = s.Coupon(body)
					s.Expect(r, 202, "pending")
				}
				if r.Str("attention") == "" {
					t.Errorf("nobody's attention is asked for: %s", r.Text)
				}
				s.ExpectTold("refund_unresolved")
				s.Alipay.Deliver(t.Context())
				s.ExpectTold("refund_unresolved refund_succeeded")
			})
		})
	}
}

// An unresolved red packet without out_order_no cannot be asked about by any
// documented pair: it stays unresolved until its notice comes.
func TestRedPacketThatOnlyTheNoticeSettles(t *testing.T) {
	s := shoptest.NewShop(t)
	p := s.Alipay.AddRedPacket(alipaytest.RedPacket{})
	body := `{"auth_no":"` + p.AuthNo + `","out_request_no":"C1","amount":"1.00","remark":"r"`
	s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer})
	s.Expect(s.Coupon(body+`}`), 202, "pending")
	s.Expect(s.Coupon(body+`}`), 202, "pending")
	s.ExpectTold("")
	// A repeat that names it can be asked about, and is the same refund.
	r := s.Coupon(body + `,"out_order_no":"` + p.OutOrderNo + `"}`)
	s.Expect(r, 200, "succeeded")
	if r.Body["repeated"] != true || s.Calls(gateway.MethodCouponRefund) != 1 {
		t.Errorf("answer: %s", r.Text)
	}
	s.ExpectTold("refund_succeeded")

	s.Config.Store = store.NewMemory() // what was sent is forgotten: UNIQUE_VIOLATION
	s.Restart()
	s.Expect(s.Coupon(body+`}`), 202, "pending")
	s.Alipay.Deliver(t.Context())
	s.ExpectTold("refund_succeeded refund_succeeded")
	s.ExpectMoved("C1=1.00")
}

// Alipay does not document what it answers to auth_no with out_request_no, so that
// finding nothing by these says nothing: the red packet may be on its way. Only its
// own request, sent again, tells.
func TestQuestionOfNoDocumentedPairFindsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		sends := 0
		s.Voice(func(method string, _ url.Values) string {
			if method == gateway.MethodCouponRefund {
				sends++
				return shoptest.Lost
			}
			return `{"code":"40004","sub_code":"AUTH_OPERATION_NOT_EXIST"}`
		})
		const body = `{"auth_no":"A1","out_request_no":"R1","amount":"1.00","remark":"r"}`
		s.Expect(s.Coupon(body), 202, "pending")
		time.Sleep(time.Hour)
		s.Expect(s.Coupon(body), 202, "pending")
		if sends != 2 { // the same again
			t.Errorf("sent %d times", sends)
		}
		s.ExpectTold("")
	})
}
