package browser_test

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/internal/shoptest"
	"github.com/alirefund/alirefund/store"
)

// night leaves what a night shift finds: a refund that nobody knows about, one of which
// the host did not hear, one that wants a person, and many that are well.
func (d *desk) night() (lost, untold store.Refund) {
	d.T.Helper()
	d.HookFails(store.RefundSucceeded, errors.New("orders: connection refused: 数据库暂时不可用"))
	d.Trade()
	r := d.Refund(strings.Replace(shoptest.Partly, "R1", "20261130000000000000000001", 1))
	d.Expect(r, 200, "succeeded")
	d.HookFails(store.RefundSucceeded, nil)
	untold = d.Ledger(r.Str("id"))
	for n := range 70 {
		of := store.Refund{Kind: store.Kinds()[n%3], OutTradeNo: fmt.Sprintf("2026113022001400%04d", n), AuthNo: fmt.Sprintf("20261130110014%06d", n), Actor: "客服小王", Amount: 1_00 + 777*777}
		of.OutRequestNo = fmt.Sprintf("RF-%06d", n)
		switch {
		case n == 66:
			of.OutTradeNo, of.OutRequestNo, of.Kind = "<script>alert(1)</script>\u202e\"'", strings.Repeat("😀", 64), store.Trade
		case n%23 == 5:
			of.State = store.Failed
		default:
			of.State = store.Succeeded
		}
		of.App, of.Origin = d.Config.App.ID, store.FromRequest
		if of.State == "" {
			of.State = store.Pending
		}
		opened, _, err := d.Config.Store.Open(d.T.Context(), of.Identify(), store.Limit{}, nil)
		if err != nil {
			d.T.Fatal(err)
		}
		for _, event := range opened.Due() {
			token, _, err := d.Config.Store.Deliver(d.T.Context(), opened.ID, event, time.Minute)
			if err == nil {
				_, _, err = d.Config.Store.Delivered(d.T.Context(), opened.ID, event, token, store.Notice{})
			}
			if err != nil {
				d.T.Fatal(err)
			}
		}
		if n == 66 {
			if _, _, err := d.Config.Store.Settle(d.T.Context(), opened.ID, store.Settlement{Source: store.ByQuery, Attention: "Alipay refuses every question about it with isv.invalid-app-id; the keys or the app_id are wrong"}); err != nil {
				d.T.Fatal(err)
			}
		}
	}
	d.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer})
	d.Always(alipaytest.LostAnswer, gateway.MethodRefundQuery)
	r = d.Refund(strings.Replace(shoptest.Partly, "R1", "R2", 1))
	d.Expect(r, 202, "pending")
	return d.Ledger(r.Str("id")), untold
}

// A person finds what is wrong, asks, has it delivered, decides, and takes a table along.
func TestANightShift(t *testing.T) {
	d := open(t, "en", false)
	lost, untold := d.night()
	d.visit("")
	d.says("Unresolved", "R2", "Wants a person")
	d.picture("list-en-1280")

	d.do(chromedp.SendKeys(`input[name=q]`, untold.OutRequestNo))
	d.follow("Search")
	d.says(untold.OutRequestNo)
	d.follow(untold.OutTradeNo)
	d.says("connection refused: 数据库暂时不可用", "untold")
	d.picture("refund-untold-1280")
	d.follow("Deliver again")
	d.says("Tell “refund succeeded” once more")
	d.picture("deliver-1280")
	d.follow("Deliver again")
	d.says("It was delivered again", "by 林晓")
	d.ExpectTold("refund_succeeded")

	d.visit("refunds/" + lost.ID)
	d.follow("Ask Alipay now")
	d.picture("ask-1280")
	d.follow("Ask Alipay now")
	d.says("Alipay was asked", "the answer proves nothing")
	d.follow("Decide")
	d.picture("resolve-1280")
	d.do(chromedp.Click(`input[value=succeeded]`), chromedp.SendKeys("textarea", "seen in the merchant console"))
	d.follow("Decide")
	d.says("The decision is recorded.", "seen in the merchant console", "succeeded")
	d.picture("refund-decided-1280")
	if r := d.Ledger(lost.ID); r.State != store.Succeeded || r.Source != store.ByPerson {
		t.Errorf("it is %s by %s", r.State, r.Source)
	}

	d.visit("?kind=coupon")
	d.do(chromedp.Click(`//a[text()="Export as CSV"]`))
	rows := d.table("refunds.csv")
	if len(rows) != 24 || !slices.Contains(rows[0], "out_request_no") {
		t.Errorf("the table has %d lines, the first %q", len(rows), rows[0])
	}

	d.visit("replay?show=succeeded")
	d.says("Nothing has been done yet")
	d.picture("replay-1280")
	d.follow("Deliver these now")
	d.says("Told: ")
	d.visit("days")
	d.picture("days-1280")
}

