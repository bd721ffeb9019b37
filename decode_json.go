package alirefund

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Where a body is not the JSON that is wanted. No byte of it is repeated: it may hold a token.

// notJSON says why a body is not one JSON object, if it is not.
func notJSON(body []byte) (why Text, bad bool) {
	blank := len(body) - len(bytes.TrimLeft(body, " \t\r\n"))
	if blank == len(body) {
		return Text{En: "the body is empty; one JSON object is wanted", Zh: "请求体为空，应为一个 JSON 对象"}, true
	}
	if bytes.HasPrefix(body, []byte("\ufeff")) {
		return Text{En: "the body begins with a byte order mark, which JSON has not", Zh: "请求体以字节顺序标记（BOM）开头，JSON 不允许"}, true
	}
	var value json.RawMessage
	decoder := json.NewDecoder(bytes.NewReader(body))
	err := decoder.Decode(&value)
	var broken *json.SyntaxError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return at(body, len(body), endsEarly), true
	case errors.As(err, &broken):
		return at(body, int(broken.Offset)-1, wantedAt(broken)), true
	case value[0] != '{':
		is := kinds[value[0]]
		return Text{En: is.En + "; one JSON object is wanted", Zh: is.Zh + "，应为一个 JSON 对象"}, true
	}
	end := int(decoder.InputOffset())
	rest := bytes.TrimLeft(body[end:], " \t\r\n")
	if len(rest) == 0 {
		return Text{}, false
	}
	return at(body, len(body)-len(rest), Text{En: "there is more behind the JSON object", Zh: "JSON 对象之后还有多余内容"}), true
}

// kinds are the values that are no object, by their first byte.
var kinds = func() map[byte]Text {
	kinds := map[byte]Text{
		'[': {En: "the body is a list", Zh: "请求体是数组"}, '"': {En: "the body is a string", Zh: "请求体是字符串"}, 'n': {En: "the body is null", Zh: "请求体是 null"},
		't': {En: "the body is true", Zh: "请求体是 true"}, 'f': {En: "the body is false", Zh: "请求体是 false"},
	}
	for _, first := range []byte("-0123456789") {
		kinds[first] = Text{En: "the body is a number", Zh: "请求体是数字"}
	}
	return kinds
}()

// at says what is at an offset of the body.
func at(body []byte, offset int, what Text) Text {
	before := body[:offset]
	line := bytes.Count(before, []byte{'\n'}) + 1
	column := offset - bytes.LastIndexByte(before, '\n')
	return Text{
		En: fmt.Sprintf("byte %d (line %d, column %d): %s", offset, line, column, what.En),
		Zh: fmt.Sprintf("第 %d 字节（第 %d 行第 %d 列）：%s", offset, line, column, what.Zh),
	}
}

var endsEarly = Text{En: "the JSON ends before it is complete", Zh: "JSON 不完整，提前结束"}

// wantedAt says what was wanted in the place of what is there, by the words of
// encoding/json.
func wantedAt(err *json.SyntaxError) Text {
	for _, w := range wanted {
		if strings.Contains(err.Error(), w.says) {
			return w.text
		}
	}
	return Text{En: "this is no JSON", Zh: "不是合法的 JSON"}
}

var wanted = []struct {
	says string
	text Text
}{
	{"beginning of value", Text{En: "a value is wanted", Zh: "此处应为一个值"}},
	{"beginning of object key", Text{En: `a field's name in " is wanted`, Zh: `此处应为以 " 开头的字段名`}},
	{"after object key:value pair", Text{En: "a comma or } is wanted after a field's value", Zh: "字段值之后应为逗号或 }"}},
	{"after object key", Text{En: "a colon is wanted after a field's name", Zh: "字段名之后应为冒号"}},
	{"after array element", Text{En: "a comma or ] is wanted after a list's value", Zh: "数组元素之后应为逗号或 ]"}},
	{"in string literal", Text{En: "a string must not have this character; escape it", Zh: "字符串中不能直接出现该字符，请转义"}},
	{"in string escape code", Text{En: `no escape sequence begins like this`, Zh: "无效的转义序列"}},
	{`in \u hexadecimal`, Text{En: `four hexadecimal digits are wanted after \u`, Zh: `\u 之后应为四位十六进制数字`}},
	{"numeric literal", Text{En: "a digit is wanted in a number", Zh: "数字中此处应为一位数字"}},
	{"in literal", Text{En: "true, false, null, or a string in \" is wanted", Zh: "此处应为 true、false、null，或以 \" 开头的字符串"}},
	{"max depth", Text{En: "this is nested too deeply", Zh: "嵌套过深"}},
}
