package otel_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/internal/shoptest"
	"github.com/alirefund/alirefund/store"
)

// Secrets that stand in no log line, span or metric, whatever becomes of a refund.
const (
	appAuthToken = "MARK-app-auth-token"
	staffToken   = "MARK-staff-token"
	buyerLogonID = "MARK***buyer@example.com"
	buyerID      = "2088MARKBUYERID1"
	receipt      = "MARK receipt text"
	hookError    = "MARK what the host's hook quotes"
)

// told is all that was logged, and all that was traced and measured.
func (w *telemetry) told(t *testing.T) (logged, observed string) {
	t.Helper()
	spans, err := json.Marshal(tracetest.SpanStubsFromReadOnlySpans(w.spans.Ended()))
	if err != nil {
		t.Fatal(err)
	}
	var all metricdata.ResourceMetrics
	if err := w.reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	return w.log.String(), string(spans) + fmt.Sprintf("%+v", all) + w.scrape(t)
}

func TestNoSecretIsTold(t *testing.T) {
	w := newTelemetry(t)
	var private []string
	for _, path := range []func(*testing.T, *telemetry, *shoptest.Shop){secretsOfRefunds, secretsOfNotices} {
		synctest.Test(t, func(t *testing.T) {
			s := w.shop(t, func(c *alirefund.Config) {
				c.OnDepositBack = func(_ context.Context, _ alirefund.DepositBack) error { return nil }
			})
			private = append(private, inner(s.Alipay.AppPrivateKey()))
			s.Alipay.AddTrade(alipaytest.Trade{
				OutTradeNo: shoptest.Order, Total: 88_88, NotifyURL: shoptest.NotifyURL,
				BuyerLogonID: buyerLogonID, BuyerID: buyerID, Subject: receipt,
			})
			path(t, w, s)
			time.Sleep(time.Hour) // what is said later of notices that were refused
		})
	}
	logged, observed := w.told(t)
	for what, secret := range map[string]string{
		"app_auth_token": appAuthToken, "the staff's token": staffToken, "buyer_logon_id": buyerLogonID, "buyer_id": buyerID,
		"a receipt's text": receipt, "a private key": private[0], "another private key": private[1],
	} {
		if strings.Contains(logged, secret) {
			t.Errorf("%s is in the log", what)
		}
		if strings.Contains(observed, secret) {
			t.Errorf("%s is in a span or a metric", what)
		}
	}
	if strings.Contains(observed, hookError) || strings.Contains(observed, "MARK") {
		t.Error("an error's text is in a span or a metric")
	}
	// The test sees what is told, and the host's own words are the host's matter.
	if !strings.Contains(logged, hookError) || !strings.Contains(observed, "ACQ.SELLER_BALANCE_NOT_ENOUGH") ||
		!strings.Contains(observed, shoptest.Order) || !strings.Contains(observed, "alirefund_refunds_settled_total") {
		t.Error("nothing is told at all")
	}
}

// inner is a piece of a key that no other text has.
func inner(key string) string {
	lines := strings.Fields(key)
	longest := ""
	for _, line := range lines {
		if len(line) > len(longest) {
			longest = line
		}
	}
	return longest[:min(len(longest), 60)]
}

// secretsOfRefunds: refunded, refused, lost, unverified, unresolved, and a hook that
// fails, each with the token and a reason that the buyer sees.
func secretsOfRefunds(t *testing.T, w *telemetry, s *shoptest.Shop) {
	t.Helper()
	ask := func(number string) shoptest.Reply {
		body := fmt.Sprintf(`{"out_trade_no":%q,"refund_amount":"1.00","out_request_no":%q,"refund_reason":%q,"app_auth_token":%q}`,
			shoptest.Order, number, receipt, appAuthToken)
		return s.Do("POST", "/alipay/refunds", body, "Authorization", "Bearer "+staffToken)
	}
	r := ask("ok")
	s.Expect(r, 200, "succeeded")
	if record := s.Ledger(r.Str("id")); !strings.Contains(string(record.Answer), buyerLogonID) || !strings.Contains(string(record.Request), receipt) {
		t.Errorf("the record knows neither buyer nor reason: %+v", record)
	}
	s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "ACQ.SELLER_BALANCE_NOT_ENOUGH"})
	ask("refused")
	s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer})
	s.Expect(ask("lost"), 200, "succeeded")
	s.HookFails(store.RefundSucceeded, errors.New(hookError))
	ask("untold")
	for _, kind := range []alipaytest.FaultKind{
		alipaytest.WrongSignature, alipaytest.NoSignature, alipaytest.GatewayError, alipaytest.HTTP500, alipaytest.Refused,
		alipaytest.SystemErrorAfter, alipaytest.LooseTypes,
	} {
		s.Alipay.Inject(alipaytest.Fault{Kind: kind})
		ask(fmt.Sprint("fault ", kind))
	}
	s.Always(alipaytest.LostAnswer, gateway.MethodRefundQuery)
	s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer})
	s.Expect(ask("unresolved"), 202, "pending")
	stop := s.Run()
	time.Sleep(25 * time.Hour)
	stop()
	if w.span(t, "alirefund.work") == nil {
		t.Error("Run did nothing")
	}
}

// secretsOfNotices: genuine, repeated, forged in each way, and of a refund.
func secretsOfNotices(t *testing.T, _ *telemetry, s *shoptest.Shop) {
	t.Helper()
	form := func(change map[string]string) string {
		params := map[string]string{"buyer_logon_id": buyerLogonID, "buyer_id": buyerID, "subject": receipt, "body": receipt, "passback_params": receipt}
		maps.Copy(params, change)
		return s.Alipay.SignedNotice(shoptest.RefundNotice(params))
	}
	payment := form(map[string]string{"refund_fee": "0.00", "gmt_refund": "-"})
	for _, body := range []string{
		payment, payment, form(nil), form(map[string]string{"out_biz_no": "-", "notify_id": "3"}),
		strings.Replace(payment, "total_amount=88.88", "total_amount=99.99", 1),
		payment + "&buyer_logon_id=" + buyerLogonID, strings.Replace(payment, "sign_type=RSA2", "sign_type=MARK", 1),
		form(map[string]string{"app_id": "2021999999999999", "notify_id": "4"}), receipt + "%zz", "sign=" + receipt,
	} {
		notice(t.Context(), s, body)
	}
}
