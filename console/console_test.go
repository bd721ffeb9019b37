package console_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/console"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/internal/shoptest"
	"github.com/alirefund/alirefund/store"
)

// prefix is where the tests mount the console.
const prefix = "/internal/ops"

// desk is a shop with a console.
type desk struct {
	*shoptest.Shop
	language string
}

func newDesk(t *testing.T, change ...func(*alirefund.Config)) *desk {
	d := &desk{Shop: shoptest.NewShop(t, change...)}
	d.mount()
	return d
}

func (d *desk) mount(options ...console.Option) {
	console.Mount(d.Module, d.Router.Group(prefix), guard, options...)
}

// guard knows its people by a header.
func guard(c *gin.Context) {
	switch c.GetHeader("Who") {
	case "lin":
		alirefund.SetActor(c, "lin")
		console.Grant(c)
	case "reader":
		alirefund.SetActor(c, "reader")
	case "nameless":
		console.Grant(c)
		alirefund.GrantApproval(c)
	case "boss", "staff":
		alirefund.SetActor(c, c.GetHeader("Who"))
		alirefund.GrantApproval(c)
	default:
		c.AbortWithStatus(http.StatusUnauthorized)
	}
}

// as asks for a page of the console.
func (d *desk) as(who, method, path string, form url.Values, header ...string) shoptest.Reply {
	d.T.Helper()
	r := httptest.NewRequestWithContext(d.T.Context(), method, prefix+path, strings.NewReader(form.Encode()))
	r.Header.Set("Who", who)
	if d.language != "" {
		r.Header.Set("Accept-Language", d.language)
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	for n := 0; n+1 < len(header); n += 2 {
		r.Header.Set(header[n], header[n+1])
	}
	return shoptest.Serve(d.T, d.Router, r)
}

// see returns the text of a page that lin may see.
func (d *desk) see(path string) string {
	d.T.Helper()
	r := d.as("lin", http.MethodGet, path, nil)
	if r.Status != http.StatusOK {
		d.T.Fatalf("%s: %d\n%s", path, r.Status, r.Text)
	}
	return r.Text
}

func wants(t *testing.T, page string, words ...string) {
	t.Helper()
	for _, word := range words {
		if !strings.Contains(page, word) {
			t.Errorf("the page does not say %q:\n%s", word, page)
		}
	}
}

func lacks(t *testing.T, page string, words ...string) {
	t.Helper()
	for _, word := range words {
		if strings.Contains(page, word) {
			t.Errorf("the page says %q:\n%s", word, page)
		}
	}
}

// unresolved and succeeded make one refund each.
func (d *desk) succeeded() store.Refund {
	d.T.Helper()
	d.Trade()
	r := d.Refund(shoptest.Partly)
	d.Expect(r, http.StatusOK, "succeeded")
	return d.Ledger(r.Str("id"))
}

// record puts a refund into the ledger as if somebody had asked for it.
func (d *desk) record(r store.Refund) store.Refund {
	d.T.Helper()
	r.App, r.Origin = d.Config.App.ID, store.FromRequest
	if r.State == "" {
		r.State = store.Pending
	}
	if r.Kind == "" {
		r.Kind = store.Trade
	}
	opened, _, err := d.Config.Store.Open(d.T.Context(), r.Identify(), store.Limit{}, nil)
	if err != nil {
		d.T.Fatal(err)
	}
	return opened
}

// A person finds a refund by any of its numbers, in either language.
func TestSearch(t *testing.T) {
	d := newDesk(t)
	one := d.succeeded()
	d.record(store.Refund{OutTradeNo: "another order", OutRequestNo: "another number", Amount: 1})
	for _, number := range []string{one.OutTradeNo, one.OutRequestNo, one.TradeNo, one.ID, " " + one.OutTradeNo + "\t", `="` + one.OutTradeNo + `"`} {
		page := d.see("/?q=" + url.QueryEscape(number))
		wants(t, page, one.ID, "¥8.88", "succeeded")
		lacks(t, page, "another order")
	}
	lacks(t, d.see("/?q=R"), one.ID)
	wants(t, d.see("/?q=R"), "No refund is like that.")
	wants(t, d.see("/"), one.ID, "another order")
	wants(t, d.see("/refunds/"+one.ID), "The money went back", "Sent to Alipay", "Alipay answered: the money went back", "the host&#39;s own function", "by staff")
	d.language = "zh-CN,zh;q=0.9,en;q=0.5"
	wants(t, d.see("/?q=R1"), `lang="zh-CN"`, "退款请求号", "成功")
	wants(t, d.see("/refunds/"+one.ID), "款项已退回", "发送给支付宝", "宿主自己的函数")
}

// What a list shows is chosen by state, by kind, by day, and by what is left to do.
func TestFilters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.HookFails(store.RefundSucceeded, errors.New("the books are closed"))
		done := d.succeeded()
		d.HookFails(store.RefundSucceeded, nil)
		time.Sleep(48 * time.Hour)
		lost := d.record(store.Refund{OutTradeNo: "o2", OutRequestNo: "lost", Amount: 2})
		packet := d.record(store.Refund{Kind: store.Coupon, AuthNo: "a3", OutRequestNo: "packet", Amount: 3})
		if _, _, err := d.Config.Store.Settle(t.Context(), packet.ID, store.Settlement{Source: store.ByQuery, Attention: "look at the keys"}); err != nil {
			t.Fatal(err)
		}
		bad := d.record(store.Refund{OutTradeNo: "o4", OutRequestNo: "bad", Amount: 4, State: store.Failed})
		first := done.CreatedAt.In(time.FixedZone("", 8*60*60)).Format("2006-01-02")
		last := bad.CreatedAt.In(time.FixedZone("", 8*60*60)).Format("2006-01-02")
		for query, want := range map[string]string{
			"":                           bad.ID + " " + packet.ID + " " + lost.ID + " " + done.ID,
			"order=oldest":               done.ID + " " + lost.ID + " " + packet.ID + " " + bad.ID,
			"show=unresolved":            packet.ID + " " + lost.ID,
			"show=attention":             packet.ID,
			"show=succeeded":             done.ID,
			"show=failed":                bad.ID,
			"show=untold":                bad.ID + " " + packet.ID + " " + done.ID,
			"kind=coupon":                packet.ID,
			"kind=unfreeze":              "",
			"until=" + first:             done.ID,
			"from=" + last:               bad.ID + " " + packet.ID + " " + lost.ID,
			"from=" + last + "&q=o4":     bad.ID,
			"show=unresolved&q=o2":       lost.ID,
			"show=attention&q=o2":        "",
			"from=nonsense&kind=unheard": bad.ID + " " + packet.ID + " " + lost.ID + " " + done.ID,
		} {
			if got := listed(d.see("/?" + query)); !sameIn(got, want) {
				t.Errorf("%s: %q, want %q", query, got, want)
			}
		}
		wants(t, d.see("/"), "look at the keys", "the oldest for")
		wants(t, d.see("/refunds/"+done.ID), "the books are closed", "untold")
	})
}

