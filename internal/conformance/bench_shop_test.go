package conformance

import (
	"context"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/signer"
	"github.com/alirefund/alirefund/store"
)

// counterpart is a fake Alipay at a socket, and what a program needs that calls
// it with net/http and crypto/rsa alone.
type counterpart struct {
	*alipaytest.Alipay
	url    string
	client *http.Client
	own    *rsa.PrivateKey
	theirs *rsa.PublicKey
}

func newCounterpart(b *testing.B) *counterpart {
	b.Helper()
	a := &counterpart{Alipay: alipaytest.New(alipaytest.Config{}), client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}}}
	var stop func()
	var err error
	if a.url, stop, err = a.Listen("127.0.0.1:0"); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(stop)
	b.Cleanup(a.client.CloseIdleConnections)
	block, _ := pem.Decode([]byte(a.AppPrivateKey()))
	own, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		b.Fatal(err)
	}
	der, err := base64.StdEncoding.DecodeString(a.AlipayPublicKey())
	if err != nil {
		b.Fatal(err)
	}
	theirs, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		b.Fatal(err)
	}
	a.own, a.theirs = own.(*rsa.PrivateKey), theirs.(*rsa.PublicKey)
	return a
}

// module returns the routes of a module on s, whose hook does nothing.
func (a *counterpart) module(b *testing.B, s store.Store) http.Handler {
	b.Helper()
	sign, err := signer.FromPEM(a.AppPrivateKey())
	if err != nil {
		b.Fatal(err)
	}
	verify, err := signer.VerifierFromPEM(a.AlipayPublicKey())
	if err != nil {
		b.Fatal(err)
	}
	m, err := alirefund.New(alirefund.Config{
		App:               alirefund.App{ID: a.AppID(), Signer: sign, Verifier: verify},
		Store:             s,
		Gateway:           a.url,
		OnRefundSucceeded: func(context.Context, alirefund.RefundSucceeded) error { return nil },
		Logger:            slog.New(slog.DiscardHandler),
	})
	if err != nil {
		b.Fatal(err)
	}
	gin.SetMode(gin.TestMode)
	r := gin.New()
	m.MountRefunds(r, alirefund.AlreadyProtected)
	m.MountNotify(r)
	return r
}

// serve serves a module's routes at a socket.
func (a *counterpart) serve(b *testing.B, s store.Store) (url string) {
	server := httptest.NewServer(a.module(b, s))
	b.Cleanup(server.Close)
	return server.URL
}

// post returns a call of a route that is ready to be made, and must be answered
// with a text.
func post(b *testing.B, h http.Handler, path, kind, body, want string) func() {
	request := httptest.NewRequestWithContext(b.Context(), http.MethodPost, path, strings.NewReader(body))
	request.Header.Set("Content-Type", kind)
	w := withDeadline{httptest.NewRecorder()}
	return func() {
		if h.ServeHTTP(w, request); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), want) {
			b.Fatal(w.Code, w.Body)
		}
	}
}

// withDeadline is a recorder that takes a read deadline, as a server's writer does.
type withDeadline struct{ *httptest.ResponseRecorder }

func (withDeadline) SetReadDeadline(time.Time) error { return nil }

// trade adds an order.
func (a *counterpart) trade(n int) (order string) {
	return a.AddTrade(alipaytest.Trade{OutTradeNo: fmt.Sprintf("6823789%09d", n)}).OutTradeNo
}

// asked is what a refund of an order is asked for with: of a route, and, as it
// happens, of Alipay.
func asked(order string) string {
	return `{"out_trade_no":"` + order + `","refund_amount":"0.01","out_request_no":"R1"}`
}

// refund returns a call of POST /refunds.
func (a *counterpart) refund(b *testing.B, routes http.Handler, order string) func() {
	return post(b, routes, "/refunds", "application/json", asked(order), `"delivered":true`)
}

// record is an order's refund as it is first recorded.
func (a *counterpart) record(order string) store.Refund {
	return store.Refund{
		Kind: store.Trade, App: a.AppID(), OutTradeNo: order, OutRequestNo: "R1", Amount: 1,
		Request: store.JSON(asked(order)), Origin: store.FromRequest, State: store.Pending,
	}.Identify()
}

// pending leaves an order's refund on s as a send does whose answer is lost.
func (a *counterpart) pending(b *testing.B, s store.Store, order string) {
	r := a.record(order)
	if _, opened, err := s.Open(b.Context(), r, store.Limit{}, &store.Permission{Lease: time.Minute}); err != nil || opened.First.Token == "" {
		b.Fatal(opened, err)
	}
}

// other lists what is written of one order's refund and its notice, each before
// what is written in its place of another's.
func (a *counterpart) other(order, another string) (oldnew []string) {
	names := func(order string) []string {
		r := a.record(order)
		claim := sha256.Sum256([]byte(a.AppID() + "/" + noticeID(order)))
		return []string{order, r.ID, r.OrderID, hex.EncodeToString(claim[:20])}
	}
	is := names(another)
	for n, was := range names(order) {
		oldnew = append(oldnew, was, is[n])
	}
	return oldnew
}

// each refunds every order through the routes at a server, by so many clients at
// once.
func (a *counterpart) each(b *testing.B, server string, orders <-chan string) {
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for order := range orders {
				response, err := a.client.Post(server+"/refunds", "application/json", strings.NewReader(asked(order)))
				if err != nil {
					b.Error(err)
					return
				}
				body, err := io.ReadAll(response.Body)
				_ = response.Body.Close()
				if err != nil || response.StatusCode != http.StatusOK || !strings.Contains(string(body), `"delivered":true`) {
					b.Errorf("%d %s %v", response.StatusCode, body, err)
					return
				}
			}
		})
	}
	wg.Wait()
}
