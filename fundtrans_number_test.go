package alirefund_test

import (
	"strings"
	"testing"
)

// The merchant's out_request_no is unique: a message that names it beside another
// order_id, in fields that are not documented, is not a second refund.
func TestMessageOfTheSameNumberIsNoSecondRefund(t *testing.T) {
	s := newerShop(t)
	s.expect(s.coupon(returned), 200, "succeeded")
	first := s.told()
	n := s.notice(s.alipay.SignedNotice(fundMessage("a", `{"order_id":"P1-refund","out_request_no":"R1","refund_amount":"2.00","status":"SUCCESS"}`)))
	if n.status != 200 || s.told() != first || strings.Join(s.other, " ") != "message" {
		t.Errorf("%d %s, told %q after %q, OnNotification got %q", n.status, n.text, s.told(), first, s.other)
	}
}
