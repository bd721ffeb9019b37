// Package notify opens what Alipay posts to a notify_url: it verifies the
// signature over the bytes that came, then reads them, then says what they tell.
//
//	rc := &notify.Receiver{Verifier: verify, AppID: "2021000000000000"}
//	n, err := rc.Receive(r)
//	switch {
//	case err != nil:
//		// forged, damaged, somebody else's, or no notification: answer 4xx
//	case n.Kind == notify.KindTradeRefund:
//		// n.OutTradeNo(), n.OutBizNo(), n.Full()
//	}
//
// It keeps nothing: whether a notification came before, and whether it was
// handled, is its caller's business, by [Notification.ID].
package notify

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/alirefund/alirefund/signer"
)

// Receiver opens the notifications of one application. It must not be changed
// once in use, and may then be used concurrently. Without a Verifier or an
// AppID it refuses everything.
type Receiver struct {
	// Verifier holds Alipay's public keys or certificates.
	Verifier *signer.Verifier
	// AppID must equal the notice's app_id: one of Alipay's keys may sign for
	// several applications.
	AppID string
	// SellerIDs are the accepted values of seller_id (2088...). A notice that
	// names its seller by seller_email alone is compared with them too. Empty:
	// any seller.
	SellerIDs []string
}

// Receive opens the body of a request: [ReadBody], then [Receiver.Open], with the errors
// of both.
func (rc *Receiver) Receive(r *http.Request) (*Notification, error) {
	body, err := ReadBody(r)
	if err != nil {
		return nil, err
	}
	return rc.Open(body)
}

// ReadBody reads the body of a request, for [Receiver.Open]. It reads at most [MaxBody]
// of it and puts back what it read, also beside an error, to be read once again; the
// caller must not change it. It ignores the URL's query and r.Form, which mixes the query
// in. If an earlier handler parsed the form already, it returns r.PostForm, the body's own
// parameters, instead. It fails with [ErrMethod], [ErrTooLarge] or [ErrUnread].
func ReadBody(r *http.Request) ([]byte, error) {
	switch {
	case r.Method != http.MethodPost:
		return nil, fmt.Errorf("%w: %.16q", ErrMethod, r.Method)
	case r.ContentLength > MaxBody:
		return nil, tooLarge()
	}
	if r.Body == nil {
		r.Body = http.NoBody
	}
	body, err := readAll(r.Body, r.ContentLength)
	again := &readBody{Closer: r.Body}
	again.Reset(body)
	r.Body = again
	_, over := errors.AsType[*http.MaxBytesError](err)
	switch {
	case over:
		return nil, fmt.Errorf("%w: %w", ErrTooLarge, err)
	case err != nil && !errors.Is(err, http.ErrBodyReadAfterClose):
		return nil, fmt.Errorf("%w: %w", ErrUnread, err)
	case len(body) == 0 && len(r.PostForm) > 0:
		return []byte(r.PostForm.Encode()), nil
	case int64(len(body)) < r.ContentLength:
		return nil, fmt.Errorf("%w: an earlier handler has read it; receive before it, or let it put the body back", ErrUnread)
	}
	return body, nil
}

// readAll reads no more than what shows that it is more than [MaxBody]. There is room
// for what most notifications are, and for more only as it arrives: what a stranger says
// will arrive costs him nothing.
func readAll(r io.Reader, said int64) ([]byte, error) {
	const usual = 4 << 10
	body := make([]byte, 0, min(max(said, 0), usual)+1) // and one more, to see the end
	for len(body) <= MaxBody {
		if len(body) == cap(body) {
			body = slices.Grow(body, bytes.MinRead)
		}
		n, err := r.Read(body[len(body):min(cap(body), MaxBody+1)])
		body = body[:len(body)+n]
		switch {
		case err == io.EOF:
			return body, nil
		case err != nil:
			return body, err
		}
	}
	return body, nil
}

