package gateway

// The calls that this package has typed forms of, by Alipay's names.
const (
	// About a trade's refund, and about the trade itself.
	MethodTradeRefund = "alipay.trade.refund"
	MethodRefundQuery = "alipay.trade.fastpay.refund.query"
	MethodTradeQuery  = "alipay.trade.query"
	MethodTradeClose  = "alipay.trade.close"

	// About red packets ("coupons" in Alipay's names).
	MethodCouponRefund = "alipay.fund.coupon.order.refund"
	MethodCouponQuery  = "alipay.fund.coupon.operation.query"

	// About red packets of the newer product, which were paid by
	// alipay.fund.trans.app.pay and have an order_id.
	MethodFundTransRefund = "alipay.fund.trans.refund"
	MethodFundTransQuery  = "alipay.fund.trans.common.query"

	// About the release of a pre-authorisation: money that was frozen at the
	// payer's, for a deposit for instance, and that goes back to him unspent.
	MethodUnfreeze  = "alipay.fund.auth.order.unfreeze"
	MethodAuthQuery = "alipay.fund.auth.operation.detail.query"

	// About a day's bill.
	MethodBill = "alipay.data.dataservice.bill.downloadurl.query"

	methodCertificate = "alipay.open.app.alipaycert.download"
)
