package shoptest

import (
	"fmt"
	"strings"

	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/store"
)

// Notices, answers and numbers that may mean another refund than the one that
// is waiting. What they prove is told; what they do not prove is not.

// NoQuery makes the next question about a trade's refund go unanswered.
var NoQuery = alipaytest.Fault{Kind: alipaytest.HTTP500, Method: gateway.MethodRefundQuery}

// Numbered asks for a refund of the test order under a number.
func Numbered(number, amount string) string {
	return fmt.Sprintf(`{"out_trade_no":%q,"refund_amount":%q,"out_request_no":%q}`, Order, amount, number)
}

// Elsewhere refunds as another program of the same application does.
func (s *Shop) Elsewhere(r gateway.TradeRefund) {
	s.T.Helper()
	if _, err := s.Console().RefundTrade(s.T.Context(), r, gateway.Options{}); err != nil {
		s.T.Fatal(err)
	}
}

// Foreign returns the amounts of the refunds that the host was told of and had
// not asked this module for, in order.
func (s *Shop) Foreign() string {
	s.Mu.Lock()
	defer s.Mu.Unlock()
	var amounts []string
	for _, e := range s.Events {
		if e.Refund.Origin == store.FromNotice {
			amounts = append(amounts, e.Refund.Amount.String())
		}
	}
	return strings.Join(amounts, " ")
}

// ExpectAcknowledged fails if a notice is still to come again.
func (s *Shop) ExpectAcknowledged() {
	s.T.Helper()
	for _, n := range s.Alipay.Notices() {
		if !n.Acknowledged {
			s.T.Errorf("the notice of %s was not acknowledged: %+v", n.Params["out_biz_no"], n.Deliveries)
		}
	}
}

// AnotherTrade is a trade_no that no trade of the tests has.
const AnotherTrade = "2026112222001499999999999999"
