package alipaytest_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/signer"
)

// received is one notice as the host got it, its signature already verified.
type received struct {
	at   time.Time
	url  string
	body string
	form url.Values // GBK is decoded
}

// host is a merchant's notify route.
type host struct {
	t      testing.TB
	verify *signer.Verifier
	got    []received
	answer func(n int) string // for the nth notice, from 1; nil: success
	before func()             // called before the answer
}

func newHost(t testing.TB, a *alipaytest.Alipay) *host {
	t.Helper()
	verify, err := signer.VerifierFromPEM(a.AlipayPublicKey())
	if err != nil {
		t.Fatal(err)
	}
	return &host{t: t, verify: verify}
}

func (h *host) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		h.t.Error(err)
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		h.t.Error(err)
	}
	var params []signer.Param
	for key, values := range form {
		params = append(params, signer.Param{Key: key, Value: values[0]})
		if len(values) != 1 {
			h.t.Errorf("%s is given %d times", key, len(values))
		}
	}
	if err := h.verify.Verify(signer.AppendText(nil, params, signer.WithoutSignType), form.Get("sign")); err != nil {
		h.t.Errorf("%v: %s", err, body)
	}
	if r.Method != http.MethodPost || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		h.t.Errorf("%s %s", r.Method, r.Header.Get("Content-Type"))
	}
	if form.Get("charset") == "GBK" {
		for key := range form {
			form[key][0], _ = simplifiedchinese.GBK.NewDecoder().String(form[key][0])
		}
	}
	h.got = append(h.got, received{at: time.Now(), url: "https://" + r.Host + r.URL.String(), body: string(body), form: form})
	if h.before != nil {
		h.before()
	}
	answer := "success"
	if h.answer != nil {
		answer = h.answer(len(h.got))
	}
	_, _ = io.WriteString(w, answer)
}

// setup is a fake with one trade and one red packet whose notices go to a host.
func setup(t testing.TB) (*alipaytest.Alipay, *client, *host) {
	t.Helper()
	a := alipaytest.New(alipaytest.Config{})
	h := newHost(t, a)
	a.HandleNotices(h)
	a.AddTrade(alipaytest.Trade{OutTradeNo: "A1", TradeNo: "T1", Total: 10_00, NotifyURL: "https://shop.test/notify", PassbackParams: "a&b=c+d"})
	a.AddRedPacket(alipaytest.RedPacket{AuthNo: "P1", OutOrderNo: "O1", Amount: 10_00, NotifyURL: "https://shop.test/paid"})
	return a, newClient(t, a), h
}

func refundBiz(amount, number string) string {
	return `{"out_trade_no":"A1","refund_amount":"` + amount + `","out_request_no":"` + number + `"}`
}

func (h *host) expect(i int, want map[string]string) {
	h.t.Helper()
	if i >= len(h.got) {
		h.t.Fatalf("%d notices came, want %d", len(h.got), i+1)
	}
	for key, value := range want {
		if got := h.got[i].form.Get(key); got != value {
			h.t.Errorf("notice %d: %s = %q, want %q", i, key, got, value)
		}
	}
}

func TestTradeNotices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, c, h := setup(t)
		c.call(refund, refundBiz("4.00", "R1"))
		if len(h.got) != 0 {
			t.Fatal("a notice came before it was delivered")
		}
		if posts := a.Deliver(t.Context()); posts != 1 {
			t.Fatalf("%d posts, want 1", posts)
		}
		c.call(refund, refundBiz("4.00", "R1")) // a repeat tells nobody anything
		c.call(refund, `{"trade_no":"T1","refund_amount":"6.00","out_request_no":"R2"}`)
		if posts := a.Deliver(t.Context()); posts != 1 {
			t.Fatalf("%d posts, want 1", posts)
		}
		// The bubble's clock begins at midnight of 2000-01-01, UTC.
		h.expect(0, map[string]string{
			"notify_type": "trade_status_sync", "trade_status": "TRADE_SUCCESS", "refund_fee": "4.00", "total_amount": "10.00",
			"out_biz_no": "R1", "gmt_refund": "2000-01-01 08:00:00.000", "gmt_close": "", "out_trade_no": "A1", "trade_no": "T1",
			"app_id": a.AppID(), "seller_id": a.SellerID(), "passback_params": "a&b=c+d", "subject": "测试订单",
			"notify_time": "2000-01-01 08:00:00", "sign_type": "RSA2", "charset": "UTF-8", "receipt_amount": "", "fund_bill_list": "",
		})
		h.expect(1, map[string]string{
			"trade_status": "TRADE_CLOSED", "refund_fee": "10.00", "out_biz_no": "R2", "gmt_close": "2000-01-01 08:00:00",
		})
		id := h.got[0].form.Get("notify_id")
		if !regexp.MustCompile(`^\d{34}$`).MatchString(id) || id == h.got[1].form.Get("notify_id") {
			t.Errorf("notify_id %s, then %s", id, h.got[1].form.Get("notify_id"))
		}
		if h.got[0].url != "https://shop.test/notify" {
			t.Error(h.got[0].url)
		}
	})
}

