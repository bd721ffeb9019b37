package forgery_test

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

	"github.com/alirefund/alirefund/internal/shoptest"
)

func unsignedWord(words string) belief {
	return belief{"an unsigned answer says " + words, "refund_unresolved"}
}

// The signature of an answer, and what it covers.
var signatureAnswers = []hostileAnswer{
	{named: "unsigned", answer: func(x shoptest.Talk) string { return `{"` + x.Name + `":` + x.Node + `}` }, want: unverified},
	{named: "sign null", answer: func(x shoptest.Talk) string { return `{"` + x.Name + `":` + x.Node + `,"sign":null}` }, want: unverified},
	{named: "sign empty", answer: func(x shoptest.Talk) string { return x.Saying(x.Node, "") }, want: unverified},
	{named: "sign true", answer: func(x shoptest.Talk) string { return `{"` + x.Name + `":` + x.Node + `,"sign":true}` }, want: unverified},
	{named: "sign a number", answer: func(x shoptest.Talk) string { return `{"` + x.Name + `":` + x.Node + `,"sign":10000}` }, want: unverified},
	{named: "sign a list", answer: func(x shoptest.Talk) string { return `{"` + x.Name + `":` + x.Node + `,"sign":["` + x.Signed + `"]}` }, want: unverified},
	{named: "sign an object", answer: func(x shoptest.Talk) string {
		return `{"` + x.Name + `":` + x.Node + `,"sign":{"sign":"` + x.Signed + `"}}`
	}, want: unverified},
	{named: "sign with line breaks", answer: func(x shoptest.Talk) string { return x.Saying(x.Node, x.Signed[:76]+`\n`+x.Signed[76:]) }, want: unverified},
	{named: "sign of the other alphabet", answer: func(x shoptest.Talk) string { return x.Saying(x.Node, urlSafe(x.Signed)) }, want: unverified},
	{named: "sign without padding", answer: func(x shoptest.Talk) string { return x.Saying(x.Node, strings.TrimRight(x.Signed, "=")) }, want: unverified},
	{named: "sign with spare bits set", answer: func(x shoptest.Talk) string { return x.Saying(x.Node, spareBits(x.Signed)) }, want: unverified},
	{named: "sign doubled", answer: func(x shoptest.Talk) string { return x.Saying(x.Node, x.Signed+x.Signed) }, want: unverified},
	{named: "sign of zeros", answer: func(x shoptest.Talk) string {
		return x.Saying(x.Node, base64.StdEncoding.EncodeToString(make([]byte, 256)))
	}, want: unverified},
	{named: "sign inside the node alone", answer: func(x shoptest.Talk) string {
		return `{"` + x.Name + `":` + strings.TrimSuffix(x.Node, "}") + `,"sign":"` + x.Signed + `"}}`
	}, want: unverified},
	{named: "a stranger's key", answer: func(x shoptest.Talk) string { return x.Saying(x.Node, shoptest.Signature(shoptest.Stranger(), x.Node)) }, want: unverified},
	{named: "the application's own key", answer: func(x shoptest.Talk) string {
		sign, _ := x.Shop.Config.App.Signer.Sign([]byte(x.Node))
		return x.Saying(x.Node, sign)
	}, want: unverified},
	{named: "SHA1", answer: func(x shoptest.Talk) string { return x.Saying(x.Node, signatureSHA1(shoptest.Insider(), x.Node)) }, want: unverified},
	{named: "SHA1 and sign_type", answer: func(x shoptest.Talk) string {
		return `{"` + x.Name + `":` + x.Node + `,"sign_type":"RSA","sign":"` + signatureSHA1(shoptest.Insider(), x.Node) + `"}`
	}, want: unverified},
	{named: "PSS", answer: func(x shoptest.Talk) string { return x.Saying(x.Node, signaturePSS(shoptest.Insider(), x.Node)) }, want: unverified},
	{named: "signed with its name", answer: func(x shoptest.Talk) string {
		return x.Saying(x.Node, shoptest.Signature(shoptest.Insider(), `"`+x.Name+`":`+x.Node))
	}, want: unverified},
	{named: "another answer's signature", answer: func(x shoptest.Talk) string {
		return x.Saying(x.Node, x.Shop.Talk(x.Refunded(shoptest.SecondOrder, "R9", 1_00)).Signed)
	}, want: unverified},
	{named: "the request's signature", answer: func(x shoptest.Talk) string { return x.Saying(x.Node, x.Request.URL.Query().Get("sign")) }, want: unverified},
	{named: "a certificate's number beside a changed node", answer: func(x shoptest.Talk) string {
		return `{"` + x.Name + `":` + strings.Replace(x.Node, "8.88", "9.88", 1) + `,"alipay_cert_sn":"687b59193f3f462dd5336e5abf83c5d8","sign":"` + x.Signed + `"}`
	}, want: unverified},

	{named: "refund_fee changed", answer: func(x shoptest.Talk) string { return x.With("8.88", "88.88") }, want: unverified},
	{named: "fund_change added", answer: func(x shoptest.Talk) string { return x.With(`{"code"`, `{"fund_change":"Y","code"`) }, want: unverified},
	{named: "fund_change dropped", answer: func(x shoptest.Talk) string { return x.With(`"fund_change":"Y",`, ``) }, want: unverified},
	{named: "a blank added", answer: func(x shoptest.Talk) string { return x.With(`{"code"`, `{ "code"`) }, want: unverified},
	{named: "a letter escaped", answer: func(x shoptest.Talk) string { return x.With(`"Y"`, `"\u0059"`) }, want: unverified},
	{named: "sorted", answer: func(x shoptest.Talk) string {
		var fields map[string]any
		_ = json.Unmarshal([]byte(x.Node), &fields)
		node, _ := json.Marshal(fields)
		return x.Saying(strings.Replace(string(node), "{", `{"a":1,`, 1), x.Signed)
	}, want: unverified},
	{named: "GBK for UTF-8", answer: func(x shoptest.Talk) string { return x.With(`"Success"`, `"`+gbk("成功")+`"`) }, want: unverified},
	{named: "a refusal unsigned", answer: func(x shoptest.Talk) string {
		return `{"` + x.Name + `":{"code":"40004","msg":"Business Failed","sub_code":"ACQ.TRADE_NOT_EXIST"}}`
	}, want: unsignedWord("40004 ACQ.TRADE_NOT_EXIST")},
	{named: "a refusal with this signature", answer: func(x shoptest.Talk) string {
		return x.Saying(`{"code":"40004","sub_code":"ACQ.TRADE_NOT_EXIST"}`, x.Signed)
	}, want: unsignedWord("40004 ACQ.TRADE_NOT_EXIST")},
	{named: "a refusal in error_response", answer: func(x shoptest.Talk) string {
		return `{"error_response":{"code":"40002","sub_code":"isv.invalid-app-id"},"sign":"` + x.Signed + `"}`
	}, want: unsignedWord("40002 isv.invalid-app-id")},
	{named: "success in error_response", answer: func(x shoptest.Talk) string { return `{"error_response":` + x.Node + `}` }, want: unverified},
	{named: "a signature in a text of the node", answer: func(x shoptest.Talk) string {
		return `{"` + x.Name + `":{"code":"10000","fund_change":"Y","msg":"\",\"sign\":\"` + x.Signed + `\"}"}}`
	}, want: unverified},
	{named: "the genuine node in a text of another", answer: func(x shoptest.Talk) string {
		quoted, _ := json.Marshal(`"` + x.Name + `":` + x.Node)
		return `{"` + x.Name + `":{"code":"10000","fund_change":"Y","refund_fee":"88.88","msg":` + string(quoted) + `},"sign":"` + x.Signed + `"}`
	}, want: unverified},
	{named: "the genuine node in another", answer: func(x shoptest.Talk) string {
		return `{"` + x.Name + `":{"code":"10000","fund_change":"Y","` + x.Name + `":` + x.Node + `},"sign":"` + x.Signed + `"}`
	}, want: unverified},
}

