package openapi_test

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/internal/shoptest"
	"github.com/alirefund/alirefund/store"
)

// lives are refunds to look at: what becomes of each puts other fields into its record.
var lives = map[string]func(t *testing.T, s *shoptest.Shop){
	"a red packet": func(t *testing.T, s *shoptest.Shop) {
		products[1].add(s)
		expect(t, s.Do(http.MethodPost, products[1].path, products[1].body("R1", "1.00")), 200, "")
	},
	"a newer red packet": func(t *testing.T, s *shoptest.Shop) {
		s.Alipay.AddRedPacket(alipaytest.RedPacket{AuthNo: "A2", FundTrans: true})
		expect(t, s.Coupon(`{"auth_no":"A2","out_request_no":"R1","amount":"1.00","remark":"back","product":"alipay.fund.trans.refund"}`), 200, "")
	},
	"a pre-authorisation": func(t *testing.T, s *shoptest.Shop) {
		products[2].add(s)
		expect(t, s.Do(http.MethodPost, products[2].path, products[2].body("R1", "1.00")), 200, "")
	},
	"a merchant's": func(t *testing.T, s *shoptest.Shop) {
		expect(t, s.Refund(`{"out_trade_no":"6823789339978248","refund_amount":"1.00","out_request_no":"R1","merchant":"m1","app_auth_token":"t1"}`), 200, "")
	},
	"told by a query": func(t *testing.T, s *shoptest.Shop) {
		s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer})
		expect(t, s.Refund(shoptest.Numbered("R1", "1.00")), 200, "")
	},
	"made at the console": func(t *testing.T, s *shoptest.Shop) {
		s.Alipay.RefundAtConsole(shoptest.Order, 1_00)
		s.Alipay.Deliver(t.Context())
	},
	"decided by a person": func(t *testing.T, s *shoptest.Shop) {
		s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest}, shoptest.NoQuery)
		r := expect(t, s.Refund(shoptest.Numbered("R1", "1.00")), 202, "")
		shoptest.Must(s.Module.Resolve(t.Context(), r.Str("id"), store.Succeeded, "anna", "the bank says so"))
		expect(t, s.Refund(shoptest.Numbered("R1", "1.00")), 200, "")
	},
	"told by a notice": func(t *testing.T, s *shoptest.Shop) {
		s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer}, shoptest.NoQuery)
		expect(t, s.Refund(shoptest.Numbered("R1", "1.00")), 202, "")
		s.Alipay.Deliver(t.Context())
		expect(t, s.Refund(shoptest.Numbered("R1", "1.00")), 200, "")
	},
	"answered early": func(t *testing.T, s *shoptest.Shop) {
		expect(t, s.Do(http.MethodPost, products[0].path, shoptest.Numbered("R1", "1.00"), "Prefer", "respond-async"), 202, "")
		shoptest.Must(0, s.Module.Close(t.Context()))
	},
	"with the bank's word": func(t *testing.T, s *shoptest.Shop) {
		expect(t, s.Refund(`{"out_trade_no":"6823789339978248","refund_amount":"1.00","out_request_no":"R1","query_options":["deposit_back_info"]}`), 200, "")
		s.Alipay.DepositBack(shoptest.Order, "R1", true)
		s.Alipay.Deliver(t.Context())
	},
	"whose hook fails": func(t *testing.T, s *shoptest.Shop) {
		s.HookFails(store.RefundSucceeded, shoptest.ErrHost)
		expect(t, s.Refund(shoptest.Numbered("R1", "1.00")), 200, "")
	},
	"delivered again to a subscriber": func(t *testing.T, s *shoptest.Shop) {
		expect(t, s.Refund(shoptest.Numbered("R1", "1.00")), 200, "")
		shoptest.Must(0, s.Module.Close(t.Context()))
		shoptest.Must(s.Module.ReplayTo(t.Context(), "books", store.Filter{}, "anna", false))
		shoptest.Must(0, s.Module.Close(t.Context()))
	},
	"refused, and may be repeated": func(t *testing.T, s *shoptest.Shop) {
		s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "ACQ.SELLER_BALANCE_NOT_ENOUGH"})
		expect(t, s.Refund(shoptest.Numbered("R1", "1.00")), 422, "alipay_refused")
	},
	"refused, and confirmed by a query": func(t *testing.T, s *shoptest.Shop) {
		refused := alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "ACQ.TRADE_STATUS_ERROR"}
		s.Alipay.Inject(refused, shoptest.NoQuery)
		r := expect(t, s.Refund(shoptest.Numbered("R1", "1.00")), 202, "")
		expect(t, s.Get(r.Str("id")), 200, "") // pending, and refused
		time.Sleep(time.Hour)
		s.Get(r.Str("id"))
		expect(t, s.Refund(shoptest.Numbered("R1", "1.00")), 422, "alipay_refused")
	},
	"refused, confirmed, and asked for again": func(t *testing.T, s *shoptest.Shop) {
		s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest}, alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "ACQ.SELLER_BALANCE_NOT_ENOUGH"})
		r := expect(t, s.Refund(shoptest.Numbered("R1", "1.00")), 202, "")
		time.Sleep(time.Minute)
		expect(t, s.Refund(shoptest.Numbered("R1", "1.00")), 202, "") // sent again, and refused
		time.Sleep(time.Hour)
		s.Get(r.Str("id"))
		s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest}, shoptest.NoQuery)
		expect(t, s.Refund(shoptest.Numbered("R1", "1.00")), 202, "")
	},
	"refused for no known reason": func(t *testing.T, s *shoptest.Shop) {
		s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "ACQ.SOMETHING_NEW"})
		s.Refund(shoptest.Numbered("R1", "1.00"))
	},
	"that wants a person": func(t *testing.T, s *shoptest.Shop) {
		s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.GatewayError}, alipaytest.Fault{Kind: alipaytest.GatewayError, Method: gateway.MethodRefundQuery})
		expect(t, s.Refund(shoptest.Numbered("R1", "1.00")), 202, "")
	},
	"that awaits approval": func(t *testing.T, s *shoptest.Shop) {
		s.Config.NeedsApproval = alirefund.Above(0)
		s.Restart()
		expect(t, s.Refund(shoptest.Numbered("R1", "1.00")), 202, "")
	},
	"that was approved": func(t *testing.T, s *shoptest.Shop) {
		s.Config.NeedsApproval = alirefund.Above(0)
		s.Restart()
		expect(t, decide(s, "approve", expect(t, s.Refund(shoptest.Numbered("R1", "1.00")), 202, "").Str("id"), "boss"), 200, "")
	},
	"that was declined": func(t *testing.T, s *shoptest.Shop) {
		s.Config.NeedsApproval = alirefund.Above(0)
		s.Restart()
		expect(t, decide(s, "decline", expect(t, s.Refund(shoptest.Numbered("R1", "1.00")), 202, "").Str("id"), "boss"), 200, "")
	},
	"that was not sent": func(t *testing.T, s *shoptest.Shop) {
		s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refused})
		expect(t, s.Refund(shoptest.Numbered("R1", "1.00")), 503, "nothing_sent")
	},
}

