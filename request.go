package alirefund

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-playground/locales/en"
	"github.com/go-playground/locales/zh"
	ut "github.com/go-playground/universal-translator"
	"github.com/go-playground/validator/v10"
	entranslations "github.com/go-playground/validator/v10/translations/en"
	zhtranslations "github.com/go-playground/validator/v10/translations/zh"

	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/money"
)

// RefundRequest asks for the refund of a trade, or of a part of it. The fields
// are alipay.trade.refund's; lengths are in characters.
type RefundRequest struct {
	// OutTradeNo, TradeNo: one of them is required; both must be of one order.
	OutTradeNo string `json:"out_trade_no" validate:"required_without=TradeNo,max=64,plain"`
	TradeNo    string `json:"trade_no" validate:"max=64,plain"`
	// RefundAmount is what this refund returns, in fen: 8_88 is 8.88 yuan.
	RefundAmount money.Amount `json:"refund_amount" validate:"amount"`
	// OutRequestNo is the refund's own number, within its order. A partial
	// refund needs one; without it the order's number is it. The same number
	// again is the same refund.
	OutRequestNo string `json:"out_request_no" validate:"max=64,plain"`
	RefundReason string `json:"refund_reason" validate:"max=256,plain"` // shown to the buyer

	RefundGoodsDetail       []gateway.RefundGoods   `json:"refund_goods_detail" validate:"max=100,dive"`
	RefundRoyaltyParameters []gateway.RefundRoyalty `json:"refund_royalty_parameters" validate:"max=20,dive"`
	QueryOptions            []string                `json:"query_options" validate:"max=8,dive,oneof=refund_detail_item_list deposit_back_info refund_voucher_detail_list"`
	RelatedSettleConfirmNo  string                  `json:"related_settle_confirm_no" validate:"max=64,plain"`

	// Merchant names whom an ISV's application acts for, best by the merchant's
	// auth_app_id, and Config.AppAuthToken returns its token. AppAuthToken is
	// the token itself. With a token alone, the merchant is known by the token,
	// and a refreshed token is another merchant.
	Merchant     string `json:"merchant" validate:"max=64,plain,startsnotwith=token:"`
	AppAuthToken string `json:"app_auth_token" validate:"max=40,plain"`

	// Actor is who asks; it stands in the refund's record.
	Actor string `json:"-"`
}

// CouponRefundRequest asks for the return of a red packet, or of what nobody
// took of it. The fields are alipay.fund.coupon.order.refund's, also with
// [FundTransRefund]; lengths are in characters.
type CouponRefundRequest struct {
	// AuthNo is Alipay's number of the red packet: its auth_no, or its order_id
	// with [FundTransRefund].
	AuthNo string `json:"auth_no" validate:"required,max=64,plain"`
	// OutRequestNo is the refund's own number, never used before by the merchant,
	// and not the payment's. The same number again is the same refund.
	OutRequestNo string       `json:"out_request_no" validate:"required,max=64,plain"`
	Amount       money.Amount `json:"amount" validate:"amount"`
	Remark       string       `json:"remark" validate:"required,max=100,plain"`
	// NotifyURL is where the success is notified: App.NotifyURL, or one of
	// App.NotifyURLs.
	NotifyURL string `json:"notify_url" validate:"max=256"`
	// OutOrderNo is the red packet's own number at the merchant. Optional: with
	// it an unresolved refund can be asked about; without it only the notice
	// tells, because Alipay's query takes no other pair that is known by then. A
	// repeat of the request may add it.
	OutOrderNo string `json:"out_order_no" validate:"max=64,plain"`

	Merchant     string `json:"merchant" validate:"max=64,plain,startsnotwith=token:"` // see RefundRequest
	AppAuthToken string `json:"app_auth_token" validate:"max=40,plain"`
	Actor        string `json:"-"`
}

