package engine_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/internal/shoptest"
	"github.com/alirefund/alirefund/store"
)

// releaseOf is the body of a release of the pre-authorisation A1.
func releaseOf(number, amount string) string {
	return fmt.Sprintf(`{"auth_no":"A1","out_order_no":"O1","out_request_no":%q,"amount":%q,"remark":"r"}`, number, amount)
}

// preAuthShop has one pre-authorisation, A1 of 10.00.
func preAuthShop(t *testing.T) *shoptest.Shop {
	t.Helper()
	s := shoptest.NewShop(t)
	s.Alipay.AddPreAuth(alipaytest.PreAuth{AuthNo: "A1", OutOrderNo: "O1", OutRequestNo: "FREEZE1", Amount: 10_00})
	return s
}

func release(s *shoptest.Shop, body string) shoptest.Reply {
	return s.Do(http.MethodPost, "/alipay/unfreezes", body)
}

func TestUnfreeze(t *testing.T) {
	s := preAuthShop(t)
	r := release(s, releaseOf("R1", "4.00"))
	s.Expect(r, 200, "succeeded")
	call := s.Alipay.Calls()[0]
	if want := `{"auth_no":"A1","out_request_no":"R1","amount":"4.00","remark":"r"}`; call.Method != gateway.MethodUnfreeze || call.BizContent != want || call.Params["notify_url"] != shoptest.NotifyURL {
		t.Errorf("called %s with %s, notified at %s", call.Method, call.BizContent, call.Params["notify_url"])
	}
	if r.Str("kind") != "unfreeze" || r.Str("auth_no") != "A1" || r.Str("operation_id") == "" {
		t.Errorf("%s", r.Text)
	}
	again := release(s, releaseOf("R1", "4.00"))
	s.Expect(again, 200, "succeeded")
	if again.Body["repeated"] != true {
		t.Errorf("%s", again.Text)
	}
	if other := release(s, releaseOf("R1", "5.00")); other.Status != 409 || other.Pointers() != "/amount" {
		t.Errorf("%d %s", other.Status, other.Text)
	}
	s.Expect(release(s, releaseOf("R2", "6.00")), 200, "succeeded") // the rest
	s.Alipay.Advance(26 * time.Hour)
	for _, n := range s.Alipay.Notices() {
		if !n.Acknowledged || n.Method != gateway.MethodUnfreeze {
			t.Errorf("%+v", n)
		}
	}
	s.ExpectTold("refund_succeeded refund_succeeded")
	s.ExpectMoved("R1=4.00 R2=6.00")
	if len(s.Other) != 0 {
		t.Errorf("OnNotification got %q", s.Other)
	}
	if list := s.List("kind=unfreeze&auth_no=A1"); strings.Count(list.Text, `"kind":"unfreeze"`) != 2 {
		t.Errorf("%s", list.Text)
	}
}

// Whatever befalls the call, the money moves once, and its success is told once.
func TestFaultsOfAnUnfreeze(t *testing.T) {
	noQuery := alipaytest.Fault{Kind: alipaytest.HTTP500, Method: gateway.MethodAuthQuery}
	for _, c := range []struct {
		faults []alipaytest.Fault
		status int
		source store.Source
	}{
		{[]alipaytest.Fault{{Kind: alipaytest.LooseTypes}}, 200, store.ByAnswer},
		{[]alipaytest.Fault{{Kind: alipaytest.LostAnswer}}, 200, store.ByQuery},
		{[]alipaytest.Fault{{Kind: alipaytest.SystemErrorAfter}}, 200, store.ByQuery},
		{[]alipaytest.Fault{{Kind: alipaytest.WrongSignature}}, 200, store.ByQuery},
		{[]alipaytest.Fault{{Kind: alipaytest.LostAnswer}, noQuery}, 202, store.ByNotice},
		{[]alipaytest.Fault{{Kind: alipaytest.NoticeTwice}}, 200, store.ByAnswer},
	} {
		t.Run(c.faults[0].Kind.String(), func(t *testing.T) {
			s := preAuthShop(t)
			s.Alipay.Inject(c.faults...)
			if r := release(s, releaseOf("R1", "4.00")); r.Status != c.status {
				t.Fatalf("%d %s", r.Status, r.Text)
			}
			s.Alipay.Advance(26 * time.Hour)
			s.ExpectTold("refund_succeeded")
			s.ExpectMoved("R1=4.00")
			if source := s.Last().Source; source != c.source {
				t.Errorf("proved by %s, want %s", source, c.source)
			}
		})
	}
}

