package limit_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/alipaytest"
	"github.com/alirefund/alirefund/contrib/limit"
	"github.com/alirefund/alirefund/engine"
	"github.com/alirefund/alirefund/internal/shoptest"
	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/store"
)

// newLimited returns a shop with an order of 10000 yuan, whose caller names himself in
// X-Actor.
func newLimited(t *testing.T, config limit.RefundsConfig, change ...func(*alirefund.Config)) *shoptest.Shop {
	t.Helper()
	refunds, err := limit.NewRefunds(config)
	if err != nil {
		t.Fatal(err)
	}
	s := shoptest.NewShop(t, append([]func(*alirefund.Config){func(c *alirefund.Config) { c.BeforeRefund = refunds.BeforeRefund }}, change...)...)
	s.Alipay.AddTrade(alipaytest.Trade{OutTradeNo: shoptest.Order, Total: 10_000_00, NotifyURL: shoptest.NotifyURL})
	s.Router = gin.New()
	s.Module.MountRefunds(s.Router.Group("/alipay"), func(c *gin.Context) { alirefund.SetActor(c, c.GetHeader("X-Actor")) })
	return s
}

func refund(s *shoptest.Shop, actor, number, amount string, header ...string) shoptest.Reply {
	s.T.Helper()
	time.Sleep(3 * time.Second) // which Alipay wants between two refunds of one order
	return s.Do("POST", "/alipay/refunds", shoptest.Numbered(number, amount), append(header, "X-Actor", actor)...)
}

func expectWait(t *testing.T, r shoptest.Reply, seconds, detail string) {
	t.Helper()
	if r.Status != 429 || r.Str("code") != "too_many_refunds" || r.Header.Get("Retry-After") != seconds || r.Str("detail") != detail {
		t.Errorf("%d, Retry-After %s: %s", r.Status, r.Header.Get("Retry-After"), r.Text)
	}
}

// Each actor has a budget, and the caller is told when to come again.
func TestActorsBudget(t *testing.T) { synctest.Test(t, actorsBudget) }

func actorsBudget(t *testing.T) {
	s := newLimited(t, limit.RefundsConfig{Actor: limit.Budget{Refunds: 2, Per: time.Hour}})
	s.Expect(refund(s, "li", "R1", "1.00"), 200, "succeeded")
	s.Expect(refund(s, "li", "R2", "1.00"), 200, "succeeded")
	expectWait(t, refund(s, "li", "R3", "1.00"), "1794", "refunds of this actor are limited to 2 within 1h0m0s; repeat the request after 1794 s")
	expectWait(t, refund(s, "li", "R3", "1.00", "Accept-Language", "zh-CN"), "1791", "该操作人在 1 小时内最多退款 2 笔，请在 1791 秒后以原请求重试")
	s.Expect(refund(s, "wang", "R4", "1.00"), 200, "succeeded")
	s.Expect(refund(s, "li", "R2", "1.00"), 200, "succeeded") // which is known
	if rows, err := s.Module.List(t.Context(), store.Filter{}); len(rows) != 3 || err != nil {
		t.Errorf("%d are recorded, %v; want three", len(rows), err)
	}
	time.Sleep(30*time.Minute - 5*3*time.Second)
	s.Expect(refund(s, "li", "R3", "1.00"), 200, "succeeded")
	expectWait(t, refund(s, "li", "R5", "1.00"), "1794", "refunds of this actor are limited to 2 within 1h0m0s; repeat the request after 1794 s")
	time.Sleep(1794 * time.Second) // as it was told
	s.Expect(refund(s, "li", "R5", "1.00"), 200, "succeeded")
	s.ExpectMoved("R1=1.00 R2=1.00 R4=1.00 R3=1.00 R5=1.00")
}

// A budget may be one of money, by actor and by application; what one of them refuses
// is not taken from the other.
func TestAmounts(t *testing.T) { synctest.Test(t, amounts) }

func amounts(t *testing.T) {
	s := newLimited(t, limit.RefundsConfig{
		Actor: limit.Budget{Refunds: 100, Amount: 600_00, Per: time.Hour},
		App:   limit.Budget{Amount: 1000_00, Per: 24 * time.Hour},
	})
	r := refund(s, "li", "R1", "600.01", "Accept-Language", "zh")
	if r.Status != 403 || r.Str("code") != "vetoed" || r.Str("detail") != "该操作人单笔退款不得超过 600.00 元" || r.Header.Get("Retry-After") != "" {
		t.Errorf("%d %s", r.Status, r.Text)
	}
	s.Expect(refund(s, "li", "R2", "600.00"), 200, "succeeded")
	for range 5 {
		if r := refund(s, "wang", "R3", "500.00"); r.Status != 429 || !strings.HasPrefix(r.Str("detail"), "refunds of this application are limited to 1000.00 yuan within 24h0m0s") {
			t.Errorf("%d %s", r.Status, r.Text)
		}
		if r := refund(s, "li", "R4", "100.00"); r.Status != 429 || !strings.HasPrefix(r.Str("detail"), "refunds of this actor are limited to 100 and to 600.00 yuan within") {
			t.Errorf("%d %s", r.Status, r.Text)
		}
	}
	s.Expect(refund(s, "wang", "R5", "400.00"), 200, "succeeded") // all that is left of the application's
	s.ExpectMoved("R2=600.00 R5=400.00")
}

// What was let pass is not counted again: neither a request that sent nothing, nor one
// that Alipay refused, nor the number's further attempts. Another amount is.
func TestRepeatsAreCountedOnce(t *testing.T) { synctest.Test(t, repeatsAreCountedOnce) }

