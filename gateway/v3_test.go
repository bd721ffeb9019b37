package gateway_test

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/signer"
)

// What is promised of the exchange as such holds by version 3, too.
func TestOverV3(t *testing.T) {
	for name, test := range map[string]func(*testing.T){
		"connection refused":    TestConnectionRefused,
		"untrusted certificate": TestUntrustedCertificate,
		"silent transport":      TestSilentTransportFails,
		"server hangs up":       TestServerHangsUp,
		"cancelled":             TestCancelled,
		"timeout":               TestTimeout,
		"redirects":             TestRedirectsAreNotFollowed,
		"status":                TestStatusOtherThan200,
		"breaks off":            TestAnswerBreaksOff,
		"nothing to send":       TestNothingToSend,
	} {
		t.Run(name, test)
	}
}

// wire is a request as it leaves by version 3.
type wire struct {
	method, url string
	header      http.Header
	body        string
}

// leaving makes one call by version 3 and returns what was sent.
func leaving(t *testing.T, c gateway.Config, call func(*gateway.Client)) wire {
	t.Helper()
	var got wire
	c.Protocol = gateway.V3
	c.HTTP = &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
		got = wire{r.Method, r.URL.String(), r.Header, string(must(io.ReadAll(r.Body)))}
		return nil, errors.New("enough")
	})}
	if c.Signer == nil {
		c.Signer = must(signer.New(appKey()))
	}
	call(newClient(t, c))
	return got
}

// authorization checks the signature and returns the items that were signed.
func (w wire) authorization(t *testing.T, path, token string) map[string]string {
	t.Helper()
	text, found := strings.CutPrefix(w.header.Get("Authorization"), "ALIPAY-SHA256withRSA ")
	auth, sign, signed := strings.Cut(text, ",sign=")
	if !found || !signed {
		t.Fatalf("Authorization: %q", w.header.Get("Authorization"))
	}
	whole := auth + "\nPOST\n" + path + "\n" + w.body + "\n"
	if token != "" {
		whole += token + "\n"
	}
	if err := must(signer.NewVerifier(&appKey().PublicKey)).Verify([]byte(whole), sign); err != nil {
		t.Errorf("%v: %q", err, whole)
	}
	items := map[string]string{}
	for item := range strings.SplitSeq(auth, ",") {
		key, value, _ := strings.Cut(item, "=")
		items[key] = value
	}
	return items
}

type wantedByV3 struct {
	name, url, sent, path, body, token string
	call                               func(*gateway.Client)
}

// requestsByV3 are calls, and what they must send.
var requestsByV3 = []wantedByV3{
	{
		name: "refund", sent: "https://openapi.alipay.com/v3/alipay/trade/refund", path: "/v3/alipay/trade/refund",
		body: `{"out_trade_no":"T1","refund_amount":"1.00","out_request_no":"R1"}`,
		call: func(c *gateway.Client) { _, _ = c.RefundTrade(context.Background(), refund, gateway.Options{}) },
	},
	{
		name: "refund query, of the sandbox", url: gateway.Sandbox,
		sent: "https://openapi-sandbox.dl.alipaydev.com/v3/alipay/trade/fastpay/refund/query", path: "/v3/alipay/trade/fastpay/refund/query",
		body: `{"out_trade_no":"T1","out_request_no":"R1"}`,
		call: func(c *gateway.Client) {
			_, _ = c.QueryRefund(context.Background(), gateway.RefundQuery{OutTradeNo: "T1", OutRequestNo: "R1"}, gateway.Options{})
		},
	},
	{
		name: "trade query, for a merchant", url: "http://127.0.0.1:8080", sent: "http://127.0.0.1:8080/v3/alipay/trade/query", path: "/v3/alipay/trade/query",
		body: `{"trade_no":"2026"}`, token: "201602BBtoken",
		call: func(c *gateway.Client) {
			_, _ = c.QueryTrade(context.Background(), gateway.TradeQuery{TradeNo: "2026"}, gateway.Options{AppAuthToken: "201602BBtoken"})
		},
	},
	{
		name: "trade close, behind a proxy's path", url: "https://proxy.example/alipay%2Fa/gateway.do",
		sent: "https://proxy.example/alipay/a/v3/alipay/trade/close", path: "/v3/alipay/trade/close",
		body: `{"out_trade_no":"T1"}`,
		call: func(c *gateway.Client) {
			_, _ = c.CloseTrade(context.Background(), gateway.TradeClose{OutTradeNo: "T1"}, gateway.Options{})
		},
	},
	{
		name: "body as it is given", url: "https://a.example/", sent: "https://a.example/v3/alipay/trade/refund", path: "/v3/alipay/trade/refund",
		body: ` {"b":1, "a":"<&>退款"}`,
		call: func(c *gateway.Client) {
			_, _ = c.Do(context.Background(), gateway.MethodTradeRefund, json.RawMessage(` {"b":1, "a":"<&>退款"}`), gateway.Options{})
		},
	},
}

