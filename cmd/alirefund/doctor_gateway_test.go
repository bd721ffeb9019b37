package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/alirefund/alirefund/alipaytest"
)

var discard = log.New(io.Discard, "", 0)

// inMemory reaches the fake under any address.
func inMemory(t *testing.T, a *alipaytest.Alipay) outside {
	o := nowhere(t)
	o.transport = a.HTTPClient().Transport
	return o
}

// Each answer of the gateway is called by its name.
func TestDoctorOnTheAnswer(t *testing.T) {
	t.Parallel()
	query := func(kind alipaytest.FaultKind, subCode string) alipaytest.Fault {
		return alipaytest.Fault{Kind: kind, Method: "alipay.trade.query", SubCode: subCode}
	}
	for name, c := range map[string]struct {
		fault   alipaytest.Fault
		code    code
		message string
	}{
		"wrong signature":       {query(alipaytest.WrongSignature, ""), answerWrong, "ACQ.TRADE_NOT_EXIST"},
		"no signature":          {query(alipaytest.NoSignature, ""), answerUnsigned, "without a signature"},
		"an unsigned refusal":   {query(alipaytest.GatewayError, ""), appIDUnknown, "isv.invalid-app-id, without"},
		"no uploaded key":       {query(alipaytest.Refusal, "isv.missing-signature-key"), noKeyUp, "missing-signature-key"},
		"no certificate":        {query(alipaytest.Refusal, "isv.missing-app-cert-sn"), certRefused, "missing-app-cert-sn"},
		"unknown certificate":   {query(alipaytest.Refusal, "isv.app-cert-not-exist"), certRefused, "app-cert-not-exist"},
		"another root":          {query(alipaytest.Refusal, "isv.invalid-alipay-root-cert-sn"), certRefused, "root-cert-sn"},
		"the time":              {query(alipaytest.Refusal, "isv.invalid-timestamp"), timeRefused, "invalid-timestamp"},
		"encryption":            {query(alipaytest.Refusal, "isv.decryption-error-missing-encrypt-type"), contentRefused, "decryption-error"},
		"no permission":         {query(alipaytest.Refusal, "isv.insufficient-isv-permissions"), noPermission, "permissions"},
		"not online":            {query(alipaytest.Refusal, "isv.not-online-app"), noPermission, "not-online-app"},
		"busy":                  {query(alipaytest.SystemErrorBefore, ""), busy, "ACQ.SYSTEM_ERROR"},
		"unknown error":         {query(alipaytest.Refusal, "isp.unknow-error"), busy, "20000"},
		"anything else":         {query(alipaytest.Refusal, "ACQ.SOMETHING_NEW"), otherRefusal, "ACQ.SOMETHING_NEW"},
		"a page":                {query(alipaytest.HTTP500, ""), notAGateway, "HTTP status 500"},
		"the connection breaks": {query(alipaytest.LostAnswer, ""), noConnection, "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := alipaytest.New(alipaytest.Config{})
			a.Inject(c.fault)
			a.Inject(c.fault) // doctor is asked twice
			expect(t, examine(t, inMemory(t, a), append(keyMode(t, a), "-gateway", "https://alipay.test/gateway.do")...), checkQuery, c.code, c.message)
		})
	}
}

// The console's mistake, and what to upload instead.
func TestDoctorPrintsThePublicKeyToUpload(t *testing.T) {
	t.Parallel()
	a := alipaytest.New(alipaytest.Config{AppPublicKey: publicText(otherKey())})
	args := []string{"-gateway", "https://alipay.test/gateway.do", "-app-id", a.AppID(), "-app-private-key", write(t, "app.pem", privatePEM(ourKey())), "-alipay-public-key", write(t, "alipay.txt", a.AlipayPublicKey())}
	f := expect(t, examine(t, inMemory(t, a), args...), checkQuery, otherKeyUp, "isv.invalid-signature")
	if !strings.HasSuffix(f.Advice, ": "+publicText(ourKey())) {
		t.Errorf("%s", f.Advice)
	}
}

func TestDoctorOnTheWrongSide(t *testing.T) {
	t.Parallel()
	a := alipaytest.New(alipaytest.Config{})
	args := append(keyMode(t, a), "-gateway", "https://alipay.test/gateway.do")
	expect(t, examine(t, inMemory(t, a), append(args, "-app-id", "2021000000000002")...), checkQuery, appIDUnknown, "without a signature")
	expect(t, examine(t, inMemory(t, a), append(args, "-alipay-public-key", write(t, "a.txt", publicText(otherKey())))...), checkQuery, answerWrong, "not by the given key")
}

// served answers by the fake, and then change does what it likes.
func served(t *testing.T, a *alipaytest.Alipay, change func(w http.ResponseWriter, answer []byte)) []string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		recorder := httptest.NewRecorder()
		a.ServeHTTP(recorder, r)
		change(w, recorder.Body.Bytes())
	}))
	t.Cleanup(server.Close)
	return append(keyMode(t, a), "-gateway", server.URL+"/gateway.do")
}

