package gateway_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/signer"
)

// Keys are generated, once each in a run: no file holds one.
var (
	appKey    = sync.OnceValue(newKey)
	alipayKey = sync.OnceValue(newKey)
)

func newKey() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// idleKey stands for the application's private key and does nothing, where a
// test or a benchmark is not about the signature of the request.
type idleKey struct{}

func (idleKey) Public() crypto.PublicKey { return &appKey().PublicKey }

func (idleKey) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return idleSignature[:], nil
}

var idleSignature [256]byte

// newClient returns a client with what c lacks filled in.
func newClient(t testing.TB, c gateway.Config) *gateway.Client {
	t.Helper()
	if c.AppID == "" {
		c.AppID = "2021000000000001"
	}
	if c.Signer == nil {
		c.Signer = must(signer.New(idleKey{}))
	}
	if c.Verifier == nil {
		c.Verifier = must(signer.NewVerifier(&alipayKey().PublicKey))
	}
	if strings.HasPrefix(t.Name(), "TestOverV3/") {
		c.Protocol = gateway.V3
	}
	client, err := gateway.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// transport is a function in the place of a network.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// answering is a gateway that answers every request with body.
func answering(body string) *http.Client {
	return &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
		return response(http.StatusOK, body), r.Body.Close()
	})}
}

func response(status int, body string) *http.Response {
	return &http.Response{
		StatusCode: status, ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{},
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
	}
}

// signed is the gateway's answer to method with node, signed.
func signed(method, node string) string {
	return `{"` + nodeName(method) + `":` + node + `,"sign":"` + sign(node) + `"}`
}

func nodeName(method string) string { return strings.ReplaceAll(method, ".", "_") + "_response" }

func sign(node string) string {
	return must(must(signer.New(alipayKey())).Sign([]byte(node)))
}

// refund is a request that the answers of these tests fit.
var (
	refund     = gateway.TradeRefund{OutTradeNo: "T1", OutRequestNo: "R1", RefundAmount: 100}
	refundWant = gateway.Want{OutTradeNo: "T1", OutRequestNo: "R1", Amount: 100}
)

const refundNode = `{"code":"10000","msg":"Success","out_trade_no":"T1","fund_change":"Y","refund_fee":"1.00"}`
