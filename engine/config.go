package engine

import (
	"context"
	"database/sql"
	"log/slog"
	"net/http"
	"time"

	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/notify"
	"github.com/alirefund/alirefund/signer"
	"github.com/alirefund/alirefund/store"
)

// Config is what [New] needs: App or Apps, Store, and usually the hooks. It is copied.
type Config struct {
	// App is the one application; with Apps, the one that is meant where none is named,
	// and may be left out.
	App App
	// Apps returns further applications, by their app_id, or [ErrUnknownApp]: so one
	// module serves any number, and a new one or new keys want no restart. It is asked
	// about each about once a minute, by as many goroutines as there are applications, and
	// at once where a notification does not verify by what it said; a new key thus works
	// within a minute, and should be valid before the old one ends. Return the same
	// Signer, Verifier and ContentKey for as long as the keys are the same: Alipay's next
	// certificates, once learnt, are kept with the Verifier. While it fails, the
	// applications that it knew go on. An application that is unknown is not served:
	// what is left to do of it waits. With Apps, Run looks after every refund in the
	// store, so all applications there should be known. nil: App is the only one.
	Apps  func(ctx context.Context, appID string) (App, error)
	Store store.Store

	// Gateway is the URL of Alipay's gateway; default gateway.Production.
	Gateway string
	// Protocol is how refunds of trades, and questions about them, are written;
	// default gateway.V2. gateway.V3 is OpenAPI version 3 at the same host; red
	// packets, for which it has no paths, go by version 2 all the same.
	Protocol gateway.Protocol
	// HTTPClient makes the calls to it. It must not repeat requests by itself, and
	// should end in gateway.NewTransport, which takes back a request that was given
	// up. Default: a client of the module's own.
	HTTPClient *http.Client
	// CouponProduct is which of Alipay's products a red packet is of where the
	// request does not say, and so which interface returns it; default
	// [CouponOrderRefund].
	CouponProduct CouponProduct
	// Times are how long things may take, and how long they are kept.
	Times Times

	// BeforeRefund may veto a refund that is not recorded yet, or is to be opened
	// again: limits, for instance. An error refuses it, and nothing is recorded; a
	// [*ReasonError] says why in both languages, and when to come again. It may be
	// asked more than once about one refund. This one and the next three are waited for as long as a hook may take
	// ([Times.HookTimeout]); where one of them panics or takes longer, nothing is
	// sent, and the request may be repeated.
	BeforeRefund func(ctx context.Context, r store.Refund) error
	// NeedsApproval tells whether a refund that is not recorded yet, or is to be opened
	// again, wants a second person's approval: [Above] does so by a sum. Such a refund is
	// recorded, and nothing is sent before another actor than the one who asked for it
	// has approved it ([Engine.Approve]); declined, or not approved within
	// [Times.Approval], it fails. An error refuses it before anything is recorded. nil:
	// none wants any.
	NeedsApproval func(ctx context.Context, r store.Refund) (bool, error)
	// OrderTotal tells what an order, or a red packet, was paid with, so that
	// its refunds never exceed it together. Not known means no limit of ours,
	// only Alipay's; an error refuses the refund before anything is recorded.
	// nil: no total is known.
	OrderTotal func(ctx context.Context, o Order) (total money.Amount, known bool, err error)
	// AppAuthToken returns the current token of a merchant that an ISV's
	// application acts for. Tokens are never stored, so that an unresolved
	// refund of such a merchant can only be asked about with it after a restart.
	AppAuthToken func(ctx context.Context, merchant string) (string, error)

	// The hooks. Each is called at least once for each of its events, and not
	// again after it returned nil. An error or a panic is recorded, and the
	// event delivered again by [Engine.Run], or with the next repeat, look-up or
	// notification of the refund. None changes the refund's own answer. nil: the event is dropped.
	OnRefundSucceeded func(ctx context.Context, e RefundSucceeded) error
	// OnRefundSucceededTx, instead of OnRefundSucceeded, is called within a
	// transaction of the store's database, in which the event is marked as
	// delivered: what it writes by tx and the mark commit together, or neither
	// does. It must use no other connection of that database, and give its
	// statements ctx. It wants a Store that is a store.Transactor.
	OnRefundSucceededTx func(ctx context.Context, tx *sql.Tx, e RefundSucceeded) error
	// OnRefundFailed: Alipay refused definitely, and nothing moved; or a person declined
	// it (Declined), or nobody approved it in time (Expired), and nothing was sent. With Rechecks in the
	// refund Alipay was asked whether an earlier send of it had come to anything, and
	// found nothing; it is asked again for a day, and OnRefundSucceeded corrects what
	// proves wrong.
	OnRefundFailed func(ctx context.Context, e RefundFailed) error
	// OnRefundUnresolved: a person should look. Nobody knows whether the money
	// moved, and waiting will not tell; or the refund's event cannot be delivered.
	OnRefundUnresolved func(ctx context.Context, e RefundUnresolved) error
	// OnDepositBack: a bank took, or did not take, what a refund with
	// deposit_back_info in its query_options sent to a card. It may follow days
	// after a success, and changes nothing of it. Without the hook the message is
	// not acknowledged; Alipay repeats it for about a day, and then no more.
	OnDepositBack func(ctx context.Context, e DepositBack) error
	// OnNotification gets every genuine notification at [Module.MountNotify]
	// that is no refund and no deposit-back: payments, closed trades, trades past their
	// refund period, other messages. Without it they are not acknowledged, and Alipay repeats them.
	OnNotification func(ctx context.Context, n *notify.Notification) error

	// AuditAt is when [Engine.Run] holds yesterday's bill of Alipay's against the ledger,
	// as [Engine.Audit] does: a time of China's day, such as "10:30". Bills are ready by
	// about ten. Days that were missed are caught up with, a month at most; a day that is
	// open is audited again each morning. With Config.Apps those applications are audited
	// that this process has to do with. Empty: no audits but those that are asked for.
	AuditAt string
	// BillHosts are where bills may be downloaded from: hosts, with their port if it is not
	// the usual one. Default: Alipay's, gateway.BillHost.
	BillHosts []string
	// OnAudit hears what an audit found, and again once a later one finds something else.
	// It is called at least once; an error or a panic is logged, and it is called again with
	// the next audit of the day.
	OnAudit func(ctx context.Context, a Audit) error

	// Subscribers are more who hear of refunds, each by itself: a host that books by
	// OnRefundSucceededTx publishes by one of them.
	Subscribers []Subscriber

	// Observer is told what the engine does, for traces and metrics; nil: nobody.
	Observer Observer
	// Logger; default: text to standard error. It is given no key, token,
	// signature, body or buyer.
	Logger *slog.Logger
}

