package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/alirefund/alirefund/explain"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/signer"
)

// The checks of the gateway.
const (
	checkGateway = "gateway"
	checkQuery   = "query"
	checkClock   = "clock"
)

// examineGateway asks about a trade that does not exist, and looks at the answer.
func (d *doctor) examineGateway(ctx context.Context, sign *signer.Signer, verify *signer.Verifier, content *signer.ContentKey) {
	if u, err := url.Parse(d.gateway); err == nil && u.Scheme == "http" && !isLoopback(u.Hostname()) {
		d.found(checkGateway, gatewayHTTP, "it is not encrypted")
	}
	switch {
	case d.offline:
		d.found(checkQuery, offline, "no call was made")
		d.found(checkClock, offline, "no call was made")
		return
	case sign == nil || verify == nil || d.contentKey != "" && content == nil:
		d.found(checkQuery, notPossible, "not with these keys")
		d.found(checkClock, notPossible, "no call was made")
		return
	}
	w := &witness{next: d.transport}
	client, err := gateway.New(gateway.Config{
		AppID: d.appID, Signer: sign, Verifier: verify, ContentKey: content, URL: d.gateway, HTTP: &http.Client{Transport: w},
	})
	if err != nil {
		d.found(checkQuery, notPossible, err.Error())
		d.found(checkClock, notPossible, "no call was made")
		return
	}
	answer, err := client.QueryTrade(ctx, gateway.TradeQuery{OutTradeNo: "doctor" + rand.Text()}, gateway.Options{})
	c, message := diagnosis(answer.Reply, err, w, explain.Keys{Alipay: verify, App: sign.Public(), AppID: d.appID})
	d.found(checkQuery, c, message)
	if (c == otherKeyUp || c == noKeyUp) && d.alipaySN == "" {
		d.advise(" This private key's public key, to upload: " + publicLine(sign))
	}
	if named := w.certificate(); c == fine && d.alipaySN != "" && named != d.alipaySN {
		d.found(checkAlipayCert, certReplaced, "the answer names alipay_cert_sn "+named)
	}
	d.examineClock(w)
}

// diagnosis says what became of the query.
func diagnosis(reply gateway.Reply, err error, w *witness, keys explain.Keys) (code, string) {
	var refusal *gateway.Error
	switch {
	case err == nil:
		return fine, "Alipay's answer is signed and verifies"
	case w.status == 0:
		return connection(err), plain(err)
	case errors.Is(err, signer.ErrContent):
		return contentKeyWrong, "the answer verifies, and cannot be decrypted with this content key"
	case errors.Is(err, gateway.ErrNoAnswer) && w.encrypted():
		return contentRefused, "the answer is encrypted, and no content key was given"
	case errors.Is(err, gateway.ErrNoAnswer) && connection(err) == timedOut: // in the middle of the answer
		return timedOut, plain(err)
	case errors.Is(err, gateway.ErrNoAnswer):
		return notAGateway, fmt.Sprintf("HTTP status %d, and no answer of Alipay's gateway", w.status)
	case !reply.Signed:
		return unverified(reply, w, keys)
	case errors.As(err, &refusal):
		return judged(reply)
	}
	return otherRefusal, err.Error()
}

// unverified tells a missing signature from a wrong one.
func unverified(reply gateway.Reply, w *witness, keys explain.Keys) (code, string) {
	r := explain.Explain(w.answer.Bytes(), keys)
	switch r.Cause {
	case explain.MissingSign:
		c, _ := judged(reply)
		if codes[c].status != isError { // nothing can be said to be right without a signature
			c = answerUnsigned
		}
		return c, fmt.Sprintf("%s, without a signature", said(reply))
	case explain.Unknown, "": // "": the signature is right, but no certificate is named
		return answerWrong, fmt.Sprintf("the answer's signature is not by the given key of Alipay's; unproven, the answer says %s", said(reply))
	default:
		return answerChanged, fmt.Sprintf("%s: %s", r.Cause, r.Hint)
	}
}

