package limit

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"golang.org/x/time/rate"

	"github.com/alirefund/alirefund"
)

const (
	// patience is how long a notification waits for its turn in the lane.
	patience = 2 * time.Second
	// keepGenuine is how long an address is known by a genuine notification.
	keepGenuine = 7 * 24 * time.Hour
	// mostGenuine is how many such addresses are known. Alipay has some dozens.
	mostGenuine = 1 << 10
)

// NoticesConfig says how much the notifications that do not verify may cost.
type NoticesConfig struct {
	// Tokens is how many of them one client address may send before it has to share the
	// lane, and how many of its notifications are under way at once; default 20.
	Tokens int
	// Per is how long it takes until all of the tokens are back; default 10 minutes.
	Per time.Duration
	// Lane is how many notifications a second are looked at of all the addresses
	// together that have no token left; default 100.
	Lane int
}

// Notices is a middleware for notify routes. Make it with [NewNotices]. It is safe for
// concurrent use, and may serve several routes and modules.
//
// A notification that verifies costs nothing. Any other takes a token of its client
// address (of IPv6: of its /64). Whoever has no token left shares a lane with all others
// who have none: so many notifications a second are looked at, whoever they are of. Those
// beyond are answered 429 with Retry-After before their body is read.
//
// Forgeries do not lock Alipay out, which repeats a notification for 25 hours. The address
// alone decides nothing, for an attacker may share Alipay's, behind a proxy that is not
// among gin's trusted ones, or claim it, where gin trusts all of them:
//
//   - An address that a genuine notification came from in the last seven days is never
//     refused. An attacker who has the same address gains what he had without limits.
//   - To every other, the lane is open: it refuses only while more than Lane forgeries a
//     second come, and then as chance has it. One notification that gets through, of
//     whichever refund, opens the address to all that follow, the repeated ones among them.
//
// The client address is gin's [gin.Context.ClientIP]: set
// [gin.Engine.SetTrustedProxies], without which gin believes everybody's
// X-Forwarded-For. There the tokens are no obstacle, and the lane alone is one, once the
// table of addresses is full.
type Notices struct {
	tokens int
	refill rate.Limit

	mu        sync.Mutex
	addresses *table // of *address
	genuine   *table
	lane      *rate.Limiter
	counts    NoticeCounts
}

// NoticeCounts is what became of notifications since [NewNotices].
type NoticeCounts struct {
	Genuine uint64 // verified, and this application's
	Refused uint64 // looked at, and not genuine: forged, damaged, not ours, not read to its end
	Waited  uint64 // of both, those that went through the lane
	Limited uint64 // answered 429, and not looked at
	// Addresses is how many client addresses are remembered, at most 17408.
	Addresses int
}

// address is a client that has sent something.
type address struct {
	tokens   *rate.Limiter
	underWay int // each of which may cost a token yet
}

// NewNotices fails if a setting is negative.
func NewNotices(config NoticesConfig) (*Notices, error) {
	if err := errors.Join(
		negative("NoticesConfig.Tokens", config.Tokens),
		negative("NoticesConfig.Per", config.Per),
		negative("NoticesConfig.Lane", config.Lane),
	); err != nil {
		return nil, err
	}
	tokens, per, lane := or(config.Tokens, 20), or(config.Per, 10*time.Minute), or(config.Lane, 100)
	return &Notices{
		tokens: tokens, refill: rate.Limit(float64(tokens) / per.Seconds()),
		addresses: newTable(most, max(per, time.Minute)), // later, all tokens are back
		genuine:   newTable(mostGenuine, keepGenuine),
		lane:      rate.NewLimiter(rate.Limit(lane), lane),
	}, nil
}

func or[T comparable](value, usual T) T {
	var zero T
	if value == zero {
		return usual
	}
	return value
}

// Handle is the middleware. It stands directly before the routes of MountNotify, or
// before Notifications, and before nothing else: whatever is no genuine notification
// takes a token.
func (n *Notices) Handle(c *gin.Context) {
	key := addressKey(c.ClientIP())
	from, wait := n.enter(key, time.Now())
	if wait > patience || !waited(c.Request.Context(), wait) {
		n.refuse(c, wait)
		return
	}
	defer func() { // even if the host's handler panics
		_, genuine := alirefund.NotificationFrom(c)
		n.leave(key, from, genuine, time.Now())
	}()
	c.Next()
}

// enter returns the address whose token a notification may cost, or nil if it costs
// none, and how long it has to wait: longer than patience, if it is not looked at.
func (n *Notices) enter(key string, now time.Time) (from *address, wait time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.genuine.has(key) {
		return nil, 0
	}
	if from = n.address(key, now); from != nil && from.tokens.TokensAt(now) >= float64(from.underWay+1) {
		from.underWay++
		return from, 0
	}
	turn := n.lane.ReserveN(now, 1)
	if wait = turn.DelayFrom(now); wait > patience {
		turn.CancelAt(now)
		n.counts.Limited++
		return nil, wait
	}
	n.counts.Waited++
	return nil, wait
}

// address returns what is remembered of an address, or nil if there is no room for it.
func (n *Notices) address(key string, now time.Time) *address {
	value, _ := n.addresses.get(key)
	from, known := value.(*address)
	if !known {
		from = &address{tokens: rate.NewLimiter(n.refill, n.tokens)}
	}
	if !n.addresses.set(key, from, now) {
		return nil
	}
	return from
}

// leave takes note of what a notification proved to be.
func (n *Notices) leave(key string, from *address, genuine bool, now time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if from != nil {
		from.underWay--
	}
	if genuine {
		n.counts.Genuine++
		n.genuine.set(key, nil, now)
		return
	}
	n.counts.Refused++
	if from != nil {
		from.tokens.AllowN(now, 1)
	}
}

// waited waits, unless the client leaves.
func waited(ctx context.Context, wait time.Duration) bool {
	if wait == 0 {
		return true
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// refuse answers without reading the body. The connection ends with it, since what is
// left of the body would otherwise be read, for as long as the client likes.
func (n *Notices) refuse(c *gin.Context, wait time.Duration) {
	_ = http.NewResponseController(c.Writer).SetReadDeadline(time.Now())
	c.Header("Connection", "close")
	c.Header("Retry-After", seconds(wait))
	c.AbortWithStatus(http.StatusTooManyRequests)
}

// seconds is a Retry-After.
func seconds(wait time.Duration) string {
	return strconv.FormatInt(int64((wait+time.Second-1)/time.Second), 10)
}

// Counts returns what became of notifications, for a metric.
func (n *Notices) Counts() NoticeCounts {
	n.mu.Lock()
	defer n.mu.Unlock()
	counts := n.counts
	counts.Addresses = n.addresses.items.ItemCount() + n.genuine.items.ItemCount()
	return counts
}
