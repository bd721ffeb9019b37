package applications_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/gateway"
	"github.com/alirefund/alirefund/internal/shoptest"
	"github.com/alirefund/alirefund/signer"
	"github.com/alirefund/alirefund/store"
)

// Whatever is made of a notification of one application, signed by the key that verifies
// the other's too: it settles nothing of the other's, which has a refund of the same order
// under the same number, and waits for its own.
func TestNoticeOfAnotherApplication(t *testing.T) {
	m := open(t)
	m.trade(one)
	m.expect(m.refund(one, shoptest.Partly), 200, "succeeded")
	m.heard("1 succeeded R1")
	waiting := m.unresolved(two)
	genuine := m.form(one)
	swapped := strings.Replace(genuine, "app_id="+one, "app_id="+two, 1)
	if !strings.Contains(swapped, "&app_id="+two) && !strings.HasPrefix(swapped, "app_id="+two) {
		swapped = strings.ReplaceAll(genuine, "app_id="+one, "app_id="+two)
	}
	without := strings.Replace(strings.ReplaceAll(genuine, "auth_app_id="+one+"&", ""), "app_id="+one+"&", "", 1)
	for name, test := range map[string]struct {
		path, form string
		status     int
		code       string
	}{
		"at the other's address":              {"/alipay/notify/" + two, genuine, 403, "notification_not_ours"},
		"at the other's gateway":              {"/alipay/gateway/" + two, genuine, 403, "notification_not_ours"},
		"its app_id swapped":                  {"/alipay/notify", swapped, 403, "notification_forged"},
		"its app_id swapped, at that address": {"/alipay/notify/" + two, swapped, 403, "notification_forged"},
		"its app_id swapped, at its own":      {"/alipay/notify/" + one, swapped, 403, "notification_not_ours"},
		"its app_id given twice":              {"/alipay/notify", genuine + "&app_id=" + two, 400, "notification_refused"},
		"its app_id taken out":                {"/alipay/notify/" + two, without, 403, "notification_forged"},
		"taken out, at everybody's address":   {"/alipay/notify", without, 403, "notification_not_ours"},
		"an app_id in the query":              {"/alipay/notify/" + two + "?app_id=" + two, genuine, 403, "notification_not_ours"},
		"signed without an app_id":            {"/alipay/notify/" + two, m.form(one, "app_id", ""), 403, "notification_not_ours"},
		"signed, hidden in another field":     {"/alipay/notify", m.form(one, "aa", "1&app_id="+two, "app_id", ""), 403, "notification_not_ours"},
		"an app_id that nobody has":           {"/alipay/notify", m.form(one, "app_id", "2021000000009999"), 403, "notification_not_ours"},
		"at an address that nobody has":       {"/alipay/notify/2021000000009999", m.form(one, "app_id", ""), 403, "notification_not_ours"},
		"an app_id that is none":              {"/alipay/notify", m.form(one, "app_id", "../"+two), 403, "notification_not_ours"},
	} {
		m.expect(m.notice(test.path, test.form), test.status, test.code)
		if r := m.stored(waiting); r.State != store.Pending {
			t.Fatalf("%s: the other's refund %s", name, r.State)
		}
		m.heard()
	}
	m.expect(m.notice("/alipay/notify", genuine), 200, "success")
	m.heard()
	m.expect(m.notice("/alipay/notify/"+two, m.form(two)), 200, "success")
	m.heard("2 succeeded R1")
	if n := m.module.RefusedNotifications(); n != 14 {
		t.Errorf("%d are counted as refused", n)
	}
}

// One notify_id in two applications is two notifications.
func TestOneNotifyIDInTwoApplications(t *testing.T) {
	m := open(t)
	m.unresolved(one)
	m.unresolved(two)
	m.expect(m.notice("/alipay/notify", m.form(one, "notify_id", "same")), 200, "success")
	m.expect(m.notice("/alipay/notify", m.form(two, "notify_id", "same")), 200, "success")
	m.heard("1 succeeded R1", "2 succeeded R1")
}

