// Package arch_test holds the shape of the code: who may import whom, and that the
// calls between files go one way.
package arch_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const modulePath = "github.com/alirefund/alirefund"

// top is the module's folder, seen from here.
const top = "../../.."

// rooms lists who may import what beside the standard library: whole paths, or
// with /... everything below as well. A package that is not here is refused, so
// that a new one is a decision.
var rooms = map[string][]string{
	"": {
		"/engine", "/gateway", "/notify", "/store", "/money", "/internal/guarding", "/internal/rawjson", "/internal/sheet",
		"github.com/gin-gonic/gin/...",
		"golang.org/x/text/language",
	},
	"/console": {
		"", "/engine", "/store", "/money", "/internal/guarding", "/internal/sheet",
		"github.com/gin-gonic/gin/...",
		"golang.org/x/text/language",
	},
	"/engine": {
		"/gateway", "/notify", "/explain", "/bill", "/store", "/signer", "/money",
		"github.com/go-playground/validator/v10/...",
		"github.com/go-playground/locales/...",
		"github.com/go-playground/universal-translator",
	},
	"/gateway":           {"/signer", "/money", "/internal/rawjson", "golang.org/x/text/encoding/simplifiedchinese"},
	"/notify":            {"/signer", "/money", "golang.org/x/text/..."},
	"/store":             {"/money", "github.com/patrickmn/go-cache"},
	"/store/storetest":   {"/store", "/money"},
	"/store/sqlstore":    {"/store", "/money"},
	"/alipaytest":        {"/signer", "/money", "golang.org/x/text/..."},
	"/explain":           {"/signer", "/notify", "/internal/rawjson", "golang.org/x/text/..."},
	"/cmd/alirefund":     {"/bill", "/explain", "/alipaytest", "/gateway", "/notify", "/signer", "/money", "/store/sqlstore"},
	"/bill":              {"/money", "golang.org/x/text/encoding/simplifiedchinese", "golang.org/x/text/transform"},
	"/signer":            {},
	"/money":             {},
	"/internal/guarding": {"github.com/gin-gonic/gin"},
	"/internal/rawjson":  {},
	"/internal/sheet":    {},
	"/internal/vectors":  {},
	"/internal/shoptest": {
		"", "/alipaytest", "/engine", "/gateway", "/notify", "/signer", "/money", "/store",
		"github.com/gin-gonic/gin/...",
	},
}

// testRooms are for tests, and may import testing outside of theirs.
var testRooms = []string{"/store/storetest", "/alipaytest", "/internal/vectors", "/internal/shoptest"}

func TestImports(t *testing.T) {
	for room, imports := range packages(t) {
		allowed, known := rooms[room]
		if !known {
			t.Errorf("%s%s is no room of the architecture: say in this test what it may import", modulePath, room)
			continue
		}
		for path, file := range imports {
			if !mayImport(room, allowed, path) {
				t.Errorf("%s imports %s", file, path)
			}
		}
	}
}

// packages returns, for each package of this module, its imports outside of
// tests, on whatever system, and a file of each. The files are read here rather
// than by go list, so that the test runs again when one of them changes.
func packages(t *testing.T) map[string]map[string]string {
	t.Helper()
	found := map[string]map[string]string{}
	err := filepath.WalkDir(top, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			_, nested := os.Stat(filepath.Join(name, "go.mod"))
			if name != top && (nested == nil || strings.HasPrefix(entry.Name(), ".") || entry.Name() == "testdata") {
				return fs.SkipDir
			}
			return nil
		case !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		below, err := filepath.Rel(top, filepath.Dir(name))
		if err != nil {
			return err
		}
		room := strings.TrimPrefix("/"+filepath.ToSlash(below), "/.")
		if found[room] == nil {
			found[room] = map[string]string{}
		}
		for _, spec := range file.Imports {
			found[room][strings.Trim(spec.Path.Value, "\"`")] = name
		}
		return nil
	})
	if err != nil || len(found) < 2 {
		t.Fatalf("%d packages were found: %v", len(found), err)
	}
	return found
}

func mayImport(room string, allowed []string, path string) bool {
	if path == "testing" || strings.HasPrefix(path, "testing/") {
		return slices.Contains(testRooms, room)
	}
	if first, _, _ := strings.Cut(path, "/"); !strings.Contains(first, ".") {
		return true // the standard library
	}
	path = strings.TrimPrefix(path, modulePath)
	return slices.ContainsFunc(allowed, func(pattern string) bool {
		base, below := strings.CutSuffix(pattern, "/...")
		return path == base || below && strings.HasPrefix(path, base+"/")
	})
}

// A host inherits what this go.mod requires, and none of its replacements.
func TestRequirements(t *testing.T) {
	allowed := []string{
		"github.com/gin-gonic/gin",
		"github.com/go-playground/validator/v10",
		"github.com/go-playground/locales",
		"github.com/go-playground/universal-translator",
		"github.com/patrickmn/go-cache",
		"golang.org/x/text",
	}
	text, err := os.ReadFile(filepath.Join(top, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimPrefix(strings.TrimSpace(line), "require ")
		path, version, _ := strings.Cut(line, " ")
		switch {
		case path == "replace" || path == "exclude":
			t.Errorf("go.mod has a directive that hosts do not follow: %s", line)
		case strings.HasPrefix(version, "v") && !strings.HasSuffix(line, "// indirect") && !slices.Contains(allowed, path):
			t.Errorf("go.mod requires %s", path)
		}
	}
}
