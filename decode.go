package alirefund

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/alirefund/alirefund/engine"
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

var errMediaType = errors.New("alirefund: Content-Type must be application/json")

// decodeBody reads a request's body into request, a pointer to one of the engine's
// requests. It returns the names by which the caller wrote the fields that have
// two. It fails with errMediaType, with [*http.MaxBytesError], and as [decode].
func decodeBody(c *gin.Context, request any) (written map[string]string, err error) {
	// Another type could be sent by a form on a page of somebody else's.
	if kind, _, err := mime.ParseMediaType(c.GetHeader("Content-Type")); err != nil || kind != "application/json" {
		return nil, errMediaType
	}
	body, err := io.ReadAll(c.Request.Body)
	if err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return nil, err
		}
		return nil, &bodyError{"not_json", "", Text{En: "the body broke off before its end", Zh: "请求体未传完就中断了"}}
	}
	return decode(body, fieldsOf(request))
}

// jsonField is one field that a body may have, by its own name or by the one
// that the seed document cloud.payment.common.refund gives it.
type jsonField struct {
	name, alias string
	into        reflect.Value // a string, a money.Amount or a list, to be set
}

// fieldsOf returns the fields of a request, by their tags json and alias.
func fieldsOf(request any) []jsonField {
	value := reflect.ValueOf(request).Elem()
	fields := make([]jsonField, 0, value.NumField())
	for i := range value.NumField() {
		tag := value.Type().Field(i).Tag
		if name, _, _ := strings.Cut(tag.Get("json"), ","); name != "-" {
			fields = append(fields, jsonField{name, tag.Get("alias"), value.Field(i)})
		}
	}
	return fields
}