// Envelopes that two decoders could read in two ways, or none.
var envelopeAnswers = []hostileAnswer{
	{named: "the node twice, the forged one first", answer: func(x shoptest.Talk) string {
		return `{"` + x.Name + `":{"code":"10000","fund_change":"Y"},` + x.Body[1:]
	}, want: unusable},
	{named: "the node twice, the forged one last", answer: func(x shoptest.Talk) string {
		return strings.TrimSuffix(x.Body, "}") + `,"` + x.Name + `":{"code":"10000","fund_change":"Y"}}`
	}, want: unusable},
	{named: "error_response beside the node", answer: func(x shoptest.Talk) string {
		return `{"error_response":{"code":"10000","fund_change":"Y"},` + x.Body[1:]
	}, want: unusable},
	{named: "the node's key escaped", answer: func(x shoptest.Talk) string {
		return `{"` + strings.Replace(x.Name, "_", `\u005f`, 1) + `":{"code":"10000","fund_change":"Y"},` + x.Body[1:]
	}, want: unusable},
	{named: "the key of sign escaped", answer: func(x shoptest.Talk) string { return strings.Replace(x.Body, `"sign"`, `"\u0073ign"`, 1) }, want: unusable},
	{named: "sign twice", answer: func(x shoptest.Talk) string {
		return strings.TrimSuffix(x.Body, "}") + `,"sign":"` + x.Signed + `"}`
	}, want: unusable},
	{named: "alipay_cert_sn twice", answer: func(x shoptest.Talk) string { return `{"alipay_cert_sn":"a","alipay_cert_sn":"b",` + x.Body[1:] }, want: unusable},
	{named: "another method's node", answer: func(x shoptest.Talk) string {
		return strings.Replace(x.Body, x.Name, "alipay_trade_query_response", 1)
	}, want: unusable},
	{named: "the node's name in capitals", answer: func(x shoptest.Talk) string { return strings.Replace(x.Body, "alipay_trade", "Alipay_Trade", 1) }, want: unusable},
	{named: "the method's name with points", answer: func(x shoptest.Talk) string {
		return strings.Replace(x.Body, "alipay_trade_refund", "alipay.trade.refund", 1)
	}, want: unusable},
	{named: "no node", answer: func(x shoptest.Talk) string { return `{"sign":"` + x.Signed + `"}` }, want: unusable},
	{named: "the bare node", answer: func(x shoptest.Talk) string { return x.Node }, want: unusable},
	{named: "the node as a text", answer: func(x shoptest.Talk) string {
		quoted, _ := json.Marshal(x.Node)
		return x.Saying(string(quoted), x.Signed)
	}, want: unusable},
	{named: "the node encrypted", answer: func(x shoptest.Talk) string { return x.InsiderNode(`"c2VjcmV0c2VjcmV0c2VjcmU="`) }, want: unusable},
	{named: "the node null", answer: func(x shoptest.Talk) string { return x.InsiderNode("null") }, want: unusable},
	{named: "the node a list", answer: func(x shoptest.Talk) string { return x.InsiderNode("[" + x.Node + "]") }, want: unusable},
	{named: "the node no JSON", answer: func(x shoptest.Talk) string { return x.InsiderNode(`{"code":"10000","fund_change":"Y",x}`) }, want: unusable},
	{named: "the node nested without end", answer: func(x shoptest.Talk) string {
		return x.Saying(`{"code":"10000","fund_change":"Y","x":`+strings.Repeat("[", 20_000)+strings.Repeat("]", 20_000)+`}`, x.Signed)
	}, want: unusable},
	{named: "two answers", answer: func(x shoptest.Talk) string { return x.Body + x.Body }, want: unusable},
	{named: "a letter behind", answer: func(x shoptest.Talk) string { return x.Body + "x" }, want: unusable},
	{named: "a NUL behind", answer: func(x shoptest.Talk) string { return x.Body + "\x00" }, want: unusable},
	{named: "a byte order mark", answer: func(x shoptest.Talk) string { return "\ufeff" + x.Body }, want: unusable},
	{named: "UTF-16", answer: func(x shoptest.Talk) string {
		var wide bytes.Buffer
		for _, c := range utf16.Encode([]rune("\ufeff" + x.Body)) {
			wide.Write([]byte{byte(c), byte(c >> 8)})
		}
		return wide.String()
	}, want: unusable},
	{named: "a list", answer: func(x shoptest.Talk) string { return "[" + x.Body + "]" }, want: unusable},
	{named: "a comment", answer: func(x shoptest.Talk) string { return "/**/" + x.Body }, want: unusable},
	{named: "a call of JSONP", answer: func(x shoptest.Talk) string { return "callback(" + x.Body + ")" }, want: unusable},
	{named: "cut off", answer: func(x shoptest.Talk) string { return x.Body[:len(x.Body)-1] }, want: unusable},
	{named: "nothing", answer: func(shoptest.Talk) string { return "" }, want: unusable},
	{named: "a page", answer: func(x shoptest.Talk) string { return "<html><body>" + x.Body + "</body></html>" }, want: unusable},
	{named: "a notice", answer: func(x shoptest.Talk) string { return x.Shop.Alipay.SignedNotice(shoptest.RefundNotice(nil)) }, want: unusable},
}

