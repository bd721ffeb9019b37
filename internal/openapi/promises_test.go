package openapi_test

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/alirefund/alirefund/internal/shoptest"
)

// What the document promises may be answered, and what of it was: a status of a route,
// with the code if it is a problem's; a field of a schema; one of a field's few values.

type promises map[string]bool

// promises are all of the document's.
func (d *document) promises() promises {
	all := promises{}
	paths, _ := d.tree["paths"].(map[string]any)
	for path, methods := range paths {
		for method, operation := range methods.(map[string]any) {
			responses, _ := d.at(operation, "responses").(map[string]any)
			for status, response := range responses {
				name := strings.ToUpper(method) + " " + path + " " + status
				codes := d.codes(response)
				for _, code := range codes {
					all[name+" "+code] = true
				}
				if len(codes) == 0 {
					all[name] = true
				}
				d.eachSchema(response, func(schema any) { d.fields(schema, all) })
			}
		}
	}
	return all
}

// eachSchema gives f the schemas of a response; of problems theirs in common.
func (d *document) eachSchema(response any, f func(schema any)) {
	content, _ := d.at(response, "content").(map[string]any)
	for _, media := range content {
		media, _ := media.(map[string]any)
		schema, _ := media["schema"].(map[string]any)
		if parts, _ := schema["allOf"].([]any); len(parts) > 0 {
			f(parts[0])
		} else {
			f(schema)
		}
	}
}

// codes are those of a response of problems.
func (d *document) codes(response any) (codes []string) {
	parts, _ := d.at(response, "content", "application/problem+json", "schema", "allOf").([]any)
	for _, part := range parts {
		list, _ := d.at(part, "properties", "code", "enum").([]any)
		for _, code := range list {
			codes = append(codes, code.(string))
		}
	}
	return codes
}

// fields notes the fields of a named schema, and of those that it names.
func (d *document) fields(schema any, all promises) {
	name := nameOf(schema)
	properties, _ := d.at(schema, "properties").(map[string]any)
	for field, below := range properties {
		if key := name + "." + field; !all[key] {
			all[key] = true
			values, _ := d.at(below, "enum").([]any)
			for _, value := range values {
				all[key+"="+value.(string)] = true
			}
			d.fields(below, all)
			d.fields(items(below), all)
		}
	}
}

// nameOf is the name of a schema that is referred to.
func nameOf(schema any) string {
	s, _ := schema.(map[string]any)
	to, _ := s["$ref"].(string)
	return strings.TrimPrefix(to, "#/components/schemas/")
}

func items(schema any) any {
	s, _ := schema.(map[string]any)
	return s["items"]
}

// keeps notes which promises an exchange keeps.
func (d *document) keeps(x shoptest.Exchange, kept promises) {
	kept[strings.TrimSpace(strings.Join([]string{x.Method, route(x), strconv.Itoa(x.Status), code(x)}, " "))] = true
	var body any
	_ = json.Unmarshal(x.Answer, &body) // what is no JSON has no fields
	d.eachSchema(d.response(x), func(schema any) { d.found(schema, body, kept) })
}

// found notes the fields that a value has.
func (d *document) found(schema, value any, kept promises) {
	switch value := value.(type) {
	case map[string]any:
		properties, _ := d.at(schema, "properties").(map[string]any)
		for field, below := range properties {
			if there, is := value[field]; is {
				key := nameOf(schema) + "." + field
				kept[key] = true
				if text, isText := there.(string); isText {
					kept[key+"="+text] = true
				}
				d.found(below, there, kept)
			}
		}
	case []any:
		for _, item := range value {
			d.found(items(schema), item, kept)
		}
	}
}
