package shoptest

import (
	"io"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/gateway"
)

// RefundNotice is a notice of a refund of the test order, as Alipay words it.
func RefundNotice(change map[string]string) map[string]string {
	params := map[string]string{
		"notify_type": "trade_status_sync", "notify_id": "2026112200222095137035011452559224", "trade_status": "TRADE_SUCCESS",
		"app_id": "2021000000000001", "auth_app_id": "2021000000000001", "seller_id": "2088000000000001", "charset": "UTF-8", "version": "1.0",
		"out_trade_no": Order, "trade_no": "2026112222001400000000000001", "total_amount": "88.88", "refund_fee": "8.88",
		"gmt_refund": "2026-11-22 10:00:00.123", "out_biz_no": "R1",
	}
	for key, value := range change {
		if value == "-" {
			delete(params, key)
		} else {
			params[key] = value
		}
	}
	return params
}

// Console is somebody else who refunds for the same application.
func (s *Shop) Console() *gateway.Client {
	s.T.Helper()
	client, err := gateway.New(gateway.Config{
		AppID: s.Config.App.ID, Signer: s.Config.App.Signer, Verifier: s.Config.App.Verifier,
		URL: alipaytest.GatewayURL, HTTP: s.Alipay.HTTPClient(), ContentKey: s.Config.App.ContentKey,
	})
	if err != nil {
		s.T.Fatal(err)
	}
	return client
}

// Payment is the body of a payment's notice, the same one at every call.
func (s *Shop) Payment() string {
	return s.Alipay.SignedNotice(RefundNotice(map[string]string{"refund_fee": "0.00", "gmt_refund": "-"}))
}

// Host is an application's own payment route, under Notifications.
type Host struct {
	Answer func(c *gin.Context)
	Seen   []string
	Bodies []string
}

func (h *Host) Handle(c *gin.Context) {
	n, ok := alirefund.NotificationFrom(c)
	if !ok {
		c.String(http.StatusInternalServerError, "no notification")
		return
	}
	body, _ := io.ReadAll(c.Request.Body)
	h.Seen, h.Bodies = append(h.Seen, string(n.Kind)+" "+n.OutTradeNo()), append(h.Bodies, string(body))
	h.Answer(c)
}

const PayURL = "http://shop.test/pay/notify"

func (s *Shop) Host() *Host {
	h := &Host{Answer: func(c *gin.Context) { c.String(http.StatusOK, "success") }}
	s.Router.POST("/pay/notify", s.Module.Notifications(), h.Handle)
	return h
}

// Notes returns what the history of a refund says of banks.
func (s *Shop) Notes(id string) string {
	s.T.Helper()
	r, err := s.Config.Store.Get(s.T.Context(), id)
	if err != nil {
		s.T.Fatal(err)
	}
	var notes []string
	for _, e := range r.History {
		if e.What == "deposit_back" {
			detail, _, _ := strings.Cut(e.Detail, "; bank")
			notes = append(notes, detail)
		}
	}
	return strings.Join(notes, ", ")
}
