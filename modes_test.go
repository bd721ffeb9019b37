package alirefund_test

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/signer"
)

// contentKey is made anew in each run.
var contentKey = func() string {
	key := make([]byte, 16)
	_, _ = rand.Read(key) // which never fails
	return base64.StdEncoding.EncodeToString(key)
}()

var modes = map[string]alipaytest.Config{
	"certificates": {Certificates: true},
	"encryption":   {ContentKey: contentKey},
	"both":         {Certificates: true, ContentKey: contentKey},
}

// newShopOf opens a shop whose application is set up as the fake's is.
func newShopOf(t *testing.T, mode alipaytest.Config, change ...func(*alirefund.Config)) *shop {
	t.Helper()
	s := newShop(t)
	s.alipay = alipaytest.New(mode)
	app := &s.config.App
	if mode.Certificates {
		app.Signer, app.Verifier = s.certified()
	}
	if mode.ContentKey != "" {
		var err error
		if app.ContentKey, err = signer.ContentKeyFromBase64(mode.ContentKey); err != nil {
			t.Fatal(err)
		}
	}
	s.config.HTTPClient = s.alipay.HTTPClient()
	for _, f := range change {
		f(&s.config)
	}
	s.restart()
	return s
}

// certified reads the files that the console offers now.
func (s *shop) certified() (*signer.Signer, *signer.Verifier) {
	s.t.Helper()
	sign, err := signer.FromPEM(s.alipay.AppPrivateKey())
	if err != nil {
		s.t.Fatal(err)
	}
	if sign, err = sign.WithCertificate(s.alipay.AppCertificate()); err != nil {
		s.t.Fatal(err)
	}
	verify, err := signer.VerifierFromCertificates(s.alipay.AlipayCertificate(), s.alipay.RootCertificates())
	if err != nil {
		s.t.Fatal(err)
	}
	return sign, verify
}

// wired checks what every call and answer looked like.
func (s *shop) wired(mode alipaytest.Config) {
	s.t.Helper()
	for _, c := range s.alipay.Calls() {
		named := c.Params["app_cert_sn"] != "" && strings.Contains(c.Params["alipay_root_cert_sn"], "_")
		if named != mode.Certificates || strings.Contains(c.Answer, `"alipay_cert_sn":"`) != (mode.Certificates && c.Answer != "") {
			s.t.Errorf("%s: certificates in %v, answered %s", c.Method, c.Params, c.Answer)
		}
		encrypted := c.Params["encrypt_type"] == "AES" && !strings.Contains(c.Params["biz_content"], "{") && strings.HasPrefix(c.BizContent, "{")
		if encrypted != (mode.ContentKey != "") {
			s.t.Errorf("%s: %v of %s", c.Method, c.Params, c.BizContent)
		}
		if cipher := strings.Contains(c.Answer, `_response":"`); cipher != (encrypted && strings.Contains(c.Answer, `_response":`) && !strings.Contains(c.Answer, `"sub_code"`)) {
			s.t.Errorf("%s: encrypted %t: %s", c.Method, encrypted, c.Answer)
		}
	}
}

// Whatever the application's mode, everything works as in the plain one.
func TestEveryMode(t *testing.T) {
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			s := newShopOf(t, mode)
			s.trade()
			r := s.refund(partly)
			s.expect(r, http.StatusOK, "succeeded")
			if node, _ := r.body["alipay"].(map[string]any); node["fund_change"] != "Y" {
				t.Errorf("Alipay's node is not in the answer: %s", r.text)
			}
			again := s.refund(partly)
			s.expect(again, http.StatusOK, "succeeded")
			if again.body["repeated"] != true || again.str("id") != r.str("id") {
				t.Errorf("the repeat is not the same refund: %s", again.text)
			}
			s.expect(s.coupon(s.packet("C1", "")), http.StatusOK, "succeeded")
			if r := s.refund(`{"out_trade_no":"unknown","refund_amount":"1","out_request_no":"R9"}`); r.status != http.StatusUnprocessableEntity || r.str("sub_code") != "ACQ.TRADE_NOT_EXIST" {
				t.Errorf("refused: %d %s", r.status, r.text)
			}
			s.expectTold("refund_succeeded refund_succeeded refund_failed")
			s.expectMoved("R1=8.88 C1=1.00")

			// Of both, and of a refund that nobody asked this module for.
			s.alipay.Deliver(t.Context())
			form := s.alipay.SignedNotice(refundNotice(map[string]string{"out_biz_no": "R2", "notify_id": "n2"}))
			if r := s.notice(form); r.text != "success" {
				t.Errorf("%d %s", r.status, r.text)
			}
			for _, n := range s.alipay.Notices() {
				if !n.Acknowledged {
					t.Errorf("not acknowledged: %+v", n.Deliveries)
				}
			}
			s.expectTold("refund_succeeded refund_succeeded refund_failed refund_succeeded")
			s.wired(mode)
		})
	}
}