// A request that never arrived is sent again, the same, after a signed not-found.
// One for a pre-authorisation that Alipay does not know fails.
func TestUnfreezeThatNeverArrived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := preAuthShop(t)
		s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.LostRequest})
		s.Expect(release(s, releaseOf("R1", "4.00")), 202, "pending")
		time.Sleep(15 * time.Second)
		s.Expect(release(s, releaseOf("R1", "4.00")), 200, "succeeded")
		s.ExpectMoved("R1=4.00")

		body := strings.Replace(releaseOf("R2", "1.00"), "A1", "A9", 1)
		s.Expect(release(s, body), 422, "failed")
		s.ExpectTold("refund_succeeded refund_failed")
	})
}

// The query may tell of another operation of the pre-authorisation.
func TestUnfreezeIsNotProvedByAnotherOperation(t *testing.T) {
	for name, node := range map[string]string{
		"freezing":         `{"code":"10000","auth_no":"A1","out_request_no":"R1","operation_type":"FREEZE","status":"SUCCESS","amount":"4.00"}`,
		"other number":     `{"code":"10000","auth_no":"A1","out_request_no":"R2","operation_type":"UNFREEZE","status":"SUCCESS","amount":"4.00"}`,
		"other amount":     `{"code":"10000","auth_no":"A1","out_request_no":"R1","operation_type":"UNFREEZE","status":"SUCCESS","amount":"4.01"}`,
		"pre-authorised":   `{"code":"10000","auth_no":"A2","out_request_no":"R1","operation_type":"UNFREEZE","status":"SUCCESS","amount":"4.00"}`,
		"not yet released": `{"code":"10000","auth_no":"A1","out_request_no":"R1","operation_type":"UNFREEZE","status":"INIT","amount":"4.00"}`,
	} {
		t.Run(name, func(t *testing.T) {
			s := preAuthShop(t)
			s.Voice(func(method string, _ url.Values) string {
				if method == gateway.MethodUnfreeze {
					return shoptest.Lost
				}
				return node
			})
			s.Expect(release(s, releaseOf("R1", "4.00")), 202, "pending")
			s.ExpectMoved("")
		})
	}
}

// What somebody released elsewhere reaches the same hook, once.
func TestNoticeOfAnExternalUnfreeze(t *testing.T) {
	s := preAuthShop(t)
	notice := map[string]string{
		"app_id": s.Alipay.AppID(), "auth_app_id": s.Alipay.AppID(), "charset": "utf-8", "version": "1.0",
		"notify_type": "fund_auth_unfreeze", "notify_id": "n1", "auth_no": "A7", "out_order_no": "O7", "out_request_no": "R7",
		"operation_id": "op7", "operation_type": "UNFREEZE", "amount": "5.00", "status": "SUCCESS",
	}
	for _, id := range []string{"n1", "n1", "n2"} {
		notice["notify_id"] = id
		if r := s.Notice(s.Alipay.SignedNotice(notice)); r.Text != "success" {
			t.Fatalf("%d %s", r.Status, r.Text)
		}
	}
	s.ExpectTold("refund_succeeded")
	if r := s.Last(); r.Kind != store.Unfreeze || r.Origin != store.FromNotice || r.OutRequestNo != "R7" || r.Amount != 5_00 || r.AuthNo != "A7" {
		t.Errorf("%+v", r)
	}
	// A freezing, and a release that is not through, are none.
	for _, change := range []map[string]string{
		{"notify_type": "fund_auth_freeze", "operation_type": "FREEZE", "notify_id": "n3", "out_request_no": "R8", "operation_id": "op8"},
		{"status": "INIT", "notify_id": "n4", "out_request_no": "R9", "operation_id": "op9"},
	} {
		other := maps.Clone(notice)
		maps.Copy(other, change)
		if r := s.Notice(s.Alipay.SignedNotice(other)); r.Text != "success" {
			t.Errorf("%d %s", r.Status, r.Text)
		}
	}
	s.ExpectTold("refund_succeeded")
	if got := strings.Join(s.Other, " "); got != "other unfreeze" {
		t.Errorf("OnNotification got %q", got)
	}
}

func TestBadUnfreeze(t *testing.T) {
	s := preAuthShop(t)
	for body, want := range map[string]string{
		`{}`:                                    "/auth_no /out_request_no /amount /remark",
		releaseOf("R1", "0"):                    "/amount",
		releaseOf(strings.Repeat("1", 65), "1"): "/out_request_no",
		`{"auth_no":"A1","out_request_no":"R1","amount":"1.00","remark":"r","extra_param":"no"}`:                    "/extra_param",
		`{"auth_no":"A1","out_request_no":"R1","amount":"1.00","remark":"r","notify_url":"https://evil.example/n"}`: "/notify_url",
		`{"auth_no":"A1","out_request_no":"R1","amount":"1.00","remark":"r","out_trade_no":"T"}`:                    "/out_trade_no",
	} {
		if r := release(s, body); r.Status/100 != 4 || r.Pointers() != want {
			t.Errorf("%s: %d %s", body, r.Status, r.Text)
		}
	}
	s.ExpectMoved("")
}
