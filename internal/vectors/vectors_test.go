package vectors_test

import (
	"testing"

	"github.com/alirefund/alirefund/internal/vectors"
)

func TestLoad(t *testing.T) {
	for _, kind := range []string{"request", "response", "notify"} {
		t.Run(kind, func(t *testing.T) {
			for _, v := range vectors.Load(t, kind) {
				if v.Name == "" || v.Raw == "" || v.Text == "" || v.Key == "" || len(v.File) == 0 {
					t.Errorf("%q: a field is empty", v.Name)
				}
				if v.Sign == "" && kind != "notify" || v.Variant == "" && kind == "notify" || v.Node == "" && kind == "response" {
					t.Errorf("%q: a field of its kind is empty", v.Name)
				}
			}
		})
	}
	for _, kind := range []string{"extract", "aes", "certsn"} {
		t.Run(kind, func(t *testing.T) { vectors.Load(t, kind) })
	}
}