// Without a request number the notice names the number that the call used.
func TestNoticeOfRefundWithoutNumber(t *testing.T) {
	for biz, want := range map[string]string{
		`{"out_trade_no":"A1","refund_amount":"10.00"}`: "A1",
		`{"trade_no":"T1","refund_amount":"10.00"}`:     "T1",
	} {
		a, c, h := setup(t)
		c.call(refund, biz)
		a.Deliver(t.Context())
		h.expect(0, map[string]string{"out_biz_no": want})
	}
}

func TestNoticesWithoutCalls(t *testing.T) {
	a, _, h := setup(t)
	a.AddTrade(alipaytest.Trade{OutTradeNo: "A2", Status: alipaytest.WaitBuyerPay, NotifyURL: "https://shop.test/notify"})
	a.AddTrade(alipaytest.Trade{OutTradeNo: "A3", Status: alipaytest.WaitBuyerPay, NotifyURL: "https://shop.test/notify"})
	a.Pay("A2")
	a.TimeOut("A3")
	number := a.RefundAtConsole("A1", 1_00)
	a.Deliver(t.Context())
	h.expect(0, map[string]string{"out_trade_no": "A2", "trade_status": "TRADE_SUCCESS", "receipt_amount": "100.00", "gmt_refund": "", "refund_fee": ""})
	h.expect(1, map[string]string{"out_trade_no": "A3", "trade_status": "TRADE_CLOSED", "refund_fee": "0.00", "gmt_refund": "", "out_biz_no": ""})
	h.expect(2, map[string]string{"out_trade_no": "A1", "out_biz_no": number, "refund_fee": "1.00"})
	if got := a.Movements(); len(got) != 1 || got[0].OutRequestNo != number {
		t.Errorf("movements: %+v", got)
	}
}

func TestCouponNotice(t *testing.T) {
	a, c, h := setup(t)
	params := c.parameters(couponRefund, couponBiz("P1", "R1", `2.00`))
	params["notify_url"] = "https://shop.test/refunded"
	if _, err := c.do(c.request(params)); err != nil {
		t.Fatal(err)
	}
	c.call(couponRefund, couponBiz("P1", "R2", `3.00`)) // without a notify_url nobody is told
	if posts := a.Deliver(t.Context()); posts != 1 {
		t.Fatalf("%d posts, want 1", posts)
	}
	h.expect(0, map[string]string{
		"notify_type": "fund_stdtrustee_refund.success", "auth_no": "P1", "out_order_no": "O1", "out_request_no": "R1",
		"operation_type": "REFUND", "amount": "2.00", "status": "SUCCESS", "app_id": a.AppID(), "payer_logon_id": "158****7723",
		"operation_id": a.Movements()[0].OperationID,
	})
	if h.got[0].url != "https://shop.test/refunded" {
		t.Errorf("it went to %s, not to the call's notify_url", h.got[0].url)
	}
}

// The request of Alipay's post on the interface, whose notify_url is in Chinese.
func TestCouponRefundSample(t *testing.T) {
	a, c, h := setup(t)
	a.AddRedPacket(alipaytest.RedPacket{AuthNo: "2018081710002001860231318890"})
	params := c.parameters(couponRefund, `{"auth_no":"2018081710002001860231318890","out_request_no":"refund20171228254","amount":0.01,"remark":"支付后,剩余红包退款"}`)
	params["notify_url"] = "http://退款异步发送地址"
	got, err := c.do(c.request(params))
	if err != nil {
		t.Fatal(err)
	}
	c.expect(got, map[string]string{"status": "SUCCESS", "amount": "0.01"})
	a.Deliver(t.Context())
	h.expect(0, map[string]string{"out_request_no": "refund20171228254"})
}

