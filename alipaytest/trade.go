package alipaytest

import (
	"time"

	"github.com/alirefund/alirefund/money"
)

// States of a trade (opendocs, alipay.trade.query).
const (
	WaitBuyerPay  = "WAIT_BUYER_PAY" // not paid yet
	TradeSuccess  = "TRADE_SUCCESS"  // paid, and may be refunded; also after a partial refund
	TradeFinished = "TRADE_FINISHED" // paid, and can no longer be refunded
	TradeClosed   = "TRADE_CLOSED"   // never paid in time, or fully refunded
)

// Trade is an order with Alipay. [Alipay.AddTrade] fills in what is empty.
type Trade struct {
	OutTradeNo     string       // the merchant's number
	TradeNo        string       // Alipay's number
	Subject        string       // default: 测试订单
	Total          money.Amount // default: 100.00
	Status         string       // default: [TradeSuccess]
	NotifyURL      string       // where its notices go; empty means there are none
	BuyerLogonID   string       // masked, as Alipay sends it
	BuyerID        string
	PassbackParams string // given back in each notice
}

// trade is a Trade and its refunds.
type trade struct {
	Trade
	created    time.Time
	refunds    map[string]*refund // by out_request_no
	refunded   money.Amount
	lastRefund time.Time
}

// AddTrade adds an order and returns it with its empty fields filled in. It
// panics if the fake has the number already.
func (a *Alipay) AddTrade(t Trade) Trade {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.clock()
	if t.OutTradeNo == "" {
		t.OutTradeNo = a.number(now, "6", 24)
	}
	if t.TradeNo == "" {
		t.TradeNo = a.number(now, "22001", 28)
	}
	t.Subject = orElse(t.Subject, "测试订单")
	t.Status = orElse(t.Status, TradeSuccess)
	t.BuyerLogonID = orElse(t.BuyerLogonID, "159****5620")
	t.BuyerID = orElse(t.BuyerID, "2088101117955611")
	if t.Total == 0 {
		t.Total = 100_00
	}
	if a.byOrder[t.OutTradeNo] != nil || a.byTrade[t.TradeNo] != nil {
		panic("alipaytest: the trade " + t.OutTradeNo + " was added before")
	}
	added := &trade{Trade: t, created: now, refunds: map[string]*refund{}}
	a.trades = append(a.trades, added)
	a.byOrder[t.OutTradeNo], a.byTrade[t.TradeNo] = added, added
	return t
}

// SetSellerBalance sets what the seller has to refund from; each refund of a
// trade takes from it. Until it is set there is always enough.
func (a *Alipay) SetSellerBalance(left money.Amount) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.balance = &left
}

// Pay lets the buyer pay a waiting trade, and sends the payment's notice to its
// notify_url; that of a paid trade is sent once more, as a new notice. It panics
// if there is no such trade.
func (a *Alipay) Pay(outTradeNo string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	t := a.known(outTradeNo)
	if t.Status == WaitBuyerPay {
		t.Status = TradeSuccess
	}
	a.tradeNotice(t, nil, "", a.clock())
}

// TimeOut closes a waiting trade as Alipay does when nobody pays it in time, and
// sends the notice of that: TRADE_CLOSED with a refund_fee of 0.00, which is no
// refund. It panics if there is no such trade or it was paid.
func (a *Alipay) TimeOut(outTradeNo string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	t := a.known(outTradeNo)
	if t.Status != WaitBuyerPay {
		panic("alipaytest: the trade " + outTradeNo + " is not waiting for its payment")
	}
	t.Status = TradeClosed
	a.tradeNotice(t, nil, "", a.clock())
}

func (a *Alipay) known(outTradeNo string) *trade {
	t := a.byOrder[outTradeNo]
	if t == nil {
		panic("alipaytest: there is no trade " + outTradeNo)
	}
	return t
}

// find returns the trade that a request names; trade_no wins (opendocs,
// alipay.trade.refund).
func (a *Alipay) find(values map[string]string) (*trade, *failure) {
	var t *trade
	switch {
	case values["trade_no"] != "":
		t = a.byTrade[values["trade_no"]]
	case values["out_trade_no"] != "":
		t = a.byOrder[values["out_trade_no"]]
	default:
		return nil, invalid("out_trade_no or trade_no")
	}
	if t == nil {
		return nil, business("ACQ.TRADE_NOT_EXIST", "交易不存在")
	}
	return t, nil
}

func invalid(what string) *failure {
	return business("ACQ.INVALID_PARAMETER", "参数无效: "+what)
}

// tradeQuery is alipay.trade.query. a.mu is held.
func (a *Alipay) tradeQuery(q *request, _ time.Time) (node, *failure) {
	values, broken := q.texts(map[string]int{"out_trade_no": 64, "trade_no": 64})
	if broken != "" {
		return nil, invalid(broken)
	}
	t, f := a.find(values)
	if f != nil {
		return nil, f
	}
	return node{
		{"buyer_logon_id", t.BuyerLogonID},
		{"buyer_user_id", t.BuyerID},
		{"out_trade_no", t.OutTradeNo},
		{"send_pay_date", stamp(t.created)},
		{"total_amount", t.Total.String()},
		{"trade_no", t.TradeNo},
		{"trade_status", t.Status},
	}, nil
}

// tradeClose is alipay.trade.close, which closes only what waits for its
// payment. a.mu is held.
func (a *Alipay) tradeClose(q *request, _ time.Time) (node, *failure) {
	values, broken := q.texts(map[string]int{"out_trade_no": 64, "trade_no": 64, "operator_id": 28})
	if broken != "" {
		return nil, invalid(broken)
	}
	t, f := a.find(values)
	switch {
	case f != nil:
		return nil, f
	case t.Status != WaitBuyerPay:
		return nil, business("ACQ.TRADE_STATUS_ERROR", "交易状态不合法")
	}
	t.Status = TradeClosed
	return node{{"out_trade_no", t.OutTradeNo}, {"trade_no", t.TradeNo}}, nil
}
