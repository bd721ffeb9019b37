package engine_test

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/internal/shoptest"
	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/notify"
	"github.com/alirefund/alirefund/store"
)

// Two merchants of one application may use the same numbers.
func TestNoticeOfAnotherMerchant(t *testing.T) {
	s := shoptest.NewShop(t)
	s.Trade()
	s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest}, shoptest.NoQuery)
	ours := s.Refund(shoptest.Partly)
	s.Expect(ours, 202, "pending")
	s.Notice(s.Alipay.SignedNotice(shoptest.RefundNotice(map[string]string{"auth_app_id": "2021000000007777", "trade_no": shoptest.AnotherTrade})))
	s.ExpectTold("refund_succeeded")
	if got := s.Last(); got.Merchant != "2021000000007777" || got.Origin != store.FromNotice || got.ID == ours.Str("id") {
		t.Errorf("told of %+v", got)
	}
	s.Expect(s.Refund(shoptest.Partly), 202, "pending")
}

// The host's names of its merchants are not Alipay's: B's notice may be of A's
// refund, and is asked about.
func TestNoticeOfOneOfTwoNamedMerchants(t *testing.T) {
	s := shoptest.NewShop(t, func(c *alirefund.Config) {
		c.AppAuthToken = func(_ context.Context, merchant string) (string, error) { return "token of " + merchant, nil }
	})
	s.Trade()
	s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "ACQ.BUYER_NOT_EXIST"})
	s.Refund(shoptest.Partly[:len(shoptest.Partly)-1] + `,"merchant":"A"}`)
	r := s.Notice(s.Alipay.SignedNotice(shoptest.RefundNotice(map[string]string{"auth_app_id": "2021000000000bbb", "trade_no": shoptest.AnotherTrade})))
	s.ExpectTold("refund_failed")
	if r.Status != 503 || r.Str("code") != "notification_pending" {
		t.Errorf("%d %s", r.Status, r.Text)
	}
}

// The application's own number in auth_app_id names no merchant, also where a
// red packet's notice has no app_id.
func TestOwnApplicationIsNoMerchant(t *testing.T) {
	s := shoptest.NewShop(t)
	s.Notice(s.Alipay.SignedNotice(map[string]string{
		"notify_type": "fund_stdtrustee_refund.success", "notify_id": "1", "auth_app_id": s.Alipay.AppID(), "auth_no": "A1",
		"out_request_no": "C1", "operation_type": "REFUND", "amount": "2.00", "status": "SUCCESS",
	}))
	s.ExpectTold("refund_succeeded")
	if got := s.Last(); got.Merchant != "" {
		t.Errorf("told of the merchant %q", got.Merchant)
	}
}

// The number was used elsewhere with another amount. Its notice, whose
// refund_fee is the trade's in all, does not prove ours.
func TestNoticeOfADiscordantNumber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		s.Trade()
		s.Alipay.RefundAtConsole(shoptest.Order, 10_00)
		s.Elsewhere(gateway.TradeRefund{OutTradeNo: shoptest.Order, RefundAmount: 5_00, OutRequestNo: "R1"})
		s.Expect(s.Refund(shoptest.Partly), 202, "pending")
		s.Alipay.Deliver(t.Context())
		s.ExpectTold("refund_unresolved refund_succeeded")
		if got := s.Foreign(); got != "10.00" {
			t.Errorf("told of foreign refunds %q", got)
		}
		s.Expect(s.Refund(shoptest.Partly), 202, "pending")
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
				s := shoptest.NewShop(t)
				s.Trade()
				s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "ACQ.BUYER_NOT_EXIST"})
				s.Expect(s.Refund(shoptest.Partly), 422, "failed")
				s.Elsewhere(gateway.TradeRefund{OutTradeNo: shoptest.Order, RefundAmount: c.amount, OutRequestNo: "R1"})
				s.Alipay.Deliver(t.Context())
				s.ExpectTold("refund_failed refund_succeeded")
				if got := s.Foreign(); got != c.foreign {
					t.Errorf("told of foreign refunds %q", got)
				}
				s.ExpectAcknowledged()
				s.Expect(s.Refund(shoptest.Partly), c.then, c.state)
				s.ExpectTold("refund_failed refund_succeeded")
			})
		})
	}
}

