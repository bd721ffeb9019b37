package gateway_test

import (
	"context"
	"reflect"
	"testing"

	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/money"
)

// sampleNode has the size and the shape of the sample answer of
// cloud.payment.common.refund: numbers beside strings, an object in the place
// of a list.
const sampleNode = `{
    "code":"10000",
    "msg":"Success",
    "trade_no":"2026010222001400000001",
    "out_trade_no":"4100000000000017",
    "buyer_logon_id":"138****0000",
    "fund_change":"Y",
    "refund_fee":64.32,
    "refund_currency":"CNY",
    "gmt_refund_pay":"2026-01-02 03:04:05",
    "refund_detail_item_list":[
        {
            "fund_channel":"ALIPAYACCOUNT",
            "bank_code":"ICB",
            "amount":12,
            "real_amount":10.5,
            "fund_type":"DEBIT_CARD"
        }
    ],
    "store_name":"晨光书店人民路店",
    "buyer_user_id":"2088000000000000",
    "refund_preset_paytool_list":{
        "amount":[
            7.25
        ],
        "assert_type_code":"书店礼品卡:BOOK;新年红包:T_NEWYEAR_COUPON"
    },
    "refund_settlement_id":"2026010200000000000000000001",
    "present_refund_buyer_amount":"64.32",
    "present_refund_discount_amount":"1.00",
    "present_refund_mdiscount_amount":"0.50"
}`

func TestSampleAnswerDecodesWhole(t *testing.T) {
	client := newClient(t, gateway.Config{HTTP: answering(signed(gateway.MethodTradeRefund, sampleNode))})
	got, err := client.RefundTrade(context.Background(), refund, gateway.Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := gateway.TradeRefundAnswer{
		Reply:   gateway.Reply{Method: gateway.MethodTradeRefund, Node: []byte(sampleNode), Signed: true, Code: "10000", Msg: "Success"},
		TradeNo: "2026010222001400000001", OutTradeNo: "4100000000000017",
		BuyerLogonID: "138****0000", BuyerUserID: "2088000000000000",
		FundChange: "Y", RefundFee: 64_32, RefundCurrency: "CNY", GmtRefundPay: "2026-01-02 03:04:05",
		RefundDetailItems: []gateway.FundDetail{
			{FundChannel: "ALIPAYACCOUNT", BankCode: "ICB", FundType: "DEBIT_CARD", Amount: 12_00, RealAmount: 10_50},
		},
		StoreName: "晨光书店人民路店",
		RefundPresetPaytools: []gateway.PresetPaytool{
			{Amounts: []money.Amount{7_25}, AssertTypeCode: "书店礼品卡:BOOK;新年红包:T_NEWYEAR_COUPON"},
		},
		RefundSettlementID:       "2026010200000000000000000001",
		PresentRefundBuyerAmount: 64_32, PresentRefundDiscountAmount: 1_00, PresentRefundMDiscount: 50,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("\n got %+v\nwant %+v", got, want)
	}
	if got := gateway.JudgeTradeRefund(got.Reply, err, gateway.Want{OutTradeNo: "4100000000000017"}); got.Outcome != gateway.Succeeded {
		t.Errorf("outcome %v", got.Outcome)
	}
}

// No optional field fails the others.
func TestStrangeFieldsFailNothing(t *testing.T) {
	node := `{"code":"10000","fund_change":"Y","out_trade_no":"T1","refund_fee":{"a":1},"send_back_fee":"1e2","store_name":7,
		"refund_detail_item_list":{"amount":"1.00","fund_channel":"COUPON"},"refund_preset_paytool_list":[null,"x",{"amount":2}],"gmt_refund_pay":null}`
	client := newClient(t, gateway.Config{HTTP: answering(signed(gateway.MethodTradeRefund, node))})
	got, err := client.RefundTrade(context.Background(), refund, gateway.Options{})
	if err != nil || got.FundChange != "Y" || got.RefundFee != 0 || got.SendBackFee != 0 || got.StoreName != "7" || got.GmtRefundPay != "" {
		t.Errorf("%v: %+v", err, got)
	}
	if want := []gateway.FundDetail{{FundChannel: "COUPON", Amount: 1_00}}; !reflect.DeepEqual(got.RefundDetailItems, want) {
		t.Errorf("details %+v", got.RefundDetailItems)
	}
	if n := len(got.RefundPresetPaytools); n != 3 || !reflect.DeepEqual(got.RefundPresetPaytools[2].Amounts, []money.Amount{2_00}) {
		t.Errorf("instruments %+v", got.RefundPresetPaytools)
	}
}