func TestDoctorOnAChangedAnswer(t *testing.T) {
	t.Parallel()
	a := alipaytest.New(alipaytest.Config{})
	args := served(t, a, func(w http.ResponseWriter, answer []byte) {
		_, _ = w.Write(bytes.Replace(answer, []byte(`{"code"`), []byte(`{"proxy":"x","code"`), 1))
	})
	expect(t, examine(t, direct(), args...), checkQuery, answerChanged, "field_added")
	args = served(t, a, func(w http.ResponseWriter, answer []byte) { // which key mode does not mind
		_, _ = w.Write(bytes.Replace(answer, []byte(`,"sign"`), []byte(`,"alipay_cert_sn":"1","sign"`), 1))
	})
	healthy(t, examine(t, direct(), args...), checkQuery)
	args = served(t, a, func(w http.ResponseWriter, _ []byte) { _, _ = io.WriteString(w, "<html>portal</html>") })
	expect(t, examine(t, direct(), args...), checkQuery, notAGateway, "HTTP status 200")
	args = served(t, a, func(w http.ResponseWriter, _ []byte) { w.WriteHeader(http.StatusFound) })
	expect(t, examine(t, direct(), args...), checkQuery, notAGateway, "HTTP status 302")
	args = served(t, a, func(w http.ResponseWriter, _ []byte) {
		_, _ = io.WriteString(w, `{"alipay_trade_query_response":"c2VjcmV0","sign":"c2VjcmV0"}`)
	})
	expect(t, examine(t, direct(), args...), checkQuery, contentRefused, "no content key")
}

func TestDoctorOnTheClock(t *testing.T) {
	t.Parallel()
	a := alipaytest.New(alipaytest.Config{})
	for _, c := range []struct {
		off  time.Duration
		code code
		want string
	}{
		{-50 * time.Second, fine, "ahead"},
		{50 * time.Second, fine, "behind"},
		{-2 * time.Minute, clockOff, "2m"},
		{9 * time.Minute, clockOff, "behind"},
		{-11 * time.Minute, clockWrong, "ahead"},
		{8 * time.Hour, clockWrong, "behind"},
	} {
		t.Run(fmt.Sprint(c.off), func(t *testing.T) {
			t.Parallel()
			args := served(t, a, func(w http.ResponseWriter, answer []byte) {
				w.Header().Set("Date", time.Now().Add(c.off).UTC().Format(http.TimeFormat))
				_, _ = w.Write(answer)
			})
			found := examine(t, direct(), args...)
			if c.code != fine {
				expect(t, found, checkClock, c.code, c.want)
				return
			}
			healthy(t, found, checkClock, checkQuery)
		})
	}
	args := served(t, a, func(w http.ResponseWriter, answer []byte) {
		w.Header()["Date"] = nil
		_, _ = w.Write(answer)
	})
	found := examine(t, direct(), args...)
	healthy(t, found, checkQuery)
	if !slices.ContainsFunc(found, func(f finding) bool { return f.Check == checkClock && f.Code == notPossible }) {
		t.Errorf("%+v", found)
	}
}

// Each failure of the network is called by its name.
func TestDoctorOnTheNetwork(t *testing.T) {
	t.Parallel()
	a := alipaytest.New(alipaytest.Config{})
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	untrusted := httptest.NewUnstartedServer(http.NotFoundHandler())
	untrusted.Config.ErrorLog = discard
	untrusted.StartTLS()
	defer untrusted.Close()
	plainHTTP := httptest.NewServer(http.NotFoundHandler())
	defer plainHTTP.Close()
	failing := func(err error) outside {
		o := nowhere(t)
		o.transport = roundTrip(func(*http.Request) (*http.Response, error) { return nil, err })
		return o
	}
	for name, c := range map[string]struct {
		outside outside
		gateway string
		code    code
		message string
	}{
		"no such name":     {failing(&net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "alipay.test", IsNotFound: true}}), "https://alipay.test/gateway.do", hostNotFound, "no such host"},
		"refused":          {direct(), closed.URL, refused, "refused"},
		"untrusted":        {direct(), untrusted.URL, tlsFailed, "certificate"},
		"no TLS":           {direct(), strings.Replace(plainHTTP.URL, "http:", "https:", 1), tlsFailed, "HTTP response to HTTPS"},
		"no answer":        {failing(context.DeadlineExceeded), "https://alipay.test/gateway.do", timedOut, "deadline"},
		"a slow name":      {failing(&net.DNSError{Err: "timeout", IsTimeout: true}), "https://alipay.test/gateway.do", timedOut, "timeout"},
		"the way is lost":  {failing(syscall.ENETUNREACH), "https://alipay.test/gateway.do", noConnection, "unreachable"},
		"whatever it says": {failing(errors.New("https://alipay.test/?sign=secret")), "https://alipay.test/gateway.do", noConnection, "quotes the request"},
	} {
		t.Run(name, func(t *testing.T) {
			expect(t, examine(t, c.outside, append(keyMode(t, a), "-gateway", c.gateway)...), checkQuery, c.code, c.message)
		})
	}
}

func TestDoctorWantsAnEncryptedGateway(t *testing.T) {
	t.Parallel()
	a := alipaytest.New(alipaytest.Config{})
	found := examine(t, inMemory(t, a), append(keyMode(t, a), "-gateway", "http://alipay.test/gateway.do")...)
	expect(t, found, checkGateway, gatewayHTTP, "not encrypted")
}
