package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/store"
)

// record is a refund as GET /refunds lists it.
type record struct {
	ID           string
	State        store.State
	Kind         store.Kind
	OutTradeNo   string `json:"out_trade_no"`
	AuthNo       string `json:"auth_no"`
	OutRequestNo string `json:"out_request_no"`
	Amount       money.Amount
	Delivered    bool
}

func (r record) key() refundKey {
	return refundKey{orderKey{r.Kind, r.OutTradeNo + r.AuthNo}, r.OutRequestNo} // one of them is empty
}

// records returns all pages of GET /refunds.
func (c *crash) records(query string) (all []record) {
	c.Helper()
	a := &app{t: c.T, base: c.base}
	for cursor := ""; ; {
		r := a.do(http.MethodGet, "/alipay/refunds?"+query+cursor, "", "Bearer "+testToken)
		var page struct {
			Refunds []record
			Next    string
		}
		unmarshal(c.T, r.text, &page)
		if r.status != http.StatusOK {
			c.Fatalf("GET /refunds: %d %s", r.status, r.text)
		}
		all = append(all, page.Refunds...)
		if page.Next == "" {
			return all
		}
		cursor = "&cursor=" + url.QueryEscape(page.Next)
	}
}

// settle waits until nothing is left to do, and then stops the shop.
func (c *crash) settle() {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for until := time.Now().Add(3*time.Minute + *crashHeld); time.Now().Before(until); <-tick.C {
		c.fake.Advance(10 * time.Minute)
		if len(c.records("state=pending"))+len(c.records("undelivered=true"))+c.noticesLeft()+int(c.onTheWay.Load()) == 0 {
			break
		}
	}
}

// noticesLeft counts Alipay's notices to this shop that were not acknowledged.
func (c *crash) noticesLeft() (left int) {
	for _, n := range c.fake.Notices() {
		if n.Params["app_id"] == c.fake.AppID() && !n.Acknowledged {
			left++
		}
	}
	return left
}

// balance is what came of it all. Whatever stands in wrong is to be 0.
type balance struct {
	*crash
	wrong map[string]int
	moved map[refundKey]alipaytest.Movement
	// afterNo are those whose request was answered by 422, and that moved later.
	afterNo []refundKey
	unknown int // amounts of refunds at the console: Alipay did not answer the question, and a notice says none
}

// agrees tells whether an amount is what really moved.
func (b *balance) agrees(key refundKey, amount money.Amount) bool {
	m, moved := b.moved[key]
	return moved && (m.Amount == amount || b.consoled[key] && amount == 0)
}

// The ways in which it can be wrong.
const (
	unanswered   = "never answered for good"
	movedTwice   = "money moved more than once"
	movedUnasked = "money moved under a number nobody asked for, or another amount"
	movedAfterNo = "money moved though 422 was answered, and nobody was told"
	notMoved     = "200 answered, and no money moved"
	wrongLedger  = "ledger wrong, unresolved or undelivered"
	lost         = "callbacks lost"
	untrue       = "callbacks of what never was"
	wrongRows    = "host rows wrong"
	rowsTwice    = "host rows written twice"
	noticesLeft  = "notices never taken"
)

var allWrongs = []string{unanswered, movedTwice, movedUnasked, movedAfterNo, notMoved, wrongLedger, lost, untrue, wrongRows, rowsTwice, noticesLeft}

// is counts a wrong, and says what the first of its kind are.
func (b *balance) is(wrong, format string, args ...any) {
	b.Helper()
	if b.wrong[wrong]++; b.wrong[wrong] <= 5 {
		b.Errorf(wrong+": "+format, args...)
	}
}

