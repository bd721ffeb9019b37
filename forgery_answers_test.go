package alirefund_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"unicode/utf16"
)

// The signature of an answer, and what it covers.
var signatureAnswers = []hostileAnswer{
	{named: "unsigned", answer: func(x talk) string { return `{"` + x.name + `":` + x.node + `}` }, want: unverified},
	{named: "sign null", answer: func(x talk) string { return `{"` + x.name + `":` + x.node + `,"sign":null}` }, want: unverified},
	{named: "sign empty", answer: func(x talk) string { return x.saying(x.node, "") }, want: unverified},
	{named: "sign true", answer: func(x talk) string { return `{"` + x.name + `":` + x.node + `,"sign":true}` }, want: unverified},
	{named: "sign a number", answer: func(x talk) string { return `{"` + x.name + `":` + x.node + `,"sign":10000}` }, want: unverified},
	{named: "sign a list", answer: func(x talk) string { return `{"` + x.name + `":` + x.node + `,"sign":["` + x.signed + `"]}` }, want: unverified},
	{named: "sign an object", answer: func(x talk) string {
		return `{"` + x.name + `":` + x.node + `,"sign":{"sign":"` + x.signed + `"}}`
	}, want: unverified},
	{named: "sign with line breaks", answer: func(x talk) string { return x.saying(x.node, x.signed[:76]+`\n`+x.signed[76:]) }, want: unverified},
	{named: "sign of the other alphabet", answer: func(x talk) string { return x.saying(x.node, urlSafe(x.signed)) }, want: unverified},
	{named: "sign without padding", answer: func(x talk) string { return x.saying(x.node, strings.TrimRight(x.signed, "=")) }, want: unverified},
	{named: "sign with spare bits set", answer: func(x talk) string { return x.saying(x.node, spareBits(x.signed)) }, want: unverified},
	{named: "sign doubled", answer: func(x talk) string { return x.saying(x.node, x.signed+x.signed) }, want: unverified},
	{named: "sign of zeros", answer: func(x talk) string {
		return x.saying(x.node, base64.StdEncoding.EncodeToString(make([]byte, 256)))
	}, want: unverified},
	{named: "sign inside the node alone", answer: func(x talk) string {
		return `{"` + x.name + `":` + strings.TrimSuffix(x.node, "}") + `,"sign":"` + x.signed + `"}}`
	}, want: unverified},
	{named: "a stranger's key", answer: func(x talk) string { return x.saying(x.node, signature(stranger(), x.node)) }, want: unverified},
	{named: "the application's own key", answer: func(x talk) string {
		sign, _ := x.shop.config.App.Signer.Sign([]byte(x.node))
		return x.saying(x.node, sign)
	}, want: unverified},
	{named: "SHA1", answer: func(x talk) string { return x.saying(x.node, signatureSHA1(insider(), x.node)) }, want: unverified},
	{named: "SHA1 and sign_type", answer: func(x talk) string {
		return `{"` + x.name + `":` + x.node + `,"sign_type":"RSA","sign":"` + signatureSHA1(insider(), x.node) + `"}`
	}, want: unverified},
	{named: "PSS", answer: func(x talk) string { return x.saying(x.node, signaturePSS(insider(), x.node)) }, want: unverified},
	{named: "signed with its name", answer: func(x talk) string {
		return x.saying(x.node, signature(insider(), `"`+x.name+`":`+x.node))
	}, want: unverified},
	{named: "another answer's signature", answer: func(x talk) string { return x.saying(x.node, x.shop.talk(x.refunded(secondOrder, "R9", 1_00)).signed) }, want: unverified},
	{named: "the request's signature", answer: func(x talk) string { return x.saying(x.node, x.request.URL.Query().Get("sign")) }, want: unverified},
	{named: "a certificate's number beside a changed node", answer: func(x talk) string {
		return `{"` + x.name + `":` + strings.Replace(x.node, "8.88", "9.88", 1) + `,"alipay_cert_sn":"687b59193f3f462dd5336e5abf83c5d8","sign":"` + x.signed + `"}`
	}, want: unverified},

	{named: "refund_fee changed", answer: func(x talk) string { return x.with("8.88", "88.88") }, want: unverified},
	{named: "fund_change added", answer: func(x talk) string { return x.with(`{"code"`, `{"fund_change":"Y","code"`) }, want: unverified},
	{named: "fund_change dropped", answer: func(x talk) string { return x.with(`"fund_change":"Y",`, ``) }, want: unverified},
	{named: "a blank added", answer: func(x talk) string { return x.with(`{"code"`, `{ "code"`) }, want: unverified},
	{named: "a letter escaped", answer: func(x talk) string { return x.with(`"Y"`, `"\u0059"`) }, want: unverified},
	{named: "sorted", answer: func(x talk) string {
		var fields map[string]any
		_ = json.Unmarshal([]byte(x.node), &fields)
		node, _ := json.Marshal(fields)
		return x.saying(strings.Replace(string(node), "{", `{"a":1,`, 1), x.signed)
	}, want: unverified},
	{named: "GBK for UTF-8", answer: func(x talk) string { return x.with(`"Success"`, `"`+gbk("成功")+`"`) }, want: unverified},
	{named: "a refusal unsigned", answer: func(x talk) string {
		return `{"` + x.name + `":{"code":"40004","msg":"Business Failed","sub_code":"ACQ.TRADE_NOT_EXIST"}}`
	}, want: unsignedWord("40004 ACQ.TRADE_NOT_EXIST")},
	{named: "a refusal with this signature", answer: func(x talk) string {
		return x.saying(`{"code":"40004","sub_code":"ACQ.TRADE_NOT_EXIST"}`, x.signed)
	}, want: unsignedWord("40004 ACQ.TRADE_NOT_EXIST")},
	{named: "a refusal in error_response", answer: func(x talk) string {
		return `{"error_response":{"code":"40002","sub_code":"isv.invalid-app-id"},"sign":"` + x.signed + `"}`
	}, want: unsignedWord("40002 isv.invalid-app-id")},
	{named: "success in error_response", answer: func(x talk) string { return `{"error_response":` + x.node + `}` }, want: unverified},
	{named: "a signature in a text of the node", answer: func(x talk) string {
		return `{"` + x.name + `":{"code":"10000","fund_change":"Y","msg":"\",\"sign\":\"` + x.signed + `\"}"}}`
	}, want: unverified},
	{named: "the genuine node in a text of another", answer: func(x talk) string {
		quoted, _ := json.Marshal(`"` + x.name + `":` + x.node)
		return `{"` + x.name + `":{"code":"10000","fund_change":"Y","refund_fee":"88.88","msg":` + string(quoted) + `},"sign":"` + x.signed + `"}`
	}, want: unverified},
	{named: "the genuine node in another", answer: func(x talk) string {
		return `{"` + x.name + `":{"code":"10000","fund_change":"Y","` + x.name + `":` + x.node + `},"sign":"` + x.signed + `"}`
	}, want: unverified},
}

