package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/alirefund/alirefund/signer"
)

// The checks of the notify_url.
const (
	checkNotifyURL = "notify_url"
	checkNotify    = "notify"
)

func (d *doctor) examineNotifyURL(ctx context.Context) {
	if d.notifyURL == "" {
		d.found(checkNotifyURL, notGiven, "without -notify-url it is not checked")
		return
	}
	u, err := url.Parse(d.notifyURL)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" || len(d.notifyURL) > 256 {
		d.found(checkNotifyURL, notifyMalformed, "it is no http or https address with a host, or too long")
		return
	}
	before := len(d.findings)
	if u.User != nil {
		d.found(checkNotifyURL, notifyUser, "it names a user")
	}
	if u.RawQuery != "" || u.ForceQuery {
		d.found(checkNotifyURL, notifyQuery, "it has a query")
	}
	if u.Fragment != "" || strings.Contains(d.notifyURL, "#") {
		d.found(checkNotifyURL, notifyFragment, "it has a fragment")
	}
	if u.Scheme == "http" {
		d.found(checkNotifyURL, notifyHTTP, "it is not encrypted")
	}
	if !d.examineHost(ctx, u.Hostname()) {
		return
	}
	if len(d.findings) == before {
		d.fine(checkNotifyURL, "its form is right")
	}
	if d.offline {
		d.found(checkNotify, offline, "no call was made")
		return
	}
	d.examineAnswers(ctx, u)
}

// examineHost finds an address that the internet does not reach. It tells
// whether there is any.
func (d *doctor) examineHost(ctx context.Context, host string) bool {
	if address, err := netip.ParseAddr(host); err == nil {
		d.examineAddresses([]netip.Addr{address})
		return true
	}
	if isLoopback(host) {
		d.found(checkNotifyURL, notifyPrivate, "it is this machine")
		return true
	}
	if d.offline {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	addresses, err := d.lookup(ctx, "ip", host)
	if err != nil {
		d.found(checkNotifyURL, connection(err), plain(err))
		return false
	}
	d.examineAddresses(addresses)
	return true
}

func (d *doctor) examineAddresses(addresses []netip.Addr) {
	for _, address := range addresses {
		if !isPublic(address) {
			d.found(checkNotifyURL, notifyPrivate, "its address is "+address.String())
			return
		}
	}
}

// closed are networks that the internet does not reach, beside those that
// package netip knows (IANA's special-purpose registry).
var closed = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),     // this network
	netip.MustParsePrefix("100.64.0.0/10"), // between carriers and their customers
	netip.MustParsePrefix("198.18.0.0/15"), // benchmarks
	netip.MustParsePrefix("240.0.0.0/4"),   // reserved
}

func isPublic(address netip.Addr) bool {
	address = address.Unmap().WithZone("")
	return address.IsGlobalUnicast() && !address.IsPrivate() &&
		!slices.ContainsFunc(closed, func(p netip.Prefix) bool { return p.Contains(address) })
}

