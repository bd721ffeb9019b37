package forgery_test

import (
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/internal/shoptest"
)

// hostileAnswer is one row: what somebody between the shop and Alipay makes of
// one answer. The request has reached Alipay, and the money has moved.
type hostileAnswer struct {
	named
	mode   alipaytest.Config           // default: keys, and nothing encrypted
	file   func(*shoptest.Shop) string // what a certificate is downloaded as; default: the download breaks off
	answer func(shoptest.Talk) string
	write  func(shoptest.Talk, http.ResponseWriter) // instead of answer: not only the body
	want   belief
}

// belief is what may become of a refund by a hostile answer: it stays
// unresolved, and a person is called where waiting will not heal it.
type belief struct{ attention, told string }

var (
	unusable   = belief{} // no answer of Alipay's
	silent     = belief{} // signed, and says nothing of this refund
	unverified = belief{"the answer's signature is wrong", "refund_unresolved"}
	elsewhere  = belief{"speaks of another refund", "refund_unresolved"}
)

// between stands between a shop and Alipay. Until it is told to be honest it
// forges the answers of one method and breaks off all others.
type between struct {
	shop   *shoptest.Shop
	method string
	forge  func(shoptest.Talk, http.ResponseWriter)
	file   func(*shoptest.Shop) string
	honest atomic.Bool
}

func (b *between) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	genuine := httptest.NewRecorder()
	method := r.URL.Query().Get("method")
	b.shop.Alipay.ServeHTTP(genuine, r)
	switch {
	case b.honest.Load():
		_, _ = io.Copy(w, genuine.Body)
	case method == shoptest.MethodDownload && b.file != nil:
		content := base64.StdEncoding.EncodeToString([]byte(b.file(b.shop)))
		_, _ = io.WriteString(w, `{"alipay_open_app_alipaycert_download_response":{"code":"10000","alipay_cert_content":"`+content+`"}}`)
	case method != b.method:
		panic(http.ErrAbortHandler)
	default:
		x := b.shop.Talk(genuine.Body.String())
		x.Request = r
		b.forge(x, w)
	}
}

// through makes a shop whose calls go through b.
func (b *between) through(t *testing.T, mode alipaytest.Config) *shoptest.Shop {
	t.Helper()
	server := httptest.NewServer(b)
	t.Cleanup(server.Close)
	b.shop = shoptest.NewShopOf(t, mode, func(c *alirefund.Config) { c.Gateway, c.HTTPClient = server.URL+"/gateway.do", server.Client() })
	if !mode.Certificates {
		b.shop.TrustInsider()
		b.shop.Restart()
	}
	return b.shop
}

func (c hostileAnswer) forge(x shoptest.Talk, w http.ResponseWriter) {
	if c.write != nil {
		c.write(x, w)
		return
	}
	_, _ = io.WriteString(w, c.answer(x))
}

// tampering changes requests for refunds.
type tampering struct {
	http.RoundTripper
	with func(url.Values, url.Values)
}

func (t tampering) RoundTrip(r *http.Request) (*http.Response, error) {
	if query := r.URL.Query(); query.Get("method") == gateway.MethodTradeRefund {
		text, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		form, err := url.ParseQuery(string(text))
		if err != nil {
			return nil, err
		}
		t.with(query, form)
		r = r.Clone(r.Context())
		encoded := form.Encode()
		r.URL.RawQuery, r.Body, r.ContentLength = query.Encode(), io.NopCloser(strings.NewReader(encoded)), int64(len(encoded))
	}
	return t.RoundTripper.RoundTrip(r)
}