// rules validates requests, with a validator of the module's own: Gin's global
// one stays as the host set it.
type rules struct {
	validate *validator.Validate
	en, zh   ut.Translator
}

func newRules() (*rules, error) {
	r := &rules{validate: validator.New(validator.WithRequiredStructEnabled())}
	r.validate.RegisterTagNameFunc(func(f reflect.StructField) string {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		return name
	})
	universal := ut.New(en.New(), en.New(), zh.New())
	r.en, _ = universal.GetTranslator("en")
	r.zh, _ = universal.GetTranslator("zh")
	own := func(tag string, f validator.Func, english, chinese string) error {
		var err error
		if f != nil {
			err = r.validate.RegisterValidation(tag, f)
		}
		return errors.Join(
			err,
			r.validate.RegisterTranslation(tag, r.en, add(tag, english), say(tag)),
			r.validate.RegisterTranslation(tag, r.zh, add(tag, chinese), say(tag)),
		)
	}
	return r, errors.Join(
		entranslations.RegisterDefaultTranslations(r.validate, r.en),
		zhtranslations.RegisterDefaultTranslations(r.validate, r.zh),
		own("amount", isAmount, "{0} is required, between 0.01 and 100000000.00 yuan", "{0}为必填字段，必须在0.01元到100000000.00元之间"),
		own("plain", isPlain, "{0} must have no control characters and no blanks at its ends", "{0}不能包含控制字符，首尾不能有空白"),
		own("startsnotwith", nil, "{0} must not begin with {1}", "{0}不能以{1}开头"),
		own("required_without", nil, "{0} or {1} is required", "{0}与{1}至少填写一个"),
	)
}

func add(tag, text string) validator.RegisterTranslationsFunc {
	return func(t ut.Translator) error { return t.Add(tag, text, true) }
}

func say(tag string) validator.TranslationFunc {
	return func(t ut.Translator, e validator.FieldError) string {
		param := e.Param()
		if tag == "required_without" {
			param = "trade_no"
		}
		text, err := t.T(tag, e.Field(), param)
		if err != nil {
			return e.Error()
		}
		return text
	}
}

func isAmount(f validator.FieldLevel) bool { return money.Amount(f.Field().Int()).InRange() }

func isPlain(f validator.FieldLevel) bool {
	text := f.Field().String()
	// U+FFFD is what decoders make of anything that is no character: two texts
	// with it may have been different.
	return text == strings.TrimSpace(text) && utf8.ValidString(text) && !strings.ContainsRune(text, utf8.RuneError) &&
		strings.IndexFunc(text, unicode.IsControl) < 0
}

// check returns a [*ValidationError] with every wrong field of a request, or
// nil. written maps fields to the names that the caller wrote them by.
func (r *rules) check(request any, written map[string]string) error {
	err := r.validate.Struct(request)
	if err == nil {
		return nil
	}
	var wrong validator.ValidationErrors
	if !errors.As(err, &wrong) {
		return fmt.Errorf("alirefund: validating: %w", err)
	}
	out := &ValidationError{}
	for _, e := range wrong {
		_, path, _ := strings.Cut(e.Namespace(), ".")
		name := e.Field()
		as := func(text string) string { return text }
		if other := written[name]; other != "" && path == name {
			path = other
			as = func(text string) string { return strings.Replace(text, name, other, 1) }
		}
		out.Fields = append(out.Fields, FieldError{
			Pointer: pointer(path), Rule: e.Tag(),
			Detail: Text{En: as(e.Translate(r.en)), Zh: as(e.Translate(r.zh))},
		})
	}
	return out
}

// pointer turns a[0].b into /a/0/b.
func pointer(path string) string {
	return "/" + strings.NewReplacer(".", "/", "[", "/", "]", "").Replace(path)
}

func invalid(pointer, rule string, detail Text) *ValidationError {
	return &ValidationError{Fields: []FieldError{{Pointer: pointer, Rule: rule, Detail: detail}}}
}
