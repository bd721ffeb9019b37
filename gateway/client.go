// Package gateway makes one call to Alipay's OpenAPI gateway: it signs, posts,
// verifies the raw answer and says what the answer proves. It speaks version 2
// of the protocol, and for trades version 3 too: see [Protocol].
//
// [Client.Do] is the call, for any method. The methods around refunds have
// typed forms: [Client.RefundTrade], [Client.QueryRefund],
// [Client.RefundCoupon], [Client.QueryCoupon], [Client.RefundFundTrans],
// [Client.QueryFundTrans], [Client.Unfreeze], [Client.QueryAuth],
// [Client.QueryTrade] and [Client.CloseTrade]. Whether money moved is decided by
// [JudgeTradeRefund] and its like, from one table; an error from a call is not a
// failed refund.
//
// Nothing in an answer is believed before the signature over its raw bytes was
// verified, and nothing is decrypted before. In certificate mode a client follows
// Alipay to its next certificate by itself.
package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/alirefund/alirefund/signer"
)

// Production is Alipay's gateway; its sandbox is another URL.
// Source: opendocs, "signing and protocols".
const (
	Production = "https://openapi.alipay.com/gateway.do"
	Sandbox    = "https://openapi-sandbox.dl.alipaydev.com/gateway.do"
)

// DefaultTimeout bounds one call from dialling to the last byte of the answer.
const DefaultTimeout = 15 * time.Second

// maxAnswer bounds what is read of an answer.
const maxAnswer = 1 << 20

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
	// says. It must not repeat requests by itself. Default: a transport of the
	// client's own that keeps connections under load.
	HTTP *http.Client
	// Logger is told of Alipay's new certificates, and of those that could not be
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
	rotation   rotation
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
	own := http.Client{Transport: newTransport()}
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

func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:   5 * time.Second,
		MaxIdleConnsPerHost:   64,
		IdleConnTimeout:       90 * time.Second,
		ExpectContinueTimeout: time.Second,
		ForceAttemptHTTP2:     true,
	}
}

// Options are the common parameters that a call may want.
type Options struct {
	AppAuthToken string // the merchant's token, when an ISV's application acts for it
	NotifyURL    string // a call that has one goes by [V2]
}

// Reply is what one call brought back. Its texts are UTF-8 whatever the gateway
// sent, and SubMsg ends where Alipay quotes the request in it; Node is verbatim,
// so that after isv.invalid-signature the request's token may stand in it.
type Reply struct {
	Method  string
	Node    json.RawMessage // the response node, decrypted; nil unless Signed
	Signed  bool            // Node's signature was verified
	Code    string
	Msg     string
	SubCode string
	SubMsg  string
	TraceID string
}

// Do calls method with biz as its biz_content: a value for encoding/json, or a
// json.RawMessage that is sent byte for byte. It returns no error if and only
// if the gateway's signed answer has code 10000, which says that the call was
// made and nothing about money.
//
// It fails with [ErrNotSent] if nothing left this machine, with [ErrNoAnswer]
// if the request may have arrived and no usable answer did, with
// [ErrUnverified] if the answer's signature is missing or wrong, and with an
// [*Error] if Alipay refused. An unsigned refusal is both of the last two. The
// Reply holds whatever is known in each case.
func (c *Client) Do(ctx context.Context, method string, biz any, o Options) (Reply, error) {
	reply := Reply{Method: method}
	content, ok := biz.(json.RawMessage)
	if !ok {
		var err error
		if content, err = json.Marshal(biz); err != nil {
			return reply, fmt.Errorf("gateway: %s: %w: biz_content: %w", method, ErrNotSent, err)
		}
	}
	if path := c.v3Path(method, o); path != "" {
		return c.doV3(ctx, reply, path, content, o)
	}
	query, form, err := c.encode(method, content, o, time.Now())
	if err != nil {
		return reply, fmt.Errorf("gateway: %s: %w: %w", method, ErrNotSent, err)
	}
	if err := ctx.Err(); err != nil {
		return reply, fmt.Errorf("gateway: %s: %w: %w", method, ErrNotSent, err)
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	answer, trace, err := c.post(ctx, query, form)
	reply.TraceID = trace
	if err != nil {
		return reply, fmt.Errorf("gateway: %s: %w", method, err)
	}
	return c.open(ctx, reply, answer)
}

// post makes one exchange by version 2. Its errors wrap ErrNotSent or ErrNoAnswer.
func (c *Client) post(ctx context.Context, query, form string) (answer []byte, trace string, err error) {
	u := *c.url
	u.RawQuery = query
	got, err := c.exchange(ctx, &u, http.Header{"Content-Type": {"application/x-www-form-urlencoded;charset=utf-8"}}, form)
	if err == nil && got.status != http.StatusOK {
		return nil, got.trace, fmt.Errorf("%w: HTTP status %d", ErrNoAnswer, got.status)
	}
	return got.body, got.trace, err
}

// exchanged is what came back of one exchange.
type exchanged struct {
	status int
	header http.Header
	body   []byte
	trace  string
}

// exchange posts body to u once. Its errors wrap ErrNotSent or ErrNoAnswer. An
// answer is no error, whatever its status.
func (c *Client) exchange(ctx context.Context, u *url.URL, header http.Header, body string) (exchanged, error) {
	var connecting, connected atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { connecting.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	})
	header.Set("Accept", "application/json")
	// Without GetBody net/http cannot send the request a second time by itself.
	request := (&http.Request{
		Method:        http.MethodPost,
		URL:           u,
		Host:          u.Host,
		Header:        header,
		Body:          io.NopCloser(strings.NewReader(body)),
		ContentLength: int64(len(body)),
	}).WithContext(ctx)
	response, err := c.http.Do(request)
	if err != nil {
		// Only a transport that was seen looking for a connection and finding
		// none proves that nothing was sent.
		what := ErrNoAnswer
		if connecting.Load() && !connected.Load() {
			what = ErrNotSent
		}
		return exchanged{}, fmt.Errorf("%w: %w", what, withoutURL(err))
	}
	defer response.Body.Close()
	got := exchanged{status: response.StatusCode, header: response.Header, trace: response.Header.Get("trace_id")}
	if got.trace == "" {
		got.trace = response.Header.Get("Alipay-Trace-Id")
	}
	got.trace = printable(got.trace)
	got.body, err = readAll(response)
	switch {
	case err != nil:
		return exchanged{trace: got.trace}, fmt.Errorf("%w: the answer broke off: %w", ErrNoAnswer, err)
	case len(got.body) > maxAnswer:
		return exchanged{trace: got.trace}, fmt.Errorf("%w: the answer is larger than 1 MiB", ErrNoAnswer)
	}
	return got, nil
}

func readAll(response *http.Response) ([]byte, error) {
	if n := response.ContentLength; n >= 0 && n <= maxAnswer {
		answer := make([]byte, n)
		_, err := io.ReadFull(response.Body, answer)
		return answer, err
	}
	return io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
}

// withoutURL drops the address from an error of net/http: its query holds the
// signature and perhaps a token, which V3 has in headers.
func withoutURL(err error) error {
	// More than once where the host's transport is made of another client.
	var wrapped *url.Error
	for errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	if text := strings.ToLower(err.Error()); strings.Contains(text, "sign=") || strings.Contains(text, "app_auth_token=") || strings.Contains(text, "app-auth-token") {
		return fmt.Errorf("a %T that quotes the request", err)
	}
	return err
}
