package explain

import (
	"regexp"
	"slices"
	"strings"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/alirefund/alirefund/signer"
)

// repair is one corruption undone: the fields as they may have been.
type repair struct {
	cause  Cause
	detail string
	pairs  []signer.Param
}

// repairForm tries every single repair of a form.
func (e *examination) repairForm(f *form, opened Cause) (finding, bool) {
	if f.kind == KindUnknown && opened != "" {
		return finding{}, false
	}
	for _, way := range []func(*form, func(repair) bool) bool{valueRepairs, duplicateRepairs, additions, plusRepairs, e.droppings, trimmings} {
		var found finding
		var ok bool
		way(f, func(r repair) bool {
			found, ok = e.tryRepair(r, opened)
			return !ok && !e.judge.exhausted()
		})
		if ok {
			return found, true
		}
	}
	return finding{}, false
}

func (e *examination) tryRepair(r repair, opened Cause) (finding, bool) {
	e.judge.bytes -= len(e.raw) // a repair costs, whether or not there is a signature to try it on
	f := newForm(r.pairs)
	m, ok := e.match(f, false)
	if !ok {
		return finding{}, false
	}
	return e.nameForm(f, m, r, opened), true
}

// repairFormTwice tries pairs of the repairs that have one outcome each. What
// was looked at by value is named before what was added.
func (e *examination) repairFormTwice(f *form) (finding, bool) {
	var found finding
	var ok bool
	valueRepairs(f, func(first repair) bool {
		g := newForm(first.pairs)
		try := func(second repair) bool {
			if second.cause == first.cause {
				return true
			}
			found, ok = e.tryRepair(repair{first.cause, strings.TrimSpace(first.detail + " " + besides(second.cause) + " " + second.detail), second.pairs}, "")
			return !ok && !e.judge.exhausted()
		}
		return valueRepairs(g, try) && duplicateRepairs(g, try) && foreign(g, try)
	})
	if ok {
		return found, true
	}
	foreign(f, func(first repair) bool {
		return plusRepairs(newForm(first.pairs), func(second repair) bool {
			found, ok = e.tryRepair(repair{first.cause, first.detail + " " + besides(second.cause), second.pairs}, "")
			return !ok && !e.judge.exhausted()
		})
	})
	return found, ok
}

// rewrite is a corruption of values that has one inverse.
type rewrite struct {
	cause Cause
	value func(key, value string) string
}

var rewrites = []rewrite{
	{EncodedTwice, func(_, v string) string {
		if !escaped(v) {
			return v
		}
		decoded, _ := unescape(v)
		return decoded
	}},
	{HTMLEscaped, func(_, v string) string { return entities.Replace(v) }},
	{BackslashesAdded, func(_, v string) string { return stripSlashes.Replace(v) }},
	{CharactersReplaced, func(_, v string) string { return lookAlikes.Replace(v) }},
	{CharactersReplaced, func(_, v string) string { return fullWidthAll.Replace(v) }},
	{OtherCharset, toGBK},
	{OtherCharset, fromGBK},
	{OtherCharset, fromLatin1},
	{PlusKept, func(k, v string) string {
		if k == "sign" {
			return v
		}
		return strings.ReplaceAll(v, "+", " ")
	}},
	{PlusKept, func(_, v string) string { return plusInTime.ReplaceAllString(v, "$1 $2") }},
	{PlusAsSpace, blanksToPlus},
	{ValuesReformatted, reformat},
	{NewlinesChanged, func(_, v string) string {
		return strings.ReplaceAll(strings.ReplaceAll(v, "\r\n", "\n"), "\n", "\r\n")
	}},
	{NewlinesChanged, func(_, v string) string { return strings.ReplaceAll(v, "\r\n", "\n") }},
	{Reserialised, func(_, v string) string { return rewriteJSON(v, layout{}) }},
	{Reserialised, func(_, v string) string { return rewriteJSON(v, layout{text: plainText}) }},
	{Reserialised, func(_, v string) string { return rewriteJSON(v, layout{order: alipaysOrder, text: plainText}) }},
	{SlashesUnescaped, func(_, v string) string { return rewriteJSON(v, layout{text: slashedText}) }},
}

