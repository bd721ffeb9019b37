package engine

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/notify"
	"github.com/alirefund/alirefund/signer"
	"github.com/alirefund/alirefund/store"
)

// Config is what [New] needs: App, Store, and usually the hooks. It is copied.
type Config struct {
	App   App
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
	// again: limits, four eyes. An error refuses it, and nothing is recorded. This
	// one and the next two are waited for as long as a hook may take
	// ([Times.HookTimeout]); where one of them panics or takes longer, nothing is
	// sent, and the request may be repeated.
	BeforeRefund func(ctx context.Context, r store.Refund) error
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
	// does. It must use no other connection of that database. It wants a Store
	// that is a store.Transactor.
	OnRefundSucceededTx func(ctx context.Context, tx *sql.Tx, e RefundSucceeded) error
	// OnRefundFailed: Alipay refused definitely, and nothing moved. With Rechecks in the
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
	Kind       store.Kind
	Merchant   string
	OutTradeNo string // of a trade
	AuthNo     string // of a red packet
}

// ConfigError is one thing that is wrong with a [Config].
type ConfigError struct {
	Field   string // such as App.NotifyURL
	Problem string
	Err     error // the cause, or nil
}

func (e *ConfigError) Error() string { return "alirefund: Config." + e.Field + ": " + e.Problem }

// Unwrap returns the cause.
func (e *ConfigError) Unwrap() error { return e.Err }

const (
	defaultHookTimeout    = 10 * time.Second
	defaultFirstCheck     = 10 * time.Second
	defaultTransit        = 20 * time.Minute
	defaultAttentionAfter = 24 * time.Hour
	maxURL                = 256
)

// check returns the configuration with its defaults, or every problem at once.
func (c Config) check() (Config, error) {
	p := &problems{}
	c.App.check(p)
	c.checkProduct(p)
	c.checkStore(p)
	c.checkGateway(p)
	c.Times = c.Times.withDefaults(p)
	if len(p.errs) > 0 {
		return c, errors.Join(p.errs...)
	}
	c.App.NotifyURLs = slices.Clone(c.App.NotifyURLs)
	c.App.SellerIDs = slices.Clone(c.App.SellerIDs)
	if c.Gateway == "" {
		c.Gateway = gateway.Production
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	return c, nil
}

// problems collects what is wrong.
type problems struct{ errs []error }

func (p *problems) add(field, problem string) {
	p.errs = append(p.errs, &ConfigError{Field: field, Problem: problem})
}

func (p *problems) addError(field string, err error) {
	p.errs = append(p.errs, &ConfigError{Field: field, Problem: err.Error(), Err: err})
}

func (a App) check(p *problems) {
	if !isAppID(a.ID) {
		p.add("App.ID", "wants the application's app_id, up to 32 letters and digits")
	}
	if a.Signer == nil {
		p.add("App.Signer", "is required: signer.FromPEM(the application's private key)")
	}
	if a.Verifier == nil {
		p.add("App.Verifier", "is required: signer.VerifierFromPEM(Alipay's public key)")
	}
	if a.Signer != nil && a.Verifier != nil {
		if err := signer.Pair(a.Signer, a.Verifier); err != nil {
			p.addError(a.mismatched(), err)
		}
	}
	if a.ContentKey != nil && a.ContentKey.Encrypt(nil) == "" {
		p.add("App.ContentKey", "holds no key: signer.ContentKeyFromBase64(the key of 接口内容加密)")
	}
	if problem := notifyURLProblem(a.NotifyURL); a.NotifyURL != "" && problem != "" {
		p.add("App.NotifyURL", problem)
	}
	for i, u := range a.NotifyURLs {
		if problem := notifyURLProblem(u); problem != "" {
			p.add(fmt.Sprintf("App.NotifyURLs[%d]", i), problem)
		}
	}
	if slices.Contains(a.SellerIDs, "") {
		p.add("App.SellerIDs", "holds an empty text")
	}
}

func (c Config) checkProduct(p *problems) {
	if c.CouponProduct != "" && c.CouponProduct != CouponOrderRefund && c.CouponProduct != FundTransRefund {
		p.add("CouponProduct", "is neither CouponOrderRefund nor FundTransRefund")
	}
}

func (c Config) checkStore(p *problems) {
	if v := reflect.ValueOf(c.Store); c.Store == nil || v.Kind() == reflect.Pointer && v.IsNil() {
		p.add("Store", "is required: store.NewMemory for one process")
	}
	if c.OnRefundSucceededTx == nil {
		return
	}
	if _, ok := c.Store.(store.Transactor); c.Store != nil && !ok {
		p.add("OnRefundSucceededTx", "wants a Store on a database, such as sqlstore.New")
	}
	if c.OnRefundSucceeded != nil {
		p.add("OnRefundSucceededTx", "stands instead of OnRefundSucceeded; set one of them")
	}
}

func (c Config) checkGateway(p *problems) {
	if u, err := url.Parse(c.Gateway); c.Gateway != "" && (err != nil || u.Host == "" || u.RawQuery != "" || u.User != nil || u.Scheme != "https" && u.Scheme != "http") {
		p.add("Gateway", "wants the form https://host/gateway.do, without a query")
	}
	if c.Protocol > gateway.V3 {
		p.add("Protocol", "is neither gateway.V2 nor gateway.V3")
	}
}

// withDefaults returns the durations with their defaults.
func (t Times) withDefaults(p *problems) Times {
	for _, d := range []struct {
		field string
		value *time.Duration
		usual time.Duration
	}{
		{"Timeout", &t.Timeout, gateway.DefaultTimeout},
		{"HookTimeout", &t.HookTimeout, defaultHookTimeout},
		{"FirstCheck", &t.FirstCheck, defaultFirstCheck},
		{"Transit", &t.Transit, defaultTransit},
		{"AttentionAfter", &t.AttentionAfter, defaultAttentionAfter},
		{"Grace", &t.Grace, 0},
		{"KeepAnswers", &t.KeepAnswers, 0},
		{"KeepRefunds", &t.KeepRefunds, 0},
	} {
		switch {
		case *d.value < 0:
			p.add("Times."+d.field, "is negative")
		case *d.value == 0:
			*d.value = d.usual
		}
	}
	if t.KeepRefunds > 0 && t.KeepRefunds < keepNotifyID {
		p.add("Times.KeepRefunds", "is shorter than Alipay repeats its notices: at least "+keepNotifyID.String())
	}
	return t
}

// mismatched names the field to mend where signer.Pair refuses.
func (a App) mismatched() string {
	if a.Signer.Public() == nil || a.Signer.CertificateSN() == "" && a.Verifier.RootSN() != "" {
		return "App.Signer"
	}
	return "App.Verifier"
}

func isAppID(id string) bool {
	return id != "" && len(id) <= 32 && strings.IndexFunc(id, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}) < 0
}

// notifyURLProblem says what is wrong with an address for notifications. A
// query would be mixed into what Alipay signs by some servers and frameworks.
func notifyURLProblem(text string) string {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil:
		return "wants the form https://host/path"
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "must have no query and no fragment"
	case len(text) > maxURL:
		return "is longer than 256 characters"
	}
	return ""
}

// allowsNotifyURL tells whether callbacks may go to an address that a request
// names. Where callbacks go is the host's to say.
func (a App) allowsNotifyURL(u string) bool {
	return u == a.NotifyURL || slices.Contains(a.NotifyURLs, u)
}
