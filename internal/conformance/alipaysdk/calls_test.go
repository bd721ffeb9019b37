package alipaysdk_test

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/alirefund/alirefund/alipaytest"
)

// mode is a way in which an application talks to Alipay.
type mode struct {
	name   string
	alipay alipaytest.Config
	v3     bool
}

const contentKey = "MDEyMzQ1Njc4OWFiY2RlZg=="

var modes = []mode{
	{name: "key"},
	{name: "certificates", alipay: alipaytest.Config{Certificates: true}},
	{name: "content encryption", alipay: alipaytest.Config{ContentKey: contentKey}},
	{name: "certificates and content encryption", alipay: alipaytest.Config{Certificates: true, ContentKey: contentKey}},
	{name: "version 3", v3: true},
	{name: "version 3, certificates", v3: true, alipay: alipaytest.Config{Certificates: true}},
	{name: "version 3, content encryption", v3: true, alipay: alipaytest.Config{ContentKey: contentKey}},
}

// node is a JSON object.
type node map[string]any

// ask makes a call by the SDK, its check of the answer's signature switched on.
func (m mode) ask(t *testing.T, s *sdk, p party, method string, biz node) (answer node, err error) {
	t.Helper()
	if m.v3 {
		return m.askV3(t, s, p, method, biz)
	}
	encrypted := m.alipay.ContentKey != ""
	params := node{"bizContent": biz, "needEncrypt": encrypted}
	err = s.call(t, p.config, &answer, "exec", method, params, node{"validateSign": !encrypted})
	if encrypted && err == nil { // see the difference "Encrypted answers"
		all := p.Calls()
		last := all[len(all)-1]
		var raw map[string]json.RawMessage
		var sign string
		if json.Unmarshal([]byte(last.Answer), &raw) != nil || json.Unmarshal(raw["sign"], &sign) != nil {
			t.Fatalf("no answer: %s", last.Answer)
		}
		if text := raw[strings.ReplaceAll(method, ".", "_")+"_response"]; !s.check(t, p.config, "rsaCheck", string(text), sign) {
			t.Errorf("the SDK's RSA does not verify %s", last.Answer)
		}
	}
	return answer, err
}

// askV3 is ask by version 3, which is always checked. An answer has no code and
// no msg there, and a refusal is thrown.
func (m mode) askV3(t *testing.T, s *sdk, p party, method string, biz node) (answer node, err error) {
	t.Helper()
	var got struct{ Data node }
	err = s.call(t, p.config, &got, "curl", "/v3/"+strings.ReplaceAll(method, ".", "/"), node{"body": biz, "needEncrypt": m.alipay.ContentKey != ""})
	var thrown *failure
	if errors.As(err, &thrown) && strings.HasPrefix(thrown.Code, "ACQ.") {
		return node{"code": "40004", "sub_code": thrown.Code}, nil
	}
	return ok(got.Data), err
}

// The SDK's calls are accepted by the fake, and the fake's answers by the SDK.
func TestTheSDKCallsTheFake(t *testing.T) {
	s := start(t, china)
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			p := open(t, m.alipay)
			p.AddTrade(alipaytest.Trade{OutTradeNo: "order", Total: 10_00, Subject: "红茶+奶茶 100% \"好\"\\/"})
			p.AddTrade(alipaytest.Trade{OutTradeNo: "unpaid", Total: 10_00, Status: alipaytest.WaitBuyerPay})
			p.AddRedPacket(alipaytest.RedPacket{AuthNo: "packet", OutOrderNo: "packet order", OperationID: "paid"})
			p.AddRedPacket(alipaytest.RedPacket{AuthNo: "newer packet", FundTrans: true})
			for _, c := range calls {
				if m.v3 && strings.HasPrefix(c.method, "alipay.fund.") {
					continue // version 3 has no paths for red packets
				}
				t.Run(c.name, func(t *testing.T) {
					answer, err := m.ask(t, s, p, c.method, c.biz)
					if err != nil {
						t.Fatal(err)
					}
					for key, want := range c.want {
						if answer[key] != want {
							t.Errorf("%s is %v; want %v", key, answer[key], want)
						}
					}
				})
			}
			var moved []string
			for _, movement := range p.Movements() {
				moved = append(moved, movement.OutRequestNo+" "+movement.Amount.String())
			}
			want := []string{"R1 1.00"}
			if !m.v3 {
				want = append(want, "R2 2.00", "R3 3.00")
			}
			if !slices.Equal(moved, want) {
				t.Errorf("the fake's books say %q; want %q", moved, want)
			}
		})
	}
}

// calls are made in this order.
var calls = []struct {
	name, method string
	biz, want    node
}{
	{
		"a trade's refund", "alipay.trade.refund",
		node{
			"out_trade_no": "order", "refund_amount": "1.00", "out_request_no": "R1", "refund_reason": "换货 & 100% + \"退\"\\/",
			"query_options": []string{"refund_detail_item_list"},
		},
		ok(node{"out_trade_no": "order", "refund_fee": "1.00", "fund_change": "Y"}),
	},
	{
		"the same again", "alipay.trade.refund",
		node{"out_trade_no": "order", "refund_amount": "1.00", "out_request_no": "R1"},
		ok(node{"fund_change": "N", "refund_fee": "1.00"}),
	},
	{
		"more than there is", "alipay.trade.refund",
		node{"out_trade_no": "order", "refund_amount": "99.00", "out_request_no": "R0"},
		node{"code": "40004", "sub_code": "ACQ.REASON_TRADE_REFUND_FEE_ERR"},
	},
	{
		"its query", "alipay.trade.fastpay.refund.query",
		node{"out_trade_no": "order", "out_request_no": "R1"},
		ok(node{"refund_status": "REFUND_SUCCESS", "refund_amount": "1.00", "out_request_no": "R1"}),
	},
	{"the trade's query", "alipay.trade.query", node{"out_trade_no": "order"}, ok(node{"trade_status": "TRADE_SUCCESS"})},
	{"close", "alipay.trade.close", node{"out_trade_no": "unpaid"}, ok(node{"out_trade_no": "unpaid"})},
	{
		"a red packet's refund", "alipay.fund.coupon.order.refund",
		node{"auth_no": "packet", "out_request_no": "R2", "amount": "2.00", "remark": "红包退回"},
		ok(node{"auth_no": "packet", "out_request_no": "R2", "amount": "2.00", "status": "SUCCESS"}),
	},
	{
		"the same number again", "alipay.fund.coupon.order.refund",
		node{"auth_no": "packet", "out_request_no": "R2", "amount": "2.00", "remark": "红包退回"},
		node{"code": "40004", "sub_code": "UNIQUE_VIOLATION", "out_request_no": "R2"},
	},
	{
		"its query", "alipay.fund.coupon.operation.query",
		node{"out_order_no": "packet order", "out_request_no": "R2"},
		ok(node{"status": "SUCCESS", "operation_type": "REFUND"}),
	},
	{
		"a newer red packet's refund", "alipay.fund.trans.refund",
		node{"order_id": "newer packet", "out_request_no": "R3", "refund_amount": "3.00"},
		ok(node{"status": "SUCCESS", "out_request_no": "R3", "refund_amount": "3.00"}),
	},
	{
		"its query", "alipay.fund.trans.common.query",
		node{"out_biz_no": "R3", "product_code": "STD_RED_PACKET", "biz_scene": "REFUND"},
		ok(node{"status": "SUCCESS", "out_biz_no": "R3"}),
	},
}

func ok(more node) node {
	answer := node{"code": "10000", "msg": "Success"}
	maps.Copy(answer, more)
	return answer
}
