package gateway

import (
	"context"

	"github.com/alirefund/alirefund/money"
)

// TradeQuery is the biz_content of alipay.trade.query.
type TradeQuery struct {
	OutTradeNo string `json:"out_trade_no,omitempty"`
	TradeNo    string `json:"trade_no,omitempty"`
}

// TradeQueryAnswer is its node. TradeStatus is WAIT_BUYER_PAY, TRADE_SUCCESS
// (also after partial refunds), TRADE_FINISHED or TRADE_CLOSED (timed out, or
// refunded in full).
type TradeQueryAnswer struct {
	Reply
	TradeNo, OutTradeNo, TradeStatus string
	TotalAmount                      money.Amount
}

// QueryTrade calls alipay.trade.query. Errors are [Client.Do]'s.
func (c *Client) QueryTrade(ctx context.Context, q TradeQuery, o Options) (TradeQueryAnswer, error) {
	reply, err := c.Do(ctx, MethodTradeQuery, q, o)
	return TradeQueryAnswer{
		Reply: reply, TradeNo: reply.Text("trade_no"), OutTradeNo: reply.Text("out_trade_no"),
		TradeStatus: reply.Text("trade_status"), TotalAmount: reply.amount("total_amount"),
	}, err
}

// TradeClose is the biz_content of alipay.trade.close, which takes unpaid
// trades only.
type TradeClose struct {
	OutTradeNo string `json:"out_trade_no,omitempty"`
	TradeNo    string `json:"trade_no,omitempty"`
	OperatorID string `json:"operator_id,omitempty"`
}

// TradeCloseAnswer is its node.
type TradeCloseAnswer struct {
	Reply
	TradeNo, OutTradeNo string
}

// CloseTrade calls alipay.trade.close. Errors are [Client.Do]'s.
func (c *Client) CloseTrade(ctx context.Context, r TradeClose, o Options) (TradeCloseAnswer, error) {
	reply, err := c.Do(ctx, MethodTradeClose, r, o)
	return TradeCloseAnswer{Reply: reply, TradeNo: reply.Text("trade_no"), OutTradeNo: reply.Text("out_trade_no")}, err
}