// Refunded elsewhere by trade_no without a number, which makes out_biz_no the
// trade_no and the order's number the refund's.
func TestForeignRefundByTradeNo(t *testing.T) {
	s := shoptest.NewShop(t, shoptest.Total(88_88))
	trade := s.Trade()
	s.Elsewhere(gateway.TradeRefund{TradeNo: trade.TradeNo, RefundAmount: 88_88})
	s.Alipay.Deliver(t.Context())
	s.ExpectTold("refund_succeeded")
	if got := s.Last(); got.Amount != 88_88 || got.OutRequestNo != shoptest.Order {
		t.Errorf("told of %+v", got)
	}
	r := s.Refund(`{"out_trade_no":"6823789339978248","refund_amount":"88.88"}`)
	s.Expect(r, 200, "succeeded")
	if r.Body["repeated"] != true {
		t.Errorf("answer: %s", r.Text)
	}
	s.ExpectTold("refund_succeeded")
}

// A foreign refund whose amount could not be had is not ours because it has our
// number: its amount is asked for before it is taken for another's.
func TestUnknownAmountIsNotTakenForOurs(t *testing.T) {
	s := shoptest.NewShop(t)
	s.Trade()
	s.Elsewhere(gateway.TradeRefund{OutTradeNo: shoptest.Order, RefundAmount: 80_00, OutRequestNo: "R1"})
	s.Alipay.Inject(shoptest.NoQuery)
	s.Alipay.Deliver(t.Context())
	if got := s.Foreign(); got != "0.00" {
		t.Fatalf("told of foreign refunds %q, want one of unknown amount", got)
	}
	s.Alipay.Inject(shoptest.NoQuery)
	if r := s.Refund(shoptest.Partly); r.Status != 202 {
		t.Errorf("while nobody knows the amount: %d %s", r.Status, r.Text)
	}
	if r := s.Refund(shoptest.Partly); r.Str("code") != "number_conflict" || r.Str("amount") != "80.00" {
		t.Errorf("another amount: %d %s", r.Status, r.Text)
	}
	s.Expect(s.Refund(shoptest.Numbered("R1", "80.00")), 200, "succeeded")
	s.ExpectMoved("R1=80.00")
}

// Without out_biz_no a notice may be of any refund of the trade. What it says is
// refunded in all tells whether it is one that is known.

// It comes late, when a second refund has raised what is known.
func TestUnnumberedNoticeThatIsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		s.Trade()
		s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.NoticeNulls})
		s.Expect(s.Refund(shoptest.Partly), 200, "succeeded")
		time.Sleep(time.Minute)
		s.Expect(s.Refund(shoptest.Numbered("R2", "1.00")), 200, "succeeded")
		s.Alipay.Deliver(t.Context())
		s.ExpectTold("refund_succeeded refund_succeeded")
		s.ExpectAcknowledged()
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
				s := shoptest.NewShop(t)
				s.Trade()
				if c.notice != 0 {
					s.Alipay.Inject(alipaytest.Fault{Kind: c.notice})
				}
				s.Alipay.Inject(alipaytest.Fault{Kind: c.call}, shoptest.NoQuery)
				s.Expect(s.Refund(shoptest.Partly), 202, "pending")
				s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.NoticeNulls})
				s.Alipay.RefundAtConsole(shoptest.Order, 2_00)
				time.Sleep(26 * time.Hour)
				s.Alipay.Advance(26 * time.Hour)
				s.ExpectTold(c.told)
				if got := s.Foreign(); got != "0.00" {
					t.Errorf("told of foreign refunds %q, want one of unknown amount", got)
				}
				s.ExpectAcknowledged()
			})
		})
	}
}

// It comes twice, under two notify_ids.
func TestUnnumberedNoticeTwice(t *testing.T) {
	s := shoptest.NewShop(t)
	s.Trade()
	for _, id := range []string{"1", "2"} {
		r := s.Notice(s.Alipay.SignedNotice(shoptest.RefundNotice(map[string]string{"out_biz_no": "null", "notify_id": id})))
		if r.Text != "success" {
			t.Errorf("%d %s", r.Status, r.Text)
		}
	}
	s.ExpectTold("refund_succeeded")
}

