package engine_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/internal/shoptest"
	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/store"
)

// fourEyes is a shop that wants a second person for refunds of more than 5 yuan.
func fourEyes(t *testing.T, change ...func(*alirefund.Config)) *shoptest.Shop {
	t.Helper()
	s := shoptest.NewShop(t, append(change, func(c *alirefund.Config) { c.NeedsApproval = alirefund.Above(5_00) })...)
	s.Trade()
	return s
}

// approve and decline are another actor's, unless he is named.
func approve(s *shoptest.Shop, id string, actor ...string) shoptest.Reply {
	s.T.Helper()
	return s.Do(http.MethodPost, "/alipay/refunds/"+id+"/approve", "", "Approves", "yes", "Actor", append(actor, "boss")[0])
}

func decline(s *shoptest.Shop, id string, actor ...string) shoptest.Reply {
	s.T.Helper()
	return s.Do(http.MethodPost, "/alipay/refunds/"+id+"/decline", `{"reason":"wrong order"}`, "Approves", "yes", "Actor", append(actor, "boss")[0])
}

// asked asks for the refund that wants approval.
func asked(s *shoptest.Shop) string {
	s.T.Helper()
	r := s.Refund(shoptest.Partly)
	s.Expect(r, 202, "awaiting_approval")
	return r.Str("id")
}

// expectSilence fails if Alipay has heard of anything.
func expectSilence(s *shoptest.Shop) {
	s.T.Helper()
	if calls := s.Alipay.Calls(); len(calls) > 0 {
		s.T.Fatalf("Alipay was called: %+v", calls)
	}
}

// did tells what stands in a refund's history of a thing: who, and why.
func did(s *shoptest.Shop, id, what string) (lines []string) {
	for _, e := range s.Ledger(id).History {
		if e.What == what {
			lines = append(lines, strings.TrimSpace(e.Actor+" "+e.Detail))
		}
	}
	return lines
}

// Nothing is sent before another person approves; then it is, and who did stands in the
// answer and in the history.
func TestApprove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := fourEyes(t, shoptest.Total(88_88))
		first := s.Refund(shoptest.Partly)
		s.Expect(first, 202, "awaiting_approval")
		id := first.Str("id")
		if first.Header.Get("Location") != "/alipay/refunds/"+id || first.Str("actor") != "staff" || first.Str("approval_until") == "" || first.Body["delivered"] != false {
			t.Errorf("%v %s", first.Header, first.Text)
		}
		defer s.Run()()
		time.Sleep(time.Hour) // Run sends nothing, nor asks
		again := s.Refund(shoptest.Partly)
		s.Expect(again, 202, "awaiting_approval")
		if again.Body["repeated"] != true {
			t.Errorf("a repeat: %s", again.Text)
		}
		s.Expect(s.Get(id), 200, "awaiting_approval")
		if list := s.List("state=awaiting_approval"); list.Listed() != "R1" {
			t.Errorf("the list: %s", list.Text)
		}
		if r := s.Refund(shoptest.Numbered("R2", "88.88")); r.Str("code") != "exceeds_order" {
			t.Errorf("the amount is not reserved: %s", r.Text)
		}
		if r := s.Refund(shoptest.Numbered("R1", "6.00")); r.Str("code") != "number_conflict" || !strings.Contains(r.Str("detail"), "awaits approval") {
			t.Errorf("other content: %s", r.Text)
		}
		expectSilence(s)

		r := approve(s, id)
		s.Expect(r, 200, "succeeded")
		if r.Str("approved_by") != "boss" || r.Body["delivered"] != true || r.Body["repeated"] != false {
			t.Errorf("%s", r.Text)
		}
		s.ExpectMoved("R1=8.88")
		s.ExpectTold("refund_succeeded")
		if got := did(s, id, "approved"); !slices.Equal(got, []string{"boss"}) {
			t.Errorf("the history: %q", got)
		}
		again = approve(s, id, "another")
		s.Expect(again, 200, "succeeded")
		if again.Str("approved_by") != "boss" || again.Body["repeated"] != true {
			t.Errorf("approved again: %s", again.Text)
		}
		s.Expect(s.Refund(shoptest.Partly), 200, "succeeded")
		s.ExpectMoved("R1=8.88")

		s.Expect(s.Refund(shoptest.Numbered("R3", "5.00")), 200, "succeeded") // which needs no approval
	})
}

