package alipaysdk_test

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/notify"
	"github.com/alirefund/alirefund/signer"
)

// differences are all that is known of where the SDK does otherwise than this
// module. Each test fails if one of the two changes its mind. docs/conformance.md
// gives the reason of each, under the same name.
var differences = map[string]func(t *testing.T, s *sdk){
	"Time zone":                      timeZone,
	"Unchecked by default":           unchecked,
	"Unsigned refusals":              unsignedRefusal,
	"The node given twice":           nodeTwice,
	"The signature before the node":  signatureFirst,
	"Encrypted answers":              encryptedAnswer,
	"Notices decoded twice":          decodedTwice,
	"GBK":                            gbk,
	"SHA1 at the sender's choice":    sha1,
	"Fields hidden in another":       hidden,
	"Empty parameters":               emptyParameters,
	"Where encrypt_type stands":      encryptType,
	"A certificate that changed":     changedCertificate,
	"Refusals by version 3":          refusalV3,
	"A new certificate by version 3": newCertificateV3,
	"Names of issuers":               issuers,
}

func TestDifferences(t *testing.T) {
	s := start(t, china)
	for name, difference := range differences {
		t.Run(name, func(t *testing.T) { difference(t, s) })
	}
}

var heading = regexp.MustCompile(`(?m)^### (.*)$`)

func TestTheDocumentNamesEveryDifference(t *testing.T) {
	text := string(must(os.ReadFile("../../../docs/conformance.md")))
	var named []string
	for _, match := range heading.FindAllStringSubmatch(text, -1) {
		named = append(named, match[1])
	}
	slices.Sort(named)
	if tested := slices.Sorted(maps.Keys(differences)); !slices.Equal(named, tested) {
		t.Errorf("docs/conformance.md names %q; the tests are %q", named, tested)
	}
}

const refund = "alipay.trade.refund"

var oneYuan = node{"out_trade_no": "order", "out_request_no": "R1", "refund_amount": "1.00"}

func (s *sdk) refund(t *testing.T, c config, options node) (answer node, err error) {
	t.Helper()
	err = s.call(t, c, &answer, "exec", refund, node{"bizContent": oneYuan}, options)
	return answer, err
}

var validate = node{"validateSign": true}

func withOrder(t *testing.T) party {
	t.Helper()
	p := open(t, alipaytest.Config{})
	p.AddTrade(alipaytest.Trade{OutTradeNo: "order", NotifyURL: shop + "notify"})
	return p
}

func timeZone(t *testing.T, _ *sdk) {
	s, p := start(t, "UTC"), withOrder(t)
	answer, err := s.refund(t, p.config, validate)
	if err != nil || answer["sub_code"] != "isv.invalid-timestamp" {
		t.Errorf("a call from UTC is answered %v, %v; want isv.invalid-timestamp", answer, err)
	}
}

func unchecked(t *testing.T, s *sdk) {
	p := withOrder(t)
	p.Inject(alipaytest.Fault{Kind: alipaytest.WrongSignature}, alipaytest.Fault{Kind: alipaytest.WrongSignature}, alipaytest.Fault{Kind: alipaytest.WrongSignature})
	if answer, err := s.refund(t, p.config, node{}); err != nil || answer["code"] != "10000" {
		t.Errorf("by default a wrong signature gives %v, %v; it used to pass", answer, err)
	}
	if _, err := s.refund(t, p.config, validate); err == nil || !strings.Contains(err.Error(), "验签失败") {
		t.Errorf("with validateSign a wrong signature gives %v", err)
	}
	if _, err := must(gatewayOf(p)).Do(noContext, refund, oneYuan, options{}); !errors.Is(err, gateway.ErrUnverified) {
		t.Errorf("ours: %v; want ErrUnverified", err)
	}
}

func unsignedRefusal(t *testing.T, s *sdk) {
	p := withOrder(t)
	p.Inject(alipaytest.Fault{Kind: alipaytest.GatewayError}, alipaytest.Fault{Kind: alipaytest.GatewayError})
	var thrown *failure
	if _, err := s.refund(t, p.config, validate); !errors.As(err, &thrown) || thrown.Code != "ERR_INVALID_ARG_TYPE" {
		t.Errorf("an unsigned refusal gives %v; it used to be a TypeError", err)
	}
	var refused *gateway.Error
	if _, err := must(gatewayOf(p)).Do(noContext, refund, oneYuan, options{}); !errors.As(err, &refused) || refused.SubCode != "isv.invalid-app-id" || refused.Signed {
		t.Errorf("ours: %v; want an unsigned isv.invalid-app-id", err)
	}
}

