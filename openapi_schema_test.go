package alirefund_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/store"
)

// How the types of requests and answers become schemas. A type, a tag or a field that
// is not known here fails the test, so that the document has all there is.

// object is a JSON object that keeps its order.
type object []member

type member struct {
	key   string
	value any
}

// MarshalJSON implements json.Marshaler.
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := e.Encode(m.key); err != nil {
			return nil, err
		}
		b.WriteByte(':')
		if err := e.Encode(m.value); err != nil {
			return nil, err
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// document is what is being written, in one language.
type document struct {
	t       *testing.T
	zh      bool
	schemas object
	said    map[string]bool // the fields whose words were used
}

// say returns what words say in the document's language.
func (d *document) say(words alirefund.Text) string { return words.In(d.zh) }

// fieldWords returns what there is to say of a field of a schema.
func (d *document) fieldWords(schema, field string) string {
	d.t.Helper()
	for _, name := range []string{schema + "." + field, field} {
		if words, known := fieldWords[name]; known {
			d.said[name] = true
			return d.say(words)
		}
	}
	d.t.Errorf("fieldWords says nothing of the field %s of %s", field, schema)
	return ""
}

// refer names a schema of the document.
func refer(name string) member { return member{"$ref", "#/components/schemas/" + name} }

var schemaNames = map[reflect.Type]string{
	reflect.TypeFor[alirefund.RefundRequest]():       "RefundRequest",
	reflect.TypeFor[alirefund.CouponRefundRequest](): "CouponRefundRequest",
	reflect.TypeFor[alirefund.UnfreezeRequest]():     "UnfreezeRequest",
	reflect.TypeFor[gateway.RefundGoods]():           "RefundGoods",
	reflect.TypeFor[gateway.RefundRoyalty]():         "RefundRoyalty",

	alirefund.DeclineRequest:          "DeclineRequest",
	alirefund.RefundView:              "Refund",
	alirefund.RowView:                 "ListedRefund",
	alirefund.PageView:                "RefundPage",
	alirefund.RecordView:              "RefundRecord",
	alirefund.ProblemView:             "Problem",
	alirefund.AuditsView:              "AuditList",
	reflect.TypeFor[store.Delivery](): "Delivery",
	reflect.TypeFor[store.Entry]():    "HistoryEntry",

	reflect.TypeFor[alirefund.Audit]():         "Audit",
	reflect.TypeFor[alirefund.Sum]():           "Sum",
	reflect.TypeFor[alirefund.Difference]():    "Difference",
	reflect.TypeFor[alirefund.NotComparable](): "NotComparable",
}

// schemaOf adds the schema of a struct to the document, once, and returns its name.
func (d *document) schemaOf(of reflect.Type) string {
	d.t.Helper()
	name := schemaNames[of]
	switch { // those without a name that is exported
	case name != "":
	case of.Name() == "heard":
		name = "Heard"
	case of.Name() == "problemField":
		name = "FieldProblem"
	default:
		d.t.Fatalf("there is no name for the schema of %v", of)
	}
	if slices.ContainsFunc(d.schemas, func(m member) bool { return m.key == name }) {
		return name
	}
	at := len(d.schemas)
	d.schemas = append(d.schemas, member{name, nil}) // before those that it names
	var schema object
	if strings.HasSuffix(name, "Request") || strings.HasPrefix(of.PkgPath(), "github.com/alirefund/alirefund/gateway") {
		schema = d.request(name, of)
	} else {
		schema = d.answer(name, of)
	}
	d.schemas[at].value = schema
	return name
}

// request is the schema of what a caller sends, by its tags json, alias and validate.
func (d *document) request(name string, of reflect.Type) object {
	d.t.Helper()
	var properties, conditions object
	var required []string
	var rules []any
	for f := range of.Fields() {
		field, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if field == "-" {
			continue
		}
		alias := f.Tag.Get("alias")
		schema, must, unless := d.value(f.Type, strings.Split(f.Tag.Get("validate"), ","))
		schema = append(schema, member{"description", d.fieldWords(name, field)})
		properties = append(properties, member{field, schema})
		if alias != "" {
			properties = append(properties, member{alias, slices.Concat(schema[:len(schema)-1], object{{"description", d.say(otherName) + field}})})
		}
		switch {
		case unless != "":
			other, _ := of.FieldByName(unless)
			rules = append(rules, object{{"anyOf", []any{given(field), given(alias), given(other.Tag.Get("json"))}}})
		case must && alias != "":
			rules = append(rules, object{{"anyOf", []any{given(field), given(alias)}}})
		case must:
			required = append(required, field)
		}
		if alias != "" {
			rules = append(rules, object{{"not", object{{"required", []string{field, alias}}}}})
		}
	}
	if len(required) > 0 {
		conditions = append(conditions, member{"required", required})
	}
	if len(rules) > 0 {
		conditions = append(conditions, member{"allOf", rules})
	}
	return slices.Concat(object{{"type", "object"}, {"description", d.say(schemaWords[name])}, {"additionalProperties", false}, {"properties", properties}}, conditions)
}

// given says that a field is there; the rules that it must meet stand with it.
func given(field string) object {
	return object{{"required", []string{field}}, {"properties", object{{field, object{{"minLength", 1}}}}}}
}

// Patterns of a text, as of the rules plain and plain=text: no control characters, no
// blanks at its ends; and in numbers nothing that is not seen. The rules refuse some
// characters more.
const (
	plainPattern = `^(?:[^\p{Cc}\p{Cf}\p{Z}](?:(?:[^\p{Cc}\p{Cf}\p{Z}]| )*[^\p{Cc}\p{Cf}\p{Z}])?)?$`
	textPattern  = `^(?:[^\p{Cc}\p{Z}](?:[^\p{Cc}]*[^\p{Cc}\p{Z}])?)?$`
	// yuanPattern is 0.01 to 100000000.00, without superfluous zeros before it.
	yuanPattern = `^(?:0\.(?:0[1-9]|[1-9][0-9]?)|[1-9][0-9]{0,7}(?:\.[0-9]{1,2})?|100000000(?:\.00?)?)$`
)

// value is the schema of a value that a caller sends. must tells whether it is
// required, unless the Go field that is named, if one is.
func (d *document) value(of reflect.Type, rules []string) (schema object, must bool, unless string) {
	d.t.Helper()
	isText, isList := of.Kind() == reflect.String, of.Kind() == reflect.Slice
	switch {
	case of == reflect.TypeFor[money.Amount]():
		return object{refer(d.amount())}, !slices.Contains(rules, "omitempty"), ""
	case isText:
		schema = object{{"type", "string"}}
	case isList:
		schema = object{{"type", "array"}}
	case of.Kind() == reflect.Int:
		schema = object{{"type", "integer"}}
	default:
		d.t.Fatalf("there is no schema of a %v in a request", of)
	}
	for i, rule := range rules {
		name, param, _ := strings.Cut(rule, "=")
		number, _ := strconv.Atoi(param)
		switch {
		case name == "" || name == "omitempty":
		case name == "required":
			must = true
			schema = append(schema, member{"minLength", 1})
		case name == "required_without":
			unless = param
		case name == "dive":
			items, _, _ := d.item(of.Elem(), rules[i+1:])
			return append(schema, member{"items", items}), must, unless
		case name == "max" && isText:
			schema = append(schema, member{"maxLength", number})
		case name == "max" && isList:
			schema = append(schema, member{"maxItems", number})
		case name == "max":
			schema = append(schema, member{"maximum", number})
		case name == "min" && !isText && !isList:
			schema = append(schema, member{"minimum", number})
		case name == "plain" && param == "text":
			schema = append(schema, member{"pattern", textPattern})
		case name == "plain":
			schema = append(schema, member{"pattern", plainPattern})
		case name == "startsnotwith":
			schema = append(schema, member{"not", object{{"pattern", "^" + param}}})
		case name == "oneof":
			schema = append(schema, member{"enum", strings.Fields(param)})
		case name == "json":
			schema = append(schema, member{"contentMediaType", "application/json"})
		default:
			d.t.Fatalf("there is no schema of the rule %s for a %v", rule, of)
		}
	}
	return schema, must, unless
}

func (d *document) item(of reflect.Type, rules []string) (schema object, must bool, unless string) {
	if of.Kind() == reflect.Struct {
		return object{refer(d.schemaOf(of))}, false, ""
	}
	return d.value(of, rules)
}

// amount adds the schema of an amount that is asked for.
func (d *document) amount() string {
	const name = "RequestedAmount"
	if !slices.ContainsFunc(d.schemas, func(m member) bool { return m.key == name }) {
		d.schemas = append(d.schemas, member{name, object{
			{"description", d.say(schemaWords[name])},
			{"anyOf", []any{
				object{{"type", "string"}, {"pattern", yuanPattern}},
				object{{"type", "number"}, {"minimum", json.Number(money.Min.String())}, {"maximum", json.Number(money.Max.String())}},
			}},
		}})
	}
	return name
}

// answer is the schema of what a route answers, by its tags json.
func (d *document) answer(name string, of reflect.Type) object {
	d.t.Helper()
	var properties object
	var required []string
	var dependent object
	for _, f := range reflect.VisibleFields(of) {
		field, option, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous || !f.IsExported() || field == "-" || slices.Contains(neverIn[name], field) {
			continue
		}
		schema := slices.Concat(d.answered(f.Type), object{{"description", d.fieldWords(name, field)}})
		properties = append(properties, member{field, schema})
		inPointer := len(f.Index) > 1 && of.Field(f.Index[0]).Type.Kind() == reflect.Pointer
		switch {
		case option != "":
		case inPointer: // all of them, or none
			dependent = append(dependent, member{field, nil})
		default:
			required = append(required, field)
		}
	}
	for i := range dependent {
		var others []string
		for _, m := range dependent {
			if m.key != dependent[i].key {
				others = append(others, m.key)
			}
		}
		dependent[i].value = others
	}
	schema := object{{"type", "object"}, {"description", d.say(schemaWords[name])}, {"properties", properties}}
	if len(required) > 0 {
		schema = append(schema, member{"required", required})
	}
	if len(dependent) > 0 {
		schema = append(schema, member{"dependentRequired", dependent})
	}
	return schema
}

// neverIn are the fields that a schema has in Go alone: a refund in progress is answered
// 202, and what failed and may be sent again as a problem.
var neverIn = map[string][]string{"Problem": {"in_progress"}, "Refund": {"retryable"}}

// answered is the schema of a value that is answered.
func (d *document) answered(of reflect.Type) object {
	d.t.Helper()
	switch of {
	case reflect.TypeFor[time.Time]():
		return object{{"type", "string"}, {"format", "date-time"}}
	case reflect.TypeFor[money.Amount]():
		return object{{"type", "string"}, {"pattern", `^[0-9]+\.[0-9]{2}$`}}
	case reflect.TypeFor[store.JSON]():
		return object{{"type", "object"}}
	case reflect.TypeFor[store.Event]():
		return object{{"type", "string"}, {"pattern", "^(?:" + strings.Join(events, "|") + ")(?:@.+)?$"}}
	}
	if values, known := enums[of]; known {
		return object{{"type", "string"}, {"enum", values}}
	}
	switch of.Kind() {
	case reflect.String:
		return object{{"type", "string"}}
	case reflect.Bool:
		return object{{"type", "boolean"}}
	case reflect.Int:
		return object{{"type", "integer"}}
	case reflect.Slice:
		return object{{"type", "array"}, {"items", d.answered(of.Elem())}}
	case reflect.Pointer:
		return d.answered(of.Elem())
	case reflect.Map:
		return object{{"type", "object"}, {"propertyNames", d.answered(of.Key())}, {"additionalProperties", d.answered(of.Elem())}}
	case reflect.Struct:
		return object{refer(d.schemaOf(of))}
	default:
		d.t.Fatalf("there is no schema of a %v in an answer", of)
		return nil
	}
}

// enums are the types of which all values are known.
var enums = map[reflect.Type][]string{
	reflect.TypeFor[store.Kind]():   texts(store.Kinds()...),
	reflect.TypeFor[store.State]():  texts(store.States()...),
	reflect.TypeFor[store.Source](): texts(store.ByAnswer, store.ByQuery, store.ByNotice, store.ByPerson),
	reflect.TypeFor[store.Origin](): texts(store.FromRequest, store.FromNotice, store.FromBill),

	reflect.TypeFor[alirefund.Verdict](): texts(alirefund.AuditAgreed, alirefund.AuditPartly, alirefund.AuditOpen, alirefund.AuditDiffers),
	reflect.TypeFor[alirefund.DifferenceKind](): texts(alirefund.DiffersRecorded, alirefund.DiffersUnproven, alirefund.DiffersUnanswered, alirefund.DiffersUnresolved,
		alirefund.DiffersAmount, alirefund.DiffersTwice, alirefund.DiffersWaiting, alirefund.DiffersMissing),
}

var events = texts(store.RefundSucceeded, store.RefundFailed, store.RefundUnresolved)

func texts[T ~string](values ...T) []string {
	all := make([]string, len(values))
	for i, value := range values {
		all[i] = string(value)
	}
	return all
}
