package alirefund_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/store"
)

const (
	order  = "6823789339978248"
	partly = `{"out_trade_no":"6823789339978248","refund_amount":"8.88","out_request_no":"R1"}`
)

// trade adds the order of 88.88 that most tests refund.
func (s *shop) trade() alipaytest.Trade {
	return s.alipay.AddTrade(alipaytest.Trade{OutTradeNo: order, Total: 88_88, NotifyURL: notifyURL})
}

func TestRefundSucceeds(t *testing.T) {
	s := newShop(t)
	s.trade()
	r := s.refund(`{"out_trade_no":"6823789339978248","refund_amount":"8.88","out_request_no":"R1","refund_reason":"质量问题"}`)
	s.expect(r, http.StatusOK, "succeeded")
	if r.body["delivered"] != true || r.body["repeated"] != false || r.str("amount") != "8.88" || r.str("kind") != "trade" {
		t.Errorf("answer: %s", r.text)
	}
	if node, _ := r.body["alipay"].(map[string]any); node["fund_change"] != "Y" {
		t.Errorf("Alipay's node is not in the answer: %s", r.text)
	}
	if got := string(s.last().Source); got != "answer" {
		t.Errorf("source %q", got)
	}

	again := s.refund(`{"refundAmount":8.88,"outTradeNo":"6823789339978248","out_request_no":"R1","refund_reason":"质量问题"}`)
	s.expect(again, http.StatusOK, "succeeded")
	if again.body["repeated"] != true || again.body["delivered"] != true || again.str("id") != r.str("id") {
		t.Errorf("the repeat is not the same refund: %s", again.text)
	}
	if n := s.alipay.Deliver(t.Context()); n != 1 || !s.alipay.Notices()[0].Acknowledged {
		t.Errorf("%d notices, want 1, acknowledged: %+v", n, s.alipay.Notices()[0].Deliveries)
	}
	s.expectTold("refund_succeeded")
	s.expectMoved("R1=8.88")
	if n := s.calls(gateway.MethodTradeRefund); n != 1 {
		t.Errorf("the refund was sent %d times", n)
	}

	g := s.get(r.str("id"))
	s.expect(g, http.StatusOK, "succeeded")
	if history, _ := g.body["history"].([]any); g.str("actor") != "staff" || len(history) < 4 {
		t.Errorf("record: %s", g.text)
	}
	if r := s.get("rf_unknown"); r.status != http.StatusNotFound || r.str("code") != "not_found" {
		t.Errorf("an unknown id answers %d %s", r.status, r.text)
	}
}

// Each fault of a call, what the caller is told at once, and what the repeat of
// the same request tells a minute later. Money never moves twice.
func TestFaultsOfTheCall(t *testing.T) {
	type told struct {
		status int
		state  string
	}
	ok, unresolved, nothing := told{200, "succeeded"}, told{202, "pending"}, told{503, ""}
	for _, c := range []struct {
		fault  alipaytest.FaultKind
		first  told
		get    string // the state that a look-up tells at once
		repeat told
		sends  int
		events string
	}{
		{alipaytest.LostAnswer, ok, "succeeded", ok, 1, "refund_succeeded"},
		{alipaytest.LostRequest, unresolved, "pending", ok, 2, "refund_succeeded"},
		{alipaytest.LateRequest, unresolved, "succeeded", ok, 1, "refund_succeeded"},
		{alipaytest.SystemErrorBefore, unresolved, "pending", ok, 2, "refund_succeeded"},
		{alipaytest.SystemErrorAfter, ok, "succeeded", ok, 1, "refund_succeeded"},
		{alipaytest.WrongSignature, ok, "succeeded", ok, 1, "refund_succeeded"},
		{alipaytest.NoSignature, ok, "succeeded", ok, 1, "refund_succeeded"},
		{alipaytest.LooseTypes, ok, "succeeded", ok, 1, "refund_succeeded"},
		{alipaytest.GatewayError, unresolved, "pending", ok, 2, "refund_unresolved refund_succeeded"},
		{alipaytest.HTTP500, unresolved, "pending", ok, 2, "refund_succeeded"},
		{alipaytest.Refused, nothing, "", ok, 1, "refund_succeeded"},
	} {
		for _, kind := range []string{"trade", "coupon"} {
			t.Run(c.fault.String()+"/"+kind, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newShop(t)
					ask := func() reply { return s.refund(partly) }
					method := gateway.MethodTradeRefund
					if kind == "coupon" {
						p := s.alipay.AddRedPacket(alipaytest.RedPacket{})
						body := fmt.Sprintf(`{"auth_no":%q,"out_order_no":%q,"out_request_no":"R1","amount":8.88,"remark":"未领取"}`, p.AuthNo, p.OutOrderNo)
						ask, method = func() reply { return s.coupon(body) }, gateway.MethodCouponRefund
					} else {
						s.trade()
					}
					s.alipay.Inject(alipaytest.Fault{Kind: c.fault})
					r := ask()
					s.expect(r, c.first.status, c.first.state)
					if r.status == 202 && (r.header.Get("Location") != "/alipay/refunds/"+r.str("id") || r.header.Get("Retry-After") == "") {
						t.Errorf("headers of the 202: %v", r.header)
					}
					if c.get != "" {
						s.expect(s.get(r.str("id")), 200, c.get)
					}
					time.Sleep(time.Minute)
					s.expect(ask(), c.repeat.status, c.repeat.state)
					s.expect(ask(), 200, "succeeded")
					s.expectTold(c.events)
					s.expectMoved("R1=8.88")
					sends := s.calls(method)
					if sends != c.sends {
						t.Errorf("sent %d times, want %d", sends, c.sends)
					}
				})
			})
		}
	}
}

