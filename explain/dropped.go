package explain

import (
	"slices"
	"strings"

	"github.com/alirefund/alirefund/signer"
)

// droppings yields f with fields put back that it does not have and whose values
// can be guessed.
func (e *examination) droppings(f *form, yield func(repair) bool) bool {
	put := func(cause Cause, fields ...signer.Param) bool {
		keys := make([]string, len(fields))
		for i, p := range fields {
			if p.Value == "" && cause == FieldDropped || f.has(p.Key) || slices.ContainsFunc(f.pairs, func(other signer.Param) bool { return damagedKey(p.Key, other) }) {
				return true
			}
			keys[i] = p.Key
		}
		return yield(repair{cause, naming(keys), slices.Concat(f.pairs, fields)})
	}
	for _, guess := range e.guesses(f) {
		for _, value := range guess.values {
			if !put(FieldDropped, signer.Param{Key: guess.key, Value: value}) {
				return false
			}
		}
	}
	for _, charset := range charsets {
		for _, version := range versions {
			if !put(FieldDropped, signer.Param{Key: "charset", Value: charset}, signer.Param{Key: "version", Value: version}) {
				return false
			}
		}
	}
	if !put(FieldDropped, signer.Param{Key: "app_id", Value: e.keys.AppID}, signer.Param{Key: "auth_app_id", Value: e.keys.AppID}) {
		return false
	}
	for _, key := range optional {
		if !put(EmptyValuesDropped, signer.Param{Key: key}) || !put(NullsDropped, signer.Param{Key: key, Value: "null"}) {
			return false
		}
	}
	for _, group := range [][]string{couponNulls, optional} {
		var nulls []signer.Param
		for _, key := range group {
			if !f.has(key) {
				nulls = append(nulls, signer.Param{Key: key, Value: "null"})
			}
		}
		if len(nulls) > 0 && !put(NullsDropped, nulls...) {
			return false
		}
	}
	return true
}

// optional are the fields that may come without a value; couponNulls those that
// the sample of a red packet's notice has as null.
var (
	optional    = strings.Fields("body passback_params buyer_logon_id buyer_open_id buyer_id voucher_detail_list fund_bill_list out_biz_no subject seller_email gmt_close extra_common_param")
	couponNulls = strings.Fields("auth_no out_order_no operation_id out_request_no status gmt_create gmt_trans payer_logon_id payer_user_id")
	charsets    = []string{"UTF-8", "utf-8", "GBK", "gbk", "UTF8"}
	versions    = []string{"1.0", "1.1"}
)

type guess struct {
	key    string
	values []string
}

// guesses are what the fields of f say about those that are missing.
func (e *examination) guesses(f *form) []guess {
	total := f.get("total_amount")
	seconds, _, _ := strings.Cut(f.get("gmt_refund"), ".")
	funds := ""
	if total != "" {
		funds = `[{"amount":"` + total + `","fundChannel":"ALIPAYACCOUNT"}]`
	}
	return []guess{
		{"charset", charsets},
		{"version", versions},
		{"app_id", []string{e.keys.AppID, f.get("auth_app_id")}},
		{"auth_app_id", []string{f.get("app_id")}},
		{"notify_type", []string{"trade_status_sync", "fund_stdtrustee_refund.success", "fund_auth_freeze", "fund_auth_unfreeze"}},
		{"trade_status", []string{"TRADE_SUCCESS", "TRADE_CLOSED", "TRADE_FINISHED", "WAIT_BUYER_PAY"}},
		{"total_amount", []string{f.get("receipt_amount"), f.get("buyer_pay_amount"), f.get("invoice_amount"), f.get("refund_fee")}},
		{"receipt_amount", []string{total, "0.00"}},
		{"buyer_pay_amount", []string{total, "0.00"}},
		{"invoice_amount", []string{total, "0.00"}},
		{"point_amount", []string{"0.00"}},
		{"refund_fee", []string{total, "0.00"}},
		{"fund_bill_list", []string{funds}},
		{"out_biz_no", []string{f.get("out_trade_no"), f.get("trade_no")}},
		{"out_trade_no", []string{f.get("out_biz_no")}},
		{"gmt_close", []string{seconds}},
		{"gmt_create", []string{f.get("gmt_payment")}},
		{"gmt_payment", []string{f.get("gmt_create")}},
		{"notify_time", []string{f.get("gmt_payment"), f.get("gmt_create"), seconds}},
		{"operation_type", []string{"REFUND", "PAY", "FREEZE", "UNFREEZE"}},
		{"status", []string{"SUCCESS"}},
		{"method", []string{"alipay.trade.page.pay.return", "alipay.trade.wap.pay.return"}},
		{"format", []string{"JSON", "json"}},
	}
}
