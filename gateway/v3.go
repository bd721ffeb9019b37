package gateway

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alirefund/alirefund/internal/rawjson"
)

var v3Paths = map[string]string{
	MethodTradeRefund: "/v3/alipay/trade/refund",
	MethodRefundQuery: "/v3/alipay/trade/fastpay/refund/query",
	MethodTradeQuery:  "/v3/alipay/trade/query",
	MethodTradeClose:  "/v3/alipay/trade/close",
}

// v3Path returns where a call goes by version 3, or nothing if it goes by
// version 2: the pages of these calls have no place for a notify_url.
func (c *Client) v3Path(method string, o Options) string {
	if c.protocol != V3 || o.NotifyURL != "" {
		return ""
	}
	return v3Paths[method]
}

// doV3 is what remains of Do by version 3.
func (c *Client) doV3(ctx context.Context, reply Reply, path string, content []byte, o Options) (Reply, error) {
	header, body, err := c.encodeV3(path, content, o, time.Now())
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return reply, fmt.Errorf("gateway: %s: %w: %w", reply.Method, ErrNotSent, err)
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	u := *c.url
	u.Path, u.RawPath = strings.TrimRight(strings.TrimSuffix(u.Path, "/gateway.do"), "/")+path, ""
	got, err := c.exchange(ctx, &u, header, body, o.Leave)
	reply.TraceID = got.trace
	if err != nil {
		return reply, fmt.Errorf("gateway: %s: %w", reply.Method, err)
	}
	return c.openV3(ctx, reply, got)
}

// encodeV3 signs one request. The optional expired_seconds is left out: a clock
// that is off by less than the ten minutes that Alipay allows harms nothing then.
// The merchant's token stands on a line of its own, as in Alipay's own programs;
// a table on the page has it among the items of the Authorization instead.
func (c *Client) encodeV3(path string, content []byte, o Options, now time.Time) (http.Header, string, error) {
	if !isHeader(c.appID) || !isHeader(o.AppAuthToken) {
		return nil, "", errors.New("the app_id or the app_auth_token does not fit into a header")
	}
	own, nonce, body := c.signer.Current(), rand.Text(), string(content)
	header := http.Header{"Content-Type": {"application/json"}, "Alipay-Request-Id": {nonce}}
	if c.contentKey != nil {
		body = c.contentKey.Encrypt(content)
		header.Set("Content-Type", "text/plain")
		header.Set("Alipay-Encrypt-Type", "AES")
	}
	auth := "app_id=" + c.appID
	if sn := own.CertificateSN(); sn != "" {
		auth += ",app_cert_sn=" + sn
		header.Set("Alipay-Root-Cert-Sn", c.verifier.RootSN())
	}
	auth += ",nonce=" + nonce + ",timestamp=" + strconv.FormatInt(now.UnixMilli(), 10)
	text := auth + "\nPOST\n" + path + "\n" + body + "\n"
	if o.AppAuthToken != "" {
		header.Set("Alipay-App-Auth-Token", o.AppAuthToken)
		text += o.AppAuthToken + "\n"
	}
	sign, err := own.Sign([]byte(text))
	if err != nil {
		return nil, "", err
	}
	header.Set("Authorization", "ALIPAY-SHA256withRSA "+auth+",sign="+sign)
	return header, body, nil
}

// isHeader tells whether net/http sends a text as it is: what it refuses itself
// would count as sent.
func isHeader(text string) bool {
	return text == strings.TrimSpace(text) && !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' })
}

