package alipaysdk_test

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"net/url"
	"testing"

	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/signer"
)

type options = gateway.Options

var noContext = context.Background()

// gatewayOf returns this module's client of the same fake.
func gatewayOf(p party) (*gateway.Client, error) {
	return gateway.New(gateway.Config{
		AppID: p.AppID(), Signer: signerOf(p), Verifier: verifierOf(p), ContentKey: p.contentKey(),
		URL: alipaytest.GatewayURL, HTTP: p.HTTPClient(),
	})
}

// contentKey is nil if nothing is encrypted.
func (p party) contentKey() *signer.ContentKey {
	key, encrypted := p.config["encryptKey"].(string)
	if !encrypted {
		return nil
	}
	return must(signer.ContentKeyFromBase64(key))
}

func signerOf(p party) *signer.Signer {
	sign := must(signer.FromPEM(p.AppPrivateKey()))
	if certificate := p.AppCertificate(); certificate != "" {
		sign = must(sign.WithCertificate(certificate))
	}
	return sign
}

func verifierOf(p party) *signer.Verifier {
	if certificate := p.AlipayCertificate(); certificate != "" {
		return must(signer.VerifierFromCertificates(certificate, p.RootCertificates()))
	}
	return must(signer.VerifierFromPEM(p.AlipayPublicKey()))
}

// appPublicKey is the other half of the application's key.
func appPublicKey(p party) string {
	return base64.StdEncoding.EncodeToString(must(x509.MarshalPKIXPublicKey(signerOf(p).Public())))
}

// awkward are values that each way of writing, decoding or sorting could spoil.
var awkward = node{
	"plain":       node{"out_trade_no": "order", "refund_amount": "1.00"},
	"Chinese":     node{"refund_reason": "七天无理由退货，退款"},
	"separators":  node{"refund_reason": "a=b&c=d?e#f;g,h"},
	"plus":        node{"refund_reason": "1 + 1 = 2 %2B %20"},
	"percent":     node{"refund_reason": "100% %41 %zz"},
	"slashes":     node{"refund_reason": `https://shop.example/a\b "c"`},
	"emoji":       node{"refund_reason": "👍🏽 𠮷"},
	"lines":       node{"refund_reason": "a\r\nb\tc\u2028d"},
	"HTML":        node{"refund_reason": "<b>&amp;</b>"},
	"nested":      node{"query_options": []string{"refund_detail_item_list"}, "refund_goods_detail": []node{{"goods_id": "g", "refund_amount": "1.00"}}},
	"a number":    node{"refund_amount": 8.88},
	"nothing":     node{},
	"null string": node{"refund_reason": "null"},
}

// each runs a test in each mode of version 2.
func each(t *testing.T, test func(t *testing.T, p party)) {
	for _, m := range modes {
		if !m.v3 {
			t.Run(m.name, func(t *testing.T) { test(t, open(t, m.alipay)) })
		}
	}
}

// What the SDK signs, this module's signer verifies over the text that it makes
// itself; what it encrypts, this module decrypts.
func TestThisModuleVerifiesWhatTheSDKSigns(t *testing.T) {
	s := start(t, china)
	each(t, func(t *testing.T, p party) {
		verify := must(signer.VerifierFromPEM(appPublicKey(p)))
		for name, biz := range awkward {
			t.Run(name, func(t *testing.T) {
				var form, plain string
				params := node{"bizContent": biz, "notifyUrl": "https://shop.example/notify?a=1&b=中文"}
				if err := s.call(t, p.config, &plain, "sdkExecute", "alipay.trade.refund", params); err != nil {
					t.Fatal(err)
				}
				params["needEncrypt"] = p.contentKey() != nil
				if err := s.call(t, p.config, &form, "sdkExecute", "alipay.trade.refund", params); err != nil {
					t.Fatal(err)
				}
				list, sign := read(t, form)
				if err := verify.Verify(signer.AppendText(nil, list, 0), sign); err != nil {
					t.Errorf("%v: %s", err, form)
				}
				if err := verify.Verify(signer.AppendText(nil, list, signer.WithoutSignType), sign); err == nil {
					t.Error("a request is signed with its sign_type, and verified without")
				}
				if sn := field(list, "app_cert_sn"); sn != signerOf(p).CertificateSN() {
					t.Errorf("app_cert_sn is %q", sn)
				}
				if sn := field(list, "alipay_root_cert_sn"); sn != verifierOf(p).RootSN() {
					t.Errorf("alipay_root_cert_sn is %q", sn)
				}
				if key := p.contentKey(); key != nil {
					want, _ := read(t, plain)
					got, err := key.Decrypt(field(list, "biz_content"))
					if err != nil || string(got) != field(want, "biz_content") {
						t.Errorf("decrypted it is %s, %v", got, err)
					}
				}
			})
		}
	})
}

// What this module's gateway signs, the SDK verifies: its check of notices takes
// sign_type for signed first, as it is in requests.
func TestTheSDKVerifiesWhatThisModuleSigns(t *testing.T) {
	s := start(t, china)
	each(t, func(t *testing.T, p party) {
		client := must(gatewayOf(p))
		own := p.config.without("appCertContent").with("alipayPublicKey", appPublicKey(p))
		for name, biz := range awkward {
			t.Run(name, func(t *testing.T) {
				_, _ = client.Do(noContext, "alipay.trade.refund", biz, options{NotifyURL: "https://shop.example/notify?a=1&b=2"}) // the answer does not matter
				calls := p.Calls()
				form := url.Values{}
				for key, value := range calls[len(calls)-1].Params {
					form.Set(key, value)
				}
				if !s.check(t, own, "checkNotifySignV2", form.Encode()) {
					t.Errorf("the SDK does not verify %s", form)
				}
				form.Set("biz_content", form.Get("biz_content")+" ")
				if s.check(t, own, "checkNotifySignV2", form.Encode()) {
					t.Error("the SDK verifies a changed text")
				}
			})
		}
	})
}

func field(list []signer.Param, key string) string {
	for _, p := range list {
		if p.Key == key {
			return p.Value
		}
	}
	return ""
}

// read decodes a form into parameters, and the signature beside them.
func read(t *testing.T, form string) (list []signer.Param, sign string) {
	t.Helper()
	values, err := url.ParseQuery(form)
	if err != nil {
		t.Fatal(err)
	}
	for key := range values {
		list = append(list, signer.Param{Key: key, Value: values.Get(key)})
	}
	return list, values.Get("sign")
}
