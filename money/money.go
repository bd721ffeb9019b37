// Package money holds amounts of Chinese yuan as a whole number of fen.
//
// Alipay's interfaces write amounts as yuan with at most two decimals, in a
// JSON string ("88.88") or in a JSON number (88.88, 10), and both stand in its
// documents. Neither ever passes through a float here.
package money

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

// Amount is a number of fen, a hundredth of a yuan: Amount(8888) is 88.88 yuan.
// The zero Amount is "no amount": no interface of Alipay's moves it, and the
// ledger uses it for an amount that is not known.
type Amount int64

// Min and Max are the least and the greatest amount that Alipay's refund
// interfaces take, 0.01 and 100000000.00 yuan
// (docs.open.alipay.com/api_5/alipay.fund.coupon.order.refund).
const (
	Min Amount = 1
	Max Amount = 100000000_00
)

// ErrSyntax is wrapped by every error that Parse and UnmarshalJSON return, and beside it
// ErrPrecise or ErrRange by those of what is an amount, but none that fits.
var (
	ErrSyntax  = errors.New("money: not an amount of yuan such as 88.88")
	ErrPrecise = errors.New("one or two decimals")
	ErrRange   = errors.New("too large")
)

// maxDigits keeps the fen of any accepted text inside an int64.
const maxDigits = 16

// Parse reads an amount of yuan: ASCII digits and, after a point, one or two
// more ("88", "88.8", "88.88", "0.01"). It refuses signs, exponents, blanks,
// digits of other scripts, superfluous leading zeros, three decimals and
// whatever does not fit. It does not apply Min and Max: see [Amount.InRange].
// Every error wraps [ErrSyntax] and says what was wrong.
func Parse(text string) (Amount, error) { return parse(text) }

func parse[T string | []byte](text T) (Amount, error) {
	whole := 0
	for whole < len(text) && isDigit(text[whole]) {
		whole++
	}
	switch {
	case len(text) == 0:
		return 0, fmt.Errorf("%w: it is empty", ErrSyntax)
	case whole == 0:
		return 0, fmt.Errorf("%w: it must begin with a digit", ErrSyntax)
	case whole > 1 && text[0] == '0':
		return 0, fmt.Errorf("%w: a superfluous leading zero", ErrSyntax)
	case whole > maxDigits:
		return 0, fmt.Errorf("%w: %w", ErrSyntax, ErrRange)
	}
	decimals := 0
	if whole < len(text) {
		decimals = len(text) - whole - 1
		if text[whole] != '.' {
			return 0, fmt.Errorf("%w: only digits and one point are allowed", ErrSyntax)
		}
		for _, c := range []byte(text[whole+1:]) {
			if !isDigit(c) {
				return 0, fmt.Errorf("%w: only digits and one point are allowed", ErrSyntax)
			}
		}
		switch {
		case decimals == 0:
			return 0, fmt.Errorf("%w: one or two decimals, not 0", ErrSyntax)
		case decimals > 2:
			return 0, fmt.Errorf("%w: %w, not %d", ErrSyntax, ErrPrecise, decimals)
		}
	}
	var fen Amount
	for i := range len(text) {
		if i != whole {
			fen = fen*10 + Amount(text[i]-'0')
		}
	}
	for range 2 - decimals {
		fen *= 10
	}
	return fen, nil
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// InRange tells whether Alipay's refund interfaces take the amount.
func (a Amount) InRange() bool { return a >= Min && a <= Max }

// String prints yuan with two decimals, "88.88".
func (a Amount) String() string {
	var buf [24]byte
	return string(a.append(buf[:0]))
}

func (a Amount) append(dst []byte) []byte {
	fen := uint64(a) //nolint:gosec // negated below in two's complement, which holds for the least int64 too
	if a < 0 {
		dst = append(dst, '-')
		fen = -fen
	}
	dst = strconv.AppendUint(dst, fen/100, 10)
	return append(dst, '.', byte('0'+fen/10%10), byte('0'+fen%10))
}

// MarshalJSON writes the JSON string "88.88", the form of Alipay's documents.
func (a Amount) MarshalJSON() ([]byte, error) {
	buf := make([]byte, 0, 24)
	return append(a.append(append(buf, '"')), '"'), nil
}

// UnmarshalJSON reads a JSON string or a JSON number by the rules of [Parse].
// null leaves the amount as it is, as encoding/json does everywhere.
func (a *Amount) UnmarshalJSON(data []byte) error {
	if bytes.Equal(data, []byte("null")) {
		return nil
	}
	if n := len(data); n >= 2 && data[0] == '"' && data[n-1] == '"' {
		data = data[1 : n-1]
	}
	parsed, err := parse(data)
	if err != nil {
		return err
	}
	*a = parsed
	return nil
}
