package notify

import "errors"

// Errors of this package. Every error it returns wraps one of them and says
// what was wrong with which field; none repeats a value, except an app_id.
// ErrHidden, ErrCharset, ErrNoID and ErrNotOurs are only said of bodies whose
// signature matched.
var (
	// ErrMethod: Alipay notifies by POST alone.
	ErrMethod = errors.New("notify: not a POST")
	// ErrUnread: the body could not be read, because the client stopped or
	// because an earlier handler had read it.
	ErrUnread = errors.New("notify: the body could not be read")
	// ErrTooLarge: the body is larger than MaxBody.
	ErrTooLarge = errors.New("notify: the body is too large")
	// ErrMalformed: the body is no form that Alipay would send.
	ErrMalformed = errors.New("notify: malformed body")
	// ErrDuplicateKey: a key is given twice, so that two readers could disagree.
	ErrDuplicateKey = errors.New("notify: a key is given twice")
	// ErrSignType: sign_type is not RSA2. It is not covered by the signature, so
	// a sender may not choose it.
	ErrSignType = errors.New("notify: sign_type is not accepted")
	// ErrNoSignature: sign is missing.
	ErrNoSignature = errors.New("notify: no signature")
	// ErrSignature: the signature does not match; wraps [signer.ErrSignature] too,
	// and [signer.ErrUnknownCertificate] where the body names a certificate that is
	// not trusted.
	ErrSignature = errors.New("notify: the signature does not match")
	// ErrHidden: a value contains what would be another field of the same signed
	// text, so that somebody may have moved it there.
	ErrHidden = errors.New("notify: a field is hidden in another's value")
	// ErrCharset: charset names an encoding that Alipay does not document, or an
	// identifier is not in the one it names.
	ErrCharset = errors.New("notify: the charset cannot be read")
	// ErrNoID: signed by Alipay but no notification, the parameters of a
	// return_url for instance, which every buyer's browser holds.
	ErrNoID = errors.New("notify: not a notification")
	// ErrNotOurs: signed by Alipay for another application or another seller.
	ErrNotOurs = errors.New("notify: not for this application")
)

// MaxBody is the size in bytes of the largest body that is opened. Real ones
// have one to three thousand.
const MaxBody = 64 << 10