// Times are the durations of a [Config]; 0 is the default of each.
type Times struct {
	// Timeout bounds one call to Alipay; default 15 s.
	Timeout time.Duration
	// HookTimeout bounds the context that a hook gets; default 10 s.
	HookTimeout time.Duration
	// FirstCheck is when [Engine.Run] first asks about an unresolved refund, and
	// how long after a send a query that finds nothing begins to mean something.
	// Alipay's page of the refund query asks to wait that long. The questions become
	// rarer, down to one an hour; default 10 s.
	FirstCheck time.Duration
	// Transit is how long a request may be on its way to Alipay: what was given up here
	// may have been taken by a proxy or a load balancer. While a send is unanswered and
	// younger than that, a refusal fails nothing, although a query finds nothing;
	// default 20 min.
	Transit time.Duration
	// Approval is how long a refund waits for a second person's approval, if it needs
	// one ([Config.NeedsApproval]); default 72 h. Then [Engine.Run] fails it.
	Approval time.Duration
	// Grace is how long [Engine.Run] goes on after its context has ended, for what it
	// has begun: calls to Alipay, and hooks. Default: as long as a refund may take,
	// 4 × Timeout + 2 × HookTimeout + 10 s.
	Grace time.Duration
	// AttentionAfter is when [Config.OnRefundUnresolved] is called for a refund
	// that is still unresolved, or whose event could not be delivered. For what
	// waiting cannot heal it is called at once; default 24 h.
	AttentionAfter time.Duration
	// KeepAnswers is how long Alipay's raw nodes, which name buyers, stay in the
	// records after those were settled and delivered. [Engine.Run] removes them from
	// a store.Pruner; default for ever.
	KeepAnswers time.Duration
	// KeepRefunds is how long the records themselves stay: at least 48 h, for a
	// refund that is forgotten while Alipay still repeats its notification would be
	// delivered again; default for ever.
	KeepRefunds time.Duration
}

// App is one application of Alipay's open platform.
type App struct {
	ID string // app_id
	// Signer holds the application's private key, and Verifier Alipay's public
	// keys, not the application's. In certificate mode both have certificates
	// (signer.Signer.WithCertificate, signer.VerifierFromCertificates); that they
	// have is what makes it certificate mode.
	Signer   *signer.Signer
	Verifier *signer.Verifier
	// ContentKey encrypts requests and decrypts answers (encrypt_type=AES). nil:
	// nothing is encrypted.
	ContentKey *signer.ContentKey
	// NotifyURL is where the refunds of red packets are notified: the public
	// address of the notify route, without a query. Optional.
	NotifyURL string
	// NotifyURLs lists what a request's notify_url may be besides NotifyURL.
	NotifyURLs []string
	// SellerIDs are the accepted values of a notification's seller_id; none
	// accepts every seller of the application.
	SellerIDs []string

	// Gateway, CouponProduct and AppAuthToken stand instead of Config's where the
	// application has its own.
	Gateway       string
	CouponProduct CouponProduct
	AppAuthToken  func(ctx context.Context, merchant string) (string, error)
}

// CouponProduct is one of Alipay's products of red packets, by the interface
// that returns them.
type CouponProduct string

// The products of red packets.
const (
	// CouponOrderRefund: red packets with an auth_no, alipay.fund.coupon.order.refund.
	CouponOrderRefund CouponProduct = gateway.MethodCouponRefund
	// FundTransRefund: red packets with an order_id, which stands in AuthNo and
	// auth_no throughout this module; alipay.fund.trans.refund. Its successes are
	// told to the application's gateway alone. Of its refusals none is documented
	// to mean that nothing moved: such a refund stays unresolved.
	FundTransRefund CouponProduct = gateway.MethodFundTransRefund
)

// Order is an order, or a red packet, that a refund is taken from.
type Order struct {
	App        string // app_id
	Kind       store.Kind
	Merchant   string
	OutTradeNo string // of a trade
	AuthNo     string // of a red packet
}
