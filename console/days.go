package console

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/alirefund/alirefund/money"
	"github.com/alirefund/alirefund/store"
)

// How many days the page shows, and what else it may.
var dayRanges = []int{14, 30}

// countTime is how long one request may count. What is left is counted by the next: the
// page loads itself again until all is.
const countTime = 40 * time.Millisecond

// speeds are the lengths of time by which refunds are told apart: those that were settled
// within them.
var speeds = [...]time.Duration{10 * time.Second, time.Minute, 10 * time.Minute, time.Hour, 1<<63 - 1}

// dayBooks are what was counted, by application and day. A day that has been counted costs
// nothing more than a look at what was still unresolved of it.
type dayBooks struct {
	mu   sync.Mutex
	days map[string]*day
}

// get returns the day's book, and lets go of those that are too old to be shown.
func (b *dayBooks) get(app string, from, until time.Time) *day {
	key := app + " " + from.Format(dayForm)
	if b.days == nil {
		b.days = map[string]*day{}
	}
	if b.days[key] == nil {
		for name, d := range b.days {
			if d.From.Before(from.AddDate(0, 0, -2*dayRanges[len(dayRanges)-1])) {
				delete(b.days, name)
			}
		}
		b.days[key] = &day{From: from, until: until, pending: map[string]bool{}}
	}
	return b.days[key]
}

// day is what is known of the refunds that were recorded on one.
type day struct {
	From, until time.Time
	after       store.Cursor    // how far it is counted
	over        bool            // to its end
	counted     time.Time       // when all was that could be
	pending     map[string]bool // those that were unresolved, or awaited approval
	looked      time.Time       // when a look at them began last
	unlooked    []string        // those of them that it has not come to yet

	Succeeded, Failed int
	Amount            money.Amount // that went back
	Speeds            [len(speeds)]int
}

const (
	// lookAgain is how long what was counted is good.
	lookAgain = 10 * time.Second
	// settling is how young refunds are that are not counted yet: a transaction that
	// began earlier may still end, and they are counted in order.
	settling = 10 * time.Second
	// countBatch is how many refunds are read at once.
	countBatch = 100
)

// count goes on counting until the time is up, and tells whether it came to the end.
func (d *day) count(ctx context.Context, e Engine, until time.Time) (bool, error) {
	if time.Since(d.counted) < lookAgain { // so that today does not keep the other days from their turn
		return true, nil
	}
	if now := time.Now(); len(d.unlooked) == 0 && now.Sub(d.looked) >= lookAgain {
		d.unlooked, d.looked = slices.Collect(maps.Keys(d.pending)), now
	}
	for n := len(d.unlooked); n > 0; n = len(d.unlooked) {
		id := d.unlooked[n-1]
		r, err := e.Recorded(ctx, id)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return false, err
		}
		delete(d.pending, id)
		if err == nil {
			d.add(r)
		}
		d.unlooked = d.unlooked[:n-1]
		if time.Now().After(until) {
			return false, nil
		}
	}
	end := time.Now().Add(-settling)
	if d.until.Before(end) {
		end = d.until
	}
	for !d.over && d.From.Before(end) {
		rows, err := e.List(ctx, store.Filter{From: d.From, Until: end, After: d.after, Limit: countBatch})
		if err != nil {
			return false, err
		}
		for _, r := range rows {
			d.add(r)
			d.after = r.Cursor()
		}
		if len(rows) < countBatch {
			d.over = end.Equal(d.until)
			break
		}
		if time.Now().After(until) {
			return false, nil
		}
	}
	d.counted = time.Now()
	return true, nil
}

func (d *day) add(r store.Refund) {
	switch r.State {
	case store.Succeeded:
		d.Succeeded++
		d.Amount += r.Amount
	case store.Failed:
		d.Failed++
	case store.Pending, store.AwaitingApproval:
		d.pending[r.ID] = true
		return
	}
	for n, most := range speeds {
		if r.SettledAt.Sub(r.CreatedAt) <= most {
			d.Speeds[n]++
			return
		}
	}
}