// Who may not.
func TestApproveRefuses(t *testing.T) {
	s := fourEyes(t)
	id := asked(s)
	for _, actor := range []string{"staff", " Staff "} {
		if r := approve(s, id, actor); r.Status != 403 || r.Str("code") != "may_not_approve" || !strings.Contains(r.Str("detail"), "yourself") {
			t.Errorf("%q approves his own: %d %s", actor, r.Status, r.Text)
		}
	}
	for _, what := range []string{"approve", "decline"} {
		path := "/alipay/refunds/" + id + "/" + what
		if r := s.Do(http.MethodPost, path, `{"reason":"no"}`, "Actor", "boss"); r.Status != 403 || r.Str("code") != "may_not_approve" {
			t.Errorf("%s without a grant: %d %s", what, r.Status, r.Text)
		}
		if r := s.Do(http.MethodPost, path, `{"reason":"no"}`, "Approves", "yes", "Actor", " "); r.Status != 403 || r.Str("code") != "actor_missing" {
			t.Errorf("%s by nobody: %d %s", what, r.Status, r.Text)
		}
		if r := s.Do(http.MethodPost, "/alipay/refunds/rf_unknown/"+what, `{"reason":"no"}`, "Approves", "yes", "Actor", "boss"); r.Status != 404 {
			t.Errorf("%s of nothing: %d %s", what, r.Status, r.Text)
		}
	}
	if r := s.Do(http.MethodPost, "/alipay/refunds/"+id+"/decline", `{"reason":" "}`, "Approves", "yes", "Actor", "boss"); r.Status != 422 || r.Pointers() != "/reason" {
		t.Errorf("declined without a reason: %d %s", r.Status, r.Text)
	}
	if r := s.Do(http.MethodPost, "/alipay/refunds", shoptest.Numbered("R2", "6.00"), "Actor", ""); r.Status != 403 || r.Str("code") != "actor_missing" {
		t.Errorf("asked for by nobody: %d %s", r.Status, r.Text)
	}
	if r := s.Ledger(id); r.State != store.AwaitingApproval || len(r.History) != 1 {
		t.Errorf("it is %s: %+v", r.State, r.History)
	}
	if rows := s.List(""); rows.Listed() != "R1" {
		t.Errorf("the ledger: %s", rows.Text)
	}
	expectSilence(s)
	if _, err := s.Module.Resolve(t.Context(), id, store.Failed, "boss", "no"); !errors.Is(err, alirefund.ErrNotPending) {
		t.Errorf("resolved: %v", err)
	}
	plain := s.Refund(shoptest.Numbered("R3", "1.00"))
	for _, r := range []shoptest.Reply{approve(s, plain.Str("id")), decline(s, plain.Str("id"))} {
		if r.Status != 409 || r.Str("code") != "not_awaiting_approval" || r.Str("state") != "succeeded" {
			t.Errorf("one that needs no approval: %d %s", r.Status, r.Text)
		}
	}
}

// What is declined has failed, was never sent, frees the order's total, and stays so: a
// person's no is not asked away by a repeat.
func TestDecline(t *testing.T) {
	for _, actor := range []string{"boss", "staff"} { // who asked may take it back
		s := fourEyes(t, shoptest.Total(10_00))
		id := asked(s)
		r := decline(s, id, actor)
		s.Expect(r, 200, "failed")
		if r.Str("declined_by") != actor || r.Body["delivered"] != true || r.Str("source") != "person" {
			t.Errorf("%s", r.Text)
		}
		s.ExpectTold("refund_failed")
		if last := s.Last(); !last.Declined() || last.Message != "wrong order" {
			t.Errorf("the host was told %+v", last)
		}
		if got := did(s, id, "declined"); !slices.Equal(got, []string{actor + " wrong order"}) {
			t.Errorf("the history: %q", got)
		}
		s.Expect(decline(s, id, actor), 200, "failed") // the same again
		if r := s.Refund(shoptest.Partly); r.Status != 422 || r.Str("code") != "declined" || r.Str("state") != "failed" || !strings.Contains(r.Str("detail"), "wrong order") {
			t.Errorf("a repeat: %d %s", r.Status, r.Text)
		}
		if r := approve(s, id, "another"); r.Status != 409 || r.Str("code") != "not_awaiting_approval" || !strings.Contains(r.Str("detail"), "declined by "+actor) {
			t.Errorf("approved after all: %d %s", r.Status, r.Text)
		}
		if r := decline(s, id, "another"); r.Status != 409 {
			t.Errorf("declined by another: %d %s", r.Status, r.Text)
		}
		s.ExpectTold("refund_failed")
		expectSilence(s)
		s.Expect(s.Refund(shoptest.Numbered("R2", "9.00")), 202, "awaiting_approval") // there is room, and another number asks anew
	}
}

