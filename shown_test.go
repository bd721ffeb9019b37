package alirefund_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/store"
)

// Why nothing is known is shown, in the answer and to the host.
func TestWhyARefundIsUnresolvedIsShown(t *testing.T) {
	var reason string
	s := newShop(t, func(c *alirefund.Config) {
		c.OnRefundUnresolved = func(_ context.Context, e alirefund.RefundUnresolved) error {
			reason = e.Reason
			return nil
		}
	})
	s.trade()
	s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.HTTP500}, noQuery)
	r := s.refund(partly)
	s.expect(r, 202, "pending")
	if heard, _ := r.body["heard"].(map[string]any); !strings.Contains(fmt.Sprint(heard["message"]), "HTTP status 500") || r.body["delivered"] != false {
		t.Errorf("answer: %s", r.text)
	}
	if g := s.get(r.str("id")); g.header.Get("Retry-After") == "" {
		t.Errorf("headers: %v", g.header)
	}
	if r := s.refund(partly); r.body["delivered"] != false {
		t.Errorf("answer: %s", r.text)
	}
	s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.GatewayError}, alipaytest.Fault{Kind: alipaytest.GatewayError, Method: gateway.MethodRefundQuery})
	r = s.refund(numbered("R2", "1"))
	if !strings.Contains(reason, "isv.invalid-app-id") || r.str("attention") != reason || r.body["delivered"] != false {
		t.Errorf("reason %q: %s", reason, r.text)
	}
}

// A refusal says whether the same number may be sent again; what then succeeds is
// the same refund.
func TestRefusalThatMayBeRepeated(t *testing.T) {
	s := newShop(t)
	s.trade()
	s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "ACQ.SELLER_BALANCE_NOT_ENOUGH"})
	first := s.refund(partly)
	if first.status != 422 || first.body["retryable"] != true || first.str("alipay_code") != "40004" || first.body["heard"] != nil {
		t.Errorf("%d %s", first.status, first.text)
	}
	second := s.refund(partly)
	s.expect(second, 200, "succeeded")
	if second.body["repeated"] != true || second.str("id") != first.str("id") {
		t.Errorf("%s", second.text)
	}
}

// Alipay's node is answered as it came.
func TestNodeIsVerbatim(t *testing.T) {
	s := newShop(t)
	node := `{"code":"10000","fund_change":"Y","out_trade_no":"6823789339978248","store_name":"A & B <x>"}`
	s.voice(func(string, url.Values) string { return node })
	r := s.refund(partly)
	if g := s.get(r.str("id")); !strings.Contains(r.text, node) || !strings.Contains(g.text, node) {
		t.Errorf("%s\n%s", r.text, g.text)
	}
}

// A node that is not UTF-8 leaves the routes as UTF-8.
func TestNodeInAnotherCharset(t *testing.T) {
	s := newShop(t)
	s.voice(func(string, url.Values) string {
		return "{\"code\":\"10000\",\"fund_change\":\"Y\",\"out_trade_no\":\"6823789339978248\",\"store_name\":\"\xb2\xe2\"}"
	})
	r := s.refund(partly)
	s.expect(r, 200, "succeeded")
	if g := s.get(r.str("id")); !utf8.ValidString(r.text) || !utf8.ValidString(g.text) || g.status != 200 {
		t.Errorf("%q\n%q", r.text, g.text)
	}
}

// What a hook says is kept short, and whole characters of it; once it is done the
// look-up shows that.
func TestHooksErrorIsKeptShort(t *testing.T) {
	s := newShop(t)
	s.trade()
	s.fail[store.RefundSucceeded] = errors.New("x" + strings.Repeat("失", 2000))
	r := s.refund(partly)
	record, err := s.config.Store.Get(t.Context(), r.str("id"))
	if err != nil {
		t.Fatal(err)
	}
	if kept := record.Deliveries[0].Error; len(kept) > 310 || !strings.HasPrefix(kept, "x失") || !utf8.ValidString(kept) {
		t.Errorf("%d bytes: %q", len(kept), kept)
	}
	if g := s.get(r.str("id")); strings.Contains(g.text, `"done":true`) {
		t.Errorf("record: %s", g.text)
	}
	s.fail = map[store.Event]error{}
	if g := s.get(r.str("id")); !strings.Contains(g.text, `"done":true`) {
		t.Errorf("record: %s", g.text)
	}
}

// Why a notification was not acknowledged stands in the log.
func TestRefusedNotificationIsLogged(t *testing.T) {
	var log bytes.Buffer
	s := newShop(t, func(c *alirefund.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	s.notice("sign=AAAA&sign_type=RSA2")
	if !strings.Contains(log.String(), "signature does not match") {
		t.Errorf("log: %s", log.String())
	}
}

// A notification that is refused is told why by a code of its own; titles are in
// the caller's language; a refusal names the trace that Alipay's support asks for.
func TestProblems(t *testing.T) {
	s := newShop(t)
	for want, change := range map[string]map[string]string{
		"notification_refused": {"charset": "latin1"},
		"notification_forged":  {"total_amount": "88.88&trade_no=1", "trade_no": "-"},
	} {
		if r := s.notice(s.alipay.SignedNotice(refundNotice(change))); r.status < 400 || r.status > 499 || r.str("code") != want {
			t.Errorf("%d %s, want %s", r.status, r.text, want)
		}
	}
	if r := s.do(http.MethodPost, "/alipay/refunds", `{}`, "Accept-Language", "zh"); r.str("title") != "部分字段有误" {
		t.Errorf("%s", r.text)
	}
	s.config.HTTPClient = &http.Client{Transport: traced{s.alipay.HTTPClient().Transport}}
	s.restart()
	if r := s.refund(`{"trade_no":"2000000000000000000000000000","refund_amount":"1"}`); r.str("trace_id") != "trace-1" {
		t.Errorf("%d %s", r.status, r.text)
	}
}

// traced gives each answer a trace_id.
type traced struct{ http.RoundTripper }

func (t traced) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := t.RoundTripper.RoundTrip(r)
	if err == nil {
		response.Header.Set("trace_id", "trace-1")
	}
	return response, err
}
