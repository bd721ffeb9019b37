package main

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/notify"
	"github.com/alirefund/alirefund/signer"
)

// alirefund runs the command and returns its exit code and what it printed.
func alirefund(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, streams{strings.NewReader(stdin), &out, &errs})
	return code, out.String(), errs.String()
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// genuine returns a notice and the file of the key that verifies it.
func genuine(t *testing.T) (body, key string) {
	t.Helper()
	a := alipaytest.New(alipaytest.Config{})
	body = a.SignedNotice(map[string]string{
		"app_id": a.AppID(), "notify_id": "1", "notify_type": "trade_status_sync", "trade_status": "TRADE_SUCCESS",
		"notify_time": "2026-01-02 03:04:05", "buyer_id": "2088102146225135", "out_trade_no": "order-1",
	})
	return body, write(t, "alipay.txt", a.AlipayPublicKey())
}

func TestExplainAnswersByItsExitCode(t *testing.T) {
	t.Parallel()
	body, key := genuine(t)
	file := write(t, "body", body+"\n")
	changed := strings.Replace(body, "order-1", "order-2", 1)
	for name, c := range map[string]struct {
		stdin string
		args  []string
		code  int
		want  string
	}{
		"genuine":              {body, []string{"-alipay-public-key", key}, 0, "kind:     notice (payment)"},
		"genuine, for us":      {body, []string{"-alipay-public-key", key, "-app-id", "2021000000000001"}, 0, "verifies: yes"},
		"from a file":          {"", []string{"-alipay-public-key", key, file}, 0, "verifies: yes"},
		"CRLF at the end":      {body + "\r\n", []string{"-alipay-public-key", key}, 0, "verifies: yes"},
		"a field more":         {"from=x&" + body, []string{"-alipay-public-key", key}, 1, "cause:    query_merged"},
		"for another":          {body, []string{"-alipay-public-key", key, "-app-id", "1"}, 1, "wrong_app"},
		"the app's key":        {changed, []string{"-alipay-public-key", key, "-app-public-key", key}, 1, "app_key_used"},
		"empty":                {"", []string{"-alipay-public-key", key}, 1, "empty_body"},
		"changed":              {changed, []string{"-alipay-public-key", key}, 3, "unknown"},
		"help":                 {"", []string{"-h"}, 0, "Exit codes: 0"},
		"no key":               {body, nil, 2, "-alipay-public-key is required"},
		"no such key":          {body, []string{"-alipay-public-key", "/nowhere"}, 2, "/nowhere"},
		"no key in it":         {body, []string{"-alipay-public-key", file}, 2, "neither PEM nor base64"},
		"no such file":         {body, []string{"-alipay-public-key", key, "/nowhere"}, 2, "/nowhere"},
		"two files":            {body, []string{"-alipay-public-key", key, file, "-json"}, 2, "one FILE"},
		"unknown flag":         {body, []string{"-verify-nothing"}, 2, "not defined"},
		"a request, app's key": {body, []string{"-app-public-key", key}, 1, "app_key_used"},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, errs := alirefund(t, c.stdin, append([]string{"explain"}, c.args...)...)
			if code != c.code || !strings.Contains(out+errs, c.want) {
				t.Errorf("exit code %d, want %d with %q: %s%s", code, c.code, c.want, out, errs)
			}
			if strings.Contains(out+errs, "MIIB") || strings.Contains(out, "2088102146225135") {
				t.Errorf("a key or a buyer is printed: %s%s", out, errs)
			}
		})
	}
}

