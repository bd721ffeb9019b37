package alirefund_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/internal/shoptest"
	"github.com/alirefund/alirefund/money"
)

// Two lone surrogates decode to the same character: one number for two refunds.
func TestNumbersThatAreNoText(t *testing.T) {
	s := shoptest.NewShop(t)
	s.Trade()
	for _, number := range []string{`R\ud800`, `R\ud801`, "R\xff", `R\ufffd`} {
		r := s.Refund(`{"out_trade_no":"6823789339978248","refund_amount":"8.88","out_request_no":"` + number + `"}`)
		if r.Status != 422 || r.Pointers() != "/out_request_no" {
			t.Errorf("%q: %d %s", number, r.Status, r.Text)
		}
	}
	s.ExpectMoved("")
}

// Whatever body comes: an answer that the routes document, valid JSON, and money
// moves only for a body that encoding/json reads as the same refund.
func FuzzRefundBody(f *testing.F) {
	for _, seed := range []string{
		shoptest.Partly, `{"outTradeNo":"6823789339978248","refundAmount":0.01}`, `{"out_trade_no":"6823789339978248","refund_amount":"1","refund_amount":"2"}`,
		`{"out_trade_no":"\u0036823789339978248","refund_amount":1}`, `{}`, `[`, `{"a":{"b":[1,{"c":null}]}}`, "\x00", `{"refund_goods_detail":[{"goods_id":"1","refund_amount":1}],"trade_no":"1","refund_amount":1}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		s := shoptest.NewShop(t)
		s.Alipay.AddTrade(alipaytest.Trade{OutTradeNo: shoptest.Order, Total: 88_88})
		r := s.Refund(body)
		switch r.Status {
		case 200, 400, 409, 413, 422, 503:
		default:
			t.Fatalf("%q answers %d %s", body, r.Status, r.Text)
		}
		if !json.Valid([]byte(r.Text)) {
			t.Fatalf("%q answers %q", body, r.Text)
		}
		moved := s.Alipay.Movements()
		if (r.Status == http.StatusOK) != (len(moved) == 1) {
			t.Fatalf("%q answers %d and moves %v", body, r.Status, moved)
		}
		if len(moved) == 0 {
			return
		}
		var plain map[string]json.RawMessage
		if err := json.Unmarshal([]byte(body), &plain); err != nil {
			t.Fatalf("%q moved money: %v", body, err)
		}
		raw := plain["refund_amount"]
		if raw == nil {
			raw = plain["refundAmount"]
		}
		if want, err := money.Parse(strings.Trim(string(raw), `"`)); err != nil || want != moved[0].Amount {
			t.Fatalf("%q moved %s: %v", body, moved[0].Amount, err)
		}
	})
}
