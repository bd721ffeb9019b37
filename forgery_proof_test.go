package alirefund_test

import (
	"net/url"
	"strings"

	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/money"
)

// What is signed by Alipay, or as if, and proves nothing of the refund that
// waits; and what is made of requests.

// secondOrder is an order that the tests refund elsewhere.
const secondOrder = "4100000000000017"

// answerTo returns Alipay's genuine answer to a call that another program of the
// application makes.
func (s *shop) answerTo(call func(*gateway.Client)) string {
	call(s.console())
	calls := s.alipay.Calls()
	return calls[len(calls)-1].Answer
}

// refunded is the answer to another refund.
func (x talk) refunded(outTradeNo, number string, amount money.Amount) string {
	if outTradeNo == secondOrder {
		x.shop.alipay.AddTrade(alipaytest.Trade{OutTradeNo: secondOrder, Total: 88_88})
	}
	return x.shop.answerTo(func(c *gateway.Client) {
		_, _ = c.RefundTrade(x.shop.t.Context(), gateway.TradeRefund{OutTradeNo: outTradeNo, OutRequestNo: number, RefundAmount: amount}, gateway.Options{})
	})
}

// asked is the answer to the question about another refund.
func (x talk) asked(outTradeNo, number string, amount money.Amount) string {
	x.refunded(outTradeNo, number, amount)
	return x.shop.answerTo(func(c *gateway.Client) {
		_, _ = c.QueryRefund(x.shop.t.Context(), gateway.RefundQuery{OutTradeNo: outTradeNo, OutRequestNo: number}, gateway.Options{})
	})
}

// traded is the answer to the question about an order.
func (x talk) traded(outTradeNo string) string {
	return x.shop.answerTo(func(c *gateway.Client) {
		_, _ = c.QueryTrade(x.shop.t.Context(), gateway.TradeQuery{OutTradeNo: outTradeNo}, gateway.Options{})
	})
}

// returned is the answer to another red packet's refund.
func (x talk) returned(number string, amount money.Amount) string {
	p := x.shop.alipay.AddRedPacket(alipaytest.RedPacket{})
	return x.shop.answerTo(func(c *gateway.Client) {
		_, _ = c.RefundCoupon(x.shop.t.Context(), gateway.CouponRefund{AuthNo: p.AuthNo, OutRequestNo: number, Amount: amount, Remark: "r"}, gateway.Options{})
	})
}

// operation is the answer to the question about an operation of a red packet.
func (x talk) operation(outOrderNo, number string) string {
	return x.shop.answerTo(func(c *gateway.Client) {
		_, _ = c.QueryCoupon(x.shop.t.Context(), gateway.CouponQuery{OutOrderNo: outOrderNo, OutRequestNo: number}, gateway.Options{})
	})
}

// renamed is another genuine answer under this one's name.
func (x talk) renamed(other string) string {
	o := x.shop.talk(other)
	return x.saying(o.node, o.signed)
}

// insider has the node changed and signed by a key that the shop believes.
func (x talk) insider(old, now string) string { return x.insiderNode(x.changed(old, now)) }

func (x talk) insiderNode(node string) string {
	return x.saying(node, signature(insider(), node))
}

var tradeAnswers = []hostileAnswer{
	{named: "another order's", answer: func(x talk) string { return x.refunded(secondOrder, "R1", 8_88) }, want: elsewhere},
	{named: "a refund of less", answer: func(x talk) string { return x.insider(`"refund_fee":"8.88"`, `"refund_fee":"8.87"`) }, want: elsewhere},
	{named: "a refund of no amount", answer: func(x talk) string { return x.insider(`"refund_fee":"8.88"`, `"refund_fee":"x"`) }, want: elsewhere},
	{named: "an order that begins like it", answer: func(x talk) string { return x.insider(order, order+"0") }, want: elsewhere},
	{named: "a question's answer of another order", answer: func(x talk) string { return x.renamed(x.asked(secondOrder, "R1", 8_88)) }, want: elsewhere},
	{named: "a question's answer", answer: func(x talk) string { return x.renamed(x.asked(order, "R9", 8_88)) }, want: silent},
	{named: "the order's answer", answer: func(x talk) string { return x.renamed(x.traded(order)) }, want: silent},
	{named: "a red packet's answer", answer: func(x talk) string { return x.renamed(x.returned("R1", 8_88)) }, want: silent},
	{named: "fund_change N", answer: func(x talk) string { return x.insider(`"Y"`, `"N"`) }, want: silent},
	{named: "fund_change in an object", answer: func(x talk) string { return x.insider(`"Y"`, `{"fund_change":"Y"}`) }, want: silent},
	{named: "fund_change in a list", answer: func(x talk) string { return x.insider(`"Y"`, `["Y"]`) }, want: silent},
	{named: "fund_change true", answer: func(x talk) string { return x.insider(`"Y"`, `true`) }, want: silent},
	{named: "fund_change in a key of capitals", answer: func(x talk) string { return x.insider(`"fund_change"`, `"Fund_Change"`) }, want: silent},
	{named: "fund_change deep inside", answer: func(x talk) string {
		return x.insiderNode(`{"code":"10000","out_trade_no":"` + order + `","a":{"fund_change":"Y"},"b":"\",\"fund_change\":\"Y"}`)
	}, want: silent},
	{named: "no code", answer: func(x talk) string { return x.insider(`"code":"10000",`, ``) }, want: unusable},
	{named: "code in a list", answer: func(x talk) string { return x.insider(`"10000"`, `["10000"]`) }, want: unusable},
	{named: "code in words", answer: func(x talk) string { return x.insider(`"10000"`, `"Success"`) }, want: silent},
}

