package redocly_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const cli = "node_modules/@redocly/cli/bin/cli.js"

// The documents are as the linter recommends, by all its rules but those that
// redocly.yaml turns off.
func TestDocumentsLint(t *testing.T) {
	if out, err := lint(t, "../../../openapi.json", "../../../openapi.zh-CN.json"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// The linter sees what is wrong.
func TestLinterSees(t *testing.T) {
	text, err := os.ReadFile("../../../openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	broken := filepath.Join(t.TempDir(), "openapi.json")
	if err := os.WriteFile(broken, []byte(strings.Replace(string(text), `#/components/schemas/RefundRequest"`, `#/components/schemas/RefundReques"`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := lint(t, broken); err == nil || !strings.Contains(out, "no-unresolved-refs") {
		t.Errorf("a reference to nothing passes: %s", out)
	}
}

func lint(t *testing.T, names ...string) (string, error) {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		missing(t, "node is not installed")
	}
	if _, err := os.Stat(cli); err != nil {
		missing(t, "the npm package @redocly/cli is not installed (make redocly)")
	}
	command := exec.CommandContext(t.Context(), node, append([]string{cli, "lint", "--config", "redocly.yaml"}, names...)...)
	command.Env = append(os.Environ(), "REDOCLY_TELEMETRY=off", "REDOCLY_SUPPRESS_UPDATE_NOTICE=true", "HTTP_PROXY=", "HTTPS_PROXY=", "http_proxy=", "https_proxy=")
	out, err := command.CombinedOutput()
	return string(out), err
}

// missing ends a test for which something is not installed: in continuous
// integration that is a failure, and elsewhere too, unless somebody asked for less.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") != "true" && os.Getenv("ALIREFUND_CONFORMANCE_SKIP") == "1" {
		t.Skip(what)
	}
	t.Fatalf("%s (ALIREFUND_CONFORMANCE_SKIP=1 leaves it out)", what)
}
