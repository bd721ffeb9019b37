package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/alirefund/alirefund/internal/rawjson"
	"github.com/alirefund/alirefund/money"
)

// errEnvelope is what is wrong with an answer that is no envelope of Alipay's.
var errEnvelope = errors.New("not an answer of the gateway")

// envelope is an answer cut at its top level, nothing interpreted. The signed
// text is exactly the bytes of node.
type envelope struct {
	node, sign  []byte // raw JSON values; nil if absent
	certificate []byte // alipay_cert_sn: which one signed, in certificate mode
}

// cut finds the response node of method, or error_response in its place, the
// signature, and the number of the certificate. An answer that holds any of them
// twice, or both nodes, is refused: decoders disagree on which one counts.
func cut(answer []byte, method string) (envelope, error) {
	var e envelope
	var twice error
	end, err := rawjson.Fields(answer, func(key, value []byte) {
		var place *[]byte
		switch {
		case bytes.ContainsRune(key, '\\'):
			twice = fmt.Errorf("%w: an escaped key", errEnvelope)
			return
		case string(key) == "sign":
			place = &e.sign
		case string(key) == "alipay_cert_sn":
			place = &e.certificate
		case string(key) == "error_response", isNode(key, method):
			place = &e.node
		default:
			return
		}
		if *place != nil {
			twice = fmt.Errorf("%w: %s stands twice", errEnvelope, key)
		}
		*place = value
	})
	switch {
	case err != nil:
		return e, fmt.Errorf("%w: %w", errEnvelope, err)
	case twice != nil:
		return e, twice
	case len(bytes.TrimSpace(answer[end:])) > 0:
		return e, fmt.Errorf("%w: something follows it", errEnvelope)
	case e.node == nil:
		return e, fmt.Errorf("%w: it has no response node", errEnvelope)
	}
	return e, nil
}

// isNode compares key with method's dots as underscores and "_response".
func isNode(key []byte, method string) bool {
	const suffix = "_response"
	if len(key) != len(method)+len(suffix) || string(key[len(method):]) != suffix {
		return false
	}
	for i := range len(method) {
		c := method[i]
		if c == '.' {
			c = '_'
		}
		if key[i] != c {
			return false
		}
	}
	return true
}

// open verifies an answer and reads its head.
func (c *Client) open(ctx context.Context, reply Reply, answer []byte) (Reply, error) {
	e, err := cut(answer, reply.Method)
	if err != nil {
		return reply, fmt.Errorf("gateway: %s: %w: %w", reply.Method, ErrNoAnswer, err)
	}
	if sign := text(e.sign); sign != "" {
		reply.Signed = c.verify(ctx, text(e.certificate), e.node, sign)
	}
	node, err := c.object(e.node, reply.Signed)
	if err != nil {
		return reply, fmt.Errorf("gateway: %s: %w", reply.Method, err)
	}
	if reply.Signed {
		reply.Node = node
	}
	// The code of an unsigned answer is read to be shown. It proves nothing.
	_, _ = rawjson.Fields(node, func(key, value []byte) {
		switch string(key) {
		case "code":
			reply.Code = printable(text(value))
		case "msg":
			reply.Msg = printable(text(value))
		case "sub_code":
			reply.SubCode = printable(text(value))
		case "sub_msg":
			reply.SubMsg = printable(withoutEcho(text(value)))
		}
	})
	// Alipay's own SDKs, too, take no success that names no certificate.
	if reply.Code == "10000" && text(e.certificate) == "" && c.verifier.RootSN() != "" {
		reply.Signed, reply.Node = false, nil
	}
	switch {
	case reply.Code == "10000" && reply.Signed:
		return reply, nil
	case reply.Code == "10000" || reply.Code == "":
		if reply.Signed {
			return reply, fmt.Errorf("gateway: %s: %w: it has no code", reply.Method, ErrNoAnswer)
		}
		return reply, fmt.Errorf("gateway: %s: %w", reply.Method, ErrUnverified)
	}
	return reply, &Error{
		Method: reply.Method, Code: reply.Code, Msg: reply.Msg, SubCode: reply.SubCode, SubMsg: reply.SubMsg,
		TraceID: reply.TraceID, Signed: reply.Signed,
	}
}

// object returns the response node as a JSON object: itself, or what is encrypted
// in it. Refusals come unencrypted, so that the node's first byte decides. What is
// encrypted is decrypted only if its signature was verified: the encryption does
// not show who wrote it.
func (c *Client) object(node []byte, signed bool) ([]byte, error) {
	if node[0] == '"' {
		switch {
		case c.contentKey == nil:
			return nil, fmt.Errorf("%w: the response node is encrypted, and this client has no ContentKey to decrypt it", ErrNoAnswer)
		case !signed:
			return nil, fmt.Errorf("the response node is encrypted: %w", ErrUnverified)
		}
		plain, err := c.contentKey.Decrypt(text(node))
		if err != nil {
			return nil, fmt.Errorf("%w: the response node: %w", ErrNoAnswer, err)
		}
		node = bytes.TrimSpace(plain)
	}
	if len(node) == 0 || node[0] != '{' || !json.Valid(node) {
		return nil, fmt.Errorf("%w: the response node is no JSON object", ErrNoAnswer)
	}
	return node, nil
}

// Text returns a top-level field of the verified node as text, numbers as they
// are written; "" if it is absent, null, empty or no scalar, and always if the
// answer was not signed.
func (r Reply) Text(name string) string {
	var found string
	if r.Signed {
		_, _ = rawjson.Fields(r.Node, func(key, value []byte) {
			if string(key) == name {
				found = text(value)
			}
		})
	}
	return found
}

// amount is [Reply.Text] as an amount of yuan; 0 if it is none.
func (r Reply) amount(name string) money.Amount {
	parsed, err := money.Parse(r.Text(name))
	if err != nil {
		return 0
	}
	return parsed
}

// shortSubCode drops what stands before the last point: the same condition
// comes as ACQ.SYSTEM_ERROR, AQC.SYSTEM_ERROR and aop.ACQ.SYSTEM_ERROR.
func shortSubCode(code string) string {
	return code[strings.LastIndexByte(code, '.')+1:]
}