// decode reads a body strictly: one JSON object, only known fields, none twice
// under either of its names, each of its type. It returns the names by which
// the caller wrote the fields that have two, and fails with [*bodyError] for
// what is no such object, with [*ValidationError] for values that cannot be read; the
// others are read all the same.
func decode(body []byte, fields []jsonField) (written map[string]string, err error) {
	if text, bad := notJSON(body); bad {
		return nil, &bodyError{"not_json", "", text}
	}
	seen := make([]string, len(fields))
	var wrong wrongFields
	var broken error
	_, _ = rawjson.Fields(body, func(key, value []byte) {
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
		switch err := twice(value, "/"+name, 1); {
		case errors.Is(err, errTooDeep):
			wrong.refuseList("/" + name)
		case err != nil:
			broken = err
		default:
			wrong.fill(fields[i].into, value, "/"+name)
		}
	})
	switch {
	case broken != nil:
		return nil, broken
	case len(wrong.list) > 0:
		return written, &ValidationError{Fields: wrong.list}
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

// mostWrong is how many wrong fields are named: a list may have thousands.
const mostWrong = 100

// wrongFields are the fields of a body that cannot be read, each once.
type wrongFields struct{ list []FieldError }

func (w *wrongFields) has(at string) bool {
	return slices.ContainsFunc(w.list, func(f FieldError) bool { return f.Pointer == at })
}

// refuse says of the field at a pointer which rule it breaks. The words follow its name.
func (w *wrongFields) refuse(at, rule string, words Text) {
	if len(w.list) < mostWrong && !w.has(at) {
		w.list = append(w.list, FieldError{Pointer: at, Rule: rule, Detail: Text{En: at[1:] + " " + words.En, Zh: at[1:] + " " + words.Zh}})
	}
}

// fill decodes one value, and each of a list's by the same rules.
func (w *wrongFields) fill(into reflect.Value, raw json.RawMessage, at string) {
	amount, isAmount := reflect.TypeAssert[*money.Amount](into.Addr())
	switch kind := into.Kind(); {
	case isAmount:
		w.fillAmount(amount, raw, at)
	case kind == reflect.String && raw[0] == '"':
		into.SetString(text(raw[1 : len(raw)-1]))
	case kind == reflect.String:
		w.refuse(at, "type", Text{En: "must be a JSON string", Zh: "必须是 JSON 字符串"})
	case kind == reflect.Int:
		if raw[0] == 'n' || json.Unmarshal(raw, into.Addr().Interface()) != nil {
			w.refuse(at, "type", Text{En: "must be a whole number", Zh: "必须是整数"})
		}
	case kind == reflect.Slice && raw[0] == 'n':
	case kind == reflect.Slice && raw[0] == '[':
		n := 0
		rawjson.Items(raw, func(item []byte) {
			into.Set(reflect.Append(into, reflect.Zero(into.Type().Elem())))
			w.fill(into.Index(n), item, at+"/"+strconv.Itoa(n))
			n++
		})
	case kind == reflect.Struct && raw[0] == '{':
		fields := fieldsOf(into.Addr().Interface())
		_, _ = rawjson.Fields(raw, func(key, value []byte) { // it was found valid
			if i := find(fields, text(key)); i >= 0 {
				w.fill(fields[i].into, value, at+"/"+fields[i].name)
			} else {
				w.refuseList(at)
			}
		})
	default:
		w.refuseList(at)
	}
}

// fillAmount tells apart what is no amount, what is too precise, and what Alipay does not
// take.
func (w *wrongFields) fillAmount(into *money.Amount, raw []byte, at string) {
	err := into.UnmarshalJSON(raw)
	if err != nil && bytes.HasPrefix(bytes.TrimPrefix(raw, []byte{'"'}), []byte{'-'}) {
		if into.UnmarshalJSON(bytes.Replace(raw, []byte{'-'}, nil, 1)) == nil {
			err = money.ErrRange
		}
	}
	switch {
	case raw[0] == 'n', err != nil && !errors.Is(err, money.ErrPrecise) && !errors.Is(err, money.ErrRange):
		w.refuse(at, engine.RuleAmount, Text{En: `must be an amount in yuan, such as "88.88" or 88.88`, Zh: `必须是以元为单位的金额，例如 "88.88" 或 88.88`})
	case errors.Is(err, money.ErrPrecise):
		w.refuse(at, engine.RulePrecision, Text{En: "must have at most two decimals", Zh: "最多两位小数"})
	case err != nil || !into.InRange():
		w.refuse(at, engine.RuleRange, Text{En: "must be between 0.01 and 100000000.00 yuan", Zh: "必须在 0.01 元到 100000000.00 元之间"})
	}
}

func (w *wrongFields) refuseList(at string) {
	w.refuse("/"+strings.Split(at, "/")[1], "type", Text{
		En: "must be a list as Alipay documents it, without further fields",
		Zh: "必须是支付宝文档规定的列表，不能包含其他字段",
	})
}

// deepest is how deep the lists of a request go: a list in an object in a list.
const deepest = 3

// alsoWrong adds to unread, the fields of a request that could not be read, what is wrong
// with its others, in the order of its fields.
func alsoWrong(unread *ValidationError, check error, request any) *ValidationError {
	all := wrongFields{unread.Fields}
	if others, ok := errors.AsType[*ValidationError](check); ok {
		for _, f := range others.Fields {
			if top := "/" + strings.Split(f.Pointer, "/")[1]; !all.has(f.Pointer) && !all.has(top) {
				all.list = append(all.list, f)
			}
		}
	}
	fields := fieldsOf(request)
	place := func(f FieldError) int { return find(fields, strings.Split(f.Pointer, "/")[1]) }
	slices.SortStableFunc(all.list, func(a, b FieldError) int { return cmp.Compare(place(a), place(b)) })
	return &ValidationError{Fields: all.list}
}

// asWritten returns a [*ValidationError] with the names by which the caller wrote
// the fields, and any other error as it is.
func asWritten(err error, written map[string]string) error {
	var wrong *ValidationError
	if len(written) == 0 || !errors.As(err, &wrong) {
		return err
	}
	renamed := &ValidationError{Fields: slices.Clone(wrong.Fields)}
	for i := range renamed.Fields {
		f := &renamed.Fields[i]
		name := f.Pointer[1:]
		if other := written[name]; other != "" {
			f.Pointer = "/" + other
			f.Detail.En, f.Detail.Zh = strings.Replace(f.Detail.En, name, other, 1), strings.Replace(f.Detail.Zh, name, other, 1)
		}
	}
	return renamed
}

// twice refuses a value in which an object has a key twice, at any depth: decoders
// disagree on which one counts. It refuses one that is deeper than any list of a
// request, for each level is scanned by those above it.
func twice(raw []byte, at string, depth int) (err error) {
	below := func(name string, value []byte) {
		if err == nil {
			err = twice(value, at+"/"+name, depth+1)
		}
	}
	if (raw[0] == '{' || raw[0] == '[') && depth > deepest {
		return errTooDeep
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

// errTooDeep: a value is deeper than any list of a request.
var errTooDeep = errors.New("alirefund: too deep")

func givenTwice(at, name string) *bodyError {
	return &bodyError{"repeated_field", at, Text{En: name + " is given twice", Zh: name + " 重复出现"}}
}

// unsupported are fields that Alipay documents and the module does not take, and why.
var unsupported = map[string]Text{
	"org_pid": {
		En: "org_pid, of banks that connect merchants to Alipay, is not supported: every question about the refund would need it too",
		Zh: "不支持 org_pid（银行间联模式）：此后的每次查询也都需要它",
	},
}

func unknownField(at string, fields []jsonField) *bodyError {
	if why, known := unsupported[at[1:]]; known {
		return &bodyError{"unknown_field", at, why}
	}
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.name
	}
	known := strings.Join(names, ", ")
	return &bodyError{"unknown_field", at, Text{
		En: fmt.Sprintf("unknown field %.80q; known are %s", at[1:], known),
		Zh: fmt.Sprintf("未知字段 %.80q；可用字段：%s", at[1:], known),
	}}
}

func escapePointer(name string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}