// sameIn compares lists, but for the order of those that were recorded at one moment.
func sameIn(got, want string) bool {
	a, b := strings.Fields(got), strings.Fields(want)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b) && (len(a) < 4 || strings.Fields(got)[0] == strings.Fields(want)[0] || strings.Fields(got)[3] == strings.Fields(want)[3])
}

var idOf = regexp.MustCompile(`<tr role="row">\s*<td[^>]*><a href="\./refunds/(rf_[a-z0-9]+)`)

// listed returns the ids of the refunds that a page lists, in order.
func listed(page string) string {
	var ids []string
	for _, m := range idOf.FindAllStringSubmatch(page, -1) {
		ids = append(ids, m[1])
	}
	return strings.Join(ids, " ")
}

var nextOf = regexp.MustCompile(`<a rel="next" class="button" href="\./([^"]+)"`)

// Page by page every refund is seen once, also where few of many are meant.
func TestPages(t *testing.T) {
	d := newDesk(t)
	want := map[string]map[string]bool{"": {}, "show=attention": {}, "q=order": {}}
	for n := range 120 {
		r := d.record(store.Refund{OutTradeNo: "order", OutRequestNo: fmt.Sprint(n), Amount: 1})
		want[""][r.ID], want["q=order"][r.ID] = true, true
		if n%60 == 7 {
			if _, _, err := d.Config.Store.Settle(t.Context(), r.ID, store.Settlement{Source: store.ByQuery, Attention: "look"}); err != nil {
				t.Fatal(err)
			}
			want["show=attention"][r.ID] = true
		}
	}
	for query, ids := range want {
		for _, order := range []string{"", "&order=oldest"} {
			seen, path := 0, "/?"+query+order
			for pages := 0; path != "" && pages < 9; pages++ {
				page := d.see(path)
				for id := range strings.FieldsSeq(listed(page)) {
					if !ids[id] {
						t.Errorf("%s: %s is none of them", query, id)
					}
					seen++
				}
				path = ""
				if m := nextOf.FindStringSubmatch(page); m != nil {
					path = "/" + strings.ReplaceAll(m[1], "&amp;", "&")
				}
			}
			if seen != len(ids) {
				t.Errorf("%s%s: %d seen, want %d", query, order, seen, len(ids))
			}
		}
	}
}

