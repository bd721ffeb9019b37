package alirefund_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/internal/shoptest"
)

var update = flag.Bool("update", false, "write openapi.json, openapi.zh-CN.json and docs/problems.md anew")

// upToDate holds what is written into a file against the file.
func upToDate(t *testing.T, name, text string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	found, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if string(found) != text {
		t.Errorf("%s is stale: go test . -run '^%s$' -update", name, t.Name())
	}
}

// The documents say what the types, the tags and the problems of the code say.
func TestOpenAPIDocuments(t *testing.T) {
	for name, zh := range map[string]bool{"openapi.json": false, "openapi.zh-CN.json": true} {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		e.SetIndent("", "\t")
		if err := e.Encode(writeDocument(t, zh)); err != nil {
			t.Fatal(err)
		}
		upToDate(t, name, b.String())
	}
}

// The document has the routes that are mounted, and no other.
func TestOpenAPIHasEveryRoute(t *testing.T) {
	var found struct{ Paths map[string]map[string]any }
	if err := json.Unmarshal(served(t, "").Body, &found); err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for path, methods := range found.Paths {
		for method := range methods {
			documented[strings.ToUpper(method)+" "+path] = true
		}
	}
	mounted := map[string]bool{}
	for _, r := range shoptest.NewShop(t).Router.Routes() {
		path := strings.TrimPrefix(r.Path, "/alipay")
		mounted[r.Method+" "+regexp.MustCompile(`:(\w+)`).ReplaceAllString(path, "{$1}")] = true
	}
	if !maps.Equal(documented, mounted) {
		t.Errorf("documented are %q, mounted are %q", slices.Sorted(maps.Keys(documented)), slices.Sorted(maps.Keys(mounted)))
	}
}

func TestOpenAPIIsServed(t *testing.T) {
	for header, says := range map[string]string{"": "What is refunded", "en": "What is refunded", "zh-CN,zh;q=0.9": "退款金额"} {
		r := served(t, header)
		if !bytes.Contains(r.Body, []byte(says)) || r.Header.Get("Content-Type") != "application/json; charset=utf-8" || r.Header.Get("Vary") != "Accept-Language" {
			t.Errorf("Accept-Language %q: %v", header, r.Header)
		}
	}
}

type servedDocument struct {
	Header http.Header
	Body   []byte
}

func served(t *testing.T, language string) servedDocument {
	t.Helper()
	s := shoptest.NewShop(t)
	s.Router = gin.New()
	s.Router.GET("/alipay/openapi.json", alirefund.OpenAPI)
	r := s.Do(http.MethodGet, "/alipay/openapi.json", "", "Accept-Language", language)
	if r.Status != http.StatusOK {
		t.Fatalf("%d %s", r.Status, r.Text)
	}
	return servedDocument{r.Header, []byte(r.Text)}
}