// Unresolved is how many are.
func (d *day) Unresolved() int { return len(d.pending) }

// All is how many there are.
func (d *day) All() int { return d.Succeeded + d.Failed + len(d.pending) }

// daysBody is the page about days.
type daysBody struct {
	Ranges []tab
	Days   []shownDay
	Most   int // refunds on one day
	Left   int // days that are not counted to the end
	Legend []string

	First, Last string // the days at the ends
	Width       int    // of a chart: ten for each day
}

// shownDay is a day with its columns, the heights of which are of a hundred.
type shownDay struct {
	*day
	Name     string
	X        int
	Refunds  []column // failed, unresolved, succeeded
	Speed    []column
	Counted  bool
	AmountOf string
	Typical  string // within which time half of them were settled
}

// column is a piece of one.
type column struct {
	Class     string
	Y, Height float64
}

// stack puts pieces upon each other; all is how much a hundred is.
func stack(all int, class []string, sizes ...int) (columns []column) {
	y := 100.0
	for n, size := range sizes {
		if size == 0 {
			continue
		}
		height := 100 * float64(size) / float64(all)
		y -= height
		columns = append(columns, column{class[n], y, height})
	}
	return columns
}

var (
	stateClasses = []string{"succeeded", "pending", "failed"}
	speedClasses = []string{"s0", "s1", "s2", "s3", "s4"}
)

// getDays shows the refunds of each day, and how long it took to settle them.
func (s *console) getDays(c *gin.Context) {
	p, ok := s.page(c, "days")
	if !ok {
		return
	}
	length, b := dayRanges[0], daysBody{}
	for _, n := range dayRanges {
		if c.Query("days") == strconv.Itoa(n) {
			length = n
		}
	}
	for _, n := range dayRanges {
		b.Ranges = append(b.Ranges, tab{p.Link("days?days=" + strconv.Itoa(n)), strconv.Itoa(n), n == length})
	}
	now := time.Now().In(s.zone)
	today := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, s.zone)
	until := time.Now().Add(countTime)
	s.days.mu.Lock()
	defer s.days.mu.Unlock()
	for n := range length { // today first
		from := today.AddDate(0, 0, -n)
		d := s.days.get(p.App, from, from.AddDate(0, 0, 1))
		counted := false
		if time.Now().Before(until) {
			var err error
			if counted, err = d.count(c.Request.Context(), p.engine, until); err != nil {
				s.failFor(c, p, err)
				return
			}
		}
		if !counted {
			b.Left++
		}
		b.Most = max(b.Most, d.All())
		b.Days = append(b.Days, shownDay{day: d, Name: from.Format(dayForm), X: 10 * (length - 1 - n), Counted: counted})
	}
	for n := range b.Days {
		b.Days[n].draw(p, b.Most)
	}
	for n := range speeds {
		b.Legend = append(b.Legend, p.within(n))
	}
	b.First, b.Last, b.Width = b.Days[length-1].Name, b.Days[0].Name, 10*length
	if b.Left > 0 {
		c.Header("Refresh", "1")
	}
	p.Title, p.Body = p.T("days"), b
	s.render(c, p, http.StatusOK, "days")
}

// draw makes the day's columns.
func (d *shownDay) draw(p *page, most int) {
	d.AmountOf = "¥" + d.Amount.String()
	d.Refunds = stack(most, stateClasses, d.Succeeded, d.Unresolved(), d.Failed)
	settled := d.Succeeded + d.Failed
	d.Speed = stack(settled, speedClasses, d.Speeds[:]...)
	for n, sum := 0, 0; n < len(speeds) && settled > 0; n++ {
		if sum += d.Speeds[n]; 2*sum >= settled {
			d.Typical = p.within(n)
			return
		}
	}
}

// within says a length of time of speeds.
func (p *page) within(n int) string {
	if n == len(speeds)-1 {
		return p.T("longer")
	}
	return "≤ " + ago(speeds[n], p.Zh)
}