// What nobody approves in time has failed, and was never sent. The same number asks anew.
func TestApprovalExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := fourEyes(t, func(c *alirefund.Config) { c.Times.Approval = 2 * time.Hour })
		id := asked(s)
		stop := s.Run()
		time.Sleep(2*time.Hour - time.Second)
		if r := s.Ledger(id); r.State != store.AwaitingApproval {
			t.Fatalf("before its time it is %s", r.State)
		}
		time.Sleep(5 * time.Second)
		stop()
		if r := s.Ledger(id); !r.Expired() || r.Source != "" {
			t.Fatalf("after its time it is %s by %q", r.State, r.Source)
		}
		s.ExpectTold("refund_failed")
		if r := approve(s, id); r.Status != 409 || !strings.Contains(r.Str("detail"), "in time") {
			t.Errorf("approved too late: %d %s", r.Status, r.Text)
		}

		// Without Run, whoever comes next finds that it is over.
		again := s.Do(http.MethodPost, "/alipay/refunds", shoptest.Partly, "Actor", "boss")
		s.Expect(again, 202, "awaiting_approval")
		if again.Str("actor") != "boss" {
			t.Errorf("asked for anew: %s", again.Text)
		}
		if r := approve(s, id, "boss"); r.Status != 403 {
			t.Errorf("who asked last approves: %d %s", r.Status, r.Text)
		}
		time.Sleep(2 * time.Hour)
		if r := s.Refund(shoptest.Partly); r.Status != 422 || r.Str("code") != "approval_expired" {
			t.Errorf("a repeat: %d %s", r.Status, r.Text)
		}
		s.Expect(s.Refund(shoptest.Partly), 202, "awaiting_approval")
		time.Sleep(2 * time.Hour)
		s.Expect(s.Get(id), 200, "failed")
		s.Expect(s.Refund(shoptest.Partly), 202, "awaiting_approval")
		time.Sleep(2 * time.Hour)
		if r := approve(s, id); r.Status != 409 || r.Str("state") != "failed" {
			t.Errorf("approved a moment too late: %d %s", r.Status, r.Text)
		}
		s.Expect(s.Refund(shoptest.Partly), 202, "awaiting_approval")
		time.Sleep(2 * time.Hour)
		if r := decline(s, id); r.Status != 409 || !strings.Contains(r.Str("detail"), "in time") {
			t.Errorf("declined a moment too late: %d %s", r.Status, r.Text)
		}
		expectSilence(s)
		s.ExpectTold("refund_failed refund_failed refund_failed refund_failed refund_failed")
		s.Expect(s.Refund(shoptest.Partly), 202, "awaiting_approval")
		s.Expect(approve(s, id), 200, "succeeded")
		s.ExpectMoved("R1=8.88")
	})
}