// What Alipay signed: a refusal. What it did not: a success.
const (
	signedNode = `{"code":"40004","sub_code":"ACQ.TRADE_NOT_EXIST"}`
	forgedNode = `{"code":"10000","fund_change":"Y"}`
)

func nodeTwice(t *testing.T, s *sdk) {
	raw := `{"alipay_trade_refund_response":` + signedNode + `,"sign":"` + sign(signedNode) + `","alipay_trade_refund_response":` + forgedNode + `}`
	p := answering(t, raw)
	if answer, err := s.refund(t, p.config, validate); err != nil || answer["fund_change"] != "Y" {
		t.Errorf("the SDK says %v, %v; it used to take the second node, and the signature of the first", answer, err)
	}
	if _, err := p.client.Do(noContext, refund, oneYuan, options{}); !errors.Is(err, gateway.ErrNoAnswer) {
		t.Errorf("ours: %v; want ErrNoAnswer", err)
	}
}

func signatureFirst(t *testing.T, s *sdk) {
	p := answering(t, `{"sign":"`+sign(forgedNode)+`","alipay_trade_refund_response":`+forgedNode+`}`) // rightly signed here
	if answer, err := s.refund(t, p.config, validate); err == nil || !strings.Contains(err.Error(), "验签失败") {
		t.Errorf("the SDK says %v, %v; it used to refuse it", answer, err)
	}
	if reply, err := p.client.Do(noContext, refund, oneYuan, options{}); err != nil || !reply.Signed {
		t.Errorf("ours: %v", err)
	}
}

func encryptedAnswer(t *testing.T, s *sdk) {
	content := must(signer.ContentKeyFromBase64(contentKey))
	encrypted := `"` + content.Encrypt([]byte(forgedNode)) + `"`
	p := answering(t, `{"alipay_trade_refund_response":`+encrypted+`,"sign":"`+sign(encrypted)+`"}`)
	c := p.config.with("encryptKey", contentKey)
	call := func(options node) (answer node, err error) {
		err = s.call(t, c, &answer, "exec", refund, node{"bizContent": oneYuan, "needEncrypt": true}, options)
		return answer, err
	}
	if answer, err := call(validate); err == nil || !strings.Contains(err.Error(), "验签失败") {
		t.Errorf("an encrypted answer gives %v, %v; its check used to fail", answer, err)
	}
	if answer, err := call(node{}); err != nil || answer["fund_change"] != "Y" {
		t.Errorf("without the check it gives %v, %v", answer, err)
	}
	if !s.check(t, c, "rsaCheck", encrypted, sign(encrypted)) {
		t.Error("the SDK's own RSA does not verify the text with both quotes")
	}
}

func encryptType(t *testing.T, s *sdk) {
	var place string // of encrypt_type
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		switch _ = r.ParseForm(); {
		case r.URL.Query().Has("encrypt_type"):
			place = "query"
		case r.PostForm.Has("encrypt_type"):
			place = "body"
		}
	}))
	defer server.Close()
	p := open(t, alipaytest.Config{ContentKey: contentKey})
	_ = s.call(t, p.config.with("gateway", server.URL), nil, "exec", refund, node{"bizContent": oneYuan, "needEncrypt": true})
	if place != "body" {
		t.Errorf("the SDK writes encrypt_type into the %s; it used to write it into the body", place)
	}
	client := must(gateway.New(gateway.Config{AppID: p.AppID(), Signer: signerOf(p), Verifier: verifierOf(p), ContentKey: p.contentKey(), URL: server.URL}))
	_, _ = client.Do(noContext, refund, oneYuan, options{})
	if place != "query" {
		t.Errorf("ours writes encrypt_type into the %s; want the query", place)
	}
}

func changedCertificate(t *testing.T, s *sdk) {
	p := open(t, alipaytest.Config{Certificates: true})
	client := must(gatewayOf(p))
	p.AddTrade(alipaytest.Trade{OutTradeNo: "order"})
	query := func() error {
		return s.call(t, p.config, nil, "exec", "alipay.trade.query", node{"bizContent": node{"out_trade_no": "order"}}, validate)
	}
	p.RotateCertificate()
	if err := query(); err != nil {
		t.Errorf("after a new certificate for the same key: %v; the SDK does not look at alipay_cert_sn", err)
	}
	p.RotateCertificateAndKey()
	if err := query(); err == nil || !strings.Contains(err.Error(), "验签失败") {
		t.Errorf("after a new key: %v; the SDK used to stop working", err)
	}
	if reply, err := client.Do(noContext, "alipay.trade.query", node{"out_trade_no": "order"}, options{}); err != nil || !reply.Signed {
		t.Errorf("ours, after a new key: %v", err)
	}
}

