package main

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
)

// browser keeps cookies and follows redirects, as one does.
func (a *app) browser() (visit func(path string, form url.Values, header ...string) (status int, at, text string)) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		a.t.Fatal(err)
	}
	client := &http.Client{Jar: jar}
	return func(path string, form url.Values, header ...string) (int, string, string) {
		a.t.Helper()
		method, body := http.MethodGet, io.Reader(nil)
		if form != nil {
			method, body = http.MethodPost, strings.NewReader(form.Encode())
		}
		r, err := http.NewRequestWithContext(a.t.Context(), method, a.base+path, body)
		if err != nil {
			a.t.Fatal(err)
		}
		if form != nil {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		for n := 0; n+1 < len(header); n += 2 {
			r.Header.Set(header[n], header[n+1])
		}
		answer, err := client.Do(r)
		if err != nil {
			a.t.Fatal(err)
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			a.t.Fatal(err)
		}
		return answer.StatusCode, answer.Request.URL.Path, string(text)
	}
}

// The staff sign in with a name, which stands in the history of what they do.
func TestOps(t *testing.T) {
	a := start(t)
	r := a.refund(`{"out_trade_no":"6823789339978250","refund_amount":"0.01","out_request_no":"ops"}`)
	a.expect(r, http.StatusOK, "succeeded")
	visit := a.browser()
	for _, path := range []string{"/ops", "/ops/", "/ops/refunds/" + r.str("id"), "/ops/export.csv"} {
		if status, at, text := visit(path, nil); status != http.StatusOK || at != loginPath || !strings.Contains(text, "员工令牌") {
			t.Errorf("%s: %d at %s", path, status, at)
		}
	}
	for _, form := range []url.Values{{"name": {"lin"}, "token": {"wrong"}}, {"name": {" "}, "token": {testToken}}, {"name": {strings.Repeat("x", 65)}, "token": {testToken}}, {}} {
		if status, _, text := visit(loginPath, form); status != http.StatusUnauthorized || !strings.Contains(text, `role="alert"`) {
			t.Errorf("%v: %d", form, status)
		}
	}
	right := url.Values{"name": {"lin"}, "token": {testToken}}
	if status, _, _ := visit(loginPath, right, "Sec-Fetch-Site", "cross-site"); status != http.StatusForbidden {
		t.Errorf("from another site: %d", status)
	}
	if status, at, text := visit(loginPath, right); status != http.StatusOK || at != opsPath+"/" || !strings.Contains(text, r.str("id")) || !strings.Contains(text, "lin") {
		t.Fatalf("%d at %s\n%s", status, at, text)
	}
	if status, at, text := visit("/ops/refunds/"+r.str("id")+"/deliver?event=refund_succeeded", url.Values{}); status != http.StatusOK || at != "/ops/refunds/"+r.str("id") || !strings.Contains(text, "To be told once more, by lin") {
		t.Errorf("%d at %s\n%s", status, at, text)
	}
	if n := len(a.events()); n != 2 {
		t.Errorf("%d events", n)
	}
}
