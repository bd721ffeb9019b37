package forgery_test

import (
	"net/url"
	"strings"

	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/internal/shoptest"
)

// hostileLookup is a row of what is said of a trade_no, of which nothing is known
// yet.
type hostileLookup struct {
	named
	answer func(shoptest.Talk) string
}

// hostileRequest is a row of what is made of the request on its way. Alipay
// refuses it: in its signed word, or where it does not know the sender, unsigned.
type hostileRequest struct {
	named
	tamper func(url.Values, url.Values) // the URL's parameters and the body's
	state  string
}

var tradeAnswers = []hostileAnswer{
	{named: "another order's", answer: func(x shoptest.Talk) string { return x.Refunded(shoptest.SecondOrder, "R1", 8_88) }, want: elsewhere},
	{named: "a refund of less", answer: func(x shoptest.Talk) string { return x.Insider(`"refund_fee":"8.88"`, `"refund_fee":"8.87"`) }, want: elsewhere},
	{named: "a refund of no amount", answer: func(x shoptest.Talk) string { return x.Insider(`"refund_fee":"8.88"`, `"refund_fee":"x"`) }, want: elsewhere},
	{named: "an order that begins like it", answer: func(x shoptest.Talk) string { return x.Insider(shoptest.Order, shoptest.Order+"0") }, want: elsewhere},
	{named: "a question's answer of another order", answer: func(x shoptest.Talk) string { return x.Renamed(x.Asked(shoptest.SecondOrder, "R1", 8_88)) }, want: elsewhere},
	{named: "a question's answer", answer: func(x shoptest.Talk) string { return x.Renamed(x.Asked(shoptest.Order, "R9", 8_88)) }, want: silent},
	{named: "the order's answer", answer: func(x shoptest.Talk) string { return x.Renamed(x.Traded(shoptest.Order)) }, want: silent},
	{named: "a red packet's answer", answer: func(x shoptest.Talk) string { return x.Renamed(x.Returned("R1", 8_88)) }, want: silent},
	{named: "fund_change N", answer: func(x shoptest.Talk) string { return x.Insider(`"Y"`, `"N"`) }, want: silent},
	{named: "fund_change in an object", answer: func(x shoptest.Talk) string { return x.Insider(`"Y"`, `{"fund_change":"Y"}`) }, want: silent},
	{named: "fund_change in a list", answer: func(x shoptest.Talk) string { return x.Insider(`"Y"`, `["Y"]`) }, want: silent},
	{named: "fund_change true", answer: func(x shoptest.Talk) string { return x.Insider(`"Y"`, `true`) }, want: silent},
	{named: "fund_change in a key of capitals", answer: func(x shoptest.Talk) string { return x.Insider(`"fund_change"`, `"Fund_Change"`) }, want: silent},
	{named: "fund_change deep inside", answer: func(x shoptest.Talk) string {
		return x.InsiderNode(`{"code":"10000","out_trade_no":"` + shoptest.Order + `","a":{"fund_change":"Y"},"b":"\",\"fund_change\":\"Y"}`)
	}, want: silent},
	{named: "no code", answer: func(x shoptest.Talk) string { return x.Insider(`"code":"10000",`, ``) }, want: unusable},
	{named: "code in a list", answer: func(x shoptest.Talk) string { return x.Insider(`"10000"`, `["10000"]`) }, want: unusable},
	{named: "code in words", answer: func(x shoptest.Talk) string { return x.Insider(`"10000"`, `"Success"`) }, want: silent},
}

var couponAnswers = []hostileAnswer{
	{named: "unsigned", answer: func(x shoptest.Talk) string { return `{"` + x.Name + `":` + x.Node + `}` }, want: unverified},
	{named: "the amount changed", answer: func(x shoptest.Talk) string { return x.With(`"1.00"`, `"2.00"`) }, want: unverified},
	{named: "another red packet's", answer: func(x shoptest.Talk) string { return x.Returned("C9", 1_00) }, want: elsewhere},
	{named: "another number's", answer: func(x shoptest.Talk) string { return x.Insider(`"C1"`, `"c1"`) }, want: elsewhere},
	{named: "another amount's", answer: func(x shoptest.Talk) string { return x.Insider(`"amount":"1.00"`, `"amount":"100.00"`) }, want: elsewhere},
	{named: "the payment's operation", answer: func(x shoptest.Talk) string { return x.Renamed(x.Operation("O1", "the-payment")) }, want: elsewhere},
	{named: "in progress", answer: func(x shoptest.Talk) string { return x.Insider(`"SUCCESS"`, `"INIT"`) }, want: silent},
	{named: "closed", answer: func(x shoptest.Talk) string { return x.Insider(`"SUCCESS"`, `"CLOSED"`) }, want: silent},
	{named: "status in lower case", answer: func(x shoptest.Talk) string { return x.Insider(`"SUCCESS"`, `"success"`) }, want: silent},
	{named: "status in an object", answer: func(x shoptest.Talk) string { return x.Insider(`"SUCCESS"`, `{"status":"SUCCESS"}`) }, want: silent},
	{named: "a trade's", answer: func(x shoptest.Talk) string { return x.Renamed(x.Refunded(shoptest.SecondOrder, "C1", 1_00)) }, want: silent},
}

