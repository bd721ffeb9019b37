package forgery_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/internal/shoptest"
)

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
		s.Trade()
		refund := func() shoptest.Reply { return s.Refund(shoptest.Partly) }
		if strings.Contains(method, ".coupon.") {
			p := s.Alipay.AddRedPacket(alipaytest.RedPacket{OutOrderNo: "O1", OutRequestNo: "the-payment"})
			body := `{"auth_no":"` + p.AuthNo + `","out_order_no":"O1","out_request_no":"C1","amount":"1.00","remark":"r"}`
			refund = func() shoptest.Reply { return s.Coupon(body) }
		}
		r := refund()
		if r.Status != 202 || r.Str("state") != "pending" || s.Told() != c.want.told {
			f.believed(t, "%d %s; told %q, want %q", r.Status, r.Text, s.Told(), c.want.told)
		}
		if got := r.Str("attention"); !strings.Contains(got, c.want.attention) || (got == "") != (c.want.attention == "") {
			t.Errorf("attention %q, want %q: %s", got, c.want.attention, r.Text)
		}
		if r.Body["alipay"] != nil {
			t.Errorf("an answer that proves nothing is shown as Alipay's: %s", r.Text)
		}
		b.honest.Store(true)
		s.Expect(refund(), 200, "succeeded")
		s.ExpectTold(strings.TrimSpace(c.want.told + " refund_succeeded"))
		if n := s.MovedFor(r); n != 1 {
			t.Errorf("money moved %d times: %s", n, s.Moved())
		}
	})
}

func (f *forgeries) lookups(t *testing.T) {
	each(f, t, tradeLookups, func(t *testing.T, c hostileLookup) {
		b := &between{method: gateway.MethodTradeQuery, forge: hostileAnswer{answer: c.answer}.forge}
		s := b.through(t, alipaytest.Config{})
		trade := s.Trade()
		s.Alipay.AddTrade(alipaytest.Trade{OutTradeNo: shoptest.SecondOrder, Total: 10_00})
		body := `{"trade_no":"` + trade.TradeNo + `","refund_amount":"8.88","out_request_no":"R1"}`
		r := s.Refund(body)
		if r.Status != 503 || r.Str("code") != "nothing_sent" || len(s.Known()) > 0 || s.Moved() != "" {
			f.believed(t, "%d %s; the ledger has %q", r.Status, r.Text, s.Known())
		}
		s.ExpectTold("")
		b.honest.Store(true)
		s.Expect(s.Refund(body), 200, "succeeded")
		s.ExpectMoved("R1=8.88")
	})
}

func (f *forgeries) requests(t *testing.T) {
	each(f, t, hostileRequests, func(t *testing.T, c hostileRequest) {
		synctest.Test(t, func(t *testing.T) { f.request(t, c) }) // a repeat waits for the order's spacing
	})
}

func (f *forgeries) request(t *testing.T, c hostileRequest) {
	s := shoptest.NewShop(t)
	honest := s.Config.HTTPClient
	s.Config.HTTPClient = &http.Client{Transport: tampering{honest.Transport, c.tamper}}
	s.Restart()
	s.Trade()
	s.Alipay.AddTrade(alipaytest.Trade{OutTradeNo: shoptest.SecondOrder, Total: 88_88})
	r := s.Refund(shoptest.Partly)
	if r.Status == 200 || s.Moved() != "" || strings.Contains(s.Told(), "refund_succeeded") {
		f.believed(t, "%d %s; told %q; money moved %q", r.Status, r.Text, s.Told(), s.Moved())
	}
	if got, want := r.Str("state"), c.state; got != want {
		t.Errorf("%d %s; state %q, want %q", r.Status, r.Text, got, want)
	}
	s.Config.HTTPClient = honest
	s.Restart()
	time.Sleep(time.Minute)
	s.Expect(s.Refund(shoptest.Partly), 200, "succeeded")
	s.ExpectMoved("R1=8.88")
}

func (f *forgeries) notices(t *testing.T) {
	rows := slices.Concat(signatureNotices, contentNotices, foreignNotices, hiddenNotices, formNotices, transportNotices, confusedNotices, certifiedNotices)
	each(f, t, rows, func(t *testing.T, c hostileNotice) {
		for _, path := range []string{"/alipay/notify", "/pay/notify"} {
			f.notice(t, c, path)
		}
	})
}