func repeatsAreCountedOnce(t *testing.T) {
	total := errors.New("the host's database is down")
	s := newLimited(t, limit.RefundsConfig{App: limit.Budget{Refunds: 3, Per: 24 * time.Hour}}, func(c *alirefund.Config) {
		c.OrderTotal = func(context.Context, alirefund.Order) (money.Amount, bool, error) { return 10_000_00, true, total }
	})
	for range 5 {
		if r := refund(s, "li", "R1", "1.00"); r.Str("code") != "nothing_sent" {
			t.Errorf("%d %s", r.Status, r.Text)
		}
	}
	total = nil
	for range 5 {
		s.Alipay.Inject(alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: "ACQ.SELLER_BALANCE_NOT_ENOUGH"})
		if r := refund(s, "li", "R1", "1.00"); r.Str("code") != "alipay_refused" {
			t.Errorf("%d %s", r.Status, r.Text)
		}
	}
	s.Expect(refund(s, "li", "R1", "1.00"), 200, "succeeded")

	total = errors.New("down again")
	refund(s, "li", "R2", "1.00")
	total = nil
	s.Expect(refund(s, "li", "R2", "9000.00"), 200, "succeeded") // the third
	if r := refund(s, "li", "R3", "1.00"); r.Status != 429 {
		t.Errorf("%d %s", r.Status, r.Text)
	}
}

// The host's own veto is asked first, and costs nothing.
func TestHostsVetoIsAskedFirst(t *testing.T) { synctest.Test(t, hostsVetoIsAskedFirst) }

func hostsVetoIsAskedFirst(t *testing.T) {
	veto := errors.New("four eyes")
	s := newLimited(t, limit.RefundsConfig{App: limit.Budget{Refunds: 1, Per: time.Hour}}, func(c *alirefund.Config) {
		limited := c.BeforeRefund
		c.BeforeRefund = func(ctx context.Context, r store.Refund) error {
			if veto != nil {
				return veto
			}
			return limited(ctx, r)
		}
	})
	for n := range 3 {
		if r := refund(s, "li", fmt.Sprint(n), "1.00"); r.Status != 403 || r.Str("detail") != "four eyes" {
			t.Errorf("%d %s", r.Status, r.Text)
		}
	}
	veto = nil
	s.Expect(refund(s, "li", "R1", "1.00"), 200, "succeeded")
	expectWait(t, refund(s, "li", "R2", "1.00"), "3597", "refunds of this application are limited to 1 within 1h0m0s; repeat the request after 3597 s")
}

// Many at once share a budget, and the errors are those of Go's callers, too.
func TestManyAtOnce(t *testing.T) { synctest.Test(t, manyAtOnce) }

func manyAtOnce(t *testing.T) {
	refunds := shoptest.Must(limit.NewRefunds(limit.RefundsConfig{Actor: limit.Budget{Refunds: 10, Amount: 70, Per: time.Minute}}))
	var mu sync.Mutex
	var all sync.WaitGroup
	passed := 0
	for n := range 100 {
		all.Go(func() {
			err := refunds.BeforeRefund(t.Context(), store.Refund{ID: fmt.Sprint(n), Actor: "li", Amount: 10})
			reason, _ := errors.AsType[*engine.ReasonError](err)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				passed++
			} else if reason == nil || reason.After <= 0 || reason.After > time.Minute {
				t.Errorf("%+v", err)
			}
		})
	}
	all.Wait()
	if passed != 7 { // by the amount
		t.Errorf("%d passed, want seven", passed)
	}
}

// Names without end fill no memory: those for whom there is no room share a budget.
func TestManyActorsShareABudget(t *testing.T) { synctest.Test(t, manyActorsShareABudget) }

func manyActorsShareABudget(t *testing.T) {
	refunds := shoptest.Must(limit.NewRefunds(limit.RefundsConfig{Actor: limit.Budget{Refunds: 5, Per: time.Hour}}))
	passed := 0
	for n := range 20_000 {
		if refunds.BeforeRefund(t.Context(), store.Refund{ID: fmt.Sprint(n), Actor: fmt.Sprint(n), Amount: 1}) == nil {
			passed++
		}
	}
	if passed != 1<<14+5 {
		t.Errorf("%d passed, want %d", passed, 1<<14+5)
	}
}

func TestSettings(t *testing.T) {
	for want, config := range map[string]limit.RefundsConfig{
		"RefundsConfig: neither":         {},
		"RefundsConfig.Actor.Per: a lim": {Actor: limit.Budget{Refunds: 1}},
		"RefundsConfig.App.Per: a limit": {App: limit.Budget{Amount: 1, Per: time.Millisecond}},
		"RefundsConfig.App.Refunds: -1":  {App: limit.Budget{Refunds: -1, Per: time.Hour}},
		"RefundsConfig.Actor.Amount: -0": {Actor: limit.Budget{Amount: -1, Per: time.Hour}, App: limit.Budget{Refunds: 1, Per: time.Hour}},
	} {
		if _, err := limit.NewRefunds(config); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", config, err, want)
		}
	}
	if _, err := limit.NewRefunds(limit.RefundsConfig{App: limit.Budget{Amount: math.MaxInt64, Per: time.Hour}}); math.MaxInt == math.MaxInt64 && err != nil {
		t.Error(err)
	}
	_, err := limit.NewNotices(limit.NoticesConfig{Tokens: -1, Per: -1, Lane: -1})
	for _, field := range []string{"Tokens", "Per", "Lane"} {
		if err == nil || !strings.Contains(err.Error(), "NoticesConfig."+field) {
			t.Errorf("%v does not name %s", err, field)
		}
	}
}
