package gateway_test

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/alirefund/alirefund/gateway"
)

// discard is for servers whose complaints are expected.
var discard = log.New(io.Discard, "", 0)

// dying is a gateway whose connections end before they should. It keeps count of
// the requests that reached it.
type dying struct {
	listener net.Listener
	answers  func(n int) bool
	last     int
	wg       sync.WaitGroup

	mu       sync.Mutex
	executed map[string]int // by biz_content
}

func newDying(answers func(n int) bool, last int) *dying {
	d := &dying{listener: must(net.Listen("tcp", "127.0.0.1:0")), answers: answers, last: last, executed: map[string]int{}}
	d.wg.Go(func() {
		for {
			conn, err := d.listener.Accept()
			if err != nil {
				return
			}
			d.wg.Go(func() { d.serve(conn) })
		}
	})
	return d
}

func (d *dying) serve(conn net.Conn) {
	defer conn.Close()
	body := signed(gateway.MethodTradeRefund, refundNode)
	reader := bufio.NewReader(conn)
	for n := 1; n <= d.last; n++ {
		r, err := http.ReadRequest(reader)
		if err != nil || r.ParseForm() != nil {
			return
		}
		d.mu.Lock()
		d.executed[r.PostForm.Get("biz_content")]++
		d.mu.Unlock()
		if !d.answers(n) {
			return
		}
		fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	}
}

// A kept-alive connection that dies must not make net/http send a refund again.
func TestNothingIsSentTwice(t *testing.T) {
	for _, c := range []struct {
		name string
		// answers tells whether the request with this number on its connection is
		// answered; the connection ends with one that is not, or after last.
		answers func(n int) bool
		last    int
	}{
		{"dies with the second request", func(n int) bool { return n == 1 }, 2},
		{"dies after the first answer", func(int) bool { return true }, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := newDying(c.answers, c.last)
			const calls = 100
			client := newClient(t, gateway.Config{URL: "http://" + server.listener.Addr().String()})
			answered, unanswered := 0, 0
			for i := range calls {
				r := refund
				r.OutRequestNo = strconv.Itoa(i)
				switch _, err := client.RefundTrade(t.Context(), r, gateway.Options{}); kind(err) {
				case nil:
					answered++
				case gateway.ErrNoAnswer:
					unanswered++
				default:
					t.Fatalf("call %d: %v", i, err)
				}
			}
			server.listener.Close()
			client.CloseIdleConnections()
			server.wg.Wait()
			executed := server.executed
			t.Logf("%d answered, %d not, %d executed", answered, unanswered, len(executed))
			for biz, times := range executed {
				if times != 1 {
					t.Errorf("%s was executed %d times", biz, times)
				}
			}
			if len(executed) < answered || answered == 0 {
				t.Errorf("%d executed, %d answered", len(executed), answered)
			}
			if c.last == 2 && unanswered != calls/2 {
				t.Errorf("%d unanswered, want every second one", unanswered)
			}
		})
	}
}

// Under load connections are kept, not opened and thrown away.
func TestConnectionsAreReused(t *testing.T) {
	const callers, calls = 64, 20
	body := []byte(signed(gateway.MethodTradeRefund, refundNode))
	var opened atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) }))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	client := newClient(t, gateway.Config{URL: server.URL})
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for range calls {
				if _, err := client.RefundTrade(t.Context(), refund, gateway.Options{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%d calls over %d connections", callers*calls, opened.Load())
	// A dial that lost against a connection that came free makes a few more;
	// net/http's own limit of two idle ones makes ten times as many.
	if n := opened.Load(); n > callers*2 {
		t.Errorf("%d connections for %d callers", n, callers)
	}
}