// A refund that the ledger forgot while its notice was handled is no reason to
// tell Alipay that there is no such route.
func TestNoticeOfAForgottenRefund(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		s.Trade()
		s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer}, shoptest.NoQuery)
		s.Expect(s.Refund(shoptest.Partly), 202, "pending")
		s.Config.Store = forgetful{s.Config.Store}
		s.Restart()
		if r := s.Notice(s.Alipay.SignedNotice(shoptest.RefundNotice(nil))); r.Status < 500 {
			t.Errorf("%d %s", r.Status, r.Text)
		}
	})
}

// forgetful has no refund any more that it listed a moment ago.
type forgetful struct{ store.Store }

func (forgetful) Settle(context.Context, string, store.Settlement) (store.Refund, bool, error) {
	return store.Refund{}, false, store.ErrNotFound
}

// The notice tells what a lost answer did not.
func TestNoticeSettlesAnUnresolvedRefund(t *testing.T) {
	s := shoptest.NewShop(t)
	s.Trade()
	s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer}, alipaytest.Fault{Kind: alipaytest.HTTP500, Method: gateway.MethodRefundQuery})
	r := s.Refund(shoptest.Partly)
	s.Expect(r, 202, "pending")
	s.Alipay.Deliver(t.Context())
	s.ExpectTold("refund_succeeded")
	if got := s.Last(); got.Source != store.ByNotice || got.Amount != 8_88 || got.TradeNo == "" || got.ID != r.Str("id") {
		t.Errorf("told of %+v", got)
	}
	s.Expect(s.Get(r.Str("id")), 200, "succeeded")
	s.ExpectTold("refund_succeeded")
}

// Whatever happens to a notice on its way, the host is told once.
func TestFaultsOfTheNotice(t *testing.T) {
	for _, kind := range []alipaytest.FaultKind{
		alipaytest.NoticeTwice, alipaytest.NoticeTwiceNewID, alipaytest.NoticeLate, alipaytest.NoticeOutOfOrder,
		alipaytest.NoticeEarly, alipaytest.NoticeNulls, alipaytest.NoticeGBK, alipaytest.NoticeForeign,
	} {
		t.Run(kind.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := shoptest.NewShop(t)
				s.Trade()
				s.Alipay.Inject(alipaytest.Fault{Kind: kind}, alipaytest.Fault{Kind: alipaytest.LostAnswer}, alipaytest.Fault{Kind: alipaytest.HTTP500, Method: gateway.MethodRefundQuery})
				s.Refund(shoptest.Partly)
				s.Expect(s.Refund(`{"out_trade_no":"6823789339978248","refund_amount":"1","out_request_no":"R2"}`), 200, "succeeded")
				time.Sleep(26 * time.Hour)
				s.Alipay.Advance(26 * time.Hour)
				told := s.Told()
				if told != "refund_succeeded refund_succeeded" {
					t.Errorf("told %q", told)
				}
				for _, n := range s.Alipay.Notices() {
					if foreign := n.Params["app_id"] != s.Alipay.AppID(); n.Acknowledged == foreign {
						t.Errorf("notice %s: acknowledged=%v: %+v", n.ID, n.Acknowledged, n.Deliveries)
					}
				}
				s.ExpectMoved("R1=8.88 R2=1.00")
			})
		})
	}
}

// Refunds that nobody asked this module for, by the merchant's console, are
// recorded when their notice comes, and told of by the same event.
func TestNoticeOfAForeignRefund(t *testing.T) {
	s := shoptest.NewShop(t, shoptest.Total(88_88))
	s.Trade()
	console := s.Console()
	if _, err := console.RefundTrade(t.Context(), gateway.TradeRefund{OutTradeNo: shoptest.Order, RefundAmount: 80_00, OutRequestNo: "console"}, gateway.Options{}); err != nil {
		t.Fatal(err)
	}
	s.Alipay.Deliver(t.Context())
	s.ExpectTold("refund_succeeded")
	if got := s.Last(); got.Origin != store.FromNotice || got.Amount != 80_00 || got.OutRequestNo != "console" || got.OutTradeNo != shoptest.Order {
		t.Errorf("told of %+v", got)
	}
	// It counts against the order's total.
	if r := s.Refund(shoptest.Partly[:len(shoptest.Partly)-1] + `,"refund_reason":"x"}`); r.Status != 200 {
		t.Fatalf("%d %s", r.Status, r.Text)
	}
	if r := s.Refund(`{"out_trade_no":"6823789339978248","refund_amount":"0.01","out_request_no":"R2"}`); r.Str("code") != "exceeds_order" {
		t.Errorf("%d %s", r.Status, r.Text)
	}
	// Asked for under its number and amount it is that refund, not another.
	r := s.Refund(`{"out_trade_no":"6823789339978248","refund_amount":"80","out_request_no":"console"}`)
	s.Expect(r, 200, "succeeded")
	if r.Body["repeated"] != true {
		t.Errorf("answer: %s", r.Text)
	}
}

