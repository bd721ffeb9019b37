package alirefund

import (
	"bytes"
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
		return nil, notJSON()
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
		if name := tag.Get("json"); name != "-" {
			fields = append(fields, jsonField{name, tag.Get("alias"), value.Field(i)})
		}
	}
	return fields
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
func fill(into reflect.Value, raw json.RawMessage, at string) error {
	amount, isAmount := reflect.TypeAssert[*money.Amount](into.Addr())
	switch {
	case isAmount:
		if raw[0] == 'n' || amount.UnmarshalJSON(raw) != nil { // null, which encoding/json would skip
			return invalid(at, "amount", amountText(at))
		}
		return nil
	case into.Kind() == reflect.String:
		if raw[0] != '"' {
			return invalid(at, "type", Text{En: at[1:] + " must be a JSON string", Zh: at[1:] + "必须是JSON字符串"})
		}
		into.SetString(text(raw[1 : len(raw)-1]))
		return nil
	}
	if err := twice(raw, at, 1); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(into.Addr().Interface()); err != nil {
		return notAList(at)
	}
	return nil
}

func notAList(at string) *ValidationError {
	return invalid(at, "type", Text{
		En: at[1:] + " must be a list as Alipay documents it, without further fields",
		Zh: at[1:] + "必须是支付宝文档规定的列表，不能包含其他字段",
	})
}

// deepest is how deep the lists of a request go: a list in an object in a list.
const deepest = 3

func invalid(pointer, rule string, detail Text) *ValidationError {
	return &ValidationError{Fields: []FieldError{{Pointer: pointer, Rule: rule, Detail: detail}}}
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

func amountText(at string) Text {
	return Text{
		En: at[1:] + ` must be an amount in yuan with at most two decimals, such as "88.88" or 88.88`,
		Zh: at[1:] + `必须是以元为单位、最多两位小数的金额，例如"88.88"或88.88`,
	}
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
		return notAList("/" + strings.Split(at, "/")[1])
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

// unsupported are fields that Alipay documents and the module does not take, and why.
var unsupported = map[string]Text{
	"org_pid": {
		En: "org_pid, of banks that connect merchants to Alipay, is not supported: every question about the refund would need it too",
		Zh: "不支持org_pid（银行间联模式）：此后的每次查询也都需要它",
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
		Zh: fmt.Sprintf("未知字段%.80q;可用字段:%s", at[1:], known),
	}}
}

func escapePointer(name string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}