// Of those who decide at once one wins, and the others hear what became of it.
func TestApprovalRaces(t *testing.T) {
	for range 20 {
		s := fourEyes(t)
		id := asked(s)
		var racers sync.WaitGroup
		replies := make([]shoptest.Reply, 8)
		for n := range replies {
			racers.Go(func() {
				actor := string(rune('a' + n))
				if n%2 == 0 {
					replies[n] = approve(s, id, actor)
				} else {
					replies[n] = decline(s, id, actor)
				}
			})
		}
		racers.Wait()
		r := s.Ledger(id)
		won := 0
		for n, reply := range replies {
			switch approves := n%2 == 0; {
			case r.Declined() && reply.Status == 200:
				won++
			case r.Declined() && reply.Status == 409 && reply.Str("declined_by") == r.DeclinedBy:
			case !r.Declined() && approves && (reply.Status == 200 || reply.Status == 202) && reply.Str("approved_by") == r.ApprovedBy:
				if reply.Body["repeated"] == false {
					won++
				}
			case !r.Declined() && !approves && reply.Status == 409 && reply.Str("approved_by") == r.ApprovedBy:
			default:
				t.Errorf("it is %s, approved by %q, declined by %q; answered %d %s", r.State, r.ApprovedBy, r.DeclinedBy, reply.Status, reply.Text)
			}
		}
		if n := len(did(s, id, "approved")) + len(did(s, id, "declined")); won != 1 || n != 1 {
			t.Errorf("%d won, %d stand in the history: %+v", won, n, r.History)
		}
		if want := map[bool]string{true: "", false: "R1=8.88"}[r.Declined()]; s.Moved() != want {
			t.Errorf("moved %q, %+v", s.Moved(), r)
		}
	}
}

// An approval and the end of the time: whichever the ledger writes first.
func TestApprovalRacesExpiry(t *testing.T) {
	for _, early := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			s := fourEyes(t, func(c *alirefund.Config) { c.Times.Approval = time.Hour })
			id := asked(s)
			defer s.Run()()
			if early {
				time.Sleep(time.Hour - time.Nanosecond)
			} else {
				time.Sleep(time.Hour)
			}
			r := approve(s, id)
			synctest.Wait()
			if early && (r.Status != 200 || s.Moved() != "R1=8.88") || !early && (r.Status != 409 || s.Moved() != "") {
				t.Errorf("early %v: %d %s; moved %q", early, r.Status, r.Text, s.Moved())
			}
			s.ExpectTold(map[bool]string{true: "refund_succeeded", false: "refund_failed"}[early])
		})
	}
}

// Who approved may die before it is sent: then Run sends it.
func TestApprovedIsSentByRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := fourEyes(t)
		id := asked(s)
		died := errors.New("the process died")
		down := true
		s.Around(func(_ context.Context, c shoptest.Call, call func() error) error {
			if c.Name == "Sending" && down {
				return errors.Join(store.ErrNotWritten, died)
			}
			return call()
		})
		if r := approve(s, id); r.Status != 503 || r.Str("code") != "nothing_sent" {
			t.Fatalf("%d %s", r.Status, r.Text)
		}
		expectSilence(s)
		down = false
		s.Restart()
		defer s.Run()()
		time.Sleep(time.Minute)
		if r := s.Ledger(id); r.State != store.Succeeded || r.ApprovedBy != "boss" {
			t.Errorf("it is %s, approved by %q", r.State, r.ApprovedBy)
		}
		s.ExpectMoved("R1=8.88")
		s.ExpectTold("refund_succeeded")
	})
}

// What is approved stays so where Alipay cannot be reached: it is sent again and again,
// until it is, by Run, by who approved it, or by who asked for it.
func TestApprovedIsSentInTheEnd(t *testing.T) {
	for name, then := range map[string]func(s *shoptest.Shop, id string){
		"Run":      func(s *shoptest.Shop, _ string) { defer s.Run()(); time.Sleep(time.Hour) },
		"approver": func(s *shoptest.Shop, id string) { s.Expect(approve(s, id), 200, "succeeded") },
		"asker":    func(s *shoptest.Shop, _ string) { s.Expect(s.Refund(shoptest.Partly), 200, "succeeded") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := fourEyes(t)
				id := asked(s)
				s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refused}, alipaytest.Fault{Kind: alipaytest.Refused})
				r := approve(s, id)
				s.Expect(r, 202, "pending")
				if r.Str("approved_by") != "boss" || r.Header.Get("Location") != "/alipay/refunds/"+id {
					t.Errorf("%v %s", r.Header, r.Text)
				}
				s.Expect(approve(s, id), 202, "pending")
				s.ExpectTold("")
				then(s, id)
				if r := s.Ledger(id); r.State != store.Succeeded {
					t.Errorf("it is %s", r.State)
				}
				s.ExpectMoved("R1=8.88")
				if n := s.Calls(gateway.MethodRefundQuery); n > 0 {
					t.Errorf("asked %d times about what was never sent", n)
				}
			})
		})
	}
}

