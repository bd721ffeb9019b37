package gateway_test

import (
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/signer"
)

func TestNewRefuses(t *testing.T) {
	good := gateway.Config{
		AppID:    "2021000000000001",
		Signer:   must(signer.New(idleKey{})),
		Verifier: must(signer.NewVerifier(&alipayKey().PublicKey)),
	}
	if _, err := gateway.New(good); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		change func(*gateway.Config)
		want   []string // what the error names
		is     error
	}{
		{"no AppID", func(c *gateway.Config) { c.AppID = "" }, []string{"AppID"}, nil},
		{"no Signer", func(c *gateway.Config) { c.Signer = nil }, []string{"Signer"}, signer.ErrKey},
		{"no Verifier", func(c *gateway.Config) { c.Verifier = nil }, []string{"Verifier"}, signer.ErrKey},
		{"the application's own key", func(c *gateway.Config) { c.Verifier = must(signer.NewVerifier(&appKey().PublicKey)) }, []string{"Verifier"}, signer.ErrOwnKey},
		{"no scheme", func(c *gateway.Config) { c.URL = "openapi.alipay.com/gateway.do" }, []string{"URL"}, nil},
		{"another scheme", func(c *gateway.Config) { c.URL = "ftp://openapi.alipay.com/gateway.do" }, []string{"URL"}, nil},
		{"no host", func(c *gateway.Config) { c.URL = "https:///gateway.do" }, []string{"URL"}, nil},
		{"a query", func(c *gateway.Config) { c.URL = gateway.Production + "?charset=utf-8" }, []string{"URL"}, nil},
		{"a password", func(c *gateway.Config) { c.URL = "https://me:secret@openapi.alipay.com/gateway.do" }, []string{"URL"}, nil},
		{"no URL at all", func(c *gateway.Config) { c.URL = "\x7f://secret" }, []string{"URL"}, nil},
		{"negative timeout", func(c *gateway.Config) { c.Timeout = -time.Second }, []string{"Timeout"}, nil},
		{"another protocol", func(c *gateway.Config) { c.Protocol = gateway.V3 + 1 }, []string{"Protocol"}, nil},
		{"everything", func(c *gateway.Config) { *c = gateway.Config{URL: "x", Timeout: -1} }, []string{"AppID", "Signer", "Verifier", "URL", "Timeout"}, signer.ErrKey},
	} {
		t.Run(c.name, func(t *testing.T) {
			bad := good
			c.change(&bad)
			client, err := gateway.New(bad)
			if err == nil || client != nil {
				t.Fatal("accepted")
			}
			for _, field := range c.want {
				if !strings.Contains(err.Error(), field) {
					t.Errorf("%q does not name %s", err, field)
				}
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("%q repeats a password", err)
			}
			if c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("%v, want %v", err, c.is)
			}
		})
	}
}

// The host's client is copied: neither changes the other afterwards.
func TestHostsClientIsCopied(t *testing.T) {
	follow := func(*http.Request, []*http.Request) error { return nil }
	host := &http.Client{Transport: answering(signed(gateway.MethodTradeRefund, refundNode)).Transport, Timeout: time.Minute, CheckRedirect: follow}
	client := newClient(t, gateway.Config{HTTP: host})
	if host.CheckRedirect == nil || host.CheckRedirect(nil, nil) != nil || host.Timeout != time.Minute {
		t.Error("the host's client was changed")
	}
	host.Transport = transport(func(*http.Request) (*http.Response, error) { return nil, errors.New("changed") })
	if _, err := client.RefundTrade(t.Context(), refund, gateway.Options{}); err != nil {
		t.Errorf("a change of the host's client reached ours: %v", err)
	}
}

// A new key of Alipay's is accepted beside the old one.
func TestSeveralKeys(t *testing.T) {
	other := must(rsa.GenerateKey(rand.Reader, 2048))
	client := newClient(t, gateway.Config{
		HTTP:     answering(signed(gateway.MethodTradeRefund, refundNode)),
		Verifier: must(signer.NewVerifier(&other.PublicKey, &alipayKey().PublicKey)),
	})
	if answer, err := client.RefundTrade(t.Context(), refund, gateway.Options{}); err != nil || answer.FundChange != "Y" {
		t.Errorf("%v: %+v", err, answer)
	}
}
