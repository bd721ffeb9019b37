// Package alipaytest is a fake Alipay for tests: a gateway that verifies what
// it is sent, keeps books, signs what it answers, sends notices, and makes
// mistakes when told to.
//
// Alipay's own sandbox sends no notices for refunds and cannot be made to lose
// an answer. This fake runs in memory, inside a testing/synctest bubble if you
// like, on a socket, or beside a whole application:
//
//	alipay := alipaytest.New(alipaytest.Config{})
//	alipay.AddTrade(alipaytest.Trade{OutTradeNo: "order-1", Total: 60_00, NotifyURL: "https://shop.test/alipay/notify"})
//	alipay.HandleNotices(shop) // an http.Handler: notices go to it in memory
//
// The application is set up with [Alipay.AppID], [Alipay.AppPrivateKey] and
// [Alipay.AlipayPublicKey] in place of what Alipay's console gives, and reaches
// the fake by [Alipay.HTTPClient] or at the address that [Alipay.Listen] returns.
// In certificate mode ([Config].Certificates) the console's three files are
// [Alipay.AppCertificate], [Alipay.AlipayCertificate] and [Alipay.RootCertificates]:
//
//	sign, err := signer.FromPEM(alipay.AppPrivateKey())
//	sign, err = sign.WithCertificate(alipay.AppCertificate())
//	verify, err := signer.VerifierFromCertificates(alipay.AlipayCertificate(), alipay.RootCertificates())
//
// [Alipay.RotateCertificate], [Alipay.RotateCertificateAndKey] and
// [Alipay.SetAppPublicKey] change keys and certificates under way.
//
// A test then plays in four steps.
//
//   - It plans what goes wrong: [Alipay.Inject], or [Alipay.InjectRandomly] from a
//     seed. An answer can be lost after the money moved, a request can arrive
//     late, a notice can come before the answer; see [FaultKind].
//   - It lets the application refund.
//   - It delivers notices, which never happens by itself: [Alipay.Deliver] what is
//     due now, or [Alipay.Advance] through the 25 hours of redelivery and the 48
//     of a red packet without waiting. [Alipay.Run] does it in real time.
//   - It compares what the application believes with what really happened:
//     [Alipay.Movements], and for the details [Alipay.Calls] and [Alipay.Notices].
//
// The interfaces are alipay.trade.refund, alipay.trade.fastpay.refund.query,
// alipay.trade.query, alipay.trade.close, alipay.fund.coupon.order.refund,
// alipay.fund.coupon.operation.query, alipay.fund.trans.refund,
// alipay.fund.trans.common.query, alipay.fund.auth.order.unfreeze and
// alipay.fund.auth.operation.detail.query, with the rules and error codes of their
// pages in opendocs. The fake is stricter than Alipay in one thing: parameters
// must stand where the pages want them, biz_content in the body and all others
// in the URL, but for encrypt_type, which may stand in either. The four interfaces
// of trades are there by OpenAPI version 3, too. The daily bill is made of the same books
// (alipay.data.dataservice.bill.downloadurl.query), see [Alipay.SpoilBill].
//
// docs/testing.md shows a whole test, and the command `alirefund fake`, which serves
// this fake to applications in other languages.
package alipaytest
