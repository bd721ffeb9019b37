package shoptest

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/signer"
	"github.com/alirefund/alirefund/store"
)

// What a voice may say besides a node that is signed.
const (
	Lost     = ""          // no answer
	Unsigned = "unsigned " // before a node: without a signature
)

// Voice lets a test say what Alipay answers, signed by a key that the module
// believes beside the fake's.
func (s *Shop) Voice(say func(method string, params url.Values) string) {
	s.T.Helper()
	sign := VoiceKey()
	keys, err := signer.PublicKeysFromPEM(s.Alipay.AlipayPublicKey())
	if err != nil {
		s.T.Fatal(err)
	}
	if s.Config.App.Verifier, err = signer.NewVerifier(append(keys, sign.Public())...); err != nil {
		s.T.Fatal(err)
	}
	s.Config.HTTPClient = &http.Client{Transport: Voice{sign, say}}
	s.Restart()
}

var VoiceKey = sync.OnceValue(func() *signer.Signer { return NewKey(new(testing.B)) })

type Voice struct {
	Sign *signer.Signer
	Say  func(method string, params url.Values) string
}

func (v Voice) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	params, err := url.ParseQuery(r.URL.RawQuery + "&" + string(body))
	if err != nil {
		return nil, err
	}
	method, overV3 := MethodOf(r), strings.HasPrefix(r.URL.Path, "/v3/")
	if overV3 {
		params = url.Values{"biz_content": {string(body)}}
	}
	node := v.Say(method, params)
	if node == Lost {
		return nil, io.ErrUnexpectedEOF
	}
	node, bare := strings.CutPrefix(node, Unsigned)
	if overV3 {
		return V3Answer(v.Sign, node, !bare)
	}
	answer := `{"` + strings.ReplaceAll(method, ".", "_") + `_response":` + node
	if !bare {
		sign, err := v.Sign.Sign([]byte(node))
		if err != nil {
			return nil, err
		}
		answer += `,"sign":"` + sign + `"`
	}
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{}, Request: r,
		Body: io.NopCloser(strings.NewReader(answer + "}")), ContentLength: -1,
	}, nil
}

// PaymentNotice is a notice that is no refund.
func PaymentNotice(id string) map[string]string {
	return RefundNotice(map[string]string{"notify_id": id, "refund_fee": "-", "gmt_refund": "-", "out_biz_no": "-"})
}

// CouponNotice is a notice of a red packet's refund.
func CouponNotice(change map[string]string) map[string]string {
	params := map[string]string{
		"notify_type": "fund_stdtrustee_refund.success", "notify_id": "c1", "app_id": "2021000000000001", "auth_no": "A", "operation_id": "O",
		"out_request_no": "C1", "operation_type": "REFUND", "amount": "1.00", "status": "SUCCESS",
	}
	maps.Copy(params, change)
	return params
}

// Packet adds a red packet and asks for the return of 1.00 of it. more begins
// with a comma.
func (s *Shop) Packet(number, more string) string {
	p := s.Alipay.AddRedPacket(alipaytest.RedPacket{})
	return fmt.Sprintf(`{"auth_no":%q,"out_request_no":%q,"amount":"1.00","remark":"r"%s}`, p.AuthNo, number, more)
}

// Notices, answers and numbers that may mean another refund than the one that
// is waiting. What they prove is told; what they do not prove is not.

// NoQuery makes the next question about a trade's refund go unanswered.
var NoQuery = alipaytest.Fault{Kind: alipaytest.HTTP500, Method: gateway.MethodRefundQuery}

// Numbered asks for a refund of the test order under a number.
func Numbered(number, amount string) string {
	return fmt.Sprintf(`{"out_trade_no":%q,"refund_amount":%q,"out_request_no":%q}`, Order, amount, number)
}

// Elsewhere refunds as another program of the same application does.
func (s *Shop) Elsewhere(r gateway.TradeRefund) {
	s.T.Helper()
	if _, err := s.Console().RefundTrade(s.T.Context(), r, gateway.Options{}); err != nil {
		s.T.Fatal(err)
	}
}

// Foreign returns the amounts of the refunds that the host was told of and had
// not asked this module for, in order.
func (s *Shop) Foreign() string {
	s.Mu.Lock()
	defer s.Mu.Unlock()
	var amounts []string
	for _, e := range s.Events {
		if e.Refund.Origin == store.FromNotice {
			amounts = append(amounts, e.Refund.Amount.String())
		}
	}
	return strings.Join(amounts, " ")
}

// ExpectAcknowledged fails if a notice is still to come again.
func (s *Shop) ExpectAcknowledged() {
	s.T.Helper()
	for _, n := range s.Alipay.Notices() {
		if !n.Acknowledged {
			s.T.Errorf("the notice of %s was not acknowledged: %+v", n.Params["out_biz_no"], n.Deliveries)
		}
	}
}

// AnotherTrade is a trade_no that no trade of the tests has.
const AnotherTrade = "2026112222001499999999999999"

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
