package gateway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/alirefund/alirefund/money"
)

// This file reads JSON without changing it: raw spans, so that a signature can
// be verified over the very bytes, and values decoded one by one, so that a
// strange optional field cannot fail the others.

// eachField calls f with the raw key, without its quotes, and the raw value of
// each field of the object at the beginning of data, and returns where the
// object ends. It checks brackets and strings; values are not validated.
func eachField(data []byte, f func(key, value []byte)) (end int, err error) {
	i := blanks(data, 0)
	if i >= len(data) || data[i] != '{' {
		return 0, fmt.Errorf("%w: no JSON object", errEnvelope)
	}
	if i = blanks(data, i+1); i < len(data) && data[i] == '}' {
		return i + 1, nil
	}
	for {
		i = blanks(data, i)
		if i >= len(data) || data[i] != '"' {
			return 0, fmt.Errorf("%w: a key is missing", errEnvelope)
		}
		keyEnd := skipString(data, i)
		colon := blanks(data, keyEnd)
		if keyEnd == 0 || colon >= len(data) || data[colon] != ':' {
			return 0, fmt.Errorf("%w: broken off in a key", errEnvelope)
		}
		start := blanks(data, colon+1)
		stop := skipValue(data, start)
		if stop <= start {
			return 0, fmt.Errorf("%w: broken off in a value", errEnvelope)
		}
		f(data[i+1:keyEnd-1], data[start:stop])
		i = blanks(data, stop)
		switch {
		case i < len(data) && data[i] == ',':
			i++
		case i < len(data) && data[i] == '}':
			return i + 1, nil
		default:
			return 0, fmt.Errorf("%w: broken off after a value", errEnvelope)
		}
	}
}

func blanks(data []byte, i int) int {
	for i < len(data) && (data[i] == ' ' || data[i] == '\t' || data[i] == '\n' || data[i] == '\r') {
		i++
	}
	return i
}

// skipString returns the index behind the string that begins at i, or 0.
func skipString(data []byte, i int) int {
	for i++; i < len(data); i++ {
		switch data[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return 0
}

// skipValue returns the index behind the value that begins at i, or 0.
func skipValue(data []byte, i int) int {
	if i >= len(data) {
		return 0
	}
	switch data[i] {
	case '"':
		return skipString(data, i)
	case '{', '[':
		depth := 0
		for i < len(data) {
			switch data[i] {
			case '"':
				if i = skipString(data, i); i == 0 {
					return 0
				}
				continue
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
			i++
		}
		return 0
	}
	for i < len(data) && bytes.IndexByte([]byte(",}] \t\r\n"), data[i]) < 0 {
		i++
	}
	return i
}

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

// eachItem calls f with each element of a list, or with the value itself where
// an object or a scalar stands in the place of a list.
func eachItem(raw []byte, f func(item []byte)) {
	if len(raw) == 0 || string(raw) == "null" {
		return
	}
	if raw[0] != '[' {
		f(raw)
		return
	}
	i := blanks(raw, 1)
	for i < len(raw) && raw[i] != ']' {
		stop := skipValue(raw, i)
		if stop <= i {
			return
		}
		f(raw[i:stop])
		if i = blanks(raw, stop); i < len(raw) && raw[i] == ',' {
			i = blanks(raw, i+1)
		}
	}
}
