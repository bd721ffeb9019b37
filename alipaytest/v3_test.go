package alipaytest_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund/alipaytest"
)

// nonces makes each call's nonce another.
var nonces atomic.Int64

const refundPath = "/v3/alipay/trade/refund"

// callV3 is a call by version 3, which a test may spoil before it is signed.
type callV3 struct {
	method, path, auth, body string
	header                   http.Header
}

func (c *client) prepareV3(path, body string) callV3 {
	return callV3{
		method: http.MethodPost, path: path, body: body, header: http.Header{"Content-Type": {"application/json"}},
		auth: "app_id=" + c.alipay.AppID() + ",nonce=" + strconv.FormatInt(nonces.Add(1), 10) + ",timestamp=" + millis(0),
	}
}

func millis(off time.Duration) string { return strconv.FormatInt(time.Now().Add(off).UnixMilli(), 10) }

// requestV3 signs a call.
func (c *client) requestV3(call callV3) *http.Request {
	c.t.Helper()
	text := call.auth + "\n" + call.method + "\n" + call.path + "\n" + call.body + "\n"
	if token := call.header.Get("alipay-app-auth-token"); token != "" {
		text += token + "\n"
	}
	sign, err := c.sign.Sign([]byte(text))
	if err != nil {
		c.t.Fatal(err)
	}
	r, err := http.NewRequest(call.method, strings.TrimSuffix(c.url, "/gateway.do")+call.path, strings.NewReader(call.body))
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header = call.header
	r.Header.Set("Authorization", "ALIPAY-SHA256withRSA "+call.auth+",sign="+sign)
	return r
}

// doV3 makes a call; the answer's node is its body.
func (c *client) doV3(r *http.Request) (answer, error) {
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
	head := response.Header
	got := answer{status: response.StatusCode, header: head, body: string(body), signed: head.Get("alipay-signature") != ""}
	text := head.Get("alipay-timestamp") + "\n" + head.Get("alipay-nonce") + "\n" + got.body + "\n"
	got.verified = got.signed && c.verify.Verify([]byte(text), head.Get("alipay-signature")) == nil
	_ = json.Unmarshal(bytes.TrimSpace(body), &got.node) // a page has none
	return got, nil
}

func (c *client) tryV3(path, body string) (answer, error) {
	return c.doV3(c.requestV3(c.prepareV3(path, body)))
}

type badRequestByV3 struct {
	name   string
	call   func(*callV3)       // changes what is signed
	sent   func(*http.Request) // changes what was signed
	status int
	code   string
}

