package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/alirefund/alirefund/internal/rawjson"
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
