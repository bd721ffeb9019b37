package alipaysdk_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/gateway"
)

// What this module's gateway signs by version 3, the SDK verifies, over the text
// that is put together here as Alipay's page says.
func TestTheSDKVerifiesWhatThisModuleSignsByVersion3(t *testing.T) {
	s := start(t, china)
	for _, m := range modes {
		if !m.v3 {
			continue
		}
		t.Run(m.name, func(t *testing.T) {
			p := open(t, m.alipay)
			own := p.config.without("appCertContent").with("alipayPublicKey", appPublicKey(p))
			sent := &recorder{inner: p.HTTPClient().Transport}
			client := must(gateway.New(gateway.Config{
				AppID: p.AppID(), Signer: signerOf(p), Verifier: verifierOf(p), ContentKey: p.contentKey(),
				URL: alipaytest.GatewayURL, HTTP: &http.Client{Transport: sent}, Protocol: gateway.V3,
			}))
			for name, biz := range awkward {
				t.Run(name, func(t *testing.T) {
					_, _ = client.Do(noContext, refund, biz, options{AppAuthToken: "202611BBtoken"}) // the answer does not matter
					authorization := strings.TrimPrefix(sent.Header.Get("Authorization"), "ALIPAY-SHA256withRSA ")
					items, sign, _ := strings.Cut(authorization, ",sign=")
					text := strings.Join([]string{items, sent.Method, sent.URL.RequestURI(), sent.body, "202611BBtoken", ""}, "\n")
					if !s.check(t, own, "rsaCheck", text, sign) {
						t.Errorf("the SDK does not verify %q", text)
					}
				})
			}
		})
	}
}

// recorder keeps the last request.
type recorder struct {
	inner http.RoundTripper
	*http.Request
	body string
}

func (r *recorder) RoundTrip(request *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return nil, err
	}
	r.Request, r.body = request, string(body)
	next := request.Clone(request.Context())
	next.Body = io.NopCloser(strings.NewReader(r.body))
	return r.inner.RoundTrip(next)
}