// An approval is for what was sent by it: after Alipay's refusal, who asks again asks for
// another.
func TestApprovalIsSpent(t *testing.T) {
	s := fourEyes(t)
	id := asked(s)
	s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "ACQ.SELLER_BALANCE_NOT_ENOUGH"})
	if r := approve(s, id); r.Status != 422 || r.Str("code") != "alipay_refused" || r.Str("approved_by") != "boss" || r.Body["retryable"] != true {
		t.Fatalf("%d %s", r.Status, r.Text)
	}
	r := s.Refund(shoptest.Partly)
	s.Expect(r, 202, "awaiting_approval")
	if r.Str("approved_by") != "" {
		t.Errorf("%s", r.Text)
	}
	s.ExpectMoved("")
	s.Expect(approve(s, id), 200, "succeeded")
	s.ExpectMoved("R1=8.88")
	if got := did(s, id, "approved"); !slices.Equal(got, []string{"boss", "boss"}) {
		t.Errorf("the history: %q", got)
	}
}

// What was refunded elsewhere under the number settles it as it is: of its amount it is
// that refund, of another it is another.
func TestRefundedElsewhereWhileAwaiting(t *testing.T) {
	for _, amount := range []money.Amount{8_88, 7_00} {
		s := fourEyes(t)
		id := asked(s)
		s.Elsewhere(gateway.TradeRefund{OutTradeNo: shoptest.Order, OutRequestNo: "R1", RefundAmount: amount})
		s.Alipay.Deliver(t.Context())
		s.ExpectAcknowledged()
		s.ExpectTold("refund_succeeded")
		want := store.Succeeded
		if amount != 8_88 {
			want = store.AwaitingApproval
		}
		if r := s.Ledger(id); r.State != want || r.ApprovedBy != "" || s.Last().Amount != amount {
			t.Errorf("%s elsewhere: it is %s; the host was told of %s", amount, r.State, s.Last().Amount)
		}
		if n := s.Calls(gateway.MethodTradeRefund); n != 1 {
			t.Errorf("%d sends", n)
		}
	}
	for amount, want := range map[string]store.State{"1.00": store.Succeeded, "0.50": store.AwaitingApproval} {
		s := shoptest.NewShop(t, func(c *alirefund.Config) { c.NeedsApproval = alirefund.Above(0) })
		r := s.Coupon(s.Packet("C1", ""))
		s.Expect(r, 202, "awaiting_approval")
		notice := s.Alipay.SignedNotice(shoptest.CouponNotice(map[string]string{"auth_no": r.Str("auth_no"), "amount": amount}))
		if got := s.Notice(notice); got.Text != "success" {
			t.Errorf("%s: %d %s", amount, got.Status, got.Text)
		}
		if got := s.Ledger(r.Str("id")).State; got != want || s.Last().Amount.String() != amount {
			t.Errorf("%s of the red packet elsewhere: ours is %s; the host was told of %s", amount, got, s.Last().Amount)
		}
		expectSilence(s)
	}
}

// Who prefers not to wait is answered the same where another person's word is wanted first:
// the approval alone promises it.
func TestApprovalOfAnAsyncRefund(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := fourEyes(t)
		async := func() shoptest.Reply {
			return s.Do(http.MethodPost, "/alipay/refunds", shoptest.Partly, "Prefer", "respond-async")
		}
		for range 2 {
			r := async()
			s.Expect(r, 202, "awaiting_approval")
			if r.Header.Get("Preference-Applied") != "" || s.Ledger(r.Str("id")).Promised {
				t.Errorf("%v %s", r.Header, r.Text)
			}
		}
		synctest.Wait()
		expectSilence(s)
		id := async().Str("id")
		s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refused})
		s.Expect(approve(s, id), 202, "pending")
		r := async()
		s.Expect(r, 202, "pending")
		if r.Header.Get("Preference-Applied") == "" || !s.Ledger(id).Promised {
			t.Errorf("%v %s", r.Header, r.Text)
		}
		shoptest.Must(0, s.Module.Close(t.Context()))
		s.ExpectMoved("R1=8.88")
		s.ExpectTold("refund_succeeded")
	})
}

