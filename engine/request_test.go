package engine_test

import (
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/internal/shoptest"
)

// tradeWith is a trade's refund with one more field.
func tradeWith(field string) string { return `{"out_trade_no":"1","refund_amount":1,` + field + `}` }

// packetWith is a red packet's refund with one field changed.
func packetWith(name, value string) string {
	fields := map[string]string{"auth_no": `"1"`, "out_request_no": `"1"`, "amount": "1", "remark": `"r"`}
	fields[name] = value
	var list []string
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		list = append(list, `"`+key+`":`+fields[key])
	}
	return "{" + strings.Join(list, ",") + "}"
}

// wrongFields has every field wrong once.
var wrongFields = []struct{ path, body, code, pointers string }{
	{"refunds", `{"out_trade_no":"1","out\u005ftrade_no":"2","refund_amount":1}`, "repeated_field", "/out_trade_no"},
	{"refunds", tradeWith(`"a/b~c":1`), "unknown_field", "/a~1b~0c"},
	{"refunds", tradeWith(`"refund_goods_detail":[{"goods_id":"1","refund_amount":1,"x":1}]`), "invalid_fields", "/refund_goods_detail"},
	{"refunds", tradeWith(`"refund_goods_detail":[{"goods_id":"1","refund_amount":1,"REFUND_AMOUNT":2}]`), "repeated_field", "/refund_goods_detail/0/REFUND_AMOUNT"},
	{"refunds", tradeWith(`"refund_goods_detail":[{"goods_id":"1","goodſ_id":"2","refund_amount":1}]`), "repeated_field", "/refund_goods_detail/0/goodſ_id"},
	{"refunds", tradeWith(`"refund_goods_detail":[{"goods_id":"1","refund_amount":1},{"goods_id":"1","goods_id":"2","refund_amount":1}]`), "repeated_field", "/refund_goods_detail/1/goods_id"},
	{"refunds", tradeWith(`"refund_goods_detail":[{"goods_id":"1","refund_amount":1,"x":{"y":1,"y":2}}]`), "repeated_field", "/refund_goods_detail/0/x/y"},
	{"refunds", tradeWith(`"refund_goods_detail":[` + strings.Repeat(`{"goods_id":"1","refund_amount":1},`, 100) + `{"goods_id":"1","refund_amount":1}]`), "invalid_fields", "/refund_goods_detail"},
	{"refunds", tradeWith(`"refund_royalty_parameters":[{"trans_in":""}]`), "invalid_fields", "/refund_royalty_parameters/0/trans_in"},
	{"refunds", tradeWith(`"query_options":[` + strings.Repeat(`"deposit_back_info",`, 8) + `"deposit_back_info"]`), "invalid_fields", "/query_options"},
	{"refunds", tradeWith(`"related_settle_confirm_no":"` + strings.Repeat("1", 65) + `"`), "invalid_fields", "/related_settle_confirm_no"},
	{"refunds", tradeWith(`"out_request_no":"` + strings.Repeat("1", 65) + `"`), "invalid_fields", "/out_request_no"},
	{"refunds", tradeWith(`"out_request_no":"1 "`), "invalid_fields", "/out_request_no"},
	{"refunds", tradeWith(`"out_request_no":"a\nb"`), "invalid_fields", "/out_request_no"},
	{"refunds", tradeWith(`"refund_reason":"` + strings.Repeat("1", 257) + `"`), "invalid_fields", "/refund_reason"},
	{"refunds", tradeWith(`"operator_id":"` + strings.Repeat("1", 31) + `"`), "invalid_fields", "/operator_id"},
	{"refunds", tradeWith(`"store_id":"` + strings.Repeat("1", 33) + `"`), "invalid_fields", "/store_id"},
	{"refunds", tradeWith(`"terminal_id":"` + strings.Repeat("1", 33) + `"`), "invalid_fields", "/terminal_id"},
	{"refunds", tradeWith(`"refund_currency":"USD"`), "invalid_fields", "/refund_currency"},
	{"refunds", tradeWith(`"refund_royalty_parameters":[{"trans_in":"1","amount_percentage":101}]`), "invalid_fields", "/refund_royalty_parameters/0/amount_percentage"},
	{"refunds", tradeWith(`"trade_no":" 1"`), "invalid_fields", "/trade_no"},
	{"refunds", tradeWith(`"trade_no":"` + strings.Repeat("1", 65) + `"`), "invalid_fields", "/trade_no"},
	{"refunds", tradeWith(`"app_auth_token":"` + strings.Repeat("1", 41) + `"`), "invalid_fields", "/app_auth_token"},
	{"refunds", tradeWith(`"merchant":"` + strings.Repeat("1", 65) + `"`), "invalid_fields", "/merchant"},
	{"coupon-refunds", packetWith("auth_no", `"`+strings.Repeat("1", 65)+`"`), "invalid_fields", "/auth_no"},
	{"coupon-refunds", packetWith("auth_no", `"1 "`), "invalid_fields", "/auth_no"},
	{"coupon-refunds", packetWith("out_request_no", `"`+strings.Repeat("1", 65)+`"`), "invalid_fields", "/out_request_no"},
	{"coupon-refunds", packetWith("out_request_no", `"1 "`), "invalid_fields", "/out_request_no"},
	{"coupon-refunds", packetWith("remark", `" r"`), "invalid_fields", "/remark"},
	{"coupon-refunds", packetWith("amount", `"100000000.01"`), "invalid_fields", "/amount"},
	{"coupon-refunds", packetWith("out_order_no", `"`+strings.Repeat("1", 65)+`"`), "invalid_fields", "/out_order_no"},
	{"coupon-refunds", packetWith("notify_url", `"https://a.example/`+strings.Repeat("1", 256)+`"`), "invalid_fields", "/notify_url"},
	{"coupon-refunds", packetWith("appAuthToken", `"`+strings.Repeat("1", 41)+`"`), "invalid_fields", "/appAuthToken"},
}

