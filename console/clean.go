package console

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/alirefund/alirefund/internal/sheet"
)

// clean is a text as it can be shown: what would be invisible, or would turn what stands
// around it, is written out, such as [U+202E]. An emoji of several characters stays one.
func clean(text string) string {
	if strings.IndexFunc(text, sheet.Hidden) < 0 && utf8.ValidString(text) {
		return text
	}
	var b strings.Builder
	for _, r := range strings.ToValidUTF8(text, "\uFFFD") {
		if sheet.Hidden(r) {
			fmt.Fprintf(&b, "[U+%04X]", r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}