func TestRequestByV3(t *testing.T) {
	for _, c := range requestsByV3 {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got := leaving(t, gateway.Config{URL: c.url}, c.call)
				if got.method != http.MethodPost || got.url != c.sent || got.body != c.body {
					t.Errorf("%s %s %s, want %s %s", got.method, got.url, got.body, c.sent, c.body)
				}
				items := got.authorization(t, c.path, c.token)
				nonce := items["nonce"]
				if len(items) != 3 || items["app_id"] != "2021000000000001" || len(nonce) < 20 || items["timestamp"] != strconv.FormatInt(time.Now().UnixMilli(), 10) {
					t.Errorf("signed items: %v", items)
				}
				want := http.Header{
					"Content-Type": {"application/json"}, "Accept": {"application/json"},
					"Alipay-Request-Id": got.header["Alipay-Request-Id"], "Authorization": got.header["Authorization"],
				}
				if c.token != "" {
					want.Set("Alipay-App-Auth-Token", c.token)
				}
				if len(got.header) != len(want) || len(got.header.Get("Alipay-Request-Id")) > 32 {
					t.Errorf("headers %v, want %v", got.header, want)
				}
				for name := range want {
					if got.header.Get(name) != want.Get(name) {
						t.Errorf("%s: %q, want %q", name, got.header.Get(name), want.Get(name))
					}
				}
				if again := leaving(t, gateway.Config{URL: c.url}, c.call).authorization(t, c.path, c.token); again["nonce"] == nonce {
					t.Error("the same nonce twice")
				}
			})
		})
	}
}

// Calls that version 3 has no path or no parameter for go by version 2.
func TestWhatGoesByV2(t *testing.T) {
	for name, call := range map[string]func(*gateway.Client){
		"red packet": func(c *gateway.Client) {
			_, _ = c.RefundCoupon(t.Context(), gateway.CouponRefund{AuthNo: "A1", OutRequestNo: "R1", Amount: 1, Remark: "r"}, gateway.Options{})
		},
		"pre-authorisation": func(c *gateway.Client) {
			_, _ = c.Unfreeze(t.Context(), gateway.Unfreeze{AuthNo: "A1", OutRequestNo: "R1", Amount: 1, Remark: "r"}, gateway.Options{})
		},
		"any other method": func(c *gateway.Client) { _, _ = c.Do(t.Context(), "some.method", struct{}{}, gateway.Options{}) },
		"notify_url": func(c *gateway.Client) {
			_, _ = c.RefundTrade(t.Context(), refund, gateway.Options{NotifyURL: "https://shop.example/n"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := leaving(t, gateway.Config{}, call); !strings.HasPrefix(got.url, gateway.Production+"?") || got.header.Get("Authorization") != "" {
				t.Errorf("it went to %s with %v", got.url, got.header)
			}
		})
	}
}

// A token that no header can hold is not sent, and the error does not repeat it.
func TestTokenThatFitsNoHeader(t *testing.T) {
	for _, token := range []string{"secret\nHost: x", "secret ", "密secret", "\x00secret"} {
		client := newClient(t, gateway.Config{Protocol: gateway.V3, HTTP: &http.Client{Transport: transport(func(*http.Request) (*http.Response, error) {
			t.Error("it was sent")
			return nil, errors.New("sent")
		})}})
		_, err := client.RefundTrade(t.Context(), refund, gateway.Options{AppAuthToken: token})
		if kind(err) != gateway.ErrNotSent || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", token, err)
		}
	}
}

