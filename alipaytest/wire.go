package alipaytest

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"time"
)

// GatewayURL is an address for [Alipay.HTTPClient], which takes any.
const GatewayURL = "http://alipay.test/gateway.do"

// HTTPClient returns a client that reaches this fake under any address, http or
// https, without a network: over a [net.Pipe], each call by a connection of its
// own that ends with it. It works inside a testing/synctest bubble and leaves no
// goroutine behind.
func (a *Alipay) HTTPClient() *http.Client {
	return &http.Client{Transport: inMemory(func(context.Context) (net.Conn, error) {
		a.mu.Lock()
		refused := a.refuse || a.faults.next(atDial, "").Kind == Refused
		a.mu.Unlock()
		if refused {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
		}
		return connect(a)
	})}
}

// HTTPClient returns a client that reaches several fakes under any one address, as
// applications share one gateway: the fake whose AppID a request names, else the first,
// which refuses it. They have one key of Alipay's, as all fakes of a process do.
func HTTPClient(fakes ...*Alipay) *http.Client {
	applications := make(map[string]http.RoundTripper, len(fakes))
	for _, a := range fakes {
		applications[a.appID] = a.HTTPClient().Transport
	}
	return &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		appID := r.URL.Query().Get("app_id")
		if strings.HasPrefix(r.URL.Path, "/v3/") {
			_, appID, _ = strings.Cut(r.Header.Get("Authorization"), "app_id=")
			appID, _, _ = strings.Cut(appID, ",")
		}
		to, known := applications[appID]
		if !known {
			to = applications[fakes[0].appID]
		}
		return to.RoundTrip(r)
	})}
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements [http.RoundTripper].
func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Refuse makes [Alipay.HTTPClient] refuse all connections, or no longer.
func (a *Alipay) Refuse(on bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refuse = on
}

// Listen serves the fake on a TCP address such as "127.0.0.1:0", until stop is
// called, and returns the gateway's address, which ends in /gateway.do. It fails
// if the address cannot be had.
func (a *Alipay) Listen(addr string) (url string, stop func(), err error) {
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", addr)
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{Handler: a, ReadHeaderTimeout: time.Minute}
	var served sync.WaitGroup
	served.Go(func() { _ = server.Serve(listener) }) // it ends by being closed
	stop = func() {
		_ = server.Close()
		served.Wait()
	}
	return "http://" + listener.Addr().String() + "/gateway.do", stop, nil
}

// HandleNotices makes every notice, whatever its host, go to h in memory, as a
// real request through net/http's server. nil sends them by [Config].Client
// again.
func (a *Alipay) HandleNotices(h http.Handler) {
	var client *http.Client
	if h != nil {
		client = noRedirects(&http.Client{
			Timeout:   noticeTimeout,
			Transport: inMemory(func(context.Context) (net.Conn, error) { return connect(h) }),
		})
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.host = client
}

// inMemory returns a transport that connects by dial. It keeps no connection after
// its call: an idle one would hold goroutines that a synctest bubble waits for.
func inMemory(dial func(context.Context) (net.Conn, error)) *http.Transport {
	each := func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) }
	return &http.Transport{DialContext: each, DialTLSContext: each, DisableKeepAlives: true}
}

// connect returns the client's end of a new connection that h serves.
func connect(h http.Handler) (net.Conn, error) {
	client, conn := net.Pipe()
	// A server of its own for each: a server belongs to the synctest bubble that
	// it first serves in. Serve returns as soon as the listener has no further
	// connection; what it started goes on until the connection ends.
	server := http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
	_ = server.Serve(&oneConn{conn: conn})
	return client, nil
}

// oneConn is a listener that accepts one connection.
type oneConn struct{ conn net.Conn }

func (l *oneConn) Accept() (net.Conn, error) {
	conn := l.conn
	if l.conn = nil; conn == nil {
		return nil, io.EOF
	}
	return conn, nil
}

func (l *oneConn) Close() error   { return nil }
func (l *oneConn) Addr() net.Addr { return &net.UnixAddr{Name: "alipaytest", Net: "pipe"} }

// listeningHost is the host that a request called the fake by; empty for one in memory.
func listeningHost(r *http.Request) string {
	if addr, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr); addr == nil || addr.Network() == "pipe" {
		return ""
	}
	return r.Host
}

// noRedirects returns a client like c that follows no redirect, as Alipay does
// not. Without c it makes one that keeps no connection.
func noRedirects(c *http.Client) *http.Client {
	client := http.Client{Timeout: noticeTimeout, Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true,
	}}
	if c != nil {
		client = *c
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &client
}
