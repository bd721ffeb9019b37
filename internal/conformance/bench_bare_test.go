package conformance

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/alirefund/alirefund/signer"
)

// exchange is the call for a refund that nobody can do without: signed, posted,
// its answer verified and read.
func (a *counterpart) exchange(b *testing.B, order string) func() {
	params := []signer.Param{
		{Key: "app_id", Value: a.AppID()},
		{Key: "charset", Value: "utf-8"},
		{Key: "format", Value: "JSON"},
		{Key: "method", Value: "alipay.trade.refund"},
		{Key: "sign_type", Value: "RSA2"},
		{Key: "version", Value: "1.0"},
		{Key: "timestamp", Value: time.Now().In(time.FixedZone("", 8*60*60)).Format(time.DateTime)},
	}
	query := url.Values{}
	for _, p := range params {
		query.Set(p.Key, p.Value)
	}
	text := signer.AppendText(nil, append(params, signer.Param{Key: "biz_content", Value: asked(order)}), 0)
	form := url.Values{"biz_content": {asked(order)}}.Encode()
	to := a.url + "?" + query.Encode() + "&sign="
	return func() {
		digest := sha256.Sum256(text)
		sign, err := rsa.SignPKCS1v15(nil, a.own, crypto.SHA256, digest[:])
		if err != nil {
			b.Fatal(err)
		}
		request, _ := http.NewRequestWithContext(b.Context(), http.MethodPost, to+url.QueryEscape(base64.StdEncoding.EncodeToString(sign)), strings.NewReader(form))
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded;charset=utf-8")
		response, err := a.client.Do(request)
		if err != nil {
			b.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		var answer struct {
			Node json.RawMessage `json:"alipay_trade_refund_response"`
			Sign string          `json:"sign"`
		}
		var node struct {
			Code       string `json:"code"`
			FundChange string `json:"fund_change"`
		}
		if err != nil || json.Unmarshal(body, &answer) != nil || !a.signed(answer.Node, answer.Sign) ||
			json.Unmarshal(answer.Node, &node) != nil || node.Code != "10000" || node.FundChange != "Y" {
			b.Fatalf("%v: %s", err, body)
		}
	}
}

// signed verifies a signature of Alipay's.
func (a *counterpart) signed(text []byte, sign string) bool {
	raw, err := base64.StdEncoding.DecodeString(sign)
	digest := sha256.Sum256(text)
	return err == nil && rsa.VerifyPKCS1v15(a.theirs, crypto.SHA256, digest[:], raw) == nil
}