// Where few of very many are meant, a page reads so many and no more, and the next goes on
// behind them.
func TestPagesOfFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		want := 0
		for n := range 2600 {
			r := d.record(store.Refund{OutTradeNo: "order", OutRequestNo: fmt.Sprint(n), Amount: 1})
			if n%200 == 7 {
				want++
				if _, _, err := d.Config.Store.Settle(t.Context(), r.ID, store.Settlement{Source: store.ByQuery, Attention: "look"}); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Millisecond)
		}
		seen, pages, path := map[string]bool{}, 0, "/?show=attention"
		for ; path != "" && pages < 9; pages++ {
			page := d.see(path)
			for id := range strings.FieldsSeq(listed(page)) {
				if seen[id] {
					t.Error(id, "is seen twice")
				}
				seen[id] = true
			}
			path = ""
			if m := nextOf.FindStringSubmatch(page); m != nil {
				path = "/" + strings.ReplaceAll(m[1], "&amp;", "&")
			}
		}
		if len(seen) != want || pages != 3 {
			t.Errorf("%d of %d are seen on %d pages", len(seen), want, pages)
		}
	})
}

// Every page and every refusal keeps the browser from running or loading anything else,
// holds no style and no script of its own, and asks no other site.
func TestPolicy(t *testing.T) {
	d := newDesk(t)
	id := d.succeeded().ID
	for _, path := range []string{
		"/", "/refunds/" + id, "/refunds/" + id + "/deliver?event=refund_succeeded", "/refunds/" + id + "/ask", "/refunds/rf_unknown",
		"/replay", "/days", "/export.csv", "/assets/unknown.css", "/refunds/" + id + "/deliver?event=refund_failed",
	} {
		r := d.as("lin", http.MethodGet, path, nil)
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
			"X-Content-Type-Options":  "nosniff", "Cache-Control": "no-store", "Referrer-Policy": "same-origin",
		} {
			if got := r.Header.Get(name); got != want {
				t.Errorf("%s: %s: %q", path, name, got)
			}
		}
		lacks(t, r.Text, "<script", "<style", " style=", " onclick", "javascript:", "http://", "https://")
		if strings.Contains(r.Header.Get("Content-Type"), "html") {
			wants(t, r.Text, "<!doctype html>", `<html lang="en">`, "<title>", "<h1>")
		}
	}
	for _, link := range regexp.MustCompile(`(?:href|src)="(\./assets/[^"]+)"`).FindAllStringSubmatch(d.see("/"), -1) {
		if r := d.as("lin", http.MethodGet, strings.TrimPrefix(link[1], "."), nil); r.Status != http.StatusOK || !strings.Contains(r.Header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s: %d, %q", link[1], r.Status, r.Header.Get("Cache-Control"))
		}
	}
}

// A guard stands before everything, cannot be left out, and what it refuses is its own.
func TestGuard(t *testing.T) {
	d := newDesk(t)
	id := d.succeeded().ID
	for _, path := range []string{"", "/", "/refunds/" + id, "/refunds/" + id + "/ask", "/replay", "/days", "/export.csv", "/language", "/assets/x"} {
		if r := d.as("", http.MethodGet, path, nil); r.Status != http.StatusUnauthorized || r.Header.Get("Content-Security-Policy") != "" {
			t.Errorf("%s: %d", path, r.Status)
		}
	}
	for name, mount := range map[string]func(){
		"no guard":  func() { console.Mount(d.Module, gin.New(), nil) },
		"no engine": func() { console.Mount(nil, gin.New(), guard) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Error(name + ": mounted")
				}
			}()
			mount()
		}()
	}
	r := gin.New()
	console.Mount(d.Module, r, guard) // at the root
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	request.Header.Set("Who", "lin")
	if reply := shoptest.Serve(t, r, request); reply.Status != http.StatusOK {
		t.Errorf("at the root: %d", reply.Status)
	}
	if r := d.as("lin", http.MethodGet, "", nil); r.Status != http.StatusSeeOther || r.Header.Get("Location") != "./ops/" {
		t.Errorf("without a slash: %d %s", r.Status, r.Header.Get("Location"))
	}
}

