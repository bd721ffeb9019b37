package engine_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/internal/shoptest"
)

// The host's code that panics after the send makes no 5xx of it: the refund is
// unresolved.
func TestAppAuthTokenPanicsAfterTheSend(t *testing.T) {
	var calls atomic.Int32
	s := shoptest.NewShop(t, func(c *alirefund.Config) {
		c.AppAuthToken = func(context.Context, string) (string, error) {
			if calls.Add(1) > 1 {
				panic("the host's bug")
			}
			return "token", nil
		}
	})
	s.Trade()
	s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer})
	s.Expect(s.Refund(shoptest.Partly[:len(shoptest.Partly)-1]+`,"merchant":"M"}`), 202, "pending")
	if calls.Load() < 2 {
		t.Error("the token was not asked for after the send")
	}
}

// A transport's error that quotes the URL reaches neither the record nor the
// answer: the URL holds the token.
func TestTokenInATransportError(t *testing.T) {
	s := shoptest.NewShop(t)
	s.Trade()
	var quoted string
	s.Config.HTTPClient = &http.Client{Transport: quoting{&quoted}}
	s.Restart()
	r := s.Refund(shoptest.Partly[:len(shoptest.Partly)-1] + `,"app_auth_token":"2020-app-auth-token-secret"}`)
	s.Expect(r, 202, "pending")
	for _, text := range []string{r.Text, s.Get(r.Str("id")).Text} {
		if strings.Contains(text, "secret") || strings.Contains(text, "sign=") {
			t.Errorf("the token stands in %s", text)
		}
	}
	if !strings.Contains(quoted, "secret") {
		t.Errorf("the URL held no token: %s", quoted)
	}
}

// quoting sends nothing and quotes the URL in its error, as some proxies do.
type quoting struct{ quoted *string }

func (q quoting) RoundTrip(r *http.Request) (*http.Response, error) {
	*q.quoted = r.URL.String()
	return nil, fmt.Errorf("egress proxy: POST %s: 502", r.URL)
}

// Tokens: the merchant of an ISV's application.
func TestAppAuthToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		s.Trade()
		body := `{"outTradeNo":"6823789339978248","refundAmount":"8.88","out_request_no":"R1","appAuthToken":"token-one"}`
		s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest})
		r := s.Refund(body)
		s.Expect(r, 202, "pending")
		for _, c := range s.Alipay.Calls() {
			if c.Params["app_auth_token"] != "token-one" {
				t.Errorf("%s without the token", c.Method)
			}
		}
		if record := s.Get(r.Str("id")); strings.Contains(record.Text, "token-one") {
			t.Errorf("the token is stored: %s", record.Text)
		}
		// After a restart nobody knows the token: nothing is asked without it,
		// and a person is asked instead.
		s.Restart()
		before := len(s.Alipay.Calls())
		time.Sleep(time.Minute)
		if record := s.Get(r.Str("id")); !strings.Contains(record.Str("attention"), "app_auth_token") || len(s.Alipay.Calls()) != before {
			t.Errorf("record: %s", record.Text)
		}
		s.ExpectTold("refund_unresolved")
		// Repeating the request with it settles the refund.
		s.Expect(s.Refund(body), 200, "succeeded")
		s.ExpectTold("refund_unresolved refund_succeeded")
		s.ExpectMoved("R1=8.88")
	})
}

func TestMerchantsTokenIsFetched(t *testing.T) {
	asked := []string{}
	s := shoptest.NewShop(t, func(c *alirefund.Config) {
		c.AppAuthToken = func(_ context.Context, merchant string) (string, error) {
			asked = append(asked, merchant)
			if merchant == "unknown" {
				return "", shoptest.ErrHost
			}
			return "token of " + merchant, nil
		}
	})
	s.Trade()
	s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer})
	s.Expect(s.Refund(`{"out_trade_no":"6823789339978248","refund_amount":"1","out_request_no":"R1","merchant":"m1"}`), 200, "succeeded")
	for _, c := range s.Alipay.Calls() {
		if c.Params["app_auth_token"] != "token of m1" {
			t.Errorf("%s with %q", c.Method, c.Params["app_auth_token"])
		}
	}
	calls := len(s.Alipay.Calls())
	if r := s.Refund(`{"out_trade_no":"6823789339978248","refund_amount":"1","out_request_no":"R2","merchant":"unknown"}`); r.Status != 503 || r.Str("code") != "nothing_sent" || len(s.Alipay.Calls()) != calls {
		t.Errorf("%d %s", r.Status, r.Text)
	}
	if strings.Join(asked, " ") != "m1 m1 unknown" {
		t.Errorf("asked for %q", asked)
	}
}

