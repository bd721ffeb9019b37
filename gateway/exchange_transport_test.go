package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/signer"
)

// ask makes a refund call, and checks which error comes back and that the outcome
// table sees the same.
func ask(t *testing.T, client *gateway.Client, want error) error {
	t.Helper()
	answer, err := client.RefundTrade(t.Context(), refund, gateway.Options{})
	if kind(err) != want {
		t.Fatalf("%v, want %v", err, want)
	}
	outcome := gateway.JudgeTradeRefund(answer.Reply, err, refundWant).Outcome
	if want != nil && outcome != map[bool]gateway.Outcome{true: gateway.NotSent, false: gateway.Unresolved}[want == gateway.ErrNotSent] {
		t.Errorf("outcome %v of %v", outcome, err)
	}
	return err
}

// serve is a gateway on a socket.
func serve(t *testing.T, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server
}

func TestConnectionRefused(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	ask(t, newClient(t, gateway.Config{URL: server.URL}), gateway.ErrNotSent)
}

func TestUntrustedCertificate(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = discard
	server.StartTLS()
	defer server.Close()
	ask(t, newClient(t, gateway.Config{URL: server.URL}), gateway.ErrNotSent)
}

// A transport that reports nothing of its connections may have sent anything,
// whatever its error says.
func TestSilentTransportFails(t *testing.T) {
	for _, cause := range []error{errors.New("down"), &net.OpError{Op: "dial", Err: errors.New("refused")}, gateway.ErrNoAnswer} {
		ask(t, newClient(t, gateway.Config{HTTP: &http.Client{Transport: transport(func(*http.Request) (*http.Response, error) {
			return nil, cause
		})}}), gateway.ErrNoAnswer)
	}
	client := newClient(t, gateway.Config{HTTP: &http.Client{Transport: transport(func(*http.Request) (*http.Response, error) {
		return nil, gateway.ErrNotSent
	})}})
	answer, err := client.RefundTrade(t.Context(), refund, gateway.Options{})
	if got := gateway.JudgeTradeRefund(answer.Reply, err, refundWant); got.Outcome != gateway.Unresolved {
		t.Errorf("%v: %v", err, got.Outcome)
	}
}

func TestServerHangsUp(t *testing.T) {
	server := serve(t, func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) })
	ask(t, newClient(t, gateway.Config{URL: server.URL}), gateway.ErrNoAnswer)
}

// A call whose context has ended before there is a connection sends nothing, and
// its error says so. Once there is a connection, nobody knows what was sent.
func TestCancelled(t *testing.T) {
	t.Run("before", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		server := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("it was sent") })
		_, err := newClient(t, gateway.Config{URL: server.URL}).RefundTrade(ctx, refund, gateway.Options{})
		if kind(err) != gateway.ErrNotSent || !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	})
	t.Run("while dialling", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		host := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			cancel()
			<-ctx.Done()
			return nil, ctx.Err()
		}}}
		_, err := newClient(t, gateway.Config{HTTP: host}).RefundTrade(ctx, refund, gateway.Options{})
		if kind(err) != gateway.ErrNotSent {
			t.Errorf("%v", err)
		}
	})
	t.Run("while waiting", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		server := serve(t, func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			cancel()
			<-r.Context().Done()
		})
		_, err := newClient(t, gateway.Config{URL: server.URL}).RefundTrade(ctx, refund, gateway.Options{})
		if kind(err) != gateway.ErrNoAnswer || !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	})
}

