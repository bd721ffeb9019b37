// Package rawjson cuts JSON without changing it: raw spans of the bytes as they
// came, so that a signature can be verified over them, a key that stands twice
// is seen, and one strange value cannot fail the others.
package rawjson

import (
	"bytes"
	"errors"
	"fmt"
)

// ErrSyntax: the bytes are no object as far as they were read. What lies inside
// a value is not checked; encoding/json.Valid does that.
var ErrSyntax = errors.New("no JSON object")

// Fields calls f with the raw key, without its quotes, and the raw value of
// each field of the object at the beginning of data, and returns where the
// object ends. It checks brackets and strings; values are not validated.
func Fields(data []byte, f func(key, value []byte)) (end int, err error) {
	i := blanks(data, 0)
	if i >= len(data) || data[i] != '{' {
		return 0, ErrSyntax
	}
	if i = blanks(data, i+1); i < len(data) && data[i] == '}' {
		return i + 1, nil
	}
	for {
		i = blanks(data, i)
		if i >= len(data) || data[i] != '"' {
			return 0, fmt.Errorf("%w: a key is missing", ErrSyntax)
		}
		keyEnd := skipString(data, i)
		colon := blanks(data, keyEnd)
		if keyEnd == 0 || colon >= len(data) || data[colon] != ':' {
			return 0, fmt.Errorf("%w: broken off in a key", ErrSyntax)
		}
		start := blanks(data, colon+1)
		stop := skipValue(data, start)
		if stop <= start {
			return 0, fmt.Errorf("%w: broken off in a value", ErrSyntax)
		}
		f(data[i+1:keyEnd-1], data[start:stop])
		i = blanks(data, stop)
		switch {
		case i < len(data) && data[i] == ',':
			i++
		case i < len(data) && data[i] == '}':
			return i + 1, nil
		default:
			return 0, fmt.Errorf("%w: broken off after a value", ErrSyntax)
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

// Items calls f with each element of a list, or with the value itself where
// an object or a scalar stands in the place of a list.
func Items(raw []byte, f func(item []byte)) {
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