// judge compares what really happened with what everybody believes.
func (c *crash) judge(name string, began time.Time) {
	b := &balance{crash: c, wrong: map[string]int{}, moved: map[refundKey]alipaytest.Movement{}}
	b.money()
	records := b.ledger()
	b.rows()
	for _, p := range c.processes {
		c.end(p)
	}
	twice, mended := b.callbacks(records)
	b.rowsOnce()
	for range c.noticesLeft() {
		b.is(noticesLeft, "")
	}

	refused, notices, posts, early := 0, c.fake.Notices(), 0, 0
	for _, w := range c.plan.wishes {
		if w.status != http.StatusOK {
			refused++
		}
	}
	for _, n := range notices {
		posts += len(n.Deliveries)
		for _, d := range n.Deliveries {
			if strings.Contains(d.Body, `"notification_pending"`) {
				early++
			}
		}
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%s, -crash.seed=%d, %s\n", name, c.seed, time.Since(began).Round(time.Second))
	line := func(n int, what string) { fmt.Fprintf(&text, "%8d  %s\n", n, what) }
	line(c.kills, "times killed")
	line(len(c.plan.wishes), "refunds asked for")
	line(refused, "of them refused for good")
	line(int(c.cut.Load()), "requests cut off")
	line(int(c.repeated.Load()), "requests repeated")
	line(int(c.unsure.Load()), "answers of a store of which nobody knew whether it had written")
	line(len(c.fake.Calls()), "calls to Alipay")
	line(int(c.held.Load()), fmt.Sprint("of them held back on their way, for up to ", *crashHeld))
	line(len(c.consoled), "refunds at the console")
	line(b.unknown, "of them of an amount that Alipay did not tell")
	line(len(b.moved), "movements of money")
	line(len(notices), "notices")
	line(posts, "deliveries of them")
	line(early, "of them to come again, because the refund was not told yet")
	line(mended, "failures told that a repeat has mended, or a late request")
	line(len(b.afterNo), "requests answered by 422 whose money moved later, which was told")
	line(twice, "callbacks seen twice (lines of events)")
	line(b.said("a transactional hook failed"), "times a hook failed, of which some had hung")
	line(b.wrongClocks(), "times a process said that its clock is wrong")
	for _, wrong := range allWrongs {
		line(b.wrong[wrong], wrong)
	}
	for _, note := range c.notes {
		fmt.Fprintf(&text, "          %s\n", note)
	}
	c.Log(text.String())
	if said, err := os.ReadFile(filepath.Join(c.dir, "shop.log")); c.Failed() && err == nil {
		c.Logf("what the shop said last:\n%s", said[max(0, len(said)-8<<10):])
	}
}

// money fills b.moved, and judges whether it should have.
func (b *balance) money() {
	asked := map[refundKey]*wish{}
	for _, w := range b.plan.wishes {
		asked[w.refundKey] = w
	}
	for _, m := range b.fake.Movements() {
		key := refundKey{orderKey{store.Trade, m.OutTradeNo}, m.OutRequestNo}
		if m.AuthNo != "" {
			key.orderKey = orderKey{store.Coupon, m.AuthNo}
		}
		if _, before := b.moved[key]; before {
			b.is(movedTwice, "%v", key)
		}
		b.moved[key] = m
		w := asked[key]
		switch {
		case w == nil && !b.consoled[key] && m.Kind != alipaytest.AutomaticReturn, w != nil && w.amount != m.Amount:
			b.is(movedUnasked, "%v %s", key, m.Amount)
		case w != nil && w.status == http.StatusUnprocessableEntity:
			b.afterNo = append(b.afterNo, key)
		}
	}
	for _, w := range b.plan.wishes {
		_, moved := b.moved[w.refundKey]
		switch {
		case w.status == 0:
			b.is(unanswered, "%v", w.refundKey)
		case w.status == http.StatusOK && !moved:
			b.is(notMoved, "%v", w.refundKey)
		}
	}
}

// ledger judges what GET /refunds lists.
func (b *balance) ledger() map[refundKey]record {
	records := map[refundKey]record{}
	for _, r := range b.records("limit=100") {
		m, moved := b.moved[r.key()]
		if _, twice := records[r.key()]; twice || r.State == store.Pending || !r.Delivered || (r.State == store.Succeeded) != moved || moved && !b.agrees(r.key(), r.Amount) {
			b.is(wrongLedger, "%+v, and %s moved", r, m.Amount)
		}
		if r.Amount == 0 {
			b.unknown++
		}
		records[r.key()] = r
	}
	for key := range b.moved {
		if _, known := records[key]; !known {
			b.is(wrongLedger, "nothing is known of %v", key)
		}
	}
	return records
}

// rows judges what GET /orders shows.
func (b *balance) rows() {
	a := &app{t: b.T, base: b.base}
	var orders []*order
	unmarshal(b.T, a.do(http.MethodGet, "/orders", "", "Bearer "+testToken).text, &orders)
	left := len(b.moved)
	for _, o := range orders {
		key := orderKey{store.Trade, o.OutTradeNo}
		if o.AuthNo != "" {
			key = orderKey{store.Coupon, o.AuthNo}
		}
		var refunded money.Amount
		for number, amount := range o.Refunds {
			refunded += amount
			left--
			if refund := (refundKey{key, number}); !b.agrees(refund, amount) {
				b.is(wrongRows, "%v: %s, and %s moved", refund, amount, b.moved[refund].Amount)
			}
		}
		if refunded != o.Refunded || o.Total != b.plan.totals[key] {
			b.is(wrongRows, "%v: %+v", key, *o)
		}
	}
	if left != 0 {
		b.is(wrongRows, "%d movements have none", left)
	}
}

// callbacks judges the lines of the events files, and counts those that came again.
func (b *balance) callbacks(records map[refundKey]record) (twice, mended int) {
	told := map[store.Event]map[refundKey]int{store.RefundSucceeded: {}, store.RefundFailed: {}, store.RefundUnresolved: {}}
	for _, p := range b.processes {
		b.lines(p, told)
	}
	for key, n := range told[store.RefundSucceeded] {
		twice += n - 1
		if _, moved := b.moved[key]; !moved {
			b.is(untrue, "success of %v", key)
		}
	}
	for key := range told[store.RefundFailed] {
		if _, moved := b.moved[key]; moved {
			mended++
		}
	}
	for _, key := range b.afterNo {
		if told[store.RefundSucceeded][key] == 0 {
			b.is(movedAfterNo, "%v", key)
		}
	}
	for key := range b.moved {
		if told[store.RefundSucceeded][key] == 0 {
			b.is(lost, "success of %v", key)
		}
	}
	for _, w := range b.plan.wishes { // one that failed because nothing was sent is no failure to tell of
		if w.code == "alipay_refused" && records[w.refundKey].State == store.Failed && told[store.RefundFailed][w.refundKey] == 0 {
			b.is(lost, "failure of %v", w.refundKey)
		}
	}
	return twice, mended
}

// lines counts the lines of a process's events file, by event and refund.
func (b *balance) lines(p *process, told map[store.Event]map[refundKey]int) {
	f, err := os.Open(filepath.Join(b.dir, "events-"+strings.TrimPrefix(p.base, "http://")+".jsonl"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	torn := 0
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil { // the shop was killed in the middle of it
			torn++
			continue
		}
		if e.Event == notification {
			b.is(untrue, "a notification: %+v", e)
			continue
		}
		told[e.Event][refundKey{orderKey{e.Kind, e.OutTradeNo + e.AuthNo}, e.OutRequestNo}]++
	}
	if torn > b.kills {
		b.is(untrue, "%d lines are torn, by %d kills", torn, b.kills)
	}
}

// wrongClocks counts the processes that said so; that none did would show that they had
// the right one.
func (b *balance) wrongClocks() int {
	n := b.said("clock and the ledger's differ")
	if n == 0 {
		b.Error("no process had a wrong clock")
	}
	return n
}

// said counts the lines of the shop's log with that text.
func (b *balance) said(text string) int {
	log, err := os.ReadFile(filepath.Join(b.dir, "shop.log"))
	if err != nil {
		b.Fatal(err)
	}
	return strings.Count(string(log), text)
}

// rowsInRedis is rowsOnce where a row is keyed by its refund.
func (b *balance) rowsInRedis() {
	book, _, err := openRedis(b.store)
	if err != nil {
		b.Fatal(err)
	}
	defer book.Close()
	if n, err := book.HLen(b.Context(), bookRefunds).Result(); err != nil || int(n) != len(b.moved) {
		b.is(wrongRows, "%d refunds were written, and %d moved: %v", n, len(b.moved), err)
	}
}

// rowsOnce judges how often each row was written and committed.
func (b *balance) rowsOnce() {
	if strings.HasPrefix(b.store, "redis:") {
		b.rowsInRedis()
		return
	}
	d, err := connect(b.store)
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	var rows, refunds int
	if err := d.QueryRowContext(b.Context(), "SELECT COUNT(*), COUNT(DISTINCT id) FROM told").Scan(&rows, &refunds); err != nil {
		b.Fatal(err)
	}
	if refunds != len(b.moved) {
		b.is(wrongRows, "%d refunds were written, and %d moved", refunds, len(b.moved))
	}
	for range rows - refunds {
		b.is(rowsTwice, "")
	}
}
