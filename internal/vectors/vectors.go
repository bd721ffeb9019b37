// Package vectors reads signed captures of Alipay's requests, answers and
// notices for this module's tests. They are third-party data and not part of
// the project: tests pass without them.
package vectors

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// Vector is one capture. Which fields are set depends on its kind.
type Vector struct {
	Name     string `json:"name"`
	Kind     string `json:"kind"`                    // request, response, notify, extract, aes, certsn
	Raw      string `json:"raw"`                     // as received: an answer's JSON, or a form's encoding
	Text     string `json:"expected_signing_string"` // what was signed
	Sign     string `json:"sign"`                    // base64; a notice's stands in Raw
	SignType string `json:"sign_type"`               // RSA2, or RSA with a key of 1024 bits
	Variant  string `json:"variant"`                 // of a notice: V1, or V2, which signs sign_type
	Node     string `json:"response_node"`           // of an answer: the name of the signed node
	Key      string `json:"alipay_public_key"`       // what verifies it; of a request, the application's own

	Expected map[string]string `json:"expected"` // some decoded fields

	File json.RawMessage `json:"-"` // the whole file, for kinds of another form
}

// Load returns the captures of one kind, each of which is expected to verify.
// It looks for them in the folder that ALIREFUND_VECTORS names, else in
// shared/vectors beside the checkout; without either it says so and skips t.
func Load(t testing.TB, kind string) []Vector {
	t.Helper()
	folder := os.Getenv("ALIREFUND_VECTORS")
	if folder == "" {
		folder = filepath.Join(checkout(t), "..", "shared", "vectors")
		if _, err := os.Stat(folder); os.IsNotExist(err) {
			t.Skip("the signed captures are absent (ALIREFUND_VECTORS names their folder)")
		}
	}
	files, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	var found []Vector
	for _, name := range files {
		v, err := read(name)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if v.Kind == kind {
			found = append(found, v)
		}
	}
	if len(found) == 0 {
		t.Fatalf("no captures of kind %q in %s", kind, folder)
	}
	return found
}

func read(name string) (Vector, error) {
	data, err := os.ReadFile(name) //nolint:gosec // the folder is the developer's own choice
	if err != nil {
		return Vector{}, err
	}
	v := struct {
		Vector
		RequestKey string `json:"verify_public_key"`
	}{}
	if err := json.Unmarshal(data, &v); err != nil {
		return Vector{}, err
	}
	if v.Key == "" {
		v.Key = v.RequestKey
	}
	v.File = data
	return v.Vector, nil
}

// checkout returns the folder that holds go.work, at or above the test's own.
func checkout(t testing.TB) string {
	t.Helper()
	folder, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(folder, "go.work")); err == nil {
			return folder
		}
		above := filepath.Dir(folder)
		if above == folder {
			t.Skip("the signed captures are absent: this is no checkout, and ALIREFUND_VECTORS is not set")
		}
		folder = above
	}
}
