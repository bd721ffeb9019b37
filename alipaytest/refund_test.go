package alipaytest_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund/alipaytest"
)

func TestRefund(t *testing.T) {
	a := alipaytest.New(alipaytest.Config{})
	c := newClient(t, a)
	trade := a.AddTrade(alipaytest.Trade{OutTradeNo: "A1", Total: 10_00})

	first := c.call(refund, `{"out_trade_no":"A1","refund_amount":"4.00","out_request_no":"R1"}`)
	c.expect(first, map[string]string{
		"code": "10000", "msg": "Success", "fund_change": "Y", "refund_fee": "4.00", "send_back_fee": "",
		"out_trade_no": "A1", "trade_no": trade.TradeNo, "buyer_logon_id": trade.BuyerLogonID,
	})
	// A repeat moves nothing, and trade_no wins over a wrong out_trade_no.
	c.expect(c.call(refund, `{"out_trade_no":"other","trade_no":"`+trade.TradeNo+`","refund_amount":"4.00","out_request_no":"R1"}`),
		map[string]string{"code": "10000", "fund_change": "N", "refund_fee": "4.00"})
	// refund_fee is what was refunded in all; an amount may be a number.
	c.expect(c.call(refund, `{"out_trade_no":"A1","refund_amount":6.00,"out_request_no":"R2","query_options":["refund_detail_item_list"]}`),
		map[string]string{"fund_change": "Y", "refund_fee": "10.00", "send_back_fee": "6.00"})
	c.expect(c.call(tradeQuery, `{"out_trade_no":"A1"}`), map[string]string{"trade_status": "TRADE_CLOSED", "total_amount": "10.00"})
	// What was done stays done after the trade closed.
	c.expect(c.call(refund, `{"out_trade_no":"A1","refund_amount":"4","out_request_no":"R1"}`), map[string]string{"fund_change": "N"})

	got := a.Movements()
	if len(got) != 2 || got[0].OutRequestNo != "R1" || got[0].Amount != 4_00 || got[1].OutRequestNo != "R2" || got[1].Amount != 6_00 {
		t.Errorf("movements: %+v", got)
	}
}

func TestRefundWithoutNumber(t *testing.T) {
	a := alipaytest.New(alipaytest.Config{})
	c := newClient(t, a)
	a.AddTrade(alipaytest.Trade{OutTradeNo: "A1", Total: 10_00})
	c.refused(c.call(refund, `{"out_trade_no":"A1","refund_amount":"9.99"}`), "40004", "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL")
	c.expect(c.call(refund, `{"out_trade_no":"A1","refund_amount":"10"}`), map[string]string{"fund_change": "Y"})
	// The order's number stands for the request's.
	c.expect(c.call(refund, `{"out_trade_no":"A1","refund_amount":"10","out_request_no":"A1"}`), map[string]string{"fund_change": "N"})
	c.expect(c.call(refundQuery, `{"out_trade_no":"A1","out_request_no":"A1"}`), map[string]string{"refund_amount": "10.00"})
}

func TestRefundRefusals(t *testing.T) {
	a := alipaytest.New(alipaytest.Config{})
	c := newClient(t, a)
	for _, status := range []string{alipaytest.WaitBuyerPay, alipaytest.TradeSuccess, alipaytest.TradeFinished, alipaytest.TradeClosed} {
		a.AddTrade(alipaytest.Trade{OutTradeNo: status, Total: 10_00, Status: status})
	}
	a.AddTrade(alipaytest.Trade{OutTradeNo: "full", Total: 10_00})
	c.call(refund, `{"out_trade_no":"full","refund_amount":"10.00","out_request_no":"done"}`)
	c.call(refund, `{"out_trade_no":"TRADE_SUCCESS","refund_amount":"4.00","out_request_no":"done"}`)
	moved := len(a.Movements())

	long := strings.Repeat("数", 65)
	tests := []struct{ name, biz, subCode string }{
		{"no order", `{"refund_amount":"1.00"}`, "ACQ.INVALID_PARAMETER"},
		{"unknown order", `{"out_trade_no":"X","refund_amount":"1.00"}`, "ACQ.TRADE_NOT_EXIST"},
		{"unknown trade_no wins", `{"out_trade_no":"TRADE_SUCCESS","trade_no":"X","refund_amount":"1.00","out_request_no":"new"}`, "ACQ.TRADE_NOT_EXIST"},
		{"no amount", `{"out_trade_no":"TRADE_SUCCESS"}`, "ACQ.INVALID_PARAMETER"},
		{"amount 0", `{"out_trade_no":"TRADE_SUCCESS","refund_amount":"0.00","out_request_no":"new"}`, "ACQ.INVALID_PARAMETER"},
		{"three decimals", `{"out_trade_no":"TRADE_SUCCESS","refund_amount":"0.001","out_request_no":"new"}`, "ACQ.INVALID_PARAMETER"},
		{"negative", `{"out_trade_no":"TRADE_SUCCESS","refund_amount":-1,"out_request_no":"new"}`, "ACQ.INVALID_PARAMETER"},
		{"amount null", `{"out_trade_no":"TRADE_SUCCESS","refund_amount":null,"out_request_no":"new"}`, "ACQ.INVALID_PARAMETER"},
		{"number too long", `{"out_trade_no":"TRADE_SUCCESS","refund_amount":"1.00","out_request_no":"` + long + `"}`, "ACQ.INVALID_PARAMETER"},
		{"number no text", `{"out_trade_no":"TRADE_SUCCESS","refund_amount":"1.00","out_request_no":["new"]}`, "ACQ.INVALID_PARAMETER"},
		{"same number, other amount", `{"out_trade_no":"TRADE_SUCCESS","refund_amount":"4.01","out_request_no":"done"}`, "ACQ.DISCORDANT_REPEAT_REQUEST"},
		{"more than the total", `{"out_trade_no":"TRADE_SUCCESS","refund_amount":"10.01","out_request_no":"new"}`, "ACQ.REASON_TRADE_REFUND_FEE_ERR"},
		{"more than what is left", `{"out_trade_no":"TRADE_SUCCESS","refund_amount":"6.01","out_request_no":"new"}`, "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL"},
		{"not paid", `{"out_trade_no":"WAIT_BUYER_PAY","refund_amount":"1.00","out_request_no":"new"}`, "ACQ.TRADE_STATUS_ERROR"},
		{"finished", `{"out_trade_no":"TRADE_FINISHED","refund_amount":"1.00","out_request_no":"new"}`, "ACQ.TRADE_HAS_FINISHED"},
		{"closed", `{"out_trade_no":"TRADE_CLOSED","refund_amount":"1.00","out_request_no":"new"}`, "ACQ.TRADE_HAS_CLOSE"},
		{"fully refunded", `{"out_trade_no":"full","refund_amount":"0.01","out_request_no":"new"}`, "ACQ.TRADE_HAS_CLOSE"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c.t = t
			c.refused(c.call(refund, tt.biz), "40004", tt.subCode)
		})
	}
	if got := a.Movements(); len(got) != moved {
		t.Errorf("refusals moved money: %+v", got[moved:])
	}
}

