package notify_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/alirefund/alirefund/internal/vectors"
	"github.com/alirefund/alirefund/notify"
	"github.com/alirefund/alirefund/signer"
)

// kinds are those of the captures that are notifications. The others verify,
// and are refused for what they are.
var kinds = map[string]notify.Kind{
	"notify_pay_coupon_sph_2021":                   notify.KindPayment,
	"notify_pay_plus_in_subject_yansongda_2023":    notify.KindPayment,
	"notify_pay_yuque_nodejs_2019":                 notify.KindPayment,
	"notify_refund_full_closed_sph_2021":           notify.KindTradeRefund,
	"notify_fund_auth_freeze_ksher_2019":           notify.KindOther,
	"notify_fund_auth_unfreeze_ksher_2019":         notify.KindUnfreeze,
	"msg_gateway_fund_trans_order_changed_cj_2020": notify.KindMessage,
}

func TestCaptures(t *testing.T) {
	for _, v := range vectors.Load(t, "notify") {
		t.Run(v.Name, func(t *testing.T) {
			form, err := url.ParseQuery(v.Raw)
			if err != nil {
				t.Fatal(err)
			}
			compareText(t, form, v)
			keys, err := signer.PublicKeysFromPEM(v.Key)
			if err != nil {
				t.Fatal(err)
			}
			rsa2, err := signer.NewVerifier(keys...)
			if (err == nil) != (v.SignType == "RSA2") {
				t.Fatalf("a key for %s: %v", v.SignType, err)
			}
			verify := rsa2
			if v.SignType == "RSA" {
				// The key is too short for a plain Verifier, and a plain Verifier of
				// another key refuses the sign_type.
				if _, err := notify.Open([]byte(v.Raw), verifier(t)); !errors.Is(err, notify.ErrSignType) {
					t.Errorf("without the long name: got %v, want %v", err, notify.ErrSignType)
				}
				if verify, err = signer.NewVerifierAcceptingSHA1AndWeakKeys(keys...); err != nil {
					t.Fatal(err)
				}
			}

			n, err := notify.Open([]byte(v.Raw), verify)
			kind, isNotice := kinds[v.Name]
			switch {
			case !isNotice:
				// ErrNoID is only said of what was verified.
				if !errors.Is(err, notify.ErrNoID) {
					t.Errorf("got %v, want %v", err, notify.ErrNoID)
				}
			case err != nil:
				t.Fatal(err)
			default:
				compareNotice(t, n, kind, v)
				compareReceivers(t, n, verify, v)
			}
			refuseEveryChange(t, form, verify)
		})
	}
}

func compareText(t *testing.T, form url.Values, v vectors.Vector) {
	t.Helper()
	var params []signer.Param
	for key, values := range form {
		params = append(params, signer.Param{Key: key, Value: values[0]})
	}
	text := signer.WithoutSignType
	if v.Variant == "V2" {
		text = 0
	}
	if got := string(signer.AppendText(nil, params, text)); got != v.Text {
		t.Errorf("signing text\n%s\nwant\n%s", got, v.Text)
	}
}

func compareNotice(t *testing.T, n *notify.Notification, kind notify.Kind, v vectors.Vector) {
	t.Helper()
	if n.Kind != kind || n.ID == "" || n.ID != n.Get("notify_id") {
		t.Errorf("got %v, want %s", n, kind)
	}
	if want := kind == notify.KindTradeRefund || kind == notify.KindUnfreeze; n.Succeeded() != want {
		t.Errorf("succeeded is %t, want %t", n.Succeeded(), want)
	}
	if want := kind == notify.KindTradeRefund; n.Full() != want { // the one captured refund is full
		t.Errorf("full is %t, want %t", n.Full(), want)
	}
	for key, want := range v.Expected {
		if got := n.Get(key); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
}

func compareReceivers(t *testing.T, n *notify.Notification, verify *signer.Verifier, v vectors.Vector) {
	t.Helper()
	rc := notify.Receiver{Verifier: verify, AppID: v.Expected["app_id"], SellerIDs: []string{n.SellerID()}}
	if _, err := rc.Open([]byte(v.Raw)); err != nil {
		t.Errorf("its own receiver: %v", err)
	}
	if n.SellerID() != "" {
		rc.SellerIDs = []string{"2088000000000000"}
		if _, err := rc.Open([]byte(v.Raw)); !errors.Is(err, notify.ErrNotOurs) {
			t.Errorf("another seller: got %v, want %v", err, notify.ErrNotOurs)
		}
	}
	rc = notify.Receiver{Verifier: verify, AppID: appID}
	if _, err := rc.Open([]byte(v.Raw)); !errors.Is(err, notify.ErrNotOurs) {
		t.Errorf("another application: got %v, want %v", err, notify.ErrNotOurs)
	}
}

// refuseEveryChange changes each byte of each value in turn, the signature's
// and sign_type's too.
func refuseEveryChange(t *testing.T, form url.Values, verify *signer.Verifier) {
	t.Helper()
	tried := 0
	for key, values := range form {
		value := values[0]
		for i := range len(value) {
			changed := []byte(value)
			changed[i] ^= 1
			form.Set(key, string(changed))
			want := notify.ErrSignature
			if key == "sign_type" {
				want = notify.ErrSignType
			}
			if _, err := notify.Open([]byte(form.Encode()), verify); !errors.Is(err, want) {
				t.Fatalf("byte %d of %s: got %v, want %v", i, key, err, want)
			}
			tried++
		}
		form.Set(key, value)
	}
	if _, err := notify.Open([]byte(form.Encode()), verify); errors.Is(err, notify.ErrSignature) {
		t.Errorf("after every change was undone: %v", err)
	}
	if tried < len(strings.Join(form["sign"], "")) {
		t.Errorf("only %d changes", tried)
	}
}
