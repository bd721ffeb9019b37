package explain

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/alirefund/alirefund/internal/rawjson"
)

// layout is one of the ways in which JSON may be written. Its zero value drops
// the blanks and changes nothing else.
type layout struct {
	order  ordering
	text   spelling
	number spelling
}

type (
	ordering int
	spelling int
)

// How fields are ordered.
const (
	asTheyStand  ordering = iota
	alipaysOrder          // code, msg, sub_code, sub_msg, and then by name
	openIDLast            // the same, but buyer_open_id, a late addition, at the end
	allByName
)

// How strings are written, and numbers.
const (
	asWritten    spelling = iota
	plainText             // only what must be is escaped
	slashedText           // / as well
	asciiText             // everything beyond ASCII as well
	quotedNumber          // as a string
	quotedAmount          // as a string with two decimals
)

// layouts are the combinations that are tried, the likeliest first.
var layouts = func() (all []layout) {
	for _, number := range []spelling{asWritten, quotedNumber, quotedAmount} {
		for _, order := range []ordering{asTheyStand, alipaysOrder, openIDLast, allByName} {
			for _, text := range []spelling{asWritten, plainText, slashedText, asciiText} {
				all = append(all, layout{order, text, number})
			}
		}
	}
	return all
}()

// rewriteJSON writes an object or a list anew; anything else it returns as it is.
func rewriteJSON(text string, l layout) string {
	trimmed := strings.TrimSpace(text)
	if trimmed == "" || trimmed[0] != '{' && trimmed[0] != '[' || !json.Valid([]byte(trimmed)) {
		return text
	}
	var b strings.Builder
	l.write(&b, []byte(trimmed), 0)
	return b.String()
}

// maxNesting bounds the recursion; deeper values are copied.
const maxNesting = 32

func (l layout) write(b *strings.Builder, value []byte, depth int) {
	switch {
	case depth > maxNesting:
		b.Write(value)
	case value[0] == '{':
		type field struct{ key, value []byte }
		var fields []field
		_, _ = rawjson.Fields(value, func(key, value []byte) { fields = append(fields, field{key, value}) })
		slices.SortStableFunc(fields, func(x, y field) int { return l.compare(string(x.key), string(y.key)) })
		b.WriteByte('{')
		for i, f := range fields {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteByte('"')
			b.Write(f.key)
			b.WriteString(`":`)
			l.write(b, f.value, depth+1)
		}
		b.WriteByte('}')
	case value[0] == '[':
		b.WriteByte('[')
		i := 0
		rawjson.Items(value, func(item []byte) {
			if i > 0 {
				b.WriteByte(',')
			}
			i++
			l.write(b, item, depth+1)
		})
		b.WriteByte(']')
	case value[0] == '"':
		b.WriteString(l.spell(value))
	case value[0] == '-' || '0' <= value[0] && value[0] <= '9':
		b.WriteString(l.count(string(value)))
	default:
		b.Write(value)
	}
}

func (l layout) compare(x, y string) int {
	switch l.order {
	case asTheyStand:
		return 0
	case allByName:
		return strings.Compare(x, y)
	}
	if d := l.rank(x) - l.rank(y); d != 0 {
		return d
	}
	return strings.Compare(x, y)
}

// rank is what captured answers have in common beside the order by name.
func (l layout) rank(key string) int {
	switch {
	case key == "code" || key == "msg" || key == "sub_code" || key == "sub_msg":
		return slices.Index([]string{"code", "msg", "sub_code", "sub_msg"}, key)
	case l.order == openIDLast && strings.HasSuffix(key, "open_id"):
		return 9
	}
	return 8
}

func (l layout) spell(quoted []byte) string {
	var text string
	if l.text == asWritten || json.Unmarshal(quoted, &text) != nil {
		return string(quoted)
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range text {
		switch {
		case c == '"' || c == '\\' || c == '/' && l.text == slashedText:
			b.WriteByte('\\')
			b.WriteRune(c)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\r':
			b.WriteString(`\r`)
		case c == '\t':
			b.WriteString(`\t`)
		case c < ' ' || c >= utf8.RuneSelf && c < 0x10000 && l.text == asciiText:
			fmt.Fprintf(&b, `\u%04x`, c)
		default:
			b.WriteRune(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func (l layout) count(number string) string {
	switch l.number {
	case quotedNumber:
		return `"` + number + `"`
	case quotedAmount:
		return `"` + twoDecimals(number) + `"`
	default:
		return number
	}
}
