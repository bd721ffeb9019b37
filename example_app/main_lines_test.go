package main

import (
	"encoding/json"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// The three lines of the start-up text do what it says of them, pasted into a
// shell where there is curl, and read by the test everywhere.
func TestPrintedLines(t *testing.T) {
	for name, paste := range map[string]func(*testing.T, string) string{"curl": inShell, "http": asRequest} {
		t.Run(name, func(t *testing.T) {
			if _, err := exec.LookPath("curl"); err != nil && name == "curl" {
				t.Log("there is no curl")
				return
			}
			a := start(t)
			if first, _, _ := strings.Cut(a.text, "\n"); !strings.HasPrefix(first, a.base+"/ ") {
				t.Errorf("the first line is %q", first)
			}
			var lines []string
			for line := range strings.Lines(a.text) {
				if strings.HasPrefix(line, "curl ") {
					lines = append(lines, strings.TrimSpace(line))
				}
			}
			if len(lines) != 3 || !strings.Contains(lines[0], lostAnswer) || !strings.Contains(lines[1], "/coupon-refunds") || !strings.Contains(lines[2], noticeTwice) {
				t.Fatalf("printed: %q", lines)
			}
			for i, source := range []string{"query", "answer", "answer"} { // the first had no answer
				var said map[string]any
				unmarshal(t, paste(t, lines[i]), &said)
				if said["state"] != "succeeded" || said["source"] != source || said["delivered"] != true {
					t.Errorf("%s\n  is answered %v", lines[i], said)
				}
			}
			page := a.page()
			page.seen("refund-1", "recorded sent answer.no_answer settled.pending ask told.ok settled.succeeded hook.ok done.refund_succeeded answered.succeeded notice verified settled.succeeded acknowledged.handled")
			page.seen("refund-2", "recorded sent answer.ok settled.succeeded hook.ok done.refund_succeeded answered.succeeded notice verified settled.succeeded acknowledged.handled")
			page.seen("refund-3", "recorded sent answer.ok settled.succeeded hook.ok done.refund_succeeded answered.succeeded notice verified settled.succeeded acknowledged.handled notice verified duplicate")
			a.expectEvents(
				"refund_succeeded trade 6823789339978250 refund-1 9.90 query",
				"refund_succeeded coupon 2018081710002001860231318891 refund-2 8.00 answer",
				"refund_succeeded trade 6823789339978248 refund-3 88.88 answer",
			)
		})
	}
}

func unmarshal(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
}

func inShell(t *testing.T, line string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "sh", "-c", line).Output()
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return string(out)
}

func asRequest(t *testing.T, line string) string {
	t.Helper()
	return exchange(t, requestOf(t, line)).text
}

// requestOf is the request that a line of curl makes.
func requestOf(t *testing.T, line string) *http.Request {
	t.Helper()
	var words []string
	for _, m := range regexp.MustCompile(`'([^']*)'|(\S+)`).FindAllStringSubmatch(line, -1) {
		words = append(words, m[1]+m[2])
	}
	method, target, body, header := http.MethodGet, "", "", http.Header{}
	for i := 1; i < len(words); i++ {
		switch words[i] {
		case "-sS":
			continue
		case "-w":
			i++
		case "-d":
			i++
			method, body = http.MethodPost, words[i]
		case "-H":
			i++
			name, value, _ := strings.Cut(words[i], ": ")
			header.Set(name, value)
		default:
			target = words[i]
		}
	}
	r, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if r.Header = header; method == http.MethodPost && header.Get("Content-Type") == "" {
		header.Set("Content-Type", "application/x-www-form-urlencoded") // as curl does
	}
	return r
}