// Rule: the identical request goes out again only after a signed not-found, ten
// seconds or more after the last send.
func TestNothingIsSentAgainTooSoonOrWithoutAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.trade()
		s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest})
		s.expect(s.refund(partly), 202, "pending")
		time.Sleep(9 * time.Second)
		s.expect(s.refund(partly), 202, "pending") // not found, but too soon
		time.Sleep(time.Minute)
		for _, kind := range []alipaytest.FaultKind{alipaytest.LostAnswer, alipaytest.NoSignature, alipaytest.WrongSignature, alipaytest.SystemErrorAfter, alipaytest.HTTP500} {
			s.alipay.Inject(alipaytest.Fault{Kind: kind, Method: gateway.MethodRefundQuery})
			s.expect(s.refund(partly), 202, "pending") // no signed not-found
		}
		if n := s.calls(gateway.MethodTradeRefund); n != 1 {
			t.Fatalf("sent %d times, want 1", n)
		}
		s.expectMoved("")
		s.expect(s.refund(partly), 200, "succeeded")
		s.expectMoved("R1=8.88")
		sends := s.alipay.Calls()
		var contents []string
		for _, c := range sends {
			if c.Method == gateway.MethodTradeRefund {
				contents = append(contents, c.BizContent)
			}
		}
		if len(contents) != 2 || contents[0] != contents[1] {
			t.Errorf("the second send is not the identical request: %q", contents)
		}
	})
}

// Rule: while an earlier send is unanswered no refusal fails the refund, because
// it may be that send's doing.
func TestARefusalThatAnEarlierSendMayHaveCaused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.trade()
		full := `{"out_trade_no":"6823789339978248","refund_amount":"88.88"}`
		s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest})
		s.expect(s.refund(full), 202, "pending")
		time.Sleep(time.Minute)
		// The second send is refused while the first is still unanswered.
		s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "ACQ.TRADE_STATUS_ERROR"})
		r := s.refund(full)
		s.expect(r, 202, "pending")
		s.expectTold("")
		time.Sleep(5 * time.Second)
		s.expect(s.refund(full), 202, "pending") // not found, but too soon after a send
		time.Sleep(time.Minute)
		again := s.refund(full)
		if again.status != 422 || again.str("code") != "alipay_refused" || again.str("sub_code") != "ACQ.TRADE_STATUS_ERROR" {
			t.Fatalf("after a not-found: %d %s", again.status, again.text)
		}
		s.expectTold("refund_failed")
		s.expectMoved("")
	})
}

func TestClosedTradeIsAskedAboutBeforeItFails(t *testing.T) {
	s := newShop(t)
	s.alipay.AddTrade(alipaytest.Trade{OutTradeNo: order, Total: 88_88, Status: alipaytest.TradeClosed})
	r := s.refund(partly)
	if r.status != 422 || r.str("sub_code") != "ACQ.TRADE_HAS_CLOSE" || r.str("state") != "failed" {
		t.Fatalf("%d %s", r.status, r.text)
	}
	if s.calls(gateway.MethodRefundQuery) != 1 {
		t.Error("it was not asked about")
	}
	s.expectTold("refund_failed")
}

