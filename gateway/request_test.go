package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/signer"
)

// arrived is one request as a server sees it.
type arrived struct {
	header      http.Header
	method      string
	path        string
	query, form url.Values
}

// send makes one call with a real signature and returns what arrived.
func send(t *testing.T, call func(*gateway.Client)) arrived {
	t.Helper()
	var got arrived
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got = arrived{header: r.Header, method: r.Method, path: r.URL.Path, query: values(t, r.URL.RawQuery), form: values(t, string(body))}
	}))
	defer server.Close()
	call(newClient(t, gateway.Config{Signer: must(signer.New(appKey())), URL: server.URL + "/gateway.do"}))
	return got
}

func values(t *testing.T, raw string) url.Values {
	t.Helper()
	v, err := url.ParseQuery(raw)
	if err != nil {
		t.Errorf("%q: %v", raw, err)
	}
	return v
}

// text checks the placement of every parameter and returns what was signed.
func (a arrived) text(t *testing.T) []byte {
	t.Helper()
	var params []signer.Param
	for _, part := range []struct {
		name   string
		values url.Values
	}{{"query", a.query}, {"form", a.form}} {
		for key, list := range part.values {
			if len(list) != 1 || list[0] == "" {
				t.Errorf("%s: %s is empty or given twice: %q", part.name, key, list)
			}
			if (key == "biz_content") != (part.name == "form") {
				t.Errorf("%s stands in the %s", key, part.name)
			}
			params = append(params, signer.Param{Key: key, Value: list[0]})
		}
	}
	return signer.AppendText(nil, params, 0)
}

// hard is a text of what a form, or JSON, escapes.
const hard = "T+1 %2B&=a;b#?/\\\"'<>~*中文\t\U0001F9E7"

type wanted struct {
	name  string
	call  func(*gateway.Client)
	query map[string]string // beside what every request holds
	biz   string
}

// requests are calls, and what they must send.
var requests = []wanted{
	{
		name:  "plain refund",
		call:  func(c *gateway.Client) { _, _ = c.RefundTrade(context.Background(), refund, gateway.Options{}) },
		query: map[string]string{"method": "alipay.trade.refund"},
		biz:   `{"out_trade_no":"T1","refund_amount":"1.00","out_request_no":"R1"}`,
	},
	{
		name: "characters that a form escapes",
		call: func(c *gateway.Client) {
			r := refund
			r.RefundReason = hard
			_, _ = c.RefundTrade(context.Background(), r, gateway.Options{AppAuthToken: "to+ken/=&%中", NotifyURL: "https://shop.example/n?a=1&b=x+y"})
		},
		query: map[string]string{"method": "alipay.trade.refund", "app_auth_token": "to+ken/=&%中", "notify_url": "https://shop.example/n?a=1&b=x+y"},
		biz:   `{"out_trade_no":"T1","refund_amount":"1.00","out_request_no":"R1","refund_reason":` + quoted(hard) + `}`,
	},
	{
		name: "red packet",
		call: func(c *gateway.Client) {
			_, _ = c.RefundCoupon(context.Background(), gateway.CouponRefund{AuthNo: "A1", OutRequestNo: "R1", Amount: 1, Remark: "剩余"}, gateway.Options{NotifyURL: "https://shop.example/n"})
		},
		query: map[string]string{"method": "alipay.fund.coupon.order.refund", "notify_url": "https://shop.example/n"},
		biz:   `{"auth_no":"A1","out_request_no":"R1","amount":"0.01","remark":"剩余"}`,
	},
	{
		name: "pre-authorisation",
		call: func(c *gateway.Client) {
			_, _ = c.Unfreeze(context.Background(), gateway.Unfreeze{
				AuthNo: "A1", OutRequestNo: "R1", Amount: 1, Remark: "退押金", ExtraParam: `{"unfreezeBizInfo":"{}"}`,
			}, gateway.Options{NotifyURL: "https://shop.example/n"})
		},
		query: map[string]string{"method": "alipay.fund.auth.order.unfreeze", "notify_url": "https://shop.example/n"},
		biz:   `{"auth_no":"A1","out_request_no":"R1","amount":"0.01","remark":"退押金","extra_param":"{\"unfreezeBizInfo\":\"{}\"}"}`,
	},
	{
		name: "pre-authorisation query",
		call: func(c *gateway.Client) {
			_, _ = c.QueryAuth(context.Background(), gateway.AuthQuery{OutOrderNo: "O1", OutRequestNo: "R1", OperationType: gateway.OperationUnfreeze}, gateway.Options{})
		},
		query: map[string]string{"method": "alipay.fund.auth.operation.detail.query"},
		biz:   `{"out_order_no":"O1","out_request_no":"R1","operation_type":"UNFREEZE"}`,
	},
	{
		name: "refund query",
		call: func(c *gateway.Client) {
			_, _ = c.QueryRefund(context.Background(), gateway.RefundQuery{OutTradeNo: "T1", OutRequestNo: "R1", QueryOptions: []string{"gmt_refund_pay"}}, gateway.Options{})
		},
		query: map[string]string{"method": "alipay.trade.fastpay.refund.query"},
		biz:   `{"out_trade_no":"T1","out_request_no":"R1","query_options":["gmt_refund_pay"]}`,
	},
	{
		name: "red packet query",
		call: func(c *gateway.Client) {
			_, _ = c.QueryCoupon(context.Background(), gateway.CouponQuery{AuthNo: "A1", OperationID: "O1"}, gateway.Options{})
		},
		query: map[string]string{"method": "alipay.fund.coupon.operation.query"},
		biz:   `{"auth_no":"A1","operation_id":"O1"}`,
	},
	{
		name: "trade query",
		call: func(c *gateway.Client) {
			_, _ = c.QueryTrade(context.Background(), gateway.TradeQuery{TradeNo: "2026"}, gateway.Options{})
		},
		query: map[string]string{"method": "alipay.trade.query"},
		biz:   `{"trade_no":"2026"}`,
	},
	{
		name: "trade close",
		call: func(c *gateway.Client) {
			_, _ = c.CloseTrade(context.Background(), gateway.TradeClose{OutTradeNo: "T1"}, gateway.Options{})
		},
		query: map[string]string{"method": "alipay.trade.close"},
		biz:   `{"out_trade_no":"T1"}`,
	},
	{
		name: "biz_content as it is given",
		call: func(c *gateway.Client) {
			_, _ = c.Do(context.Background(), "some.method", json.RawMessage(` {"b":1, "a":"<&>"}`), gateway.Options{})
		},
		query: map[string]string{"method": "some.method"},
		biz:   ` {"b":1, "a":"<&>"}`,
	},
	{
		name: "no biz_content",
		call: func(c *gateway.Client) {
			_, _ = c.Do(context.Background(), "some.method", json.RawMessage{}, gateway.Options{})
		},
		query: map[string]string{"method": "some.method"},
	},
}

