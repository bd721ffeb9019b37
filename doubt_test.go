package alirefund_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/store"
)

// Notices, answers and numbers that may mean another refund than the one that
// is waiting. What they prove is told; what they do not prove is not.

// noQuery makes the next question about a trade's refund go unanswered.
var noQuery = alipaytest.Fault{Kind: alipaytest.HTTP500, Method: gateway.MethodRefundQuery}

// numbered asks for a refund of the test order under a number.
func numbered(number, amount string) string {
	return fmt.Sprintf(`{"out_trade_no":%q,"refund_amount":%q,"out_request_no":%q}`, order, amount, number)
}

// elsewhere refunds as another program of the same application does.
func (s *shop) elsewhere(r gateway.TradeRefund) {
	s.t.Helper()
	if _, err := s.console().RefundTrade(s.t.Context(), r, gateway.Options{}); err != nil {
		s.t.Fatal(err)
	}
}

// foreign returns the amounts of the refunds that the host was told of and had
// not asked this module for, in order.
func (s *shop) foreign() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var amounts []string
	for _, e := range s.events {
		if e.refund.Origin == store.FromNotice {
			amounts = append(amounts, e.refund.Amount.String())
		}
	}
	return strings.Join(amounts, " ")
}

// expectAcknowledged fails if a notice is still to come again.
func (s *shop) expectAcknowledged() {
	s.t.Helper()
	for _, n := range s.alipay.Notices() {
		if !n.Acknowledged {
			s.t.Errorf("the notice of %s was not acknowledged: %+v", n.Params["out_biz_no"], n.Deliveries)
		}
	}
}

// anotherTrade is a trade_no that no trade of the tests has.
const anotherTrade = "2026112222001499999999999999"

// Two merchants of one application may use the same numbers.
func TestNoticeOfAnotherMerchant(t *testing.T) {
	s := newShop(t)
	s.trade()
	s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest}, noQuery)
	ours := s.refund(partly)
	s.expect(ours, 202, "pending")
	s.notice(s.alipay.SignedNotice(refundNotice(map[string]string{"auth_app_id": "2021000000007777", "trade_no": anotherTrade})))
	s.expectTold("refund_succeeded")
	if got := s.last(); got.Merchant != "2021000000007777" || got.Origin != store.FromNotice || got.ID == ours.str("id") {
		t.Errorf("told of %+v", got)
	}
	s.expect(s.refund(partly), 202, "pending")
}

// The host's names of its merchants are not Alipay's: B's notice may be of A's
// refund, and is asked about.
func TestNoticeOfOneOfTwoNamedMerchants(t *testing.T) {
	s := newShop(t, func(c *alirefund.Config) {
		c.AppAuthToken = func(_ context.Context, merchant string) (string, error) { return "token of " + merchant, nil }
	})
	s.trade()
	s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "ACQ.TRADE_NOT_ALLOW_REFUND"})
	s.refund(partly[:len(partly)-1] + `,"merchant":"A"}`)
	r := s.notice(s.alipay.SignedNotice(refundNotice(map[string]string{"auth_app_id": "2021000000000bbb", "trade_no": anotherTrade})))
	s.expectTold("refund_failed")
	if r.status != 503 || r.str("code") != "notification_pending" {
		t.Errorf("%d %s", r.status, r.text)
	}
}

// The application's own number in auth_app_id names no merchant, also where a
// red packet's notice has no app_id.
func TestOwnApplicationIsNoMerchant(t *testing.T) {
	s := newShop(t)
	s.notice(s.alipay.SignedNotice(map[string]string{
		"notify_type": "fund_stdtrustee_refund.success", "notify_id": "1", "auth_app_id": s.alipay.AppID(), "auth_no": "A1",
		"out_request_no": "C1", "operation_type": "REFUND", "amount": "2.00", "status": "SUCCESS",
	}))
	s.expectTold("refund_succeeded")
	if got := s.last(); got.Merchant != "" {
		t.Errorf("told of the merchant %q", got.Merchant)
	}
}

