package alipaytest_test

import (
	"testing"

	"github.com/alirefund/alirefund/alipaytest"
)

func TestTradeQueryAndClose(t *testing.T) {
	a := alipaytest.New(alipaytest.Config{})
	c := newClient(t, a)
	a.AddTrade(alipaytest.Trade{OutTradeNo: "waiting", Status: alipaytest.WaitBuyerPay})
	a.AddTrade(alipaytest.Trade{OutTradeNo: "paid"})

	c.expect(c.call(tradeQuery, `{"out_trade_no":"waiting"}`), map[string]string{"trade_status": "WAIT_BUYER_PAY"})
	c.refused(c.call(tradeClose, `{"out_trade_no":"paid"}`), "40004", "ACQ.TRADE_STATUS_ERROR")
	c.expect(c.call(tradeClose, `{"out_trade_no":"waiting"}`), map[string]string{"code": "10000", "out_trade_no": "waiting"})
	c.expect(c.call(tradeQuery, `{"out_trade_no":"waiting"}`), map[string]string{"trade_status": "TRADE_CLOSED"})
	for _, method := range []string{tradeQuery, tradeClose} {
		c.refused(c.call(method, `{"out_trade_no":"X"}`), "40004", "ACQ.TRADE_NOT_EXIST")
		c.refused(c.call(method, `{}`), "40004", "ACQ.INVALID_PARAMETER")
	}
	if len(a.Movements()) != 0 {
		t.Error("closing is no refund")
	}
}

func TestAddTradeTwice(t *testing.T) {
	a := alipaytest.New(alipaytest.Config{})
	a.AddTrade(alipaytest.Trade{OutTradeNo: "A1"})
	defer func() {
		if recover() == nil {
			t.Error("the second must panic")
		}
	}()
	a.AddTrade(alipaytest.Trade{OutTradeNo: "A1"})
}
