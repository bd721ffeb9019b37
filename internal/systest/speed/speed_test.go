package speed_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/internal/shoptest"
	"github.com/alirefund/alirefund/notify"
	"github.com/alirefund/alirefund/signer"
	"github.com/alirefund/alirefund/store"
)

// noticePool is how many different notices the benchmark of the notify route
// has; then it begins again with an empty store.
const noticePool = 256

// BenchmarkNotifyRoute: a payment notice of 25 fields through the route, claimed,
// handed to the hook and completed, beside a Gin handler that reads the body and
// verifies it, without parsing.
func BenchmarkNotifyRoute(b *testing.B) {
	alipay := alipaytest.New(alipaytest.Config{})
	config := benchConfig(b, alipay)
	bodies := make([]string, noticePool)
	for i := range bodies {
		bodies[i] = alipay.SignedNotice(map[string]string{
			"app_id": alipay.AppID(), "auth_app_id": alipay.AppID(), "body": "支付宝支付", "buyer_id": "2088902112235014",
			"buyer_logon_id": "180***@189.cn", "buyer_pay_amount": "0.60", "charset": "UTF-8", "fund_bill_list": `[{"amount":"0.60","fundChannel":"PCREDIT"}]`,
			"gmt_create": "2026-11-22 09:49:30", "gmt_payment": "2026-11-22 09:49:30", "invoice_amount": "0.60",
			"notify_id": fmt.Sprintf("20261122002220951370350114525%05d", i), "notify_time": "2026-11-22 09:51:37", "notify_type": "trade_status_sync",
			"out_trade_no": "1415126234332921856", "passback_params": "pay_product", "point_amount": "0.00", "receipt_amount": "0.60",
			"seller_email": "seller@example.com", "seller_id": alipay.SellerID(), "subject": "订单", "total_amount": "0.60",
			"trade_no": "2026112222001435011433387454", "trade_status": "TRADE_SUCCESS", "version": "1.0",
		})
	}
	form, err := url.ParseQuery(bodies[0])
	if err != nil {
		b.Fatal(err)
	}
	var params []signer.Param
	for key := range form {
		params = append(params, signer.Param{Key: key, Value: form.Get(key)})
	}
	text, sign := signer.AppendText(nil, params, signer.WithoutSignType), form.Get("sign")

	b.Run("floor", func(b *testing.B) {
		r := gin.New()
		r.POST("/notify", func(c *gin.Context) {
			if _, err := io.ReadAll(c.Request.Body); err != nil || config.App.Verifier.Verify(text, sign) != nil {
				c.Status(http.StatusForbidden)
				return
			}
			c.String(http.StatusOK, "success")
		})
		benchNotices(b, bodies, func() http.Handler { return r })
	})
	b.Run("ours", func(b *testing.B) {
		benchNotices(b, bodies, func() http.Handler {
			config.Store = store.NewMemory()
			m, err := alirefund.New(config)
			if err != nil {
				b.Fatal(err)
			}
			r := gin.New()
			m.MountNotify(r)
			return r
		})
	})
}

func benchNotices(b *testing.B, bodies []string, handler func() http.Handler) {
	b.ReportAllocs()
	var h http.Handler
	for i := 0; b.Loop(); i++ {
		if i%noticePool == 0 {
			b.StopTimer()
			h = handler()
			b.StartTimer()
		}
		request, _ := http.NewRequestWithContext(b.Context(), http.MethodPost, "/notify", strings.NewReader(bodies[i%noticePool]))
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
		w := withDeadline{httptest.NewRecorder()}
		h.ServeHTTP(w, request)
		if w.Body.String() != "success" {
			b.Fatal(w.Code, w.Body)
		}
	}
}

// withDeadline is a recorder that takes a read deadline, as a server's writer does.
type withDeadline struct{ *httptest.ResponseRecorder }

func (withDeadline) SetReadDeadline(time.Time) error { return nil }

func benchConfig(b *testing.B, alipay *alipaytest.Alipay) alirefund.Config {
	b.Helper()
	sign, err := signer.FromPEM(alipay.AppPrivateKey())
	if err != nil {
		b.Fatal(err)
	}
	verify, err := signer.VerifierFromPEM(alipay.AlipayPublicKey())
	if err != nil {
		b.Fatal(err)
	}
	return alirefund.Config{
		App:            alirefund.App{ID: alipay.AppID(), Signer: sign, Verifier: verify},
		Store:          store.NewMemory(),
		OnNotification: func(context.Context, *notify.Notification) error { return nil },
		OnRefundSucceeded: func(context.Context, alirefund.RefundSucceeded) error {
			return nil
		},
	}
}

