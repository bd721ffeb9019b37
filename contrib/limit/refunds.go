package limit

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/alirefund/alirefund"
	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/store"
)

// Budget is what may be refunded. It may be used up at once, and fills up again evenly:
// of Budget{Refunds: 20, Per: time.Hour} another refund is there every three minutes.
// Over days it allows 20 an hour, and within one hour at most twice 20: those that were
// left, and those that came in that hour.
type Budget struct {
	Refunds int           // how many; 0: any number
	Amount  money.Amount  // how much in all, in fen; 0: any amount
	Per     time.Duration // how long it takes to fill up; at least a second, if there is a limit
}

func (b Budget) unlimited() bool { return b.Refunds == 0 && b.Amount == 0 }

func (b Budget) check(field string) error {
	err := errors.Join(
		negative(field+".Refunds", b.Refunds),
		negative(field+".Amount", b.Amount),
		negative(field+".Per", b.Per),
	)
	switch {
	case err != nil || b.unlimited():
		return err
	case b.Per < time.Second:
		return fmt.Errorf("limit: %s.Per: a limit wants one of a second at least, such as time.Hour", field)
	case b.Amount > math.MaxInt:
		return fmt.Errorf("limit: %s.Amount: is more than this machine can count", field)
	}
	return nil
}

// RefundsConfig says who may refund how much. At least one budget has a limit.
type RefundsConfig struct {
	// Actor is each actor's budget, whoever the guard says asks. All who have no name
	// share one.
	Actor Budget
	// App is each application's, by its app_id.
	App Budget
}

// Refunds bounds how many refunds are asked for, and how much. Make it with
// [NewRefunds]. It is safe for concurrent use, and may serve several modules.
//
// It counts what is new: a refund that is recorded is not asked about again, and one that
// was let pass is not counted again when its request is repeated. What was let pass
// counts, also if it fails later: without an order's total left, or by Alipay's refusal.
// What one budget refuses is not taken from the other.
type Refunds struct {
	mu      sync.Mutex
	budgets [2]*purses // of actors, of applications
	passed  *table     // what was let pass and need not be counted again
}

// NewRefunds fails if a budget has a setting that is negative, or lacks Per, or if none
// has a limit.
func NewRefunds(config RefundsConfig) (*Refunds, error) {
	err := errors.Join(config.Actor.check("RefundsConfig.Actor"), config.App.check("RefundsConfig.App"))
	if err == nil && config.Actor.unlimited() && config.App.unlimited() {
		err = errors.New("limit: RefundsConfig: neither Actor nor App has a limit")
	}
	if err != nil {
		return nil, err
	}
	return &Refunds{
		budgets: [2]*purses{
			newPurses(config.Actor, alirefund.Text{En: "this actor", Zh: "该操作人"}),
			newPurses(config.App, alirefund.Text{En: "this application", Zh: "本应用"}),
		},
		passed: newTable(most, max(config.Actor.Per, config.App.Per)),
	}, nil
}

// BeforeRefund is for Config.BeforeRefund. It refuses by an [*alirefund.ReasonError],
// which the routes answer with 429 and Retry-After, or with 403 if the refund alone is
// more than the whole budget. A veto of the host's own is asked first, so that only what
// it lets pass is counted.
func (l *Refunds) BeforeRefund(_ context.Context, r store.Refund) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	// With its amount, for until it is recorded a number can be used with another.
	refund := r.ID + " " + r.Amount.String()
	if l.passed.has(refund) {
		return nil
	}
	var taken []*rate.Reservation
	for i, key := range [...]string{r.Actor, r.App} {
		more, err := l.budgets[i].take(key, r.Amount, now)
		taken = append(taken, more...)
		if err != nil {
			for _, t := range taken {
				t.CancelAt(now)
			}
			return err
		}
	}
	l.passed.set(refund, nil, now)
	return nil
}

// purses are what is left of a budget, by key. Those for whom there is no room share one.
type purses struct {
	budget Budget
	whose  alirefund.Text
	table  *table // of *purse
	others *purse
}

type purse struct{ refunds, amount *rate.Limiter }

func newPurses(b Budget, whose alirefund.Text) *purses {
	return &purses{budget: b, whose: whose, table: newTable(most, b.Per), others: newPurse(b)}
}

func newPurse(b Budget) *purse {
	limiter := func(most int) *rate.Limiter {
		if most == 0 {
			return rate.NewLimiter(rate.Inf, 0)
		}
		return rate.NewLimiter(rate.Limit(float64(most)/b.Per.Seconds()), most)
	}
	return &purse{refunds: limiter(b.Refunds), amount: limiter(int(b.Amount))}
}

// of returns the purse of a key.
func (p *purses) of(key string, now time.Time) *purse {
	value, _ := p.table.get(key)
	found, known := value.(*purse)
	if !known {
		found = newPurse(p.budget)
	}
	if !p.table.set(key, found, now) {
		return p.others
	}
	return found
}

// take takes a refund from the purse of a key, or fails. What it returns is taken even
// then, until it is cancelled.
func (p *purses) take(key string, amount money.Amount, now time.Time) (taken []*rate.Reservation, err error) {
	if p.budget.unlimited() {
		return nil, nil
	}
	if p.budget.Amount > 0 && amount > p.budget.Amount {
		return nil, &alirefund.ReasonError{Reason: alirefund.Text{
			En: p.whose.En + " may refund no more than " + p.budget.Amount.String() + " at once",
			Zh: p.whose.Zh + "单笔退款不得超过 " + p.budget.Amount.String() + " 元",
		}}
	}
	from := p.of(key, now)
	refund, sum := from.refunds.ReserveN(now, 1), from.amount.ReserveN(now, int(amount))
	taken = []*rate.Reservation{refund, sum}
	wait := max(refund.DelayFrom(now), sum.DelayFrom(now))
	if wait < time.Millisecond { // which is how exactly it counts
		return taken, nil
	}
	return taken, &alirefund.ReasonError{Reason: p.reason(wait), After: wait}
}

// reason says what is used up, and when to come again.
func (p *purses) reason(wait time.Duration) alirefund.Text {
	var en, zh []string
	if p.budget.Refunds > 0 {
		en, zh = append(en, strconv.Itoa(p.budget.Refunds)), append(zh, strconv.Itoa(p.budget.Refunds)+" 笔")
	}
	if p.budget.Amount > 0 {
		en, zh = append(en, p.budget.Amount.String()+" yuan"), append(zh, p.budget.Amount.String()+" 元")
	}
	return alirefund.Text{
		En: "refunds of " + p.whose.En + " are limited to " + strings.Join(en, " and to ") + " within " + p.budget.Per.String() + "; repeat the request after " + seconds(wait) + " s",
		Zh: p.whose.Zh + "在 " + inChinese(p.budget.Per) + "内最多退款 " + strings.Join(zh, "、") + "，请在 " + seconds(wait) + " 秒后以原请求重试",
	}
}

// inChinese names a duration, such as 1 小时 30 分钟.
func inChinese(d time.Duration) string {
	var parts []string
	for _, unit := range []struct {
		is   time.Duration
		name string
	}{{time.Hour, "小时"}, {time.Minute, "分钟"}, {time.Second, "秒"}} {
		if n := d / unit.is; n > 0 {
			parts = append(parts, strconv.FormatInt(int64(n), 10)+" "+unit.name)
			d %= unit.is
		}
	}
	return strings.Join(parts, " ")
}
