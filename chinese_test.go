package alirefund_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/alirefund/alirefund/internal/shoptest"
)

var (
	han       = regexp.MustCompile(`\p{Han}`)
	notSpaced = regexp.MustCompile("\\p{Han}[0-9A-Za-z\"`{%\\\\]|[0-9A-Za-z\"`}\\]]\\p{Han}")
	halfWidth = regexp.MustCompile(`\p{Han}[,;:!?()]|[,;!?()]\p{Han}`)
	wideSpace = regexp.MustCompile(` [，。；：？！（）、]|[，。；：？！（）、] \p{Han}`)
	// foreign are words for which the glossary has another: 退款, 钩子.
	foreign = regexp.MustCompile(`退回|回调`)
)

// chinese judges a Chinese text as an engineer would set it.
func chinese(t *testing.T, where, text string) {
	t.Helper()
	if !han.MatchString(text) {
		return
	}
	for what, wrong := range map[string]*regexp.Regexp{
		"no blank beside": notSpaced, "half-width punctuation": halfWidth, "a blank beside": wideSpace, "not the glossary's word": foreign,
	} {
		if found := wrong.FindString(text); found != "" {
			t.Errorf("%s: %s %q in %q", where, what, found, text)
		}
	}
}

// Every Chinese text of the API has full-width punctuation, blanks around what is Latin, and
// the glossary's words: as it stands in the code, what is put in standing for itself, ...
func TestChineseTexts(t *testing.T) {
	n := 0
	for _, pattern := range []string{"*.go", "engine/*.go", "contrib/limit/*.go"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") && !strings.HasPrefix(name, "openapi_") && name != "problem_page_test.go" {
				continue
			}
			if name == "engine/config_check.go" { // which speaks English, of what Alipay's console calls something
				continue
			}
			fset := token.NewFileSet()
			file, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(node ast.Node) bool {
				expr, is := node.(ast.Expr)
				if !is {
					return true
				}
				text, whole := written(expr)
				if whole && han.MatchString(text) {
					n++
					chinese(t, fset.Position(node.Pos()).String(), text)
				}
				return !whole
			})
		}
	}
	if n < 200 {
		t.Errorf("%d texts were found", n)
	}
}

// written is a text as it is put together; what is not known stands as X. whole: there is
// no more of it around.
func written(expr ast.Expr) (text string, whole bool) {
	switch e := expr.(type) {
	case *ast.BasicLit:
		if e.Kind == token.STRING {
			text, err := strconv.Unquote(e.Value)
			return text, err == nil
		}
	case *ast.BinaryExpr:
		if e.Op == token.ADD {
			left, isLeft := written(e.X)
			right, isRight := written(e.Y)
			return left + right, isLeft || isRight
		}
	}
	switch source := types.ExprString(expr); {
	case strings.HasSuffix(source, ".Zh"):
		return "某", false
	case strings.HasPrefix(source, "inChinese("):
		return "1 某", false
	}
	return "X", false
}

// ... as the routes answer it, with what the validator says, ...
func TestChineseAnswers(t *testing.T) {
	s := shoptest.NewShop(t)
	texts := func(r shoptest.Reply) {
		var walk func(value any)
		walk = func(value any) {
			switch v := value.(type) {
			case string:
				chinese(t, r.Str("code"), v)
			case []any:
				for _, item := range v {
					walk(item)
				}
			case map[string]any:
				for _, item := range v {
					walk(item)
				}
			}
		}
		walk(r.Body)
	}
	for _, c := range badInput {
		texts(s.Do("POST", "/alipay/"+c.path, c.body, "Accept-Language", "zh"))
	}
	for _, query := range []string{"limit=0", "state=x", "x=1", "from=x", "cursor=x", "limit=1&limit=1", "kind=x", "undelivered=x"} {
		texts(s.Do("GET", "/alipay/refunds?"+query, "", "Accept-Language", "zh"))
	}
	for _, body := range []string{"null", "{1}", "sign=1"} {
		texts(s.Do("POST", "/alipay/notify", body, "Accept-Language", "zh", "Content-Type", "application/x-www-form-urlencoded"))
		texts(s.Do("POST", "/alipay/refunds", body, "Accept-Language", "zh"))
	}
}

// ... and in the pages that are written from it.
func TestChinesePages(t *testing.T) {
	for _, page := range []string{"openapi.zh-CN.json", "docs/problems.zh-CN.md"} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if page == "openapi.zh-CN.json" {
				_, line, _ = strings.Cut(line, `": "`)
				line = strings.NewReplacer(`\n`, "\n", `\"`, "`").Replace(strings.TrimRight(line, "\",\n"))
			}
			chinese(t, page, strings.TrimSpace(line))
		}
	}
}