// refund_fee is the trade's in all: two partial refunds whose notices come in
// the wrong order each keep their own amount.
func TestCumulativeRefundFee(t *testing.T) { synctest.Test(t, inCumulativeRefundFee) }

func inCumulativeRefundFee(t *testing.T) {
	s := shoptest.NewShop(t)
	s.Trade()
	for _, number := range []string{"R1", "R2"} {
		s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer}, alipaytest.Fault{Kind: alipaytest.HTTP500, Method: gateway.MethodRefundQuery})
		s.Expect(s.Refund(fmt.Sprintf(`{"out_trade_no":%q,"refund_amount":"1.11","out_request_no":%q}`, shoptest.Order, number)), 202, "pending")
	}
	notices := s.Alipay.Notices()
	for _, i := range []int{1, 0} {
		if r := s.Notice(s.Alipay.SignedNotice(notices[i].Params)); r.Text != "success" {
			t.Fatalf("%d %s", r.Status, r.Text)
		}
	}
	s.ExpectTold("refund_succeeded refund_succeeded")
	for _, e := range s.Events {
		if e.Refund.Amount != 1_11 {
			t.Errorf("%s: amount %s", e.Refund.OutRequestNo, e.Refund.Amount)
		}
	}
}

// A refund without a number of its own is named by the order's, or by trade_no.
func TestOutBizNoThatNamesTheOrder(t *testing.T) {
	for _, name := range []string{shoptest.Order, "2026112222001400000000000001"} {
		s := shoptest.NewShop(t)
		s.Alipay.AddTrade(alipaytest.Trade{OutTradeNo: shoptest.Order, TradeNo: "2026112222001400000000000001", Total: 8_88})
		s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer}, alipaytest.Fault{Kind: alipaytest.HTTP500, Method: gateway.MethodRefundQuery})
		s.Expect(s.Refund(`{"outTradeNo":"6823789339978248","refundAmount":"8.88"}`), 202, "pending")
		r := s.Notice(s.Alipay.SignedNotice(shoptest.RefundNotice(map[string]string{"out_biz_no": name, "trade_status": "TRADE_CLOSED"})))
		if r.Text != "success" {
			t.Fatalf("%d %s", r.Status, r.Text)
		}
		s.ExpectTold("refund_succeeded")
		if got := s.Last(); got.OutRequestNo != shoptest.Order || got.Source != store.ByNotice {
			t.Errorf("told of %+v", got)
		}
	}
}

// The notification of a closed trade may name neither the refund nor what was refunded.
// What the ledger explains is no second refund.
func TestClosedTradeWithoutAFee(t *testing.T) {
	for name, change := range map[string]map[string]string{
		"neither":         {"refund_fee": "-", "out_biz_no": "-"},
		"nulls":           {"refund_fee": "null", "out_biz_no": "null"},
		"unreadable":      {"refund_fee": "8.888", "out_biz_no": "-"},
		"no total either": {"refund_fee": "-", "out_biz_no": "-", "total_amount": "-"},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := shoptest.NewShop(t)
			trade := s.Trade()
			closed := func(id string) {
				t.Helper()
				params := shoptest.RefundNotice(map[string]string{
					"trade_status": "TRADE_CLOSED", "notify_id": id, "trade_no": trade.TradeNo,
					"gmt_refund": time.Now().In(time.FixedZone("", 8*60*60)).Format("2006-01-02 15:04:05.000"),
				})
				for key, value := range change {
					if params[key] = value; value == "-" {
						delete(params, key)
					}
				}
				if r := s.Notice(s.Alipay.SignedNotice(params)); r.Text != "success" {
					t.Errorf("%s: %d %s", name, r.Status, r.Text)
				}
			}
			s.Expect(s.Refund(shoptest.Numbered("R1", "80.00")), 200, "succeeded")
			time.Sleep(10 * time.Second)
			s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer}, alipaytest.Fault{Kind: alipaytest.HTTP500, Method: gateway.MethodRefundQuery})
			s.Expect(s.Refund(shoptest.Numbered("R2", "8.88")), 202, "pending")
			closed("2026112200222095137035011452559001") // settles R2
			s.ExpectTold("refund_succeeded refund_succeeded")
			closed("2026112200222095137035011452559002") // and tells nothing new
			s.ExpectTold("refund_succeeded refund_succeeded")
		})
	}
}