func TestSellerBalance(t *testing.T) {
	a := alipaytest.New(alipaytest.Config{})
	c := newClient(t, a)
	c.t = t
	a.AddTrade(alipaytest.Trade{OutTradeNo: "A1", Total: 10_00})
	a.SetSellerBalance(5_00)
	refundOf := func(amount, number string) answer {
		return c.call(refund, `{"out_trade_no":"A1","refund_amount":"`+amount+`","out_request_no":"`+number+`"}`)
	}
	c.expect(refundOf("3.00", "R1"), map[string]string{"fund_change": "Y"})
	c.refused(refundOf("2.01", "R2"), "40004", "ACQ.SELLER_BALANCE_NOT_ENOUGH")
	a.SetSellerBalance(7_00)
	c.expect(refundOf("2.01", "R2"), map[string]string{"fund_change": "Y"}) // the same number, topped up
}

func TestSpacing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := alipaytest.New(alipaytest.Config{})
		c := newClient(t, a)
		a.AddTrade(alipaytest.Trade{OutTradeNo: "A1"})
		for i, pause := range []time.Duration{0, 3 * time.Second, 3*time.Second - 1} {
			time.Sleep(pause)
			c.call(refund, fmt.Sprintf(`{"out_trade_no":"A1","refund_amount":"1.00","out_request_no":"R%d"}`, i))
		}
		for i, want := range []bool{false, false, true} {
			if got := a.Movements()[i].TooSoon; got != want {
				t.Errorf("refund %d: TooSoon = %v", i, got)
			}
		}
	})
}

func TestRefundQuery(t *testing.T) {
	a := alipaytest.New(alipaytest.Config{})
	c := newClient(t, a)
	trade := a.AddTrade(alipaytest.Trade{OutTradeNo: "A1", Total: 10_00})
	a.AddTrade(alipaytest.Trade{OutTradeNo: "A2", Total: 10_00})
	c.call(refund, `{"out_trade_no":"A1","refund_amount":"4.00","out_request_no":"R1","refund_reason":"broken"}`)
	c.call(refund, `{"out_trade_no":"A1","refund_amount":"1.00","out_request_no":"R2"}`)

	c.expect(c.call(refundQuery, `{"trade_no":"`+trade.TradeNo+`","out_request_no":"R1"}`), map[string]string{
		"refund_status": "REFUND_SUCCESS", "refund_amount": "4.00", "total_amount": "10.00", "out_request_no": "R1",
		"out_trade_no": "A1", "trade_no": trade.TradeNo, "refund_reason": "broken", "gmt_refund_pay": "", "send_back_fee": "",
	})
	for _, biz := range []string{
		`{"out_trade_no":"A1","out_request_no":"R3"}`,
		`{"out_trade_no":"A2","out_request_no":"R1"}`, // a number belongs to its trade
	} {
		got := c.call(refundQuery, biz)
		c.expect(got, map[string]string{"code": "10000", "msg": "Success"})
		if len(got.node) != 2 {
			t.Errorf("an unknown number has no details: %s", got.body)
		}
	}
	c.refused(c.call(refundQuery, `{"out_trade_no":"A1"}`), "40004", "ACQ.INVALID_PARAMETER")
	c.refused(c.call(refundQuery, `{"out_request_no":"R1"}`), "40004", "ACQ.INVALID_PARAMETER")
	c.refused(c.call(refundQuery, `{"out_trade_no":"X","out_request_no":"R1"}`), "40004", "ACQ.TRADE_NOT_EXIST")
}
