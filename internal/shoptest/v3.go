package shoptest

import (
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/signer"
)

var AllV3 = flag.Bool("v3", false, "every shop refunds trades by OpenAPI version 3")

// OverV3 tells whether a test's shop refunds trades by OpenAPI version 3.
func OverV3(t *testing.T) bool {
	return *AllV3 || strings.Contains(t.Name(), "OverV3")
}

// MethodOf returns the method of a request by either version.
func MethodOf(r *http.Request) string {
	if method, ok := V3Methods[r.URL.Path]; ok {
		return method
	}
	return r.URL.Query().Get("method")
}

var V3Methods = map[string]string{
	"/v3/alipay/trade/refund":               gateway.MethodTradeRefund,
	"/v3/alipay/trade/fastpay/refund/query": gateway.MethodRefundQuery,
	"/v3/alipay/trade/query":                gateway.MethodTradeQuery,
	"/v3/alipay/trade/close":                gateway.MethodTradeClose,
}

// V3Answer is a voice's answer by version 3, whose refusals have one code.
func V3Answer(sign *signer.Signer, node string, signed bool) (*http.Response, error) {
	status := http.StatusOK
	var words struct{ Code, SubCode, SubMsg string }
	if json.Unmarshal([]byte(strings.ReplaceAll(node, "_", "")), &words) == nil && words.Code != "10000" {
		status = http.StatusBadRequest
		node = strings.NewReplacer(`"code"`, `"msg"`, `"msg"`, `"was"`, `"sub_code"`, `"code"`, `"sub_msg"`, `"message"`).Replace(node)
	}
	header := http.Header{}
	if signed {
		text, err := sign.Sign([]byte("1720580375932\nd5553f\n" + node + "\n"))
		if err != nil {
			return nil, err
		}
		header.Set("Alipay-Timestamp", "1720580375932")
		header.Set("Alipay-Nonce", "d5553f")
		header.Set("Alipay-Signature", text)
	}
	return &http.Response{
		StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(node)), ContentLength: -1,
	}, nil
}
