package explain

import (
	"errors"
	"fmt"
	"iter"
	"net/url"
	"slices"
	"strings"

	"github.com/alirefund/alirefund/notify"
	"github.com/alirefund/alirefund/signer"
)

// match is how a form's signature was found to be right.
type match struct {
	text     string
	form     signer.Form
	params   []signer.Param // what the text is made of
	app      bool           // by the application's key
	sha1     bool
	inserted bool // sign_type is missing, and was put back
}

// match looks for the text that the form's signature fits. A thorough one tries
// every algorithm, key and form of the text.
func (e *examination) match(f *form, thorough bool) (match, bool) {
	if f.sign == "" || len(f.twice) > 0 {
		return match{}, false
	}
	for m := range texts(f, thorough) {
		for _, app := range []bool{f.kind == KindRequest, f.kind != KindRequest} {
			if app != (f.kind == KindRequest) && !thorough {
				continue
			}
			for _, sha1 := range []bool{false, true} {
				if !thorough && sha1 != (f.signType == "RSA" && e.acceptsSHA1(app)) {
					continue
				}
				if e.judge.check([]byte(m.text), f.sign, app, sha1) {
					m.app, m.sha1 = app, sha1
					return m, true
				}
			}
		}
	}
	return match{}, false
}

func (e *examination) acceptsSHA1(app bool) bool {
	if app {
		return e.judge.app.AcceptsSHA1()
	}
	return e.judge.alipay.AcceptsSHA1()
}

// texts yields what may have been signed. Notices are signed without sign_type
// (V1), some with it (V2), requests always with it; Alipay's pages contradict
// each other on empty values, and its SDKs on alipay_cert_sn.
func texts(f *form, thorough bool) iter.Seq[match] {
	return func(yield func(match) bool) {
		forms := []signer.Form{signer.WithoutSignType}
		switch {
		case f.kind == KindRequest && thorough:
			forms = []signer.Form{0, signer.WithoutSignType}
		case f.kind == KindRequest:
			forms = []signer.Form{0}
		case thorough || !f.has("notify_id"):
			forms = append(forms, 0)
		}
		lists := [][]signer.Param{f.params}
		if f.has("alipay_cert_sn") && f.kind != KindRequest {
			lists = [][]signer.Param{without(f.params, "alipay_cert_sn"), f.params}
		}
		empty := slices.ContainsFunc(f.params, func(p signer.Param) bool { return p.Value == "" })
		for _, form := range forms {
			for _, params := range lists {
				m := match{params: params}
				if form&signer.WithoutSignType == 0 && !f.hasType {
					m.inserted = true
					m.params = append(slices.Clone(params), signer.Param{Key: "sign_type", Value: "RSA2"})
				}
				for _, form := range []signer.Form{form, form | signer.WithoutEmpty} {
					if form&signer.WithoutEmpty != 0 && !empty {
						continue
					}
					m.form = form
					m.text = string(signer.AppendText(nil, slices.Clone(m.params), form))
					if !yield(m) {
						return
					}
				}
			}
		}
	}
}

func without(params []signer.Param, key string) []signer.Param {
	return slices.DeleteFunc(slices.Clone(params), func(p signer.Param) bool { return p.Key == key })
}

// tryForm checks a form as it is but for its signature's base64.
func (e *examination) tryForm(f *form, opened Cause, strict bool) (finding, bool) {
	odd := f.hasType && f.signType != "RSA2" && !slices.Contains(algorithms, f.signType)
	if strict && (f.damage != "" || f.broken || odd) {
		return finding{}, false
	}
	m, ok := e.match(f, true)
	if !ok {
		return finding{}, false
	}
	return e.nameForm(f, m, repair{}, opened), true
}

// nameForm names what had to be undone, the outermost first: how the whole was
// opened, which fields were repaired, the signature, and what the signature says
// of keys and algorithms.
func (e *examination) nameForm(f *form, m match, r repair, opened Cause) finding {
	found := finding{kind: f.kind, signed: maskedText(m.params, m.form)}
	var causes []Cause
	var details []string
	add := func(c Cause, detail string) {
		if c == PlusAsSpace && e.decoded {
			c = DecodedTwice
		}
		if c != "" && !slices.Contains(causes, c) {
			causes, details = append(causes, c), append(details, detail)
		}
	}
	add(opened, "")
	add(r.cause, r.detail)
	switch {
	case len(causes) > 0:
	case f.oddKey:
		add(Unknown, "The signature matches, and a key is no name of Alipay's.")
	case f.broken:
		add(PartlyDecoded, "")
	}
	add(f.damage, "")
	switch request := f.kind == KindRequest; {
	case m.app != request, !request && e.keys.Alipay.Holds(e.keys.App):
		add(AppKeyUsed, ownKey(request))
	case m.sha1:
		add(OtherAlgorithm, weak)
	case m.inserted, request && m.form&signer.WithoutSignType != 0:
		add(SignTypeDropped, "")
	case !f.hasType:
		add(missing(MissingSignType, "sign_type", f.pairs))
	case slices.Contains(algorithms, f.signType):
		add(SignTypeChanged, "")
	case f.signType != "RSA2":
		add(Unknown, "The signature matches; sign_type is none that Alipay has.")
	}
	if id := f.get("app_id"); id != "" && e.keys.AppID != "" && id != e.keys.AppID {
		add(WrongApp, "")
	}
	if len(causes) > 0 {
		found.cause, found.detail = causes[0], details[0]
		if len(causes) > 1 {
			found.detail = strings.TrimSpace(found.detail + " " + besides(causes[1]))
		}
	}
	e.tell(&found, f, m)
	return found
}

// algorithms are the other values of sign_type, of now and of long ago.
var algorithms = []string{"RSA", "rsa2", "rsa", "SM2", "DSA", "MD5"}

const weak = "It is signed with SHA1 (sign_type=RSA), which is weak, and by a key that signs for every merchant. Choose RSA2 for the application at Alipay's console."

func ownKey(request bool) string {
	if request {
		return "This request verifies with the key that was given as Alipay's."
	}
	return "Alipay signs what it sends with a key of its own."
}

// tell opens what verifies, repaired if need be, to say what it tells.
func (e *examination) tell(found *finding, f *form, m match) {
	if m.app || f.kind != KindNotice && f.kind != KindMessage {
		return
	}
	signType := "RSA2"
	if m.sha1 {
		signType = "RSA"
	}
	values := url.Values{"sign": {f.sign}, "sign_type": {signType}}
	for _, p := range m.params {
		if p.Key != "sign_type" {
			values.Set(p.Key, p.Value)
		}
	}
	n, err := notify.Open([]byte(values.Encode()), e.keys.Alipay)
	switch {
	case err == nil:
		found.notification = n.Kind
	case found.cause == "" && (errors.Is(err, notify.ErrHidden) || errors.Is(err, notify.ErrCharset)):
		found.detail = fmt.Sprintf("The signature matches, but the module refuses it: %v.", err)
	}
}
