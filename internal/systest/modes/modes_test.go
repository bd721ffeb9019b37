package modes_test

import (
	"encoding/base64"
	"errors"
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
	"github.com/alirefund/alirefund/internal/shoptest"
	"github.com/alirefund/alirefund/signer"
)

// Whatever the application's mode, everything works as in the plain one.
func TestEveryMode(t *testing.T) {
	for name, mode := range shoptest.Modes {
		t.Run(name, func(t *testing.T) {
			s := shoptest.NewShopOf(t, mode)
			s.Trade()
			r := s.Refund(shoptest.Partly)
			s.Expect(r, http.StatusOK, "succeeded")
			if node, _ := r.Body["alipay"].(map[string]any); node["fund_change"] != "Y" {
				t.Errorf("Alipay's node is not in the answer: %s", r.Text)
			}
			again := s.Refund(shoptest.Partly)
			s.Expect(again, http.StatusOK, "succeeded")
			if again.Body["repeated"] != true || again.Str("id") != r.Str("id") {
				t.Errorf("the repeat is not the same refund: %s", again.Text)
			}
			s.Expect(s.Coupon(s.Packet("C1", "")), http.StatusOK, "succeeded")
			if r := s.Refund(`{"out_trade_no":"unknown","refund_amount":"1","out_request_no":"R9"}`); r.Status != http.StatusUnprocessableEntity || r.Str("sub_code") != "ACQ.TRADE_NOT_EXIST" {
				t.Errorf("refused: %d %s", r.Status, r.Text)
			}
			s.ExpectTold("refund_succeeded refund_succeeded refund_failed")
			s.ExpectMoved("R1=8.88 C1=1.00")

			// Of both, and of a refund that nobody asked this module for.
			s.Alipay.Deliver(t.Context())
			form := s.Alipay.SignedNotice(shoptest.RefundNotice(map[string]string{"out_biz_no": "R2", "notify_id": "n2"}))
			if r := s.Notice(form); r.Text != "success" {
				t.Errorf("%d %s", r.Status, r.Text)
			}
			for _, n := range s.Alipay.Notices() {
				if !n.Acknowledged {
					t.Errorf("not acknowledged: %+v", n.Deliveries)
				}
			}
			s.ExpectTold("refund_succeeded refund_succeeded refund_failed refund_succeeded")
			s.Wired(mode)
		})
	}
}

// What a call left unresolved is settled in every mode.
func TestEveryModeSettlesWhatACallLeft(t *testing.T) {
	for name, mode := range shoptest.Modes {
		for _, fault := range []alipaytest.FaultKind{alipaytest.LostAnswer, alipaytest.LostRequest, alipaytest.SystemErrorAfter, alipaytest.WrongSignature} {
			t.Run(name+"/"+fault.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := shoptest.NewShopOf(t, mode)
					s.Trade()
					stop := s.Run()
					defer stop()
					s.Alipay.Inject(alipaytest.Fault{Kind: fault}, alipaytest.Fault{Kind: alipaytest.LostAnswer, Method: gateway.MethodRefundQuery})
					s.Expect(s.Refund(shoptest.Partly), http.StatusAccepted, "pending")
					time.Sleep(time.Minute)
					if told := s.Told(); !strings.HasSuffix(told, "refund_succeeded") {
						t.Errorf("told %q", told)
					}
					s.ExpectMoved("R1=8.88")
					s.Wired(mode)
				})
			})
		}
	}
}

