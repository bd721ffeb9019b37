package openapi_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"github.com/alirefund/alirefund/internal/shoptest"
)

// document is the document, as the validator reads it and as plain JSON.
type document struct {
	read *openapi3.T
	tree map[string]any
}

// open reads a document. The validator's copy is stricter than the document in one
// thing: an answer may have no field that the document does not name.
func open(tb testing.TB, name string) *document {
	tb.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		tb.Fatal(err)
	}
	d := &document{}
	if err := json.Unmarshal(text, &d.tree); err != nil {
		tb.Fatal(err)
	}
	var strict map[string]any
	_ = json.Unmarshal(text, &strict) // as above
	schemas, _ := (&document{tree: strict}).at(strict, "components", "schemas").(map[string]any)
	for _, schema := range schemas {
		if schema, _ := schema.(map[string]any); schema["properties"] != nil && schema["additionalProperties"] == nil {
			schema["additionalProperties"] = false
		}
	}
	if d.read, err = openapi3.NewLoader().LoadFromData(shoptest.Must(json.Marshal(strict))); err != nil {
		tb.Fatal(err)
	}
	return d
}

// The document is one by the rules of OpenAPI 3.1, its examples too, in both languages,
// which differ in words alone.
func TestDocumentIsOpenAPI(t *testing.T) {
	english, chinese := open(t, "../../openapi.json"), open(t, "../../openapi.zh-CN.json")
	for name, d := range map[string]*document{"openapi.json": english, "openapi.zh-CN.json": chinese} {
		if err := d.read.Validate(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		withoutWords(d.tree)
	}
	a, b := shoptest.Must(json.Marshal(english.tree)), shoptest.Must(json.Marshal(chinese.tree))
	if !bytes.Equal(a, b) {
		t.Error("openapi.json and openapi.zh-CN.json differ in more than their words")
	}
}

func withoutWords(node any) {
	switch node := node.(type) {
	case map[string]any:
		for _, key := range []string{"description", "summary"} {
			if _, isText := node[key].(string); isText {
				delete(node, key)
			}
		}
		for _, value := range node {
			withoutWords(value)
		}
	case []any:
		for _, value := range node {
			withoutWords(value)
		}
	}
}

// at follows keys, and references, from a node of the document.
func (d *document) at(node any, keys ...string) any {
	for {
		object, _ := node.(map[string]any)
		if to, _ := object["$ref"].(string); to != "" {
			node = d.at(d.tree, strings.Split(strings.TrimPrefix(to, "#/"), "/")...)
			continue
		}
		if len(keys) == 0 {
			return node
		}
		node, keys = object[keys[0]], keys[1:]
	}
}

// route is a route of the document: a path with {id} and not :id.
func route(x shoptest.Exchange) string {
	return strings.NewReplacer(":id", "{id}", ":day", "{day}").Replace(x.Route)
}

// has tells whether the document has the route of an exchange.
func (d *document) has(x shoptest.Exchange) bool {
	return d.at(d.tree, "paths", route(x), strings.ToLower(x.Method)) != nil
}

// request is an exchange's request, as the validator takes it.
func (d *document) request(x shoptest.Exchange) *openapi3filter.RequestValidationInput {
	r := httptest.NewRequest(x.Method, x.URL, bytes.NewReader(x.Request))
	r.Header = x.RequestHeader.Clone()
	item := d.read.Paths.Value(route(x))
	params := map[string]string{}
	if _, id, found := strings.Cut(r.URL.Path, "/refunds/"); found {
		params["id"] = id
	}
	if _, day, found := strings.Cut(r.URL.Path, "/audits/"); found {
		params["day"] = day
	}
	return &openapi3filter.RequestValidationInput{
		Request: r, PathParams: params,
		Route:   &routers.Route{Spec: d.read, Path: route(x), PathItem: item, Method: x.Method, Operation: item.GetOperation(x.Method)},
		Options: &openapi3filter.Options{IncludeResponseStatus: true, SkipSettingDefaults: true},
	}
}

// refuses returns why the document does not allow an exchange's request, or nil.
func (d *document) refuses(x shoptest.Exchange) error {
	input := d.request(x)
	return openapi3filter.ValidateRequest(input.Request.Context(), input)
}

// answer returns what is wrong with an exchange's answer.
func (d *document) answer(x shoptest.Exchange) (wrong []string) {
	input := d.request(x)
	answered := &openapi3filter.ResponseValidationInput{RequestValidationInput: input, Status: x.Status, Header: x.Header, Options: input.Options}
	if err := openapi3filter.ValidateResponse(input.Request.Context(), answered.SetBodyBytes(x.Answer)); err != nil {
		wrong = append(wrong, err.Error())
	}
	return append(wrong, d.headers(x)...)
}

// headers returns what is wrong with the headers of an answer: one that is promised is
// not there, or one that is there is not in the document.
func (d *document) headers(x shoptest.Exchange) (wrong []string) {
	known, _ := d.response(x, "headers").(map[string]any)
	for name, h := range known {
		if required, _ := d.at(h, "required").(bool); required && x.Header.Get(name) == "" {
			wrong = append(wrong, "there is no header "+name)
		}
	}
	for name := range x.Header {
		if known[name] == nil && !slices.Contains([]string{"Content-Type", "Content-Length"}, name) {
			wrong = append(wrong, "the header "+name+" is not in the document")
		}
	}
	return wrong
}

// response is what the document says of an exchange's status.
func (d *document) response(x shoptest.Exchange, keys ...string) any {
	return d.at(d.tree, append([]string{"paths", route(x), strings.ToLower(x.Method), "responses", strconv.Itoa(x.Status)}, keys...)...)
}

// code returns the code of a problem.
func code(x shoptest.Exchange) string {
	var p struct{ Code string }
	if x.Status >= http.StatusBadRequest {
		_ = json.Unmarshal(x.Answer, &p)
	}
	return p.Code
}