func TestExplainPrintsJSON(t *testing.T) {
	t.Parallel()
	body, key := genuine(t)
	_, out, _ := alirefund(t, strings.ReplaceAll(body, "%3A", "%253A"), "explain", "-json", "-alipay-public-key", key)
	var got map[string]any
	if err := json.Unmarshal([]byte(out), &got); err != nil || strings.Count(out, "\n") != 1 {
		t.Fatalf("%v: %q", err, out)
	}
	if names := slices.Sorted(maps.Keys(got)); !slices.Equal(names, []string{"cause", "hint", "kind", "notification", "signed", "verifies"}) {
		t.Errorf("fields: %v", names)
	}
	if got["verifies"] != false || got["cause"] != "encoded_twice" || got["kind"] != "notice" || got["notification"] != "payment" || got["hint"] == "" {
		t.Errorf("%s", out)
	}
	if signed, _ := got["signed"].(string); !strings.HasPrefix(signed, "app_id=2021000000000001&buyer_id=***&notify_id=1&") {
		t.Errorf("signed: %q", signed)
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		code int
	}{{nil, 2}, {[]string{"-h"}, 0}, {[]string{"help"}, 0}, {[]string{"verify"}, 2}} {
		code, out, errs := alirefund(t, "", c.args...)
		for _, command := range commands {
			if code != c.code || !strings.Contains(out+errs, "  "+command.name+" ") {
				t.Errorf("%v: exit code %d: %s%s", c.args, code, out, errs)
			}
		}
	}
}

// Every kind of notice is what it says under the test key, and the answer counts.
func TestSendNotice(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "keys")
	if code, out, errs := alirefund(t, "", "send-notice", "-new-keys", folder); code != 0 {
		t.Fatalf("%d: %s%s", code, out, errs)
	}
	public, err := os.ReadFile(filepath.Join(folder, publicName))
	if err != nil {
		t.Fatal(err)
	}
	verify, err := signer.VerifierFromPEM(string(public))
	if err != nil {
		t.Fatal(err)
	}
	rc := &notify.Receiver{Verifier: verify, AppID: "2021000000000007"}
	for kind, want := range map[string]notify.Kind{
		"payment": notify.KindPayment, "trade_closed": notify.KindTradeClosed, "coupon_refund": notify.KindCouponRefund,
		"trade_refund": notify.KindTradeRefund, "trade_refund_full": notify.KindTradeRefund,
		depositBack: notify.KindDepositBack, message: notify.KindMessage, "unfreeze": notify.KindUnfreeze,
	} {
		t.Run(kind, func(t *testing.T) {
			var n *notify.Notification
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				n, err = rc.Receive(r)
				_, _ = io.WriteString(w, "success")
			}))
			defer server.Close()
			code, out, errs := alirefund(t, "", "send-notice", "-to", server.URL, "-kind", kind, "-key", filepath.Join(folder, privateName),
				"-app-id", "2021000000000007", "-out-trade-no", "T7", "-out-request-no", "R7")
			if err != nil || code != 0 || !strings.Contains(out, "exactly success") {
				t.Fatalf("%d: %s%s: %v", code, out, errs, err)
			}
			expectNotice(t, n, kind, want)
		})
	}
}

// expectNotice holds a notice that was sent by its kind against what it must say.
func expectNotice(t *testing.T, n *notify.Notification, kind string, want notify.Kind) {
	t.Helper()
	switch {
	case n.Kind != want, n.Full() != (kind == "trade_refund_full"):
		t.Errorf("kind %q, full %t", n.Kind, n.Full())
	case want == notify.KindTradeRefund && (n.OutTradeNo() != "T7" || n.OutBizNo() != "R7"):
		t.Errorf("%q, %q", n.OutTradeNo(), n.OutBizNo())
	case want == notify.KindCouponRefund && (n.OutOrderNo() != "T7" || n.OutRequestNo() != "R7"):
		t.Errorf("%q, %q", n.OutOrderNo(), n.OutRequestNo())
	case want == notify.KindUnfreeze && (n.OutOrderNo() != "T7" || n.OutRequestNo() != "R7" || n.Get("amount") != "8.88" || !n.Succeeded()):
		t.Errorf("%q, %q, %q", n.OutOrderNo(), n.OutRequestNo(), n.Get("amount"))
	case want == notify.KindDepositBack:
		if d, err := n.DepositBack(); err != nil || d.OutTradeNo != "T7" || d.OutRequestNo != "R7" || d.Amount != 8_88 || !d.Succeeded {
			t.Errorf("%+v, %v", d, err)
		}
	}
}