// valueRepairs yields f with its values rewritten, and with its keys.
func valueRepairs(f *form, yield func(repair) bool) bool {
	for _, w := range rewrites {
		changed := false
		pairs := slices.Clone(f.pairs)
		for i, p := range pairs {
			pairs[i].Value = w.value(p.Key, p.Value)
			// The signature is set right by itself, so that it proves nothing.
			changed = changed || pairs[i].Value != p.Value && p.Key != "sign"
		}
		if changed && !yield(repair{cause: w.cause, pairs: pairs}) {
			return false
		}
	}
	renamed := 0
	pairs := slices.Clone(f.pairs)
	for i, p := range pairs {
		pairs[i].Key = snake(p.Key)
		if pairs[i].Key != p.Key {
			renamed++
		}
	}
	return renamed < 2 || yield(repair{cause: KeysRenamed, pairs: pairs}) // one alone is an accident
}

var stripSlashes = strings.NewReplacer(`\"`, `"`, `\'`, "'", `\\`, `\`)

// Filters against script injection write some characters anew, in full width
// or as typographers would.
var (
	lookAlikes   = strings.NewReplacer("＜", "<", "＞", ">", "＇", "'", "＂", `"`, "‘", "'", "’", "'", "“", `"`, "”", `"`)
	fullWidthAll = strings.NewReplacer("＜", "<", "＞", ">", "＇", "'", "＂", `"`, "＆", "&", "（", "(", "）", ")", "＃", "#", "％", "%", "；", ";", "＝", "=", "＋", "+", "－", "-", "：", ":", "，", ",")
)

func toGBK(_, value string) string {
	if encoded, err := simplifiedchinese.GB18030.NewEncoder().String(value); err == nil {
		return encoded
	}
	return value
}

func fromGBK(_, value string) string {
	if decoded, err := simplifiedchinese.GB18030.NewDecoder().String(value); err == nil {
		return decoded
	}
	return value
}

// fromLatin1 undoes that UTF-8 was taken for Latin-1 and encoded once more.
func fromLatin1(_, value string) string {
	for _, table := range []*charmap.Charmap{charmap.ISO8859_1, charmap.Windows1252} {
		if bytes, err := table.NewEncoder().String(value); err == nil {
			return bytes
		}
	}
	return value
}

// blankInTime is the blank that belongs into a time, and is no lost plus.
var (
	blankInTime = regexp.MustCompile(`(\d{4}-\d\d-\d\d) (\d\d:\d\d)`)
	plusInTime  = regexp.MustCompile(`(\d{4}-\d\d-\d\d)\+(\d\d:\d\d)`)
	isoTime     = regexp.MustCompile(`^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(\.\d{3})?\d*(?:Z|[+-]\d\d:?\d\d)?$`)
	amount      = regexp.MustCompile(`^\d{1,9}(?:\.\d{0,3})?$`)
)

func blanksToPlus(_, value string) string {
	value = blankInTime.ReplaceAllString(value, "$1\x00$2")
	value = strings.ReplaceAll(value, " ", "+")
	return strings.ReplaceAll(value, "\x00", " ")
}

// reformat writes amounts with two decimals and times as Alipay does.
func reformat(key, value string) string {
	if strings.HasSuffix(key, "amount") || strings.HasSuffix(key, "_fee") {
		return twoDecimals(value)
	}
	return isoTime.ReplaceAllString(value, "$1 $2$3")
}

func twoDecimals(value string) string {
	if !amount.MatchString(value) {
		return value
	}
	whole, cents, _ := strings.Cut(value, ".")
	return whole + "." + (cents + "00")[:2]
}

// snake writes appId and App_Id as app_id.
func snake(key string) string {
	var b strings.Builder
	for i, c := range []byte(key) {
		if 'A' <= c && c <= 'Z' {
			if i > 0 && 'a' <= key[i-1] && key[i-1] <= 'z' {
				b.WriteByte('_')
			}
			c += 'a' - 'A'
		}
		b.WriteByte(c)
	}
	return b.String()
}
