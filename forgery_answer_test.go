package alirefund_test

import (
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/gateway"
)

// hostileAnswer is one row: what somebody between the shop and Alipay makes of
// one answer. The request has reached Alipay, and the money has moved.
type hostileAnswer struct {
	named
	mode   alipaytest.Config  // default: keys, and nothing encrypted
	file   func(*shop) string // what a certificate is downloaded as; default: the download breaks off
	answer func(talk) string
	write  func(talk, http.ResponseWriter) // instead of answer: not only the body
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

func unsignedWord(words string) belief {
	return belief{"an unsigned answer says " + words, "refund_unresolved"}
}

// talk is one genuine answer, taken apart.
type talk struct {
	shop               *shop
	body               string // all of it
	number             string // of its certificate, in certificate mode
	name, node, signed string // the signed node, its name, and the signature
	request            *http.Request
}

var parts = regexp.MustCompile(`(?s)^\{"(\w+)":(.*?)(?:,"alipay_cert_sn":"(\w+)")?,"sign":"([^"]+)"\}$`)

func (s *shop) talk(body string) talk {
	x := talk{shop: s, body: body}
	if found := parts.FindStringSubmatch(body); found != nil {
		x.name, x.node, x.number, x.signed = found[1], found[2], found[3], found[4]
	}
	return x
}

// saying puts another node and signature into the envelope.
func (x talk) saying(node, sign string) string {
	return `{"` + x.name + `":` + node + `,"sign":"` + sign + `"}`
}

// with changes the node's text and keeps the signature.
func (x talk) with(old, now string) string { return x.saying(x.changed(old, now), x.signed) }

func (x talk) changed(old, now string) string {
	if !strings.Contains(x.node, old) {
		panic(old + " is not in " + x.node)
	}
	return strings.Replace(x.node, old, now, 1)
}

// between stands between a shop and Alipay. Until it is told to be honest it
// forges the answers of one method and breaks off all others.
type between struct {
	shop   *shop
	method string
	forge  func(talk, http.ResponseWriter)
	file   func(*shop) string
	honest atomic.Bool
}

func (b *between) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	genuine := httptest.NewRecorder()
	method := r.URL.Query().Get("method")
	b.shop.alipay.ServeHTTP(genuine, r)
	switch {
	case b.honest.Load():
		_, _ = io.Copy(w, genuine.Body)
	case method == methodDownload && b.file != nil:
		content := base64.StdEncoding.EncodeToString([]byte(b.file(b.shop)))
		_, _ = io.WriteString(w, `{"alipay_open_app_alipaycert_download_response":{"code":"10000","alipay_cert_content":"`+content+`"}}`)
	case method != b.method:
		panic(http.ErrAbortHandler)
	default:
		x := b.shop.talk(genuine.Body.String())
		x.request = r
		b.forge(x, w)
	}
}

// through makes a shop whose calls go through b.
func (b *between) through(t *testing.T, mode alipaytest.Config) *shop {
	t.Helper()
	server := httptest.NewServer(b)
	t.Cleanup(server.Close)
	b.shop = newShopOf(t, mode, func(c *alirefund.Config) { c.Gateway, c.HTTPClient = server.URL+"/gateway.do", server.Client() })
	if !mode.Certificates {
		b.shop.trustInsider()
		b.shop.restart()
	}
	return b.shop
}

func (c hostileAnswer) forge(x talk, w http.ResponseWriter) {
	if c.write != nil {
		c.write(x, w)
		return
	}
	_, _ = io.WriteString(w, c.answer(x))
}

func (f *forgeries) answers(t *testing.T) {
	f.forged(t, slices.Concat(signatureAnswers, envelopeAnswers, transportAnswers, tradeAnswers, certifiedAnswers, encryptedAnswers), gateway.MethodTradeRefund)
	f.forged(t, couponAnswers, gateway.MethodCouponRefund)
}

func (f *forgeries) questions(t *testing.T) {
	f.forged(t, tradeQuestions, gateway.MethodRefundQuery)
	f.forged(t, couponQuestions, gateway.MethodCouponQuery)
}

