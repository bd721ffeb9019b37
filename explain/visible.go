package explain

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/alirefund/alirefund/signer"
)

// visible names what needs no trial and allows none.
func (e *examination) visible(r reading) (finding, bool) {
	text := bytes.ToLower(bytes.TrimPrefix(bytes.TrimSpace(e.raw), []byte("\ufeff")))
	switch {
	case page.Match(text):
		return finding{kind: KindUnknown, cause: ErrorPage}, true
	case r.answer != nil && r.answer.twice:
		return finding{kind: KindAnswer, cause: NodeTwice}, true
	}
	return finding{}, false
}

var page = regexp.MustCompile(`^(?:<!doctype html|<html|<head|<body|<\?xml[^>]*>\s*<!doctype html)[\s>]`)

// conclude says what can be seen once every trial has failed.
func (e *examination) conclude(r reading) finding {
	switch {
	case r.form != nil && r.form.kind != KindUnknown:
		return e.concludeForm(r.form)
	case r.answer != nil:
		return e.concludeAnswer(r.answer)
	}
	return finding{kind: KindUnknown, cause: Unknown, detail: "It looks neither like a notice nor like an answer of Alipay's."}
}

func (e *examination) concludeForm(f *form) finding {
	found := finding{kind: f.kind}
	switch {
	case cutOff(e.raw, f), f.kind == KindNotice && wantsEnd(f):
		found.cause = Truncated
		return found
	case len(f.twice) > 0:
		found.cause, found.detail = DuplicateKey, naming(f.twice)
		return found
	}
	form := signer.Form(0)
	if f.kind != KindRequest {
		form = signer.WithoutSignType
	}
	found.signed = maskedText(f.params, form)
	switch {
	case valueOf(f.pairs, "sign") == "":
		found.cause, found.detail = missing(MissingSign, "sign", f.pairs)
	case f.kind != KindRequest && f.signType == "":
		found.cause, found.detail = missing(MissingSignType, "sign_type", f.pairs)
	case f.signType == "RSA" && !e.acceptsSHA1(f.kind == KindRequest):
		found.cause, found.detail = OtherAlgorithm, weak
	case f.signType != "RSA" && f.signType != "RSA2" && slices.Contains(algorithms, strings.ToUpper(f.signType)):
		found.cause = OtherAlgorithm
	case f.kind != KindRequest && e.keys.Alipay.Holds(e.keys.App):
		found.cause, found.detail = AppKeyUsed, ownKey(false)
	default:
		found.cause, found.detail = Unknown, e.observations(f)
	}
	return found
}

func (e *examination) concludeAnswer(a *answer) finding {
	found := finding{kind: a.kind}
	found.signed = maskedAnswer(a.node)
	switch {
	case a.cutOff && likely.Match(e.raw):
		found.kind, found.cause, found.signed = KindAnswer, Truncated, ""
	case a.kind == KindUnknown:
		found.cause, found.detail = Unknown, "It looks neither like a notice nor like an answer of Alipay's. (Answers of protocol v3 carry their signature in headers.)"
	case a.broken:
		found.cause, found.detail, found.signed = Unknown, "It is not well-formed JSON.", ""
	case !a.hasSign:
		found.cause, found.detail = missing(MissingSign, "sign", a.fields)
	case e.keys.Alipay.Holds(e.keys.App):
		found.cause, found.detail = AppKeyUsed, ownKey(false)
	default:
		found.cause, found.detail = Unknown, advice(e.keys.Alipay)
	}
	return found
}

// missing names a field as missing unless it seems to be there, damaged.
func missing(c Cause, key string, pairs []signer.Param) (cause Cause, detail string) {
	for _, p := range pairs {
		if damagedKey(key, p) || strings.Contains(p.Value, key+"=") {
			return Unknown, "It has no " + key + ", and another field looks like that one, damaged."
		}
	}
	return c, ""
}

// damagedKey tells whether p seems to be the field name but for one byte of its
// key, or of what stands behind it.
func damagedKey(name string, p signer.Param) bool {
	return !known[p.Key] && (similar(name, p.Key) || p.Value == "" && strings.HasPrefix(p.Key, name))
}

// damagedField tells whether field i of f seems to be one that f lacks.
func damagedField(f *form, i int) bool {
	for name := range known {
		if damagedKey(name, f.pairs[i]) && !f.has(name) {
			return true
		}
	}
	return false
}

// similar tells whether two keys differ in one byte.
func similar(x, y string) bool {
	if len(x) != len(y) {
		return false
	}
	differences := 0
	for i := range len(x) {
		if x[i] != y[i] {
			differences++
		}
	}
	return differences == 1
}

