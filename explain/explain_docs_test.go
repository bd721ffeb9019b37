package explain_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alirefund/alirefund/explain"
)

// Each cause has a page and stands in the index, and no page is about none.
func TestEachCauseHasAPage(t *testing.T) {
	t.Parallel()
	folder := filepath.Join("..", "docs", "errors")
	index, err := os.ReadFile(filepath.Join(folder, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	causes := map[string]bool{}
	for _, c := range explain.Causes() {
		causes[string(c)] = true
		page, err := os.ReadFile(filepath.Join(folder, string(c)+".md"))
		if err != nil {
			t.Error(err)
			continue
		}
		if text := string(page); !strings.HasPrefix(text, "# "+string(c)+"\n") || !strings.Contains(text, "## How it happens") || !strings.Contains(text, "## What to do") {
			t.Errorf("%s: the page lacks its title or a part", c)
		}
		if !strings.Contains(string(index), "["+string(c)+"]("+string(c)+".md)") {
			t.Errorf("%s is not in the index", c)
		}
	}
	pages, err := filepath.Glob(filepath.Join(folder, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		if name := strings.TrimSuffix(filepath.Base(page), ".md"); name != "README" && !causes[name] {
			t.Errorf("%s is about no cause", page)
		}
	}
}

// No cause can be declared and left without a hint: Causes lists those with one.
func TestEachCauseIsListed(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("cause.go")
	if err != nil {
		t.Fatal(err)
	}
	declared := strings.Count(string(source), " Cause = \"") // the constants
	if causes := explain.Causes(); len(causes) != declared || causes[len(causes)-1] != explain.Unknown {
		t.Errorf("%d causes are listed, %d declared", len(causes), declared)
	}
}
