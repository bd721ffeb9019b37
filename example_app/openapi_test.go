package main

import (
	"net/http"
	"testing"
)

// The shop serves the document of the routes beside them.
func TestOpenAPIIsServed(t *testing.T) {
	a := start(t)
	r := a.do(http.MethodGet, "/alipay/openapi.json", "", "")
	paths, _ := r.body["paths"].(map[string]any)
	if r.status != http.StatusOK || paths["/refunds"] == nil || paths["/notify"] == nil {
		t.Errorf("%d %.200s", r.status, r.text)
	}
}
