package chaos_test

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
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

var (
	chaosRefunds = flag.Int("chaos.refunds", 2000, "how many refunds the chaos asks for")
	chaosSeed    = flag.Uint64("chaos.seed", 20261122, "the seed of the chaos; 0 takes a fresh one")
)

// Refunds of both kinds, partial and full, many of an order, while everything
// goes wrong at random: calls, questions, notices and hooks; processes die in the
// middle and are started again; requests are repeated, and refunds made at
// Alipay's console in between. Afterwards what really happened, the ledger and
// the host's rows agree to the fen.
func TestChaos(t *testing.T) { runChaos(t, *chaosRefunds) }

func runChaos(t *testing.T, refunds int) {
	seeds := []uint64{*chaosSeed}
	if *chaosSeed == 0 {
		seeds = []uint64{rand.Uint64()>>1 | 1}
	}
	const shops = 8 // side by side, to use every core
	for _, seed := range seeds {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			t.Parallel()
			name, _, _ := strings.Cut(t.Name(), "/seed=")
			t.Logf("go test -run '%s' ./internal/systest/chaos -chaos.seed=%d -chaos.refunds=%d", name, seed, *chaosRefunds)
			sums := make([]tally, shops)
			t.Run("shops", func(t *testing.T) {
				for i := range shops {
					t.Run(fmt.Sprint(i), func(t *testing.T) {
						t.Parallel()
						synctest.Test(t, func(t *testing.T) {
							c := newChaos(t, seed+uint64(i)*1e9, max(1, refunds/shops))
							c.live()
							c.compare()
							c.audit()
							sums[i] = c.tally
						})
					})
				}
			})
			sum := sums[0]
			for _, other := range sums[1:] {
				sum.add(other)
			}
			t.Log(sum)
			if refunds < 1000 {
				return
			}
			for kind := alipaytest.LostAnswer; kind <= alipaytest.Refusal; kind++ {
				if kind != alipaytest.Refused && sum.faults[kind] == 0 {
					t.Errorf("no call met with %v", kind)
				}
			}
			for kind := alipaytest.NoticeTwice; kind <= alipaytest.NoticeForeign; kind++ {
				if kind != alipaytest.NoticeNulls && sum.faults[kind] == 0 {
					t.Errorf("no notice met with %v", kind)
				}
			}
		})
	}
}

// The same over version 3 of the protocol.
func TestChaosOverV3(t *testing.T) { runChaos(t, *chaosRefunds/5) }

// chaos is a shop in which everything goes wrong.
type chaos struct {
	*shoptest.Shop
	memory *store.Memory
	seed   uint64
	wanted []*wanted

	mu     sync.Mutex
	dice   *rand.Rand
	calm   bool // nothing goes wrong any more
	host   *mortal
	total  map[string]money.Amount // of the orders and red packets
	rows   map[string]money.Amount // the host's: refunded, by the refund's id
	failed map[string]bool         // the host's: told that it failed
	tally  tally
}

// wanted is one refund that somebody wants.
type wanted struct {
	coupon bool
	body   string
}

// mortal is a process: when it has died nothing that it does has any effect.
type mortal struct {
	http.RoundTripper
	dead atomic.Bool
	stop func()
}

var errDead = errors.New("the process is dead")

func (p *mortal) RoundTrip(r *http.Request) (*http.Response, error) {
	if p.dead.Load() {
		return nil, errDead
	}
	answer, err := p.RoundTripper.RoundTrip(r)
	if p.dead.Load() && err == nil {
		_ = answer.Body.Close()
		return nil, errDead
	}
	return answer, err
}

func (p *mortal) call(_ context.Context, _ shoptest.Call, call func() error) error {
	if p.dead.Load() {
		return errDead
	}
	return call()
}

func newChaos(t *testing.T, seed uint64, refunds int) *chaos {
	c := &chaos{
		memory: store.NewMemory(), seed: seed, dice: rand.New(rand.NewPCG(seed, seed)),
		total: map[string]money.Amount{}, rows: map[string]money.Amount{}, failed: map[string]bool{},
		tally: tally{faults: map[alipaytest.FaultKind]int{}, states: map[store.State]int{}},
	}
	c.Shop = shoptest.NewShop(t, func(config *alirefund.Config) {
		config.OnRefundUnresolved, config.OnNotification = nil, nil
		config.OrderTotal = func(_ context.Context, o alirefund.Order) (money.Amount, bool, error) {
			return c.total[o.OutTradeNo+o.AuthNo], true, nil
		}
	})
	for len(c.wanted) < refunds {
		c.order(refunds - len(c.wanted))
	}
	c.dice.Shuffle(len(c.wanted), func(i, j int) { c.wanted[i], c.wanted[j] = c.wanted[j], c.wanted[i] })
	c.start()
	return c
}

