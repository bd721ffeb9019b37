package money_test

import (
	"errors"
	"math/big"
	"regexp"
	"strings"
	"testing"

	"github.com/alirefund/alirefund/money"
)

// An amount by another road: a pattern that says what is allowed, and exact
// rational arithmetic.
var pattern = regexp.MustCompile(`\A(0|[1-9][0-9]{0,15})(\.[0-9]{1,2})?\z`)

func oracle(text string) (fen int64, ok bool) {
	if !pattern.MatchString(text) {
		return 0, false
	}
	yuan, _ := new(big.Rat).SetString(text)
	hundredfold := yuan.Mul(yuan, big.NewRat(100, 1))
	return hundredfold.Num().Int64(), hundredfold.IsInt() && hundredfold.Num().IsInt64()
}

func FuzzParse(f *testing.F) {
	for text := range refused {
		f.Add(text)
	}
	for _, text := range []string{"0", "0.01", "88.88", "88.8", "88", "9999999999999999.99"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		want, ok := oracle(text)
		got, err := money.Parse(text)
		switch {
		case ok && (err != nil || int64(got) != want):
			t.Fatalf("Parse(%q) = %d, %v; want %d", text, got, err, want)
		case !ok && (got != 0 || !errors.Is(err, money.ErrSyntax)):
			t.Fatalf("Parse(%q) = %d, %v; want ErrSyntax", text, got, err)
		}
		if text == "null" || strings.HasPrefix(text, `"`) {
			return // JSON's own meaning
		}
		for _, form := range []string{text, `"` + text + `"`} {
			var read money.Amount
			if err := read.UnmarshalJSON([]byte(form)); (err == nil) != ok || int64(read) != want {
				t.Fatalf("%s reads as %d, %v; want %d, accepted: %t", form, read, err, want, ok)
			}
		}
	})
}
