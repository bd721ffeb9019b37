package engine_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/internal/shoptest"
	"github.com/alirefund/alirefund/notify"
	"github.com/alirefund/alirefund/store"
)

// The merchant's out_request_no is unique: a message that names it beside another
// order_id, in fields that are not documented, is not a second refund.
func TestMessageOfTheSameNumberIsNoSecondRefund(t *testing.T) {
	s := newerShop(t)
	s.Expect(s.Coupon(returned), 200, "succeeded")
	first := s.Told()
	n := s.Notice(s.Alipay.SignedNotice(fundMessage("a", `{"order_id":"P1-refund","out_request_no":"R1","refund_amount":"2.00","status":"SUCCESS"}`)))
	if n.Status != 200 || s.Told() != first || strings.Join(s.Other, " ") != "message" {
		t.Errorf("%d %s, told %q after %q, OnNotification got %q", n.Status, n.Text, s.Told(), first, s.Other)
	}
}

// newer makes the shop's red packets those of the newer product.
func newer(c *alirefund.Config) { c.CouponProduct = alirefund.FundTransRefund }

// noFundQuery makes the next question about such a refund go unanswered.
var noFundQuery = alipaytest.Fault{Kind: alipaytest.HTTP500, Method: gateway.MethodFundTransQuery}

const returned = `{"auth_no":"P1","out_request_no":"R1","amount":"2.00","remark":"r"}`

// newerShop has one red packet, P1 of 10.00.
func newerShop(t *testing.T) *shoptest.Shop {
	t.Helper()
	s := shoptest.NewShop(t, newer)
	s.Alipay.AddRedPacket(alipaytest.RedPacket{AuthNo: "P1", OutRequestNo: "PAY1", Amount: 10_00, FundTrans: true})
	return s
}

// fundMessage is what Alipay tells of a return; more changes its content.
func fundMessage(id, content string) map[string]string {
	return map[string]string{
		"app_id": "2021000000000001", "notify_id": id, "msg_method": notify.MessageFundRefund, "version": "1.1", "charset": "UTF-8",
		"utc_timestamp": "1767225600000", "biz_content": content,
	}
}

// The host's product decides the interface; all else is as with any red packet.
func TestRedPacketOfTheNewerProduct(t *testing.T) {
	s := newerShop(t)
	r := s.Coupon(returned)
	s.Expect(r, 200, "succeeded")
	call := s.Alipay.Calls()[0]
	if want := `{"order_id":"P1","out_request_no":"R1","refund_amount":"2.00","remark":"r"}`; call.Method != gateway.MethodFundTransRefund || call.BizContent != want {
		t.Errorf("called %s with %s", call.Method, call.BizContent)
	}
	if _, sent := call.Params["notify_url"]; sent {
		t.Error("the interface has no notify_url")
	}
	if r.Str("operation_id") == "" || r.Str("auth_no") != "P1" || s.Get(r.Str("id")).Str("method") != gateway.MethodFundTransRefund {
		t.Errorf("%s\n%s", r.Text, s.Get(r.Str("id")).Text)
	}
	again := s.Coupon(returned)
	s.Expect(again, 200, "succeeded")
	if again.Body["repeated"] != true {
		t.Errorf("%s", again.Text)
	}
	s.Alipay.Advance(time.Minute)
	if notices := s.Alipay.Notices(); len(notices) != 1 || notices[0].URL != shoptest.AppGatewayURL || !notices[0].Acknowledged {
		t.Errorf("%+v", notices)
	}
	s.ExpectTold("refund_succeeded")
	s.ExpectMoved("R1=2.00")
	if len(s.Other) != 0 {
		t.Errorf("OnNotification got %q", s.Other)
	}
	if r := s.Coupon(returned[:len(returned)-1] + `,"notify_url":"` + shoptest.NotifyURL + `"}`); r.Status != 422 || r.Pointers() != "/notify_url" {
		t.Errorf("%d %s", r.Status, r.Text)
	}
}

