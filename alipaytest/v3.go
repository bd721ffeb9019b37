package alipaytest

import (
	"crypto/rand"
	"encoding/json"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// This file is OpenAPI version 3 over the same books. Source: Alipay's OpenAPI v3
// pages, "signing", "verifying" and "errors"; that a call's refusal is signed and
// has status 400 was seen in a verified answer of the sandbox, that the gateway's
// own is not signed was seen at the gateway. Which status goes with which of the
// gateway's own codes is not confirmed.

var v3Methods = map[string]string{
	"/v3/alipay/trade/refund":               methodRefund,
	"/v3/alipay/trade/fastpay/refund/query": methodRefundQuery,
	"/v3/alipay/trade/query":                methodTradeQuery,
	"/v3/alipay/trade/close":                methodTradeClose,
}

// v3Tolerance is how old a request may be.
const v3Tolerance = 10 * time.Minute

// checkV3 reads a request and refuses what Alipay refuses, the application's
// number before the signature, as Alipay does. It always returns a request, as
// far as it could be read. Its parameters, in [Call], are the items of the
// Authorization, app_auth_token, and the body as biz_content.
func (a *Alipay) checkV3(r *http.Request, now time.Time) (*request, *failure) {
	q := &request{params: map[string]string{}}
	if r.Method == http.MethodPost {
		q.method = v3Methods[r.URL.Path]
	}
	body, err := readBody(r)
	if err != nil {
		return q, business("isv.invalid-parameter", "the body could not be read")
	}
	algorithm, authorization, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	text, sign, _ := strings.Cut(authorization, ",sign=")
	for item := range strings.SplitSeq(text, ",") {
		key, value, _ := strings.Cut(item, "=")
		q.params[key] = value
	}
	q.params["sign"], q.params["biz_content"], q.content = sign, body, body
	if kind := r.Header.Get("Alipay-Encrypt-Type"); kind != "" {
		q.params["encrypt_type"] = kind
	}

	text += "\n" + r.Method + "\n" + r.URL.RequestURI() + "\n" + body + "\n"
	if token := r.Header.Get("Alipay-App-Auth-Token"); token != "" {
		q.params["app_auth_token"] = token
		text += token + "\n"
	}
	switch p := q.params; {
	case p["timestamp"] == "":
		return q, business("isv.missing-timestamp", "缺少时间戳参数") // also without any Authorization
	case p["app_id"] == "":
		return q, business("isv.missing-app-id", "缺少AppID参数")
	case p["app_id"] != a.appID:
		return q, business("isv.invalid-app-id", "无效的AppID参数")
	case q.method == "":
		return q, business("isv.invalid-method", "不存在的方法名")
	case algorithm != "ALIPAY-SHA256withRSA":
		return q, business("isv.invalid-signature-type", "无效的签名类型: ALIPAY-SHA256withRSA is wanted")
	case sign == "":
		return q, business("isv.missing-signature", "缺少签名参数")
	}
	if f := a.checkCertificates(q.params["app_cert_sn"], r.Header.Get("Alipay-Root-Cert-Sn")); f != nil {
		return q, f
	}
	if a.verifyApp(q.params["app_cert_sn"], []byte(text), sign) != nil {
		return q, business("isv.invalid-signature", "验签出错，网关生成的验签字符串为：【"+text+"】")
	}
	if f := a.checkHeaders(r, q, now); f != nil {
		return q, f
	}
	if f := a.decrypt(q); f != nil {
		return q, f
	}
	if json.Unmarshal([]byte(q.content), &q.biz) != nil || q.biz == nil {
		return q, business("isv.invalid-parameter", "the body is not a JSON object")
	}
	return q, nil
}

// checkHeaders checks what a rightly signed request says of itself.
func (a *Alipay) checkHeaders(r *http.Request, q *request, now time.Time) *failure {
	millis, err := strconv.ParseInt(q.params["timestamp"], 10, 64)
	expired := v3Tolerance
	if text, ok := q.params["expired_seconds"]; ok {
		seconds, err := strconv.Atoi(text)
		if err != nil || seconds <= 0 {
			return business("isv.invalid-parameter", "expired_seconds is no number of seconds")
		}
		expired = min(expired, time.Duration(seconds)*time.Second)
	}
	wanted := "application/json"
	if q.params["encrypt_type"] != "" {
		wanted = "text/plain"
	}
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	id := r.Header.Get("Alipay-Request-Id")
	switch {
	case err != nil:
		return business("isv.invalid-timestamp", "非法的时间戳参数: milliseconds are wanted")
	case now.Sub(time.UnixMilli(millis)).Abs() > expired:
		return business("isv.invalid-timestamp", "非法的时间戳参数: it is "+strconv.FormatInt(now.UnixMilli(), 10))
	case q.params["nonce"] == "":
		return business("isv.missing-nonce", "缺少随机串参数")
	case media != wanted:
		return business("isv.invalid-parameter", "Content-Type must be "+wanted)
	case len(id) > 32 || strings.Trim(id, "-_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") != "":
		return business("isv.invalid-parameter", "alipay-request-id has up to 32 letters, digits, - and _")
	case utf8.RuneCountInString(q.params["app_auth_token"]) > maxLengths["app_auth_token"]:
		return business("isv.invalid-parameter", "app_auth_token is too long")
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.nonces[q.params["nonce"]] {
		return business("isv.invalid-nonce", "随机串重复")
	}
	a.nonces[q.params["nonce"]] = true
	return nil
}

// answerV3 writes the answer: the bare node, signed by headers.
func (a *Alipay) answerV3(q *request, e *execution, header http.Header) (body []byte, status int) {
	answer, status, signed := e.answer, http.StatusOK, true
	if e.failed != nil {
		answer, status, signed = e.failed.v3()
	}
	if e.fault.Kind == LooseTypes {
		answer = answer.loose()
	}
	body = answer.bytes()
	header.Set("Content-Type", "application/json;charset=UTF-8")
	if q.encrypted && e.failed == nil {
		body = []byte(a.content.Encrypt(body))
		header.Set("Content-Type", "text/plain;charset=UTF-8")
	}
	header.Set("Alipay-Trace-Id", strings.ToLower(rand.Text()))
	if !signed || e.fault.Kind == NoSignature {
		return body, status
	}
	stamp, nonce, text := strconv.FormatInt(e.call.At.UnixMilli(), 10), strings.ToLower(rand.Text()), string(body)
	if e.fault.Kind == WrongSignature {
		text += " "
	}
	own := a.sign.Current() // so that the certificate that is named is the one that signs
	if sn := own.CertificateSN(); sn != "" {
		header.Set("Alipay-Sn", sn)
	}
	header.Set("Alipay-Timestamp", stamp)
	header.Set("Alipay-Nonce", nonce)
	header.Set("Alipay-Signature", must(own.Sign([]byte(stamp+"\n"+nonce+"\n"+text+"\n"))))
	return body, status
}

// v3 writes the failure as version 3 does: the gateway's own codes, which are
// those in small letters, lose their prefix and are not signed.
func (f *failure) v3() (answer node, status int, signed bool) {
	code := f.sub
	for _, prefix := range []string{"isv.", "isp.", "aop."} {
		code = strings.TrimPrefix(code, prefix)
	}
	answer = append(node{{"code", code}, {"message", f.text}}, f.extra...)
	if code != strings.ToLower(code) {
		return answer, http.StatusBadRequest, true
	}
	status = http.StatusBadRequest
	switch code {
	case "invalid-signature":
		status = http.StatusUnauthorized
	case "invalid-method":
		status = http.StatusNotFound
	case "unknow-error":
		status = http.StatusInternalServerError
	}
	return append(answer, field{"links", []node{{{"desc", "解决方案"}, {"link", "https://opendocs.alipay.com/"}}}}), status, false
}
