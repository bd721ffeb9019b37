// Package gateway makes one call to Alipay's OpenAPI gateway: it signs, posts,
// verifies the raw answer and says what the answer proves. It speaks version 2
// of the protocol, and for trades version 3 too: see [Protocol].
//
// [Client.Do] is the call, for any method. The methods around refunds have
// typed forms: [Client.RefundTrade], [Client.QueryRefund],
// [Client.RefundCoupon], [Client.QueryCoupon], [Client.RefundFundTrans],
// [Client.QueryFundTrans], [Client.Unfreeze], [Client.QueryAuth],
// [Client.QueryTrade] and [Client.CloseTrade]; [Client.QueryBill] and
// [Client.DownloadBill] get a day's bill. Whether money moved is decided by
// [JudgeTradeRefund] and its like, from one table; an error from a call is not a
// failed refund.
//
// Nothing in an answer is believed before the signature over its raw bytes was
// verified, and nothing is decrypted before. In certificate mode a client follows
// Alipay to its next certificate by itself.
package gateway

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/alirefund/alirefund/signer"
)

// Production is Alipay's gateway; its sandbox is another URL.
// Source: opendocs, "signing and protocols".
const (
	Production = "https://openapi.alipay.com/gateway.do"
	Sandbox    = "https://openapi-sandbox.dl.alipaydev.com/gateway.do"
)

// Config is what a [Client] needs. AppID, Signer and Verifier are required.
type Config struct {
	AppID    string
	Signer   *signer.Signer
	Verifier *signer.Verifier
	Protocol Protocol      // how the calls about trades are written; default V2
	URL      string        // default Production
	Timeout  time.Duration // default DefaultTimeout
	// ContentKey encrypts what is asked and decrypts what is answered
	// (encrypt_type=AES). nil: nothing is encrypted.
	ContentKey *signer.ContentKey
	// HTTP makes the requests. Its redirects are never followed, whatever it
	// says. It must not repeat requests by itself, and should end in [NewTransport],
	// which takes back a request that was given up. Default: that.
	HTTP *http.Client
	// Logger logs Alipay's new certificates, and those that could not be
	// fetched. Default: nobody.
	Logger *slog.Logger
}

// Client calls the gateway for one application. It is safe for concurrent use.
type Client struct {
	appID      string
	signer     *signer.Signer
	verifier   *signer.Verifier
	contentKey *signer.ContentKey
	protocol   Protocol
	url        *url.URL
	timeout    time.Duration
	http       *http.Client
	log        *slog.Logger
	fetching   fetching
	seen       seen
}

// New returns a client. It fails with an error that says which field of the
// configuration is wrong, several joined.
func New(c Config) (*Client, error) {
	var errs []error
	if c.AppID == "" {
		errs = append(errs, errors.New("gateway: AppID is empty"))
	}
	if err := signer.Pair(c.Signer, c.Verifier); err != nil {
		errs = append(errs, fmt.Errorf("gateway: Signer, Verifier: %w", err))
	}
	if c.ContentKey != nil && c.ContentKey.Encrypt(nil) == "" {
		errs = append(errs, errors.New("gateway: ContentKey holds no key"))
	}
	if c.URL == "" {
		c.URL = Production
	}
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.RawQuery != "" || u.User != nil {
		errs = append(errs, errors.New("gateway: URL wants the form https://host/gateway.do, without a query"))
	}
	if c.Timeout < 0 {
		errs = append(errs, errors.New("gateway: Timeout is negative"))
	}
	if c.Protocol > V3 {
		errs = append(errs, errors.New("gateway: Protocol is neither V2 nor V3"))
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	own := http.Client{Transport: NewTransport(c.Timeout)}
	if c.HTTP != nil {
		own = *c.HTTP
	}
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return &Client{
		appID: c.AppID, signer: c.Signer, verifier: c.Verifier, contentKey: c.ContentKey,
		protocol: c.Protocol, url: u, timeout: c.Timeout, http: &own, log: c.Logger,
	}, nil
}

// Options are the common parameters that a call may want.
type Options struct {
	AppAuthToken string // the merchant's token, when an ISV's application acts for it
	NotifyURL    string // a call that has one goes by [V2]
	// Leave is asked once there is a connection, immediately before the request leaves
	// by it; an error keeps it here, and the call fails with [ErrNotSent]. nil: nobody
	// is asked.
	Leave func() error
}
