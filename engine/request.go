package engine

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-playground/locales/en"
	"github.com/go-playground/locales/zh"
	ut "github.com/go-playground/universal-translator"
	"github.com/go-playground/validator/v10"
	entranslations "github.com/go-playground/validator/v10/translations/en"
	zhtranslations "github.com/go-playground/validator/v10/translations/zh"

	"github.com/alirefund/alirefund/money"
)

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
		own("amount", isAmount, "{0} must be between 0.01 and 100000000.00 yuan", "{0} 必须在 0.01 元到 100000000.00 元之间"),
		own("plain", isPlain, "{0} must have no control characters, no invisible ones, and no blanks at its ends; it has {1}", "{0} 不能包含控制字符和不可见字符，首尾不能有空白；其中有 {1}"),
		own("startsnotwith", nil, "{0} must not begin with {1}", "{0} 不能以 {1} 开头"),
		own("required_without", nil, "{0} or {1} is required", "{0} 与 {1} 至少填写一个"),
	)
}

func add(tag, text string) validator.RegisterTranslationsFunc {
	return func(t ut.Translator) error { return t.Add(tag, text, true) }
}

func say(tag string) validator.TranslationFunc {
	return func(t ut.Translator, e validator.FieldError) string {
		param := e.Param()
		switch tag {
		case "required_without":
			param = "trade_no"
		case "plain":
			text, _ := e.Value().(string)
			r, _ := notPlain(text, param)
			param = fmt.Sprintf("U+%04X", r)
		}
		text, err := t.T(tag, e.Field(), param)
		if err != nil {
			return e.Error()
		}
		return text
	}
}

func isAmount(f validator.FieldLevel) bool { return money.Amount(f.Field().Int()).InRange() }

// isPlain refuses what is not seen, so that two numbers that look the same are the same.
// In a text for people (plain=text) wide blanks and joiners have their use.
func isPlain(f validator.FieldLevel) bool {
	_, wrong := notPlain(f.Field().String(), f.Param())
	return !wrong
}

// brailleBlank is a sign without dots, which is seen as a blank.
var brailleBlank = &unicode.RangeTable{R16: []unicode.Range16{{Lo: 0x2800, Hi: 0x2800, Stride: 1}}}

// notPlain returns the first character that must not be in a text.
func notPlain(text, of string) (r rune, wrong bool) {
	for _, r := range text {
		// U+FFFD is what decoders make of anything that is no character: two texts
		// with it may have been different.
		if r == utf8.RuneError || unicode.IsControl(r) {
			return r, true
		}
		if of != "text" && r != ' ' && unicode.In(r, unicode.Cf, unicode.Z, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector, brailleBlank) {
			return r, true
		}
	}
	first, _ := utf8.DecodeRuneInString(text)
	last, _ := utf8.DecodeLastRuneInString(text)
	if unicode.IsSpace(first) {
		return first, true
	}
	return last, unicode.IsSpace(last)
}

// The rules that an amount may break, beside being required.
const (
	RuleAmount    = "amount"    // it is no amount
	RulePrecision = "precision" // it has more than two decimals
	RuleRange     = "range"     // it is less than 0.01 or more than 100000000.00 yuan
)

// check returns a [*ValidationError] with every wrong field of a request, or
// nil.
func (r *rules) check(request any) error {
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
		f := FieldError{Pointer: pointer(path), Rule: e.Tag(), Detail: Text{En: e.Translate(r.en), Zh: spaced(e.Translate(r.zh))}}
		if e.Tag() == "amount" {
			f.Rule = RuleRange
			if e.Value() == money.Amount(0) { // which is none
				f.Rule, f.Detail = "required", Text{En: e.Field() + " is a required field", Zh: e.Field() + " 为必填字段"}
			}
		}
		out.Fields = append(out.Fields, f)
	}
	return out
}

var (
	latinBehindHan = regexp.MustCompile(`(\p{Han})([0-9A-Za-z])`)
	hanBehindLatin = regexp.MustCompile(`([0-9A-Za-z\]])(\p{Han})`)
)

// spaced puts the blanks around Latin words and figures that the validator's own Chinese
// texts lack.
func spaced(text string) string {
	return hanBehindLatin.ReplaceAllString(latinBehindHan.ReplaceAllString(text, "$1 $2"), "$1 $2")
}

// pointer turns a[0].b into /a/0/b.
func pointer(path string) string {
	return "/" + strings.NewReplacer(".", "/", "[", "/", "]", "").Replace(path)
}

// chooseNotifyURL returns where Alipay is to notify a refund: where callbacks go
// is the host's to say, so that what a request asks for must be on its list.
func chooseNotifyURL(app App, asked string) (string, error) {
	switch {
	case asked == "":
		return app.NotifyURL, nil
	case app.allowsNotifyURL(asked):
		return asked, nil
	}
	return "", invalid("/notify_url", "allowed", Text{
		En: "notify_url must be one of the application's own (App.NotifyURL, App.NotifyURLs)",
		Zh: "notify_url 必须是本应用配置的通知地址之一（App.NotifyURL、App.NotifyURLs）",
	})
}