// badRequestsByV3 are refused, each with its code. used is a call that was made before.
var badRequestsByV3 = func(used callV3) []badRequestByV3 {
	item := func(old, now string) func(*callV3) {
		return func(call *callV3) { call.auth = strings.Replace(call.auth, old, now, 1) }
	}
	stamp := func(text string) func(*callV3) {
		return func(call *callV3) { call.auth = call.auth[:strings.LastIndex(call.auth, "=")+1] + text }
	}
	head := func(name, value string) func(*callV3) { return func(call *callV3) { call.header.Set(name, value) } }
	changed := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	return []badRequestByV3{
		{name: "no Authorization", sent: func(r *http.Request) { r.Header.Del("Authorization") }, status: 400, code: "missing-timestamp"},
		{name: "app_id missing", call: item("app_id", "app"), status: 400, code: "missing-app-id"},
		{name: "app_id unknown", call: item("app_id=", "app_id=1"), status: 400, code: "invalid-app-id"},
		{
			name: "app_id unknown, signature wrong: app_id comes first",
			sent: changed("Authorization", "ALIPAY-SHA256withRSA app_id=1,nonce=1,timestamp=1,sign=AAAA"), status: 400, code: "invalid-app-id",
		},
		{name: "path unknown", call: func(call *callV3) { call.path = "/v3/alipay/trade/fund" }, status: 404, code: "invalid-method"},
		{name: "red packets have no path", call: func(call *callV3) { call.path = "/v3/alipay/fund/coupon/order/refund" }, status: 404, code: "invalid-method"},
		{name: "PUT", call: func(call *callV3) { call.method = http.MethodPut }, status: 404, code: "invalid-method"},
		{name: "another algorithm", sent: func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "SHA256withRSA", "SM2withSM3", 1))
		}, status: 400, code: "invalid-signature-type"},
		{name: "sign missing", sent: func(r *http.Request) {
			text, _, _ := strings.Cut(r.Header.Get("Authorization"), ",sign=")
			r.Header.Set("Authorization", text)
		}, status: 400, code: "missing-signature"},
		{name: "body changed after signing", sent: func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader("{}")), 2
		}, status: 401, code: "invalid-signature"},
		{name: "query added after signing", sent: func(r *http.Request) { r.URL.RawQuery = "a=1" }, status: 401, code: "invalid-signature"},
		{name: "token added after signing", sent: changed("alipay-app-auth-token", "t"), status: 401, code: "invalid-signature"},
		{name: "timestamp missing", call: item("timestamp", "time"), status: 400, code: "missing-timestamp"},
		{name: "timestamp in words", call: stamp("2026-01-02 15:04:05"), status: 400, code: "invalid-timestamp"},
		{name: "timestamp in seconds", call: stamp("1720580375"), status: 400, code: "invalid-timestamp"},
		{name: "timestamp 11 minutes old", call: stamp(millis(-11 * time.Minute)), status: 400, code: "invalid-timestamp"},
		{name: "expired", call: stamp(millis(-3*time.Minute) + ",expired_seconds=120"), status: 400, code: "invalid-timestamp"},
		{name: "expired_seconds in words", call: stamp(millis(0) + ",expired_seconds=2m"), status: 400, code: "invalid-parameter"},
		{name: "nonce missing", call: item("nonce", "once"), status: 400, code: "missing-nonce"},
		{name: "nonce used", call: func(call *callV3) { call.auth = used.auth }, status: 400, code: "invalid-nonce"},
		{name: "a form", call: head("Content-Type", "application/x-www-form-urlencoded"), status: 400, code: "invalid-parameter"},
		{name: "request id too long", call: head("alipay-request-id", strings.Repeat("a", 33)), status: 400, code: "invalid-parameter"},
		{name: "request id with a blank", call: head("alipay-request-id", "a b"), status: 400, code: "invalid-parameter"},
		{name: "app_auth_token too long", call: head("alipay-app-auth-token", strings.Repeat("a", 41)), status: 400, code: "invalid-parameter"},
		{name: "body no object", call: func(call *callV3) { call.body = "[]" }, status: 400, code: "invalid-parameter"},
		{name: "body null", call: func(call *callV3) { call.body = "null" }, status: 400, code: "invalid-parameter"},
	}
}

func TestRefusesBadRequestsByV3(t *testing.T) {
	a := alipaytest.New(alipaytest.Config{})
	c := newClient(t, a)
	a.AddTrade(alipaytest.Trade{OutTradeNo: "A1"})
	used := c.prepareV3(refundPath, `{}`)
	if got, err := c.doV3(c.requestV3(used)); err != nil || got.status != 400 {
		t.Fatalf("%v %+v", err, got)
	}
	for _, tt := range badRequestsByV3(used) {
		t.Run(tt.name, func(t *testing.T) {
			call := c.prepareV3(refundPath, `{"out_trade_no":"A1","refund_amount":"100.00"}`)
			if tt.call != nil {
				tt.call(&call)
			}
			r := c.requestV3(call)
			if tt.sent != nil {
				tt.sent(r)
			}
			got, err := c.doV3(r)
			if err != nil {
				t.Fatal(err)
			}
			if got.status != tt.status || got.get("code") != tt.code || got.get("message") == "" || got.signed {
				t.Errorf("%d %s, signed %t; want %d %s, unsigned", got.status, got.body, got.signed, tt.status, tt.code)
			}
		})
	}
	if moved := a.Movements(); len(moved) != 0 {
		t.Errorf("refused requests moved money: %+v", moved)
	}
}

