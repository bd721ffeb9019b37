// Package explain says why a signature of Alipay's does not verify. Given the
// bytes of a notice, of an answer or of a request as they were captured, and the
// keys, it tries the inverse of each known corruption until the signature
// matches, and names that one:
//
//	r := explain.Explain(body, explain.Keys{Alipay: verify, AppID: appID})
//	switch {
//	case r.Verifies:
//	case r.Cause == explain.PlusAsSpace:
//		// ... r.Hint
//	}
//
// It is for diagnosis alone. What it repairs stays unverified: nothing is handed
// back that could be acted upon, and a capture that only verifies after a repair
// does not verify. A cause is named when a trial proved it or when it is plain to
// see, such as a body without any sign; otherwise the cause is [Unknown].
package explain

import (
	"bytes"
	"crypto/rsa"

	"github.com/alirefund/alirefund/notify"
	"github.com/alirefund/alirefund/signer"
)

// MaxSize is the size in bytes of the largest capture that is examined.
const MaxSize = 64 << 10

// Keys are what a capture is checked with. Every field may be empty; what needs
// it is then not found out.
type Keys struct {
	// Alipay holds Alipay's public keys. Signatures of sign_type=RSA (SHA1) are
	// recognised by their mathematics if it was made by
	// [signer.NewVerifierAcceptingSHA1AndWeakKeys], else by their sign_type; in
	// neither case do they verify here.
	Alipay *signer.Verifier
	// App is the application's own public key: requests are signed with it, and
	// it is a common mistake to take it for Alipay's.
	App *rsa.PublicKey
	// AppID is the application that notices should be for.
	AppID string
}

// Kind says what a capture is.
type Kind string

// The kinds of a capture.
const (
	KindNotice    Kind = "notice"     // posted to a notify_url
	KindMessage   Kind = "message"    // posted to the application gateway (msg_method)
	KindReturnURL Kind = "return_url" // the query that a buyer's browser brings back
	KindRequest   Kind = "request"    // the application's own, signed with its own key
	KindAnswer    Kind = "answer"     // the gateway's answer to a request
	KindUnknown   Kind = "unknown"
)

// Report is what was found out.
type Report struct {
	// Verifies: the capture verifies as it is, and is for Keys.AppID if that is
	// given. Otherwise Cause says why not.
	Verifies bool
	Kind     Kind
	// Notification is what a notice tells; empty of anything else, and of a
	// notice whose content could not be restored.
	Notification notify.Kind
	// Cause is empty if and only if Verifies.
	Cause Cause
	// Hint says in words what was found and what to do. It names fields and
	// repeats no value of the capture.
	Hint string
	// Signed is the text that was signed, or what should have been as far as it
	// is known, with buyers and tokens masked. It is not for logs: it still says
	// what was paid for.
	Signed string
}

// Explain examines one capture. It never fails, keeps nothing, and makes at most
// a few hundred verifications: milliseconds for a usual capture, some tenths of a
// second for the costliest of 64 KiB.
// It is safe for concurrent use.
func Explain(raw []byte, k Keys) Report { return explain(raw, k, maxVerifications) }

func explain(raw []byte, k Keys, verifications int) Report {
	if len(raw) > MaxSize {
		return Report{Kind: KindUnknown, Cause: Unknown, Hint: "It is larger than anything that Alipay sends."}
	}
	raw = queryOf(raw)
	if len(bytes.TrimSpace(raw)) == 0 {
		return Report{Kind: KindUnknown, Cause: EmptyBody, Hint: EmptyBody.hint()}
	}
	e := examination{judge: newJudge(k, verifications), keys: k, raw: raw, decoded: looksDecoded(raw)}
	return e.search().report()
}

// examination is one capture under examination.
type examination struct {
	judge   *judge
	keys    Keys
	raw     []byte
	decoded bool // it seems to be a form whose percent-encoding is gone
}

// search goes from the plain to the far-fetched and stops at the first finding.
func (e *examination) search() finding {
	plain := read(e.raw)
	if f, ok := e.try(plain, "", true); ok {
		return f
	}
	if f, ok := e.visible(plain); ok {
		return f
	}
	others := openings(e.raw)
	for _, o := range others {
		if f, ok := e.try(o.reading, o.cause, false); ok {
			return f
		}
	}
	if f, ok := e.try(plain, "", false); ok {
		return f
	}
	if f, ok := e.repair(plain, ""); ok {
		return f
	}
	for _, o := range others {
		if f, ok := e.repair(o.reading, o.cause); ok {
			return f
		}
	}
	if f, ok := e.repairTwice(plain); ok {
		return f
	}
	return e.conclude(plain)
}

// try checks a reading as it is. A strict trial wants it to be such that the
// module itself would take it.
func (e *examination) try(r reading, opened Cause, strict bool) (finding, bool) {
	switch {
	case r.form != nil:
		return e.tryForm(r.form, opened, strict)
	case r.answer != nil:
		return e.tryAnswer(r.answer, opened, strict)
	}
	return finding{}, false
}

// repair tries every single repair.
func (e *examination) repair(r reading, opened Cause) (finding, bool) {
	switch {
	case r.form != nil:
		return e.repairForm(r.form, opened)
	case r.answer != nil:
		return e.repairAnswer(r.answer, opened)
	}
	return finding{}, false
}

// repairTwice tries pairs of repairs of a form.
func (e *examination) repairTwice(r reading) (finding, bool) {
	if r.form == nil {
		return finding{}, false
	}
	return e.repairFormTwice(r.form)
}
