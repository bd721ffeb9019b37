package shoptest

import (
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/store"
)

// Unresolved leaves a refund that nobody can find out about.
func (s *Shop) Unresolved(fault alipaytest.FaultKind) store.Refund {
	s.T.Helper()
	s.Trade()
	s.Alipay.Inject(alipaytest.Fault{Kind: fault})
	s.Always(alipaytest.LostAnswer, gateway.MethodRefundQuery)
	r := s.Refund(Partly)
	s.Expect(r, 202, "pending")
	return s.Ledger(r.Str("id"))
}
