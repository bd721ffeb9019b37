package alipaytest

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/signer"
)

// request is one call's parameters, decoded.
type request struct {
	params    map[string]string
	method    string
	content   string // biz_content, decrypted
	biz       map[string]json.RawMessage
	encrypted bool
	host      string // that the fake was called by over a network
}

// timestampTolerance is how far a request's timestamp may be off. Alipay
// documents none for this gateway; a wrong zone is what matters.
const timestampTolerance = 15 * time.Minute

// maxLengths of the common parameters (opendocs, the interfaces' common
// parameters).
var maxLengths = map[string]int{
	"app_id": 32, "method": 128, "format": 40, "charset": 10, "sign_type": 10,
	"timestamp": 19, "version": 3, "notify_url": 256, "app_auth_token": 40,
}

// parameters are those of a request, as they came.
type parameters struct {
	query, form url.Values
	list        []signer.Param
	twice       string // the name of one that is given twice
}

// read fills q with what stands in the URL and the body.
func (q *request) read(r *http.Request) (p parameters, refused *failure) {
	var err error
	if p.query, err = url.ParseQuery(r.URL.RawQuery); err != nil {
		return p, business("isv.invalid-parameter", "the URL's query is malformed")
	}
	text, err := readBody(r)
	if err != nil {
		return p, business("isv.invalid-parameter", "the body could not be read")
	}
	if p.form, err = url.ParseQuery(text); err != nil {
		return p, business("isv.invalid-parameter", "the body is not application/x-www-form-urlencoded")
	}
	for _, values := range []url.Values{p.query, p.form} {
		for key, value := range values {
			if _, known := q.params[key]; known || len(value) > 1 {
				p.twice = key
			}
			q.params[key] = value[0]
			p.list = append(p.list, signer.Param{Key: key, Value: value[0]})
		}
	}
	q.method, q.content = q.params["method"], q.params["biz_content"]
	return p, nil
}

// check reads a request and refuses what Alipay refuses, the application's
// number before all else, as Alipay does. It always returns a request, as far as
// it could be read.
func (a *Alipay) check(r *http.Request, now time.Time) (*request, *failure) {
	q := &request{params: map[string]string{}}
	p, refused := q.read(r)
	if refused != nil {
		return q, refused
	}
	for _, check := range []func() *failure{
		func() *failure { return a.checkPresence(q, p.twice) },
		func() *failure { return a.checkCertificates(q.params["app_cert_sn"], q.params["alipay_root_cert_sn"]) },
		func() *failure { return a.checkSignature(p.query, p.list, q.params) },
		func() *failure { return q.checkCommon(now) },
		func() *failure { return checkPlacement(r, p.query, p.form) },
		func() *failure { return a.decrypt(q) },
	} {
		if f := check(); f != nil {
			return q, f
		}
	}
	if json.Unmarshal([]byte(q.content), &q.biz) != nil || q.biz == nil {
		return q, business("isv.invalid-parameter", "biz_content is not a JSON object")
	}
	return q, nil
}

// checkPresence wants the parameters without which no signature can be verified.
func (a *Alipay) checkPresence(q *request, twice string) *failure {
	switch p := q.params; {
	case p["app_id"] == "":
		return &failure{sub: "isv.missing-app-id", text: "缺少AppID参数", unsigned: true}
	case p["app_id"] != a.appID:
		return &failure{sub: "isv.invalid-app-id", text: "无效的AppID参数", unsigned: true}
	case twice != "":
		return business("isv.invalid-parameter", "the parameter "+twice+" is given twice")
	case q.method == "":
		return business("isv.missing-method", "缺少方法名参数")
	case interfaces[q.method] == nil:
		return business("isv.invalid-method", "不存在的方法名")
	case p["sign_type"] == "":
		return business("isv.missing-signature-type", "缺少签名类型参数")
	case p["sign_type"] != "RSA2":
		return business("isv.invalid-signature-type", "无效的签名类型: RSA2 is wanted")
	case p["sign"] == "":
		return business("isv.missing-signature", "缺少签名参数")
	}
	return nil
}