// The number was used elsewhere with another amount. Its notice, whose
// refund_fee is the trade's in all, does not prove ours.
func TestNoticeOfADiscordantNumber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.trade()
		s.alipay.RefundAtConsole(order, 10_00)
		s.elsewhere(gateway.TradeRefund{OutTradeNo: order, RefundAmount: 5_00, OutRequestNo: "R1"})
		s.expect(s.refund(partly), 202, "pending")
		s.alipay.Deliver(t.Context())
		s.expectTold("refund_unresolved refund_succeeded")
		if got := s.foreign(); got != "10.00" {
			t.Errorf("told of foreign refunds %q", got)
		}
		s.expect(s.refund(partly), 202, "pending")
	})
}

// Refused here, and made elsewhere under the same number: another amount is
// another refund, the same amount is ours after all.
func TestFailedHereRefundedElsewhere(t *testing.T) {
	for name, c := range map[string]struct {
		amount  money.Amount
		foreign string
		then    int
		state   string
	}{
		"another amount":  {5_00, "5.00", 422, "failed"},
		"the same amount": {8_88, "", 200, "succeeded"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newShop(t)
				s.trade()
				s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "ACQ.TRADE_NOT_ALLOW_REFUND"})
				s.expect(s.refund(partly), 422, "failed")
				s.elsewhere(gateway.TradeRefund{OutTradeNo: order, RefundAmount: c.amount, OutRequestNo: "R1"})
				s.alipay.Deliver(t.Context())
				s.expectTold("refund_failed refund_succeeded")
				if got := s.foreign(); got != c.foreign {
					t.Errorf("told of foreign refunds %q", got)
				}
				s.expectAcknowledged()
				s.expect(s.refund(partly), c.then, c.state)
				s.expectTold("refund_failed refund_succeeded")
			})
		})
	}
}

// Refunded elsewhere by trade_no without a number, which makes out_biz_no the
// trade_no and the order's number the refund's.
func TestForeignRefundByTradeNo(t *testing.T) {
	s := newShop(t, total(88_88))
	trade := s.trade()
	s.elsewhere(gateway.TradeRefund{TradeNo: trade.TradeNo, RefundAmount: 88_88})
	s.alipay.Deliver(t.Context())
	s.expectTold("refund_succeeded")
	if got := s.last(); got.Amount != 88_88 || got.OutRequestNo != order {
		t.Errorf("told of %+v", got)
	}
	r := s.refund(`{"out_trade_no":"6823789339978248","refund_amount":"88.88"}`)
	s.expect(r, 200, "succeeded")
	if r.body["repeated"] != true {
		t.Errorf("answer: %s", r.text)
	}
	s.expectTold("refund_succeeded")
}

// A foreign refund whose amount could not be had is not ours because it has our
// number: its amount is asked for before it is taken for another's.
func TestUnknownAmountIsNotTakenForOurs(t *testing.T) {
	s := newShop(t)
	s.trade()
	s.elsewhere(gateway.TradeRefund{OutTradeNo: order, RefundAmount: 80_00, OutRequestNo: "R1"})
	s.alipay.Inject(noQuery)
	s.alipay.Deliver(t.Context())
	if got := s.foreign(); got != "0.00" {
		t.Fatalf("told of foreign refunds %q, want one of unknown amount", got)
	}
	s.alipay.Inject(noQuery)
	if r := s.refund(partly); r.status != 202 {
		t.Errorf("while nobody knows the amount: %d %s", r.status, r.text)
	}
	if r := s.refund(partly); r.str("code") != "number_conflict" || r.str("amount") != "80.00" {
		t.Errorf("another amount: %d %s", r.status, r.text)
	}
	s.expect(s.refund(numbered("R1", "80.00")), 200, "succeeded")
	s.expectMoved("R1=80.00")
}

