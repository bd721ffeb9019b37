package shoptest

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/signer"
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

// Down makes methods of the shop's store fail, each from its next call on, for so
// long.
func (s *Shop) Down(long time.Duration, methods ...string) {
	s.T.Helper()
	for _, method := range methods {
		s.Config.Store = &Flaky{Store: s.Config.Store, Only: method, At: 1, Lasts: long}
	}
	s.Restart()
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