// What a call left unresolved is settled in every mode.
func TestEveryModeSettlesWhatACallLeft(t *testing.T) {
	for name, mode := range modes {
		for _, fault := range []alipaytest.FaultKind{alipaytest.LostAnswer, alipaytest.LostRequest, alipaytest.SystemErrorAfter, alipaytest.WrongSignature} {
			t.Run(name+"/"+fault.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newShopOf(t, mode)
					s.trade()
					stop := s.run()
					defer stop()
					s.alipay.Inject(alipaytest.Fault{Kind: fault}, alipaytest.Fault{Kind: alipaytest.LostAnswer, Method: gateway.MethodRefundQuery})
					s.expect(s.refund(partly), http.StatusAccepted, "pending")
					time.Sleep(time.Minute)
					if told := s.told(); !strings.HasSuffix(told, "refund_succeeded") {
						t.Errorf("told %q", told)
					}
					s.expectMoved("R1=8.88")
					s.wired(mode)
				})
			})
		}
	}
}

// An answer that was recorded elsewhere proves nothing here: another method's,
// another refund's, one that is encrypted with nobody's key, one that is not
// encrypted and not signed.
func TestEncryptedAnswersOfSomethingElse(t *testing.T) {
	const success = `{"code":"10000","msg":"Success","out_trade_no":"` + order + `","fund_change":"Y","refund_fee":"8.88"}`
	key, err := signer.ContentKeyFromBase64(contentKey)
	if err != nil {
		t.Fatal(err)
	}
	other, err := signer.ContentKeyFromBase64("AAAAAAAAAAAAAAAAAAAAAA==")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		node  string
		state string
	}{
		"this refund's":                        {quoted(key.Encrypt([]byte(success))), "succeeded"},
		"in the open, signed":                  {success, "succeeded"},
		"in the open, unsigned":                {unsigned + success, "pending"},
		"encrypted, unsigned":                  {unsigned + quoted(key.Encrypt([]byte(success))), "pending"},
		"another order's":                      {quoted(key.Encrypt([]byte(strings.ReplaceAll(success, order, "T9")))), "pending"},
		"a trade query's":                      {quoted(key.Encrypt([]byte(`{"code":"10000","out_trade_no":"` + order + `","trade_status":"TRADE_CLOSED"}`))), "pending"},
		"encrypted with another key":           {quoted(other.Encrypt([]byte(success))), "pending"},
		"encrypted twice":                      {quoted(key.Encrypt([]byte(quoted(key.Encrypt([]byte(success)))))), "pending"},
		"not base64":                           {`"no base64"`, "pending"},
		"nothing":                              {`""`, "pending"},
		"a list":                               {quoted(key.Encrypt([]byte(`[` + success + `]`))), "pending"},
		"two objects":                          {quoted(key.Encrypt([]byte(success + success))), "pending"},
		"without its last block":               {quoted(base64.StdEncoding.EncodeToString(must(base64.StdEncoding.DecodeString(key.Encrypt([]byte(success))))[:32])), "pending"},
		"a success beside what is not a field": {quoted(key.Encrypt([]byte(`{"code":"10000","x":"fund_change\":\"Y"}`))), "pending"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t, func(config *alirefund.Config) { config.App.ContentKey = key })
			s.voice(func(method string, _ url.Values) string {
				if method == gateway.MethodTradeRefund {
					return c.node
				}
				return lost
			})
			r := s.refund(partly)
			s.expect(r, map[string]int{"succeeded": http.StatusOK, "pending": http.StatusAccepted}[c.state], c.state)
			if told := s.told(); strings.Contains(told, "refund_succeeded") != (c.state == "succeeded") {
				t.Errorf("told %q", told)
			}
		})
	}
}