// An answer that was recorded elsewhere proves nothing here: another method's,
// another refund's, one that is encrypted with nobody's key, one that is not
// encrypted and not signed.
func TestEncryptedAnswersOfSomethingElse(t *testing.T) {
	const success = `{"code":"10000","msg":"Success","out_trade_no":"` + shoptest.Order + `","fund_change":"Y","refund_fee":"8.88"}`
	key, err := signer.ContentKeyFromBase64(shoptest.ContentKey)
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
		"this refund's":                        {shoptest.Quoted(key.Encrypt([]byte(success))), "succeeded"},
		"in the open, signed":                  {success, "succeeded"},
		"in the open, unsigned":                {shoptest.Unsigned + success, "pending"},
		"encrypted, unsigned":                  {shoptest.Unsigned + shoptest.Quoted(key.Encrypt([]byte(success))), "pending"},
		"another order's":                      {shoptest.Quoted(key.Encrypt([]byte(strings.ReplaceAll(success, shoptest.Order, "T9")))), "pending"},
		"a trade query's":                      {shoptest.Quoted(key.Encrypt([]byte(`{"code":"10000","out_trade_no":"` + shoptest.Order + `","trade_status":"TRADE_CLOSED"}`))), "pending"},
		"encrypted with another key":           {shoptest.Quoted(other.Encrypt([]byte(success))), "pending"},
		"encrypted twice":                      {shoptest.Quoted(key.Encrypt([]byte(shoptest.Quoted(key.Encrypt([]byte(success)))))), "pending"},
		"not base64":                           {`"no base64"`, "pending"},
		"nothing":                              {`""`, "pending"},
		"a list":                               {shoptest.Quoted(key.Encrypt([]byte(`[` + success + `]`))), "pending"},
		"two objects":                          {shoptest.Quoted(key.Encrypt([]byte(success + success))), "pending"},
		"without its last block":               {shoptest.Quoted(base64.StdEncoding.EncodeToString(shoptest.Must(base64.StdEncoding.DecodeString(key.Encrypt([]byte(success))))[:32])), "pending"},
		"a success beside what is not a field": {shoptest.Quoted(key.Encrypt([]byte(`{"code":"10000","x":"fund_change\":\"Y"}`))), "pending"},
	} {
		t.Run(name, func(t *testing.T) {
			s := shoptest.NewShop(t, func(config *alirefund.Config) { config.App.ContentKey = key })
			s.Voice(func(method string, _ url.Values) string {
				if method == gateway.MethodTradeRefund {
					return c.node
				}
				return shoptest.Lost
			})
			r := s.Refund(shoptest.Partly)
			s.Expect(r, map[string]int{"succeeded": http.StatusOK, "pending": http.StatusAccepted}[c.state], c.state)
			if told := s.Told(); strings.Contains(told, "refund_succeeded") != (c.state == "succeeded") {
				t.Errorf("told %q", told)
			}
		})
	}
}

// Without the key an encrypted answer is unresolved, and the record says why.
func TestEncryptedAnswerWithoutAKey(t *testing.T) {
	s := shoptest.NewShop(t)
	s.Voice(func(string, url.Values) string { return `"c2VjcmV0"` })
	r := s.Refund(shoptest.Partly)
	s.Expect(r, http.StatusAccepted, "pending")
	if got := s.Ledger(r.Str("id")).Message; !strings.Contains(got, "ContentKey") {
		t.Errorf("the record says %q", got)
	}
}

// One side in each mode is refused, by the name of the side to mend.
func TestMixedModesAreRefused(t *testing.T) {
	plain, certified := shoptest.NewShop(t).Config, shoptest.NewShopOf(t, shoptest.Modes["certificates"]).Config
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
	s := shoptest.NewShopOf(t, shoptest.Modes["certificates"])
	params := shoptest.RefundNotice(nil)
	form := s.Alipay.SignedNotice(params)
	signedWith := maps.Clone(params)
	signedWith["alipay_cert_sn"], signedWith["notify_id"] = strings.Repeat("a", 32), "n2"
	for i, c := range []struct {
		form string
		want int
	}{
		{form + "&alipay_cert_sn=" + strings.Repeat("0", 32), http.StatusOK},
		{s.Alipay.SignedNotice(signedWith), http.StatusOK},
		{strings.Replace(form, "refund_fee=8.88", "refund_fee=9.88", 1) + "&alipay_cert_sn=" + strings.Repeat("0", 32), http.StatusForbidden},
		{form + "&alipay_cert_sn=0&alipay_cert_sn=1", http.StatusBadRequest},
	} {
		if r := s.Notice(c.form); r.Status != c.want {
			t.Errorf("%d: %d %s", i, r.Status, r.Text)
		}
	}
	if n := s.Calls(shoptest.MethodDownload); n != 0 {
		t.Errorf("a notice has a certificate fetched, %d times", n)
	}
}
