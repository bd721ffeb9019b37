package release_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

const (
	top  = "../.."
	root = "github.com/alirefund/alirefund"
)

// published returns the folders of the modules that hosts may require: the root, and
// what stands in contrib and beside the stores.
func published(t *testing.T) []string {
	t.Helper()
	found := []string{"."}
	for _, pattern := range []string{"contrib/*/go.mod", "store/*/go.mod"} {
		names, err := filepath.Glob(filepath.Join(top, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			folder, err := filepath.Rel(top, filepath.Dir(name))
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, filepath.ToSlash(folder))
		}
	}
	if len(found) < 5 {
		t.Fatalf("only %q were found", found)
	}
	return found
}

// TestModulesAsAHostGetsThem makes a module proxy of the working tree, and builds with it
// what a host would: every package, its tests and examples, the program of the README, the
// command and the example.
func TestModulesAsAHostGetsThem(t *testing.T) {
	p := newProxy(t)
	host := t.TempDir()
	require := "module shop.example/host\n\ngo 1.26.0\n\n"
	var all []string
	for _, folder := range p.folders {
		require += "require " + pathOf(folder) + " " + p.version + "\n"
		all = append(all, pathOf(folder)+"/...")
	}
	write(t, host, "go.mod", require)
	write(t, host, "main.go", programOf(t, "README.md"))
	p.run(host, "go", "build", "-o", os.DevNull, ".")
	p.run(host, "go", append([]string{"vet"}, all...)...) // compiles tests and examples, too

	example := t.TempDir()
	p.copyModule("example_app", example)
	p.run(example, "go", "vet", "./...")

	elsewhere := t.TempDir()
	if help := p.run(elsewhere, "go", "run", root+"/cmd/alirefund@"+p.version, "-h"); !strings.Contains(help, "doctor") {
		t.Errorf("the command says %q", help)
	}
}

// TestVersions holds what the modules require of each other: one version, the same in all,
// so that `make release` leaves none behind; and that they are what they will be tagged as.
func TestVersions(t *testing.T) {
	versions := map[string][]string{}
	for _, folder := range published(t) {
		file := parse(t, folder)
		if file.Module.Mod.Path != pathOf(folder) {
			t.Errorf("%s is module %s, whose tag would not be found", folder, file.Module.Mod.Path)
		}
		if _, major, ok := module.SplitPathVersion(file.Module.Mod.Path); !ok || major != "" {
			t.Errorf("%s has the major version %q in its path: say so in docs/releasing.md", folder, major)
		}
		for _, r := range file.Require {
			if ours(r.Mod.Path) {
				versions[r.Mod.Version] = append(versions[r.Mod.Version], folder)
			}
		}
	}
	if len(versions) != 1 {
		t.Errorf("the modules require each other at different versions: %v", versions)
	}
}

func ours(path string) bool { return path == root || strings.HasPrefix(path, root+"/") }

func pathOf(folder string) string { return path.Join(root, folder) }

func parse(t *testing.T, folder string) *modfile.File {
	t.Helper()
	name := filepath.Join(top, folder, "go.mod")
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	file, err := modfile.Parse(name, text, nil)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// proxy is a folder as GOPROXY=file:// wants it.
type proxy struct {
	t       *testing.T
	folder  string
	folders []string
	version string // of all modules: told by what is in them, for Go keeps what it has seen of one
}

func newProxy(t *testing.T) *proxy {
	t.Helper()
	p := &proxy{t: t, folder: t.TempDir(), folders: published(t)}
	sum := sha256.New()
	for _, folder := range p.folders {
		for _, name := range tracked(t, folder) {
			text, err := os.ReadFile(filepath.Join(top, folder, name))
			if err != nil {
				t.Fatal(err)
			}
			_, _ = fmt.Fprintf(sum, "%s/%s %d\n%s", folder, name, len(text), text)
		}
	}
	p.version = fmt.Sprintf("v0.0.0-check.x%x", sum.Sum(nil)[:6])
	t.Cleanup(func() { forget(t, p.version) })
	for _, folder := range p.folders {
		p.publish(folder)
	}
	return p
}

// publish makes the three files of one module's version.
func (p *proxy) publish(folder string) {
	p.t.Helper()
	content := p.t.TempDir()
	p.copyModule(folder, content)
	at := filepath.Join(p.folder, filepath.FromSlash(pathOf(folder)), "@v")
	info, err := json.Marshal(map[string]any{"Version": p.version, "Time": time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)})
	if err != nil {
		p.t.Fatal(err)
	}
	mod, err := os.ReadFile(filepath.Join(content, "go.mod"))
	if err != nil {
		p.t.Fatal(err)
	}
	var packed bytes.Buffer
	if err := zip.CreateFromDir(&packed, module.Version{Path: pathOf(folder), Version: p.version}, content); err != nil {
		p.t.Fatal(err) // names, sizes and folders that a proxy refuses
	}
	if packed.Len() > 4<<20 {
		p.t.Errorf("%s is a download of %d bytes", folder, packed.Len())
	}
	write(p.t, at, "list", p.version+"\n")
	write(p.t, at, p.version+".info", string(info))
	write(p.t, at, p.version+".mod", string(mod))
	write(p.t, at, p.version+".zip", packed.String())
}

