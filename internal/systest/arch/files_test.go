package arch_test

import (
	"bytes"
	"go/ast"
	"go/build"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// oneWay lists the packages that a request, a notification and a round of Run go
// through. Their files refer to each other in one direction only, so that a path
// through them can be read from left to right.
var oneWay = []string{"", "/engine", "/gateway", "/notify", "/store", "/store/sqlstore"}

func TestFilesReferOneWay(t *testing.T) {
	exports := exportData(t)
	for _, room := range oneWay {
		t.Run("alirefund"+room, func(t *testing.T) {
			refers := references(t, filepath.Join(top, room), exports)
			if len(refers) < 2 {
				t.Fatalf("%d files refer to others", len(refers))
			}
			for file, others := range refers {
				for other, name := range others {
					if reaches(refers, other, file, map[string]bool{}) {
						t.Errorf("%s refers to %s (%s), and back, directly or around", file, other, name)
					}
				}
			}
		})
	}
}

func reaches(refers map[string]map[string]string, from, to string, seen map[string]bool) bool {
	if from == to {
		return true
	}
	if seen[from] {
		return false
	}
	seen[from] = true
	for next := range refers[from] {
		if reaches(refers, next, to, seen) {
			return true
		}
	}
	return false
}

// references returns, for each file of a package, the files whose declarations it
// uses, each with one of the names.
func references(t *testing.T, dir string, exports map[string]string) map[string]map[string]string {
	t.Helper()
	fset := token.NewFileSet()
	here, err := build.ImportDir(dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	for _, name := range here.GoFiles { // those of this system
		file, err := parser.ParseFile(fset, filepath.Join(dir, name), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	config := types.Config{Importer: importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })}
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	pkg, err := config.Check(dir, fset, files, info)
	if err != nil {
		t.Fatal(err)
	}
	base := func(at token.Pos) string { return filepath.Base(fset.Position(at).Filename) }
	refers := map[string]map[string]string{}
	for id, object := range info.Uses {
		variable, _ := object.(*types.Var)
		local := variable != nil && !variable.IsField() && object.Parent() != pkg.Scope()
		if object.Pkg() != pkg || !object.Pos().IsValid() || local {
			continue
		}
		from, to := base(id.Pos()), base(object.Pos())
		if from == to {
			continue
		}
		if refers[from] == nil {
			refers[from] = map[string]string{}
		}
		refers[from][to] = object.Name()
	}
	return refers
}

// exportData returns where the compiler has put what each package exports.
func exportData(t *testing.T) map[string]string {
	t.Helper()
	exports := map[string]string{}
	for line := range strings.Lines(goList(t, "-deps", "-export", "-f", "{{.ImportPath}} {{.Export}}", "./...")) {
		path, file, _ := strings.Cut(strings.TrimSpace(line), " ")
		exports[path] = file
	}
	return exports
}

func goList(t *testing.T, args ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", append([]string{"list"}, args...)...)
	command.Dir = top
	command.Env = append(os.Environ(), "GOWORK=off")
	var failed bytes.Buffer
	command.Stderr = &failed
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, failed.String())
	}
	return string(out)
}

// A worker that imports the engine alone links no web framework.
func TestEngineLinksNoGin(t *testing.T) {
	const most = 32 // validator has 23 of them
	var foreign []string
	for path := range strings.Lines(goList(t, "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", "./engine")) {
		if path = strings.TrimSpace(path); path != "" && !strings.HasPrefix(path, modulePath) {
			foreign = append(foreign, path)
		}
	}
	if i := slices.IndexFunc(foreign, func(path string) bool { return strings.Contains(path, "gin-gonic") || strings.Contains(path, "sonic") }); i >= 0 {
		t.Errorf("the engine links %s", foreign[i])
	}
	if len(foreign) > most || len(foreign) < 5 {
		t.Errorf("the engine links %d packages of others, at most %d are wanted:\n%s", len(foreign), most, strings.Join(foreign, "\n"))
	}
}