// Whatever befalls the call, money moves once, and its success is told once, by
// the answer, the question or the message.
func TestFaultsOfTheNewerProduct(t *testing.T) {
	for _, c := range []struct {
		faults []alipaytest.Fault
		status int
		source store.Source
	}{
		{[]alipaytest.Fault{{Kind: alipaytest.LooseTypes}}, 200, store.ByAnswer},
		{[]alipaytest.Fault{{Kind: alipaytest.LostAnswer}}, 200, store.ByQuery},
		{[]alipaytest.Fault{{Kind: alipaytest.SystemErrorAfter}}, 200, store.ByQuery},
		{[]alipaytest.Fault{{Kind: alipaytest.WrongSignature}}, 200, store.ByQuery},
		{[]alipaytest.Fault{{Kind: alipaytest.LostAnswer}, noFundQuery}, 202, store.ByNotice},
		{[]alipaytest.Fault{{Kind: alipaytest.NoSignature}, noFundQuery}, 202, store.ByNotice},
	} {
		t.Run(c.faults[0].Kind.String(), func(t *testing.T) {
			s := newerShop(t)
			s.Alipay.Inject(c.faults...)
			if r := s.Coupon(returned); r.Status != c.status {
				t.Fatalf("%d %s", r.Status, r.Text)
			}
			s.Alipay.Advance(26 * time.Hour)
			told := strings.TrimPrefix(s.Told(), "refund_unresolved ") // an unsigned answer wants a person at once
			if told != "refund_succeeded" || s.Last().Source != c.source || s.Last().Amount != 2_00 || s.Last().OperationID == "" && c.source != store.ByQuery {
				t.Errorf("told %q, of %+v", s.Told(), s.Last())
			}
			s.ExpectMoved("R1=2.00")
			s.Expect(s.Coupon(returned), 200, "succeeded")
			s.ExpectMoved("R1=2.00")
		})
	}
}

// No sub_code of this interface or its query is documented to mean that nothing
// moved: it is neither failed nor sent again, and a person is asked to look.
func TestUndocumentedRefusalStaysUnresolved(t *testing.T) {
	for name, fault := range map[string]alipaytest.Fault{
		"refused":      {Kind: alipaytest.Refusal, SubCode: "MONEY_NOT_ENOUGH"},
		"never came":   {Kind: alipaytest.LostRequest},
		"system error": {Kind: alipaytest.SystemErrorBefore},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newerShop(t)
				s.Alipay.Inject(fault)
				r := s.Coupon(returned)
				s.Expect(r, 202, "pending")
				s.ExpectTold("")
				time.Sleep(11 * time.Second)
				s.Expect(s.Coupon(returned), 202, "pending")
				if got := s.Get(r.Str("id")); !strings.Contains(got.Str("attention"), "ORDER_NOT_EXIST") {
					t.Errorf("%s", got.Text)
				}
				s.ExpectTold("refund_unresolved")
				if n := s.Calls(gateway.MethodFundTransRefund); n != 1 {
					t.Errorf("sent %d times", n)
				}
				s.ExpectMoved("")
			})
		})
	}
}

// What never reached the business fails as everywhere, and may be sent again.
func TestNewerProductCommonRefusals(t *testing.T) {
	s := newerShop(t)
	s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "isv.insufficient-isv-permissions"})
	if r := s.Coupon(returned); r.Status != 422 || r.Body["retryable"] != true {
		t.Fatalf("%d %s", r.Status, r.Text)
	}
	s.Expect(s.Coupon(returned), 200, "succeeded")
	s.ExpectMoved("R1=2.00")
}

// A query's answer about the red packet's payment proves nothing of its refund.
func TestPaymentIsNoRefund(t *testing.T) {
	for answer, told := range map[string]string{
		`{"code":"10000","order_id":"P1","out_biz_no":"PAY1","status":"SUCCESS","trans_amount":"2.00"}`: "refund_unresolved",
		`{"code":"10000","order_id":"P1","out_biz_no":"R1","status":"SUCCESS","trans_amount":"2.00"}`:   "",
		`{"code":"10000","order_id":"F1","out_biz_no":"R1","status":"SUCCESS","trans_amount":"2.01"}`:   "refund_unresolved",
		`{"code":"10000","order_id":"F1","out_biz_no":"R1","status":"DEALING","trans_amount":"2.00"}`:   "",
	} {
		s := shoptest.NewShop(t, newer)
		var asked string
		s.Voice(func(method string, params url.Values) string {
			if method == gateway.MethodFundTransRefund {
				return shoptest.Lost
			}
			asked = method + params.Get("biz_content")
			return answer
		})
		s.Expect(s.Coupon(returned), 202, "pending")
		if s.Told() != told {
			t.Errorf("%s: told %q", answer, s.Told())
		}
		if asked != gateway.MethodFundTransQuery+`{"product_code":"STD_RED_PACKET","biz_scene":"REFUND","out_biz_no":"R1"}` {
			t.Errorf("asked %s", asked)
		}
	}
}

