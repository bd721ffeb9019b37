package explain_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/alirefund/alirefund/explain"
)

// Anybody may send what is examined. The budget bounds what the costliest take.
func BenchmarkHostileCaptures(b *testing.B) {
	sign := base64.StdEncoding.EncodeToString(make([]byte, 256))
	form := "app_id=1&notify_id=2&notify_time=3&notify_type=4&charset=utf-8&sign_type=RSA2&version=1.0"
	var fields strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&fields, `"k%d":"中/x",`, i)
	}
	for name, raw := range map[string]string{
		"an answer of many strings":   `{"alipay_x_response":{` + fields.String() + `"z":1},"sign":"` + sign + `"}`,
		"a form of many numbers":      form + "&sign=" + strings.ReplaceAll(sign, "=", "%3D") + "&body=" + strings.Repeat("1381234567 ", 5400),
		"entities, and no signature":  form + "&body=" + strings.Repeat("&amp;", 12000),
		"JSON, and no signature":      form + "&biz_content=[" + strings.Repeat(`{"a":1.5,"b":"\/"},`, 3100) + "0]",
		"damaged keys, no signature":  form + strings.Repeat("&aubject="+strings.Repeat("a", 500), 119),
		"brackets within one another": `{"alipay_x_response":` + strings.Repeat(`{"a":`, 10000) + "1" + strings.Repeat("}", 10000) + `,"sign":"` + sign + `"}`,
	} {
		b.Run(name, func(b *testing.B) {
			k := keys()
			for b.Loop() {
				if r := explain.Explain([]byte(raw[:min(len(raw), explain.MaxSize)]), k); r.Verifies {
					b.Errorf("it verifies: %+v", r)
				}
			}
		})
	}
}
