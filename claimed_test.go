package alirefund_test

import (
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund/gateway"
)

// The lease that a settlement took may run out, and another deliver the event,
// before whoever settled comes to tell it: here he still asks about the order's
// other refunds, and Alipay is slow.
func TestEventWhoseLeaseRanOutIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		var noticed atomic.Bool
		s.voice(func(method string, params url.Values) string {
			switch {
			case method != gateway.MethodRefundQuery || !noticed.Load():
				return lost
			case strings.Contains(params.Get("biz_content"), "R1"):
				return `{"code":"10000","out_trade_no":"6823789339978248","out_request_no":"R1","refund_status":"REFUND_SUCCESS","refund_amount":"1.00"}`
			}
			time.Sleep(14 * time.Second)
			return lost
		})
		for _, number := range []string{"R1", "R2", "R3"} {
			s.expect(s.refund(numbered(number, "1.00")), 202, "pending")
			time.Sleep(5 * time.Second)
		}
		noticed.Store(true)
		time.AfterFunc(5*time.Second, func() { // it, or another process
			stop := s.run()
			time.Sleep(2 * time.Minute)
			stop()
		})
		s.notice(s.alipay.SignedNotice(refundNotice(map[string]string{"out_biz_no": "-", "refund_fee": "3.00"})))
		time.Sleep(5 * time.Minute)
		s.expectTold("refund_succeeded")
	})
}
