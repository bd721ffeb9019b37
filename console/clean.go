package console

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// clean is a text as it can be shown: what would be invisible, or would turn what stands
// around it, is written out, such as [U+202E]. An emoji of several characters stays one.
func clean(text string) string {
	if strings.IndexFunc(text, hidden) < 0 && utf8.ValidString(text) {
		return text
	}
	var b strings.Builder
	for _, r := range strings.ToValidUTF8(text, "\uFFFD") {
		if hidden(r) {
			fmt.Fprintf(&b, "[U+%04X]", r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// hidden tells what a person cannot see. U+200D holds emoji together.
func hidden(r rune) bool {
	switch r {
	case '\u200d':
		return false
	case '\u2028', '\u2029', '\u3164', '\u115f', '\u1160':
		return true
	}
	return unicode.Is(unicode.Cf, r) && (r < 0xE0020 || r > 0xE007F) || unicode.IsControl(r)
}