// Envelopes that two decoders could read in two ways, or none.
var envelopeAnswers = []hostileAnswer{
	{named: "the node twice, the forged one first", answer: func(x talk) string {
		return `{"` + x.name + `":{"code":"10000","fund_change":"Y"},` + x.body[1:]
	}, want: unusable},
	{named: "the node twice, the forged one last", answer: func(x talk) string {
		return strings.TrimSuffix(x.body, "}") + `,"` + x.name + `":{"code":"10000","fund_change":"Y"}}`
	}, want: unusable},
	{named: "error_response beside the node", answer: func(x talk) string {
		return `{"error_response":{"code":"10000","fund_change":"Y"},` + x.body[1:]
	}, want: unusable},
	{named: "the node's key escaped", answer: func(x talk) string {
		return `{"` + strings.Replace(x.name, "_", `\u005f`, 1) + `":{"code":"10000","fund_change":"Y"},` + x.body[1:]
	}, want: unusable},
	{named: "the key of sign escaped", answer: func(x talk) string { return strings.Replace(x.body, `"sign"`, `"\u0073ign"`, 1) }, want: unusable},
	{named: "sign twice", answer: func(x talk) string {
		return strings.TrimSuffix(x.body, "}") + `,"sign":"` + x.signed + `"}`
	}, want: unusable},
	{named: "alipay_cert_sn twice", answer: func(x talk) string { return `{"alipay_cert_sn":"a","alipay_cert_sn":"b",` + x.body[1:] }, want: unusable},
	{named: "another method's node", answer: func(x talk) string {
		return strings.Replace(x.body, x.name, "alipay_trade_query_response", 1)
	}, want: unusable},
	{named: "the node's name in capitals", answer: func(x talk) string { return strings.Replace(x.body, "alipay_trade", "Alipay_Trade", 1) }, want: unusable},
	{named: "the method's name with points", answer: func(x talk) string {
		return strings.Replace(x.body, "alipay_trade_refund", "alipay.trade.refund", 1)
	}, want: unusable},
	{named: "no node", answer: func(x talk) string { return `{"sign":"` + x.signed + `"}` }, want: unusable},
	{named: "the bare node", answer: func(x talk) string { return x.node }, want: unusable},
	{named: "the node as a text", answer: func(x talk) string {
		quoted, _ := json.Marshal(x.node)
		return x.saying(string(quoted), x.signed)
	}, want: unusable},
	{named: "the node encrypted", answer: func(x talk) string { return x.insiderNode(`"c2VjcmV0c2VjcmV0c2VjcmU="`) }, want: unusable},
	{named: "the node null", answer: func(x talk) string { return x.insiderNode("null") }, want: unusable},
	{named: "the node a list", answer: func(x talk) string { return x.insiderNode("[" + x.node + "]") }, want: unusable},
	{named: "the node no JSON", answer: func(x talk) string { return x.insiderNode(`{"code":"10000","fund_change":"Y",x}`) }, want: unusable},
	{named: "the node nested without end", answer: func(x talk) string {
		return x.saying(`{"code":"10000","fund_change":"Y","x":`+strings.Repeat("[", 20_000)+strings.Repeat("]", 20_000)+`}`, x.signed)
	}, want: unusable},
	{named: "two answers", answer: func(x talk) string { return x.body + x.body }, want: unusable},
	{named: "a letter behind", answer: func(x talk) string { return x.body + "x" }, want: unusable},
	{named: "a NUL behind", answer: func(x talk) string { return x.body + "\x00" }, want: unusable},
	{named: "a byte order mark", answer: func(x talk) string { return "\ufeff" + x.body }, want: unusable},
	{named: "UTF-16", answer: func(x talk) string {
		var wide bytes.Buffer
		for _, c := range utf16.Encode([]rune("\ufeff" + x.body)) {
			wide.Write([]byte{byte(c), byte(c >> 8)})
		}
		return wide.String()
	}, want: unusable},
	{named: "a list", answer: func(x talk) string { return "[" + x.body + "]" }, want: unusable},
	{named: "a comment", answer: func(x talk) string { return "/**/" + x.body }, want: unusable},
	{named: "a call of JSONP", answer: func(x talk) string { return "callback(" + x.body + ")" }, want: unusable},
	{named: "cut off", answer: func(x talk) string { return x.body[:len(x.body)-1] }, want: unusable},
	{named: "nothing", answer: func(talk) string { return "" }, want: unusable},
	{named: "a page", answer: func(x talk) string { return "<html><body>" + x.body + "</body></html>" }, want: unusable},
	{named: "a notice", answer: func(x talk) string { return x.shop.alipay.SignedNotice(refundNotice(nil)) }, want: unusable},
}