// order adds a trade or a red packet, and up to most refunds of it.
func (c *chaos) order(most int) {
	total := money.Amount(1 + c.dice.IntN(500_00))
	n := min(1+c.dice.IntN(8), most)
	share := 2 * int(total) / n // so that they come near the total, on either side
	if c.dice.IntN(3) == 0 {
		p := c.Alipay.AddRedPacket(alipaytest.RedPacket{Amount: total, NotifyURL: shoptest.NotifyURL, ExpiresAt: time.Now().Add(20 * time.Hour)})
		c.total[p.AuthNo] = total
		for i := range n {
			amount := money.Amount(1 + c.dice.IntN(share+1))
			c.want(true, `{"auth_no":%q,"out_order_no":%q,"out_request_no":"%s-%d","amount":%q,"remark":"未领取"}`, p.AuthNo, p.OutOrderNo, p.AuthNo, i, amount)
		}
		return
	}
	trade := c.Alipay.AddTrade(alipaytest.Trade{OutTradeNo: fmt.Sprintf("T%d", len(c.total)), Total: total, NotifyURL: shoptest.NotifyURL})
	c.total[trade.OutTradeNo] = total
	if n == 1 {
		c.want(false, `{"out_trade_no":%q,"refund_amount":%q}`, trade.OutTradeNo, total)
		return
	}
	for i := range n {
		amount := money.Amount(1 + c.dice.IntN(share+1))
		c.want(false, `{"out_trade_no":%q,"out_request_no":"R%d","refund_amount":%q,"refund_reason":"质量问题"}`, trade.OutTradeNo, i, amount)
	}
}

func (c *chaos) want(coupon bool, body string, args ...any) {
	for i, arg := range args {
		if amount, ok := arg.(money.Amount); ok {
			args[i] = amount.String()
		}
	}
	c.wanted = append(c.wanted, &wanted{coupon, fmt.Sprintf(body, args...)})
}

// roll returns a number below n, by the dice.
func (c *chaos) roll(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dice.IntN(n)
}

func (c *chaos) pause(least, most time.Duration) {
	time.Sleep(least + time.Duration(c.roll(int(most-least))))
}