func isLoopback(host string) bool {
	address, err := netip.ParseAddr(host)
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return err == nil && address.Unmap().IsLoopback() || host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// examineAnswers posts what Alipay did not sign. What it did sign nobody else
// can post.
func (d *doctor) examineAnswers(ctx context.Context, u *url.URL) {
	probes, err := d.probes()
	if err != nil {
		d.found(checkNotify, notPossible, err.Error())
		return
	}
	target := *u
	target.User, target.Fragment = nil, ""
	var refusals []string
	faults := map[code][]string{}
	var order []code
	for _, p := range probes {
		c, message := d.probe(ctx, target.String(), p.body)
		if c == fine {
			refusals = append(refusals, p.name+" "+message)
			continue
		}
		if faults[c] == nil {
			order = append(order, c)
		}
		faults[c] = append(faults[c], p.name+": "+message)
		if c != notifyForged && c != notifyInexact && c != notifyFails {
			break // no other answer would tell more
		}
	}
	for _, c := range order {
		d.found(checkNotify, c, strings.Join(faults[c], "; "))
	}
	if len(order) == 0 {
		d.fine(checkNotify, "what Alipay did not sign is not acknowledged ("+strings.Join(refusals, ", ")+")")
		d.advise("Whether a genuine notice is answered success was not tried: only Alipay signs one. alirefund send-notice tries it with test keys.")
	}
}

// probe is one POST that must not be acknowledged.
type probe struct{ name, body string }

// nobodysKey is made once: a pair costs a good part of a second.
var nobodysKey = sync.OnceValues(func() (*signer.Signer, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	return signer.New(key)
})

// probes tell, at worst, that an order which does not exist was closed unpaid.
func (d *doctor) probes() ([]probe, error) {
	nobody, err := nobodysKey()
	if err != nil {
		return nil, err
	}
	now, number := time.Now().In(china), rand.Text()
	fields := map[string]string{
		"app_id": "2021000000000000", "charset": "utf-8", "version": "1.0",
		"notify_type": "trade_status_sync", "notify_id": "doctor" + number, "notify_time": now.Format(time.DateTime),
		"out_trade_no": "doctor" + number, "trade_no": now.Format("20060102") + "22000000000000000000",
		"trade_status": "TRADE_CLOSED", "seller_id": "2088000000000000",
		"total_amount": "0.01", "refund_fee": "0.00", "gmt_close": now.Format(time.DateTime),
	}
	if d.appID != "" {
		fields["app_id"] = d.appID
	}
	unsigned := url.Values{"sign_type": {"RSA2"}}
	for name, value := range fields {
		unsigned.Set(name, value)
	}
	forged, err := signed(nobody, fields)
	if err != nil {
		return nil, err
	}
	return []probe{
		{"empty", ""}, {"garbage", "%zz=&&\x00{\"a\":"}, {"unsigned notice", unsigned.Encode()}, {"notice signed by nobody's key", forged},
	}, nil
}

// probeTimeout bounds one look-up or POST.
const probeTimeout = 10 * time.Second

// probe posts a body, and says what the answer amounts to; fine is a refusal.
func (d *doctor) probe(ctx context.Context, to, body string) (code, string) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, to, strings.NewReader(body))
	if err != nil {
		return notifyMalformed, "it cannot be posted to"
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	client := &http.Client{Transport: d.transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(request)
	if err != nil {
		return connection(err), plain(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return connection(err), plain(err)
	}
	return answered(response, string(text))
}

func answered(response *http.Response, text string) (code, string) {
	status := response.StatusCode
	message := fmt.Sprintf("status %d", status)
	bare := strings.ToLower(strings.Trim(text, " \t\r\n\"'\ufeff"))
	switch {
	case status/100 == 2 && text == "success":
		return notifyForged, "it was answered success"
	case status/100 == 2 && bare == "success":
		return notifyInexact, fmt.Sprintf("it was answered %q", text)
	case status/100 == 3:
		to, err := response.Location()
		if err != nil {
			return notifyRedirects, message
		}
		path, _, _ := strings.Cut(to.EscapedPath(), ";") // what follows names a visitor, as the query may
		message += " to " + to.Scheme + "://" + to.Host + path
		if isLogin(path) {
			return notifyLogin, message
		}
		return notifyRedirects, message
	case status == http.StatusUnauthorized && response.Header.Get("WWW-Authenticate") != "", status == http.StatusProxyAuthRequired:
		return notifyLogin, message + ", which asks for a password"
	case status == http.StatusNotFound, status == http.StatusMethodNotAllowed, status == http.StatusGone, status == http.StatusNotImplemented:
		return notifyNoRoute, message
	case status == http.StatusBadGateway, status == http.StatusServiceUnavailable, status == http.StatusGatewayTimeout:
		return notifyDown, message
	case status >= 500:
		return notifyFails, message
	}
	return fine, fmt.Sprint(status)
}

func isLogin(path string) bool {
	path = strings.ToLower(path)
	return slices.ContainsFunc([]string{"login", "signin", "sign-in", "sign_in", "logon", "sso", "oauth", "/auth", "passport", "/cas"},
		func(word string) bool { return strings.Contains(path, word) })
}