var couponAnswers = []hostileAnswer{
	{named: "unsigned", answer: func(x talk) string { return `{"` + x.name + `":` + x.node + `}` }, want: unverified},
	{named: "the amount changed", answer: func(x talk) string { return x.with(`"1.00"`, `"2.00"`) }, want: unverified},
	{named: "another red packet's", answer: func(x talk) string { return x.returned("C9", 1_00) }, want: elsewhere},
	{named: "another number's", answer: func(x talk) string { return x.insider(`"C1"`, `"c1"`) }, want: elsewhere},
	{named: "another amount's", answer: func(x talk) string { return x.insider(`"amount":"1.00"`, `"amount":"100.00"`) }, want: elsewhere},
	{named: "the payment's operation", answer: func(x talk) string { return x.renamed(x.operation("O1", "the-payment")) }, want: elsewhere},
	{named: "in progress", answer: func(x talk) string { return x.insider(`"SUCCESS"`, `"INIT"`) }, want: silent},
	{named: "closed", answer: func(x talk) string { return x.insider(`"SUCCESS"`, `"CLOSED"`) }, want: silent},
	{named: "status in lower case", answer: func(x talk) string { return x.insider(`"SUCCESS"`, `"success"`) }, want: silent},
	{named: "status in an object", answer: func(x talk) string { return x.insider(`"SUCCESS"`, `{"status":"SUCCESS"}`) }, want: silent},
	{named: "a trade's", answer: func(x talk) string { return x.renamed(x.refunded(secondOrder, "C1", 1_00)) }, want: silent},
}

var tradeQuestions = []hostileAnswer{
	{named: "unsigned", answer: func(x talk) string { return `{"` + x.name + `":` + x.node + `}` }, want: unverified},
	{named: "the amount changed", answer: func(x talk) string { return x.with("8.88", "9.88") }, want: unverified},
	{named: "a stranger's key", answer: func(x talk) string { return x.saying(x.node, signature(stranger(), x.node)) }, want: unverified},
	{named: "another number's", answer: func(x talk) string { return x.asked(order, "R9", 8_88) }, want: elsewhere},
	{named: "another order's", answer: func(x talk) string { return x.asked(secondOrder, "R1", 8_88) }, want: elsewhere},
	{named: "another amount's", answer: func(x talk) string { return x.insider(`"8.88"`, `"8.87"`) }, want: elsewhere},
	{named: "no number", answer: func(x talk) string { return x.insider(`"out_request_no":"R1",`, ``) }, want: elsewhere},
	{named: "the number in a list", answer: func(x talk) string { return x.insider(`"R1"`, `["R1"]`) }, want: elsewhere},
	{named: "the number in another case", answer: func(x talk) string { return x.insider(`"R1"`, `"r1"`) }, want: elsewhere},
	{named: "no order", answer: func(x talk) string { return x.insider(`"out_trade_no":"`+order+`",`, ``) }, want: elsewhere},
	{named: "no amount", answer: func(x talk) string { return x.insider(`"refund_amount":"8.88",`, ``) }, want: elsewhere},
	{named: "an amount in powers of ten", answer: func(x talk) string { return x.insider(`"8.88"`, `888e-2`) }, want: elsewhere},
	{named: "in progress", answer: func(x talk) string { return x.insider("REFUND_SUCCESS", "REFUND_PROCESSING") }, want: silent},
	{named: "no status", answer: func(x talk) string { return x.insider(`"refund_status":"REFUND_SUCCESS",`, ``) }, want: silent},
	{named: "status in an object", answer: func(x talk) string {
		return x.insider(`"REFUND_SUCCESS"`, `{"refund_status":"REFUND_SUCCESS"}`)
	}, want: silent},
	{named: "the refund's answer", answer: func(x talk) string { return x.renamed(x.refunded(order, "R9", 8_88)) }, want: silent},
	{named: "the order's answer", answer: func(x talk) string { return x.renamed(x.traded(order)) }, want: silent},
}

