package notify_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/notify"
	"github.com/alirefund/alirefund/signer"
)

func TestUnverifiedAppID(t *testing.T) {
	for body, want := range map[string]struct {
		appID string
		err   error
	}{
		"app_id=2021&x=1":          {"2021", nil},
		"x=1&app_id=20%32%31":      {"2021", nil},
		"x=app_id%3D2021":          {"", nil},
		"auth_app_id=2021":         {"", nil},
		"app_id=":                  {"", nil},
		"app_id=null":              {"", nil},
		"app_id=1&app_id=2":        {"", notify.ErrDuplicateKey},
		"app_id=1&app%5Fid=2":      {"", notify.ErrDuplicateKey},
		"app_id=%zz":               {"", notify.ErrMalformed},
		"":                         {"", notify.ErrMalformed},
		strings.Repeat("x", 1<<17): {"", notify.ErrTooLarge},
	} {
		if appID, err := notify.UnverifiedAppID([]byte(body)); appID != want.appID || !errors.Is(err, want.err) {
			t.Errorf("%.40q names %q, %v", body, appID, err)
		}
	}
}

// A notification remembers whose Receiver opened it, and a caller who chooses the Receiver
// reads the body once.
func TestChosenReceiver(t *testing.T) {
	a := alipaytest.New(alipaytest.Config{})
	verify, err := signer.VerifierFromPEM(a.AlipayPublicKey())
	if err != nil {
		t.Fatal(err)
	}
	form := a.SignedNotice(map[string]string{"app_id": a.AppID(), "notify_id": "n"})
	body, err := notify.ReadBody(httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(form)))
	if err != nil || string(body) != form {
		t.Fatalf("%q, %v", body, err)
	}
	if _, err := notify.ReadBody(httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)); !errors.Is(err, notify.ErrMethod) {
		t.Error(err)
	}
	n, err := (&notify.Receiver{Verifier: verify, AppID: a.AppID()}).Open(body)
	if err != nil || n.Receiver() != a.AppID() {
		t.Errorf("%v, by %q", err, n.Receiver())
	}
	if n, err = notify.Open(body, verify); err != nil || n.Receiver() != "" {
		t.Errorf("%v, by %q", err, n.Receiver())
	}
}
