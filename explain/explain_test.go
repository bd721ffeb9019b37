package explain_test

import (
	"strings"
	"testing"

	"github.com/alirefund/alirefund/explain"
	"github.com/alirefund/alirefund/internal/vectors"
	"github.com/alirefund/alirefund/notify"
	"github.com/alirefund/alirefund/signer"
)

func TestEachCorruptionIsNamed(t *testing.T) {
	t.Parallel()
	seen := map[explain.Cause]bool{}
	count := 0
	for _, group := range []struct {
		genuine     string
		kind        explain.Kind
		corruptions []corruption
	}{{genuine(), explain.KindNotice, ofForms}, {answer(), explain.KindAnswer, ofAnswers}} {
		for _, c := range group.corruptions {
			damaged := c.do(group.genuine)
			if damaged == group.genuine {
				if c.name != "slashes escaped" {
					t.Errorf("%s: changes nothing", c.name)
				}
				continue
			}
			t.Run(c.name, func(t *testing.T) {
				r := expect(t, damaged, keys(), c.want)
				if c.want != explain.ErrorPage && c.want != explain.EmptyBody && r.Kind != group.kind {
					t.Errorf("kind %q, want %q", r.Kind, group.kind)
				}
			})
			seen[c.want] = true
			count++
		}
	}
	t.Logf("%d corruptions of %d causes", count, len(seen))
	if count < 25 || len(seen) < 20 {
		t.Errorf("%d corruptions of %d causes; at least 25 of 20 are wanted", count, len(seen))
	}
}

// The same damages on what Alipay really sent.
func TestEachCorruptionOfACaptureIsNamed(t *testing.T) {
	t.Parallel()
	seen := map[explain.Cause]bool{}
	count := 0
	for _, kind := range []string{"notify", "response"} {
		corruptions := map[string][]corruption{"notify": ofForms, "response": ofAnswers}[kind]
		for _, v := range vectors.Load(t, kind) {
			k := captureKeys(v)
			if v.SignType == "RSA" || v.Variant == "V2" || strings.HasPrefix(v.Name, "return") {
				continue // their own tests
			}
			for _, c := range corruptions {
				damaged := c.do(v.Raw)
				if damaged == v.Raw {
					continue // it does not apply
				}
				if explain.Explain([]byte(damaged), k).Verifies { // it does no harm
					if _, err := notify.Open([]byte(damaged), k.Alipay); err != nil && kind == "notify" {
						t.Errorf("%s/%s: explain says that it verifies, and the module: %v", v.Name, c.name, err)
					}
					continue
				}
				want := c.want
				if c.name == "decoded and encoded" && strings.Contains(v.Raw, `\/`) {
					want = explain.SlashesUnescaped // the only change: its keys are in order
				}
				t.Run(v.Name+"/"+c.name, func(t *testing.T) { expect(t, damaged, k, want) })
				seen[want] = true
				count++
			}
		}
	}
	t.Logf("%d corruptions of %d causes", count, len(seen))
	if count < 25 || len(seen) < 20 {
		t.Errorf("%d corruptions of %d causes; at least 25 of 20 are wanted", count, len(seen))
	}
}

func captureKeys(v vectors.Vector) explain.Keys {
	keys := must(signer.PublicKeysFromPEM(v.Key))
	return explain.Keys{Alipay: must(signer.NewVerifierAcceptingSHA1AndWeakKeys(keys...))}
}