// A red packet's notification may name no application. At the address of one it is a hint:
// that one's refund succeeds only if Alipay says so.
func TestNoticeWithoutAnApplication(t *testing.T) {
	m := open(t)
	packets := map[string]alipaytest.RedPacket{}
	for _, id := range []string{one, two} {
		packets[id] = m.alipay[id].AddRedPacket(alipaytest.RedPacket{Amount: 1_00, OutOrderNo: "P"})
	}
	back := func(id string) shoptest.Reply {
		return m.do(http.MethodPost, "/alipay/"+id+"/coupon-refunds",
			`{"auth_no":"`+packets[id].AuthNo+`","out_request_no":"C","amount":"0.10","remark":"back","out_order_no":"P"}`)
	}
	m.expect(back(one), 200, "succeeded")
	m.alipay[two].Inject(alipaytest.Fault{Kind: alipaytest.LostRequest, Method: gateway.MethodCouponRefund})
	waiting := m.expect(back(two), 202, "pending")
	m.heard("1 succeeded C")

	unnamed := []string{"app_id", "", "auth_app_id", ""}
	for name, form := range map[string]string{
		"as it came":        m.form(one, unnamed...),
		"without its order": m.form(one, append(unnamed, "auth_no", "", "operation_id", "", "notify_id", "another")...),
	} {
		if r := m.notice("/alipay/notify/"+two, form); r.Status == 200 && strings.Contains(name, "without") {
			t.Errorf("%s: %d %s", name, r.Status, r.Text)
		}
		if r := m.stored(waiting); r.State != store.Pending {
			t.Fatalf("%s: the other's refund %s", name, r.State)
		}
	}
	if list := m.do(http.MethodGet, "/alipay/"+two+"/refunds?state=succeeded", ""); !strings.Contains(list.Text, `"refunds":[]`) {
		t.Errorf("it is recorded: %s", list.Text)
	}
	m.heard("2 coupon_refund")
	m.expect(m.notice("/alipay/notify", m.form(one, unnamed...)), 403, "notification_not_ours")

	// Of a refund that is real, the hint is enough.
	m.alipay[two].Inject(alipaytest.Fault{Kind: alipaytest.LostAnswer, Method: gateway.MethodCouponRefund}, alipaytest.Fault{Kind: alipaytest.LostAnswer, Method: gateway.MethodCouponQuery})
	r := m.do(http.MethodPost, "/alipay/"+two+"/coupon-refunds",
		`{"auth_no":"`+packets[two].AuthNo+`","out_request_no":"D","amount":"0.10","remark":"back","out_order_no":"P"}`)
	m.expect(r, 202, "pending")
	m.expect(m.notice("/alipay/notify/"+two, m.form(two, unnamed...)), 200, "success")
	m.heard("2 succeeded D")
}

// The middleware of the payments' notify_url serves all applications, too.
func TestNotificationsOfAll(t *testing.T) {
	m := open(t)
	for _, id := range []string{one, two} {
		m.unresolved(id)
		m.expect(m.notice("/paid", m.form(id)), 200, "success")
		m.expect(m.notice("/paid", m.form(id, "gmt_refund", "", "refund_fee", "", "out_biz_no", "", "notify_id", "paid")), 200, "success")
	}
	m.heard("1 succeeded R1", "2 succeeded R1", "1 paid "+shoptest.Order, "2 paid "+shoptest.Order)
	m.expect(m.notice("/paid", m.form(one, "app_id", "2021000000009999")), 403, "notification_not_ours")
}

// A key of Alipay's that was replaced at run time: what does not verify by the old one
// makes Config.Apps be asked again, and what anybody forges does not, each time.
func TestNoticeByANewKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := open(t)
		m.unresolved(one)
		right := m.apps[one].Verifier
		m.set(one, func(a *alirefund.App) { a.Verifier = shoptest.Must(signer.NewVerifier(newKey().Public())) })
		time.Sleep(61 * time.Second)
		m.expect(m.notice("/alipay/notify", m.form(one)), 403, "notification_forged") // it knows the old one now
		m.set(one, func(a *alirefund.App) { a.Verifier = right })
		time.Sleep(6 * time.Second)
		m.expect(m.notice("/alipay/notify", m.form(one)), 200, "success")
		m.heard("1 succeeded R1")

		time.Sleep(time.Minute)
		m.lookups()
		forged := strings.Replace(m.form(one, "notify_id", "other"), "refund_fee=", "refund_fee=1", 1)
		for range 100 {
			m.expect(m.notice("/alipay/notify", forged), 403, "notification_forged")
			time.Sleep(100 * time.Millisecond)
		}
		if n := m.lookups(); n > 4 {
			t.Errorf("a hundred forgeries in ten seconds cost %d lookups", n)
		}
		m.breaks(shoptest.ErrHost)
		for range 100 {
			m.expect(m.notice("/alipay/notify", forged), 403, "notification_forged")
			time.Sleep(100 * time.Millisecond)
		}
		if n := m.lookups(); n > 4 {
			t.Errorf("while Config.Apps fails they cost %d lookups", n)
		}
	})
}

// Nobody makes the host look up what he makes up.
func TestStrangers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := open(t)
		m.trade(one)
		m.expect(m.refund(one, shoptest.Partly), 200, "succeeded")
		m.lookups()
		for n := range 500 {
			r := m.notice("/alipay/notify", fmt.Sprintf("app_id=2021%012d&sign=x&sign_type=RSA2", n))
			if r.Status != 403 && r.Status != 503 {
				t.Fatalf("%d %s", r.Status, r.Text)
			}
			if r := m.notice(fmt.Sprintf("/alipay/notify/2021%012d", n), "sign=x&sign_type=RSA2"); r.Status != 403 && r.Status != 503 {
				t.Fatalf("%d %s", r.Status, r.Text)
			}
		}
		if n := m.lookups(); n != 20 {
			t.Errorf("a thousand in a second cost %d lookups", n)
		}
		time.Sleep(2 * time.Second)
		for range 100 {
			m.expect(m.notice("/alipay/notify", "app_id=2021000000009999&sign=x&sign_type=RSA2"), 403, "notification_not_ours")
			m.expect(m.refund("2021000000009999", shoptest.Partly), 404, "unknown_app")
			m.expect(m.refund("no-app_id", shoptest.Partly), 404, "unknown_app")
			m.expect(m.notice("/alipay/notify/"+strings.Repeat("2", 33), "sign=x&sign_type=RSA2"), 403, "notification_not_ours")
		}
		if n := m.lookups(); n != 1 {
			t.Errorf("one that is unknown costs %d lookups", n)
		}
		m.expect(m.notice("/alipay/notify", m.form(one)), 200, "success") // who is known is not held up
	})
}
