package notify_test

import (
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"

	"github.com/alirefund/alirefund/notify"
	"github.com/alirefund/alirefund/signer"
)

func ExampleReceiver_Receive() {
	// In production: signer.VerifierFromPEM(alipayPublicKey).
	alipay, _ := rsa.GenerateKey(rand.Reader, 2048)
	verify, _ := signer.NewVerifier(&alipay.PublicKey)

	rc := &notify.Receiver{Verifier: verify, AppID: "2021000000000001"}
	handler := func(w http.ResponseWriter, r *http.Request) {
		n, err := rc.Receive(r)
		switch {
		case errors.Is(err, notify.ErrSignature):
			fmt.Println("forged or damaged")
			http.Error(w, "signature", http.StatusForbidden)
			return
		case err != nil:
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		case n.Kind == notify.KindTradeRefund:
			soFar, _ := n.RefundFee()
			fmt.Println("refund", n.OutBizNo(), "of order", n.OutTradeNo(), "full:", n.Full(), "refunded so far:", soFar)
		}
		fmt.Fprint(w, "success") // only once it is handled
	}

	notice := signedNotice(alipay, url.Values{
		"app_id": {"2021000000000001"}, "notify_id": {"2026010200222100000001234567890123"},
		"notify_type": {"trade_status_sync"}, "trade_status": {"TRADE_SUCCESS"},
		"out_trade_no": {"ORDER-1"}, "out_biz_no": {"R-1"}, "refund_fee": {"8.88"}, "total_amount": {"88.88"},
		"gmt_refund": {"2026-01-02 09:00:00.123"},
	})
	handler(httptest.NewRecorder(), formPost(notice.Encode()))

	notice.Set("refund_fee", "88.88")
	handler(httptest.NewRecorder(), formPost(notice.Encode()))
	// Output:
	// refund R-1 of order ORDER-1 full: false refunded so far: 8.88
	// forged or damaged
}

// signedNotice does what Alipay does before it sends a notice.
func signedNotice(key *rsa.PrivateKey, form url.Values) url.Values {
	var params []signer.Param
	for name := range form {
		params = append(params, signer.Param{Key: name, Value: form.Get(name)})
	}
	s, _ := signer.New(key)
	sign, _ := s.Sign(signer.AppendText(nil, params, signer.WithoutSignType))
	form.Set("sign", sign)
	form.Set("sign_type", "RSA2")
	return form
}

func formPost(body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/alipay/notify", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

// Where one address serves several applications, the body says whose notification it
// claims to be, and so whose key has to verify it.
func ExampleUnverifiedAppID() {
	appID, err := notify.UnverifiedAppID([]byte("app_id=2021000000000001&notify_id=1&sign=x"))
	fmt.Println(appID, err)
	// Output: 2021000000000001 <nil>
}
