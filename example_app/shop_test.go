package main

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/signer"
	"github.com/alirefund/alirefund/store"
)

func ownPublicKey(t *testing.T, fake *alipaytest.Alipay) string {
	t.Helper()
	sign, err := signer.FromPEM(fake.AppPrivateKey())
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(sign.Public())
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(der)
}

// The three lines of the start-up text do what it says of them, pasted into a
// shell where there is curl, and read by the test everywhere.
func TestPrintedLines(t *testing.T) {
	for name, paste := range map[string]func(*testing.T, string) string{"curl": inShell, "http": asRequest} {
		t.Run(name, func(t *testing.T) {
			if _, err := exec.LookPath("curl"); err != nil && name == "curl" {
				t.Log("there is no curl")
				return
			}
			a := start(t)
			var lines []string
			for line := range strings.Lines(a.text) {
				if strings.HasPrefix(line, "curl ") {
					lines = append(lines, strings.TrimSpace(line))
				}
			}
			if len(lines) != 3 || lines[0] != lines[1] || !strings.Contains(lines[2], "/events") {
				t.Fatalf("printed: %q", lines)
			}
			var first, again map[string]any
			unmarshal(t, paste(t, lines[0]), &first)
			unmarshal(t, paste(t, lines[1]), &again)
			if first["state"] != "succeeded" || first["repeated"] != false || first["delivered"] != true || first["amount"] != "9.90" {
				t.Errorf("the refund: %v", first)
			}
			if again["id"] != first["id"] || again["state"] != "succeeded" || again["repeated"] != true {
				t.Errorf("the repeat: %v", again)
			}
			var events []map[string]any
			unmarshal(t, paste(t, lines[2]), &events)
			if len(events) != 1 || events[0]["id"] != first["id"] {
				t.Fatalf("the events: %v", events)
			}
			fields := []string{"id", "event", "kind", "out_trade_no", "auth_no", "out_request_no", "amount", "source", "at"}
			for _, field := range fields {
				if _, ok := events[0][field].(string); !ok {
					t.Errorf("the event has no text %s: %v", field, events[0])
				}
			}
			if len(events[0]) != len(fields) {
				t.Errorf("the event has other fields: %v", events[0])
			}
			a.expectEvents("refund_succeeded trade 6823789339978250 refund-1 9.90 answer")
		})
	}
}

func unmarshal(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
}

func inShell(t *testing.T, line string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "sh", "-c", line).Output()
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return string(out)
}

func asRequest(t *testing.T, line string) string {
	t.Helper()
	var words []string
	for _, m := range regexp.MustCompile(`'([^']*)'|(\S+)`).FindAllStringSubmatch(line, -1) {
		words = append(words, m[1]+m[2])
	}
	method, target, body, header := http.MethodGet, "", "", http.Header{}
	for i := 1; i < len(words); i++ {
		switch words[i] {
		case "-sS":
			continue
		case "-w":
			i++
		case "-d":
			i++
			method, body = http.MethodPost, words[i]
		case "-H":
			i++
			name, value, _ := strings.Cut(words[i], ": ")
			header.Set(name, value)
		default:
			target = words[i]
		}
	}
	r, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = header
	return exchange(t, r).text
}

// What exists is printed, and exists.
func TestWhatExists(t *testing.T) {
	a := start(t)
	a.expectEvents()
	for _, number := range []string{"6823789339978248", "6823789339978249", "6823789339978250", "6823789339978251"} {
		if !strings.Contains(a.text, "\n  "+number+" ") {
			t.Errorf("the order %s is not printed:\n%s", number, a.text)
		}
	}
	for _, number := range []string{"2018081710002001860231318890", "2018081710002001860231318891"} {
		if !strings.Contains(a.text, "\n  "+number+" ") {
			t.Errorf("the red packet %s is not printed:\n%s", number, a.text)
		}
	}
	a.expect(a.coupon(`{"auth_no":"2018081710002001860231318890","out_request_no":"r1","amount":"2.22","remark":"rest"}`), http.StatusOK, "succeeded")
	a.expect(a.coupon(`{"auth_no":"2018081710002001860231318891","out_request_no":"r2","amount":"20.00","remark":"all"}`), http.StatusOK, "succeeded")
	a.expect(a.refund(`{"out_trade_no":"6823789339978250","refund_amount":199}`), http.StatusOK, "succeeded")
}

// The requests of Alipay's two documents, as they stand there.
func TestDocumentedRequests(t *testing.T) {
	a := start(t)
	a.expect(a.refund(`{"outTradeNo": "6823789339978249", "refundAmount": "0.01"}`), http.StatusOK, "succeeded")
	whole := a.refund(`{"outTradeNo": "6823789339978248", "refundAmount": "88.88"}`)
	a.expect(whole, http.StatusOK, "succeeded")
	if node, _ := whole.body["alipay"].(map[string]any); node["out_trade_no"] != "6823789339978248" || node["refund_fee"] != "88.88" {
		t.Errorf("Alipay's node: %v", node)
	}
	const packet = `{"auth_no":"2018081710002001860231318890","out_request_no":"refund20171228254","amount":%,"remark":"支付后,剩余红包退款"}`
	a.expect(a.coupon(strings.Replace(packet, "%", `0.01`, 1)), http.StatusOK, "succeeded")
	again := a.coupon(strings.Replace(packet, "%", `"0.01"`, 1))
	a.expect(again, http.StatusOK, "succeeded")
	if again.body["repeated"] != true {
		t.Errorf("the same amount, written as a string, is another refund: %s", again.text)
	}
	a.expectEvents(
		"refund_succeeded trade 6823789339978249 6823789339978249 0.01 answer",
		"refund_succeeded trade 6823789339978248 6823789339978248 88.88 answer",
		"refund_succeeded coupon 2018081710002001860231318890 refund20171228254 0.01 answer",
	)
}

