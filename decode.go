package alirefund

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/alirefund/alirefund/money"
)

// bodyError: the body is no JSON object, or not one of known fields.
type bodyError struct {
	pointer string // "" for the body as a whole
	detail  Text
}

func (e *bodyError) Error() string { return "alirefund: " + e.detail.En }

// jsonField is one field that a body may have, by its own name or by the one
// that the seed document cloud.payment.common.refund gives it.
type jsonField struct {
	name, alias string
	into        any // *string, *money.Amount, or a pointer to a list
}

func (r *RefundRequest) fields() []jsonField {
	return []jsonField{
		{"out_trade_no", "outTradeNo", &r.OutTradeNo},
		{"trade_no", "", &r.TradeNo},
		{"refund_amount", "refundAmount", &r.RefundAmount},
		{"out_request_no", "", &r.OutRequestNo},
		{"refund_reason", "", &r.RefundReason},
		{"refund_goods_detail", "", &r.RefundGoodsDetail},
		{"refund_royalty_parameters", "", &r.RefundRoyaltyParameters},
		{"query_options", "", &r.QueryOptions},
		{"related_settle_confirm_no", "", &r.RelatedSettleConfirmNo},
		{"merchant", "", &r.Merchant},
		{"app_auth_token", "appAuthToken", &r.AppAuthToken},
	}
}

func (r *CouponRefundRequest) fields() []jsonField {
	return []jsonField{
		{"auth_no", "", &r.AuthNo},
		{"out_request_no", "", &r.OutRequestNo},
		{"amount", "", &r.Amount},
		{"remark", "", &r.Remark},
		{"notify_url", "", &r.NotifyURL},
		{"out_order_no", "", &r.OutOrderNo},
		{"merchant", "", &r.Merchant},
		{"app_auth_token", "appAuthToken", &r.AppAuthToken},
	}
}

// decode reads a body strictly: one JSON object, only known fields, none twice
// under either of its names, each of its type. It returns the names by which
// the caller wrote the fields that have two, and fails with [*bodyError] for
// what is no such object, with [*ValidationError] for values of a wrong type.
func decode(body []byte, fields []jsonField) (written map[string]string, err error) {
	d := json.NewDecoder(bytes.NewReader(body))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, notJSON()
	}
	seen := make([]string, len(fields))
	wrong := &ValidationError{}
	for d.More() {
		key, err := d.Token()
		name, ok := key.(string)
		if err != nil || !ok {
			return nil, notJSON()
		}
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return nil, notJSON()
		}
		i := find(fields, name)
		if i < 0 {
			return nil, unknownField("/"+escapePointer(name), fields)
		}
		if seen[i] != "" {
			return nil, &bodyError{"/" + name, Text{
				En: fmt.Sprintf("%s is given twice (as %s)", name, seen[i]),
				Zh: fmt.Sprintf("%s重复出现(已以%s传入)", name, seen[i]),
			}}
		}
		seen[i] = name
		if name != fields[i].name {
			if written == nil {
				written = map[string]string{}
			}
			written[fields[i].name] = name
		}
		if err := fill(fields[i].into, raw, "/"+name); err != nil {
			var invalid *ValidationError
			if !errors.As(err, &invalid) {
				return nil, err
			}
			wrong.Fields = append(wrong.Fields, invalid.Fields...)
		}
	}
	if _, err := d.Token(); err != nil {
		return nil, notJSON()
	}
	if rest := bytes.TrimSpace(body[d.InputOffset():]); len(rest) > 0 {
		return nil, notJSON()
	}
	if len(wrong.Fields) > 0 {
		return nil, wrong
	}
	return written, nil
}

func find(fields []jsonField, name string) int {
	for i := range fields {
		if name == fields[i].name || name == fields[i].alias && name != "" {
			return i
		}
	}
	return -1
}

// fill decodes one value.
func fill(into any, raw json.RawMessage, at string) error {
	switch into := into.(type) {
	case *string:
		if raw[0] != '"' || json.Unmarshal(raw, into) != nil {
			return invalid(at, "type", Text{En: at[1:] + " must be a JSON string", Zh: at[1:] + "必须是JSON字符串"})
		}
		return nil
	case *money.Amount:
		if raw[0] == 'n' { // null, which encoding/json would skip
			return invalid(at, "amount", amountText(at))
		}
		if err := json.Unmarshal(raw, into); err != nil {
			return invalid(at, "amount", amountText(at))
		}
		return nil
	}
	if err := twice(json.NewDecoder(bytes.NewReader(raw)), at); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return invalid(at, "type", Text{
			En: at[1:] + " must be a list as Alipay documents it, without further fields",
			Zh: at[1:] + "必须是支付宝文档规定的列表,不能包含其他字段",
		})
	}
	return nil
}

func amountText(at string) Text {
	return Text{
		En: at[1:] + ` must be an amount in yuan with at most two decimals, such as "88.88" or 88.88`,
		Zh: at[1:] + `必须是以元为单位、最多两位小数的金额,例如"88.88"或88.88`,
	}
}

// twice refuses objects that have a key twice, at any depth: decoders disagree
// on which one counts.
func twice(d *json.Decoder, at string) error {
	t, err := d.Token()
	if err != nil {
		return notJSON()
	}
	delim, ok := t.(json.Delim)
	if !ok {
		return nil
	}
	seen := map[string]bool{}
	for i := 0; d.More(); i++ {
		below := at + "/" + index(i)
		if delim == '{' {
			key, err := d.Token()
			if err != nil {
				return notJSON()
			}
			name := key.(string) //nolint:errcheck,forcetypeassert // the decoder's keys are strings
			below = at + "/" + escapePointer(name)
			if folded := strings.ToLower(name); seen[folded] {
				return &bodyError{below, Text{En: name + " is given twice", Zh: name + "重复出现"}}
			} else {
				seen[folded] = true
			}
		}
		if err := twice(d, below); err != nil {
			return err
		}
	}
	_, err = d.Token()
	return err
}

func notJSON() *bodyError {
	return &bodyError{"", Text{En: "the body must be one JSON object", Zh: "请求体必须是一个JSON对象"}}
}

func unknownField(at string, fields []jsonField) *bodyError {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.name
	}
	known := strings.Join(names, ", ")
	return &bodyError{at, Text{
		En: fmt.Sprintf("unknown field %.80q; known are %s", at[1:], known),
		Zh: fmt.Sprintf("未知字段%.80q;可用字段:%s", at[1:], known),
	}}
}

func escapePointer(name string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}
