package signer_test

import (
	"slices"
	"testing"

	"github.com/alirefund/alirefund/signer"
)

func TestAppendText(t *testing.T) {
	for name, c := range map[string]struct {
		params []signer.Param
		form   signer.Form
		want   string
	}{
		"request": {refundParams(), 0, refundText},
		"sign is left out": {
			[]signer.Param{{"sign", "x"}, {"b", "2"}, {"a", "1"}},
			0, "a=1&b=2",
		},
		"request keeps sign_type":   {[]signer.Param{{"sign_type", "RSA2"}, {"a", "1"}}, 0, "a=1&sign_type=RSA2"},
		"notice leaves sign_type":   {[]signer.Param{{"sign_type", "RSA2"}, {"a", "1"}}, signer.WithoutSignType, "a=1"},
		"nothing but what is left":  {[]signer.Param{{"sign", "x"}, {"sign_type", "RSA2"}}, signer.WithoutSignType, ""},
		"empty values stay":         {[]signer.Param{{"b", ""}, {"a", "1"}, {"", ""}}, 0, "=&a=1&b="},
		"empty values are left out": {[]signer.Param{{"b", ""}, {"a", "1"}, {"c", "0"}, {"", ""}}, signer.WithoutEmpty, "a=1&c=0"},
		"both": {
			[]signer.Param{{"b", ""}, {"sign_type", "RSA2"}, {"a", "1"}},
			signer.WithoutSignType | signer.WithoutEmpty, "a=1",
		},
		"null is a value": {[]signer.Param{{"a", "null"}}, signer.WithoutEmpty, "a=null"},
		"similar keys stay": {
			[]signer.Param{{"sign_", "1"}, {"Sign", "2"}, {"alipay_cert_sn", "3"}, {"sign_types", "4"}},
			signer.WithoutSignType, "Sign=2&alipay_cert_sn=3&sign_=1&sign_types=4",
		},
		// Sorting the joined k=v would put a-b first, since - is less than =.
		"a key that begins another": {[]signer.Param{{"a-b", "1"}, {"a", "2"}, {"a.b", "3"}, {"a_b", "4"}}, 0, "a=2&a-b=1&a.b=3&a_b=4"},
		"byte order":                {[]signer.Param{{"b", "1"}, {"B", "2"}, {"中", "3"}, {"10", "4"}, {"9", "5"}}, 0, "10=4&9=5&B=2&b=1&中=3"},
		"values are raw":            {[]signer.Param{{"a", "1&b=2 +%2B\n\\/"}, {"g", "\xc4\xe3"}}, 0, "a=1&b=2 +%2B\n\\/&g=\xc4\xe3"},
		"a key twice, in its order": {[]signer.Param{{"b", "0"}, {"a", "2"}, {"a", "1"}}, 0, "a=2&a=1&b=0"},
	} {
		if got := string(signer.AppendText(nil, slices.Clone(c.params), c.form)); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		if got := string(signer.AppendText([]byte("x&"), c.params, c.form)); got != "x&"+c.want {
			t.Errorf("%s, appended to x&: %q, want %q", name, got, "x&"+c.want)
		}
	}
}

func TestAppendTextAllocatesNothing(t *testing.T) {
	params, buf := refundParams(), make([]byte, 0, 1024)
	if n := testing.AllocsPerRun(100, func() { signer.AppendText(buf, params, 0) }); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}
