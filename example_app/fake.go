package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/store"
)

// What exists in the fake Alipay. The numbers of the first order and of the
// first red packet are those of Alipay's sample requests.
var (
	paidOrders = []alipaytest.Trade{
		{OutTradeNo: "6823789339978248", Total: 88_88},
		{OutTradeNo: "6823789339978249", Total: 1},
		{OutTradeNo: "6823789339978250", Total: 199_00},
	}
	redPackets = []alipaytest.RedPacket{
		{AuthNo: "2018081710002001860231318890", Amount: 8_88, Claimed: 6_66},
		{AuthNo: "2018081710002001860231318891", Amount: 20_00},
	}
	preAuths = []alipaytest.PreAuth{{AuthNo: "2014070800002001550000014417", OutOrderNo: "room-12", Amount: 500_00}}
	// unknownOrder was paid too, and the shop's book does not know it.
	unknownOrder = alipaytest.Trade{OutTradeNo: "6823789339978251", Total: 55_00}
)

// newFake returns a fake Alipay in which the orders were paid. What happens to
// them is notified to payNotifyURL, by that client.
func newFake(payNotifyURL string, client *http.Client) *alipaytest.Alipay {
	fake := alipaytest.New(alipaytest.Config{Client: client})
	// Every notice comes a second after its event: as a rule after the answer.
	fake.InjectRandomly(0, 1, alipaytest.Fault{Kind: alipaytest.NoticeLate, Delay: time.Second})
	for _, t := range slices.Concat(paidOrders, []alipaytest.Trade{unknownOrder}) {
		t.NotifyURL = payNotifyURL
		fake.AddTrade(t)
	}
	for _, p := range redPackets {
		p.NotifyURL = payNotifyURL
		fake.AddRedPacket(p)
	}
	for _, p := range preAuths {
		fake.AddPreAuth(p)
	}
	return fake
}

// enter enters what was paid into the shop's book.
func enter(ctx context.Context, book orderBook) error {
	var errs []error
	for _, t := range paidOrders {
		errs = append(errs, book.add(ctx, store.Trade, t.OutTradeNo, t.Total))
	}
	for _, p := range redPackets {
		errs = append(errs, book.add(ctx, store.Coupon, p.AuthNo, p.Amount))
	}
	return errors.Join(errs...)
}

// tryOut is the text for somebody who starts the shop for the first time.
func tryOut(base, token string) string {
	var b strings.Builder
	b.WriteString("A fake Alipay runs inside: no account is needed, and no money moves.\n\nPaid orders, by out_trade_no:\n")
	for _, t := range paidOrders {
		fmt.Fprintf(&b, "  %s  %7s\n", t.OutTradeNo, t.Total)
	}
	fmt.Fprintf(&b, "  %s  %7s, which the shop's own book does not know\n", unknownOrder.OutTradeNo, unknownOrder.Total)
	b.WriteString("Red packets, by auth_no:\n")
	for _, p := range redPackets {
		fmt.Fprintf(&b, "  %s  %7s, of which %s is not claimed yet\n", p.AuthNo, p.Amount, p.Amount-p.Claimed)
	}
	b.WriteString("Pre-authorisations, by auth_no:\n")
	for _, p := range preAuths {
		fmt.Fprintf(&b, "  %s  %7s\n", p.AuthNo, p.Amount)
	}
	b.WriteString("\nThree refunds: the first loses Alipay's answer, the second is of a red packet, and the third is notified\ntwice. Each ends well, once:\n\n")
	refund := func(route, fault, body string) {
		if fault != "" {
			fault = " -H '" + faultHeader + ": " + fault + "'"
		}
		fmt.Fprintf(&b, "curl -sS -w '\\n' %s/alipay/%s -H 'Authorization: Bearer %s' -H 'Content-Type: application/json'%s -d '%s'\n", base, route, token, fault, body)
	}
	refund("refunds", lostAnswer, `{"out_trade_no":"`+paidOrders[2].OutTradeNo+`","out_request_no":"refund-1","refund_amount":"9.90"}`)
	refund("coupon-refunds", "", `{"auth_no":"`+redPackets[1].AuthNo+`","out_request_no":"refund-2","amount":"8.00","remark":"unclaimed"}`)
	refund("refunds", noticeTwice, `{"out_trade_no":"`+paidOrders[0].OutTradeNo+`","out_request_no":"refund-3","refund_amount":"88.88"}`)
	b.WriteString("\nThe page shows what happens to them; GET /events, with the same token, lists what the shop's hooks were told.\n")
	fmt.Fprintf(&b, "The staff's console is at %s%s/ and wants the token %s\n\n", base, opsPath, token)
	return b.String()
}