// copyModule copies a module as it will be tagged, without replacements, its own
// requirements at the proxy's version.
func (p *proxy) copyModule(folder, to string) {
	p.t.Helper()
	for _, name := range tracked(p.t, folder) {
		text, err := os.ReadFile(filepath.Join(top, folder, name))
		if err != nil {
			p.t.Fatal(err)
		}
		write(p.t, to, name, string(text))
	}
	file := parse(p.t, folder)
	for _, r := range slices.Clone(file.Replace) {
		if !ours(r.Old.Path) {
			p.t.Errorf("%s replaces %s, which hosts do not", folder, r.Old.Path)
		}
		if err := file.DropReplace(r.Old.Path, r.Old.Version); err != nil {
			p.t.Fatal(err)
		}
	}
	for _, r := range file.Require {
		if ours(r.Mod.Path) {
			if err := file.AddRequire(r.Mod.Path, p.version); err != nil {
				p.t.Fatal(err)
			}
		}
	}
	file.Cleanup()
	text, err := file.Format()
	if err != nil {
		p.t.Fatal(err)
	}
	write(p.t, to, "go.mod", string(text))
}

// run runs a command as on the machine of somebody who knows of the proxy only.
func (p *proxy) run(folder, name string, args ...string) string {
	p.t.Helper()
	command := exec.CommandContext(p.t.Context(), name, args...)
	command.Dir = folder
	command.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod",
		"GOPROXY=file://"+filepath.ToSlash(p.folder)+","+goEnv(p.t, "GOPROXY"), "GONOSUMDB="+root)
	out, err := command.CombinedOutput()
	if err != nil {
		p.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// tracked returns the files of a module that git knows, without those of modules below it.
func tracked(t *testing.T, folder string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "git", "-C", filepath.Join(top, folder), "ls-files", "-z").Output()
	if err != nil {
		t.Fatal(err)
	}
	names := slices.DeleteFunc(strings.Split(string(out), "\x00"), func(name string) bool { return name == "" })
	var below []string
	for _, name := range names {
		if dir, file := path.Split(name); file == "go.mod" && dir != "" {
			below = append(below, dir)
		}
	}
	return slices.DeleteFunc(names, func(name string) bool {
		_, err := os.Stat(filepath.Join(top, folder, name)) // one that is deleted, and not committed yet
		return err != nil || slices.ContainsFunc(below, func(dir string) bool { return strings.HasPrefix(name, dir) })
	})
}

// programOf returns the program that a page has.
func programOf(t *testing.T, name string) string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(top, name))
	if err != nil {
		t.Fatal(err)
	}
	_, program, ok := strings.Cut(string(page), "```go\npackage main\n")
	program, _, closed := strings.Cut(program, "```")
	if !ok || !closed {
		t.Fatalf("%s has no program", name)
	}
	return "package main\n" + program
}

// forget removes from Go's module cache what nobody will ask for again.
func forget(t *testing.T, version string) {
	cache := goEnv(t, "GOMODCACHE")
	for _, pattern := range []string{root + "@" + version, root + "/*/*@" + version, "cache/download/" + root + "/@v/" + version + ".*", "cache/download/" + root + "/*/*/@v/" + version + ".*"} {
		names, _ := filepath.Glob(filepath.Join(cache, filepath.FromSlash(pattern)))
		for _, name := range names {
			_ = filepath.WalkDir(name, func(name string, entry fs.DirEntry, _ error) error {
				if entry != nil && entry.IsDir() {
					return os.Chmod(name, 0o700)
				}
				return nil
			})
			if err := os.RemoveAll(name); err != nil {
				t.Error(err)
			}
		}
	}
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.Command("go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func write(t *testing.T, folder, name, text string) {
	t.Helper()
	file := filepath.Join(folder, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
