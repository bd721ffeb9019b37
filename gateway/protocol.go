package gateway

import "strconv"

// Protocol is a version of Alipay's OpenAPI protocol.
type Protocol uint8

// The protocols.
const (
	// V2 is gateway.do: a form, whose answer is a signed node in an envelope.
	V2 Protocol = iota
	// V3 is a path for each call and JSON, whose answer is signed by headers. It
	// has the calls about trades: [MethodTradeRefund], [MethodRefundQuery],
	// [MethodTradeQuery] and [MethodTradeClose]. All others go by V2, at the same
	// host. Source: Alipay's OpenAPI v3 pages, "signing" and "verifying".
	//
	// The Node of a [Reply] is the whole body, and its Code the one that version 2
	// gives with such an answer: 10000, or what goes with the refusal's name, which
	// is SubCode.
	//
	// Not confirmed: whether refusals of the gateway itself are ever signed (those
	// that were seen are not; those of a call are), and which status goes with
	// which. Neither is relied upon.
	V3
)

func (p Protocol) String() string {
	if p > V3 {
		return "Protocol(" + strconv.Itoa(int(p)) + ")"
	}
	return [...]string{"V2", "V3"}[p]
}
