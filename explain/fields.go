package explain

import (
	"regexp"
	"slices"
	"strings"

	"github.com/alirefund/alirefund/signer"
)

// duplicateRepairs yields f with the first, and with the last, of each key that
// is given twice.
func duplicateRepairs(f *form, yield func(repair) bool) bool {
	if len(f.twice) == 0 {
		return true
	}
	for _, last := range []bool{false, true} {
		pairs := slices.Clone(f.pairs)
		if last {
			slices.Reverse(pairs)
		}
		seen := map[string]bool{}
		pairs = slices.DeleteFunc(pairs, func(p signer.Param) bool {
			again := seen[p.Key]
			seen[p.Key] = true
			return again
		})
		if last {
			slices.Reverse(pairs)
		}
		if !yield(repair{DuplicateKey, naming(f.twice), pairs}) {
			return false
		}
	}
	return true
}

// foreign yields f without the fields that Alipay is not known to send.
func foreign(f *form, yield func(repair) bool) bool {
	var all []int
	for i, p := range f.pairs {
		if !known[p.Key] && !damagedField(f, i) {
			all = append(all, i)
		}
	}
	return len(all) == 0 || yield(leaveOut(f, all))
}

// additions yields f without some of its fields: all that are foreign, each set
// of a few of them, the first or last ones, each single one.
func additions(f *form, yield func(repair) bool) bool {
	if !foreign(f, yield) {
		return false
	}
	var strange []int
	for i, p := range f.pairs {
		if !known[p.Key] && len(strange) < 5 && !damagedField(f, i) {
			strange = append(strange, i)
		}
	}
	for set := 1; set < 1<<len(strange); set++ {
		var some []int
		for bit, i := range strange {
			if set&(1<<bit) != 0 {
				some = append(some, i)
			}
		}
		if !yield(leaveOut(f, some)) {
			return false
		}
	}
	for i, p := range f.pairs {
		if p.Key != "sign" && i < 48 && !damagedField(f, i) && !yield(leaveOut(f, []int{i})) {
			return false
		}
	}
	for n := 2; n <= 4 && n < len(f.pairs); n++ {
		var first, last []int
		for i := range n {
			first, last = append(first, i), append(last, len(f.pairs)-1-i)
		}
		if !yield(leaveOut(f, first)) || !yield(leaveOut(f, last)) {
			return false
		}
	}
	return true
}

// leaveOut removes fields, and says whether they look like those of the URL's
// query or like something else's.
func leaveOut(f *form, fields []int) repair {
	r := repair{cause: FieldAdded}
	var keys []string
	query := true
	for i, p := range f.pairs {
		if !slices.Contains(fields, i) {
			r.pairs = append(r.pairs, p)
			continue
		}
		keys = append(keys, p.Key)
		query = query && !known[p.Key]
	}
	r.detail = naming(keys)
	if !query {
		return r
	}
	// PHP puts the query before the body; a router's own parameter is a path;
	// and a key that is sorted in among the others came out of one parsed map.
	first, last := slices.Min(fields), slices.Max(fields)
	path := slices.ContainsFunc(fields, func(i int) bool { return strings.HasPrefix(f.pairs[i].Value, "/") })
	sorted := slices.IsSortedFunc(f.pairs, func(a, b signer.Param) int { return strings.Compare(a.Key, b.Key) })
	common := slices.ContainsFunc(keys, func(key string) bool {
		return queryKeys[key] || strings.HasPrefix(key, "utm_")
	})
	if path || sorted || common || last == len(fields)-1 || len(fields) > 1 && first == len(f.pairs)-len(fields) {
		r.cause = QueryMerged
	}
	return r
}

// queryKeys are what people put into a notify_url, and routers into the query.
var queryKeys = map[string]bool{
	"s": true, "r": true, "_url": true, "route": true, "from": true, "source": true, "channel": true, "token": true,
	"shop": true, "shop_id": true, "store": true, "tenant": true, "tenant_id": true, "mch_id": true, "uid": true, "user_id": true,
	"type": true, "lang": true, "debug": true, "v": true, "ver": true, "t": true, "ts": true, "id": true, "pay_type": true,
}

// naming lists fields. Their names are a sender's choice: what is no plain name,
// or could be somebody's number, is not repeated.
func naming(keys []string) string {
	more := ""
	if len(keys) > 4 {
		keys, more = keys[:4], " and others"
	}
	names := make([]string, len(keys))
	for i, key := range keys {
		if names[i] = key; !isName(key) || len(key) > 32 || manyDigits.MatchString(key) {
			names[i] = "(another)"
		}
	}
	return "Fields: " + strings.Join(names, ", ") + more + "."
}

var manyDigits = regexp.MustCompile(`\d{5}`)

// plusRepairs yields f with some of its blanks turned into plus signs, and some
// of its plus signs into blanks: nothing tells which of them were the others.
func plusRepairs(f *form, yield func(repair) bool) bool {
	return someOf(f, " ", "+", PlusAsSpace, yield) && someOf(f, "+", " ", PlusKept, yield)
}

// maxDoubtful bounds the characters that are looked at one by one.
const maxDoubtful = 6

func someOf(f *form, is, was string, cause Cause, yield func(repair) bool) bool {
	type place struct{ field, at int }
	var places []place
	base := slices.Clone(f.pairs)
	for i, p := range base {
		if p.Key == "sign" {
			continue
		}
		safe := blankInTime.ReplaceAllString(p.Value, "$1\x00$2")
		if is == "+" {
			safe = plusInTime.ReplaceAllString(p.Value, "$1 $2")
			base[i].Value = safe
		}
		for at := range len(safe) {
			if safe[at] == is[0] {
				places = append(places, place{i, at})
			}
		}
	}
	if len(places) == 0 || len(places) > maxDoubtful {
		return true
	}
	for set := 1; set < 1<<len(places); set++ {
		pairs := slices.Clone(base)
		for bit, where := range places {
			if set&(1<<bit) != 0 {
				value := pairs[where.field].Value
				pairs[where.field].Value = value[:where.at] + was + value[where.at+1:]
			}
		}
		if !yield(repair{cause: cause, pairs: pairs}) {
			return false
		}
	}
	return true
}

// trimmings yields f with a blank or line break put back at the end or the
// beginning of a value that a person wrote.
func trimmings(f *form, yield func(repair) bool) bool {
	tried := 0
	for i, p := range f.pairs {
		written := p.Key == "subject" || p.Key == "body" || p.Key == "passback_params" || p.Key == "biz_content"
		if !written && p.Value == strings.ToValidUTF8(p.Value, "") && !strings.ContainsFunc(p.Value, func(c rune) bool { return c > '~' }) {
			continue
		}
		if tried++; tried > 6 {
			break
		}
		for _, value := range []string{p.Value + " ", " " + p.Value, " " + p.Value + " ", p.Value + "\n", p.Value + "\r\n", p.Value + "\t"} {
			pairs := slices.Clone(f.pairs)
			pairs[i].Value = value
			if !yield(repair{ValueTrimmed, naming([]string{p.Key}), pairs}) {
				return false
			}
		}
	}
	return true
}
