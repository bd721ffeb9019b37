package engine_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/internal/shoptest"
	"github.com/alirefund/alirefund/store"
)

// An answer that says less was refunded of the trade in all than was asked for
// is the answer to another refund.
func TestAnswerWithASmallerFee(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		s.Trade()
		s.Config.HTTPClient = &http.Client{Transport: &replaying{RoundTripper: s.Alipay.HTTPClient().Transport}}
		s.Restart()
		s.Expect(s.Refund(shoptest.Numbered("R1", "1.00")), 200, "succeeded")
		r := s.Refund(shoptest.Numbered("R2", "80.00"))
		s.Expect(r, 202, "pending")
		if !strings.Contains(r.Str("attention"), "another refund") {
			t.Errorf("attention %q", r.Str("attention"))
		}
		s.ExpectMoved("R1=1.00")
		s.ExpectTold("refund_succeeded refund_unresolved")
	})
}

// replaying sends the first refund, and answers every later one by its answer.
type replaying struct {
	http.RoundTripper
	first *http.Response
	body  []byte
}

func (r *replaying) RoundTrip(request *http.Request) (_ *http.Response, err error) {
	if shoptest.MethodOf(request) != gateway.MethodTradeRefund {
		return r.RoundTripper.RoundTrip(request)
	}
	if r.first == nil {
		if r.first, err = r.RoundTripper.RoundTrip(request); err != nil {
			return nil, err
		}
		defer r.first.Body.Close()
		if r.body, err = io.ReadAll(r.first.Body); err != nil {
			return nil, err
		}
	}
	response := *r.first
	response.Body = io.NopCloser(bytes.NewReader(r.body))
	return &response, nil
}

// fund_change=N tells that the number is known. A refusal of the next send is
// then no failure, until a question finds nothing.
func TestRefusalAfterAnInconclusiveAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		s.Trade()
		s.Elsewhere(gateway.TradeRefund{OutTradeNo: shoptest.Order, RefundAmount: 8_88, OutRequestNo: "R1"})
		s.Alipay.Inject(shoptest.NoQuery)
		s.Expect(s.Refund(shoptest.Partly), 202, "pending")
		time.Sleep(time.Minute)
		s.Alipay.Inject(
			alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "ACQ.TRADE_NOT_EXIST", Method: gateway.MethodRefundQuery},
			alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "ACQ.BUYER_NOT_EXIST"},
		)
		s.Expect(s.Refund(shoptest.Partly), 200, "succeeded")
		s.ExpectTold("refund_succeeded")
		s.ExpectMoved("R1=8.88")
	})
}

// Whoever loses the race for a send answers with what the winner learnt.
func TestLostRaceForTheSend(t *testing.T) {
	s := shoptest.NewShop(t)
	s.Trade()
	s.Config.Store = racing{s.Config.Store}
	s.Apart()
	s.Expect(s.Refund(shoptest.Partly), 200, "succeeded")
	s.ExpectTold("refund_succeeded")
	s.ExpectMoved("")
}

// racing lets another process settle a refund just before it would be sent.
type racing struct{ store.Store }

func (r racing) Sending(ctx context.Context, id string, p store.Permission) (store.Attempt, error) {
	if _, _, err := r.Settle(ctx, id, store.Settlement{Source: store.ByNotice, Finding: store.Success}); err != nil {
		return store.Attempt{}, err
	}
	return r.Store.Sending(ctx, id, p)
}

// told is what a caller is answered.
type told struct {
	status int
	state  string
}

var (
	done, pending = told{200, "succeeded"}, told{202, "pending"}
	notSent       = told{503, ""}
)

// faultsOfTheCall is what may become of a send, and what is said of it.
var faultsOfTheCall = []struct {
	fault  alipaytest.FaultKind
	first  told
	get    string // the state that a look-up tells at once
	repeat told
	sends  int
	events string
}{
	{alipaytest.LostAnswer, done, "succeeded", done, 1, "refund_succeeded"},
	{alipaytest.LostRequest, pending, "pending", done, 2, "refund_succeeded"},
	{alipaytest.LateRequest, pending, "succeeded", done, 1, "refund_succeeded"},
	{alipaytest.SystemErrorBefore, pending, "pending", done, 2, "refund_succeeded"},
	{alipaytest.SystemErrorAfter, done, "succeeded", done, 1, "refund_succeeded"},
	{alipaytest.WrongSignature, done, "succeeded", done, 1, "refund_succeeded"},
	{alipaytest.NoSignature, done, "succeeded", done, 1, "refund_succeeded"},
	{alipaytest.LooseTypes, done, "succeeded", done, 1, "refund_succeeded"},
	{alipaytest.GatewayError, pending, "pending", done, 2, "refund_unresolved refund_succeeded"},
	{alipaytest.HTTP500, pending, "pending", done, 2, "refund_succeeded"},
	{alipaytest.Refused, notSent, "", done, 1, "refund_succeeded"},
}

