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
			var lines []string
			for line := range strings.Lines(a.text) {
				if strings.HasPrefix(line, "curl ") {
					lines = append(lines, strings.TrimSpace(line))
				}
			}
			if len(lines) != 3 || lines[0] != lines[1] || !strings.Contains(lines[2], "/events") {
				t.Fatalf("printed: %q", lines)
			}
			var first, again map[string]any
			unmarshal(t, paste(t, lines[0]), &first)
			unmarshal(t, paste(t, lines[1]), &again)
			if first["state"] != "succeeded" || first["repeated"] != false || first["delivered"] != true || first["amount"] != "9.90" {
				t.Errorf("the refund: %v", first)
			}
			if again["id"] != first["id"] || again["state"] != "succeeded" || again["repeated"] != true {
				t.Errorf("the repeat: %v", again)
			}
			var events []map[string]any
			unmarshal(t, paste(t, lines[2]), &events)
			if len(events) != 1 || events[0]["id"] != first["id"] {
				t.Fatalf("the events: %v", events)
			}
			fields := []string{"id", "event", "kind", "out_trade_no", "auth_no", "out_request_no", "amount", "source", "at"}
			for _, field := range fields {
				if _, ok := events[0][field].(string); !ok {
					t.Errorf("the event has no text %s: %v", field, events[0])
				}
			}
			if len(events[0]) != len(fields) {
				t.Errorf("the event has other fields: %v", events[0])
			}
			a.expectEvents("refund_succeeded trade 6823789339978250 refund-1 9.90 answer")
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
