package gateway

import (
	"context"
	"net"
	"net/http"
	"time"
)

// DefaultTimeout bounds one call from dialling to the last byte of the answer.
const DefaultTimeout = 15 * time.Second

// NewTransport returns the transport that a [Client] makes its calls by unless its
// Config says otherwise, for hosts that change something about it: a proxy, metrics.
// It keeps connections under load.
//
// A call that gives up takes back what has not arrived. Elsewhere the kernel goes on
// delivering it after the connection was closed, and Alipay may carry out a refund
// long after whoever asked for it was told that nobody knows. Therefore a connection
// is reset when it is closed, also by the end of the process; it carries one call at a
// time (HTTP/1.1); and where the system can (Linux), what was sent and not
// acknowledged within timeout, or [DefaultTimeout], is given up, also while the process
// stands still.
func NewTransport(timeout time.Duration) *http.Transport {
	if timeout < time.Millisecond {
		timeout = DefaultTimeout
	}
	dialer := &net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second, Control: giveUpAfter(timeout)}
	var one http.Protocols
	one.SetHTTP1(true)
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, address)
			tcp, ok := conn.(*net.TCPConn)
			if !ok {
				return conn, err
			}
			if err := tcp.SetLinger(0); err != nil {
				_ = tcp.Close()
				return nil, err
			}
			return tcp, nil
		},
		Protocols:             &one,
		TLSHandshakeTimeout:   5 * time.Second,
		MaxIdleConnsPerHost:   64,
		IdleConnTimeout:       90 * time.Second,
		ExpectContinueTimeout: time.Second,
	}
}
