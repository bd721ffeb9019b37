package alipaysdk_test

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/notify"
)

const shop = "http://shop.test/"

// Every kind of notice that the fake sends, under every fault of notices, is
// accepted by the SDK's check and by this module's. Alone in GBK the SDK cannot
// read: see the difference "GBK".
func TestTheSDKChecksNotices(t *testing.T) {
	s := start(t, china)
	fault, name := alipaytest.FaultKind(0), "as it should be"
	for next := alipaytest.NoticeTwice; ; next++ {
		for _, certificates := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, certificates %t", name, certificates), func(t *testing.T) { checkNotices(t, s, fault, certificates) })
		}
		if fault, name = next, next.String(); strings.HasPrefix(name, "FaultKind(") {
			break
		}
	}
}

// kinds are what tells the fake's notices apart.
var kinds = []string{
	"fund_stdtrustee_refund.success",
	"message alipay.fund.trans.refund.success",
	"message alipay.trade.refund.depositback.completed",
	"trade_status_sync TRADE_CLOSED never paid",
	"trade_status_sync TRADE_CLOSED refunded",
	"trade_status_sync TRADE_SUCCESS paid",
	"trade_status_sync TRADE_SUCCESS refunded",
}

func kindOf(fields url.Values) string {
	if fields.Has("msg_method") {
		return "message " + fields.Get("msg_method")
	}
	if !fields.Has("trade_status") {
		return fields.Get("notify_type")
	}
	what := "paid"
	switch {
	case fields.Has("gmt_refund"):
		what = "refunded"
	case fields.Get("trade_status") == "TRADE_CLOSED":
		what = "never paid"
	}
	return fields.Get("notify_type") + " " + fields.Get("trade_status") + " " + what
}

func checkNotices(t *testing.T, s *sdk, fault alipaytest.FaultKind, certificates bool) {
	p := open(t, alipaytest.Config{AppGatewayURL: shop + "gateway", Certificates: certificates})
	verify := verifierOf(p)
	seen := map[string]int{}
	p.HandleNotices(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fields, err := url.ParseQuery(string(body))
		if err != nil {
			t.Error(err)
		}
		kind := kindOf(fields)
		seen[kind]++
		if _, err := notify.Open(body, verify); err != nil && fault != alipaytest.NoticeNulls { // a null notify_id is none
			t.Errorf("%s: notify.Open: %v", kind, err)
		}
		// What is ASCII is the same in GBK.
		readable := fault != alipaytest.NoticeGBK || strings.HasPrefix(kind, "message ") || strings.HasPrefix(kind, "fund_")
		if ok := s.check(t, p.config, "checkNotifySignV2", string(body)); ok != readable {
			t.Errorf("%s: checkNotifySignV2 says %t; want %t: %s", kind, ok, readable, body)
		}
		_, _ = io.WriteString(w, "success")
	}))
	cause(p, func() {
		if fault != 0 {
			p.Inject(alipaytest.Fault{Kind: fault})
		}
	})
	if got := slices.Sorted(maps.Keys(seen)); !slices.Equal(got, kinds) {
		t.Errorf("there were notices %q; want %q", got, kinds)
	}
}

// cause makes the fake send notices of all kinds; before each, plan is called.
func cause(p party, plan func()) {
	client := must(gatewayOf(p))
	refund := func(order, number, amount string) {
		must(client.Do(noContext, "alipay.trade.refund", node{
			"out_trade_no": order, "out_request_no": number, "refund_amount": amount, "query_options": []string{"deposit_back_info"},
		}, options{}))
	}
	trade := alipaytest.Trade{OutTradeNo: "order", Subject: "奶茶+红茶 100% &=?\\/", Total: 10_00, Status: alipaytest.WaitBuyerPay, NotifyURL: shop + "notify", PassbackParams: "a%26b=c+d"}
	p.AddTrade(trade)
	trade.OutTradeNo = "unpaid"
	p.AddTrade(trade)
	p.AddRedPacket(alipaytest.RedPacket{AuthNo: "packet", NotifyURL: shop + "notify"})
	p.AddRedPacket(alipaytest.RedPacket{AuthNo: "newer packet", FundTrans: true})
	for _, event := range []func(){
		func() { p.Pay("order") },
		func() { p.TimeOut("unpaid") },
		func() { refund("order", "R1", "1.00") },
		func() { p.DepositBack("order", "R1", true) },
		func() { p.DepositBack("order", "R1", false) },
		func() { p.RefundAtConsole("order", 2_00) },
		func() { refund("order", "R2", "7.00") },
		func() {
			must(client.Do(noContext, "alipay.fund.coupon.order.refund", node{"auth_no": "packet", "out_request_no": "R3", "amount": "3.00", "remark": "退回"}, options{NotifyURL: shop + "notify"}))
		},
		func() {
			must(client.Do(noContext, "alipay.fund.trans.refund", node{"order_id": "newer packet", "out_request_no": "R4", "refund_amount": "4.00"}, options{}))
		},
		func() { p.Advance(50 * time.Hour) }, // red packets expire
	} {
		plan()
		event()
		p.Deliver(noContext)
	}
	p.Advance(25 * time.Hour) // what was to come late
}
