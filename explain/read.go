package explain

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/url"
	"slices"
	"strings"

	"github.com/alirefund/alirefund/internal/rawjson"
	"github.com/alirefund/alirefund/signer"
)

// reading is what bytes are taken for: a form, an answer, or neither.
type reading struct {
	form   *form
	answer *answer
}

func read(raw []byte) reading {
	trimmed := bytes.TrimSpace(raw)
	switch {
	case len(trimmed) == 0 || trimmed[0] == '<':
		return reading{}
	case trimmed[0] == '{':
		return reading{answer: cut(raw)}
	}
	return reading{form: parse(raw)}
}

// queryOf returns what follows the question mark if raw is an address, as a
// return_url or a page request is copied from a browser.
func queryOf(raw []byte) []byte {
	if trimmed := bytes.TrimSpace(raw); bytes.HasPrefix(trimmed, []byte("http://")) || bytes.HasPrefix(trimmed, []byte("https://")) {
		if _, query, found := bytes.Cut(trimmed, []byte("?")); found {
			query, _, _ = bytes.Cut(query, []byte("#"))
			return query
		}
	}
	return raw
}

// looksDecoded tells whether raw is a form that was decoded already: without an
// escape, but with characters that Alipay escapes.
func looksDecoded(raw []byte) bool {
	return !escaped(string(raw)) && bytes.ContainsFunc(raw, func(c rune) bool {
		return c == ':' || c == '{' || c == '"' || c == '/' || c == ' ' || c > '~'
	})
}

// opening is a reading of what raw becomes when one corruption of the whole is
// undone.
type opening struct {
	cause Cause
	reading
}

// openings returns the readings that raw's looks suggest.
func openings(raw []byte) []opening {
	var found []opening
	for _, way := range []struct {
		cause Cause
		open  func([]byte) []byte // nil if it does not apply
	}{
		{BOM, withoutBOM},
		{Whitespace, withoutBlanks},
		{Compressed, decompress},
		{Base64Body, fromBase64},
		{LogEscaped, fromLiteral},
		{HTMLEscaped, fromHTML},
		{EncodedTwice, decodeWhole},
	} {
		if opened := way.open(raw); opened != nil && !bytes.Equal(opened, raw) {
			if r := read(opened); r.form != nil || r.answer != nil {
				found = append(found, opening{way.cause, r})
			}
		}
	}
	for _, way := range []struct {
		cause Cause
		open  func([]byte) []*form
	}{
		{Multipart, fromMultipart},
		{ConvertedToJSON, fromJSON},
		{DecodedTwice, literally},
	} {
		for _, f := range way.open(raw) {
			found = append(found, opening{way.cause, reading{form: f}})
		}
	}
	return found
}

func withoutBOM(raw []byte) []byte {
	if rest, found := bytes.CutPrefix(raw, []byte("\ufeff")); found {
		return bytes.TrimSpace(rest)
	}
	return nil
}

func withoutBlanks(raw []byte) []byte {
	trimmed := bytes.TrimSpace(raw)
	if len(trimmed) == 0 || trimmed[0] == '{' {
		return nil // blanks do not matter around an answer
	}
	return []byte(lineBreaks.Replace(string(trimmed)))
}

var lineBreaks = strings.NewReplacer("\r", "", "\n", "", "\t", "")

func decompress(raw []byte) []byte {
	if !bytes.HasPrefix(raw, []byte{0x1f, 0x8b}) {
		return nil
	}
	r, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return nil
	}
	text, err := io.ReadAll(io.LimitReader(r, MaxSize+1))
	if err != nil || len(text) > MaxSize {
		return nil
	}
	return text
}

func fromBase64(raw []byte) []byte {
	text := strings.TrimRight(strings.Join(strings.Fields(string(raw)), ""), "=")
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		if decoded, err := encoding.DecodeString(text); err == nil && bytes.ContainsAny(decoded, "&{") {
			return decoded
		}
	}
	return nil
}