var tradeQuestions = []hostileAnswer{
	{named: "unsigned", answer: func(x shoptest.Talk) string { return `{"` + x.Name + `":` + x.Node + `}` }, want: unverified},
	{named: "the amount changed", answer: func(x shoptest.Talk) string { return x.With("8.88", "9.88") }, want: unverified},
	{named: "a stranger's key", answer: func(x shoptest.Talk) string { return x.Saying(x.Node, shoptest.Signature(shoptest.Stranger(), x.Node)) }, want: unverified},
	{named: "another number's", answer: func(x shoptest.Talk) string { return x.Asked(shoptest.Order, "R9", 8_88) }, want: elsewhere},
	{named: "another order's", answer: func(x shoptest.Talk) string { return x.Asked(shoptest.SecondOrder, "R1", 8_88) }, want: elsewhere},
	{named: "another amount's", answer: func(x shoptest.Talk) string { return x.Insider(`"8.88"`, `"8.87"`) }, want: elsewhere},
	{named: "no number", answer: func(x shoptest.Talk) string { return x.Insider(`"out_request_no":"R1",`, ``) }, want: elsewhere},
	{named: "the number in a list", answer: func(x shoptest.Talk) string { return x.Insider(`"R1"`, `["R1"]`) }, want: elsewhere},
	{named: "the number in another case", answer: func(x shoptest.Talk) string { return x.Insider(`"R1"`, `"r1"`) }, want: elsewhere},
	{named: "no order", answer: func(x shoptest.Talk) string { return x.Insider(`"out_trade_no":"`+shoptest.Order+`",`, ``) }, want: elsewhere},
	{named: "no amount", answer: func(x shoptest.Talk) string { return x.Insider(`"refund_amount":"8.88",`, ``) }, want: elsewhere},
	{named: "an amount in powers of ten", answer: func(x shoptest.Talk) string { return x.Insider(`"8.88"`, `888e-2`) }, want: elsewhere},
	{named: "in progress", answer: func(x shoptest.Talk) string { return x.Insider("REFUND_SUCCESS", "REFUND_PROCESSING") }, want: silent},
	{named: "no status", answer: func(x shoptest.Talk) string { return x.Insider(`"refund_status":"REFUND_SUCCESS",`, ``) }, want: silent},
	{named: "status in an object", answer: func(x shoptest.Talk) string {
		return x.Insider(`"REFUND_SUCCESS"`, `{"refund_status":"REFUND_SUCCESS"}`)
	}, want: silent},
	{named: "the refund's answer", answer: func(x shoptest.Talk) string { return x.Renamed(x.Refunded(shoptest.Order, "R9", 8_88)) }, want: silent},
	{named: "the order's answer", answer: func(x shoptest.Talk) string { return x.Renamed(x.Traded(shoptest.Order)) }, want: silent},
}

var couponQuestions = []hostileAnswer{
	{named: "unsigned", answer: func(x shoptest.Talk) string { return `{"` + x.Name + `":` + x.Node + `}` }, want: unverified},
	{named: "the payment's operation", answer: func(x shoptest.Talk) string { return x.Operation("O1", "the-payment") }, want: elsewhere},
	{named: "operation_type PAY", answer: func(x shoptest.Talk) string { return x.Insider(`"REFUND"`, `"PAY"`) }, want: elsewhere},
	{named: "another number's", answer: func(x shoptest.Talk) string { return x.Insider(`"C1"`, `"C9"`) }, want: elsewhere},
	{named: "another amount's", answer: func(x shoptest.Talk) string { return x.Insider(`"amount":"1.00"`, `"amount":"1.01"`) }, want: elsewhere},
	{named: "the refund's answer of another red packet", answer: func(x shoptest.Talk) string { return x.Renamed(x.Returned("C9", 1_00)) }, want: elsewhere},
	{named: "no operation_type", answer: func(x shoptest.Talk) string { return x.Insider(`"operation_type":"REFUND",`, ``) }, want: silent},
	{named: "in progress", answer: func(x shoptest.Talk) string { return x.Insider(`"SUCCESS"`, `"INIT"`) }, want: silent},
}

var tradeLookups = []hostileLookup{
	{named: "unsigned", answer: func(x shoptest.Talk) string { return `{"` + x.Name + `":` + x.Node + `}` }},
	{named: "the order changed", answer: func(x shoptest.Talk) string { return x.With(shoptest.Order, shoptest.SecondOrder) }},
	{named: "another trade's", answer: func(x shoptest.Talk) string { return x.Traded(shoptest.SecondOrder) }},
	{named: "no trade_no", answer: func(x shoptest.Talk) string { return x.Insider(`"trade_no"`, `"x"`) }},
	{named: "an unsigned refusal", answer: func(x shoptest.Talk) string {
		return `{"` + x.Name + `":{"code":"40004","msg":"Business Failed","sub_code":"ACQ.TRADE_NOT_EXIST"}}`
	}},
	{named: "a page", answer: func(x shoptest.Talk) string { return "<html>" + x.Body + "</html>" }},
}

var hostileRequests = []hostileRequest{
	{named: "amount raised", tamper: replaceBiz("8.88", "88.88"), state: "failed"},
	{named: "another order", tamper: replaceBiz(shoptest.Order, shoptest.SecondOrder), state: "failed"},
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
