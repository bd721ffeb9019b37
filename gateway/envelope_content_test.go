package gateway_test

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/signer"
)

var contentKey = must(signer.ContentKeyFromBase64(base64.StdEncoding.EncodeToString([]byte("sixteen bytes ok"))))

// encrypted is a node as it comes with encrypt_type=AES.
func encrypted(node string) string { return quoted(contentKey.Encrypt([]byte(node))) }

// An encrypted answer is verified, then decrypted, then read like any other.
func TestEncryptedAnswer(t *testing.T) {
	const refusal = `{"code":"40004","msg":"Business Failed","sub_code":"ACQ.TRADE_NOT_EXIST"}`
	good := encrypted(refundNode)
	slashes := encrypted(refundNode + strings.Repeat(" ", 400)) // long enough for a slash
	for _, c := range []struct {
		name, node string
		want       error // nil: accepted
		signed     bool
	}{
		{"success", good, nil, true},
		{"escaped slashes", strings.ReplaceAll(slashes, "/", `\/`), nil, true},
		{"blanks around it", encrypted(" \n" + refundNode + "\r\n"), nil, true},
		{"refusal", encrypted(refusal), errRefused, true},
		{"refusal in the open", refusal, errRefused, true},
		{"success in the open", refundNode, nil, true},
		{"nothing", encrypted(""), gateway.ErrNoAnswer, true},
		{"an empty text", `""`, gateway.ErrNoAnswer, true},
		{"not base64", `"%%%%"`, gateway.ErrNoAnswer, true},
		{"no whole block", `"c2VjcmV0"`, gateway.ErrNoAnswer, true},
		{"random blocks", `"` + strings.Repeat("A", 86) + `=="`, gateway.ErrNoAnswer, true},
		{"a broken escape", `"\x"`, gateway.ErrNoAnswer, true},
		{"a list", encrypted(`[` + refundNode + `]`), gateway.ErrNoAnswer, true},
		{"encrypted twice", encrypted(good), gateway.ErrNoAnswer, true},
		{"not JSON", encrypted(`{"code":10000x}`), gateway.ErrNoAnswer, true},
		{"no code", encrypted(`{}`), gateway.ErrNoAnswer, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			client := newClient(t, gateway.Config{ContentKey: contentKey, HTTP: answering(signed(gateway.MethodTradeRefund, c.node))})
			reply, err := client.Do(t.Context(), gateway.MethodTradeRefund, refund, gateway.Options{})
			if kind(err) != c.want || reply.Signed != c.signed {
				t.Fatalf("%v, want %v; signed %t", err, c.want, reply.Signed)
			}
			if c.want == nil && (string(reply.Node) != refundNode || gateway.JudgeTradeRefund(reply, err, refundWant).Outcome != gateway.Succeeded) {
				t.Errorf("the node is %s", reply.Node)
			}
			if c.want != nil && gateway.JudgeTradeRefund(reply, err, refundWant).Outcome == gateway.Succeeded {
				t.Error("it counts as a success")
			}
			if c.want == gateway.ErrNoAnswer && c.name != "no code" && !strings.Contains(err.Error(), "response node") {
				t.Errorf("%v does not say what is wrong", err)
			}
		})
	}
}

// What is not signed as it came is not decrypted.
func TestUnsignedEncryptedAnswer(t *testing.T) {
	good := encrypted(refundNode)
	flipped := []byte(good)
	flipped[len(flipped)/2] ^= 1
	for _, answer := range []string{
		`{"alipay_trade_refund_response":` + good + `}`,
		strings.Replace(signed(gateway.MethodTradeRefund, good), good, string(flipped), 1),
		strings.Replace(signed(gateway.MethodTradeRefund, good), good, encrypted(strings.ReplaceAll(refundNode, "T1", "T2")), 1),
		strings.Replace(signed(gateway.MethodTradeRefund, good), good, refundNode, 1),              // signed encrypted, sent decrypted
		strings.Replace(signed(gateway.MethodTradeRefund, good), good, strings.Trim(good, `"`), 1), // without its quotes
	} {
		client := newClient(t, gateway.Config{ContentKey: contentKey, HTTP: answering(answer)})
		reply, err := client.Do(t.Context(), gateway.MethodTradeRefund, refund, gateway.Options{})
		if k := kind(err); k != gateway.ErrUnverified && k != gateway.ErrNoAnswer || reply.Signed || reply.Node != nil {
			t.Errorf("%s: %v, signed %t: %s", answer, err, reply.Signed, reply.Node)
		}
	}
}

// Every bit of an encrypted answer counts.
func TestEncryptedAnswerWithOneBitChanged(t *testing.T) {
	answer := []byte(signed(gateway.MethodTradeRefund, encrypted(refundNode)))
	client := newClient(t, gateway.Config{ContentKey: contentKey})
	begin, end := bytes.IndexByte(answer, ':')+1, bytes.LastIndexByte(answer, '"')
	for i := begin; i < end; i++ {
		changed := bytes.Clone(answer)
		changed[i] ^= 1 << (i % 7)
		if reply, err := client.Open(gateway.MethodTradeRefund, changed); err == nil || reply.Signed {
			t.Fatalf("byte %d: %v: %s", i, err, changed)
		}
	}
}

// Without anything to encrypt nothing says that it is encrypted.
func TestNothingToEncrypt(t *testing.T) {
	client := newClient(t, gateway.Config{ContentKey: contentKey})
	query, form, err := client.Encode("some.method", nil, gateway.Options{}, time.Now())
	if err != nil || strings.Contains(query, "encrypt_type") || form != "" {
		t.Errorf("%v: %s, %s", err, query, form)
	}
}

// No text in the place of an encrypted node makes a client panic; one whose
// signature is not Alipay's is never decrypted; and what is accepted is what
// Alipay encrypted.
func FuzzEncryptedNode(f *testing.F) {
	for _, node := range []string{
		encrypted(refundNode), encrypted(""), encrypted(`{"code":"40004"}`), refundNode, `""`, `"c2VjcmV0"`, `"%"`, `"\u0041"`, `"\`, `"`, `null`,
		strings.ReplaceAll(encrypted(refundNode+strings.Repeat(" ", 400)), "/", `\/`), encrypted(encrypted(refundNode)), "\"\xd5\"",
	} {
		f.Add([]byte(node), true)
		f.Add([]byte(node), false)
	}
	client := newClient(f, gateway.Config{ContentKey: contentKey})
	genuine := sign(encrypted(refundNode))
	f.Fuzz(func(t *testing.T, node []byte, authentic bool) {
		signature := genuine
		if authentic {
			signature = sign(string(node))
		}
		answer := `{"alipay_trade_refund_response":` + string(node) + `,"sign":"` + signature + `"}`
		reply, err := client.Open(gateway.MethodTradeRefund, []byte(answer))
		switch {
		case !authentic && (reply.Signed || err == nil) && string(node) != encrypted(refundNode):
			t.Fatalf("a forged node is signed: %q", node)
		case !authentic && len(node) > 0 && node[0] == '"' && (reply.Code != "" || reply.Node != nil) && string(node) != encrypted(refundNode):
			t.Fatalf("a forged node was decrypted: %q", node)
		case err == nil && node[0] == '"' && encrypted(string(reply.Node)) != string(node):
			// Blanks around it, escapes, base64 with line breaks: the content is what counts.
			plain, err := contentKey.Decrypt(gateway.TextOf(node))
			if err != nil || !bytes.Equal(bytes.TrimSpace(plain), reply.Node) {
				t.Fatalf("%q was read as %q", node, reply.Node)
			}
		}
	})
}