// A server that takes the request and never answers costs exactly the timeout.
func TestTimeout(t *testing.T) {
	for _, configured := range []time.Duration{0, 3 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			near, far := net.Pipe()
			defer far.Close()
			go func() {
				buf := make([]byte, 4096)
				for {
					if _, err := far.Read(buf); err != nil {
						return
					}
				}
			}()
			network := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return near, nil }}
			client := newClient(t, gateway.Config{URL: "http://gateway.example/gateway.do", Timeout: configured, HTTP: &http.Client{Transport: network}})
			want := configured
			if want == 0 {
				want = gateway.DefaultTimeout
			}
			began := time.Now()
			err := ask(t, client, gateway.ErrNoAnswer)
			if took := time.Since(began); took != want || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("after %v: %v", took, err)
			}
		})
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		other := serve(t, func(http.ResponseWriter, *http.Request) { t.Errorf("%d was followed", status) })
		server := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, status) })
		follow := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return nil }}
		for _, host := range []*http.Client{nil, follow} {
			ask(t, newClient(t, gateway.Config{URL: server.URL, HTTP: host}), gateway.ErrNoAnswer)
		}
	}
}

func TestStatusOtherThan200(t *testing.T) {
	body := signed(gateway.MethodTradeRefund, refundNode)
	for _, status := range []int{201, 204, 400, 429, 500, 502, 503} {
		server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		})
		ask(t, newClient(t, gateway.Config{URL: server.URL}), gateway.ErrNoAnswer)
	}
}

func TestSizeOfAnswer(t *testing.T) {
	body := signed(gateway.MethodTradeRefund, refundNode)
	fill := func(size int) string { return body + strings.Repeat(" ", size-len(body)) }
	for _, c := range []struct {
		name    string
		body    string
		chunked bool
		want    error
	}{
		{"1 MiB", fill(1 << 20), false, nil},
		{"1 MiB in chunks", fill(1 << 20), true, nil},
		{"more", fill(1<<20 + 1), false, gateway.ErrNoAnswer},
		{"more, in chunks", fill(1<<20 + 1), true, gateway.ErrNoAnswer},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				if !c.chunked {
					w.Header().Set("Content-Length", strconv.Itoa(len(c.body)))
				}
				_, _ = w.Write([]byte(c.body))
			})
			err := ask(t, newClient(t, gateway.Config{URL: server.URL}), c.want)
			if c.want != nil && !strings.Contains(err.Error(), "larger than 1 MiB") {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestAnswerBreaksOff(t *testing.T) {
	body := signed(gateway.MethodTradeRefund, refundNode)
	for _, length := range []string{"", strconv.Itoa(len(body) + 1)} {
		server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			if length != "" {
				w.Header().Set("Content-Length", length)
			}
			_, _ = w.Write([]byte(body))
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		})
		ask(t, newClient(t, gateway.Config{URL: server.URL}), gateway.ErrNoAnswer)
	}
}

func TestTraceID(t *testing.T) {
	node := `{"code":"40004","msg":"Business Failed","sub_code":"ACQ.TRADE_NOT_EXIST","sub_msg":"交易不存在"}`
	for _, name := range []string{"trace_id", "alipay-trace-id"} {
		server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header()[name] = []string{"0a1b2c"}
			_, _ = w.Write([]byte(signed(gateway.MethodTradeRefund, node)))
		})
		answer, err := newClient(t, gateway.Config{URL: server.URL}).RefundTrade(t.Context(), refund, gateway.Options{})
		var refusal *gateway.Error
		if !errors.As(err, &refusal) || refusal.TraceID != "0a1b2c" || answer.TraceID != "0a1b2c" {
			t.Errorf("%s: %q: %v", name, answer.TraceID, err)
		} else if want := "gateway: alipay.trade.refund: 40004 ACQ.TRADE_NOT_EXIST Business Failed 交易不存在 (trace 0a1b2c)"; err.Error() != want {
			t.Errorf("%q, want %q", err, want)
		}
	}
}

// Over HTTP/2 as over HTTP/1.1.
func TestHTTP2(t *testing.T) {
	body := signed(gateway.MethodTradeRefund, refundNode)
	var hangUp atomic.Bool
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			t.Errorf("it is %s", r.Proto)
		}
		if hangUp.Load() {
			panic(http.ErrAbortHandler)
		}
		_, _ = w.Write([]byte(body))
	}))
	server.EnableHTTP2 = true
	server.Config.ErrorLog = discard
	server.StartTLS()
	client := newClient(t, gateway.Config{URL: server.URL, HTTP: server.Client()})
	ask(t, client, nil)
	hangUp.Store(true)
	ask(t, client, gateway.ErrNoAnswer)
	server.CloseClientConnections()
	server.Close()
	ask(t, client, gateway.ErrNotSent)
}