// Errors quote neither the Authorization nor the merchant's token.
func TestErrorsTellNoHeaders(t *testing.T) {
	client := newClient(t, gateway.Config{Protocol: gateway.V3, Signer: must(signer.New(appKey())), HTTP: &http.Client{
		Transport: transport(func(r *http.Request) (*http.Response, error) {
			return nil, &url.Error{Op: "proxy", URL: r.URL.String(), Err: errors.New("headers " + strings.Join(r.Header["Alipay-App-Auth-Token"], "") + " of Alipay-App-Auth-Token")}
		}),
	}})
	_, err := client.RefundTrade(t.Context(), refund, gateway.Options{AppAuthToken: "201602BBsecretToken"})
	if kind(err) != gateway.ErrNoAnswer || strings.Contains(err.Error(), "secret") {
		t.Errorf("%v", err)
	}
}

// certificates makes an authority's root with Alipay's certificate under it, and
// the application's, as the console's files.
func certificates(t *testing.T) (app, alipay, root string) {
	t.Helper()
	key := newKey()
	issue := func(name string, public, parentKey any, parent *x509.Certificate) (*x509.Certificate, string) {
		template := &x509.Certificate{
			SerialNumber: must(rand.Int(rand.Reader, big.NewInt(1e15))), Subject: pkix.Name{CommonName: name},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
			IsCA: parent == nil, BasicConstraintsValid: true,
		}
		if parent == nil {
			parent = template
		}
		der := must(x509.CreateCertificate(rand.Reader, template, parent, public, parentKey))
		return must(x509.ParseCertificate(der)), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	authority, root := issue("root", &key.PublicKey, key, nil)
	_, alipay = issue("Alipay", &alipayKey().PublicKey, key, authority)
	_, app = issue("app", &appKey().PublicKey, key, authority)
	return app, alipay, root
}

// In certificate mode the request names both certificates, and the answer may
// name Alipay's, which is a hint.
func TestCertificatesByV3(t *testing.T) {
	app, alipay, root := certificates(t)
	own := must(must(signer.New(appKey())).WithCertificate(app))
	config := gateway.Config{Signer: own, Verifier: must(signer.VerifierFromCertificates(alipay, root))}
	got := leaving(t, config, func(c *gateway.Client) { _, _ = c.RefundTrade(t.Context(), refund, gateway.Options{}) })
	items := got.authorization(t, "/v3/alipay/trade/refund", "")
	if items["app_cert_sn"] != own.CertificateSN() || own.CertificateSN() == "" {
		t.Errorf("app_cert_sn %q, want %q", items["app_cert_sn"], own.CertificateSN())
	}
	if sn := got.header.Get("Alipay-Root-Cert-Sn"); sn == "" || sn != must(signer.RootSN(root)) {
		t.Errorf("alipay-root-cert-sn %q", sn)
	}
	client := newClient(t, config)
	for _, sn := range []string{"", "unknown"} {
		header := signedV3(refundBody)
		if sn != "" {
			header.Set("Alipay-Sn", sn)
		}
		if reply, err := client.OpenV3(gateway.MethodTradeRefund, 200, header, []byte(refundBody)); err != nil || !reply.Signed {
			t.Errorf("alipay-sn %q: %v", sn, err)
		}
	}
}