// openV3 verifies an answer and reads it into the words of version 2, so that
// one table judges both. Nobody signs the status: a signed refusal is one
// whatever the status says, and nothing else is proved by it.
func (c *Client) openV3(ctx context.Context, reply Reply, got exchanged) (Reply, error) {
	failed := func(what error, why string, args ...any) (Reply, error) {
		return reply, fmt.Errorf("gateway: %s: %w: "+why, append([]any{reply.Method, what}, args...)...)
	}
	reply.Signed = c.signedV3(ctx, got.header, got.body)
	node := got.body
	if c.contentKey != nil && reply.Signed && !isObject(node) { // refusals may come plain
		var err error
		if node, err = c.contentKey.Decrypt(string(node)); err != nil {
			return failed(ErrNoAnswer, "%w", err)
		}
	}
	switch {
	case isObject(node):
	case !reply.Signed && got.header.Get("Alipay-Signature") != "":
		return reply, fmt.Errorf("gateway: %s: %w", reply.Method, ErrUnverified)
	default:
		return failed(ErrNoAnswer, "HTTP status %d without a JSON object", got.status)
	}
	if reply.Signed {
		reply.Node = node
	}
	var code []byte
	_, _ = rawjson.Fields(node, func(key, value []byte) {
		switch string(key) {
		case "code":
			code = value
		case "message":
			reply.SubMsg = printable(withoutEcho(text(value)))
		}
	})
	reply.SubCode = printable(text(code))
	refused := code != nil && string(code) != "null" && reply.SubCode != "10000"
	switch {
	case !refused && got.status != http.StatusOK:
		return failed(ErrNoAnswer, "HTTP status %d", got.status)
	case !refused:
		reply.Code, reply.SubCode, reply.SubMsg = "10000", "", ""
		if !reply.Signed {
			return reply, fmt.Errorf("gateway: %s: %w", reply.Method, ErrUnverified)
		}
		return reply, nil
	case reply.SubCode == "":
		return failed(ErrNoAnswer, "its code cannot be read")
	}
	// 202 wants the same request again, and above 499 Alipay does not know.
	reply.Code = v2Code(reply.SubCode)
	if got.status == http.StatusAccepted || got.status >= http.StatusInternalServerError {
		reply.Code = "20000"
	}
	if !reply.Signed && (reply.Code == "20000" || reply.Code == "40005") {
		return failed(ErrNoAnswer, "HTTP status %d %s", got.status, reply.SubCode) // what waiting may heal
	}
	return reply, &Error{
		Method: reply.Method, Code: reply.Code, SubCode: reply.SubCode, SubMsg: reply.SubMsg,
		TraceID: reply.TraceID, Signed: reply.Signed,
	}
}

// signedV3 verifies the signature of an answer, over the two headers and the body.
//
// The answer's time is not held against this machine's clock: answers of version
// 2 tell none, a wrong clock would make every refund doubtful, and what a
// replayed answer may prove is the Judges' to say, who hold it against the
// refund that was asked for. It must be a number, because with the same key
// Alipay signs texts that others partly write: none of them begins with such a
// line. alipay-sn is unsigned, and a hint at the certificate.
func (c *Client) signedV3(ctx context.Context, header http.Header, body []byte) bool {
	stamp, nonce, sign := only(header, "Alipay-Timestamp"), only(header, "Alipay-Nonce"), only(header, "Alipay-Signature")
	if stamp == "" || strings.Trim(stamp, "0123456789") != "" || nonce == "" || sign == "" {
		return false
	}
	signed := slices.Concat([]byte(stamp+"\n"+nonce+"\n"), body, []byte("\n"))
	return c.verify(ctx, only(header, "Alipay-Sn"), signed, sign)
}

// only returns the value of a header that is given exactly once, otherwise "":
// programs disagree on which of two counts.
func only(header http.Header, name string) string {
	if values := header[name]; len(values) == 1 {
		return values[0]
	}
	return ""
}

func isObject(node []byte) bool {
	trimmed := bytes.TrimLeft(node, " \t\r\n")
	return len(trimmed) > 0 && trimmed[0] == '{' && json.Valid(node)
}

// v2Code returns the code that version 2 gives with a sub_code, of which version
// 3 keeps the name alone: the gateway's own in small letters, mostly without
// their prefixes, a call's as they are. What it does not know is a failed call of
// an unknown kind, of which the table says nothing. Source: the common error codes
// of both versions.
func v2Code(sub string) string {
	name := shortSubCode(sub)
	switch {
	case strings.Contains(name, "unknow-error"):
		return "20000"
	case strings.Contains(name, "auth-token"), name == "no-product-reg-by-partner":
		return "20001"
	case name == "missing-signature-config", name == "invalid-auth-relations":
		return "40003"
	case strings.HasPrefix(name, "missing-"):
		return "40001"
	case strings.HasPrefix(name, "invalid-"):
		return "40002"
	case strings.HasSuffix(name, "call-limited"):
		return "40005"
	case strings.HasPrefix(name, "insufficient-"), name == "self-invoke-forbidden":
		return "40006"
	}
	return "40004"
}