func fromLiteral(raw []byte) []byte {
	if !bytes.Contains(raw, []byte(`\`)) && raw[0] != '"' {
		return nil
	}
	text := bytes.TrimSpace(raw)
	if len(text) >= 2 && text[0] == '"' && text[len(text)-1] == '"' {
		text = text[1 : len(text)-1]
	}
	var inner string
	if json.Unmarshal([]byte(`"`+string(text)+`"`), &inner) != nil {
		return nil
	}
	return []byte(inner)
}

// fromHTML undoes entities, and what a browser shows for the beginnings of
// &notify_id, &timestamp and the like, which are entities without a semicolon.
func fromHTML(raw []byte) []byte { return []byte(entities.Replace(string(raw))) }

var entities = strings.NewReplacer(
	"&amp;", "&", "&#38;", "&", "&quot;", `"`, "&#34;", `"`, "&apos;", "'", "&#39;", "'", "&#039;", "'", "&#x27;", "'",
	"&lt;", "<", "&#60;", "<", "&gt;", ">", "&#62;", ">", "&#43;", "+", "&#x2B;", "+", "&#61;", "=", "&#x3D;", "=", "&#47;", "/", "&#x2F;", "/",
	"¬ify_", "&notify_", "×tamp", "&timestamp", "¤cy", "&currency", "&nbsp;", " ",
)

// decodeWhole undoes an encoding that took the separators too.
func decodeWhole(raw []byte) []byte {
	if bytes.ContainsAny(raw, "=&") || !bytes.Contains(bytes.ToUpper(raw), []byte("%3D")) {
		return nil
	}
	text, err := url.QueryUnescape(string(raw))
	if err != nil {
		return nil
	}
	return []byte(text)
}

func fromMultipart(raw []byte) []*form {
	line, _, _ := bytes.Cut(raw, []byte("\n"))
	boundary, found := bytes.CutPrefix(bytes.TrimSpace(line), []byte("--"))
	if !found || len(boundary) == 0 || len(boundary) > 70 {
		return nil
	}
	var pairs []signer.Param
	parts := multipart.NewReader(bytes.NewReader(raw), string(boundary))
	for len(pairs) < maxFields {
		part, err := parts.NextPart()
		if err != nil {
			break
		}
		value, err := io.ReadAll(io.LimitReader(part, MaxSize))
		if err != nil {
			return nil
		}
		pairs = append(pairs, signer.Param{Key: part.FormName(), Value: string(value)})
	}
	if len(pairs) == 0 {
		return nil
	}
	return []*form{newForm(pairs)}
}

// fromJSON reads an object of strings, or of lists of one string, as Go prints
// url.Values.
func fromJSON(raw []byte) []*form {
	var pairs []signer.Param
	_, err := rawjson.Fields(raw, func(key, value []byte) {
		for {
			var only []byte
			n := 0
			rawjson.Items(value, func(item []byte) { only = item; n++ })
			if value[0] != '[' || n != 1 || only[0] != '"' {
				break
			}
			value = only
		}
		text := string(value)
		if value[0] == '"' {
			_ = json.Unmarshal(value, &text) // else it stays as it is, and matches nothing
		}
		if len(pairs) < maxFields {
			pairs = append(pairs, signer.Param{Key: string(key), Value: text})
		}
	})
	if err != nil {
		return nil
	}
	f := newForm(pairs)
	if f.kind == KindUnknown || f.has("code") {
		return nil
	}
	return []*form{f, reescaped(f)}
}

// reescaped is f for the case that its values were never decoded.
func reescaped(f *form) *form {
	pairs := make([]signer.Param, len(f.pairs))
	for i, p := range f.pairs {
		value, _ := unescape(p.Value)
		pairs[i] = signer.Param{Key: p.Key, Value: value}
	}
	return newForm(pairs)
}

// literally reads a form without decoding it. A & within a value then looks like
// the beginning of another field; the readings differ in which fields they take
// for such pieces.
func literally(raw []byte) []*form {
	trimmed := bytes.TrimSpace(raw)
	if len(trimmed) == 0 || trimmed[0] == '{' || trimmed[0] == '<' {
		return nil
	}
	var pairs []signer.Param
	var doubtful []int
	for field := range strings.SplitSeq(string(trimmed), "&") {
		key, value, isField := strings.Cut(field, "=")
		if len(pairs) > 0 && (!isField || !isName(key)) {
			pairs[len(pairs)-1].Value += "&" + field
			continue
		}
		if len(pairs) == maxFields {
			return nil
		}
		if !known[key] && len(pairs) > 0 && len(doubtful) < 4 {
			doubtful = append(doubtful, len(pairs))
		}
		pairs = append(pairs, signer.Param{Key: key, Value: value})
	}
	var forms []*form
	for set := range 1 << len(doubtful) {
		var joined []signer.Param
		for i, p := range pairs {
			if bit := slices.Index(doubtful, i); bit >= 0 && set&(1<<bit) != 0 {
				joined[len(joined)-1].Value += "&" + p.Key + "=" + p.Value
				continue
			}
			joined = append(joined, p)
		}
		forms = append(forms, newForm(joined))
	}
	return forms
}