// An application that may not ask hears of such a refund all the same.
func TestNotificationWithoutAFeeWhereNobodyMayAsk(t *testing.T) {
	s := shoptest.NewShop(t)
	s.Voice(func(string, url.Values) string {
		return `{"code":"40006","msg":"Insufficient Permissions","sub_code":"isv.insufficient-isv-permissions"}`
	})
	r := s.Notice(s.Alipay.SignedNotice(shoptest.RefundNotice(map[string]string{"refund_fee": "-", "out_biz_no": "-"})))
	if r.Text != "success" {
		t.Errorf("%d %s", r.Status, r.Text)
	}
	s.ExpectTold("refund_succeeded")
}

// A refund that was unresolved for long explains only what happened when it was sent.
func TestNotificationWithoutAFeeBesideALongRefund(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		trade := s.Trade()
		s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer}, alipaytest.Fault{Kind: alipaytest.HTTP500, Method: gateway.MethodRefundQuery})
		s.Expect(s.Refund(shoptest.Partly), 202, "pending")
		sent := time.Now()
		time.Sleep(48 * time.Hour)
		s.Expect(s.Refund(shoptest.Partly), 200, "succeeded")
		for i, at := range []time.Time{sent, sent.Add(24 * time.Hour)} {
			r := s.Notice(s.Alipay.SignedNotice(shoptest.RefundNotice(map[string]string{
				"refund_fee": "-", "out_biz_no": "-", "trade_no": trade.TradeNo, "notify_id": fmt.Sprint("202611220022209513703501145255900", i),
				"gmt_refund": at.In(time.FixedZone("", 8*60*60)).Format("2006-01-02 15:04:05.000"),
			})))
			if r.Text != "success" {
				t.Fatalf("%d %s", r.Status, r.Text)
			}
		}
		s.ExpectTold("refund_succeeded refund_succeeded") // its own, and one that somebody else made
	})
}

// What the ledger does not explain is asked about by the order's own number.
func TestClosedTradeThatSomebodyElseRefunded(t *testing.T) {
	s := shoptest.NewShop(t)
	trade := s.Trade()
	_, err := s.Console().RefundTrade(t.Context(), gateway.TradeRefund{OutTradeNo: shoptest.Order, RefundAmount: 88_88}, gateway.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"2026112200222095137035011452559001", "2026112200222095137035011452559002"} {
		r := s.Notice(s.Alipay.SignedNotice(shoptest.RefundNotice(map[string]string{
			"trade_status": "TRADE_CLOSED", "refund_fee": "-", "out_biz_no": "-", "notify_id": id, "trade_no": trade.TradeNo,
		})))
		if r.Text != "success" {
			t.Fatalf("%d %s", r.Status, r.Text)
		}
	}
	s.ExpectTold("refund_succeeded")
	if got := s.Last(); got.Amount != 88_88 || got.OutRequestNo != shoptest.Order {
		t.Errorf("told of %+v", got)
	}
}

