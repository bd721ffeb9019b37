package signer

import (
	"slices"
	"strings"
)

// Param is one parameter of a request or a notice, decoded: its value as it is
// signed, not as it is written into a form.
type Param struct{ Key, Value string }

// AppendText appends to dst the text that Alipay signs: key=value in the byte
// order of the keys, joined by &, values raw. It sorts params in place.
//
// Requests are signed with every parameter but sign, sign_type included; the
// caller sends no empty one. Notices are signed without sign and sign_type (the
// form called V1), which [WithoutSignType] asks for; only those of the service
// market and of life accounts keep sign_type (V2). Source: opendocs, "signing"
// and "asynchronous notices"; which notice has which form was checked on signed
// captures.
func AppendText(dst []byte, params []Param, form Form) []byte {
	if !slices.IsSortedFunc(params, byKey) {
		slices.SortStableFunc(params, byKey)
	}
	first := true
	for _, p := range params {
		if p.Key == "sign" || form&WithoutSignType != 0 && p.Key == "sign_type" || form&WithoutEmpty != 0 && p.Value == "" {
			continue
		}
		if !first {
			dst = append(dst, '&')
		}
		first = false
		dst = append(dst, p.Key...)
		dst = append(dst, '=')
		dst = append(dst, p.Value...)
	}
	return dst
}

// Form says which parameters besides sign a text leaves out. Its zero value,
// everything, is the form of requests and of V2 notices.
type Form uint8

const (
	// WithoutSignType is the form of notices, V1.
	WithoutSignType Form = 1 << iota
	// WithoutEmpty leaves out parameters without a value: Alipay's pages
	// contradict each other on whether a notice's are signed.
	WithoutEmpty
)

func byKey(a, b Param) int { return strings.Compare(a.Key, b.Key) }
