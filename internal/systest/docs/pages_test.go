package docs_test

import (
	"go/constant"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alirefund/alirefund"
)

var (
	link   = regexp.MustCompile(`\]\(([^)#\s]+)(#[^)]*)?\)`)
	fenced = regexp.MustCompile("(?s)```.*?```")
	level  = regexp.MustCompile(`(?m)^#+ `)
)

// pages are the files of Markdown in these folders, by their names from the top.
func pages(t *testing.T, folders ...string) (found []string) {
	t.Helper()
	for _, folder := range folders {
		names, err := filepath.Glob(filepath.Join(top, folder, "*.md"))
		if err != nil || len(names) == 0 {
			t.Fatal(folder, names, err)
		}
		for _, name := range names {
			found = append(found, path.Join(folder, filepath.Base(name)))
		}
	}
	return found
}

// linked are the files that a page links to, by their names from the top.
func linked(t *testing.T, page string) (found []string) {
	t.Helper()
	for _, m := range link.FindAllStringSubmatch(fenced.ReplaceAllString(read(t, page), ""), -1) {
		if !strings.Contains(m[1], "://") {
			found = append(found, path.Join(path.Dir(page), m[1]))
		}
	}
	return found
}

// Each link leads to a file that is there, and from a Chinese page to a Chinese one where
// there is one.
func TestNoLinkIsDead(t *testing.T) {
	links := 0
	for _, page := range pages(t, "", "docs", "docs/adr", "docs/errors", "contrib/gin-vue-admin") {
		for _, file := range linked(t, page) {
			links++
			if _, err := os.Stat(filepath.Join(top, file)); err != nil {
				t.Errorf("%s links to %s, which is not there", page, file)
			}
			translated := strings.TrimSuffix(file, ".md") + ".zh-CN.md"
			if _, err := os.Stat(filepath.Join(top, translated)); err == nil && translated != page && strings.HasSuffix(page, ".zh-CN.md") {
				t.Errorf("%s links to %s, which there is in Chinese", page, file)
			}
		}
	}
	if links < 200 {
		t.Errorf("%d links", links)
	}
}

// The index names each page, in both languages: in Chinese the Chinese one where there is one.
func TestIndexNamesEachPage(t *testing.T) {
	all := pages(t, "docs", "docs/adr")
	english, chinese := linked(t, "docs/README.md"), linked(t, "docs/README.zh-CN.md")
	for _, page := range all {
		translated := strings.TrimSuffix(page, ".md") + ".zh-CN.md"
		switch {
		case strings.HasPrefix(page, "docs/README."):
		case strings.HasSuffix(page, ".zh-CN.md"):
			if !slices.Contains(chinese, page) {
				t.Errorf("docs/README.zh-CN.md does not name %s", page)
			}
		default:
			if !slices.Contains(english, page) {
				t.Errorf("docs/README.md does not name %s", page)
			}
			if !slices.Contains(all, translated) && !slices.Contains(chinese, page) {
				t.Errorf("docs/README.zh-CN.md does not name %s", page)
			}
		}
	}
}

// code is the Go of a page, without its comments.
func code(t *testing.T, page string) (found []string) {
	t.Helper()
	for _, m := range regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(read(t, page), -1) {
		found = append(found, strings.TrimSpace(comment.ReplaceAllString(m[1], "")))
	}
	return found
}

// A page in two languages has the same headings in both, as many and as deep, and the same
// Go, but for its comments; and each links to the other.
func TestTwoLanguagesHaveTheSameParts(t *testing.T) {
	both := 0
	for _, chinese := range pages(t, "", "docs", "contrib/gin-vue-admin") {
		page, is := strings.CutSuffix(chinese, ".zh-CN.md")
		if !is {
			continue
		}
		both++
		english := page + ".md"
		for _, one := range []struct{ page, other string }{{english, chinese}, {chinese, english}} {
			if !slices.Contains(linked(t, one.page), one.other) {
				t.Errorf("%s does not link to %s", one.page, one.other)
			}
		}
		e := level.FindAllString(fenced.ReplaceAllString(read(t, english), ""), -1)
		z := level.FindAllString(fenced.ReplaceAllString(read(t, chinese), ""), -1)
		if !slices.Equal(e, z) {
			t.Errorf("%s has %d headings, %s %d: %q and %q", english, len(e), chinese, len(z), e, z)
		}
		if english, chinese := code(t, english), code(t, chinese); !slices.Equal(english, chinese) {
			t.Errorf("the code of %s differs in its languages:\n%q\n%q", page, english, chinese)
		}
	}
	if both < 15 {
		t.Errorf("%d pages", both)
	}
}

// docs/config.md has a row for each field of Config, App, Times and Subscriber and for no
// other, and the defaults of Times are those of the code.
func TestConfigPageNamesEachField(t *testing.T) {
	engine, gateway := constants(t, "engine"), constants(t, "gateway")
	row := regexp.MustCompile("(?m)^\\| `([A-Z]\\w*)` \\| (\\S.*) \\| (.*) \\|$")
	for _, page := range []string{"docs/config.md", "docs/config.zh-CN.md"} {
		sections := map[string]string{}
		for section := range strings.SplitSeq(read(t, page), "\n## ") {
			title, text, _ := strings.Cut(section, "\n")
			if !strings.HasPrefix(title, "`") {
				title = "`Config`"
			}
			sections[title] += text
		}
		for name, of := range map[string]reflect.Type{
			"`Config`": reflect.TypeFor[alirefund.Config](), "`App`": reflect.TypeFor[alirefund.App](),
			"`Times`": reflect.TypeFor[alirefund.Times](), "`Subscriber`": reflect.TypeFor[alirefund.Subscriber](),
		} {
			var fields, rows []string
			for field := range of.Fields() {
				fields = append(fields, field.Name)
			}
			defaults := map[string]string{}
			for _, m := range row.FindAllStringSubmatch(sections[name], -1) {
				rows = append(rows, m[1])
				defaults[m[1]] = m[3]
			}
			slices.Sort(fields)
			slices.Sort(rows)
			if !slices.Equal(fields, rows) {
				t.Errorf("%s: the rows of %s are %q, its fields %q", page, name, rows, fields)
			}
			if name != "`Times`" {
				continue
			}
			for field, value := range map[string]constant.Value{
				"Timeout": gateway["DefaultTimeout"], "HookTimeout": engine["defaultHookTimeout"], "FirstCheck": engine["defaultFirstCheck"],
				"Transit": engine["defaultTransit"], "Approval": engine["defaultApproval"], "AttentionAfter": engine["defaultAttentionAfter"],
			} {
				n, _ := constant.Int64Val(value)
				if want := inWords(time.Duration(n)); defaults[field] != want {
					t.Errorf("%s: Times.%s is %q by default, and not %q", page, field, want, defaults[field])
				}
			}
		}
	}
}
