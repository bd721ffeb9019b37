package shoptest

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/signer"
)

// ContentKey is made anew in each run.
var ContentKey = func() string {
	key := make([]byte, 16)
	_, _ = rand.Read(key) // which never fails
	return base64.StdEncoding.EncodeToString(key)
}()

var Modes = map[string]alipaytest.Config{
	"certificates": {Certificates: true},
	"encryption":   {ContentKey: ContentKey},
	"both":         {Certificates: true, ContentKey: ContentKey},
}

// NewShopOf opens a shop whose application is set up as the fake's is.
func NewShopOf(t *testing.T, mode alipaytest.Config, change ...func(*alirefund.Config)) *Shop {
	t.Helper()
	s := NewShop(t)
	s.Alipay = alipaytest.New(mode)
	app := &s.Config.App
	if mode.Certificates {
		app.Signer, app.Verifier = s.Certified()
	}
	if mode.ContentKey != "" {
		var err error
		if app.ContentKey, err = signer.ContentKeyFromBase64(mode.ContentKey); err != nil {
			t.Fatal(err)
		}
	}
	s.Config.HTTPClient = s.Alipay.HTTPClient()
	for _, f := range change {
		f(&s.Config)
	}
	s.Restart()
	return s
}

// Certified reads the files that the console offers now.
func (s *Shop) Certified() (*signer.Signer, *signer.Verifier) {
	s.T.Helper()
	sign, err := signer.FromPEM(s.Alipay.AppPrivateKey())
	if err != nil {
		s.T.Fatal(err)
	}
	if sign, err = sign.WithCertificate(s.Alipay.AppCertificate()); err != nil {
		s.T.Fatal(err)
	}
	verify, err := signer.VerifierFromCertificates(s.Alipay.AlipayCertificate(), s.Alipay.RootCertificates())
	if err != nil {
		s.T.Fatal(err)
	}
	return sign, verify
}

// Wired checks what every call and answer looked like.
func (s *Shop) Wired(mode alipaytest.Config) {
	s.T.Helper()
	for _, c := range s.Alipay.Calls() {
		named := c.Params["app_cert_sn"] != "" && strings.Contains(c.Params["alipay_root_cert_sn"], "_")
		if named != mode.Certificates || strings.Contains(c.Answer, `"alipay_cert_sn":"`) != (mode.Certificates && c.Answer != "") {
			s.T.Errorf("%s: certificates in %v, answered %s", c.Method, c.Params, c.Answer)
		}
		encrypted := c.Params["encrypt_type"] == "AES" && !strings.Contains(c.Params["biz_content"], "{") && strings.HasPrefix(c.BizContent, "{")
		if encrypted != (mode.ContentKey != "") {
			s.T.Errorf("%s: %v of %s", c.Method, c.Params, c.BizContent)
		}
		if cipher := strings.Contains(c.Answer, `_response":"`); cipher != (encrypted && strings.Contains(c.Answer, `_response":`) && !strings.Contains(c.Answer, `"sub_code"`)) {
			s.T.Errorf("%s: encrypted %t: %s", c.Method, encrypted, c.Answer)
		}
	}
}

func Quoted(text string) string { return fmt.Sprintf("%q", text) }

const MethodDownload = "alipay.open.app.alipaycert.download"

// ExpectRefunds makes n refunds at once, each of which succeeds at once.
func (s *Shop) ExpectRefunds(name string, n int) {
	s.T.Helper()
	var all sync.WaitGroup
	for i := range n {
		number := fmt.Sprintf("%s-%d", name, i)
		s.Alipay.AddTrade(alipaytest.Trade{OutTradeNo: number, Total: 1_00})
		all.Go(func() {
			r := s.Refund(fmt.Sprintf(`{"out_trade_no":%q,"refund_amount":"1.00"}`, number))
			if r.Status != http.StatusOK || r.Body["delivered"] != true {
				s.T.Errorf("%s: %d %s", number, r.Status, r.Text)
			}
		})
	}
	all.Wait()
}

// Number returns the number of the first certificate in a text.
func Number(t *testing.T, text string) string {
	t.Helper()
	block, _ := pem.Decode([]byte(text))
	return signer.CertificateSN(Must(x509.ParseCertificate(block.Bytes)))
}
