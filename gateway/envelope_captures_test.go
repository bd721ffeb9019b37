package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/internal/vectors"
	"github.com/alirefund/alirefund/signer"
)

// Every captured answer of Alipay's gets its verdict through Do, and none after
// any one byte of what is signed, or of the signature, was changed.
func TestCapturedAnswers(t *testing.T) {
	seen := map[string]bool{}
	for _, v := range vectors.Load(t, "response") {
		t.Run(v.Name, func(t *testing.T) {
			method := strings.ReplaceAll(strings.TrimSuffix(v.Node, "_response"), "_", ".")
			reply, err := receive(t, v.Key, method, v.Raw)
			if err != nil || !reply.Signed || reply.Code != "10000" {
				t.Fatalf("signed %t, code %q: %v", reply.Signed, reply.Code, err)
			}
			if string(reply.Node) != v.Text {
				t.Errorf("the node is not verbatim:\n got %s\nwant %s", reply.Node, v.Text)
			}
			for name, want := range v.Expected {
				if got := reply.Text(name); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
			seen[judgeCapture(t, method, reply, v.Text)] = true

			refuseChanged(t, v, method, strings.Index(v.Raw, v.Text), len(v.Text))
			refuseChanged(t, v, method, strings.Index(v.Raw, v.Sign), len(v.Sign))
		})
	}
	for _, class := range []string{"moved", "repeated", "found", "no status"} {
		if !seen[class] {
			t.Errorf("no capture of a refund that is %q", class)
		}
	}
}

// judgeCapture checks the verdict on a capture against what its text plainly
// says, and returns which kind of answer it is.
func judgeCapture(t *testing.T, method string, reply gateway.Reply, text string) string {
	t.Helper()
	judge := gateway.JudgeTradeRefund
	want := gateway.Want{OutTradeNo: reply.Text("out_trade_no"), OutRequestNo: reply.Text("out_request_no")}
	class, expected := "", gateway.Verdict{}
	switch {
	case method == gateway.MethodTradeRefund && strings.Contains(text, `"fund_change":"Y"`):
		class, expected.Outcome = "moved", gateway.Succeeded
	case method == gateway.MethodTradeRefund && strings.Contains(text, `"fund_change":"N"`):
		class, expected.Ended = "repeated", true
	case method == gateway.MethodRefundQuery:
		judge, class = gateway.JudgeRefundQuery, "no status"
		want.Amount = gateway.DecodeRefundQuery(reply).RefundAmount
		if strings.Contains(text, `"refund_status":"REFUND_SUCCESS"`) {
			class, expected.Outcome = "found", gateway.Succeeded
		}
		if want.Amount == 0 || want.OutRequestNo == "" {
			t.Errorf("amount %s, number %q", want.Amount, want.OutRequestNo)
		}
	default:
		return ""
	}
	if got := judge(reply, nil, want); got != expected {
		t.Errorf("%s: %+v, want %+v", class, got, expected)
	}
	want.OutTradeNo += "0"
	if got := judge(reply, nil, want); got != (gateway.Verdict{Attention: true}) {
		t.Errorf("%s, to another order: %+v", class, got)
	}
	return class
}

func refuseChanged(t *testing.T, v vectors.Vector, method string, from, length int) {
	t.Helper()
	if from < 0 || length == 0 {
		t.Fatal("the capture does not contain what it says was signed")
	}
	client := newClient(t, gateway.Config{Verifier: must(signer.VerifierFromPEM(v.Key))})
	for i := from; i < from+length; i++ {
		changed := []byte(v.Raw)
		changed[i] ^= 1
		reply, err := client.Open(method, changed)
		if reply.Signed || reply.Node != nil || !errors.Is(err, gateway.ErrUnverified) && !errors.Is(err, gateway.ErrNoAnswer) {
			t.Fatalf("byte %d changed: signed %t: %v", i, reply.Signed, err)
		}
		if got := gateway.JudgeTradeRefund(reply, err, gateway.Want{}); got.Outcome != gateway.Unresolved {
			t.Fatalf("byte %d changed: %v", i, got.Outcome)
		}
	}
}

// receive makes a call whose answer is raw.
func receive(t *testing.T, key, method, raw string) (gateway.Reply, error) {
	t.Helper()
	client := newClient(t, gateway.Config{Verifier: must(signer.VerifierFromPEM(key)), HTTP: answering(raw)})
	return client.Do(context.Background(), method, struct{}{}, gateway.Options{})
}

// The signed bytes are found as Alipay's own .NET SDK finds them.
func TestCapturedExtraction(t *testing.T) {
	const method = "alipay.trade.create"
	for _, v := range vectors.Load(t, "extract") {
		var file struct {
			Cases []struct {
				Test, Raw string
				Want      string `json:"expected_source_data"`
			}
		}
		if err := json.Unmarshal(v.File, &file); err != nil || len(file.Cases) == 0 {
			t.Fatalf("%d cases: %v", len(file.Cases), err)
		}
		for _, c := range file.Cases {
			t.Run(c.Test, func(t *testing.T) {
				node, _, err := gateway.Cut([]byte(c.Raw), method)
				if err != nil || string(node) != c.Want {
					t.Errorf("%v\n got %s\nwant %s", err, node, c.Want)
				}
				if strings.HasPrefix(c.Want, `"`) {
					_, err := newClient(t, gateway.Config{HTTP: answering(c.Raw)}).Do(context.Background(), method, struct{}{}, gateway.Options{})
					if !errors.Is(err, gateway.ErrNoAnswer) || !strings.Contains(err.Error(), "encrypted") {
						t.Errorf("an encrypted answer: %v", err)
					}
				}
			})
		}
	}
}
