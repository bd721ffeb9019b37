package arch_test

import (
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write testdata/exported.txt anew")

// Each name that hosts can see at the top level of the root module's packages stands in
// testdata/exported.txt: none is added or taken away unnoticed. -update writes it anew.
func TestExportedNames(t *testing.T) {
	got := strings.Join(exported(t), "\n") + "\n"
	const list = "testdata/exported.txt"
	if *update {
		if err := os.WriteFile(list, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	wanted, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	was, is := strings.Fields(string(wanted)), strings.Fields(got)
	for _, name := range is {
		if !slices.Contains(was, name) {
			t.Errorf("%s is new: leave it out of the exported names, or run with -update and say so in CHANGELOG.md", name)
		}
	}
	for _, name := range was {
		if !slices.Contains(is, name) {
			t.Errorf("%s is gone: run with -update, and say so in CHANGELOG.md", name)
		}
	}
}

// exported lists the names, each behind its package's folder, sorted.
func exported(t *testing.T) (names []string) {
	t.Helper()
	err := filepath.WalkDir(top, func(folder string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if _, err := os.Stat(filepath.Join(folder, "go.mod")); folder != top && (err == nil || strings.HasPrefix(d.Name(), ".")) || d.Name() == "internal" || d.Name() == "testdata" {
			return fs.SkipDir
		}
		files, err := filepath.Glob(filepath.Join(folder, "*.go"))
		if err != nil {
			return err
		}
		room, err := filepath.Rel(top, folder)
		if err != nil {
			return err
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			if parsed.Name.Name == "main" {
				continue
			}
			for _, name := range declared(parsed) {
				names = append(names, filepath.ToSlash(filepath.Join("alirefund", room))+"."+name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(names) < 100 {
		t.Fatalf("only %d names were found", len(names))
	}
	slices.Sort(names)
	return names
}

// declared returns the exported names that a file declares at its top level, methods not.
func declared(file *ast.File) (names []string) {
	add := func(idents ...*ast.Ident) {
		for _, ident := range idents {
			if ident.IsExported() {
				names = append(names, ident.Name)
			}
		}
	}
	for _, declaration := range file.Decls {
		switch d := declaration.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil {
				add(d.Name)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch s := spec.(type) {
				case *ast.TypeSpec:
					add(s.Name)
				case *ast.ValueSpec:
					add(s.Names...)
				}
			}
		}
	}
	return names
}
