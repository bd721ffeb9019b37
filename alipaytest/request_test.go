package alipaytest_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/alirefund/alirefund/alipaytest"
)

// setQuery replaces a parameter of the URL after the request was signed.
func setQuery(key, value string) func(*http.Request) {
	return func(r *http.Request) {
		query := r.URL.Query()
		query.Set(key, value)
		r.URL.RawQuery = query.Encode()
	}
}

// toBody moves a signed parameter from the URL into the body.
func toBody(key string) func(*http.Request) {
	return func(r *http.Request) {
		query := r.URL.Query()
		value := query.Get(key)
		query.Del(key)
		r.URL.RawQuery = query.Encode()
		appendBody(r, "&"+key+"="+value)
	}
}

func appendBody(r *http.Request, more string) {
	body := new(strings.Builder)
	text, _ := r.GetBody()
	buf := make([]byte, r.ContentLength)
	_, _ = text.Read(buf)
	body.Write(buf)
	body.WriteString(more)
	*r = *mustRequest(r.URL.String(), body.String(), r.Header)
}

func mustRequest(url, body string, header http.Header) *http.Request {
	r, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	r.Header = header
	return r
}

type badRequest struct {
	name     string
	params   map[string]string   // changed before signing; empty ones are left out
	request  func(*http.Request) // changes what was signed
	code     string
	subCode  string
	unsigned bool
}

