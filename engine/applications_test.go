package engine_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/internal/shoptest"
	"github.com/alirefund/alirefund/store"
)

// With Config.Apps, Config.App may be left out, but is not taken half filled in; and what
// Config.Apps returns is checked as it is, field by field.
func TestApplicationsAreChecked(t *testing.T) {
	right := shoptest.NewShop(t).Config.App
	var said alirefund.App
	config := alirefund.Config{
		Apps:  func(context.Context, string) (alirefund.App, error) { return said, nil },
		Store: store.NewMemory(),
	}
	for name, app := range map[string]alirefund.App{"an app_id alone": {ID: right.ID}, "a list alone": {SellerIDs: []string{"2088"}}} {
		config.App = app
		if _, err := alirefund.New(config); err == nil || !strings.Contains(err.Error(), "Config.App.Signer") {
			t.Errorf("%s: %v", name, err)
		}
	}
	config.App = alirefund.App{}
	m, err := alirefund.New(config)
	if err != nil {
		t.Fatal(err)
	}
	if m.AppID() != "" {
		t.Errorf("it is for %q", m.AppID())
	}
	for field, change := range map[string]func(*alirefund.App){
		"ID":            func(a *alirefund.App) { a.ID = "2021000000000099" },
		"Signer":        func(a *alirefund.App) { a.Signer = nil },
		"Verifier":      func(a *alirefund.App) { a.Verifier = nil },
		"NotifyURL":     func(a *alirefund.App) { a.NotifyURL = "x" },
		"NotifyURLs[1]": func(a *alirefund.App) { a.NotifyURLs = []string{"http://a.test/", "x"} },
		"SellerIDs":     func(a *alirefund.App) { a.SellerIDs = []string{""} },
		"CouponProduct": func(a *alirefund.App) { a.CouponProduct = "x" },
		"Gateway":       func(a *alirefund.App) { a.Gateway = "x" },
	} {
		said = right
		change(&said)
		_, err := m.For(t.Context(), right.ID)
		var wrong *alirefund.ConfigError
		if want := "Apps(" + right.ID + ")." + field; !errors.Is(err, alirefund.ErrAppUnavailable) || !errors.As(err, &wrong) || wrong.Field != want {
			t.Errorf("%s: %v", want, err)
		}
	}
	said = right
	if e, err := m.For(t.Context(), right.ID); err != nil || e.AppID() != right.ID {
		t.Errorf("then it is %v, %v", e, err)
	}
}