// Answers that are not what HTTP should bring.
var transportAnswers = []hostileAnswer{
	{named: "a redirection to the genuine answer", write: func(x shoptest.Talk, w http.ResponseWriter) {
		there := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, x.Body) }))
		x.Shop.T.Cleanup(there.Close)
		w.Header().Set("Location", there.URL)
		w.WriteHeader(http.StatusFound)
	}, want: unusable},
	{named: "a redirection that repeats the request", write: func(x shoptest.Talk, w http.ResponseWriter) {
		w.Header().Set("Location", x.Request.URL.String())
		w.WriteHeader(http.StatusTemporaryRedirect)
	}, want: unusable},
	{named: "status 500", write: func(x shoptest.Talk, w http.ResponseWriter) {
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = io.WriteString(w, x.Body)
	}, want: unusable},
	{named: "status 206", write: func(x shoptest.Talk, w http.ResponseWriter) {
		w.WriteHeader(http.StatusPartialContent)
		_, _ = io.WriteString(w, x.Body)
	}, want: unusable},
	{named: "chunks that break off", write: func(x shoptest.Talk, w http.ResponseWriter) {
		_, _ = io.WriteString(w, x.Body)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}, want: unusable},
	{named: "less than Content-Length says", write: func(x shoptest.Talk, w http.ResponseWriter) {
		w.Header().Set("Content-Length", strconv.Itoa(len(x.Body)+1))
		_, _ = io.WriteString(w, x.Body)
	}, want: unusable},
	{named: "more than 1 MiB", answer: func(x shoptest.Talk) string { return x.Body + strings.Repeat(" ", 1<<20) }, want: unusable},
	{named: "compressed, and more than 1 MiB", write: func(x shoptest.Talk, w http.ResponseWriter) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = io.WriteString(z, x.Body+strings.Repeat(" ", 64<<20))
		_ = z.Close()
	}, want: unusable},
	{named: "compressed, and not said to be", write: func(x shoptest.Talk, w http.ResponseWriter) {
		w.Header().Set("Content-Type", "text/html")
		z := gzip.NewWriter(w)
		_, _ = io.WriteString(z, x.Body)
		_ = z.Close()
	}, want: unusable},
	{named: "said to be compressed, and not", write: func(x shoptest.Talk, w http.ResponseWriter) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = io.WriteString(w, x.Body)
	}, want: unusable},
}
