package shoptest

import (
	"context"
	"errors"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/money"
)

const (
	Order  = "6823789339978248"
	Partly = `{"out_trade_no":"6823789339978248","refund_amount":"8.88","out_request_no":"R1"}`
)

// Trade adds the order of 88.88 that most tests refund.
func (s *Shop) Trade() alipaytest.Trade {
	return s.Alipay.AddTrade(alipaytest.Trade{OutTradeNo: Order, Total: 88_88, NotifyURL: NotifyURL})
}

func Total(amount money.Amount) func(*alirefund.Config) {
	return func(c *alirefund.Config) {
		c.OrderTotal = func(context.Context, alirefund.Order) (money.Amount, bool, error) { return amount, true, nil }
	}
}

var ErrStoreDown = errors.New("connection to the database lost")