// A guard that refuses and forgets to abort shows nothing.
func TestGuardThatDoesNotAbort(t *testing.T) {
	d := newDesk(t)
	d.Router = gin.New()
	console.Mount(d.Module, d.Router.Group("/ops"), func(c *gin.Context) { c.String(http.StatusUnauthorized, "no") })
	if r := d.Do(http.MethodGet, "/ops/", ""); r.Status != http.StatusUnauthorized || r.Text != "no" {
		t.Errorf("%d %s", r.Status, r.Text)
	}
}

// Nobody acts without a grant, without a name, or from another site; nor by a GET.
func TestReadOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		id := d.Unresolved(alipaytest.LostAnswer).ID
		before, asked := d.Ledger(id), d.Calls(gateway.MethodRefundQuery)
		form := url.Values{"outcome": {"failed"}, "reason": {"why"}, "id": {id}}
		for _, path := range []string{"/refunds/" + id + "/ask", "/refunds/" + id + "/resolve", "/refunds/" + id + "/deliver?event=refund_unresolved", "/replay"} {
			for _, who := range []string{"reader", "nameless"} {
				for _, method := range []string{http.MethodGet, http.MethodPost} {
					if r := d.as(who, method, path, form); r.Status != http.StatusForbidden || !strings.Contains(r.Text, "You may look at this") {
						t.Errorf("%s %s %s: %d", who, method, path, r.Status)
					}
				}
			}
			for _, header := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Sec-Fetch-Site", "", "Origin", "https://evil.example"}} {
				if r := d.as("lin", http.MethodPost, path, form, header...); r.Status != http.StatusForbidden || !strings.Contains(r.Text, "another site") {
					t.Errorf("%s with %v: %d", path, header, r.Status)
				}
			}
			d.as("lin", http.MethodGet, path+"?"+form.Encode(), nil)
		}
		for _, who := range []string{"reader", "nameless"} {
			for _, path := range []string{"/", "/refunds/" + id} {
				page := d.as(who, http.MethodGet, path, nil).Text
				wants(t, page, "read only")
				lacks(t, page, "/ask", "/resolve", "/deliver", "./replay")
			}
		}
		if after := d.Ledger(id); len(after.History) != len(before.History) || d.Calls(gateway.MethodRefundQuery) != asked {
			t.Errorf("something was done: %+v", after.History)
		}
	})
}

// act does an action as lin, by the page that asks for a confirmation, and returns the
// page that it leads to.
func (d *desk) act(path string, form url.Values) string {
	d.T.Helper()
	wants(d.T, d.see(path), `<form class="sheet" method="post">`, "In the history it will stand as done by <bdi>lin</bdi>")
	r := d.as("lin", http.MethodPost, path, form)
	if r.Status != http.StatusSeeOther {
		d.T.Fatalf("%s: %d\n%s", path, r.Status, r.Text)
	}
	at := shoptest.Must(shoptest.Must(url.Parse(prefix + path)).Parse(r.Header.Get("Location")))
	return d.see(strings.TrimPrefix(at.String(), prefix))
}

// by returns what somebody did, by the history.
func by(r store.Refund, who string) string {
	var what []string
	for _, e := range r.History {
		if e.Actor == who {
			what = append(what, e.What)
		}
	}
	return strings.Join(what, " ")
}