// A notification without a number may be of a refund that waits, too: it is not told as one
// more, and then again when the refund is approved.
func TestRefundedElsewhereWithoutANumberWhileAwaiting(t *testing.T) {
	s := fourEyes(t)
	r := s.Refund(`{"out_trade_no":"` + shoptest.Order + `","refund_amount":"8.88"}`) // whose number is its order's
	s.Expect(r, 202, "awaiting_approval")
	s.Elsewhere(gateway.TradeRefund{OutTradeNo: shoptest.Order, OutRequestNo: shoptest.Order, RefundAmount: 8_88})
	for _, id := range []string{"1", "2"} {
		notice := s.Alipay.SignedNotice(shoptest.RefundNotice(map[string]string{"out_biz_no": "-", "trade_no": "-", "notify_id": id, "refund_fee": "8.88"}))
		if got := s.Notice(notice); got.Text != "success" {
			t.Errorf("%d %s", got.Status, got.Text)
		}
	}
	if r := s.Ledger(r.Str("id")); r.State != store.Succeeded || r.ApprovedBy != "" {
		t.Errorf("it is %s, approved by %q", r.State, r.ApprovedBy)
	}
	approve(s, r.Str("id"))
	s.ExpectTold("refund_succeeded")
	s.ExpectMoved(shoptest.Order + "=8.88")
}

// A red packet that somebody else returned under the number of a return that was declined,
// or not approved in time, is told as what it is.
func TestReturnedElsewhereAfterADecline(t *testing.T) {
	for amount, want := range map[string]store.State{"1.00": store.Succeeded, "0.50": store.Failed} {
		s := shoptest.NewShop(t, func(c *alirefund.Config) { c.NeedsApproval = alirefund.Above(0) })
		r := s.Coupon(s.Packet("C1", ""))
		s.Expect(decline(s, r.Str("id")), 200, "failed")
		notice := s.Alipay.SignedNotice(shoptest.CouponNotice(map[string]string{"auth_no": r.Str("auth_no"), "amount": amount}))
		if got := s.Notice(notice); got.Text != "success" {
			t.Errorf("%s: %d %s", amount, got.Status, got.Text)
		}
		s.ExpectTold("refund_failed refund_succeeded")
		if got := s.Ledger(r.Str("id")).State; got != want || s.Last().Amount.String() != amount {
			t.Errorf("%s of the red packet elsewhere: ours is %s; the host was told of %s", amount, got, s.Last().Amount)
		}
	}
}

// A question of the host's that fails refuses the refund before anything is recorded.
func TestNeedsApprovalFails(t *testing.T) {
	s := fourEyes(t)
	s.Config.NeedsApproval = func(context.Context, store.Refund) (bool, error) { return false, shoptest.ErrHost }
	s.Restart()
	if r := s.Refund(shoptest.Partly); r.Status != 503 || r.Str("code") != "nothing_sent" {
		t.Errorf("%d %s", r.Status, r.Text)
	}
	if rows := s.List(""); rows.Listed() != "" {
		t.Errorf("recorded: %s", rows.Text)
	}
	expectSilence(s)
}

// What is too late is told all that is true of the refund, that its hook has run as well.
func TestApprovalOfWhatIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := fourEyes(t)
		id := asked(s)
		s.Expect(approve(s, id), 200, "succeeded")
		unasked := s.Refund(shoptest.Numbered("R2", "1.00"))
		s.Expect(unasked, 200, "succeeded")
		for _, r := range []shoptest.Reply{approve(s, unasked.Str("id")), decline(s, id, "another")} {
			if r.Status != 409 || r.Body["delivered"] != true {
				t.Errorf("%d %s", r.Status, r.Text)
			}
		}
	})
}
