package gateway_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/signer"
)

const methodCertificate = "alipay.open.app.alipaycert.download"

var (
	root         = sync.OnceValue(func() *x509.Certificate { return issue(nil, "Root", authorityKey(), nil) })
	authorityKey = sync.OnceValue(newKey)
	newerKey     = sync.OnceValue(newKey) // Alipay's next
	thiefKey     = sync.OnceValue(newKey) // another merchant's
)

const (
	alipayName   = "Alipay-2088000000000000"
	merchantName = "2088000000000000-2021000000000001"
)

// platform is Alipay in certificate mode, or whoever stands in its place.
type platform struct {
	verify *signer.Verifier // what the application was given
	app    *signer.Signer

	mu     sync.Mutex
	key    *rsa.PrivateKey            // signs
	cert   *x509.Certificate          // is named
	offer  func(sn string) string     // answers the download; nil: HTTP 500
	node   func(method string) string // answers everything else
	params []url.Values               // of each call, in order
	change func(answer string) string // of everything else, before it leaves
	slow   chan struct{}              // if set, downloads wait for it
}

func newPlatform() *platform {
	p := &platform{key: alipayKey(), cert: issue(root(), alipayName, authorityKey(), alipayKey())}
	p.verify = must(signer.VerifierFromCertificates(fileOf(p.cert), fileOf(root())))
	p.app = must(must(signer.New(appKey())).WithCertificate(fileOf(issue(root(), merchantName, authorityKey(), appKey()))))
	p.node = func(string) string { return refundNode }
	return p
}

// issue makes a certificate for key, signed by the authority's; without a parent
// it is a root. It is valid in synctest's bubbles, too.
func issue(parent *x509.Certificate, name string, authority, key *rsa.PrivateKey, dates ...time.Time) *x509.Certificate {
	template := &x509.Certificate{
		SerialNumber: must(rand.Int(rand.Reader, big.NewInt(1<<62))),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC),
		BasicConstraintsValid: true,
	}
	if len(dates) == 2 {
		template.NotBefore, template.NotAfter = dates[0], dates[1]
	}
	if parent == nil {
		parent, key, template.IsCA = template, authority, true
	}
	return must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, authority))))
}

func fileOf(cert *x509.Certificate) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}))
}

func (p *platform) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	params := must(url.ParseQuery(r.URL.RawQuery + "&" + string(body)))
	method := params.Get("method")
	p.mu.Lock()
	key, sn, offer, change, slow := p.key, signer.CertificateSN(p.cert), p.offer, p.change, p.slow
	p.params = append(p.params, params)
	p.mu.Unlock()
	node := p.node(method)
	if method == methodCertificate {
		if slow != nil {
			select {
			case <-slow:
			case <-r.Context().Done():
				return nil, r.Context().Err()
			}
		}
		if offer == nil {
			return response(http.StatusInternalServerError, ""), nil
		}
		var biz struct {
			SN string `json:"alipay_cert_sn"`
		}
		if err := json.Unmarshal([]byte(params.Get("biz_content")), &biz); err != nil {
			return nil, err
		}
		node = `{"code":"10000","msg":"Success","alipay_cert_content":"` + base64.StdEncoding.EncodeToString([]byte(offer(biz.SN))) + `"}`
	}
	digest := sha256.Sum256([]byte(node))
	sign := must(rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:])) // any key's, also one that a Signer would refuse
	answer := `{"` + nodeName(method) + `":` + node + `,"alipay_cert_sn":"` + sn + `","sign":"` + base64.StdEncoding.EncodeToString(sign) + `"}`
	if change != nil && method != methodCertificate {
		answer = change(answer)
	}
	return response(http.StatusOK, answer), nil
}

// become makes another key and certificate those that sign and are named.
func (p *platform) become(key *rsa.PrivateKey, cert *x509.Certificate) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.key, p.cert = key, cert
}

func (p *platform) calls(method string) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, params := range p.params {
		if params.Get("method") == method {
			n++
		}
	}
	return n
}

func (p *platform) client(t testing.TB, c gateway.Config) *gateway.Client {
	t.Helper()
	c.HTTP, c.Verifier, c.Signer = &http.Client{Transport: p}, p.verify, p.app
	return newClient(t, c)
}

// A request in certificate mode names both certificates, and they are signed in
// their places.
func TestRequestNamesItsCertificates(t *testing.T) {
	p := newPlatform()
	key := must(signer.ContentKeyFromBase64(base64.StdEncoding.EncodeToString(make([]byte, 16))))
	client := p.client(t, gateway.Config{ContentKey: key})
	if _, err := client.RefundTrade(t.Context(), refund, gateway.Options{AppAuthToken: "token", NotifyURL: "https://a.example/n"}); err != nil {
		t.Fatal(err)
	}
	query := p.params[0]
	if query.Get("app_cert_sn") != p.app.CertificateSN() || query.Get("alipay_root_cert_sn") != p.verify.RootSN() || query.Get("encrypt_type") != "AES" {
		t.Errorf("%v", query)
	}
	if plain, err := key.Decrypt(query.Get("biz_content")); err != nil || string(plain) != `{"out_trade_no":"T1","refund_amount":"1.00","out_request_no":"R1"}` {
		t.Errorf("biz_content: %s, %v", plain, err)
	}
	text := "alipay_root_cert_sn=" + p.verify.RootSN() + "&app_auth_token=token&app_cert_sn=" + p.app.CertificateSN() +
		"&app_id=2021000000000001&biz_content=" + query.Get("biz_content") + "&charset=utf-8&encrypt_type=AES&format=JSON&method=alipay.trade.refund" +
		"&notify_url=https://a.example/n&sign_type=RSA2&timestamp=" + query.Get("timestamp") + "&version=1.0"
	if err := must(signer.NewVerifier(&appKey().PublicKey)).Verify([]byte(text), query.Get("sign")); err != nil {
		t.Errorf("what is signed is not %s", text)
	}
}