// forged has the answers of one method forged, and then Alipay's own let through.
func (f *forgeries) forged(t *testing.T, rows []hostileAnswer, method string) {
	t.Helper()
	each(f, t, rows, func(t *testing.T, c hostileAnswer) {
		b := &between{method: method, forge: c.forge, file: c.file}
		s := b.through(t, c.mode)
		s.trade()
		refund := func() reply { return s.refund(partly) }
		if strings.Contains(method, ".coupon.") {
			p := s.alipay.AddRedPacket(alipaytest.RedPacket{OutOrderNo: "O1", OutRequestNo: "the-payment"})
			body := `{"auth_no":"` + p.AuthNo + `","out_order_no":"O1","out_request_no":"C1","amount":"1.00","remark":"r"}`
			refund = func() reply { return s.coupon(body) }
		}
		r := refund()
		if r.status != 202 || r.str("state") != "pending" || s.told() != c.want.told {
			f.believed(t, "%d %s; told %q, want %q", r.status, r.text, s.told(), c.want.told)
		}
		if got := r.str("attention"); !strings.Contains(got, c.want.attention) || (got == "") != (c.want.attention == "") {
			t.Errorf("attention %q, want %q: %s", got, c.want.attention, r.text)
		}
		if r.body["alipay"] != nil {
			t.Errorf("an answer that proves nothing is shown as Alipay's: %s", r.text)
		}
		b.honest.Store(true)
		s.expect(refund(), 200, "succeeded")
		s.expectTold(strings.TrimSpace(c.want.told + " refund_succeeded"))
		if n := s.movedFor(r); n != 1 {
			t.Errorf("money moved %d times: %s", n, s.moved())
		}
	})
}

// movedFor returns how often the money of an answered refund moved.
func (s *shop) movedFor(r reply) int {
	n := 0
	for _, m := range s.alipay.Movements() {
		if m.OutRequestNo == r.str("out_request_no") && m.OutTradeNo == r.str("out_trade_no") && m.AuthNo == r.str("auth_no") {
			n++
		}
	}
	return n
}

// hostileLookup is a row of what is said of a trade_no, of which nothing is known
// yet.
type hostileLookup struct {
	named
	answer func(talk) string
}

func (f *forgeries) lookups(t *testing.T) {
	each(f, t, tradeLookups, func(t *testing.T, c hostileLookup) {
		b := &between{method: gateway.MethodTradeQuery, forge: hostileAnswer{answer: c.answer}.forge}
		s := b.through(t, alipaytest.Config{})
		trade := s.trade()
		s.alipay.AddTrade(alipaytest.Trade{OutTradeNo: secondOrder, Total: 10_00})
		body := `{"trade_no":"` + trade.TradeNo + `","refund_amount":"8.88","out_request_no":"R1"}`
		r := s.refund(body)
		if r.status != 503 || r.str("code") != "nothing_sent" || len(s.known()) > 0 || s.moved() != "" {
			f.believed(t, "%d %s; the ledger has %q", r.status, r.text, s.known())
		}
		s.expectTold("")
		b.honest.Store(true)
		s.expect(s.refund(body), 200, "succeeded")
		s.expectMoved("R1=8.88")
	})
}

// hostileRequest is a row of what is made of the request on its way. Alipay
// refuses it: in its signed word, or where it does not know the sender, unsigned.
type hostileRequest struct {
	named
	tamper func(url.Values, url.Values) // the URL's parameters and the body's
	state  string
}

func (f *forgeries) requests(t *testing.T) {
	each(f, t, hostileRequests, func(t *testing.T, c hostileRequest) {
		synctest.Test(t, func(t *testing.T) { f.request(t, c) }) // a repeat waits for the order's spacing
	})
}

func (f *forgeries) request(t *testing.T, c hostileRequest) {
	s := newShop(t)
	honest := s.config.HTTPClient
	s.config.HTTPClient = &http.Client{Transport: tampering{honest.Transport, c.tamper}}
	s.restart()
	s.trade()
	s.alipay.AddTrade(alipaytest.Trade{OutTradeNo: secondOrder, Total: 88_88})
	r := s.refund(partly)
	if r.status == 200 || s.moved() != "" || strings.Contains(s.told(), "refund_succeeded") {
		f.believed(t, "%d %s; told %q; money moved %q", r.status, r.text, s.told(), s.moved())
	}
	if got, want := r.str("state"), c.state; got != want {
		t.Errorf("%d %s; state %q, want %q", r.status, r.text, got, want)
	}
	s.config.HTTPClient = honest
	s.restart()
	time.Sleep(time.Minute)
	s.expect(s.refund(partly), 200, "succeeded")
	s.expectMoved("R1=8.88")
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