// To ask is one question, which may settle the refund; it stands in the history.
func TestAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		id := d.Unresolved(alipaytest.LostAnswer).ID
		path := "/refunds/" + id + "/ask"
		wants(t, d.see("/refunds/"+id), "Nobody knows yet whether the money moved", "Ask Alipay now", "Decide")
		asked := d.Calls(gateway.MethodRefundQuery)
		wants(t, d.act(path, nil), "Alipay was asked", "unresolved", "the answer proves nothing", "A person had Alipay asked, by lin")
		d.InjectNothing()
		wants(t, d.act(path, nil), "Asked Alipay: the money went back", "succeeded")
		if d.Calls(gateway.MethodRefundQuery) != asked+2 || by(d.Ledger(id), "lin") != "ask ask" {
			t.Errorf("%d questions, and the history says %q", d.Calls(gateway.MethodRefundQuery)-asked, by(d.Ledger(id), "lin"))
		}
		d.ExpectTold("refund_succeeded")
		if r := d.as("lin", http.MethodPost, path, nil); r.Status != http.StatusConflict {
			t.Errorf("about what is settled: %d", r.Status)
		}
		if r := d.as("lin", http.MethodPost, "/refunds/rf_unknown/ask", nil); r.Status != http.StatusNotFound {
			t.Errorf("about nothing: %d", r.Status)
		}
	})
}

// InjectNothing lets Alipay answer from now on.
func (d *desk) InjectNothing() { d.Alipay.InjectRandomly(1, 0) }

// A decision wants an outcome and a reason, and stands in the history with both.
func TestResolve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		id := d.Unresolved(alipaytest.LostAnswer).ID
		path := "/refunds/" + id + "/resolve"
		for _, form := range []url.Values{{}, {"outcome": {"failed"}}, {"outcome": {"pending"}, "reason": {"why"}}, {"reason": {"kept"}}, {"outcome": {"failed"}, "reason": {" \n "}}} {
			r := d.as("lin", http.MethodPost, path, form)
			if r.Status != http.StatusUnprocessableEntity || !strings.Contains(r.Text, "Choose an outcome and write a reason.") || !strings.Contains(r.Text, form.Get("reason")+"</textarea>") {
				t.Errorf("%v: %d", form, r.Status)
			}
		}
		page := d.act(path, url.Values{"outcome": {"failed"}, "reason": {"seen on\r\nthe console"}})
		wants(t, page, "The decision is recorded.", "A person decided: it failed, by lin", "seen on the console", "It failed, says a person")
		if r := d.Ledger(id); r.State != store.Failed || r.Source != store.ByPerson || by(r, "lin") != "person" {
			t.Errorf("%s by %s, %q", r.State, r.Source, by(r, "lin"))
		}
		d.ExpectTold("refund_failed")
	})
}

