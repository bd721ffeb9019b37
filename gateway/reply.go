package gateway

import (
	"encoding/json"
	"strings"

	"github.com/alirefund/alirefund/internal/rawjson"
	"github.com/alirefund/alirefund/money"
)

// Reply is what one call brought back. Its texts are UTF-8 whatever the gateway
// sent, and SubMsg ends where Alipay quotes the request in it; Node is verbatim,
// so that after isv.invalid-signature the request's token may stand in it.
type Reply struct {
	Method  string
	Node    json.RawMessage // the response node, decrypted; nil unless Signed
	Signed  bool            // Node's signature was verified
	Code    string
	Msg     string
	SubCode string
	SubMsg  string
	TraceID string
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
