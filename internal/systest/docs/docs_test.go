// Package docs_test holds what the pages say against the code.
package docs_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	goBlock = regexp.MustCompile("(?s)```go\n(package main\n.*?)```")
	comment = regexp.MustCompile(`\s*//[^\n]*`)
	test    = regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z]+)`")
)

// top is the module's folder, seen from here.
const top = "../../.."

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(top, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The program that the README begins with compiles, and is the same in both
// languages but for its comments.
func TestReadmeProgram(t *testing.T) {
	english := goBlock.FindStringSubmatch(read(t, "README.md"))
	chinese := goBlock.FindStringSubmatch(read(t, "README.zh-CN.md"))
	if english == nil || chinese == nil {
		t.Fatal("no program found")
	}
	if comment.ReplaceAllString(english[1], "") != comment.ReplaceAllString(chinese[1], "") {
		t.Error("the programs of README.md and README.zh-CN.md differ")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(english[1]), 0o600); err != nil {
		t.Fatal(err)
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(dir, "host"), filepath.Join(dir, "main.go"))
	build.Env = append(os.Environ(), "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// Each test that the pages name as the proof of a promise exists.
func TestPagesNameRealTests(t *testing.T) {
	var source strings.Builder
	err := filepath.WalkDir(top, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "node_modules" || entry.Name() == ".git"):
			return fs.SkipDir
		case strings.HasSuffix(name, "_test.go"):
			text, err := os.ReadFile(name)
			source.Write(text)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for page, least := range map[string]int{
		"README.md": 0, "README.zh-CN.md": 0, "docs/guarantees.md": 40, "docs/guarantees.zh-CN.md": 40,
		"docs/questions.md": 20, "docs/questions.zh-CN.md": 20,
	} {
		found := test.FindAllStringSubmatch(read(t, page), -1)
		if len(found) < least {
			t.Errorf("%s names %d tests", page, len(found))
		}
		for _, m := range found {
			if !strings.Contains(source.String(), "\nfunc "+m[1]+"(") {
				t.Errorf("%s names %s, which does not exist", page, m[1])
			}
		}
	}
}

// The README names the Go and the Gin that go.mod requires, in both languages.
func TestReadmeNamesTheVersions(t *testing.T) {
	required := regexp.MustCompile(`(?m)^go (\S+)$|github.com/gin-gonic/gin (\S+)$`).FindAllStringSubmatch(read(t, "go.mod"), -1)
	if len(required) != 2 {
		t.Fatalf("go.mod says %q", required)
	}
	for _, page := range []string{"README.md", "README.zh-CN.md"} {
		for _, r := range required {
			if version := r[1] + r[2]; !strings.Contains(read(t, page), version) {
				t.Errorf("%s does not name %s", page, version)
			}
		}
	}
}

// The promises name the same tests in both languages, row by row.
func TestGuaranteesNameTheSameTests(t *testing.T) {
	rows := func(page string) (named []string) {
		for line := range strings.Lines(read(t, page)) {
			if strings.HasPrefix(line, "|") {
				named = append(named, strings.Join(test.FindAllString(line, -1), " "))
			}
		}
		return named
	}
	english, chinese := rows("docs/guarantees.md"), rows("docs/guarantees.zh-CN.md")
	if len(english) < 70 || !slices.Equal(english, chinese) {
		t.Errorf("the pages' promises differ:\n%q\n%q", english, chinese)
	}
}

// Each question ends with the tests that show its answer, the same in both languages.
func TestQuestionsNameTheirTests(t *testing.T) {
	answers := func(page string) []string {
		var named []string
		for _, section := range regexp.MustCompile(`(?m)^##+ `).Split(read(t, page), -1) {
			title, answer, _ := strings.Cut(section, "\n")
			if !strings.Contains(read(t, page), "\n### "+title+"\n") {
				continue // no question
			}
			found := test.FindAllString(answer, -1)
			if len(found) == 0 {
				t.Errorf("%s: %q names no test", page, title)
			}
			named = append(named, strings.Join(found, " "))
		}
		return named
	}
	english, chinese := answers("docs/questions.md"), answers("docs/questions.zh-CN.md")
	if len(english) < 15 || !slices.Equal(english, chinese) {
		t.Errorf("the pages' answers differ:\n%q\n%q", english, chinese)
	}
}
