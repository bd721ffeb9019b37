package alipaytest

import (
	"encoding/json"
	"strings"
)

// field is one member of a node.
type field struct {
	key   string
	value any
}

// node is a JSON object whose members keep their order.
type node []field

func (n node) bytes() []byte {
	dst := []byte{'{'}
	for i, f := range n {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(quote(f.key, dst), ':')
		dst = appendValue(dst, f.value)
	}
	return append(dst, '}')
}

func appendValue(dst []byte, value any) []byte {
	switch value := value.(type) {
	case node:
		return append(dst, value.bytes()...)
	case []node:
		dst = append(dst, '[')
		for i, n := range value {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(dst, n.bytes()...)
		}
		return append(dst, ']')
	case json.RawMessage:
		return append(dst, value...)
	case string:
		return quote(value, dst)
	}
	panic("alipaytest: a node holds strings, nodes and lists of nodes")
}

func quote(text string, dst []byte) []byte {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(text) // a string always encodes
	return append(dst, strings.TrimSuffix(b.String(), "\n")...)
}

// amounts are the members that the documents show as strings and sample answers
// (cloud.payment.common.refund) as numbers.
var amounts = map[string]bool{
	"refund_fee": true, "send_back_fee": true, "amount": true, "real_amount": true,
	"refund_amount": true, "total_amount": true, "total_pay_refund_amount": true, "trans_amount": true,
}

// loose writes amounts as numbers and each list as its only element.
func (n node) loose() node {
	changed := make(node, len(n))
	for i, f := range n {
		switch value := f.value.(type) {
		case string:
			if amounts[f.key] {
				f.value = json.RawMessage(value)
			}
		case node:
			f.value = value.loose()
		case []node:
			if len(value) > 0 {
				f.value = value[0].loose()
			}
		}
		changed[i] = f
	}
	return changed
}