// badRequests are refused, each with its sub_code.
var badRequests = func() []badRequest {
	at := func(d time.Duration) string { return time.Now().Add(d).In(utc8).Format("2006-01-02 15:04:05") }
	return []badRequest{
		{name: "app_id missing", params: map[string]string{"app_id": ""}, code: "40001", subCode: "isv.missing-app-id", unsigned: true},
		{name: "app_id unknown", params: map[string]string{"app_id": "2021000000000002"}, code: "40002", subCode: "isv.invalid-app-id", unsigned: true},
		{
			name: "app_id unknown, signature wrong: app_id comes first", params: map[string]string{"app_id": "1"},
			request: setQuery("sign", "AAAA"), code: "40002", subCode: "isv.invalid-app-id", unsigned: true,
		},
		{name: "method missing", params: map[string]string{"method": ""}, code: "40001", subCode: "isv.missing-method"},
		{name: "method unknown", params: map[string]string{"method": "alipay.trade.fund"}, code: "40002", subCode: "isv.invalid-method"},
		{name: "sign_type missing", params: map[string]string{"sign_type": ""}, code: "40001", subCode: "isv.missing-signature-type"},
		{name: "sign_type RSA", params: map[string]string{"sign_type": "RSA"}, code: "40002", subCode: "isv.invalid-signature-type"},
		{name: "sign missing", request: setQuery("sign", ""), code: "40001", subCode: "isv.missing-signature"},
		{name: "sign wrong", request: setQuery("sign", "AAAA"), code: "40002", subCode: "isv.invalid-signature"},
		{name: "changed after signing", request: setQuery("notify_url", "https://a.example/"), code: "40002", subCode: "isv.invalid-signature"},
		{name: "body changed after signing", request: func(r *http.Request) { appendBody(r, "%20") }, code: "40002", subCode: "isv.invalid-signature"},
		{name: "charset missing", params: map[string]string{"charset": ""}, code: "40002", subCode: "isv.invalid-signature"},
		{name: "charset in the body", request: toBody("charset"), code: "40002", subCode: "isv.invalid-signature"},
		{name: "charset GBK", params: map[string]string{"charset": "GBK"}, code: "40002", subCode: "isv.invalid-charset"},
		{name: "timestamp missing", params: map[string]string{"timestamp": ""}, code: "40001", subCode: "isv.missing-timestamp"},
		{name: "timestamp of another form", params: map[string]string{"timestamp": "2026-01-02T15:04:05"}, code: "40002", subCode: "isv.invalid-timestamp"},
		{name: "timestamp in UTC", params: map[string]string{"timestamp": at(-8 * time.Hour)}, code: "40002", subCode: "isv.invalid-timestamp"},
		{name: "timestamp 16 minutes old", params: map[string]string{"timestamp": at(-16 * time.Minute)}, code: "40002", subCode: "isv.invalid-timestamp"},
		{name: "timestamp 16 minutes early", params: map[string]string{"timestamp": at(16 * time.Minute)}, code: "40002", subCode: "isv.invalid-timestamp"},
		{name: "version missing", params: map[string]string{"version": ""}, code: "40001", subCode: "isv.missing-version"},
		{name: "version 2.0", params: map[string]string{"version": "2.0"}, code: "40002", subCode: "isv.invalid-parameter"},
		{name: "format XML", params: map[string]string{"format": "XML"}, code: "40002", subCode: "isv.invalid-format"},
		{name: "notify_url too long", params: map[string]string{"notify_url": "https://a.example/" + strings.Repeat("a", 256)}, code: "40002", subCode: "isv.invalid-parameter"},
		{name: "notify_url not http", params: map[string]string{"notify_url": "ftp://a.example/"}, code: "40002", subCode: "isv.invalid-parameter"},
		{name: "app_auth_token too long", params: map[string]string{"app_auth_token": strings.Repeat("a", 41)}, code: "40002", subCode: "isv.invalid-parameter"},
		{name: "biz_content in the URL", request: func(r *http.Request) {
			buf := make([]byte, r.ContentLength)
			_, _ = r.Body.Read(buf)
			*r = *mustRequest(r.URL.String()+"&"+string(buf), "", r.Header)
		}, code: "40002", subCode: "isv.invalid-parameter"},
		{name: "version in the body", request: toBody("version"), code: "40002", subCode: "isv.invalid-parameter"},
		{name: "a parameter twice in the URL", request: func(r *http.Request) { r.URL.RawQuery += "&version=1.0" }, code: "40002", subCode: "isv.invalid-parameter"},
		{name: "a parameter in URL and body", request: func(r *http.Request) { appendBody(r, "&version=1.0") }, code: "40002", subCode: "isv.invalid-parameter"},
		{name: "Content-Type missing", request: func(r *http.Request) { r.Header.Del("Content-Type") }, code: "40002", subCode: "isv.invalid-parameter"},
		{
			name: "Content-Type without charset", request: func(r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") },
			code: "40002", subCode: "isv.invalid-parameter",
		},
		{
			name: "Content-Type JSON", request: func(r *http.Request) { r.Header.Set("Content-Type", "application/json;charset=utf-8") },
			code: "40002", subCode: "isv.invalid-parameter",
		},
		{name: "PUT", request: func(r *http.Request) { r.Method = http.MethodPut }, code: "40002", subCode: "isv.invalid-parameter"},
		{name: "biz_content missing", params: map[string]string{"biz_content": ""}, code: "40001", subCode: "isv.missing-parameter"},
		{name: "biz_content no object", params: map[string]string{"biz_content": "[]"}, code: "40002", subCode: "isv.invalid-parameter"},
		{name: "biz_content null", params: map[string]string{"biz_content": "null"}, code: "40002", subCode: "isv.invalid-parameter"},
		{name: "biz_content broken", params: map[string]string{"biz_content": "{"}, code: "40002", subCode: "isv.invalid-parameter"},
	}
}

func TestRefusesBadRequests(t *testing.T) {
	a := alipaytest.New(alipaytest.Config{})
	c := newClient(t, a)
	a.AddTrade(alipaytest.Trade{OutTradeNo: "A1"})
	for _, tt := range badRequests() {
		t.Run(tt.name, func(t *testing.T) {
			params := c.parameters(refund, `{"out_trade_no":"A1","refund_amount":"100.00"}`)
			for key, value := range tt.params {
				if params[key] = value; value == "" {
					delete(params, key)
				}
			}
			r := c.request(params)
			if tt.request != nil {
				tt.request(r)
			}
			got, err := c.do(r)
			if err != nil {
				t.Fatal(err)
			}
			if got.get("code") != tt.code || got.get("sub_code") != tt.subCode {
				t.Errorf("answered %s; want %s %s", got.body, tt.code, tt.subCode)
			}
			if got.signed == tt.unsigned || got.signed && !got.verified {
				t.Errorf("signed %v, verified %v; want signed %v", got.signed, got.verified, !tt.unsigned)
			}
			if got.status != http.StatusOK || got.header.Get("Content-Type") != "text/html;charset=utf-8" {
				t.Errorf("an error comes as 200 and text/html, not as %d and %s", got.status, got.header.Get("Content-Type"))
			}
		})
	}
	if moved := a.Movements(); len(moved) != 0 {
		t.Errorf("refused requests moved money: %+v", moved)
	}
	if calls := a.Calls(); len(calls) != len(badRequests()) {
		t.Errorf("%d calls are noted, want %d", len(calls), len(badRequests()))
	}
}