// The fake inside posts its notices to the shop itself: a trade's to the route
// of payments, a red packet's to the module's own.
func TestNoticesOfTheFakeArrive(t *testing.T) {
	a := start(t)
	for _, r := range []reply{
		a.refund(`{"out_trade_no":"6823789339978248","refund_amount":"8.88","out_request_no":"r1"}`),
		a.coupon(`{"auth_no":"2018081710002001860231318890","out_request_no":"r2","amount":"0.01","remark":"rest"}`),
	} {
		a.expect(r, http.StatusOK, "succeeded")
		if r.str("source") != "answer" {
			t.Errorf("the notice came before the answer: %s", r.text)
		}
		eventually(t, "notice of the "+r.str("kind"), func() bool {
			record := a.do(http.MethodGet, "/alipay/refunds/"+r.str("id"), "", "Bearer "+testToken)
			history, _ := record.body["history"].([]any)
			return slices.ContainsFunc(history, func(entry any) bool { return entry.(map[string]any)["what"] == "notice" })
		})
	}
	if n := len(a.events()); n != 2 {
		t.Errorf("%d events, want 2", n)
	}
}

func TestOrderTotals(t *testing.T) {
	a := start(t)
	over := a.refund(`{"out_trade_no":"6823789339978248","refund_amount":"88.89"}`)
	if over.status != http.StatusUnprocessableEntity || over.str("code") != "exceeds_order" {
		t.Errorf("more than a known total: %d %s", over.status, over.text)
	}
	a.expectEvents()

	// The book does not know this one, and Alipay does.
	a.expect(a.refund(`{"out_trade_no":"6823789339978251","refund_amount":"5.00","out_request_no":"r1"}`), http.StatusOK, "succeeded")
	over = a.refund(`{"out_trade_no":"6823789339978251","refund_amount":"50.01","out_request_no":"r2"}`)
	if over.status != http.StatusUnprocessableEntity || over.str("code") != "alipay_refused" {
		t.Errorf("more than Alipay has: %d %s", over.status, over.text)
	}
	// And nobody knows this one.
	none := a.refund(`{"out_trade_no":"nobody-knows","refund_amount":"1.00"}`)
	if none.str("sub_code") != "ACQ.TRADE_NOT_EXIST" {
		t.Errorf("an order that does not exist: %d %s", none.status, none.text)
	}
	a.expectEvents(
		"refund_succeeded trade 6823789339978251 r1 5.00 answer",
		"refund_failed trade 6823789339978251 r2 50.01 answer",
		"refund_failed trade nobody-knows nobody-knows 1.00 answer",
	)
}

func TestGuard(t *testing.T) {
	a := start(t)
	const refund = `{"out_trade_no":"6823789339978250","refund_amount":"1.00","out_request_no":"r1"}`
	for _, authorization := range []string{
		"", "Bearer", "Bearer ", "Bearer x", "Bearer " + testToken + "x", "Bearer " + testToken[1:],
		"Bearer  " + testToken, "Basic " + testToken, testToken,
	} {
		for _, route := range []string{"POST /alipay/refunds", "POST /alipay/coupon-refunds", "GET /alipay/refunds/x", "GET /events"} {
			method, path, _ := strings.Cut(route, " ")
			r := a.do(method, path, refund, authorization)
			if r.status != http.StatusUnauthorized || r.str("code") != "unauthorized" ||
				!strings.HasPrefix(r.header.Get("WWW-Authenticate"), "Bearer") ||
				!strings.HasPrefix(r.header.Get("Content-Type"), "application/problem+json") {
				t.Errorf("%s with %q: %d %v %s", route, authorization, r.status, r.header, r.text)
			}
		}
	}
	a.expectEvents()

	r := a.do(http.MethodPost, "/alipay/refunds", refund, "bearer "+testToken)
	a.expect(r, http.StatusOK, "succeeded")
	record := a.do(http.MethodGet, "/alipay/refunds/"+r.str("id"), "", "Bearer "+testToken)
	if record.str("actor") != "staff" {
		t.Errorf("the record does not name the actor: %s", record.text)
	}
}

func TestStaffTokenIsMade(t *testing.T) {
	_, flags := account(t, nil)
	for _, account := range [][]string{nil, flags} {
		a := start(t, append(account, "-staff-token", "")...)
		token := regexp.MustCompile(`(?:Bearer |run is )([A-Z2-7]{26})\b`).FindStringSubmatch(a.text)
		if token == nil {
			t.Fatalf("no token is printed:\n%s", a.text)
		}
		if r := a.do(http.MethodGet, "/events", "", "Bearer "+token[1]); r.status != http.StatusOK {
			t.Errorf("the printed token opens nothing: %d", r.status)
		}
		if r := a.do(http.MethodGet, "/events", "", "Bearer "); r.status != http.StatusUnauthorized {
			t.Errorf("no token opens: %d", r.status)
		}
	}
	if a := start(t, flags...); strings.Contains(a.text, testToken) {
		t.Errorf("the token of a shop with real money is printed:\n%s", a.text)
	}
}

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
	book := newOrderBook()
	fake := newFake("http://shop.test"+payNotifyPath, book)
	fake.InjectRandomly(0, 0)
	s := &shop{staffToken: testToken, orders: book, events: broken, log: log.New(io.Discard, "", 0)}
	config, wrong := s.config(), problems{}
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
	if refunded, total := s.orders.refund(stored(t, module, r.str("id"))); refunded != 9_90 || total != "199.00" {
		t.Errorf("the book has %s of %s refunded", refunded, total)
	}
}

func stored(t *testing.T, m *alirefund.Module, id string) store.Refund {
	t.Helper()
	result, err := m.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return result.Refund
}
