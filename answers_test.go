package alirefund_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/store"
)

// What an operator reads at night must not lead to a second refund.

// While nothing is known, no "Success" of a query stands in the answer.
func TestPendingShowsNoSuccess(t *testing.T) {
	for _, fault := range []alipaytest.FaultKind{alipaytest.SystemErrorBefore, alipaytest.LostRequest, alipaytest.HTTP500} {
		s := newShop(t)
		s.trade()
		s.alipay.Inject(alipaytest.Fault{Kind: fault})
		r := s.refund(partly)
		s.expect(r, 202, "pending")
		for _, text := range []string{r.text, s.get(r.str("id")).text} {
			if strings.Contains(text, "Success") || strings.Contains(text, `"10000"`) {
				t.Errorf("%s: nothing moved, and the answer says %s", fault, text)
			}
		}
	}
}

// A conflict says what became of the number, and only then where a new one is
// safe.
func TestConflictSaysWhatToDo(t *testing.T) {
	for name, c := range map[string]struct {
		faults []alipaytest.Fault
		says   string
	}{
		"unresolved": {[]alipaytest.Fault{{Kind: alipaytest.LostAnswer}, {Kind: alipaytest.LostAnswer, Method: gateway.MethodRefundQuery}}, "could refund twice"},
		"succeeded":  {nil, "refunds once more"},
		"failed":     {[]alipaytest.Fault{{Kind: alipaytest.Refusal, SubCode: "ACQ.TRADE_STATUS_ERROR"}}, "nothing moved"},
	} {
		s := newShop(t)
		s.trade()
		s.alipay.Inject(c.faults...)
		s.refund(partly)
		r := s.refund(`{"out_trade_no":"6823789339978248","refund_amount":"8.88","out_request_no":"R1","refund_reason":"again"}`)
		if r.status != 409 || !strings.Contains(r.str("detail"), c.says) || strings.Contains(r.text, "use a new out_request_no") {
			t.Errorf("%s: %d %s", name, r.status, r.text)
		}
	}
}

func TestProblemsTellDelivery(t *testing.T) {
	s := newShop(t)
	s.trade()
	s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "ACQ.TRADE_STATUS_ERROR"})
	if r := s.refund(partly); r.body["delivered"] != true || r.body["repeated"] != false {
		t.Errorf("refused: %s", r.text)
	}
	if r := s.refund(partly); r.body["delivered"] != true || r.body["repeated"] != true {
		t.Errorf("refused, repeated: %s", r.text)
	}
	if r := s.refund(`{"out_trade_no":"6823789339978248","refund_amount":"1","out_request_no":"R1"}`); r.status != 409 || r.body["delivered"] != true {
		t.Errorf("conflict: %s", r.text)
	}
}

// A red packet that Alipay cannot be asked about is a person's business.
func TestStuckRedPacketIsTold(t *testing.T) {
	for _, c := range []struct {
		number string
		fault  []alipaytest.Fault
	}{
		{"C1", []alipaytest.Fault{{Kind: alipaytest.LostRequest}}},
		{"the-payment", nil}, // UNIQUE_VIOLATION
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newShop(t)
			p := s.alipay.AddRedPacket(alipaytest.RedPacket{OutRequestNo: "the-payment"})
			s.alipay.Inject(c.fault...)
			body := fmt.Sprintf(`{"auth_no":%q,"out_request_no":%q,"amount":1,"remark":"r"}`, p.AuthNo, c.number)
			r := s.coupon(body)
			s.expect(r, 202, "pending")
			s.expectTold("")
			time.Sleep(time.Minute)
			g := s.get(r.str("id"))
			if !strings.Contains(g.str("attention"), "out_order_no") || g.str("sub_code") == "ILLEGAL_ARGUMENT" {
				t.Errorf("record: %s", g.text)
			}
			s.expectTold("refund_unresolved")
			s.expect(s.coupon(body), 202, "pending")
			s.expectTold("refund_unresolved")
		})
	}
}

type unreadable struct{ store.Store }

func (unreadable) Get(context.Context, string) (store.Refund, error) {
	return store.Refund{}, errors.New("connection reset")
}

// What the caller cannot mend stands in the log, with the refund's number.
func TestLogNamesTheRefundAndTheCause(t *testing.T) { synctest.Test(t, inLogNamesTheRefundAndTheCause) }

func inLogNamesTheRefundAndTheCause(t *testing.T) {
	var log bytes.Buffer
	s := newShop(t, func(c *alirefund.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	s.trade()
	s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest})
	r := s.refund(partly)
	if !strings.Contains(log.String(), r.str("id")) || !strings.Contains(log.String(), "R1") {
		t.Errorf("unresolved: %s", log.String())
	}
	log.Reset()
	s.alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refused})
	s.refund(`{"out_trade_no":"6823789339978248","refund_amount":"1","out_request_no":"R2"}`)
	if !strings.Contains(log.String(), "R2") || !strings.Contains(log.String(), "connection refused") {
		t.Errorf("not sent: %s", log.String())
	}
	log.Reset()
	s.config.Store = unreadable{store.NewMemory()}
	s.restart()
	if r := s.get("rf_x"); r.status != 503 || r.str("code") != "store_failed" || !strings.Contains(log.String(), "connection reset") {
		t.Errorf("%d %s; %s", r.status, r.text, log.String())
	}
}
