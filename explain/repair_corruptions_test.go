package explain_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"html"
	"mime/multipart"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/alirefund/alirefund/explain"
	"github.com/alirefund/alirefund/signer"
)

// corruption damages a body as it happens to people. One that changes nothing
// does not apply.
type corruption struct {
	name string
	want explain.Cause
	do   func(body string) string
}

// ofForms apply to every notice, captured or generated.
var ofForms = []corruption{
	{"+ in the signature as it is", explain.PlusAsSpace, func(b string) string {
		sign := part(b, "sign")
		return strings.Replace(b, sign, strings.ReplaceAll(sign, "%2B", "+"), 1)
	}},
	{"every + as it is", explain.PlusAsSpace, replace("%2B", "+")},
	{"every + as %20", explain.PlusAsSpace, replace("%2B", "%20")},
	{"blanks as %2B", explain.PlusKept, replace("+", "%2B")},
	{"every % encoded", explain.EncodedTwice, replace("%", "%25")},
	{"every value encoded", explain.EncodedTwice, values(url.QueryEscape)},
	{"the body encoded", explain.EncodedTwice, url.QueryEscape},
	{"decoded", explain.DecodedTwice, unescape},
	{"decoded as a path", explain.DecodedTwice, func(b string) string { return must(url.PathUnescape(b)) }},
	{"decoded twice", explain.DecodedTwice, func(b string) string { return unescapeLeniently(unescape(b)) }},
	{"a query in front", explain.QueryMerged, func(b string) string { return "shop=7&utm_source=mail&" + b }},
	{"a query behind", explain.QueryMerged, func(b string) string { return b + "&token=abc&foo=bar" }},
	{"a router's field", explain.QueryMerged, func(b string) string { return strings.Replace(b, "&", "&s=%2Fpay%2Fnotify&", 1) }},
	{"a query sorted in", explain.QueryMerged, func(b string) string {
		v := must(url.ParseQuery(b))
		v.Set("my_order", "7")
		return v.Encode()
	}},
	{"a field in the middle", explain.FieldAdded, func(b string) string { return strings.Replace(b, "&", "&operator=7&", 1) }},
	{"a field of Alipay's", explain.FieldAdded, func(b string) string { return b + "&refund_status=REFUND_SUCCESS" }},
	{"charset dropped", explain.FieldDropped, drop("charset")},
	{"version dropped", explain.FieldDropped, drop("version")},
	{"charset and version dropped", explain.FieldDropped, func(b string) string { return drop("version")(drop("charset")(b)) }},
	{"auth_app_id dropped", explain.FieldDropped, drop("auth_app_id")},
	{"trade_status dropped", explain.FieldDropped, drop("trade_status")},
	{"sign dropped", explain.MissingSign, drop("sign")},
	{"sign emptied, and last", explain.MissingSign, func(b string) string { return drop("sign")(b) + "&sign=" }},
	{"sign emptied, and first", explain.MissingSign, func(b string) string { return "sign=&" + drop("sign")(b) }},
	{"sign emptied", explain.MissingSign, func(b string) string { return strings.Replace(b, part(b, "sign"), "sign=", 1) }},
	{"sign_type changed", explain.SignTypeChanged, replace("sign_type=RSA2", "sign_type=RSA")},
	{"sign in URL base64", explain.SignDamaged, sign(strings.NewReplacer("+", "-", "/", "_", "=", "").Replace)},
	{"sign in lines", explain.SignDamaged, sign(func(s string) string { return s[:76] + "\r\n" + s[76:] })},
	{"sign still escaped", explain.SignDamaged, sign(url.QueryEscape)},
	{"sign without padding", explain.SignDamaged, sign(func(s string) string { return strings.TrimRight(s, "=") })},
	{"app_id twice", explain.DuplicateKey, func(b string) string { return b + "&app_id=1" }},
	{"camelCase", explain.KeysRenamed, keysBy(camel)},
	{"upper case", explain.KeysRenamed, keysBy(strings.ToUpper)},
	{"to GBK", explain.OtherCharset, values(toGBK)},
	{"Latin-1", explain.OtherCharset, values(latin1)},
	{"&amp; between fields", explain.HTMLEscaped, replace("&", "&amp;")},
	{"entities in values", explain.HTMLEscaped, values(html.EscapeString)},
	{"shown by a browser", explain.HTMLEscaped, replace("&not", "¬")},
	{"addslashes", explain.BackslashesAdded, values(strings.NewReplacer(`"`, `\"`, `'`, `\'`, `\`, `\\`).Replace)},
	{"a WAF's look-alikes", explain.CharactersReplaced, values(strings.NewReplacer("<", "＜", ">", "＞", "'", "＇", `"`, "＂").Replace)},
	{"CRLF", explain.NewlinesChanged, values(replace("\n", "\r\n"))},
	{"amounts as numbers", explain.ValuesReformatted, values(func(v string) string {
		if !amount(v) {
			return v
		}
		return strings.TrimSuffix(strings.TrimRight(v, "0"), ".")
	})},
	{"ISO times", explain.ValuesReformatted, values(func(v string) string {
		if len(v) == 19 && v[10] == ' ' {
			return v[:10] + "T" + v[11:] + "+08:00"
		}
		return v
	})},
	{"a line break at the end", explain.Whitespace, func(b string) string { return b + "\n" }},
	{"folded", explain.Whitespace, func(b string) string { return b[:len(b)/2] + "\r\n" + b[len(b)/2:] }},
	{"a byte order mark", explain.BOM, func(b string) string { return "\ufeff" + b }},
	{"base64", explain.Base64Body, func(b string) string { return base64.StdEncoding.EncodeToString([]byte(b)) }},
	{"gzip", explain.Compressed, compressed},
	{"multipart", explain.Multipart, asMultipart},
	{"JSON", explain.ConvertedToJSON, func(b string) string { return asJSON(b, false) }},
	{"JSON of lists", explain.ConvertedToJSON, func(b string) string { return asJSON(b, true) }},
	{"a JSON log", explain.LogEscaped, func(b string) string { return string(must(json.Marshal(b))) }},
	{"JSON in a value with blanks", explain.Reserialised, values(func(v string) string {
		if !strings.HasPrefix(v, "[{") {
			return v
		}
		return strings.NewReplacer(`":"`, `": "`, `","`, `", "`).Replace(v)
	})},
	{"cut in an escape", explain.Truncated, func(b string) string { return b[:strings.LastIndexByte(b, '%')+2] }},
	{"cut in a key", explain.Truncated, func(b string) string { return drop("seller_id")(b) + "&seller" }},
	{"cut in a time", explain.Truncated, func(b string) string {
		if drop("gmt_create")(b) == b {
			return b
		}
		return drop("gmt_create")(b) + "&gmt_create=2026-01-0"
	}},
	{"cut between fields", explain.Truncated, func(b string) string {
		fields := strings.Split(b, "&")
		for n := len(fields) - 1; n > 5; n-- {
			kept := "&" + strings.Join(fields[:n], "&")
			missing := 0
			for _, name := range []string{"&notify_id=", "&notify_type=", "&sign_type="} {
				if !strings.Contains(kept, name) {
					missing++
				}
			}
			if missing >= 2 {
				return kept[1:]
			}
		}
		return b
	}},
	{"cut in the signature", explain.Truncated, func(b string) string { s := part(b, "sign"); return drop("sign")(b) + "&" + s[:200] }},
	{"+ as a blank and a query", explain.QueryMerged, func(b string) string { return "shop=7&" + replace("%2B", "+")(b) }},
	{"entities and addslashes", explain.HTMLEscaped, func(b string) string {
		return values(html.EscapeString)(values(replace(`"`, `\"`))(b))
	}},
	{"CRLF and a query", explain.NewlinesChanged, func(b string) string {
		changed := values(replace("\n", "\r\n"))(b)
		if !strings.Contains(changed, "%0D%0A") {
			return b
		}
		return "foo=bar&" + changed
	}},
}

// ofAnswers apply to every answer.
var ofAnswers = []corruption{
	{"slashes unescaped", explain.SlashesUnescaped, inNode(replace(`\/`, "/"))},
	{"slashes escaped", explain.SlashesEscaped, func(a string) string {
		return inNode(func(n string) string {
			if strings.Contains(n, `\/`) {
				return n
			}
			return replace("/", `\/`)(n)
		})(a)
	}},
	{"indented", explain.Reserialised, func(a string) string {
		var b bytes.Buffer
		_ = json.Indent(&b, []byte(a), "", "  ")
		return b.String()
	}},
	{"decoded and encoded", explain.Reserialised, func(a string) string {
		var fields map[string]any
		_ = json.Unmarshal([]byte(a), &fields)
		return string(must(json.Marshal(fields)))
	}},
	{"numbers", explain.Reserialised, inNode(replace(`"refund_fee":"0.10"`, `"refund_fee":0.1`))},
	{"a field more", explain.FieldAdded, inNode(replace(`"code":`, `"trace_id":"1","code":`))},
	{"the signature in the node", explain.Unwrapped, func(a string) string {
		node, rest, _ := strings.Cut(strings.SplitN(a, ":", 2)[1], `},"sign"`)
		return node + `,"sign"` + rest
	}},
	{"no signature", explain.MissingSign, func(a string) string { return a[:strings.Index(a, `,"sign"`)] + "}" }},
	{"+ in the signature as a blank", explain.PlusAsSpace, func(a string) string {
		at := strings.Index(a, `,"sign"`)
		return a[:at] + replace("+", " ")(a[at:])
	}},
	{"the signature in URL base64", explain.SignDamaged, func(a string) string {
		at := strings.Index(a, `,"sign":"`) + len(`,"sign":"`)
		return a[:at] + strings.NewReplacer("+", "-", "/", "_").Replace(a[at:])
	}},
	{"cut in the node", explain.Truncated, func(a string) string { return a[:len(a)/3] }},
	{"cut behind the node", explain.Truncated, func(a string) string { return a[:strings.Index(a, `,"sign"`)] }},
	{"cut in the signature", explain.Truncated, func(a string) string { return a[:len(a)-20] }},
	{"cut by one", explain.Truncated, func(a string) string { return a[:len(a)-1] }},
	{"the node twice", explain.NodeTwice, func(a string) string {
		node := a[1:strings.Index(a, `,"sign"`)]
		return "{" + node + "," + a[1:]
	}},
	{"in GBK", explain.OtherCharset, func(a string) string { return toGBK(a) }},
	{"entities", explain.HTMLEscaped, html.EscapeString},
	{"as a string", explain.LogEscaped, func(a string) string { return string(must(json.Marshal(a))) }},
	{"a byte order mark", explain.BOM, func(a string) string { return "\ufeff" + a }},
	{"gzip", explain.Compressed, compressed},
	{"base64", explain.Base64Body, func(a string) string { return base64.StdEncoding.EncodeToString([]byte(a)) }},
	{"a page", explain.ErrorPage, func(string) string { return "<!DOCTYPE html>\n<html><title>502 Bad Gateway</title></html>" }},
	{"nothing", explain.EmptyBody, func(string) string { return " \r\n" }},
}

func part(body, key string) string {
	for field := range strings.SplitSeq(body, "&") {
		if strings.HasPrefix(field, key+"=") {
			return field
		}
	}
	return "\x00"
}

func drop(key string) func(string) string {
	return func(body string) string {
		fields := strings.Split(body, "&")
		return strings.Join(slices.DeleteFunc(fields, func(f string) bool { return strings.HasPrefix(f, key+"=") }), "&")
	}
}

func replace(old, by string) func(string) string {
	return func(text string) string { return strings.ReplaceAll(text, old, by) }
}

func each(body string, change func(p signer.Param) signer.Param) string {
	var params []signer.Param
	for field := range strings.SplitSeq(body, "&") {
		key, value, _ := strings.Cut(field, "=")
		params = append(params, change(signer.Param{Key: unescape(key), Value: unescape(value)}))
	}
	return encode(params)
}

func values(change func(string) string) func(string) string {
	return func(body string) string {
		return each(body, func(p signer.Param) signer.Param { return signer.Param{Key: p.Key, Value: change(p.Value)} })
	}
}

func sign(change func(string) string) func(string) string {
	return func(body string) string {
		return each(body, func(p signer.Param) signer.Param {
			if p.Key == "sign" {
				p.Value = change(p.Value)
			}
			return p
		})
	}
}

func keysBy(change func(string) string) func(string) string {
	return func(body string) string {
		return each(body, func(p signer.Param) signer.Param { return signer.Param{Key: change(p.Key), Value: p.Value} })
	}
}

func camel(key string) string {
	words := strings.Split(key, "_")
	for i, w := range words[1:] {
		words[i+1] = strings.ToUpper(w[:1]) + w[1:]
	}
	return strings.Join(words, "")
}

func unescape(text string) string { return must(url.QueryUnescape(text)) }

func unescapeLeniently(text string) string {
	if plain, err := url.QueryUnescape(text); err == nil {
		return plain
	}
	return text
}

func toGBK(text string) string { return must(simplifiedchinese.GBK.NewEncoder().String(text)) }

func latin1(text string) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		b.WriteRune(rune(c))
	}
	return b.String()
}

func amount(v string) bool {
	whole, cents, found := strings.Cut(v, ".")
	return found && len(cents) == 2 && strings.Trim(whole+cents, "0123456789") == ""
}

func compressed(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(text))
	_ = w.Close()
	return b.String()
}

func asMultipart(body string) string {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for field := range strings.SplitSeq(body, "&") {
		key, value, _ := strings.Cut(field, "=")
		_ = w.WriteField(unescape(key), unescape(value))
	}
	_ = w.Close()
	return b.String()
}

func asJSON(body string, lists bool) string {
	if lists {
		return string(must(json.Marshal(must(url.ParseQuery(body)))))
	}
	fields := map[string]string{}
	for key, list := range must(url.ParseQuery(body)) {
		fields[key] = list[0]
	}
	return string(must(json.Marshal(fields)))
}

// inNode changes the node alone.
func inNode(change func(string) string) func(string) string {
	return func(a string) string {
		at := strings.Index(a, `,"sign"`)
		if at < 0 {
			return a
		}
		return change(a[:at]) + a[at:]
	}
}
