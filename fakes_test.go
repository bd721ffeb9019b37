package alirefund_test

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
	lost     = ""          // no answer
	unsigned = "unsigned " // before a node: without a signature
)

// voice lets a test say what Alipay answers, signed by a key that the module
// believes beside the fake's.
func (s *shop) voice(say func(method string, params url.Values) string) {
	s.t.Helper()
	sign := voiceKey()
	keys, err := signer.PublicKeysFromPEM(s.alipay.AlipayPublicKey())
	if err != nil {
		s.t.Fatal(err)
	}
	if s.config.App.Verifier, err = signer.NewVerifier(append(keys, sign.Public())...); err != nil {
		s.t.Fatal(err)
	}
	s.config.HTTPClient = &http.Client{Transport: voice{sign, say}}
	s.restart()
}

var voiceKey = sync.OnceValue(func() *signer.Signer { return newKey(new(testing.B)) })

type voice struct {
	sign *signer.Signer
	say  func(method string, params url.Values) string
}

func (v voice) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	params, err := url.ParseQuery(r.URL.RawQuery + "&" + string(body))
	if err != nil {
		return nil, err
	}
	method, overV3 := methodOf(r), strings.HasPrefix(r.URL.Path, "/v3/")
	if overV3 {
		params = url.Values{"biz_content": {string(body)}}
	}
	node := v.say(method, params)
	if node == lost {
		return nil, io.ErrUnexpectedEOF
	}
	node, bare := strings.CutPrefix(node, unsigned)
	if overV3 {
		return v3Answer(v.sign, node, !bare)
	}
	answer := `{"` + strings.ReplaceAll(method, ".", "_") + `_response":` + node
	if !bare {
		sign, err := v.sign.Sign([]byte(node))
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

// down makes methods of the shop's store fail, each from its next call on, for so
// long.
func (s *shop) down(long time.Duration, methods ...string) {
	s.t.Helper()
	for _, method := range methods {
		s.config.Store = &flaky{Store: s.config.Store, only: method, at: 1, lasts: long}
	}
	s.restart()
}

// paymentNotice is a notice that is no refund.
func paymentNotice(id string) map[string]string {
	return refundNotice(map[string]string{"notify_id": id, "refund_fee": "-", "gmt_refund": "-", "out_biz_no": "-"})
}

// couponNotice is a notice of a red packet's refund.
func couponNotice(change map[string]string) map[string]string {
	params := map[string]string{
		"notify_type": "fund_stdtrustee_refund.success", "notify_id": "c1", "app_id": "2021000000000001", "auth_no": "A", "operation_id": "O",
		"out_request_no": "C1", "operation_type": "REFUND", "amount": "1.00", "status": "SUCCESS",
	}
	maps.Copy(params, change)
	return params
}

// packet adds a red packet and asks for the return of 1.00 of it. more begins
// with a comma.
func (s *shop) packet(number, more string) string {
	p := s.alipay.AddRedPacket(alipaytest.RedPacket{})
	return fmt.Sprintf(`{"auth_no":%q,"out_request_no":%q,"amount":"1.00","remark":"r"%s}`, p.AuthNo, number, more)
}
