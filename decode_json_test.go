package alirefund_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/alirefund/alirefund/internal/shoptest"
)

// A body that is no JSON object is told what it is instead, or where it is broken and what
// was wanted there, and none of its content.
func TestBrokenJSONIsLocated(t *testing.T) {
	s := shoptest.NewShop(t)
	for _, c := range []struct{ body, en, zh string }{
		{"", "the body is empty", "请求体为空"},
		{" \r\n", "the body is empty", "请求体为空"},
		{"[]", "the body is a list", "请求体是数组"},
		{`"x"`, "the body is a string", "请求体是字符串"},
		{"null", "the body is null", "请求体是 null"},
		{"true", "the body is true", "请求体是 true"},
		{"false", "the body is false", "请求体是 false"},
		{"-1", "the body is a number", "请求体是数字"},
		{"\ufeff{}", "byte order mark", "字节顺序标记"},
		{"out_trade_no=secret", "byte 0 (line 1, column 1): a value is wanted", "第 0 字节（第 1 行第 1 列）：此处应为一个值"},
		{"{\n \"out_trade_no\": secret\n}", "byte 19 (line 2, column 18): a value is wanted", "第 19 字节（第 2 行第 18 列）"},
		{`{"a":"secret"} {}`, "byte 15 (line 1, column 16): there is more behind the JSON object", "之后还有多余内容"},
		{`{"a":"secret"`, "byte 13 (line 1, column 14): the JSON ends before it is complete", "提前结束"},
		{`{secret:1}`, "byte 1 (line 1, column 2): a field's name", "字段名"},
		{`{"a":1,}`, "byte 7 (line 1, column 8): a field's name", "字段名"},
		{`{"a" 1}`, "byte 5 (line 1, column 6): a colon", "冒号"},
		{`{"a":1 "b":2}`, "byte 7 (line 1, column 8): a comma or }", "逗号或 }"},
		{`{"a":01}`, "byte 6 (line 1, column 7): a comma or }", "逗号或 }"},
		{`{"a":[1 2]}`, "byte 8 (line 1, column 9): a comma or ]", "逗号或 ]"},
		{"{\"a\":\"x\ny\"}", "byte 7 (line 1, column 8): a string must not have this character", "请转义"},
		{`{"a":"\x"}`, "byte 7 (line 1, column 8): no escape sequence", "转义序列"},
		{`{"a":"\u00g0"}`, "byte 10 (line 1, column 11): four hexadecimal digits", "十六进制"},
		{`{"a":-x}`, "byte 6 (line 1, column 7): a digit", "一位数字"},
		{`{"a":1.x}`, "byte 7 (line 1, column 8): a digit", "一位数字"},
		{`{"a":1ex}`, "byte 7 (line 1, column 8): a digit", "一位数字"},
		{`{"a":nil}`, "byte 6 (line 1, column 7): true, false, null", "true、false、null"},
		{strings.Repeat("[", 10001), "nested too deeply", "嵌套过深"},
	} {
		for language, says := range map[string]string{"en": c.en, "zh": c.zh} {
			r := s.Do(http.MethodPost, "/alipay/refunds", c.body, "Accept-Language", language)
			if r.Status != 400 || r.Str("code") != "not_json" || !strings.Contains(r.Str("detail"), says) || strings.Contains(r.Text, "secret") {
				t.Errorf("%.40q in %s: %d %s", c.body, language, r.Status, r.Text)
			}
		}
	}
}

// A long list of what is wrong is named in part.
func TestManyWrongFields(t *testing.T) {
	s := shoptest.NewShop(t)
	r := s.Refund(`{"out_trade_no":"1","refund_amount":1,"query_options":[` + strings.Repeat("0,", 30000) + `0]}`)
	if n := len(strings.Fields(r.Pointers())); r.Status != 422 || n != 101 || !strings.Contains(r.Pointers(), "/query_options/99") { // and that it is too long
		t.Errorf("%d, %d fields: %.300s", r.Status, n, r.Text)
	}
}

// Every amount of every route is told by its own code and words that it is missing, no
// amount, too precise, or out of range.
func TestAmountsAreToldApart(t *testing.T) {
	s := shoptest.NewShop(t)
	for _, field := range []struct{ path, before, name, after, pointer string }{
		{"refunds", `{"out_trade_no":"1"`, "refund_amount", `}`, "/refund_amount"},
		{"refunds", `{"out_trade_no":"1"`, "refundAmount", `}`, "/refundAmount"},
		{"coupon-refunds", `{"auth_no":"1","out_request_no":"1","remark":"r"`, "amount", `}`, "/amount"},
		{"unfreezes", `{"auth_no":"1","out_request_no":"1","remark":"r"`, "amount", `}`, "/amount"},
		{"refunds", `{"out_trade_no":"1","refund_amount":1,"refund_goods_detail":[{"goods_id":"1"`, "refund_amount", `}]}`, "/refund_goods_detail/0/refund_amount"},
		{"refunds", `{"out_trade_no":"1","refund_amount":1,"refund_royalty_parameters":[{"trans_in":"1"`, "amount", `}]}`, "/refund_royalty_parameters/0/amount"},
	} {
		for _, c := range []struct {
			codes  string
			en, zh string
			values []string
		}{
			{"required", "is a required field", "必填字段", []string{""}},
			{"amount", "must be an amount in yuan", "以元为单位的金额", []string{`"x"`, `""`, `null`, `true`, `{}`, `[1]`, `1e2`, `"1,00"`, `"８"`, `"-"`, `"1."`}},
			{"precision", "at most two decimals", "最多两位小数", []string{`"0.001"`, `8.880`}},
			{"range", "between 0.01 and 100000000.00", "0.01 元到 100000000.00 元", []string{`0`, `"0"`, `"0.00"`, `"100000000.01"`, `100000000000`, `"99999999999999999999"`, `-1`, `"-8.88"`}},
		} {
			for _, value := range c.values {
				body := field.before
				if value != "" {
					body += `,"` + field.name + `":` + value
				} else if strings.HasSuffix(field.pointer, "royalty_parameters/0/amount") {
					continue // it may be missing
				}
				pointer := field.pointer
				if value == "" {
					pointer = strings.Replace(pointer, "refundAmount", "refund_amount", 1) // nobody wrote it
				}
				for language, says := range map[string]string{"en": c.en, "zh": c.zh} {
					r := s.Do(http.MethodPost, "/alipay/"+field.path, body+field.after, "Accept-Language", language)
					if r.Status != 422 || r.Pointers() != pointer || !strings.Contains(r.Text, `"code":"`+c.codes+`"`) || !strings.Contains(r.Str("detail"), says) {
						t.Errorf("%s in %s: %d %s, want %s at %s", body+field.after, language, r.Status, r.Text, c.codes, pointer)
					}
				}
			}
		}
	}
	if n := len(s.Alipay.Calls()); n != 0 {
		t.Errorf("%d calls were made", n)
	}
}
