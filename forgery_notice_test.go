package alirefund_test

import (
	"crypto/rsa"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/signer"
	"github.com/alirefund/alirefund/store"
)

// hostileNotice is one row: how a notice that nobody should believe is made of
// the genuine one, as a body or as a whole request, and what answers it.
type hostileNotice struct {
	named
	mode    alipaytest.Config // default: keys, and nothing encrypted
	base    map[string]string // the genuine one; default: of the refund that waits
	body    func(forger) string
	request func(f forger, path string) *http.Request
	status  int
	code    string // of the problem; "" where gin itself answers
}

// forger has a genuine notice and what can be done with it.
type forger struct {
	shop   *shop
	base   map[string]string
	body   string     // the genuine one
	params url.Values // the same, decoded, with sign and sign_type
}

func (s *shop) forger(base map[string]string) forger {
	s.t.Helper()
	f := forger{shop: s, base: base, body: s.alipay.SignedNotice(base)}
	var err error
	if f.params, err = url.ParseQuery(f.body); err != nil {
		s.t.Fatal(err)
	}
	return f
}

// with changes fields and keeps the signature; "-" removes one.
func (f forger) with(changes ...string) string {
	params := maps.Clone(f.params)
	for i := 0; i < len(changes); i += 2 {
		if params.Set(changes[i], changes[i+1]); changes[i+1] == "-" {
			params.Del(changes[i])
		}
	}
	return params.Encode()
}

// signed changes fields and has Alipay sign that, as it does for another
// application or another event.
func (f forger) signed(changes ...string) string {
	return f.shop.alipay.SignedNotice(changed(f.base, changes...))
}

// by signs the unchanged fields in another way.
func (f forger) by(sign func(*rsa.PrivateKey, string) string, key *rsa.PrivateKey, changes ...string) string {
	return f.with(append(changes, "sign", sign(key, f.text(signer.WithoutSignType)))...)
}

// text is what is signed of the genuine notice.
func (f forger) text(form signer.Form) string {
	var params []signer.Param
	for key, values := range f.params {
		params = append(params, signer.Param{Key: key, Value: values[0]})
	}
	return string(signer.AppendText(nil, params, form))
}

func (f forger) sign() string { return f.params.Get("sign") }

func changed(base map[string]string, changes ...string) map[string]string {
	params := maps.Clone(base)
	for i := 0; i < len(changes); i += 2 {
		if params[changes[i]] = changes[i+1]; changes[i+1] == "-" {
			delete(params, changes[i])
		}
	}
	return params
}

// postForm is what Alipay sends.
func postForm(path, body string) *http.Request {
	request := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	return request
}

// waiting returns a shop with a refund whose answer was lost, where notices come
// to the module's route and to the host's own.
func waiting(t *testing.T, mode alipaytest.Config) (*shop, *host, *countingStore) {
	t.Helper()
	counting := &countingStore{Store: store.NewMemory()}
	s := newShopOf(t, mode, func(c *alirefund.Config) {
		c.Store, c.App.SellerIDs = counting, []string{"2088000000000001"}
	})
	if !mode.Certificates {
		s.trustInsider()
		s.restart()
	}
	s.trade()
	s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer}, noQuery)
	s.expect(s.refund(partly), 202, "pending")
	s.expectTold("")
	return s, s.host(), counting
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
	s, h, counting := waiting(t, c.mode)
	if c.base == nil {
		c.base = refundNotice(nil)
	}
	forge := s.forger(c.base)
	var request *http.Request
	if c.body != nil {
		body := c.body(forge)
		if body == forge.body {
			t.Fatal("nothing was forged")
		}
		request = postForm(path, body)
	} else {
		request = c.request(forge, path)
	}
	before, calls := s.known(), len(s.alipay.Calls())

	r := serve(t, s.router, request)
	if r.text == "success" || s.told() != "" || len(s.other) > 0 || len(h.seen) > 0 || !slices.Equal(s.known(), before) {
		f.believed(t, "%s: answered %d %s; told %q, %q; the host saw %q; the ledger has %q, had %q", path, r.status, r.text, s.told(), s.other, h.seen, s.known(), before)
	}
	if r.status != c.status || r.str("code") != c.code {
		t.Errorf("%s: %d %s, want %d %s", path, r.status, r.text, c.status, c.code)
	}
	if n := len(s.alipay.Calls()); n != calls || counting.calls != 0 {
		t.Errorf("%s: it cost %d calls of Alipay and %d claims", path, n-calls, counting.calls)
	}

	r = serve(t, s.router, postForm(path, forge.body))
	if heard := s.told() + strings.Join(s.other, "") + strings.Join(h.seen, ""); r.text != "success" || heard == "" {
		t.Errorf("%s: the genuine one: %d %s, heard %q", path, r.status, r.text, heard)
	}
	s.expectMoved("R1=8.88")
}

// genuineElsewhere is a row of notices that are Alipay's and ours, but not of the
// refund that waits: acknowledged perhaps, and no word about that refund.
type genuineElsewhere struct {
	named
	body func(forger) string
	told string
	path string // default: the module's own
}

func (f *forgeries) replays(t *testing.T) {
	each(f, t, genuineNotices, func(t *testing.T, c genuineElsewhere) {
		s, _, _ := waiting(t, alipaytest.Config{})
		s.alipay.Refuse(true) // so that no question tells what the notice must not
		waits := s.known()[0]
		forge := s.forger(refundNotice(nil))
		r := serve(t, s.router, postForm("/alipay/notify"+c.path, c.body(forge)))
		if got := s.known(); !slices.Contains(got, waits) || len(s.events) > 0 && strings.HasPrefix(waits, s.last().ID) {
			f.believed(t, "%d %s; the ledger has %q, had %q", r.status, r.text, got, waits)
		}
		s.expectTold(c.told)
		s.alipay.Refuse(false)
		if r := s.notice(forge.signed("notify_id", "genuine")); r.text != "success" || !strings.HasSuffix(s.told(), "refund_succeeded") {
			t.Errorf("the genuine one: %d %s, told %q", r.status, r.text, s.told())
		}
		s.expectMoved("R1=8.88")
	})
}
