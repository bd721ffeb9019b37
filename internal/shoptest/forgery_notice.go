package shoptest

import (
	"crypto/rsa"
	"maps"
	"net/url"

	"github.com/alirefund/alirefund/signer"
)

// Forger has a genuine notice and what can be done with it.
type Forger struct {
	Shop   *Shop
	Base   map[string]string
	Body   string     // the genuine one
	Params url.Values // the same, decoded, with sign and sign_type
}

func (s *Shop) Forger(base map[string]string) Forger {
	s.T.Helper()
	f := Forger{Shop: s, Base: base, Body: s.Alipay.SignedNotice(base)}
	var err error
	if f.Params, err = url.ParseQuery(f.Body); err != nil {
		s.T.Fatal(err)
	}
	return f
}

// With changes fields and keeps the signature; "-" removes one.
func (f Forger) With(changes ...string) string {
	params := maps.Clone(f.Params)
	for i := 0; i < len(changes); i += 2 {
		if params.Set(changes[i], changes[i+1]); changes[i+1] == "-" {
			params.Del(changes[i])
		}
	}
	return params.Encode()
}

// Signed changes fields and has Alipay sign that, as it does for another
// application or another event.
func (f Forger) Signed(changes ...string) string {
	return f.Shop.Alipay.SignedNotice(Changed(f.Base, changes...))
}

// By signs the unchanged fields in another way.
func (f Forger) By(sign func(*rsa.PrivateKey, string) string, key *rsa.PrivateKey, changes ...string) string {
	return f.With(append(changes, "sign", sign(key, f.Text(signer.WithoutSignType)))...)
}

// Text is what is signed of the genuine notice.
func (f Forger) Text(form signer.Form) string {
	var params []signer.Param
	for key, values := range f.Params {
		params = append(params, signer.Param{Key: key, Value: values[0]})
	}
	return string(signer.AppendText(nil, params, form))
}

func (f Forger) Sign() string { return f.Params.Get("sign") }

func Changed(base map[string]string, changes ...string) map[string]string {
	params := maps.Clone(base)
	for i := 0; i < len(changes); i += 2 {
		if params[changes[i]] = changes[i+1]; changes[i+1] == "-" {
			delete(params, changes[i])
		}
	}
	return params
}