// notice posts one hostile notice, and then the genuine one.
func (f *forgeries) notice(t *testing.T, c hostileNotice, path string) {
	t.Helper()
	s, h, claims := waiting(t, c.mode)
	if c.base == nil {
		c.base = shoptest.RefundNotice(nil)
	}
	forge := s.Forger(c.base)
	var request *http.Request
	if c.body != nil {
		body := c.body(forge)
		if body == forge.Body {
			t.Fatal("nothing was forged")
		}
		request = postForm(path, body)
	} else {
		request = c.request(forge, path)
	}
	before, calls := s.Known(), len(s.Alipay.Calls())

	r := shoptest.Serve(t, s.Router, request)
	if r.Text == "success" || s.Told() != "" || len(s.Other) > 0 || len(h.Seen) > 0 || !slices.Equal(s.Known(), before) {
		f.believed(t, "%s: answered %d %s; told %q, %q; the host saw %q; the ledger has %q, had %q", path, r.Status, r.Text, s.Told(), s.Other, h.Seen, s.Known(), before)
	}
	if r.Status != c.status || r.Str("code") != c.code {
		t.Errorf("%s: %d %s, want %d %s", path, r.Status, r.Text, c.status, c.code)
	}
	if n := len(s.Alipay.Calls()); n != calls || claims.Count() != 0 {
		t.Errorf("%s: it cost %d calls of Alipay and %d claims", path, n-calls, claims.Count())
	}

	r = shoptest.Serve(t, s.Router, postForm(path, forge.Body))
	if heard := s.Told() + strings.Join(s.Other, "") + strings.Join(h.Seen, ""); r.Text != "success" || heard == "" {
		t.Errorf("%s: the genuine one: %d %s, heard %q", path, r.Status, r.Text, heard)
	}
	s.ExpectMoved("R1=8.88")
}

func (f *forgeries) replays(t *testing.T) {
	each(f, t, genuineNotices, func(t *testing.T, c genuineElsewhere) {
		s, _, _ := waiting(t, alipaytest.Config{})
		s.Alipay.Refuse(true) // so that no question tells what the notice must not
		waits := s.Known()[0]
		forge := s.Forger(shoptest.RefundNotice(nil))
		r := shoptest.Serve(t, s.Router, postForm("/alipay/notify"+c.path, c.body(forge)))
		if got := s.Known(); !slices.Contains(got, waits) || len(s.Events) > 0 && strings.HasPrefix(waits, s.Last().ID) {
			f.believed(t, "%d %s; the ledger has %q, had %q", r.Status, r.Text, got, waits)
		}
		s.ExpectTold(c.told)
		s.Alipay.Refuse(false)
		if r := s.Notice(forge.Signed("notify_id", "genuine")); r.Text != "success" || !strings.HasSuffix(s.Told(), "refund_succeeded") {
			t.Errorf("the genuine one: %d %s, told %q", r.Status, r.Text, s.Told())
		}
		s.ExpectMoved("R1=8.88")
	})
}

// The forgery suite: notices, answers and requests that differ from a genuine
// one in one thing, or come at the wrong place, against the mounted routes. None
// may be believed; and the genuine one must be, afterwards, or the forged one was
// refused for another reason than its forgery. What only TLS protects from is not
// among them: docs/guarantees.md, "What is assumed".

// fewest is how many hostile cases the suite has at least.
const fewest = 60

func TestForgeries(t *testing.T) {
	var f forgeries
	t.Run("notices", f.notices)
	t.Run("replays", f.replays)
	t.Run("answers", f.answers)
	t.Run("questions", f.questions)
	t.Run("look-ups", f.lookups)
	t.Run("requests", f.requests)
	t.Logf("%d hostile cases: %d accepted", f.cases.Load(), f.accepted.Load())
	if f.cases.Load() < fewest || f.accepted.Load() > 0 {
		t.Errorf("%d cases, want at least %d; %d accepted, want none", f.cases.Load(), fewest, f.accepted.Load())
	}
}

// forgeries counts.
type forgeries struct{ cases, accepted atomic.Int32 }

// each runs one subtest for each row of a table, in parallel.
func each[row interface{ title() string }](f *forgeries, t *testing.T, rows []row, test func(*testing.T, row)) {
	f.cases.Add(int32(len(rows)))
	for _, c := range rows {
		t.Run(c.title(), func(t *testing.T) {
			t.Parallel()
			test(t, c)
		})
	}
}

// believed says that a hostile case was.
func (f *forgeries) believed(t *testing.T, format string, args ...any) {
	t.Helper()
	f.accepted.Add(1)
	t.Errorf("ACCEPTED: "+format, args...)
}

// named is the name of a row.
type named string

func (n named) title() string { return string(n) }

func signatureSHA1(key *rsa.PrivateKey, text string) string {
	digest := sha1.Sum([]byte(text))
	return shoptest.Pkcs1(key, crypto.SHA1, digest[:])
}

func signaturePSS(key *rsa.PrivateKey, text string) string {
	digest := sha256.Sum256([]byte(text))
	raw, err := rsa.SignPSS(rand.Reader, key, crypto.SHA256, digest[:], nil)
	if err != nil {
		panic(err)
	}
	return base64.StdEncoding.EncodeToString(raw)
}
