package console_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/alirefund/alirefund/console"
	"github.com/alirefund/alirefund/store"
)

// Every text that a page names is there, in both languages, and every one that is there
// is named.
func TestEveryTextIsThere(t *testing.T) {
	var source strings.Builder
	for _, pattern := range []string{"*.go", "pages/*.html"} {
		for _, name := range must(filepath.Glob(pattern)) {
			if !strings.HasSuffix(name, "_test.go") {
				source.Write(must(os.ReadFile(name)))
			}
		}
	}
	for _, m := range regexp.MustCompile(`(?:\.T "|\$p\.T "|\bT\("|, ")((?:error|done|show|kind|state|days|replay|approve|decline|resolve|ask|deliver|left|search|outcome)\.[a-z._]+)"`).FindAllStringSubmatch(source.String(), -1) {
		if _, known := console.Texts[m[1]]; !known {
			t.Errorf("there is no text %q", m[1])
		}
	}
	for _, m := range regexp.MustCompile(`\.T "([a-z._]+)"|\bT\("([a-z._]+)"\)`).FindAllStringSubmatch(source.String(), -1) {
		if _, known := console.Texts[m[1]+m[2]]; !known {
			t.Errorf("there is no text %q", m[1]+m[2])
		}
	}
	made := regexp.MustCompile(`^(show|kind|state|event|fact|origin|source|outcome|done|(approve|decline|ask|resolve|deliver)\.(do|question|hint|wrong))\b`) // put together from a word of the ledger's
	for name := range console.Texts {
		if !made.MatchString(name) && !strings.Contains(source.String(), `T "`+name+`"`) && !strings.Contains(source.String(), `T("`+name+`")`) && !strings.Contains(source.String(), `, "`+name+`")`) && !strings.Contains(source.String(), `, "`+name+"\"\n") {
			t.Errorf("no page has the text %q", name)
		}
	}
	for name, text := range maps.All(console.Texts) {
		chinese := strings.ContainsFunc(text.Zh, func(r rune) bool { return unicode.Is(unicode.Han, r) })
		if text.En == "" || text.Zh == "" || chinese == (name == "other") {
			t.Errorf("%s: %+v", name, text)
		}
	}
}

// Every stage, every event and every kind has words; so has each entry that a page tones.
func TestTheLedgerHasWords(t *testing.T) {
	for s := store.StageAwaitingApproval; s <= store.StageExpired; s++ {
		if text := console.Stages[s]; text.En == "" || text.Zh == "" {
			t.Errorf("the stage %s has none", s)
		}
	}
	for _, event := range []store.Event{store.RefundSucceeded, store.RefundFailed, store.RefundUnresolved} {
		if console.Texts["event."+string(event)].En == "" {
			t.Errorf("%s has none", event)
		}
	}
	for _, kind := range store.Kinds() {
		if console.Texts["kind."+string(kind)].En == "" {
			t.Errorf("%s has none", kind)
		}
	}
	for name := range console.Tones {
		if console.Entries[name].En == "" || console.Entries[name].Zh == "" {
			t.Errorf("%s has none", name)
		}
	}
	for name, text := range console.Entries {
		if text.En == "" || text.Zh == "" {
			t.Errorf("%s: %+v", name, text)
		}
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}