// live leads each life, lists its refund, looks it up, and asks for it with another
// amount.
func live(t *testing.T) {
	for name, lead := range lives {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := shoptest.NewShop(t, func(c *alirefund.Config) {
					c.OnDepositBack = func(context.Context, alirefund.DepositBack) error { return nil }
					c.Subscribers = []alirefund.Subscriber{{
						Name: "books", Event: store.RefundSucceeded,
						Call: func(context.Context, alirefund.Delivery) error { return nil },
					}}
				})
				s.Trade()
				lead(t, s)
				var page struct {
					Refunds []struct{ ID, Kind, OutRequestNo, Merchant string }
				}
				if err := json.Unmarshal([]byte(expect(t, s.List(""), 200, "").Text), &page); err != nil || len(page.Refunds) != 1 {
					t.Fatalf("there are %d refunds, %v", len(page.Refunds), err)
				}
				r := shoptest.Must(s.Config.Store.Get(t.Context(), page.Refunds[0].ID))
				expect(t, s.Get(r.ID), 200, "")
				if r.Kind == store.Trade && r.OutRequestNo != "" {
					body := shoptest.Numbered(r.OutRequestNo, "0.07")
					if r.Merchant != "" {
						body = body[:len(body)-1] + `,"merchant":"m1","app_auth_token":"t1"}`
					}
					s.Refund(body)
				}
				shoptest.Must(0, s.Module.Close(t.Context()))
			})
		})
	}
}