// Without the key an encrypted answer is unresolved, and the record says why.
func TestEncryptedAnswerWithoutAKey(t *testing.T) {
	s := newShop(t)
	s.voice(func(string, url.Values) string { return `"c2VjcmV0"` })
	r := s.refund(partly)
	s.expect(r, http.StatusAccepted, "pending")
	if got := s.ledger(r.str("id")).Message; !strings.Contains(got, "ContentKey") {
		t.Errorf("the record says %q", got)
	}
}

// One side in each mode is refused, by the name of the side to mend.
func TestMixedModesAreRefused(t *testing.T) {
	plain, certified := newShop(t).config, newShopOf(t, modes["certificates"]).config
	for name, c := range map[string]struct {
		change func(*alirefund.App)
		field  string
		is     error
	}{
		"keys here, certificates there":     {func(a *alirefund.App) { a.Signer = plain.App.Signer }, "App.Signer", signer.ErrCertificate},
		"certificates here, a key there":    {func(a *alirefund.App) { a.Verifier = plain.App.Verifier }, "App.Verifier", signer.ErrCertificate},
		"a content key that is no key":      {func(a *alirefund.App) { a.ContentKey = &signer.ContentKey{} }, "App.ContentKey", nil},
		"nothing to sign with":              {func(a *alirefund.App) { a.Signer = &signer.Signer{} }, "App.Signer", signer.ErrKey},
		"nothing to verify with":            {func(a *alirefund.App) { a.Verifier = &signer.Verifier{} }, "App.Verifier", signer.ErrKey},
		"one's own certificate in Alipay's": {func(a *alirefund.App) { a.Verifier = ownVerifier(t, a) }, "App.Verifier", signer.ErrOwnKey},
	} {
		config := certified
		c.change(&config.App)
		_, err := alirefund.New(config)
		var wrong *alirefund.ConfigError
		if !errors.As(err, &wrong) || wrong.Field != c.field || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%s: %v, want %s and %v", name, err, c.field, c.is)
		}
	}
}

func ownVerifier(t *testing.T, a *alirefund.App) *signer.Verifier {
	t.Helper()
	v, err := signer.NewVerifier(a.Signer.Public())
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// A number in a notice that nobody signed neither helps nor harms, and does not
// reach the host.
func TestNoticeThatNamesACertificate(t *testing.T) {
	s := newShopOf(t, modes["certificates"])
	params := refundNotice(nil)
	form := s.alipay.SignedNotice(params)
	signedWith := maps.Clone(params)
	signedWith["alipay_cert_sn"], signedWith["notify_id"] = strings.Repeat("a", 32), "n2"
	for i, c := range []struct {
		form string
		want int
	}{
		{form + "&alipay_cert_sn=" + strings.Repeat("0", 32), http.StatusOK},
		{s.alipay.SignedNotice(signedWith), http.StatusOK},
		{strings.Replace(form, "refund_fee=8.88", "refund_fee=9.88", 1) + "&alipay_cert_sn=" + strings.Repeat("0", 32), http.StatusForbidden},
		{form + "&alipay_cert_sn=0&alipay_cert_sn=1", http.StatusBadRequest},
	} {
		if r := s.notice(c.form); r.status != c.want {
			t.Errorf("%d: %d %s", i, r.status, r.text)
		}
	}
	if n := s.calls(methodDownload); n != 0 {
		t.Errorf("a notice has a certificate fetched, %d times", n)
	}
}

func quoted(text string) string { return fmt.Sprintf("%q", text) }
