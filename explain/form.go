package explain

import (
	"bytes"
	"encoding/base64"
	"html"
	"net/url"
	"slices"
	"strings"

	"github.com/alirefund/alirefund/signer"
)

// form is a list of fields: a notice, a message, a return_url or a request.
type form struct {
	kind   Kind
	pairs  []signer.Param // as they came, the signature among them
	params []signer.Param // the same without sign
	broken bool           // an escape that is none, or a bare semicolon, stands in it
	oddKey bool           // a key is no name
	twice  []string       // keys that are given more than once

	sign     string // base64 as it should be
	damage   Cause  // what happened to the signature alone, if anything
	hasSign  bool
	signType string
	hasType  bool
}

func newForm(pairs []signer.Param) *form {
	f := &form{pairs: pairs}
	seen := make(map[string]bool, len(pairs))
	for _, p := range pairs {
		if seen[p.Key] {
			f.twice = append(f.twice, p.Key)
		}
		seen[p.Key] = true
		switch p.Key {
		case "sign":
			f.hasSign = true
			f.sign, f.damage = cleanSign(p.Value)
			continue
		case "sign_type":
			f.hasType, f.signType = true, p.Value
		}
		f.params = append(f.params, p)
	}
	f.kind = f.classify()
	// Of a body that was encoded twice as a whole, the signature may be all
	// that shows it.
	if f.damage == SignDamaged && f.plain() && escaped(valueOf(pairs, "sign")) {
		f.damage = EncodedTwice
	}
	return f
}

func (f *form) get(key string) string { return valueOf(f.params, key) }

func (f *form) has(key string) bool {
	return slices.ContainsFunc(f.pairs, func(p signer.Param) bool { return p.Key == key })
}

func valueOf(params []signer.Param, key string) string {
	for _, p := range params {
		if p.Key == key {
			return p.Value
		}
	}
	return ""
}

// classify goes by the fields that each kind has.
func (f *form) classify() Kind {
	recognised := 0
	for _, p := range f.pairs {
		if known[p.Key] {
			recognised++
		}
	}
	method := f.get("method")
	switch {
	case recognised < 2:
		return KindUnknown
	case f.get("msg_method") != "":
		return KindMessage
	case strings.HasSuffix(method, ".return"):
		return KindReturnURL
	case method != "" && f.get("notify_id") == "" && (f.has("biz_content") || f.has("timestamp")):
		return KindRequest
	}
	return KindNotice
}

// plain tells whether no value has a character that a form encodes.
func (f *form) plain() bool {
	return !slices.ContainsFunc(f.params, func(p signer.Param) bool { return url.QueryEscape(p.Value) != p.Value })
}

// parse reads a form leniently: an escape that is none stays what it is.
func parse(raw []byte) *form {
	var pairs []signer.Param
	broken, oddKey := false, false
	for field := range bytes.SplitSeq(raw, []byte("&")) {
		if len(field) == 0 {
			continue
		}
		if len(pairs) == maxFields {
			broken, oddKey = true, true
			break
		}
		key, value, _ := strings.Cut(string(field), "=")
		key, keyOK := unescape(key)
		value, valueOK := unescape(value)
		oddKey = oddKey || !isName(key)
		broken = broken || !keyOK || !valueOK || oddKey
		pairs = append(pairs, signer.Param{Key: key, Value: value})
	}
	f := newForm(pairs)
	f.broken, f.oddKey = broken, oddKey
	return f
}

// maxFields bounds a form, as the module does.
const maxFields = 128

// unescape decodes what it can. A bare semicolon is no part of a form, as it
// once separated fields.
func unescape(text string) (string, bool) {
	if decoded, err := url.QueryUnescape(text); err == nil {
		return decoded, !strings.Contains(text, ";")
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '+':
			b.WriteByte(' ')
		case escaped(text[i:min(i+3, len(text))]):
			decoded, _ := url.PathUnescape(text[i : i+3])
			b.WriteString(decoded)
			i += 2
		default:
			b.WriteByte(text[i])
		}
	}
	return b.String(), false
}

// escaped tells whether text contains a percent-escape.
func escaped(text string) bool {
	for i := range len(text) - 2 {
		if text[i] == '%' && isHex(text[i+1]) && isHex(text[i+2]) {
			return true
		}
	}
	return false
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// isName tells whether the module would take key as one of Alipay's.
func isName(key string) bool {
	return key != "" && len(key) <= 64 && strings.Trim(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") == ""
}

// cleanSign undoes what happens to base64 on its way. Every signature is
// canonical base64, so that there is one way back.
func cleanSign(sign string) (clean string, damage Cause) {
	clean = strings.ReplaceAll(sign, " ", "+")
	if clean != sign && canonical(clean) {
		return clean, PlusAsSpace
	}
	clean = sign
	if escaped(clean) {
		if decoded, err := url.PathUnescape(clean); err == nil {
			clean = decoded
		}
	}
	clean = html.UnescapeString(signFixes.Replace(clean))
	clean = strings.TrimRight(strings.Trim(strings.ReplaceAll(clean, " ", "+"), `"'`), "=")
	clean += strings.Repeat("=", (4-len(clean)%4)%4)
	if clean == sign || !canonical(clean) {
		return sign, ""
	}
	return clean, SignDamaged
}

var signFixes = strings.NewReplacer("\r", "", "\n", "", "\t", "", `\/`, "/", `\u002b`, "+", `\u002B`, "+", `\u003d`, "=", `\u003D`, "=", "-", "+", "_", "/")

func canonical(sign string) bool {
	raw, err := base64.StdEncoding.Strict().DecodeString(sign)
	return err == nil && len(raw) >= 64 && base64.StdEncoding.EncodedLen(len(raw)) == len(sign)
}

// known are the fields that Alipay's pages, SDKs and captures name.
var known = func() map[string]bool {
	names := map[string]bool{}
	for name := range strings.FieldsSeq(`
		sign sign_type app_id auth_app_id method msg_method charset version format timestamp utc_timestamp biz_content
		notify_id notify_time notify_type notify_url return_url app_auth_token auth_token app_cert_sn alipay_root_cert_sn
		alipay_cert_sn encrypt_type alipay_sdk terminal_type terminal_info prod_code target_app_id ws_service_url
		trade_no out_trade_no out_biz_no out_request_no out_order_no auth_no operation_id operation_type trade_status status
		buyer_id buyer_logon_id buyer_open_id buyer_user_id buyer_email open_id seller_id seller_email seller_user_id
		payer_user_id payer_logon_id payer_open_id payee_user_id payee_logon_id merchant_app_id msg_type msg_app_id
		total_amount receipt_amount invoice_amount buyer_pay_amount point_amount refund_fee refund_amount refund_status
		send_back_fee amount rest_amount total_freeze_amount total_unfreeze_amount total_pay_amount trans_currency
		total_freeze_credit_amount total_freeze_fund_amount total_unfreeze_credit_amount total_unfreeze_fund_amount
		total_pay_credit_amount total_pay_fund_amount credit_amount fund_amount pre_auth_type
		subject body passback_params fund_bill_list voucher_detail_list gmt_create gmt_payment gmt_refund gmt_close gmt_trans
		total_fee price quantity discount use_coupon is_total_fee_adjust payment_type extra_common_param
		order_id out_detail_no store_id operator_id terminal_id extra`) {
		names[name] = true
	}
	return names
}()
