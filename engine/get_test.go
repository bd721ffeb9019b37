package engine_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/internal/shoptest"
	"github.com/alirefund/alirefund/store"
)

// Alipay hangs up, or a browser does: what was begun is ended.
func TestWhoeverAsksHangsUp(t *testing.T) {
	s := shoptest.NewShop(t)
	s.Trade()
	s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer}, shoptest.NoQuery)
	r := s.Refund(shoptest.Partly)
	s.Expect(r, 202, "pending")
	ctx, cancel := context.WithCancel(t.Context())
	s.Config.HTTPClient = &http.Client{Transport: before{s.Alipay.HTTPClient().Transport, cancel}}
	s.Restart()
	if result, err := s.Module.Get(ctx, r.Str("id")); err != nil || result.Refund.State != store.Succeeded || !result.Delivered {
		t.Errorf("%+v, %v", result, err)
	}
	s.ExpectTold("refund_succeeded")
	over, cancel := context.WithCancel(t.Context())
	cancel()
	request := httptest.NewRequestWithContext(over, http.MethodPost, "/alipay/notify", strings.NewReader(s.Alipay.SignedNotice(shoptest.PaymentNotice("p1"))))
	if r := shoptest.Serve(t, s.Router, request); r.Text != "success" || len(s.Other) != 1 {
		t.Errorf("%d %s; given %q", r.Status, r.Text, s.Other)
	}
}

// Another application's refund in the same store is not this module's to show.
func TestApplicationsAreApart(t *testing.T) {
	s := shoptest.NewShop(t)
	s.Trade()
	r := s.Refund(shoptest.Partly)
	s.Config.App.ID = "2021999999999999"
	s.Restart()
	if got := s.Get(r.Str("id")); got.Status != 404 {
		t.Errorf("%d %s", got.Status, got.Text)
	}
}
