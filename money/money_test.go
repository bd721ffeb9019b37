package money_test

import (
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/alirefund/alirefund/money"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]money.Amount{
		"0": 0, "0.0": 0, "0.00": 0,
		"0.01": 1, "0.1": 10, "0.10": 10,
		"1": 100, "88": 8800, "88.8": 8880, "88.88": 8888, "10.05": 1005,
		"100000000.00":        money.Max,
		"9999999999999999.99": 999999999999999999, // as many digits as it takes
	} {
		if got, err := money.Parse(text); err != nil || got != want {
			t.Errorf("Parse(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
}

// refused lists texts that are no amounts, and what the error says of each.
var refused = map[string]string{
	"":                      "it is empty",
	"-1":                    "begin with a digit",
	"+1":                    "begin with a digit",
	"-0":                    "begin with a digit",
	".5":                    "begin with a digit",
	".":                     "begin with a digit",
	" 1":                    "begin with a digit",
	"１":                     "begin with a digit", // full width
	"٣":                     "begin with a digit", // Arabic-Indic
	"NaN":                   "begin with a digit",
	"Inf":                   "begin with a digit",
	"¥1":                    "begin with a digit",
	"1 ":                    "only digits and one point",
	"1\n":                   "only digits and one point",
	"1\x00":                 "only digits and one point",
	"1e2":                   "only digits and one point",
	"1E2":                   "only digits and one point",
	"0x10":                  "only digits and one point",
	"1_000":                 "only digits and one point",
	"1,000.00":              "only digits and one point",
	"1,5":                   "only digits and one point",
	"1.2.3":                 "only digits and one point",
	"1..2":                  "only digits and one point",
	"1.-2":                  "only digits and one point",
	"1.5e1":                 "only digits and one point",
	"1.５":                   "only digits and one point",
	"1.":                    "one or two decimals, not 0",
	"0.001":                 "one or two decimals, not 3",
	"88.880":                "one or two decimals, not 3",
	"00":                    "leading zero",
	"01":                    "leading zero",
	"00.01":                 "leading zero",
	"10000000000000000":     "too large",
	"92233720368547758.08":  "too large", // one fen more than an int64 holds
	"18446744073709551617":  "too large", // would wrap to 1
	strings.Repeat("9", 99): "too large",
}

func TestParseRefuses(t *testing.T) {
	for text, want := range refused {
		got, err := money.Parse(text)
		if got != 0 || !errors.Is(err, money.ErrSyntax) || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%q) = %d, %v; want ErrSyntax with %q", text, got, err, want)
		}
	}
}

func TestInRange(t *testing.T) {
	for amount, want := range map[money.Amount]bool{
		math.MinInt64: false, -1: false, 0: false,
		money.Min: true, 8888: true, money.Max: true,
		money.Max + 1: false, math.MaxInt64: false,
	} {
		if got := amount.InRange(); got != want {
			t.Errorf("%s in range: %t, want %t", amount, got, want)
		}
	}
}

func TestString(t *testing.T) {
	for amount, want := range map[money.Amount]string{
		0: "0.00", 1: "0.01", 10: "0.10", 100: "1.00", 8888: "88.88",
		money.Max:     "100000000.00",
		math.MaxInt64: "92233720368547758.07",
		-1:            "-0.01", -8888: "-88.88", // a difference of amounts may be negative
		math.MinInt64: "-92233720368547758.08",
	} {
		if got := amount.String(); got != want {
			t.Errorf("Amount(%d) prints %s, want %s", int64(amount), got, want)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	for range 10_000 {
		amount := money.Amount(rand.Int64N(int64(money.Max) << rand.IntN(26)))
		if got, err := money.Parse(amount.String()); err != nil || got != amount {
			t.Fatalf("Amount(%d) prints %s, which parses as %d, %v", int64(amount), amount, got, err)
		}
		text, err := json.Marshal(amount)
		if err != nil {
			t.Fatal(err)
		}
		var got money.Amount
		if err := json.Unmarshal(text, &got); err != nil || got != amount {
			t.Fatalf("Amount(%d) becomes %s, which reads as %d, %v", int64(amount), text, got, err)
		}
	}
}

func TestJSON(t *testing.T) {
	type answer struct {
		Fee     money.Amount  `json:"fee,omitempty"`
		Pointer *money.Amount `json:"pointer,omitempty"`
	}
	for text, want := range map[string]money.Amount{
		`{"fee":"88.88"}`:   8888,
		`{"fee":88.88}`:     8888,
		`{"fee": 10 }`:      1000,
		`{"fee":0.01}`:      1,
		`{"fee":"0.1"}`:     10,
		`{"fee":1.1}`:       110, // 110.00000000000001 in a float
		`{"fee":"1.15"}`:    115, // 114.99999999999999
		`{}`:                7,   // the value before
		`{"fee":null}`:      7,
		`{"pointer":"1.0"}`: 7,
	} {
		got := answer{Fee: 7}
		if err := json.Unmarshal([]byte(text), &got); err != nil || got.Fee != want {
			t.Errorf("%s: %d, %v; want %d", text, got.Fee, err, want)
		}
	}

	one := money.Amount(100)
	text, err := json.Marshal(answer{Fee: 8888, Pointer: &one})
	if want := `{"fee":"88.88","pointer":"1.00"}`; err != nil || string(text) != want {
		t.Errorf("Marshal: %s, %v; want %s", text, err, want)
	}
	text, err = json.Marshal(answer{})
	if want := `{}`; err != nil || string(text) != want {
		t.Errorf("Marshal of no amount: %s, %v; want %s", text, err, want)
	}
}

func TestJSONRefuses(t *testing.T) {
	for text := range refused {
		quoted, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		unmarshalRefuses(t, string(quoted))
	}
	for _, text := range []string{
		`-1`, `-0`, `1e2`, `1E2`, `1.5e1`, `0.001`, `10000000000000000`, // numbers
		`"\u0031"`, `"1\u0030"`, // an escape, which no digit needs
		`"null"`, `true`, `false`, `[]`, `["1"]`, `{}`, `{"amount":"1"}`, `""`,
	} {
		unmarshalRefuses(t, text)
	}

	// Called directly, with what encoding/json would never hand on.
	for _, text := range []string{``, `"`, `"1`, `1"`, `nul`} {
		amount := money.Amount(7)
		if err := amount.UnmarshalJSON([]byte(text)); !errors.Is(err, money.ErrSyntax) || amount != 7 {
			t.Errorf("UnmarshalJSON(%s): %d, %v; want ErrSyntax, the amount untouched", text, amount, err)
		}
	}
}

func unmarshalRefuses(t *testing.T, text string) {
	t.Helper()
	amount := money.Amount(7)
	if err := json.Unmarshal([]byte(text), &amount); !errors.Is(err, money.ErrSyntax) || amount != 7 {
		t.Errorf("%s: %d, %v; want ErrSyntax, the amount untouched", text, amount, err)
	}
}

func TestAllocations(t *testing.T) {
	var got money.Amount
	if n := testing.AllocsPerRun(100, func() { got, _ = money.Parse("88.88") }); n != 0 || got != 8888 {
		t.Errorf("Parse makes %v allocations, want none", n)
	}
}
