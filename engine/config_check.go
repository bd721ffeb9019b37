package engine

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/signer"
	"github.com/alirefund/alirefund/store"
)

// What is wrong with a configuration, and its defaults.

// ConfigError is one thing that is wrong with a [Config].
type ConfigError struct {
	Field   string // such as App.NotifyURL
	Problem string
	Err     error // the cause, or nil
}

func (e *ConfigError) Error() string { return "alirefund: Config." + e.Field + ": " + e.Problem }

// Unwrap returns the cause.
func (e *ConfigError) Unwrap() error { return e.Err }

const (
	defaultHookTimeout    = 10 * time.Second
	defaultFirstCheck     = 10 * time.Second
	defaultTransit        = 20 * time.Minute
	defaultAttentionAfter = 24 * time.Hour
	defaultApproval       = 72 * time.Hour
	maxURL                = 256
)

// check returns the configuration with its defaults, or every problem at once.
func (c Config) check() (Config, error) {
	p := &problems{}
	if c.Apps == nil || !reflect.ValueOf(c.App).IsZero() {
		c.App.check(p, "App")
	}
	checkProduct(p, "CouponProduct", c.CouponProduct)
	c.checkStore(p)
	c.checkSubscribers(p)
	checkGateway(p, "Gateway", c.Gateway)
	if c.Protocol > gateway.V3 {
		p.add("Protocol", "is neither gateway.V2 nor gateway.V3")
	}
	c.Times = c.Times.withDefaults(p)
	c.checkAudits(p)
	if len(p.errs) > 0 {
		return c, errors.Join(p.errs...)
	}
	c.Subscribers = slices.Clone(c.Subscribers)
	if c.BillHosts = slices.Clone(c.BillHosts); len(c.BillHosts) == 0 {
		c.BillHosts = []string{gateway.BillHost}
	}
	if c.Gateway == "" {
		c.Gateway = gateway.Production
	}
	if c.App.ID != "" {
		c.App = c.App.within(c)
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	return c, nil
}

// problems collects what is wrong.
type problems struct{ errs []error }

func (p *problems) add(field, problem string) {
	p.errs = append(p.errs, &ConfigError{Field: field, Problem: problem})
}

func (p *problems) addError(field string, err error) {
	p.errs = append(p.errs, &ConfigError{Field: field, Problem: err.Error(), Err: err})
}

// check notes what is wrong with an application that is called field.
func (a App) check(p *problems, field string) {
	if !isAppID(a.ID) {
		p.add(field+".ID", "wants the application's app_id, up to 32 letters and digits")
	}
	if a.Signer == nil {
		p.add(field+".Signer", "is required: signer.FromPEM(the application's private key)")
	}
	if a.Verifier == nil {
		p.add(field+".Verifier", "is required: signer.VerifierFromPEM(Alipay's public key)")
	}
	if a.Signer != nil && a.Verifier != nil {
		if err := signer.Pair(a.Signer, a.Verifier); err != nil {
			p.addError(field+"."+a.mismatched(), err)
		}
	}
	if a.ContentKey != nil && a.ContentKey.Encrypt(nil) == "" {
		p.add(field+".ContentKey", "holds no key: signer.ContentKeyFromBase64(the key of 接口内容加密)")
	}
	if problem := notifyURLProblem(a.NotifyURL); a.NotifyURL != "" && problem != "" {
		p.add(field+".NotifyURL", problem)
	}
	for i, u := range a.NotifyURLs {
		if problem := notifyURLProblem(u); problem != "" {
			p.add(fmt.Sprintf("%s.NotifyURLs[%d]", field, i), problem)
		}
	}
	if slices.Contains(a.SellerIDs, "") {
		p.add(field+".SellerIDs", "holds an empty text")
	}
	checkProduct(p, field+".CouponProduct", a.CouponProduct)
	checkGateway(p, field+".Gateway", a.Gateway)
}

// within is the application with c's values where it has none of its own.
func (a App) within(c Config) App {
	a.NotifyURLs, a.SellerIDs = slices.Clone(a.NotifyURLs), slices.Clone(a.SellerIDs)
	a.Gateway, a.CouponProduct = cmp.Or(a.Gateway, c.Gateway), cmp.Or(a.CouponProduct, c.CouponProduct)
	if a.AppAuthToken == nil {
		a.AppAuthToken = c.AppAuthToken
	}
	return a
}

// calls tells whether a client of one application's is as good as the other's.
func (a App) calls(b App) bool {
	return a.ID == b.ID && a.Gateway == b.Gateway && a.Signer == b.Signer && a.Verifier == b.Verifier && a.ContentKey == b.ContentKey
}

func checkProduct(p *problems, field string, product CouponProduct) {
	if product != "" && product != CouponOrderRefund && product != FundTransRefund {
		p.add(field, "is neither CouponOrderRefund nor FundTransRefund")
	}
}

func (c Config) checkStore(p *problems) {
	if v := reflect.ValueOf(c.Store); c.Store == nil || v.Kind() == reflect.Pointer && v.IsNil() {
		p.add("Store", "is required: store.NewMemory for one process")
	}
	if c.OnRefundSucceededTx == nil {
		return
	}
	if _, ok := c.Store.(store.Transactor); c.Store != nil && !ok {
		p.add("OnRefundSucceededTx", "wants a Store on a database, such as sqlstore.New")
	}
	if c.OnRefundSucceeded != nil {
		p.add("OnRefundSucceededTx", "stands instead of OnRefundSucceeded; set one of them")
	}
}

func (c Config) checkAudits(p *problems) {
	if _, err := time.Parse("15:04", c.AuditAt); c.AuditAt != "" && err != nil {
		p.add("AuditAt", `wants a time of the day in China, such as "10:30"`)
	}
	for i, host := range c.BillHosts {
		if u, err := url.Parse("https://" + host); err != nil || host == "" || u.Host != host {
			p.add(fmt.Sprintf("BillHosts[%d]", i), "wants a host, such as "+gateway.BillHost)
		}
	}
}

var subscriberName = regexp.MustCompile(`^[a-z0-9_-]{1,32}$`)

func (c Config) checkSubscribers(p *problems) {
	known := map[store.Event]bool{}
	for n, s := range c.Subscribers {
		field := fmt.Sprintf("Subscribers[%d]", n)
		if !subscriberName.MatchString(s.Name) {
			p.add(field+".Name", "wants up to 32 lower-case letters, digits, - and _")
		}
		switch s.Event {
		case store.RefundSucceeded, store.RefundFailed, store.RefundUnresolved:
		default:
			p.add(field+".Event", "is none of store.RefundSucceeded, store.RefundFailed, store.RefundUnresolved")
		}
		if event := s.Event.For(s.Name); known[event] {
			p.add(field, "is the second one of this name and event")
		} else {
			known[event] = true
		}
		ways := 0
		for _, way := range []bool{s.Call != nil, s.CallTx != nil, s.Retired} {
			if way {
				ways++
			}
		}
		if ways != 1 {
			p.add(field+".Call", "is required, or CallTx instead of it, or Retired; one of the three")
		}
		if _, ok := c.Store.(store.Transactor); s.CallTx != nil && c.Store != nil && !ok {
			p.add(field+".CallTx", "wants a Store on a database, such as sqlstore.New")
		}
	}
}

func checkGateway(p *problems, field, gateway string) {
	if u, err := url.Parse(gateway); gateway != "" && (err != nil || u.Host == "" || u.RawQuery != "" || u.User != nil || u.Scheme != "https" && u.Scheme != "http") {
		p.add(field, "wants the form https://host/gateway.do, without a query")
	}
}

// withDefaults returns the durations with their defaults.
func (t Times) withDefaults(p *problems) Times {
	for _, d := range []struct {
		field string
		value *time.Duration
		usual time.Duration
	}{
		{"Timeout", &t.Timeout, gateway.DefaultTimeout},
		{"HookTimeout", &t.HookTimeout, defaultHookTimeout},
		{"FirstCheck", &t.FirstCheck, defaultFirstCheck},
		{"Transit", &t.Transit, defaultTransit},
		{"AttentionAfter", &t.AttentionAfter, defaultAttentionAfter},
		{"Approval", &t.Approval, defaultApproval},
		{"Grace", &t.Grace, 0},
		{"KeepAnswers", &t.KeepAnswers, 0},
		{"KeepRefunds", &t.KeepRefunds, 0},
	} {
		switch {
		case *d.value < 0:
			p.add("Times."+d.field, "is negative")
		case *d.value == 0:
			*d.value = d.usual
		}
	}
	if t.KeepRefunds > 0 && t.KeepRefunds < keepNotifyID {
		p.add("Times.KeepRefunds", "is shorter than Alipay repeats its notices: at least "+keepNotifyID.String())
	}
	return t
}

// mismatched names the field to mend where signer.Pair refuses.
func (a App) mismatched() string {
	if a.Signer.Public() == nil || a.Signer.CertificateSN() == "" && a.Verifier.RootSN() != "" {
		return "Signer"
	}
	return "Verifier"
}

func isAppID(id string) bool {
	return id != "" && len(id) <= 32 && strings.IndexFunc(id, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}) < 0
}

// notifyURLProblem says what is wrong with an address for notifications. A
// query would be mixed into what Alipay signs by some servers and frameworks.
func notifyURLProblem(text string) string {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil:
		return "wants the form https://host/path"
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "must have no query and no fragment"
	case len(text) > maxURL:
		return "is longer than 256 characters"
	}
	return ""
}

// allowsNotifyURL tells whether callbacks may go to an address that a request
// names. Where callbacks go is the host's to say.
func (a App) allowsNotifyURL(u string) bool {
	return u == a.NotifyURL || slices.Contains(a.NotifyURLs, u)
}