// An answer that says less was refunded of the trade in all than was asked for
// is the answer to another refund.
func TestAnswerWithASmallerFee(t *testing.T) {
	s := newShop(t)
	s.trade()
	s.config.HTTPClient = &http.Client{Transport: &replaying{RoundTripper: s.alipay.HTTPClient().Transport}}
	s.restart()
	s.expect(s.refund(numbered("R1", "1.00")), 200, "succeeded")
	r := s.refund(numbered("R2", "80.00"))
	s.expect(r, 202, "pending")
	if !strings.Contains(r.str("attention"), "another refund") {
		t.Errorf("attention %q", r.str("attention"))
	}
	s.expectMoved("R1=1.00")
	s.expectTold("refund_succeeded refund_unresolved")
}

// replaying sends the first refund, and answers every later one by its answer.
type replaying struct {
	http.RoundTripper
	first *http.Response
	body  []byte
}

func (r *replaying) RoundTrip(request *http.Request) (_ *http.Response, err error) {
	if methodOf(request) != gateway.MethodTradeRefund {
		return r.RoundTripper.RoundTrip(request)
	}
	if r.first == nil {
		if r.first, err = r.RoundTripper.RoundTrip(request); err != nil {
			return nil, err
		}
		defer r.first.Body.Close()
		if r.body, err = io.ReadAll(r.first.Body); err != nil {
			return nil, err
		}
	}
	response := *r.first
	response.Body = io.NopCloser(bytes.NewReader(r.body))
	return &response, nil
}

// fund_change=N tells that the number is known. A refusal of the next send is
// then no failure, until a question finds nothing.
func TestRefusalAfterAnInconclusiveAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.trade()
		s.elsewhere(gateway.TradeRefund{OutTradeNo: order, RefundAmount: 8_88, OutRequestNo: "R1"})
		s.alipay.Inject(noQuery)
		s.expect(s.refund(partly), 202, "pending")
		time.Sleep(time.Minute)
		s.alipay.Inject(
			alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "ACQ.TRADE_NOT_EXIST", Method: gateway.MethodRefundQuery},
			alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "ACQ.TRADE_NOT_ALLOW_REFUND"},
		)
		s.expect(s.refund(partly), 200, "succeeded")
		s.expectTold("refund_succeeded")
		s.expectMoved("R1=8.88")
	})
}

// Two lone surrogates decode to the same character: one number for two refunds.
func TestNumbersThatAreNoText(t *testing.T) {
	s := newShop(t)
	s.trade()
	for _, number := range []string{`R\ud800`, `R\ud801`, "R\xff", `R\ufffd`} {
		r := s.refund(`{"out_trade_no":"6823789339978248","refund_amount":"8.88","out_request_no":"` + number + `"}`)
		if r.status != 422 || r.pointers() != "/out_request_no" {
			t.Errorf("%q: %d %s", number, r.status, r.text)
		}
	}
	s.expectMoved("")
}

// Without out_biz_no a notice may be of any refund of the trade. What it says is
// refunded in all tells whether it is one that is known.

// It comes late, when a second refund has raised what is known.
func TestUnnumberedNoticeThatIsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.trade()
		s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.NoticeNulls})
		s.expect(s.refund(partly), 200, "succeeded")
		time.Sleep(time.Minute)
		s.expect(s.refund(numbered("R2", "1.00")), 200, "succeeded")
		s.alipay.Deliver(t.Context())
		s.expectTold("refund_succeeded refund_succeeded")
		s.expectAcknowledged()
	})
}