// What fails says neither where it was sent nor what: the address holds the
// signature and perhaps a token.
func TestErrorsTellNoSecrets(t *testing.T) {
	const token = "201602BBsecretToken"
	options := gateway.Options{AppAuthToken: token, NotifyURL: "https://shop.example/secret-path"}
	var seen atomic.Pointer[string]
	watch := func(base http.RoundTripper) *http.Client {
		return &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
			signature := r.URL.Query().Get("sign")
			seen.Store(&signature)
			return base.RoundTrip(r)
		})}
	}
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	aborts := serve(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	status := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Error(w, r.URL.String(), http.StatusBadGateway) })
	echoes := serve(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, `{"x":%q`, r.URL) })

	for _, c := range []struct {
		name, url string
		http      *http.Client
	}{
		{"refused", closed.URL, watch(http.DefaultTransport)},
		{"hung up", aborts.URL, watch(http.DefaultTransport)},
		{"status", status.URL, watch(http.DefaultTransport)},
		{"echo", echoes.URL, watch(http.DefaultTransport)},
		{"a client in the client", aborts.URL, watch(transport(func(r *http.Request) (*http.Response, error) {
			r = r.Clone(r.Context())
			r.RequestURI = ""
			answer, err := http.DefaultClient.Do(r)
			if err != nil {
				return nil, fmt.Errorf("through the proxy: %w", err)
			}
			return answer, nil
		}))},
	} {
		t.Run(c.name, func(t *testing.T) {
			client := newClient(t, gateway.Config{URL: c.url + "/gateway.do", HTTP: c.http, Signer: must(signer.New(appKey()))})
			reply, err := client.Do(t.Context(), gateway.MethodTradeRefund, refund, options)
			if err == nil {
				t.Fatal("it did not fail")
			}
			signature := *seen.Load()
			for _, secret := range []string{token, "secret", "gateway.do", "app_id=", signature, url.QueryEscape(signature), "T1"} {
				if secret == "" || strings.Contains(fmt.Sprintf("%v %+v", err, reply), secret) {
					t.Errorf("%q stands in %v, %+v", secret, err, reply)
				}
			}
		})
	}
}

// A request is kept back at the last moment: there is a connection, and Alipay gets
// nothing that it could carry out.
func TestKeptBack(t *testing.T) {
	errKept := errors.New("its lease is over")
	for _, protocol := range []gateway.Protocol{gateway.V2, gateway.V3} {
		for _, version := range []int{1, 2} {
			t.Run(fmt.Sprintf("%v by HTTP/%d", protocol, version), func(t *testing.T) {
				var whole atomic.Int32
				server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					if r.ProtoMajor != version {
						t.Errorf("it is %s", r.Proto)
					}
					if text, err := io.ReadAll(r.Body); err == nil || len(text) > 0 {
						whole.Add(1)
					}
				}))
				server.EnableHTTP2 = version == 2
				server.Config.ErrorLog = discard
				server.StartTLS()
				defer server.Close()
				asked := 0
				client := newClient(t, gateway.Config{URL: server.URL, HTTP: server.Client(), Protocol: protocol})
				answer, err := client.RefundTrade(t.Context(), refund, gateway.Options{Leave: func() error { asked++; return errKept }})
				if kind(err) != gateway.ErrNotSent || !errors.Is(err, errKept) || asked != 1 {
					t.Errorf("%v; asked %d times", err, asked)
				}
				if got := gateway.JudgeTradeRefund(answer.Reply, err, refundWant); got.Outcome != gateway.NotSent {
					t.Errorf("outcome %v", got.Outcome)
				}
				server.Close() // after its requests
				if whole.Load() != 0 {
					t.Error("it was sent")
				}
			})
		}
	}
}
