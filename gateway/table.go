package gateway

// products lists every product of this package with its rows of the outcome table.
// A new product is a file of its own, a line here, its two methods in methods.go and
// its two calls in outcome.go.
var products = []struct {
	refund, query             Call
	refundMethod, queryMethod string
	rows                      []Row
}{
	{TradeRefundCall, RefundQueryCall, MethodTradeRefund, MethodRefundQuery, tradeRows},
	{CouponRefundCall, CouponQueryCall, MethodCouponRefund, MethodCouponQuery, couponRows},
	{FundTransRefundCall, FundTransQueryCall, MethodFundTransRefund, MethodFundTransQuery, fundTransRows},
	{UnfreezeCall, AuthQueryCall, MethodUnfreeze, MethodAuthQuery, unfreezeRows},
}

// table is the rows in common, then those of one product after the other.
var table = func() outcomes {
	var rows []Row
	for _, p := range products {
		rows = append(rows, p.rows...)
	}
	return outcomesOf(rows...)
}()

// Table returns a copy of the outcome table, for documentation and tests.
func Table() []Row { return append([]Row(nil), table...) }

// Judge returns what the facts prove. What no row matches is unresolved.
func Judge(f Facts) Verdict { return table.of(f) }

// String is the call's method.
func (c Call) String() string {
	for _, p := range products {
		switch c {
		case p.refund:
			return p.refundMethod
		case p.query:
			return p.queryMethod
		}
	}
	return "any"
}
