package alirefund

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/alirefund/alirefund/internal/rawjson"
	"github.com/alirefund/alirefund/money"
)

// bodyError: the body is no JSON object, or not one of known fields.
type bodyError struct {
	code    string // of the problem
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
	if !json.Valid(body) {
		return nil, notJSON()
	}
	seen := make([]string, len(fields))
	wrong := &ValidationError{}
	var broken error
	_, err = rawjson.Fields(body, func(key, value []byte) {
		if broken != nil {
			return
		}
		name := text(key)
		i := find(fields, name)
		switch {
		case i < 0:
			broken = unknownField("/"+escapePointer(name), fields)
			return
		case seen[i] != "":
			broken = givenTwice("/"+name, name)
			return
		}
		seen[i] = name
		if name != fields[i].name {
			if written == nil {
				written = map[string]string{}
			}
			written[fields[i].name] = name
		}
		var invalid *ValidationError
		if err := fill(fields[i].into, value, "/"+name); errors.As(err, &invalid) {
			wrong.Fields = append(wrong.Fields, invalid.Fields...)
		} else if err != nil {
			broken = err
		}
	})
	switch {
	case err != nil:
		return nil, notJSON()
	case broken != nil:
		return nil, broken
	case len(wrong.Fields) > 0:
		return nil, wrong
	}
	return written, nil
}

// text is the content of a JSON string without its quotes.
func text(inner []byte) string {
	if bytes.IndexByte(inner, '\\') < 0 {
		return string(inner)
	}
	var s string
	_ = json.Unmarshal(slices.Concat([]byte{'"'}, inner, []byte{'"'}), &s) // it was found valid
	return s
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
		if raw[0] != '"' {
			return invalid(at, "type", Text{En: at[1:] + " must be a JSON string", Zh: at[1:] + "必须是JSON字符串"})
		}
		*into = text(raw[1 : len(raw)-1])
		return nil
	case *money.Amount:
		if raw[0] == 'n' { // null, which encoding/json would skip
			return invalid(at, "amount", amountText(at))
		}
		if err := into.UnmarshalJSON(raw); err != nil {
			return invalid(at, "amount", amountText(at))
		}
		return nil
	}
	if err := twice(raw, at); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return invalid(at, "type", Text{
			En: at[1:] + " must be a list as Alipay documents it, without further fields",
			Zh: at[1:] + "必须是支付宝文档规定的列表，不能包含其他字段",
		})
	}
	return nil
}

func amountText(at string) Text {
	return Text{
		En: at[1:] + ` must be an amount in yuan with at most two decimals, such as "88.88" or 88.88`,
		Zh: at[1:] + `必须是以元为单位、最多两位小数的金额，例如"88.88"或88.88`,
	}
}

// twice refuses a value in which an object has a key twice, at any depth:
// decoders disagree on which one counts.
func twice(raw []byte, at string) (err error) {
	below := func(name string, value []byte) {
		if err == nil {
			err = twice(value, at+"/"+name)
		}
	}
	switch raw[0] {
	case '{':
		seen := map[string]bool{}
		_, _ = rawjson.Fields(raw, func(key, value []byte) { // it was found valid
			name := text(key)
			if folded := strings.ToLower(strings.ToUpper(name)); seen[folded] && err == nil {
				err = givenTwice(at+"/"+escapePointer(name), name)
			} else {
				seen[folded] = true
			}
			below(escapePointer(name), value)
		})
	case '[':
		i := 0
		rawjson.Items(raw, func(item []byte) {
			below(strconv.Itoa(i), item)
			i++
		})
	}
	return err
}

func givenTwice(at, name string) *bodyError {
	return &bodyError{"repeated_field", at, Text{En: name + " is given twice", Zh: name + "重复出现"}}
}

func notJSON() *bodyError {
	return &bodyError{"not_json", "", Text{En: "the body must be one JSON object", Zh: "请求体必须是一个JSON对象"}}
}

func unknownField(at string, fields []jsonField) *bodyError {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.name
	}
	known := strings.Join(names, ", ")
	return &bodyError{"unknown_field", at, Text{
		En: fmt.Sprintf("unknown field %.80q; known are %s", at[1:], known),
		Zh: fmt.Sprintf("未知字段%.80q;可用字段:%s", at[1:], known),
	}}
}

func escapePointer(name string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}