// A second person approves or declines, by a grant of its own, a page that asks first, and
// a POST of that page.
func TestApprove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, func(c *alirefund.Config) { c.NeedsApproval = alirefund.Above(0) })
		d.Trade()
		lacks(t, d.see("/"), `class="tile warm"`)
		ids := map[string]string{}
		for _, number := range []string{"R1", "R2", "R3"} {
			ids[number] = d.Refund(shoptest.Numbered(number, "8.88")).Str("id")
			time.Sleep(time.Minute)
		}
		wants(t, d.see("/"), `<strong>3</strong> <span>Awaiting approval</span>`, `<span class="badge awaiting_approval">awaiting approval</span> <span class="quiet">for 1 min</span>`)
		page := "/refunds/" + ids["R1"]
		for who, may := range map[string][]string{"lin": nil, "reader": nil, "nameless": nil, "staff": {"/decline"}, "boss": {"/approve", "/decline"}} {
			text := d.as(who, http.MethodGet, page, nil).Text
			wants(t, text, "nothing is sent to Alipay before", "Approval until")
			wants(t, text, may...)
			lacks(t, text, "/ask", "/resolve", "unresolved")
			if len(may) > 0 {
				lacks(t, text, "read only")
				continue
			}
			lacks(t, text, "/approve", "/decline")
			for _, what := range []string{"/approve", "/decline"} {
				for _, method := range []string{http.MethodGet, http.MethodPost} {
					if r := d.as(who, method, page+what, url.Values{"reason": {"no"}}); r.Status != http.StatusForbidden || !strings.Contains(r.Text, "You may look at this") {
						t.Errorf("%s %s %s: %d", who, method, what, r.Status)
					}
				}
			}
		}
		for _, what := range []string{"/ask", "/resolve", "/deliver?event=refund_failed"} {
			if r := d.as("boss", http.MethodPost, page+what, nil); r.Status != http.StatusForbidden {
				t.Errorf("boss does %s: %d", what, r.Status)
			}
		}
		if r := d.as("staff", http.MethodPost, page+"/approve", nil); r.Status != http.StatusForbidden || !strings.Contains(r.Text, "You asked for this refund yourself") {
			t.Errorf("his own: %d %s", r.Status, r.Text)
		}
		if r := d.as("boss", http.MethodPost, page+"/approve", nil, "Sec-Fetch-Site", "cross-site"); r.Status != http.StatusForbidden {
			t.Errorf("from another site: %d", r.Status)
		}
		asks := d.as("boss", http.MethodGet, page+"/approve", nil)
		wants(t, asks.Text, "Approve this refund?", "the money goes back", `<form class="sheet" method="post">`, "done by <bdi>boss</bdi>")
		if r := d.Ledger(ids["R1"]); r.State != store.AwaitingApproval || len(d.Alipay.Calls()) > 0 {
			t.Fatalf("before anybody approved it is %s", r.State)
		}

		if r := d.as("boss", http.MethodPost, page+"/approve", nil); r.Status != http.StatusSeeOther || r.Header.Get("Location") != "../"+ids["R1"]+"?app="+d.Config.App.ID+"&done=approve" {
			t.Fatalf("%d %v %s", r.Status, r.Header, r.Text)
		}
		wants(t, d.as("boss", http.MethodGet, page+"?done=approve", nil).Text, "It is approved.", "Approved, by boss", "Approved by", "The money went back")
		d.ExpectMoved("R1=8.88")
		for _, what := range []string{"/approve", "/decline"} {
			if r := d.as("boss", http.MethodPost, page+what, url.Values{"reason": {"no"}}); r.Status != http.StatusConflict || !strings.Contains(r.Text, "Somebody was quicker") {
				t.Errorf("%s after that: %d", what, r.Status)
			}
		}

		page = "/refunds/" + ids["R2"]
		if r := d.as("boss", http.MethodPost, page+"/decline", url.Values{"reason": {" \n"}}); r.Status != http.StatusUnprocessableEntity || !strings.Contains(r.Text, "Write a reason.") {
			t.Errorf("declined for nothing: %d", r.Status)
		}
		if r := d.as("boss", http.MethodPost, page+"/decline", url.Values{"reason": {"wrong order"}}); r.Status != http.StatusSeeOther {
			t.Errorf("declined: %d %s", r.Status, r.Text)
		}
		wants(t, d.see(page), "declined", "Declined, by boss", "wrong order", "nothing was sent")

		page = "/refunds/" + ids["R3"]
		d.Alipay.Refuse(true)
		if r := d.as("boss", http.MethodPost, page+"/approve", nil); r.Status != http.StatusSeeOther {
			t.Errorf("approved while Alipay cannot be reached: %d %s", r.Status, r.Text)
		}
		wants(t, d.see(page), "is sent to Alipay as soon as that can be done", `<span class="badge pending">to be sent</span>`)
		d.Alipay.Refuse(false)
		d.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "ACQ.BUYER_NOT_EXIST"})
		d.Refund(shoptest.Numbered("R3", "8.88"))
		wants(t, d.see(page), "Alipay refused it for good")
		d.ExpectMoved("R1=8.88")
		lacks(t, d.see("/?show=awaiting"), ids["R1"], ids["R2"], ids["R3"])
		wants(t, d.see("/?show=failed"), ids["R2"])
		d.language = "zh-CN"
		wants(t, d.see("/refunds/"+ids["R2"]), "已驳回", "驳回，操作人：boss")
	})
}

// One event is delivered once more to one of those who hear of it.
func TestDeliverAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := 0
		d := newDesk(t, func(c *alirefund.Config) {
			c.Subscribers = []alirefund.Subscriber{{Name: "broker", Event: store.RefundSucceeded, Call: func(context.Context, alirefund.Delivery) error { told++; return nil }}}
		})
		d.HookFails(store.RefundSucceeded, errors.New("the books are closed"))
		id := d.succeeded().ID
		synctest.Wait()
		wants(t, d.see("/refunds/"+id), "the books are closed", "broker")
		d.HookFails(store.RefundSucceeded, nil)
		page := d.act("/refunds/"+id+"/deliver?event=refund_succeeded", nil)
		wants(t, page, "It was delivered again", "To be told once more, by lin")
		lacks(t, page, "the books are closed")
		d.ExpectTold("refund_succeeded")
		d.act("/refunds/"+id+"/deliver?event=refund_succeeded@broker", nil)
		synctest.Wait()
		if told != 2 || by(d.Ledger(id), "lin") != "redeliver redeliver" {
			t.Errorf("the broker was told %d times, and the history says %q", told, by(d.Ledger(id), "lin"))
		}
		d.ExpectTold("refund_succeeded")
		for _, event := range []string{"refund_failed", "refund_succeeded@nobody", "", "<script>"} {
			if r := d.as("lin", http.MethodPost, "/refunds/"+id+"/deliver?event="+url.QueryEscape(event), nil); r.Status != http.StatusConflict {
				t.Errorf("%q: %d", event, r.Status)
			}
		}
	})
}

