// Package sheet writes tables that a spreadsheet opens as they are: Chinese as Chinese, long
// numbers whole, and no text taken for a formula.
package sheet

import (
	"encoding/csv"
	"io"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// mark is the byte order mark, by which Excel knows UTF-8.
const mark = "\uFEFF"

// NewWriter begins a table in w. Its cells are what [Cell] makes of texts.
func NewWriter(w io.Writer) *csv.Writer {
	_, _ = io.WriteString(w, mark) // the writer's Error says what follows
	table := csv.NewWriter(w)
	table.UseCRLF = true
	return table
}

// likeNumber is what a spreadsheet may take for a number or a date, and change: round it,
// drop its zeros, or make a month of it.
var likeNumber = regexp.MustCompile(`^[0-9][0-9A-Za-z.,:/_-]*$`)

// shortNumber is the most digits that are always shown as they are.
const shortNumber = 9

// Cell is a text as a spreadsheet shows it. What is like a number is written as ="…", but
// for short ones, and a text that would be taken for a formula begins with an apostrophe.
func Cell(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	if likeNumber.MatchString(text) && (text[0] == '0' || len(text) > shortNumber || strings.Trim(text, "0123456789") != "") {
		return `="` + text + `"`
	}
	begin := strings.TrimLeftFunc(text, func(r rune) bool { return unicode.IsSpace(r) || Hidden(r) })
	if first, _ := utf8.DecodeRuneInString(begin); begin != "" && strings.ContainsRune("=+-@＝＋－＠", first) {
		return "'" + text
	}
	return text
}

// Hidden tells what a person cannot see. U+200D holds emoji together.
func Hidden(r rune) bool {
	switch r {
	case '\u200d':
		return false
	case '\u2028', '\u2029', '\u3164', '\u115f', '\u1160':
		return true
	}
	return unicode.Is(unicode.Cf, r) && (r < 0xE0020 || r > 0xE007F) || unicode.IsControl(r)
}
