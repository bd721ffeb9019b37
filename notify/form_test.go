package notify

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// FuzzParse holds parse against net/url: what it takes, net/url takes and reads
// alike; what it refuses, net/url refuses too or is beyond what Alipay sends.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"a=1&b=2", "a=%2B+%20&b", "&&a=1&", "a=1&a=2", "=1", "a==1", "a=1;b=2", "a=%", "a=%g0", "a=%0", "%61=1&a=1",
		"a=%C4%e3\xff", "a%3Db=1", "sign=x&sign_type=RSA2&app_id=1", strings.Repeat("a=1&", 200), "a%00=1", "a\n=1",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		before := string(body)
		params, err := parse(body)
		if string(body) != before {
			t.Fatal("parse changed the body")
		}
		want, wantErr := url.ParseQuery(before)
		if err != nil {
			if params != nil {
				t.Errorf("%d fields beside an error", len(params))
			}
			if wantErr == nil && !beyond(err, before, want) {
				t.Errorf("refused %q, which net/url reads: %v", before, err)
			}
			return
		}
		if wantErr != nil {
			t.Fatalf("took %q, which net/url refuses: %v", before, wantErr)
		}
		if len(params) != len(want) {
			t.Fatalf("%d fields, net/url reads %d", len(params), len(want))
		}
		previous := ""
		for _, p := range params {
			if values := want[p.Key]; len(values) != 1 || values[0] != p.Value {
				t.Errorf("%q is %q, net/url reads %q", p.Key, p.Value, values)
			}
			if p.Key <= previous {
				t.Errorf("%q follows %q", p.Key, previous)
			}
			previous = p.Key
		}
	})
}

// beyond tells whether the refusal is one of those that net/url does not make.
func beyond(err error, body string, form url.Values) bool {
	twice, fields, names := false, 0, true
	for key, values := range form {
		twice = twice || len(values) > 1
		fields += len(values)
		names = names && isName(key)
	}
	switch {
	case errors.Is(err, ErrDuplicateKey):
		return twice
	case errors.Is(err, ErrTooLarge):
		return len(body) > MaxBody
	case errors.Is(err, ErrMalformed):
		return body == "" || fields > maxFields || !names
	}
	return false
}

// One text is signed for several splittings of it; of those with odd keys none
// may be taken.
func TestKeysAreNames(t *testing.T) {
	for _, key := range []string{"", "a=b", "a&b", "a b", "a\n", "a\x00", "名", "\xff", `{"a"`, strings.Repeat("a", maxKey+1)} {
		if _, err := parse([]byte(url.QueryEscape(key) + "=1")); !errors.Is(err, ErrMalformed) {
			t.Errorf("%q: got %v, want %v", key, err, ErrMalformed)
		}
	}
	for _, key := range []string{"a", "A9_-.z", "app_id", "bizContent", strings.Repeat("a", maxKey)} {
		params, err := parse([]byte(key + "=1"))
		if err != nil || len(params) != 1 || params[0].Key != key {
			t.Errorf("%q: got %v, %v", key, params, err)
		}
	}
}

func TestParseAllocatesLittle(t *testing.T) {
	body := []byte("c=%E9%9E%8B+1&b=2&a=3&sign_type=RSA2&sign=x%2By%3D")
	if got := testing.AllocsPerRun(100, func() {
		if _, err := parse(body); err != nil {
			t.Fatal(err)
		}
	}); got > 2 {
		t.Errorf("%v allocations, want 2", got)
	}
	params, err := parse(body)
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, p := range params {
		keys = append(keys, p.Key)
	}
	if !slices.Equal(keys, []string{"a", "b", "c", "sign", "sign_type"}) {
		t.Errorf("keys %v", keys)
	}
}
