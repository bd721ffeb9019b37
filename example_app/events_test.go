package main

import (
	"bytes"
	"errors"
	"io"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/store"
)

// Both ways to listen, with what Alipay tells of by itself.
func TestNotices(t *testing.T) {
	a, fake := startWith(t, nil)
	fake.AddTrade(alipaytest.Trade{OutTradeNo: "paid-1", Total: 60_00, NotifyURL: a.base + payNotifyPath})
	fake.AddTrade(alipaytest.Trade{OutTradeNo: "paid-2", Total: 70_00, NotifyURL: a.base + notifyPath})
	fake.AddRedPacket(alipaytest.RedPacket{AuthNo: "packet-1", Amount: 5_00, Claimed: 2_00, NotifyURL: a.base + payNotifyPath})

	fake.Pay("paid-1")
	fake.Pay("paid-2")
	fake.Deliver(t.Context())
	number := fake.RefundAtConsole("paid-1", 10_00)
	fake.Deliver(t.Context())
	fake.Advance(48 * time.Hour) // the red packet runs out
	movements := fake.Movements()
	automatic := movements[len(movements)-1].OutRequestNo

	want := []string{
		"notification trade paid-1  60.00 notice",
		"notification trade paid-2  70.00 notice",
		"refund_succeeded trade paid-1 " + number + " 10.00 notice",
		"refund_succeeded coupon packet-1 " + automatic + " 3.00 notice",
	}
	a.expectEvents(want...)
	for _, n := range fake.Notices() {
		if !n.Acknowledged || len(n.Deliveries) != 1 {
			t.Errorf("the notice to %s: %+v", n.URL, n.Deliveries)
		}
	}
	for _, path := range []string{notifyPath, payNotifyPath} {
		if r := a.do(http.MethodPost, path, "notify_id=forged&sign_type=RSA2&sign=AAAA", ""); r.status/100 != 4 {
			t.Errorf("a forged notice at %s: %d %s", path, r.status, r.text)
		}
	}
	a.expectEvents(want...)
}

func TestUnresolved(t *testing.T) {
	a, fake := startWith(t, nil)
	fake.AddTrade(alipaytest.Trade{OutTradeNo: "order-1"})
	fake.Inject(alipaytest.Fault{Kind: alipaytest.NoSignature}, alipaytest.Fault{Kind: alipaytest.LostAnswer, Method: "alipay.trade.fastpay.refund.query"})
	r := a.refund(`{"out_trade_no":"order-1","refund_amount":"1.00","out_request_no":"r1"}`)
	a.expect(r, http.StatusAccepted, "pending")
	a.expect(a.refund(`{"out_trade_no":"order-1","refund_amount":"1.00","out_request_no":"r1"}`), http.StatusOK, "succeeded")
	events := a.events()
	if len(events) != 2 || events[0].Event != "refund_unresolved" || events[0].Source == "" ||
		brief(events[1]) != "refund_succeeded trade order-1 r1 1.00 query" {
		t.Errorf("events: %+v", events)
	}
}

func TestEventsFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "events.jsonl")
	var all []event
	for _, number := range []string{"r1", "r2"} { // a second run appends
		a := start(t, "-events", name)
		a.expect(a.refund(`{"out_trade_no":"6823789339978250","refund_amount":"1.00","out_request_no":"`+number+`"}`), http.StatusOK, "succeeded")
		all = append(all, a.events()...)
		var kept []event
		text, err := os.ReadFile(name) // while it runs: nothing is held back
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(text) {
			var e event
			unmarshal(t, string(line), &e)
			kept = append(kept, e)
		}
		if !slices.Equal(kept, all) {
			t.Errorf("the file has %+v, and the hooks were told %+v", kept, all)
		}
		if err := a.stop(); err != nil {
			t.Error(err)
		}
	}
}

// A hook that cannot write its event down fails: the refund stands all the same,
// the notice is not acknowledged, and both are told again.
func TestEventsFileFails(t *testing.T) {
	broken, err := openEventLog(filepath.Join(t.TempDir(), "events.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	if err := broken.Close(); err != nil {
		t.Fatal(err)
	}
	fake := newFake("http://shop.test"+payNotifyPath, nil)
	fake.InjectRandomly(0, 0)
	s := &shop{staffToken: testToken, staff: &sessions{}, orders: newMemory(), events: broken, log: log.New(io.Discard, "", 0)}
	config, wrong := s.config(store.NewMemory()), problems{}
	(&options{}).useFake(fake, "http://shop.test"+notifyPath, &config, wrong)
	module, err := alirefund.New(config)
	if err != nil || len(wrong) > 0 {
		t.Fatal(err, wrong)
	}
	routes := s.routes(module)
	fake.HandleNotices(routes)
	a := &app{t: t, base: listenAndServe(t, routes)}

	fake.Pay("6823789339978248")
	fake.Deliver(t.Context())
	r := a.refund(`{"out_trade_no":"6823789339978250","refund_amount":"9.90","out_request_no":"r1"}`)
	a.expect(r, http.StatusOK, "succeeded")
	if r.body["delivered"] != false {
		t.Errorf("delivered without its event: %s", r.text)
	}
	a.expectEvents()

	broken.mu.Lock()
	broken.file = nil // repaired
	broken.mu.Unlock()
	fake.Advance(4 * time.Minute)
	a.expectEvents(
		"refund_succeeded trade 6823789339978250 r1 9.90 answer",
		"notification trade 6823789339978248  88.88 notice",
	)
	a.expectOrders(`[{"out_trade_no":"6823789339978250","refunded":"9.90","refunds":{"r1":"9.90"}}]`)
}

// A line that a kill tore does not swallow the next one.
func TestTornLineOfTheEvents(t *testing.T) {
	name := file(t, "events.jsonl", `{"event":"refund_su`)
	l, err := openEventLog(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(l.add(event{Event: "refund_failed"}), l.Close()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(name)
	if lines := strings.Split(string(text), "\n"); err != nil || len(lines) != 3 || !strings.Contains(lines[1], "refund_failed") {
		t.Errorf("%q, %v", text, err)
	}
}

// A shop that runs for long keeps the newest calls, and no more.
func TestEventsAreNotKeptForEver(t *testing.T) {
	l := &eventLog{}
	for n := range 5*mostEvents + 1 {
		if err := l.add(event{ID: strconv.Itoa(n)}); err != nil {
			t.Fatal(err)
		}
		if len(l.events) > 2*mostEvents {
			t.Fatalf("%d are kept", len(l.events))
		}
	}
	got := l.list()
	if len(got) != mostEvents || got[0].ID != strconv.Itoa(4*mostEvents+1) || got[mostEvents-1].ID != strconv.Itoa(5*mostEvents) {
		t.Errorf("%d, from %s on", len(got), got[0].ID)
	}
}