// A second person finds what waits for approval, approves one and declines another.
func TestApproval(t *testing.T) {
	d := open(t, "en", false, func(c *alirefund.Config) { c.NeedsApproval = alirefund.Above(0) })
	d.Trade()
	for _, number := range []string{"R1", "R2"} {
		d.Expect(d.Refund(shoptest.Numbered(number, "8.88")), 202, "awaiting_approval")
	}
	d.visit("")
	d.says("Awaiting approval", "2")
	d.picture("list-awaiting-1280")
	d.visit("?show=awaiting&q=R1")
	d.follow(shoptest.Order)
	d.says("nothing is sent to Alipay before", "by staff")
	d.picture("refund-awaiting-1280")
	d.follow("Approve")
	d.says("Approve this refund?")
	d.picture("approve-1280")
	d.ExpectMoved("")
	d.follow("Approve")
	d.says("It is approved.", "Approved, by 林晓", "The money went back")
	d.ExpectMoved("R1=8.88")

	d.visit("?show=awaiting")
	d.follow(shoptest.Order)
	d.follow("Decline")
	d.do(chromedp.SendKeys("textarea", "wrong order"))
	d.picture("decline-1280")
	d.follow("Decline")
	d.says("It is declined.", "wrong order", "nothing was sent")
	d.ExpectMoved("R1=8.88")
}

// table waits for a download.
func (d *desk) table(name string) [][]string {
	d.T.Helper()
	for range 100 {
		text, err := os.ReadFile(filepath.Join(d.dir, name))
		if err == nil && len(text) > 0 {
			rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(string(text), "\uFEFF"))).ReadAll()
			if err != nil {
				d.T.Fatal(err)
			}
			return rows
		}
		d.do(chromedp.Sleep(100 * time.Millisecond))
	}
	d.T.Fatal("nothing was downloaded")
	return nil
}

// All of it can be done by keyboard alone, and one sees where one is.
func TestByKeyboard(t *testing.T) {
	d := open(t, "en", false)
	lost, _ := d.night()
	d.visit("")
	d.do(chromedp.KeyEvent(kb.Tab))
	if words := d.focused(); words != "Skip to the content" {
		t.Errorf("the first stop is %q", words)
	}
	d.do(chromedp.KeyEvent(kb.Enter))
	d.tabTo("q")
	d.do(chromedp.KeyEvent(lost.OutRequestNo))
	d.leave(chromedp.KeyEvent(kb.Enter))
	d.tabTo(lost.OutTradeNo)
	d.leave(chromedp.KeyEvent(kb.Enter))
	d.tabTo("Ask Alipay now")
	d.leave(chromedp.KeyEvent(kb.Enter))
	d.tabTo("Ask Alipay now")
	d.leave(chromedp.KeyEvent(kb.Enter))
	d.says("Alipay was asked")
	d.tabTo("Decide")
	d.leave(chromedp.KeyEvent(kb.Enter))
	d.tabTo("outcome")
	d.do(chromedp.KeyEvent(kb.ArrowDown), chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent("nothing there"))
	d.tabTo("Decide")
	d.leave(chromedp.KeyEvent(kb.Enter))
	d.says("The decision is recorded.", "nothing there")
	if r := d.Ledger(lost.ID); r.State != store.Failed || r.Source != store.ByPerson {
		t.Errorf("it is %s by %s", r.State, r.Source)
	}
}

// focused is what the keyboard is at: its words, or its name.
func (d *desk) focused() string {
	d.T.Helper()
	return strings.TrimSpace(get(d, chromedp.Evaluate[string](`(() => { const e = document.activeElement; return e.name || e.innerText || e.tagName })()`)))
}

