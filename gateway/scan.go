package gateway

import (
	"bytes"
	"encoding/json"
	"slices"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/alirefund/alirefund/money"
)

// This file reads the values of an answer one by one, so that a strange optional
// field cannot fail the others.

// text reads a string or a number; anything else is "". It is UTF-8: the gateway
// writes GBK into some texts whatever was asked for.
func text(raw []byte) string {
	switch {
	case len(raw) >= 2 && raw[0] == '"':
		inner := raw[1 : len(raw)-1]
		if !utf8.Valid(inner) {
			inner, _ = simplifiedchinese.GB18030.NewDecoder().Bytes(inner) // what is neither becomes U+FFFD
		}
		if bytes.IndexByte(inner, '\\') < 0 {
			return string(inner)
		}
		var s string
		if json.Unmarshal(slices.Concat([]byte{'"'}, inner, []byte{'"'}), &s) != nil {
			return ""
		}
		return s
	case len(raw) > 0 && (raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9'):
		return string(raw)
	}
	return ""
}

// amount reads an amount of yuan from a string or a number; 0 if it is none.
func amount(raw []byte) money.Amount {
	parsed, err := money.Parse(text(raw))
	if err != nil {
		return 0
	}
	return parsed
}