// A process that forgot everything refunds again under the number that Alipay
// knows: the money stays where it is, and the query tells the truth.
func TestAnEmptyStoreStillRefundsOnce(t *testing.T) {
	s := newShop(t)
	s.trade()
	s.expect(s.refund(partly), 200, "succeeded")
	s.config.Store = store.NewMemory()
	s.restart()
	r := s.refund(partly)
	s.expect(r, 200, "succeeded")
	if r.str("source") != "query" {
		t.Errorf("fund_change=N settled by %q, want the query", r.str("source"))
	}
	s.expectMoved("R1=8.88")
}

func TestDefiniteRefusals(t *testing.T) {
	for _, c := range []struct {
		sub       string
		retryable bool
	}{
		{"ACQ.TRADE_NOT_EXIST", false},
		{"ACQ.TRADE_HAS_FINISHED", false},
		{"ACQ.SELLER_BALANCE_NOT_ENOUGH", true},
		{"AQC.REFUND_CHARGE_ERROR", true},
	} {
		t.Run(c.sub, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newShop(t)
				s.trade()
				s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: c.sub})
				r := s.refund(partly)
				if r.status != 422 || r.str("code") != "alipay_refused" || r.str("sub_code") != c.sub || r.str("id") == "" || r.str("out_request_no") != "R1" {
					t.Fatalf("%d %s", r.status, r.text)
				}
				s.expectTold("refund_failed")
				again := s.refund(partly)
				if c.retryable {
					s.expect(again, 200, "succeeded")
					s.expectTold("refund_failed refund_succeeded")
				} else if again.status != 422 || again.str("sub_code") != c.sub || s.calls(gateway.MethodTradeRefund) != 1 {
					t.Errorf("the repeat of a final refusal: %d %s", again.status, again.text)
				}
			})
		})
	}
}

func TestUnknownRefusalIsUnresolved(t *testing.T) {
	s := newShop(t)
	s.trade()
	s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "ACQ.SOMETHING_NEW"})
	r := s.refund(partly)
	s.expect(r, 202, "pending")
	s.expectTold("")
}

func TestOtherContentUnderTheSameNumber(t *testing.T) {
	s := newShop(t)
	s.trade()
	s.expect(s.refund(partly), 200, "succeeded")
	for body, want := range map[string]string{
		`{"out_trade_no":"6823789339978248","refund_amount":"8.89","out_request_no":"R1"}`:                      "/refund_amount",
		`{"out_trade_no":"6823789339978248","refund_amount":"8.88","out_request_no":"R1","refund_reason":"其他"}`: "/refund_reason",
	} {
		r := s.refund(body)
		if r.status != 409 || r.str("code") != "number_conflict" || r.pointers() != want || r.str("amount") != "8.88" {
			t.Errorf("%s: %d %s", body, r.status, r.text)
		}
	}
	p, q := s.alipay.AddRedPacket(alipaytest.RedPacket{}), s.alipay.AddRedPacket(alipaytest.RedPacket{})
	coupon := `{"auth_no":%q,"out_request_no":"C1","amount":1,"remark":"r"}`
	s.expect(s.coupon(fmt.Sprintf(coupon, p.AuthNo)), 200, "succeeded")
	if r := s.coupon(fmt.Sprintf(coupon, q.AuthNo)); r.status != 409 || r.pointers() != "/auth_no" {
		t.Errorf("another red packet under the number: %d %s", r.status, r.text)
	}
	s.expectMoved("R1=8.88 C1=1.00")
}

// Numbers are compared by their bytes: what looks alike is another refund.
func TestNumbersDoNotCollide(t *testing.T) { synctest.Test(t, inNumbersDoNotCollide) }

func inNumbersDoNotCollide(t *testing.T) {
	s := newShop(t)
	for _, order := range []string{"A", "A_B", "a", "A:B"} {
		s.alipay.AddTrade(alipaytest.Trade{OutTradeNo: order, Total: 10_00})
	}
	for _, c := range [][2]string{{"A", "B_C"}, {"A_B", "C"}, {"a", "B_C"}, {"A", "b_c"}, {"A:B", "C"}, {"A", "B:C"}, {"A", "B_C0"}} {
		r := s.refund(fmt.Sprintf(`{"out_trade_no":%q,"out_request_no":%q,"refund_amount":1}`, c[0], c[1]))
		s.expect(r, 200, "succeeded")
		if r.body["repeated"] != false {
			t.Errorf("%q is taken for another refund", c)
		}
	}
}

