package store

// Kind is which of Alipay's refunds it is: what its numbers mean, and within what
// its own number is unique.
type Kind string

// The kinds of a refund.
const (
	Trade    Kind = "trade"    // alipay.trade.refund
	Coupon   Kind = "coupon"   // a red packet: alipay.fund.coupon.order.refund, or what Refund.Method says
	Unfreeze Kind = "unfreeze" // a pre-authorisation, released: alipay.fund.auth.order.unfreeze
)

// Kinds lists them.
func Kinds() []Kind { return []Kind{Trade, Coupon, Unfreeze} }

// order picks the number that an order's total is kept under.
func (k Kind) order(outTradeNo, authNo string) string {
	//exhaustive:enforce
	switch k {
	case Trade:
		return outTradeNo
	case Coupon, Unfreeze:
		return authNo
	}
	return outTradeNo + authNo // another version's kind has one of them
}

// withinOrder tells whether a refund's own number is unique within its order, and
// not within all of its merchant's refunds.
func (k Kind) withinOrder() bool {
	//exhaustive:enforce
	switch k {
	case Trade:
		return true
	case Coupon, Unfreeze:
		return false
	}
	return true
}
