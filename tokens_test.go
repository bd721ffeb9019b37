package alirefund_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
)

// A host that cannot say a token for the moment: nothing is asked, and nobody is
// called for it. One that has none any more: a person is.
func TestTokenThatCannotBeHad(t *testing.T) {
	token, fail := "t1", error(nil)
	s := newShop(t, func(c *alirefund.Config) {
		c.AppAuthToken = func(context.Context, string) (string, error) { return token, fail }
	})
	s.trade()
	s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest})
	r := s.refund(`{"out_trade_no":"6823789339978248","refund_amount":"1","out_request_no":"R1","merchant":"m"}`)
	s.expect(r, 202, "pending")
	calls := len(s.alipay.Calls())

	token, fail = "", errHost
	if g := s.get(r.str("id")); g.str("attention") != "" || len(s.alipay.Calls()) != calls {
		t.Errorf("while the host is down: %s", g.text)
	}
	s.expectTold("")

	token, fail = "", nil
	if g := s.get(r.str("id")); g.str("attention") == "" || len(s.alipay.Calls()) != calls {
		t.Errorf("without a token: %s", g.text)
	}
	s.expectTold("refund_unresolved")
	if r := s.refund(`{"out_trade_no":"6823789339978248","refund_amount":"1","out_request_no":"R2","merchant":"m"}`); r.status != 503 || r.str("code") != "nothing_sent" {
		t.Errorf("%d %s", r.status, r.text)
	}

	// A token that comes with the request goes before the host's.
	s.expect(s.refund(`{"out_trade_no":"6823789339978248","refund_amount":"1","out_request_no":"R3","merchant":"m","app_auth_token":"t3"}`), 200, "succeeded")
	all := s.alipay.Calls()
	if got := all[len(all)-1].Params["app_auth_token"]; got != "t3" {
		t.Errorf("called with %q", got)
	}
}

// A token is forgotten once the refund that it came for is settled.
func TestTokenIsForgotten(t *testing.T) {
	s := newShop(t, func(c *alirefund.Config) {
		c.AppAuthToken = func(context.Context, string) (string, error) { return "fetched", nil }
	})
	s.trade()
	body := `{"out_trade_no":"6823789339978248","refund_amount":"1","out_request_no":"R1","merchant":"m"`
	s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "ACQ.SELLER_BALANCE_NOT_ENOUGH"})
	if r := s.refund(body + `,"app_auth_token":"came"}`); r.status != 422 {
		t.Fatalf("%d %s", r.status, r.text)
	}
	s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer})
	s.expect(s.refund(body+`}`), 200, "succeeded")
	for _, c := range s.alipay.Calls()[1:] {
		if c.Params["app_auth_token"] != "fetched" {
			t.Errorf("%s with %q", c.Method, c.Params["app_auth_token"])
		}
	}
}

// Alipay's answer to a wrong signature quotes the whole text that was to be
// signed, token included: nothing of it is kept.
func TestQuotedTokenIsNotKept(t *testing.T) {
	s := newShop(t)
	s.trade()
	s.config.App.Signer = newKey(t)
	s.restart()
	r := s.refund(`{"out_trade_no":"6823789339978248","refund_amount":"8.88","out_request_no":"R1","app_auth_token":"secret-token"}`)
	if r.status != 422 || r.str("sub_code") != "isv.invalid-signature" {
		t.Fatalf("%d %s", r.status, r.text)
	}
	if record := s.get(r.str("id")); strings.Contains(record.text+r.text, "secret-token") {
		t.Errorf("the token is kept: %s", record.text)
	}
}

// A merchant that is known by its token alone has a name that means nothing to
// the host, which is not asked for its token.
func TestHostIsNotAskedForADigest(t *testing.T) {
	var asked []string
	s := newShop(t, func(c *alirefund.Config) {
		c.AppAuthToken = func(_ context.Context, merchant string) (string, error) {
			asked = append(asked, merchant)
			return "t", nil
		}
	})
	s.trade()
	s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest})
	r := s.refund(partly[:len(partly)-1] + `,"app_auth_token":"t"}`)
	s.expect(r, 202, "pending")
	s.restart()
	if g := s.get(r.str("id")); g.str("attention") == "" || len(asked) != 0 {
		t.Errorf("asked for %q: %s", asked, g.text)
	}
}

// One number at two merchants is two refunds, of red packets too.
func TestRedPacketOfAMerchant(t *testing.T) {
	s := newShop(t)
	p := s.alipay.AddRedPacket(alipaytest.RedPacket{})
	body := func(merchant string) string {
		return fmt.Sprintf(`{"auth_no":%q,"out_request_no":"C1","amount":"1.00","remark":"r","merchant":%q,"appAuthToken":"t"}`, p.AuthNo, merchant)
	}
	one, two := s.coupon(body("m1")), s.coupon(body("m2"))
	if one.str("merchant") != "m1" || two.str("merchant") != "m2" || one.str("id") == two.str("id") {
		t.Errorf("%s\n%s", one.text, two.text)
	}
	if record := s.get(one.str("id")); record.str("actor") != "staff" {
		t.Errorf("record: %s", record.text)
	}
	if r := s.coupon(body("token:m")); r.pointers() != "/merchant" {
		t.Errorf("%d %s", r.status, r.text)
	}
}