// Redelivery: 8 times in about 25 hours, the same event and the same notify_id,
// each time signed anew, until the answer is exactly success.
func TestRedelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, c, h := setup(t)
		h.answer = func(n int) string {
			return []string{"fail", "success\n", "SUCCESS", `"success"`, "", " success", "ok", "no"}[n-1]
		}
		start := time.Now()
		c.call(refund, refundBiz("4.00", "R1"))
		a.Advance(40 * time.Hour)

		var gaps []time.Duration
		ids, bodies := map[string]bool{}, map[string]bool{}
		for i, d := range a.Notices()[0].Deliveries {
			gaps = append(gaps, d.At.Sub(start))
			ids[h.got[i].form.Get("notify_id")] = true
			bodies[h.got[i].form.Get("sign")] = true
			if want := d.At.In(utc8).Format("2006-01-02 15:04:05"); h.got[i].form.Get("notify_time") != want {
				t.Errorf("delivery %d: notify_time %s, want %s", i, h.got[i].form.Get("notify_time"), want)
			}
			if d.Form != h.got[i].body || d.Status != http.StatusOK || d.Acknowledged || d.Err != nil {
				t.Errorf("delivery %d is noted as %+v", i, d)
			}
		}
		m, hour := time.Minute, time.Hour
		want := []time.Duration{0, 4 * m, 14 * m, 24 * m, hour + 24*m, 3*hour + 24*m, 9*hour + 24*m, 24*hour + 24*m}
		if !slices.Equal(gaps, want) {
			t.Errorf("delivered after %v, want %v", gaps, want)
		}
		if len(ids) != 1 || len(bodies) != 8 {
			t.Errorf("%d notify_ids and %d signatures, want 1 and 8", len(ids), len(bodies))
		}
		if n := a.Notices()[0]; n.Acknowledged || !n.Due.IsZero() {
			t.Errorf("given up, it is neither acknowledged nor due: %+v", n)
		}
	})
}

func TestAcknowledged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, c, h := setup(t)
		h.answer = func(n int) string { return []string{"fail", "success"}[n-1] }
		c.call(refund, refundBiz("4.00", "R1"))
		a.Advance(40 * time.Hour)
		n := a.Notices()[0]
		if len(h.got) != 2 || !n.Acknowledged || !n.Due.IsZero() || n.Method != refund || n.Params["out_biz_no"] != "R1" {
			t.Errorf("%d deliveries; %+v", len(h.got), n)
		}
	})
}

// What no host answers: a status other than 200, a redirect, a panic.
func TestNotAcknowledged(t *testing.T) {
	tests := map[string]http.HandlerFunc{
		"201": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusCreated)
			_, _ = io.WriteString(w, "success")
		},
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/elsewhere" {
				t.Error("the redirect was followed")
			}
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		},
		"panic": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	}
	for name, handler := range tests {
		t.Run(name, func(t *testing.T) {
			a, c, _ := setup(t)
			a.HandleNotices(handler)
			c.call(refund, refundBiz("4.00", "R1"))
			if posts := a.Deliver(t.Context()); posts != 1 {
				t.Errorf("%d posts, want 1", posts)
			}
			n := a.Notices()[0]
			if n.Acknowledged || n.Due.IsZero() || len(n.Deliveries) != 1 {
				t.Errorf("%+v", n)
			}
			if d := n.Deliveries[0]; (d.Err != nil) != (name == "panic") {
				t.Errorf("%+v", d)
			}
		})
	}
}

func TestDeliverEndsWithContext(t *testing.T) {
	a, c, _ := setup(t)
	ctx, cancel := context.WithCancel(t.Context())
	a.HandleNotices(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done() // Alipay hung up
	}))
	c.call(refund, refundBiz("4.00", "R1"))
	c.call(refund, refundBiz("1.00", "R2"))
	if posts := a.Deliver(ctx); posts != 1 {
		t.Errorf("%d posts, want 1", posts)
	}
	if err := a.Notices()[0].Deliveries[0].Err; !errors.Is(err, context.Canceled) {
		t.Errorf("the first ended with %v", err)
	}
}

// The fake's Run delivers by itself, in real time: here the bubble's.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, c, h := setup(t)
		h.answer = func(n int) string { return []string{"fail", "success", "success"}[n-1] }
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go a.Run(ctx)
		time.Sleep(time.Minute)
		c.call(refund, refundBiz("4.00", "R1"))
		time.Sleep(48 * time.Hour) // the red packet of setup returns
		synctest.Wait()
		if len(h.got) != 3 || h.got[1].at.Sub(h.got[0].at) != 4*time.Minute || h.got[2].at.Sub(h.got[0].at) != 48*time.Hour-time.Minute {
			t.Fatalf("%d notices came: %+v", len(h.got), h.got)
		}
		h.expect(2, map[string]string{"auth_no": "P1", "amount": "10.00"})
	})
}

func TestSignedNotice(t *testing.T) {
	a, _, h := setup(t)
	body := a.SignedNotice(map[string]string{"notify_id": "1", "amount": "a+b &=%", "subject": "退款", "empty": ""})
	r := mustRequest("http://shop.test/", body, http.Header{"Content-Type": {"application/x-www-form-urlencoded"}})
	h.ServeHTTP(discard{}, r)
	h.expect(0, map[string]string{"amount": "a+b &=%", "subject": "退款", "sign_type": "RSA2"})
	if len(h.got[0].form) != 6 { // those four, sign and sign_type
		t.Errorf("%v", h.got[0].form)
	}
	if body := a.SignedNotice(map[string]string{"sign_type": "RSA"}); !strings.Contains(body, "sign_type=RSA&") && !strings.HasSuffix(body, "sign_type=RSA") {
		t.Errorf("a given sign_type is kept: %s", body)
	}
}

type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) WriteHeader(int)             {}
