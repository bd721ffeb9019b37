package main

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
)

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
	a := start(t, "-first-check", "50ms")
	over := a.refund(`{"out_trade_no":"6823789339978248","refund_amount":"88.89"}`)
	if over.status != http.StatusUnprocessableEntity || over.str("code") != "exceeds_order" {
		t.Errorf("more than a known total: %d %s", over.status, over.text)
	}
	a.expectEvents()

	// The book does not know this one, and Alipay does.
	a.expect(a.refund(`{"out_trade_no":"6823789339978251","refund_amount":"5.00","out_request_no":"r1"}`), http.StatusOK, "succeeded")
	// What refuses it may be its own success: it is asked about before it fails.
	const tooMuch = `{"out_trade_no":"6823789339978251","refund_amount":"50.01","out_request_no":"r2"}`
	a.expect(a.refund(tooMuch), http.StatusAccepted, "pending")
	eventually(t, "refusal of more than Alipay has", func() bool {
		over = a.refund(tooMuch)
		return over.status == http.StatusUnprocessableEntity && over.str("code") == "alipay_refused"
	})
	// And nobody knows this one.
	none := a.refund(`{"out_trade_no":"nobody-knows","refund_amount":"1.00","out_request_no":"r3"}`)
	if none.str("sub_code") != "ACQ.TRADE_NOT_EXIST" {
		t.Errorf("an order that does not exist: %d %s", none.status, none.text)
	}
	a.expectEvents(
		"refund_succeeded trade 6823789339978251 r1 5.00 answer",
		"refund_failed trade 6823789339978251 r2 50.01 query",
		"refund_failed trade nobody-knows r3 1.00 answer",
	)
}

func TestGuard(t *testing.T) {
	a := start(t)
	const refund = `{"out_trade_no":"6823789339978250","refund_amount":"1.00","out_request_no":"r1"}`
	for _, authorization := range []string{
		"", "Bearer", "Bearer ", "Bearer x", "Bearer " + testToken + "x", "Bearer " + testToken[1:],
		"Bearer  " + testToken, "Basic " + testToken, testToken,
	} {
		for _, route := range []string{"POST /alipay/refunds", "POST /alipay/coupon-refunds", "GET /alipay/refunds/x"} {
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
		if r := a.do(http.MethodGet, "/alipay/refunds/x", "", "Bearer "+token[1]); r.status != http.StatusNotFound {
			t.Errorf("the printed token opens nothing: %d", r.status)
		}
		if r := a.do(http.MethodGet, "/alipay/refunds/x", "", "Bearer "); r.status != http.StatusUnauthorized {
			t.Errorf("no token opens: %d", r.status)
		}
	}
	if a := start(t, flags...); strings.Contains(a.text, testToken) {
		t.Errorf("the token of a shop with real money is printed:\n%s", a.text)
	}
}
