package alipaytest_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/signer"
)

// client is an application's side of the gateway, written by hand.
type client struct {
	t      testing.TB
	alipay *alipaytest.Alipay
	http   *http.Client
	url    string
	sign   *signer.Signer
	verify *signer.Verifier

	content *signer.ContentKey // decrypts answers
}

func newClient(t testing.TB, a *alipaytest.Alipay) *client {
	t.Helper()
	sign, err := signer.FromPEM(a.AppPrivateKey())
	if err != nil {
		t.Fatal(err)
	}
	verify, err := signer.VerifierFromPEM(a.AlipayPublicKey())
	if err != nil {
		t.Fatal(err)
	}
	return &client{t: t, alipay: a, http: a.HTTPClient(), url: alipaytest.GatewayURL, sign: sign, verify: verify}
}

var utc8 = time.FixedZone("", 8*60*60)

// parameters returns a call's complete parameters, but for the signature.
func (c *client) parameters(method, biz string) map[string]string {
	return map[string]string{
		"app_id": c.alipay.AppID(), "method": method, "format": "JSON", "charset": "utf-8", "sign_type": "RSA2",
		"timestamp": time.Now().In(utc8).Format("2006-01-02 15:04:05"), "version": "1.0", "biz_content": biz,
	}
}

// request signs params and places them as Alipay wants: biz_content in the body
// and the rest in the URL.
func (c *client) request(params map[string]string) *http.Request {
	c.t.Helper()
	var list []signer.Param
	query, form := url.Values{}, url.Values{}
	for key, value := range params {
		list = append(list, signer.Param{Key: key, Value: value})
		if key == "biz_content" {
			form.Set(key, value)
		} else {
			query.Set(key, value)
		}
	}
	sign, err := c.sign.Sign(signer.AppendText(nil, list, 0))
	if err != nil {
		c.t.Fatal(err)
	}
	query.Set("sign", sign)
	r, err := http.NewRequest(http.MethodPost, c.url+"?"+query.Encode(), strings.NewReader(form.Encode()))
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded;charset=utf-8")
	return r
}

// answer is what came back. node holds the raw members, so that "1.00" and 1.00
// can be told apart.
type answer struct {
	status   int
	header   http.Header
	body     string
	node     map[string]json.RawMessage
	name     string
	sn       string // the certificate that is named
	signed   bool   // there is a signature
	verified bool   // and it is right
}

func (a answer) get(key string) string {
	var text string
	if json.Unmarshal(a.node[key], &text) == nil {
		return text
	}
	return string(a.node[key])
}

func (c *client) do(r *http.Request) (answer, error) {
	c.t.Helper()
	response, err := c.http.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{}, err
	}
	got := answer{status: response.StatusCode, header: response.Header, body: string(body)}
	var envelope map[string]json.RawMessage
	if json.Unmarshal(body, &envelope) != nil {
		return got, nil
	}
	for name, raw := range envelope {
		switch name {
		case "sign":
			continue
		case "alipay_cert_sn":
			got.sn = string(raw[1 : len(raw)-1])
			continue
		}
		got.name = name
		signed := raw
		if raw[0] == '"' {
			if raw, err = c.content.Decrypt(string(raw[1 : len(raw)-1])); err != nil {
				c.t.Fatal(err)
			}
		}
		if err := json.Unmarshal(raw, &got.node); err != nil {
			c.t.Fatalf("the node of %s: %v", body, err)
		}
		var sign string
		got.signed = json.Unmarshal(envelope["sign"], &sign) == nil
		got.verified = got.signed && c.verify.Verify(signed, sign) == nil
	}
	return got, nil
}

// try makes a call, which may remain without an answer.
func (c *client) try(method, biz string) (answer, error) {
	c.t.Helper()
	return c.do(c.request(c.parameters(method, biz)))
}

// call makes a call that must be answered, with a right signature.
func (c *client) call(method, biz string) answer {
	c.t.Helper()
	got, err := c.try(method, biz)
	if err != nil {
		c.t.Fatalf("%s: %v", method, err)
	}
	if !got.verified {
		c.t.Fatalf("%s: the answer's signature is wrong or missing: %s", method, got.body)
	}
	return got
}

// expect checks members of the answer's node.
func (c *client) expect(got answer, want map[string]string) {
	c.t.Helper()
	for key, value := range want {
		if got.get(key) != value {
			c.t.Errorf("%s = %q, want %q, in %s", key, got.get(key), value, got.body)
		}
	}
}

// refused checks that the answer refuses with a sub_code.
func (c *client) refused(got answer, code, subCode string) {
	c.t.Helper()
	c.expect(got, map[string]string{"code": code, "sub_code": subCode})
}

const (
	refund          = "alipay.trade.refund"
	refundQuery     = "alipay.trade.fastpay.refund.query"
	tradeQuery      = "alipay.trade.query"
	tradeClose      = "alipay.trade.close"
	couponRefund    = "alipay.fund.coupon.order.refund"
	couponOperation = "alipay.fund.coupon.operation.query"
)

// shop is the application of the Example.
type shop struct{ *client }

func newShop(a *alipaytest.Alipay) shop { return shop{newClient(new(testing.B), a)} }

func (s shop) refund(order, number, amount string) string {
	got, err := s.try(refund, `{"out_trade_no":"`+order+`","out_request_no":"`+number+`","refund_amount":"`+amount+`"}`)
	if err != nil {
		return "no answer"
	}
	return "fund_change=" + got.get("fund_change")
}
