package alipaytest_test

import (
	"io"
	"net/http"
	"net/url"
	"regexp"
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
