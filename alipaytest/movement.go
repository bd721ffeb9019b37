package alipaytest

import (
	"slices"
	"time"

	"github.com/alirefund/alirefund/money"
)

// MovementKind says how money moved.
type MovementKind string

// How money moves.
const (
	TradeRefund     MovementKind = "trade refund"
	CouponRefund    MovementKind = "coupon refund"
	AutomaticReturn MovementKind = "automatic return" // of a red packet that nobody claimed
	Unfreeze        MovementKind = "unfreeze"         // of a pre-authorisation
)

// Movement is money that really moved, back to the one who had paid, or whose money
// was frozen.
type Movement struct {
	At           time.Time // by the fake's clock
	Kind         MovementKind
	OutTradeNo   string // of a trade
	TradeNo      string // of a trade
	AuthNo       string // of a red packet or a pre-authorisation
	OutOrderNo   string // of a red packet or a pre-authorisation
	OutRequestNo string // the request number that moved it; the order's if the request had none
	OperationID  string // of a red packet or a pre-authorisation
	Amount       money.Amount
	TooSoon      bool // less than 3 s after the trade's refund before it, which Alipay asks not to do
}

// Movements returns what really happened: all money that moved, in order. No
// request number is ever in it twice for one trade, red packet or
// pre-authorisation; that is Alipay's part. Whether the application asked under one number too many is
// what a test looks for here.
func (a *Alipay) Movements() []Movement {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.expire(a.clock())
	a.arrive(a.clock())
	return slices.Clone(a.movements)
}

// move enters a movement. a.mu is held.
func (a *Alipay) move(m Movement) { a.movements = append(a.movements, m) }