// readBody is a body that was read, to be read once again.
type readBody struct {
	bytes.Reader
	io.Closer // of the one that it was read from
}

// Open opens a body that was read already. It fails like [Open], and with
// [ErrNotOurs]. The result shares no memory with body.
func (rc *Receiver) Open(body []byte) (*Notification, error) {
	if rc == nil || rc.AppID == "" {
		return nil, fmt.Errorf("%w: the receiver names no application", ErrNotOurs)
	}
	n, err := Open(body, rc.Verifier)
	if err != nil {
		return nil, err
	}
	if err := rc.ours(n); err != nil {
		return nil, err
	}
	n.by = &rc.AppID
	return n, nil
}

// UnverifiedAppID returns the app_id that a body names, empty if it names none. Nobody has
// verified it: it is good for choosing the Receiver that does, and for nothing else. It
// fails with [ErrTooLarge], [ErrMalformed] or [ErrDuplicateKey].
func UnverifiedAppID(body []byte) (string, error) {
	params, err := parse(body)
	if err != nil {
		return "", err
	}
	for _, p := range params {
		if p.Key == "app_id" && p.Value != "null" {
			return p.Value, nil
		}
	}
	return "", nil
}

// ours compares what a notice says of its receiver. These are security checks:
// a signature only says that Alipay wrote it, not for whom.
func (rc *Receiver) ours(n *Notification) error {
	switch id := n.AppID(); {
	case id == rc.AppID:
	case id != "":
		return fmt.Errorf("%w: app_id is %.32q", ErrNotOurs, id)
	case !n.fund() || n.sha1:
		// Red packets' notices are documented without an app_id, and the
		// SHA1 key is the same for all the world.
		return fmt.Errorf("%w: app_id is missing", ErrNotOurs)
	case n.AuthAppID() != "" && n.AuthAppID() != rc.AppID:
		return fmt.Errorf("%w: app_id is missing and auth_app_id is %.32q", ErrNotOurs, n.AuthAppID())
	}
	if len(rc.SellerIDs) == 0 {
		return nil
	}
	key, seller := "seller_id", n.SellerID()
	if seller == "" {
		key, seller = "seller_email", n.Get("seller_email")
	}
	if seller != "" && !slices.Contains(rc.SellerIDs, seller) {
		return fmt.Errorf("%w: %s is not among the accepted sellers", ErrNotOurs, key)
	}
	return nil
}

// Open verifies and reads a body, whosever it is: a caller that acts on the
// result wants [Receiver.Open]. It fails with [ErrTooLarge], [ErrMalformed],
// [ErrDuplicateKey], [ErrSignType], [ErrNoSignature], [ErrSignature],
// [ErrHidden], [ErrCharset] or [ErrNoID]. The result shares no memory with body.
func Open(body []byte, v *signer.Verifier) (*Notification, error) {
	params, err := parse(body)
	if err != nil {
		return nil, err
	}
	params, sha1, err := verify(params, v)
	if err != nil {
		return nil, err
	}
	// What the signature is made of is not content, and what may have been
	// added to it, an empty value, does not exist.
	params = slices.DeleteFunc(params, func(p signer.Param) bool {
		return p.Key == "sign" || p.Key == "sign_type" || p.Value == ""
	})
	if err := unhidden(params); err != nil {
		return nil, err
	}
	n := &Notification{params: params, sha1: sha1}
	if err := n.transcode(); err != nil {
		return nil, err
	}
	n.params = slices.DeleteFunc(n.params, func(p signer.Param) bool { return p.Value == "null" })
	if err := n.identify(); err != nil {
		return nil, err
	}
	n.Kind = n.classify()
	return n, nil
}

// forms are the texts that a notice may be signed over, the likeliest first:
// V1, as received; V1 without empty values, because Alipay's pages contradict
// each other; V2, which the notices of the service market and of life accounts
// have. Which notice has which was checked on signed captures.
var forms = [...]signer.Form{
	signer.WithoutSignType,
	signer.WithoutSignType | signer.WithoutEmpty,
	0,
}

