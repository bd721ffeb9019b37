package alipaytest_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/alirefund/alirefund/alipaytest"
)

func TestFundTransRefund(t *testing.T) {
	a := alipaytest.New(alipaytest.Config{AppGatewayURL: appGateway})
	c := newClient(t, a)
	p := a.AddRedPacket(alipaytest.RedPacket{AuthNo: "P1", OutRequestNo: "PAY1", Amount: 10_00, Claimed: 5_00, FundTrans: true})
	a.AddRedPacket(alipaytest.RedPacket{AuthNo: "P2"})
	biz := `{"order_id":"P1","out_request_no":"R1","refund_amount":"2.00","remark":"r"}`
	first := c.call(fundRefund, biz)
	c.expect(first, map[string]string{"code": "10000", "status": "SUCCESS", "order_id": "P1", "out_request_no": "R1", "refund_amount": "2.00"})
	again := c.call(fundRefund, biz)
	if again.get("refund_order_id") == "" || again.get("refund_order_id") != first.get("refund_order_id") {
		t.Errorf("the same request again: %s", again.body)
	}
	for name, biz := range map[string]string{
		"other amount":       strings.Replace(biz, "2.00", "1.00", 1),
		"the payment's":      strings.Replace(biz, "R1", "PAY1", 1),
		"too much":           `{"order_id":"P1","out_request_no":"R2","refund_amount":"3.01"}`,
		"no amount":          `{"order_id":"P1","out_request_no":"R2"}`,
		"no number":          `{"order_id":"P1","refund_amount":"1.00"}`,
		"unknown red packet": `{"order_id":"P3","out_request_no":"R2","refund_amount":"1.00"}`,
		"the older product":  `{"order_id":"P2","out_request_no":"R2","refund_amount":"1.00"}`,
	} {
		if answer := c.call(fundRefund, biz); answer.get("code") != "40004" {
			t.Errorf("%s: %s", name, answer.body)
		}
	}
	c.refused(c.call(couponRefund, couponBiz("P1", "R2", `"1.00"`)), "40004", "AUTH_ORDER_NOT_EXIST")

	query := func(number, scene string) string {
		return `{"out_biz_no":"` + number + `","biz_scene":"` + scene + `","product_code":"STD_RED_PACKET"}`
	}
	c.expect(c.call(fundQuery, query("R1", "REFUND")), map[string]string{
		"status": "SUCCESS", "out_biz_no": "R1", "trans_amount": "2.00", "order_id": first.get("refund_order_id"),
	})
	c.expect(c.call(fundQuery, query("PAY1", "PERSONAL_PAY")), map[string]string{"out_biz_no": "PAY1", "order_id": "P1", "trans_amount": "10.00"})
	c.expect(c.call(fundQuery, `{"order_id":"P1","biz_scene":"REFUND","product_code":"STD_RED_PACKET"}`), map[string]string{"out_biz_no": p.OutRequestNo})
	for _, biz := range []string{query("R9", "REFUND"), query("PAY1", "REFUND"), query("R1", ""), `{"out_biz_no":"R1"}`} {
		if answer := c.call(fundQuery, biz); answer.get("code") != "40004" {
			t.Errorf("%s: %s", biz, answer.body)
		}
	}
	if got := a.Movements(); len(got) != 1 || got[0].OutRequestNo != "R1" || got[0].Amount != 2_00 {
		t.Errorf("movements: %+v", got)
	}
}

// Each return is told to the application's gateway, the automatic one too.
func TestFundTransMessages(t *testing.T) {
	a := alipaytest.New(alipaytest.Config{AppGatewayURL: appGateway})
	c := newClient(t, a)
	a.AddRedPacket(alipaytest.RedPacket{AuthNo: "P1", Amount: 10_00, FundTrans: true, NotifyURL: "http://shop.test/pay"})
	c.call(fundRefund, `{"order_id":"P1","out_request_no":"R1","refund_amount":"2.00"}`)
	a.HandleNotices(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("success")) }))
	a.Advance(49 * time.Hour)
	notices := a.Notices()
	if len(notices) != 2 || notices[0].Method != fundRefund || notices[1].Method != "" {
		t.Fatalf("%+v", notices)
	}
	for i, amount := range []string{`"refund_amount":"2.00"`, `"refund_amount":"8.00"`} {
		n := notices[i]
		if n.URL != appGateway || !n.Acknowledged || n.Params["msg_method"] != fundRefund+".success" || !strings.Contains(n.Params["biz_content"], amount) {
			t.Errorf("%+v", n)
		}
	}
}
