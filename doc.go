// Package alirefund is the one module that a Gin application mounts when it has
// to refund through Alipay: trade refunds (alipay.trade.refund), returns of red
// packets (alipay.fund.coupon.order.refund), and the notifications of both.
//
// It keeps one promise: one refund, one callback. Money moves at most once per
// request number, and the host hears of it when it is true, whichever way that
// became known: the call's own answer, a signed notification, or a query.
//
//	m, err := alirefund.New(alirefund.Config{
//		App:   alirefund.App{ID: appID, Signer: sign, Verifier: verify, NotifyURL: "https://shop.example/alipay/notify"},
//		Store: store.NewMemory(),
//		OnRefundSucceeded: func(ctx context.Context, e alirefund.RefundSucceeded) error {
//			return orders.MarkRefunded(ctx, e.Refund)
//		},
//	})
//	m.MountRefunds(r.Group("/alipay"), requireStaff)
//	m.MountNotify(r.Group("/alipay"))
//	go m.Run(ctx)
//
// # Three outcomes
//
// A refund succeeds, fails, or is unresolved: the call timed out, or its answer
// proves nothing. Unresolved is neither of the other two. The record and its
// number are stored before anything is sent, and what follows is a question
// under the same number, never a new one. Only fund_change=Y, a matching query
// or a signed notification is a success; code 10000 alone is not.
//
// # Callbacks
//
// A hook of [Config] is called at least once for its event, with the event's
// facts, and is not called again after it returned nil. Hooks should be
// idempotent by Refund.ID: a crash between the hook and its being recorded
// repeats it.
//
// # Routes
//
//	POST {refunds}/refunds         refund a trade
//	POST {refunds}/coupon-refunds  return a red packet
//	GET  {refunds}/refunds         the refunds, by order, state and time
//	GET  {refunds}/refunds/:id     what is known of a refund, asking Alipay if it is unresolved
//	POST {notify}/notify           Alipay's notifications
//	POST {notify}/gateway          the messages to the application's gateway
//
// A Module is safe for concurrent use.
package alirefund