// What would be delivered again is shown first, and just that is then delivered.
func TestReplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		one := d.succeeded()
		lost := d.record(store.Refund{OutTradeNo: "o2", OutRequestNo: "lost", Amount: 2})
		page := d.see("/replay?show=succeeded")
		wants(t, page, one.ID, "Nothing has been done yet.")
		lacks(t, page, lost.ID)
		lacks(t, d.see("/replay?show=unresolved"), "Deliver these now")
		d.ExpectTold("refund_succeeded")

		d.HookFails(store.RefundSucceeded, shoptest.ErrHost)
		r := d.as("lin", http.MethodPost, "/replay?show=succeeded", url.Values{"id": {one.ID, lost.ID}})
		wants(t, r.Text, "Told: 0", "Not told; it stays due and is tried again: 2")
		d.HookFails(store.RefundSucceeded, nil)
		wants(t, d.as("lin", http.MethodPost, "/replay?show=succeeded", url.Values{"id": {one.ID}}).Text, "Told: 1")
		d.ExpectTold("refund_succeeded refund_succeeded")
		if by(d.Ledger(one.ID), "lin") != "redeliver redeliver" || by(d.Ledger(lost.ID), "lin") != "" {
			t.Errorf("the histories say %q and %q", by(d.Ledger(one.ID), "lin"), by(d.Ledger(lost.ID), "lin"))
		}
		if r := d.as("lin", http.MethodPost, "/replay", url.Values{"id": {"rf_unknown"}}); r.Status != http.StatusNotFound {
			t.Errorf("of nothing: %d", r.Status)
		}
	})
}

// The switch stands above the browser's wish, and leads back to where it was used.
func TestLanguage(t *testing.T) {
	d := newDesk(t)
	id := d.succeeded().ID
	for accept, want := range map[string]string{"": "en", "zh": "zh-CN", "zh-TW": "zh-CN", "de, en;q=0.5": "en", "fr": "en", "en, zh;q=0.9": "en"} {
		d.language = accept
		wants(t, d.see("/"), `<html lang="`+want+`">`)
	}
	d.language = ""
	m := regexp.MustCompile(`href="(\.\./language\?[^"]+)"`).FindStringSubmatch(d.see("/refunds/" + id + "?done=ask"))
	if m == nil {
		t.Fatal("there is no switch")
	}
	r := d.as("lin", http.MethodGet, strings.TrimPrefix(strings.ReplaceAll(m[1], "&amp;", "&"), ".."), nil)
	cookie, _, _ := strings.Cut(r.Header.Get("Set-Cookie"), ";")
	if want := "./refunds/" + id + "?done=ask"; r.Status != http.StatusSeeOther || r.Header.Get("Location") != want || cookie == "" {
		t.Fatalf("%d to %q with %q", r.Status, r.Header.Get("Location"), cookie)
	}
	wants(t, d.as("lin", http.MethodGet, "/", nil, "Cookie", cookie, "Accept-Language", "en").Text, `<html lang="zh-CN">`)
	for _, back := range []string{"//evil.example", `\\evil.example`, "https://evil.example", "/\\/evil.example", "%0d%0aX: y"} {
		r := d.as("lin", http.MethodGet, "/language?to=zh&back="+url.QueryEscape(back), nil)
		at := shoptest.Must(url.Parse("https://shop.test" + prefix + "/language")).ResolveReference(shoptest.Must(url.Parse(r.Header.Get("Location"))))
		if at.Host != "shop.test" || !strings.HasPrefix(r.Header.Get("Location"), "./") {
			t.Errorf("%q leads to %s", back, at)
		}
	}
}

// hostile is what a stranger may write into a number, a message or a name.
var hostile = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `'; DROP TABLE refunds; --`, "R\u202E321", "\u2066x\u200fy", strings.Repeat("😀", 64), "👨‍👩‍👧",
	`{{.Engine}}`, "\x00\x1b[31m", "\xff\xfe", "javascript:alert(1)", "=1+1", strings.Repeat("漢", 64),
}