func TestWithoutANumberTheOrdersIsIt(t *testing.T) {
	s := newShop(t, total(88_88))
	s.trade()
	r := s.refund(`{"outTradeNo":"6823789339978248","refundAmount":"0.01"}`)
	if r.status != 422 || r.pointers() != "/out_request_no" || !strings.Contains(r.text, "out_request_no is required") {
		t.Errorf("a partial refund without a number: %d %s", r.status, r.text)
	}
	if n := len(s.alipay.Calls()); n != 0 {
		t.Errorf("%d calls were made", n)
	}
	s.expect(s.refund(`{"outTradeNo":"6823789339978248","refundAmount":88.88}`), 200, "succeeded")
	s.expectMoved(order + "=88.88")
}

func total(amount money.Amount) func(*alirefund.Config) {
	return func(c *alirefund.Config) {
		c.OrderTotal = func(context.Context, alirefund.Order) (money.Amount, bool, error) { return amount, true, nil }
	}
}

// The reservation: however many refunds of an order run at once, with whatever
// comes of them, they never exceed its total.
func TestConcurrentRefundsStayWithinTheTotal(t *testing.T) {
	synctest.Test(t, inConcurrentRefundsStayWithinTheTotal)
}

func inConcurrentRefundsStayWithinTheTotal(t *testing.T) {
	s := newShop(t, total(88_88), func(c *alirefund.Config) { c.Timeout = time.Minute }) // they keep their distance
	s.alipay.AddTrade(alipaytest.Trade{OutTradeNo: order, Total: 1000_00})               // Alipay would allow far more
	var wg sync.WaitGroup
	status := make([]int, 64)
	for i := range status {
		wg.Go(func() {
			status[i] = s.refund(fmt.Sprintf(`{"out_trade_no":%q,"refund_amount":"10.00","out_request_no":"R%d"}`, order, i)).status
		})
	}
	wg.Wait()
	count := map[int]int{}
	for _, code := range status {
		count[code]++
	}
	if count[200] != 8 || count[422] != 56 {
		t.Errorf("answers by status: %v, want 8 of 200 and 56 of 422", count)
	}
	if n := len(s.alipay.Movements()); n != 8 {
		t.Errorf("money moved %d times, want 8", n)
	}
	r := s.refund(fmt.Sprintf(`{"out_trade_no":%q,"refund_amount":"8.89","out_request_no":"last"}`, order))
	if r.status != 422 || r.str("code") != "exceeds_order" || !strings.Contains(r.str("detail"), "8.88") {
		t.Errorf("one fen too much: %d %s", r.status, r.text)
	}
	s.expect(s.refund(fmt.Sprintf(`{"out_trade_no":%q,"refund_amount":"8.88","out_request_no":"last"}`, order)), 200, "succeeded")
}

func TestUnresolvedRefundsKeepTheirReservation(t *testing.T) {
	synctest.Test(t, inUnresolvedRefundsKeepTheirReservation)
}

func inUnresolvedRefundsKeepTheirReservation(t *testing.T) {
	s := newShop(t, total(88_88))
	s.trade()
	s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest})
	s.expect(s.refund(`{"out_trade_no":"6823789339978248","refund_amount":"80.00","out_request_no":"R1"}`), 202, "pending")
	if r := s.refund(`{"out_trade_no":"6823789339978248","refund_amount":"80.00","out_request_no":"R2"}`); r.str("code") != "exceeds_order" {
		t.Errorf("%d %s", r.status, r.text)
	}
	s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "ACQ.TRADE_NOT_ALLOW_REFUND"})
	if r := s.refund(`{"out_trade_no":"6823789339978248","refund_amount":"8.88","out_request_no":"R3"}`); r.str("code") != "alipay_refused" {
		t.Errorf("%d %s", r.status, r.text)
	}
	// The failure frees what it had reserved.
	s.expect(s.refund(`{"out_trade_no":"6823789339978248","refund_amount":"8.88","out_request_no":"R4"}`), 200, "succeeded")
}