// observations are what may help a person where no trial did.
func (e *examination) observations(f *form) string {
	var seen []string
	if f.broken {
		seen = append(seen, "A percent-escape is broken, or a semicolon stands bare.")
	}
	if !canonical(f.sign) {
		seen = append(seen, "sign is not base64.")
	}
	if slices.ContainsFunc(f.params, func(p signer.Param) bool { return strings.Contains(p.Value, "\ufffd") }) {
		seen = append(seen, "U+FFFD stands in a value: bytes were lost by transcoding, and no trial can bring them back.")
	}
	var gone []string
	for _, key := range []string{"app_id", "notify_id", "notify_time", "charset"} {
		if (f.kind == KindNotice || f.kind == KindMessage && key != "notify_time") && !f.has(key) {
			gone = append(gone, key)
		}
	}
	if len(gone) > 0 {
		seen = append(seen, "Usually there, and missing: "+strings.Join(gone, ", ")+".")
	}
	if f.kind == KindRequest {
		if e.judge.app == nil {
			return strings.Join(append(seen, "A request is verified with the application's own public key, and none was given."), " ")
		}
		return strings.Join(append(seen, "Is it this application's key pair? The console shows the public key that was uploaded."), " ")
	}
	return strings.Join(append(seen, advice(e.keys.Alipay)), " ")
}

func advice(v *signer.Verifier) string {
	switch {
	case v == nil:
		return "No public key of Alipay's was given."
	case v.RootSN() != "":
		return "Compare Alipay's certificate with the console's: Alipay may have a newer one, which only an answer to a call has fetched. And capture the raw bytes before anything parses them."
	}
	return "Compare Alipay's public key with the one at the console (the sandbox and every application have their own), and capture the raw bytes before anything parses them."
}

// likely tells whether the beginning of an object is that of an answer.
var likely = regexp.MustCompile(`^\s*\{\s*"(?:alipay_[a-z_]*|[a-z_]+_response"\s*:)`)

// isPrefix tells whether raw is JSON that ends too early, and could not as well
// be whole but for one damaged byte.
func isPrefix(raw []byte) bool {
	var value json.RawMessage
	err := json.NewDecoder(bytes.NewReader(raw)).Decode(&value)
	if !errors.Is(err, io.ErrUnexpectedEOF) || len(raw) == 0 {
		return false
	}
	open := -1 // where the string that has no end begins
	for i := 0; i < len(raw); i++ {
		switch {
		case raw[i] == '\\' && open >= 0:
			i++
		case raw[i] == '"' && open < 0:
			open = i
		case raw[i] == '"':
			open = -1
		}
	}
	last := raw[len(raw)-1]
	if open >= 0 {
		return !bytes.ContainsAny(raw[open+1:], "{}[]")
	}
	switch last {
	case ' ', '\t', '\n', '\r':
		return false
	case ',': // it may have been the last brace
		return !bytes.Contains(raw, []byte(`"sign"`))
	}
	return true
}

// cutOff tells whether a form's last field ends too early: in the middle of an
// escape, of a known key, of a time or of the signature.
func cutOff(raw []byte, f *form) bool {
	last := raw[bytes.LastIndexByte(raw, '&')+1:]
	if percent := bytes.LastIndexByte(last, '%'); percent >= 0 && percent >= len(last)-2 {
		_, whole := unescape(string(raw[:len(raw)-len(last)+percent]))
		return whole
	}
	key, raw, isField := bytes.Cut(last, []byte("="))
	if !isField {
		for name := range known {
			if len(key) >= 3 && len(key) < len(name) && strings.HasPrefix(name, string(key)) && !f.has(name) {
				return true
			}
		}
		return false
	}
	value, _ := unescape(string(raw))
	switch name := string(key); {
	case strings.HasPrefix(name, "gmt_") || name == "notify_time":
		return partOfTime.MatchString(value)
	case name == "sign":
		return value != "" && len(value) < 344 && len(value) != 172 && strings.Trim(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=") == ""
	}
	return false
}

// wantsEnd tells whether a notice lacks several of the fields that every one has,
// wherever they stand in it, and not its signature alone: it was cut between two
// fields, or in a value that looks whole.
func wantsEnd(f *form) bool {
	const few = 5 // of its fields, and nobody can tell what it was
	there := 0
	for _, p := range f.params {
		if known[p.Key] {
			there++
		}
	}
	gone, signed := 0, 0
	for _, name := range []string{"sign", "sign_type", "notify_id", "notify_type", "notify_time"} {
		if f.has(name) {
			continue
		}
		gone++
		if !strings.HasPrefix(name, "sign") {
			signed++
		}
	}
	return there >= few && gone >= 2 && signed > 0 && !slices.ContainsFunc(f.params, func(p signer.Param) bool { return p.Value == "" })
}

// partOfTime matches what is left of 2021-07-14 09:49:30.
var partOfTime = regexp.MustCompile(`^(?:|\d{1,4}|\d{4}-\d{0,2}|\d{4}-\d\d-\d{0,2}|\d{4}-\d\d-\d\d \d{0,2}|\d{4}-\d\d-\d\d \d\d:\d{0,2}|\d{4}-\d\d-\d\d \d\d:\d\d:\d?)$`)
