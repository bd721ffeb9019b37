package shoptest

import (
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/money"
)

// What is signed by Alipay, or as if, and proves nothing of the refund that
// waits; and what is made of requests.

// SecondOrder is an order that the tests refund elsewhere.
const SecondOrder = "4100000000000017"

// AnswerTo returns Alipay's genuine answer to a call that another program of the
// application makes.
func (s *Shop) AnswerTo(call func(*gateway.Client)) string {
	call(s.Console())
	calls := s.Alipay.Calls()
	return calls[len(calls)-1].Answer
}

// Refunded is the answer to another refund.
func (x Talk) Refunded(outTradeNo, number string, amount money.Amount) string {
	if outTradeNo == SecondOrder {
		x.Shop.Alipay.AddTrade(alipaytest.Trade{OutTradeNo: SecondOrder, Total: 88_88})
	}
	return x.Shop.AnswerTo(func(c *gateway.Client) {
		_, _ = c.RefundTrade(x.Shop.T.Context(), gateway.TradeRefund{OutTradeNo: outTradeNo, OutRequestNo: number, RefundAmount: amount}, gateway.Options{})
	})
}

// Asked is the answer to the question about another refund.
func (x Talk) Asked(outTradeNo, number string, amount money.Amount) string {
	x.Refunded(outTradeNo, number, amount)
	return x.Shop.AnswerTo(func(c *gateway.Client) {
		_, _ = c.QueryRefund(x.Shop.T.Context(), gateway.RefundQuery{OutTradeNo: outTradeNo, OutRequestNo: number}, gateway.Options{})
	})
}

// Traded is the answer to the question about an order.
func (x Talk) Traded(outTradeNo string) string {
	return x.Shop.AnswerTo(func(c *gateway.Client) {
		_, _ = c.QueryTrade(x.Shop.T.Context(), gateway.TradeQuery{OutTradeNo: outTradeNo}, gateway.Options{})
	})
}

// Returned is the answer to another red packet's refund.
func (x Talk) Returned(number string, amount money.Amount) string {
	p := x.Shop.Alipay.AddRedPacket(alipaytest.RedPacket{})
	return x.Shop.AnswerTo(func(c *gateway.Client) {
		_, _ = c.RefundCoupon(x.Shop.T.Context(), gateway.CouponRefund{AuthNo: p.AuthNo, OutRequestNo: number, Amount: amount, Remark: "r"}, gateway.Options{})
	})
}

// Operation is the answer to the question about an operation of a red packet.
func (x Talk) Operation(outOrderNo, number string) string {
	return x.Shop.AnswerTo(func(c *gateway.Client) {
		_, _ = c.QueryCoupon(x.Shop.T.Context(), gateway.CouponQuery{OutOrderNo: outOrderNo, OutRequestNo: number}, gateway.Options{})
	})
}

// Renamed is another genuine answer under this one's name.
func (x Talk) Renamed(other string) string {
	o := x.Shop.Talk(other)
	return x.Saying(o.Node, o.Signed)
}

// Insider has the node changed and signed by a key that the shop believes.
func (x Talk) Insider(old, now string) string { return x.InsiderNode(x.Changed(old, now)) }

func (x Talk) InsiderNode(node string) string {
	return x.Saying(node, Signature(Insider(), node))
}
