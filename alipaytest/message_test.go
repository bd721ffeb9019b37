package alipaytest_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

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

func TestFundTransRefund(t *testing.T) {
	a := alipaytest.New(alipaytest.Config{AppGatewayURL: appGateway})
	c := newClient(t, a)
	p := a.AddRedPacket(alipaytest.RedPacket{AuthNo: "P1", OutRequestNo: "PAY1", Amount: 10_00, Claimed: 5_00, FundTrans: true})
	a.AddRedPacket(alipaytest.RedPacket{AuthNo: "P2"})
	biz := `{"order_id":"P1","out_request_no":"R1","refund_amount":"2.00","remark":"r"}`
	first := c.call(fundRefund, biz)
	c.expect(first, map[string]string{"code": "10000", "status": "SUCCESS", "order_id": "P1", "out_request_no": "R1", "refund_amount": "2.00"})
	again := c.call(fundRefund, biz)
	if again.get("refund_order_id") == "" || again.get("refund_order_id") != first.get("refund_order_id") {
		t.Errorf("the same request again: %s", again.body)
	}
	for name, biz := range map[string]string{
		"other amount":       strings.Replace(biz, "2.00", "1.00", 1),
		"the payment's":      strings.Replace(biz, "R1", "PAY1", 1),
		"too much":           `{"order_id":"P1","out_request_no":"R2","refund_amount":"3.01"}`,
		"no amount":          `{"order_id":"P1","out_request_no":"R2"}`,
		"no number":          `{"order_id":"P1","refund_amount":"1.00"}`,
		"unknown red packet": `{"order_id":"P3","out_request_no":"R2","refund_amount":"1.00"}`,
		"the older product":  `{"order_id":"P2","out_request_no":"R2","refund_amount":"1.00"}`,
	} {
		if answer := c.call(fundRefund, biz); answer.get("code") != "40004" {
			t.Errorf("%s: %s", name, answer.body)
		}
	}
	c.refused(c.call(couponRefund, couponBiz("P1", "R2", `"1.00"`)), "40004", "AUTH_ORDER_NOT_EXIST")

	query := func(number, scene string) string {
		return `{"out_biz_no":"` + number + `","biz_scene":"` + scene + `","product_code":"STD_RED_PACKET"}`
	}
	c.expect(c.call(fundQuery, query("R1", "REFUND")), map[string]string{
		"status": "SUCCESS", "out_biz_no": "R1", "trans_amount": "2.00", "order_id": first.get("refund_order_id"),
	})
	c.expect(c.call(fundQuery, query("PAY1", "PERSONAL_PAY")), map[string]string{"out_biz_no": "PAY1", "order_id": "P1", "trans_amount": "10.00"})
	c.expect(c.call(fundQuery, `{"order_id":"P1","biz_scene":"REFUND","product_code":"STD_RED_PACKET"}`), map[string]string{"out_biz_no": p.OutRequestNo})
	for _, biz := range []string{query("R9", "REFUND"), query("PAY1", "REFUND"), query("R1", ""), `{"out_biz_no":"R1"}`} {
		if answer := c.call(fundQuery, biz); answer.get("code") != "40004" {
			t.Errorf("%s: %s", biz, answer.body)
		}
	}
	if got := a.Movements(); len(got) != 1 || got[0].OutRequestNo != "R1" || got[0].Amount != 2_00 {
		t.Errorf("movements: %+v", got)
	}
}

// Each return is told to the application's gateway, the automatic one too.
func TestFundTransMessages(t *testing.T) {
	a := alipaytest.New(alipaytest.Config{AppGatewayURL: appGateway})
	c := newClient(t, a)
	a.AddRedPacket(alipaytest.RedPacket{AuthNo: "P1", Amount: 10_00, FundTrans: true, NotifyURL: "http://shop.test/pay"})
	c.call(fundRefund, `{"order_id":"P1","out_request_no":"R1","refund_amount":"2.00"}`)
	a.HandleNotices(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("success")) }))
	a.Advance(49 * time.Hour)
	notices := a.Notices()
	if len(notices) != 2 || notices[0].Method != fundRefund || notices[1].Method != "" {
		t.Fatalf("%+v", notices)
	}
	for i, amount := range []string{`"refund_amount":"2.00"`, `"refund_amount":"8.00"`} {
		n := notices[i]
		if n.URL != appGateway || !n.Acknowledged || n.Params["msg_method"] != fundRefund+".success" || !strings.Contains(n.Params["biz_content"], amount) {
			t.Errorf("%+v", n)
		}
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
