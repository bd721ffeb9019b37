package gateway_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/alirefund/alirefund/gateway"
)

type answer struct {
	name, body string
	want       error // nil: accepted
	code       string
	signed     bool
}

// answers are what may come for a refund, and what becomes of each.
var answers = func() []answer {
	const name = `"alipay_trade_refund_response":`
	good, goodSign := refundNode, sign(refundNode)
	refusal := `{"code":"40004","msg":"Business Failed","sub_code":"ACQ.TRADE_NOT_EXIST","sub_msg":"交易不存在"}`
	noCode := `{"msg":"Success"}`
	number := `{"code":10000,"fund_change":"Y"}`
	encrypted := `"c2VjcmV0"`
	spaced := "{ \"code\" : \"10000\" ,\n\t\"a\":{\"}\":[\"]\\\"\"]} }"
	return []answer{
		{"node, sign", `{` + name + good + `,"sign":"` + goodSign + `"}`, nil, "10000", true},
		{"sign, node", `{"sign":"` + goodSign + `",` + name + good + `}`, nil, "10000", true},
		{"blanks and other fields", " {\n" + name + " " + good + " , \"alipay_cert_sn\" : \"ab\" , \"sign_type\":\"RSA2\", \"sign\" : \"" + goodSign + "\" }\r\n", nil, "10000", true},
		{"blanks inside the node", `{` + name + spaced + `,"sign":"` + sign(spaced) + `"}`, nil, "10000", true},
		{"escaped slashes in the signature", `{` + name + good + `,"sign":"` + strings.ReplaceAll(goodSign, "/", `\/`) + `"}`, nil, "10000", true},
		{"code as a number", `{` + name + number + `,"sign":"` + sign(number) + `"}`, nil, "10000", true},

		{"signed refusal", `{` + name + refusal + `,"sign":"` + sign(refusal) + `"}`, errRefused, "40004", true},
		{"signed refusal in error_response", `{"error_response":` + refusal + `,"sign":"` + sign(refusal) + `"}`, errRefused, "40004", true},
		{"unsigned refusal", `{` + name + refusal + `}`, gateway.ErrUnverified, "40004", false},
		{"refusal with another's signature", `{` + name + refusal + `,"sign":"` + goodSign + `"}`, gateway.ErrUnverified, "40004", false},
		{"unsigned success", `{` + name + good + `}`, gateway.ErrUnverified, "10000", false},
		{"empty signature", `{` + name + good + `,"sign":""}`, gateway.ErrUnverified, "10000", false},
		{"signature null", `{` + name + good + `,"sign":null}`, gateway.ErrUnverified, "10000", false},
		{"signature in a list", `{` + name + good + `,"sign":["` + goodSign + `"]}`, gateway.ErrUnverified, "10000", false},
		{"another's signature", `{` + name + good + `,"sign":"` + sign(refusal) + `"}`, gateway.ErrUnverified, "10000", false},
		{"signature with a line break", `{` + name + good + `,"sign":"` + goodSign[:76] + `\n` + goodSign[76:] + `"}`, gateway.ErrUnverified, "10000", false},
		{"unsigned, no code", `{` + name + noCode + `}`, gateway.ErrUnverified, "", false},

		{"signed, no code", `{` + name + noCode + `,"sign":"` + sign(noCode) + `"}`, gateway.ErrNoAnswer, "", true},
		{"encrypted", `{` + name + encrypted + `,"sign":"` + sign(encrypted) + `"}`, gateway.ErrNoAnswer, "", true},
		{"node null", `{` + name + `null,"sign":"` + sign("null") + `"}`, gateway.ErrNoAnswer, "", true},
		{"node a list", `{` + name + `[],"sign":"` + sign("[]") + `"}`, gateway.ErrNoAnswer, "", true},
		{"node not JSON", `{` + name + `{"code":10000x},"sign":"` + sign(`{"code":10000x}`) + `"}`, gateway.ErrNoAnswer, "", true},
		{"node of another method", `{"alipay_trade_query_response":` + good + `,"sign":"` + goodSign + `"}`, gateway.ErrNoAnswer, "", false},
		{"node's name in other letters", `{"Alipay_trade_refund_response":` + good + `,"sign":"` + goodSign + `"}`, gateway.ErrNoAnswer, "", false},
		{"no node", `{"sign":"` + goodSign + `"}`, gateway.ErrNoAnswer, "", false},
		{"node twice", `{` + name + good + `,` + name + good + `,"sign":"` + goodSign + `"}`, gateway.ErrNoAnswer, "", false},
		{"node beside error_response", `{` + name + good + `,"error_response":` + refusal + `,"sign":"` + goodSign + `"}`, gateway.ErrNoAnswer, "", false},
		{"sign twice", `{` + name + good + `,"sign":"` + goodSign + `","sign":"` + goodSign + `"}`, gateway.ErrNoAnswer, "", false},
		{"certificate number twice", `{` + name + good + `,"alipay_cert_sn":"a","alipay_cert_sn":"a","sign":"` + goodSign + `"}`, gateway.ErrNoAnswer, "", false},
		{"escaped key", `{` + name + good + `,"\u0073ign":"x","sign":"` + goodSign + `"}`, gateway.ErrNoAnswer, "", false},
		{"escaped node", `{"alipay\u005ftrade_refund_response":` + refusal + `,` + name + good + `,"sign":"` + goodSign + `"}`, gateway.ErrNoAnswer, "", false},
		{"something behind it", signed(gateway.MethodTradeRefund, good) + `{}`, gateway.ErrNoAnswer, "", false},
		{"something before it", `x` + signed(gateway.MethodTradeRefund, good), gateway.ErrNoAnswer, "", false},
		{"comma at the end", `{` + name + good + `,"sign":"` + goodSign + `",}`, gateway.ErrNoAnswer, "", false},
		{"broken off", strings.TrimSuffix(signed(gateway.MethodTradeRefund, good), `}`), gateway.ErrNoAnswer, "", false},
		{"broken off in the node", `{` + name + good[:40], gateway.ErrNoAnswer, "", false},
		{"broken off in an escape", `{` + name + `"\`, gateway.ErrNoAnswer, "", false},
		{"a page", `<!DOCTYPE html><html>502</html>`, gateway.ErrNoAnswer, "", false},
		{"a list", `[` + signed(gateway.MethodTradeRefund, good) + `]`, gateway.ErrNoAnswer, "", false},
		{"nothing", ``, gateway.ErrNoAnswer, "", false},
		{"an empty object", `{}`, gateway.ErrNoAnswer, "", false},
	}
}

// An answer is cut, verified and read.
func TestAnswer(t *testing.T) {
	for _, c := range answers() {
		t.Run(c.name, func(t *testing.T) {
			client := newClient(t, gateway.Config{HTTP: answering(c.body)})
			reply, err := client.Do(context.Background(), gateway.MethodTradeRefund, refund, gateway.Options{})
			if kind(err) != c.want {
				t.Fatalf("%v, want %v", err, c.want)
			}
			if reply.Code != c.code || reply.Signed != c.signed {
				t.Errorf("code %q, signed %t; want %q, %t", reply.Code, reply.Signed, c.code, c.signed)
			}
			if (reply.Node != nil) != (c.want == nil || c.want == errRefused || c.name == "signed, no code") {
				t.Errorf("node: %s", reply.Node)
			}
			if c.want != nil && gateway.JudgeTradeRefund(reply, err, refundWant).Outcome == gateway.Succeeded {
				t.Error("it counts as a success")
			}
		})
	}
}

// errRefused stands for a signed *gateway.Error.
var errRefused = errors.New("refused")

// kind reduces an error of a call to the one thing that it says.
func kind(err error) error {
	var refusal *gateway.Error
	var kinds []error
	for _, sentinel := range []error{gateway.ErrNotSent, gateway.ErrNoAnswer, gateway.ErrUnverified} {
		if errors.Is(err, sentinel) {
			kinds = append(kinds, sentinel)
		}
	}
	if errors.As(err, &refusal) && refusal.Signed {
		kinds = append(kinds, errRefused)
	}
	if len(kinds) == 1 {
		return kinds[0]
	}
	if err != nil {
		return errors.Join(append(kinds, errors.New("not exactly one kind"))...)
	}
	return nil
}

// An unsigned refusal proves nothing, and yet says what it claims.
func TestUnsignedRefusal(t *testing.T) {
	body := `{"alipay_trade_refund_response":{"code":"40002","msg":"Invalid Arguments","sub_code":"isv.invalid-app-id","sub_msg":"无效的AppID参数"}}`
	client := newClient(t, gateway.Config{HTTP: answering(body)})
	answer, err := client.RefundTrade(context.Background(), refund, gateway.Options{})

	var refusal *gateway.Error
	if !errors.As(err, &refusal) || !errors.Is(err, gateway.ErrUnverified) {
		t.Fatalf("%v", err)
	}
	if want := (gateway.Error{
		Method: gateway.MethodTradeRefund, Code: "40002", Msg: "Invalid Arguments", SubCode: "isv.invalid-app-id", SubMsg: "无效的AppID参数",
	}); *refusal != want {
		t.Errorf("%+v, want %+v", *refusal, want)
	}
	if text := err.Error(); !strings.Contains(text, "isv.invalid-app-id") || !strings.Contains(text, "proves nothing") {
		t.Errorf("%q shows too little", text)
	}
	if answer.Code != "40002" || answer.Node != nil || answer.Text("code") != "" {
		t.Errorf("the reply: %+v", answer.Reply)
	}
	if got := gateway.JudgeTradeRefund(answer.Reply, err, refundWant); got != (gateway.Verdict{Attention: true}) {
		t.Errorf("verdict %+v", got)
	}
}

// The gateway's answer to a wrong signature quotes the request, in which tokens
// and the buyer's order stand.
func TestRefusalDoesNotRepeatTheRequest(t *testing.T) {
	const message = "验签出错，建议检查签名字符串或签名私钥与应用公钥是否匹配，网关生成的验签字符串为："
	for _, echo := range []string{
		"app_auth_token=secret&app_id=1&biz_content={}",
		"app_id=1&biz_content={\\\"out_trade_no\\\":\\\"secret\\\"}",
		"biz_content={\\\"out_trade_no\\\":\\\"secret\\\"}&app_auth_token=secret",
	} {
		node := `{"code":"40002","msg":"Invalid Arguments","sub_code":"isv.invalid-signature","sub_msg":"` + message + echo + `"}`
		client := newClient(t, gateway.Config{HTTP: answering(signed(gateway.MethodTradeRefund, node))})
		reply, err := client.Do(context.Background(), gateway.MethodTradeRefund, refund, gateway.Options{})
		if kind(err) != errRefused {
			t.Fatalf("%v", err)
		}
		if strings.Contains(err.Error(), "secret") || reply.SubMsg != message+"…" {
			t.Errorf("%v\n%q", err, reply.SubMsg)
		}
	}
}

// Texts are UTF-8 and fit for a log, whatever the gateway wrote.
func TestTexts(t *testing.T) {
	gbk := func(text string) string { return must(simplifiedchinese.GBK.NewEncoder().String(text)) }
	for _, c := range []struct{ name, sent, want string }{
		{"UTF-8", "系统繁忙", "系统繁忙"},
		{"GBK", gbk("系统繁忙"), "系统繁忙"},
		{"GBK with escapes", gbk("系统繁忙") + `:\"a\/b\" ` + gbk("请重试"), `系统繁忙:"a/b" 请重试`},
		{"neither", "\xff\xff", "��"},
		{"escapes", `\u7cfb\u7edf`, "系统"},
		{"several lines", `a\r\nb\u0000c\u001b[31m`, "a  b c [31m"},
		{"long", strings.Repeat("统", 200), strings.Repeat("统", 85)},
	} {
		t.Run(c.name, func(t *testing.T) {
			node := `{"code":"20000","msg":"Service Currently Unavailable","sub_code":"aop.unknow-error","sub_msg":"` + c.sent + `"}`
			client := newClient(t, gateway.Config{HTTP: answering(signed(gateway.MethodTradeRefund, node))})
			reply, err := client.Do(context.Background(), gateway.MethodTradeRefund, refund, gateway.Options{})
			var refusal *gateway.Error
			if !errors.As(err, &refusal) || !refusal.Signed {
				t.Fatalf("%v", err)
			}
			if reply.SubMsg != c.want || refusal.SubMsg != c.want {
				t.Errorf("%q and %q, want %q", reply.SubMsg, refusal.SubMsg, c.want)
			}
			if string(reply.Node) != node {
				t.Errorf("the node is not verbatim: %s", reply.Node)
			}
		})
	}
}

func TestReplyText(t *testing.T) {
	node := `{"code":"10000","text":"a\/b","number":88.80,"negative":-1,"exponent":1e2,"null":null,"true":true,"list":["a"],"object":{"code":"1"},"empty":""}`
	client := newClient(t, gateway.Config{HTTP: answering(signed("some.method", node))})
	reply, err := client.Do(context.Background(), "some.method", struct{}{}, gateway.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"text": "a/b", "number": "88.80", "negative": "-1", "exponent": "1e2",
		"null": "", "true": "", "list": "", "object": "", "empty": "", "absent": "",
	} {
		if got := reply.Text(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if reply.Signed = false; reply.Text("text") != "" {
		t.Error("a text of an unsigned node")
	}
}