// judged reads a refusal's code.
// Source: opendocs, "public error codes"; see also the page on signing.
func judged(reply gateway.Reply) (code, string) {
	message := said(reply)
	short := strings.TrimPrefix(reply.SubCode, "isv.")
	switch {
	case strings.HasSuffix(reply.SubCode, "TRADE_NOT_EXIST"):
		return fine, "Alipay's answer is signed and verifies, and says as it should " + message
	case short == "invalid-signature":
		return otherKeyUp, message
	case short == "missing-signature-key", short == "missing-signature-config":
		return noKeyUp, message
	case short == "invalid-app-id", short == "missing-app-id":
		return appIDUnknown, message
	case short == "invalid-timestamp", short == "missing-timestamp":
		return timeRefused, message
	case strings.Contains(short, "cert"):
		return certRefused, message
	case strings.Contains(short, "encrypt"), strings.Contains(short, "decrypt"):
		return contentRefused, message
	case reply.Code == "40006", strings.Contains(short, "permission"), strings.HasSuffix(short, "not-online-app"), strings.HasSuffix(short, "ACCESS_FORBIDDEN"):
		return noPermission, message
	case reply.Code == "20000", reply.Code == "40005", strings.HasSuffix(short, "SYSTEM_ERROR"):
		return busy, message
	}
	return otherRefusal, message
}

func said(reply gateway.Reply) string {
	return strings.TrimSpace(reply.Code + " " + reply.SubCode)
}

// publicLine is the public key as Alipay's console takes it.
func publicLine(sign *signer.Signer) string {
	der, err := x509.MarshalPKIXPublicKey(sign.Public())
	if err != nil {
		return "(" + err.Error() + ")"
	}
	return base64.StdEncoding.EncodeToString(der)
}

// How far this machine's clock may be off. A request of version 3 is refused
// once it is 10 minutes old (opendocs, version 3's signing).
const (
	clockWarning = time.Minute
	clockError   = 10 * time.Minute
)

// examineClock holds this machine's clock against the gateway's.
func (d *doctor) examineClock(w *witness) {
	date, err := http.ParseTime(w.date)
	if err != nil {
		d.found(checkClock, notPossible, "no answer said what time it is")
		return
	}
	// Date is cut to the second, and was written at some time between.
	here := w.sent.Add(w.came.Sub(w.sent) / 2)
	off := here.Sub(date.Add(time.Second / 2)).Round(time.Second)
	message := fmt.Sprintf("%v ahead of the gateway's", off)
	if off < 0 {
		message = fmt.Sprintf("%v behind the gateway's", off.Abs())
	}
	switch {
	case off.Abs() > clockError:
		d.found(checkClock, clockWrong, message)
	case off.Abs() > clockWarning:
		d.found(checkClock, clockOff, message)
	case off != 0:
		d.fine(checkClock, message)
	default:
		d.fine(checkClock, "it agrees with the gateway's")
	}
}

// witness is a transport that remembers the answer to the query. Calls of other
// interfaces pass through, at any time.
type witness struct {
	next       http.RoundTripper
	sent, came time.Time
	status     int // 0: there was no answer
	date       string
	answer     bytes.Buffer
}

func (w *witness) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Query().Get("method") != gateway.MethodTradeQuery {
		return w.next.RoundTrip(r)
	}
	w.sent = time.Now()
	response, err := w.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	w.came, w.status, w.date = time.Now(), response.StatusCode, response.Header.Get("Date")
	response.Body = struct {
		io.Reader
		io.Closer
	}{io.TeeReader(response.Body, &w.answer), response.Body}
	return response, nil
}

// certificate returns the answer's alipay_cert_sn, which nobody signed.
func (w *witness) certificate() string {
	var envelope struct {
		SN string `json:"alipay_cert_sn"`
	}
	_ = json.Unmarshal(w.answer.Bytes(), &envelope) // "" if there is none
	return envelope.SN
}

// encrypted tells whether the answer's node is a string.
func (w *witness) encrypted() bool {
	var envelope struct {
		Node json.RawMessage `json:"alipay_trade_query_response"`
	}
	_ = json.Unmarshal(w.answer.Bytes(), &envelope) // nothing if there is none
	return bytes.HasPrefix(envelope.Node, []byte{'"'})
}