var couponQuestions = []hostileAnswer{
	{named: "unsigned", answer: func(x talk) string { return `{"` + x.name + `":` + x.node + `}` }, want: unverified},
	{named: "the payment's operation", answer: func(x talk) string { return x.operation("O1", "the-payment") }, want: elsewhere},
	{named: "operation_type PAY", answer: func(x talk) string { return x.insider(`"REFUND"`, `"PAY"`) }, want: elsewhere},
	{named: "another number's", answer: func(x talk) string { return x.insider(`"C1"`, `"C9"`) }, want: elsewhere},
	{named: "another amount's", answer: func(x talk) string { return x.insider(`"amount":"1.00"`, `"amount":"1.01"`) }, want: elsewhere},
	{named: "the refund's answer of another red packet", answer: func(x talk) string { return x.renamed(x.returned("C9", 1_00)) }, want: elsewhere},
	{named: "no operation_type", answer: func(x talk) string { return x.insider(`"operation_type":"REFUND",`, ``) }, want: silent},
	{named: "in progress", answer: func(x talk) string { return x.insider(`"SUCCESS"`, `"INIT"`) }, want: silent},
}

var tradeLookups = []hostileLookup{
	{named: "unsigned", answer: func(x talk) string { return `{"` + x.name + `":` + x.node + `}` }},
	{named: "the order changed", answer: func(x talk) string { return x.with(order, secondOrder) }},
	{named: "another trade's", answer: func(x talk) string { return x.traded(secondOrder) }},
	{named: "no trade_no", answer: func(x talk) string { return x.insider(`"trade_no"`, `"x"`) }},
	{named: "an unsigned refusal", answer: func(x talk) string {
		return `{"` + x.name + `":{"code":"40004","msg":"Business Failed","sub_code":"ACQ.TRADE_NOT_EXIST"}}`
	}},
	{named: "a page", answer: func(x talk) string { return "<html>" + x.body + "</html>" }},
}

var hostileRequests = []hostileRequest{
	{named: "amount raised", tamper: replaceBiz("8.88", "88.88"), state: "failed"},
	{named: "another order", tamper: replaceBiz(order, secondOrder), state: "failed"},
	{named: "another number", tamper: replaceBiz("R1", "R2"), state: "failed"},
	{named: "number dropped", tamper: replaceBiz(`,"out_request_no":"R1"`, ""), state: "failed"},
	{named: "a field added", tamper: replaceBiz("{", `{"refund_reason":"x",`), state: "failed"},
	{named: "another method", tamper: func(query, _ url.Values) { query.Set("method", gateway.MethodTradeClose) }, state: "pending"},
	{named: "a notify_url", tamper: func(query, _ url.Values) { query.Set("notify_url", "https://attacker.test/") }, state: "failed"},
	{named: "a token", tamper: func(query, _ url.Values) { query.Set("app_auth_token", "201602BB") }, state: "failed"},
	{named: "no charset", tamper: func(query, _ url.Values) { query.Del("charset") }, state: "failed"},
	{named: "sign_type RSA", tamper: func(query, _ url.Values) { query.Set("sign_type", "RSA") }, state: "failed"},
	{named: "no signature", tamper: func(query, _ url.Values) { query.Del("sign") }, state: "failed"},
	{named: "another application", tamper: func(query, _ url.Values) { query.Set("app_id", "2021000000000002") }, state: "pending"},
	{named: "biz_content twice", tamper: func(query, form url.Values) { query.Set("biz_content", form.Get("biz_content")) }, state: "failed"},
}

func replaceBiz(old, now string) func(query, form url.Values) {
	return func(_, form url.Values) {
		form.Set("biz_content", strings.Replace(form.Get("biz_content"), old, now, 1))
	}
}
