package openapi_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/internal/shoptest"
	"github.com/alirefund/alirefund/store"
)

// atOnce is a store that has no refund wait for another of its order, which a fuzzer
// would do for most of its time.
type atOnce struct{ store.Store }

func (s atOnce) Open(ctx context.Context, r store.Refund, limit store.Limit, first *store.Permission) (store.Refund, store.Opened, error) {
	if first != nil {
		first = &store.Permission{Token: first.Token, Lease: first.Lease}
	}
	return s.Store.Open(ctx, r, limit, first)
}

func (s atOnce) Sending(ctx context.Context, id string, p store.Permission) (store.Attempt, error) {
	p.Spacing = 0
	return s.Store.Sending(ctx, id, p)
}

// fuzzed are the routes, and the type of what is posted there.
var fuzzed = []struct{ method, route, contentType string }{
	{http.MethodPost, "/refunds", "application/json"},
	{http.MethodPost, "/coupon-refunds", "application/json"},
	{http.MethodPost, "/unfreezes", "application/json"},
	{http.MethodGet, "/refunds", ""},
	{http.MethodGet, "/refunds/:id", ""},
	{http.MethodPost, "/notify", "application/x-www-form-urlencoded"},
	{http.MethodPost, "/gateway", "application/x-www-form-urlencoded"},
}

// Whatever is sent to a route is answered as the document allows.
func FuzzAnswers(f *testing.F) {
	for i := range fuzzed {
		f.Add(byte(i), []byte(`{}`), false)
	}
	f.Add(byte(0), []byte(shoptest.Partly), true)
	f.Add(byte(0), []byte(`{"outTradeNo":"1\ud800","refundAmount":1e2,"refund_goods_detail":[{"goods_id":"1","refund_amount":1}]}`), false)
	f.Add(byte(1), []byte(fundBody("R1", "1.00")), false)
	f.Add(byte(2), []byte(fundBody("R1", "1.00")), true)
	f.Add(byte(3), []byte(`limit=1&state=pending&from=2026-11-22T10:00:00Z&cursor=x&undelivered=1`), false)
	f.Add(byte(4), []byte(`rf_x`), false)
	f.Add(byte(5), []byte(`notify_id=1&sign_type=RSA2&sign=AAAA&charset=gbk&app_id=2021000000000001`), false)
	var once sync.Once
	var s *shoptest.Shop
	d := open(f, "../../openapi.json")
	f.Fuzz(func(t *testing.T, which byte, input []byte, chinese bool) {
		once.Do(func() {
			s = shoptest.NewShop(t, func(c *alirefund.Config) {
				c.Store, c.Times.Timeout = atOnce{store.NewMemory()}, time.Second
			})
			for _, p := range products {
				if p.path != products[1].path { // of one auth_no
					p.add(s)
				}
			}
			s.Alipay.AddTrade(alipaytest.Trade{OutTradeNo: "1"})
		})
		r := fuzzed[int(which)%len(fuzzed)]
		address := &url.URL{Path: "/alipay" + r.route}
		switch {
		case strings.HasSuffix(r.route, ":id"):
			id := strings.ReplaceAll(string(input), "/", "")
			if id == "" {
				return // which is the list
			}
			address.Path = "/alipay/refunds/" + id
		case r.method == http.MethodGet:
			address.RawQuery = string(input)
		}
		request := &http.Request{
			Method: r.method, URL: address, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(input)),
			Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Host: "shop.test", RequestURI: address.String(),
		}
		if r.contentType != "" {
			request.Header.Set("Content-Type", r.contentType)
		}
		if chinese {
			request.Header.Set("Accept-Language", "zh")
		}
		recorder := httptest.NewRecorder()
		s.Router.ServeHTTP(recorder, request.WithContext(t.Context()))
		x := shoptest.Exchange{
			Method: r.method, Route: r.route, URL: "/alipay" + strings.Replace(r.route, ":id", "x", 1), RequestHeader: request.Header,
			Status: recorder.Code, Header: recorder.Header(), Answer: recorder.Body.Bytes(),
		}
		for _, wrong := range d.answer(x) {
			t.Errorf("%s %q\n  is answered %d %s\n  which the document does not allow: %s", address, input, x.Status, x.Answer, wrong)
		}
	})
}