// tabTo goes on from stop to stop, each of which can be seen.
func (d *desk) tabTo(words string) {
	d.T.Helper()
	for range 60 {
		d.do(chromedp.KeyEvent(kb.Tab))
		seen := get(d, chromedp.Evaluate[bool](`(() => { const e = document.activeElement, r = e.getBoundingClientRect(), s = getComputedStyle(e); return e == document.body || r.width > 0 && r.left >= 0 && s.outlineStyle != "none" })()`))
		at := d.focused()
		if !seen {
			d.T.Errorf("one does not see that one is at %q", at)
		}
		if at == words {
			return
		}
	}
	d.picture("failed")
	d.T.Fatalf("there is no way to %q", words)
}

// finding is one of axe's.
type finding struct {
	ID, Impact, Help string
	Nodes            []struct {
		HTML           string
		FailureSummary string
	}
}

// axe looks at the page.
func (d *desk) axe(script string) (all []finding) {
	d.T.Helper()
	d.do(chromedp.Evaluate[chromedp.Void](script + "\n;0"))
	text := get(d, chromedp.Evaluate[string](`axe.run().then(r => JSON.stringify(r.violations))`, chromedp.EvalAwaitPromise))
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		d.T.Fatal(err)
	}
	return all
}

// Each page can be used by everybody, in both languages, light and dark, on a telephone
// and on a desk, and is nowhere wider than its window.
func TestEverybodyCanUseIt(t *testing.T) {
	script, err := os.ReadFile("node_modules/axe-core/axe.min.js")
	if err != nil {
		missing(t, "the npm package axe-core is not installed (make axe)")
	}
	for _, language := range []string{"en", "zh-CN"} {
		t.Run(language, func(t *testing.T) {
			d := open(t, language, false)
			lost, untold := d.night()
			time.Sleep(10 * time.Second) // what is younger is not counted by day
			pages := map[string]string{
				"list": "", "empty": "?q=nothing", "attention": "?show=attention", "refund": "refunds/" + untold.ID, "unresolved": "refunds/" + lost.ID,
				"ask": "refunds/" + lost.ID + "/ask", "resolve": "refunds/" + lost.ID + "/resolve", "deliver": "refunds/" + untold.ID + "/deliver?event=refund_succeeded",
				"replay": "replay?show=succeeded", "days": "days", "error": "refunds/rf_unknown",
			}
			for _, look := range []struct {
				width  int64
				scheme string
			}{{1280, "light"}, {375, "dark"}} {
				d.wide(look.width)
				call(d, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: look.scheme}}})
				for name, path := range pages {
					d.visit(path)
					for _, f := range d.axe(string(script)) {
						for _, node := range f.Nodes {
							t.Errorf("%s, %s, %d px: %s (%s): %s\n%s", name, look.scheme, look.width, f.ID, f.Impact, node.FailureSummary, node.HTML)
						}
					}
					if over := get(d, chromedp.Evaluate[int](`document.documentElement.scrollWidth - innerWidth`)); over > 0 {
						t.Errorf("%s, %d px: %d px too wide", name, look.width, over)
					}
					d.picture(fmt.Sprintf("%s-%s-%d", name, language, look.width))
				}
			}
			// It does look: a box without a label is found.
			d.do(chromedp.Evaluate[chromedp.Void](`document.querySelector("main").insertAdjacentHTML("beforeend", "<input>"); 0`))
			if found := d.axe(string(script)); !slices.ContainsFunc(found, func(f finding) bool { return f.ID == "label" }) {
				t.Errorf("it found %+v", found)
			}
		})
	}
}

// The switch changes the language, and the browser remembers it.
func TestTheSwitch(t *testing.T) {
	d := open(t, "en", true)
	_, untold := d.night()
	d.visit("refunds/" + untold.ID)
	d.says("read only", "The money went back")
	d.leave(chromedp.Click(`//a[text()="中文"]`))
	d.says("只读", "款项已退回")
	d.follow("← 退款")
	d.says("退款请求号", "未决")
	d.leave(chromedp.Click(`//a[text()="English"]`))
	d.says("Newest first")
}
