package alirefund_test

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
	"github.com/alirefund/alirefund/notify"
	"github.com/alirefund/alirefund/store"
)

// newer makes the shop's red packets those of the newer product.
func newer(c *alirefund.Config) { c.CouponProduct = alirefund.FundTransRefund }

// noFundQuery makes the next question about such a refund go unanswered.
var noFundQuery = alipaytest.Fault{Kind: alipaytest.HTTP500, Method: gateway.MethodFundTransQuery}

const returned = `{"auth_no":"P1","out_request_no":"R1","amount":"2.00","remark":"r"}`

// newerShop has one red packet, P1 of 10.00.
func newerShop(t *testing.T) *shop {
	t.Helper()
	s := newShop(t, newer)
	s.alipay.AddRedPacket(alipaytest.RedPacket{AuthNo: "P1", OutRequestNo: "PAY1", Amount: 10_00, FundTrans: true})
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
	r := s.coupon(returned)
	s.expect(r, 200, "succeeded")
	call := s.alipay.Calls()[0]
	if want := `{"order_id":"P1","out_request_no":"R1","refund_amount":"2.00","remark":"r"}`; call.Method != gateway.MethodFundTransRefund || call.BizContent != want {
		t.Errorf("called %s with %s", call.Method, call.BizContent)
	}
	if _, sent := call.Params["notify_url"]; sent {
		t.Error("the interface has no notify_url")
	}
	if r.str("operation_id") == "" || r.str("auth_no") != "P1" || s.get(r.str("id")).str("method") != gateway.MethodFundTransRefund {
		t.Errorf("%s\n%s", r.text, s.get(r.str("id")).text)
	}
	again := s.coupon(returned)
	s.expect(again, 200, "succeeded")
	if again.body["repeated"] != true {
		t.Errorf("%s", again.text)
	}
	s.alipay.Advance(time.Minute)
	if notices := s.alipay.Notices(); len(notices) != 1 || notices[0].URL != appGatewayURL || !notices[0].Acknowledged {
		t.Errorf("%+v", notices)
	}
	s.expectTold("refund_succeeded")
	s.expectMoved("R1=2.00")
	if len(s.other) != 0 {
		t.Errorf("OnNotification got %q", s.other)
	}
	if r := s.coupon(returned[:len(returned)-1] + `,"notify_url":"` + notifyURL + `"}`); r.status != 422 || r.pointers() != "/notify_url" {
		t.Errorf("%d %s", r.status, r.text)
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
			s.alipay.Inject(c.faults...)
			if r := s.coupon(returned); r.status != c.status {
				t.Fatalf("%d %s", r.status, r.text)
			}
			s.alipay.Advance(26 * time.Hour)
			told := strings.TrimPrefix(s.told(), "refund_unresolved ") // an unsigned answer wants a person at once
			if told != "refund_succeeded" || s.last().Source != c.source || s.last().Amount != 2_00 || s.last().OperationID == "" && c.source != store.ByQuery {
				t.Errorf("told %q, of %+v", s.told(), s.last())
			}
			s.expectMoved("R1=2.00")
			s.expect(s.coupon(returned), 200, "succeeded")
			s.expectMoved("R1=2.00")
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
				s.alipay.Inject(fault)
				r := s.coupon(returned)
				s.expect(r, 202, "pending")
				s.expectTold("")
				time.Sleep(11 * time.Second)
				s.expect(s.coupon(returned), 202, "pending")
				if got := s.get(r.str("id")); !strings.Contains(got.str("attention"), "ORDER_NOT_EXIST") {
					t.Errorf("%s", got.text)
				}
				s.expectTold("refund_unresolved")
				if n := s.calls(gateway.MethodFundTransRefund); n != 1 {
					t.Errorf("sent %d times", n)
				}
				s.expectMoved("")
			})
		})
	}
}

// What never reached the business fails as everywhere, and may be sent again.
func TestNewerProductCommonRefusals(t *testing.T) {
	s := newerShop(t)
	s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "isv.insufficient-isv-permissions"})
	if r := s.coupon(returned); r.status != 422 || r.body["retryable"] != true {
		t.Fatalf("%d %s", r.status, r.text)
	}
	s.expect(s.coupon(returned), 200, "succeeded")
	s.expectMoved("R1=2.00")
}