// checkSignature verifies the text of all parameters. Without a charset in the
// URL the gateway assumes GBK and finds another text than the application
// signed (public issue trackers of several SDKs).
func (a *Alipay) checkSignature(query url.Values, params []signer.Param, named map[string]string) *failure {
	text := signer.AppendText(nil, params, 0)
	switch {
	case !query.Has("charset"):
		return business("isv.invalid-signature", "验签出错: charset must be in the URL's query; without it GBK is assumed")
	case a.verifyApp(named["app_cert_sn"], text, named["sign"]) != nil:
		return business("isv.invalid-signature",
			fmt.Sprintf("验签出错，建议检查签名字符串或签名私钥与应用公钥是否匹配，网关生成的验签字符串为：【%s】", text))
	}
	return nil
}

func (q *request) checkCommon(now time.Time) *failure {
	for key, limit := range maxLengths {
		if utf8.RuneCountInString(q.params[key]) > limit {
			return business("isv.invalid-parameter", fmt.Sprintf("%s is longer than %d", key, limit))
		}
	}
	at, err := time.ParseInLocation(layout, q.params["timestamp"], china)
	switch {
	case q.params["timestamp"] == "":
		return business("isv.missing-timestamp", "缺少时间戳参数")
	case err != nil:
		return business("isv.invalid-timestamp", "非法的时间戳参数: yyyy-MM-dd HH:mm:ss is wanted")
	case now.Sub(at).Abs() > timestampTolerance:
		return business("isv.invalid-timestamp", "非法的时间戳参数: in UTC+8 it is "+stamp(now))
	case q.params["version"] == "":
		return business("isv.missing-version", "缺少版本参数")
	case q.params["version"] != "1.0":
		return business("isv.invalid-parameter", "version must be 1.0")
	case !strings.EqualFold(q.params["charset"], "utf-8"):
		return business("isv.invalid-charset", "字符集错误: this fake takes utf-8 only")
	case q.params["format"] != "" && !strings.EqualFold(q.params["format"], "JSON"):
		return business("isv.invalid-format", "无效的数据格式: only JSON is supported")
	}
	if text := q.params["notify_url"]; text != "" {
		u, err := url.Parse(text)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return business("isv.invalid-parameter", "notify_url is no http or https address")
		}
	}
	return nil
}

// checkPlacement wants biz_content in the body, and all else in the URL's query
// (opendocs, signing and protocols). encrypt_type may stand in either: Alipay's own
// SDK for Node writes it into the body.
func checkPlacement(r *http.Request, query, form url.Values) *failure {
	media, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case query.Has("biz_content"):
		return business("isv.invalid-parameter", "biz_content belongs into the body, not into the URL's query")
	case r.Method != http.MethodPost:
		return business("isv.invalid-parameter", "the gateway wants POST")
	case media != "application/x-www-form-urlencoded" || !strings.EqualFold(params["charset"], "utf-8"):
		return business("isv.invalid-parameter", "Content-Type must be application/x-www-form-urlencoded;charset=utf-8")
	case form.Get("biz_content") == "":
		return business("isv.missing-parameter", "biz_content is missing in the body")
	}
	for key := range form {
		if key != "biz_content" && key != "encrypt_type" {
			return business("isv.invalid-parameter", key+" belongs into the URL's query, not into the body")
		}
	}
	return nil
}

// text returns a business parameter: a JSON string, or a number as it is
// written. ok is false if it is longer than limit or something else; an absent
// one is empty and ok.
func (q *request) text(key string, limit int) (value string, ok bool) {
	raw := q.biz[key]
	var number json.Number
	switch {
	case len(raw) == 0 || string(raw) == "null":
		return "", true
	case json.Unmarshal(raw, &value) == nil:
	case json.Unmarshal(raw, &number) == nil:
		value = number.String()
	default:
		return "", false
	}
	return value, utf8.RuneCountInString(value) <= limit
}

// texts is [request.text] of several parameters; broken names the first that is
// not ok.
func (q *request) texts(limits map[string]int) (values map[string]string, broken string) {
	values = make(map[string]string, len(limits))
	for key, limit := range limits {
		value, ok := q.text(key, limit)
		if !ok && (broken == "" || key < broken) {
			broken = key
		}
		values[key] = value
	}
	return values, broken
}

// amount reads an amount, from a JSON string or number, that is in Alipay's range.
func (q *request) amount(key string) (money.Amount, bool) {
	var amount money.Amount
	raw := q.biz[key]
	if len(raw) == 0 || amount.UnmarshalJSON(raw) != nil {
		return 0, false
	}
	return amount, amount.InRange()
}

// asks tells whether query_options names option.
func (q *request) asks(option string) bool {
	var options []string
	_ = json.Unmarshal(q.biz["query_options"], &options) // something else asks for nothing
	return slices.Contains(options, option)
}
