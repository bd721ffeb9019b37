package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"

	module "github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/notify"
	"github.com/alirefund/alirefund/signer"
	"github.com/alirefund/alirefund/store"
)

// internet is a network in which every name is h, at the given addresses.
func internet(t *testing.T, h http.Handler, addresses ...string) outside {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	server.Config.ErrorLog = discard
	server.StartTLS()
	t.Cleanup(server.Close)
	transport := server.Client().Transport.(*http.Transport).Clone()
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
	}
	t.Cleanup(transport.CloseIdleConnections)
	return outside{
		transport: transport,
		lookup: func(_ context.Context, network, host string) ([]netip.Addr, error) {
			var found []netip.Addr
			for _, text := range addresses {
				found = append(found, netip.MustParseAddr(text))
			}
			if network != "ip" || len(found) == 0 {
				return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
			}
			return found, nil
		},
	}
}

const (
	public = "203.0.113.7"
	hook   = "https://example.com/alipay/notify"
)

// refusing answers as a route does that verifies.
var refusing = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "fail", http.StatusBadRequest) })

func TestDoctorOnTheFormOfNotifyURL(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		url     string
		code    code
		message string
	}{
		"no scheme":     {"example.com/alipay/notify", notifyMalformed, "no http"},
		"another":       {"ftp://example.com/", notifyMalformed, "no http"},
		"no host":       {"https:///notify", notifyMalformed, "host"},
		"too long":      {hook + strings.Repeat("x", 256), notifyMalformed, "too long"},
		"a query":       {hook + "?from=alipay", notifyQuery, "query"},
		"an empty one":  {hook + "?", notifyQuery, "query"},
		"a fragment":    {hook + "#x", notifyFragment, "fragment"},
		"a user":        {"https://staff:pa55word@example.com/", notifyUser, "user"},
		"http":          {"http://example.com/alipay/notify", notifyHTTP, "not encrypted"},
		"localhost":     {"https://localhost/", notifyPrivate, "this machine"},
		"loopback":      {"https://127.0.0.1:8443/", notifyPrivate, "127.0.0.1"},
		"IPv6 loopback": {"https://[::1]/", notifyPrivate, "::1"},
		"mapped":        {"https://[::ffff:10.0.0.1]/", notifyPrivate, "10.0.0.1"},
		"private":       {"https://192.168.1.5/", notifyPrivate, "192.168.1.5"},
		"link-local":    {"https://169.254.169.254/", notifyPrivate, "169.254"},
		"a carrier's":   {"https://100.64.0.1/", notifyPrivate, "100.64"},
		"that, mapped":  {"https://[::ffff:100.64.0.1]/", notifyPrivate, "100.64"},
		"unspecified":   {"https://0.0.0.0/", notifyPrivate, "0.0.0.0"},
		"unique local":  {"https://[fd00::1]/", notifyPrivate, "fd00::1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found := examine(t, nowhere(t), "-offline", "-notify-url", c.url)
			expect(t, found, checkNotifyURL, c.code, c.message)
			if strings.Contains(fmt.Sprint(found), "pa55word") {
				t.Errorf("%+v", found)
			}
		})
	}
	healthy(t, examine(t, nowhere(t), "-offline", "-notify-url", hook), checkNotifyURL)
	healthy(t, examine(t, nowhere(t), "-offline", "-notify-url", "https://203.0.113.7/alipay/notify"), checkNotifyURL)
	a := alipaytest.New(alipaytest.Config{})
	if found := examine(t, nowhere(t), append(keyMode(t, a), "-offline")...); !slices.ContainsFunc(found, func(f finding) bool { return f.Check == checkNotifyURL && f.Code == notGiven }) {
		t.Errorf("%+v", found)
	}
}

func TestDoctorLooksUpTheHost(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		addresses []string
		code      code
		message   string
	}{
		"nobody":         {nil, hostNotFound, "no such host"},
		"private":        {[]string{"10.1.2.3"}, notifyPrivate, "10.1.2.3"},
		"one of them is": {[]string{public, "fe80::1"}, notifyPrivate, "fe80::1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			expect(t, examine(t, internet(t, refusing, c.addresses...), "-notify-url", hook), checkNotifyURL, c.code, c.message)
		})
	}
	healthy(t, examine(t, internet(t, refusing, public, "2001:db8::7"), "-notify-url", hook), checkNotifyURL, checkNotify)
}

// answering is a host whose notify_url answers so whatever comes.
func answering(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
}

// answeringStatus is one that answers with a status and headers.
func answeringStatus(status int, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
	}
}

// answeringOnly is one that believes what accepts says, and refuses the rest.
func answeringOnly(accepts func(r *http.Request) bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if accepts(r) {
			_, _ = io.WriteString(w, "success")
			return
		}
		refusing(w, r)
	}
}