// That a trade is past its refund period is the host's to hear. What was refunded
// before comes with it, and is no new refund; one that nobody here knows is recorded
// only if Alipay knows it.
func TestTradePastItsRefundPeriod(t *testing.T) {
	finished := func(number, id string) map[string]string {
		return shoptest.RefundNotice(map[string]string{"trade_status": "TRADE_FINISHED", "out_biz_no": number, "notify_id": id})
	}
	for name, c := range map[string]struct {
		number, told string
	}{
		"of a refund that is known":                {"R1", "refund_succeeded notification"},
		"without a number":                         {"-", "refund_succeeded notification"},
		"of a refund that nobody knows":            {"R7", "refund_succeeded notification"},
		"of a refund that somebody else made once": {"R8", "refund_succeeded refund_succeeded notification"},
	} {
		t.Run(name, func(t *testing.T) {
			var s *shoptest.Shop
			s = shoptest.NewShop(t, func(config *alirefund.Config) {
				config.OnNotification = func(context.Context, *notify.Notification) error {
					return s.Hook("notification", store.Refund{})
				}
			})
			s.Trade()
			s.Expect(s.Refund(shoptest.Partly), 200, "succeeded")
			if _, err := s.Console().RefundTrade(t.Context(), gateway.TradeRefund{OutTradeNo: shoptest.Order, OutRequestNo: "R8", RefundAmount: 1_00}, gateway.Options{}); err != nil {
				t.Fatal(err)
			}
			if r := s.Notice(s.Alipay.SignedNotice(finished(c.number, "2026112200222095137035011452559001"))); r.Text != "success" {
				t.Fatalf("%d %s", r.Status, r.Text)
			}
			s.ExpectTold(c.told)
		})
	}
	unanswered := shoptest.NewShop(t)
	unanswered.Trade()
	unanswered.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.HTTP500, Method: gateway.MethodRefundQuery})
	if r := unanswered.Notice(unanswered.Alipay.SignedNotice(finished("R8", "2026112200222095137035011452559001"))); r.Text == "success" {
		t.Error("Alipay did not say whether it knows the refund, and the notification was acknowledged")
	}
	s := shoptest.NewShop(t, func(config *alirefund.Config) { config.OnNotification = nil })
	s.Trade()
	if r := s.Notice(s.Alipay.SignedNotice(finished("R7", "2026112200222095137035011452559001"))); r.Text == "success" {
		t.Error("nobody handled it, and it was acknowledged")
	}
	s.ExpectTold("")
}

// Without out_biz_no every pending refund of the order is asked about.
func TestNoticeWithoutANumber(t *testing.T) {
	s := shoptest.NewShop(t)
	trade := s.Trade()
	s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer}, alipaytest.Fault{Kind: alipaytest.HTTP500, Method: gateway.MethodRefundQuery})
	s.Expect(s.Refund(shoptest.Partly), 202, "pending")
	anonymous := func(id string, change map[string]string) shoptest.Reply {
		params := shoptest.RefundNotice(map[string]string{"out_biz_no": "-", "notify_id": id, "trade_no": trade.TradeNo})
		maps.Copy(params, change)
		return s.Notice(s.Alipay.SignedNotice(params))
	}
	if r := anonymous("2026112200222095137035011452559001", nil); r.Text != "success" {
		t.Fatalf("%d %s", r.Status, r.Text)
	}
	s.ExpectTold("refund_succeeded")
	if s.Last().Source != store.ByQuery {
		t.Errorf("source %q", s.Last().Source)
	}
	// Another one that says no more than what is known tells nothing new.
	if r := anonymous("2026112200222095137035011452559002", nil); r.Text != "success" {
		t.Fatalf("%d %s", r.Status, r.Text)
	}
	s.ExpectTold("refund_succeeded")
	// One that says more is a refund of its own, of unknown number and amount.
	for range 2 {
		if r := anonymous("2026112200222095137035011452559003", map[string]string{"refund_fee": "9.99"}); r.Text != "success" {
			t.Fatalf("%d %s", r.Status, r.Text)
		}
	}
	s.ExpectTold("refund_succeeded refund_succeeded")
	if got := s.Last(); got.Amount != 0 || got.OutRequestNo != "" || got.Origin != store.FromNotice {
		t.Errorf("told of %+v", got)
	}
}

// A notice that names less than the refund it is about is not believed; Alipay
// is asked.
func TestNoticeThatContradictsTheLedger(t *testing.T) {
	s := shoptest.NewShop(t)
	trade := s.Trade()
	s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest})
	s.Expect(s.Refund(shoptest.Partly), 202, "pending")
	r := s.Notice(s.Alipay.SignedNotice(shoptest.RefundNotice(map[string]string{"refund_fee": "0.10", "trade_no": trade.TradeNo})))
	if r.Status != 503 || r.Text == "success" {
		t.Errorf("%d %s", r.Status, r.Text)
	}
	s.ExpectTold("")
}