// A host that cannot say a token for the moment: nothing is asked, and nobody is
// called for it. One that has none any more: a person is.
func TestTokenThatCannotBeHad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		token, fail := "t1", error(nil)
		s := shoptest.NewShop(t, func(c *alirefund.Config) {
			c.AppAuthToken = func(context.Context, string) (string, error) { return token, fail }
		})
		s.Trade()
		s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest})
		r := s.Refund(`{"out_trade_no":"6823789339978248","refund_amount":"1","out_request_no":"R1","merchant":"m"}`)
		s.Expect(r, 202, "pending")
		calls := len(s.Alipay.Calls())

		token, fail = "", shoptest.ErrHost
		if g := s.Get(r.Str("id")); g.Str("attention") != "" || len(s.Alipay.Calls()) != calls {
			t.Errorf("while the host is down: %s", g.Text)
		}
		s.ExpectTold("")

		token, fail = "", nil
		if g := s.Get(r.Str("id")); g.Str("attention") == "" || len(s.Alipay.Calls()) != calls {
			t.Errorf("without a token: %s", g.Text)
		}
		s.ExpectTold("refund_unresolved")
		if r := s.Refund(`{"out_trade_no":"6823789339978248","refund_amount":"1","out_request_no":"R2","merchant":"m"}`); r.Status != 503 || r.Str("code") != "nothing_sent" {
			t.Errorf("%d %s", r.Status, r.Text)
		}

		// A token that comes with the request goes before the host's.
		s.Expect(s.Refund(`{"out_trade_no":"6823789339978248","refund_amount":"1","out_request_no":"R3","merchant":"m","app_auth_token":"t3"}`), 200, "succeeded")
		all := s.Alipay.Calls()
		if got := all[len(all)-1].Params["app_auth_token"]; got != "t3" {
			t.Errorf("called with %q", got)
		}
	})
}

// A token is forgotten once the refund that it came for is settled.
func TestTokenIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t, func(c *alirefund.Config) {
			c.AppAuthToken = func(context.Context, string) (string, error) { return "fetched", nil }
		})
		s.Trade()
		body := `{"out_trade_no":"6823789339978248","refund_amount":"1","out_request_no":"R1","merchant":"m"`
		s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "ACQ.SELLER_BALANCE_NOT_ENOUGH"})
		if r := s.Refund(body + `,"app_auth_token":"came"}`); r.Status != 422 {
			t.Fatalf("%d %s", r.Status, r.Text)
		}
		s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer})
		s.Expect(s.Refund(body+`}`), 200, "succeeded")
		for _, c := range s.Alipay.Calls()[1:] {
			if c.Params["app_auth_token"] != "fetched" {
				t.Errorf("%s with %q", c.Method, c.Params["app_auth_token"])
			}
		}
	})
}

// Alipay's answer to a wrong signature quotes the whole text that was to be
// signed, token included: nothing of it is kept.
func TestQuotedTokenIsNotKept(t *testing.T) {
	s := shoptest.NewShop(t)
	s.Trade()
	s.Config.App.Signer = shoptest.NewKey(t)
	s.Restart()
	r := s.Refund(`{"out_trade_no":"6823789339978248","refund_amount":"8.88","out_request_no":"R1","app_auth_token":"secret-token"}`)
	if r.Status != 422 || r.Str("sub_code") != "isv.invalid-signature" {
		t.Fatalf("%d %s", r.Status, r.Text)
	}
	if record := s.Get(r.Str("id")); strings.Contains(record.Text+r.Text, "secret-token") {
		t.Errorf("the token is kept: %s", record.Text)
	}
}

// A merchant that is known by its token alone has a name that means nothing to
// the host, which is not asked for its token.
func TestHostIsNotAskedForADigest(t *testing.T) {
	var asked []string
	s := shoptest.NewShop(t, func(c *alirefund.Config) {
		c.AppAuthToken = func(_ context.Context, merchant string) (string, error) {
			asked = append(asked, merchant)
			return "t", nil
		}
	})
	s.Trade()
	s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest})
	r := s.Refund(shoptest.Partly[:len(shoptest.Partly)-1] + `,"app_auth_token":"t"}`)
	s.Expect(r, 202, "pending")
	s.Restart()
	if g := s.Get(r.Str("id")); g.Str("attention") == "" || len(asked) != 0 {
		t.Errorf("asked for %q: %s", asked, g.Text)
	}
}

// One number at two merchants is two refunds, of red packets too.
func TestRedPacketOfAMerchant(t *testing.T) {
	s := shoptest.NewShop(t)
	p := s.Alipay.AddRedPacket(alipaytest.RedPacket{})
	body := func(merchant string) string {
		return fmt.Sprintf(`{"auth_no":%q,"out_request_no":"C1","amount":"1.00","remark":"r","merchant":%q,"appAuthToken":"t"}`, p.AuthNo, merchant)
	}
	one, two := s.Coupon(body("m1")), s.Coupon(body("m2"))
	if one.Str("merchant") != "m1" || two.Str("merchant") != "m2" || one.Str("id") == two.Str("id") {
		t.Errorf("%s\n%s", one.Text, two.Text)
	}
	if record := s.Get(one.Str("id")); record.Str("actor") != "staff" {
		t.Errorf("record: %s", record.Text)
	}
	if r := s.Coupon(body("token:m")); r.Pointers() != "/merchant" {
		t.Errorf("%d %s", r.Status, r.Text)
	}
}