func TestRequest(t *testing.T) {
	verifier := must(signer.NewVerifier(&appKey().PublicKey))
	for _, c := range requests {
		t.Run(c.name, func(t *testing.T) {
			got := send(t, c.call)
			if err := verifier.Verify(got.text(t), got.query.Get("sign")); err != nil {
				t.Error(err)
			}
			if got.method != http.MethodPost || got.path != "/gateway.do" {
				t.Errorf("%s %s", got.method, got.path)
			}
			if is := got.header.Get("Content-Type"); is != "application/x-www-form-urlencoded;charset=utf-8" {
				t.Errorf("Content-Type: %s", is)
			}
			want := map[string]string{
				"app_id": "2021000000000001", "charset": "utf-8", "format": "JSON", "sign_type": "RSA2", "version": "1.0",
				"timestamp": got.query.Get("timestamp"), "sign": got.query.Get("sign"),
			}
			maps.Copy(want, c.query)
			for key, value := range want {
				if got.query.Get(key) != value {
					t.Errorf("%s: %q, want %q", key, got.query.Get(key), value)
				}
			}
			if len(got.query) != len(want) {
				t.Errorf("the query holds more than was wanted: %v", got.query)
			}
			if is := got.form.Get("biz_content"); is != c.biz {
				t.Errorf("biz_content\n got %s\nwant %s", is, c.biz)
			}
		})
	}
}

func quoted(text string) string { return string(must(json.Marshal(text))) }

// The timestamp is China's wherever the machine thinks it is.
func TestTimestampIsChinas(t *testing.T) {
	defer func(zone *time.Location) { time.Local = zone }(time.Local)
	for _, zone := range []*time.Location{time.UTC, time.FixedZone("", -11*60*60), time.FixedZone("", 14*60*60)} {
		time.Local = zone
		synctest.Test(t, func(t *testing.T) {
			var stamp string
			client := newClient(t, gateway.Config{HTTP: &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
				stamp = r.URL.Query().Get("timestamp")
				return nil, errors.New("enough")
			})}})
			time.Sleep(17*time.Hour + 61*time.Second) // the bubble's clock, which begins at midnight UTC of 2000-01-01
			_, _ = client.RefundTrade(t.Context(), refund, gateway.Options{})
			if stamp != "2000-01-02 01:01:01" {
				t.Errorf("zone %v: %s", zone, stamp)
			}
		})
	}
}

// What cannot be encoded or signed is not sent.
func TestNothingToSend(t *testing.T) {
	sent := false
	client := newClient(t, gateway.Config{HTTP: &http.Client{Transport: transport(func(*http.Request) (*http.Response, error) {
		sent = true
		return nil, errors.New("sent")
	})}})
	_, err := client.Do(context.Background(), "some.method", func() {}, gateway.Options{})
	if kind(err) != gateway.ErrNotSent || sent {
		t.Errorf("%v, sent %t", err, sent)
	}
}