func decodedTwice(t *testing.T, s *sdk) {
	c := party{config: theirs()}.config
	for value, want := range map[string]string{"a%26b": "false", "100%": "URIError", "100": "true"} {
		body := notice(map[string]string{"passback_params": value})
		var ok bool
		got := "false"
		if err := s.call(t, c, &ok, "checkNotifySign", body); err != nil {
			got = err.(*failure).Name
		} else if ok {
			got = "true"
		}
		if got != want {
			t.Errorf("checkNotifySign of %q says %s; it used to say %s", value, got, want)
		}
		if !s.check(t, c, "checkNotifySignV2", body) {
			t.Errorf("checkNotifySignV2 of %q says no", value)
		}
		if _, err := notify.Open([]byte(body), alipay()); err != nil {
			t.Errorf("ours: %v", err)
		}
	}
}

func gbk(t *testing.T, s *sdk) {
	body := notice(map[string]string{"charset": "GBK", "subject": "\xb2\xe2\xca\xd4\xb6\xa9\xb5\xa5"}) // 测试订单
	for _, charset := range []string{"utf-8", "gbk"} {
		if s.check(t, theirs(), "checkNotifySignV2", body, charset) {
			t.Errorf("the SDK accepts a notice in GBK, read as %s; it used not to", charset)
		}
	}
	if n, err := notify.Open([]byte(body), alipay()); err != nil || n.Get("subject") != "测试订单" {
		t.Errorf("ours: %v", err)
	}
}

func sha1(t *testing.T, s *sdk) {
	body := noticeBy(signSHA1, map[string]string{"sign_type": "RSA"})
	if !s.check(t, theirs(), "checkNotifySignV2", body) {
		t.Error("the SDK refuses SHA1, although its own sign_type is RSA2; it used to take it")
	}
	if _, err := notify.Open([]byte(body), alipay()); !errors.Is(err, notify.ErrSignType) {
		t.Errorf("ours: %v; want ErrSignType", err)
	}
}

func hidden(t *testing.T, s *sdk) {
	fields := map[string]string{"app_id": "1", "out_trade_no": "order", "refund_fee": "1.00", "subject": "x"}
	joined := strings.Replace(notice(fields), "out_trade_no=order&refund_fee=1.00", "out_trade_no=order%26refund_fee%3D1.00", 1)
	if !strings.Contains(joined, "%26refund_fee") {
		t.Fatal("nothing was hidden in ", joined)
	}
	if !s.check(t, theirs(), "checkNotifySignV2", joined) {
		t.Error("the SDK refuses a field that is hidden in another; it used to take it")
	}
	if _, err := notify.Open([]byte(joined), alipay()); !errors.Is(err, notify.ErrHidden) {
		t.Errorf("ours: %v; want ErrHidden", err)
	}
}

func emptyParameters(t *testing.T, s *sdk) {
	p := withOrder(t)
	var form string
	if err := s.call(t, p.config, &form, "sdkExecute", refund, node{"bizContent": oneYuan, "notifyUrl": ""}); err != nil {
		t.Fatal(err)
	}
	list, signed := read(t, form)
	verify := must(signer.VerifierFromPEM(appPublicKey(p)))
	if err := verify.Verify(signer.AppendText(nil, list, 0), signed); err != nil || !strings.Contains(form, "notify_url=&") {
		t.Errorf("the SDK used to send and to sign what is empty: %v: %s", err, form)
	}
	must(must(gatewayOf(p)).Do(noContext, refund, oneYuan, options{}))
	for key, value := range p.Calls()[0].Params {
		if value == "" {
			t.Errorf("ours sends an empty %s", key)
		}
	}
}

func issuers(t *testing.T, s *sdk) {
	commonName, title := asn1.ObjectIdentifier{2, 5, 4, 3}, asn1.ObjectIdentifier{2, 5, 4, 12}
	for what, name := range map[string]pkix.Name{
		"a comma":       {Organization: []string{"Ant, Inc."}, CommonName: "root"},
		"another field": {ExtraNames: []pkix.AttributeTypeAndValue{{Type: commonName, Value: "root"}, {Type: title, Value: "title"}}},
	} {
		cert, text := issue(name, big.NewInt(1))
		if ours, other := signer.CertificateSN(cert), s.serials(t, text, text, text).App; ours == other {
			t.Errorf("%s in the issuer's name: the two agree; they used not to", what)
		}
	}
}
