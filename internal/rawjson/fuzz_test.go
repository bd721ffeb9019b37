package rawjson_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/alirefund/alirefund/internal/rawjson"
)

// FuzzFields holds Fields against encoding/json: of any valid JSON the same keys
// and the same bytes, in the same order, and the same end. Of what is not valid
// the spans lie in order, and nothing panics.
func FuzzFields(f *testing.F) {
	for _, seed := range []string{
		`{"a":1,"b":"x"}`, " { \"a\" :\t{\"}\":[\"]\\\"\"]} ,\r\n\"a\":null } x", `{"\u0061":"\\","":[[],{}]}`, `{}`, `{} `, `[1]`, `null`,
		`{"a":tr}`, `{"a":{]}`, `{"a":1,}`, `{"a":"\`, `{"a"`, `{a:1}`, "{\"a\":\"\xd5\\\"\"}", `{"a":-1.5e3}`, ``, `{"a":1}{"b":2}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		type span struct{ key, value string }
		var got []span
		rest := data
		end, err := rawjson.Fields(data, func(key, value []byte) {
			got = append(got, span{string(key), string(value)})
			for _, part := range [][]byte{key, value} {
				i := bytes.Index(rest, part)
				if i < 0 {
					t.Fatalf("%q is not behind what came before it", part)
				}
				rest = rest[i+len(part):]
			}
		})
		if end < 0 || end > len(data) || err == nil && data[end-1] != '}' || err != nil && end != 0 {
			t.Fatalf("it ends at %d of %d: %v", end, len(data), err)
		}
		want, wantEnd, valid := members(data)
		if !valid {
			return
		}
		if err != nil || end != wantEnd || len(got) != len(want) {
			t.Fatalf("%q: %d fields until %d, %v; encoding/json reads %d until %d", data, len(got), end, err, len(want), wantEnd)
		}
		for i, w := range want {
			var key string
			if json.Unmarshal([]byte(`"`+got[i].key+`"`), &key) != nil || key != w[0] || got[i].value != w[1] {
				t.Errorf("field %d is %q, encoding/json reads %q", i, got[i], w)
			}
		}
	})
}

// members reads the object at the beginning of data as encoding/json does: keys
// decoded, values as they are.
func members(data []byte) (list [][2]string, end int, valid bool) {
	var object json.RawMessage
	whole := json.NewDecoder(bytes.NewReader(data))
	if whole.Decode(&object) != nil || object[0] != '{' {
		return nil, 0, false
	}
	decoder := json.NewDecoder(bytes.NewReader(object))
	_, _ = decoder.Token()
	for decoder.More() {
		key, _ := decoder.Token()
		var value json.RawMessage
		_ = decoder.Decode(&value)
		list = append(list, [2]string{key.(string), string(value)})
	}
	return list, int(whole.InputOffset()), true
}

// FuzzItems holds Items against encoding/json: of a valid list its elements, of
// any other valid value but null the value itself.
func FuzzItems(f *testing.F) {
	for _, seed := range []string{
		`[1,"2",{"a":[3]},[]]`, `[ ]`, "[\t1 , 2\n]", `[null]`, `null`, `{}`, `"x"`, ``, `[`, `[,]`, `[1`, `[1 2]`, `["\`, `[{]`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var got []string
		rawjson.Items(data, func(item []byte) { got = append(got, string(item)) })
		var value json.RawMessage // without the blanks around it, as Fields cuts values
		if json.Unmarshal(data, &value) != nil || !bytes.Equal(value, data) {
			return
		}
		var want []json.RawMessage
		if data[0] != '[' && string(data) != "null" {
			want = []json.RawMessage{data}
		} else if err := json.Unmarshal(data, &want); err != nil {
			t.Fatal(err)
		}
		if len(got) != len(want) {
			t.Fatalf("%q: %q, encoding/json reads %q", data, got, want)
		}
		for i := range want {
			if got[i] != string(want[i]) {
				t.Errorf("item %d is %q, encoding/json reads %q", i, got[i], want[i])
			}
		}
	})
}