// verify checks the signature over params, which are sorted. It returns them as
// they were signed, and tells whether it was by the weak algorithm of
// sign_type=RSA.
//
// In certificate mode a notice may name its certificate (alipay_cert_sn). Whether
// that field is signed, Alipay's SDKs disagree: the text is tried without it, then
// with it. It is a hint for the Verifier and no more; a number that nobody knows
// has nothing fetched.
func verify(params []signer.Param, v *signer.Verifier) (signed []signer.Param, sha1 bool, err error) {
	var sign, signType, certificate string
	var empty bool
	for _, p := range params {
		empty = empty || p.Value == ""
		switch p.Key {
		case "sign":
			sign = p.Value
		case "sign_type":
			signType = p.Value
		case "alipay_cert_sn":
			certificate = p.Value
		}
	}
	if v == nil {
		return nil, false, fmt.Errorf("%w: there is no key to verify with", ErrSignature)
	}
	switch {
	case signType == "RSA2":
	case signType == "RSA" && v.AcceptsSHA1():
		sha1 = true
	case signType == "RSA":
		return nil, false, fmt.Errorf("%w: RSA, which is SHA1; RSA2 is wanted", ErrSignType)
	case signType == "":
		return nil, false, fmt.Errorf("%w: it is missing", ErrSignType)
	default:
		return nil, false, fmt.Errorf("%w: it is neither RSA2 nor RSA", ErrSignType)
	}
	if sign == "" {
		return nil, false, fmt.Errorf("%w: sign is missing", ErrNoSignature)
	}
	candidates := [][]signer.Param{params}
	if certificate != "" {
		candidates = [][]signer.Param{withoutCertificate(params), params}
	}
	var usual [2 << 10]byte // on the stack; a longer text is allocated
	text := usual[:0]
	for _, params := range candidates {
		for _, form := range forms {
			if form&signer.WithoutEmpty != 0 && !empty {
				continue
			}
			text = signer.AppendText(text[:0], params, form)
			if sha1 {
				err = v.VerifySHA1(text, sign)
			} else {
				err = v.VerifyBy(certificate, text, sign)
			}
			if err == nil {
				return params, sha1, nil
			}
		}
	}
	return nil, false, fmt.Errorf("%w: %w", ErrSignature, err)
}

func withoutCertificate(params []signer.Param) []signer.Param {
	return slices.DeleteFunc(slices.Clone(params), func(p signer.Param) bool { return p.Key == "alipay_cert_sn" })
}

// unhidden refuses what a signature cannot tell apart. The signed text of
// amount=1, app_id=2 is that of a single amount "1&app_id=2", so whoever holds a
// notice of his own could make fields disappear that must not. Values with a &
// of their own are common (passback_params): only a field that is acted upon,
// and in the place where it would have been signed, counts.
func unhidden(params []signer.Param) error {
	for i, p := range params {
		for _, rest, found := strings.Cut(p.Value, "&"); found; _, rest, found = strings.Cut(rest, "&") {
			key, _, isField := strings.Cut(rest, "=")
			if isField && key > p.Key && (i+1 == len(params) || key < params[i+1].Key) && decisive(key) {
				return fmt.Errorf("%w: %s in %s", ErrHidden, key, p.Key)
			}
		}
	}
	return nil
}

// decisive tells whether this module acts upon the field.
func decisive(key string) bool {
	switch key {
	case "app_id", "auth_app_id", "seller_id", "seller_email", "charset", "method", "msg_method", "biz_content",
		"notify_id", "notify_type", "operation_type", "trade_status", "status", "gmt_refund",
		"out_trade_no", "trade_no", "out_biz_no", "auth_no", "out_order_no", "out_request_no",
		"operation_id", "refund_fee", "total_amount", "amount":
		return true
	}
	return false
}