// It comes of a foreign refund while one of ours is unresolved: both are told,
// neither is taken for the other.
func TestUnnumberedNoticeOfAForeignRefund(t *testing.T) {
	for _, c := range []struct {
		call, notice alipaytest.FaultKind
		told         string
	}{
		{alipaytest.LostAnswer, 0, "refund_succeeded refund_succeeded"},
		{alipaytest.LostAnswer, alipaytest.NoticeLate, "refund_succeeded refund_succeeded"},
		{alipaytest.LostRequest, 0, "refund_succeeded"},
	} {
		t.Run(fmt.Sprintf("%s %s", c.call, c.notice), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newShop(t)
				s.trade()
				if c.notice != 0 {
					s.alipay.Inject(alipaytest.Fault{Kind: c.notice})
				}
				s.alipay.Inject(alipaytest.Fault{Kind: c.call}, noQuery)
				s.expect(s.refund(partly), 202, "pending")
				s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.NoticeNulls})
				s.alipay.RefundAtConsole(order, 2_00)
				time.Sleep(26 * time.Hour)
				s.alipay.Advance(26 * time.Hour)
				s.expectTold(c.told)
				if got := s.foreign(); got != "0.00" {
					t.Errorf("told of foreign refunds %q, want one of unknown amount", got)
				}
				s.expectAcknowledged()
			})
		})
	}
}

// It comes twice, under two notify_ids.
func TestUnnumberedNoticeTwice(t *testing.T) {
	s := newShop(t)
	s.trade()
	for _, id := range []string{"1", "2"} {
		r := s.notice(s.alipay.SignedNotice(refundNotice(map[string]string{"out_biz_no": "null", "notify_id": id})))
		if r.text != "success" {
			t.Errorf("%d %s", r.status, r.text)
		}
	}
	s.expectTold("refund_succeeded")
}

// A red packet's notice that names the operation alone may be of a refund of
// ours whose operation is not known yet.
func TestCouponNoticeByOperationOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t, total(100_00))
		p := s.alipay.AddRedPacket(alipaytest.RedPacket{})
		s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer}, alipaytest.Fault{Kind: alipaytest.HTTP500, Method: gateway.MethodCouponQuery})
		r := s.coupon(fmt.Sprintf(`{"auth_no":%q,"out_order_no":%q,"out_request_no":"C1","amount":"60.00","remark":"r"}`, p.AuthNo, p.OutOrderNo))
		s.expect(r, 202, "pending")
		params := maps.Clone(s.alipay.Notices()[0].Params)
		params["out_request_no"] = "null"
		if n := s.notice(s.alipay.SignedNotice(params)); n.text != "success" {
			t.Errorf("%d %s", n.status, n.text)
		}
		s.expectTold("refund_succeeded")
		s.expect(s.get(r.str("id")), 200, "succeeded")
		s.expectTold("refund_succeeded")
	})
}

// Red packets that Alipay cannot be asked about with certainty: the caller's
// out_order_no is wrong, or he gave none and the pair that is left is documented
// nowhere. That nothing is found then fails nothing.
func TestRedPacketThatIsNotFound(t *testing.T) {
	notFound := alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "AUTH_OPERATION_NOT_EXIST", Method: gateway.MethodCouponQuery}
	for name, c := range map[string]struct {
		outOrderNo string
		faults     []alipaytest.Fault
	}{
		"wrong out_order_no": {outOrderNo: `"out_order_no":"typo",`},
		"undocumented pair":  {faults: []alipaytest.Fault{notFound, notFound, notFound, notFound}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newShop(t)
				p := s.alipay.AddRedPacket(alipaytest.RedPacket{})
				body := fmt.Sprintf(`{"auth_no":%q,%s"out_request_no":"C1","amount":"100.00","remark":"r"}`, p.AuthNo, c.outOrderNo)
				s.alipay.Inject(c.faults...)
				s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer})
				s.expect(s.coupon(body), 202, "pending")
				s.expectMoved("C1=100.00")
				s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "MONEY_NOT_ENOUGH"})
				for range 2 {
					time.Sleep(time.Minute)
					r := s.coupon(body)
					s.expect(r, 202, "pending")
					if r.str("attention") == "" {
						t.Errorf("nobody's attention is asked for: %s", r.text)
					}
				}
				s.expectTold("refund_unresolved")
				s.alipay.Deliver(t.Context())
				s.expectTold("refund_unresolved refund_succeeded")
			})
		})
	}
}
