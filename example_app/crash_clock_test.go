package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// clockVariable says by how many seconds the clock of a process is wrong.
const clockVariable = "CRASH_TEST_CLOCK"

// wrongClock returns an overlay for go build in which [time.Now] is off by what the
// environment says. What a program measures by it stays right.
func wrongClock(t *testing.T) string {
	t.Helper()
	const now = "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n"
	root, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(strings.TrimSpace(string(root)), "src", "time", "time.go")
	source, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(source), now, now+"\tsec += wrong\n", 1)
	if changed == string(source) {
		t.Fatalf("%s has another time.Now than this test knows", name)
	}
	changed += `
var wrong = func() (seconds int64) {
	text, _ := syscall.Getenv("` + clockVariable + `")
	negative := len(text) > 0 && text[0] == '-'
	for _, digit := range text {
		if '0' <= digit && digit <= '9' {
			seconds = 10*seconds + int64(digit-'0')
		}
	}
	if negative {
		seconds = -seconds
	}
	return seconds
}()
`
	changed = strings.Replace(changed, "import (", "import (\n\t\"syscall\"", 1)
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {name: file(t, "time.go", changed)}})
	if err != nil {
		t.Fatal(err)
	}
	return file(t, "overlay.json", string(overlay))
}
