package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// maxAnswer bounds what is read of an answer.
const maxAnswer = 1 << 20

// post makes one exchange by version 2. Its errors wrap ErrNotSent or ErrNoAnswer.
func (c *Client) post(ctx context.Context, query, form string, leave func() error) (answer []byte, trace string, err error) {
	u := *c.url
	u.RawQuery = query
	got, err := c.exchange(ctx, &u, http.Header{"Content-Type": {"application/x-www-form-urlencoded;charset=utf-8"}}, form, leave)
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

// leaving is the body of a request that may be kept back at the last moment. Without
// its body a request is none: what Alipay carries out stands there, or is signed with
// what does.
type leaving struct {
	io.Reader
	ask  func() error // or nil
	kept atomic.Bool
}

func (l *leaving) Read(p []byte) (int, error) {
	if l.ask != nil {
		if err := l.ask(); err != nil {
			l.kept.Store(true)
			return 0, err
		}
		l.ask = nil
	}
	return l.Reader.Read(p)
}

func (l *leaving) Close() error { return nil }

// exchange posts body to u once, if leave agrees. Its errors wrap ErrNotSent or
// ErrNoAnswer. An answer is no error, whatever its status.
func (c *Client) exchange(ctx context.Context, u *url.URL, header http.Header, text string, leave func() error) (exchanged, error) {
	body := &leaving{Reader: strings.NewReader(text), ask: leave}
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
		Body:          body,
		ContentLength: int64(len(text)),
	}).WithContext(ctx)
	sent := time.Now()
	response, err := c.http.Do(request)
	if err != nil {
		// Only a transport that was seen looking for a connection and finding
		// none, or a body that stayed here, proves that nothing was sent.
		what := ErrNoAnswer
		if connecting.Load() && !connected.Load() || body.kept.Load() {
			what = ErrNotSent
		}
		return exchanged{}, fmt.Errorf("%w: %w", what, withoutURL(err))
	}
	defer response.Body.Close()
	c.seen.dated(sent, response.Header)
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