// A notice without out_trade_no is about none of the refunds that are known.
func TestNoticeWithoutAnOrder(t *testing.T) {
	s := shoptest.NewShop(t)
	s.Trade()
	s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest})
	r := s.Refund(shoptest.Partly)
	s.Expect(r, 202, "pending")
	asked := 0
	for i, change := range []map[string]string{
		{"trade_no": "T1", "notify_id": "1"},
		{"trade_no": "T2", "notify_id": "2"},
		{"trade_no": "T3", "notify_id": "3", "out_biz_no": "-"},
	} {
		asked = s.Calls(gateway.MethodRefundQuery)
		change["out_trade_no"] = "-"
		if r := s.Notice(s.Alipay.SignedNotice(shoptest.RefundNotice(change))); r.Text != "success" {
			t.Fatalf("%d %s", r.Status, r.Text)
		}
		if got := len(strings.Fields(s.Told())); got != i+1 {
			t.Errorf("told %q", s.Told())
		}
	}
	if n := s.Calls(gateway.MethodRefundQuery); n != asked {
		t.Errorf("without a number, another order's refund was asked about %d times", n-asked)
	}
	s.Expect(s.Get(r.Str("id")), 200, "pending")
}

// One number at two merchants: each is asked about, neither believed.
func TestNoticeOfOneOfTwoMerchants(t *testing.T) {
	s := shoptest.NewShop(t)
	s.Trade()
	for _, merchant := range []string{"m1", "m2"} {
		of := `,"merchant":"` + merchant + `","app_auth_token":"token of ` + merchant + `"`
		s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest})
		s.Expect(s.Refund(shoptest.Partly[:len(shoptest.Partly)-1]+of+`}`), 202, "pending")
		s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest})
		s.Expect(s.Coupon(s.Packet("C1", of)), 202, "pending")
	}
	for method, form := range map[string]string{
		gateway.MethodRefundQuery: s.Alipay.SignedNotice(shoptest.RefundNotice(map[string]string{"auth_app_id": "2021000000000777"})),
		gateway.MethodCouponQuery: s.Alipay.SignedNotice(shoptest.CouponNotice(map[string]string{"auth_app_id": "2021000000000777", "auth_no": "null", "operation_id": "null"})),
	} {
		before := len(s.Alipay.Calls())
		if r := s.Notice(form); r.Status != 503 {
			t.Errorf("%s: %d %s", method, r.Status, r.Text)
		}
		asked := map[string]bool{}
		for _, c := range s.Alipay.Calls()[before:] {
			asked[c.Method+" with the "+c.Params["app_auth_token"]] = true
		}
		if !asked[method+" with the token of m1"] || !asked[method+" with the token of m2"] {
			t.Errorf("asked %v", asked)
		}
	}
	s.ExpectTold("")
}

// A notice of another trade says nothing of a refund under the same numbers: of
// another merchant's, whose trade_no is known.
func TestNoticeOfAnotherMerchantsTrade(t *testing.T) {
	s := shoptest.NewShop(t)
	trade := s.Trade()
	s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest, Method: gateway.MethodTradeRefund})
	r := s.Refund(fmt.Sprintf(`{"trade_no":%q,"refund_amount":"8.88","out_request_no":"R1","merchant":"m","app_auth_token":"t"}`, trade.TradeNo))
	s.Expect(r, 202, "pending")
	form := s.Alipay.SignedNotice(shoptest.RefundNotice(map[string]string{"auth_app_id": "2021000000000777", "trade_no": shoptest.AnotherTrade}))
	if n := s.Notice(form); n.Text != "success" {
		t.Errorf("%d %s", n.Status, n.Text)
	}
	s.Expect(s.Get(r.Str("id")), 200, "pending")
	s.ExpectTold("refund_succeeded")
	if got := s.Last(); got.Merchant != "2021000000000777" || got.ID == r.Str("id") {
		t.Errorf("told of %+v", got)
	}
}

// Numbers are compared by their bytes, in notices too.
func TestNoticeOfANumberInAnotherCase(t *testing.T) {
	s := shoptest.NewShop(t)
	s.Trade()
	s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest})
	r := s.Refund(shoptest.Partly)
	s.Expect(r, 202, "pending")
	if n := s.Notice(s.Alipay.SignedNotice(shoptest.RefundNotice(map[string]string{"out_biz_no": "r1", "trade_no": "-"}))); n.Text != "success" {
		t.Errorf("%d %s", n.Status, n.Text)
	}
	s.Expect(s.Get(r.Str("id")), 200, "pending")
	if got := s.Last(); got.OutRequestNo != "r1" {
		t.Errorf("told of %+v", got)
	}
}