// A key that is switched between requests never signs another's certificate.
func TestRequestNamesTheCertificateThatSigns(t *testing.T) {
	p := newPlatform()
	client := p.client(t, gateway.Config{})
	other := must(must(signer.New(newerKey())).WithCertificate(fileOf(issue(root(), merchantName, authorityKey(), newerKey()))))
	pair := []*signer.Signer{p.app.Current(), other}
	var load sync.WaitGroup
	for range 4 {
		load.Go(func() {
			for range 25 {
				_, _ = client.RefundTrade(context.Background(), refund, gateway.Options{})
			}
		})
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		load.Wait()
	}()
	for i, running := 0, true; running; i++ {
		p.app.Switch(pair[i%2])
		select {
		case <-done:
			running = false
		default:
		}
	}
	for _, query := range p.params {
		sign := query.Get("sign")
		query.Del("sign")
		var params []signer.Param
		for key := range query {
			params = append(params, signer.Param{Key: key, Value: query.Get(key)})
		}
		own := pair[0]
		if query.Get("app_cert_sn") == other.CertificateSN() {
			own = other
		}
		if err := must(signer.NewVerifier(own.Public())).Verify(signer.AppendText(nil, params, 0), sign); err != nil {
			t.Fatal("the certificate that is named is not the one that signed")
		}
	}
}

// What an answer says of its certificate.
func TestAnswerInCertificateMode(t *testing.T) {
	const refusal = `{"code":"40004","msg":"Business Failed","sub_code":"ACQ.TRADE_NOT_EXIST"}`
	p := newPlatform()
	named := `"alipay_cert_sn":"` + signer.CertificateSN(p.cert) + `",`
	for _, c := range []struct {
		name   string
		node   string
		change func(string) string
		want   error
	}{
		{"as it should be", refundNode, func(a string) string { return a }, nil},
		{"a success without a number", refundNode, func(a string) string { return strings.Replace(a, named, "", 1) }, gateway.ErrUnverified},
		{"a success with an empty number", refundNode, func(a string) string { return strings.Replace(a, named, `"alipay_cert_sn":"",`, 1) }, gateway.ErrUnverified},
		{"a success with null", refundNode, func(a string) string { return strings.Replace(a, named, `"alipay_cert_sn":null,`, 1) }, gateway.ErrUnverified},
		{"a refusal without a number", refusal, func(a string) string { return strings.Replace(a, named, "", 1) }, errRefused},
		{"two numbers", refundNode, func(a string) string { return strings.Replace(a, named, named+named, 1) }, gateway.ErrNoAnswer},
		{"no signature", refundNode, func(a string) string { return a[:strings.Index(a, `,"sign"`)] + "}" }, gateway.ErrUnverified},
		{"what is no number", refundNode, func(a string) string { return strings.Replace(a, named, `"alipay_cert_sn":"../../x",`, 1) }, nil}, // a hint, no proof
		{"another amount", refundNode, func(a string) string { return strings.Replace(a, "1.00", "2.00", 1) }, gateway.ErrUnverified},
		{"another amount, another number", refundNode, func(a string) string {
			return strings.Replace(strings.Replace(a, "1.00", "2.00", 1), named, `"alipay_cert_sn":"`+strings.Repeat("0", 32)+`",`, 1)
		}, gateway.ErrUnverified},
	} {
		t.Run(c.name, func(t *testing.T) {
			p.node, p.change = func(string) string { return c.node }, c.change
			reply, err := p.client(t, gateway.Config{}).Do(t.Context(), gateway.MethodTradeRefund, refund, gateway.Options{})
			if kind(err) != c.want || reply.Signed != (c.want == nil || c.want == errRefused) || (reply.Node != nil) != reply.Signed {
				t.Errorf("%v, want %v; signed %t: %s", err, c.want, reply.Signed, reply.Node)
			}
			if got := gateway.JudgeTradeRefund(reply, err, refundWant).Outcome; (got == gateway.Succeeded) != (c.want == nil) {
				t.Errorf("outcome %v", got)
			}
		})
	}
	if n := p.calls(methodCertificate); n != 1 { // of the one unknown number
		t.Errorf("%d downloads", n)
	}
}

// In key mode a certificate's number means nothing.
func TestKeyModeMindsNoCertificate(t *testing.T) {
	for _, sn := range []string{"", `"alipay_cert_sn":"` + strings.Repeat("0", 32) + `",`} {
		synctest.Test(t, func(t *testing.T) {
			calls := 0
			client := newClient(t, gateway.Config{HTTP: &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
				calls++
				return response(http.StatusOK, strings.Replace(signed(gateway.MethodTradeRefund, refundNode), `"sign"`, sn+`"sign"`, 1)), r.Body.Close()
			})}})
			_, err := client.RefundTrade(t.Context(), refund, gateway.Options{})
			if synctest.Wait(); err != nil || calls != 1 {
				t.Errorf("%v after %d calls", err, calls)
			}
		})
	}
}