// Each field's own rule, and each way to give one twice.
func TestEveryFieldIsChecked(t *testing.T) {
	s := shoptest.NewShop(t)
	s.Trade()
	for _, c := range wrongFields {
		r := s.Do(http.MethodPost, "/alipay/"+c.path, c.body)
		if r.Str("code") != c.code || r.Pointers() != c.pointers {
			t.Errorf("%.120s\n  answers %d %s, want %s %s", c.body, r.Status, r.Text, c.code, c.pointers)
			continue
		}
		first := r.Body["errors"].([]any)[0].(map[string]any)
		if code, _ := first["code"].(string); code == "" || first["detail"] != r.Str("detail") {
			t.Errorf("%.120s\n  answers %s", c.body, r.Text)
		}
	}
	if r := s.Coupon(packetWith("notify_url", `"https://a.example/`+strings.Repeat("1", 256)+`"`)); !strings.Contains(r.Text, "256") {
		t.Errorf("a long notify_url: %s", r.Text)
	}
	if n := len(s.Alipay.Calls()); n != 0 {
		t.Errorf("%d calls were made", n)
	}
}

func TestHeadlessRedPacketIsChecked(t *testing.T) {
	var invalid *alirefund.ValidationError
	if _, err := shoptest.NewShop(t).Module.CouponRefund(t.Context(), alirefund.CouponRefundRequest{}); !errors.As(err, &invalid) || len(invalid.Fields) != 4 {
		t.Errorf("%v", err)
	}
}

// A hundred Chinese characters are a hundred characters.
func TestLengthsAreInCharacters(t *testing.T) {
	s := shoptest.NewShop(t)
	p := s.Alipay.AddRedPacket(alipaytest.RedPacket{})
	s.Expect(s.Coupon(`{"auth_no":"`+p.AuthNo+`","out_request_no":"C1","amount":1,"remark":"`+strings.Repeat("退", 100)+`"}`), 200, "succeeded")
}

// What people read may hold what a number may not: a wide blank, a joined emoji.
func TestTextsForPeople(t *testing.T) {
	s := shoptest.NewShop(t)
	s.Trade()
	s.Expect(s.Refund(`{"out_trade_no":"`+shoptest.Order+`","refund_amount":1,"out_request_no":"R 1","refund_reason":"破损　👨‍👩‍👧"}`), 200, "succeeded")
}

// What a till knows goes to Alipay as it was given; the currency is the only one there is.
func TestFieldsOfATill(t *testing.T) {
	s := shoptest.NewShop(t)
	s.Trade()
	s.Expect(s.Refund(`{"out_trade_no":"`+shoptest.Order+`","refund_amount":1,"out_request_no":"R1","operator_id":"OP1","store_id":"S1","terminal_id":"T1","refund_currency":"CNY",
		"refund_royalty_parameters":[{"trans_in":"2088101126708402","amount_percentage":50}]}`), 200, "succeeded")
	sent := s.CallsOf(gateway.MethodTradeRefund)[0].BizContent
	for _, want := range []string{`"operator_id":"OP1"`, `"store_id":"S1"`, `"terminal_id":"T1"`, `"amount_percentage":50`} {
		if !strings.Contains(sent, want) {
			t.Errorf("%s misses in %s", want, sent)
		}
	}
}