// An order may have more refunds than one page of the ledger.
func TestNoticeOfAnOrderOfManyRefunds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		s.Trade()
		for i := range 120 {
			r := store.Refund{
				Kind: store.Trade, App: s.Config.App.ID, OutTradeNo: shoptest.Order, OutRequestNo: fmt.Sprint("old", i), Amount: 1,
				State: store.Succeeded, Origin: store.FromRequest,
			}.Identify()
			if _, _, err := s.Config.Store.Open(t.Context(), r, store.Limit{}, nil); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Second) // the list begins with the oldest
		s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer}, shoptest.NoQuery)
		s.Expect(s.Refund(shoptest.Partly), 202, "pending")
		if r := s.Notice(s.Alipay.SignedNotice(shoptest.RefundNotice(map[string]string{"out_biz_no": "-", "trade_no": "-"}))); r.Text != "success" {
			t.Errorf("%d %s", r.Status, r.Text)
		}
		told := false
		for _, e := range s.Events {
			told = told || e.Refund.OutRequestNo == "R1" && e.Refund.Source == store.ByQuery
		}
		if !told {
			t.Errorf("told of %d refunds, and not of the one that the notice is about", len(s.Events))
		}
	})
}

// The refund is asked for between the notice's look and its record.
func TestNoticeThatOvertakesTheRequest(t *testing.T) {
	s := shoptest.NewShop(t)
	s.Trade()
	s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer}, shoptest.NoQuery)
	r := s.Refund(shoptest.Partly)
	s.Expect(r, 202, "pending")
	s.Config.Store = blind{s.Config.Store}
	s.Restart()
	s.Alipay.Deliver(t.Context())
	s.ExpectTold("refund_succeeded")
	if got := s.Last(); got.ID != r.Str("id") || got.Origin != store.FromRequest {
		t.Errorf("told of %+v", got)
	}
}

// blind lists nothing, as a ledger does that was read a moment too early.
type blind struct{ store.Store }

func (blind) List(context.Context, store.Filter) ([]store.Refund, error) { return nil, nil }

// The same, and the amounts differ: nobody knows whose refund it was.
func TestNoticeThatOvertakesAnotherAmount(t *testing.T) {
	s := shoptest.NewShop(t)
	s.Trade()
	s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest})
	r := s.Refund(shoptest.Partly)
	s.Expect(r, 202, "pending")
	s.Config.Store = blind{s.Config.Store}
	s.Voice(func(string, url.Values) string {
		return `{"code":"10000","out_trade_no":"6823789339978248","out_request_no":"R1","refund_status":"REFUND_SUCCESS","refund_amount":"9.99"}`
	})
	if n := s.Notice(s.Alipay.SignedNotice(shoptest.RefundNotice(nil))); n.Status != 503 {
		t.Errorf("%d %s", n.Status, n.Text)
	}
	s.ExpectTold("refund_unresolved")
}

// An amount that could not be had is asked for again.
func TestUnknownAmountIsLearntLater(t *testing.T) {
	s := shoptest.NewShop(t)
	s.Trade()
	number := s.Alipay.RefundAtConsole(shoptest.Order, 8_88)
	params := s.Alipay.Notices()[0].Params
	s.Alipay.Inject(shoptest.NoQuery)
	s.Alipay.Deliver(t.Context())
	first := s.Last()
	if first.Amount != 0 || first.OutRequestNo != number || first.SettledAt.IsZero() {
		t.Fatalf("told of %+v", first)
	}
	params["notify_id"] = "another"
	if r := s.Notice(s.Alipay.SignedNotice(params)); r.Text != "success" {
		t.Fatalf("%d %s", r.Status, r.Text)
	}
	if g := s.Get(first.ID); g.Str("amount") != "8.88" {
		t.Errorf("record: %s", g.Text)
	}
}

// The amount of a refund made elsewhere is believed of its own query only.
func TestAmountOfAnotherRefund(t *testing.T) {
	s := shoptest.NewShop(t)
	s.Voice(func(string, url.Values) string {
		return `{"code":"10000","out_trade_no":"6823789339978248","out_request_no":"R7","refund_status":"REFUND_SUCCESS","refund_amount":"9.99"}`
	})
	if n := s.Notice(s.Alipay.SignedNotice(shoptest.RefundNotice(nil))); n.Text != "success" {
		t.Errorf("%d %s", n.Status, n.Text)
	}
	if got := s.Last(); got.Amount != 0 {
		t.Errorf("told of %+v", got)
	}
}
