package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// clockVariable says by how many seconds the clock of a process is wrong.
const clockVariable = "CRASH_TEST_CLOCK"

// overlay returns one for go build that makes a shop with a wrong clock and a
// database that hangs.
func overlay(t *testing.T) string {
	t.Helper()
	clock, source := wrongClock(t)
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]map[string]string{"Replace": {
		clock:                           file(t, "time.go", source),
		filepath.Join(here, "hangs.go"): file(t, "hangs.go", hangs),
	}})
	if err != nil {
		t.Fatal(err)
	}
	return file(t, "overlay.json", string(text))
}

// hangs is a file of the shop's: it gives SQLite what the other databases have, a
// function that takes its time.
var hangs = fmt.Sprintf(`package main

import (
	"database/sql/driver"
	"time"

	"modernc.org/sqlite"
)

func init() {
	sqlite.MustRegisterFunction("hang", &sqlite.FunctionImpl{
		Scalar: func(*sqlite.FunctionContext, []driver.Value) (driver.Value, error) {
			time.Sleep(%d)
			return nil, nil
		},
	})
}
`, crashHang)

// wrongClock returns a file of the standard library's and what stands in it if
// [time.Now] is off by what the environment says. What a program measures by it stays
// right.
func wrongClock(t *testing.T) (name, changed string) {
	t.Helper()
	const now = "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n"
	root, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	name = filepath.Join(strings.TrimSpace(string(root)), "src", "time", "time.go")
	source, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	changed = strings.Replace(string(source), now, now+"\tsec += wrong\n", 1)
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
	return name, strings.Replace(changed, "import (", "import (\n\t\"syscall\"", 1)
}
