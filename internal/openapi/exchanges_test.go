package openapi_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/alirefund/alirefund/internal/shoptest"
)

// Whatever the routes answer in the tests of the root package and in those here is in
// the document, and whatever is in the document was answered. A request that was taken
// is one by the document; one that was refused for its form is none, but for what no
// schema can say.
func TestTheDocumentSaysWhatHappens(t *testing.T) {
	folder := t.TempDir()
	rootTests(t, folder)
	t.Setenv(shoptest.RecordExchanges, folder)
	provoke(t)
	live(t)
	d := open(t, "../../openapi.json")
	kept := promises{}
	n := 0
	for _, x := range recorded(t, folder) {
		if !d.has(x) { // a route of a test's own
			continue
		}
		n++
		for _, wrong := range d.answer(x) {
			t.Errorf("%s %s %s\n  answered %d %s\n  which the document does not allow: %s", x.Method, x.URL, x.Request, x.Status, x.Answer, wrong)
		}
		judgeRequest(t, d, x)
		d.keeps(x, kept)
	}
	if n < 200 {
		t.Errorf("%d exchanges were recorded", n)
	}
	for _, promise := range slices.Sorted(maps.Keys(d.promises())) {
		if !kept[promise] {
			t.Errorf("it is in the document, and never happened: %s", promise)
		}
	}
}

// rootTests runs the tests of the root package, with their exchanges recorded.
func rootTests(t *testing.T, folder string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", "test", "-count=1", ".")
	command.Dir = "../.."
	command.Env = append(os.Environ(), "GOWORK=off", shoptest.RecordExchanges+"="+folder)
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("the tests of the root package: %v\n%s", err, out)
	}
}

func recorded(t *testing.T, folder string) (all []shoptest.Exchange) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(folder, "*.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		for line := range bytes.Lines(shoptest.Must(os.ReadFile(name))) {
			var x shoptest.Exchange
			if err := json.Unmarshal(line, &x); err != nil {
				t.Fatal(err)
			}
			all = append(all, x)
		}
	}
	return all
}

// judgeRequest compares what became of a request with what the document says of it.
func judgeRequest(t *testing.T, d *document, x shoptest.Exchange) {
	t.Helper()
	why := d.refuses(x)
	switch ok := why == nil; code(x) {
	case "unknown_field", "unsupported_media_type":
		if ok {
			t.Errorf("%s %s %.300s is answered %s, and is a request by the document", x.Method, x.URL, x.Request, code(x))
		}
	case "not_json", "repeated_field", "too_large", "notification_unread", "notification_refused", "notification_forged": // of the bytes
	case "unknown_app", "app_unavailable", "may_not_approve": // before they are read
	case "invalid_fields":
		if ok && !slices.ContainsFunc(rules(x), unsayable(x)) {
			t.Errorf("%s %s %.300s breaks the rules %q, and is a request by the document", x.Method, x.URL, x.Request, rules(x))
		}
	default:
		if forgiven := x.Method == http.MethodGet && strings.Contains(x.URL, "+"); !ok && !forgiven { // a + that nobody escaped
			t.Errorf("%s %s %.300s is answered %d %s, and is no request by the document: %v", x.Method, x.URL, x.Request, x.Status, code(x), why)
		}
	}
}

// rules are those that a request broke.
func rules(x shoptest.Exchange) (rules []string) {
	var p struct{ Errors []struct{ Code string } }
	_ = json.Unmarshal(x.Answer, &p)
	for _, e := range p.Errors {
		rules = append(rules, e.Code)
	}
	return rules
}

// unsayable tells of a rule whether a schema cannot say it.
func unsayable(x shoptest.Exchange) func(rule string) bool {
	return func(rule string) bool {
		switch rule {
		case "partial", "agree", "allowed", "cursor": // of what else is known
			return true
		case "required": // of a merchant's token that nobody has
			return bytes.Contains(x.Answer, []byte("Config.AppAuthToken"))
		case "amount", "precision": // a number's decimals and its exponent are no part of its value
			return !bytes.Contains(x.Request, []byte(`mount":"`))
		case "json": // a validator need not look into a text
			return true
		case "repeated", "unknown": // a parameter
			return x.Method == http.MethodGet
		case "plain": // what is not seen, and no pattern names in every language
			return strings.ContainsAny(string(x.Request), "\u3164\u2800\ufe0f\ufffd") || !utf8.Valid(x.Request) || escaped(x.Request)
		}
		return false
	}
}

// escaped tells whether a body has one of those characters, escaped, or half of one.
func escaped(body []byte) bool {
	return slices.ContainsFunc([]string{`\u3164`, `\u2800`, `\ufe0f`, `\ufffd`, `\ud8`}, func(s string) bool { return bytes.Contains(body, []byte(s)) })
}