// A query's answer about the red packet's payment proves nothing of its refund.
func TestPaymentIsNoRefund(t *testing.T) {
	for answer, told := range map[string]string{
		`{"code":"10000","order_id":"P1","out_biz_no":"PAY1","status":"SUCCESS","trans_amount":"2.00"}`: "refund_unresolved",
		`{"code":"10000","order_id":"P1","out_biz_no":"R1","status":"SUCCESS","trans_amount":"2.00"}`:   "",
		`{"code":"10000","order_id":"F1","out_biz_no":"R1","status":"SUCCESS","trans_amount":"2.01"}`:   "refund_unresolved",
		`{"code":"10000","order_id":"F1","out_biz_no":"R1","status":"DEALING","trans_amount":"2.00"}`:   "",
	} {
		s := newShop(t, newer)
		var asked string
		s.voice(func(method string, params url.Values) string {
			if method == gateway.MethodFundTransRefund {
				return lost
			}
			asked = method + params.Get("biz_content")
			return answer
		})
		s.expect(s.coupon(returned), 202, "pending")
		if s.told() != told {
			t.Errorf("%s: told %q", answer, s.told())
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
			s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest}, noFundQuery)
			r := s.coupon(returned)
			s.expect(r, 202, "pending")
			before := s.calls(gateway.MethodFundTransQuery)
			n := s.notice(s.alipay.SignedNotice(fundMessage("a", c.content)))
			if n.status != c.status || s.told() != c.told || (s.calls(gateway.MethodFundTransQuery) > before) != c.asks {
				t.Errorf("%d %s, told %q, asked %d times", n.status, n.text, s.told(), s.calls(gateway.MethodFundTransQuery)-before)
			}
			// What no refund is found for goes to the host, as a message.
			if other := strings.Join(s.other, " "); (other == "message") != (c.status == 200 && c.told == "") {
				t.Errorf("OnNotification got %q", other)
			}
		})
	}
}

// Returned by nobody here: when its time is over, or by somebody else.
func TestAutomaticReturnOfTheNewerProduct(t *testing.T) {
	s := newerShop(t)
	s.expect(s.coupon(returned), 200, "succeeded")
	s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.NoticeTwiceNewID})
	s.alipay.Advance(49 * time.Hour)
	s.expectTold("refund_succeeded refund_succeeded")
	if got := s.last(); got.Origin != store.FromNotice || got.AuthNo != "P1" || got.Amount != 8_00 || got.Method != gateway.MethodFundTransRefund || got.OperationID == "" {
		t.Errorf("told of %+v", got)
	}
}

// Where red packets are of the other product, such a message is the host's own
// affair - unless the refund was made here before that was changed.
func TestMessageWhereTheProductIsAnother(t *testing.T) {
	s := newerShop(t)
	s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer}, noFundQuery)
	r := s.coupon(returned)
	s.expect(r, 202, "pending")
	s.config.CouponProduct = alirefund.CouponOrderRefund
	s.restart()
	content := `{"order_id":"P1","out_request_no":%q,"refund_amount":"2.00","status":"SUCCESS"}`
	if n := s.notice(s.alipay.SignedNotice(fundMessage("a", fmt.Sprintf(content, "R9")))); n.text != "success" || strings.Join(s.other, " ") != "message" {
		t.Errorf("%d %s, OnNotification got %q", n.status, n.text, s.other)
	}
	s.expectTold("")
	if n := s.notice(s.alipay.SignedNotice(fundMessage("b", fmt.Sprintf(content, "R1")))); n.text != "success" {
		t.Errorf("%d %s", n.status, n.text)
	}
	s.expectTold("refund_succeeded")
	if s.last().ID != r.str("id") {
		t.Errorf("told of %+v", s.last())
	}
}

// An unresolved refund is asked about by the interface that it was made by.
func TestUnresolvedRefundKeepsItsProduct(t *testing.T) {
	s := newerShop(t)
	s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer}, noFundQuery)
	r := s.coupon(returned)
	s.expect(r, 202, "pending")
	s.config.CouponProduct = alirefund.CouponOrderRefund
	s.restart()
	s.expect(s.get(r.str("id")), 200, "succeeded")
	s.expectTold("refund_succeeded")
}
