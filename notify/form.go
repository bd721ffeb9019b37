package notify

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/alirefund/alirefund/signer"
)

const (
	maxFields = 128 // real notices have about 25
	maxKey    = 64
)

// parse reads a form (application/x-www-form-urlencoded) as net/url does, in
// two allocations instead of forty, and returns its fields decoded once and
// sorted by key. It refuses what net/url refuses; more than 128 fields; a key
// given twice; and keys that are not plain names, since a key with a "=" or "&",
// or a piece of JSON, could make one signed text of another.
func parse(body []byte) ([]signer.Param, error) {
	switch {
	case len(body) == 0:
		return nil, fmt.Errorf("%w: it is empty", ErrMalformed)
	case len(body) > MaxBody:
		return nil, tooLarge()
	}
	// All keys and values, one after the other. Decoding never lengthens, so
	// the builder never moves, and strings cut from it stay good.
	var text strings.Builder
	text.Grow(len(body))
	params := make([]signer.Param, 0, min(bytes.Count(body, []byte("&"))+1, maxFields))
	for number := 1; len(body) > 0; number++ {
		var field []byte
		field, body, _ = bytes.Cut(body, []byte("&"))
		if len(field) == 0 {
			continue
		}
		if len(params) == maxFields {
			return nil, fmt.Errorf("%w: more than %d fields", ErrMalformed, maxFields)
		}
		rawKey, rawValue, _ := bytes.Cut(field, []byte("="))
		key, ok := unescape(&text, rawKey)
		if !ok || !isName(key) {
			return nil, fmt.Errorf("%w: the key of field %d is not a name", ErrMalformed, number)
		}
		value, ok := unescape(&text, rawValue)
		if !ok {
			return nil, fmt.Errorf("%w: %s has a broken percent-encoding or a bare semicolon", ErrMalformed, key)
		}
		params = append(params, signer.Param{Key: key, Value: value})
	}
	slices.SortFunc(params, func(a, b signer.Param) int { return strings.Compare(a.Key, b.Key) })
	for i := 1; i < len(params); i++ {
		if params[i].Key == params[i-1].Key {
			return nil, fmt.Errorf("%w: %s", ErrDuplicateKey, params[i].Key)
		}
	}
	return params, nil
}

func tooLarge() error { return fmt.Errorf("%w: more than %d bytes", ErrTooLarge, MaxBody) }

// unescape appends raw to text, decoded, and returns what it appended. A bare
// semicolon is refused because it once separated fields, for some readers.
func unescape(text *strings.Builder, raw []byte) (string, bool) {
	start := text.Len()
	plain := 0 // what follows is as it is, until i
	for i := 0; i < len(raw); i++ {
		switch raw[i] {
		case '%':
			if i+2 >= len(raw) {
				return "", false
			}
			high, low := hexDigits[raw[i+1]], hexDigits[raw[i+2]]
			if high|low == notHex {
				return "", false
			}
			text.Write(raw[plain:i])
			text.WriteByte(high<<4 | low)
			i += 2
			plain = i + 1
		case '+':
			text.Write(raw[plain:i])
			text.WriteByte(' ')
			plain = i + 1
		case ';':
			return "", false
		}
	}
	text.Write(raw[plain:])
	return text.String()[start:], true
}

// notHex has all bits set, so that it shows in whatever it is or-ed with.
const notHex = 0xff

// hexDigits maps a hexadecimal digit to its value, and all else to notHex.
var hexDigits = func() (table [256]byte) {
	for i := range table {
		table[i] = notHex
	}
	for value := range byte(16) {
		table["0123456789abcdef"[value]] = value
		table["0123456789ABCDEF"[value]] = value
	}
	return table
}()

// isName tells whether key looks like every key of Alipay's: ASCII letters,
// digits, and few signs.
func isName(key string) bool {
	for _, c := range []byte(key) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_', c == '-', c == '.':
		default:
			return false
		}
	}
	return key != "" && len(key) <= maxKey
}