// Answers that are not what HTTP should bring.
var transportAnswers = []hostileAnswer{
	{named: "a redirection to the genuine answer", write: func(x talk, w http.ResponseWriter) {
		there := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, x.body) }))
		x.shop.t.Cleanup(there.Close)
		w.Header().Set("Location", there.URL)
		w.WriteHeader(http.StatusFound)
	}, want: unusable},
	{named: "a redirection that repeats the request", write: func(x talk, w http.ResponseWriter) {
		w.Header().Set("Location", x.request.URL.String())
		w.WriteHeader(http.StatusTemporaryRedirect)
	}, want: unusable},
	{named: "status 500", write: func(x talk, w http.ResponseWriter) {
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = io.WriteString(w, x.body)
	}, want: unusable},
	{named: "status 206", write: func(x talk, w http.ResponseWriter) {
		w.WriteHeader(http.StatusPartialContent)
		_, _ = io.WriteString(w, x.body)
	}, want: unusable},
	{named: "chunks that break off", write: func(x talk, w http.ResponseWriter) {
		_, _ = io.WriteString(w, x.body)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}, want: unusable},
	{named: "less than Content-Length says", write: func(x talk, w http.ResponseWriter) {
		w.Header().Set("Content-Length", strconv.Itoa(len(x.body)+1))
		_, _ = io.WriteString(w, x.body)
	}, want: unusable},
	{named: "more than 1 MiB", answer: func(x talk) string { return x.body + strings.Repeat(" ", 1<<20) }, want: unusable},
	{named: "compressed, and more than 1 MiB", write: func(x talk, w http.ResponseWriter) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = io.WriteString(z, x.body+strings.Repeat(" ", 64<<20))
		_ = z.Close()
	}, want: unusable},
	{named: "compressed, and not said to be", write: func(x talk, w http.ResponseWriter) {
		w.Header().Set("Content-Type", "text/html")
		z := gzip.NewWriter(w)
		_, _ = io.WriteString(z, x.body)
		_ = z.Close()
	}, want: unusable},
	{named: "said to be compressed, and not", write: func(x talk, w http.ResponseWriter) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = io.WriteString(w, x.body)
	}, want: unusable},
}