// 64 clients with the same request: one send, one callback.
func TestTheSameRequestAtOnce(t *testing.T) {
	s := newShop(t)
	s.trade()
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			if r := s.refund(partly); r.status != 200 && r.status != 202 {
				t.Errorf("%d %s", r.status, r.text)
			}
		})
	}
	wg.Wait()
	s.expectMoved("R1=8.88")
	s.expectTold("refund_succeeded")
	if n := s.calls(gateway.MethodTradeRefund); n != 1 {
		t.Errorf("sent %d times", n)
	}
}

func TestTradeNo(t *testing.T) { synctest.Test(t, inTradeNo) }

func inTradeNo(t *testing.T) {
	s := newShop(t)
	trade := s.trade()
	other := s.alipay.AddTrade(alipaytest.Trade{OutTradeNo: "other", Total: 10_00})

	r := s.refund(fmt.Sprintf(`{"trade_no":%q,"refund_amount":"8.88","out_request_no":"R1"}`, trade.TradeNo))
	s.expect(r, 200, "succeeded")
	if r.str("out_trade_no") != order {
		t.Errorf("answer: %s", r.text)
	}
	again := s.refund(partly)
	if again.body["repeated"] != true || again.str("id") != r.str("id") {
		t.Errorf("the order's number names another refund than its trade_no: %s", again.text)
	}
	if n := s.calls(gateway.MethodTradeQuery); n != 1 {
		t.Errorf("trade_no was looked up %d times, want 1", n)
	}
	s.expect(s.refund(fmt.Sprintf(`{"trade_no":%q,"refund_amount":"1","out_request_no":"R2"}`, trade.TradeNo)), 200, "succeeded")
	if n := s.calls(gateway.MethodTradeQuery); n != 1 {
		t.Errorf("a known trade_no was looked up again")
	}
	r = s.refund(fmt.Sprintf(`{"trade_no":%q,"out_trade_no":%q,"refund_amount":"1","out_request_no":"R3"}`, other.TradeNo, order))
	if r.status != 422 || r.pointers() != "/trade_no" {
		t.Errorf("disagreeing numbers: %d %s", r.status, r.text)
	}
	r = s.refund(`{"trade_no":"2000000000000000000000000000","refund_amount":"1"}`)
	if r.status != 422 || r.str("code") != "alipay_refused" || r.str("sub_code") != "ACQ.TRADE_NOT_EXIST" {
		t.Errorf("unknown trade_no: %d %s", r.status, r.text)
	}
	s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer, Method: gateway.MethodTradeQuery})
	if r = s.refund(fmt.Sprintf(`{"trade_no":%q,"refund_amount":"1"}`, other.TradeNo)); r.status != 503 || r.str("code") != "nothing_sent" {
		t.Errorf("trade_no that cannot be looked up: %d %s", r.status, r.text)
	}
	s.expectMoved("R1=8.88 R2=1.00")
}

// An answer to another refund proves nothing, however well it is signed.
func TestAnswerToAnotherRefund(t *testing.T) {
	s := newShop(t)
	s.trade()
	s.alipay.AddTrade(alipaytest.Trade{OutTradeNo: "other", Total: 10_00})
	s.config.HTTPClient = &http.Client{Transport: redirecting{s.alipay.HTTPClient().Transport, s}}
	s.restart()
	r := s.refund(partly)
	s.expect(r, 202, "pending")
	if !strings.Contains(r.str("attention"), "another refund") {
		t.Errorf("attention %q", r.str("attention"))
	}
	s.expectTold("refund_unresolved")
}

// redirecting gives the answer to a refund of another order.
type redirecting struct {
	http.RoundTripper
	s *shop
}

func (r redirecting) RoundTrip(request *http.Request) (*http.Response, error) {
	if methodOf(request) != gateway.MethodTradeRefund {
		return r.RoundTripper.RoundTrip(request)
	}
	other := request
	client, err := gateway.New(gateway.Config{
		AppID: r.s.config.App.ID, Signer: r.s.config.App.Signer, Verifier: r.s.config.App.Verifier,
		URL: alipaytest.GatewayURL, Protocol: r.s.config.Protocol, HTTP: &http.Client{Transport: capture{r.RoundTripper, &other}},
	})
	if err != nil {
		return nil, err
	}
	_, _ = client.RefundTrade(context.Background(), gateway.TradeRefund{OutTradeNo: "other", OutRequestNo: "X", RefundAmount: 1}, gateway.Options{})
	return r.RoundTripper.RoundTrip(other.Clone(request.Context()))
}

