package alirefund_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	goBlock = regexp.MustCompile("(?s)```go\n(package main\n.*?)```")
	comment = regexp.MustCompile(`\s*//[^\n]*`)
	test    = regexp.MustCompile("`(Test[A-Za-z]+)`")
)

func readme(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The program that the README begins with compiles, and is the same in both
// languages but for its comments.
func TestReadmeProgram(t *testing.T) {
	english := goBlock.FindStringSubmatch(readme(t, "README.md"))
	chinese := goBlock.FindStringSubmatch(readme(t, "README.zh-CN.md"))
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

// Each test that a README names as the proof of a promise exists.
func TestReadmeNamesRealTests(t *testing.T) {
	var source strings.Builder
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		source.WriteString(readme(t, name))
	}
	for _, name := range []string{"README.md", "README.zh-CN.md"} {
		found := test.FindAllStringSubmatch(readme(t, name), -1)
		if len(found) < 15 {
			t.Errorf("%s names %d tests", name, len(found))
		}
		for _, m := range found {
			if !strings.Contains(source.String(), "\nfunc "+m[1]+"(t *testing.T)") {
				t.Errorf("%s names %s, which does not exist", name, m[1])
			}
		}
	}
}
