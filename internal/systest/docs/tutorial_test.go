//go:build unix

package docs_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

var block = regexp.MustCompile("(?s)```(\\w+)\n(.*?)```")

// The tutorial's commands and files do what the page says, one after the other, from the
// empty folder on. The Chinese page has the same.
func TestTutorialRuns(t *testing.T) {
	page := read(t, "docs/tutorial.md")
	blocks := block.FindAllStringSubmatch(page, -1)
	chinese := block.FindAllStringSubmatch(read(t, "docs/tutorial.zh-CN.md"), -1)
	if !slices.EqualFunc(blocks, chinese, func(e, z []string) bool {
		return comment.ReplaceAllString(e[0], "") == comment.ReplaceAllString(z[0], "")
	}) {
		t.Error("the two pages show different commands or files")
	}
	if testing.Short() {
		t.Skip("it builds and runs two programs")
	}
	alipay, shop := freeAddress(t), freeAddress(t)
	here := strings.NewReplacer("127.0.0.1:7075", alipay, "127.0.0.1:8080", shop)

	dir := t.TempDir()
	clone, err := filepath.Abs(top)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(clone, filepath.Join(dir, "alirefund")); err != nil {
		t.Fatal(err)
	}
	type said struct{ command, want string }
	var saying []said
	var hooks []string
	script := "set -e\n"
	for _, b := range blocks {
		switch text := here.Replace(b[2]); b[1] {
		case "go":
			script += "cat > main.go <<'END'\n" + text + "END\n"
		case "text":
			hooks = append(hooks, strings.TrimSpace(text))
			script += fmt.Sprintf("until [ $(grep -c HOOK: ../shop.log) -ge %d ]; do sleep 0.1; done\n", len(hooks))
		case "console":
			for _, part := range strings.Split("\n"+text, "\n$ ")[1:] {
				command, want, _ := strings.Cut(part, "\n")
				script += fmt.Sprintf("echo; echo @%d\n", len(saying))
				saying = append(saying, said{command, strings.TrimSpace(want)})
				switch {
				case strings.HasSuffix(command, "go run ."):
					script += command + " >../shop.log 2>&1 & until curl -s -o /dev/null " + shop + "; do sleep 0.1; done\n"
				case strings.HasPrefix(command, "go run "):
					script += "GIN_MODE=release " + command + " --addr " + alipay + " & until curl -s -o /dev/null " + alipay + "; do sleep 0.1; done\n"
				default:
					script += command + "\n"
				}
			}
		}
	}
	if len(saying) < 12 || len(hooks) != 3 {
		t.Fatalf("%d commands, %d hooks", len(saying), len(hooks))
	}

	run := exec.CommandContext(t.Context(), "bash", "-c", script)
	run.Dir = dir
	run.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod", "GOSUMDB=off")
	run.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // what it starts ends with it
	output, err := os.Create(filepath.Join(dir, "output"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = output.Close() }()
	run.Stdout, run.Stderr = output, output
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	end := func() { _ = syscall.Kill(-run.Process.Pid, syscall.SIGKILL) }
	defer end()
	tooLong := time.AfterFunc(3*time.Minute, end)
	defer tooLong.Stop()
	err = run.Wait()
	printed, _ := os.ReadFile(output.Name())
	log, _ := os.ReadFile(filepath.Join(dir, "shop.log"))
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, printed, log)
	}

	for i, s := range saying {
		_, answer, _ := strings.Cut(string(printed), fmt.Sprintf("@%d\n", i))
		answer, _, _ = strings.Cut(answer, "\n@")
		if !like(s.want).MatchString(answer) {
			t.Errorf("%s\nsays\n%s\nand not\n%s", s.command, answer, s.want)
		}
	}
	lines := regexp.MustCompile(`HOOK:.*`).FindAllString(string(log), -1)
	if len(lines) != len(hooks) {
		t.Errorf("the hook ran %d times: %q", len(lines), lines)
	}
	for i, want := range hooks {
		if i < len(lines) && !like(want).MatchString(lines[i]) {
			t.Errorf("%q, and not %q", lines[i], want)
		}
	}
}

// like matches what a page shows, in which … stands for anything.
func like(shown string) *regexp.Regexp {
	return regexp.MustCompile("(?s)" + strings.ReplaceAll(regexp.QuoteMeta(shown), "…", ".*"))
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}
