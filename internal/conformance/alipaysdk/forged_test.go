package alipaysdk_test

import (
	"crypto"
	"crypto/rsa"
	sha1sum "crypto/sha1"
	"crypto/x509"
	"encoding/base64"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/signer"
)

// What is in this file plays an Alipay whose private key the test holds, in order
// to sign what the fake would not: [certified].

// sign signs as that Alipay.
func sign(text string) string { return must(must(signer.New(certified())).Sign([]byte(text))) }

func signSHA1(text string) string {
	digest := sha1sum.Sum([]byte(text))
	return base64.StdEncoding.EncodeToString(must(rsa.SignPKCS1v15(nil, certified(), crypto.SHA1, digest[:])))
}

// alipay verifies its signatures.
func alipay() *signer.Verifier { return must(signer.NewVerifier(&certified().PublicKey)) }

// theirs is the SDK's config of an application of its.
func theirs() config {
	a := alipaytest.New(alipaytest.Config{})
	return config{
		"appId": a.AppID(), "privateKey": a.AppPrivateKey(), "keyType": "PKCS8", "camelcase": false,
		"alipayPublicKey": base64.StdEncoding.EncodeToString(must(x509.MarshalPKIXPublicKey(&certified().PublicKey))),
	}
}

// answered is an application that is always given the same answer.
type answered struct {
	config config
	client *gateway.Client
}

func answering(t *testing.T, raw string) answered {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, raw) }))
	t.Cleanup(server.Close)
	c := theirs()
	key := must(signer.FromPEM(c["privateKey"].(string)))
	client := must(gateway.New(gateway.Config{AppID: c["appId"].(string), Signer: key, Verifier: alipay(), URL: server.URL}))
	return answered{c.with("gateway", server.URL), client}
}

// notice is the body of a signed one: these fields, and those that each has.
func notice(fields map[string]string) string { return noticeBy(sign, fields) }

func noticeBy(sign func(string) string, fields map[string]string) string {
	all := map[string]string{
		"app_id": "2021000000000001", "charset": "utf-8", "notify_id": strings.Repeat("7", 34), "notify_time": "2026-11-22 10:00:00",
		"notify_type": "trade_status_sync", "sign_type": "RSA2", "trade_status": "TRADE_SUCCESS",
	}
	maps.Copy(all, fields)
	var params []signer.Param
	var body strings.Builder
	for _, key := range slices.Sorted(maps.Keys(all)) {
		params = append(params, signer.Param{Key: key, Value: all[key]})
		body.WriteString(url.QueryEscape(key) + "=" + url.QueryEscape(all[key]) + "&")
	}
	return body.String() + "sign=" + url.QueryEscape(sign(string(signer.AppendText(nil, params, signer.WithoutSignType))))
}
