package explain

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/alirefund/alirefund/internal/rawjson"
	"github.com/alirefund/alirefund/signer"
)

// answer is what the gateway says: a node, and the signature of its bytes.
type answer struct {
	kind   Kind
	node   []byte // raw; nil if there is none
	sign   string // base64 as it should be
	damage Cause
	twice  bool // two nodes, or two signatures
	broken bool // the object is none, or something follows it
	cutOff bool // the object has no end

	fields  []signer.Param // of the object; the values are raw
	unsaid  []byte         // the object without its sign, if it has no node of its own
	hasSign bool
}

// cut takes an answer apart, whatever its method.
func cut(raw []byte) *answer {
	a := &answer{kind: KindUnknown}
	nodes, signs := 0, 0
	end, err := rawjson.Fields(raw, func(key, value []byte) {
		a.fields = append(a.fields, signer.Param{Key: string(key), Value: string(value)})
		switch {
		case string(key) == "sign":
			var sign string
			err := json.Unmarshal(value, &sign)
			if err == nil && sign != "" {
				a.sign, a.damage = cleanSign(sign)
			}
			a.hasSign = err != nil || sign != ""
			signs++
		case strings.HasSuffix(string(key), "_response"):
			a.node = value
			nodes++
		}
	})
	a.twice = nodes > 1 || signs > 1
	a.broken = err != nil || len(bytes.TrimSpace(raw[end:])) > 0
	a.cutOff = err != nil && isPrefix(raw)
	if nodes > 0 || a.looksFlat() {
		a.kind = KindAnswer
	}
	if nodes == 0 && err == nil && a.kind == KindAnswer {
		a.unsaid = withoutField(raw[:end], "sign")
	}
	return a
}

// looksFlat tells whether the object is a node without an envelope.
func (a *answer) looksFlat() bool {
	code, msg := false, false
	for _, p := range a.fields {
		code, msg = code || p.Key == "code", msg || p.Key == "msg" || p.Key == "sub_code"
	}
	return code && msg
}

// withoutField returns the object without one of its fields, its other bytes
// untouched.
func withoutField(object []byte, name string) []byte {
	object = bytes.TrimSpace(object)
	var kept [][]byte
	from := 1
	_, err := rawjson.Fields(object, func(key, value []byte) {
		// Both are parts of object, so that their places are known.
		to := cap(object) - cap(value) + len(value)
		if string(key) != name {
			kept = append(kept, bytes.TrimSpace(object[from:to]))
		}
		if comma := bytes.IndexByte(object[to:], ','); comma >= 0 {
			from = to + comma + 1
		}
	})
	if err != nil {
		return nil
	}
	return append(append([]byte("{"), bytes.Join(kept, []byte(","))...), '}')
}

// tryAnswer checks an answer as it is but for its signature's base64.
func (e *examination) tryAnswer(a *answer, opened Cause, strict bool) (finding, bool) {
	if a.sign == "" || a.twice || a.broken || strict && a.damage != "" {
		return finding{}, false
	}
	text, cause := a.node, opened
	if text == nil {
		if text = a.unsaid; text == nil || strict {
			return finding{}, false
		}
		cause = first(opened, Unwrapped)
	}
	return e.checkAnswer(a, text, cause, "")
}

func (e *examination) checkAnswer(a *answer, text []byte, cause Cause, detail string) (finding, bool) {
	f := finding{kind: KindAnswer, cause: first(cause, a.damage), detail: detail}
	switch {
	case e.judge.check(text, a.sign, false, false):
		if f.cause == "" && e.keys.Alipay.Holds(e.keys.App) {
			f.cause, f.detail = AppKeyUsed, ownKey(false)
		}
	case cause == "" && e.judge.check(text, a.sign, true, false):
		f.cause, f.detail = AppKeyUsed, ownKey(false)
	case cause == "" && e.judge.check(text, a.sign, false, true):
		f.cause, f.detail = OtherAlgorithm, weak
	default:
		return finding{}, false
	}
	f.signed = maskedAnswer(text) // which costs more than the trial
	return f, true
}

func first(causes ...Cause) Cause {
	for _, c := range causes {
		if c != "" {
			return c
		}
	}
	return ""
}

// repairAnswer tries every way in which the node may have been written.
func (e *examination) repairAnswer(a *answer, opened Cause) (finding, bool) {
	node, unwrapped := a.node, Cause("")
	if node == nil {
		node, unwrapped = a.unsaid, Unwrapped
	}
	if node == nil || a.sign == "" || a.twice || a.broken {
		return finding{}, false
	}
	for _, convert := range []func(_, value string) string{toGBK, fromGBK, fromLatin1} {
		if text := convert("", string(node)); text != string(node) {
			if f, ok := e.checkAnswer(a, []byte(text), first(opened, OtherCharset), ""); ok {
				return f, true
			}
		}
	}
	for _, w := range rewrites {
		if w.cause != HTMLEscaped && w.cause != BackslashesAdded && w.cause != CharactersReplaced {
			continue
		}
		if text := w.value("", string(node)); text != string(node) {
			if f, ok := e.checkAnswer(a, []byte(text), first(opened, w.cause), ""); ok {
				return f, true
			}
		}
	}
	if !json.Valid(node) {
		return finding{}, false
	}
	for _, l := range layouts {
		if e.judge.exhausted() {
			return finding{}, false
		}
		text := rewriteJSON(string(node), l)
		if text == string(node) {
			continue
		}
		cause := first(opened, unwrapped, rewritten(string(node), text))
		if f, ok := e.checkAnswer(a, []byte(text), cause, ""); ok {
			return f, true
		}
	}
	var names []string
	_, _ = rawjson.Fields(node, func(key, _ []byte) { names = append(names, string(key)) })
	for _, name := range names[:min(len(names), 40)] {
		if e.judge.exhausted() {
			return finding{}, false
		}
		if text := withoutField(node, name); text != nil {
			if f, ok := e.checkAnswer(a, text, first(opened, unwrapped, FieldAdded), naming([]string{name})); ok {
				return f, true
			}
		}
	}
	return finding{}, false
}

// rewritten names the difference between a node and what was signed.
func rewritten(node, signed string) Cause {
	switch {
	case strings.ReplaceAll(signed, `\/`, "/") == node:
		return SlashesUnescaped
	case strings.ReplaceAll(node, `\/`, "/") == signed:
		return SlashesEscaped
	}
	return Reserialised
}

// maskedAnswer is the signed text of an answer, for a person to read.
func maskedAnswer(text []byte) string {
	if !json.Valid(text) {
		return "" // bytes of another charset, or worse
	}
	return maskedJSON(text)
}