// Each fault of a call, what the caller is told at once, and what the repeat of
// the same request tells a minute later. Money never moves twice.
func TestFaultsOfTheCall(t *testing.T) {
	for _, c := range faultsOfTheCall {
		for _, kind := range []string{"trade", "coupon"} {
			t.Run(c.fault.String()+"/"+kind, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := shoptest.NewShop(t)
					ask := func() shoptest.Reply { return s.Refund(shoptest.Partly) }
					method := gateway.MethodTradeRefund
					if kind == "coupon" {
						p := s.Alipay.AddRedPacket(alipaytest.RedPacket{})
						body := fmt.Sprintf(`{"auth_no":%q,"out_order_no":%q,"out_request_no":"R1","amount":8.88,"remark":"未领取"}`, p.AuthNo, p.OutOrderNo)
						ask, method = func() shoptest.Reply { return s.Coupon(body) }, gateway.MethodCouponRefund
					} else {
						s.Trade()
					}
					s.Alipay.Inject(alipaytest.Fault{Kind: c.fault})
					r := ask()
					s.Expect(r, c.first.status, c.first.state)
					if r.Status == 202 && (r.Header.Get("Location") != "/alipay/refunds/"+r.Str("id") || r.Header.Get("Retry-After") == "") {
						t.Errorf("headers of the 202: %v", r.Header)
					}
					if c.get != "" {
						s.Expect(s.Get(r.Str("id")), 200, c.get)
					}
					time.Sleep(time.Minute)
					s.Expect(ask(), c.repeat.status, c.repeat.state)
					s.Expect(ask(), 200, "succeeded")
					s.ExpectTold(c.events)
					s.ExpectMoved("R1=8.88")
					sends := s.Calls(method)
					if sends != c.sends {
						t.Errorf("sent %d times, want %d", sends, c.sends)
					}
				})
			})
		}
	}
}

// Rule: the identical request goes out again only after a signed not-found, ten
// seconds or more after the last send.
func TestNothingIsSentAgainTooSoonOrWithoutAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		s.Trade()
		s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest})
		s.Expect(s.Refund(shoptest.Partly), 202, "pending")
		time.Sleep(9 * time.Second)
		s.Expect(s.Refund(shoptest.Partly), 202, "pending") // not found, but too soon
		time.Sleep(time.Minute)
		for _, kind := range []alipaytest.FaultKind{alipaytest.LostAnswer, alipaytest.NoSignature, alipaytest.WrongSignature, alipaytest.SystemErrorAfter, alipaytest.HTTP500} {
			s.Alipay.Inject(alipaytest.Fault{Kind: kind, Method: gateway.MethodRefundQuery})
			s.Expect(s.Refund(shoptest.Partly), 202, "pending") // no signed not-found
		}
		if n := s.Calls(gateway.MethodTradeRefund); n != 1 {
			t.Fatalf("sent %d times, want 1", n)
		}
		s.ExpectMoved("")
		s.Expect(s.Refund(shoptest.Partly), 200, "succeeded")
		s.ExpectMoved("R1=8.88")
		sends := s.Alipay.Calls()
		var contents []string
		for _, c := range sends {
			if c.Method == gateway.MethodTradeRefund {
				contents = append(contents, c.BizContent)
			}
		}
		if len(contents) != 2 || contents[0] != contents[1] {
			t.Errorf("the second send is not the identical request: %q", contents)
		}
	})
}

// A machine that stood still between the record of a send and the send itself, for so
// long that another may have made it, does not make it any more.
func TestSendAfterAStandstill(t *testing.T) {
	t.Run("recorded with the refund", func(t *testing.T) { synctest.Test(t, func(t *testing.T) { inAStandstill(t, false) }) })
	t.Run("recorded apart", func(t *testing.T) { synctest.Test(t, func(t *testing.T) { inAStandstill(t, true) }) })
}

func inAStandstill(t *testing.T, apart bool) {
	s := shoptest.NewShop(t)
	s.Trade()
	if apart {
		s.Apart()
	}
	s.Around(func(_ context.Context, c shoptest.Call, call func() error) error {
		err := call()
		if c.Name == "Sending" || c.Name == "Open" && !apart {
			time.Sleep(76 * time.Second) // of a lease of 90 s; a call takes up to 15 s
		}
		return err
	})
	if r := s.Refund(shoptest.Partly); r.Status != 503 || r.Str("code") != "nothing_sent" {
		t.Errorf("%d %s", r.Status, r.Text)
	}
	s.ExpectMoved("")
	if n := s.Calls(gateway.MethodTradeRefund); n != 0 {
		t.Errorf("sent %d times", n)
	}
}

// Alipay refuses by a word that no table has. It is sent three times, the same, with a
// signed not-found before each repeat; then a person looks at it, and the questions go
// on, and find it if it happens all the same.
func TestRefusalThatNobodyKnows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shoptest.NewShop(t)
		s.Trade()
		stop := s.Run()
		defer stop()
		s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.SystemErrorBefore}) // which is no such refusal
		for range 9 {
			s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "ACQ.REFUND_NOT_ALLOW"})
		}
		r := s.Refund(shoptest.Partly)
		s.Expect(r, 202, "pending")
		time.Sleep(10 * time.Hour)
		if n := s.Calls(gateway.MethodTradeRefund); n != 4 {
			t.Errorf("sent %d times", n)
		}
		s.ExpectTold("refund_unresolved")
		again := s.Refund(shoptest.Partly)
		s.Expect(again, 202, "pending")
		if n := s.Calls(gateway.MethodTradeRefund); n != 4 || !strings.Contains(again.Str("attention"), "REFUND_NOT_ALLOW") {
			t.Errorf("sent %d times: %s", n, again.Text)
		}
		before := s.Calls(gateway.MethodRefundQuery)
		time.Sleep(20 * time.Hour)
		if n := s.Calls(gateway.MethodRefundQuery) - before; n < 15 || n > 30 {
			t.Errorf("asked %d times in 20 hours", n)
		}
	})
}