func TestSendNoticeSaysWhatWasNoSuccess(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	answers := map[string]func(http.ResponseWriter){
		"SUCCESS":   func(w http.ResponseWriter) { _, _ = io.WriteString(w, "SUCCESS") },
		"a newline": func(w http.ResponseWriter) { _, _ = io.WriteString(w, "success\n") },
		"a 500": func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = io.WriteString(w, "success")
		},
		"redirect": func(w http.ResponseWriter) { w.Header().Set("Location", "/"); w.WriteHeader(http.StatusFound) },
	}
	if code, _, errs := alirefund(t, "", "send-notice", "-new-keys", folder); code != 0 {
		t.Fatal(errs)
	}
	for name, answer := range answers {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answer(w) }))
		code, out, _ := alirefund(t, "", "send-notice", "-to", server.URL, "-key", filepath.Join(folder, privateName))
		if code != 1 || !strings.Contains(out, "not acknowledged") {
			t.Errorf("%s: exit code %d: %s", name, code, out)
		}
		server.Close()
	}
	if code, out, _ := alirefund(t, "", "send-notice", "-to", "http://127.0.0.1:1", "-key", filepath.Join(folder, privateName)); code != 1 || !strings.Contains(out, "no answer") {
		t.Errorf("nobody there: exit code %d: %s", code, out)
	}
}

// A key that is not marked as a test key signs nothing, and no key is overwritten.
func TestSendNoticeRefusesProductionKeys(t *testing.T) {
	t.Parallel()
	posted := false
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { posted = true }))
	defer server.Close()
	a := alipaytest.New(alipaytest.Config{})
	block, _ := pem.Decode([]byte(a.AppPrivateKey()))
	folder := t.TempDir()
	if code, _, errs := alirefund(t, "", "send-notice", "-new-keys", folder); code != 0 {
		t.Fatal(errs)
	}
	test := filepath.Join(folder, privateName)
	for name, args := range map[string][]string{
		"PEM":             {"-key", write(t, "a.pem", a.AppPrivateKey()), "-to", server.URL},
		"a comment":       {"-key", write(t, "b.pem", "TESTING KEY\n"+a.AppPrivateKey()), "-to", server.URL},
		"behind it":       {"-key", write(t, "c.pem", a.AppPrivateKey()+"-----BEGIN TESTING KEY-----\n-----END TESTING KEY-----\n"), "-to", server.URL},
		"bare":            {"-key", write(t, "d.txt", strings.Join(strings.Split(a.AppPrivateKey(), "\n")[1:27], "")), "-to", server.URL},
		"public":          {"-key", filepath.Join(folder, publicName), "-to", server.URL},
		"none":            {"-to", server.URL},
		"both":            {"-key", test, "-new-keys", folder},
		"there already":   {"-new-keys", folder},
		"no address":      {"-key", test},
		"a file's":        {"-key", test, "-to", "file:///etc/hosts"},
		"no kind":         {"-key", test, "-to", server.URL, "-kind", "other"},
		"too much":        {"-key", test, "-to", server.URL, "-amount", "99"},
		"no amount":       {"-key", test, "-to", server.URL, "-total", "x"},
		"no amount, bank": {"-key", test, "-to", server.URL, "-kind", "deposit_back", "-amount", "x"},
		"no JSON":         {"-key", test, "-to", server.URL, "-kind", "message", "-biz-content", "{"},
		"a stray word":    {"-key", test, "-to", server.URL, "payment"},
		"no such private": {"-key", "/nowhere", "-to", server.URL},
	} {
		code, out, errs := alirefund(t, "", append([]string{"send-notice"}, args...)...)
		if code != 2 || posted || errs == "" {
			t.Errorf("%s: exit code %d, posted %t: %s%s", name, code, posted, out, errs)
		}
		if strings.Contains(out+errs, "MII") {
			t.Errorf("%s: the key is printed", name)
		}
	}
	marked := write(t, "e.pem", string(pem.EncodeToMemory(&pem.Block{Type: "RSA TESTING KEY", Bytes: block.Bytes})))
	if code, _, errs := alirefund(t, "", "send-notice", "-key", marked, "-to", server.URL); code != 1 || !posted {
		t.Errorf("a key marked by hand: exit code %d: %s", code, errs)
	}
}