// start starts a process on the same store, after whatever the last one left.
func (c *chaos) start() {
	p := &mortal{RoundTripper: c.Alipay.HTTPClient().Transport}
	c.Config.Store = &shoptest.FaultStore{Store: c.memory, Around: p.call}
	c.Config.HTTPClient = &http.Client{Transport: p}
	c.Config.OnRefundSucceeded = func(_ context.Context, e alirefund.RefundSucceeded) error {
		return c.hear(p, store.RefundSucceeded, e.Refund)
	}
	c.Config.OnRefundFailed = func(_ context.Context, e alirefund.RefundFailed) error {
		return c.hear(p, store.RefundFailed, e.Refund)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Restart()
	p.stop = c.Run()
	c.host = p
}

// hear is the host's hook. What it writes stays written, even if its process dies
// before it can say so.
func (c *chaos) hear(p *mortal, event store.Event, r store.Refund) error {
	c.mu.Lock()
	fate, calm := c.dice.IntN(100), c.calm
	c.mu.Unlock()
	switch {
	case p.dead.Load():
		return errDead
	case calm:
	case fate < 15:
		return shoptest.ErrHost
	case fate < 18:
		panic("the host's bug")
	case fate < 40: // slow, in the end even longer than it may take
		defer time.Sleep(time.Duration(fate-18) * 600 * time.Millisecond)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tally.told++
	if event == store.RefundFailed {
		c.failed[r.ID] = true
		return nil
	}
	if _, twice := c.rows[r.ID]; twice {
		c.tally.twice++
	}
	c.rows[r.ID] = r.Amount
	return nil
}

// live is the time in which things go wrong, and then a day in which they do not.
func (c *chaos) live() {
	var faults []alipaytest.Fault
	for kind := alipaytest.LostAnswer; kind < alipaytest.Refusal; kind++ {
		faults = append(faults, alipaytest.Fault{Kind: kind},
			alipaytest.Fault{Kind: kind, Method: gateway.MethodRefundQuery},
			alipaytest.Fault{Kind: kind, Method: gateway.MethodCouponQuery})
	}
	for kind := alipaytest.NoticeTwice; kind <= alipaytest.NoticeForeign; kind++ {
		if kind != alipaytest.NoticeNulls { // which tells of a refund without saying of which
			faults = append(faults, alipaytest.Fault{Kind: kind})
		}
	}
	for _, sub := range []string{"ACQ.SELLER_BALANCE_NOT_ENOUGH", "ACQ.TRADE_NOT_ALLOW_REFUND", "ACQ.TRADE_HAS_CLOSE", "ACQ.SOMETHING_NEW"} {
		faults = append(faults, alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: sub, Method: gateway.MethodTradeRefund})
	}
	for _, sub := range []string{"HAS_NO_PRIVILEGE", "MONEY_NOT_ENOUGH"} {
		faults = append(faults, alipaytest.Fault{Kind: alipaytest.Refusal, SubCode: sub, Method: gateway.MethodCouponRefund})
	}
	c.Alipay.InjectRandomly(c.seed, 0.9, faults...)

	ctx, cancel := context.WithCancel(c.T.Context())
	var all, others sync.WaitGroup
	all.Go(func() { c.Alipay.Run(ctx) })
	over := make(chan struct{})
	others.Go(func() { c.restarts(over) })
	others.Go(func() { c.console(over) })
	var clients sync.WaitGroup
	for _, w := range c.wanted {
		clients.Go(func() { c.client(w) })
	}
	clients.Wait()
	close(over)
	others.Wait()

	c.Alipay.InjectRandomly(0, 0)
	c.mu.Lock()
	c.calm = true
	c.mu.Unlock()
	time.Sleep(29 * time.Hour)
	c.decide()
	time.Sleep(time.Hour)
	cancel()
	all.Wait()
	c.host.stop()
}

// restarts kills the process again and again, or stops it as one should.
func (c *chaos) restarts(over <-chan struct{}) {
	for {
		c.pause(5*time.Second, time.Minute)
		select {
		case <-over:
			return
		default:
		}
		c.tally.restarts++
		old := c.host
		if c.roll(3) > 0 {
			old.dead.Store(true)
		} else {
			old.stop()
		}
		c.start()
		if old.dead.Load() {
			old.stop()
		}
	}
}

// decide is the person who is asked for where a red packet's refund was refused
// while an earlier send of it was unanswered, and who looks at Alipay's books.
func (c *chaos) decide() {
	rows, err := c.memory.List(c.T.Context(), store.Filter{App: c.Config.App.ID, Kind: store.Coupon, State: store.Pending})
	if err != nil {
		c.T.Fatal(err)
	}
	for _, r := range rows {
		if !strings.Contains(r.Attention, "only a person") {
			continue // which compare finds
		}
		outcome := store.Failed
		if slices.ContainsFunc(c.Alipay.Movements(), func(m alipaytest.Movement) bool { return m.OutRequestNo == r.OutRequestNo }) {
			outcome = store.Succeeded
		}
		if _, err := c.Module.Resolve(c.T.Context(), r.ID, outcome, "staff", "by Alipay's books"); err != nil {
			c.T.Error(err)
		}
		c.tally.decided++
	}
}

// console refunds at Alipay's console, as people do.
func (c *chaos) console(over <-chan struct{}) {
	for {
		c.pause(time.Minute, 5*time.Minute)
		select {
		case <-over:
			return
		default:
		}
		func() {
			defer func() { _ = recover() }() // there was not that much left
			c.Alipay.RefundAtConsole(fmt.Sprintf("T%d", c.roll(len(c.total))), money.Amount(1+c.roll(500)))
		}()
	}
}

// client asks for one refund until it is answered, or loses patience.
func (c *chaos) client(w *wanted) {
	c.pause(0, 40*time.Minute)
	for range 12 {
		r := c.post(w)
		switch {
		case r.Status == http.StatusOK, r.Status == http.StatusUnprocessableEntity:
			if c.roll(4) > 0 {
				return
			}
		case r.Status == http.StatusAccepted:
			if c.roll(3) == 0 {
				return // Run and the notices will do
			}
		case r.Status != http.StatusServiceUnavailable:
			c.T.Errorf("%s: %d %s", w.body, r.Status, r.Text)
			return
		}
		c.pause(time.Second, time.Minute)
	}
}

func (c *chaos) post(w *wanted) shoptest.Reply {
	path := "/alipay/refunds"
	if w.coupon {
		path = "/alipay/coupon-refunds"
	}
	request := httptest.NewRequestWithContext(c.T.Context(), http.MethodPost, path, strings.NewReader(w.body))
	request.Header.Set("Content-Type", "application/json")
	c.mu.Lock()
	router := c.Router
	c.mu.Unlock()
	return shoptest.Serve(c.T, router, request)
}

// refundKey names what money moved for.
func refundKey(orderNo, authNo, number string) string { return orderNo + authNo + "/" + number }

// compare holds the three books against each other.
func (c *chaos) compare() {
	t := c.T
	moved, left := map[string]money.Amount{}, maps.Clone(c.total)
	for _, m := range c.Alipay.Movements() {
		key := refundKey(m.OutTradeNo, m.AuthNo, m.OutRequestNo)
		if moved[key] != 0 {
			t.Errorf("%s moved twice", key)
		}
		moved[key] = m.Amount
		left[m.OutTradeNo+m.AuthNo] -= m.Amount
		c.tally.moved += m.Amount
	}
	for order, rest := range left {
		if rest < 0 {
			t.Errorf("%s was refunded %v too much", order, -rest)
		}
	}
	known, rows := map[string]bool{}, map[string]money.Amount{}
	var f store.Filter
	for {
		f.App = c.Config.App.ID
		page, err := c.memory.List(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		f.After = page[len(page)-1].Cursor()
		for _, r := range page {
			c.compareRefund(r, moved, known, rows)
		}
	}
	for key := range moved {
		if !known[key] {
			t.Errorf("%s moved, and is not known", key)
		}
	}
	if !maps.Equal(rows, c.rows) {
		t.Errorf("the host's rows differ from the ledger: %d and %d", len(c.rows), len(rows))
		for id := range rows {
			if c.rows[id] != rows[id] {
				t.Errorf("%s: the host has %v, the ledger %v", id, c.rows[id], rows[id])
			}
		}
	}
	c.compareCalls()
}

// audit holds the bills of the chaos's days against all three books: they agree to the fen.
func (c *chaos) audit() {
	t := c.T
	china := time.FixedZone("", 8*60*60)
	time.Sleep(time.Until(time.Date(2000, 1, 4, 10, 30, 0, 0, china)))
	moved := map[string]alirefund.Sum{}
	for _, m := range c.Alipay.Movements() {
		if day := m.At.In(china).Format(time.DateOnly); m.Kind == alipaytest.TradeRefund {
			moved[day] = alirefund.Sum{Refunds: moved[day].Refunds + 1, Amount: moved[day].Amount + m.Amount}
		}
	}
	var sum money.Amount
	for _, day := range []string{"2000-01-01", "2000-01-02"} {
		a, err := c.Module.Audit(t.Context(), day)
		if err != nil {
			t.Errorf("%s: %v", day, err)
			continue
		}
		if a.Bill != moved[day] || a.Ledger != moved[day] || a.Agreed != moved[day].Refunds || len(a.Counts) > 0 || a.Pending > 0 ||
			a.Verdict != alirefund.AuditAgreed && a.Verdict != alirefund.AuditPartly {
			t.Errorf("%s: %+v; what moved is %+v", day, a, moved[day])
		}
		sum += a.Ledger.Amount
		delete(moved, day)
	}
	if len(moved) > 0 {
		t.Errorf("more moved: %v", moved)
	}
	rows, err := c.memory.List(t.Context(), store.Filter{App: c.Config.App.ID, Kind: store.Trade, State: store.Succeeded, Limit: 1e6})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if sum -= c.rows[r.ID]; c.rows[r.ID] == 0 {
			sum -= r.Amount // which the host was told without its amount
		}
	}
	if sum != 0 {
		t.Errorf("the bills and the host's rows differ by %v", sum)
	}
}

// compareRefund holds one refund of the ledger against what moved and what the host
// heard. It notes that the refund is known, and what the host's row of it must be.
func (c *chaos) compareRefund(r store.Refund, moved map[string]money.Amount, known map[string]bool, rows map[string]money.Amount) {
	t := c.T
	c.tally.states[r.State]++
	key := refundKey(r.OutTradeNo, r.AuthNo, r.OutRequestNo)
	amount, did := moved[key]
	switch {
	case known[key]:
		t.Errorf("%s is recorded twice", key)
	case did && r.State == store.Succeeded && r.Origin == store.FromNotice && r.Amount == 0:
		c.tally.unsized++ // the notice does not say how much, and the question failed
	case r.State == store.Succeeded && (!did || amount != r.Amount):
		t.Errorf("%s succeeded with %v; %v moved", key, r.Amount, amount)
	case r.State == store.Failed && did:
		t.Errorf("%s failed, and %v moved: %+v", key, amount, r.History)
	case r.State == store.Pending:
		t.Errorf("%s is pending: %+v", key, r.History)
	case len(r.Due()) > 0 || !r.Next.IsZero():
		t.Errorf("%s is not done with: %v due, next %v", key, r.Due(), r.Next)
	case r.State == store.Failed && !r.NothingSent() && !c.failed[r.ID]:
		t.Errorf("%s failed, and the host does not know", key)
	}
	known[key] = true
	if r.State != store.Succeeded {
		return
	}
	rows[r.ID] = r.Amount
	if r.Origin == store.FromNotice && c.rows[r.ID] == 0 {
		rows[r.ID] = 0 // the amount was learnt later, if at all
	}
}

// compareCalls holds the calls against the rules: one content for each number,
// and the spacing of a trade's refunds.
func (c *chaos) compareCalls() {
	content, last := map[string]string{}, map[string]time.Time{}
	for _, call := range c.Alipay.Calls() {
		c.tally.calls++
		c.tally.faults[call.Fault]++
		if call.Method != gateway.MethodTradeRefund && call.Method != gateway.MethodCouponRefund {
			continue
		}
		name := func(field string) string {
			_, rest, _ := strings.Cut(call.BizContent, `"`+field+`":"`)
			value, _, _ := strings.Cut(rest, `"`)
			return value
		}
		key := refundKey(name("out_trade_no"), name("auth_no"), name("out_request_no"))
		if was, ok := content[key]; ok && was != call.BizContent {
			c.T.Errorf("%s was sent with other content: %s, %s", key, was, call.BizContent)
		}
		content[key] = call.BizContent
		if order := name("out_trade_no"); order != "" {
			if gap := call.At.Sub(last[order]); gap < 3*time.Second {
				c.T.Errorf("two refunds of %s were sent within %v", order, gap)
			}
			last[order] = call.At
		}
	}
	for _, n := range c.Alipay.Notices() {
		c.tally.faults[n.Fault]++
		foreign := n.Fault == alipaytest.NoticeForeign && n.Params["app_id"] != c.Config.App.ID
		if n.Acknowledged == foreign {
			c.T.Errorf("notice %s (%v): acknowledged %v after %d deliveries", n.ID, n.Fault, n.Acknowledged, len(n.Deliveries))
		}
	}
}

// tally is what happened, in numbers.
type tally struct {
	calls, restarts, told, twice, unsized, decided int
	moved                                          money.Amount
	faults                                         map[alipaytest.FaultKind]int
	states                                         map[store.State]int
}

func (a *tally) add(b tally) {
	a.calls, a.restarts, a.told, a.twice = a.calls+b.calls, a.restarts+b.restarts, a.told+b.told, a.twice+b.twice
	a.unsized, a.decided, a.moved = a.unsized+b.unsized, a.decided+b.decided, a.moved+b.moved
	for kind, n := range b.faults {
		a.faults[kind] += n
	}
	for state, n := range b.states {
		a.states[state] += n
	}
}

func (a tally) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v moved; %d succeeded, %d failed; %d calls, %d restarts; %d events told, %d of them again; %d made elsewhere, of an amount that was not to be had; %d decided by a person;",
		a.moved, a.states[store.Succeeded], a.states[store.Failed], a.calls, a.restarts, a.told, a.twice, a.unsized, a.decided)
	for _, kind := range slices.Sorted(maps.Keys(a.faults)) {
		fmt.Fprintf(&b, " %d %s,", a.faults[kind], cmp.Or(kind.String(), "without a fault"))
	}
	return b.String()
}