// answersOfNotifyURL is what a notify_url may answer, and what the doctor says of it.
var answersOfNotifyURL = map[string]struct {
	handler http.HandlerFunc
	code    code // "" if it is fine
	message string
}{
	"always success":     {answering("success"), notifyForged, "empty: it was answered success; garbage: "},
	"empty":              {answeringOnly(func(r *http.Request) bool { return r.ContentLength == 0 }), notifyForged, "empty: it was"},
	"garbage":            {answeringOnly(func(r *http.Request) bool { return r.ContentLength != 0 && r.ParseForm() != nil }), notifyForged, "garbage: it was"},
	"not signed":         {answeringOnly(func(r *http.Request) bool { return r.PostFormValue("app_id") != "" && r.PostFormValue("sign") == "" }), notifyForged, "unsigned notice: it was"},
	"signed by nobody":   {answeringOnly(func(r *http.Request) bool { return r.PostFormValue("sign") != "" }), notifyForged, "notice signed by nobody's key: it was"},
	"success and a line": {answering("success\n"), notifyInexact, `"success\n"`},
	"upper case":         {answering("SUCCESS"), notifyInexact, "SUCCESS"},
	"as JSON":            {answering(`"success"`), notifyInexact, "success"},
	"a redirect":         {answeringStatus(http.StatusMovedPermanently, "Location", "https://www.example.com/alipay/notify?session=s3cret"), notifyRedirects, "https://www.example.com/alipay/notify"},
	"to nowhere":         {answeringStatus(http.StatusFound), notifyRedirects, "302"},
	"a login":            {answeringStatus(http.StatusFound, "Location", "/user/login?next=/alipay/notify"), notifyLogin, "https://example.com/user/login"},
	"a single sign-on":   {answeringStatus(http.StatusSeeOther, "Location", "https://sso.example.com/cas;jsessionid=s3cret"), notifyLogin, "sso.example.com/cas"},
	"a password":         {answeringStatus(http.StatusUnauthorized, "WWW-Authenticate", "Basic"), notifyLogin, "password"},
	"no route":           {answeringStatus(http.StatusNotFound), notifyNoRoute, "404"},
	"no POST":            {answeringStatus(http.StatusMethodNotAllowed), notifyNoRoute, "405"},
	"POST is unknown":    {answeringStatus(http.StatusNotImplemented), notifyNoRoute, "501"},
	"nothing behind":     {answeringStatus(http.StatusBadGateway), notifyDown, "502"},
	"it falls over":      {answeringStatus(http.StatusInternalServerError), notifyFails, "signed by nobody's key: status 500"},
	"it breaks off":      {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, noConnection, "EOF"},
	"fail":               {answering("fail"), "", ""},
	"a page":             {answering("<html>success</html>"), "", ""},
	"a refusal":          {answeringStatus(http.StatusForbidden), "", ""},
	"success, but 400": {func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, "success")
	}, "", ""},
	"with a line, too": {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "success", http.StatusBadRequest) }, "", ""},
}

// A route that acknowledges what Alipay did not sign is found, whatever it is.
func TestDoctorOnTheAnswersOfNotifyURL(t *testing.T) {
	t.Parallel()
	for name, c := range answersOfNotifyURL {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found := examine(t, internet(t, c.handler, public), "-notify-url", hook)
			if c.code == "" {
				healthy(t, found, checkNotifyURL, checkNotify)
				return
			}
			f := expect(t, found, checkNotify, c.code, c.message)
			if strings.Contains(f.Message, "s3cret") {
				t.Errorf("%s", f.Message)
			}
		})
	}
}

// The forged notice is for the application under test, and no password is sent.
func TestDoctorForgesForTheApplication(t *testing.T) {
	t.Parallel()
	a := alipaytest.New(alipaytest.Config{AppID: "2021000000000009"})
	o := internet(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/gateway.do":
			a.ServeHTTP(w, r)
			return
		case r.Header.Get("Authorization") != "":
			t.Error("a password was sent")
		case r.PostFormValue("app_id") == a.AppID():
			_, _ = io.WriteString(w, "success")
			return
		}
		refusing(w, r)
	}), public)
	args := append(keyMode(t, a), "-gateway", "https://example.com/gateway.do", "-notify-url")
	expect(t, examine(t, o, append(args, hook)...), checkNotify, notifyForged, "unsigned notice: it was answered success; notice signed by nobody's key")
	healthy(t, examine(t, o, "-notify-url", hook), checkNotify)
	expect(t, examine(t, o, "-notify-url", "https://staff:pa55word@example.com/"), checkNotifyURL, notifyUser, "user")
}

func TestDoctorOnAnUntrustedNotifyURL(t *testing.T) {
	t.Parallel()
	o := internet(t, refusing, public)
	o.transport = &http.Transport{DialContext: o.transport.(*http.Transport).DialContext, DisableKeepAlives: true}
	expect(t, examine(t, o, "-notify-url", hook), checkNotify, tlsFailed, "certificate")
	o.transport = roundTrip(func(*http.Request) (*http.Response, error) { return nil, errors.New("broken") })
	expect(t, examine(t, o, "-notify-url", hook), checkNotify, noConnection, "broken")
}

// This module's own route is healthy, and hears of nothing.
func TestDoctorOnAMountedModule(t *testing.T) {
	t.Parallel()
	a := alipaytest.New(alipaytest.Config{})
	m, err := module.New(module.Config{
		App: module.App{
			ID: a.AppID(), Signer: must(signer.FromPEM(a.AppPrivateKey())), Verifier: must(signer.VerifierFromPEM(a.AlipayPublicKey())),
		},
		Store: store.NewMemory(), Gateway: alipaytest.GatewayURL, HTTPClient: a.HTTPClient(), Logger: slog.New(slog.DiscardHandler),
		OnNotification: func(context.Context, *notify.Notification) error {
			t.Error("a notice was handled")
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	gin.SetMode(gin.TestMode)
	router := gin.New()
	m.MountNotify(router.Group("/alipay"))
	found := examine(t, internet(t, router, public), "-notify-url", hook)
	healthy(t, found, checkNotifyURL, checkNotify)
	if last := found[len(found)-1]; !strings.Contains(last.Advice, "send-notice") || !strings.Contains(last.Message, "empty 4") {
		t.Errorf("%+v", last)
	}
}