// Each fault has its form by version 3.
func TestCallFaultsByV3(t *testing.T) {
	const yes, no = true, false
	for _, tt := range []struct {
		fault                                alipaytest.Fault
		executed, answered, signed, verified bool
		status                               int
		code                                 string
	}{
		{alipaytest.Fault{Kind: alipaytest.LostAnswer}, yes, no, no, no, 0, ""},
		{alipaytest.Fault{Kind: alipaytest.LostRequest}, no, no, no, no, 0, ""},
		{alipaytest.Fault{Kind: alipaytest.LateRequest}, no, no, no, no, 0, ""},
		{alipaytest.Fault{Kind: alipaytest.SystemErrorBefore}, no, yes, yes, yes, 400, "ACQ.SYSTEM_ERROR"},
		{alipaytest.Fault{Kind: alipaytest.SystemErrorAfter}, yes, yes, yes, yes, 400, "ACQ.SYSTEM_ERROR"},
		{alipaytest.Fault{Kind: alipaytest.SystemErrorAfter, SubCode: "isp.unknow-error"}, yes, yes, no, no, 500, "unknow-error"},
		{alipaytest.Fault{Kind: alipaytest.WrongSignature}, yes, yes, yes, no, 200, ""},
		{alipaytest.Fault{Kind: alipaytest.NoSignature}, yes, yes, no, no, 200, ""},
		{alipaytest.Fault{Kind: alipaytest.Slow}, yes, yes, yes, yes, 200, ""},
		{alipaytest.Fault{Kind: alipaytest.LooseTypes}, yes, yes, yes, yes, 200, ""},
		{alipaytest.Fault{Kind: alipaytest.GatewayError}, no, yes, no, no, 400, "invalid-app-id"},
		{alipaytest.Fault{Kind: alipaytest.HTTP500}, no, yes, no, no, 500, ""},
		{alipaytest.Fault{Kind: alipaytest.Refused}, no, no, no, no, 0, ""},
		{alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "ACQ.REASON_TRADE_BEEN_FREEZEN"}, no, yes, yes, yes, 400, "ACQ.REASON_TRADE_BEEN_FREEZEN"},
		{alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "aop.invalid-auth-token"}, no, yes, no, no, 400, "invalid-auth-token"},
	} {
		t.Run(tt.fault.Kind.String()+" "+tt.fault.SubCode, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, c, _ := setup(t)
				a.Inject(tt.fault)
				got, err := c.tryV3(refundPath, refundBiz("4.00", "R1"))
				if (err == nil) != tt.answered {
					t.Fatalf("answered %q, error %v", got.body, err)
				}
				if executed := len(a.Movements()) == 1; executed != tt.executed {
					t.Errorf("executed: %v", executed)
				}
				if got.signed != tt.signed || got.verified != tt.verified || got.status != tt.status || got.get("code") != tt.code {
					t.Errorf("%d %s, signed %v, verified %v", got.status, got.body, got.signed, got.verified)
				}
				if fee := string(got.node["refund_fee"]); tt.fault.Kind == alipaytest.LooseTypes && fee != "4.00" {
					t.Errorf("refund_fee %s", fee)
				}
				change := map[bool]string{true: "N", false: "Y"}[tt.executed]
				again, err := c.tryV3(refundPath, refundBiz("4.00", "R1"))
				if err != nil || !again.verified || again.get("fund_change") != change || len(a.Movements()) != 1 {
					t.Errorf("%v %s, movements %+v", err, again.body, a.Movements())
				}
			})
		})
	}
}

// Both versions speak of the same books, and their calls are told alike.
func TestBooksAreOne(t *testing.T) {
	a, c, _ := setup(t)
	c.expect(c.call(refund, refundBiz("4.00", "R1")), map[string]string{"fund_change": "Y"})
	for _, tt := range []struct {
		path, body string
		status     int
		want       map[string]string
	}{
		{refundPath, refundBiz("4.00", "R1"), 200, map[string]string{"fund_change": "N", "refund_fee": "4.00", "code": ""}},
		{"/v3/alipay/trade/fastpay/refund/query", `{"out_trade_no":"A1","out_request_no":"R1"}`, 200, map[string]string{"refund_status": "REFUND_SUCCESS", "refund_amount": "4.00"}},
		{"/v3/alipay/trade/fastpay/refund/query", `{"out_trade_no":"A1","out_request_no":"R2"}`, 200, map[string]string{"refund_status": ""}},
		{"/v3/alipay/trade/query", `{"out_trade_no":"A1"}`, 200, map[string]string{"trade_status": "TRADE_SUCCESS"}},
		{"/v3/alipay/trade/query", `{"out_trade_no":"none"}`, 400, map[string]string{"code": "ACQ.TRADE_NOT_EXIST", "message": "交易不存在"}},
		{"/v3/alipay/trade/close", `{"out_trade_no":"A1"}`, 400, map[string]string{"code": "ACQ.TRADE_STATUS_ERROR"}},
	} {
		got, err := c.tryV3(tt.path, tt.body)
		if err != nil || !got.verified || got.status != tt.status || got.header.Get("alipay-trace-id") == "" {
			t.Errorf("%s: %v %+v", tt.path, err, got)
		}
		c.expect(got, tt.want)
	}
	calls := a.Calls()
	for i, method := range []string{refund, refund, refundQuery, refundQuery, tradeQuery, tradeQuery, tradeClose} {
		if calls[i].Method != method || calls[i].BizContent == "" || calls[i].Params["app_id"] != a.AppID() {
			t.Errorf("call %d: %+v", i, calls[i])
		}
	}
	if calls[1].Status != 200 || calls[5].Status != 400 || !strings.Contains(calls[1].Answer, `"fund_change":"N"`) {
		t.Errorf("answers: %+v, %+v", calls[1], calls[5])
	}
}
