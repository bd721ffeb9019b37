package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// pageLine is a line of docs/api.md: a curl, and the status that it is answered.
var pageLine = regexp.MustCompile(`(?m)^\$ (curl .*?) +# ([0-9]+)$`)

// quotedAddress is quoted for shells that read ? as a pattern.
var quotedAddress = regexp.MustCompile(`"(\$SHOP[^"]*)"`)

// The lines of docs/api.md are answered as they say, one after the other: pasted into a
// shell where there is curl, and read by the test everywhere. They are the same in
// Chinese, and call every route.
func TestPageOfTheRoutes(t *testing.T) {
	lines := pageLines(t, "api.md")
	if !slices.EqualFunc(lines, pageLines(t, "api.zh-CN.md"), slices.Equal) {
		t.Error("docs/api.md and docs/api.zh-CN.md have other lines")
	}
	for _, route := range []string{"/refunds -H", "/refunds/$ID", "/refunds?", "/coupon-refunds", "/unfreezes", "/notify", "/gateway", "/openapi.json"} {
		if !slices.ContainsFunc(lines, func(l []string) bool { return strings.Contains(l[1], "$SHOP"+route) }) {
			t.Errorf("docs/api.md does not call %s", route)
		}
	}
	for name, paste := range map[string]func(*testing.T, string) (int, string){"curl": statusInShell, "http": statusOfRequest} {
		t.Run(name, func(t *testing.T) {
			if _, err := exec.LookPath("curl"); err != nil && name == "curl" {
				t.Log("there is no curl")
				return
			}
			a, id := start(t), ""
			for _, line := range lines {
				said := quotedAddress.ReplaceAllString(line[1], "'$1'")
				said = strings.NewReplacer("$SHOP", a.base+"/alipay", `"$STAFF"`, "'Authorization: Bearer "+testToken+"'", "$ID", id).Replace(said)
				status, body := paste(t, said)
				if strconv.Itoa(status) != line[2] {
					t.Errorf("%s\n  is answered %d %s, want %s", line[1], status, body, line[2])
				}
				var refund struct{ ID string }
				if _ = json.Unmarshal([]byte(body), &refund); refund.ID != "" {
					id = refund.ID
				}
			}
		})
	}
}

func pageLines(t *testing.T, page string) [][]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "docs", page))
	if err != nil {
		t.Fatal(err)
	}
	return pageLine.FindAllStringSubmatch(string(text), -1)
}

// statusInShell runs a line, which then prints the status behind the body.
func statusInShell(t *testing.T, line string) (status int, body string) {
	t.Helper()
	out := inShell(t, line+` -w '\n%{http_code}'`)
	body, code := out[:strings.LastIndex(out, "\n")], out[strings.LastIndex(out, "\n")+1:]
	status, err := strconv.Atoi(code)
	if err != nil {
		t.Fatalf("%s: %s", line, out)
	}
	return status, body
}

func statusOfRequest(t *testing.T, line string) (status int, body string) {
	t.Helper()
	r := exchange(t, requestOf(t, line))
	return r.status, r.text
}