var field = regexp.MustCompile(`<input [^>]*>`)

// Whatever stands in a refund is shown as text: it is markup nowhere, and turns nothing
// around itself.
func TestHostileData(t *testing.T) {
	d := newDesk(t)
	for _, text := range hostile {
		r := d.record(store.Refund{OutTradeNo: text, OutRequestNo: text, TradeNo: text, OperationID: text, OutOrderNo: text, Merchant: text, Method: text, Actor: text, Code: text, SubCode: text, Message: text, Amount: 1})
		if _, _, err := d.Config.Store.Settle(t.Context(), r.ID, store.Settlement{Source: store.ByQuery, Attention: text, Code: text, SubCode: text, Message: text}); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"/", "/?q=" + url.QueryEscape(text), "/refunds/" + r.ID, "/refunds/" + r.ID + "/ask", "/refunds/" + r.ID + "/resolve", "/replay?q=" + url.QueryEscape(text)} {
			page := field.ReplaceAllString(d.see(path), "") // what was searched stands in its own box
			lacks(t, page, "<script", "<img", "\u202e", "\u2066", "\u200f", "\x00", "\x1b", "\xff", `href="javascript`)
		}
		if !strings.Contains(d.see("/?q="+url.QueryEscape(text)), r.ID) && text != "\xff\xfe" && !strings.HasPrefix(text, "\x00") {
			t.Errorf("%q is not found", text)
		}
	}
	wants(t, d.see("/"), "R[U&#43;202E]321", strings.Repeat("😀", 64), "👨‍👩‍👧", "&lt;script&gt;", "[U&#43;0000][U&#43;001B]")
	r := d.as("lin", http.MethodPost, "/refunds/"+d.record(store.Refund{OutTradeNo: "x", OutRequestNo: "y"}).ID+"/resolve", url.Values{"reason": {`</textarea><script>alert(1)</script>`}})
	lacks(t, r.Text, "<script")
}

// Several applications are shown one at a time, and none that the list does not name.
func TestApps(t *testing.T) {
	d := newDesk(t)
	own := d.succeeded()
	d.Router = gin.New()
	asked := ""
	console.Mount(d.Module, d.Router.Group(prefix), guard, console.Apps(
		func(*gin.Context) []string { return []string{own.App, "2021000000000002"} },
		func(_ context.Context, id string) (console.Engine, error) {
			asked = id
			if id != own.App {
				return nil, alirefund.ErrUnknownApp
			}
			return d.Module, nil
		}))
	page := d.see("/")
	wants(t, page, own.ID+"?app="+own.App, "2021000000000002")
	if r := d.as("lin", http.MethodGet, "/?app=2021000000000002", nil); r.Status != http.StatusNotFound || asked != "2021000000000002" {
		t.Errorf("the other: %d", r.Status)
	}
	if r := d.as("lin", http.MethodGet, "/?app=2021000000000003", nil); r.Status != http.StatusNotFound || asked != "2021000000000002" {
		t.Errorf("one that the list does not name: %d, and %s was asked for", r.Status, asked)
	}
}

// A store that fails is said to, and the page is no page of refunds.
func TestStoreFails(t *testing.T) {
	d := newDesk(t, func(c *alirefund.Config) { c.Store = downStore{c.Store} })
	for _, path := range []string{"/", "/refunds/rf_x", "/days", "/export.csv", "/replay"} {
		if r := d.as("lin", http.MethodGet, path, nil); r.Status != http.StatusServiceUnavailable || !strings.Contains(r.Text, "The store did not answer") || strings.Contains(r.Text, shoptest.ErrStoreDown.Error()) {
			t.Errorf("%s: %d %s", path, r.Status, r.Text)
		}
	}
}

type downStore struct{ store.Store }

func (downStore) List(context.Context, store.Filter) ([]store.Refund, error) {
	return nil, shoptest.ErrStoreDown
}

func (downStore) Get(context.Context, string) (store.Refund, error) {
	return store.Refund{}, shoptest.ErrStoreDown
}

// slowStore takes a while for each list.
type slowStore struct{ store.Store }

func (s slowStore) List(ctx context.Context, f store.Filter) ([]store.Refund, error) {
	time.Sleep(40 * time.Millisecond)
	return s.Store.List(ctx, f)
}