// bareGateway sets a gateway in the configuration that verifies what it gets and
// signs what it answers, no more.
func bareGateway(b *testing.B) (config alirefund.Config, server *httptest.Server) {
	b.Helper()
	alipay := alipaytest.New(alipaytest.Config{})
	config = benchConfig(b, alipay)
	answers, err := signer.FromPEM(alipay.AppPrivateKey()) // plays Alipay's key
	if err != nil {
		b.Fatal(err)
	}
	requests, err := signer.NewVerifier(answers.Public())
	if err != nil {
		b.Fatal(err)
	}
	own := shoptest.NewKey(b)
	config.App.Signer, config.App.Verifier = own, requests
	ownPublic, err := signer.NewVerifier(own.Public())
	if err != nil {
		b.Fatal(err)
	}
	const node = `{"code":"10000","msg":"Success","buyer_logon_id":"159****5620","fund_change":"Y","gmt_refund_pay":"2026-11-22 15:45:57","out_trade_no":"%s","refund_fee":"0.01","send_back_fee":"0.01","trade_no":"2026112222001429831436657633","buyer_user_id":"2088101117955611"}`
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		query, _ := url.ParseQuery(r.URL.RawQuery)
		form, _ := url.ParseQuery(string(body))
		params := []signer.Param{{Key: "biz_content", Value: form.Get("biz_content")}}
		for key := range query {
			params = append(params, signer.Param{Key: key, Value: query.Get(key)})
		}
		if ownPublic.Verify(signer.AppendText(nil, params, 0), query.Get("sign")) != nil {
			http.Error(w, "signature", http.StatusForbidden)
			return
		}
		_, order, _ := strings.Cut(form.Get("biz_content"), `"out_trade_no":"`)
		order, _, _ = strings.Cut(order, `"`)
		answer := fmt.Appendf(nil, node, order)
		sign, _ := answers.Sign(answer)
		fmt.Fprintf(w, `{"alipay_trade_refund_response":%s,"sign":"%s"}`, answer, sign)
	}))
	b.Cleanup(server.Close)
	config.Gateway = server.URL
	return config, server
}

// BenchmarkRefundRoute: a refund through the route, recorded, sent, settled and
// told, beside a bare HTTP exchange with the same gateway. Both make two
// signatures and two verifications.
func BenchmarkRefundRoute(b *testing.B) {
	config, server := bareGateway(b)
	b.Run("floor", func(b *testing.B) { floorOfRefunds(b, config.App, server) })
	b.Run("ours", func(b *testing.B) { ourRefunds(b, config) })
}

// floorOfRefunds signs a request, makes the call and verifies the answer.
func floorOfRefunds(b *testing.B, app alirefund.App, server *httptest.Server) {
	b.ReportAllocs()
	const content = `{"out_trade_no":"6823789339000000","refund_amount":"0.01","out_request_no":"R1"}`
	form := "biz_content=" + url.QueryEscape(content)
	text := []byte("app_id=2021000000000001&biz_content=" + content + "&charset=utf-8&method=alipay.trade.refund&sign_type=RSA2&timestamp=2026-11-22 10:00:00&version=1.0")
	query := "app_id=2021000000000001&charset=utf-8&method=alipay.trade.refund&sign_type=RSA2&timestamp=2026-11-22+10%3A00%3A00&version=1.0&sign="
	client := server.Client()
	for b.Loop() {
		sign, err := app.Signer.Sign(text)
		if err != nil {
			b.Fatal(err)
		}
		request, _ := http.NewRequestWithContext(b.Context(), http.MethodPost, server.URL+"?"+query+url.QueryEscape(sign), strings.NewReader(form))
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded;charset=utf-8")
		response, err := client.Do(request)
		if err != nil {
			b.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		var envelope struct {
			Node json.RawMessage `json:"alipay_trade_refund_response"`
			Sign string          `json:"sign"`
		}
		if err != nil || json.Unmarshal(body, &envelope) != nil || app.Verifier.Verify(envelope.Node, envelope.Sign) != nil {
			b.Fatalf("%v: %s", err, body)
		}
	}
}

func ourRefunds(b *testing.B, config alirefund.Config) {
	b.ReportAllocs()
	m, err := alirefund.New(config)
	if err != nil {
		b.Fatal(err)
	}
	r := gin.New()
	m.MountRefunds(r, alirefund.AlreadyProtected)
	for i := 0; b.Loop(); i++ {
		body := fmt.Appendf(nil, `{"out_trade_no":"6823789339%06d","refund_amount":"0.01","out_request_no":"R1"}`, i)
		request, _ := http.NewRequestWithContext(b.Context(), http.MethodPost, "/refunds", bytes.NewReader(body))
		request.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		r.ServeHTTP(w, request)
		if w.Code != http.StatusOK {
			b.Fatal(w.Code, w.Body)
		}
	}
}
