package explain

import (
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/alirefund/alirefund/internal/rawjson"
	"github.com/alirefund/alirefund/signer"
)

// masked stands for what names a person or opens a door.
const masked = "***"

// maskedText is the signed text of params, with persons and tokens masked.
func maskedText(params []signer.Param, form signer.Form) string {
	params = slices.Clone(params)
	for i, p := range params {
		params[i].Value = maskValue(p.Key, p.Value)
	}
	return string(signer.AppendText(nil, params, form))
}

func maskValue(key, value string) string { return maskDecoded(key, value, 0) }

// maxEscapes bounds how often a value is decoded to look into it.
const maxEscapes = 3

func maskDecoded(key, value string, depth int) string {
	switch {
	case value == "" || value == "null":
		return value
	case personal(key):
		return masked
	case (value[0] == '{' || value[0] == '[') && json.Valid([]byte(value)):
		return maskedJSON([]byte(value))
	}
	value = within.ReplaceAllStringFunc(value, func(field string) string {
		if key, _, _ := strings.Cut(field, "="); personal(key) {
			return key + "=" + masked
		}
		return field
	})
	value = pair.ReplaceAllStringFunc(value, func(field string) string {
		if part := pair.FindStringSubmatch(field); personal(part[1]) {
			return part[1] + part[2] + masked
		}
		return field
	})
	value = email.ReplaceAllString(value, masked)
	if !number(key) {
		value = digits.ReplaceAllStringFunc(value, func(run string) string { return phone.ReplaceAllString(run, masked) })
	}
	if !escaped(value) { // Alipay asks for passback_params to be encoded
		return value
	}
	if depth == maxEscapes {
		return masked
	}
	decoded, _ := unescape(value)
	if shown := maskDecoded(key, decoded, depth+1); shown != decoded {
		return strings.ReplaceAll(url.QueryEscape(shown), "%2A", "*")
	}
	return value
}

// maskedJSON masks the values in a node, and leaves its other bytes as they are.
func maskedJSON(node []byte) string {
	var b strings.Builder
	maskNode(&b, slices.Clip(node), "", 0)
	return b.String()
}

func maskNode(b *strings.Builder, node []byte, key string, depth int) {
	at := 0
	each := func(key string, value []byte) {
		start := cap(node) - cap(value) // value is a part of node
		b.Write(node[at:start])
		maskNode(b, value, key, depth+1)
		at = start + len(value)
	}
	switch {
	case depth > maxNesting:
		b.WriteString(`"` + masked + `"`)
		return
	case node[0] == '{':
		_, _ = rawjson.Fields(node, func(name, value []byte) {
			if inner := unquote(name); personal(inner) || !personal(key) {
				each(inner, value)
			} else {
				each(key, value) // whatever belongs to a person
			}
		})
	case node[0] == '[':
		rawjson.Items(node, func(item []byte) { each(key, item) })
	case node[0] == '"':
		text := unquote(node[1 : len(node)-1])
		if changed := maskValue(key, text); changed != text {
			quoted, _ := json.Marshal(changed) // a string always can be
			b.Write(quoted)
			return
		}
	case personal(key) && string(node) != "null":
		b.WriteString(`"` + masked + `"`)
		return
	}
	b.Write(node[at:])
}

func unquote(inner []byte) string {
	var text string
	if json.Unmarshal([]byte(`"`+string(inner)+`"`), &text) != nil {
		return string(inner)
	}
	return text
}

// personal tells by its key whether a value names somebody, or is a token.
func personal(key string) bool {
	key = strings.NewReplacer("_", "", "-", "", ".", "").Replace(strings.ToLower(key))
	if strings.HasSuffix(key, "amount") {
		return false
	}
	for _, beginning := range []string{"buyer", "payer", "payee", "receiver"} {
		if strings.HasPrefix(key, beginning) {
			return true
		}
	}
	for _, part := range []string{"logonid", "openid", "userid", "mobile", "phone", "email", "certno", "card", "identity", "address", "token", "secret", "passw", "authcode"} {
		if strings.Contains(key, part) {
			return true
		}
	}
	return strings.HasSuffix(key, "name") || strings.HasSuffix(key, "account")
}

// number tells whether a value is a number of Alipay's or the merchant's, which
// may look like that of a phone or an account.
func number(key string) bool {
	return strings.HasSuffix(key, "_no") || strings.HasSuffix(key, "_id") || key == "utc_timestamp"
}

var (
	email = regexp.MustCompile(`[\w.+*-]+@[\w-]+(?:\.[\w-]+)+`)
	// digits are runs; phone those that are a mobile number, a masked one too, or
	// an account (2088...).
	digits = regexp.MustCompile(`[\d*]+`)
	phone  = regexp.MustCompile(`^(?:(?:00)?86)?(?:1[3-9][\d*]{9}|2088[\d*]{12})$`)
	within = regexp.MustCompile(`[A-Za-z_-]+=[^&\s]+`)
	// pair matches a field of JSON that is damaged, escaped or has something around it.
	pair = regexp.MustCompile(`([A-Za-z_-]+)((?:\\*["']|&quot;)?\s*:\s*)(\\*"[^"]*|'[^']*|&quot;[^&]*|[^&\s"',}]+)`)
)