// A message proves a success only if it names red packet, number, amount and
// status; where it says less or other, Alipay is asked.
func TestMessageOfARedPacket(t *testing.T) {
	for _, c := range []struct {
		name, content string
		status        int
		told          string
		asks          bool
	}{
		{"all of it", `{"order_id":"P1","out_request_no":"R1","refund_amount":"2.00","status":"SUCCESS"}`, 200, "refund_succeeded", false},
		{"no amount", `{"order_id":"P1","out_request_no":"R1","status":"SUCCESS"}`, 503, "", true},
		{"no status", `{"order_id":"P1","out_request_no":"R1","refund_amount":"2.00"}`, 503, "", true},
		{"no red packet", `{"out_request_no":"R1","refund_amount":"2.00","status":"SUCCESS"}`, 503, "", true},
		{"another status", `{"order_id":"P1","out_request_no":"R1","refund_amount":"2.00","status":"CLOSED"}`, 503, "", true},
		{"another amount", `{"order_id":"P1","out_request_no":"R1","refund_amount":"2.01","status":"SUCCESS"}`, 503, "refund_unresolved", true},
		{"no number", `{"order_id":"P1","refund_amount":"2.00","status":"SUCCESS"}`, 200, "", false},
		{"another's number", `{"order_id":"P1","out_biz_no":"X","trans_amount":"2.00","status":"SUCCESS"}`, 200, "", false},
		{"unreadable", `{"order_id":`, 200, "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newerShop(t)
			s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest}, noFundQuery)
			r := s.Coupon(returned)
			s.Expect(r, 202, "pending")
			before := s.Calls(gateway.MethodFundTransQuery)
			n := s.Notice(s.Alipay.SignedNotice(fundMessage("a", c.content)))
			if n.Status != c.status || s.Told() != c.told || (s.Calls(gateway.MethodFundTransQuery) > before) != c.asks {
				t.Errorf("%d %s, told %q, asked %d times", n.Status, n.Text, s.Told(), s.Calls(gateway.MethodFundTransQuery)-before)
			}
			// What no refund is found for goes to the host, as a message.
			if other := strings.Join(s.Other, " "); (other == "message") != (c.status == 200 && c.told == "") {
				t.Errorf("OnNotification got %q", other)
			}
		})
	}
}

// Returned by nobody here: when its time is over, or by somebody else.
func TestAutomaticReturnOfTheNewerProduct(t *testing.T) {
	s := newerShop(t)
	s.Expect(s.Coupon(returned), 200, "succeeded")
	s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.NoticeTwiceNewID})
	s.Alipay.Advance(49 * time.Hour)
	s.ExpectTold("refund_succeeded refund_succeeded")
	if got := s.Last(); got.Origin != store.FromNotice || got.AuthNo != "P1" || got.Amount != 8_00 || got.Method != gateway.MethodFundTransRefund || got.OperationID == "" {
		t.Errorf("told of %+v", got)
	}
}

// Where red packets are of the other product, such a message is the host's own
// affair - unless the refund was made here before that was changed.
func TestMessageWhereTheProductIsAnother(t *testing.T) {
	s := newerShop(t)
	s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer}, noFundQuery)
	r := s.Coupon(returned)
	s.Expect(r, 202, "pending")
	s.Config.CouponProduct = alirefund.CouponOrderRefund
	s.Restart()
	content := `{"order_id":"P1","out_request_no":%q,"refund_amount":"2.00","status":"SUCCESS"}`
	if n := s.Notice(s.Alipay.SignedNotice(fundMessage("a", fmt.Sprintf(content, "R9")))); n.Text != "success" || strings.Join(s.Other, " ") != "message" {
		t.Errorf("%d %s, OnNotification got %q", n.Status, n.Text, s.Other)
	}
	s.ExpectTold("")
	if n := s.Notice(s.Alipay.SignedNotice(fundMessage("b", fmt.Sprintf(content, "R1")))); n.Text != "success" {
		t.Errorf("%d %s", n.Status, n.Text)
	}
	s.ExpectTold("refund_succeeded")
	if s.Last().ID != r.Str("id") {
		t.Errorf("told of %+v", s.Last())
	}
}

// An unresolved refund is asked about by the interface that it was made by.
func TestUnresolvedRefundKeepsItsProduct(t *testing.T) {
	s := newerShop(t)
	s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer}, noFundQuery)
	r := s.Coupon(returned)
	s.Expect(r, 202, "pending")
	s.Config.CouponProduct = alirefund.CouponOrderRefund
	s.Restart()
	s.Expect(s.Get(r.Str("id")), 200, "succeeded")
	s.ExpectTold("refund_succeeded")
}
