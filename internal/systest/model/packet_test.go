package model_test

import (
	"strings"
	"testing"

	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/signer"
	"github.com/alirefund/alirefund/store"
)

// The same for red packets that Alipay cannot be asked about: only the answer to the
// identical request tells, or a notification, which comes in the end. A refusal while
// an earlier send is unanswered is a person's business.
func TestModelOfRedPackets(t *testing.T) { walk(t, kind{packets: true}) }

func packetFacts(transport gateway.Transport, code, sub string, proof gateway.Proof) gateway.Facts {
	f := sendFacts(transport, code, sub, proof)
	f.Call = gateway.CouponRefundCall
	return f
}

func packetRefusal(sub string) string { return strings.Replace(refusal(sub), "ACQ.", "", 1) }

const returned = `{"code":"10000","msg":"Success","auth_no":"T","out_order_no":"P","operation_id":"O","out_request_no":"%s","amount":"0.60","status":"SUCCESS"}`

// packetSends are what can become of a send, as sends are.
var packetSends = []exchange{
	{name: "returned", facts: packetFacts(gateway.SignedAnswer, "10000", "", gateway.Moved), when: still, executed: true, node: returned},
	{name: "repeated", facts: packetFacts(gateway.SignedAnswer, "40004", "UNIQUE_VIOLATION", 0), when: already, node: packetRefusal("UNIQUE_VIOLATION")},
	{name: "no connection", facts: packetFacts(gateway.NothingSent, "", "", 0)},
	{name: "no answer, executed", facts: packetFacts(gateway.NoAnswer, "", "", 0), when: still, executed: true},
	{name: "no answer, lost", facts: packetFacts(gateway.NoAnswer, "", "", 0)},
	{name: "no answer, on its way", facts: packetFacts(gateway.NoAnswer, "", "", 0), when: still, late: true},
	{name: "refused for now", facts: packetFacts(gateway.SignedAnswer, "40004", "ACCESS_FORBIDDEN", 0), when: remembered, node: packetRefusal("ACCESS_FORBIDDEN")},
	{name: "refused for good", facts: packetFacts(gateway.SignedAnswer, "40004", "MONEY_NOT_ENOUGH", 0), when: remembered, node: packetRefusal("MONEY_NOT_ENOUGH")},
	{name: "refused, nobody knows for what", facts: packetFacts(gateway.SignedAnswer, "40004", "NEW", 0), node: packetRefusal("NEW")},
}

// packetQuestions: by what there is, Alipay tells nothing.
var packetQuestions = []exchange{
	{name: "no such pair", node: packetRefusal("ILLEGAL_ARGUMENT")},
	{name: "no answer"},
}

// notified lets the notifications come of what has moved, and tells whether all that is
// left is a person's.
func (l *lab) notified() bool {
	persons := true
	for number := range numbers {
		r := l.recorded(number)
		if l.w.facts[number].moved && r.ID != "" && r.State != store.Succeeded {
			l.notice(number)
			r = l.recorded(number)
		}
		persons = persons && (r.Next.IsZero() || r.State == store.Pending && r.Attention != "" && r.WasDelivered(store.RefundUnresolved))
	}
	return persons
}

// packetNotice is the signed part of a notification of a number.
func (l *lab) packetNotice(number int) []signer.Param {
	return []signer.Param{
		{Key: "notify_id", Value: strings.Repeat("0", 34-1) + numbers[number]},
		{Key: "notify_type", Value: "fund_stdtrustee_refund.success"},
		{Key: "sign_type", Value: "RSA2"},
		{Key: "app_id", Value: "2021"},
		{Key: "auth_no", Value: modelOrder},
		{Key: "operation_id", Value: "O" + numbers[number]},
		{Key: "out_request_no", Value: numbers[number]},
		{Key: "operation_type", Value: "REFUND"},
		{Key: "amount", Value: "0.60"},
		{Key: "status", Value: "SUCCESS"},
	}
}
