package alipaytest_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/alirefund/alirefund/alipaytest"
)

func TestAnswerIsNodeThenSign(t *testing.T) {
	a := alipaytest.New(alipaytest.Config{})
	c := newClient(t, a)
	a.AddTrade(alipaytest.Trade{OutTradeNo: "A<1>&"}) // as it is, not escaped for HTML
	got := c.call(tradeQuery, `{"out_trade_no":"A<1>&"}`)
	const prefix = `{"alipay_trade_query_response":{"code":"10000","msg":"Success",`
	if !strings.HasPrefix(got.body, prefix) || !strings.Contains(got.body, `A<1>&`) || !strings.Contains(got.body, `},"sign":"`) {
		t.Error(got.body)
	}
}

func TestCalls(t *testing.T) {
	a := alipaytest.New(alipaytest.Config{})
	c := newClient(t, a)
	a.AddTrade(alipaytest.Trade{OutTradeNo: "A1"})
	params := c.parameters(refund, `{"out_trade_no":"A1","refund_amount":"100.00"}`)
	params["app_auth_token"] = "a token"
	a.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer})
	if got, err := c.do(c.request(params)); err == nil {
		t.Fatalf("there was an answer: %s", got.body)
	}
	second := c.call(refund, `{"out_trade_no":"A1","refund_amount":"100.00"}`)

	calls := a.Calls()
	if len(calls) != 2 {
		t.Fatalf("%d calls, want 2", len(calls))
	}
	if first := calls[0]; first.Method != refund || first.Params["app_auth_token"] != "a token" || first.Params["sign"] == "" ||
		first.BizContent != params["biz_content"] || first.Answer != "" || first.Status != 0 || first.Fault != alipaytest.LostAnswer {
		t.Errorf("the unanswered call: %+v", first)
	}
	if calls[1].Answer != second.body || calls[1].Status != http.StatusOK || calls[1].Fault != 0 {
		t.Errorf("the answered call: %+v", calls[1])
	}
}

func TestKeys(t *testing.T) {
	a, b := alipaytest.New(alipaytest.Config{}), alipaytest.New(alipaytest.Config{})
	if a.AlipayPublicKey() != b.AlipayPublicKey() || a.AppPrivateKey() != b.AppPrivateKey() {
		t.Error("keys are made once per process")
	}
	if strings.ContainsAny(a.AlipayPublicKey(), "\n- ") {
		t.Error("Alipay's public key is one bare line")
	}
	if a.AppID() != "2021000000000001" || a.SellerID() != "2088000000000001" {
		t.Error("defaults:", a.AppID(), a.SellerID())
	}

	// An application with a key of its own, here the platform's for want of
	// another: what verifies must be the one that Config gave.
	own := alipaytest.New(alipaytest.Config{AppID: "1", SellerID: "2", AppPublicKey: a.AlipayPublicKey()})
	if own.AppPrivateKey() != "" || own.AppID() != "1" || own.SellerID() != "2" {
		t.Error("what Config gave is not what is used")
	}
	c := newClient(t, a)
	c.alipay, c.http = own, own.HTTPClient()
	c.refused(c.call(tradeQuery, `{"out_trade_no":"A1"}`), "40002", "isv.invalid-signature")

	defer func() {
		if recover() == nil {
			t.Error("a broken key must panic")
		}
	}()
	alipaytest.New(alipaytest.Config{AppPublicKey: "none"})
}

// The captured notices and answers name node members in this very spelling; a
// wrong one would make every test against the fake worthless.
func TestAnswerMembers(t *testing.T) {
	a := alipaytest.New(alipaytest.Config{})
	c := newClient(t, a)
	a.AddTrade(alipaytest.Trade{OutTradeNo: "A1"})
	p := a.AddRedPacket(alipaytest.RedPacket{})
	tests := []struct{ method, biz, members string }{
		{
			refund, `{"out_trade_no":"A1","refund_amount":"1.00","out_request_no":"R","query_options":["refund_detail_item_list"]}`,
			"buyer_logon_id buyer_user_id fund_change gmt_refund_pay out_trade_no refund_detail_item_list refund_fee send_back_fee trade_no",
		},
		{
			refundQuery, `{"out_trade_no":"A1","out_request_no":"R","query_options":["refund_detail_item_list","gmt_refund_pay"]}`,
			"out_request_no out_trade_no refund_amount refund_status total_amount trade_no gmt_refund_pay refund_detail_item_list send_back_fee",
		},
		{tradeQuery, `{"out_trade_no":"A1"}`, "buyer_logon_id buyer_user_id out_trade_no send_pay_date total_amount trade_no trade_status"},
		{
			couponRefund, `{"auth_no":"` + p.AuthNo + `","out_request_no":"C","amount":"1.00","remark":"r"}`,
			"amount auth_no gmt_trans operation_id out_order_no out_request_no status",
		},
		{
			couponOperation, `{"out_order_no":"` + p.OutOrderNo + `","out_request_no":"C"}`,
			"amount auth_no gmt_create gmt_trans operation_id operation_type out_order_no out_request_no payer_logon_id payer_user_id remark status total_pay_refund_amount",
		},
	}
	for _, tt := range tests {
		got := c.call(tt.method, tt.biz)
		if name := strings.ReplaceAll(tt.method, ".", "_") + "_response"; got.name != name {
			t.Errorf("the node is %s, want %s", got.name, name)
		}
		for key := range strings.FieldsSeq("code msg " + tt.members) {
			if _, ok := got.node[key]; !ok {
				t.Errorf("%s: no %s", tt.method, key)
			}
			delete(got.node, key)
		}
		for key := range got.node {
			t.Errorf("%s: %s is unexpected", tt.method, key)
		}
	}
}
