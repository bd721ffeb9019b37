package alipaytest_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/signer"
)

const (
	fundRefund = "alipay.fund.trans.refund"
	fundQuery  = "alipay.fund.trans.common.query"
	appGateway = "http://shop.test/alipay/gateway"
)

// Only a refund that asked for it is told of, to the application's gateway, with
// the fields that the message's page documents.
func TestDepositBackMessages(t *testing.T) {
	a := alipaytest.New(alipaytest.Config{AppGatewayURL: appGateway})
	c := newClient(t, a)
	trade := a.AddTrade(alipaytest.Trade{OutTradeNo: "T1"})
	c.call("alipay.trade.refund", `{"out_trade_no":"T1","out_request_no":"R1","refund_amount":"1.00","query_options":["deposit_back_info"]}`)
	c.call("alipay.trade.refund", `{"out_trade_no":"T1","out_request_no":"R2","refund_amount":"2.00"}`)
	var paths []string
	var forms []url.Values
	a.HandleNotices(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		paths, forms = append(paths, r.URL.Path), append(forms, r.PostForm)
		_, _ = w.Write([]byte("success"))
	}))
	if a.DepositBack("T1", "R2", true) || !a.DepositBack("T1", "R1", true) || !a.DepositBack("T1", "R1", false) {
		t.Error("a message is sent if, and only if, the refund asked for it")
	}
	if n := a.Deliver(t.Context()); n != 2 || strings.Join(paths, " ") != "/alipay/gateway /alipay/gateway" {
		t.Fatalf("%d posts to %q", n, paths)
	}
	for i, status := range []string{"S", "F"} {
		form := forms[i]
		verifyV1(t, a, form)
		for key, want := range map[string]string{
			"app_id": a.AppID(), "msg_method": "alipay.trade.refund.depositback.completed", "version": "1.1", "sign_type": "RSA2", "charset": "UTF-8", "notify_type": "", "notify_time": "",
		} {
			if form.Get(key) != want {
				t.Errorf("%s is %q, want %q", key, form.Get(key), want)
			}
		}
		if len(form.Get("utc_timestamp")) != 13 || form.Get("notify_id") == "" {
			t.Errorf("%v", form)
		}
		var got map[string]string
		if err := json.Unmarshal([]byte(form.Get("biz_content")), &got); err != nil {
			t.Fatal(err)
		}
		if got["trade_no"] != trade.TradeNo || got["out_trade_no"] != "T1" || got["out_request_no"] != "R1" || got["dback_status"] != status ||
			(got["dback_amount"] == "1.00") != (status == "S") || got["bank_ack_time"] == "" {
			t.Errorf("%v", got)
		}
	}
	if forms[0].Get("notify_id") == forms[1].Get("notify_id") {
		t.Error("two messages of one id")
	}
}

func verifyV1(t *testing.T, a *alipaytest.Alipay, form url.Values) {
	t.Helper()
	verify, err := signer.VerifierFromPEM(a.AlipayPublicKey())
	if err != nil {
		t.Fatal(err)
	}
	var params []signer.Param
	for key := range form {
		params = append(params, signer.Param{Key: key, Value: form.Get(key)})
	}
	if err := verify.Verify(signer.AppendText(nil, params, signer.WithoutSignType), form.Get("sign")); err != nil {
		t.Error(err)
	}
}

// Without the application's gateway no message goes anywhere.
func TestNoMessageWithoutAnAppGateway(t *testing.T) {
	a := alipaytest.New(alipaytest.Config{})
	c := newClient(t, a)
	a.AddTrade(alipaytest.Trade{OutTradeNo: "T1"})
	c.call("alipay.trade.refund", `{"out_trade_no":"T1","out_request_no":"R1","refund_amount":"1.00","query_options":["deposit_back_info"]}`)
	if !a.DepositBack("T1", "R1", true) || len(a.Notices()) != 0 {
		t.Errorf("%+v", a.Notices())
	}
}

// A refund that does not exist is a mistake of the test's.
func TestDepositBackOfNothing(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("it did not panic")
		}
	}()
	a := alipaytest.New(alipaytest.Config{})
	a.AddTrade(alipaytest.Trade{OutTradeNo: "T1"})
	a.DepositBack("T1", "R1", true)
}