// capture keeps the request that it was given, and sends nothing.
type capture struct {
	http.RoundTripper
	into **http.Request
}

func (c capture) RoundTrip(request *http.Request) (*http.Response, error) {
	*c.into = request
	return nil, errors.New("captured")
}

func TestClientThatHangsUp(t *testing.T) {
	s := newShop(t)
	s.trade()
	ctx, cancel := context.WithCancel(t.Context())
	s.config.HTTPClient = &http.Client{Transport: before{s.alipay.HTTPClient().Transport, cancel}}
	s.restart()
	result, err := s.module.Refund(ctx, alirefund.RefundRequest{OutTradeNo: order, RefundAmount: 8_88, OutRequestNo: "R1"})
	if err != nil || result.Refund.State != store.Succeeded || !result.Delivered {
		t.Fatalf("%+v, %v", result, err)
	}
	s.expectTold("refund_succeeded")
}

// before calls f before each request.
type before struct {
	http.RoundTripper
	f func()
}

func (b before) RoundTrip(r *http.Request) (*http.Response, error) {
	b.f()
	return b.RoundTripper.RoundTrip(r)
}

// Two processes share a store; one died between recording the send and its
// answer. Its lease holds everybody else off, then the refund is asked about.
func TestASendThatNobodyAnswersFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.trade()
		s.config.Store = &dyingStore{Store: store.NewMemory(), settles: -1}
		s.restart()
		r := s.refund(partly) // executed, and its outcome never recorded
		s.expect(r, 202, "pending")
		s.config.Store.(*dyingStore).settles = 1 << 30
		calls := len(s.alipay.Calls())
		second := s.refund(partly)
		s.expect(second, 202, "pending") // the lease still runs
		if n := len(s.alipay.Calls()) - calls; n != 0 || second.body["in_progress"] != true {
			t.Errorf("%d calls while the lease runs: %s", n, second.text)
		}
		time.Sleep(3 * time.Minute)
		s.expect(s.get(r.str("id")), 200, "succeeded")
		s.expectTold("refund_succeeded")
		s.expectMoved("R1=8.88")
	})
}

// dyingStore fails its writes of outcomes until settles is set.
type dyingStore struct {
	store.Store
	settles int
	opens   error
}

var errStoreDown = errors.New("connection to the database lost")

func (d *dyingStore) Settle(ctx context.Context, id string, s store.Settlement) (store.Refund, bool, error) {
	if d.settles < 0 {
		return store.Refund{}, false, errStoreDown
	}
	return d.Store.Settle(ctx, id, s)
}

func (d *dyingStore) Open(ctx context.Context, r store.Refund, l store.Limit) (store.Refund, store.Opened, error) {
	if d.opens != nil {
		return store.Refund{}, store.Opened{}, d.opens
	}
	return d.Store.Open(ctx, r, l)
}

func TestStoreThatIsDownSendsNothing(t *testing.T) {
	s := newShop(t)
	s.trade()
	s.config.Store = &dyingStore{Store: store.NewMemory(), opens: errStoreDown}
	s.restart()
	r := s.refund(partly)
	if r.status != 503 || r.str("code") != "nothing_sent" || r.header.Get("Retry-After") == "" {
		t.Errorf("%d %s", r.status, r.text)
	}
	if strings.Contains(r.text, "database lost") {
		t.Errorf("the store's error is shown to the caller: %s", r.text)
	}
	if n := len(s.alipay.Calls()); n != 0 {
		t.Errorf("%d calls were made", n)
	}
}

func TestOrderTotalThatFailsSendsNothing(t *testing.T) {
	s := newShop(t, func(c *alirefund.Config) {
		c.OrderTotal = func(context.Context, alirefund.Order) (money.Amount, bool, error) { return 0, false, errHost }
	})
	s.trade()
	if r := s.refund(partly); r.status != 503 || r.str("code") != "nothing_sent" {
		t.Errorf("%d %s", r.status, r.text)
	}
	if n := len(s.alipay.Calls()); n != 0 {
		t.Errorf("%d calls were made", n)
	}
}
