package alirefund_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"unicode/utf8"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/internal/shoptest"
)

// What an operator reads at night must not lead to a second refund.

// While nothing is known, no "Success" of a query stands in the answer.
func TestPendingShowsNoSuccess(t *testing.T) {
	for _, fault := range []alipaytest.FaultKind{alipaytest.SystemErrorBefore, alipaytest.LostRequest, alipaytest.HTTP500} {
		s := shoptest.NewShop(t)
		s.Trade()
		s.Alipay.Inject(alipaytest.Fault{Kind: fault})
		r := s.Refund(shoptest.Partly)
		s.Expect(r, 202, "pending")
		for _, text := range []string{r.Text, s.Get(r.Str("id")).Text} {
			if strings.Contains(text, "Success") || strings.Contains(text, `"10000"`) {
				t.Errorf("%s: nothing moved, and the answer says %s", fault, text)
			}
		}
	}
}

// Why nothing is known is shown, in the answer and to the host.
func TestWhyARefundIsUnresolvedIsShown(t *testing.T) {
	var reason string
	s := shoptest.NewShop(t, func(c *alirefund.Config) {
		c.OnRefundUnresolved = func(_ context.Context, e alirefund.RefundUnresolved) error {
			reason = e.Reason
			return nil
		}
	})
	s.Trade()
	s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.HTTP500}, shoptest.NoQuery)
	r := s.Refund(shoptest.Partly)
	s.Expect(r, 202, "pending")
	if heard, _ := r.Body["heard"].(map[string]any); !strings.Contains(fmt.Sprint(heard["message"]), "HTTP status 500") || r.Body["delivered"] != false {
		t.Errorf("answer: %s", r.Text)
	}
	if g := s.Get(r.Str("id")); g.Header.Get("Retry-After") == "" {
		t.Errorf("headers: %v", g.Header)
	}
	if r := s.Refund(shoptest.Partly); r.Body["delivered"] != false {
		t.Errorf("answer: %s", r.Text)
	}
	s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.GatewayError}, alipaytest.Fault{Kind: alipaytest.GatewayError, Method: gateway.MethodRefundQuery})
	r = s.Refund(shoptest.Numbered("R2", "1"))
	if !strings.Contains(reason, "isv.invalid-app-id") || r.Str("attention") != reason || r.Body["delivered"] != false {
		t.Errorf("reason %q: %s", reason, r.Text)
	}
}

// Alipay's node is answered as it came.
func TestNodeIsVerbatim(t *testing.T) {
	s := shoptest.NewShop(t)
	node := `{"code":"10000","fund_change":"Y","out_trade_no":"6823789339978248","store_name":"A & B <x>"}`
	s.Voice(func(string, url.Values) string { return node })
	r := s.Refund(shoptest.Partly)
	if g := s.Get(r.Str("id")); !strings.Contains(r.Text, node) || !strings.Contains(g.Text, node) {
		t.Errorf("%s\n%s", r.Text, g.Text)
	}
}

// A node that is not UTF-8 leaves the routes as UTF-8.
func TestNodeInAnotherCharset(t *testing.T) {
	s := shoptest.NewShop(t)
	s.Voice(func(string, url.Values) string {
		return "{\"code\":\"10000\",\"fund_change\":\"Y\",\"out_trade_no\":\"6823789339978248\",\"store_name\":\"\xb2\xe2\"}"
	})
	r := s.Refund(shoptest.Partly)
	s.Expect(r, 200, "succeeded")
	if g := s.Get(r.Str("id")); !utf8.ValidString(r.Text) || !utf8.ValidString(g.Text) || g.Status != 200 {
		t.Errorf("%q\n%q", r.Text, g.Text)
	}
}

// What no hook of the host's hears is not delivered, by whichever route it is told.
func TestDeliveredWithoutAHook(t *testing.T) { synctest.Test(t, inDeliveredWithoutAHook) }

func inDeliveredWithoutAHook(t *testing.T) {
	s := shoptest.NewShop(t, func(c *alirefund.Config) { c.OnRefundFailed = nil })
	s.Trade()
	s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "ACQ.BUYER_NOT_EXIST"})
	refused := s.Refund(shoptest.Partly)
	for what, r := range map[string]shoptest.Reply{
		"refused": refused, "repeated": s.Refund(shoptest.Partly), "conflict": s.Refund(shoptest.Numbered("R1", "1.00")), "looked up": s.Get(refused.Str("id")),
	} {
		if delivered, told := r.Body["delivered"].(bool); delivered || !told {
			t.Errorf("%s: %d %s", what, r.Status, r.Text)
		}
	}
	if r := s.List("out_request_no=R1"); !strings.Contains(r.Text, `"delivered":false`) {
		t.Errorf("listed: %s", r.Text)
	}
	if r := s.List("undelivered=true"); r.Listed() != "" { // nothing is left to do
		t.Errorf("undelivered: %s", r.Text)
	}
	s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refused})
	s.Refund(shoptest.Numbered("R2", "1.00"))
	if r := s.List("out_request_no=R2"); !strings.Contains(r.Text, `"state":"failed"`) || !strings.Contains(r.Text, `"delivered":false`) {
		t.Errorf("never sent: %s", r.Text)
	}
	s.Config.OnRefundSucceeded = nil
	s.Restart()
	if r := s.Refund(shoptest.Numbered("R3", "1.00")); r.Status != 200 || r.Body["delivered"] != false {
		t.Errorf("succeeded: %d %s", r.Status, r.Text)
	}
}

// The pages' answers are what two refunds of one order are really answered, the second
// with another refund_fee than its amount. The README shows the first.
func TestReadmeAnswers(t *testing.T) { synctest.Test(t, inReadmeAnswers) }

func inReadmeAnswers(t *testing.T) {
	s := shoptest.NewShop(t)
	s.Trade()
	first := s.Refund(`{"out_trade_no":"6823789339978248","refund_amount":"8.88","out_request_no":"R1"}`)
	second := s.Refund(`{"out_trade_no":"6823789339978248","refund_amount":"1.00","out_request_no":"R2"}`)
	for page, shown := range map[string]int{"README.md": 1, "README.zh-CN.md": 1, "docs/answers.md": 2, "docs/answers.zh-CN.md": 2} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		samples := regexp.MustCompile("(?s)```json\n(.*?)```").FindAllStringSubmatch(string(text), -1)
		if len(samples) != shown {
			t.Fatalf("%s has %d answers", page, len(samples))
		}
		for i, r := range []shoptest.Reply{first, second}[:shown] {
			var sample map[string]any
			if err := json.Unmarshal([]byte(samples[i][1]), &sample); err != nil {
				t.Fatal(err)
			}
			delete(sample, "id")
			node := r.Body["alipay"].(map[string]any)
			for name, value := range sample["alipay"].(map[string]any) {
				if node[name] != value {
					t.Errorf("%s: alipay.%s is %v, answered is %s", page, name, value, r.Text)
				}
			}
			delete(sample, "alipay")
			for name, value := range sample {
				if r.Body[name] != value {
					t.Errorf("%s: %s is %v, answered is %s", page, name, value, r.Text)
				}
			}
		}
	}
}
